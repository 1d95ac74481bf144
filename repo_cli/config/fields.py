"""One helper to declare a configuration key: default, allowed range or values, and what it means.

The limits lie in the field's metadata, where `config/build.py` reads them; nothing here imports torch.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any


def key(
    default: Any,
    about: str,
    *,
    lo: float | None = None,
    hi: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] | None = None,
    free: bool = False,
) -> Any:
    """A dataclass field with limits.

    Args:
        default: value when no YAML gives one; lists and dicts are copied for each instance.
        about: one line for people.
        lo, hi: inclusive bounds of a number. above: exclusive lower bound.
        choices: the only values (or list items) allowed.
        free: a mapping whose keys are the user's own (rules, criteria, systems), so they are not checked here.
    """
    metadata = {"about": about, "lo": lo, "hi": hi, "above": above, "choices": choices, "free": free}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(cls: type) -> Any:
    """A nested group of keys."""
    return dataclasses.field(default_factory=cls, metadata={"section": True})
