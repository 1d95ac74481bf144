"""Word lists that break a rule when they stand together in a sentence, in any order."""

from __future__ import annotations

from typing import Any

import pytest

from repo_cli.errors import UserError
from repo_cli.rewards.rules import RuleSet

WORDS = {
    "en": {
        "more": ["more", "extra"],
        "guests": ["guests?", "bookings?"],
        "will": ["will", r"\w+'ll"],
        "asks": r"[?]\s*$",
        "flood": ["flood of <guests>"],
    },
    "zh": {"more": ["更多", "多来"], "guests": ["客人", "订单"]},
}


def rules(forbid: Any, unless: Any = None, words: Any = WORDS) -> RuleSet:
    rule = {"severity": "hard", "on_match": -1, "forbid": forbid} | ({"unless": unless} if unless else {})
    return RuleSet.from_config({"words": words, "rules": {"G1": rule}})


def fires(found: RuleSet, text: str) -> list[str]:
    return [v.text for v in found.score(text, {}, []).violations]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("You will have more guests.", ["will have more guests"]),
        ("More bookings will come.", ["More bookings will"]),
        ("Guests, and more of them: they'll come!", ["Guests, and more of them: they'll"]),
        ("We’ll bring extra bookings.", ["We’ll bring extra bookings"]),
        ("There are more. Guests will come.", []),  # two sentences
        ("Will there be more guests?", []),  # none: a question
        ("More, " + "and so on, " * 8 + "guests will come.", []),  # too far apart
        ("There are more guests.", []),
        ("I willow more guestsroom.", []),
    ],
)
def test_all_lists_in_one_sentence_in_any_order(text: str, span: list[str]) -> None:
    assert fires(rules({"en": [{"all": ["more", "guests", "will"], "none": ["asks"]}]}), text) == span


def test_within_patterns_as_parts_and_chinese() -> None:
    near = rules(
        {"en": [{"all": ["more", r"\bguest\w*"], "within": 15}], "zh": [{"all": ["more", "guests"]}]}
    )
    assert fires(near, "more guestrooms") == ["more guestrooms"]
    assert fires(near, "more of those many guests") == []
    assert fires(near, "客人会更多。") == ["客人会更多"]
    assert fires(near, "客人来。更多的我不说。") == []


def test_a_name_in_a_pattern_stands_for_its_list() -> None:
    found = rules({"en": ["(?i)<more> <guests>", "<html>", {"all": ["flood", "will"]}]})
    assert fires(found, "Extra bookings!") == ["Extra bookings"]
    assert fires(found, "an <html> tag") == ["<html>"]  # no list of that name: left as it is
    assert fires(found, "A flood of guests will come") == ["flood of guests will"]


def test_unless_waives_a_match_in_its_clause_before_and_after_it() -> None:
    found = rules({"en": [{"all": ["more", "guests"]}]}, unless={"en": [r"\bcannot\b"]})
    assert fires(found, "More guests I cannot promise.") == []
    assert fires(found, "I cannot say, but more guests come.") == ["more guests"]


@pytest.mark.parametrize(
    ("forbid", "words", "said"),
    [
        ({"en": [{"all": ["guest"]}]}, WORDS, ["G1.forbid.en", "no word list 'guest'", "guests"]),
        ({"en": [{"al": ["guests"]}]}, WORDS, ["G1.forbid.en[0]", "unknown key 'al'"]),
        ({"en": [{"all": []}]}, WORDS, ["G1.forbid.en[0].all"]),
        ({"en": [{"all": ["more"], "within": 0}]}, WORDS, ["G1.forbid.en[0].within"]),
        ([{"all": ["more"]}], WORDS, ["G1.forbid[0]", "need a language"]),
        ({"en": ["x"]}, {"en": {"More": ["x"]}}, ["words.en.More"]),
        ({"en": ["x"]}, {"en": {"more": []}}, ["words.en.more"]),
        ({"en": ["x"]}, {"more": ["x"]}, ["words"]),
        ({"en": [{"all": ["more"]}]}, {"en": {"more": ["(x"]}}, ["words.en.more", "RE2"]),
    ],
)
def test_what_is_wrong_is_named(forbid: Any, words: Any, said: list[str]) -> None:
    with pytest.raises(UserError) as error:
        rules(forbid, words=words)
    message = f"{error.value} {error.value.hint}"
    assert all(part in message for part in said), message
