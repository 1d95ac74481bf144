"""What a stage still lacks before it can start: files, directories, parents, keys. Looks at the disk. No torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from repo_cli.config.checks import NEEDS
from repo_cli.config.own import can_be_found, own_rewards
from repo_cli.config.schema import Config
from repo_cli.config.steps import STEP
from repo_cli.errors import UserError

WORLD_DATA = "world:"
SYSTEM_FILES = "transcripts:"  # eval.systems.x=transcripts:FILE
BARE_BASE = "base:"  # eval.systems.x=base:NAME, a hub name or a directory: a model without any adapter
SYSTEM_NAMES = (WORLD_DATA, "endpoint:", SYSTEM_FILES, BARE_BASE)  # what a system may be beside a directory


class MissingInput(UserError):
    """Something that a stage needs before it starts. `given`: the user named a path that does not exist."""

    def __init__(self, message: str, hint: str | None = None, given: bool = False) -> None:
        super().__init__(message, hint)
        self.given = given


def missing_inputs(cfg: Config) -> list[MissingInput]:
    """What a stage still lacks before it can start; empty when it can. Looks at the disk, loads no model."""
    found: list[MissingInput] = []
    policy = cfg.policy
    if cfg.resume and cfg.resume != "auto":
        _path(found, "resume", cfg.resume)
    if cfg.stage == "pipeline":
        if not cfg.pipeline.steps:
            found.append(MissingInput("pipeline.steps is empty", hint="name an experiment: +experiment=demo"))
        return found
    if cfg.stage == "eval":
        if not cfg.eval.systems and not policy.parent:
            found.append(
                MissingInput(
                    "eval.systems is empty",
                    hint="eval.systems.mine=runs/rl/run/.../final, or policy.parent=...",
                )
            )
        for name, what in cfg.eval.systems.items():
            if str(what) in (BARE_BASE, f"{BARE_BASE}{None}"):
                found.append(
                    MissingInput(f"eval.systems.{name}={what} names no model (policy.path is null?)")
                )
            elif source := system_source(str(what)):
                _path(found, f"eval.systems.{name}", source, hub=str(what).startswith(BARE_BASE))
        for dotted, own in (("eval.path", cfg.eval.path), ("eval.badcases_path", cfg.eval.badcases_path)):
            if own:
                _path(found, dotted, own, hub=True)
    else:
        _data(found, "data.path", cfg.data.path)
        for number, more in enumerate(cfg.data.also):
            _data(found, f"data.also[{number}]", more)
        if cfg.data.val_path:
            _data(found, "data.val_path", cfg.data.val_path)
        if not (policy.path or policy.parent or policy.build):
            found.append(MissingInput("policy.path is null, and so are policy.parent and policy.build"))
    for dotted, value in (("policy.parent", policy.parent), ("policy.path", policy.path)):
        if value:
            _path(found, dotted, value, hub=dotted == "policy.path")
    if cfg.stage == "rl":
        _rl_inputs(found, cfg)
    asked = cfg.stage == "eval" and cfg.eval.rater == "judge"
    if asked or (cfg.stage == "sample" and cfg.sample.annotator == "judge"):
        found += judge_inputs(cfg)
    return found


def system_source(what: str) -> str:
    """The path or hub name behind a system of `eval.systems`; '' for the world's agents and endpoints."""
    for prefix in (SYSTEM_FILES, BARE_BASE):
        if what.startswith(prefix):
            return what.removeprefix(prefix)
    return "" if what.startswith(SYSTEM_NAMES) else what


def _rl_inputs(found: list[MissingInput], cfg: Config) -> None:
    needs_rm = "rm" in NEEDS[cfg.reward.combine]
    needs_rm |= cfg.algorithm.name != "grpo" and cfg.critic.init == "rm"
    if cfg.rm.path:
        _path(found, "rm.path", cfg.rm.path)
    elif needs_rm:
        why = (
            f"reward.combine={cfg.reward.combine}" if "rm" in NEEDS[cfg.reward.combine] else "critic.init=rm"
        )
        found.append(
            MissingInput(f"rm.path is null, and {why} needs a reward model", hint="make one: repo train-rm")
        )
    found += judge_inputs(cfg)
    own = own_rewards(cfg.reward.own)
    if cfg.reward.combine == "own" and not own:
        found.append(
            MissingInput(
                "reward.own is empty, and reward.combine=own needs a reward of yours",
                hint="reward.own.mine._target_=package.module.Class",
            )
        )
    for name, source in own.items():
        if not can_be_found(source.target):
            top = source.target.partition(".")[0]
            found.append(
                MissingInput(
                    f"reward.own.{name}._target_={source.target}: there is no module {top}",
                    hint="its folder must be the working directory, on PYTHONPATH, or an installed package's",
                    given=True,
                )
            )


def judge_inputs(cfg: Config) -> list[MissingInput]:
    """What the judge still lacks before it can be asked."""
    found: list[MissingInput] = []
    api = cfg.judge.api
    if cfg.judge.kind == "openai":
        for name, what in (("url", "an endpoint"), ("model", "a model's name")):
            if not getattr(api, name):
                found.append(
                    MissingInput(
                        f"judge.api.{name} is null, and judge.kind=openai needs {what}",
                        hint="judge.api.url=http://127.0.0.1:8000/v1 judge.api.model=NAME; or judge=none",
                    )
                )
        if api.key_env and not os.environ.get(api.key_env):
            found.append(
                MissingInput(
                    f"the environment variable {api.key_env}, which judge.api.key_env names, is not set",
                    hint=f"export {api.key_env}=..., or judge.api.key_env=null for an endpoint without a key",
                )
            )
    if cfg.judge.kind == "local":
        if cfg.judge.path:
            _path(found, "judge.path", cfg.judge.path, hub=True)
        else:
            found.append(
                MissingInput(
                    "judge.path is null, and judge.kind=local needs a model",
                    hint="judge.path=a final/ directory, a model directory or a hub name; or judge=none",
                )
            )
    return found


def _data(found: list[MissingInput], dotted: str, value: str | None) -> None:
    if not value:
        found.append(MissingInput(f"{dotted} is null", hint="a file, a hub name, or world:<corpus>"))
    elif not value.startswith(WORLD_DATA):
        _path(found, dotted, value, hub=True)


def _path(found: list[MissingInput], dotted: str, value: str, hub: bool = False) -> None:
    if value.startswith(STEP):
        hint = f"`repo pipeline +experiment=...` fills it in; for this stage alone give {dotted}=DIRECTORY"
        found.append(MissingInput(f"{dotted}={value} names a step of a pipeline", hint=hint))
    elif not Path(value).expanduser().exists() and not (hub and hub_name(value)):
        bare = dotted.startswith("eval.systems.") and not hub and hub_name(value)
        named = f"{dotted}={BARE_BASE}{value} where this is the name of a model on the hub" if bare else None
        found.append(MissingInput(f"{dotted}={value}: no such file or directory", named, given=True))


def hub_name(value: str) -> bool:
    """owner/name or name, of a data set with :split behind it: what a hub could know."""
    filelike = value.startswith((".", "/")) or value.endswith((".jsonl", ".json", ".parquet", ".csv", ".txt"))
    return not filelike and re.fullmatch(r"[\w.-]+(/[\w.-]+)?(:[\w.-]+)?", value) is not None
