"""The examples of a rule set, run: each must pass or fail its rule, and a passing one should break no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from repo_cli.rewards.rule_result import RuleResult
from repo_cli.rewards.rule_spec import Example, RuleSpec


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


def run_examples(
    rules: Iterable[tuple[RuleSpec, str]], score: Callable[[Example], RuleResult]
) -> ExampleReport:
    """Run every example. A pass example must not break its rule, a fail example must; an outcome rule's
    pass example must earn its `on_match`, its fail example must miss it.

    rules: each with what a hit of it means ("violation" or "success"). score: what the set says of an example.
    """
    results, without = [], []
    for spec, finds in rules:
        if not any(spec.examples.values()):
            without.append(spec.id)
        for kind in ("pass", "fail"):
            results += [_run(spec.id, finds, kind, e, score(e)) for e in spec.examples.get(kind, ())]
    return ExampleReport(results, without)


def _run(name: str, finds: str, kind: str, example: Example, result: RuleResult) -> ExampleResult:
    broken = any(v.rule == name for v in result.violations)
    skipped = next((why for r, why in result.not_scored if r == name), None)
    earned = any(f.rule == name for f in result.fired) and not broken
    if skipped is not None:
        ok, why = False, f"not scored: {skipped}"
    elif kind == "fail" and finds == "success":
        ok, why = not earned, "the rule is earned" if earned else ""
    elif kind == "fail":
        ok, why = broken, "" if broken else "the rule does not fire"
    elif finds == "success":
        ok, why = earned, "" if earned else "the rule is missed" if broken else "the rule does not apply"
    else:
        span = next((v.text for v in result.violations if v.rule == name), "")
        ok, why = not broken, f"the rule fires on {span!r}" if broken else ""
    also = sorted({v.rule for v in result.violations} - {name})
    return ExampleResult(name, kind, example.text, ok, why, also)
