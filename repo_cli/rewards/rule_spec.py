"""One rule as data: reading it from YAML, and refusing what is wrong with file, rule and field named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from repo_cli.errors import UserError, nearest
from repo_cli.negotiation import SEVEN_STAGES
from repo_cli.rewards.rule_together import Together, parse_together

SEVERITIES = ("hard", "soft")
ENGINES = ("re2", "regex")
KEYS = (
    "about", "category", "severity", "forbid", "require", "unless", "check", "when", "on_match", "on_miss",
    "engine", "timeout_s", "screen", "examples",
)  # fmt: skip
STAGES = tuple(SEVEN_STAGES.stages)
INTENTS = (*(f"O{i:02d}" for i in range(1, 19)), "accept", "counter", "refusal", "question", "other")
WHEN_KEYS = ("stage", "intent", "first_turn", "agreed", "min_refusals", "min_asks", "language")
MOST = 1e9  # of a weight, a time, a count
MOST_ENTRIES = 500_000  # of a YAML file
EXAMPLE_KEYS = ("text", "scenario", "history", "language", "answer")


@dataclass(frozen=True)
class Example:
    """A text that must pass or fail its rule, with its situation (None = the set's `example_context`)."""

    text: str
    scenario: dict[str, Any] | None = None
    history: tuple[dict[str, Any], ...] | None = None
    language: str | None = None
    answer: dict[str, Any] | None = None  # the partner's next turn: text, ended, outcome


@dataclass(frozen=True)
class RuleSpec:
    """A rule as read. Exactly one of forbid, require, check is set; patterns by language, None = every
    language.

    `unless` belongs to forbid: a match does not count when one of these patterns stands in its clause
    ("I cannot promise the first page"). `screen`: a reply that breaks the rule is not shown to a judge.
    """

    id: str
    about: str
    category: str
    severity: str
    forbid: dict[str | None, tuple[str | Together, ...]] | None
    require: dict[str | None, tuple[str, ...]] | None
    unless: dict[str | None, tuple[str, ...]] | None
    check: dict[str, Any] | None
    when: dict[str, Any]
    on_match: float
    on_miss: float
    engine: str
    timeout_s: float
    screen: bool
    examples: dict[str, tuple[Example, ...]] = field(default_factory=dict)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice: of two rules with one id the first would vanish without a word."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            continue  # a list as a key is refused below
        if key_node.value in seen:
            line = key_node.start_mark.line + 1
            raise yaml.MarkedYAMLError(problem=f"{key_node.value!r} is given twice (line {line})")
        seen.add(key_node.value)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file as a mapping; UserError names file and line."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: broken YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: broken YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: broken YAML: nested too deeply") from None
    except (ValueError, OverflowError) as error:  # a date or a number that is none
        raise UserError(f"{path}: broken YAML: {str(error)[:200]}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: a mapping is wanted at the top, not {type(data).__name__}")
    _refuse_bombs(data, path)
    return data


def _refuse_bombs(data: Any, path: Path) -> None:
    """A few lines of anchors and aliases can stand for billions of entries, or for a list that holds itself."""
    parts, count = [data], 0
    while parts:
        part = parts.pop()
        count += 1
        if count > MOST_ENTRIES:
            raise UserError(
                f"{path}: more than {MOST_ENTRIES} entries, counting each alias (*name) as what it names"
            )
        if isinstance(part, dict):
            parts += part.values()
        elif isinstance(part, list):
            parts += part


def check_keys(given: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse an unknown key, naming the nearest known one."""
    for key in given:
        if key not in known:
            near = nearest(str(key), known)
            raise UserError(
                f"{where}: unknown key {key!r}",
                hint=(f"did you mean {near!r}? " if near else "") + f"known: {', '.join(known)}",
            )


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: a text is wanted, not {value!r}")
    return value


def _number(value: Any, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < MOST:  # an integer may be longer than any float
        raise UserError(f"{where}: a number below {MOST:g} is wanted, not {str(value)[:40]!r}")
    return float(value)


def _seconds(value: Any, where: str) -> float:
    if _number(value, where) <= 0:
        raise UserError(f"{where}: a time above 0 (seconds) is wanted, not {value!r}")
    return float(value)


def _screen(raw: Mapping[str, Any], kind: str, where: str) -> bool:
    """What screens must say yes or no to every reply: no time limit, nothing that the scenario may lack."""
    value = raw.get("screen")
    if value is not None and not isinstance(value, bool):
        raise UserError(f"{where}: true or false is wanted, not {value!r}")
    if value and (kind != "forbid" or raw.get("engine", "re2") != "re2"):
        raise UserError(f"{where}: it belongs to a rule with `forbid` whose patterns run in RE2")
    return bool(value)


def _choice(value: Any, allowed: tuple[str, ...], where: str) -> str:
    if value not in allowed:
        raise UserError(f"{where}: {value!r} is not one of {', '.join(allowed)}")
    return str(value)


def _forbidden(value: Any, where: str) -> dict[str | None, tuple[str | Together, ...]]:
    """As `_patterns`, where an item may also be lists together: `{all: [will, more, guests]}`."""
    by_language = value if isinstance(value, Mapping) and "all" not in value else {None: value}
    out: dict[str | None, tuple[str | Together, ...]] = {}
    for language, part in by_language.items():
        at = where if language is None else f"{where}.{_text(language, where)}"
        items: list[str | Together] = []
        for i, item in enumerate(part if isinstance(part, list | tuple) else [part]):
            if isinstance(item, Mapping):
                items.append(parse_together(item, language, f"{at}[{i}]"))
            else:
                items.append(_text(item, f"{at}[{i}]"))
        if not items:
            raise UserError(f"{at}: no pattern given")
        out[language] = tuple(items)
    if not out:
        raise UserError(f"{where}: no pattern given")
    return out


def _patterns(value: Any, where: str) -> dict[str | None, tuple[str, ...]]:
    """`[p, ...]` or `p` (every language), or `{en: [p, ...], zh: [...]}`."""
    if isinstance(value, Mapping):
        if not value:
            raise UserError(f"{where}: no pattern given")
        out: dict[str | None, tuple[str, ...]] = {}
        for language, part in value.items():
            out[_text(language, where)] = _patterns(part, f"{where}.{language}")[None]
        return out
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise UserError(
            f"{where}: a pattern, a list of patterns, or patterns by language are wanted, not {value!r}"
        )
    return {None: tuple(_text(item, f"{where}[{i}]") for i, item in enumerate(items))}


def _when(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UserError(
            f"{where}: a mapping of conditions is wanted, not {value!r}", hint="when: {stage: [S3, S5]}"
        )
    check_keys(value, WHEN_KEYS, where)
    out: dict[str, Any] = {}
    for key, wanted in value.items():
        at = f"{where}.{key}"
        if key in ("stage", "intent", "language"):
            items = [wanted] if isinstance(wanted, str) else wanted
            if not isinstance(items, list | tuple) or not items:
                raise UserError(f"{at}: a list is wanted, not {wanted!r}")
            known = {"stage": STAGES, "intent": INTENTS}.get(key)
            out[key] = tuple(_choice(item, known, at) if known else _text(item, at) for item in items)
        elif key in ("first_turn", "agreed"):
            if not isinstance(wanted, bool):
                raise UserError(f"{at}: true or false is wanted, not {wanted!r}")
            out[key] = wanted
        else:
            out[key] = _number(wanted, at)
    return out


def _example(value: Any, where: str) -> Example:
    if isinstance(value, str):
        return Example(value)
    if not isinstance(value, Mapping):
        raise UserError(
            f"{where}: a text or {{text, scenario, history, language, answer}} is wanted, not {value!r}"
        )
    check_keys(value, EXAMPLE_KEYS, where)
    if not isinstance(value.get("text"), str):
        raise UserError(f"{where}.text: a text is wanted, not {value.get('text')!r}")
    scenario, history = parse_context(value, where)
    answer = value.get("answer")
    if answer is not None and not isinstance(answer, Mapping):
        raise UserError(f"{where}.answer: {{text, ended, outcome}} is wanted, not {answer!r}")
    if value.get("language") is not None:
        _text(value["language"], f"{where}.language")
    return Example(
        value["text"], scenario, history, value.get("language"), dict(answer) if answer is not None else None
    )


def parse_context(
    value: Mapping[str, Any], where: str
) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], ...] | None]:
    """(scenario, history) of a mapping that may hold either; None where it does not."""
    scenario, history = value.get("scenario"), value.get("history")
    if scenario is not None and not isinstance(scenario, Mapping):
        raise UserError(f"{where}.scenario: a mapping is wanted, not {scenario!r}")
    if scenario is not None and scenario.get("language") is not None:
        _text(scenario["language"], f"{where}.scenario.language")
    if history is None:
        return (dict(scenario) if scenario is not None else None), None
    if not isinstance(history, list | tuple):
        raise UserError(f"{where}.history: a list of messages is wanted, not {history!r}")
    turns = []
    for i, turn in enumerate(history):
        if not isinstance(turn, Mapping) or not {"role", "content"} <= set(turn):
            raise UserError(f"{where}.history[{i}]: {{role, content}} is wanted, not {turn!r}")
        turns.append(dict(turn))
    return (dict(scenario) if scenario is not None else None), tuple(turns)


def _examples(value: Any, where: str) -> dict[str, tuple[Example, ...]]:
    if value is None:
        return {"pass": (), "fail": ()}
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: {{pass: [...], fail: [...]}} is wanted, not {value!r}")
    check_keys(value, ("pass", "fail"), where)
    out: dict[str, tuple[Example, ...]] = {}
    for kind in ("pass", "fail"):
        items = value.get(kind) or []
        if not isinstance(items, list | tuple):
            raise UserError(f"{where}.{kind}: a list is wanted, not {items!r}")
        out[kind] = tuple(_example(item, f"{where}.{kind}[{i}]") for i, item in enumerate(items))
    return out


def parse_rule(rule_id: str, raw: Any, file: str) -> RuleSpec:
    """A rule from its mapping.

    Raises UserError naming file, rule and field: unknown key, missing weight, wrong type, or not exactly one
    of forbid, require, check.
    """
    where = f"{file}: rule {rule_id}"
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}: a mapping is wanted, not {raw!r}")
    check_keys(raw, KEYS, where)
    kinds = [kind for kind in ("forbid", "require", "check") if raw.get(kind) is not None]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "none of them"
        raise UserError(f"{where}: exactly one of forbid, require, check is wanted, not {said}")
    kind = kinds[0]
    weights = {
        key: _number(raw[key], f"{where}.{key}")
        for key in ("on_match", "on_miss")
        if raw.get(key) is not None
    }
    needed = {"forbid": "on_match", "require": "on_miss"}.get(kind)
    if needed and needed not in weights:
        raise UserError(f"{where}.{needed}: a rule with `{kind}` needs this weight")
    if not weights:
        raise UserError(f"{where}: on_match or on_miss (a weight) is wanted")
    if raw.get("unless") is not None and kind != "forbid":
        raise UserError(f"{where}.unless: it belongs to a rule with `forbid`, not `{kind}`")
    check = None
    if kind == "check":
        value = {"name": raw["check"]} if isinstance(raw["check"], str) else raw["check"]
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise UserError(f"{where}.check: {{name: ..., arguments}} is wanted, not {raw['check']!r}")
        check = dict(value)
    return RuleSpec(
        id=rule_id,
        about=str(raw.get("about", "")),
        category=str(raw.get("category", "")),
        severity=_choice(raw.get("severity"), SEVERITIES, f"{where}.severity"),
        forbid=_forbidden(raw["forbid"], f"{where}.forbid") if kind == "forbid" else None,
        require=_patterns(raw["require"], f"{where}.require") if kind == "require" else None,
        unless=_patterns(raw["unless"], f"{where}.unless") if raw.get("unless") is not None else None,
        check=check,
        when=_when(raw.get("when"), f"{where}.when"),
        on_match=weights.get("on_match", 0.0),
        on_miss=weights.get("on_miss", 0.0),
        engine=_choice(raw.get("engine", "re2"), ENGINES, f"{where}.engine"),
        timeout_s=_seconds(raw.get("timeout_s", 0.05), f"{where}.timeout_s"),
        screen=_screen(raw, kind, f"{where}.screen"),
        examples=_examples(raw.get("examples"), f"{where}.examples"),
    )
