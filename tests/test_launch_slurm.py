"""launch=slurm: the batch file, Slurm's variables, and (marked: a real Slurm on this machine) submit, requeue, arrays.

The real tests need `apt install slurm-wlm munge`, root, and REPO_TEST_SLURM=1: they start daemons, and take minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_kit import run, slurm, why_not
from stages_kit import dialogue, metrics, settings, write

from repo_cli.config import compose, load_frozen
from repo_cli.errors import UserError
from repo_cli.launch.processes import launch
from repo_cli.launch.slurm import array, batch_file, srun_command, submit_stage
from repo_cli.launch.slurm_env import adopt, first_host, tasks_here
from repo_cli.launch.sweep import load_sweep, read_state
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.run_lock import RunLock

ROOT = Path(__file__).parents[1]


def given(*more: str) -> list[str]:
    return ["launch=slurm", "rules=none", "policy=tiny", *more]


def test_the_batch_file_says_what_the_configuration_says(tmp_path: Path) -> None:
    more = (
        "slurm.nodes=2",
        "launch.nproc=4",
        "slurm.partition=gpu",
        "slurm.time='2-00:00:00'",
        "slurm.signal_s=180",
    )
    more += ("slurm.modules=[cuda/12.4]", "slurm.env.NCCL_DEBUG='a b'", "slurm.sbatch=['--constraint=a100']")
    more += ("slurm.setup=['source env/bin/activate']", "engine.threads=3", "slurm.max_restarts=7")
    cfg = compose("rl", given(*more))
    text = batch_file(cfg, tmp_path / "a run")
    for line in (
        "#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=4", "#SBATCH --gpus-per-node=4", "#SBATCH --partition=gpu",
        "#SBATCH --time=2-00:00:00", "#SBATCH --signal=B:USR1@180", "#SBATCH --requeue", "#SBATCH --constraint=a100",
        "module load cuda/12.4", "source env/bin/activate", "export NCCL_DEBUG='a b'", "export HF_HUB_OFFLINE=1",
        "export OMP_NUM_THREADS=3",
    ):  # fmt: skip
        assert line in text.splitlines(), line
    assert f"repo_cli.cli job '{tmp_path / 'a run'}' &" in text and "< 7))" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert "HF_HUB_OFFLINE" not in batch_file(compose("rl", given("slurm.offline=false")), tmp_path)
    swept = batch_file(cfg, tmp_path, [0, 1, 2, 5])
    assert "#SBATCH --array=0-2,5%4" in swept and f'job {tmp_path} "$SLURM_ARRAY_TASK_ID" &' in swept
    assert "--gpus" not in batch_file(compose("rl", given("slurm.gpus_per_node=0")), tmp_path)


def test_the_ranks_are_tasks_of_srun_in_the_container(tmp_path: Path) -> None:
    cfg = compose(
        "rl", given("slurm.nodes=3", "launch.nproc=2", "slurm.container=my image.sif", "slurm.python=py")
    )
    command = srun_command("rl", cfg, tmp_path)
    assert command[:4] == ["srun", "--nodes=3", "--ntasks=6", "--ntasks-per-node=2"]
    at = command.index("apptainer")
    assert command[at : at + 5] == ["apptainer", "exec", "--nv", "my image.sif", "py"]
    assert command[-2:] == [str(tmp_path.resolve()), "rl"]


def test_what_would_leave_its_line_is_refused(tmp_path: Path) -> None:
    for key in ("slurm.partition", "slurm.account"):
        cfg = compose("rl", given())
        setattr(cfg.slurm, key.split(".")[1], "a\nrm -rf x")
        with pytest.raises(UserError, match="no option of sbatch"):
            batch_file(cfg, tmp_path)
    cfg = compose("rl", given())
    cfg.slurm.sbatch = ["constraint=a100"]
    with pytest.raises(UserError, match="no option of sbatch"):
        batch_file(cfg, tmp_path)
    cfg = compose("rl", given())
    cfg.slurm.env = {"A; rm": "x"}
    with pytest.raises(UserError, match="slurm.env.A; rm"):
        batch_file(cfg, tmp_path)


def test_without_sbatch_it_says_so_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cfg = compose("sft", given(f"runs_dir={tmp_path / 'runs'}"))
    with pytest.raises(UserError, match="no sbatch on this machine"):
        submit_stage(cfg, [])
    assert not (tmp_path / "runs").exists()
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match="outside of a Slurm job"):
        launch("sft", cfg)


def test_a_run_that_queues_or_runs_is_not_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()

    def tool(name: str, text: str) -> None:
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    tool("sbatch", f"echo submitted >> {tmp_path}/calls; echo 4711")
    tool("squeue", "echo '4711 all repo PENDING'")
    data = write(tmp_path / "data.jsonl", [dialogue(i) for i in range(4)])
    texts = settings(tmp_path / "runs", "launch=slurm", f"data.path={data}", "policy.train=full")
    said = submit_stage(compose("sft", texts), texts)
    number, place = job_of(said)
    assert number == "4711" and (place / "slurm" / "job.sbatch").is_file()

    frozen = (place / "config.yaml").read_bytes()
    again = ["launch=slurm", f"resume={place}", "sft.epochs=9"]
    with pytest.raises(UserError, match="job 4711 is still in the queue") as caught:
        submit_stage(compose("sft", again), again)
    assert "scancel 4711" in str(caught.value.hint)
    local = [f"resume={place}"]
    with pytest.raises(UserError, match="job 4711 is still in the queue"):
        launch("sft", compose("sft", local), overrides=local)
    tool("squeue", "exit 0")  # it has ended, but somebody goes on with the run by hand
    lock = RunLock(place)
    lock.take()
    with pytest.raises(UserError, match=f"process {os.getpid()} on .* is at work there"):
        submit_stage(compose("sft", again), again)
    assert (place / "config.yaml").read_bytes() == frozen
    lock.release()
    submit_stage(compose("sft", again), again)
    assert (tmp_path / "calls").read_text() == "submitted\n" * 2
    assert load_frozen(place).sft.epochs == 9


def test_slurms_variables_become_torchs() -> None:
    env = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1"}
    env |= {"SLURM_STEP_NODELIST": "gpu[03-04]", "SLURM_STEP_TASKS_PER_NODE": "4(x2)", "SLURM_NODEID": "1"}
    env["SLURM_JOB_ID"] = "123456"
    assert adopt(env)
    assert [env[k] for k in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")] == ["5", "8", "1", "4"]
    assert env["MASTER_ADDR"] == "gpu03" and env["MASTER_PORT"] == str(20000 + 123456 % 20000)
    before = dict(env)
    assert not adopt(env) and env == before  # somebody has set them
    assert not adopt({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"})  # the batch script itself
    assert not adopt({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"})
    names = ["gpu[03-05,09],cpu1", "node7", "a[1,3]-ib", "n1,n2"]
    assert [first_host(name) for name in names] == ["gpu03", "node7", "a1-ib", "n1"]
    assert [tasks_here("4(x2),2", node) for node in range(4)] == ["4", "4", "2", "2"]
    assert array([7, 0, 1, 2]) == "0-2,7"


# -- a real Slurm ----------------------------------------------------------------------------------------------

real = pytest.mark.skipif(why_not() is not None, reason=f"a real Slurm: {why_not()}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm(tmp_path_factory.mktemp("slurm")) as env:
        yield env | {"PYTHONPATH": str(ROOT)}


def overrides(tmp_path: Path, *more: str) -> list[str]:
    data = write(tmp_path / "data.jsonl", [dialogue(i) for i in range(20)])
    short = (
        "policy.train=full",
        "sft.batch_size=4",
        "sft.epochs=2000",
        "data.val_fraction=0.1",
        "engine.threads=1",
    )
    under = ("slurm.gpus_per_node=0", "slurm.cpus_per_rank=1", "launch.heartbeat_s=60", "lora.dropout=0.1")
    return [*settings(tmp_path / "runs", f"data.path={data}", *short), *under, *more]


def repo(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "repo_cli.cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(holds: Any, tell: Any, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.3)


def job_of(said: str) -> tuple[str, Path]:
    """(number, directory) as the command printed them."""
    return said.split("job ", 1)[1].split()[0], Path(said.split("directory: ", 1)[1].split("\n")[0])


def output(place: Path) -> str:
    return "\n".join(file.read_text() for file in (place / "slurm").glob("*.txt"))


def go_on_now(number: str, env: dict[str, str]) -> None:
    """A requeued job begins two minutes later by default."""
    until(lambda: waits(number, env), lambda: run(["squeue"], env))
    time.sleep(3)  # a node refuses a job that it ended in this very second
    run(["scontrol", "update", f"JobId={number}", "StartTime=now"], env)


def waits(number: str, env: dict[str, str]) -> bool:
    return "PENDING BeginTime" in run(["squeue", "-h", "-j", number, "-o", "%T %r"], env)


@real
def test_a_requeued_run_of_two_tasks_equals_an_undisturbed_one(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    more = overrides(tmp_path, "launch.nproc=2", "sft.max_steps=400")
    said = repo(cluster, "sft", "launch=slurm", *more)
    number, place = job_of(said)
    print(said)
    until(lambda: len(metrics(place)) > 5, lambda: output(place) + run(["squeue"], cluster))
    print(run(["scontrol", "requeue", number], cluster), run(["squeue"], cluster))
    go_on_now(number, cluster)
    kept = latest_complete(place / "checkpoints")
    assert kept is not None, output(place)
    until(lambda: (place / "final").exists(), lambda: output(place) + run(["squeue"], cluster))
    print(output(place))
    assert f"resumed after step {int(kept.name[5:])}" in output(place)
    cfg = compose("sft", [*more, "launch.nproc=2", "name=straight"])
    straight = launch("sft", cfg)
    assert metrics(straight) == metrics(place / "final") and len(metrics(straight)) == 400
    name = "model.safetensors"
    assert (straight / name).read_bytes() == (place / "final" / name).read_bytes()
    until(lambda: read_state(place)["state"] == "done", lambda: read_state(place))


@real
def test_a_sweep_is_an_array_and_a_bad_rank_is_told(cluster: dict[str, str], tmp_path: Path) -> None:
    more = overrides(tmp_path, "launch.nproc=1", "sft.max_steps=4", "slurm.at_once=2")
    bad = tmp_path / "bad.jsonl"
    bad.write_text((tmp_path / "data.jsonl").read_text() + "{broken\n")
    paths = f"data.path={tmp_path / 'data.jsonl'},{bad}"
    said = repo(
        cluster, "sft", "-m", "seed=0,1", "launch=slurm", f"sweep.path={tmp_path / 'sweep'}", *more, paths
    )
    number, _ = job_of(said)
    sweep = load_sweep(tmp_path / "sweep")
    states = lambda: [read_state(sweep.folder(job))["state"] for job in sweep.jobs]  # noqa: E731
    until(lambda: not run(["squeue", "-h", "-j", number], cluster).strip(), lambda: output(sweep.path))
    print(said, repo(cluster, "sweep", "status", str(sweep.path)))
    assert sorted(states()) == ["done", "done", "failed", "failed"]
    assert "bad.jsonl:21" in output(sweep.path) and "Traceback" not in output(sweep.path)
    bad.write_text((tmp_path / "data.jsonl").read_text())
    number, _ = job_of(repo(cluster, "sweep", "resume", str(sweep.path)))
    until(lambda: states() == ["done"] * 4, lambda: output(sweep.path))


@real
@pytest.mark.timeout(600)
def test_a_run_longer_than_its_wall_clock_equals_an_undisturbed_one(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    """Two minutes a job, with a warning one before; the job queues itself again."""
    more = overrides(tmp_path, "sft.epochs=90000", "launch.nproc=2")
    limits = ("slurm.time='0:02:00'", "slurm.signal_s=60")
    said = repo(cluster, "sft", "launch=slurm", *limits, "sft.max_steps=80000", *more)
    number, place = job_of(said)
    until(lambda: waits(number, cluster), lambda: output(place) + run(["squeue"], cluster), 200)
    kept = latest_complete(place / "checkpoints")
    assert kept is not None and int(kept.name[5:]) == (done := len(metrics(place)))
    assert f"stopped by SIGUSR1 after step {done}" in output(place)
    config = place / "config.yaml"  # the rest of the run is short
    config.write_text(config.read_text().replace("max_steps: 80000", f"max_steps: {done + 200}"))
    go_on_now(number, cluster)
    until(lambda: (place / "final").exists(), lambda: output(place) + run(["squeue"], cluster))
    print(output(place))
    assert f"resumed after step {done}" in output(place)
    until(lambda: read_state(place)["state"] == "done", lambda: read_state(place))
    assert read_state(place)["tried"] == 2 and load_frozen(place).slurm.time == "0:02:00"
    straight = launch("sft", compose("sft", [*more, f"sft.max_steps={done + 200}", "name=straight"]))
    assert metrics(straight) == metrics(place / "final") and len(metrics(straight)) == done + 200
    name = "model.safetensors"
    assert (straight / name).read_bytes() == (place / "final" / name).read_bytes()


@real
def test_a_command_under_srun_joins_as_ranks(cluster: dict[str, str], tmp_path: Path) -> None:
    texts = overrides(tmp_path, "sft.max_steps=3")
    command = ["srun", "-n", "2", sys.executable, "-m", "repo_cli.cli", "sft", *texts]
    done = subprocess.run(command, env=cluster, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (place,) = (tmp_path / "runs" / "sft" / "run").iterdir()
    assert len(metrics(place)) == 3 and os.path.isdir(place / "final")


@real
@pytest.mark.timeout(600)
def test_ranks_on_two_nodes_do_what_two_ranks_here_do(tmp_path: Path) -> None:
    place = tmp_path / "slurm"
    place.mkdir()
    more = overrides(tmp_path, "sft.max_steps=60", "engine=zero2")
    with slurm(place, nodes=2) as env:
        env["PYTHONPATH"] = str(ROOT)
        said = repo(env, "sft", "launch=slurm", "slurm.nodes=2", "launch.nproc=1", *more)
        number, made = job_of(said)
        until(lambda: not run(["squeue", "-h", "-j", number], env).strip(), lambda: output(made), 150)
        print(said, output(made), (made / "slurm" / "job.sbatch").read_text())
    assert "#SBATCH --nodes=2" in (made / "slurm" / "job.sbatch").read_text()
    assert read_state(made)["state"] == "done", output(made)
    here = launch("sft", compose("sft", [*more, "launch.nproc=2", "name=here"]))
    assert metrics(here) == metrics(made / "final") and len(metrics(here)) == 60
    name = "model.safetensors"
    assert (here / name).read_bytes() == (made / "final" / name).read_bytes()
