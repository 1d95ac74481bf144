"""The plan of memory: shapes and formulas against real small models, and against the figures known of large ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training_kit import ragged, small_backbone, small_config

from repo_cli.config import compose
from repo_cli.config.schema import Config
from repo_cli.errors import UserError
from repo_cli.models import shapes
from repo_cli.models.shapes import Shape, shape_of_model, shape_of_policy
from repo_cli.rollout.cache import roomy_cache
from repo_cli.training import memory_formulas as formulas
from repo_cli.training import plan_memory as memory
from repo_cli.training.engine import TrainEngine


def mid_config(**changes: Any) -> Config:
    """A model large enough that its activations are not lost among the small things."""
    cfg = small_config(**changes)
    assert cfg.policy.build is not None
    cfg.policy.build.hidden_size, cfg.policy.build.intermediate_size, cfg.policy.build.head_dim = 64, 192, 16
    cfg.lora.dropout = 0.0
    return cfg


def shape_of(backbone: Any) -> Shape:
    return shapes._measured(backbone.base.config, "the model itself")


# -- shapes ----------------------------------------------------------------------------------------------------


def test_the_shape_of_a_built_policy_is_the_real_models() -> None:
    cfg = mid_config()
    backbone = small_backbone(cfg, roles=())
    cfg.policy.build.vocab_size = backbone.vocab_size
    found = shape_of_policy(cfg.policy)
    assert found.params == sum(p.numel() for p in backbone.base.parameters())
    assert found.largest == max(p.numel() for p in backbone.base.parameters())
    assert found.vectors == sum(p.numel() for p in backbone.base.parameters() if p.dim() == 1)
    backbone.add_role("policy", 3, 6.0, targets="all-linear")
    assert found.adapter_params(3, "all-linear") == sum(p.numel() for p in backbone.trainable("policy"))
    backbone.add_role("other", 2, 4.0, targets=["q_proj", "down_proj"])
    assert found.adapter_params(2, ["q_proj", "down_proj"]) == sum(
        p.numel() for p in backbone.trainable("other")
    )


def test_the_table_gives_the_parameters_that_the_models_are_known_for() -> None:
    known = {"Qwen/Qwen3-0.6B": 596_049_920, "Qwen/Qwen3-4B": 4_022_468_096, "Qwen/Qwen3-32B": 32_762_123_264}
    for name, params in known.items():
        found = shapes.measured(shapes.table()[name], "table")
        assert (found.params, found.qk_norm, found.dtype) == (params, True, "bfloat16")


@pytest.mark.parametrize("name", ["qwen3_0_6b", "qwen3_4b", "qwen3_32b"])
def test_every_shipped_policy_has_a_shape(name: str) -> None:
    assert shape_of_policy(compose("rl", [f"policy={name}"]).policy).layers >= 28


def test_a_directory_is_read_and_another_architecture_counted(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    config.save_pretrained(tmp_path)  # config.json alone: no weights are needed to plan
    found = shape_of_model(str(tmp_path))
    assert found.params == sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
    assert (found.kv_heads, found.head_dim, found.qk_norm) == (4, 8, False)
    assert {x.name for x in found.linears} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    }  # fmt: skip


def test_a_model_that_is_not_known_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="policy.path=owner/nothing: its shape is not known here") as caught:
        shape_of_model("owner/nothing")
    assert "Qwen/Qwen3-4B" in str(caught.value)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="its config.json cannot be read"):
        shape_of_model(str(tmp_path))


# -- formulas against what a real pass holds -------------------------------------------------------------------


def saved_bytes(backbone: Any, run: Any) -> int:
    """Bytes of the output of `run` and of all that autograd keeps for it, each storage once, without the weights."""
    own = {p.untyped_storage().data_ptr() for p in backbone.parameters()}
    own |= {b.untyped_storage().data_ptr() for b in backbone.buffers()}
    kept: dict[int, torch.Tensor] = {}  # the tensors themselves: a freed storage's place would be used again

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = run()
    assert output.requires_grad
    kept[output.untyped_storage().data_ptr()] = output
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize(
    ("attn", "dtype", "autocast", "within"),
    [
        ("sdpa", torch.float32, None, 0.08),
        ("eager", torch.float32, None, 0.12),
        ("blocks", torch.float32, None, 0.12),
        ("sdpa", torch.bfloat16, None, 0.08),
        ("sdpa", torch.float32, "bfloat16", 0.12),
    ],
)
def test_activations_are_what_autograd_keeps(
    attn: str, dtype: torch.dtype, autocast: str | None, within: float
) -> None:
    cfg = mid_config(policy__attn=attn, engine__autocast=autocast)
    cfg.engine.precision = "bf16" if dtype == torch.bfloat16 else "fp32"
    backbone = small_backbone(cfg, roles=("policy",))
    for parameter in backbone.parameters():
        parameter.data = parameter.data.to(dtype)
    rows, length = 3, 96
    ids, attention = ragged(backbone, [length] * rows)
    backbone.use("policy")
    found = saved_bytes(backbone, lambda: backbone.hidden("policy", ids, attention))
    shape = shape_of(backbone)
    kept, _ = formulas.activation_moments(
        shape, memory.precision_of(cfg, shape), cfg.lora.r, rows, length, attn, 7, False
    )
    assert kept == pytest.approx(found, rel=within)


def test_with_checkpointing_only_the_layers_inputs_are_kept() -> None:
    cfg = mid_config(policy__attn="sdpa", engine__gradient_checkpointing=True)
    backbone = small_backbone(cfg, roles=("policy",))
    backbone.set_mode(training=True, dropout=False)
    ids, attention = ragged(backbone, [128] * 4)
    found = saved_bytes(backbone, lambda: backbone.hidden("policy", ids, attention))
    shape = shape_of(backbone)
    kept, most = formulas.activation_moments(
        shape, memory.precision_of(cfg, shape), cfg.lora.r, 4, 128, "sdpa", 7, True
    )
    assert kept == pytest.approx(found, rel=0.05)
    plain, _ = formulas.activation_moments(
        shape, memory.precision_of(cfg, shape), cfg.lora.r, 4, 128, "sdpa", 7, False
    )
    assert kept < 0.3 * plain and kept < most


def test_the_cache_is_what_the_sampler_allocates() -> None:
    backbone = small_backbone(mid_config(), roles=())
    cache = roomy_cache(backbone.base.config, 10, None)
    ids = torch.full((3, 20), 5)
    with torch.no_grad():
        backbone.base(input_ids=ids, past_key_values=cache, use_cache=True)
        backbone.base(input_ids=ids[:, :1], past_key_values=cache, use_cache=True)
    held = sum(t.untyped_storage().nbytes() for layer in cache.layers for t in (layer.keys, layer.values))
    assert formulas.kv_bytes(shape_of(backbone), 3, 20 + 10, 4) == held


@pytest.mark.parametrize(("zero", "precision"), [(0, "fp32"), (0, "bf16"), (2, "fp32"), (1, "bf16")])
def test_optimiser_states_are_what_the_engine_holds(zero: int, precision: str) -> None:
    cfg = mid_config(engine__zero_stage=zero, engine__precision=precision)
    backbone = small_backbone(cfg, roles=("policy",))
    engine = TrainEngine(backbone, "policy", cfg, total_steps=3)
    ids, attention = ragged(backbone, [12, 9])
    engine.step(
        [(ids, attention)],
        lambda m: (backbone.logps("policy", m[0], m[1], m[1]).sum(), {}),
        denominator=21.0,
    )
    states = sum(
        t.numel() * t.element_size()
        for state in engine.inner.state.values()
        for t in state.values()
        if torch.is_tensor(t) and t.dim() > 0
    )
    masters = 0
    if zero or precision == "bf16":
        masters = sum(p.numel() * p.element_size() for g in engine.inner.param_groups for p in g["params"])
    params = sum(p.numel() for p in backbone.trainable("policy"))
    _, planned = formulas.engine_bytes(params, zero, 1, 2 if precision == "bf16" else 4, precision == "bf16")
    engine.close()
    assert planned == pytest.approx(states + masters, rel=0.02)


# -- the plan as a whole ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paper() -> SimpleNamespace:
    cfg = compose("rl", ["+experiment=negotiation", "launch.nproc=8"])
    return SimpleNamespace(cfg=cfg, shape=shape_of_policy(cfg.policy))


def test_zero_3_shares_the_weights_only_in_updates(paper: SimpleNamespace) -> None:
    whole = 2.0 * paper.shape.params
    plain, shared = (memory.plan(paper.cfg, paper.shape, zero) for zero in (0, 3))
    assert all(parts["weights"] == whole for parts in plain.phases.values())
    assert shared.phases["update policy"]["weights"] < 0.2 * whole
    assert shared.phases["generate"]["weights"] == pytest.approx(whole * (1 + 1 / 8), rel=0.01)
    assert shared.phases["update policy"]["optimiser"] == pytest.approx(
        plain.phases["update policy"]["optimiser"] / 8
    )


def test_what_a_run_asks_for_shows(paper: SimpleNamespace) -> None:
    base = memory.plan(paper.cfg, paper.shape)
    assert base.host == paper.shape.adapted_params("all-linear") * 2
    plain = compose(
        "rl", ["+experiment=negotiation", "launch.nproc=8", "engine.gradient_checkpointing=false"]
    )
    more = memory.plan(plain, paper.shape)
    assert more.phases["update policy"]["activations"] > 5 * base.phases["update policy"]["activations"]
    alone = memory.plan(compose("rl", ["+experiment=negotiation", "launch.nproc=1"]), paper.shape)
    assert (
        alone.phases["generate"]["KV cache"] == 4 * base.phases["generate"]["KV cache"]
    )  # 64 rows in place of 16
    grpo = compose("rl", ["+experiment=negotiation", "algorithm=grpo", "rl.batch_size=128"])
    found = memory.plan(grpo, paper.shape)
    assert "update critic" not in found.phases and "values" not in found.phases
    shared = memory.plan(paper.cfg, paper.shape, judge=paper.shape)
    assert "judge" in shared.phases and "judge" not in shared.phases["judge"]
    judged = memory.plan(paper.cfg, paper.shape, judge=replace(paper.shape))
    assert judged.phases["generate"]["judge"] == 2 * paper.shape.params and "judge" in judged.phases
    short = memory.plan(paper.cfg, paper.shape, prompt=100)
    assert short.phases["generate"]["KV cache"] < 0.2 * base.phases["generate"]["KV cache"]


def test_the_other_stages_are_planned_and_eval_is_not(paper: SimpleNamespace) -> None:
    for stage in ("sft", "dpo", "train_rm"):
        found = memory.plan(compose(stage, ["+experiment=negotiation"]), paper.shape)
        assert list(found.phases) == ["update rm" if stage == "train_rm" else "update policy"]
    every_weight = ["policy.train=full", "policy.path=somewhere", "policy=custom"]
    for more, states, gradients in ((["policy.dtype=float32"], 8, 4), (["engine.precision=bf16"], 12, 6)):
        parts = memory.plan(compose("sft", every_weight + more), paper.shape).phases["update"]
        assert parts["optimiser"] == states * paper.shape.params
        assert parts["gradients"] == gradients * paper.shape.params
    with pytest.raises(UserError, match="eval cannot be planned"):
        memory.plan(replace(paper.cfg, stage="eval"), paper.shape)
