"""Checks of what a reply brings about: whether it answers the partner, and what the partner answers to it.

Those that read the partner's answer apply only where there is one (`rl.partner`): in a run on recorded prompts alone,
nobody answers. The answer is what the partner said and whether it ended the talk; its hidden mind is never read.
"""

from __future__ import annotations

import re

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_reading import CLEAR, Finding, Reading

ENDS = ("hangup", "optout")
_ASKS_FIGURE = re.compile(
    r"(?i)\b(?:what|which) (?:figure|price|rate|number|amount)\b|\bhow (?:much|low)\b"
    r"|\b(?:down|lower|reduce it) to what\b"
    r"|\bwhat (?:do|would|did) you (?:propose|suggest|have in mind|want|think)\b|\bwhat would it be\b"
    r"|\bwhat(?:'s| is) your (?:idea|offer|proposal|price|number)\b|\bname (?:a|your) (?:price|figure)\b"
    r"|\bwhat are you (?:thinking|asking|proposing)\b|多少|什么价|啥价|(?:说|报|开)个价|你们?的?(?:想法|建议|意思)"
)


@check(finds="success")
def names_figure_when_asked(r: Reading) -> Finding | None:
    """The partner asked for the figure, and the reply names one between `floor_ask` and `acceptable_price`.

    Does not apply once a price is agreed, the asks are spent, or the partner has said its last word.
    """
    state = r.at.state
    last = r.at.partner_turns[-1] if r.at.partner_turns else ""
    spent = state.asks >= (r.at.maybe("max_asks") or 3) or state.refusals >= 2 or state.hard_refusal
    if not _ASKS_FIGURE.search(last) or state.agreed_price is not None or state.opted_out or spent:
        return None
    low, high = r.at.number("floor_ask"), r.at.number("acceptable_price")
    named = next((a for a in r.plain_amounts if low - 0.01 <= a.value <= high + 0.01), None)
    return r.found(named.span, f"names {named.value:g}") if named else CLEAR


@check(finds="success")
def closes_deal(r: Reading) -> Finding | None:
    """With the partner's answer the deal is done, at a price within `acceptable_price`."""
    outcome = (r.answer or {}).get("outcome") or {}
    price = outcome.get("price")
    if not outcome.get("deal") or not isinstance(price, int | float):
        return None
    return r.whole(f"deal at {price:g}") if price <= r.at.number("acceptable_price") + 0.01 else None


@check(finds="success")
def wins_agreement(r: Reading) -> Finding | None:
    """The partner's answer agrees to a price within `acceptable_price`, where none was agreed before."""
    if r.answer is None or r.at.state.agreed_price is not None:
        return None
    price = r.after.agreed_price
    if not isinstance(price, int | float) or price > r.at.number("acceptable_price") + 0.01:
        return None
    return r.whole(f"{price:g} is agreed")


@check(finds="success")
def wins_lower_offer(r: Reading) -> Finding | None:
    """The partner's answer names a price of its own that is below its last one (below the current price at first)."""
    if r.answer is None or r.at.state.agreed_price is not None or r.after.agreed_price is not None:
        return None
    before = r.at.state.partner_offer
    best = before if isinstance(before, int | float) else r.at.number("current_price")
    offer = r.after.partner_offer
    if not isinstance(offer, int | float) or offer >= best - 0.5:
        return None
    return r.whole(f"the offer falls to {offer:g}")


@check()
def talk_ends_early(r: Reading, *, refusals: int = 2) -> Finding | None:
    """With the partner's answer the talk is over without a deal, though the partner had not said its last word.

    It had after `refusals` refusals, a hard refusal or an opt-out. Being put off until later, or sent to the person who
    decides, is no end.
    """
    outcome = (r.answer or {}).get("outcome") or {}
    state = r.at.state
    if outcome.get("deal") or outcome.get("reason") not in ENDS:
        return None
    if state.opted_out or state.hard_refusal or state.refusals >= refusals:
        return None
    return r.whole(f"the talk is over: {outcome['reason']}")


@check()
def ends_without_deal(r: Reading) -> Finding | None:
    """With the partner's answer the talk is over, and no price was agreed: refused, put off, sent on, broken off."""
    outcome = (r.answer or {}).get("outcome") or {}
    if not (r.answer or {}).get("ended") or outcome.get("deal") is not False:
        return None
    return r.whole(f"no deal: {outcome.get('reason')}")
