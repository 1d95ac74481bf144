"""Checks that the room type and the breakfast in a reply are those of the brief."""

from __future__ import annotations

import re

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading

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
    "总统 泳池 精致 紧凑 迷你 电竞 影音 棋牌 情侣 日式 和式 无障碍 楼中楼 钟点 普通"
).split()
_ZH_WORD = "|".join(sorted(_ZH_ROOM_WORDS, key=len, reverse=True))
_ROOM_ZH = Cue(
    rf"((?:{_ZH_WORD})+)(?:房间|客房|床房|房|间|套房)|(家庭套房|总统套房|独栋别墅)|((?:{_ZH_WORD})+[大双]床"
    rf"|双床|上下铺|榻榻米|(?i:loft(?!y)))"
)


# a bed or a room named alone: "the twins as well", "the triple on the garden side"
_BARE_ROOM = Cue(
    r"(?i)\b(?:the|your|those|these|that|any) (twin|double|triple|quad|studio|queen|loft|dorm|bunk|cabin"
    r"|single|suite)s?"
    r"(?:\s*(?:[.,;?!]|$)|\s+(?:on the|at|for|as well|with a|with the|also|too|could|would|is|are|be|goes|facing"
    r"|overlooking|please|over|in the|in your)\b)"
    r"|\b(?:for|want|prefer|like|need|seek|book|take|about|of|some|any|more) "
    r"(twin|double|triple|quad|single|suite|studio|loft|bunk)s\b"
    r"|(?:^|[.!?] )(twin|double|triple|quad|single|suite|studio)s (?:are|would|could|sell)\b"
    r"|\ban? (twin|double|triple|quad|studio|queen|loft|dorm|bunk|cabin)s? (?:with a|with the|facing"
    r"|overlooking|with \w+ view)"
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
    for m in _BARE_ROOM.finditer(text):
        applies = True
        if not allowed[next(g for g in m.groups() if g).lower()] and not _OTHER_ROOM.search(
            _clause(text, m.span())
        ):
            return r.found(m.span(), f"the brief has {own}")
    for m in _ROOM_ZH.finditer(text):
        applies = True
        words = re.findall(_ZH_WORD, m.group()) or [m.group().lower()]
        if not all(allowed[word] for word in words) and not _OTHER_ROOM.search(_clause(text, m.span())):
            return r.found(m.span(), f"the brief has {own}")
    return CLEAR if applies else None


# a room that the reply names only to leave it out
_OTHER_ROOM = re.compile(
    r"(?i)\b(?:not (?:about|part|the|your|a|included|in|asking|talking|after)|isn't|is not|nothing to do"
    r"|no part|rather than|other than)\b"
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
    "3": r"(?i)\b(?:half|full)[- ]board\b|\ball[- ]inclusive\b|\bbreakfast (?:is )?for (?:three|3|four"
    r"|4)\b|\b(?:three|3|four|4) breakfasts\b|[三四34][份个客]早|"
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
