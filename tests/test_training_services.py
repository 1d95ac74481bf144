"""Weights & Biases, MLflow and trackio, each with its own library and offline (skipped where it is not installed)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from training_kit import small_config

from repo_cli.errors import UserError
from repo_cli.training import services, tracking
from repo_cli.training.rundir import RunDir
from repo_cli.training.tracking import Tracker, flat


def run_of(place: Path, name: str) -> tuple[RunDir, Any]:
    cfg = small_config(runs_dir=str(place), stage="rl", name="one", tracker__services=[name])
    cfg.tracker.tensorboard = False
    return RunDir.create(cfg), cfg


def needs(name: str) -> Any:
    missing = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed (pip install {name})")


def twice(place: Path, name: str) -> tuple[RunDir, dict[str, Any]]:
    """Steps 1-4, a stop that goes back to step 3, steps 4-6; each half in a process of its own, as restarts are."""
    run, _ = run_of(place, name)
    code = (
        "import sys\nfrom repo_cli.config import load_frozen\nfrom repo_cli.training.rundir import RunDir\n"
        "from repo_cli.training.tracking import Tracker\n"
        "run = RunDir(sys.argv[1]); cfg = load_frozen(run.path)\n"
        "first, last, start = int(sys.argv[2]), int(sys.argv[3]), (int(sys.argv[4]) or None)\n"
        "t = Tracker(run, cfg, from_step=start)\n"
        "for s in range(first, last + 1): t.log(s, {'reward/total': s / 2, 'reward/rm': float('nan')})\n"
        "t.close()\n"
    )
    for given in (("1", "4", "0"), ("4", "6", "3")):
        env = {**os.environ, "WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(run.path), *given],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    return run, json.loads((run.path / "tracking.json").read_text())[name]


def test_a_service_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.importlib.util, "find_spec", lambda name: None)
    run, cfg = run_of(tmp_path, "wandb")
    with pytest.raises(UserError, match="wandb is not installed") as caught:
        Tracker(run, cfg)
    assert "pip install wandb" in caught.value.hint
    Tracker(run, cfg, active=False)  # other ranks need none


class Flaky:
    """A service that is down while `down` says so; what it was given is kept over restarts."""

    got: list[tuple[int, float]] = []
    closed: list[str] = []
    down = False

    def __init__(self, run_dir: Path, run_id: str, project: str, offline: bool, settings: Any) -> None:
        self.id = run_id
        self.answer()

    def answer(self) -> None:
        if Flaky.down:
            raise ConnectionError("503 try later")

    def log(self, step: int, numbers: Any) -> None:
        self.answer()
        Flaky.got.append((step, numbers["reward/total"]))

    def close(self) -> None:
        self.answer()
        Flaky.closed.append(self.id)


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunDir, Any]:
    monkeypatch.setitem(services.SERVICES, "json", Flaky)  # under the name of a package that is installed
    Flaky.got, Flaky.closed, Flaky.down = [], [], False
    return run_of(tmp_path, "json")


def log_steps(tracker: Tracker, steps: range, down: range) -> None:
    for step in steps:
        Flaky.down = step in down
        tracker.log(step, {"reward/total": step / 2})


def test_a_service_that_fails_ends_no_training_and_gets_all_when_it_is_back(
    flaky: tuple[RunDir, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    now = [100.0]
    monkeypatch.setattr(services.time, "monotonic", lambda: now[0])
    tracker = Tracker(*flaky, say=said.append)
    for step in range(1, 9):
        log_steps(tracker, range(step, step + 1), range(3, 6))
        now[0] += 20.0
    # down in steps 3 to 5; asked again half a minute after a failure: in step 5 (still down), then in step 7
    assert Flaky.got == [(s, s / 2) for s in range(1, 9)]
    assert len(said) == 1 and "json does not answer (ConnectionError: 503 try later)" in said[0]
    tracker.close()
    assert (
        len(Flaky.closed) == 1 and len(Flaky.got) == 8 and len(tracking.read_metrics(flaky[0].metrics)) == 8
    )


def test_a_service_that_stays_down_gets_the_rest_at_the_end_or_when_the_run_goes_on(
    flaky: tuple[RunDir, Any],
) -> None:
    said: list[str] = []
    tracker = Tracker(*flaky, say=said.append)
    log_steps(tracker, range(1, 6), range(3, 6))
    Flaky.down = False  # back before the end
    tracker.close()
    assert [step for step, _ in Flaky.got] == [1, 2, 3, 4, 5] and len(said) == 1

    tracker = Tracker(*flaky, from_step=4, say=said.append)  # the fifth step is made again, and known there
    log_steps(tracker, range(5, 8), range(5, 9))  # it does not even start
    tracker.close()
    assert [step for step, _ in Flaky.got] == [1, 2, 3, 4, 5] and len(said) == 3
    assert "did not get the last 2 steps" in said[2]

    Flaky.down = False
    tracker = Tracker(*flaky, from_step=7, say=said.append)
    tracker.catch_up()  # a run that has no step left
    tracker.close()
    assert [step for step, _ in Flaky.got] == list(range(1, 8)) and len(said) == 3
    assert len(set(Flaky.closed)) == 1  # one id over all restarts


def test_a_service_that_does_not_start_ends_a_new_run_at_once(flaky: tuple[RunDir, Any]) -> None:
    with pytest.raises(UserError, match="json does not start: ConnectionError: 503"):
        log_steps(Tracker(*flaky), range(1, 2), range(1, 2))


def test_settings_are_flat_and_without_the_long_parts() -> None:
    found = flat({"lora": {"r": 4}, "rules": {"rules": {"G01": {"about": "x"}}, "name": "n"}})
    assert found == {"lora.r": 4, "rules.name": "n"}


def log_records(data: bytes) -> list[bytes]:
    """The records of a LevelDB log after its file header of 7 bytes: blocks of 32 KiB, parts of (crc, length, type)."""
    found, part, at = [], b"", 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(part)
            part = b""
    return found


@needs("wandb")
def test_wandb_offline(tmp_path: Path) -> None:
    run, noted = twice(tmp_path, "wandb")
    folders = sorted((run.path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2 and all(folder.name.endswith(noted["id"]) for folder in folders)
    assert noted["step"] == 6
    from wandb.proto import wandb_internal_pb2

    steps = []
    for folder in folders:
        for data in log_records(next(folder.glob("*.wandb")).read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                items = {i.key or ".".join(i.nested_key): i.value_json for i in record.history.item}
                steps.append((int(items["_step"]), float(items["reward/total"])))
    assert steps == [(s, s / 2) for s in range(1, 7)]


@needs("mlflow")
def test_mlflow_offline(tmp_path: Path) -> None:
    run, _ = twice(tmp_path, "mlflow")
    from mlflow.tracking import MlflowClient

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=(run.path / "mlflow").resolve().as_uri())
    place = client.get_experiment_by_name("repo").experiment_id
    (found,) = client.search_runs([place])
    history = client.get_metric_history(found.info.run_id, "reward/total")
    assert [(m.step, m.value) for m in history] == [(s, s / 2) for s in range(1, 7)]
    assert found.data.params["lora.r"] == "4" and found.info.status == "FINISHED"


@needs("trackio")
def test_trackio_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, noted = twice(tmp_path, "trackio")
    code = (
        "import json, sys\nfrom trackio.sqlite_storage import SQLiteStorage as S\n"
        "rows = S.get_logs('repo', sys.argv[1])\n"
        "print(json.dumps([[r['step'], r['reward/total']] for r in rows]))"
    )
    env = {**os.environ, "TRACKIO_DIR": str(run.path / "trackio")}
    done = subprocess.run([sys.executable, "-c", code, noted["id"]], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [[s, s / 2] for s in range(1, 7)]


def test_event_files_of_two_lives_have_different_seconds(tmp_path: Path) -> None:
    """TensorBoard puts files of one second in any order, and a resumed run's purge would find nothing to take out."""
    from repo_cli.training.tracking import _let_the_second_pass

    now = int(time.time())
    (tmp_path / f"events.out.tfevents.{now}.host.99.0").touch()
    _let_the_second_pass(tmp_path)
    assert int(time.time()) > now
    (
        tmp_path / f"events.out.tfevents.{now + 1000}.host.99.0"
    ).touch()  # of a clock that was set back: no wait
    _let_the_second_pass(tmp_path)
    assert int(time.time()) < now + 30
