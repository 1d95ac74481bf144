"""Rewards of the user's own as the configuration names them (`reward.own`): read and checked, never imported here.

The path of the code comes from the configuration of the command itself and from nowhere else: not from data, not from
what an earlier run or an adapter wrote down. What calls the code: `repo_cli/rewards/own.py`. No torch.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError, nearest

KEYS = ("_target_", "weight", "args")
#: Names that the log and the tables give to something else.
BUILT_IN = ("rm", "judge", "rules", "own", "total", "veto", "enhancement")
#: Endings that the log puts behind a reward's name.
ENDINGS = ("_std", "_min", "_max", "_frac")
#: Values of reward.combine that read rewards of one's own; with the others they are only watched, as rules are.
READ_BY = ("enhance", "judge_and_rules", "weighted_sum", "normalised_sum", "own")


@dataclass(frozen=True)
class OwnReward:
    """One entry: where the code is, what a score is multiplied by (0 = watched only), what the code is made with."""

    target: str
    weight: float = 1.0
    args: dict[str, Any] = field(default_factory=dict)


def own_rewards(entries: Mapping[str, Any]) -> dict[str, OwnReward]:
    """The entries of `reward.own` by name, those set to null left out.

    Raises:
        UserError: a name, key or value that cannot be.
    """
    return {str(name): _read(str(name), entry) for name, entry in entries.items() if entry is not None}


def unread(combine: str, entries: Mapping[str, Any]) -> str:
    """What to say where a combination does not read the rewards that have a weight; '' where it does."""
    names = [name for name, source in own_rewards(entries).items() if source.weight]
    if not names or combine in READ_BY:
        return ""
    return f"reward.own: {', '.join(names)} only watched, reward.combine={combine} does not read what is your own"


def _read(name: str, entry: Any) -> OwnReward:
    where = f"reward.own.{name}"
    if name in BUILT_IN:
        raise UserError(
            f"{where}: {name} is the name of something built in", hint=f"another than {', '.join(BUILT_IN)}"
        )
    if not re.fullmatch(r"[A-Za-z][\w-]*", name) or name.endswith(ENDINGS):
        raise UserError(
            f"{where}: a reward's name has letters, digits, - and _, and does not end in one of "
            f"{', '.join(ENDINGS)}"
        )
    shape = f"{name}: {{_target_: package.module.Class, weight: 1.0, args: {{}}}}"
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} must be a mapping, not {entry!r}", hint=shape)
    for key in entry:
        if key not in KEYS:
            near = nearest(str(key), KEYS)
            hint = f"did you mean {near}? " if near else ""
            raise UserError(
                f"{where}.{key} is not a configuration key",
                hint=f"{hint}Keys: {', '.join(KEYS)}; what the class is made with goes under args",
            )
    target, weight, args = entry.get("_target_"), entry.get("weight", 1.0), entry.get("args")
    if not isinstance(target, str) or not _is_path(target):
        raise UserError(
            f"{where}._target_ must be the path of a class or function, not {target!r}", hint=shape
        )
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise UserError(f"{where}.weight must be a number, not {weight!r}")
    if not (args is None or isinstance(args, Mapping) and all(isinstance(key, str) for key in args)):
        raise UserError(f"{where}.args must be a mapping of names and values, not {args!r}", hint=shape)
    return OwnReward(target, float(weight), dict(args or {}))


def _is_path(target: str) -> bool:
    parts = target.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def can_be_found(target: str) -> bool:
    """Whether the first part of the path can be imported at all; nothing is run to find out."""
    return bool(_folders(target.partition(".")[0]))


def source_file(target: str) -> Path | None:
    """The file that holds the code, found without running it; None where it is elsewhere (an archive, a built-in)."""
    module = Path(*target.split(".")[:-1])
    for folder in _folders(target.partition(".")[0]):
        for file in (folder / module.with_suffix(".py"), folder / module / "__init__.py"):
            if file.is_file():
                return file
    return None


def _folders(top: str) -> list[Path]:
    """The folders that hold the module or package `top`: as Python finds it, or else the working directory."""
    try:
        spec = importlib.util.find_spec(top)  # of a name without a dot: looks, and runs nothing
    except (ImportError, ValueError):
        spec = None
    if spec is not None:
        inside = [Path(place).parent for place in spec.submodule_search_locations or ()]
        return inside or [Path(spec.origin or sys.prefix).parent]
    here = Path(os.getcwd())
    return [here] if (here / f"{top}.py").is_file() or (here / top).is_dir() else []
