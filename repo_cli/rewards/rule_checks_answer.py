"""Checks of what a reply brings about: they read the partner's answer to it.

They apply only where there is an answer (`rl.partner`): in a run on recorded prompts alone, nobody answers. The answer
is what the partner said and whether it ended the talk; its hidden mind is never read.
"""

from __future__ import annotations

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_reading import Finding, Reading

WALKED_OUT = ("hangup", "optout")


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
def partner_walks_out(r: Reading) -> Finding | None:
    """The partner's answer ends the talk in anger, or asks not to be written to, after a reply that was not a farewell
    to someone who had already said so."""
    outcome = (r.answer or {}).get("outcome") or {}
    if outcome.get("reason") not in WALKED_OUT or r.at.state.opted_out or r.at.state.hard_refusal:
        return None
    return r.whole(f"the partner leaves: {outcome['reason']}")
