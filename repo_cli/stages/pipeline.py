"""The stages in turn, each handed the right parent: `repo pipeline +experiment=demo`.

`pipeline.steps` maps a step's name to its stage and to the keys that it sets; a value `step:NAME` stands for what
that earlier step made. A step that is already done for the same inputs (configuration, parents, seed and the code
that it runs) is skipped; one with `cache: true` is also kept in `cache_dir` across checkouts (the demo's base).
With `pipeline.at_once` above 1 steps that do not wait for each other run beside each other (pipeline_together.py).
"""

from __future__ import annotations

import time
from pathlib import Path

from repo_cli.config.schema import Config
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.forked import can_fork
from repo_cli.launch.processes import launch
from repo_cli.stages.pipeline_steps import Step, import_stages
from repo_cli.stages.pipeline_table import show_again, write_table
from repo_cli.stages.pipeline_together import run_together

Made = dict[int, dict[str, Path]]  # seed -> step -> what it made


def run(cfg: Config, overrides: list[str], config_dir: str | None = None) -> Path:
    """Run every step of `pipeline.steps`, for each of `pipeline.seeds`; returns what the last one made."""
    if not cfg.pipeline.steps:
        raise UserError("pipeline.steps is empty", hint="repo pipeline +experiment=demo")
    began = time.monotonic()
    made: Made = {}
    together = cfg.pipeline.at_once > 1 and cfg.launch.nproc == 1 and cfg.launch.kind == "local"
    if together and not can_fork(cfg.engine.device):
        print(f"pipeline.at_once={cfg.pipeline.at_once} is for CPU-only Linux: one step at a time here")
        together = False
    try:
        (run_together if together else run_in_turn)(cfg, overrides, config_dir, made)
    except Stopped as stop:  # what earlier steps made is complete, whatever the running one has kept
        if stop.saved or not any(made.values()):
            raise
        raise Stopped(
            f"{stop}; the steps before it are done", hint="the same command goes on from there"
        ) from stop
    print(f"all steps: {time.monotonic() - began:.0f} s", flush=True)
    return write_table(cfg, made) if cfg.pipeline.table else list(list(made.values())[-1].values())[-1]


def run_in_turn(cfg: Config, overrides: list[str], config_dir: str | None, made: Made) -> None:
    """One step after the other, one seed after the other; `made` is filled as they end."""
    for number, seed in enumerate(cfg.pipeline.seeds or [cfg.seed], start=1):
        if cfg.pipeline.seeds:
            print(f"seed {seed} ({number} of {len(cfg.pipeline.seeds)})", flush=True)
        given = [*overrides, *([f"seed={seed}"] if cfg.pipeline.seeds else [])]
        kept = run_steps(cfg, given, config_dir, made.setdefault(seed, {}))
        if kept and not cfg.pipeline.table:
            show_again(kept)


def run_steps(
    cfg: Config, overrides: list[str], config_dir: str | None, made: dict[str, Path]
) -> Path | None:
    """Run every step once; `made` gets name -> what it made, in the order in which they ran. Returns what the last one
    had made before, where it was not run."""
    keys: dict[str, str] = {}
    step: Step | None = None
    for number, name in enumerate(cfg.pipeline.steps, start=1):
        step = Step.of(cfg, name, overrides, config_dir, made, keys)
        head = f"[{number}/{len(cfg.pipeline.steps)}] {name}"
        if step.found:
            print(f"{head}: done before for the same inputs, {step.found}", flush=True)
            made[name] = step.found
            continue
        print(f"{head}: {step.about}", flush=True)
        began = time.monotonic()
        if can_fork(step.cfg.engine.device):
            import_stages(cfg)
        made[name] = step.keep(cfg, launch(step.stage, step.cfg, overrides=overrides, apart=True))
        print(f"{head}: {time.monotonic() - began:.0f} s", flush=True)
    return step.found if step else None
