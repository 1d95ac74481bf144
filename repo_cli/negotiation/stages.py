"""Which SOP stage a reply of the agent is in, and which one the next reply belongs in (domain: seven stages).

`stage_of` labels a reply by what it does: asking is S5 whatever else it does, closing words without a question are
S7, a recap of an accepted or offered figure is S6, checking facts S2, a reason S3, an answer to an objection S4.
`next_stage` follows the table of the procedure: what the partner just did decides.
"""

from __future__ import annotations

from .agent_reader import AgentText
from .readers import INTERRUPTS, OBJECTIONS
from .records import Brief, DialogueState
from .sop import SOP

_NEAR = 0.51


def _near(x: float, y: float | None) -> bool:
    return y is not None and abs(x - y) < _NEAR


def _recaps(state: DialogueState, read: AgentText, brief: Brief) -> bool:
    """Does the reply confirm or take a figure that was accepted or offered?"""
    if not (read.confirm or read.takes or (state.agreed_price is not None and read.question)):
        return False
    known = (
        state.agreed_price,
        state.partner_offer,
        state.pending if state.partner_intent in ("accept", "O12") else None,
    )
    for x in read.amounts:
        if any(_near(x, k) for k in known):
            return True
    # a recap with a wrong figure is still a recap
    return read.confirm and state.agreed_price is not None and bool(read.amounts)


def _closes(state: DialogueState, read: AgentText) -> bool:
    if read.close and not read.question:
        return True
    if state.partner_intent in ("O02", "O05") and not read.check:
        # "who decides, and when may I write?" ends the talk with this person
        return (
            read.close
            or (read.decide and read.question)
            or (state.partner_intent == "O05" and not read.reason)
        )
    done = state.agreed_price is not None and state.partner_confirmed
    return (
        done
        and not read.question
        and (read.next_step or read.confirm or read.takes or read.acknowledge or read.close)
    )


def stage_of(state: DialogueState, read: AgentText, brief: Brief, sop: SOP) -> str:
    """Stage of a reply, given the state it answers."""
    last = state.last_stage
    if read.ask:
        return "S5"
    if last is None:
        return "S7" if state.hard_refusal or state.opted_out else "S1"
    if state.opted_out or state.hard_refusal:
        return "S7"
    if last == "S7":  # a talk that goes on after its end is labelled by what it does
        return "S2" if read.correct and read.amounts else "S3" if read.reason and read.question else "S7"
    if _closes(state, read):
        return "S7"
    if _recaps(state, read, brief):
        # taking up a figure that the hotel named before we proposed one is the move of S5
        return "S6" if sop.allowed(last, "S6") or not sop.allowed(last, "S5") else "S5"
    intent = state.partner_intent
    if last in ("S1", "S2") and read.correct and read.amounts:
        return "S2"
    if intent in INTERRUPTS and intent != "O18":
        return _after_interrupt(state, read, last)
    if intent in OBJECTIONS or intent == "refusal" or (intent == "O02" and not read.close):
        return "S4"
    return _by_content(state, read, last)


def _after_interrupt(state: DialogueState, read: AgentText, last: str) -> str:
    """An interruption is answered within the stage; the same reply may take up the next step after S1."""
    if last == "S1" and read.check and read.amounts:
        return "S2"
    return last


def _by_content(state: DialogueState, read: AgentText, last: str) -> str:
    if last == "S1":
        return "S1" if read.identity and not read.check and not read.amounts else "S2"
    if last == "S2":
        return "S3" if read.reason and not read.correct else "S2"
    if last in ("S3", "S4"):
        if read.reason:
            return "S3" if last == "S3" else "S4"
        return last
    if state.partner_offer_open and (read.takes or read.confirm):
        return "S6"
    return last


def next_stage(state: DialogueState, brief: Brief, sop: SOP) -> str:
    """The stage that the next agent reply should be in."""
    last = state.last_stage
    first = sop.first or "S1"
    if last is None:
        return "S7" if state.opted_out or state.hard_refusal else first
    if last == "S7" or state.opted_out or state.hard_refusal:
        return "S7"
    return _reachable(_target(state, brief, last), last, sop)


def _target(state: DialogueState, brief: Brief, last: str) -> str:
    intent = state.partner_intent
    if intent in ("accept", "O12"):
        return "S7" if state.partner_confirmed and intent == "accept" else "S6"
    if intent in ("counter", "O11"):
        inside = brief.acceptable is None or (state.partner_offer or 0) <= brief.acceptable
        if inside:
            return "S6"
        return "S5" if state.asks < brief.max_asks else "S7"
    if intent in ("O02", "O05", "O14") or state.refusals >= 2:
        return "S7"
    if intent in INTERRUPTS:
        return last
    if intent in OBJECTIONS or intent == "refusal":
        return "S4"
    step = {"S1": "S2", "S2": "S3", "S3": "S5", "S4": "S5", "S5": "S5", "S6": "S6"}[last]
    if step == "S5" and state.asks >= brief.max_asks:
        return "S7"
    if intent == "question" and last in ("S2", "S5", "S6"):
        return last if last != "S2" else "S2"
    return step


def _reachable(target: str, last: str, sop: SOP) -> str:
    """The target, or the nearest step toward it that the procedure allows after `last`."""
    for stage in (target, "S5", "S3", "S2", "S4", "S7"):
        if sop.allowed(last, stage) and (stage == target or stage <= target):
            return stage
    return last
