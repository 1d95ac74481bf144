"""Stopping and going on: N steps equal k, a signal, and the rest, bit for bit; signals where there is nothing to save."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stages_kit import board, config, go, metrics, prompt, settings, write

from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import launch
from repo_cli.rewards.reward_model import RewardModel
from repo_cli.rollout import LocalEngine
from repo_cli.stages import data as stage_data
from repo_cli.stages import session, sft, train_rm
from repo_cli.stages.session import Session
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.engine import TrainEngine


def arguments(line: SimpleNamespace, stage: str, method: str = "repo") -> tuple[str, ...]:
    """Six steps of a stage."""
    methods = {"repo": (), "ppo": ("algorithm=ppo",), "grpo": ("algorithm=grpo", "algorithm.group_size=2")}
    return {
        "sft": (f"data.path={line.dialogues}", f"policy.parent={line.base}", "sft.max_steps=6", "sft.batch_size=8",
                "sft.epochs=2"),
        "train_rm": (f"data.path={line.pairs}", f"policy.parent={line.base}", "train_rm.max_steps=6",
                     "train_rm.batch_size=8", "train_rm.epochs=2"),
        "dpo": (f"data.path={line.pairs}", f"policy.parent={line.sft}", "dpo.max_steps=6", "dpo.batch_size=8",
                "dpo.epochs=2", "dpo.eval_every=2"),
        "rl": (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.steps=6",
               "rl.batch_size=6", "algorithm.epochs=2", "critic.lr=0.01", "critic.warmup_steps=1"),
    }[stage] + ("lora.dropout=0.1", "optim.schedule=cosine", "optim.warmup_steps=2", *methods[method])  # fmt: skip


def signal_after(monkeypatch: pytest.MonkeyPatch, step: int, number: int = signal.SIGTERM) -> None:
    """A real signal to this process in the middle of step `step` (0-based)."""
    real = Session.end_step

    def end_step(self: Session, at: int, *rest: Any, **more: Any) -> None:
        if at == step:
            os.kill(os.getpid(), number)
        real(self, at, *rest, **more)

    monkeypatch.setattr(Session, "end_step", end_step)


def only_run(runs: Path, stage: str) -> Path:
    (found,) = (runs / stage / "run").iterdir()
    return found


@pytest.mark.parametrize(
    ("stage", "method", "number"),
    [
        ("sft", "repo", signal.SIGTERM),
        ("dpo", "repo", signal.SIGTERM),
        ("train_rm", "repo", signal.SIGINT),
        ("rl", "repo", signal.SIGUSR1),
        ("rl", "ppo", signal.SIGTERM),
        ("rl", "grpo", signal.SIGTERM),
    ],
)
def test_stopped_and_resumed_equals_undisturbed(
    stage: str,
    method: str,
    number: int,
    line: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = arguments(line, stage, method)
    straight = go(stage, tmp_path / "straight", *given)
    halves = tmp_path / "halves"
    with monkeypatch.context() as patch:
        signal_after(patch, 2, number)
        with pytest.raises(Stopped, match=f"stopped by {signal.Signals(number).name} after step 3") as stop:
            go(stage, halves, *given)
    run = only_run(halves, stage)
    assert stop.value.saved and latest_complete(run.joinpath("checkpoints")).name == "step-000003"
    assert not (run / "final").exists()
    final = go(stage, halves, *given, "resume=auto")
    assert final == run / "final" and only_run(halves, stage) == run
    assert metrics(final) == metrics(straight) and len(metrics(final)) == 6
    for name in ("adapter_model.safetensors", "head.safetensors"):
        if (straight / name).is_file():
            a, b = load_file(straight / name), load_file(final / name)
            assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    notes = [json.loads((p / "manifest.json").read_text())["extra"] for p in (straight, final)]
    assert without_clock(notes[0]) == without_clock(notes[1])


def without_clock(extra: dict[str, Any]) -> dict[str, Any]:
    kept = {
        k: v
        for k, v in extra["metrics"].items()
        if not k.startswith(("timing", "memory")) and "per_s" not in k
    }
    return {**extra, "metrics": kept}


def test_resume_by_path_keeps_the_runs_configuration(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("tracker.checkpoint_every=1", *arguments(line, "sft"), "optim.schedule=constant")
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        with pytest.raises(Stopped):
            go("sft", tmp_path, *given)
    run = only_run(tmp_path, "sft")
    from repo_cli.config import compose

    def resume(*texts: str) -> Path:
        return launch("sft", compose("sft", texts), overrides=list(texts))

    with pytest.raises(UserError, match="keeps its own configuration, so lora=r64"):
        resume(f"resume={run}", "lora=r64")
    with pytest.raises(UserError, match="is a run of the stage sft, not of train_rm"):
        launch("train_rm", compose("train_rm", [f"resume={run}"]), overrides=[f"resume={run}"])
    # a checkpoint without its marker is refused by name, and passed over by the run's own
    newest = run / "checkpoints" / "step-000003"
    (newest / "COMPLETE").unlink()
    with pytest.raises(UserError, match="step-000003: no COMPLETE file"):
        resume(f"resume={newest}")
    final = resume(f"resume={run}", "sft.max_steps=7")
    assert final == run / "final" and [row["step"] for row in metrics(final)] == [1, 2, 3, 4, 5, 6, 7]
    assert "after step 2 from" in (run / "log.txt").read_text()
    with pytest.raises(UserError, match="resume=.*nowhere"):
        resume(f"resume={tmp_path / 'nowhere'}")


def test_auto_takes_no_run_with_another_configuration(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(line, "sft")
    with monkeypatch.context() as patch:
        signal_after(patch, 1)
        with pytest.raises(Stopped):
            go("sft", tmp_path, *given)
    first = only_run(tmp_path, "sft")
    final = go("sft", tmp_path, *given, "optim.lr=0.001", "resume=auto")
    assert final.parent != first and len(metrics(final)) == 6
    assert "this is a fresh start" in capsys.readouterr().out
    assert go("sft", tmp_path, *given, "resume=auto", "tracker.log_every=2").parent == first


# -- after the last step --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "owner", "name"),
    [("sft", sft, "held_out_loss"), ("train_rm", train_rm, "held_out"), ("rl", session, "write_product")],
)
def test_a_signal_after_the_last_step_loses_nothing(
    stage: str, owner: Any, name: str, line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(line, stage)
    straight, halves = go(stage, tmp_path / "straight", *given), tmp_path / "halves"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted(getattr(owner, name)))
        with pytest.raises(Stopped, match="stopped by SIGINT; all 6 steps are done and saved") as stop:
            go(stage, halves, *given)
    run = only_run(halves, stage)
    assert stop.value.saved and stop.value.exit_code == 75 and not list(run.glob("final*"))
    assert latest_complete(run / "checkpoints").name == "step-000006"
    final = go(stage, halves, *given, "resume=auto")
    assert final == run / "final" and metrics(final) == metrics(straight)
    weights = "adapter_model.safetensors"
    assert (final / weights).read_bytes() == (straight / weights).read_bytes()
    notes = [json.loads((p / "manifest.json").read_text())["extra"] for p in (straight, final)]
    assert notes[1]["metrics"] and without_clock(notes[0]) == without_clock(notes[1])


def test_a_signal_that_comes_when_all_is_done_changes_nothing(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "final.tmp":
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert (go("sft", tmp_path, *arguments(line, "sft")) / "manifest.json").is_file()


def test_checkpoints_by_the_clock_and_at_the_end(line: SimpleNamespace, tmp_path: Path) -> None:
    for minutes, kept in (("1e-9", [1, 2, 3, 4, 5, 6]), ("10", [6]), ("0", [6])):
        more = (f"tracker.checkpoint_minutes={minutes}", "tracker.keep_checkpoints=9")
        final = go("sft", tmp_path / minutes, *arguments(line, "sft"), *more)
        names = sorted(path.name for path in (final.parent / "checkpoints").iterdir())
        assert names == [f"step-{step:06d}" for step in kept]


# -- nothing to save yet --------------------------------------------------------------------------------------


def interrupted(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with Ctrl-C the first time that it is called."""
    asked: list[int] = []

    def wrapped(*given: Any, **named: Any) -> Any:
        if not asked:
            asked.append(1)
            os.kill(os.getpid(), signal.SIGINT)
        return call(*given, **named)

    return wrapped


@pytest.mark.parametrize("stage", ["sft", "train_rm", "rl"])
def test_ctrl_c_while_data_is_read(
    stage: str, line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_data, "each_row", interrupted(stage_data.each_row))
    before = signal.getsignal(signal.SIGINT)  # a job in the background of a shell ignores it
    began = time.monotonic()
    with pytest.raises(Stopped, match="stopped by SIGINT; there was nothing to save") as stop:
        go(stage, tmp_path, *arguments(line, stage))
    assert not stop.value.saved and stop.value.exit_code == 1 and time.monotonic() - began < 10
    assert not metrics(only_run(tmp_path, stage))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_resumed_run_that_is_stopped_while_it_loads_is_still_fit_to_be_resumed(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(line, "sft")
    with monkeypatch.context() as patch:
        signal_after(patch, 1)
        with pytest.raises(Stopped):
            go("sft", tmp_path, *given)
    with monkeypatch.context() as patch:
        patch.setattr(stage_data, "each_row", interrupted(stage_data.each_row))
        with pytest.raises(
            Stopped, match=r"nothing to save; its last checkpoint stands \(step-000002\)"
        ) as stop:
            go("sft", tmp_path, *given, "resume=auto")
    assert stop.value.saved and stop.value.exit_code == 75
    assert len(metrics(go("sft", tmp_path, *given, "resume=auto"))) == 6


def test_ctrl_c_in_the_middle_of_an_evaluation(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalEngine, "_generate_batch", interrupted(LocalEngine._generate_batch))
    with pytest.raises(Stopped, match="stopped by SIGINT"):
        go("eval", tmp_path, f"eval.systems={{sft: {line.sft}}}", "policy.max_length=1024", "eval.n_online=2")
    assert not (only_run(tmp_path, "eval") / "eval.json").exists()


# -- numbers that are none ------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = TrainEngine.step, []

    def step(self: TrainEngine, micros: Any, loss_fn: Any, denominator: float) -> Any:
        calls.append(1)
        scale = float("nan") if len(calls) == 3 else 1.0
        return real(self, micros, lambda m: (loss_fn(m)[0] * scale, {}), denominator)

    monkeypatch.setattr(TrainEngine, "step", step)
    with pytest.raises(UserError, match="step 3: .*not finite; nothing was updated") as caught:
        go("sft", tmp_path, *arguments(line, "sft"), "tracker.checkpoint_every=1")
    run = only_run(tmp_path, "sft")
    kept = latest_complete(run / "checkpoints")
    assert kept.name == "step-000002" and str(kept) in caught.value.hint
    assert len(metrics(run)) == 2 and not (run / "final").exists()
    monkeypatch.setattr(TrainEngine, "step", real)
    assert (
        len(
            metrics(go("sft", tmp_path, *arguments(line, "sft"), "tracker.checkpoint_every=1", "resume=auto"))
        )
        == 6
    )


def test_a_loss_that_is_not_finite_keeps_what_was_trained_before(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken, weights_too = TrainEngine.step, [], False

    def step(self: TrainEngine, micros: Any, loss_fn: Any, denominator: float) -> Any:
        broken.append(1)
        if len(broken) == 4:
            if weights_too:
                with torch.no_grad():
                    self.parameters[0].view(-1)[0] = float("nan")
            return real(self, micros, lambda m: (loss_fn(m)[0] * float("nan"), {}), denominator)
        return real(self, micros, loss_fn, denominator)

    given = arguments(line, "sft")
    with monkeypatch.context() as patch:
        patch.setattr(TrainEngine, "step", step)
        with pytest.raises(UserError, match="step 4: .*not finite") as caught:
            go("sft", tmp_path / "a", *given)
        broken.clear()
        weights_too = True
        with pytest.raises(UserError, match="step 4: .*not finite") as lost:
            go("sft", tmp_path / "b", *given)
    kept = latest_complete(only_run(tmp_path / "a", "sft") / "checkpoints")
    assert kept is not None and kept.name == "step-000003" and str(kept) in str(caught.value.hint)
    assert "checkpoint: none" in str(lost.value.hint)  # weights that are no numbers are not worth keeping
    straight, final = go("sft", tmp_path / "c", *given), go("sft", tmp_path / "a", *given, "resume=auto")
    assert metrics(final) == metrics(straight)


def test_a_reward_that_is_not_finite_ends_the_run(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        RewardModel, "raw", lambda self, samples, budget: torch.full((len(samples),), float("inf"))
    )
    with pytest.raises(UserError, match="step 1: rm.path=.*score is not finite for .* replies") as caught:
        go("rl", tmp_path, *arguments(line, "rl"))
    kept = latest_complete(only_run(tmp_path, "rl") / "checkpoints")
    assert kept is not None and kept.name == "step-000000" and str(kept) in str(caught.value.hint)


# -- the command itself ---------------------------------------------------------------------------------------


def test_ctrl_c_through_the_command_ends_with_75(line: SimpleNamespace, tmp_path: Path) -> None:
    data = write(tmp_path / "prompts.jsonl", [prompt(i) for i in range(40)])
    given = settings(
        tmp_path / "runs", f"data.path={data}", f"policy.parent={line.sft}", f"rm.path={line.rm}"
    )
    given += ["rl.batch_size=4", "rl.steps=2000"]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "repo_cli.cli", "rl", *given],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    end = time.monotonic() + 120
    while not (found := list((tmp_path / "runs").glob("rl/run/*/metrics.jsonl"))) and process.poll() is None:
        assert time.monotonic() < end, "no step within two minutes"
        time.sleep(0.05)
    # a second one may not write beside it
    busy = found[0].parent
    before = (busy / "config.yaml").read_bytes()
    with pytest.raises(UserError, match=f"{busy}: process {process.pid} on .* is at work there") as caught:
        launch("rl", config("rl", tmp_path / "runs", *given, f"resume={busy}"), overrides=["rl.steps=3000"])
    assert f"kill {process.pid}" in str(caught.value.hint) and (busy / "config.yaml").read_bytes() == before
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 75, error
    assert (
        "stopped: stopped by SIGINT after step" in error
        and "--resume auto" in error
        and "Traceback" not in error
    )
    run = found[0].parent
    assert not (run / "run.lock").exists()
    done = len(metrics(run))
    kept = latest_complete(run / "checkpoints")
    assert kept is not None and int(kept.name.removeprefix("step-")) == done < 2000
    changed = [text if text != "rl.steps=2000" else f"rl.steps={done + 1}" for text in given]
    cfg = config("rl", tmp_path / "runs", *changed, f"resume={run}")
    final = launch("rl", cfg, overrides=[f"rl.steps={done + 1}"])
    assert [row["step"] for row in metrics(final)] == list(range(1, done + 2))


KILLED = """
import os, signal, sys
from repo_cli.cli import main
from repo_cli.stages.session import Session
real = Session.end_step
def end_step(self, at, *rest, **more):
    if at == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, at, *rest, **more)
Session.end_step = end_step
main(sys.argv[1:])
"""


def test_kill_9_leaves_no_gap_and_no_double_in_metrics_and_tensorboard(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    given = (*arguments(line, "sft"), "tracker.tensorboard=true", "tracker.checkpoint_every=3")
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, "sft", *settings(tmp_path / "killed", *given)],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=200,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = only_run(tmp_path / "killed", "sft")
    assert [row["step"] for row in metrics(run)] == [1, 2, 3, 4, 5] and (run / "run.lock").exists()
    assert latest_complete(run / "checkpoints").name == "step-000003"
    assert [step for step, _ in board(run, "sft/loss")][:3] == [
        1,
        2,
        3,
    ]  # on the disk before the checkpoint was
    final = go("sft", tmp_path / "killed", *given, "resume=auto")
    straight = go("sft", tmp_path / "straight", *given)
    assert metrics(final) == metrics(straight)
    found = board(run, "sft/loss")
    assert found == board(straight.parent, "sft/loss") and [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
