"""`policy.quant`: refused in one sentence where it cannot work; what is given to transformers where it can."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.models.loading import open_base
from repo_cli.models.quantised import quantised
from repo_cli.models.tiny import build_tiny

ASKED = (
    "policy=custom",
    "policy.path=somewhere",
    "policy.quant=nf4",
    "data.path=x.jsonl",
    "rollout.merge=false",
)


def refused(*more: str, stage: str = "sft") -> UserError:
    with pytest.raises(UserError) as caught:
        compose(stage, [*ASKED, *more])
    return caught.value


@pytest.mark.parametrize(
    ("more", "says", "hint"),
    [
        (("policy.train=full",), "policy.quant=nf4 with policy.train=full", "policy.train=lora"),
        (("engine=zero3",), "engine.zero_stage=3", "engine=zero2"),
        (("engine.precision=bf16",), "engine.precision=bf16", "engine.autocast=bfloat16"),
        (("policy.quant=int3",), "policy.quant", "nf4"),
    ],
)
def test_what_four_bits_cannot_do_is_said_before_anything_is_loaded(
    more: tuple[str, ...], says: str, hint: str
) -> None:
    error = refused(*more)
    assert says in error.message and hint in f"{error.message} {error.hint}"


def test_generation_must_leave_the_base_alone() -> None:
    rl = ("reward=rules_only", "rules=generic_dialogue", "algorithm=grpo")
    error = refused(*rl, "rollout.merge=true", stage="rl")
    assert "rollout.merge=true" in error.message and error.hint == "rollout.merge=false"
    assert compose("rl", [*ASKED, *rl]).policy.quant == "nf4"
    assert compose("sft", [*ASKED]).policy.quant == "nf4"


def test_without_a_gpu_it_is_refused_before_the_weights_are_read(tmp_path: Path) -> None:
    build: Any = compose("sft", ["policy=tiny", "data.path=x.jsonl"]).policy.build
    build.vocab_size, build.hidden_size, build.num_layers = 300, 64, 1
    model, tokenizer = build_tiny(build, ["a room a night"] * 20, 0, "sdpa")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not read")
    with pytest.raises(UserError, match="policy.quant=nf4 needs a GPU, and this run is on cpu") as caught:
        open_base(str(tmp_path), "auto", "sdpa", quant="nf4", device="cpu")
    assert caught.value.hint and "policy.quant=null" in caught.value.hint
    assert quantised(None, "cpu", None) == {}


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr("repo_cli.models.quantised.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes, which is not installed") as caught:
        quantised("nf4", "cuda:0", torch.bfloat16)
    assert caught.value.hint == "pip install 'repo-cli[quant]'"


def test_the_plan_counts_four_bits_for_the_linear_layers() -> None:
    from repo_cli.models.shapes import shape_of_policy
    from repo_cli.training.plan_memory import NF4, plan

    cfg = compose("sft", ["policy=qwen3_4b", "data.path=x.jsonl"])
    shape = shape_of_policy(cfg.policy)
    (phase, *_) = plan(cfg, shape).phases
    whole = plan(cfg, shape).phases[phase]["weights"]
    cfg.policy.quant = "nf4"
    low = plan(cfg, shape).phases[phase]["weights"]
    linear = shape.adapted_params("all-linear")
    assert low == pytest.approx(2 * (shape.params - linear) + NF4 * linear)
    assert whole == pytest.approx(2 * shape.params) and low < 0.4 * whole
