"""Batches at the edge of what RL can learn from: all replies cut off, all empty, a critic that runs away, a file limit."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from judge_server import FakeEndpoint
from safetensors.torch import load_file
from stages_kit import go, metrics, settings
from test_stages_bad_input import say as say  # the fixture
from test_stages_stop import arguments, only_run

from repo_cli.rollout import engine
from repo_cli.stages.session import Session
from repo_cli.training.checkpoint import latest_complete


def rl(line: SimpleNamespace, runs: Path, *more: str) -> list[dict[str, Any]]:
    given = (
        f"data.path={line.prompts}",
        f"policy.parent={line.sft}",
        f"rm.path={line.rm}",
        "rl.batch_size=4",
    )
    rows = metrics(go("rl", runs, *given, "optim.lr=0.003", *more))
    assert all(
        math.isfinite(v) for row in rows for k, v in row.items() if k.startswith(("policy/", "critic/"))
    )
    return rows


METHODS = [("algorithm=repo",), ("algorithm=grpo", "algorithm.group_size=2")]


@pytest.mark.parametrize("method", METHODS, ids=["repo", "grpo"])
def test_replies_that_are_all_cut_off_are_counted(
    method: tuple[str, ...], line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_from(monkeypatch, lambda logits, stops: logits.index_fill(1, stops, -torch.inf))
    rows = rl(line, tmp_path, *method, "rl.steps=2", "rollout.max_new_tokens=3")
    assert [row["rollout/truncated_frac"] for row in rows] == [1.0, 1.0]
    assert [row["rollout/length_mean"] for row in rows] == [3.0, 3.0]


@pytest.mark.parametrize("method", METHODS, ids=["repo", "grpo"])
def test_replies_that_are_all_empty_are_counted(
    method: tuple[str, ...], line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(logits: torch.Tensor, stops: torch.Tensor) -> torch.Tensor:
        return torch.full_like(logits, -torch.inf).index_copy(1, stops[:1], logits[:, stops[:1]])

    draw_from(monkeypatch, only)
    rows = rl(line, tmp_path, *method, "rl.steps=2")
    assert [row["rollout/length_mean"] for row in rows] == [1.0, 1.0]  # the end token alone
    assert [row["rollout/truncated_frac"] for row in rows] == [0.0, 0.0]


def draw_from(
    monkeypatch: pytest.MonkeyPatch, cut: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    """The real draw, from what `cut` leaves of the logits; log-probs stay the policy's own, as after a top-k cut."""
    real, generate = engine.sample, engine.LocalEngine._generate_batch
    stops: list[int] = []

    def sample(
        logits: torch.Tensor, cfg: Any, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = logits.float()
        tokens, _ = real(cut(logits, torch.tensor(stops)), cfg, generator)
        return tokens, (logits / cfg.temperature).log_softmax(-1).gather(1, tokens[:, None])[:, 0]

    def noted(self: engine.LocalEngine, *given: Any) -> None:
        stops[:] = self.backbone.fmt.stop_ids
        generate(self, *given)

    monkeypatch.setattr(engine, "sample", sample)
    monkeypatch.setattr(engine.LocalEngine, "_generate_batch", noted)


class Growing:
    """A reward of the user's own that is a thousand times as large from the fourth step on."""

    def __init__(self) -> None:
        self.calls = 0

    def score(self, items: list[dict[str, Any]]) -> list[float]:
        self.calls += 1
        return [float(1 + index % 3) * (1000.0 if self.calls > 3 else 1.0) for index in range(len(items))]


def test_a_value_loss_that_explodes_is_told_of(line: SimpleNamespace, tmp_path: Path) -> None:
    own = (
        "reward=own_only",
        "reward.own.grow._target_=test_stages_edge_batches.Growing",
        "rl.preflight=false",
    )
    watched = ("alarms.start=2", "alarms.value_loss.window=1", "alarms.value_loss.patience=1")
    rows = rl(line, tmp_path, "rl.steps=4", *own, *watched)
    assert rows[3]["critic/loss"] > 1000 * rows[2]["critic/loss"]
    assert [row["alarm/value_loss"] for row in rows] == [0, 0, 0, 1]
    told = [json.loads(text) for text in (only_run(tmp_path, "rl") / "alarms.jsonl").read_text().splitlines()]
    assert "value_loss" in {row["name"] for row in told}


def test_a_limit_on_the_size_of_files_keeps_the_last_checkpoint(
    line: SimpleNamespace, tmp_path: Path, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ulimit -f` or a quota: from the third step on no file may grow over 20 kB."""
    real, before = Session.end_step, resource.getrlimit(resource.RLIMIT_FSIZE)

    def end_step(self: Session, at: int, *rest: Any, **more: Any) -> None:
        if at == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        real(self, at, *rest, **more)

    given = (*arguments(line, "sft"), "policy.train=full", "tracker.checkpoint_every=1")
    with monkeypatch.context() as patch:
        patch.setattr(Session, "end_step", end_step)
        try:
            text = say("sft", *settings(tmp_path, *given))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run = only_run(tmp_path, "sft")
    assert "no file may grow that large" in text and "ulimit -f" in text and str(run) in text
    assert latest_complete(run / "checkpoints").name == "step-000002" and not list(run.glob("checkpoints/.*"))
    final = go("sft", tmp_path, *given, "resume=auto")
    assert metrics(final) == metrics(go("sft", tmp_path / "straight", *given)) and len(metrics(final)) == 6


def test_a_batch_of_which_nothing_is_scored_changes_nothing(line: SimpleNamespace, tmp_path: Path) -> None:
    with FakeEndpoint([f"R{i}" for i in range(1, 13)], {"refusal": 1.0}) as server:
        asked = ("judge=openai", f"judge.api.url={server.url}", "judge.api.model=m", "judge.api.retries=0")
        given = (
            *asked,
            "reward=enhance",
            "policy.max_length=1024",
            "rl.preflight=false",
            "judge.max_failed=null",
        )
        rows = rl(line, tmp_path, *given, "rl.steps=2")
    run = only_run(tmp_path, "rl")
    assert [row["reward/kept_frac"] for row in rows] == [0.0, 0.0] and "policy/loss" not in rows[0]
    assert (run / "log.txt").read_text().count("no reply could be scored; the step changes nothing") == 2
    before, after = (load_file(place / "adapter_model.safetensors") for place in (line.sft, run / "final"))
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
