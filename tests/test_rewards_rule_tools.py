"""Time limits, screens and sets of patterns, and the tools of a rule author: check, explain, scan, new."""

from __future__ import annotations

import copy
import json
import logging
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from repo_cli.cli import app
from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.rewards.rule_checks import CHECKS, bind
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_patterns import PER_SET, Pattern, PatternBank
from repo_cli.rewards.rule_review import dead, review
from repo_cli.rewards.rules import AT_ONCE, RuleSet

run = CliRunner()

#: (pattern, text) that make a backtracking engine run for ages.
CATASTROPHES = [
    (r"(a+)+$", "a" * 40 + "!"),
    (r"(?:a|a)*b", "a" * 60),
    (r"(?:a|aa)+$", "a" * 60 + "b"),
    (r"(x+x+)+y", "x" * 60),
    (r"(?:.*,){12}P", "1," * 40),
    (r"^(\w+\s?)*$", "word " * 30 + "!"),
    (r"(?:\d+)*-", "1" * 60),
]


def make(rules: dict[str, Any]) -> RuleSet:
    return RuleSet.from_config({"name": "test", "rules": rules})


@pytest.mark.parametrize(("pattern", "text"), CATASTROPHES)
def test_no_classic_catastrophe_hangs_either_engine(pattern: str, text: str) -> None:
    rule = {"severity": "hard", "forbid": [f"(?:{pattern})z"], "on_match": -1.0}
    start = time.perf_counter()
    linear = make({"A": rule}).score(text * 20, {}, [])
    assert linear.fired == [] and linear.not_scored == []
    guarded = make({"A": {**rule, "engine": "regex", "timeout_s": 0.1}}).score(text, {}, [])
    assert guarded.fired == [] and time.perf_counter() - start < 2.0
    assert [name for name, _ in guarded.not_scored] == guarded.timeouts


def test_a_time_out_is_not_scored_logged_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    slow = {
        "severity": "hard",
        "forbid": [r"(?:a|aa)+$(?<=b)"],
        "engine": "regex",
        "timeout_s": 0.02,
        "on_match": -2.0,
    }
    rules = make({"S": slow, "B": {"severity": "soft", "forbid": ["bad"], "on_match": -0.5}})
    with caplog.at_level(logging.INFO, logger="repo"):
        results = [rules.score("bad " + "a" * 4000 + "c", {}, []) for _ in range(3)]
    for result in results:
        assert result.total == -0.5 and result.timeouts == ["S"] and result.not_scored[0][0] == "S"
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert "rule S" in caplog.text and "0.02" in caplog.text and rules.timed_out == {"S": 3}


def test_many_sets_find_what_one_pattern_after_the_other_finds() -> None:
    words = [f"w{i}x" for i in range(3 * PER_SET + 5)]
    bank = PatternBank([Pattern("R", rf"\b{word}\b", None) for word in words])
    text = " ".join(words[::7])
    assert bank.hits(text) == list(range(0, len(words), 7))
    assert bank.hits("") == [] and bank.hits("nothing here") == []


def test_leaving_the_other_languages_patterns_out_changes_no_result() -> None:
    file = Path(__file__).parent.parent / "conf" / "rules" / "hotel_guardrails.yaml"
    quick, every = RuleSet.load(file), RuleSet.load(file)
    all_hits = every.bank.hits_of
    every.bank.hits_of = lambda texts, languages: all_hits(texts, [()] * len(texts))  # type: ignore[method-assign]
    fired = 0
    for letter in "ae":
        for line in (Path(__file__).parent / "data" / f"rules_paraphrases_{letter}.jsonl").open(
            encoding="utf-8"
        ):
            row = json.loads(line)
            for scenario in ({}, {"language": "en"}, {"language": "zh"}):
                for text in (row["texts"][0], row["texts"][-1], "OK 350? " + row["texts"][1]):
                    result = quick.score(text, scenario, [])
                    assert result == every.score(text, scenario, []), text
                    fired += len(result.violations)
    assert fired > 500


def test_many_replies_together_are_scored_as_each_alone() -> None:
    rules = RuleSet.load(Path(__file__).parent.parent / "conf" / "rules" / "hotel_guardrails.yaml")
    situations = [rules.example_situation(rule.spec.examples["pass"][0]) for rule in rules.rules[:12]]
    texts = [e.text for rule in rules.rules for e in rule.spec.examples["fail"]]
    assert len(texts) > AT_ONCE  # more than one batch
    items = [
        {"scenario": at.scenario, "history": at.history, "reply": text}
        for at, text in zip(cycle(situations), [*texts, "", "?"], strict=False)
    ]
    alone = [rules.score(item["reply"], item["scenario"], item["history"]) for item in items]
    assert rules.score_many(items) == alone
    assert sum(len(result.violations) for result in alone) > len(texts)


def test_an_amount_over_the_end_of_its_sentence_stops_no_check() -> None:
    rules = make({"P": {"severity": "hard", "check": "price_grounded", "on_match": -1.0}})
    scenario = {"language": "en", "current_price": 388, "floor_ask": 340}
    result = rules.score("Could it be 200\n元?", scenario, [])
    assert [v.span for v in result.violations] == [(12, 17)]


def test_half_a_character_stops_no_rule() -> None:
    rules = make({"A": {"severity": "hard", "forbid": ["bad"], "on_match": -1.0}})
    result = rules.score("\ud83d bad", {}, [])
    assert result.total == -1.0 and result.violations[0].span == (2, 5)


def test_the_order_of_stages_is_checked() -> None:
    rules = make({"S": {"severity": "soft", "check": "stage_order", "on_match": -1.0}})
    plain = make(
        {"S": {"severity": "soft", "check": {"name": "stage_order", "prices": False}, "on_match": -1.0}}
    )
    scenario = {"language": "en", "current_price": 388, "room_type": "deluxe king"}
    hello = "Hello, I am the platform's assistant, about your deluxe king. Is now a good time?"
    assert rules.score(hello, scenario, []).total == 0
    assert rules.score("Could you do 350 per night?", scenario, []).violations  # begins with an ask
    priced = hello.replace("deluxe king.", "deluxe king at 388 CNY.")
    assert rules.score(priced, scenario, []).violations[0].text.startswith("388")
    assert plain.score(priced, scenario, []).total == 0
    opened = [{"role": "assistant", "content": hello}, {"role": "user", "content": "Yes, go on."}]
    assert (
        rules.score("It is 388 per night with breakfast for two, is that right?", scenario, opened).total == 0
    )
    assert rules.score("Could you do 350 per night?", scenario, opened).violations  # S5 after S1
    assert rules.score("Thank you for your time, goodbye.", scenario, opened).total == 0


def test_the_order_of_stages_is_that_of_the_configured_procedure() -> None:
    rule = {"S": {"severity": "soft", "check": "stage_order", "on_match": -1.0}}
    scenario = {"language": "en", "current_price": 388, "room_type": "deluxe king"}
    hello = "Hello, I am the platform's assistant, about your deluxe king. Is now a good time?"
    opened = [{"role": "assistant", "content": hello}, {"role": "user", "content": "Yes, go on."}]
    ask = "Could you do 350 per night?"

    def found(**change: Any) -> list[Any]:
        stages = copy.deepcopy(compose("rl").sop.stages)
        for place, value in change.items():
            stage, key = place.split("_", 1)
            stages[stage][key] = value
        rules = RuleSet({"rules": rule}, "here", {"name": "mine", "stages": stages})
        return rules.score(ask, scenario, opened).violations

    assert found() and found()[0].text == make(rule).score(ask, scenario, opened).violations[0].text
    assert not found(S1_next=["S2", "S5", "S7"])  # an ask may follow the greeting now
    assert found(S1_next=["S2", "S5", "S7"], S5_ask_allowed=False)
    assert found(S1_next=["S2", "S5", "S7"], S5_price_allowed=False)


def test_stages_of_other_names_do_not_go_with_rules_about_stages() -> None:
    own = {"name": "mine", "stages": {"A": {"next": ["B"]}, "B": {}}}
    with pytest.raises(UserError, match="rule S is about stages, but sop=mine has other stages"):
        RuleSet({"rules": {"S": {"severity": "soft", "check": "stage_order", "on_match": -1.0}}}, "x", own)
    only = {"severity": "soft", "forbid": ["bad"], "on_match": -1.0, "when": {"stage": ["S3"]}}
    with pytest.raises(UserError, match="rule W is about stages"):
        RuleSet({"rules": {"W": only}}, "x", own)
    del only["when"]
    assert RuleSet({"rules": {"W": only}}, "x", own).score("bad", {}, []).total == -1.0


def test_the_order_of_stages_is_checked_in_chinese() -> None:
    rules = make({"S": {"severity": "soft", "check": "stage_order", "on_match": -1.0}})
    scenario = {"language": "zh", "current_price": 388, "target_price": 350, "room_type": "豪华大床房"}

    def of(reply: str, *turns: tuple[str, str]) -> str:
        history = [{"role": role, "content": text} for role, text in turns]
        found = rules.score(reply, scenario, history)
        assert not found.not_scored
        return found.violations[0].text if found.violations else ""

    hello = "您好，我是平台的AI助手，想跟您聊聊豪华大床房，现在方便吗？"
    ask = "350元一晚您看可以吗？"
    thanks = "明白，感谢您的时间，祝您生意兴隆，再见。"
    assert of(hello) == ""
    assert of(ask) == ask  # begins with an ask
    assert of(hello.replace("大床房，", "大床房，现在388元，")).startswith("388")  # an opening names no price
    opened = (("assistant", hello), ("user", "您说。"))
    basis = "目前是388元一晚含双早，对吗？"
    assert of(basis, *opened) == ""
    assert of(ask, *opened) == ask  # S5 after S1
    assert of(thanks, *opened) == ""
    reason = "平台B同房型06-18显示358元，您怎么看？"
    further = (*opened, ("assistant", basis), ("user", "对的。"))
    assert of(reason, *further) == ""
    given = (*further, ("assistant", reason), ("user", "嗯，是有点差距。"))
    assert of(ask, *given) == ""
    asked = (*given, ("assistant", ask), ("user", "360可以。"))
    assert of("好的，跟您确认：豪华大床房360元一晚，我来提交，您确认吗？", *asked) == ""
    refused = (*further, ("assistant", reason), ("user", "不行，我们成本高，降不了。"))
    assert of("理解您，成本高确实不容易。", *refused) == ""
    assert of("理解您，358元确实不高。", *refused).startswith(
        "358"
    )  # an objection is answered without a price


def test_that_the_current_price_stays_is_no_deal() -> None:
    rules = make({"D": {"severity": "hard", "check": "claims_agreement", "on_match": -2.0}})
    said = [{"role": "assistant", "content": "Could you do 350?"}, {"role": "user", "content": "No, 388."}]
    scenario = {"current_price": 388, "acceptable_price": 365}
    assert rules.score("I see, 388 it is.", scenario, said).total == 0
    assert rules.score("Wonderful, 350 it is.", scenario, said).total == -2.0


@given(st.text(alphabet="ab1 价不-.？é\n", max_size=30))
def test_a_screened_pattern_finds_what_re_finds(text: str) -> None:
    for source in (r"(?<![\d-])1\s*b", r"\ba+\b(?!1)", r"不?价(?=\s|$)", r"(?i)A\.|\w+1$"):
        cue = Cue(source)
        wanted = [m.span() for m in cue.pattern.finditer(text)]
        assert [m.span() for m in cue.finditer(text)] == wanted
        assert (cue.search(text) is not None) == bool(wanted)


def test_dead_patterns_are_found_and_live_ones_left_alone() -> None:
    for source in (r"abc$def", r"foo^bar", r"\bfoo\b\w+x", "“hi”"):
        assert dead(Pattern("A", source, None)), source
    for name in ("hotel_guardrails", "generic_dialogue"):
        rules = RuleSet.load(Path(__file__).parent.parent / "conf" / "rules" / f"{name}.yaml")
        assert [p.source for p in rules.bank.patterns if dead(p)] == []


def test_review_names_gaps_and_overlaps() -> None:
    rule = {"severity": "soft", "forbid": ["bad"], "on_match": -1.0}
    rules = make(
        {
            "A": {**rule, "examples": {"pass": ["awful"], "fail": ["bad"]}},
            "B": {**rule, "forbid": ["awful"], "examples": {"fail": ["awful"]}},
            "C": rule,
            "D": {**rule, "forbid": ["x$y"]},
        }
    )
    remarks = {(r.rule, r.field): r for r in review(rules, rules.check_examples())}
    assert "trips B" in remarks["A", "examples.pass"].text and ("B", "examples.pass") in remarks
    assert ("C", "examples") in remarks and remarks["D", "forbid"].serious
    assert not remarks["C", "examples"].serious


def test_review_names_a_violation_that_pays_and_a_language_that_no_one_speaks() -> None:
    rule = {"severity": "soft", "examples": {"pass": ["fine"], "fail": ["bad"]}}
    rules = RuleSet.from_config(
        {
            "name": "test",
            "language": ["en", "zh"],
            "rules": {
                "A": {**rule, "forbid": ["bad"], "on_match": 1.0},
                "B": {**rule, "forbid": {"en": ["bad"], "fr": ["mal"]}, "on_match": -1.0},
                "C": {**rule, "require": ["fine"], "on_match": 1.0, "on_miss": -1.0},
            },
        }
    )
    remarks = {(r.rule, r.field): r.text for r in review(rules, rules.check_examples())}
    assert set(remarks) == {("A", "on_match"), ("B", "forbid.fr")}
    assert "adds" in remarks["A", "on_match"] and "en, zh" in remarks["B", "forbid.fr"]


def test_new_writes_a_set_that_passes_its_own_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert run.invoke(app, ["rules", "new", str(path)]).exit_code == 0
    done = run.invoke(app, ["rules", "check", str(path)])
    assert done.exit_code == 0 and "5 rules" in done.output and "0 fail, 0 remarks" in done.output
    for odd in (path, tmp_path / "mine.txt"):
        with pytest.raises(UserError):
            run.invoke(app, ["rules", "new", str(odd)], catch_exceptions=False)


def rows(tmp_path: Path) -> Path:
    path = tmp_path / "talk.jsonl"
    talk = [
        {"role": "user", "content": "Yes?"},
        {"role": "assistant", "content": "A bad [b]price[/b] here."},
        {"role": "user", "content": "No."},
        {"role": "assistant", "content": "A fine price then."},
    ]
    path.write_text(json.dumps({"messages": talk}) + "\n", encoding="utf-8")
    return path


def test_scan_counts_and_shows_what_changed(tmp_path: Path) -> None:
    sets = []
    for name, word in (("old", "bad"), ("new", "fine")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"rules:\n  A: {{severity: hard, forbid: [{word}], on_match: -1}}\n")
        sets.append(str(path))
    data = str(rows(tmp_path))
    done = run.invoke(app, ["rules", "scan", sets[0], data])
    assert done.exit_code == 0 and "2 replies, 1 (50.00%)" in done.output
    assert "row 1, turn 2" in done.output and "[b]price[/b]" in done.output  # data is never read as markup
    done = run.invoke(app, ["rules", "scan", sets[1], data, "--against", sets[0]])
    assert "A no longer: row 1, turn 2" in done.output and "A new: row 1, turn 4" in done.output
    done = run.invoke(app, ["rules", "scan", sets[1], data, "--against", sets[1]])
    assert "both sets find the same" in done.output
    with pytest.raises(UserError, match="no such rule"):
        run.invoke(app, ["rules", "scan", sets[0], data, "--rule", "B"], catch_exceptions=False)


def test_checks_lists_the_library_with_its_arguments() -> None:
    done = run.invoke(app, ["rules", "checks"], env={"COLUMNS": "160"})
    assert done.exit_code == 0
    listed = json.loads(run.invoke(app, ["rules", "checks", "--json"]).output)
    assert set(listed) == set(CHECKS) and len(CHECKS) > 20
    for name, row in listed.items():
        assert name in done.output and row["finds"] in ("violation", "success") and row["about"].strip()
        for key, value in row["arguments"].items():
            assert f"{key}: {json.dumps(value)}"[:30] in done.output, (name, key)
            # what is listed is what a rule file takes
            bind({"name": name, key: value}, "x")
    assert listed["length"]["arguments"] == {"max_words": 60, "max_chars": 80, "min_words": 1}
    assert "Longer than" in listed["length"]["about"]
    one = run.invoke(app, ["rules", "checks", "length"]).output
    assert "max_words: 60" in one and "price_grounded" not in one
    with pytest.raises(UserError, match="lenght: no such check") as caught:
        run.invoke(app, ["rules", "checks", "lenght"], catch_exceptions=False)
    assert caught.value.hint == "did you mean length?"


def test_explain_says_where_and_what_for() -> None:
    reply = "You will be on the first page."
    done = run.invoke(app, ["rules", "explain", "hotel_guardrails", "--text", reply])
    assert (
        done.exit_code == 0 and "G01" in done.output and "4-29" in done.output and "promises a" in done.output
    )
    with pytest.raises(UserError, match="--history: message 0"):
        bad = ["rules", "explain", "hotel_guardrails", "--text", "x", "--history", "[3]"]
        run.invoke(app, bad, catch_exceptions=False)
