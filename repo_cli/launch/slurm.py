"""`launch=slurm`: a batch file that people can read, submitted; in the job, `srun` with one task a rank. No torch.

    repo rl +experiment=negotiation launch=slurm slurm.nodes=2 --dry-run     shows the file
    repo rl +experiment=negotiation launch=slurm slurm.nodes=2               submits it

The configuration is frozen in the run directory when the job is submitted, so editing a file afterwards changes
nothing. The job runs `repo job RUN`, which goes on from the newest checkpoint: after the warning signal, a preemption
or `scontrol requeue` the same job simply starts again. A sweep becomes a job array with `slurm.at_once` at a time.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import repo_cli
from repo_cli.config import Config, missing_inputs
from repo_cli.errors import UserError
from repo_cli.launch.failures import Failure, RankFailed, first, write_traceback
from repo_cli.launch.hub import refuse_uncached
from repo_cli.launch.resume import prepare
from repo_cli.launch.slurm_env import SUBMITTED
from repo_cli.launch.stopping import ECHO_S, STOP_SLACK_S, passed_on
from repo_cli.launch.sweep import Job, Sweep, create, load_sweep
from repo_cli.launch.watch import Watch, raise_hang
from repo_cli.training.disk import disk_errors

_NAME = re.compile(r"[A-Za-z_]\w*")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def submit_stage(cfg: Config, texts: Sequence[str], config_dir: Path | None = None) -> str:
    """Freezes the run, writes its batch file and submits it; returns what to tell the user."""
    if not cfg.resume or cfg.resume == "auto":  # resume=PATH: the run's own configuration says what it needs
        for lacking in missing_inputs(cfg):
            raise lacking
    batch_file(cfg, Path("."))  # what is wrong with it shows before anything is made
    _sbatch_there()
    refuse_uncached(cfg, texts, config_dir)
    if cfg.stage == "pipeline":  # its steps are composed one after the other: a sweep of one job
        own = str(config_dir.expanduser().resolve()) if config_dir else None
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        path = Path(cfg.runs_dir) / "sweeps" / cfg.stage / cfg.name / name
        sweep = Sweep(path, cfg.stage, list(texts), [Job(0, [], "000")], own)
        create(sweep, [cfg])
        return submit(cfg, path, [0])
    going, run = prepare(cfg, texts)
    return submit(going, run)


def submit(cfg: Config, path: Path, indices: Sequence[int] | None = None) -> str:
    """Writes PATH/slurm/job.sbatch and hands it to sbatch.

    Raises:
        UserError: there is no sbatch here, or it refuses; in its own words.
    """
    _sbatch_there()
    path = path.expanduser().resolve()
    if (
        indices is not None and cfg.stage != "pipeline"
    ):  # a pipeline's names were looked at, its jobs have no other
        sweep = load_sweep(path)
        for index in indices:
            refuse_uncached(sweep.config(sweep.jobs[index]))
    place = path / "slurm"
    with disk_errors(place):
        place.mkdir(exist_ok=True)
        file = place / "job.sbatch"
        file.write_text(batch_file(cfg, path, indices), encoding="utf-8")
    done = subprocess.run(["sbatch", "--parsable", str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise UserError(
            f"sbatch refuses {file}: {said}", hint="mend the group slurm; --dry-run shows the file"
        )
    number = done.stdout.strip().split(";")[0]
    with (path / SUBMITTED).open("a", encoding="utf-8") as log:
        log.write(f"{number} {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    out = output_file(path, indices).replace("%j", number).replace("%A", number).replace("%a", "<index>")
    return f"submitted: job {number}\n  directory: {path}\n  output: {out}\n  state: squeue -j {number}"


def _sbatch_there() -> None:
    if not shutil.which("sbatch"):
        raise UserError(
            "launch=slurm: there is no sbatch on this machine", hint="--dry-run shows the batch file"
        )


def output_file(path: Path, indices: Sequence[int] | None = None) -> str:
    return str(path / "slurm" / ("%A_%a.txt" if indices is not None else "%j.txt"))


def batch_file(cfg: Config, path: Path, indices: Sequence[int] | None = None) -> str:
    """The text of the batch file for a run directory, or for jobs `indices` of a sweep's directory.

    Raises:
        UserError: an option that would not stay on its line, or a bad name of a variable.
    """
    slurm, path = cfg.slurm, path.expanduser().resolve()
    options = [f"--job-name=repo-{cfg.stage.replace('_', '-')}-{cfg.name}".replace(" ", "-")]
    for name in ("partition", "account", "qos", "time", "mem"):
        if (value := getattr(slurm, name)) is not None:
            options.append(f"--{name}={value}")
    options += [f"--nodes={slurm.nodes}", f"--ntasks-per-node={cfg.launch.nproc}"]
    options.append(f"--cpus-per-task={slurm.cpus_per_rank}")
    gpus = cfg.launch.nproc if slurm.gpus_per_node is None else slurm.gpus_per_node
    if gpus:
        options.append(f"--gpus-per-node={gpus}")
    if slurm.signal_s:
        options.append(f"--signal=B:USR1@{slurm.signal_s}")
    options += ["--requeue" if slurm.requeue else "--no-requeue", "--open-mode=append"]
    options.append(f"--output={output_file(path, indices)}")
    if indices is not None:
        options.append(f"--array={array(indices)}%{slurm.at_once}")
    options += slurm.sbatch
    for option in options:
        if "\n" in option or not option.startswith("-"):
            raise UserError(
                f"slurm: {option!r} is no option of sbatch", hint="slurm.sbatch=['--constraint=a100']"
            )
    lines = ["#!/bin/bash", f"# repo {cfg.stage.replace('_', '-')}: {path}"]
    lines += [f"#SBATCH {option}" for option in options]
    lines += [
        "",
        *(f"module load {shlex.quote(name)}" for name in slurm.modules),
        *slurm.setup,
        *_exports(cfg),
    ]
    lines += ["", "# where the ranks meet"]
    lines.append('export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)')
    port = str(cfg.launch.master_port) if cfg.launch.master_port else "$((20000 + SLURM_JOB_ID % 20000))"
    lines.append(f"export MASTER_PORT={port}")
    python = slurm.python or sys.executable
    index = ' "$SLURM_ARRAY_TASK_ID"' if indices is not None else ""
    command = f"{shlex.quote(python)} -P -m repo_cli.cli job {shlex.quote(str(path))}{index}"
    return "\n".join(lines) + "\n" + _BODY.format(command=command, restarts=slurm.max_restarts)


_BODY = """
# the warning before the wall clock goes to the run, which saves and ends with 75; then the job queues again
warned=
trap 'warned=1; kill -USR1 "$run"' USR1
trap 'kill -TERM "$run"' TERM
{command} &
run=$!
wait "$run"; code=$?
while kill -0 "$run" 2>/dev/null; do wait "$run"; code=$?; done
# 138: the warning came before the run could listen to it
again=$((${{SLURM_RESTART_COUNT:-0}} < {restarts}))
if [ -n "$warned" ] && {{ [ "$code" = 75 ] || [ "$code" = 138 ]; }} && [ "$again" = 1 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def _exports(cfg: Config) -> list[str]:
    lines = []
    values = dict.fromkeys(OFFLINE, "1") if cfg.slurm.offline else {}
    values |= {"OMP_NUM_THREADS": str(cfg.engine.threads or cfg.slurm.cpus_per_rank), "PYTHONUNBUFFERED": "1"}
    home = Path(repo_cli.__file__).resolve().parents[1]
    if home.name != "site-packages":  # a checkout
        values["PYTHONPATH"] = str(home)
    for name, value in {**values, **cfg.slurm.env}.items():
        if not _NAME.fullmatch(str(name)):
            raise UserError(f"slurm.env.{name}: not the name of an environment variable")
        lines.append(f"export {name}={shlex.quote(str(value))}")
    return lines


def array(indices: Sequence[int]) -> str:
    """0-3,7 for [0, 1, 2, 3, 7]"""
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and index == parts[-1][-1] + 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


# -- inside the job ----------------------------------------------------------------------------------------------


def srun_command(stage: str, cfg: Config, run_dir: Path) -> list[str]:
    """The command that starts one worker a rank."""
    slurm = cfg.slurm
    command = ["srun", f"--nodes={slurm.nodes}", f"--ntasks={slurm.nodes * cfg.launch.nproc}"]
    command += [f"--ntasks-per-node={cfg.launch.nproc}", f"--cpus-per-task={slurm.cpus_per_rank}"]
    command += ["--kill-on-bad-exit=1", "--export=ALL", *slurm.srun]
    if slurm.container:
        command += [part.replace("{image}", slurm.container) for part in shlex.split(slurm.container_command)]
    python = slurm.python or sys.executable
    return [*command, python, "-P", "-m", "repo_cli.launch.worker", str(run_dir.resolve()), stage]


def run_srun(stage: str, cfg: Config, run_dir: Path) -> Path:
    """Runs the stage as the tasks of one srun, and raises what the first failing rank reported.

    Raises:
        UserError: this is not inside a Slurm job. Else as the ranks do.
    """
    if "SLURM_JOB_ID" not in os.environ:
        raise UserError(
            "launch=slurm outside of a Slurm job", hint="the command repo submits it; or launch=local"
        )
    logs = run_dir / "logs"
    logs.mkdir(exist_ok=True)
    for old in logs.glob("failure-*.json"):
        old.unlink()
    process = subprocess.Popen(srun_command(stage, cfg, run_dir), env={**os.environ, "REPO_SRUN": "1"})
    count = cfg.slurm.nodes * cfg.launch.nproc
    watch = Watch(run_dir, count, cfg.launch.heartbeat_s, process.send_signal)
    try:
        with passed_on(process.send_signal, ECHO_S) as asked:
            while process.poll() is None:
                if asked and time.monotonic() > asked[0] + cfg.launch.stop_s + STOP_SLACK_S:
                    break
                if not asked and (hang := watch.look()):
                    raise_hang(hang, run_dir)
                time.sleep(0.1)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)  # srun's end ends its tasks
            process.wait()
    failures = [
        Failure(**json.loads(file.read_text(encoding="utf-8"))) for file in logs.glob("failure-*.json")
    ]
    if failures:
        worst = first(failures, bool(asked))
        for failure in [worst] + [f for f in failures if f is not worst]:
            if failure.code == 1:
                write_traceback(run_dir / "log.txt", f"--- rank {failure.rank} ---\n{failure.detail}")
        raise worst.to_error()
    if process.returncode:
        raise RankFailed(f"srun ended with exit code {process.returncode}, and no rank said why")
    return run_dir if stage == "eval" else run_dir / "final"
