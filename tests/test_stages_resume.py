"""Going on from a checkpoint: a step left in its middle, a damaged checkpoint, other threads, a changed configuration."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stages_kit import config, dialogue, go, metrics, write
from test_stages_stop import arguments, only_run, signal_after

from repo_cli.config import compose
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import launch
from repo_cli.rollout import LocalEngine
from repo_cli.stages.partner import PartneredDialogues
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.engine import TrainEngine


def signal_in_call(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> None:
    """A real signal in the `call`-th call (from 1) of a method, before it does its work."""
    real, seen = getattr(owner, name), []

    def wrapped(*given: Any, **named: Any) -> Any:
        seen.append(1)
        if len(seen) == call:
            os.kill(os.getpid(), signal.SIGUSR1)
        return real(*given, **named)

    monkeypatch.setattr(owner, name, wrapped)


@pytest.mark.parametrize(
    ("stage", "owner", "name", "call", "left"),
    [
        ("rl", LocalEngine, "_generate_batch", 3, 2),  # one call a step: in the generation of the third
        ("sft", TrainEngine, "step", 4, 3),  # before the first micro-batch of the fourth
        # RL: four updates a step (2 epochs, policy and critic), so the step goes on once the first is made
        ("rl", TrainEngine, "_finish", 8, 3),
        # after the third step has chosen the dialogues that go on: the choice of the second is what is kept
        ("rl", PartneredDialogues, "go_on", 3, 2),
    ],
)
def test_a_step_left_in_its_middle_is_done_again(
    stage: str,
    owner: Any,
    name: str,
    call: int,
    left: int,
    line: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = arguments(line, stage)
    if owner is PartneredDialogues:
        given += ("data.path=world:prompts", "data.limit=12", "rl.partner=world", "rl.follow=1.0")
        given += ("policy.max_length=1100", "eval.max_turns=20")
    straight = go(stage, tmp_path / "straight", *given)
    halves = tmp_path / "halves"
    with monkeypatch.context() as patch:
        signal_in_call(patch, owner, name, call)
        with pytest.raises(Stopped, match=f"stopped by SIGUSR1 after step {left}"):
            go(stage, halves, *given)
    run = only_run(halves, stage)
    assert latest_complete(run / "checkpoints").name == f"step-{left:06d}" and len(metrics(run)) == left
    final = go(stage, halves, *given, "resume=auto")
    assert metrics(final) == metrics(straight) and len(metrics(final)) == 6
    weights = "adapter_model.safetensors"
    assert (final / weights).read_bytes() == (straight / weights).read_bytes()


@pytest.fixture
def stopped(line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run of six steps on a file of its own that was stopped after the third, with a checkpoint of each step."""
    data = tmp_path / "own.jsonl"
    shutil.copy(line.dialogues, data)
    given = [
        *arguments(line, "sft"),
        f"data.path={data}",
        "tracker.checkpoint_every=1",
        "tracker.keep_checkpoints=9",
    ]
    given.remove("optim.schedule=cosine")
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        with pytest.raises(Stopped):
            go("sft", tmp_path / "runs", *given)
    return SimpleNamespace(
        run=only_run(tmp_path / "runs", "sft"), data=data, given=given, runs=tmp_path / "runs"
    )


def resume(path: Path, *texts: str) -> Path:
    given = [f"resume={path}", *texts]
    return launch("sft", compose("sft", given), overrides=given)


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    stopped: SimpleNamespace, line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = go("sft", tmp_path / "straight", *stopped.given)
    weights = stopped.run / "checkpoints" / "step-000003" / "policy" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1  # one bit, same size
    weights.write_bytes(data)
    half = stopped.run / "checkpoints" / ".step-000004.tmp"
    half.mkdir()
    final = resume(stopped.run)
    said = capsys.readouterr().out
    assert f"passed over: {weights}: differs from what was saved" in said
    assert "resumed after step 2" in said and not half.exists()
    assert metrics(final) == metrics(straight)
    for part in (stopped.run / "checkpoints").glob("step-*/policy/model.safetensors"):
        part.write_bytes(b"")
    with pytest.raises(UserError, match="no whole checkpoint in .*passed over"):
        resume(stopped.run, "sft.max_steps=9")


def test_the_checkpoints_thread_count_is_taken_or_told(
    stopped: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    other = 2 if before == 1 else 1
    try:
        torch.set_num_threads(other)
        resume(stopped.run, f"engine.threads={other}")
        assert f"was made with {before} CPU threads and this run has {other}" in capsys.readouterr().out
        shutil.rmtree(stopped.run / "final")
        torch.set_num_threads(other)
        resume(stopped.run / "checkpoints" / "step-000003", "engine.threads=null")
        assert torch.get_num_threads() == before and "CPU threads" not in capsys.readouterr().out
    finally:
        torch.set_num_threads(before)


def test_what_differs_is_said_or_refused(
    stopped: SimpleNamespace, line: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped.run
    with pytest.raises(UserError, match=r"cannot go on with lora.r: 4 -> 8: its checkpoint"):
        resume(run, "lora.r=8")
    with pytest.raises(UserError, match=r"policy.parent: .* -> ") as caught:
        resume(run, f"policy.parent={line.sft}")
    assert "--force" in caught.value.hint
    write(stopped.data, [dialogue(i) for i in range(1, 41)])  # other rows under the same name
    with pytest.raises(UserError, match="data.path: .*its content has changed since the run started"):
        resume(run)
    with pytest.raises(UserError, match="its content has changed"):
        go("sft", stopped.runs, *stopped.given, "resume=auto")
    capsys.readouterr()
    final = resume(run, "sft.max_steps=7", "force=true", "tracker.rollouts_keep=3", "name=other")
    said = capsys.readouterr().out
    assert "changed: sft.max_steps: 6 -> 7" in said and "changed, forced: data.path" in said
    assert (
        "changed, harmless: tracker.rollouts_keep: 16 -> 3" in said
        and "name" not in said
        and len(metrics(final)) == 7
    )


def test_the_same_data_in_another_place_is_the_same_data(
    stopped: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = stopped.data.rename(tmp_path / "moved.jsonl")
    with pytest.raises(UserError, match="data.path=.*no such file"):
        resume(stopped.run)
    final = resume(stopped.run, f"data.path={moved}")
    assert "the same content in another place" in capsys.readouterr().out and len(metrics(final)) == 6


def test_auto_says_what_kept_it_from_going_on(
    stopped: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    go("sft", stopped.runs, *stopped.given, "optim.lr=0.001", "resume=auto")
    said = capsys.readouterr().out
    assert f"fresh start; {stopped.run} differs in optim.lr: 0.01 -> 0.001" in said


def test_the_best_checkpoint_is_kept(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("tracker.checkpoint_every=1", "tracker.keep_checkpoints=1", "tracker.best_is=min")
    final = go("sft", tmp_path, *arguments(line, "sft"), *more, "tracker.keep_best=sft/loss")
    losses = {row["step"]: row["sft/loss"] for row in metrics(final)}
    best = min(losses, key=lambda step: (losses[step], -step))
    kept = {path.name for path in (final.parent / "checkpoints").iterdir()}
    assert kept == {"step-000006", f"step-{best:06d}"}
    go("sft", tmp_path / "b", *arguments(line, "sft"), *more, "tracker.keep_best=sft/los")
    assert "keep_best=sft/los: step has no such metric; did you mean sft/loss?" in capsys.readouterr().out
    assert config("sft", tmp_path).tracker.keep_best is None
