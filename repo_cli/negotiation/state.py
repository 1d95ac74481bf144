"""Where a negotiation stands, read from its messages alone.

`dialogue_state` folds over the history: each partner message is read for refusals, acceptance, offers and
intents (readers.py), each agent message for asks, confirmations and closings (agent_reader.py). The agent is
"assistant", the hotel is "user". What a "yes" means depends on what was proposed last, so it is decided here.

Prices: an offer of the partner is a figure of their own; the current price, a competitor's, their costs and the
figure they are just turning down are none. Net rates are kept apart (`partner_net`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .agent_reader import AgentText, read_agent
from .offers import own_offer, same_price, stands_by
from .prices import read_prices
from .readers import PartnerText, read_partner
from .records import Brief, DialogueState
from .sop import SEVEN_STAGES, SOP
from .stages import next_stage, stage_of
from .text import detect_language, fold

Message = Mapping[str, Any]


def _principal(read: PartnerText, net: float | None) -> str | None:
    """The first intent that the words show; O13 needs a net figure, O08.. as listed."""
    if net is not None and "O15" not in read.intents and "O17" not in read.intents:
        return "O13"
    for key in read.intents:
        return key
    return None


def _partner_turn(state: DialogueState, text: str, brief: Brief) -> None:
    """Fold one message of the hotel into the state."""
    read = read_partner(text)
    last = state.agent_prices[-1] if state.agent_prices else None
    prices = read_prices(text, current=brief.current, offer=state.pending or last)
    offer, net = own_offer(text, prices, brief.current, state.partner_offer, state.agent_prices)
    state.partner_turns += 1
    state.language = read.language if len(text.strip()) > 3 else state.language
    if net is not None:
        state.partner_net = net
    accepted = _accepts(state, read, offer, text)
    theirs = offer is not None and not same_price(offer, state.pending)
    stays = state.asks > 0 and stands_by(text, prices, brief.current)
    refused = (read.refusal or stays) and not accepted and not theirs
    intent = _principal(read, net)
    if read.hard or (read.firm and not theirs and not accepted and intent != "O02"):
        state.hard_refusal = True
        state.opted_out = state.opted_out or read.hard
        state.refusals += 1
        state.agreed_price, state.partner_offer_open, intent = None, False, "O14"
    elif theirs:
        intent = _counter(state, read, offer, text, intent)
    elif accepted and state.pending is not None:
        state.agreed_price, state.partner_offer_open = state.pending, False
        state.partner_confirmed = state.last_stage == "S6" or state.partner_confirmed
        if read.conditional:
            state.conditions.append(text)
        intent = "O12" if read.conditional else "accept"
    elif refused and intent not in ("O02", "O05", "O06", "O07", "O09", "O15", "O16"):
        state.refusals += 1
        state.partner_offer_open, state.agreed_price = False, None
        intent = intent or "refusal"
    elif intent is None:
        intent = _plain_intent(read)
    state.partner_intent = intent or "other"
    state.partner_intents = tuple(dict.fromkeys(([intent] if intent else []) + list(read.intents)))


_SETTLED = re.compile(
    r"\b(?:settled|agreed|said yes|sum (?:it|this|that) up|do (?:we|i) do it|i said|we said|write (?:it "
    r"|that )?down|done|fine|ok)\b|定(?!价)|答应|同意|说好|说的是|记一下|总结"
)
# after a recap even these are a yes; with a question mark they are not
_MURMUR_YES = re.compile(r"^[^?]*(?:\bok|\bk\b|right|got it|嗯|收到)[^?]*$")
# what a condition may exclude without taking back the yes: "可以，但周末不行"
_SCOPE = re.compile(
    r"\bbut\b[^.;!?]{0,24}\b(?:weekends?|fridays?|saturdays?|holidays?|breakfast|other (?:dates|days|nights|rooms)"
    r"|refund|cancel)"
    r"|(?:但(?:是)?|不过|只是)[^。；!?？]{0,6}(?:周末|周五|周六|节假日|假期|别的|其他|早餐?|退|取消)"
)


def _accepts(state: DialogueState, read: PartnerText, offer: float | None, text: str) -> bool:
    """Does this message take what the agent has on the table?"""
    if state.pending is None or read.firm:
        return False
    if offer is not None:
        if not same_price(offer, state.pending):
            return False
        if read.accept is not None or _SETTLED.search(fold(text)):
            return not read.refusal or read.conditional
        return not read.refusal and not re.search(r"[?？]", text)
    if read.question and read.open:  # "fair enough, what figure?" is interest, not a yes
        return False
    if read.accept == "strong":
        return not (read.refusal and not read.conditional)
    fresh = state.last_stage in ("S5", "S6")
    if read.accept == "weak":
        doubt = read.question or any(k in read.intents for k in ("O01", "O02", "O05", "O08", "O09", "O10"))
        return fresh and not doubt and (not read.refusal or bool(_SCOPE.search(fold(text))))
    if read.ack:
        return state.last_stage == "S6" and bool(_MURMUR_YES.search(fold(text)))
    return False


def _counter(
    state: DialogueState, read: PartnerText, offer: float | None, text: str, intent: str | None
) -> str:
    """The hotel names a figure of its own."""
    state.partner_offer, state.partner_offer_open = offer, True
    state.agreed_price = None
    if intent in ("O13", "O06", "O07", "O15", "O17"):
        return intent
    return "O11" if _COLLOQUIAL.search(fold(text)) or not re.search(r"[0-9]{2,}", text) else "counter"


_COLLOQUIAL = re.compile(r"take it or leave|爱要不要|一口价|不要拉倒")


def _plain_intent(read: PartnerText) -> str:
    if read.ack:
        return "O18"
    if read.question:
        return "question"
    return "other"


def _agent_turn(state: DialogueState, text: str, brief: Brief, sop: SOP) -> None:
    """Fold one reply of the agent into the state."""
    read = _read_agent(state, text, brief)
    stage = stage_of(state, read, brief, sop)
    state.agent_turns += 1
    state.agent_stages.append(stage)
    state.last_stage = stage
    if read.ask:
        state.asks += 1
        if read.asked is not None:
            state.agent_prices.append(read.asked)
            state.pending = read.asked
    elif stage in ("S6", "S5", "S7") and (read.confirm or read.takes):
        taken = next((x for x in read.amounts if same_price(x, state.partner_offer)), None)
        if taken is not None and state.partner_offer_open:
            state.agreed_price, state.partner_offer_open = taken, False
        named = [x for x in read.amounts if x != brief.current]
        if named and state.agreed_price is None:
            state.pending = named[-1]
        elif state.agreed_price is not None:
            state.pending = state.agreed_price
    elif state.partner_offer_open and _names_only(read, state.partner_offer, brief.current):
        state.pending = state.partner_offer  # whatever the words, a yes now is a yes to that figure


def _names_only(read: AgentText, offer: float | None, current: float | None) -> bool:
    """Whether the hotel's own figure is the one price of a reply, besides the current one."""
    named = [x for x in read.amounts if x != current]
    return bool(named) and all(same_price(x, offer) for x in named)


def _read_agent(state: DialogueState, text: str, brief: Brief) -> AgentText:
    return read_agent(text, brief.current, state.partner_offer)


def _key(history: Sequence[Message]) -> tuple[tuple[str, str], ...]:
    turns = (m for m in history if m.get("role") in ("user", "assistant"))
    return tuple((str(m.get("role")), str(m.get("content") or "")) for m in turns)


@lru_cache(maxsize=4096)
def _fold(turns: tuple[tuple[str, str], ...], brief: Brief, sop_id: int) -> DialogueState:
    sop = _SOPS[sop_id]
    if turns:
        state = _copy(_fold(turns[:-1], brief, sop_id))
        role, text = turns[-1]
        (_agent_turn(state, text, brief, sop) if role == "assistant" else _partner_turn(state, text, brief))
    else:
        state = DialogueState(language=brief.language or "en")
    state.stage = next_stage(state, brief, sop)
    return state


def _read_all(turns: tuple[tuple[str, str], ...], brief: Brief, sop_id: int) -> DialogueState:
    """`_fold` in steps, so that a long history does not recurse deeply."""
    for end in range(100, len(turns), 100):
        _fold(turns[:end], brief, sop_id)
    return _fold(turns, brief, sop_id)


_SOPS: dict[int, SOP] = {0: SEVEN_STAGES}


def _copy(state: DialogueState) -> DialogueState:
    new = DialogueState.__new__(DialogueState)  # a third of the time of dataclasses.replace
    new.__dict__.update(state.__dict__)
    new.conditions = list(state.conditions)
    new.agent_prices = list(state.agent_prices)
    new.agent_stages = list(state.agent_stages)
    return new


def _sop_id(sop: SOP | None) -> int:
    if sop is None or not sop:
        return 0
    for key, known in _SOPS.items():
        if known is sop or known.moves == sop.moves:
            return key
    _SOPS[len(_SOPS)] = sop
    return len(_SOPS) - 1


def dialogue_state(
    history: Sequence[Message], scenario: Mapping[str, Any] | None = None, sop: SOP | None = None
) -> DialogueState:
    """The state after `history` (system messages are ignored); a fresh object that the caller may change.

    Prefixes are cached by text, so reading a growing dialogue turn by turn costs one message each time.
    """
    return _copy(_read_all(_key(history), Brief.of(scenario), _sop_id(sop)))


def reply_stage(
    history: Sequence[Message], reply: str, scenario: Mapping[str, Any] | None = None, sop: SOP | None = None
) -> str:
    """The SOP stage ("S1".."S7") that `reply` belongs to when said after `history`."""
    brief = Brief.of(scenario)
    sid = _sop_id(sop)
    state = _read_all(_key(history), brief, sid)
    return stage_of(state, _read_agent(state, reply, brief), brief, _SOPS[sid])


def last_language(history: Sequence[Message], default: str = "en") -> str:
    """Language of the last message that has letters."""
    for m in reversed(history):
        if m.get("role") != "system" and len(str(m.get("content") or "").strip()) > 3:
            return detect_language(str(m["content"]))
    return default
