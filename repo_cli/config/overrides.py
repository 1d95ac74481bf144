"""Overrides as the user typed them, read by Hydra's grammar, each checked by name first.

A key of the schema may be set with or without `+`; a group option must exist; an experiment is added with
or without `+`. What Hydra would answer in its own words is answered here in ours. Group choices go to Hydra
(`text`); values are put into the composed tree by `assign`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repo_cli.config.build import free_part, leaf_keys, unknown_key
from repo_cli.errors import UserError, nearest

ADDED_GROUPS = ("experiment",)  # groups that no defaults list holds: they are added, not changed
OPEN_MAPPINGS = (
    "eval.systems",
    "policy.template_kwargs",
    "pipeline.steps",
    "slurm.env",
    "reward.own",
)  # entries may be added without `+`


@dataclass(frozen=True)
class Override:
    """One override. A choice of a group has `group` and `text` (for Hydra); a value has `action` and `value`.

    Actions: set (made where absent), change (must be there), delete (must be there).
    """

    key: str
    group: str | None = None
    text: str = ""
    action: str = "set"
    value: Any = None


@dataclass(frozen=True)
class Places:
    """The configuration directories (shipped, and the user's own), and which groups and options they hold."""

    shipped: Path
    own: Path | None = None

    @property
    def all(self) -> list[Path]:
        return [self.shipped] + ([self.own] if self.own else [])

    def fingerprint(self) -> tuple[tuple[str, int], ...]:
        """Changes when a file does."""
        files = sorted(path for place in self.all for path in place.rglob("*.yaml"))
        return tuple((str(path), path.stat().st_mtime_ns) for path in files)

    def groups(self) -> list[str]:
        found = {entry.name for place in self.all for entry in place.iterdir() if entry.is_dir()}
        return sorted(name for name in found if not name.startswith((".", "_")))

    def options(self, group: str) -> list[str]:
        found = set()
        for place in self.all:
            folder = place / group
            found |= {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")}
        return sorted(found)

    def check_own(self) -> None:
        """Hydra takes the first file of a name: one of the user's that bears a shipped name would go unread."""
        if self.own is None:
            return
        if not self.own.is_dir():
            raise UserError(f"--config-dir {self.own}: no such directory")
        for path in sorted(self.own.rglob("*.yaml")):
            name = path.relative_to(self.own)
            if (self.shipped / name).exists():
                raise UserError(
                    f"{path}: {name.with_suffix('')} is the name of a shipped file, so yours would not be read",
                    hint="give the file a name of its own",
                )


def parse(texts: Iterable[str], places: Places, source: str = "") -> list[Override]:
    """Checks and rewrites overrides, in order.

    Args:
        source: where they come from, for the message ('' = the command line).
    Raises:
        UserError: bad syntax, unknown key, unknown group or option.
    """
    return [_parse_one(text, places, source) for text in texts]


def override_text(dotted: str, value: Any) -> str:
    """`dotted=value` in Hydra's grammar; strings are quoted, so any text survives."""
    return f"{dotted}={_quoted(value)}"


def _quoted(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        # keys cannot be quoted in this grammar, only escaped
        pairs = [(re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", str(name)), item) for name, item in value.items()]
        return "{" + ",".join(f"{name}:{_quoted(item)}" for name, item in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_quoted(item) for item in value) + "]"
    return _quoted_text(str(value))


def _quoted_text(text: str) -> str:
    # In Hydra's grammar a backslash counts only before a quote (or at the end), where it is doubled.
    out = ""
    slashes = 0
    for char in text:
        if char == "\\":
            slashes += 1
            continue
        out += "\\" * (slashes * 2 + 1) + "'" if char == "'" else "\\" * slashes + char
        slashes = 0
    return "'" + out + "\\" * (slashes * 2) + "'"


def _parse_one(text: str, places: Places, source: str) -> Override:
    where = f"{source}: " if source else ""
    parsed, text = _grammar(text, where)
    key = str(parsed.key_or_group)
    bare = text.lstrip("+~")
    if parsed.is_sweep_override():
        raise UserError(
            f"{where}{text}: a comma or a range asks for several runs, which needs -m",
            hint=f"for a text with a comma, quote it: \"{key}='a,b'\"",
        )
    if key.startswith(("hydra.", "hydra/")):
        hint = "its launchers and sweepers are for -m (hydra/launcher=submitit_slurm, hydra/sweeper=optuna)"
        raise UserError(f"{where}{key}: Hydra's own settings are not used here", hint=hint)
    if "@" in bare.split("=", 1)[0] or "/" in key:
        raise UserError(f"{where}{text}: name a group alone (policy=tiny) or a key (lora.r=16)")
    if key in places.groups():
        return _group(key, parsed, text, places, where)
    if "." not in key and key not in _roots():
        names = places.groups() + sorted(_roots())
        guess = nearest(key, names)
        same = [name for name, _, _ in leaf_keys() if name.endswith("." + key)]
        hint = f"did you mean {' or '.join(same)}?" if same else f"did you mean {guess}?" if guess else ""
        hint = (hint + f" Groups: {', '.join(places.groups())}").strip()
        raise UserError(f"{where}{key} is not a configuration group or key", hint=hint)
    try:
        free = free_part(key)
    except UserError as error:
        raise UserError(where + error.message, hint=error.hint) from None
    if parsed.is_delete():
        if free is None or free == key:
            raise UserError(
                f"{where}{text}: only an entry of a mapping can be removed", hint=f"set it: {key}=null"
            )
        return Override(key, text=text, action="delete")
    added = text.startswith("+") or free in (None, key) or free in OPEN_MAPPINGS
    return Override(key, text=text, action="set" if added else "change", value=parsed.value())


def assign(tree: dict[str, Any], override: Override) -> None:
    """Puts one value into a composed tree, in place. A mapping is merged into a mapping that is there.

    Raises:
        UserError: the key must be there, and is not.
    """
    *parents, last = override.key.split(".")
    node: Any = tree
    for index, part in enumerate(parents):
        name = _entry(node, part)
        if name not in node or node[name] is None:
            if override.action != "set":
                raise _no_entry(tree, override)
            node[name] = {}
        node = node[name]
        if not isinstance(node, dict):
            where = ".".join(parents[: index + 1])
            raise UserError(
                f"{override.key} cannot be set: {where} is not a mapping", hint=f"set {where} itself"
            )
    name = _entry(node, last)
    if name not in node and override.action != "set":
        raise _no_entry(tree, override)
    if override.action == "delete":
        del node[name]
    else:
        node[name] = _merged(node.get(name), override.value)


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


def _entry(node: dict[Any, Any], part: str) -> Any:
    """A key of YAML that reads like a number is one: anchors.5."""
    return int(part) if part not in node and part.isdigit() and int(part) in node else part


def _no_entry(tree: dict[str, Any], override: Override) -> UserError:
    found = unknown_key(override.key, _dotted(tree))
    if override.action == "delete":
        return found
    return UserError(found.message, hint=f"{found.hint or ''} To add an entry: +{override.key}=...".strip())


def _dotted(data: Any, prefix: str = "") -> list[str]:
    if not isinstance(data, dict) or not data:
        return [prefix[:-1]]
    return [name for key, value in data.items() for name in _dotted(value, f"{prefix}{key}.")]


def _group(key: str, parsed: Any, text: str, places: Places, where: str) -> Override:
    options = places.options(key)
    value = parsed.value() if not parsed.is_delete() else None
    if isinstance(value, dict) or parsed.is_delete():
        raise UserError(
            f"{where}{text}: {key} takes the name of a file", hint=f"allowed: {', '.join(options)}"
        )
    names = value if isinstance(value, list) else [value]
    for name in names:
        if str(name) not in options:
            guess = nearest(str(name), options)
            hint = (f"did you mean {key}={guess}? " if guess else "") + f"Allowed: {', '.join(options)}"
            raise UserError(f"{where}{key}={name}: no such option", hint=hint)
    plus = "+" if key in ADDED_GROUPS else ""
    return Override(key, key, plus + text.lstrip("+"))


def _grammar(text: str, where: str) -> tuple[Any, str]:
    """Hydra's reading of one override; a value that it cannot read (a path with `=` or `~`) is quoted for it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    try:
        return parser.parse_override(text), text
    except (HydraException, ValueError):  # ValueError: a number of thousands of digits
        pass
    name, equals, value = text.partition("=")
    if equals and value and value[0] not in "[{'\"" and name.strip():
        quoted = f"{name}={_quoted_text(value)}"
        try:
            return parser.parse_override(quoted), quoted
        except HydraException:
            pass
    raise UserError(
        f"{where}cannot read the override {text!r}",
        hint="overrides look like lora.r=16, policy=tiny, +experiment=demo, \"data.path='a b.jsonl'\"",
    )


def _roots() -> set[str]:
    return {name.split(".", 1)[0] for name, _, _ in leaf_keys()}
