"""Does the reply do what the moment calls for? One small function for each need; 0 misses it, 1 meets it fully.

A fit of about 0.85 to 1 is what a correct scripted reply reaches. What makes a reply more than correct (the partner's
concern by name, reasons for this class of hotel, an easy option, freedom of choice) is added by oracle_rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from repo_cli.worlds.hotel import oracle_deals as deals
from repo_cli.worlds.hotel.oracle_moment import Moment, add_up
from repo_cli.worlds.hotel.oracle_read import ReplyReading
from repo_cli.worlds.hotel.oracle_state import TALK_CONCERNS


def _open(m: Moment) -> float:
    specific = bool(m.reply.numbers.dates) or m.has("room_word")
    fit = add_up(
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
    facts = any(f.value == m.state.current for f in m.reply.numbers.figures) and (
        m.has("purpose") or m.has("basis")
    )
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
    if (
        m.question
        and any(f.value == m.state.current for f in m.reply.numbers.figures)
        and m.state.agent_turns <= 2
    ):
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
    return add_up(
        (m.has("purpose"), 0.35),
        (bool(m.reply.numbers.dates), 0.35),
        (m.has("room_word"), 0.2),
        (m.question, 0.15),
    )


def _who_pays(m: Moment) -> float:
    if m.has("hotel_pays"):
        return 1.0
    if m.has("out_of_scope"):
        return 0.8
    m.flaw("ignored")
    return 0.25


def _why_dearer(m: Moment) -> float:
    quoted = any(m.state.is_quote(f) for f in m.reply.numbers.figures)
    fit = add_up(
        (quoted and bool(m.reply.numbers.dates), 0.75),
        (quoted and not m.reply.numbers.dates, 0.6),
        (m.has("recheck"), 0.6),
        (m.has("ack"), 0.1),
    )
    if fit < 0.3:
        m.flaw("ignored")
        return 0.3
    return fit


def _are_ai(m: Moment) -> float:
    if not m.has("ai_yes", "identity"):
        m.flaw("ignored")
        return 0.2
    return add_up((True, 0.85), (m.has("colleague"), 0.1), (m.question or m.has("next_step", "purpose"), 0.1))


def _suspicious(m: Moment) -> float:
    who, proof = m.has("identity", "platform", "ai_yes"), m.has("verify", "consent")
    if not who and not proof:
        m.flaw("ignored")
        return 0.2
    return add_up((who, 0.3), (proof, 0.6), (m.has("ack", "choice"), 0.1), (m.question, 0.1)) - (
        0.2 if m.asked else 0.0
    )


def _handover(m: Moment) -> float:
    if m.asked or (m.vague and not m.has("who_when")):
        m.flaw("pressed")
        return 0.15
    if m.has("who_when"):
        return add_up((True, 0.9), (m.has("ack", "choice"), 0.1))
    return 0.7 if m.closes else 0.3


def _callback(m: Moment) -> float:
    if m.ask:
        m.flaw("pressed")
        return 0.15
    if m.has("when", "good_time"):
        return add_up((True, 0.9), (m.has("ack", "close", "choice"), 0.1))
    return 0.75 if m.closes else 0.3


def _arranged(m: Moment) -> float:
    if m.asked:
        m.flaw("pressed")
        return 0.3
    return add_up((m.has("next_step", "when"), 0.8), (m.has("close", "ack"), 0.25))


def _complaint(m: Moment) -> float:
    if not m.has("ack", "log"):
        m.flaw("ignored")
        return 0.25
    return add_up((m.has("ack"), 0.5), (m.has("log"), 0.5)) - (0.3 if m.asked else 0.0)


def _forced(m: Moment) -> float:
    if not m.has("consent", "ack", "log"):
        m.flaw("ignored")
        return 0.25
    return add_up((m.has("consent"), 0.5), (m.has("ack"), 0.25), (m.has("log"), 0.25)) - (
        0.2 if m.asked else 0.0
    )


def _off_topic(m: Moment) -> float:
    if m.reply.fluency.length > (55 if m.reply.fluency.language == "zh" else 40):
        return 0.5
    return add_up(
        (m.has("purpose") or bool(m.reply.numbers.dates), 0.7),
        (m.has("light", "ack"), 0.2),
        (m.question, 0.15),
    )


def _annoyed(m: Moment) -> float:
    if m.asked and m.asked[-1] in m.state.ask_prices:
        return 0.25
    heard = m.has("ack", "choice") or bool(m.reply.concerns & frozenset(m.state.voiced))
    return add_up(
        (heard, 0.6),
        (m.closes or m.substance or m.question, 0.35),
        (bool(m.reply.concerns & frozenset(m.state.voiced)), 0.15),
    )


def _silence(m: Moment) -> float:
    if m.closes and not m.question:
        return 0.5
    if m.asked and m.asked[-1] in m.state.ask_prices:
        return 0.6
    return 0.95 if m.question else 0.45


def _objection(m: Moment) -> float:
    wrong = bool(soothed(m.reply) - m.partner.concerns) if m.partner else False
    named = bool(m.named)
    heard = named or (m.has("ack") and not wrong)
    content = m.substance or (m.has("out_of_scope") and "fees" in (m.partner.concerns if m.partner else ()))
    if not heard:
        m.flaw("ignored")
        return min(0.35, add_up((content, 0.2), (m.question, 0.15)))
    if m.closes and not content:
        m.notes.append("gave up at the first objection")
        return 0.5
    return add_up((named, 0.45), (not named, 0.3), (content, 0.35), (m.question or m.has("choice"), 0.2))


_ACK_FRAME = re.compile(
    r"understand|i see|i hear|appreciate|sorry|worr|weigh|concern|hard on|理解|明白|知道|体谅"
)


def soothed(reply: ReplyReading) -> set[str]:
    """Talk concerns that the reply offers comfort for, whether or not the partner voiced them."""
    if not _ACK_FRAME.search(reply.low):
        return set()
    return set(reply.concerns & TALK_CONCERNS)


def _refusal(m: Moment) -> float:
    tried = m.state.asks + m.state.vague_asks + m.state.evidence_given
    if m.closes and not m.question:
        return add_up((True, 0.7), (m.has("no_change", "stop"), 0.15), (m.has("ack", "choice"), 0.15)) - (
            0.15 if not tried else 0.0
        )
    if not (m.has("ack", "choice") or m.named):
        m.flaw("ignored")
        return 0.4
    eased = (
        m.has("option", "weak_nights")
        or m.evidence
        or bool(m.asked and m.state.ask_prices and min(m.asked) > min(m.state.ask_prices))
    )
    return add_up((True, 0.55), (eased, 0.35), (bool(m.named), 0.1), (m.has("choice"), 0.1))


def _enough(m: Moment) -> float:
    if m.ask:
        return 0.1
    if m.has("close"):
        return add_up(
            (True, 0.65), (m.has("no_change", "next_step", "stop"), 0.25), (m.has("ack", "choice"), 0.15)
        ) - (0.3 if m.question else 0.0)
    return 0.3


def _optout(m: Moment) -> float:
    if m.ask or m.question:
        return 0.1
    return add_up(
        (m.has("close", "ack"), 0.5), (m.has("stop", "no_change"), 0.4), (m.has("ack", "choice"), 0.15)
    )


FITS: dict[str, Callable[[Moment], float]] = {
    "open": _open, "advance": _advance, "ask_price": _ask_price, "ask_why": _ask_why, "ask_what": _ask_what,
    "who_pays": _who_pays, "why_dearer": _why_dearer, "are_ai": _are_ai, "suspicious": _suspicious,
    "handover": _handover, "callback": _callback, "arranged": _arranged, "complaint": _complaint, "forced": _forced,
    "annoyed": _annoyed, "off_topic": _off_topic, "silence": _silence, "net": deals.net, "offer_in": deals.offer_in, "offer_out": deals.offer_out,
    "conditional": deals.conditional, "confirm": deals.confirm, "close_deal": deals.close_deal, "objection": _objection,
    "refusal": _refusal, "enough": _enough, "optout": _optout,
}  # fmt: skip
