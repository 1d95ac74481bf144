"""One job that was planned before: a run directory with its frozen configuration, or job N of a sweep. No torch.

`repo job DIR [INDEX]` is what a sweep starts here and what a batch file starts under Slurm, the first time and each
time after a stop: it goes on from the newest checkpoint, or begins. How it ended stands in the job's state.json.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from repo_cli.config import Config, load_frozen, missing_inputs, save_frozen
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.differences import differences, tell_differences, write_record
from repo_cli.launch.failures import mendable, summary
from repo_cli.launch.processes import launch
from repo_cli.launch.sweep import PLAN, load_sweep, read_state, write_state
from repo_cli.training.alive import signature
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.run_lock import RunLock, refuse_held
from repo_cli.training.rundir import RunDir
from repo_cli.training.tracking import forget

JOB_LOCK = "job.lock"


def run_job(path: Path, index: int | None = None) -> Path:
    """Runs the job to its end; returns its product.

    Raises:
        UserError: DIR is neither a run nor a sweep with that job. Else as the stage does.
    """
    if index is None and not (path / PLAN).is_file():
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path}: neither a run directory nor a sweep")
        return _recorded(path, path)
    sweep = load_sweep(path)
    if index is None or not 0 <= index < len(sweep.jobs):
        raise UserError(f"{path}: no job {index}; it has the jobs 0 to {len(sweep.jobs) - 1}")
    job = sweep.jobs[index]
    folder = sweep.folder(job)
    if read_state(folder)["state"] == "done":
        print(f"job {index} is done: {folder}", flush=True)
        return folder
    if sweep.stage != "pipeline":
        return _recorded(folder, folder)
    texts = [*sweep.overrides(job), "resume=auto"]

    def pipeline() -> Path:
        from repo_cli.config import compose

        module = importlib.import_module("repo_cli.stages.pipeline")  # by name: it lies on a higher floor
        return Path(module.run(compose("pipeline", texts, sweep.config_dir), texts, sweep.config_dir))

    return _recorded(folder, folder, pipeline)


def _recorded(folder: Path, run: Path, work: object = None) -> Path:
    """Does the job's work, and notes in state.json that it runs and how it ended. One process at a time."""
    refuse_held(run)
    lock = RunLock(folder, JOB_LOCK)
    lock.take()
    try:
        return _noted(folder, run, work)
    finally:
        lock.release()


def _noted(folder: Path, run: Path, work: object) -> Path:
    tried = int(read_state(folder).get("tried", 0)) + 1
    begun = {
        "state": "running",
        "code": None,
        "message": "",
        "tried": tried,
        **signature(),
        "began": time.time(),
        "ended": None,
    }
    write_state(folder, **begun)
    try:
        product = Path(work()) if callable(work) else _run_frozen(run)
    except BaseException as error:
        known = mendable(error)
        stopped = isinstance(error, Stopped | KeyboardInterrupt | SystemExit)
        code = UserError.exit_code if known else error.exit_code if isinstance(error, Stopped) else 1
        state = "stopped" if stopped else "failed"
        message = known.message if known else str(error) if stopped else summary(error)
        write_state(folder, state=state, code=code, message=message, ended=time.time())
        raise
    write_state(folder, state="done", code=0, message="", ended=time.time())
    return product


def _run_frozen(run: Path) -> Path:
    """The stage of a run directory: from its newest checkpoint if it has one, else from the start."""
    cfg: Config = load_frozen(run)
    if (run / "final").exists():
        return run / "final"
    if RunDir(run).finished:
        return run
    cfg.resume = str(run) if latest_complete(run / "checkpoints") else None
    for lacking in missing_inputs(cfg):
        raise lacking
    changed = differences(cfg, cfg, run)  # of the files: they may have changed while the job waited
    if cfg.resume:
        tell_differences(changed, run, cfg.force)
        print(f"resuming {run}", flush=True)
    else:
        for difference in changed:
            print(f"{difference.key}: changed since the job was planned", flush=True)
        write_record(cfg, run)
        forget(RunDir(run))  # what a try wrote that ended before its first checkpoint
    save_frozen(cfg, run / "config.yaml")  # the ranks read it
    return launch(cfg.stage, cfg, run)
