"""What a rule author should know of a set beyond its examples: gaps in them, overlaps, and dead patterns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from repo_cli.rewards.rule_patterns import Pattern, fold
from repo_cli.rewards.rules import ExampleReport, RuleSet

MOST_SAMPLES = 60  # texts built from a pattern before it is called dead
_KINDS = {"CATEGORY_DIGIT": "7", "CATEGORY_WORD": "x", "CATEGORY_NOT_SPACE": "x", "CATEGORY_NOT_DIGIT": "x"}


class Remark(NamedTuple):
    """Something to look at; `rule` and `field` say where, `serious` that the rule cannot work as written."""

    rule: str
    field: str
    text: str
    serious: bool = False


def review(rules: RuleSet, report: ExampleReport) -> list[Remark]:
    """Rules without examples, examples that trip another rule, patterns that can never match or serve no language of
    the set, and a violation that pays."""
    remarks = [Remark(name, "examples", "has no examples") for name in report.without]
    for rule in rules.rules:
        given = rule.spec.examples
        if any(given.values()):
            remarks += [
                Remark(rule.spec.id, f"examples.{kind}", f"has no {kind} example")
                for kind in ("pass", "fail")
                if not given.get(kind)
            ]
        if rule.spec.require is None and rule.finds == "violation" and rule.spec.on_match > 0:
            remarks.append(Remark(rule.spec.id, "on_match", "a violation of this rule adds to the total"))
        for kind in ("forbid", "require", "unless"):
            strange = set(getattr(rule.spec, kind) or {}) - {None, *rules.languages}
            for language in sorted(map(str, strange)) if rules.languages else ():
                text = f"{language!r} is not among the set's languages ({', '.join(rules.languages)})"
                remarks.append(Remark(rule.spec.id, f"{kind}.{language}", text))
    for result in report.results:
        if result.also and result.kind == "pass":
            others = ", ".join(result.also)
            remarks.append(Remark(result.rule, "examples.pass", f"{result.text!r} trips {others}"))
    for pattern in rules.bank.patterns:
        why = dead(pattern)
        if why:
            field = pattern.where.split(f"rule {pattern.rule}.", 1)[-1]
            remarks.append(Remark(pattern.rule, field, f"{pattern.source!r} can never match: {why}", True))
    return remarks


def dead(pattern: Pattern) -> str | None:
    """Why a pattern can match no text, or None. It may miss a dead pattern, and it calls none dead that lives."""
    if fold(pattern.source) != pattern.source:
        odd = next(c for c in pattern.source if fold(c) != c)
        if not re.search(r"[\[|]", pattern.source):
            return f"texts are read with {odd!r} written as {fold(odd)!r}"
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    tried = 0
    for text in _samples(pattern.source):
        tried += 1
        if compiled.search(text):
            return None
        if tried >= MOST_SAMPLES:
            break
    return (
        "no text that its parts spell fits the whole (an anchor or \\b in the wrong place?)"
        if tried
        else None
    )


def _compiled(pattern: Pattern) -> Any:
    from repo_cli.rewards.rule_patterns import compile_one

    return compile_one(pattern)


def _samples(source: str) -> Iterator[str]:
    """Texts that the parts of a pattern spell one after the other, with gaps empty, of a blank, and of a word.

    Built for a look at anchors: lookarounds are skipped, so a text need not match. Nothing for a pattern that `re` does
    not know, or that a lookaround or a back-reference makes too hard to spell.
    """
    source = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda m: re.escape(chr(int(m[1], 16))), source)
    source = re.sub(r"\(\?([imsx]+)\)", "", source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from re import _parser as parser  # type: ignore[attr-defined]

            tree = parser.parse(source)
    except (re.error, ImportError, OverflowError):
        return
    if "(?=" in source or "(?!" in source or "(?<" in source or re.search(r"\\[1-9]", source):
        return
    for gap in ("", " ", " x ", "，", "x"):
        for choice in range(MOST_SAMPLES // 5):
            yield "".join(_spell(tree, gap, choice))


def _spell(tree: Any, gap: str, choice: int) -> Iterator[str]:
    for op, value in tree:
        name = str(op)
        if name == "LITERAL":
            yield chr(value)
        elif name in ("NOT_LITERAL", "ANY"):
            yield gap[:1] or "x"
        elif name == "IN":
            yield _one_of(value, gap)
        elif name == "BRANCH":
            branches = value[1]
            yield from _spell(branches[choice % len(branches)], gap, choice // max(1, len(branches)))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, part = value
            wide = str(part[0][0]) in ("IN", "ANY", "NOT_LITERAL") and _is_gap(part[0])
            if wide and len(gap) >= least and (most == least or len(gap) <= most):
                yield gap
            else:
                yield from (
                    p for _ in range(least or (choice % 2 if most else 0)) for p in _spell(part, gap, choice)
                )
        elif name == "SUBPATTERN":
            yield from _spell(value[-1], gap, choice)
        elif name == "AT":
            # between two words a boundary needs something that is not a word
            yield ""


def _is_gap(item: Any) -> bool:
    op, value = item
    return str(op) in ("ANY", "NOT_LITERAL") or str(value[0][0]) == "NEGATE"


def _one_of(items: Any, gap: str) -> str:
    kind, value = items[0]
    name = str(kind)
    if name == "LITERAL":
        return chr(value)
    if name == "RANGE":
        return chr(value[0])
    if name == "CATEGORY":
        return _KINDS.get(str(value), " ")
    return gap[:1] or "x"
