"""The examples of a rule set, run: each must pass or fail its rule, and a passing one should break no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from repo_cli.rewards.rule_spec import Example

if TYPE_CHECKING:
    from repo_cli.rewards.rules import Rule, RuleSet


@dataclass
class ExampleResult:
    """One example that was run. `also` = other rules that it breaks; a good pass example breaks none."""

    rule: str
    kind: str
    text: str
    ok: bool
    why: str
    also: list[str]


@dataclass
class ExampleReport:
    """Every example of a rule set, run."""

    results: list[ExampleResult]
    without: list[str]

    @property
    def failures(self) -> list[ExampleResult]:
        return [r for r in self.results if not r.ok]

    @property
    def ok(self) -> bool:
        return not self.failures


def run_examples(rules: RuleSet) -> ExampleReport:
    """Run every example. A pass example must not break its rule, a fail example must; an outcome rule's
    pass example must earn its `on_match`, its fail example must miss it."""
    results, without = [], []
    for rule in rules.rules:
        if not any(rule.spec.examples.values()):
            without.append(rule.spec.id)
        for kind in ("pass", "fail"):
            results += [_run(rules, rule, kind, example) for example in rule.spec.examples.get(kind, ())]
    return ExampleReport(results, without)


def _run(rules: RuleSet, rule: Rule, kind: str, example: Example) -> ExampleResult:
    result = rules.score_in(rules.example_situation(example), example.text, example.answer)
    name = rule.spec.id
    broken = any(v.rule == name for v in result.violations)
    skipped = next((why for r, why in result.not_scored if r == name), None)
    earned = any(f.rule == name for f in result.fired) and not broken
    if skipped is not None:
        ok, why = False, f"not scored: {skipped}"
    elif kind == "fail" and rule.finds == "success":
        ok, why = not earned, "the rule is earned" if earned else ""
    elif kind == "fail":
        ok, why = broken, "" if broken else "the rule does not fire"
    elif rule.finds == "success":
        ok, why = earned, "" if earned else "the rule is missed" if broken else "the rule does not apply"
    else:
        span = next((v.text for v in result.violations if v.rule == name), "")
        ok, why = not broken, f"the rule fires on {span!r}" if broken else ""
    also = sorted({v.rule for v in result.violations} - {name})
    return ExampleResult(name, kind, example.text, ok, why, also)
