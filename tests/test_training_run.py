"""Run directory, checkpoints, manifest, tracking, progress and signals: what stays on disk whatever happens."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_kit import small_config

from repo_cli.errors import UserError
from repo_cli.models.manifest import find_final, read_manifest, write_manifest
from repo_cli.training.checkpoint import (
    best_complete,
    check_checkpoint,
    latest_complete,
    latest_whole,
    load_rng,
    read_state,
    save_checkpoint,
    save_rng,
    write_state,
)
from repo_cli.training.progress import StepProgress, clock
from repo_cli.training.rundir import RunDir, find_run
from repo_cli.training.signals import StopFlag
from repo_cli.training.tracking import Tracker, read_metrics


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(small_config(runs_dir=str(tmp_path), stage="rl", name="one"), ["lora.r=4"])


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 256 KiB, where this machine lets us mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


# -- run directory --------------------------------------------------------------------------------------------


def test_run_directories_are_unique_and_say_what_ran(run: RunDir, tmp_path: Path) -> None:
    other = RunDir.create(small_config(runs_dir=str(tmp_path), stage="rl", name="one"))
    assert other.path != run.path and run.path.parent == tmp_path / "rl" / "one"
    assert (run.path / "overrides.txt").read_text() == "lora.r=4\n"
    seen = json.loads((run.path / "environment.json").read_text())
    assert seen["packages"]["torch"] and seen["python"] == sys.version.split()[0]
    from repo_cli.config.compose import load_frozen

    assert load_frozen(run.config).lora.r == 4 and (run.path / "log.txt").is_file()


def test_a_run_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="a file is in the way"):
        RunDir.create(small_config(runs_dir=str(tmp_path / "file")))
    with pytest.raises(UserError, match="cannot be the name of a directory"):
        RunDir.create(small_config(runs_dir=str(tmp_path), name="../up"))
    with pytest.raises(UserError, match="not a run directory"):
        RunDir(tmp_path)
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(UserError, match="no permission"):
            RunDir.create(small_config(runs_dir=str(tmp_path / "locked")))
    elif Path("/proc/1").is_dir():  # root may write anywhere but here
        with pytest.raises((UserError, OSError)):
            RunDir.create(small_config(runs_dir="/proc/1/runs"))


def test_final_appears_whole_or_not_at_all(run: RunDir) -> None:
    with pytest.raises(ValueError, match="half"), run.writing_final() as folder:
        (folder / "part").write_text("1")
        raise ValueError("half done")
    assert not run.final.exists() and not list(run.path.glob("final*"))
    for text in ("1", "2"):
        with run.writing_final() as folder:
            (folder / "config.json").write_text(text)
    assert (run.final / "config.json").read_text() == "2" and find_final(run.path) == run.final


def test_find_run(run: RunDir, tmp_path: Path) -> None:
    auto = small_config(runs_dir=str(tmp_path), stage="rl", name="one", resume="auto")
    assert find_run(auto) is None  # no checkpoint yet
    place = save_checkpoint(run.checkpoints, 3, lambda folder: None)
    found = find_run(auto)
    assert found is not None and found.path == run.path
    auto.resume = str(place)
    assert find_run(auto).path == run.path
    auto.resume = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="resume=.*nowhere: not a run directory"):
        find_run(auto)
    auto.resume = None
    assert find_run(auto) is None


# -- checkpoints ----------------------------------------------------------------------------------------------


def put(text: str):
    return lambda folder: (folder / "data.txt").write_text(text)


def test_only_complete_checkpoints_count_and_old_ones_go(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, put(str(step)), keep_last=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000002", "step-000003"]
    assert (
        latest_complete(tmp_path) == tmp_path / "step-000003"
        and check_checkpoint(tmp_path / "step-000003") == 3
    )
    (tmp_path / "step-000004").mkdir()  # killed before the marker
    (tmp_path / "step-000004" / "data.txt").write_text("4")
    (tmp_path / ".step-000005.tmp").mkdir()
    assert latest_complete(tmp_path) == tmp_path / "step-000003"
    with pytest.raises(UserError, match="no COMPLETE file"):
        check_checkpoint(tmp_path / "step-000004")
    save_checkpoint(tmp_path, 4, put("four"))  # over the unfinished one
    assert (latest_complete(tmp_path) / "data.txt").read_text() == "four"
    (tmp_path / "step-000004" / "data.txt").write_text("")  # truncated afterwards
    assert latest_complete(tmp_path) == tmp_path / "step-000003"
    (tmp_path / "step-000003" / "data.txt").write_text("X")  # same size, other content
    with pytest.raises(UserError, match="data.txt: differs from what was saved"):
        check_checkpoint(tmp_path / "step-000003")


def test_an_error_while_writing_leaves_the_last_good_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, put("good"))

    def broken(folder: Path) -> None:
        (folder / "data.txt").write_text("half")
        raise RuntimeError("the optimizer has no state")

    with pytest.raises(RuntimeError, match="no state"):
        save_checkpoint(tmp_path, 1, broken)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]
    assert (tmp_path / "step-000001" / "data.txt").read_text() == "good"


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    """The old try at the same step has its second name already, the new one is not in place yet."""
    said: list[str] = []
    save_checkpoint(tmp_path, 1, put("good"))
    (tmp_path / "step-000001").rename(tmp_path / ".step-000001.old")
    (tmp_path / ".step-000001.tmp").mkdir()
    found = latest_whole(tmp_path, said.append)
    assert found is not None and (found / "data.txt").read_text() == "good" and not said
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]


@pytest.mark.parametrize(
    "marker", ["[]", "{}", "null", '{"step": 2, "files": 3}', '{"step": 2, "files": {"a": 1}}']
)
def test_a_marker_that_is_none_is_named(tmp_path: Path, marker: str) -> None:
    said: list[str] = []
    save_checkpoint(tmp_path, 1, put("good"), score=float("nan"))
    (tmp_path / "step-000002").mkdir()
    (tmp_path / "step-000002" / "a").write_text("x")
    (tmp_path / "step-000002" / "COMPLETE").write_text(marker)
    assert latest_whole(tmp_path, said.append) == tmp_path / "step-000001" == latest_complete(tmp_path)
    assert len(said) == 1 and "step-000002" in said[0]


def test_the_best_is_kept_beside_the_newest(tmp_path: Path) -> None:
    for step, score in enumerate([0.1, 0.9, None, 0.9, 0.2, 0.3], start=1):
        save_checkpoint(tmp_path, step, put(str(step)), keep_last=1, score=score, keep_best="max")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000004", "step-000006"]
    assert best_complete(tmp_path, "min") == tmp_path / "step-000006"


@pytest.mark.parametrize("writer", ["plain", "torch", "safetensors"])
def test_full_disk(small_disk: Path, writer: str) -> None:
    from safetensors.torch import save_file

    def write(folder: Path) -> None:
        big = torch.zeros(200_000)
        if writer == "plain":
            (folder / "data").write_bytes(b"0" * 800_000)
        elif writer == "torch":
            with open(folder / "data", "wb") as handle:
                torch.save(big, handle)
        else:
            save_file({"x": big}, str(folder / "data"))

    save_checkpoint(small_disk, 1, put("good"))
    with pytest.raises(UserError, match="the disk is full") as caught:
        save_checkpoint(small_disk, 2, write)
    assert caught.value.hint and [p.name for p in small_disk.iterdir()] == ["step-000001"]
    assert latest_complete(small_disk) is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_metrics_on_a_full_disk(run: RunDir) -> None:
    run.metrics.symlink_to("/dev/full")
    with pytest.raises(UserError, match="metrics.jsonl: the disk is full"):
        Tracker(run, small_config()).log(1, {"loss": 1.0})


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    import numpy as np

    def draw() -> tuple:
        return torch.rand(2).tolist(), random.random(), float(np.random.rand()), random.gauss(0, 1)

    random.gauss(0, 1)
    save_rng(tmp_path)
    torch.load(tmp_path / "rng-rank-00000.pt", weights_only=True)
    first = draw()
    assert draw() != first
    load_rng(tmp_path)
    assert draw() == first
    with pytest.raises(UserError, match="no random number state for rank 0"):
        load_rng(tmp_path / "nothing")
    write_state(tmp_path, {"step": 4, "cursor": [1, 2]})
    assert read_state(tmp_path) == {"step": 4, "cursor": [1, 2]}


# -- manifest -------------------------------------------------------------------------------------------------


def test_manifest_round_trip_and_errors(tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"abc")
    write_manifest(
        tmp_path, "rm", "hash", "base", parent="p", extra={"calibration": {"mean": 0.1}}, stage="train_rm"
    )
    read = read_manifest(tmp_path)
    assert (read.kind, read.base_hash, read.parent, read.stage) == ("rm", "hash", "p", "train_rm")
    assert read.extra["calibration"]["mean"] == 0.1 and set(read.files) == {"head.safetensors"}
    assert "head.safetensors" in (tmp_path / "README.md").read_text()
    with pytest.raises(ValueError, match="kind"):
        write_manifest(tmp_path, "thing", "hash", "base")
    (tmp_path / "manifest.json").write_text("{broken")
    with pytest.raises(UserError, match="broken manifest"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "rm", "base": "b", "base_hash": "h", "format": 99}')
    with pytest.raises(UserError, match="newer version"):
        read_manifest(tmp_path)
    good = {"kind": "rm", "base": "b", "base_hash": "h"}
    for wrong in (
        {"format": "x"},
        {"format": True},
        {"kind": ["rm"]},
        {"base": None},
        {"extra": [1]},
        {"files": "f"},
    ):
        (tmp_path / "manifest.json").write_text(json.dumps(good | wrong))
        with pytest.raises(UserError, match=f"broken manifest .{next(iter(wrong))} is "):
            read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="broken manifest"):
        read_manifest(tmp_path)


def test_a_run_without_its_product_is_named(run: RunDir) -> None:
    with pytest.raises(UserError, match="rm.path=.*has not finished"):
        find_final(run.path, "rm.path")


# -- tracking -------------------------------------------------------------------------------------------------


def test_tracker_writes_plain_json_and_resumes_without_doubles(run: RunDir) -> None:
    cfg = small_config(tracker__rollouts_keep=2)
    tracker = Tracker(run, cfg)
    for step in (1, 2, 3):
        tracker.log(
            step, {"loss": torch.tensor(0.5), "reward/rm": float("nan"), "count": 3, "tokens/s": 1.25}
        )
    tracker.rollouts(2, [{"reply": "你好", "scores": {"rm": torch.tensor(1.0)}}] * 5)
    tracker.close()
    rows = read_metrics(run.metrics)
    assert [r["step"] for r in rows] == [1, 2, 3] and rows[0]["loss"] == 0.5 and rows[0]["reward/rm"] is None
    assert "NaN" not in run.metrics.read_text() and list((run.path / "tensorboard").iterdir())
    table = (run.rollouts / "step-000002.jsonl").read_text().splitlines()
    assert len(table) == 2 and json.loads(table[0]) == {"reply": "你好", "scores": {"rm": 1.0}}
    with open(run.metrics, "a") as handle:
        handle.write('{"step": 4, "lo')  # cut short by a crash
    again = Tracker(run, small_config(tracker__tensorboard=False), from_step=2)
    again.log(3, {"loss": 0.1})
    assert [r["step"] for r in read_metrics(run.metrics)] == [1, 2, 3]
    assert read_metrics(run.metrics)[-1]["loss"] == 0.1
    Tracker(run, cfg, active=False).log(9, {"loss": 1})
    assert len(read_metrics(run.metrics)) == 3


# -- progress and signals -------------------------------------------------------------------------------------


def test_progress_as_plain_lines_with_time_left() -> None:
    out = io.StringIO()
    with StepProgress("rl", 12, done=9, stream=out) as progress:
        for _ in range(3):
            progress.advance(loss=0.123456)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("rl 10/12  left 0:00") and lines[0].endswith("loss 0.123")
    assert lines[-1].startswith("rl 12/12") and len(lines) == 2  # in between: nothing new to say yet
    assert progress.seconds_left() == 0.0
    silent = io.StringIO()
    with StepProgress("rl", 2, active=False, stream=silent) as progress:
        progress.advance()
    assert silent.getvalue() == "" and clock(3700) == "1:01:40" and clock(None) == "?" and clock(75) == "1:15"


def test_time_left_when_many_steps_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("repo_cli.training.progress.time.monotonic", lambda: now[0])
    with StepProgress("play", 300, active=False) as progress:
        assert progress.seconds_left() is None
        for done in (60, 60, 80):  # more at once than the steps that are looked back on
            now[0] += 10.0
            progress.advance(done)
    assert progress.seconds_left() == pytest.approx(100 * 30.0 / 200)


def test_progress_bar_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with StepProgress("sft", 2, stream=out) as progress:
        progress.advance(loss=1.5)
        progress.advance(loss=1.25)
    assert "sft" in out.getvalue() and "2/2" in out.getvalue() and "loss 1.25" in out.getvalue()


def test_first_signal_asks_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        with StopFlag() as stop:
            assert not stop.set and not stop.agreed()
            os.kill(os.getpid(), number)
            assert stop.set and stop.agreed() and stop.signal == number.name
    assert signal.getsignal(signal.SIGTERM) is before


def test_second_signal_ends_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from repo_cli.training.signals import StopFlag\n"
        "with StopFlag() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('asked', stop.set, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "asked True\n" and done.returncode == -signal.SIGTERM


def test_light_files_import_no_torch() -> None:
    names = "training.rundir training.checkpoint training.tracking training.progress training.signals models.manifest"
    code = f"import sys\nfor n in {names.split()!r}: __import__('repo_cli.' + n)\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30).returncode == 0
