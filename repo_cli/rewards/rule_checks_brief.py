"""Checks that dates, room types and the breakfast in a reply are those of the brief."""

from __future__ import annotations

import re
from functools import lru_cache

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_checks_facts import zh_number
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, Situation

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
        month = int(zh_number(m[1]))
        found.append(((month, int(zh_number(m[2]))), m.span()))
        if m[3]:
            found.append(((month, int(zh_number(m[3]))), m.span()))
    if _ANY_FEAST.search(text):
        found += [(day, m.span()) for words, day in _FEASTS for m in words.finditer(text)]
    return tuple((day, span) for day, span in found if 1 <= day[0] <= 12 and 1 <= day[1] <= 31)


_ANY_FEAST = Cue(
    r"(?i)\b(?:christmas|new year|valentine|labou?r day|halloween)|平安夜|圣诞|跨年|元旦|情人节|国庆|劳动节|万圣节"
)
_FEASTS = tuple(
    (re.compile(words), day)
    for words, day in (
        (r"(?i)\bchristmas eve\b|平安夜", (12, 24)),
        (r"(?i)\bchristmas(?: day)?\b(?! eve)|圣诞节?", (12, 25)),
        (r"(?i)\bnew year'?s eve\b|跨年夜?", (12, 31)),
        (r"(?i)\bnew year'?s day\b|元旦", (1, 1)),
        (r"(?i)\bvalentine'?s\b|情人节", (2, 14)),
        (r"国庆节?", (10, 1)),
        (r"(?i)\blabou?r day\b|劳动节", (5, 1)),
        (r"(?i)\bhalloween\b|万圣节", (10, 31)),
    )
)
_PART = r"first|second|third|last|whole|rest|beginning|start|end|middle|early|late|mid"
_MONTH_EN = "january|february|march|april|june|july|august|september|october|november|december"
# a part of a month, or a day without its month
_PART_OF_MONTH = re.compile(
    rf"(?i)\b(?:{_PART})\b(?:[ -](?:\w+ ){{0,2}}?(?:of )?)({_MONTH_EN})\b|\ball (?:of )?({_MONTH_EN})\b"
    r"|(?<![一二三四五六七八九十\d])([一二三四五六七八九]|十[一二]?"
    r"|\d{1,2})月份?(?:的)?(?:第?[一二三四]个?周|上旬|中旬|下旬|底|初|整(?:个)?月|全月)"
)
_BARE_DAY = re.compile(
    r"(?i)\b(?:the|on|from|until|to) (?:the )?(\d{1,2})(?:st|nd|rd|th)\b(?! (?:floor|time|of|century|room|place|"
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
    r"|(?<![\d月/.:-])(\d{1,2})[号日](?!楼|房|店|线|门|车|厅|\d)"
    r"|(?<![一二三四五六七八九十月\d])([一二三]?十[一二三四五六七八九]?|[二三]十)[号日](?!楼|房|店|线|门)"
)


_LOOSE_DATE = Cue(rf"(?i)(?:{_MONTH_EN})|\d(?:st|nd|rd|th)|[月号日]")


def _loose_dates(at: Situation, text: str, days: list[Day], said: set[Day]) -> tuple[int, int] | None:
    """Where a text names a part of a month that is not the brief's, or a bare day outside its days."""
    if not _LOOSE_DATE.search(text):
        return None
    months = {month for month, _ in [*days, *said]}
    spoken = " ".join(at.partner_turns).lower()
    for m in _PART_OF_MONTH.finditer(text):
        word = next(g for g in m.groups() if g)
        month = (
            _MONTHS.index(word[:3].lower()) + 1
            if word.isascii() and not word.isdigit()
            else int(zh_number(word))
        )
        if month not in months and word.lower() not in spoken:
            return m.span()
    first, last = days[0], days[-1]
    if first[0] != last[0]:
        return None
    for m in _BARE_DAY.finditer(text):
        day = int(zh_number(next(g for g in m.groups() if g)))
        known = {d for _, d in said} | set(range(first[1], last[1] + 1))
        if 1 <= day <= 31 and day not in known and m.group().split()[-1] not in spoken:
            return m.span()
    return None


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
    days = r.at.memo("days", lambda: _brief_days(r.at))
    first, last = days[0], days[-1]
    said = r.at.memo("days said", lambda: _said_days(r.at))
    named = dates_in(r.text)
    for day, span in named:
        # a stay over New Year begins late and ends early
        inside = first <= day <= last if first <= last else day >= first or day <= last
        if not inside and day not in said and day not in days:
            return r.found(span, f"{day[0]}-{day[1]} is outside the brief")
    loose = _loose_dates(r.at, r.text, days, said)
    if loose:
        return r.found(loose, "outside the brief")
    return CLEAR if named else None


_ROOM_WORDS = (
    "standard superior deluxe executive premium premier luxury classic economy compact business family "
    "garden courtyard attic terrace balcony sea-view seaview ocean-view city-view mountain-view lake-view "
    "river-view park-view pool-view "
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
_ROOM_ZH = Cue(
    rf"((?:{_ZH_WORD})+)(?:房间|客房|床房|房|间|套房)|(家庭套房|总统套房|独栋别墅)|((?:{_ZH_WORD})+[大双]床"
    rf"|双床|上下铺|榻榻米)"
)


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
    text = r.text.replace(name, " " * len(name)) if name else r.text  # the same string where there is none
    allowed = r.at.memo("room words", lambda: _Known(own + " " + " ".join(r.at.partner_turns).lower()))
    applies = False
    for m in _ROOM_EN.finditer(text):
        words = re.split(r"[ -]", m[1].lower())
        named = bool(m[2]) or (len(words) > 1 and bool(_BEDS & set(words))) or bool(_SURE_NOUNS & set(words))
        if not named:
            continue
        applies = True
        if not all(allowed[word] for word in words) and not _OTHER_ROOM.search(_clause(text, m.span())):
            return r.found(m.span(), f"the brief has {own}")
    for m in _ROOM_ZH.finditer(text):
        applies = True
        words = re.findall(_ZH_WORD, m.group())
        if not all(allowed[word] for word in words) and not _OTHER_ROOM.search(_clause(text, m.span())):
            return r.found(m.span(), f"the brief has {own}")
    return CLEAR if applies else None


# a room that the reply names only to leave it out
_OTHER_ROOM = re.compile(
    r"(?i)\b(?:not (?:about|part|the|your|a|included|in)|isn't|is not|nothing to do|no part|rather than|other than)\b"
    r"|不(?:在|是|谈|涉及|包括|含|算|说)|不归|无关"
)


def _clause(text: str, span: tuple[int, int]) -> str:
    """The clause around a span."""
    start = max(text.rfind(mark, 0, span[0]) for mark in ",;.!?，；。！？")
    ends = [at for mark in ",;.!?，；。！？" if (at := text.find(mark, span[1])) >= 0]
    return text[start + 1 : min(ends, default=len(text))]


_BREAKFAST = {
    "0": r"(?i)\b(?:no|without|exclud\w+|excl\.|minus|not includ\w+) (?:any |the )?breakfasts?\b|"
    r"\bbreakfasts? (?:is |are |would be "
    r"|being |comes? )?(?:not (?:included|part)|excluded|extra|separate(?:ly)?|on top|charged|paid for|"
    r"costs? extra)\b"
    r"|n't (?:include|cover|come with|have|contain|got) (?:any |the )?breakfasts?\b"
    r"|\bbreakfasts? (?:\w+ )?(?:be )?(?:paid|charged|billed|bought) "
    r"(?:separately|extra|by the guest)|\b(?:drop|remove|skip|cut|cancel|leave out|take out"
    r"|take off)\b[^.?!]{0,8}\b(?:breakfasts?|morning meal)\b"
    r"|\b(?:take|leave|keep|cut) the (?:breakfasts?|morning meal) out\b|\b(?:no"
    r"|without(?: the)?) (?:morning meal|meals?)\b|\bmeals? (?:are |is )?(?:not included|excluded"
    r"|extra)\b|\baccommodation only\b|\bbed only\b"
    r"|不[含包]餐|只含房|纯住宿?|只(?:住(?![一两几二三\d])|包住|含住|卖住宿)|(?:去掉|取消|拿掉|不要|砍掉"
    r"|免掉|减掉)早[餐饭]|早[餐饭](?:都)?(?:去掉|取消|拿掉|不要|砍掉|免掉|减掉)"
    r"|早[餐饭][^，。？！]{0,4}(?:自己|客人自)(?:付|解决|出|理|掏|买)|不(?:送|管|供)早[餐饭]|不附?带?早[餐饭]"
    r"|\broom[- ]only\b|\b(?:just|only) the (?:bed|room)\b|不(?:含|带|包|送|供|包含|包括)早|[无没]早(?:餐|"
    r"饭|[，。,.？?吧的价]|$)"
    r"|没有?(?:含|带|包)?早餐|早餐(?:是|都|也)?(?:要|得|需|需要)?(?:另|单独|自理|自费|额外|不含|不包)|[光只净]住不",
    "1": r"(?i)\bbreakfast (?:is )?for (?:just |only )?(?:one|1|a single)\b|\b(?:one|1|single) breakfasts?\b"
    r"|单早|单人早|[一1](?:位|个|名)?(?:客)?人的?早[餐饭]|[一1][份个客]早|[含带送间]一早",
    "2": r"(?i)\bbreakfast (?:is )?for (?:two|2|both)\b|\b(?:two|2|double|both) breakfasts?\b|双早|双人早|"
    r"[两二俩2][份个客]早|[含带送间]两早",
    "3": r"(?i)\bbreakfast (?:is )?for (?:three|3|four|4)\b|\b(?:three|3|four|4) breakfasts\b|[三四34][份个客]早|"
    r"三早|[三四五六3456](?:位|个|名)?(?:客)?人的?早[餐饭]",
}
_BREAKFASTS = {count: Cue(pattern) for count, pattern in _BREAKFAST.items()}


def _breakfasts(text: str) -> dict[str, tuple[int, int]]:
    """For how many guests a text says that breakfast is included ("0" = none), and where."""
    found = ((count, pattern.search(text)) for count, pattern in _BREAKFASTS.items())
    return {count: match.span() for count, match in found if match}


# "I'm not asking you to drop the breakfast"
_KEEPS = re.compile(
    r"(?i)\b(?:not asking|n't (?:ask|want|need|have to|drop|touch|change))\b|不是(?:让|要)"
    r"|没(?:有)?(?:让|要)您|不(?:用|需要|会|动|改)"
)


@check()
def conditions_in_brief(r: Reading) -> Finding | None:
    """The reply names another breakfast than the scenario's `price_basis`; what the partner named may be taken up."""
    brief = r.at.memo("breakfasts", lambda: _breakfasts(str(r.at.scenario.get("price_basis") or "")))
    said = _breakfasts(r.text) if brief else {}
    if not said:
        return None
    known = r.at.memo(
        "breakfasts known", lambda: set(brief).union(*(_breakfasts(text) for text in r.at.partner_turns[-1:]))
    )
    wrong = next(
        (
            span
            for count, span in said.items()
            if count not in known and not _KEEPS.search(_clause(r.text, span))
        ),
        None,
    )
    return r.found(wrong, "another breakfast than the brief's") if wrong else CLEAR
