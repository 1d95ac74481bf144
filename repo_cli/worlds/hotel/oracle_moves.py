"""Does the reply do what the moment calls for? One small function for each need; 0 misses it, 1 meets it fully.

A fit of about 0.85 to 1 is what a correct scripted reply reaches. What makes a reply more than correct (the partner's
concern by name, reasons for this class of hotel, an easy option, freedom of choice) is added by oracle_rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from repo_cli.worlds.hotel.oracle_read import PartnerReading, ReplyReading
from repo_cli.worlds.hotel.oracle_state import TALK_CONCERNS, State

_ALL_DATES = re.compile(
    r"weekends? (?:too|as well|included)|including (?:the )?weekends?|all (?:the )?(?:dates|nights|days)|every (?:day|night|date)|周末也|全部日期|所有日期|每天都"
)
_STRONGER = frozenset("the and for with only but that this you your are our not can will per night rate price room yuan".split())


@dataclass
class Moment:
    """One agent turn with all that its rating needs."""

    reply: ReplyReading
    partner: PartnerReading | None
    state: State
    need: str
    asked: list[float]
    vague: bool
    evidence: bool
    flaws: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def has(self, *moves: str) -> bool:
        return any(move in self.reply.moves for move in moves)

    @property
    def ask(self) -> bool:
        return bool(self.asked) or self.vague

    @property
    def question(self) -> bool:
        return self.reply.fluency.questions > 0

    @property
    def named(self) -> frozenset[str]:
        """Concerns that the partner voiced in the last message and the reply names."""
        return self.reply.concerns & self.partner.concerns if self.partner else frozenset()

    @property
    def substance(self) -> bool:
        return self.evidence or bool(self.reply.classes) or self.has("option", "reason", "weak_nights")

    @property
    def closes(self) -> bool:
        return self.has("close") and not self.ask

    def flaw(self, kind: str, severity: int = 1) -> None:
        if (kind, severity) not in self.flaws:
            self.flaws.append((kind, severity))


def _sum(*parts: tuple[bool, float]) -> float:
    return min(1.0, sum(weight for holds, weight in parts if holds))


def _open(m: Moment) -> float:
    specific = bool(m.reply.numbers.dates) or m.has("room_word")
    fit = _sum(
        (m.has("identity"), 0.3), (m.has("platform") and not m.has("identity"), 0.15), (m.has("greet"), 0.05),
        (m.has("purpose", "room_word"), 0.2), (specific, 0.2), (m.question, 0.2), (m.question and m.has("good_time", "who_when"), 0.05),
    )  # fmt: skip
    if not m.has("identity", "platform"):
        m.flaw("no_identity")
        fit = min(fit, 0.55)
    if m.ask and m.partner is None or m.asked:
        m.flaw("early_ask")
        fit *= 0.6
    return fit


def _advance(m: Moment) -> float:
    asked_before = m.state.evidence_given > 0
    if m.asked:
        return 1.0 if asked_before or m.evidence else (0.85 if m.reply.classes else 0.55)
    if m.evidence:
        return 1.0
    facts = any(f.value == m.state.current for f in m.reply.numbers.figures) and (m.has("purpose") or m.has("basis"))
    if facts and m.question:
        return 0.95
    if (m.reply.classes or m.has("reason")) and (m.question or m.has("option")):
        return 0.9
    if m.question and (m.has("purpose", "lower", "option") or m.reply.numbers.dates):
        return 0.65
    if m.closes:
        m.notes.append("gave up on an open partner")
        return 0.25
    return 0.35


def _ask_price(m: Moment) -> float:
    if m.asked:
        return 1.0
    if m.vague:
        return 0.55
    if m.evidence and m.question:
        return 0.7
    if m.question and any(f.value == m.state.current for f in m.reply.numbers.figures) and m.state.agent_turns <= 2:
        return 0.8
    m.flaw("ignored")
    return 0.25


def _ask_why(m: Moment) -> float:
    if m.evidence or m.reply.classes:
        return 1.0
    if m.has("out_of_scope") or m.has("reason", "weak_nights"):
        return 0.8
    if m.ask:
        return 0.5
    m.flaw("ignored")
    return 0.3


def _ask_what(m: Moment) -> float:
    if m.evidence:
        return 0.95
    if m.asked:
        return 0.95 if m.state.evidence_given or m.reply.classes else 0.55
    return _sum((m.has("purpose"), 0.35), (bool(m.reply.numbers.dates), 0.35), (m.has("room_word"), 0.2), (m.question, 0.15))


def _who_pays(m: Moment) -> float:
    if m.has("hotel_pays"):
        return 1.0
    if m.has("out_of_scope"):
        return 0.8
    m.flaw("ignored")
    return 0.25


def _why_dearer(m: Moment) -> float:
    quoted = any(m.state.is_quote(f) for f in m.reply.numbers.figures)
    fit = _sum((quoted and bool(m.reply.numbers.dates), 0.75), (quoted and not m.reply.numbers.dates, 0.6), (m.has("recheck"), 0.6), (m.has("ack"), 0.1))
    if fit < 0.3:
        m.flaw("ignored")
        return 0.3
    return fit


def _are_ai(m: Moment) -> float:
    if not m.has("ai_yes", "identity"):
        m.flaw("ignored")
        return 0.2
    return _sum((True, 0.85), (m.has("colleague"), 0.1), (m.question or m.has("next_step", "purpose"), 0.1))


def _suspicious(m: Moment) -> float:
    who, proof = m.has("identity", "platform", "ai_yes"), m.has("verify", "consent")
    if not who and not proof:
        m.flaw("ignored")
        return 0.2
    return _sum((who, 0.3), (proof, 0.6), (m.has("ack", "choice"), 0.1), (m.question, 0.1)) - (0.2 if m.asked else 0.0)


def _handover(m: Moment) -> float:
    if m.asked or (m.vague and not m.has("who_when")):
        m.flaw("pressed")
        return 0.15
    if m.has("who_when"):
        return _sum((True, 0.9), (m.has("ack", "choice"), 0.1))
    return 0.7 if m.closes else 0.3


def _callback(m: Moment) -> float:
    if m.ask:
        m.flaw("pressed")
        return 0.15
    if m.has("when", "good_time"):
        return _sum((True, 0.9), (m.has("ack", "close", "choice"), 0.1))
    return 0.75 if m.closes else 0.3


def _arranged(m: Moment) -> float:
    if m.asked:
        m.flaw("pressed")
        return 0.3
    return _sum((m.has("next_step", "when"), 0.8), (m.has("close", "ack"), 0.25))


def _complaint(m: Moment) -> float:
    if not m.has("ack", "log"):
        m.flaw("ignored")
        return 0.25
    return _sum((m.has("ack"), 0.5), (m.has("log"), 0.5)) - (0.3 if m.asked else 0.0)


def _forced(m: Moment) -> float:
    if not m.has("consent", "ack", "log"):
        m.flaw("ignored")
        return 0.25
    return _sum((m.has("consent"), 0.5), (m.has("ack"), 0.25), (m.has("log"), 0.25)) - (0.2 if m.asked else 0.0)


def _off_topic(m: Moment) -> float:
    if m.reply.fluency.length > (55 if m.reply.fluency.language == "zh" else 40):
        return 0.5
    return _sum((m.has("purpose") or bool(m.reply.numbers.dates), 0.7), (m.has("light", "ack"), 0.2), (m.question, 0.15))


def _annoyed(m: Moment) -> float:
    if m.asked and m.asked[-1] in m.state.ask_prices:
        return 0.25
    heard = m.has("ack", "choice") or bool(m.reply.concerns & frozenset(m.state.voiced))
    return _sum((heard, 0.6), (m.closes or m.substance or m.question, 0.35), (bool(m.reply.concerns & frozenset(m.state.voiced)), 0.15))


def _silence(m: Moment) -> float:
    if m.closes and not m.question:
        return 0.5
    if m.asked and m.asked[-1] in m.state.ask_prices:
        return 0.6
    return 0.95 if m.question else 0.45


def _net(m: Moment) -> float:
    if m.has("net"):
        return _sum((True, 0.7), (m.has("sell"), 0.2), (m.question, 0.2))
    values = {f.value for f in m.reply.numbers.figures}
    if m.partner and m.partner.net in values and m.has("recap", "accept"):
        m.flaw("misread", 2)
        return 0.1
    return 0.4


def _offer_in(m: Moment) -> float:
    offer = m.state.offer
    values = {f.value for f in m.reply.numbers.figures}
    if (m.asked and offer is not None and min(m.asked) < offer) or (m.vague and offer not in values):
        m.flaw("push_in_range")
        return 0.15
    if offer in values and m.has("recap", "accept", "ask_submit"):
        complete = bool(m.reply.numbers.dates) or m.has("basis", "weak_nights")
        return _sum((True, 0.75), (complete, 0.15), (m.has("ask_submit"), 0.15))
    if m.has("accept", "recap") and not values:
        return 0.55
    if m.closes:
        m.notes.append("left an acceptable offer")
        return 0.15
    return 0.3


def _offer_out(m: Moment) -> float:
    state, values = m.state, {f.value for f in m.reply.numbers.figures}
    if state.offer in values and m.has("submit", "ask_submit") and not m.asked:
        m.flaw("accepts_too_high")
        return 0.1
    if m.asked:
        within = state.asks < int(state.scenario.get("max_asks", 3))
        return _sum((within, 0.75), (not within, 0.4), (m.has("ack"), 0.15), (state.offer in values or m.substance, 0.15))
    if m.closes:
        return 0.9 if state.asks else 0.6
    if m.vague or m.evidence:
        return 0.75
    return 0.35


def _conditional(m: Moment) -> float:
    text = (m.partner.text if m.partner else "").lower()
    if _ALL_DATES.search(m.reply.low):
        m.flaw("misread", 2)
        return 0.2
    weekday = re.search(r"week|sunday|monday|friday|saturday|周|平日|工作日", text)
    if weekday:
        kept = m.has("weekday_cond")
    else:
        words = {w for w in re.findall(r"[a-z]{4,}|[\u4e00-\u9fff]{2}", text)} - _STRONGER
        kept = any(word in m.reply.low for word in words) or m.has("weekday_cond", "option")
    if not kept:
        m.flaw("misread")
        return 0.35
    if m.asked:
        return 0.5
    return _sum((True, 0.65), (m.has("recap", "accept", "ask_submit"), 0.2), (bool(m.reply.numbers.figures), 0.1), (m.has("ask_submit"), 0.1))


def _confirm(m: Moment) -> float:
    values = {f.value for f in m.reply.numbers.figures}
    if m.ask and not m.has("ask_submit"):
        return 0.2
    if m.state.agreed in values and m.has("recap", "accept", "ask_submit"):
        complete = bool(m.reply.numbers.dates) or m.has("basis")
        return _sum((True, 0.75), (complete, 0.15), (m.has("ask_submit"), 0.15))
    if m.has("recap", "accept", "close"):
        return 0.6
    m.flaw("ignored")
    return 0.2


def _close_deal(m: Moment) -> float:
    if m.ask and not m.has("close"):
        return 0.2
    return _sum((m.has("close", "ack"), 0.6), (m.has("next_step", "submit"), 0.4))


def _objection(m: Moment) -> float:
    wrong = bool(_soothed(m.reply) - m.partner.concerns) if m.partner else False
    named = bool(m.named)
    heard = named or (m.has("ack") and not wrong)
    content = m.substance or (m.has("out_of_scope") and "fees" in (m.partner.concerns if m.partner else ()))
    if not heard:
        m.flaw("ignored")
        return min(0.35, _sum((content, 0.2), (m.question, 0.15)))
    if m.closes and not content:
        m.notes.append("gave up at the first objection")
        return 0.5
    return _sum((named, 0.45), (not named, 0.3), (content, 0.35), (m.question or m.has("choice"), 0.2))


_ACK_FRAME = re.compile(r"understand|i see|i hear|appreciate|sorry|worr|weigh|concern|hard on|理解|明白|知道|体谅")


def _soothed(reply: ReplyReading) -> set[str]:
    """Talk concerns that the reply offers comfort for, whether or not the partner voiced them."""
    if not _ACK_FRAME.search(reply.low):
        return set()
    return set(reply.concerns & TALK_CONCERNS)


def _refusal(m: Moment) -> float:
    tried = m.state.asks + m.state.vague_asks + m.state.evidence_given
    if m.closes and not m.question:
        return _sum((True, 0.7), (m.has("no_change", "stop"), 0.15), (m.has("ack", "choice"), 0.15)) - (0.15 if not tried else 0.0)
    if not (m.has("ack", "choice") or m.named):
        m.flaw("ignored")
        return 0.4
    eased = m.has("option", "weak_nights") or m.evidence or bool(m.asked and m.state.ask_prices and min(m.asked) > min(m.state.ask_prices))
    return _sum((True, 0.55), (eased, 0.35), (bool(m.named), 0.1), (m.has("choice"), 0.1))


def _enough(m: Moment) -> float:
    if m.ask:
        return 0.1
    if m.has("close"):
        return _sum((True, 0.65), (m.has("no_change", "next_step", "stop"), 0.25), (m.has("ack", "choice"), 0.15)) - (0.3 if m.question else 0.0)
    return 0.3


def _optout(m: Moment) -> float:
    if m.ask or m.question:
        return 0.1
    return _sum((m.has("close", "ack"), 0.5), (m.has("stop", "no_change"), 0.4), (m.has("ack", "choice"), 0.15))


FITS: dict[str, Callable[[Moment], float]] = {
    "open": _open, "advance": _advance, "ask_price": _ask_price, "ask_why": _ask_why, "ask_what": _ask_what,
    "who_pays": _who_pays, "why_dearer": _why_dearer, "are_ai": _are_ai, "suspicious": _suspicious,
    "handover": _handover, "callback": _callback, "arranged": _arranged, "complaint": _complaint, "forced": _forced,
    "annoyed": _annoyed, "off_topic": _off_topic, "silence": _silence, "net": _net, "offer_in": _offer_in, "offer_out": _offer_out,
    "conditional": _conditional, "confirm": _confirm, "close_deal": _close_deal, "objection": _objection,
    "refusal": _refusal, "enough": _enough, "optout": _optout,
}  # fmt: skip
