"""Which prices in a message of the hotel are offers of its own.

Not offers: the current price, someone else's price, costs, the past, extras, our own figure thrown back ("350?") or
turned down ("can't do 350"), and ceilings ("under 400"). Net rates are returned apart: they are no sell price.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .prices import Price
from .text import fold

_NEAR = 0.51  # two amounts closer than this are the same price

_SPLIT = re.compile(r"[.!?;,。！？；，\n]|\bbut\b|但是?|不过")
# a clause about someone else's price, costs, extras or the past names no offer
_NOT_MINE = re.compile(
    r"\b(?:platform|competitor|other (?:site|platform|channel|hotel)s?|elsewhere|next door|neighbou?r|costs?|costing"
    r"|rent|wages|last (?:year|month|time|week)|used to|previously|before|guests? paid|paid|booked at|walk-?in"
    r"|corporate rate|contract|website|deposit|parking|extra bed)\b"
    r"|平台|别家|别的|其他|隔壁|成本|房租|去年|上次|以前|之前|当时|上个?月|官网|协议价|散客|原来|押金|停车|加床"
)
_TURNED_DOWN = re.compile(
    r"\b(?:too low|too little|impossible|not possible|no way|can't|cannot|cant|won't|wouldn't|couldn't|don't"
    r"|not (?:enough|doable|acceptable|going|for|at|do|with|accept)|never|doesn't|forget|is a no|no to"
    r"|out of the question|is low|[0-9]+,? no$|isn't (?:possible|enough|acceptable))\b"
    r"|太低|低了|不行|不可能|做不(?:到|了)|不(?:能|可以|接受|卖|做|够|同意)(?!低于|少于|再低)|没法|亏|接受不了"
    r"|不考虑|免谈|没门|办不到|降不了"
)
_OWN_LIMIT = re.compile(r"lower|below|less|under|cheaper|beneath|低于|少于|低过")
# "360 at most" from the side that sells: how far it would come down
_AT_MOST = re.compile(r"\b(?:at (?:the )?most|tops|max(?:imum)?|as far as|down to)\b|[最顶至]多")
_FURTHER = re.compile(r"another|more|further|再")
_STAYS = re.compile(
    r"\b(?:stay|stays|staying|keep|keeping|remains?|stick|sticking|stands?|leave|still|is (?:the|our|my) price)\b"
    r"|还是|维持|保持|不变|不动|就(?:是)?\s*$|坚持"
)


def same_price(a: float | None, b: float | None) -> bool:
    """Are both given and equal within half a unit?"""
    return a is not None and b is not None and abs(a - b) < _NEAR


def clause_at(folded: str, span: tuple[int, int]) -> str:
    """The clause (between stops, commas and "but") around a span of folded text."""
    start = 0
    for m in _SPLIT.finditer(folded, 0, span[0]):
        start = m.end()
    after = _SPLIT.search(folded, span[1])
    return folded[start : after.start() if after else len(folded)]


def own_offer(
    text: str, prices: Sequence[Price], current: float | None, before: float | None, ours: Sequence[float]
) -> tuple[float | None, float | None]:
    """(offer, net rate) of a hotel's message, the last of each; None where there is none.

    `before` is the hotel's last offer ("another 10 off" starts from it), `ours` the prices the agent asked for.
    """
    offer = net = None
    folded = fold(text)
    for price in prices:
        if price.kind == "net":
            net = price.value
            continue
        clause = clause_at(folded, price.span)
        base = before if before is not None and price.kind == "delta" and _FURTHER.search(clause) else current
        amount = price.amount(base)
        if amount is not None and _is_own(price, amount, clause, current, ours):
            echo = folded[price.span[1] : price.span[1] + 2]
            if not (("?" in echo or "吗" in echo) and amount in ours):
                offer = amount
    return offer, net


def _is_own(
    price: Price, amount: float, clause: str, current: float | None, ours: Sequence[float] = ()
) -> bool:
    if amount <= 0:
        return False
    if price.kind == "bound" and price.value[0] in ("<", "<="):
        # a ceiling, unless it answers our price with a higher one
        answers = bool(ours) and current is not None and min(ours) < amount < current
        return answers and bool(_AT_MOST.search(clause)) and not _NOT_MINE.search(clause)
    if current is not None:
        if amount == current or (price.kind in ("delta", "ratio") and amount > current):
            return False
        if price.basis == "stay" and amount > 1.5 * current:
            return False
    if _NOT_MINE.search(clause):
        return False
    return not _TURNED_DOWN.search(clause) or price.kind == "bound" or bool(_OWN_LIMIT.search(clause))


def stands_by(text: str, prices: Sequence[Price], current: float | None) -> bool:
    """Does the hotel stand by the current price ("I'd rather stay at 388")?"""
    if current is None or not any(same_price(p.amount(current), current) for p in prices):
        return False
    return bool(_STAYS.search(fold(text)))
