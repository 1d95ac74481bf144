"""Sweeps by Hydra's own launchers and sweepers: the shipped ones here; Optuna's and submitit's where they are installed
(pip install hydra-optuna-sweeper hydra-submitit-launcher), the latter on a real Slurm (REPO_TEST_SLURM=1)."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from slurm_kit import run as ask
from slurm_kit import slurm, why_not
from stages_kit import dialogue, metrics, settings, write
from test_launch_sweep import run

from repo_cli.config import compose
from repo_cli.config.compose import conf_dir
from repo_cli.config.overrides import Places
from repo_cli.launch.plugin_sweep import apart, split
from repo_cli.launch.sweep import load_sweep, read_state

ROOT = Path(__file__).parents[1]
LR = "optim.lr=tag(log,interval(1e-4,3e-2))"


def installed(package: str) -> bool:
    return bool(list(importlib.metadata.distributions(name=package)))


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not installed(package), reason=f"{package} is not installed")


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    data = write(tmp_path / "data.jsonl", [dialogue(i) for i in range(20)])
    short = (
        "policy.train=full",
        "sft.batch_size=4",
        "sft.epochs=99999",
        "sft.max_steps=3",
        "engine.threads=1",
    )
    return settings(tmp_path / "runs", f"data.path={data}", f"sweep.path={tmp_path / 'sweep'}", *short)


def test_what_is_swept_and_the_first_value_of_each() -> None:
    texts = [
        "lora.r=8",
        LR,
        "seed=range(3)",
        "algorithm=choice(repo,ppo)",
        "engine=glob(zero*,exclude=zero0)",
    ]
    common, swept, first = split(texts, Places(conf_dir()))
    assert common == ["lora.r=8"] and swept == texts[1:]
    assert first == ["optim.lr=0.0001", "seed=0", "algorithm=repo", "engine=zero1"]


def test_jobs_are_composed_in_the_middle_of_hydras_own_composition() -> None:
    with initialize_config_dir(config_dir=str(conf_dir()), job_name="repo", version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        with apart():
            assert compose("eval", ["policy=tiny", "lora=r64"]).lora.r == 64
        assert GlobalHydra.instance().hydra is outer is not None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["hydra/launcher=nosuch", "seed=1,2"], ["Could not find 'hydra/launcher/nosuch'", "basic"]),
        (["hydra/launcher=basic", "hydra.launcher.workers=2", "seed=1,2"], ["workers"]),
        (["hydra/launcher=basic", "hydra.sweep.dir=x", "seed=1,2"], ["hydra.sweep.dir=x", "sweep.path"]),
        (
            ["hydra/launcher=basic", "launch=slurm", "launch.nproc=1", "seed=1,2"],
            ["launch=slurm does not go with", "job array"],
        ),
        (["hydra/launcher=basic"], ["no override has several values"]),
        (["hydra/sweeper=optuna", LR], ["sweep.objective=reward/total"]),
        (["hydra/launcher=basic", "lora.r=-1,2"], ["lora.r=-1 is out of range"]),
    ],
)
def test_what_does_not_fit_is_told_and_makes_nothing(
    asked: list[str], words: list[str], given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sft", "-m", *asked, *given) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert not (tmp_path / "sweep").exists()
    assert run("sft", asked[0], *given) == 2 and "are for -m" in capsys.readouterr().err


@pytest.mark.skipif(installed("hydra-optuna-sweeper"), reason="it is there")
def test_a_plugin_that_is_not_installed_is_named(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sft", "-m", "hydra/sweeper=optuna", LR, "sweep.objective=val/loss", *given) == 2
    assert "pip install hydra-optuna-sweeper" in capsys.readouterr().err


def test_a_job_that_cannot_be_does_not_stop_the_others(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("hydra/launcher=basic", "optim.lr=0.01,-1")
    assert run("sft", "-m", *asked, "--dry-run", *given) == 0
    assert "nothing was started" in capsys.readouterr().out and not (tmp_path / "sweep").exists()
    assert run("sft", "-m", *asked, *given) == 1
    assert "1 done, 1 failed of 2 jobs" in capsys.readouterr().err
    sweep = load_sweep(tmp_path / "sweep")
    states = [read_state(sweep.folder(job)) for job in sweep.jobs]
    assert [s["state"] for s in states] == ["done", "failed"] and "optim.lr=-1" in states[1]["message"]
    assert [job.name for job in sweep.jobs] == ["000_optim.lr=0.01", "001_optim.lr=-1"]
    assert len(metrics(sweep.folder(sweep.jobs[0]))) == 3
    assert run("sweep", "status", str(sweep.path)) == 0 and "1 done, 1 failed" in capsys.readouterr().out
    assert run("sweep", "table", str(sweep.path), "--sort", "val/loss") == 0
    assert run("sft", "-m", *asked, *given) == 2
    assert "there is a sweep already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_failed_job_is_tried_again_by_one_command(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "data.jsonl", tmp_path / "bad.jsonl"
    bad.write_text(good.read_text() + "{broken\n")
    assert run("sft", "-m", "hydra/launcher=basic", f"data.path={bad},{good}", *given) == 1
    assert "1 done, 1 failed of 2 jobs" in capsys.readouterr().err
    sweep = load_sweep(tmp_path / "sweep")
    states = [read_state(sweep.folder(job)) for job in sweep.jobs]
    assert [s["state"] for s in states] == ["failed", "done"] and "bad.jsonl:21" in states[0]["message"]
    bad.write_text(good.read_text())
    assert run("sweep", "resume", str(sweep.path)) == 0
    assert [len(metrics(sweep.folder(job))) for job in sweep.jobs] == [3, 3]


@needs("hydra-optuna-sweeper")
@pytest.mark.slow
def test_optuna_searches_by_the_metric(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1", LR)
    assert run("sft", "-m", *optuna, "sweep.objective=val/los", *given) == 2
    assert "did you mean val/loss?" in capsys.readouterr().err
    place = f"sweep.path={tmp_path / 'other'}"
    assert run("sft", "-m", *optuna, "sweep.objective=val/loss", *given, place) == 0
    sweep = load_sweep(tmp_path / "other")
    losses = []
    for job in sweep.jobs:
        manifest = json.loads((sweep.folder(job) / "final" / "manifest.json").read_text())
        losses.append(manifest["extra"]["metrics"]["val/loss"])
    best = (sweep.path / "optimization_results.yaml").read_text()
    assert len(set(losses)) == 3 and f"best_value: {min(losses)}" in best


@pytest.mark.slow
def test_ctrl_c_ends_all_and_what_had_begun_goes_on(given: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "repo_cli.cli"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    asked = [*command, "sft", "-m", "hydra/launcher=basic", "seed=0,1", *given, "sft.max_steps=300"]
    process = subprocess.Popen(asked, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 90
    while not list((tmp_path / "sweep").glob("jobs/000*/metrics.jsonl")):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75 and "repo sweep resume" in said and "Traceback" not in said, said
    sweep = load_sweep(tmp_path / "sweep")
    (job,) = sweep.jobs
    assert read_state(sweep.folder(job))["state"] == "stopped" and 0 < len(metrics(sweep.folder(job))) < 300
    assert run("sweep", "resume", str(sweep.path)) == 0
    assert [row["step"] for row in metrics(sweep.folder(job))] == list(range(1, 301))


# -- a real Slurm ----------------------------------------------------------------------------------------------

real = pytest.mark.skipif(why_not() is not None, reason=f"a real Slurm: {why_not()}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm(tmp_path_factory.mktemp("slurm")) as env:
        yield env | {"PYTHONPATH": str(ROOT)}


@real
@needs("hydra-submitit-launcher")
def test_submitit_submits_each_job(cluster: dict[str, str], given: list[str], tmp_path: Path) -> None:
    asked = [
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.timeout_min=5",
        "hydra.launcher.cpus_per_task=1",
    ]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "repo_cli.cli",
        "sft",
        "-m",
        *asked,
        "optim.lr=1e-3,3e-3",
        *given,
    ]
    done = subprocess.run(command, env=cluster, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = load_sweep(tmp_path / "sweep")
    states = [read_state(sweep.folder(job)) for job in sweep.jobs]
    assert [s["state"] for s in states] == ["done", "done"] and all(s["slurm"] for s in states)
    assert "2 done" in done.stdout and not ask(["squeue", "-h"], cluster).strip()
