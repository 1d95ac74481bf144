"""Checks against the state of the dialogue: asks, refusals, open offers, agreements and exits."""

from __future__ import annotations

import re

from repo_cli.negotiation import is_acceptance, read_partner, reply_stage
from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, near
from repo_cli.rewards.rule_words import (
    CARRIES_OUT,
    CLOSES,
    LOWER,
    PARTS,
    POSTPONES,
    PRESSES,
    TAKES,
    TURNS_DOWN,
    WISHES,
)


def _asks(r: Reading) -> bool:
    return r.asks


def _takes(r: Reading) -> bool:
    return bool(TAKES.search(r.text)) or bool(is_acceptance(r.text))


def below(r: Reading, price: float) -> Finding | None:
    """The first amount under `price` that is not a fact of the brief nor a gap between two amounts in
    play."""
    current = r.at.maybe("current_price")
    gaps = (
        [abs(current - a.value) for a in r.plain_amounts] + [current - price] if current is not None else []
    )
    for amount in r.amounts:
        if amount.value < price - 0.51 and not near(amount.value, [*quoted(r), *gaps]):
            return r.found(amount.span, f"{amount.value:g} is below {price:g}")
    return None


def quoted(r: Reading) -> list[float]:
    """Values of facts that the reply may repeat: a competitor's price only where it speaks of one."""
    speaks = re.search(r"(?i)\b(?:platform|channel|site|elsewhere)|平台|渠道|别处|别家", r.text)
    return [
        float(f["value"])
        for f in r.at.facts
        if isinstance(f.get("value"), int | float) and (speaks or f.get("type") != "competitor_price")
    ]


def asked_of(r: Reading, found: Finding) -> bool:
    """Whether the sentence of a finding is a question."""
    return bool(re.search(r"[?？]\s*$|[吗呢]\s*[。.]?\s*$", r.cut(r.sentence_of(found.span))))


@check()
def no_ask(r: Reading) -> Finding | None:
    """The reply asks for a price, where `when:` says that it must not."""
    return r.whole("asks for a price") if _asks(r) else CLEAR


@check()
def no_ask_after_refusals(r: Reading, *, refusals: int = 2) -> Finding | None:
    """A price is asked for after so many refusals, or after a hard refusal or an opt-out."""
    state = r.at.state
    if state.refusals < refusals and not state.hard_refusal and not state.opted_out:
        return None
    presses = _asks(r) or _presses(r) or _hopes(r) or _names_figure(r)
    return r.whole(f"asks after {state.refusals} refusals") if presses else CLEAR


# "I'm not going to suggest another figure": leaves it, in the words of pressing
_LEFT = re.compile(
    r"(?i)\b(?:I|we)(?:'m| am|'re| are|'ll| will)? (?:not|never)\b|\b(?:I|we) (?:won't|shan't|don't)\b"
    r"|\bno (?:other|more"
    r"|further|another)\b|我们?(?:也|就)?(?:绝)?不(?:会|再|打算)?|不(?:会)?再"
)


def _presses(r: Reading) -> bool:
    return any(not _LEFT.search(r.cut(r.clause_of(m.span()))) for m in PRESSES.finditer(r.text))


_NO_FIGURE = re.compile(
    r"(?i)\b(?:not|no|never|won't|drop|withdraw|forget|leave|stays?|unchanged|record\w*|noted?|nothing"
    r"|confirm\w*|thank\w*)\b|n't\b"
    r"|不|没|撤|算了|保持|维持|照旧|记|谢"
)


def _names_figure(r: Reading) -> bool:
    """Whether a sentence of its own puts a price below the current one on the table, whatever the words."""
    current = r.at.maybe("current_price")
    known = [*r.at.partner_amounts, *quoted(r), *r.at.fact_values()]
    for amount in r.plain_amounts:
        fresh = (
            current is not None
            and 0.45 * current < amount.value < current - 0.5
            and not near(amount.value, known)
        )
        if fresh and not _NO_FIGURE.search(r.cut(r.sentence_of(amount.span))):
            return True
    return False


def _hopes(r: Reading) -> bool:
    """Whether the reply puts a figure of its own on the table, as a question or a wish."""
    known = [
        *r.at.partner_amounts,
        *quoted(r),
        *([r.at.maybe("current_price")] if r.at.maybe("current_price") else []),
    ]
    fresh = [a for a in r.amounts if not near(a.value, [k for k in known if k is not None])]
    return bool(fresh) and bool(WISHES.search(r.text))


@check()
def max_asks(r: Reading, *, limit: int | None = None) -> Finding | None:
    """One price ask more than `limit` (default: the scenario's max_asks, else 3)."""
    most = limit if limit is not None else r.at.maybe("max_asks")
    most = 3 if most is None else most
    if r.at.state.asks < most:
        return None
    return r.whole(f"ask number {r.at.state.asks + 1}, {most:g} are allowed") if _asks(r) else CLEAR


def agreed_price(r: Reading) -> float | None:
    price = r.at.state.agreed_price
    return float(price) if isinstance(price, int | float) else None


@check(finds="success")
def recaps_agreement(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply names exactly it, without asking for less.

    Applies until the agent has confirmed.
    """
    agreed, state = agreed_price(r), r.at.state
    if agreed is None or state.opted_out or state.partner_confirmed or "S6" in state.agent_stages:
        return None
    named = next((a for a in r.plain_amounts if near(a.value, [agreed])), None)
    if named is None or below(r, agreed) or LOWER.search(r.text):
        return CLEAR
    return r.found(named.span, f"{agreed:g} is kept")


def _open_offer(r: Reading) -> float | None:
    state = r.at.state
    if (
        not state.partner_offer_open
        or not isinstance(state.partner_offer, int | float)
        or agreed_price(r) is not None
    ):
        return None
    return float(state.partner_offer)


@check(finds="success")
def accepts_good_offer(r: Reading) -> Finding | None:
    """The partner's open offer is within `acceptable_price`, and the reply takes it with the right figure."""
    limit = r.at.number("acceptable_price")
    offer = _open_offer(r)
    if offer is None or offer > limit + 0.01:
        return None
    named = next((a for a in r.plain_amounts if near(a.value, [offer])), None)
    if named is None or not _takes(r) or below(r, offer) or LOWER.search(r.text):
        return CLEAR
    return r.found(named.span, f"takes {offer:g}")


@check()
def no_bad_deal(r: Reading) -> Finding | None:
    """The partner's open offer is above `acceptable_price`, and the reply takes it."""
    limit = r.at.number("acceptable_price")
    offer = _open_offer(r)
    if offer is None or offer <= limit + 0.01:
        return None
    takes = TAKES.search(r.text)
    named = near(offer, [a.value for a in r.plain_amounts])
    if (
        takes
        and named
        and not _asks(r)
        and not re.search(r"(?i)\b(?:not|cannot|can't|but)\b|不|但|没法", r.text)
    ):
        return r.found(takes.span(), f"takes {offer:g}, above {limit:g}")
    return CLEAR


@check(finds="success")
def right_exit(r: Reading, *, refusals: int = 2) -> Finding | None:
    """After a hard refusal, an opt-out or `refusals` refusals the reply closes: thanks or good-bye, no ask,
    no question.

    Does not apply while an offer within `acceptable_price` stands, or once a price is agreed.
    """
    state = r.at.state
    over = state.hard_refusal or state.opted_out or state.refusals >= refusals
    if not over or agreed_price(r) is not None:
        return None
    offer, limit = _open_offer(r), r.at.maybe("acceptable_price")
    if offer is not None and limit is not None and offer <= limit and not state.opted_out:
        return None
    closes = CLOSES.search(r.text)
    if closes is None or _asks(r) or re.search(r"[?？]", r.text):
        return CLEAR
    return r.found(closes.span(), "closes")


@check()
def claims_agreement(r: Reading) -> Finding | None:
    """The reply carries out a deal (submits, records) that the partner has not agreed to; a question does not count.

    Does not apply while an offer within `acceptable_price` stands, since taking that offer is an agreement.
    """
    offer, limit = _open_offer(r), r.at.maybe("acceptable_price")
    if agreed_price(r) is not None or (offer is not None and (limit is None or offer <= limit + 0.01)):
        return None
    current = r.at.maybe("current_price")
    for words in CARRIES_OUT.finditer(r.text):
        figures = [float(x) for x in re.findall(r"\d+", words.group())]
        if current is not None and figures and all(near(x, [current]) for x in figures):
            continue  # "then 388 it is": that the price stays is no deal
        if not re.search(
            r"[?？]|(?i:\b(?:once|if|until|unless|after|before|when|without|nothing|not|no)\b)|(?<![当算谢])您(?:确认"
            r"|同意(?:的话|了|后|就|之)|点头|没)|"
            r"如果|要是|之前|不会|才|还?没(?!有?(?:反对|意见|异议|说不))|未|您(?:说|提|报|给|讲)的",
            r.cut(r.sentence_of(words.span())),
        ):
            return r.found(words.span(), "carries out what was not agreed")
    return CLEAR


@check()
def early_close(r: Reading, *, refusals: int = 2) -> Finding | None:
    """The reply takes its leave, or puts the talk off (no question, no price), from a partner who is still in the talk.

    Leaving is right on a no to an ask (a hard one or an opt-out at any time; the partner's last words, or `refusals` of
    them before), once a deal is carried out, when the last ask is spent or two have brought no more than a price out of
    range, and with someone who has no time or no authority (O05, O02). It never is while the partner holds out a price
    within `acceptable_price`: agreed by it, or its own standing offer.
    """
    state = r.at.state
    if state.hard_refusal or state.opted_out:
        return None
    held = _held_out(r)
    if held is not None:
        down = TURNS_DOWN.search(r.text)
        if down is None or CARRIES_OUT.search(r.text) or near(held, [a.value for a in r.plain_amounts]):
            return CLEAR
        return r.found(down.span(), f"leaves although {held:g} is on the table")
    spent = state.asks >= (r.at.maybe("max_asks") or 3) or (state.asks >= 2 and state.partner_offer_open)
    # a no before any ask corrects something that was said: "No, our price is 388"
    said_no = state.asks and (state.refusals >= refusals or (state.refusals and _last_word_is_no(r)))
    if spent or said_no or state.partner_confirmed or _not_now(r):
        return None
    parts = PARTS.search(r.text) or TURNS_DOWN.search(r.text) or POSTPONES.search(r.text)
    if parts is None or _asks(r) or r.plain_amounts or re.search(r"[?？]", r.text):
        return CLEAR
    return r.found(parts.span(), "leaves too early")


def _last_word_is_no(r: Reading) -> bool:
    return bool(r.at.partner_turns) and read_partner(r.at.partner_turns[-1]).refusal


def _not_now(r: Reading) -> bool:
    """Someone without time or authority (O05, O02) speaks, in one of the last two messages."""
    recent = [read_partner(text).intents for text in r.at.partner_turns[-2:]]
    return any(key in ("O02", "O05") for intents in recent for key in intents)


def _held_out(r: Reading) -> float | None:
    """The price within `acceptable_price` that the agent only has to take; None where there is none."""
    held, limit = agreed_price(r), r.at.maybe("acceptable_price")
    held = _open_offer(r) if held is None else held
    return held if held is not None and limit is not None and held <= limit + 0.01 else None


@check()
def one_clear_figure(r: Reading) -> Finding | None:
    """The reply asks for a price without naming one, or names two that could both be meant.

    Facts, the current price and what the partner said are no asks.
    """
    if not _asks(r):
        return None
    current = r.at.maybe("current_price")
    if current is None:
        raise NotScored("the scenario has no current_price")
    nights = r.at.maybe("nights") or 1
    said = [current, *r.at.fact_values(), *r.at.partner_amounts]
    fresh = {round(a.value) for a in r.amounts if not near(a.value, said)}
    # nothing new: an ask for what a competitor shows, or for what the partner once named
    asked = fresh or {round(a.value) for a in r.plain_amounts if not near(a.value, [current])}
    asked = {
        v for v in asked if not any(v != w and near(v, [w * nights, abs(current - w)], 1.0) for w in asked)
    }
    if len(asked) == 1:
        return CLEAR
    return r.whole("asks without a figure" if not asked else f"several figures: {sorted(asked)}")


@check()
def stage_order(r: Reading, *, prices: bool = True) -> Finding | None:
    """The reply is of a stage that may not follow the agent's last one in the procedure (configuration group `sop`).

    With `prices`, also a price named or a lower one asked for in a stage that may not. Leaving (S7) is always in order.
    """
    sop, before = r.at.sop, r.at.state.last_stage
    stage = reply_stage(r.at.history, r.text, r.at.scenario, sop)
    terminal = sop.terminal(stage)
    if not terminal and not sop.allowed(before, stage):
        return r.whole(f"{stage} after {before}" if before else f"begins with {stage}")
    if prices and not terminal and r.plain_amounts and not sop.price_allowed(stage):
        return r.found(r.plain_amounts[0].span, f"a price in {stage}")
    if prices and not terminal and r.asks and not sop.ask_allowed(stage):
        return r.whole(f"an ask in {stage}")
    return CLEAR
