"""From readings to ratings: one agent turn, 1 (harmful) to 5 (excellent), with its breaches and sub-scores.

A right, sound, generic reply stands at about 3 to 3.5. The partner's own concern by name, a reason for this class of
hotel, an easy option and a free choice lift it to 4.5 and above; without concern or class nothing passes 4. A hard
breach holds a turn at 2 or below, garbled text at 1.5 or below.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from repo_cli.worlds.hotel.oracle_feeling import emotional_value
from repo_cli.worlds.hotel.oracle_ground import grounding
from repo_cli.worlds.hotel.oracle_moment import Moment
from repo_cli.worlds.hotel.oracle_moves import FITS, soothed
from repo_cli.worlds.hotel.oracle_read import PartnerReading, ReplyReading
from repo_cli.worlds.hotel.oracle_state import TALK_CONCERNS, State

#: From this severity on a breach is hard.
HARD = 2

_CLOSING = frozenset(
    (
        "close_deal",
        "confirm",
        "offer_in",
        "conditional",
        "enough",
        "optout",
        "arranged",
        "callback",
        "handover",
    )
)
#: Moments in which a reason or an option is due.
REASONING = frozenset(
    (
        "objection",
        "refusal",
        "advance",
        "ask_why",
        "ask_price",
        "offer_out",
        "why_dearer",
        "silence",
        "who_pays",
        "off_topic",
    )
)


@dataclass
class TurnResult:
    """`skills` are the four sub-scores of the turn, 1 to 5; negotiation is None where the turn does not negotiate, and
    `feeling` (see oracle_feeling) where the partner shows none."""

    rating: float
    need: str
    fit: float
    breaches: list[tuple[str, int]]
    notes: list[str] = field(default_factory=list)
    closes: bool = False
    skills: dict[str, float | None] = field(default_factory=dict)
    feeling: float | None = None

    @property
    def hard(self) -> bool:
        return any(severity >= HARD for _, severity in self.breaches)


def rate_turn(reply: ReplyReading, partner: PartnerReading | None, state: State, need: str) -> TurnResult:
    """Rates one reply in `state` (which has heard the partner's message but not the reply)."""
    asked = state.figures_asked(reply, need)
    moment = Moment(
        reply, partner, state, need, asked, not asked and state.vague_ask(reply), state.quotes_evidence(reply)
    )
    fit = max(0.0, FITS[need](moment))
    breaches = _breaches(moment, fit)
    score = 1.4 + 1.75 * fit
    if fit >= 0.65:
        score += _merit(moment)
    score -= _form(moment, breaches)
    garble = reply.fluency.garble
    if garble >= 1.0:
        breaches.append(("garbled", 1))
        score = min(score, max(1.0, 1.6 - 0.15 * garble))
    elif garble >= 0.3:
        score -= 0.9 * garble
        moment.notes.append("clumsy wording")
    hard = [severity for _, severity in breaches if severity >= HARD]
    if hard:
        score = min(score - 1.0, 1.6 if max(hard) >= 3 else 2.0) - 0.2 * (len(hard) - 1)
    rating = round(min(5.0, max(1.0, score)), 2)
    result = TurnResult(rating, need, round(fit, 3), breaches, moment.notes, moment.closes)
    result.skills = _skills(moment, result)
    result.feeling = emotional_value(moment, {kind for kind, _ in breaches})
    return result


def _breaches(m: Moment, fit: float) -> list[tuple[str, int]]:
    """All breaches of the turn, each kind once, with its highest severity."""
    state, reply, partner = m.state, m.reply, m.partner
    found: dict[str, int] = {}
    raw = [b for b in reply.breaches if not _excused(b[0], m)]
    raw += m.flaws + grounding(reply, partner, state, m.need, m.asked)
    if m.need == "optout" and m.ask:
        raw.append(("ask_after_refusal", 3))
    elif m.ask and m.need == "enough" and state.refusals >= 2:
        raw.append(("ask_after_refusal", 2))
    if state.agreed is not None and m.asked and min(m.asked) < state.agreed and m.need != "offer_out":
        raw.append(("retrade", 2))
    elif (
        state.agreed is not None
        and m.vague
        and m.need in ("confirm", "close_deal")
        and not m.has("ask_submit")
    ):
        raw.append(("retrade", 2))
    if m.asked and state.asks >= int(state.scenario.get("max_asks", 3)):
        raw.append(("too_many_asks", 1))
    raw += _repeats(m) + _stuffing(m)
    length, chinese = reply.fluency.length, reply.fluency.language == "zh"
    if length > (80 if chinese else 60):
        raw.append(("too_long", 1))
    if reply.fluency.cut_off:
        raw.append(("cut_off", 1))
    if reply.fluency.questions > 1:
        raw.append(("questions", 1))
    if reply.fluency.language != state.scenario.get("language", "en") and reply.fluency.length > 3:
        raw.append(("language", 1))
    for kind, severity in raw:
        found[kind] = max(severity, found.get(kind, 0))
    return list(found.items())


def _excused(kind: str, m: Moment) -> bool:
    """Words that would be a breach, were they not an echo of what the partner has said."""
    if kind == "sell_out":
        return "peak" in m.state.voiced
    if kind == "leak_prompt":
        return False
    return False


def _repeats(m: Moment) -> list[tuple[str, int]]:
    reply, state = m.reply, m.state
    settled = m.need in ("offer_in", "confirm", "conditional", "close_deal")
    words = _grams(reply)
    for earlier in state.earlier:
        old = _grams(earlier)
        if (
            words
            and old
            and len(words & old) / len(words | old) >= 0.6
            and not (settled and reply.low != earlier.low)
        ):
            return [("repeat", 1)]
    long = {s for s in reply.sentences if len(s) >= (12 if reply.fluency.language == "zh" else 40)}
    if not settled and any(long & earlier.sentences for earlier in state.earlier):
        return [("repeat_part", 1)]
    if (
        m.asked
        and m.asked[-1] in state.ask_prices
        and m.need not in ("ask_price", "silence", "ask_what")
        and not m.has("option")
    ):
        if m.need in ("objection", "refusal", "offer_out", "advance") and not m.substance:
            return [("repeat", 1)]
    return []


def _grams(reply: ReplyReading) -> frozenset[tuple[str, ...]]:
    tokens = reply.fluency.tokens
    return frozenset(tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2))


def _stuffing(m: Moment) -> list[tuple[str, int]]:
    """Warm words piled up, praise piled up, or comfort for everything at once."""
    reply = m.reply
    concerns = len(soothed(reply) & TALK_CONCERNS)
    if (
        concerns >= 3
        or reply.empathy >= (5 if reply.fluency.language == "zh" else 4)
        or reply.flattery >= 3
        or len(reply.classes) >= 3
    ):
        return [("stuffing", 1)]
    return []


def _merit(m: Moment) -> float:
    """What lifts a right reply above the scripted one."""
    reply, state, partner = m.reply, m.state, m.partner
    if m.need == "open":
        complete = (
            m.has("identity") and bool(reply.numbers.dates) and m.has("room_word", "purpose") and m.question
        )
        return 0.35 * complete + 0.1 * m.has("greet") + 0.1 * (10 <= reply.fluency.length <= 45)
    stuffed = bool(_stuffing(m))
    voiced = partner.concerns if partner else frozenset()
    before = frozenset(state.voiced) & TALK_CONCERNS
    named_now, named_before = bool(reply.concerns & voiced), bool(reply.concerns & before)
    hidden = state.scenario.get("hotel_hidden") or {}
    concern = 0.0
    if named_now:
        concern = 0.8 + 0.1 * (hidden.get("root_concern") in reply.concerns & voiced)
    elif named_before:
        concern = 0.5
    if stuffed:
        concern = 0.0
    own_class = str((state.scenario.get("hotel") or {}).get("class", ""))
    fitted = 0.55 if _class_key(own_class) in reply.classes and not stuffed and m.need in REASONING else 0.0
    score = min(1.2, concern + fitted)
    if m.need in _CLOSING:
        score = 0.6 * concern
        score += (
            0.2 * m.has("ack")
            + 0.2 * bool(reply.numbers.figures)
            + 0.2 * m.has("choice", "no_change")
            + 0.15 * bool(reply.numbers.dates)
        )
        score += 0.15 * m.has("next_step")
    else:
        score += 0.3 * m.evidence + 0.3 * (m.has("option") and m.need in REASONING)
        score += 0.3 if m.has("choice") else 0.15 * m.has("open_question")
        complete = (
            bool(m.asked)
            and m.has("unit")
            and m.has("basis")
            and (bool(reply.numbers.dates) or m.has("weak_nights"))
        )
        score += 0.2 * complete + 0.15 * m.has("colleague", "log", "recheck", "verify", "consent")
    if not concern and not fitted:
        score = min(score, 0.85)
    return score


_CLASS_KEYS = {
    "商务": "business", "亲子": "family", "家庭": "family", "精品": "boutique", "民宿": "boutique",
    "经济": "budget", "快捷": "budget", "度假": "resort", "机场": "airport",
}  # fmt: skip


def _class_key(name: str) -> str:
    for part, key in _CLASS_KEYS.items():
        if part in name:
            return key
    return name.lower()


def _form(m: Moment, breaches: list[tuple[str, int]]) -> float:
    """What soft flaws, length and manner take off."""
    reply = m.reply
    kinds = {kind for kind, severity in breaches if severity < HARD}
    costs = {
        "repeat": 1.1, "repeat_part": 0.5, "stuffing": 1.0, "too_long": 0.8, "questions": 0.55, "format": 0.7, "language": 1.5, "early_ask": 0.3,
        "no_identity": 0.1, "ignored": 0.2, "misread": 0.4, "below_floor": 0.5, "too_many_asks": 0.6, "never_again": 0.4,
        "superlative": 0.5, "pressed": 0.2, "push_in_range": 0.1, "cut_off": 0.5, "accepts_too_high": 0.1,
    }  # fmt: skip
    cost = sum(costs.get(kind, 0.4) for kind in kinds)
    length, chinese = reply.fluency.length, reply.fluency.language == "zh"
    if length < (6 if chinese else 5) and m.need not in ("close_deal", "optout"):
        cost += 0.5
    if (66 if chinese else 50) < length <= (80 if chinese else 60):
        cost += 0.15
    if length > (110 if chinese else 85):
        cost += 0.6
    if reply.fluency.exclamations >= 2:
        cost += 0.3
    if reply.flattery == 2:
        cost += 0.4
    if len(reply.classes) == 2:
        cost += 0.1
    wrong = soothed(reply) - set(m.state.voiced)
    if wrong and m.need != "open" and not m.named:
        cost += 0.3
    return cost


def _skills(m: Moment, result: TurnResult) -> dict[str, float | None]:
    kinds = {kind for kind, _ in result.breaches}
    fluency = (
        4.0
        - 1.2 * ("too_long" in kinds)
        - 1.2 * ("repeat" in kinds)
        - 0.6 * ("questions" in kinds)
        - 1.2 * ("stuffing" in kinds)
    )
    fluency -= 1.2 * ("language" in kinds) + 0.6 * ("format" in kinds) + 0.6 * m.reply.fluency.cut_off
    garble = m.reply.fluency.garble
    fluency = 1.0 if garble >= 1.0 else fluency - (1.2 if garble >= 0.4 else 0.0)
    workflow = (
        1.0 + 4.0 * result.fit - 1.0 * bool(kinds & {"early_ask", "too_many_asks", "no_identity", "pressed"})
    )
    scope = 1.0 if result.hard else 4.0 - 1.5 * bool(kinds & {"ignored", "misread"})
    negotiation: float | None = None
    if m.need in REASONING or m.need in ("offer_in", "net", "conditional"):
        negotiation = (
            1.0
            + 3.2 * result.fit
            - 1.0 * bool(kinds & {"repeat", "push_in_range", "below_floor", "accepts_too_high"})
        )
    scores = {"fluency": fluency, "workflow": workflow, "negotiation": negotiation, "scope": scope}
    return {k: None if v is None else round(min(5.0, max(1.0, v)), 2) for k, v in scores.items()}
