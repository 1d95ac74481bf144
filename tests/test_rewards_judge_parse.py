"""Reading answers: what counts as scores, and all that does not; any text at all is read without an accident."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import label_places, place

from repo_cli.rewards.judge_parse import (
    Unreadable,
    is_refusal,
    plain_answer,
    printable,
    read_json,
    read_labels,
)
from repo_cli.rewards.judge_remote import answer_schema
from repo_cli.rewards.redact import Redactor, names_of
from repo_cli.rewards.rubric import Rubric

RUBRIC = Rubric.of({"name": "r", "scale": [1, 5], "criteria": {"R1": {}, "R4": {"applies_when": "x"}}})
NAMES = ["R1", "R4"]
GOOD = json.dumps({"R1": {"quote": "q", "reason": "r", "score": 4}, "R4": {"score": None}})


def why(text: str) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_json(text, RUBRIC, NAMES)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  \n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"<think>R1 is 5: {{}}</think>{GOOD}",
        f"<thinking>\nhm\n</thinking>\n```json\n{GOOD}```",
        f"hm, let me see</think>\n\n{GOOD}",  # the template opened the block
    ],
)
def test_sound_answers(text: str) -> None:
    read = read_json(text, RUBRIC, NAMES)
    assert read.criteria == {"R1": 4.0, "R4": None} and read.quotes == {"R1": "q"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("R1: 5", "not a JSON object"),
        ("[5, 5]", "not a JSON object"),
        (GOOD + GOOD, "not JSON"),
        ("Here it is: " + GOOD, "not a JSON object"),
        (GOOD + " That is all.", "not JSON"),
        (GOOD.replace('"R4"', '"R1"'), "twice"),
        (GOOD.replace("4}", "4.0001e9}"), "outside"),
        (GOOD.replace("4}", "0}"), "outside"),
        (GOOD.replace("4}", "-4}"), "outside"),
        (GOOD.replace("4}", "Infinity}"), "not JSON"),
        (GOOD.replace("4}", '"4"}'), "no number"),
        (GOOD.replace("4}", "[4]}"), "no number"),
        (GOOD.replace("4}", "true}"), "no number"),
        (GOOD.replace("4}", "null}"), "always applies"),
        ('{"R1": 4, "R4": 4}', "no score"),
        ('{"R1": {"score": 4}}', "lacks R4"),
        (GOOD[:-1] + ', "R9": {"score": 5}}', "not asked"),
    ],
)
def test_unsound_answers(text: str, said: str) -> None:
    error = why(text)
    assert error.kind == "unparsable" and said in str(error), str(error)


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't.", "I cannot rate this.", "抱歉，我无法评分。", "As an AI, I"]
)
def test_refusals(text: str) -> None:
    assert why(text).kind == "refused" and is_refusal(f"<think>x</think> {text}")
    assert not is_refusal(GOOD) and not is_refusal("R1: 5")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.sampled_from([*NAMES, "score"]), x)).map(json.dumps)))  # fmt: skip
def test_any_text_gives_scores_in_range_or_a_typed_failure(text: str) -> None:
    try:
        read = read_json(text, RUBRIC, NAMES)
    except Unreadable as error:
        assert error.kind in ("unparsable", "refused")
    else:
        assert read.criteria["R1"] is not None and all(
            v is None or 1 <= v <= 5 for v in read.criteria.values()
        )


def labels(places: list[dict[str, Any]], alone: bool = False, names: Any = NAMES) -> Any:
    text = "".join(p["token"] for p in places)
    return read_labels(text, {"content": places}, RUBRIC, names, alone)


def test_labels_by_hand() -> None:
    read = labels(label_places(NAMES, 2, False, ["R4"]))
    assert read.criteria["R1"] == pytest.approx((2 * 0.75 + 1 * 0.2) / 0.95) and read.criteria["R4"] is None
    # spaces in or before the token, a colon glued to it, a token listed twice: the same label
    glued = [
        place("R1", {}),
        place(": 3", {": 3": 0.5, ": 5": 0.25, " 3": 0.25}),
        place("\nR4: ", {}),
        place("5", {"5": 0.5, " 5": 0.25}),
    ]
    read = labels(glued)
    assert read.criteria["R1"] == pytest.approx((3 * 0.5 + 5 * 0.25) / 0.75) and read.criteria["R4"] == 5.0
    twice = place("4", {"4": 0.9})
    twice["top_logprobs"] *= 2
    assert labels([twice], True, ["R1"]).mass == pytest.approx(0.9)
    thinking = [
        place("<think>", {}),
        place("R1: 5", {}),
        place("</think>", {}),
        place("\n", {}),
        *label_places(["R1"], 2, True, []),
    ]
    assert labels(thinking, True, ["R1"]).criteria["R1"] == pytest.approx(1.789, abs=1e-3)


@pytest.mark.parametrize("text", ["4", "4.", "4\nsince it is fair", " 4 ", "4。"])
def test_one_label_alone(text: str) -> None:
    assert labels([place(c, {c: 1.0}) for c in text], True, ["R1"]).criteria == {"R1": 4.0}


@pytest.mark.parametrize("text", ["4.5", "4/10", "10", "4 or 5", "four", "Score 4", "", "7"])
def test_what_is_not_one_label(text: str) -> None:
    with pytest.raises(Unreadable):
        labels([place(c, {c: 1.0}) for c in text], True, ["R1"])


def test_a_dash_for_what_always_applies_is_no_answer_without_numbers_beside_it() -> None:
    with pytest.raises(Unreadable, match="always applies"):
        labels([place("-", {"-": 0.99})], True, ["R1"])
    mixed = labels([place("-", {"-": 0.6, "2": 0.3, "3": 0.1})], True, ["R1"])
    assert mixed.criteria["R1"] == pytest.approx(2.25)
    with pytest.raises(Unreadable) as caught:
        labels([place("4", {"4": 0.001, "The": 0.9})], True, ["R1"])
    assert caught.value.kind == "off_scale"


@pytest.mark.parametrize(
    "logprobs", [None, {}, {"content": []}, {"content": [{"token": 3}, None]}, {"content": "x"}, 5]
)
def test_log_probabilities_of_no_known_form(logprobs: Any) -> None:
    with pytest.raises(Unreadable):
        read_labels("4", logprobs, RUBRIC, ["R1"], True)


def test_the_schema_says_what_the_reader_wants() -> None:
    schema = answer_schema(RUBRIC, NAMES)
    assert schema["required"] == NAMES and schema["additionalProperties"] is False
    assert schema["properties"]["R1"]["properties"]["score"]["enum"] == [1, 2, 3, 4, 5]
    assert schema["properties"]["R4"]["properties"]["score"]["enum"][-1] is None
    assert plain_answer("```json\nx\n```") == "x" and printable("a\ud800\x1b[31m\nb") == "a? [31m b"
    assert math.isnan(read_json(GOOD, RUBRIC, NAMES).mass)


@pytest.mark.parametrize(
    "kept",
    [
        "388元",
        "2026-06-18 to 2026-06-20",
        "06-18",
        "12:30",
        "1,280.50",
        "rating 4.7",
        "10.5%",
        "350 360 370",
        "30-35",
    ],
)
def test_prices_and_dates_are_not_masked(kept: str) -> None:
    assert Redactor({}).text(kept) == kept


@pytest.mark.parametrize(
    "masked",
    ["13800138000", "138-0013-8000", "+86 138 0013 8000", "010-88886666", "(0571) 8888 6666", "555-010-1234",
     "400 123 4567", "+1 (555) 010-1234", "6222 0200 1234 5678", "a.b+c@mail.example.co.uk", "123456789"],
)  # fmt: skip
def test_numbers_of_people_are_masked(masked: str) -> None:
    shown = Redactor({}).text(f"call {masked} now")
    assert shown in ("call [phone] now", "call [e-mail] now", "call ([phone] now", "call [phone] now"), shown


def test_names_are_the_scenarios_own() -> None:
    scenario = {
        "hotel": {"name": "Ann"},
        "hotel_hidden": {"contact_name": "李雷", "contact": "owner"},
        "n": [{"name": "Ann Bo"}],
    }
    assert names_of(scenario) == ["Ann Bo", "Ann", "李雷"]
    mask = Redactor(scenario)
    assert mask.text("ANN BO, Ann, Anna, 李雷说 owner") == "[name 1], [name 2], Anna, [name 3]说 owner"
    assert mask.any({"a": ["Ann", 5, {"b": "李雷"}]}) == {"a": ["[name 2]", 5, {"b": "[name 3]"}]}
