"""Plain mappings -> the dataclass tree, with one clear message for whatever does not fit. No torch, no Hydra."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from repo_cli.config.schema import Config
from repo_cli.errors import UserError, nearest

T = TypeVar("T")

MOST_INT = 2**63  # what torch and the file formats hold


def from_dict(cls: type[T], data: Any, path: str = "") -> T:
    """Builds `cls` from a mapping; keys that are absent keep their default.

    Raises:
        UserError: unknown key, wrong type, or value out of range; the message bears the dotted key.
    """
    if not isinstance(data, Mapping):
        where = path or "the configuration"
        raise UserError(
            f"{where} must be a group of keys, not {_shown(data)}", hint=f"keys: {', '.join(_names(cls))}"
        )
    for name in data:
        if name not in _names(cls):
            raise unknown_key(f"{path}.{name}" if path else str(name))
    hints = _hints(cls)
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in data:
            dotted = f"{path}.{field.name}" if path else field.name
            values[field.name] = convert(data[field.name], hints[field.name], field.metadata, dotted)
    return cls(**values)


def convert(value: Any, hint: Any, limits: Mapping[str, Any], dotted: str) -> Any:
    """`value` as the type `hint` within `limits`, or a UserError that names the key `dotted`."""
    options = _union(hint)
    if value is None:
        if type(None) in options:
            return None
        raise UserError(f"{dotted} must be {_wanted(hint)}, not null", hint=_allowed(limits))
    options = [option for option in options if option is not type(None)]
    for option in options:
        if dataclasses.is_dataclass(option):
            return from_dict(option, value, dotted)  # type: ignore[arg-type]
        fits, result = _as_type(value, option)
        if fits:
            _check_limits(result, limits, dotted)
            return result
    raise UserError(f"{dotted} must be {_wanted(hint)}, not {_shown(value)}", hint=_allowed(limits))


def leaf_keys(cls: type = Config, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Every key that can be set: (dotted name, limits, type)."""
    hints = _hints(cls)
    for field in dataclasses.fields(cls):
        dotted = f"{prefix}{field.name}"
        nested = _nested(hints[field.name])
        if nested:
            yield from leaf_keys(nested, f"{dotted}.")
        else:
            yield dotted, field.metadata, hints[field.name]


def free_part(dotted: str) -> str | None:
    """The free-form mapping that `dotted` lies in (`rules.rules.G01.on_match` -> `rules.rules`), or None.

    Raises:
        UserError: the key does not exist.
    """
    cls: type | None = Config
    walked: list[str] = []
    for part in dotted.split("."):
        if cls is None or part not in _names(cls):
            raise unknown_key(dotted)
        walked.append(part)
        field = next(f for f in dataclasses.fields(cls) if f.name == part)
        if field.metadata.get("free"):
            return ".".join(walked)
        cls = _nested(_hints(cls)[part])
    return None


def unknown_key(dotted: str, known: list[str] | None = None) -> UserError:
    """The error for a key that does not exist, with the nearest one that does."""
    names = known if known is not None else [name for name, _, _ in leaf_keys()]
    guess = nearest(dotted, names)
    last = dotted.rsplit(".", 1)[-1]
    same = [name for name in names if name.rsplit(".", 1)[-1] == last]
    parent = dotted.rsplit(".", 1)[0] if "." in dotted else ""
    siblings = [name for name in names if parent and name.startswith(parent + ".")]
    close = nearest(last, [name.rsplit(".", 1)[-1] for name in siblings])
    if close:
        hint = f"did you mean {parent}.{close}?"
    elif same:
        likely = same if len(same) <= 3 else [nearest(dotted, same) or same[0]]
        hint = f"did you mean {' or '.join(likely)}?"
    elif guess:
        hint = f"did you mean {guess}?"
    else:
        hint = ""
    if siblings and len(siblings) <= 14:
        hint += f" Keys of {parent}: {', '.join(name[len(parent) + 1 :] for name in siblings)}"
    hint = hint.strip() or "`repo config show rl` prints every key"
    return UserError(f"{dotted} is not a configuration key", hint=hint)


def _as_type(value: Any, option: Any) -> tuple[bool, Any]:
    origin = typing.get_origin(option) or option
    if option is bool:
        return isinstance(value, bool), value
    if option is int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        fits = whole and not isinstance(value, bool) and abs(value) < MOST_INT
        return (True, int(value)) if fits else (False, value)
    if option is float:
        number = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max
        )
        return (True, float(value)) if number else (False, value)
    if option is str:  # a name such as 2024 comes out of YAML as a number
        text = isinstance(value, str | int | float) and not isinstance(value, bool)
        return (True, str(value)) if text else (False, value)
    if origin is list:
        if not isinstance(value, list | tuple):
            return False, value
        (item,) = typing.get_args(option)
        results = [_as_type(entry, item) for entry in value]
        return all(fits for fits, _ in results), [result for _, result in results]
    if origin is dict:
        return isinstance(value, Mapping), dict(value) if isinstance(value, Mapping) else value
    return False, value


def _check_limits(value: Any, limits: Mapping[str, Any], dotted: str) -> None:
    choices = limits.get("choices")
    if choices:
        for entry in value if isinstance(value, list) else [value]:
            if entry not in choices:
                guess = nearest(str(entry), choices)
                hint = _allowed(limits) + (f"; did you mean {guess}?" if guess else "")
                raise UserError(f"{dotted}={entry} is not allowed", hint=hint)
    if isinstance(value, int | float) and not isinstance(value, bool):
        lo, hi, above = limits.get("lo"), limits.get("hi"), limits.get("above")
        bad = (lo is not None and value < lo) or (hi is not None and value > hi)
        if bad or (above is not None and value <= above):
            raise UserError(f"{dotted}={value} is out of range", hint=_allowed(limits))
    if isinstance(value, str) and not value and limits.get("about"):
        raise UserError(f"{dotted} must not be empty", hint="write null where nothing is meant")


def _allowed(limits: Mapping[str, Any]) -> str:
    if limits.get("choices"):
        return f"allowed values: {', '.join(map(str, limits['choices']))}"
    lo, hi, above = limits.get("lo"), limits.get("hi"), limits.get("above")
    parts = []
    if lo is not None:
        parts.append(f"at least {lo}")
    if above is not None:
        parts.append(f"above {above}")
    if hi is not None:
        parts.append(f"at most {hi}")
    about = limits.get("about", "")
    return f"allowed: {' and '.join(parts)} ({about})" if parts else about


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a mapping"}


def _wanted(hint: Any) -> str:
    words = []
    for option in _union(hint):
        origin = typing.get_origin(option) or option
        if option is type(None):
            words.append("null")
        elif origin is list:
            words.append(f"a list of {_wanted(typing.get_args(option)[0]).removeprefix('a ')}s")
        elif dataclasses.is_dataclass(option):
            words.append("a group of keys")
        else:
            words.append(_WORDS.get(origin, str(option)))
    return " or ".join(words)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _union(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return list(typing.get_args(hint))
    return [hint]


def _nested(hint: Any) -> type | None:
    found = [option for option in _union(hint) if dataclasses.is_dataclass(option)]
    return typing.cast(type, found[0]) if found else None


def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]
