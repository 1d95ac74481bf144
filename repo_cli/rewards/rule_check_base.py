"""How a check is declared, found by name and given its arguments from a rule file.

A check takes a `Reading` and keyword arguments with defaults. It returns None where it does not apply, else
a `Finding`; it raises NotScored where the scenario lacks what it needs. `finds` says what a hit means: a
"violation" (the rule's `on_match` is then negative) or a "success" (an outcome rule: `on_match` rewards it,
`on_miss` is added where the check applies and found nothing).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from repo_cli.errors import UserError, nearest
from repo_cli.rewards.rule_reading import Check, Finding, Reading


@dataclass(frozen=True)
class CheckEntry:
    """A check of the library: its function, what a hit means, and its arguments with their defaults."""

    name: str
    run: Check
    finds: str
    about: str
    defaults: dict[str, Any]


CHECKS: dict[str, CheckEntry] = {}


def check(finds: str = "violation") -> Callable[[Check], Check]:
    """Enter a function into the library under its own name."""

    def enter(fn: Check) -> Check:
        parameters = list(inspect.signature(fn).parameters.values())[1:]
        defaults = {p.name: p.default for p in parameters}
        about = (fn.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
        CHECKS[fn.__name__] = CheckEntry(fn.__name__, fn, finds, about, defaults)
        return fn

    return enter


def bind(spec: Mapping[str, Any], where: str) -> tuple[CheckEntry, Callable[[Reading], Finding | None]]:
    """The check that `{name: ..., arguments}` asks for, with its arguments in place.

    Raises UserError for an unknown name or argument (the nearest is named) and for an argument of the wrong
    type.
    """
    name = spec.get("name")
    if name not in CHECKS:
        near = nearest(str(name), CHECKS)
        raise UserError(
            f"{where}.check: unknown check {name!r}",
            hint=(f"did you mean {near!r}? " if near else "") + f"known: {', '.join(sorted(CHECKS))}",
        )
    entry = CHECKS[name]
    arguments = {key: value for key, value in spec.items() if key != "name"}
    for key, value in arguments.items():
        if key not in entry.defaults:
            near = nearest(key, entry.defaults)
            known = ", ".join(entry.defaults) or "it takes none"
            raise UserError(
                f"{where}.check: {name} has no argument {key!r}",
                hint=(f"did you mean {near!r}? " if near else "") + f"known: {known}",
            )
        default = entry.defaults[key]
        if not _fits(value, default):
            raise UserError(f"{where}.check.{key}: {value!r} is not of the type of the default {default!r}")
    return entry, partial(entry.run, **arguments)


def _fits(value: Any, default: Any) -> bool:
    if default is None or value is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple)
    # a bound may be the name of a scenario key or a number
    return isinstance(value, str | int | float)
