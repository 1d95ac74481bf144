"""Does the reply do what an offer, a condition, a net rate or a yes calls for? See oracle_moves."""

from __future__ import annotations

import re

from repo_cli.worlds.hotel.oracle_moment import Moment, add_up

_ALL_DATES = re.compile(
    r"weekends? (?:too|as well|included)|including (?:the )?weekends?|all (?:the )?(?:dates|nights|days)|every (?:day|night|date)|周末也|全部日期|所有日期|每天都"
)
_STRONGER = frozenset(
    "the and for with only but that this you your are our not can will per night rate price room yuan".split()
)


def net(m: Moment) -> float:
    """A net rate is taken as net, and the sell price asked for."""
    if m.has("net"):
        return add_up((True, 0.7), (m.has("sell"), 0.2), (m.question, 0.2))
    values = {f.value for f in m.reply.numbers.figures}
    if m.partner and m.partner.net in values and m.has("recap", "accept"):
        m.flaw("misread", 2)
        return 0.1
    return 0.4


def offer_in(m: Moment) -> float:
    """An offer within range is accepted in its own figure; pushing on is the worst answer."""
    offer = m.state.offer
    values = {f.value for f in m.reply.numbers.figures}
    if (m.asked and offer is not None and min(m.asked) < offer) or (m.vague and offer not in values):
        m.flaw("push_in_range")
        return 0.15
    if offer in values and m.has("recap", "accept", "ask_submit"):
        complete = bool(m.reply.numbers.dates) or m.has("basis", "weak_nights")
        return add_up((True, 0.75), (complete, 0.15), (m.has("ask_submit"), 0.15))
    if m.has("accept", "recap") and not values:
        return 0.55
    if m.closes:
        m.notes.append("left an acceptable offer")
        return 0.15
    return 0.3


def offer_out(m: Moment) -> float:
    """An offer out of range gets one counter or a proper close, not a yes."""
    state, values = m.state, {f.value for f in m.reply.numbers.figures}
    if state.offer in values and m.has("submit", "ask_submit") and not m.asked:
        m.flaw("accepts_too_high")
        return 0.1
    if m.asked:
        within = state.asks < int(state.scenario.get("max_asks", 3))
        return add_up(
            (within, 0.75),
            (not within, 0.4),
            (m.has("ack"), 0.15),
            (state.offer in values or m.substance, 0.15),
        )
    if m.closes:
        return 0.9 if state.asks else 0.6
    if m.vague or m.evidence:
        return 0.75
    return 0.35


def conditional(m: Moment) -> float:
    """A condition is kept in the recap."""
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
    return add_up(
        (True, 0.65),
        (m.has("recap", "accept", "ask_submit"), 0.2),
        (bool(m.reply.numbers.figures), 0.1),
        (m.has("ask_submit"), 0.1),
    )


def confirm(m: Moment) -> float:
    """A yes to our price is recapped and an explicit yes asked for."""
    values = {f.value for f in m.reply.numbers.figures}
    if m.ask and not m.has("ask_submit"):
        return 0.2
    if m.state.agreed in values and m.has("recap", "accept", "ask_submit"):
        complete = bool(m.reply.numbers.dates) or m.has("basis")
        return add_up((True, 0.75), (complete, 0.15), (m.has("ask_submit"), 0.15))
    if m.has("recap", "accept", "close"):
        return 0.6
    m.flaw("ignored")
    return 0.2


def close_deal(m: Moment) -> float:
    """An explicit yes is thanked for, with what happens next."""
    if m.ask and not m.has("close"):
        return 0.2
    return add_up((m.has("close", "ack"), 0.6), (m.has("next_step", "submit"), 0.4))
