"""A rule set over a corpus: how often each rule fires, on what, and what another version of the set makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.rewards.rule_reading import Situation
from repo_cli.rewards.rules import Fired, RuleSet


@dataclass(frozen=True)
class Turn:
    """One reply of a corpus after `prompt` (system messages too); `name` says where it stands ("row 3, turn 2")."""

    name: str
    text: str
    situation: Situation
    prompt: list[dict[str, Any]] = field(default_factory=list)
    scenario: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Hits:
    """What one rule found: the number of replies, and the first of them to read."""

    count: int = 0
    examples: list[tuple[Turn, Fired]] = field(default_factory=list)


@dataclass
class Scan:
    """Hits by rule over `turns` replies; `hard` of them broke a hard rule. `not_scored`: replies by rule."""

    turns: int
    hard: int
    hits: dict[str, Hits]
    not_scored: dict[str, int]


@dataclass
class Change:
    """A rule in two versions of a set: its hits, and replies that only one of them finds."""

    before: int
    after: int
    gone: list[tuple[Turn, Fired]] = field(default_factory=list)
    new: list[tuple[Turn, Fired]] = field(default_factory=list)


def turns_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[Turn]:
    """The replies of rows of any kind: assistant turns of dialogues, chosen and rejected answers, judge examples."""
    for number, row in enumerate(rows, 1):
        scenario, prompt = row.get("scenario") or {}, list(row.get("prompt") or ())
        language = row.get("language") or scenario.get("language")
        if isinstance(row.get("reply"), str):
            yield Turn(f"row {number}", row["reply"], Situation(scenario, prompt, language), prompt, scenario)
            continue
        for side in ("messages", "chosen", "rejected"):
            messages = row.get(side)
            if not isinstance(messages, list):
                continue
            history = [] if side == "messages" else prompt
            for i, message in enumerate(messages):
                if message.get("role") == "assistant":
                    place = f"turn {i + 1}" if side == "messages" else side
                    before = [*history, *messages[:i]]
                    text = str(message.get("content") or "")
                    yield Turn(
                        f"row {number}, {place}",
                        text,
                        Situation(scenario, before, language),
                        before,
                        scenario,
                    )


def scan(rules: RuleSet, turns: Sequence[Turn], keep: int = 3) -> Scan:
    """Run a set on every reply and keep the first `keep` hits of each rule."""
    found = Scan(len(turns), 0, {name: Hits() for name in rules.by_id}, {})
    for turn in turns:
        result = rules.score_in(turn.situation, turn.text)
        found.hard += result.hard_broken
        for fired in result.violations:
            hits = found.hits[fired.rule]
            hits.count += 1
            if len(hits.examples) < keep:
                hits.examples.append((turn, fired))
        for name, _ in result.not_scored:
            found.not_scored[name] = found.not_scored.get(name, 0) + 1
    return found


def compare(before: RuleSet, after: RuleSet, turns: Sequence[Turn], keep: int = 3) -> dict[str, Change]:
    """By rule, in the order of `after`: only rules whose hits are not the same replies in both sets."""
    changes = {
        name: Change(0, 0) for name in [*after.by_id, *(n for n in before.by_id if n not in after.by_id)]
    }
    for turn in turns:
        old = {f.rule: f for f in before.score_in(turn.situation, turn.text).violations}
        new = {f.rule: f for f in after.score_in(turn.situation, turn.text).violations}
        for name in {*old, *new}:
            change = changes[name]
            change.before += name in old
            change.after += name in new
            if name in old and name not in new and len(change.gone) < keep:
                change.gone.append((turn, old[name]))
            if name in new and name not in old and len(change.new) < keep:
                change.new.append((turn, new[name]))
    return {name: change for name, change in changes.items() if change.gone or change.new}
