"""Checks on what a reply works out: discounts, sums, and the currency."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Amount, Finding, NotScored, Reading, near
from repo_cli.rewards.rule_sums import wrong_sum

_EQUALS = re.compile(
    r"(?i)\b(?:is|are|be|it's|that's|makes?|means?|meaning|namely|equals?|comes? (?:out )?(?:to|at)"
    r"|gives?|brings?|takes?"
    r"|gets?|lands?|"
    r"puts?|in other words|works out|about|around|roughly|leaves?|or|so|to)\b|=|就是|等于|相当于|大概"
    r"|大约|约|也就是|即|差不多"
    r"|是|就|"
    r"^的话$|^[,，]?\s*$|左右|下来|折后"
)
# what lies between a price and the discount that is said to make it ("350, a 20% cut")
_IS_RATIO = re.compile(
    r"(?i)^(?:\s*(?:yuan|cny|元|块|a night|per night|每晚|一晚))*\s*[,，]?\s*(?:(?:is|that is|that's|which is"
    r"|or|i\.e\.|就是|是|即|也就是|"
    r"等于|相当于|差不多是?|大概是?|约)\s*)?(?:only |just |about |roughly |around |nearly |close to |a |an |打"
    r"|大概|差不多)*$"
)


_OF_PRICE = re.compile(
    r"(?i)(?:\b(?:on|off|of|from) )?(?:the |your )?(?<![\d.])(\d{2,5})(?![\d.]\d)(?: yuan| CNY|元|块)?"
)
FAR = 200  # characters between two amounts that have nothing to do with each other any more
_OF_ROOM = re.compile(r"(?i)\b(?:the|your) (?:deluxe \w+|room|rate|price)\b")


@check()
def ratio_price_agree(r: Reading, *, tolerance: float = 0.01) -> Finding | None:
    """A discount word and the price it is said to give disagree by more than `tolerance` of the current
    price + 1."""
    current, applies = r.at.number("current_price"), False
    for ratio in (a for a in (*r.amounts, *_cuts(r, current)) if a.kind == "ratio"):
        if re.search(r"(?i)\b(?:not|rather than|instead of)\b|n't\b|不是|不用|不要|而不", _before(r, ratio)):
            continue
        for amount in r.plain_amounts:
            span = (min(ratio.span[0], amount.span[0]), max(ratio.span[1], amount.span[1]))
            gap = r.text[min(ratio.span[1], amount.span[1]) : max(ratio.span[0], amount.span[0])]
            if len(gap) > FAR:
                continue
            # "a tenth off 388 takes it to 338": what the discount is taken from, and what it is of, say nothing
            gap = _OF_ROOM.sub(
                "it", _OF_PRICE.sub(lambda m: " " if near(float(m[1]), [current]) else m[0], gap)
            )
            later = amount.span[0] >= ratio.span[1]
            said = later and _EQUALS.search(gap)
            if not later:
                said = _IS_RATIO.match(gap)
            if not said and not _alone(r, ratio, amount, current):
                continue
            if len(gap) > 32 or re.search(r"[.!?。！？；;]", gap) or near(amount.value, [current]):
                continue
            applies = True
            if abs(amount.value - ratio.value) > tolerance * current + 1:
                return r.found(span, f"that discount gives {ratio.value:.0f}, not {amount.value:g}")
            break
    return CLEAR if applies else None


_NO_CLAIM = re.compile(
    r"(?i)\b(?:not|never|rather than|instead of a|or)\b|n't\b|\b(?:could|would|can) you\b|[?？]|不是"
    r"|不用|不要|没|而不|还是|能不能|吗"
)


# a cut in per cent that the reader of prices does not take for one
_CUT = Cue(
    r"(?i)(?<![\w.])(\d{1,2}|five|ten|fifteen|twenty|thirty) ?(?:%|per ?cent) (?:cut|reduction|lower"
    r"|less|decrease|drop|saving|cheaper|below|under|deal|offer|promotion|campaign|special|markdown)\b"
    r"|(?:便宜|低|少|省)(?:了|掉)?(?:约|大约|差不多|近"
    r"|整整)?(?P<zh>\d{1,2})(?:%|个点)"
    r"|(?<![\d.])(?P<of>\d{1,2})%的(?:活动|优惠|促销|折扣)"
)


_HALF = Cue(r"(?i)\bhalf(?: the| your)? (?:price|rate)\b|\bhalf off\b|半价|打对折")
_PER_CENT = {"five": 5.0, "ten": 10.0, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0}


def _cuts(r: Reading, current: float) -> list[Amount]:
    read = {i for a in r.amounts for i in range(*a.span)}
    cuts = [m for m in _CUT.finditer(r.text) if m.start() not in read]
    return [
        Amount(
            current * (1 - (_PER_CENT.get(n := (m[1] or m["zh"] or m["of"]).lower()) or float(n)) / 100),
            m.span(),
            "ratio",
            implied=True,
        )
        for m in cuts
    ] + [
        Amount(current / 2, m.span(), "ratio", implied=True)
        for m in _HALF.finditer(r.text)
        if m.start() not in read
    ]


def _before(r: Reading, amount: Amount) -> str:
    """The words of its sentence before an amount, the nearest."""
    return r.text[max(r.sentence_of(amount.span)[0], amount.span[0] - FAR) : amount.span[0]]


def _alone(r: Reading, ratio: Amount, amount: Amount, current: float) -> bool:
    """Whether a sentence states one discount and one price besides the current one, so that they belong together."""
    start, end = r.sentence_of(ratio.span)
    inside = [a for a in r.amounts if start <= a.span[0] < end and not near(a.value, [current])]
    together = {id(a) for a in inside} == {id(ratio), id(amount)}
    return together and not _NO_CLAIM.search(r.text[start:end])


_NUMBER = r"(\d+(?:\.\d+)?)"
# where nothing stands before it, a number is tried at its first digit only: a long run of digits would else take the
# square of its length
_FIRST = rf"(?<!\d){_NUMBER}"
# a bare "-" between figures is a date or a range ("06-18 is 388"), unless "=" follows or it stands apart
_SUMS = Cue(
    rf"(?i)(?<![\d/-]){_NUMBER}\s*(?:(?:yuan|cny|元|块)\s*)?"
    rf"(minus|less|plus|times|减去?|加上?|乘以?|(?<=\s)[-−+x×*](?=\s)|"
    rf"[-−+x×*](?=\s*\d+(?:\.\d+)?\s*(?:(?:yuan|cny|元|块)\s*)?=))"
    rf"\s*{_NUMBER}\s*"
    rf"(?:(?:yuan|cny|nights?|元|块|晚)\s*)?(?:is|are|makes?|equals?|gives?|leaves?|comes to|=|就是|等于|是|"
    rf"得)\s*(?:you |us |me )?"
    rf"(?:about |only |just )?{_NUMBER}"
)
_UNIT = r"(?:\s*(?:yuan|cny|rmb|元|块))?"
_NONE = r"(?!\d|[.]\d|\s*%|\s*per ?cent|\s*折|\s*成)"
# two prices and the gap between them, in the order (price, price, gap)
_STEP = Cue(
    rf"(?i)\bfrom {_NUMBER}{_UNIT} (?:down )?to {_NUMBER}{_UNIT},? (?:is|saves?|means|makes|would be|that is"
    rf"|that's|it's|you save|you lose|costs you)\s*(?:still |only |just |merely )?"
    rf"(?:a (?:step|cut|difference|drop|reduction|saving|fall|change|gap|move) of )?(?:only |just |about |"
    rf"merely )?{_NUMBER}{_NONE}"
    rf"|\b(?:difference|gap|distance|step) (?:between|from) {_NUMBER}{_UNIT} (?:and|to) {_NUMBER}{_UNIT} "
    rf"(?:is|makes|comes to|would be|amounts to) (?:only |just |about )?{_NUMBER}{_NONE}"
    rf"|\b{_NUMBER}{_UNIT} (?:and|is|to) {_NUMBER}{_UNIT} (?:differ by|are|is a difference of) (?:only |"
    rf"just )?{_NUMBER}{_UNIT} (?:apart)?{_NONE}"
    rf"|从{_NUMBER}{_UNIT}(?:降|调|减|变)?到{_NUMBER}{_UNIT}[，,]?(?:也)?(?:就|才)?(?:只)?(?:少|降|差|便宜|"
    rf"省|减|让)(?:了"
    rf"|下)?{_NUMBER}{_NONE}"
    rf"|{_FIRST}{_UNIT}(?:和|跟|与|比|到|离){_NUMBER}{_UNIT}(?:之间|中间)?(?:就|才|也就)?(?:只)?(?:相?差|"
    rf"贵|便宜|高|低)(?:了"
    rf"|出)?{_NUMBER}{_NONE}"
)
# a price lowered by a cut: (price, cut, rest)
_BY = Cue(
    rf"(?i)\b(?:lower|reduc|cut|dropp?|tak|bring)(?:e|es|s|ing|ting)? (?:the |"
    rf"it from )?{_NUMBER}{_UNIT} (?:down )?by {_NUMBER}{_UNIT},? "
    rf"(?:and )?(?:you |we |it )?(?:gives?|makes?|leaves?|means?|is|gets?|brings?|has|have|"
    rf"that's)(?: (?:you|us|it))?(?: (?:to|at))?"
    rf"(?: about)? {_NUMBER}{_NONE}"
)
# the gap first
_SAVES = Cue(
    rf"(?i)\b(?:saves?|drops?|takes? off|cuts?"
    rf"|lowers? it by)\s*{_NUMBER}{_UNIT},? (?:going )?from {_NUMBER}{_UNIT} (?:down )?to "
    rf"{_NUMBER}{_NONE}"
)
# a price less a cut leaves a price: (cut, price, rest) and (price, cut, rest)
_OFF = Cue(
    rf"(?i)\b(?:taking|take|with|knocking|knock|subtract\w*|deduct\w*|shav\w+|"
    rf"remov\w+) {_NUMBER}{_UNIT} (?:off|from|away from|out of) "
    rf"{_NUMBER}{_UNIT},? (?:and )?(?:you(?:'re| are)? |we(?:'re| are)? |it |that )?(?:leaves?|left with|"
    rf"gives?|makes?|is|brings \w+ to|get|gets|have|"
    rf"at|reach|end up (?:with|at)|land at|'s)(?: us| you)?(?: at| to)? {_NUMBER}{_NONE}"
)
_REST = Cue(
    rf"(?<![\d/-]){_NUMBER}{_UNIT}(?:便宜|减|少|降|扣|去|抹|砍|让|优惠)(?:掉|去|了|下)?{_NUMBER}{_UNIT}[，,]?"
    rf"(?:就|只|还)?(?:剩|剩下|就是|等于|是|得|变成|到){_NUMBER}{_NONE}"
)
# what lies half way: (price, price, middle)
_MIDDLE = Cue(
    rf"(?i)\b(?:midpoint|half ?way(?: point| mark)?|middle|mid price|average)\b[^.?!;\d]{{0,16}}\b(?:between|of) "
    rf"{_NUMBER}{_UNIT} and {_NUMBER}{_UNIT} (?:is|would be|lies at|comes to|makes) {_NUMBER}{_NONE}"
    rf"|{_FIRST}{_UNIT}[和跟与到]{_NUMBER}{_UNIT}(?:之间)?的?(?:中间(?:数|价|值)?|平均(?:数|值|价)?|折中|取中)"
    rf"(?:就|正好)?(?:是|为|等于|得){_NUMBER}{_NONE}"
)
_COUNTS = {
    "one": 1,
    "two": 2,
    "both": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
}
_N = r"(\d|one|two|both|three|four|five|[两二三四五])"
# so many nights at a price: (nights, price, total) and (price, nights, total)
_NIGHTS = Cue(
    rf"(?i)\b{_N} (?:the )?nights? at {_NUMBER}{_UNIT}(?: (?:each|a night|per night))?,? (?:come|comes|make"
    rf"|makes|is|are|would be|total)"
    rf"(?: to)?(?: about)? {_NUMBER}{_NONE}|{_N}晚[，,]?(?:都)?(?:是)?每晚{_NUMBER}{_UNIT}[，,]?(?:总"
    rf"|一)?共?(?:计|是|就是)?{_NUMBER}{_NONE}|{_N}晚[，,]?(?:都)?(?:是|按)?{_NUMBER}{_UNIT}[，,]?(?:总共|"
    rf"一共|共计|合计|总计|加起来)(?:是|要)?{_NUMBER}{_NONE}"
    rf"|(?<!\d){_N}晚\s*[x×乘*]\s*以?{_NUMBER}{_UNIT}(?:是|等于|得|=|就是){_NUMBER}{_NONE}"
)
_EACH = Cue(
    rf"(?i){_FIRST}{_UNIT}(?:每晚|一晚)?[，,]?(?:乘以?|[x×*])?{_N}晚[，,]?(?:就是|是|等于|得|合计|总价|"
    rf"加起来|(?:总|一)共|共)(?:计"
    rf"|是)?{_NUMBER}{_NONE}"
    rf"|\b{_NUMBER}{_UNIT}(?: (?:each|a night|per night))? (?:for|times) {_N} nights? (?:is|comes? to|makes?"
    rf"|would be) {_NUMBER}{_NONE}"
)


@check()
def arithmetic(r: Reading) -> Finding | None:
    """A sum that is spelt out and does not add up ("388 minus 38 is 340")."""
    applies = False
    for m in _SUMS.finditer(r.text):
        a, b, c = float(m[1]), float(m[3]), float(m[4])
        sign = m[2].lower()
        if sign in ("minus", "less", "-", "−") or sign.startswith("减"):
            right = a - b
        elif sign in ("plus", "+") or sign.startswith("加"):
            right = a + b
        else:
            right = a * b
        applies = True
        if abs(right - c) > 0.51:
            return r.found(m.span(), f"that makes {right:g}")
    for pattern, work_out in _SPELT:
        for m in pattern.finditer(r.text):
            applies = True
            *parts, said = [_value(g) for g in m.groups() if g is not None]
            right = work_out(*parts)
            if abs(right - said) > 0.51:
                return r.found(m.span(), f"that makes {right:g}")
    return wrong_sum(r) or (CLEAR if applies else None)


def _value(text: str) -> float:
    return float(_COUNTS.get(text.lower(), 0) or text)


_SPELT: tuple[tuple[Cue, Callable[[float, float], float]], ...] = (
    (_STEP, lambda a, b: abs(a - b)),
    (_SAVES, lambda gap, a: a - gap),
    (_OFF, lambda cut, a: a - cut),
    (_REST, lambda a, cut: a - cut),
    (_BY, lambda a, cut: a - cut),
    (_NIGHTS, lambda nights, a: nights * a),
    (_EACH, lambda a, nights: nights * a),
    (_MIDDLE, lambda a, b: (a + b) / 2),
)


_CURRENCIES = {
    "CNY": r"¥|￥|\bcny\b|\brmb\b|\byuan\b|\bkuai\b|(?<![美港欧日])元|块|人民币",
    "USD": r"\$|usd(?![a-z])|(?:us )?dollars?\b|bucks\b|美元|美金|美刀|刀(?!具|叉|片)",
    "EUR": r"€|euros?\b|eur(?![a-z])|欧元|欧(?![洲式风美元])",
    "GBP": r"£|gbp(?![a-z])|pounds?\b|quid\b|sterling\b|英镑",
    "JPY": r"jpy(?![a-z])|yen\b|日元|日币|円",
    "HKD": r"hkd(?![a-z])|hk\$|hong kong dollars?\b|港币|港元|港纸",
    "other": r"(?:sgd|aud|cad|chf|thb|krw|twd|inr)(?![a-z])|(?:singapore|australian|canadian|taiwan) dollars?\b|"
    r"(?:francs?|baht|won|rupees?|rubles?|pesos?)\b|新加坡元|新币|澳元|澳币|加元|加币|台币|新台币|韩元|韩币|"
    r"泰铢|卢布|瑞郎",
}


@lru_cache(maxsize=16)
def _foreign(own: str) -> Cue:
    """All words and signs of the other currencies."""
    return Cue("(?i)" + "|".join(words for code, words in _CURRENCIES.items() if code != own))


@lru_cache(maxsize=16)
def _of_money(words: str) -> re.Pattern[str]:
    """The words of a currency beside a number, in digits or spelt out."""
    spelt = r"(?:hundred|thousand|(?:fif|six|seven|eigh|nine|for|thir|twen)t(?:y|een)|[百十千])"
    return re.compile(
        rf"(?i)(?:(?<![a-z])|(?=[$€£]))(?:{words})\s*(?:\d|[一二三四五六七八九两]百)|(?:\d|{spelt})\s*(?:{words})"
    )


@check()
def currency(r: Reading) -> Finding | None:
    """An amount in a currency that is not the scenario's."""
    own = str(r.at.scenario.get("currency") or "").upper()
    if own not in _CURRENCIES:
        raise NotScored("the scenario has no currency that is known here")
    foreign = _CURRENCIES.items() if _foreign(own).search(r.text) else ()
    for code, words in foreign:
        if code == own:
            continue
        found = _of_money(words).search(r.text)
        paid_in = re.search(rf"(?i)(?:\bin |按|用|以|折成?)(?:{words})", r.text) if r.plain_amounts else None
        if paid_in and not found and not _NO_CLAIM.search(r.cut(r.clause_of(paid_in.span()))):
            found = paid_in
        if found:
            return r.found(found.span(), f"{code} where the scenario has {own}")
    return CLEAR if r.plain_amounts else None
