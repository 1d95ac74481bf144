"""The training engine: the right gradient whatever the split, roles that stay apart, a state that comes back exactly."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_kit import ragged, reply_mask, small_backbone, small_config

from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.training.engine import NonFiniteLoss, TrainEngine
from repo_cli.training.schedule import lr_at

LENGTHS = [14, 9, 11, 20, 8, 16, 13, 10]


def batch(backbone: Backbone) -> tuple[Any, Any, Any]:
    ids, attention = ragged(backbone, LENGTHS)
    return ids, attention, reply_mask(attention, 5)


def losses(backbone: Backbone) -> dict[str, Any]:
    """A sum loss for each role on (ids, attention, mask)."""

    def policy(micro: Any) -> tuple[Any, dict]:
        logps = backbone.logps("policy", *micro)
        return -logps.sum(), {"tokens": micro[2].sum(), "logp_min": logps.min()}

    def critic(micro: Any) -> tuple[Any, dict]:
        values = backbone.values("critic", micro[0], micro[1])
        return (((values - 1.0) * micro[2]) ** 2).sum(), {}

    def rm(micro: Any) -> tuple[Any, dict]:
        return ((backbone.score("rm", micro[0], micro[1]) - 0.5) ** 2 * micro[2].sum(1)).sum(), {}

    def full(micro: Any) -> tuple[Any, dict]:
        return -backbone.logps("full", *micro).sum(), {}

    return {"policy": policy, "critic": critic, "rm": rm, "full": full}


def cut(data: tuple[Any, ...], sizes: list[int]) -> list[tuple[Any, ...]]:
    parts = [torch.split(tensor, sizes) for tensor in data]
    return list(zip(*parts, strict=True))


def gradients(train: TrainEngine, micros: list[Any], loss: Any, denominator: float) -> list[torch.Tensor]:
    """What reaches the optimizer in one step (ZeRO 0, where the parameters hold it), before clipping bites."""
    seen: list[torch.Tensor] = []
    hook = train.inner.register_step_pre_hook(
        lambda *_: seen.extend(p.grad.clone() for p in train.parameters)
    )
    train.step(micros, loss, denominator)
    hook.remove()
    return seen


# -- the gradient ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["policy", "critic"])
def test_b10_split_into_micro_batches_changes_nothing(role: str) -> None:
    found = []
    for sizes, padding in (([8], 0), ([4, 4], 0), ([1] * 8, 0), ([3, 5], 7)):
        backbone = small_backbone(small_config(engine__grad_clip=1e6))
        train = TrainEngine(backbone, role, small_config(engine__grad_clip=1e6))
        data = tuple(torch.nn.functional.pad(x, (0, padding)) for x in batch(backbone))
        found.append(gradients(train, cut(data, sizes), losses(backbone)[role], float(data[2].sum())))
        train.close()
    assert len(found[0]) >= 28 and max(float(g.abs().max()) for g in found[0]) > 1e-3
    for other in found[1:]:
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found[0], other, strict=True))
        whole, parts = (torch.cat([g.flatten() for g in part]).double() for part in (found[0], other))
        assert float((whole - parts).norm() / whole.norm()) < 1e-5


@pytest.mark.parametrize(
    "changes", [{}, {"engine__zero_stage": 2}, {"optim__weight_decay": 0.1, "engine__grad_clip": 0.05}]
)
def test_steps_are_those_of_plain_torch(changes: dict) -> None:
    cfg = small_config(**changes)
    plain, ours = small_backbone(cfg, ("policy",)), small_backbone(cfg, ("policy",))
    data = batch(plain)
    count = float(data[2].sum())
    train = TrainEngine(ours, "policy", cfg)
    plain.use("policy")
    optimizer = torch.optim.AdamW(plain.trainable("policy"), lr=1e-2, weight_decay=cfg.optim.weight_decay)
    for _ in range(4):
        result = train.step(cut(data, [5, 3]), losses(ours)["policy"], count)
        loss = losses(plain)["policy"](data)[0] / count
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.trainable("policy"), cfg.engine.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        assert math.isclose(result["loss"], float(loss.detach()), rel_tol=1e-6)
        assert math.isclose(result["grad_norm"], float(norm), rel_tol=1e-4)
    for a, b in zip(plain.trainable("policy"), ours.trainable("policy"), strict=True):
        # Adam makes a step of an entry whose gradient is nearly 0 out of its rounding: a hundredth of the rate
        assert torch.allclose(a, b, atol=1e-4)
    train.close()


def test_bf16_without_zero_takes_a_whole_first_step() -> None:
    """DeepSpeed would start Adam's counter at 1 there, and shrink the first updates to 0.745, 0.85, 0.92."""
    cfg = small_config(engine__precision="bf16", optim__lr=1e-3)
    backbone = small_backbone(cfg, ("policy",))
    train = TrainEngine(backbone, "policy", cfg)
    masters = [p for g in train.inner.param_groups for p in g["params"]]
    before = [m.detach().clone() for m in masters]
    data = batch(backbone)
    train.step([data], losses(backbone)["policy"], float(data[2].sum()))
    moved = torch.cat([(a - b).abs().flatten() for a, b in zip(before, masters, strict=True)])
    assert all(m.dtype == torch.float32 for m in masters) and backbone.base.dtype == torch.bfloat16
    assert 0.95e-3 < float(moved.median()) < 1.05e-3  # Adam's first update is the learning rate itself
    train.close()


def test_stats_are_divided_by_the_denominator_and_extremes_kept() -> None:
    backbone = small_backbone(roles=("policy",))
    train = TrainEngine(backbone, "policy", small_config())
    data = batch(backbone)
    lowest = float(backbone.logps("policy", *data).min())
    result = train.step(cut(data, [2, 6]), losses(backbone)["policy"], float(data[2].sum()))
    assert math.isclose(result["tokens"], 1.0) and math.isclose(result["logp_min"], lowest, rel_tol=1e-5)
    assert result["lr"] == 1e-2 and train.updates == 1
    train.close()


def test_frozen_base_may_keep_bfloat16_under_float32_adapters() -> None:
    cfg = small_config(engine__zero_stage=2)
    backbone = small_backbone(cfg, ("policy",))
    for name, parameter in backbone.base.named_parameters():
        if "lora_" not in name:
            parameter.data = parameter.data.bfloat16()
    train = TrainEngine(backbone, "policy", cfg)
    data = batch(backbone)
    steps = [train.step([data], losses(backbone)["policy"], float(data[2].sum()))["loss"] for _ in range(5)]
    assert steps[-1] < steps[0] - 0.05
    assert {p.dtype for p in train.parameters} == {torch.float32} and backbone.base.dtype == torch.bfloat16
    train.close()


# -- roles, every ZeRO stage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_the_reward_model_moves_whole_and_alone(stage: int) -> None:
    """B7 for the third role: each of its adapters' halves and its head, and nothing else."""
    backbone = small_backbone(small_config(engine__zero_stage=stage))
    ids, attention, _ = batch(backbone)
    before = {name: p.detach().clone() for name, p in backbone.named_parameters()}
    train = TrainEngine(backbone, "rm", small_config(engine__zero_stage=stage))

    def ranked(pairs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        better, worse = backbone.score("rm", *pairs).chunk(2)
        centred = 0.1 * (better + worse).square()  # the head's bias is in no difference
        return (centred - torch.nn.functional.logsigmoid(better - worse)).sum(), {}

    first, last = (train.step([(ids, attention)], ranked, len(ids) / 2)["loss"] for _ in range(2))
    assert last < first
    with backbone.gathered():
        for name, parameter in backbone.named_parameters():
            assert torch.equal(parameter, before[name]) != (".rm." in name or name.startswith("heads.rm")), (
                name
            )
    train.close()


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_engines_on_one_base(stage: int, tmp_path: Path) -> None:
    """Isolation, B7 (every lora_B and head moves), merging, files and the exact state, with one pair of engines."""
    cfg = small_config(engine__zero_stage=stage)
    backbone = small_backbone(cfg)
    data = batch(backbone)
    count, loss = float(data[2].sum()), losses(backbone)
    before = {name: p.detach().clone() for name, p in backbone.named_parameters()}
    engines = {
        "policy": TrainEngine(backbone, "policy", cfg),
        "critic": TrainEngine(backbone, "critic", cfg, lr=2e-2),
    }

    def outputs() -> dict[str, torch.Tensor]:
        with backbone.gathered(), torch.no_grad():
            return {
                "policy": backbone.logps("policy", *data),
                "critic": backbone.values("critic", *data[:2]),
                "rm": backbone.score("rm", *data[:2]),
            }

    now = outputs()
    for name in ("critic", "policy", "critic", "policy"):
        engines[name].step(cut(data, [5, 3]), loss[name], count)
        then = outputs()
        assert {k for k in now if not torch.equal(now[k], then[k])} == {name}
        assert all(p.grad is None for n, p in backbone.named_parameters() if f".{name}" not in n)
        now = then

    with backbone.gathered():
        for name, parameter in backbone.named_parameters():
            moved = not torch.equal(parameter, before[name])
            assert moved == (".policy." in name or ".critic." in name or name.startswith("heads.critic")), (
                name
            )
    if stage == 3:
        assert any(p.numel() == 0 for p in backbone.base.parameters())  # the base is split again
        with torch.no_grad():  # and computes with DeepSpeed fetching the parts
            assert torch.allclose(backbone.logps("policy", *data), now["policy"], atol=1e-6)

    with backbone.merged("policy") as model, torch.no_grad():
        merged = torch.log_softmax(model(data[0][:1]).logits, -1)[:, :-1].gather(-1, data[0][:1, 1:, None])[
            ..., 0
        ]
    wanted = data[2][:1, 1:].bool()
    assert torch.allclose(merged[wanted], now["policy"][:1, 1:][wanted], atol=1e-5)
    assert all(torch.equal(value, now[name]) for name, value in outputs().items())

    backbone.save_role("critic", tmp_path / "critic")
    fresh = small_backbone(cfg, ("policy",))
    fresh.add_role("critic", init_from=tmp_path / "critic", head=True)
    # ZeRO-3 takes none of the short cuts in the layers, which round otherwise
    assert torch.allclose(
        fresh.values("critic", *data[:2]), now["critic"], atol=1e-6 if stage == 3 else 0.0, rtol=0.0
    )

    for name, train in engines.items():
        train.save(tmp_path / f"{name}-state")
    onward = [
        [train.step([data], loss[name], count)["loss"] for _ in range(2)] for name, train in engines.items()
    ]
    end = outputs()
    for name, train in engines.items():
        train.load(tmp_path / f"{name}-state")
    assert all(torch.equal(value, now[name]) for name, value in outputs().items())
    again = [
        [train.step([data], loss[name], count)["loss"] for _ in range(2)] for name, train in engines.items()
    ]
    assert again == onward and all(torch.equal(value, end[name]) for name, value in outputs().items())
    for train in reversed(engines.values()):
        train.close()


@pytest.mark.parametrize("stage", [0, 3])
def test_full_training_moves_all_of_the_base(stage: int, tmp_path: Path) -> None:
    cfg = small_config(engine__zero_stage=stage, optim__lr=1e-3)
    backbone = small_backbone(cfg, ())
    before = {name: p.detach().clone() for name, p in backbone.named_parameters()}
    train = TrainEngine(backbone, "full", cfg)
    data = batch(backbone)
    steps = [train.step([data], losses(backbone)["full"], float(data[2].sum()))["loss"] for _ in range(3)]
    assert steps[2] < steps[1] < steps[0]
    backbone.save_role("full", tmp_path / "final")
    with backbone.gathered():
        assert all(not torch.equal(p, before[name]) for name, p in backbone.named_parameters())
        want = backbone.logps("full", *data).detach()
    again = Backbone.load(small_config(policy__path=str(tmp_path / "final")), "cpu")
    assert torch.allclose(
        again.logps(None, *data), want, atol=2e-6
    )  # norms that do not train take a short cut
    train.close()


def test_state_in_bf16_comes_back(tmp_path: Path) -> None:
    for stage in (0, 1):
        cfg = small_config(engine__zero_stage=stage, engine__precision="bf16")
        backbone = small_backbone(cfg, ("policy",))
        train = TrainEngine(backbone, "policy", cfg)
        data = batch(backbone)
        step = lambda: train.step([data], losses(backbone)["policy"], float(data[2].sum()))["loss"]  # noqa: B023, E731
        step()
        train.save(tmp_path / str(stage))
        onward = [step() for _ in range(3)]
        train.load(tmp_path / str(stage))
        assert [step() for _ in range(3)] == onward
        train.close()


def test_muon_takes_the_matrices_and_its_state_comes_back(tmp_path: Path) -> None:
    """Matrices move as torch's own Muon moves them, tables and vectors as AdamW does; a saved state goes on alike."""
    cfg = small_config(policy__train="full", optim__name="muon", optim__muon_scale=3.0, engine__grad_clip=0.0)
    plain, ours = small_backbone(cfg, ()), small_backbone(cfg, ())
    data = batch(plain)
    count = float(data[2].sum())
    train = TrainEngine(ours, "full", cfg)
    plain.use("full")
    named = plain.named_trainable("full")
    matrices = [p for n, p in named.items() if p.dim() == 2 and "embed" not in n and "lm_head" not in n]
    rest = [p for p in named.values() if not any(p is m for m in matrices)]
    assert len(matrices) == 14 and rest
    own = [
        torch.optim.Muon(matrices, lr=3 * cfg.optim.lr, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=cfg.optim.lr, weight_decay=0.0),
    ]
    for _ in range(3):
        train.step([data], losses(ours)["full"], count)
        (losses(plain)["full"](data)[0] / count).backward()
        for optimizer in own:
            optimizer.step()
            optimizer.zero_grad()
    for a, b in zip(plain.trainable("full"), ours.trainable("full"), strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    train.save(tmp_path)
    step = lambda: train.step([data], losses(ours)["full"], count)["loss"]  # noqa: E731
    onward = [step() for _ in range(3)]
    train.load(tmp_path)
    assert [step() for _ in range(3)] == onward
    train.close()


def test_state_files_hold_tensors_only_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    cfg = small_config()
    backbone = small_backbone(cfg)
    train = TrainEngine(backbone, "policy", cfg)
    data = batch(backbone)
    train.step([data], losses(backbone)["policy"], float(data[2].sum()))
    train.save(tmp_path)
    shares = torch.load(tmp_path / "optimizer-rank-00000.pt", weights_only=True)
    assert (
        set(shares["0"]) == {"master", "step", "exp_avg", "exp_avg_sq"} and float(shares["0"]["step"]) == 1.0
    )
    assert json.loads((tmp_path / "engine.json").read_text())["updates"] == 1
    critic = TrainEngine(backbone, "critic", cfg)
    with pytest.raises(UserError, match="role=policy, this run has critic"):
        critic.load(tmp_path)
    split = TrainEngine(backbone, "policy", small_config(engine__zero_stage=1))
    with pytest.raises(UserError, match="zero_stage=0, this run has 1"):
        split.load(tmp_path)
    with pytest.raises(UserError, match="no engine.json"):
        train.load(tmp_path / "nothing")
    for engine in (critic, split, train):
        engine.close()


# -- what is not finite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"engine__zero_stage": 2}, {"engine__precision": "bf16", "engine__zero_stage": 1}]
)
@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_step_that_is_not_finite_updates_nothing(changes: dict, kind: str) -> None:
    cfg = small_config(**changes)
    backbone = small_backbone(cfg, ("policy",))
    train = TrainEngine(backbone, "policy", cfg)
    data = batch(backbone)

    def broken(micro: Any) -> tuple[Any, dict]:
        total = backbone.logps("policy", *micro).sum()
        return (
            total * float("inf") if kind == "loss" else torch.sqrt(total * 0.0)
        ), {}  # sqrt'(0) is infinite

    train.step([data], losses(backbone)["policy"], float(data[2].sum()))
    before = [p.detach().clone() for p in train.parameters]
    with pytest.raises(NonFiniteLoss, match="policy: the .*gradient of update 2 is not finite"):
        train.step([data], broken, 1.0)
    assert (
        all(torch.equal(a, b) for a, b in zip(before, train.parameters, strict=True)) and train.updates == 1
    )
    train.close()


def test_dropout_acts_only_where_it_is_asked_for() -> None:
    seen = {}
    for dropout in (False, True):
        backbone = small_backbone(roles=("policy",))
        train = TrainEngine(backbone, "policy", small_config(), dropout=dropout)
        data = batch(backbone)
        still = float(backbone.logps("policy", *data).sum())
        seen[dropout] = abs(train.step([data], losses(backbone)["policy"], 1.0)["loss"] + still)
        assert not backbone.training
        train.close()
    assert seen[False] < 1e-3 < seen[True]


def test_learning_rate_schedules() -> None:
    assert [lr_at(i, 1.0, "constant", 4) for i in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert [lr_at(i, 1.0, "linear", 0, 4) for i in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert math.isclose(lr_at(5, 2.0, "cosine", 0, 10), 1.0) and lr_at(10, 2.0, "cosine", 0, 10) == 0.0
    with pytest.raises(ValueError, match="total_steps"):
        lr_at(0, 1.0, "linear")
    train = TrainEngine(
        small_backbone(roles=("policy",)),
        "policy",
        small_config(optim__schedule="linear"),
        total_steps=2,
        warmup_steps=0,
    )
    data = batch(train.backbone)
    rates = [train.step([data], losses(train.backbone)["policy"], 1.0)["lr"] for _ in range(3)]
    assert rates == [1e-2, 5e-3, 0.0] and train.inner.param_groups[0]["lr"] == 0.0
    train.close()


# -- two ranks ------------------------------------------------------------------------------------------------


def test_two_ranks_do_what_one_does(tmp_path: Path) -> None:
    """One pair of processes for all of it: see training_worker.py. Nothing is compiled, nothing left in HOME."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir(), out.mkdir()
    base = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "PATH")}
    base |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "HOME": str(home)}
    base |= {"OMP_NUM_THREADS": "1", "PATH": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    root = Path(__file__).resolve().parent
    base["PYTHONPATH"] = os.pathsep.join([str(root.parent), str(root)])
    command = [sys.executable, "-W", "ignore", str(root / "training_worker.py"), str(out)]
    ranks = [
        subprocess.Popen(
            command, env=base | {"RANK": str(r), "LOCAL_RANK": str(r)}, stderr=subprocess.PIPE, text=True
        )
        for r in (0, 1)
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(errors)
    assert not list(home.rglob("*")), "files were left outside the run directory"

    backbone = small_backbone(small_config(engine__grad_clip=1e6))
    data = batch(backbone)
    for role in ("policy", "critic"):
        train = TrainEngine(backbone, role, small_config(engine__grad_clip=1e6))
        want = gradients(train, [data], losses(backbone)[role], float(data[2].sum()))
        got = torch.load(out / f"gradients-{role}.pt", weights_only=True)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(want, got, strict=True))
        a, b = (torch.cat([g.flatten() for g in part]).double() for part in (want, got))
        assert float((a - b).norm() / a.norm()) < 1e-5
        train.close()
    found = json.loads((out / "found.json").read_text())
    backbone = small_backbone(small_config(), ("policy",))
    train = TrainEngine(backbone, "policy", small_config())
    want_losses = [
        train.step([data], losses(backbone)["policy"], float(data[2].sum()))["loss"] for _ in range(4)
    ]
    for stage in ("0", "2", "3"):
        assert all(
            math.isclose(a, b, rel_tol=1e-5) for a, b in zip(want_losses, found["losses"][stage], strict=True)
        )
        assert found["resumed"][stage] == found["losses"][stage][2:]
    assert found["non_finite"] == ["NonFiniteLoss", "NonFiniteLoss"]
    assert found["errors"] == ["ValueError", "RuntimeError: rank 0 failed: ValueError: only here"]
    assert found["full_disk"] == ["UserError", "UserError"] and found["latest"] == "step-000001"
    train.close()
