"""Checks that counts, percentages, dates and room types in a reply are those of the brief."""

from __future__ import annotations

import re
from functools import lru_cache

from repo_cli.negotiation.numbers_en import scan_en
from repo_cli.negotiation.numbers_zh import scan_zh
from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, Situation, near

_PERCENT = Cue(
    r"(?i)(\d+(?:\.\d+)?)\s*(?:%|per ?cent\b|pct\b)|百分之\s*(\d+(?:\.\d+)?|[一二三四五六七八九十]+)"
)
_ZH_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}
_COUNTED_EN = (
    r"searches|bookings|reservations|guests|views|visitors|visits|travell?ers|people|orders|clicks|couples|"
    r"families|hotels|rooms|room nights|competitors|calls|enquiries|inquiries"
)
_COUNT = Cue(
    rf"(?i)(?<![\d./-])(\d[\d,]*)\s+(?:\w+\s+){{0,2}}?(?:{_COUNTED_EN})\b"
    r"|(?<![\d./月-])(\d+)\s*(?:多|余)?\s*(?:次|人次|位|个(?:客人|人|订单)|名(?:客人|旅客)|单|间夜|"
    r"家(?:酒店|店)?|间|条|组|人(?=[^民]))"
)
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_FEW = "one|two|three|four|five|six|seven|eight|nine|ten|twenty|a hundred"
_SHARE = Cue(
    rf"(?i)(?<!\d)(?:\d+|\b(?:{_FEW})) (?:out of|in every|of every) (?:\d+|{_FEW})\b"
    rf"|\b(?:{_FEW}) in (?:two|three|four|five|six|seven|eight|nine|ten|twenty|a hundred)\b"
    r"|(?:(?<!\d)\d+|[两三四五六七八九十百])个?(?:客人|人|订单|访客|游客)[里中]?(?:面|间|头)?就?有?(?:\d+"
    r"|[一两三四五六七八九])个"
    r"|[一二三四五六七八九十]分之[一二三四五六七八九](?!折)"
    r"|(?<![打让便宜降优惠])[一二三四五六七八九][五]?成(?:多|以上|左右)?(?:的)?(?:客人|人|旅客|订单|用户|"
    r"访客|酒店|游客|住客|顾客)"
    r"|(?:[两三四五六七八九十百]|\d+)个(?:客人|人|订单|访客|游客|用户)?[里中](?:面|头)?[，,]?(?:就|"
    r"至少)?有?[一两三四五六七八九\d]+个?"
    r"|\b(?:half|(?:a|one|two|three) (?:quarters?|thirds?|fifths?)|a quarter) of "
    r"(?:the |all |our |your |those )*(?:guests|travell?ers|people|users|customers|visitors|searchers|"
    r"bookings|searches)\b"
    r"|(?:大半|半数|一半)(?:的)?(?:客人|旅客|用户|访客|游客|住客|顾客)(?!是|吗)"
)
# spelt-out numbers of people or of per cent: the readers of the negotiation room give their values
_SPELT_EN = Cue(
    rf"(?i)\b((?:(?:{_TENS})(?:[- ](?:{_ONES}))?|(?:a|{_ONES}) (?:dozen|hundred|"
    rf"thousand)(?: and (?:\w+[- ]?){{1,2}})?|"
    rf"(?:el)?even|(?:thir|four|fif|six|seven|eigh|nine)teen|twelve|ten|dozens of|hundreds of|thousands of))\s+"
    rf"(?:\w+\s+)??(?:{_COUNTED_EN}|per ?cent)\b"
)
_SPELT_ZH = Cue(
    r"(?<![分之第])([一二两三四五六七八九]*[十百千万][一二两三四五六七八九十百千万零]*)(?:多|来)?(?:人次|次(?!日)|位|个(?:客人|人|订单|"
    r"用户)|名(?:客人|旅客)|单(?!早)|间夜)"
)


def _zh_number(text: str) -> float:
    """一 .. 九十九, or digits."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    tens, _, ones = text.rpartition("十")
    if "十" not in text:
        return float(_ZH_DIGITS.get(text, 0))
    return float((_ZH_DIGITS.get(tens, 1) if tens else 1) * 10 + _ZH_DIGITS.get(ones, 0))


def _numbers_in(text: str) -> list[float]:
    return [float(x.replace(",", "")) for x in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def _known_numbers(at: Situation) -> list[float]:
    """Numbers that are not prices: of the facts, of the hotel, of the stay, and those the partner said."""
    known = list(at.fact_values())
    hotel = at.scenario.get("hotel")
    for source in (hotel if isinstance(hotel, dict) else {}, at.scenario):
        known += [float(v) for k, v in source.items() if isinstance(v, int | float) and k not in ("id",)]
    return known + [n for text in at.partner_turns for n in _numbers_in(text)]


@check()
def figures_grounded(r: Reading) -> Finding | None:
    """A percentage or a count ("82% of guests", "126 searches") that is not in the facts, the brief or the
    talk.

    A percentage may also be the difference between two known prices, rounded.
    """
    if not r.at.scenario:
        raise NotScored("no scenario")
    known = r.at.memo("known numbers", lambda: _known_numbers(r.at))
    current = r.at.maybe("current_price")
    prices = [
        v for k in ("target_price", "acceptable_price", "floor_ask") if (v := r.at.maybe(k)) is not None
    ]
    prices += [
        *r.at.fact_values("competitor_price"),
        *r.at.partner_amounts,
        *(a.value for a in r.plain_amounts),
    ]
    cuts = [100 * (current - p) / current for p in prices] if current else []
    applies = False
    for m in _PERCENT.finditer(r.text):
        applies = True
        value = float(m[1]) if m[1] else _zh_number(m[2])
        if not near(value, known) and not near(value, cuts, 1.0):
            return r.found(m.span(), f"{value:g}% has no source")
    for m in _SHARE.finditer(r.text):
        return r.found(m.span(), "a share without a source")
    for cue, scan in ((_SPELT_EN, scan_en), (_SPELT_ZH, scan_zh)):
        for m in cue.finditer(r.text):
            applies = True
            values = [float(n.value) for n in scan(m[1]) if isinstance(n.value, int | float)]
            if len(values) != 1 or not (near(values[0], known) or near(values[0], cuts, 1.0)):
                return r.found(m.span(), f"{m[1]} is not in the facts")
    spans = [a.span for a in r.plain_amounts]
    for m in _COUNT.finditer(r.text):
        number = next(g for g in m.groups() if g)
        value, start = float(number.replace(",", "")), m.start()
        if any(a <= start < b for a, b in spans) and not near(value, r.at.fact_values()):
            # read as money ("360 rooms only" does not occur; "350 a room" does): other checks see to it
            if re.match(r"\d[\d,]*\s*(?:yuan|cny|rmb|元|块)", r.text[start:]):
                continue
        applies = True
        if value > 1 and not near(value, known):
            return r.found(m.span(), f"{value:g} is not in the facts")
    return CLEAR if applies else None


_RIVALS = (
    "ctrip", "trip.com", "meituan", "qunar", "tongcheng", "elong", "fliggy", "tuniu", "booking.com",
    "agoda", "expedia", "airbnb", "hotels.com", "priceline", "trivago", "hostelworld", "douyin",
    "携程", "美团", "去哪儿", "同程", "艺龙", "飞猪", "抖音", "途牛", "缤客", "爱彼迎", "安可达",
)  # fmt: skip


def _where(text: str, start: int, end: int) -> bool:
    """Whether 去哪儿 asks "where to" here instead of naming the company."""
    if text[start:end] != "去哪儿":
        return False
    before, after = text[:start][-1:], text[end:][:1]
    return before in tuple("要想会能该您你我准们") or after in tuple("问找了呢吗住办玩吃？?")


@check()
def rival_in_brief(r: Reading, *, names: tuple[str, ...] = _RIVALS) -> Finding | None:
    """A rival company (one of `names`) that neither the brief nor the partner has named."""
    said = r.at.memo(
        "names said",
        lambda: " ".join([*r.at.partner_turns, *(str(f.get("who", "")) for f in r.at.facts)]).lower(),
    )
    text = r.text.lower()
    for name in names:
        at = text.find(name.lower())
        while at >= 0:
            end = at + len(name)
            beside = text[max(0, at - 1) : at] + text[end : end + 1]
            apart = not (name.isascii() and re.search(r"[0-9a-z]", beside)) and not _where(text, at, end)
            if apart and name.lower() not in said:
                return r.found((at, end), "not in the brief")
            at = text.find(name.lower(), end)
    return CLEAR


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH_WORD = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE_NUMERIC = Cue(
    r"(?<![\d/.-])(\d{1,2})([/-])(\d{1,2})(?![\d/-]|\.\d|\s*(?:%|per ?cent|yuan|cny|rmb|minutes?|mins?|"
    r"days?|nights?|rooms?|hours?|words?|people|guests?|off\b|less\b|more\b|元|块|个|分钟|天|晚|间|小时|"
    r"折))"
)
_DATE_WORD = Cue(rf"(?i)\b{_MONTH_WORD}\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s*(?:yuan|cny|%))")
_WORD_DATE = Cue(rf"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH_WORD}\b")
_MAY = Cue(
    r"\bMay (\d{1,2})(?:st|nd|rd|th)?\b(?!\s*(?:yuan|CNY|%))|\b(\d{1,2})(?:st|nd|rd|th)?(?: of)? May\b"
)
_ZH_NUM = r"(\d{1,2}|[一二三四五六七八九十]{1,3})"
_DATE_ZH = Cue(rf"{_ZH_NUM}月{_ZH_NUM}(?:[日号])?(?:\s*(?:到|至|和|、|-|~|—)\s*{_ZH_NUM}[日号])?")

Day = tuple[int, int]


@lru_cache(maxsize=4096)
def dates_in(text: str) -> tuple[tuple[Day, tuple[int, int]], ...]:
    """The dates that a text names, as ((month, day), span)."""
    found: list[tuple[Day, tuple[int, int]]] = []
    for m in _DATE_NUMERIC.finditer(text):
        if m[2] == "/" or (len(m[1]) == 2 and len(m[3]) == 2):  # "06-18" is a date, "2-3" a range
            found.append(((int(m[1]), int(m[3])), m.span()))
    for m in _DATE_WORD.finditer(text):
        found.append(((_MONTHS.index(m[1][:3].lower()) + 1, int(m[2])), m.span()))
    for m in _WORD_DATE.finditer(text):
        found.append(((_MONTHS.index(m[2][:3].lower()) + 1, int(m[1])), m.span()))
    for m in _MAY.finditer(text):
        found.append(((5, int(m[1] or m[2])), m.span()))
    for m in _DATE_ZH.finditer(text):
        month = int(_zh_number(m[1]))
        found.append(((month, int(_zh_number(m[2]))), m.span()))
        if m[3]:
            found.append(((month, int(_zh_number(m[3]))), m.span()))
    return tuple((day, span) for day, span in found if 1 <= day[0] <= 12 and 1 <= day[1] <= 31)


def _brief_days(at: Situation) -> list[Day]:
    raw = at.scenario.get("dates")
    days = []
    for text in raw if isinstance(raw, list | tuple) else []:
        m = re.search(r"(\d{1,2})-(\d{1,2})$", str(text))
        if m:
            days.append((int(m[1]), int(m[2])))
    if not days:
        raise NotScored("the scenario has no dates")
    return days


def _said_days(at: Situation) -> set[Day]:
    """Days that the partner named or that a fact is about."""
    said = {day for text in at.partner_turns for day, _ in dates_in(text)}
    return said | {
        (int(m[1]), int(m[2])) for f in at.facts if (m := re.match(r"(\d\d)-(\d\d)$", str(f.get("when", ""))))
    }


@check()
def dates_in_brief(r: Reading) -> Finding | None:
    """A date outside the brief's dates, which the partner has not named either."""
    days = _brief_days(r.at)
    first, last = days[0], days[-1]
    said = r.at.memo("days said", lambda: _said_days(r.at))
    named = dates_in(r.text)
    for day, span in named:
        # a stay over New Year begins late and ends early
        inside = first <= day <= last if first <= last else day >= first or day <= last
        if not inside and day not in said and day not in days:
            return r.found(span, f"{day[0]}-{day[1]} is outside the brief")
    return CLEAR if named else None


_ROOM_WORDS = (
    "standard superior deluxe executive premium premier luxury classic economy compact business family "
    "garden courtyard attic terrace balcony sea-view seaview ocean-view city-view mountain-view lake-view "
    "honeymoon presidential junior soundproof transit early-check-in accessible bunk studio loft king "
    "queen twin double single triple quad suite villa penthouse dormitory cabin pool"
).split()
# "sea-view" is said with a blank as well
_ROOM_WORD = "|".join(word.replace("-", "[ -]") for word in _ROOM_WORDS)
_ROOM_EN = Cue(rf"(?i)\b((?:{_ROOM_WORD})(?:[ -](?:{_ROOM_WORD}))*)(\s+(?:bed)?rooms?)?\b")
_SURE_NOUNS = {"suite", "villa", "penthouse", "dormitory"}
_BEDS = {"king", "queen", "twin", "double", "single", "triple", "studio", *_SURE_NOUNS}
_ZH_ROOM_WORDS = (
    "标准 标 豪华 高级 商务 行政 尊享 舒适 经济 特惠 家庭 亲子 大床 双床 单人 双人 三人 四人 上下铺 "
    "套 别墅 海景 湖景 山景 江景 城景 园景 花园 庭院 阁楼 露台 阳台 复式 榻榻米 景观 静音 中转 蜜月 "
    "总统 泳池 精致 紧凑 迷你"
).split()
_ZH_WORD = "|".join(sorted(_ZH_ROOM_WORDS, key=len, reverse=True))
_ROOM_ZH = Cue(rf"((?:{_ZH_WORD})+)(?:房间|客房|床房|房|间|套房)|(家庭套房|总统套房|独栋别墅)")


class _Known(dict[str, bool]):
    """Whether a word stands in a text, each word looked for once."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __missing__(self, word: str) -> bool:
        found = self[word] = word in self.text
        return found


@check()
def room_in_brief(r: Reading) -> Finding | None:
    """A room type that is not the brief's and that the partner has not named."""
    own = str(r.at.scenario.get("room_type") or "").lower()
    if not own:
        raise NotScored("the scenario has no room_type")
    hotel = r.at.scenario.get("hotel")
    name = str(hotel.get("name", "")) if isinstance(hotel, dict) else ""
    text = r.text.replace(name, " " * len(name)) if name else r.text
    allowed = r.at.memo("room words", lambda: _Known(own + " " + " ".join(r.at.partner_turns).lower()))
    applies = False
    for m in _ROOM_EN.finditer(text):
        words = re.split(r"[ -]", m[1].lower())
        named = bool(m[2]) or (len(words) > 1 and bool(_BEDS & set(words))) or bool(_SURE_NOUNS & set(words))
        if not named:
            continue
        applies = True
        if not all(allowed[word] for word in words):
            return r.found(m.span(), f"the brief has {own}")
    for m in _ROOM_ZH.finditer(text):
        applies = True
        words = re.findall(_ZH_WORD, m.group())
        if not all(allowed[word] for word in words):
            return r.found(m.span(), f"the brief has {own}")
    return CLEAR if applies else None


_BREAKFAST = {
    "0": r"(?i)\b(?:no|without|exclud\w+|excl\.|minus|not includ\w+) (?:any |the )?breakfasts?\b|"
    r"\bbreakfasts? (?:is |are |would be "
    r"|being |comes? )?(?:not (?:included|part)|excluded|extra|separate(?:ly)?|on top|charged|paid for|"
    r"costs? extra)\b"
    r"|\broom[- ]only\b|\b(?:just|only) the (?:bed|room)\b|不(?:含|带|包|送|供|包含|包括)早|[无没]早(?:餐|"
    r"饭|[，。,.？?吧的价]|$)"
    r"|没有?(?:含|带|包)?早餐|早餐(?:是|都|也)?(?:要|得|需|需要)?(?:另|单独|自理|自费|额外|不含|不包)|[光只净]住不",
    "1": r"(?i)\bbreakfast (?:is )?for (?:just |only )?(?:one|1|a single)\b|\b(?:one|1|single) breakfasts?\b"
    r"|单早|单人早|[一1][份个客]早|[含带送间]一早",
    "2": r"(?i)\bbreakfast (?:is )?for (?:two|2|both)\b|\b(?:two|2|double|both) breakfasts?\b|双早|双人早|"
    r"[两二俩2][份个客]早|[含带送间]两早",
    "3": r"(?i)\bbreakfast (?:is )?for (?:three|3|four|4)\b|\b(?:three|3|four|4) breakfasts\b|[三四34][份个客]早|"
    r"三早",
}
_BREAKFASTS = {count: Cue(pattern) for count, pattern in _BREAKFAST.items()}


def _breakfasts(text: str) -> dict[str, tuple[int, int]]:
    """For how many guests a text says that breakfast is included ("0" = none), and where."""
    found = ((count, pattern.search(text)) for count, pattern in _BREAKFASTS.items())
    return {count: match.span() for count, match in found if match}


@check()
def conditions_in_brief(r: Reading) -> Finding | None:
    """The reply names another breakfast than the scenario's `price_basis`; what the partner named may be taken up."""
    brief = r.at.memo("breakfasts", lambda: _breakfasts(str(r.at.scenario.get("price_basis") or "")))
    said = _breakfasts(r.text) if brief else {}
    if not said:
        return None
    known = set(brief).union(*(_breakfasts(text) for text in r.at.partner_turns[-1:]))
    wrong = next((span for count, span in said.items() if count not in known), None)
    return r.found(wrong, "another breakfast than the brief's") if wrong else CLEAR
