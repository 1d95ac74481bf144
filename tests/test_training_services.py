"""Weights & Biases, MLflow and trackio, each with its own library and offline (skipped where it is not installed)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from training_kit import small_config

from repo_cli.errors import UserError
from repo_cli.training import services
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
