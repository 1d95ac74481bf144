"""What a rule set says of one reply: the rules that fired, what they add, and those that could not be judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from repo_cli.rewards.rule_reading import Finding
from repo_cli.rewards.rule_spec import RuleSpec


class Fired(NamedTuple):
    """A rule that added its weight. `text` is what it was found in (empty when something is missing)."""

    rule: str
    severity: str
    weight: float
    text: str
    span: tuple[int, int]


@dataclass
class RuleResult:
    """Total of the weights, the rules that fired, those of them that are violations, (rule, reason) not scored, and
    the rules among these whose pattern ran out of time."""

    total: float = 0.0
    fired: list[Fired] = field(default_factory=list)
    violations: list[Fired] = field(default_factory=list)
    not_scored: list[tuple[str, str]] = field(default_factory=list)
    timeouts: list[str] = field(default_factory=list)

    @property
    def hard_broken(self) -> bool:
        return any(v.severity == "hard" for v in self.violations)


def fire(
    result: RuleResult, spec: RuleSpec, weight: float, text: str, span: tuple[int, int], violation: bool
) -> None:
    """Add a rule's weight to a result."""
    fired = Fired(spec.id, spec.severity, weight, text, span)
    result.total += weight
    result.fired.append(fired)
    if violation:
        result.violations.append(fired)


def add_check(result: RuleResult, spec: RuleSpec, finds: str, found: Finding) -> None:
    """Add what a check found; `finds` says what a hit of it means ("violation" or "success")."""
    bad_hit = finds == "violation"
    if found.hit:
        if bad_hit or spec.on_match:
            fire(result, spec, spec.on_match, found.text, found.span, violation=bad_hit)
    elif not bad_hit or spec.on_miss:
        fire(result, spec, spec.on_miss, "", (0, 0), violation=not bad_hit)
