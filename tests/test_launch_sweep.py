"""Sweeps: Hydra's syntax, directories that tell their overrides, a failed job, an interrupted sweep, the tables."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from stages_kit import board, dialogue, metrics, settings, write

from repo_cli.cli import main
from repo_cli.config import compose
from repo_cli.config.compose import conf_dir
from repo_cli.config.overrides import Places
from repo_cli.errors import UserError
from repo_cli.launch.job import run_job
from repo_cli.launch.resume import new_run
from repo_cli.launch.sweep import (
    PLAN,
    Job,
    Sweep,
    create,
    expand,
    job_name,
    load_sweep,
    plan,
    read_state,
    write_state,
)
from repo_cli.launch.sweep_run import _devices, run_sweep, status
from repo_cli.launch.sweep_table import arranged, results, to_csv, to_html
from repo_cli.training.alive import signature
from repo_cli.training.rundir import RunDir
from repo_cli.training.tracking import Tracker

PLACES = Places(conf_dir())


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


# -- the plan -------------------------------------------------------------------------------------------------


def test_hydras_sweep_syntax() -> None:
    common, jobs = expand(["+experiment=demo", "optim.lr=1e-6,3e-6", "seed=range(2)", "lora.r=8"], PLACES)
    assert common == ["+experiment=demo", "lora.r=8"]
    assert jobs == [
        ["optim.lr=1e-06", "seed=0"], ["optim.lr=1e-06", "seed=1"],
        ["optim.lr=3e-06", "seed=0"], ["optim.lr=3e-06", "seed=1"],
    ]  # fmt: skip
    assert expand(["algorithm=choice(repo,grpo)"], PLACES)[1] == [["algorithm=repo"], ["algorithm=grpo"]]
    assert expand(["seed=range(1,10,4)"], PLACES)[1] == [["seed=1"], ["seed=5"], ["seed=9"]]
    assert expand(["engine=glob(zero*,exclude=zero1)"], PLACES)[1] == [[f"engine=zero{n}"] for n in (0, 2, 3)]
    assert expand(["lora.targets=[a,b],[c]"], PLACES)[1] == [["lora.targets=[a,b]"], ["lora.targets=[c]"]]
    assert expand(["seed=1,2", "name='a,b'", "data.path=a=b"], PLACES)[0] == ["name='a,b'", "data.path=a=b"]
    for text, words in (
        ("optim.lr=interval(0,1)", "interval"),
        ("lora.r=8", "no override has several values"),
    ):
        with pytest.raises(UserError, match=words):
            expand([text], PLACES)
    with pytest.raises(UserError, match="20000 jobs"):
        expand(["seed=range(20000)"], PLACES)


def test_a_name_tells_the_overrides_and_is_a_name() -> None:
    assert job_name(3, ["optim.lr=1e-06", "+experiment=demo"]) == "003_optim.lr=1e-06,experiment=demo"
    assert job_name(0, ["data.path=../../etc/pass wd"]) == "000_data.path=..-..-etc-pass-wd"
    long = job_name(1, ["name=" + "x" * 500])
    assert len(long) < 120 and "/" not in job_name(2, ["a=/", "b=\n"])


def test_every_job_is_composed_before_anything_is_made(tmp_path: Path) -> None:
    given = settings(tmp_path / "runs", "data.path=world:gold")
    with pytest.raises(UserError, match=r"job 1 \(lora.r=-1\): lora.r=-1 is out of range"):
        plan("sft", [*given, "lora.r=8,-1"])
    with pytest.raises(UserError, match=r"job 1 \(data.path=no.jsonl\): .*no such file"):
        plan("sft", [*given, "data.path=world:gold,no.jsonl"])
    assert list(tmp_path.iterdir()) == []


def test_dry_run_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = settings(tmp_path / "runs", "data.path=world:gold")
    assert run("sft", "-m", "optim.lr=1e-3,1e-4", "seed=0,1", "--dry-run", *given) == 0
    said = capsys.readouterr().out
    assert (
        "sweep of 4 jobs" in said and "003_optim.lr=0.0001,seed=1" in said and "nothing was started" in said
    )
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_leaves_its_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(
        '{"stage": "sft", "common": [], "made": "", "jobs": [{"index": 0, "overrides": [], "name": "../x"}]}'
    )
    with pytest.raises(UserError, match="leaves its directory"):
        load_sweep(tmp_path)
    (tmp_path / PLAN).write_text("[]")
    with pytest.raises(UserError, match="cannot be read"):
        load_sweep(tmp_path)


def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,4,5")
    assert [_devices(slot, 2, 2) for slot in (0, 1)] == ["0,1", "4,5"]
    assert _devices(0, 3, 2) == ""


# -- running --------------------------------------------------------------------------------------------------


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    data = write(tmp_path / "data.jsonl", [dialogue(i) for i in range(20)])
    short = ("policy.train=full", "sft.batch_size=4", "sft.epochs=200")
    return settings(tmp_path / "runs", f"data.path={data}", f"sweep.path={tmp_path / 'sweep'}", *short)


def test_a_failed_job_does_not_stop_the_others_and_is_tried_again(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one finds a broken row, which is then mended."""
    bad, good = tmp_path / "bad.jsonl", tmp_path / "data.jsonl"
    bad.write_text(good.read_text() + "{broken\n")
    code = run("sft", "-m", f"data.path={bad},{good}", "sft.max_steps=2", "sweep.jobs=2", *given)
    said = capsys.readouterr()
    assert code == 1 and "1 done, 1 failed of 2 jobs" in said.err and "repo sweep resume" in said.err
    assert "Traceback" not in said.err
    sweep = load_sweep(tmp_path / "sweep")
    places = [sweep.folder(job) for job in sweep.jobs]
    assert [status(place)["state"] for place in places] == ["failed", "done"]
    assert "bad.jsonl:21" in read_state(places[0])["message"]
    assert re.match(r"000_data\.path=.*bad\.jsonl$", sweep.jobs[0].name)
    assert run("sweep", "status", str(sweep.path)) == 0
    said = capsys.readouterr()
    assert "1 done, 1 failed" in said.out and "bad.jsonl:21" in said.out

    bad.write_text(good.read_text())
    before = (places[1] / "metrics.jsonl").read_bytes()
    assert run("sweep", "resume", str(sweep.path)) == 0
    assert [read_state(place).get("tried") for place in places] == [2, 1]
    assert (places[1] / "metrics.jsonl").read_bytes() == before
    assert metrics(places[0]) == metrics(places[1])  # the same data under another name

    capsys.readouterr()
    page, table = tmp_path / "out" / "sweep.html", tmp_path / "out" / "sweep.csv"
    asked = ("--sort", "sft/loss", "--ascending", "--csv", str(table), "--html", str(page))
    assert run("sweep", "table", str(sweep.path), *asked) == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    losses = [row["sft/loss"] for row in metrics(places[0])]
    assert [float(row["sft/loss"]) for row in rows] == pytest.approx([sum(losses) / 2] * 2, rel=1e-5)
    assert {row["data.path"] for row in rows} == {str(bad), str(good)}
    assert "bad.jsonl" in page.read_text() and "val/loss" in page.read_text()
    assert run("sweep", "table", str(sweep.path), "--sort", "reward/totl") == 2
    assert "sft/loss" in capsys.readouterr().err
    assert run("sft", "-m", "seed=1,2", *given) == 2
    assert "there is a sweep already" in capsys.readouterr().err


def test_a_job_that_failed_is_tried_again_by_itself(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its data file is away for the first two tries."""
    sweep, configs = plan("sft", ["seed=3,4", "sft.max_steps=2", *given])
    create(sweep, configs)
    (folder, other), data, away = map(sweep.folder, sweep.jobs), tmp_path / "data.jsonl", tmp_path / "away"
    write_state(other, state="done")
    data.rename(away)

    def bring_back() -> None:
        while read_state(folder).get("tried", 0) < 2 or read_state(folder)["state"] != "failed":
            time.sleep(0.01)
        away.rename(data)

    thread = threading.Thread(target=bring_back, daemon=True)
    thread.start()
    assert run_sweep(sweep, 1, 2, 1, 60.0) == {"done": 2}
    assert read_state(folder)["tried"] == 3 and len(metrics(folder)) == 2 and "tried" not in read_state(other)
    said = capsys.readouterr().out
    assert said.count("failed: data.path=") == 2 and not (sweep.path / "sweep.lock").exists()
    # the retries are over after so many
    data.rename(away)
    write_state(folder, state="waiting")
    (folder / "final").rename(tmp_path / "kept")
    assert run_sweep(sweep, 1, 1, 1, 60.0) == {"failed": 1, "done": 1} and read_state(folder)["tried"] == 5


def test_a_try_without_a_checkpoint_leaves_nothing_to_the_next(given: list[str], tmp_path: Path) -> None:
    cfg = compose("sft", [*given, "sft.max_steps=2", "tracker.tensorboard=true"])
    run_dir = new_run(cfg, given)
    first = Tracker(RunDir(run_dir), cfg)
    for step in (1, 2, 3):
        first.log(step, {"sft/loss": 9.0})
    first.alarm_event({"step": 3, "alarm": "loss", "state": "start"})
    first.rollouts(3, [{"reply": "old"}])
    first.close()
    run_job(run_dir)
    assert [row["step"] for row in metrics(run_dir)] == [1, 2] and not (run_dir / "alarms.jsonl").exists()
    assert not list((run_dir / "rollouts").glob("*"))
    shown = board(run_dir, "sft/loss")
    assert [step for step, _ in shown] == [1, 2] and 9.0 not in [value for _, value in shown]
    assert read_state(run_dir)["state"] == "done" and not list(run_dir.glob("*.lock"))


def test_a_sweep_whose_driver_was_killed_goes_on_where_it_was(given: list[str], tmp_path: Path) -> None:
    """Its job runs on by itself, and is waited for."""
    command = [sys.executable, "-m", "repo_cli.cli"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [*command, "sft", "-m", "seed=0,1", "sft.max_steps=500", *given], env=env, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 90
    while not list((tmp_path / "sweep").glob("jobs/000*/metrics.jsonl")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    sweep = load_sweep(tmp_path / "sweep")
    states = [status(sweep.folder(job))["state"] for job in sweep.jobs]
    assert states == ["running", "waiting"], "the first job is at work still"
    again = subprocess.run(
        [*command, "sweep", "resume", str(sweep.path)], env=env, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "[1/2] still runs" in again.stdout and "2 done" in again.stdout
    for job in sweep.jobs:
        assert [row["step"] for row in metrics(sweep.folder(job))] == list(range(1, 501))
        assert read_state(sweep.folder(job))["tried"] == 1


def test_an_interrupted_sweep_goes_on_where_it_was(given: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "repo_cli.cli"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [*command, "sft", "-m", "seed=0,1", "sft.max_steps=60", *given],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 90
    while (
        not (found := list((tmp_path / "sweep").glob("jobs/*/metrics.jsonl")))
        or len(metrics(found[0].parent)) < 3
    ):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75 and "repo sweep resume" in said and "Traceback" not in said
    sweep = load_sweep(tmp_path / "sweep")
    states = [read_state(sweep.folder(job)) for job in sweep.jobs]
    assert [s["state"] for s in states] == ["stopped", "waiting"] and states[0]["code"] == 75
    done = len(metrics(sweep.folder(sweep.jobs[0])))
    assert done < 60
    again = subprocess.run(
        [*command, "sweep", "resume", str(sweep.path)], env=env, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    for job in sweep.jobs:
        assert [row["step"] for row in metrics(sweep.folder(job))] == list(range(1, 61))
    assert f"resumed after step {done}" in (sweep.folder(sweep.jobs[0]) / "output.txt").read_text()


# -- states and tables without a run ---------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Sweep:
    jobs = [Job(i, [f"seed={i}"], job_name(i, [f"seed={i}"])) for i in range(3)]
    sweep = Sweep(tmp_path / "s", "sft", ["name=<b>x</b>"], jobs)
    for job in jobs:
        sweep.folder(job).mkdir(parents=True)
    sweep.save()
    return sweep


def test_a_job_whose_process_is_gone_is_lost(small: Sweep) -> None:
    import socket

    gone = subprocess.Popen(["true"])
    gone.wait()
    folder = small.folder(small.jobs[0])
    write_state(folder, state="running", pid=gone.pid, host=socket.gethostname())
    assert status(folder)["state"] == "lost"
    write_state(folder, pid=os.getpid())
    assert status(folder)["state"] == "running"
    write_state(folder, **signature())
    assert status(folder)["state"] == "running"
    # the number was given away again, and the process that has it now is another
    write_state(folder, mark="boot/12345")
    assert status(folder)["state"] == "lost"
    write_state(folder, mark=signature()["mark"])
    (folder / "state.json").write_text("{broken")
    assert status(folder)["state"] == "waiting"


def test_the_table_takes_what_is_there_and_escapes_it(small: Sweep) -> None:
    for i, values in enumerate(([1.0, 3.0], [5.0, None], [])):
        lines = [
            f'{{"step": {s}, "reward/total": {"null" if v is None else v}}}\n'
            for s, v in enumerate(values, 1)
        ]
        (small.folder(small.jobs[i]) / "metrics.jsonl").write_text("".join(lines) + '{"step": 9, "rew')
    small.jobs[2].overrides[0] = "name==<script>"
    rows, columns = arranged(results(small), "reward/total", [])
    assert [row.job.index for row in rows] == [1, 0, 2] and columns == ["reward/total"]
    assert [row.numbers.get("reward/total") for row in rows] == [5.0, 2.0, None] and rows[1].step == 2
    assert [r.job.index for r in arranged(results(small, 1), "reward/total", [], ascending=True)[0]] == [
        0,
        1,
        2,
    ]
    text = to_csv(rows, columns)
    assert "'=<script>" in text and text.splitlines()[0] == "job,seed,name,state,step,reward/total"
    page = to_html(small, rows, columns)
    assert "<script>," not in page and "&lt;script&gt;" in page and "<b>x</b>" not in page
