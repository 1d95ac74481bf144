"""The hidden oracle of the hotel world: rates a dialogue as a strict, experienced supervisor would.

Used by evaluation only. Training never sees it, and it shares no phrase list, label or scoring code with the corpora,
the annotator, the rubric labels or the rules; like them it reads prices with `repo_cli.negotiation`.
It reads the scenario's hidden part (reserve, root concern), which no agent sees.
"""

from __future__ import annotations

from typing import Any

from repo_cli.worlds.base import (
    BadCaseRating,
    DialogueRating,
    Message,
    Outcome,
    ReplyRating,
    Scenario,
    TurnRating,
)
from repo_cli.worlds.hotel import oracle_defects as defects_of
from repo_cli.worlds.hotel.oracle_rate import HARD, REASONING, TurnResult, rate_turn
from repo_cli.worlds.hotel.oracle_read import PartnerReading, read_partner, read_reply
from repo_cli.worlds.hotel.oracle_state import State

#: A turn of at least this rating without a hard breach is an excellent reply.
EXCELLENT = 4.5

SKILLS = ("fluency", "workflow", "negotiation", "scope")


def rate(dialogue: list[Message], scenario: Scenario, outcome: Outcome | None) -> DialogueRating:
    """The rating of a finished dialogue; `outcome` as the counterpart gave it, or None when it was cut off."""
    state, results, last_need = _walk(dialogue, scenario)
    right = _correct_end(dialogue, scenario, outcome, state, results, last_need)
    turns = [_turn_rating(index, result) for index, result in enumerate(results)]
    breaches = [
        (index, kind, severity) for index, result in enumerate(results) for kind, severity in result.breaches
    ]
    return DialogueRating(
        rating=_dialogue_rating(results, outcome, right),
        turns=turns,
        skills=_dialogue_skills(results, right),
        violations=breaches,
        excellent=any(_excellent(result) for result in results),
        correct_end=right,
    )


def rate_badcase(row: dict[str, Any], replies: list[str]) -> BadCaseRating:
    """How new `replies` (one for each agent turn, each given in the recorded context) mend the marked defects.

    `row["messages"]` is the recorded dialogue; `defects[].turn` counts agent turns from 0. Each reply is rated in the
    state that the recorded dialogue had come to just before it.
    """
    scenario = row["scenario"]
    results = _walk_recorded(row["messages"], replies, scenario)
    marked = row.get("defects") or []
    left = [
        d
        for d in marked
        if int(d["turn"]) < len(results) and defects_of.still_there(d, results[int(d["turn"])])
    ]
    fixed = not left
    clean = fixed and all(not r.hard and r.rating >= 2.5 for r in results)
    severe = any(int(d.get("severity", 1)) >= 3 for d in left)
    mean = sum(r.rating for r in results) / max(1, len(results))
    worst = min((r.rating for r in results), default=1.0)
    return BadCaseRating(
        fixed=fixed, clean=clean, severe_unresolved=severe, rating=round(0.7 * mean + 0.3 * worst, 2)
    )


def rate_reply(history: list[Message], reply: str, scenario: Scenario) -> ReplyRating:
    """The rating of `reply` after `history`, and which abilities that moment calls for."""
    state = State.start(scenario)
    partner: PartnerReading | None = None
    need = "open"
    for message in history:
        if message["role"] == "user":
            partner, need = _hear(message["content"], scenario, state)
        elif message["role"] == "assistant":
            state.speak(read_reply(message["content"], _names(scenario)), need)
    result = rate_turn(read_reply(reply, _names(scenario)), partner, state, need)
    facts = [fact.get("type") for fact in scenario.get("facts") or []]
    little = len(facts) <= 1 and "competitor_price" not in facts
    called = {
        "empathy": partner is not None and bool(partner.concerns),
        "hotel_type": need in REASONING,
        "little_information": need in REASONING and little,
    }
    return ReplyRating(
        result.rating, list(result.breaches), tuple(name for name, due in called.items() if due)
    )


def _names(scenario: Scenario) -> tuple[str, ...]:
    return (str((scenario.get("hotel") or {}).get("name", "")), str(scenario.get("room_type", "")))


def _hear(text: str, scenario: Scenario, state: State) -> tuple[PartnerReading, str]:
    last_ask = state.ask_prices[-1] if state.ask_prices else float(scenario["target_price"])
    partner = read_partner(text, scenario.get("language", "en"), float(scenario["current_price"]), last_ask)
    return partner, state.hear(partner)


def _walk(dialogue: list[Message], scenario: Scenario) -> tuple[State, list[TurnResult], str]:
    """State after the dialogue, a result for each agent turn, and what the last partner message called for."""
    state = State.start(scenario)
    results: list[TurnResult] = []
    partner: PartnerReading | None = None
    need = "open"
    for message in dialogue:
        if message["role"] == "user":
            partner, need = _hear(message["content"], scenario, state)
        elif message["role"] == "assistant":
            reply = read_reply(message["content"], _names(scenario))
            results.append(rate_turn(reply, partner, state, need))
            state.speak(reply, need)
    return state, results, need


def _walk_recorded(messages: list[Message], replies: list[str], scenario: Scenario) -> list[TurnResult]:
    """Results of `replies`, the n-th in place of the n-th recorded agent turn; the record itself goes on unchanged."""
    state = State.start(scenario)
    results: list[TurnResult] = []
    partner: PartnerReading | None = None
    need = "open"
    for message in messages:
        if message["role"] == "user":
            partner, need = _hear(message["content"], scenario, state)
        elif message["role"] == "assistant":
            if len(results) < len(replies):
                results.append(
                    rate_turn(read_reply(replies[len(results)], _names(scenario)), partner, state, need)
                )
            state.speak(read_reply(message["content"], _names(scenario)), need)
    if len(results) < len(replies) and messages and messages[-1]["role"] == "user":
        results.append(rate_turn(read_reply(replies[len(results)], _names(scenario)), partner, state, need))
    return results


def _excellent(result: TurnResult) -> bool:
    return result.rating >= EXCELLENT and not result.hard


def _turn_rating(index: int, result: TurnResult) -> TurnRating:
    notes = [f"need {result.need}, fit {result.fit:.2f}", *result.notes]
    effect = result.skills["negotiation"]
    if effect is not None and result.hard:
        effect = min(effect, 2.0)  # what moves the talk on by a false promise or a wrong figure is no skill
    aspects = {"negotiation": effect, "emotional_value": result.feeling}
    return TurnRating(
        index=index,
        rating=result.rating,
        violations=list(result.breaches),
        notes=notes,
        scores={name: value for name, value in aspects.items() if value is not None},
    )


def _correct_end(
    dialogue: list[Message], scenario: Scenario, outcome: Outcome | None, state: State, results: list[TurnResult], last_need: str
) -> bool:  # fmt: skip
    """A deal in range on both sides that was recorded as agreed, or a proper exit with nothing in range on the table."""
    if not results:
        return False
    if outcome is None:
        deal, price = state.explicit_yes, state.agreed
    else:
        deal, price = bool(outcome.get("deal")), outcome.get("price")
    if deal:
        reserve = float((scenario.get("hotel_hidden") or {}).get("reserve", 0))
        agreed = state.agreed is None or price is None or abs(state.agreed - price) < 1
        return price is not None and reserve <= price <= float(scenario["acceptable_price"]) and agreed
    if state.in_range_offered:
        return False
    reason = (outcome or {}).get("reason")
    if reason in ("hangup", "max_turns"):
        return False
    cause = state.opted_out or state.handover or state.callback or state.refusals >= 1
    cause = (
        cause
        or state.asks >= int(scenario.get("max_asks", 3))
        or (state.offer is not None and state.asks >= 1)
    )
    last = results[-1]
    speaker = next((m["role"] for m in reversed(dialogue) if m["role"] != "system"), "assistant")
    if speaker == "assistant":
        return cause and not last.hard and last.fit >= 0.5 and (last.closes or last.need in _ARRANGING)
    return cause and not last.hard and last_need in _EXIT_NEEDS | {"close_deal", "advance", "silence"}


_ARRANGING = frozenset(("handover", "callback", "arranged", "optout"))
_EXIT_NEEDS = frozenset(
    ("refusal", "enough", "optout", "handover", "callback", "arranged", "offer_out", "objection")
)


def _dialogue_rating(results: list[TurnResult], outcome: Outcome | None, right: bool) -> float:
    if not results:
        return 1.0
    mean = sum(r.rating for r in results) / len(results)
    worst = min(r.rating for r in results)
    rating = 0.7 * mean + 0.3 * worst
    deal = bool(outcome and outcome.get("deal"))
    if deal:
        rating += 0.25 if right else -0.8
    else:
        rating += 0.1 if right else -0.5
    excellent = sum(_excellent(r) for r in results)
    rating += 0.1 * min(excellent, 2)
    hard = [severity for r in results for _, severity in r.breaches if severity >= HARD]
    if hard:
        rating = min(rating, 2.3 if max(hard) >= 3 else 2.6) - 0.25 * (len(hard) - 1)
    return round(min(5.0, max(1.0, rating)), 2)


def _dialogue_skills(results: list[TurnResult], right: bool) -> dict[str, int]:
    """domain.md section 8: every turn's score of the skill at least 3, no hard breach, and for negotiation a right end."""
    hard = any(r.hard for r in results)
    skills = {}
    for skill in SKILLS:
        scores = [r.skills[skill] for r in results]
        sound = bool(results) and not hard and all(s is None or s >= 3 for s in scores)
        skills[skill] = int(sound and (right or skill != "negotiation"))
    return skills
