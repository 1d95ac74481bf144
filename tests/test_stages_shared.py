"""A prompt that several replies share is computed once, and nothing else changes: GRPO's update, DPO, the reward model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stages_kit import config, dialogue

from repo_cli.config.schema import Config
from repo_cli.dialogue.checks import preference_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rollout import LocalEngine
from repo_cli.stages.dpo import logps_of
from repo_cli.stages.experience import advantages_, collect
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater

GROUPED = ("algorithm=grpo", "algorithm.group_size=4", "rl.batch_size=12", "engine.grad_clip=1e6")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`apart.on()` takes away what an attention kernel needs for sharing."""
    return SimpleNamespace(on=lambda: monkeypatch.setattr(Backbone, "shares_contexts", False))


def updated(cfg: Config) -> tuple[list[torch.Tensor], dict[str, float], torch.Tensor]:
    """Gradients of the first policy step of GRPO on recorded replies, its metrics, and the reward model's scores."""
    with Session(cfg, "rl") as session:
        backbone = Backbone.load(cfg)
        ensemble = Ensemble(cfg, backbone)
        updater = Updater(cfg, backbone, session)
        rows = [{"prompt": dialogue(i)["messages"][:n], "scenario": {}} for i, n in enumerate((2, 4, 2))]
        prompts = [(row, backbone.fmt.context_ids(row["prompt"])) for row in rows for _ in range(4)]
        items = collect(LocalEngine(backbone, "policy", cfg.rollout), prompts, seed=3)
        scores = ensemble.score([item.as_scored() for item in items]).rm
        updater.values_(items, check=True)
        totals = torch.tensor([(-1.0) ** i * (1 + 0.3 * i) for i in range(len(items))])
        advantages_(items, totals, torch.ones(len(items), dtype=torch.bool), cfg.algorithm)
        seen: list[torch.Tensor] = []

        def look(*_: object) -> None:
            if not seen:
                seen.extend(p.grad.clone() for p in updater.policy.parameters)

        updater.policy.inner.register_step_pre_hook(look)
        assert updater.shared == backbone.shares_contexts
        longest = max(len(row) for micro in updater._micros(items) for row in micro)
        assert (longest > 1) == updater.shared
        return seen, updater.update(items, 0), scores


@pytest.mark.parametrize(
    "more", [(), ("algorithm.epochs=2", "algorithm.kl_coef=0.1", "engine.micro_tokens=250")]
)
def test_grpo_learns_the_same(
    more: tuple[str, ...], line: SimpleNamespace, tmp_path: Path, apart: SimpleNamespace
) -> None:
    paths = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}")
    cfg = config("rl", tmp_path, *paths, *GROUPED, *more)
    ours, stats, scores = updated(cfg)
    apart.on()
    plain, wanted, scores_apart = updated(cfg)
    assert max(float(g.abs().max()) for g in plain) > 1e-3
    for a, b in zip(ours, plain, strict=True):
        assert torch.allclose(a, b, atol=1e-6, rtol=1e-4)
    assert torch.allclose(scores, scores_apart, atol=1e-5) and scores.std() > 1e-3
    for name in ("policy/loss", "policy/entropy", "policy/grad_norm"):
        assert stats[name] == pytest.approx(wanted[name], rel=1e-3, abs=1e-6), name
    assert stats["policy/sampler_gap_max"] < 1e-4


@pytest.mark.parametrize("per_token", [False, True])
def test_dpo_sees_the_same_log_probs(
    per_token: bool, line: SimpleNamespace, tmp_path: Path, apart: SimpleNamespace
) -> None:
    given = (f"policy.parent={line.sft}", f"dpo.per_token={per_token}", "engine.micro_tokens=400")
    cfg = config("dpo", tmp_path, *given)
    backbone = Backbone.load(cfg)
    rows = [json.loads(text) for text in line.pairs.read_text().splitlines()[:9]]
    pairs = preference_samples(rows, backbone.fmt, LoadReport("", "preference"))
    found = [logps_of(backbone, "policy", pairs, list(range(9)), cfg)]
    apart.on()
    found.append(logps_of(backbone, "policy", pairs, list(range(9)), cfg))
    assert torch.allclose(*found, atol=1e-4) and bool((found[0] < -0.1).all())
