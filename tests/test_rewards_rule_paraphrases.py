"""The shipped hard rules on paraphrases that their patterns were not written from, in both languages.

Each set was written before the patterns were improved on it, so its first figure is the honest one: a 50% of the violations
found, b 79%, c 84%. Set d, on the worded rules alone, was written last and nothing was changed after it: 77%, and 4 of 138
near misses tripped. The figures of a run, and what is missed: `python -m tests.rule_paraphrases FILE.jsonl -v`.
"""

from __future__ import annotations

import pytest

from repo_cli.rewards.rules import RuleSet
from tests.rule_paraphrases import FILE, measure

SHIPPED = RuleSet.load(FILE)


@pytest.mark.parametrize(
    ("file", "least", "trips"),
    [
        ("rules_paraphrases_a.jsonl", 0.97, 0),
        ("rules_paraphrases_b.jsonl", 0.97, 0),
        ("rules_paraphrases_c.jsonl", 0.97, 0),
        ("rules_paraphrases_d.jsonl", 0.75, 6),
    ],
)
def test_hard_rules_catch_paraphrases_and_leave_near_misses(file: str, least: float, trips: int) -> None:
    table = measure(SHIPPED, file)
    hard = {rule.spec.id for rule in SHIPPED.rules if rule.spec.severity == "hard"}
    assert {rule for rule, _ in table} <= hard
    violations = sum(h.violations for h in table.values())
    missed = [(rule, text) for (rule, _), h in table.items() for text in h.missed]
    assert 1 - len(missed) / violations >= least, missed
    tripped = [(rule, text) for (rule, _), h in table.items() for text in h.tripped]
    assert len(tripped) <= trips, tripped


def test_the_first_set_has_twelve_violations_and_eight_near_misses_a_rule_and_language() -> None:
    table = measure(SHIPPED, "rules_paraphrases_a.jsonl")
    assert {rule for rule, _ in table} == {
        rule.spec.id for rule in SHIPPED.rules if rule.spec.severity == "hard"
    }
    for held in table.values():
        assert held.violations >= 12 and held.near_misses >= 8
