"""The check that the dates in a reply are those of the brief."""

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
_DATE_ISO = Cue(r"(?<!\d)20\d\d[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
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
    for m in _DATE_ISO.finditer(text):
        found.append(((int(m[1]), int(m[2])), m.span()))
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
_PART_EN = r"first|second|third|last|whole|rest|beginning|start|end|middle|early|late|mid"
_MONTH_EN = "january|february|march|april|june|july|august|september|october|november|december"
# a part of a month, or a day without its month
_PART_OF_MONTH = re.compile(
    rf"(?i)\b(?:{_PART_EN})\b(?:[ -](?:\w+ ){{0,2}}?(?:of )?)({_MONTH_EN})\b|\b(?:all|throughout"
    rf"|entire)(?: (?:of|through|over|in))? ({_MONTH_EN})\b"
    r"|整个?([一二三四五六七八九]|十[一二]?|\d{1,2})月"
    r"|(?<![一二三四五六七八九十\d])([一二三四五六七八九]|十[一二]?"
    r"|\d{1,2})月份?(?:的)?(?:第?[一二三四]个?周|上旬|中旬|下旬|底|初|整(?:个)?月|全月)"
)
_BARE_DAY = re.compile(
    r"(?i)\b(?:the|on|from|until|to) (?:the )?(\d{1,2})(?:st|nd|rd|th)\b(?! (?:floor|time|of|century|room|place|"
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
    r"|(?<![\d月/.:-])(\d{1,2})[号日](?!楼|房|店|线|门|车|厅|\d)"
    r"|(?<![一二三四五六七八九十月\d])([一二三]?十[一二三四五六七八九]?|[二三]十)[号日](?!楼|房|店|线|门)"
)


# a day in words: "the twenty-fifth", "the tenth of July"
_UNITS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_ORDINALS = {word: i for i, word in enumerate(_UNITS.split("|"), 1)}
_ORDINALS |= {
    word: i
    for i, word in enumerate(
        "tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth".split(
            "|"
        ),
        10,
    )
} | {"twentieth": 20, "thirtieth": 30}
_WORDED_DAY = re.compile(
    rf"(?i)\b(?:the|on|from|until|till|to) (?:the )?((?:twenty|thirty)[- ](?:{_UNITS})|twentieth"
    rf"|thirtieth|\w+teenth|tenth"
    rf"|eleventh|twelfth)\b(?: of ({_MONTH_EN})\b)?(?! (?:floor|time|room|place|of (?:the|your|388|it)))"
    rf"|\b(?:the|on) ({_UNITS}) of ({_MONTH_EN})\b"
)
# parts of a month, and the days that they are
_PARTS: tuple[tuple[str, int, int], ...] = (
    (
        rf"(?:\b(?:first week(?:end)? (?:of|in)|early|beginning of|start of) (?:{_MONTH_EN})"
        rf"|月(?:份)?(?:的)?(?:上旬|初|第一周))",
        1,
        10,
    ),
    (rf"(?:\bsecond week(?:end)? (?:of|in) (?:{_MONTH_EN})|月(?:份)?(?:的)?第二周)", 6, 15),
    (
        rf"(?:\b(?:mid|middle of|mid-|third week(?:end)? (?:of|in)) ?(?:{_MONTH_EN})"
        rf"|月(?:份)?(?:的)?(?:中旬|第三周|中(?=[，。？！]|$)))",
        10,
        21,
    ),
    (
        rf"(?:\b(?:(?:last|final|fourth) (?:week(?:end)?|days|nights) (?:of|in)|late|end of) (?:{_MONTH_EN})"
        r"|月(?:份)?(?:的)?(?:下旬|底|末|最后(?:一|几|两)?(?:周|天|晚)|第四周))",
        21,
        31,
    ),
)
_PART = Cue("(?i)" + "|".join(words for words, _, _ in _PARTS))
# feasts without a day of their own, or that are a week: the days (month, day) between which they fall
_SEASONS: tuple[tuple[str, Day, Day], ...] = (
    (r"\bspring festival\b|\b(?:chinese|lunar) new year\b|春节|除夕|大年|过年", (1, 15), (2, 25)),
    (r"\beaster\b|\bgood friday\b|复活节", (3, 20), (4, 27)),
    (r"\bqingming\b|\btomb[- ]sweeping\b|清明", (4, 2), (4, 7)),
    (
        r"\bmay day\b|\blabou?r day (?:week|holidays?)|(?<![一二三四五六七八九十百])五一(?=那|黄金|假"
        r"|长假|小长假|期间|的|前后)",
        (4, 28),
        (5, 6),
    ),
    (r"\bdragon boat\b|端午", (5, 25), (6, 27)),
    (r"暑假|暑期", (6, 25), (8, 31)),
    (r"\bmid-?autumn\b|中秋", (9, 5), (10, 10)),
    (
        r"\bnational day\b|\bgolden week\b|(?<![一二三四五六七八九十百])十一(?=那|黄金|假|长假|期间)|国庆|黄金周",
        (9, 28),
        (10, 9),
    ),
    (r"\bthanksgiving\b|感恩节", (11, 20), (12, 1)),
    (r"寒假", (1, 10), (2, 28)),
    (r"\bwomen's day\b|妇女节|三八节", (3, 8), (3, 8)),
    (r"\bchildren's day\b|儿童节|(?<![一二三四五六七八九十百千])六一(?=[那节前后假期当])", (6, 1), (6, 1)),
    (r"建党节|(?<![一二三四五六七八九十百千])七一(?=[那节前后假期当])", (7, 1), (7, 1)),
    (r"\bindependence day\b", (7, 4), (7, 4)),
    (r"建军节|(?<![一二三四五六七八九十百千])八一(?=[那节前后假期当])", (8, 1), (8, 1)),
    (r"\bteachers'? day\b|教师节", (9, 10), (9, 10)),
    (r"\bsingles'? day\b|双十一", (11, 11), (11, 11)),
    (r"\bboxing day\b", (12, 26), (12, 26)),
)
_SEASON = Cue("(?i)" + "|".join(words for words, _, _ in _SEASONS))
# past the stay without a date: to the end of the month, next weekend, the whole summer
_BEYOND = Cue(
    r"(?i)\b(?:until|till|to|through|up to|for) (?:the )?(?:very )?(?:end of (?:the|this) (?:month|year|season|summer)"
    r"|month'?s end|month-end|year-?end)\b|\b(?:the )?(?:rest|remainder|whole|all) of the (?:month|year"
    r"|summer|season)\b"
    r"|\b(?:all|the whole|the entire|the full) (?:month|summer|season|year|quarter)\b|\bevery weekend\b"
    r"|\b(?:next|the following|the coming) (?:weekend|month|summer)\b|\bthe week(?:end)? after\b"
    r"|(?:到|至)(?:这个?|本|当)?(?:月底|月末|年底|年末|季度末)|整个?(?:月|夏天|季度|夏季)|全(?:月|年|季)"
    r"|每个?周末|天天"
    r"|(?:下个?|再下个?|后面(?:那)?个?|接下来(?:的)?(?:那)?个?)(?:周末|月(?!台)|礼拜天)"
)
_OF_PRICES = re.compile(
    r"(?i)\b(?:let's|make it|price|rate|same|also|too|as well|include|cover|extend|valid|run|keep|add"
    r"|apply|deal|\d{3})\b"
    r"|价|\d{3}|一起|一块|也|同样|房|包括|加上|适用|执行|延"
)
_NOT_NOW = re.compile(
    r"(?i)\b(?:last|previous|used to|ago|call|write|talk|speak|get back|come back|answer|reply|contact"
    r"|check in|happy|wish\w*"
    r"|not|no|never|only|rush|hurry|busy|usually|how (?:was|is|are)|fine)\b|n't\b"
    r"|去年|往年|以前|上次|祝|快乐|生意|淡|旺|联系|回复|打给|沟通|找您|再(?:聊|说|谈|问)|答复|不|没|慢慢|只"
)


# "行不行" asks, it denies nothing
_OR_NOT = re.compile(r"能不能|行不行|可不可以|好不好|要不要|是不是|成不成")


# a month by its name alone; "may" and "march" only where a preposition makes them months
_MONTH_ALONE = Cue(
    r"(?i)\b(?:in|for|of|during|through|from|until|till|to|and|all) (january|february|march|april|may|june|july|august"
    r"|september|october|november|december)\b(?! \d)"
    r"|(?<![一二三四五六七八九十\d个])([一二三四五六七八九]|十[一二]?|\d{1,2})月份?(?![一二三四五六七八九十\d])"
)


def _other_month(text: str, months: set[int], spoken: str) -> tuple[int, int] | None:
    """Where a text puts the price on a month that the stay is not in."""
    for m in _MONTH_ALONE.finditer(text):
        word = m[1] or m[2]
        month = _MONTHS.index(word[:3].lower()) + 1 if m[1] else int(zh_number(word))
        around = _around(text, m.span())
        if month in months or not 1 <= month <= 12 or word.lower() in spoken or word == "may":
            continue
        if _OF_PRICES.search(around) and not _NOT_NOW.search(around) and not _ASKED.search(around):
            return m.span()
    return None


# what the rate was, or how a month goes, is talk
_ASKED = re.compile(
    r"(?i)\b(?:was|were|sold|had|did|went|season|demand|quiet|slow|strong|usual|since|back in|how)\b"
    r"|卖过|当时|那时|行情|需求|怎么样|如何|一般"
)


def _beyond(at: Situation, text: str, days: list[Day]) -> tuple[int, int] | None:
    """Where a text puts the price on a feast, or a stretch of days, that the stay is not in."""
    spoken = " ".join(at.partner_turns).lower()
    for m in _BEYOND.finditer(text):
        around = _around(text, m.span())
        late = days[-1][1] >= 27 or m.group().lower() in spoken
        if not late and _OF_PRICES.search(around) and not _NOT_NOW.search(around):
            return m.span()
    for words, low, high in _PARTS if _PART.search(text) else ():
        part = re.search(f"(?i){words}", text)
        inside = part is None or any(low <= day <= high for _, day in days) or part.group().lower() in spoken
        if part and not inside and not _NOT_NOW.search(_around(text, part.span()).replace(part.group(), "")):
            return part.span()
    other = _other_month(text, {month for month, _ in days} | {f[0] for f in _said_days(at)}, spoken)
    if other:
        return other
    for words, first, last in _SEASONS if _SEASON.search(text) else ():
        found = re.search(f"(?i){words}", text)
        if found is None or found.group().lower() in spoken or any(first <= day <= last for day in days):
            continue
        if not _NOT_NOW.search(_OR_NOT.sub("", _around(text, found.span()))):
            return found.span()
    return None


def _around(text: str, span: tuple[int, int]) -> str:
    """The sentence around a span."""
    start = max(text.rfind(mark, 0, span[0]) for mark in ";.!?；。！？\n")
    ends = [at for mark in ";.!?；。！？\n" if (at := text.find(mark, span[1])) >= 0]
    return text[start + 1 : min(ends, default=len(text))]


_LOOSE_DATE = Cue(
    rf"(?i)(?:{_MONTH_EN})|\d(?:st|nd|rd|th)|(?:teen|tie|l?f|nin|ten|en)th\b|y[- ](?:{_UNITS})\b|[月号日]"
)


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
    for m in _WORDED_DAY.finditer(text):
        word, of = (m[1] or m[3]).lower(), m[2] or m[4]
        tens, _, unit = word.replace(" ", "-").rpartition("-")
        number = _ORDINALS.get(unit, 0) + {"twenty": 20, "thirty": 30}.get(tens, 0)
        months_of = [_MONTHS.index(of[:3].lower()) + 1] if of else sorted({d[0] for d in days})
        inside = any(days[0] <= (mo, number) <= days[-1] or (mo, number) in said for mo in months_of)
        if number and not inside and word not in spoken and days[0] <= days[-1]:
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
    loose = _loose_dates(r.at, r.text, days, said) or _beyond(r.at, r.text, days)
    if loose:
        return r.found(loose, "outside the brief")
    return CLEAR if named else None
