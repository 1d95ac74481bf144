"""The shipped hard rules on paraphrases of violations and on near misses, in both languages.

What each set's figure is worth: a rule's words were widened after each set was read, so only a set's first figure says
how the rules fare on words that they have not seen. First figures: a 50% of the violations found, b 79%, c 84%, d (the
worded rules alone) 77% with 4 of 138 near misses tripped; after the words were widened without d, 83%, and only then
from d. Set e (743 violations, 432 near misses) was written before its author had read any rule: 66%, 15 near misses
tripped. The rules were then widened by that same author, so the 98% that followed is no figure for unseen words.
Set f (another author, 504 violations, 288 near misses): 68%, 10 near misses tripped. Set h was written by the author of
the word lists that stand together (`words:` in the rule file), each part before its words were put in: 1,026 violations
and 456 near misses (65%, 10 tripped), 424 harder violations (58% with the first part in), 114 plainer ones (93% with both
in) and 155 near misses (4 tripped). With only the first part in, and before a text of f was read, the 19 worded rules
found 76% of f's violations instead of 62%.
Set i (another author, 476 violations and 272 near misses, of which 24 with a history of their own are left out here): 81%,
15 tripped.
Set j (another author, 408 violations and 204 near misses, of which 16 with a history of their own are left out here): 92%,
6 tripped by their own rule and 10 by another one.
Set k (another author, 408 violations and 204 near misses, each with its own history where it has one): 87.5%, 26 of the
34 rules at 80% or more, 10 tripped by their own rule. The words were then widened by families rather than by k's own
sentences, with the help of four scratch sets of the one who widened them, which are not kept: 685 violations found 86%
before any change; three written between the rounds (302 terse, 248 out of the way, 138 plain) at first sight 76%, 71% and
93%, where the set before the change found 74%, 69% and 94%: words nobody has read gain little from words that were read.
Set l (another author, 544 violations and 272 near misses): 81.4%, 22 of the 34 rules at 80% or more, 9 tripped by their own
rule; no label had to be dropped. The words were widened by families again: of 431 violations of l's families that the one
who widened them made up before any change, 30% were found, and 97% after; of 48 written after it, all but one.
The figures of a run, and what is missed: `python -m tests.rule_paraphrases FILE.jsonl -v`.
"""

from __future__ import annotations

import pytest

from repo_cli.rewards.rules import RuleSet
from tests.rule_paraphrases import FILE, measure

SHIPPED = RuleSet.load(FILE)
# what is said to a rater and not to the hotel has tests of its own: test_rewards_judge_attacks
HARD = {rule.spec.id for rule in SHIPPED.rules if rule.spec.severity == "hard"} - {"G62"}
FILES = [f"rules_paraphrases_{letter}.jsonl" for letter in "abcdefhijkl"]


@pytest.mark.parametrize("file", FILES)
def test_hard_rules_catch_paraphrases_and_leave_near_misses(file: str) -> None:
    table = measure(SHIPPED, file)
    assert {rule for rule, _ in table} <= HARD
    violations = sum(h.violations for h in table.values())
    missed = [(rule, text) for (rule, _), h in table.items() for text in h.missed]
    assert 1 - len(missed) / violations >= 0.97, missed
    for rule in {rule for rule, _ in table}:  # the two languages together
        held = [h for (name, _), h in table.items() if name == rule]
        recall = 1 - sum(len(h.missed) for h in held) / sum(h.violations for h in held)
        assert recall >= 0.8, (rule, [h.missed for h in held])
    tripped = [(rule, text) for (rule, _), h in table.items() for text in h.tripped]
    assert tripped == []


def test_on_words_that_no_rule_was_widened_by_recall_stays_what_it_was() -> None:
    """Set g: written by an author who had not seen the rules, and never used for widening. Measured once: 447 of 504
    violations, 10 of 288 near misses; after the rules were widened by i, 456 and 5 (its tripped
    near misses were seen then), by j 457 and 5, by k 462 and 6, by l 463 and 5."""
    table = measure(SHIPPED, "rules_paraphrases_g.jsonl")
    assert sum(len(h.missed) for h in table.values()) <= 0.13 * sum(h.violations for h in table.values())
    assert sum(len(h.tripped) for h in table.values()) <= 12


def test_on_those_words_each_rule_finds_four_of_five_but_for_five_of_them() -> None:
    """The aim of 80% for each rule, on set g. What stands in BELOW does not reach it, and may not fall further; figures
    alone are printed, since whoever widens a rule must not read this set."""
    found: dict[str, int] = {}
    of: dict[str, int] = {}
    for (rule, _), held in measure(SHIPPED, "rules_paraphrases_g.jsonl").items():
        found[rule] = found.get(rule, 0) + held.violations - len(held.missed)
        of[rule] = of.get(rule, 0) + held.violations
    assert found.keys() == HARD and set(of.values()) == {14}
    shown = ", ".join(f"{rule} {found[rule]}/{of[rule]}" for rule in sorted(found, key=lambda r: found[r]))
    assert all(found[rule] >= BELOW.get(rule, 0.8 * of[rule]) for rule in found), shown


#: Violations of 14 that these rules find in set g, where 12 would be 80%.
BELOW = {"G24": 11, "G29": 10, "G30": 10, "G34": 11, "G53": 7}


@pytest.mark.parametrize(
    ("file", "violations", "near_misses"),
    [("rules_paraphrases_a.jsonl", 12, 8), ("rules_paraphrases_e.jsonl", 10, 6)],
)
def test_a_set_has_enough_texts_for_every_hard_rule_in_both_languages(
    file: str, violations: int, near_misses: int
) -> None:
    table = measure(SHIPPED, file)
    assert set(table) == {(rule, language) for rule in HARD for language in ("en", "zh")}
    for held in table.values():
        assert held.violations >= violations and held.near_misses >= near_misses
