"""Which run `resume` means, and with which configuration it goes on. No torch.

resume=auto    the same command again: the newest unfinished run of this stage and name whose configuration is
               the same; a fresh start, with a word on what differs, where there is none
resume=PATH    that run with its own frozen configuration; single keys typed now win (rl.steps=200)
What differs from the run is said, or refused (`launch/differences.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repo_cli.config import Config, load_frozen, missing_inputs, save_frozen
from repo_cli.config.build import from_dict
from repo_cli.config.checks import check
from repo_cli.config.compose import conf_dir
from repo_cli.config.overrides import Places, assign, parse
from repo_cli.errors import UserError
from repo_cli.launch.differences import differences, tell_differences, write_record
from repo_cli.launch.slurm_env import still_queued
from repo_cli.training.alive import slurm_job
from repo_cli.training.run_lock import refuse_held
from repo_cli.training.rundir import RunDir, disk_errors, find_run

#: What may differ between a run and the command that resumes it with resume=auto.
NOT_THE_TASK = (
    "resume", "name", "runs_dir", "cache_dir", "force", "tracker", "launch", "slurm", "sweep", "pipeline",
    "alarms",
)  # fmt: skip
#: Groups that may be chosen anew with resume=PATH: where the ranks run.
WHERE = ("launch", "slurm")


def prepare(cfg: Config, overrides: Sequence[str]) -> tuple[Config, Path]:
    """(configuration, run directory) to start with: the run that `resume` means, or a new one.

    Raises:
        UserError: something that the stage needs is not there, resume=PATH is no run of this stage, the keys typed
            beside it do not fit, or somebody else is at work in the run or queues for it.
    """
    run = find_run(cfg, fits=lambda run: same_task(cfg, run)) if cfg.resume else None
    if run is None:
        _start_is_possible(cfg)
        if cfg.resume:
            print(
                f"resume=auto: no unfinished run with this configuration, so this is a fresh start{_nearly(cfg)}",
                flush=True,
            )
            cfg = dataclasses.replace(cfg, resume=None)
        return cfg, new_run(cfg, overrides)
    refuse_busy(run.path)
    frozen = load_frozen(run.path)
    if cfg.resume == "auto":
        going = dataclasses.replace(
            frozen,
            resume="auto",
            launch=cfg.launch,
            slurm=cfg.slurm,
            tracker=cfg.tracker,
            alarms=cfg.alarms,
        )
    else:
        going = its_own(run, cfg, overrides)
    tell_differences(differences(frozen, going, run.path), run.path, cfg.force)
    _start_is_possible(going)
    print(f"resuming {run.path}", flush=True)
    with disk_errors(run.path):
        save_frozen(going, run.config)
    return going, run.path


def refuse_busy(path: Path) -> None:
    """UserError where another process writes in the directory, or Slurm still has a job that will."""
    refuse_held(path)
    number = still_queued(path)
    if number and number != (slurm_job() or "").partition("_")[0]:
        raise UserError(f"{path}: job {number} is still in the queue", hint=f"wait, or scancel {number}")


def new_run(cfg: Config, overrides: Sequence[str], path: Path | None = None) -> Path:
    """A new run directory (at `path`, or one of its own) that notes the configuration and the files it is made of."""
    made = RunDir.create(cfg, overrides, path).path
    with disk_errors(made):
        write_record(cfg, made)
    return made


def _nearly(cfg: Config) -> str:
    """What keeps the newest unfinished run from being the one; '' where there is none."""
    run = find_run(cfg)
    if run is None:
        return ""
    try:
        found = differences(load_frozen(run.path), cfg, run.path)
    except UserError:
        return ""
    keys = [str(difference) for difference in found if difference.kind != "harmless"]
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"; {run.path} differs in {'; '.join(keys[:3])}{more}" if keys else ""


def _start_is_possible(cfg: Config) -> None:
    for lacking in missing_inputs(cfg):
        raise lacking


def same_task(cfg: Config, run: RunDir) -> bool:
    """Whether the run was started with this configuration, but for where and how it runs."""
    try:
        return _task(load_frozen(run.path)) == _task(cfg)
    except UserError:  # frozen by another version
        return False


def _task(cfg: Config) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(cfg).items() if name not in NOT_THE_TASK}


def its_own(run: RunDir, cfg: Config, overrides: Sequence[str]) -> Config:
    """The run's frozen configuration with the typed keys put in."""
    frozen = load_frozen(run.path)
    if frozen.stage != cfg.stage:
        raise UserError(f"resume={cfg.resume}: is a run of the stage {frozen.stage}, not of {cfg.stage}")
    tree = dataclasses.asdict(frozen)
    for override in parse(overrides, Places(conf_dir())):
        if override.group in WHERE:
            tree[override.group] = dataclasses.asdict(getattr(cfg, override.group))
        elif override.group:
            raise UserError(
                f"resume={cfg.resume}: the run keeps its own configuration, so {override.text} would not count",
                hint="change single keys (rl.steps=200), or give the whole command again with --resume auto",
            )
        else:
            assign(tree, override)
    going: Config = from_dict(Config, tree)
    going.resume, going.force = cfg.resume, cfg.force
    check(going)
    return going
