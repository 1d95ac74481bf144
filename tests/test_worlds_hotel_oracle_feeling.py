"""Emotional value and the persuasive-ability score: ratings of hand-written replies to one worry, set from their meaning."""

from __future__ import annotations

import copy
import math

import oracle_dialogues_en
import pytest

from repo_cli.evaluation.result import aspect_scores, persuasion
from repo_cli.worlds.base import TurnRating
from repo_cli.worlds.hotel import oracle

WORRY = "Fine, but we already sell too low. After wages and laundry there is hardly anything left."
REPLIES = {
    "hurts": "Then your listing will drop and you will lose your guests. Lower the price to 350 yuan now.",
    "passes over it": "Could you offer the deluxe king at 350 yuan per night for 18 to 20 June, breakfast included?",
    "stock phrase": "I understand. Could you offer the deluxe king at 350 yuan per night for 18 to 20 June?",
    "meets it": "With wages and laundry rising, I see why every yuan counts. Platform B shows 358 for 06-18, so a small "
    "step for just these two nights might win the corporate guest who compares. Entirely your call; how does that sound?",
}


def scores(reply: str, worry: str = WORRY) -> dict[str, float]:
    talk = [
        {"role": "system", "content": "brief"},
        {"role": "assistant", "content": oracle_dialogues_en.OPEN},
        {"role": "user", "content": worry},
        {"role": "assistant", "content": reply},
    ]
    return oracle.rate(talk, copy.deepcopy(oracle_dialogues_en.BASE), None).turns[1].scores


def test_replies_to_a_worry_stand_in_the_order_of_their_meaning() -> None:
    found = {name: scores(text)["emotional_value"] for name, text in REPLIES.items()}
    assert list(found.values()) == sorted(found.values()) and len(set(found.values())) == len(found), found
    assert found["hurts"] == 1.0 and found["stock phrase"] == 3.0 and found["meets it"] >= 4.5


def test_where_nothing_troubles_the_partner_the_question_does_not_arise() -> None:
    assert "emotional_value" not in scores(oracle_dialogues_en.FACTS, worry="Yes, go ahead.")
    first = oracle.rate(
        [{"role": "assistant", "content": oracle_dialogues_en.OPEN}],
        copy.deepcopy(oracle_dialogues_en.BASE),
        None,
    )
    assert first.turns[0].scores == {}


def test_a_hard_breach_is_no_effective_negotiation() -> None:
    fair = REPLIES["meets it"]
    assert scores(fair)["negotiation"] > 3.5
    assert scores("We promise you more bookings. " + fair)["negotiation"] <= 2.0


def test_the_score_is_the_mean_of_its_two_parts() -> None:
    turns = [
        TurnRating(0, 3.0),
        TurnRating(1, 3.0, scores={"negotiation": 4.0, "emotional_value": 2.0}),
        TurnRating(2, 3.0, scores={"negotiation": 2.0}),
    ]
    assert aspect_scores(turns) == {"negotiation": 3.0, "emotional_value": 2.0}
    assert persuasion(aspect_scores(turns)) == pytest.approx(2.5)
    assert persuasion({"negotiation": 4.0}) == 4.0 and math.isnan(persuasion({}))
