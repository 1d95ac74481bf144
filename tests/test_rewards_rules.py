"""The rule engine and the shipped rule set: every example, errors that name file, rule and field, and what
rules see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from repo_cli.errors import UserError
from repo_cli.rewards.rules import RuleSet

FILE = Path(__file__).parent.parent / "conf" / "rules" / "hotel_guardrails.yaml"
SHIPPED = RuleSet.load(FILE)
GENERIC = RuleSet.load(FILE.with_name("generic_dialogue.yaml"))
EXAMPLES = SHIPPED.check_examples().results
CONTEXT = yaml.safe_load(FILE.read_text(encoding="utf-8"))["example_context"]
SCENARIO, OPENING = CONTEXT["en"]["scenario"], CONTEXT["en"]["history"]


def rules_of(text: str) -> list[str]:
    return sorted(v.rule for v in SHIPPED.score(text, SCENARIO, OPENING).violations)


ALL = EXAMPLES + GENERIC.check_examples().results


@pytest.mark.parametrize("example", ALL, ids=[f"{r.rule}-{r.kind}-{i}" for i, r in enumerate(ALL)])
def test_every_example_behaves(example: Any) -> None:
    assert example.ok, f"{example.rule} {example.kind}: {example.text!r}: {example.why}"
    if example.kind == "pass":
        assert not example.also, f"a good example breaks {example.also}: {example.text!r}"


def test_every_rule_has_examples_in_both_languages() -> None:
    assert SHIPPED.check_examples().without == []
    assert {f"G{i:02d}" for i in range(1, 63)} == set(SHIPPED.by_id)
    chinese = {(r.rule, r.kind) for r in EXAMPLES if any("\u4e00" <= c <= "\u9fff" for c in r.text)}
    english = {(r.rule, r.kind) for r in EXAMPLES if r.text.isascii()}
    for rule in SHIPPED.by_id:
        for kind in ("pass", "fail"):
            assert (rule, kind) in english or rule == "G40", (rule, kind, "en")
            assert (rule, kind) in chinese or rule == "G40", (rule, kind, "zh")


def test_every_generic_rule_has_examples_in_both_languages() -> None:
    report = GENERIC.check_examples()
    assert report.without == [] and set(GENERIC.by_id) == {f"D{i:02d}" for i in range(1, 7)}
    for chinese in (False, True):
        texts = {
            (r.rule, r.kind)
            for r in report.results
            if any("\u4e00" <= c <= "\u9fff" for c in r.text) == chinese
        }
        # what comes apart into repeated words, runs on or has marks of markdown fails alike in both languages
        wanted = {(rule, "pass") for rule in GENERIC.by_id} | {("D03", "fail"), ("D04", "fail")}
        assert wanted <= texts, wanted - texts


def test_an_example_that_lies_is_reported(tmp_path: Path) -> None:
    rules = make({"A1": {**FORBID, "examples": {"pass": ["a bad word"], "fail": ["all good"]}}})
    report = rules.check_examples()
    assert not report.ok and [f.kind for f in report.failures] == ["pass", "fail"]
    assert "fires on 'bad'" in report.failures[0].why


FORBID = {"severity": "hard", "forbid": [r"\bbad\b"], "on_match": -2.0}


def make(rules: dict[str, Any], **top: Any) -> RuleSet:
    return RuleSet.from_config({"name": "test", "language": ["en"], "rules": rules, **top})


def test_result_total_and_fired() -> None:
    text = "At 350 we will put you on the first page, I promise."
    result = SHIPPED.score(text, SCENARIO, OPENING)
    fired = {f[0]: f for f in result.fired}
    assert {"G01", "G04"} <= set(fired)
    rule, severity, weight, found, span = fired["G01"]
    assert (severity, weight) == ("hard", -2.0) and text[slice(*span)] == found
    assert "first page" in found
    assert result.total == pytest.approx(sum(f.weight for f in result.fired)) and result.hard_broken
    clean = SHIPPED.score("Could you do 350 yuan per night for 06-18 to 06-20?", SCENARIO, OPENING)
    assert clean.fired == [] and clean.total == 0.0 and not clean.hard_broken


def test_require_and_bonus_weights() -> None:
    rules = make({"R": {"severity": "soft", "require": ["thank"], "on_miss": -0.5, "on_match": 0.25}})
    assert rules.score("thank you", {}, []).total == 0.25
    missed = rules.score("bye", {}, [])
    assert missed.total == -0.5 and [v.rule for v in missed.violations] == ["R"]
    assert rules.score("thank you", {}, []).violations == []


def test_rule_counts_once_however_often_it_matches() -> None:
    assert make({"A": FORBID}).score("bad bad bad", {}, []).total == -2.0


def test_unless_waives_only_inside_its_clause() -> None:
    assert rules_of("I cannot promise you the first page.") == []
    assert "G01" in rules_of("I cannot promise much, but you will be on the first page.")
    assert "G05" in rules_of("It is not easy, yet we can lower your commission.")


def test_full_width_letters_and_curly_quotes_do_not_hide_a_match() -> None:
    result = SHIPPED.score(
        "You’ll sell out and be fully booked; ｉｎ ｓｔａｇｅ ３ I ask.", SCENARIO, OPENING
    )
    assert {"G03", "G42"} <= {v.rule for v in result.violations}
    span = next(v.span for v in result.violations if v.rule == "G42")
    assert "ｓｔａｇｅ" in "You’ll sell out and be fully booked; ｉｎ ｓｔａｇｅ ３ I ask."[slice(*span)]


def test_patterns_of_the_other_language_see_a_reply_written_in_it() -> None:
    fired = SHIPPED.score("调到350就能帮您排到第一页。", SCENARIO, OPENING, language="en").violations
    assert {"G01", "G40"} <= {v.rule for v in fired}


def test_stage_and_turn_conditions() -> None:
    when = {"A": {**FORBID, "when": {"first_turn": True}}, "B": {**FORBID, "when": {"stage": ["S1"]}}}
    rules = make(when)
    first = rules.score("bad", SCENARIO, [])
    assert [f.rule for f in first.fired] == ["A", "B"]
    later = rules.score("bad", SCENARIO, OPENING)
    assert later.fired == []


def test_hidden_facts_are_never_read() -> None:
    class Trap(dict):
        def __getitem__(self, key: Any) -> Any:
            raise AssertionError(f"a rule read {key}")

        get = items = keys = values = __iter__ = __getitem__

    scenario = {**SCENARIO, "hotel_hidden": Trap()}
    for text in (
        "Would 350 yuan work?",
        "Deal, I will record 380.",
        "Understood, thank you.",
        "您看350可以吗？",
    ):
        seen = SHIPPED.score(text, scenario, OPENING)
        assert seen.fired == SHIPPED.score(text, SCENARIO, OPENING).fired


def test_a_check_without_its_facts_is_not_scored_and_adds_nothing() -> None:
    result = SHIPPED.score("Would 280 work?", {"language": "en"}, OPENING)
    assert {"G12", "G17", "G23", "G26"} <= {rule for rule, _ in result.not_scored}
    assert not {"G12", "G17", "G23", "G26"} & {f.rule for f in result.fired}


def test_score_many_equals_one_by_one() -> None:
    items = [
        {"scenario": SCENARIO, "history": OPENING, "reply": text}
        for text in ("Would 350 work?", "I guarantee it.", "", "Platform B shows 339.")
    ]
    many = SHIPPED.score_many(items)
    assert [m.fired for m in many] == [SHIPPED.score(i["reply"], SCENARIO, OPENING).fired for i in items]
    assert [v.rule for v in many[2].violations] == ["G37"]  # an empty reply


def test_outcome_rules_pull_towards_the_right_end() -> None:
    asked = {"role": "assistant", "content": "Would 350 yuan per night work for 06-18 to 06-20?"}
    history = [*OPENING, asked, {"role": "user", "content": "Too low. I can do 362."}]
    take = SHIPPED.score("Thank you, 362 yuan per night works for us, I will record it.", SCENARIO, history)
    push = SHIPPED.score("Could you still do 350 yuan per night?", SCENARIO, history)
    wrong = SHIPPED.score("Thank you, I will record 352 yuan per night.", SCENARIO, history)
    assert take.total >= 1.0 and push.total <= -1.0 and wrong.total <= -1.0


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


BAD = [
    ("rules: {G1: {severity: hard, forbid: [a], on_match: -1, wieght: 2}}", ["rule G1", "wieght"]),
    (
        "rules: {G1: {severity: hard, forbidd: [a], on_match: -1}}",
        ["rule G1", "forbidd", "did you mean 'forbid'"],
    ),
    ("rules: {G1: {severity: severe, forbid: [a], on_match: -1}}", ["G1.severity", "severe", "hard, soft"]),
    ("rules: {G1: {severity: hard, forbid: [a]}}", ["G1.on_match", "needs this weight"]),
    ("rules: {G1: {severity: hard, require: [a], on_match: 1}}", ["G1.on_miss"]),
    ("rules: {G1: {severity: hard, on_match: -1}}", ["G1", "exactly one of forbid, require, check"]),
    (
        "rules: {G1: {severity: hard, forbid: [a], check: length, on_match: -1}}",
        ["exactly one of", "forbid and check"],
    ),
    ("rules: {G1: {severity: hard, forbid: [a], on_match: much}}", ["G1.on_match", "a number below"]),
    ("rules: {G1: {severity: hard, forbid: [a], on_match: .nan}}", ["G1.on_match", "a number below"]),
    (
        "rules: {G1: {severity: hard, forbid: {en: ['(?=a)b']}, on_match: -1}}",
        ["G1.forbid.en", "RE2", "engine: regex"],
    ),
    ("rules: {G1: {severity: hard, forbid: ['a*'], on_match: -1}}", ["G1.forbid", "empty text"]),
    (
        "rules: {G1: {severity: hard, forbid: ['('], engine: regex, on_match: -1}}",
        ["G1.forbid", "regular expression"],
    ),
    ("rules: {G1: {severity: hard, forbid: [], on_match: -1}}", ["G1.forbid"]),
    ("rules: {G1: {severity: hard, forbid: [3], on_match: -1}}", ["G1.forbid[0]"]),
    (
        "rules: {G1: {severity: hard, check: {name: lenght}, on_match: -1}}",
        ["G1.check", "did you mean 'length'"],
    ),
    (
        "rules: {G1: {severity: hard, check: {name: length, max_wrods: 3}, on_match: -1}}",
        ["G1.check", "max_wrods", "did you mean 'max_words'"],
    ),
    (
        "rules: {G1: {severity: hard, check: {name: length, max_words: many}, on_match: -1}}",
        ["G1.check.max_words"],
    ),
    ("rules: {G1: {severity: hard, forbid: [a], on_match: -1, when: {stagee: [S1]}}}", ["G1.when", "stagee"]),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, when: {stage: [S9]}}}",
        ["G1.when.stage", "'S9'", "S7"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, when: {intent: O99}}}",
        ["G1.when.intent", "'O99'"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, engine: regex, timeout_s: 0}}",
        ["G1.timeout_s", "above 0"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, examples: {pas: [x]}}}",
        ["G1.examples", "pas"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, examples: {pass: [{txt: x}]}}}",
        ["G1.examples.pass[0]"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, examples: {pass: [{text: x, language: [en]}]}}}",
        ["G1.examples.pass[0].language"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, examples: {pass: [{text: x, scenario: {language: 3}}]}}}",
        ["G1.examples.pass[0].scenario.language"],
    ),
    ("rules: {G1: {severity: hard, require: [a], unless: [b], on_miss: -1}}", ["G1.unless"]),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, screen: 'yes'}}",
        ["G1.screen", "true or false", "'yes'"],
    ),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, sreen: true}}",
        ["'sreen'", "did you mean 'screen'"],
    ),
    ("rules: {G1: {severity: hard, require: [a], on_miss: -1, screen: true}}", ["G1.screen", "`forbid`"]),
    (
        "rules: {G1: {severity: hard, forbid: [a], on_match: -1, screen: true, engine: regex}}",
        ["G1.screen", "RE2"],
    ),
    ("rules: [a, b]", ["rules", "mapping"]),
    ("rulez: {}", ["rulez", "did you mean 'rules'"]),
    ("rules:\n  G1: {severity: hard\n", ["mine.yaml", "line", "broken YAML"]),
    ("rules:\n  G1: {}\n  G1: {}\n", ["mine.yaml", "'G1'", "twice"]),
    ("just text", ["mapping"]),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=range(len(BAD)))
def test_errors_name_file_rule_and_field(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        RuleSet.load(write(tmp_path, text))
    message = str(caught.value)
    assert "mine.yaml" in message
    for word in said:
        assert word in message, message


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        RuleSet.load(tmp_path / "nowhere.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        RuleSet.load(latin)


def test_regex_engine_runs_under_its_time_limit() -> None:
    pytest.importorskip("regex")
    slow = {
        "severity": "hard",
        "forbid": [r"(?:a|aa)+$(?<=b)"],
        "engine": "regex",
        "timeout_s": 0.05,
        "on_match": -2.0,
    }
    look = {"severity": "hard", "forbid": [r"(?<!not )bad"], "engine": "regex", "on_match": -1.0}
    rules = make({"S": slow, "L": look})
    result = rules.score("not bad " + "a" * 4000 + "c", {}, [])
    assert [rule for rule, _ in result.not_scored] == ["S"] and "0.05" in result.not_scored[0][1]
    assert rules.score("so bad", {}, []).total == -1.0 and rules.score("not bad", {}, []).total == 0.0


def test_a_rule_can_be_switched_off_or_reweighted_by_the_configuration() -> None:
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    data["rules"]["G01"]["on_match"] = -3
    data["rules"]["G04"] = None
    rules = RuleSet.from_config(data)
    text = "I promise we will put you on the first page."
    fired = {f.rule: f.weight for f in rules.score(text, SCENARIO, OPENING).fired}
    assert fired["G01"] == -3 and "G04" not in fired


def test_rules_and_judge_prompts_need_no_torch() -> None:
    code = (
        "import sys, repo_cli.rewards.rules, repo_cli.rewards.judge_prompt; "
        "assert not {'torch', 'transformers'} & set(sys.modules), 'torch was loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_scenario_whose_language_is_no_text_is_read_by_its_words() -> None:
    """As it may stand in a data file."""
    one = {"severity": "hard", "forbid": {"en": ["bad"]}, "on_match": -1.0}
    rules = RuleSet({"name": "t", "rules": {"G1": one}}, "t.yaml")
    for odd in (["en"], {"en": 1}, 3):
        assert rules.score("that is bad", {"language": odd}, ()).violations
