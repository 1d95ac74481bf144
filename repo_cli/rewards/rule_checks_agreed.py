"""Checks that a price which stands agreed is kept: recorded as it is, and not asked down again."""

from __future__ import annotations

import re

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_checks_state import agreed_price, asked_of, below, quoted
from repo_cli.rewards.rule_reading import CLEAR, Finding, Reading, near
from repo_cli.rewards.rule_words import LOWER, NEEDS, PROPOSES, WISHES


@check()
def agreed_price_kept(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply names other amounts without it."""
    agreed = agreed_price(r)
    if agreed is None or not r.plain_amounts:
        return None
    nights = r.at.maybe("nights") or 1
    said = [a for a in r.plain_amounts if a.kind != "net"]
    if near(agreed, [a.value for a in said]) or near(agreed * nights, [a.value for a in said]):
        return _split(r, agreed) or CLEAR
    current = r.at.maybe("current_price")
    gap = current - agreed if current is not None else 0.0  # what the partner gives up, a night and in all
    harmless = [*quoted(r), *([gap, gap * nights] if gap else [])]
    wrong = next(
        (
            a
            for a in said
            if not near(a.value, harmless)
            and (current is None or not near(a.value, [current]) or _as_agreed(r, a.span))
        ),
        None,
    )
    return r.found(wrong.span, f"{wrong.value:g} where {agreed:g} is agreed") if wrong else CLEAR


# a night with a figure of its own: "06-18 at 360, the following night at 350", "头一晚360、第二晚350"
_NIGHT = (
    r"(?:(?:the )?(?:first|second|other|next|following|last) (?:night|one)|(?:the )?night after|\d\d-\d\d"
    r"|\d{1,2}(?:st|nd|rd|th)|[头首第次后另][一二两]?晚|\d{1,2}[号日])"
)
_ONE_NIGHT = re.compile(
    rf"(?i){_NIGHT}(?: at| for| is|:|是|按)? ?(?=(\d{{3}}))|(\d{{3}})(?: yuan)? (?:for |on )?(?:the )?{_NIGHT}"
)


def _split(r: Reading, agreed: float) -> Finding | None:
    """A second figure below the price now, given to one night of the stay beside the agreed one."""
    current = r.at.maybe("current_price")
    nights = [(float(m[1] or m[2]), m) for m in _ONE_NIGHT.finditer(r.text)]
    if current is None or not any(near(value, [agreed]) for value, _ in nights):
        return None
    for value, m in nights:
        apart = not near(value, [agreed, current, *r.at.fact_values()])
        if apart and 0.45 * current < value < current and not _BEFORE.search(r.cut(r.sentence_of(m.span()))):
            return r.found(m.span(), f"{value:g} where {agreed:g} is agreed")
    return None


_AGREED = re.compile(
    r"(?i)\b(?:final|agreed|settled|as discussed|recap\w*|to (?:confirm|sum up)|confirm\w*|done at"
    r"|so (?:that's|that is|it's|we're)|it is(?=[,.]|$))\b|最终|谈[定好妥]|说[定好]|定的|确认|核对"
    r"|定了(?!吗)|这么定|那就是?\d"
)
_BEFORE = re.compile(
    r"(?i)\b(?:instead|from|rather|down|was|were|until|previous\w*|old|before|today|now|current\w*|listed|original\w*"
    r"|no longer|gone|replaced|not)\b"
    r"|n't\b|原|从|由|之前|现在|目前|不是|而不|降|改|调|不用|不再|作废|就不"
)


def _as_agreed(r: Reading, span: tuple[int, int]) -> bool:
    """Whether a sentence gives its figure out for what was agreed, not for what the price was."""
    sentence = r.cut(r.sentence_of(span))
    return bool(_AGREED.search(sentence)) and not _BEFORE.search(sentence)


_LEAVES_IT = re.compile(
    r"(?i)\b(?:won't|will not|not|nothing|no need|never)\b[^.?!]{0,30}\b(?:lower|less|further|ask|cheaper|more)\b"
    r"|不(?:用|再|会|必|需要)[^。？！]{0,6}(?:低|降|少|讲价|便宜|要求|问|让|优惠|松|压)"
)


@check()
def no_retrade(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply asks for a lower one."""
    agreed = agreed_price(r)
    if agreed is None:
        return None
    less = below(r, agreed)
    if not less and _LEAVES_IT.search(r.text):
        return CLEAR
    again = less or _reopens(r, agreed)
    if again and _proposed(r, again):
        return again
    wants = WISHES.search(r.text) or NEEDS.search(r.text)
    lower = LOWER.search(r.text)
    pressed = r.asks or (wants and lower) or (less and (wants or lower or asked_of(r, less)))
    if not pressed:
        return CLEAR
    if less:
        return less
    return r.found(lower.span(), "asks again after an agreement") if lower else CLEAR


def _reopens(r: Reading, agreed: float) -> Finding | None:
    """The first figure under the agreed one, a fact's too, or a further step down ("another 10 off")."""
    current = r.at.maybe("current_price") or 0.0
    for amount in r.amounts:
        further = amount.kind == "delta" and amount.value < current
        if further and near(amount.value, [agreed]) and not _FURTHER.search(r.cut(r.clause_of(amount.span))):
            continue  # "you came down by 28": what was given already
        step = agreed - (current - amount.value) if further else amount.value
        if 0.45 * agreed < step < agreed - 0.51:
            return r.found(amount.span, f"{step:g} is below {agreed:g}")
    return None


_FURTHER = re.compile(r"(?i)\b(?:another|further|more|again|extra|still)\b|再|又|还")


def _proposed(r: Reading, found: Finding) -> bool:
    """Whether the sentence of a figure puts it forward: not what was asked once, nor what somebody else shows."""
    sentence = r.cut(r.sentence_of(found.span))
    return bool(PROPOSES.search(sentence)) and not _ONCE.search(sentence)


_ONCE = re.compile(
    r"(?i)\b(?:not|no|never|originally|at first|first|initially|started|began|earlier|used to|even though"
    r"|although|keep to|stick to)\b"
    r"|n't\b|开头|最早|原来|起初|本来|一开始|最初|不是(?!假)|不用|没关系|不会|不再|说好(?![^。？！]{0,12}(?:可|但|不过))|不必|别(?![家处人])"
)
