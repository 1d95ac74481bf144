"""Checks that counts, percentages and the names of companies in a reply are those of the brief."""

from __future__ import annotations

import re
from functools import lru_cache

from repo_cli.negotiation.numbers_en import scan_en
from repo_cli.negotiation.numbers_zh import scan_zh
from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, Situation, Span, near

_PERCENT = Cue(
    r"(?i)(?<!\d)(\d+(?:\.\d+)?)\s*(?:%|per ?cent\b|pct\b)|百分之\s*(\d+(?:\.\d+)?|[一二三四五六七八九十]+)"
    r"|((?<!\d)\d+|(?<![一二三四五六七八九十])[一二三四五六七八九十]+)个百分点"
)
_ZH_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}
_COUNTED_EN = (
    r"searches|bookings|reservations|guests|views|visitors|visits|travell?ers|people|orders|clicks|couples|"
    r"families|hotels|rooms|room nights|competitors|calls|enquiries|inquiries|cancellations|no-shows"
    r"|reviews|complaints|"
    r"users|searchers|check-ins"
)
_COUNT = Cue(
    rf"(?i)(?<![\d./-])(\d[\d,]*)\s+(?:\w+\s+){{0,2}}?(?:{_COUNTED_EN})\b"
    r"|(?<![\d./月-])(\d+)\s*(?:(?:多|余)\s*)?(?:次|人次|位|个(?:客人|人|订单)|名(?:客人|旅客)|单|间夜|"
    r"家(?:酒店|店)?|间|条|组|人(?=[^民]))"
)
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_FEW = "one|two|three|four|five|six|seven|eight|nine|ten|twenty|a hundred"
# how many tenths, how many times: "搜索量涨了两成", "searches have doubled"
_GROWN = Cue(
    r"(?i)\b(?:searches|demand|views?|visits?|visitors?|bookings?|orders|traffic|clicks?|enquiries|occupancy"
    r"|interest|arrivals"
    r"|travell?ers|guests|conversions?|cancellations|volumes?)\b[^.?!,;]{0,40}?"
    r"\b(?:doubl|tripl|trebl|quadrupl|halv)(?:ed|ing|es)\b"
    r"|\b(?:twice|(?:two|three|four|five|ten|\d+) times) (?:as (?:many|much)|more|the) (?:\w+ )?(?:searches"
    r"|demand|views?|visits?"
    r"|visitors?|bookings?|orders|traffic|clicks?|travell?ers|guests|people|conversions?)\b"
    r"|\b(?:up|rose|risen|grew|grown|jumped|climbed|fell|fallen|dropped|down|increased|gained|higher|lower|improved)"
    r" (?:by )?(?:about |nearly |almost |over |around |roughly |some )?(?:a |one |two )?(?:half|thirds?"
    r"|quarters?|fifths?|tenths?)\b"
    r"|\b(?:a|one|two) (?:half|third|thirds|quarter|quarters|fifth|fifths) (?:more|fewer|less|higher|lower) "
    r"(?:searches|demand|views|visitors|bookings|orders|traffic|clicks|guests|travell?ers|people)\b"
    r"|(?<![打让便宜降优惠])([一二三四五六七八九两几])成(?:半)?(?:多|以上|左右|的)?(?=是|都|会|选|在|来自|只"
    r"|把|人|用|从|靠|[，。！]|$)(?!是[没不吧])"
    r"|(?:涨|升|增|多|高|跌|少|翻|提高|提升|上涨|增加|增长|下降|下滑)(?:了|出|到|近|将近|差不多"
    r"|大约)*([一二三四五六七八九两几])成"
    r"|有(?:将近|近|差不多|超过|大约)?([一二三四五六七八九两])成(?:多|以上|左右)?"
    r"|(?:搜索|搜|需求|浏览|访问|预订|订单|流量|点击|客流|客人|热度|咨询"
    r"|转化)[^，。？！；]{0,10}(?:翻(?:了)?(?:一|两|三|几)?(?:番|倍)|[多涨增高](?:了"
    r"|出)?(?:[一两二三四五六七八九几十\d]+)倍)"
    r"|(?:搜索|流量|浏览|订单|预订|客流|点击|转化|入住率|收入|关注度?)[^，。？！；]{0,6}(?:掉|跌|降|少"
    r"|下滑|缩水|涨|增|多)(?:了|掉|到)?"
    r"(?:近|将近|快|差不多)?(?:一半|三分之[一二]|大半|四分之[一三])"
    r"|(?<![一两二三四五六七八九几十\d])[一两二三四五六七八九几十\d]+倍的?(?:搜索|需求|浏览|访问|订单|流量|点击|客流|客人)"
)
# what is promised is no count of what was: other rules see to it
_TO_COME = re.compile(
    r"(?i)\b(?:will|would|could|can|might|may|going to|expect|watch|guarantee|promise)\b|'(?:ll|d)\b|[会能]"
    r"|保证|肯定|一定|到时候|马上"
)
_SHARE = Cue(
    rf"(?i)(?<!\d)(?:\d+|\b(?:{_FEW})) (?:out of|in every|of every) (?:\d+|{_FEW})\b"
    rf"|\b(?:{_FEW}) in (?:two|three|four|five|six|seven|eight|nine|ten|twenty|a hundred)\b"
    r"|(?:(?<!\d)\d+|[两三四五六七八九十百])个?(?:客人|人|订单|访客|游客)[里中]?(?:面|间|头)?就?有?(?:\d+"
    r"|[一两三四五六七八九])个"
    r"|[十百]个?[里中]?(?:面|头)?[，,]?(?:就|倒|至少|起码|都)?有[一二三四五六七八九][十]?个"
    r"|[十百]个[^，。？！；\d]{1,4}(?:里|中)?(?:面|头)?[，,]?有[一二三四五六七八九十]+个"
    r"|[一二三四五六七八九十]分之[一二三四五六七八九](?!折)"
    r"|(?<![打让便宜降优惠])[一二三四五六七八九][五]?成(?:多|以上|左右)?(?:的)?(?:客人|人|旅客|订单|用户|"
    r"访客|酒店|游客|住客|顾客)"
    r"|(?:[两三四五六七八九十百]|(?<!\d)\d+)个(?:客人|人|订单|访客|游客|用户)?[里中](?:面|头)?[，,]?(?:就|"
    r"至少)?有?[一两三四五六七八九\d]+个?"
    r"|\b(?:half|(?:an?|one|two|three|four) (?:half|quarters?|thirds?|fifths?|eighths?|tenths?))(?: of)? "
    r"(?:the |all |our |your |those |these |that )*(?:guests|travell?ers|people|users|customers|visitors|searchers|"
    r"bookings|searches|reservations|reviews|comments|ratings|feedback|stays|orders|cancellations|viewers)\b"
    r"|\b(?:only|just|barely|merely|no more than) (?:two|three|four|five|six|seven|eight|nine|ten|eleven) (?:\w+ )?"
    r"(?:guests|people|visitors|travell?ers|users|searchers|viewers|of (?:the|those|them|these))\b[^.?!;]{0,50}"
    r"\b(?:out of|book\w*|reserv\w+|convert\w*|complet\w+|went on)\b"
    r"|(?:评价|点评|评论|差评|反馈)[^，。？！；]{0,4}(?:里|中|当中|有|占|达)(?:面|头)?(?:将近|快|差不多|超过)?"
    r"(?:一半|大半|多半|半数|[二三四五六七八九]成)"
    r"|(?:大半|半数|一半|过半|多半)(?:以上|多)?(?:的)?(?:客人|旅客|用户|访客|游客|住客|顾客|人|搜索|订单"
    r"|(?:商务|散|差旅|年轻|外地|老)客(?:人)?)(?!是|吗|工|手|均)"
)
# rooms that are said to be open, at present: "only three of your rooms are left"
_OPEN_ROOMS = Cue(
    rf"(?i)\b(\d+|{_ONES}|ten) (?:of (?:your|the|those|these) )?(?:\w+ )?rooms (?:(?:are|is|still|left|now"
    r"|currently|that|which|remain) ){0,3}(?:open|left|unsold|empty|available|remaining|vacant|unbooked|free)\b"
    r"|(?:剩(?:下|余)?|空着|还有|余)了?(\d+|[一二两三四五六七八九十]+)间(?!夜)"
)
_SUPPOSED = re.compile(
    r"(?i)\b(?:if|when|once|with|suppose|usually|often|last|say)\b|如果|要是|比如|假如|万一|通常|去年|上[次周个]"
)
_WORDS_OF_COUNT = {word: i for i, word in enumerate([*_ONES.split("|"), "ten"], 1)} | {"两": 2}
# spelt-out numbers of people or of per cent: the readers of the negotiation room give their values
_SPELT_EN = Cue(
    rf"(?i)\b((?:(?:{_TENS})(?:[- ](?:{_ONES}))?|(?:a|{_ONES}) (?:dozen|hundred|"
    rf"thousand)(?: and (?:\w+[- ]?){{1,2}})?|"
    rf"(?:el)?even|(?:thir|four|fif|six|seven|eigh|nine)teen|twelve|ten|dozens of|hundreds of|thousands of))\s+"
    rf"(?:\w+\s+)??(?:{_COUNTED_EN}|per ?cent)\b"
)
_SPELT_ZH = Cue(
    r"(?<![分之第])([一二两三四五六七八九]{0,4}[十百千万][一二两三四五六七八九十百千万零]{0,16})(?:多|来|几)?(?:人次"
    r"|次(?!日)|位|个(?:客人|人|订单|"
    r"用户)|名(?:客人|旅客)|单(?!早)|间夜|人(?=在|看|搜|浏览|找|想|盯|收藏|关注|[，。！]|$))"
)
# "demand is down 18 points": of demand, no points off a price or a commission
_POINTS = Cue(
    r"(?i)\b(?:demand|interest|conversions?|search\w*|views?|visits?|bookings?|occupancy|traffic|cancellations?"
    r"|clicks?)\b[^.?!;\d]{0,30}(?<![\d.])(\d+(?:\.\d+)?) (?:percentage )?points?\b"
    r"|(?:需求|热度|转化率?|搜索量?|浏览量?|入住率?|出租率|流量|点击|预订量?|客流)[^。？！；\d%]{0,12}(?<![\d.])(\d+)个点"
)


def zh_number(text: str) -> float:
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
        known += [
            float(v) for k, v in source.items() if isinstance(v, int | float) and k not in ("id", "max_asks")
        ]
    return known + [n for text in at.partner_turns for n in _numbers_in(text)]


# per cent of these are no discount
_OF_DEMAND = Cue(
    r"(?i)\b(?:demand|conversion|search\w*|views?|visits?|visitors?|bookings?|occupancy|users?|traffic"
    r"|cancellations?|clicks?)\b"
    r"|需求|转化|搜索|浏览|访问|预订量|入住率|出租率|流量|点击|取消"
)


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
    of_prices: dict[Span, bool] = {}
    for m in _PERCENT.finditer(r.text):
        applies = True
        value = float(m[1]) if m[1] else zh_number(m[2] or m[3])
        sentence = r.sentence_of(m.span())
        if sentence not in of_prices:
            of_prices[sentence] = not _OF_DEMAND.search(r.cut(sentence))
        of_price = of_prices[sentence]
        if not near(value, known if of_price else r.at.fact_values()) and not (
            of_price and near(value, cuts, 1.0)
        ):
            return r.found(m.span(), f"{value:g}% has no source")
    for m in _POINTS.finditer(r.text):
        if not near(float(m[1] or m[2]), r.at.fact_values()):
            return r.found(m.span(), f"{m[1] or m[2]} points have no source")
    for m in _SHARE.finditer(r.text):
        return r.found(m.span(), "a share without a source")
    for m in _GROWN.finditer(r.text):
        tenths = next((g for g in m.groups() if g), "")
        value = 10 * zh_number(tenths) if tenths else 0.0
        known_share = bool(tenths) and (near(value, r.at.fact_values()) or near(value, cuts, 1.0))
        if not known_share and not _TO_COME.search(r.cut(r.clause_of(m.span()))):
            return r.found(m.span(), "a growth or share without a source")
    for cue, scan in ((_SPELT_EN, scan_en), (_SPELT_ZH, scan_zh)):
        for m in cue.finditer(r.text):
            applies = True
            values = [float(n.value) for n in scan(m[1].lower()) if isinstance(n.value, int | float)]
            share = "cent" in m.group().lower() and near(values[0], cuts, 1.0) if len(values) == 1 else False
            if len(values) != 1 or not (share or near(values[0], known)):
                return r.found(m.span(), f"{m[1]} is not in the facts")
    for m in _OPEN_ROOMS.finditer(r.text):
        wrong = _wrong_rooms(r, m)
        if wrong is not None:
            return r.found(m.span(), f"{wrong:g} rooms are not in the facts")
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


def _wrong_rooms(r: Reading, m: re.Match[str]) -> float | None:
    """The count of open rooms that a match states, where the brief gives another; None where it is right or unknown."""
    hotel = r.at.scenario.get("hotel")
    rooms = hotel.get("rooms_open") if isinstance(hotel, dict) else None
    text = (m[1] or m[2]).lower()
    value = float(_WORDS_OF_COUNT.get(text) or zh_number(text))
    sentence = r.cut(r.sentence_of(m.span()))
    if not isinstance(rooms, int | float) or _TO_COME.search(sentence) or _SUPPOSED.search(sentence):
        return None
    said = text in " ".join(r.at.partner_turns).lower()
    return None if said or near(value, [float(rooms), *r.at.fact_values()]) else value


_RIVALS = (
    "ctrip", "trip.com", "meituan", "qunar", "tongcheng", "elong", "fliggy", "tuniu", "booking.com",
    "agoda", "expedia", "airbnb", "hotels.com", "priceline", "trivago", "tripadvisor", "hostelworld", "douyin",
    "traveloka", "klook", "kayak", "skyscanner", "mafengwo", "lvmama", "vrbo", "orbitz", "hotwire",
    "makemytrip", "oyo",
    "猫途鹰", "马蜂窝", "驴妈妈", "途家", "大众点评", "小红书", "拼多多", "京东旅行", "木鸟", "华住会",
    "携程", "美团", "去哪儿", "同程", "艺龙", "飞猪", "抖音", "途牛", "缤客", "爱彼迎", "安可达",
)  # fmt: skip


def _where(text: str, start: int, end: int) -> bool:
    """Whether the letters are part of other words: 去哪儿 asks "where to", 和美团圆 is no Meituan."""
    name = text[start:end]
    if name in ("美团", "同程"):
        return text[end:][:1] in tuple({"美团": "圆聚", "同程": "度序"}[name])
    if name != "去哪儿":
        return False
    before, after = text[:start][-1:], text[end:][:1]
    return (
        before in tuple("要想会能该您你我准们")
        or after in tuple("问找了呢吗住办玩吃看订买选都？?")
        or text[:start].endswith("一般")
    )


@lru_cache(maxsize=16)
def _any_of(names: tuple[str, ...]) -> Cue:
    return Cue("(?i)" + "|".join(re.escape(name) for name in names))


@check()
def rival_in_brief(r: Reading, *, names: tuple[str, ...] = _RIVALS) -> Finding | None:
    """A rival company (one of `names`) that neither the brief nor the partner has named."""
    said = r.at.memo(
        "names said",
        lambda: " ".join([*r.at.partner_turns, *(str(f.get("who", "")) for f in r.at.facts)]).lower(),
    )
    text = r.text.lower()
    for name in names if _any_of(tuple(names)).search(r.text) else ():
        at = text.find(name.lower())
        while at >= 0:
            end = at + len(name)
            beside = text[max(0, at - 1) : at] + text[end : end + 1]
            apart = not (name.isascii() and re.search(r"[0-9a-z]", beside)) and not _where(text, at, end)
            if apart and name.lower() not in said:
                return r.found((at, end), "not in the brief")
            at = text.find(name.lower(), end)
    lettered = _LETTERED.finditer(r.text) if r.at.facts and ("latform" in r.text or "平台" in r.text) else ()
    for m in (*lettered, *(_BOOKING.finditer(r.text) if "Booking" in r.text else ())):
        name = (m["name"] or "booking").lower().replace(" ", "")
        letter = name.removeprefix("platform").removeprefix("平台").removesuffix("平台")
        forms = [name] if len(letter) > 1 else [f"platform{letter}", f"平台{letter}", f"{letter}平台"]
        if not any(form in said.replace(" ", "") for form in forms):
            return r.found(m.span(), "not in the brief")
    return CLEAR


# a platform by a letter, and a company whose name is a common word
_LETTERED = re.compile(
    r"(?<![A-Za-z])(?P<name>[Pp]latform [B-Z]|平台[B-Z]|[B-Z]平台)(?![A-Za-z0-9])"
    r"(?![^.?!。？！]{0,12}(?:unknown|I don't know|我不清楚|不清楚|不知道|不了解|没有信息))"
)
_BOOKING = re.compile(
    r"\b(?:on|at|with|from|by|than|via) (?P<name>Booking)\b(?! (?:confirm|number|date|page|system))"
    r"|(?<![A-Za-z])Booking(?=上|那边|网|的价|显示|给)"
)
