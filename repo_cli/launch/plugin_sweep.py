"""Sweeps that Hydra's plugins drive: `hydra/sweeper=optuna` searches, `hydra/launcher=submitit_slurm` starts. No torch.

    repo rl -m hydra/sweeper=optuna 'optim.lr=tag(log,interval(1e-6,1e-4))' sweep.objective=reward/total \\
      hydra.sweeper.direction=maximize hydra.sweeper.n_trials=20 +experiment=demo

Hydra's own run over the jobs is used; what it calls for each one (`job`, here or inside a Slurm job of submitit) makes
the job's directory, runs it as any other sweep's (`repo job`), and answers with `sweep.objective`. So directories,
states, logs and tables are the same. The plan is not known before: a job notes itself in its directory (job.json).
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repo_cli.config import Config, compose, missing_inputs
from repo_cli.config.compose import conf_dir
from repo_cli.config.overrides import Places, override_text
from repo_cli.errors import Stopped, UserError, nearest
from repo_cli.launch.resume import new_run
from repo_cli.launch.sweep import NOTE, Job, Sweep, directory, job_name, load_sweep, read_state, write_state
from repo_cli.launch.sweep_run import run_jobs
from repo_cli.training.disk import disk_errors

#: What provides the plugins that the documentation names.
PIP = {
    "hydra/launcher=submitit_slurm": "hydra-submitit-launcher",
    "hydra/launcher=submitit_local": "hydra-submitit-launcher",
    "hydra/launcher=joblib": "hydra-joblib-launcher",
    "hydra/sweeper=optuna": "hydra-optuna-sweeper",
}
#: The directories are those of every sweep.
OURS = (
    "hydra.sweep.",
    "hydra.run.",
    "hydra.searchpath",
    "hydra.output_subdir",
    "hydra.job.chdir",
    "hydra.mode",
)


class Halt(BaseException):
    """Ends Hydra's run over the jobs, which keeps every Exception as one job's failure."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def of_hydra(texts: Sequence[str]) -> list[str]:
    """The overrides that are Hydra's own settings."""
    return [text for text in texts if text.lstrip("+~").startswith(("hydra/", "hydra."))]


def plan_plugins(
    stage: str, texts: Sequence[str], config_dir: Path | None
) -> tuple[Sweep, list[str], Config]:
    """(the sweep, the swept overrides, the configuration with the first value of each); writes nothing.

    Raises:
        UserError: a plugin is not installed, a setting is not for the user, or the configuration does not hold.
    """
    plugins = of_hydra(texts)
    for text in plugins:
        if text.lstrip("+~").startswith(OURS):
            raise UserError(f"{text}: not taken; the sweep's directory is sweep.path")
    own = str(config_dir.expanduser().resolve()) if config_dir else None
    places = Places(conf_dir(), Path(own) if own else None)
    common, swept, first = split([text for text in texts if text not in plugins], places)
    if not swept and not any("hydra.sweeper.params" in text for text in plugins):
        raise UserError(
            "-m, but no override has several values", hint="'optim.lr=interval(1e-6,1e-4)' gives a range"
        )
    cfg = compose(stage, [*common, *first], own)
    for lacking in missing_inputs(cfg):
        raise lacking
    if cfg.launch.kind == "slurm":
        hint = (
            "launch=slurm alone makes a job array; hydra/launcher=submitit_slurm without it submits each job"
        )
        raise UserError("launch=slurm does not go with Hydra's own launchers and sweepers", hint=hint)
    sweeper = next(
        (t.partition("=")[2] for t in plugins if t.lstrip("+").startswith("hydra/sweeper=")), "basic"
    )
    if sweeper != "basic" and cfg.sweep.objective is None:
        hint = "sweep.objective=reward/total (a metric, as in repo sweep table)"
        raise UserError(f"hydra/sweeper={sweeper} needs a number to go by", hint=hint)
    sweep = Sweep(directory(cfg), stage, common, [], own, plugins=plugins)
    if sweeper == "optuna" and not any("max_failure_rate" in text for text in plugins):
        plugins.append("hydra.sweeper.max_failure_rate=1.0")  # a failed job does not stop the others
    _ask_hydra(sweep, swept, run=False)
    return sweep, swept, cfg


def split(texts: Sequence[str], places: Places) -> tuple[list[str], list[str], list[str]]:
    """(what all jobs share, the swept overrides, each of those with its first value)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob, IntervalSweep
    from hydra.errors import HydraException

    common: list[str] = []
    swept: list[str] = []
    first: list[str] = []
    parser = OverridesParser.create()
    for text in texts:
        try:
            parsed = parser.parse_override(text)
        except HydraException:
            common.append(text)
            continue
        if not parsed.is_sweep_override():
            common.append(text)
            continue
        swept.append(text)
        key, value = parsed.get_key_element(), parsed.value()
        if isinstance(value, Glob):
            values = [str(name) for name in value.filter(places.options(str(parsed.key_or_group)))]
        elif parsed.is_discrete_sweep():
            values = [str(one) for one in parsed.sweep_string_iterator()]
        else:
            values = [repr(value.start)] if isinstance(value, IntervalSweep) else []
        if not values:
            raise UserError(f"{text}: gives no value at all")
        first.append(f"{key}={values[0]}")
    return common, swept, first


def run_plugins(sweep: Sweep, swept: Sequence[str]) -> None:
    """Makes the sweep's directory and has Hydra run all jobs.

    Raises:
        Stopped: a signal. UserError: Hydra or a plugin refuses, or no job has the metric of `sweep.objective`.
    """
    if (sweep.path / "sweep.json").exists():
        raise UserError(
            f"sweep.path={sweep.path}: there is a sweep already", hint=f"repo sweep resume {sweep.path}"
        )
    with disk_errors(sweep.path):
        (sweep.path / "jobs").mkdir(parents=True, exist_ok=True)
        sweep.save()
    try:
        _ask_hydra(sweep, swept, run=True)
    except Halt as halt:
        raise halt.error from None


def _ask_hydra(sweep: Sweep, swept: Sequence[str], run: bool) -> None:
    """Hydra's multirun; or only its composition, which finds the plugins and reads their settings."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    logging.getLogger("alembic").setLevel(logging.WARNING)  # Optuna's, which lists its parts
    texts = [*sweep.plugins, *swept, "hydra/job_logging=none", "hydra.output_subdir=null"]
    texts += [override_text("hydra.sweep.dir", str(sweep.path.resolve())), "hydra.sweep.subdir=.hydra"]
    if sweep.config_dir:
        texts.append(override_text("hydra.searchpath", [f"file://{sweep.config_dir}"]))
    try:
        with initialize_config_dir(config_dir=str(conf_dir()), job_name="repo", version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            if run:
                hydra.multirun(sweep.stage, job, texts)
                return
            Plugins.instance()  # what is broken in one says so here
            hydra.compose_config(sweep.stage, texts, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        hints = [f"pip install {PIP[text.lstrip('+')]}" for text in sweep.plugins if text.lstrip("+") in PIP]
        missing = hints and "Could not find 'hydra/" in str(error)
        raise UserError(
            f"Hydra: {lines[0]}", hint=hints[0] if missing else " ".join(lines[1:]) or None
        ) from None


def job(_composed: Any) -> float:
    """What Hydra calls for each job, in the process that its launcher started; the value of `sweep.objective`.

    A job that fails says so in its state, and answers NaN: the others go on.
    """
    from hydra.core.hydra_config import HydraConfig

    told = HydraConfig.get()
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        raise Halt(UserError("hydra.launcher.tasks_per_node: 1 starts the job, and launch.nproc its ranks"))
    with apart():
        return _job(Path(told.sweep.dir), int(told.job.num), [str(text) for text in told.overrides.task])


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Hydra holds one composition at a time, and is in the middle of its own: we compose our way meanwhile."""
    from hydra.core.global_hydra import GlobalHydra

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = before  # ours has put another instance in its place


def _job(path: Path, number: int, own: list[str]) -> float:
    sweep = load_sweep(path)
    one = _begun(sweep, number, own)
    if one is None:
        return math.nan
    cfg = sweep.config(one)
    sweep = load_sweep(path)
    try:
        run_jobs(sweep, [one], 1, cfg.sweep.retries, cfg.launch.nproc, cfg.launch.stop_s)
    except Stopped as stop:
        raise Halt(stop) from stop
    if read_state(sweep.folder(one))["state"] != "done" or cfg.sweep.objective is None:
        return math.nan
    return objective(sweep, one, cfg.sweep.objective)


def _begun(sweep: Sweep, number: int, own: list[str]) -> Job | None:
    """The job with its directory made, or found again after a requeue; None where its configuration does not hold."""
    one = Job(number, own, job_name(number, own))
    folder = sweep.folder(one)
    if (folder / NOTE).is_file():
        return one
    problem: UserError | None = None
    try:
        cfg = sweep.config(one)
        for lacking in missing_inputs(cfg):
            raise lacking
        if sweep.stage != "pipeline":
            new_run(cfg, sweep.overrides(one), folder)
    except UserError as error:
        problem = error
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
        (folder / NOTE).write_text(json.dumps({"index": number, "overrides": own}) + "\n", encoding="utf-8")
    if problem is None:
        return one
    write_state(folder, state="failed", code=UserError.exit_code, message=problem.message)
    print(f"[{number + 1}] failed: {problem}", flush=True)
    return None


def objective(sweep: Sweep, one: Job, name: str) -> float:
    """The metric of a job that is done: the mean over its last steps, as the table shows it."""
    from repo_cli.launch.sweep_table import result

    numbers = result(sweep, one, last=5).numbers
    if name not in numbers:
        guess = nearest(name, numbers)
        hint = (f"did you mean {guess}? " if guess else "") + f"There are: {', '.join(sorted(numbers)[:30])}"
        raise Halt(UserError(f"sweep.objective={name}: the job has no such metric", hint=hint))
    return numbers[name]
