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
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .agent_reader import AgentText, read_agent
from .prices import Price, read_prices
from .readers import PartnerText, read_partner
from .sop import SEVEN_STAGES, SOP
from .stages import next_stage, stage_of
from .text import detect_language, fold

Message = Mapping[str, Any]


@dataclass
class DialogueState:
    """A negotiation as it stands before the next agent reply; amounts in the scenario's currency, per night."""

    partner_offer: float | None = None  # last price the hotel named as its own
    partner_offer_open: bool = False  # that offer stands and the agent has not taken it
    partner_net: float | None = None  # last net rate the hotel named
    agreed_price: float | None = None  # both sides have said yes to it
    conditions: list[str] = field(default_factory=list)  # partner messages that tie a yes to a condition
    refusals: int = 0  # partner messages that say no
    hard_refusal: bool = False  # a final no
    opted_out: bool = False  # asked not to be written to
    asks: int = 0  # agent replies that ask for a lower price
    agent_prices: list[float] = field(default_factory=list)  # prices the agent asked for, in order
    agent_stages: list[str] = field(default_factory=list)  # SOP stage of each agent reply
    pending: float | None = None  # the figure a "yes" would accept now
    stage: str = "S1"  # the stage the next agent reply belongs in
    last_stage: str | None = None  # the stage of the last agent reply
    partner_intent: str = "other"  # O01..O18, accept, counter, refusal, question or other; of the last message
    partner_intents: tuple[str, ...] = ()  # everything the last partner message shows
    partner_turns: int = 0
    agent_turns: int = 0
    partner_confirmed: bool = False  # explicit yes after the agent's recap
    language: str = "en"


@dataclass(frozen=True)
class Brief:
    """The public numbers of a scenario that the reading of a dialogue needs."""

    current: float | None = None
    acceptable: float | None = None
    max_asks: int = 3
    known: tuple[float, ...] = ()  # competitor prices
    language: str | None = None

    @classmethod
    def of(cls, scenario: Mapping[str, Any] | None) -> Brief:
        """From a scenario mapping; missing or malformed parts are left out."""
        s = scenario or {}

        def number(x: Any) -> float | None:
            return x if isinstance(x, (int, float)) and not isinstance(x, bool) else None

        facts = s.get("facts") or []
        known = [
            x
            for f in facts
            if isinstance(f, Mapping) and "price" in str(f.get("type", "")) and (x := number(f.get("value"))) is not None
        ]
        most = number(s.get("max_asks"))
        return cls(
            number(s.get("current_price")),
            number(s.get("acceptable_price")),
            3 if most is None else int(most),
            tuple(known),
            s.get("language") if s.get("language") in ("en", "zh") else None,
        )


_SPLIT = re.compile(r"[.!?;,。！？；，\n]")
# a clause that speaks of someone else's price, of costs or of the past names no offer
_NOT_MINE = re.compile(
    r"\b(?:platform|competitor|other (?:site|platform|channel|hotel)s?|elsewhere|next door|neighbou?r|cost|costs|costing|rent|wages|last (?:year|month|time|week)|used to|previously|before|guests? paid|paid|booked at|walk-?in|corporate rate|contract|website)\b"
    r"|平台|别家|别的|其他|隔壁|成本|房租|去年|上次|以前|之前|当时|上个?月|官网|协议价|散客|原来"
)
_NO_TO_FIGURE = re.compile(
    r"\b(?:too low|too little|impossible|not possible|no way|can't|cannot|cant|won't|wouldn't|couldn't|don't|not (?:enough|doable|acceptable|going|for|at|do|with|accept)|never|doesn't|forget|is a no|no to|out of the question|is low|isn't (?:possible|enough|acceptable))\b"
    r"|太低|低了|不行|不可能|做不(?:到|了)|不(?:能|可以|接受|卖|做|够|同意)(?!低于|少于|再低)|没法|亏|接受不了|不考虑|免谈|没门|办不到|降不了"
)
_OWN_LIMIT = re.compile(r"lower|below|less|under|cheaper|beneath|低于|少于|低过")


def _clause(text: str, span: tuple[int, int]) -> str:
    """The clause (between stops and commas) around a span of folded text."""
    start = 0
    for m in _SPLIT.finditer(text, 0, span[0]):
        start = m.end()
    m = _SPLIT.search(text, span[1])
    return text[start : m.start() if m else len(text)]


def _offers(text: str, prices: Sequence[Price], brief: Brief, state: DialogueState) -> tuple[float | None, float | None]:
    """(own offer, net rate) in a partner message; the last one counts."""
    offer = net = None
    folded = fold(text)
    for p in prices:
        if p.kind == "net":
            net = p.value
            continue
        if p.kind == "bound" and p.value[0] in ("<", "<=", "delta>=", "delta<="):
            if p.value[0] in ("<", "<="):
                continue
        base = brief.current
        if p.kind == "delta" and state.partner_offer is not None and re.search(r"another|more|further|再", _clause(folded, p.span)):
            base = state.partner_offer
        amount = p.amount(base)
        if amount is None or amount <= 0:
            continue
        if p.basis == "stay" and brief.current and amount > 1.5 * brief.current:
            continue
        clause = _clause(folded, p.span)
        if brief.current is not None and amount == brief.current:
            continue
        if _NOT_MINE.search(clause):
            continue
        refused = _NO_TO_FIGURE.search(clause)
        if refused and not (p.kind == "bound" or _OWN_LIMIT.search(clause)):
            continue
        end = folded[p.span[1] : p.span[1] + 2]
        if ("?" in end or "吗" in end) and amount in state.agent_prices:
            continue  # "350?" echoes our figure
        if brief.current is not None and amount > brief.current and p.kind in ("delta", "ratio"):
            continue
        offer = amount
    return offer, net


_SETTLED = re.compile(
    r"\b(?:settled|agreed|said yes|sum (?:it|this|that) up|do (?:we|i) do it|i said|we said|write (?:it |that )?down|done|fine|ok)\b|定(?!价)|答应|同意|说好|说的是|记一下|总结"
)
_STAYS = re.compile(
    r"\b(?:stay|stays|staying|keep|keeping|remains?|stick|sticking|stands?|leave|still|is (?:the|our|my) price)\b|还是|维持|保持|不变|不动|就(?:是)?\s*$|坚持"
)


def _stays(text: str, prices: Sequence[Price], brief: Brief) -> bool:
    """Does the hotel answer an ask by standing by the current price ("I'd rather stay at 388")?"""
    if brief.current is None or not any(_same(p.amount(brief.current), brief.current) for p in prices):
        return False
    return bool(_STAYS.search(fold(text)))


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
    offer, net = _offers(text, prices, brief, state)
    state.partner_turns += 1
    state.language = read.language if len(text.strip()) > 3 else state.language
    if net is not None:
        state.partner_net = net
    accepted = _accepts(state, read, offer, text)
    theirs = offer is not None and not _same(offer, state.pending)
    stays = state.asks > 0 and _stays(text, prices, brief)
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


def _same(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) < 0.51


def _accepts(state: DialogueState, read: PartnerText, offer: float | None, text: str) -> bool:
    """Does this message take what the agent has on the table?"""
    if state.pending is None or read.firm:
        return False
    if offer is not None:
        if not _same(offer, state.pending):
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
        return fresh and not read.refusal and not read.question and not any(k in read.intents for k in ("O01", "O02", "O05", "O08", "O09", "O10"))
    if read.ack:
        return state.last_stage == "S6" and bool(re.search(r"ok|k\b|right|got it|嗯|收到", text.lower())) and "?" not in text and "？" not in text
    return False


def _counter(state: DialogueState, read: PartnerText, offer: float | None, text: str, intent: str | None) -> str:
    """The hotel names a figure of its own."""
    state.partner_offer, state.partner_offer_open = offer, True
    state.agreed_price = None
    if intent in ("O13", "O06", "O07", "O15", "O17"):
        return intent
    spoken = not re.search(r"[0-9]{2,}", text) or bool(re.search(r"take it or leave|爱要不要|一口价|不要拉倒", fold(text)))
    return "O11" if spoken else "counter"


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
            if state.agreed_price is not None and not _same(read.asked, state.agreed_price):
                state.agreed_price = state.agreed_price  # a re-trade does not undo the agreement
    elif stage in ("S6", "S5", "S7") and (read.confirm or read.takes):
        taken = next((x for x in read.amounts if _same(x, state.partner_offer)), None)
        if taken is not None and state.partner_offer_open:
            state.agreed_price, state.partner_offer_open = taken, False
        named = [x for x in read.amounts if x != brief.current]
        if named and state.agreed_price is None:
            state.pending = named[-1]
        elif state.agreed_price is not None:
            state.pending = state.agreed_price


def _read_agent(state: DialogueState, text: str, brief: Brief) -> AgentText:
    return read_agent(text, brief.current, state.partner_offer)


def _key(history: Sequence[Message]) -> tuple[tuple[str, str], ...]:
    return tuple((str(m.get("role")), str(m.get("content") or "")) for m in history if m.get("role") in ("user", "assistant"))


@lru_cache(maxsize=4096)
def _fold(turns: tuple[tuple[str, str], ...], brief: Brief, sop_id: int) -> DialogueState:
    sop = _SOPS[sop_id]
    if turns:
        state = _copy(_fold(turns[:-1], brief, sop_id)) if len(turns) < 200 else DialogueState()
        role, text = turns[-1]
        (_agent_turn(state, text, brief, sop) if role == "assistant" else _partner_turn(state, text, brief))
    else:
        state = DialogueState(language=brief.language or "en")
    state.stage = next_stage(state, brief, sop)
    return state


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
        if known is sop or known == sop:
            return key
    _SOPS[len(_SOPS)] = sop
    return len(_SOPS) - 1


def dialogue_state(history: Sequence[Message], scenario: Mapping[str, Any] | None = None, sop: SOP | None = None) -> DialogueState:
    """The state after `history` (system messages are ignored); a fresh object that the caller may change.

    Prefixes are cached by text, so reading a growing dialogue turn by turn costs one message each time.
    """
    return _copy(_fold(_key(history), Brief.of(scenario), _sop_id(sop)))


def reply_stage(
    history: Sequence[Message], reply: str, scenario: Mapping[str, Any] | None = None, sop: SOP | None = None
) -> str:
    """The SOP stage ("S1".."S7") that `reply` belongs to when said after `history`."""
    brief = Brief.of(scenario)
    sid = _sop_id(sop)
    state = _fold(_key(history), brief, sid)
    return stage_of(state, _read_agent(state, reply, brief), brief, _SOPS[sid])


def last_language(history: Sequence[Message], default: str = "en") -> str:
    """Language of the last message that has letters."""
    for m in reversed(history):
        if m.get("role") != "system" and len(str(m.get("content") or "").strip()) > 3:
            return detect_language(str(m["content"]))
    return default
