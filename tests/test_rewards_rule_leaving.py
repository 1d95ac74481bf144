"""Leaving: when the rules call it early (G54), and what a talk that ends without a deal costs (G60)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from repo_cli.rewards.rules import RuleSet

FILE = Path(__file__).parent.parent / "conf" / "rules" / "hotel_guardrails.yaml"
RULES = RuleSet.load(FILE)
CONTEXT = yaml.safe_load(FILE.read_text(encoding="utf-8"))["example_context"]["en"]
SCENARIO, OPENING = (
    CONTEXT["scenario"],
    CONTEXT["history"],
)  # current 388, target 350, acceptable 365, at most 3 asks
ASK = "Would 350 yuan per night work for 06-18 to 06-20?"
LEAVE = "I hear you. I will leave it here, and your price stays as it is. I wish you a good season."


def early(reply: str, *turns: str) -> bool:
    """Whether G54 fires on the reply after agent and partner took turns, the agent first."""
    roles = ("assistant", "user")
    said = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    found = RULES.score(reply, SCENARIO, [*OPENING, *said])
    return any(f.rule == "G54" for f in found.fired)


@pytest.mark.parametrize(
    "last",
    [
        "What figure are you thinking of?",
        "Costs went up again this year, I tell you.",
        "You promise that? Then put it in writing.",
        "I could do 375.",  # out of range after one ask: there is room for another
        "360 a night is possible from my side.",  # in range: it only has to be taken
        "Yes, 350 is fine.",
    ],
)
def test_leaving_a_partner_who_is_in_the_talk_is_early(last: str) -> None:
    assert early(LEAVE, ASK, last)


@pytest.mark.parametrize(
    "turns",
    [
        (ASK, "No. Stop messaging me."),
        (ASK, "No, I won't lower it."),
        (ASK, "No, I won't lower it.", "I see. Would 358 yuan per night be possible?", "No, I said no."),
        (ASK, "375 is the best I can do.", "Could we meet at 360 yuan per night?", "I said 375."),
        (ASK, "I am busy with check-ins, write later please."),
        (ASK, "I only work at the desk. The owner decides on prices."),
    ],
)
def test_leaving_is_right_where_nothing_more_is_to_be_had(turns: tuple[str, ...]) -> None:
    assert not early(LEAVE, *turns)


LATER = "I hear you. I will write again this afternoon, and nothing changes until then."


def test_a_no_before_any_ask_is_no_reason_to_leave() -> None:
    check = "I have the deluxe king at 398 yuan per night. Is that right?"
    for reply in (LEAVE, LATER):
        assert early(reply, check, "No, our price is 388.") and early(reply, check, "No, that's wrong.")
        assert not early(reply, ASK, "No, I won't lower it.")
        assert not early(reply, check, "No, and stop messaging me.")


@pytest.mark.parametrize(
    "reply",
    [LATER, "Thank you. I'll come back to you tomorrow.", "Let me call you back later, all the best."],
)
def test_putting_off_a_partner_who_is_in_the_talk_is_leaving(reply: str) -> None:
    assert early(reply, ASK, "What figure are you thinking of?")
    assert not early(reply, ASK, "I am busy with check-ins, write later please.")
    assert not early("When may I write again, this afternoon?", ASK, "What figure are you thinking of?")


def test_carrying_out_a_deal_is_no_leaving() -> None:
    done = "Thank you, I submit 350 yuan per night now and all other dates stay as they are. I wish you a good season."
    assert not early(done, ASK, "Yes, 350 is fine.")
    assert early("I take your no as it is, and nothing changes on your page.", ASK, "Agreed, 350 it is.")


def answer(outcome: dict[str, Any] | None, ended: bool = True) -> set[str]:
    said = [
        *OPENING,
        {"role": "assistant", "content": ASK},
        {"role": "user", "content": "No, I won't lower it."},
    ]
    item = {"scenario": SCENARIO, "history": said, "reply": LEAVE}
    (found,) = RULES.score_many([{**item, "answer": {"text": "Bye.", "ended": ended, "outcome": outcome}}])
    return {f.rule for f in found.fired}


def test_an_end_without_a_deal_costs_whatever_its_reason() -> None:
    for reason in ("refused", "callback", "handover", "hangup", "optout"):
        assert "G60" in answer({"deal": False, "price": None, "reason": reason, "turns": 3}), reason
    assert "G60" not in answer({"deal": True, "price": 360, "reason": "accepted", "turns": 3})
    assert "G60" not in answer(None, ended=False)


def test_without_a_partner_nobody_knows_how_a_talk_ends() -> None:
    assert not any(f.rule == "G60" for f in RULES.score(LEAVE, SCENARIO, OPENING).fired)
