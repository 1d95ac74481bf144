"""Two real ranks with real collectives: one that raises, one that hangs, signals, a second signal, a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repo_cli.config import Config
from repo_cli.errors import UserError
from repo_cli.launch.failures import RankFailed
from repo_cli.launch.processes import launch
from repo_cli.launch.watch import Beat, name_the_hung
from repo_cli.stages.going_on import checkpoint_to_resume
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.rundir import RunDir
from repo_cli.training.tracking import read_metrics

ROOT = Path(__file__).parents[1]
STAGE = "tests.faulty_stage"


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Config, Path]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    cfg = Config(stage="sft", runs_dir=str(tmp_path / "runs"))
    cfg.launch.nproc, cfg.engine.threads, cfg.engine.device = 2, 1, "cpu"
    cfg.tracker.tensorboard = False
    return cfg, RunDir.create(cfg).path


def frozen(cfg: Config, run: Path) -> None:
    from repo_cli.config import save_frozen

    save_frozen(cfg, run / "config.yaml")


def until(holds: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_an_exception_on_one_rank_ends_all_within_30_s(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, run = case
    monkeypatch.setenv("FAULT", "raise")
    with pytest.raises(RankFailed, match="rank 1 failed: ZeroDivisionError: rank 1 divided by nothing"):
        launch(STAGE, cfg, run)
    ended, last_step = time.time(), read_metrics(run / "metrics.jsonl")[-1]
    assert ended - last_step["time"] < 30 and last_step["step"] == 2
    log = (run / "log.txt").read_text()
    assert log.index("--- rank 1 ---") < log.index("rank 1 divided by nothing")
    assert "--- rank 0 ---" not in log[: log.index("rank 1 divided by nothing")]


def test_a_hung_rank_is_named_with_its_stack_in_front(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, run = case
    cfg.launch.heartbeat_s = 3
    frozen(cfg, run)
    monkeypatch.setenv("FAULT", "hang")
    with pytest.raises(
        RankFailed, match=r"^rank 1 made no progress for [3-9] s \(last seen at: end of step 2"
    ):
        launch(STAGE, cfg, run)
    log = (run / "log.txt").read_text()
    first, second = log.index("--- rank 1, where it stood"), log.index("--- rank 0, where it stood")
    assert "where_it_hangs" in log[first:second] and "torch/distributed" in log[second:]


def test_the_rank_that_came_least_far_is_named_where_stacks_do_not_tell() -> None:
    beats = [Beat(0, 7, "b", 90.0), Beat(1, 6, "a", 95.0), Beat(2, 7, "b", 91.0)]
    found = name_the_hung(beats, {}, 100.0)
    assert found.ranks == [1] and found.message.startswith("rank 1 made no progress for 5 s")
    waiting = (
        'Thread 0x1 (most recent call first):\n  File "x/torch/distributed/c10d.py", line 1 in all_reduce\n'
    )
    assert name_the_hung(beats, {0: waiting, 1: waiting}, 100.0).ranks == [2]
    assert name_the_hung(beats, dict.fromkeys(range(3), waiting), 100.0).ranks == [1]


CODE = """
import sys
from pathlib import Path
from repo_cli.cli import tell
from repo_cli.config import load_frozen
from repo_cli.launch.processes import launch
run = Path(sys.argv[1])
try:
    launch("tests.faulty_stage", load_frozen(run), run)
except Exception as error:
    sys.exit(tell(error))
"""


def started(run: Path, what: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(run)],
        env={**os.environ, "FAULT": what},
        stderr=subprocess.PIPE,
        text=True,
    )
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_two_ranks_saves_and_ends_with_75(
    case: tuple[Config, Path], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = case[1]
    process = started(run, "none")
    until(lambda: len(read_metrics(run / "metrics.jsonl")) > 2)
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 75, said
    assert f"stopped by {signal.Signals(number).name} after step" in said and time.monotonic() - began < 20
    kept = latest_complete(run / "checkpoints")
    steps = [row["step"] for row in read_metrics(run / "metrics.jsonl")]
    assert (
        kept is not None and kept.name == f"step-{steps[-1]:06d}" and steps == list(range(1, len(steps) + 1))
    )
    assert not (run / "run.lock").exists()
    if number == signal.SIGTERM:
        monkeypatch.setenv("FAULT", "none")
        going_on_with_one_rank(case[0], run)


def going_on_with_one_rank(cfg: Config, run: Path) -> None:
    cfg.resume, cfg.launch.nproc = str(run), 1
    with pytest.raises(UserError, match="was made by 2 ranks and this run has 1") as caught:
        launch(STAGE, cfg, run)
    assert "launch.nproc=2" in str(caught.value.hint) and "--force" in str(caught.value.hint)
    cfg.force = True
    place, notes = checkpoint_to_resume(cfg, RunDir(run), True)
    assert place == latest_complete(run / "checkpoints") and "goes on by force" in notes[0]


def test_a_second_signal_ends_at_once_and_a_limit_ends_what_never_gets_there(
    case: tuple[Config, Path],
) -> None:
    cfg, run = case
    process = started(run, "long")
    inside = [run / "logs" / f"inside-{rank}" for rank in (0, 1)]  # from there no safe place comes
    until(lambda: all(mark.exists() for mark in inside))
    process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    assert process.poll() is None  # it works on: there is no safe place
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and "ended by SIGTERM" in said and time.monotonic() - began < 10

    cfg.launch.stop_s = 2
    frozen(cfg, run)
    for mark in inside:
        mark.unlink()
    process = started(run, "long")
    until(lambda: all(mark.exists() for mark in inside))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and time.monotonic() - began < 12
    assert "no safe place to stop within launch.stop_s=2 s" in said
    assert "faulty_stage.py" in (run / "log.txt").read_text()
