"""Checks on the amounts of money in a reply, against the scenario and what has been said."""

from __future__ import annotations

import re
from itertools import product

from repo_cli.negotiation.bilingual import Screen, Screened
from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Amount, Finding, Reading, near
from repo_cli.rewards.rule_sums import wrong_sum

_TOTAL = re.compile(
    r"(?i)\b(?:total|altogether|in all|(?:both|all|two|three|four|five|\d+) nights)\b"
    r"|总共|一共|共计?|合计|总价|[两二三四五\d]晚|全程"
)


def _bound(r: Reading, bound: str | float | None) -> float | None:
    """A limit of a range: a number, the name of a scenario key, or none."""
    return r.at.number(bound) if isinstance(bound, str) else bound


def _negotiated(r: Reading) -> list[float]:
    keys = ("target_price", "acceptable_price", "floor_ask")
    return [v for key in keys if (v := r.at.maybe(key)) is not None]


def _is_total(r: Reading, amount: Amount) -> bool:
    """Whether the amount is the price of all nights together, and says so."""
    nights = r.at.maybe("nights")
    if not nights or nights < 2 or not _TOTAL.search(r.cut(r.sentence_of(amount.span))):
        return False
    each = amount.value / nights
    low, high = r.at.maybe("floor_ask"), r.at.maybe("current_price")
    return low is not None and high is not None and low - 0.5 <= each <= high + 0.5


def _is_gap(r: Reading, amount: Amount) -> bool:
    """Whether a small amount is the gap of two prices in play, for one night or for all: no price of a room."""
    current, nights = r.at.maybe("current_price"), r.at.maybe("nights") or 1
    if current is None or amount.implied or amount.value >= 0.45 * current:
        return False
    known = [current, *r.at.fact_values(), *r.at.partner_amounts, *(a.value for a in r.plain_amounts)]
    gaps = _differences([v for v in known if 0.45 * current <= v <= 2 * current])
    return near(amount.value, gaps) or near(amount.value, [g * nights for g in gaps])


_RAISES = Cue(
    r"(?i)\b(?:raise|increase|put up|bump up|mark up|lift|push up) (?:it|the \w+|your \w+|388) by \d+\b"
    r"|\b(?:add|another|an extra|put) \d+(?: yuan| CNY)? (?:on top|onto|to) (?:of )?(?:the|your|it|388)"
    r"|(?:在|从)?\d{3}(?:元|块)?(?:的?基础)?上(?:面)?(?:再|多|往上)?(?:加|涨|提|添|抬)(?:个|价|上)?\d+"
    r"|\b(?:could|can|would|will) (?:you|we) (?:add|put|raise (?:it|the \w+) by|go up by"
    r"|increase (?:it|the \w+) by|put up by)"
    r"\b[^.?!]{0,12}\d+(?! ?(?:at|per cent|%))[^.?!]{0,14}\b(?:on top|more|to (?:your|the) (?:current|price|rate)|\?)"
    r"|(?:再|往上|多)(?:加|涨|提)(?:个|价)?\d+(?:元|块)?[^。？！]{0,6}(?:吗|行|可以|好)"
    r"|\b(?:could|can|would|will|please|like|want|ask|let's|how about|what about|suggest|propose)\b[^.?!;]{0,20}"
    r"\b(?:(?:rais|increas)(?:e|ing)|(?:hik|lift|nudg|bump|push|mark|mov|put)(?:e"
    r"|ing)?(?: up)?) (?:it up\b|the (?:price"
    r"|rate)\b(?! (?:on|at) )|your (?:price|rate)\b(?! (?:on|at) )|388\b)(?! (?:down|to 3[0-7]|in\b|through|right))"
    r"|\b(?:could|can|would|will|please|like|want|how about|why not)\b[^.?!;]{0,14}\b(?:charg(?:e|ing)"
    r"|ask(?:ing)?|sell(?:ing)?)"
    r" (?:for )?(?:a (?:bit|little|touch) |slightly |somewhat )?(?:more|higher)\b(?! (?:time|question|of|than once))"
    r"|\b(?:bump|push|nudge|lift|raise|hike) it (?:up )?(?:by )?(?:a )?(?:\d+|five|ten|fifteen|twenty"
    r"|few|bit|little|touch)\b"
    r"|(?:价格?|房价|388)[^，。？！；不没别]{0,4}(?:提一提|涨一涨|抬一抬|往上(?:提|涨|抬|调|加)|提高"
    r"|上调|调高|提升一?点|(?:涨|提|加)(?:一)?[点些])"
    r"|\b(?:rais|increas|lift|hik|bump|nudg|mark|put)(?:e|es|ing|ting)? (?:up )?(?:the |your |both |each "
    r"|it |a |all )*"
    r"(?:deluxe )?(?:king|rooms?|nights?|rates?|price)?(?: up)? ?by (?:about |some |another )?"
    r"(?:\d+|five|ten|twelve|fifteen|twenty|thirty|forty|fifty)\b"
    r"|\badd(?:ing)? (?:\d+|five|ten|twelve|fifteen|twenty|thirty|forty|fifty)(?: yuan| CNY)? (?:to|on"
    r"|onto|per|a) (?:each|both"
    r"|the|your|night)"
    r"|(?:建议|可以|应该|得|每晚|两晚|各|都)[^，。？！；]{0,6}(?:加|涨|抬)(?:个|上|价)?(?:\d{1,3}"
    r"|[一二三四五六七八九两]?[十百][一二三四五六七八九]?)"
    r"(?=块|元|吧|呢|[，。！？]|$)"
    r"|(?:提价|涨价|加价|上调|往上加|往上抬)(?:个)?(?:\d+|[一二三四五六七八九十百两]+)(?:块|元|%)?|(?:提"
    r"|涨|加)(?:一)?(?:点|些)价"
)


# the partner's own plan, taken up and left to it: "going up to 420 is your call"
_THEIR_CALL = re.compile(
    r"(?i)\b(?:your (?:own )?(?:call|choice|decision|plan|idea|right)|up to you|for you to decide|you (?:said"
    r"|say|mentioned"
    r"|want|plan|are|could|may|can)|you're|(?:did|do|have|had) you)\b|平时|旺季|您(?:说|打算|想|要|自己"
    r"|提|准备|问|刚)|由您|随您"
)


_NO_RAISE = re.compile(
    r"(?i)\b(?:(?<!why )not|never|nobody|no one|without)\b|n't\b|platform [a-z]|elsewhere|(?<![要能可是])不|没|别"
    r"|平台[A-Z]|别处|官网"
)


# "a bit over 388 would be right": above a figure that turns out to be the present price
_ABOVE = Cue(
    r"(?i)\b(?:go|price|set|sell|charge|ask|move|climb|bit|little|touch|slightly|somewhat"
    r"|something)\b[^.?!;,\d]{0,16}"
    r"\b(?:above|over|higher than|beyond|more than|north of) (?:your |the |today's )?(\d{3})\b"
    r"|比(\d{3})(?:元|块)?(?:再|还|要)?[高贵多](?:一)?[点些出]|往(\d{3})(?:以)?上(?:面)?[走调提加]"
    r"|(\d{3})(?:元|块)?再[高加涨多](?:一)?[点些]"
)


def _raise(r: Reading, current: float) -> re.Match[str] | None:
    """Where the reply proposes to raise the price by some amount; what it leaves to the partner is no proposal."""
    above = (m for m in _ABOVE.finditer(r.text) if near(float(m[m.lastindex or 0]), [current]))
    found = _RAISES.search(r.text) or next(above, None)
    clause = r.cut(r.clause_of(found.span())) if found else ""
    return None if _THEIR_CALL.search(clause) or _NO_RAISE.search(clause) else found


@check()
def price_in_range(
    r: Reading, *, low: str | float | None = "floor_ask", high: str | float | None = "current_price"
) -> Finding | None:
    """A price outside [low, high]; each a number, a scenario key, or null for no limit.

    Facts of the brief are left out, and so is a price that the partner named, unless the reply asks for it.
    Changes and ratios ("100 off", "八折") count, worked out on the current price, where the reply asks for
    one.
    """
    lowest, highest = _bound(r, low), _bound(r, high)
    raised = _raise(r, highest) if highest is not None and r.at.maybe("current_price") == highest else None
    if raised:
        return r.found(raised.span(), "more than now")
    asks = r.asks
    quoted, theirs = set(r.at.fact_values()), r.at.partner_amounts
    for amount in r.amounts:
        below = lowest is not None and amount.value < lowest - 0.51
        if not below and (highest is None or amount.value <= highest + 0.51):
            continue
        if (amount.implied and not asks) or amount.kind == "net" or near(amount.value, quoted):
            continue
        if near(amount.value, theirs) and (not asks or _THEIR_CALL.search(r.cut(r.clause_of(amount.span)))):
            continue
        if _is_total(r, amount) or (below and _is_gap(r, amount)):
            continue
        where = f"below {lowest:g}" if below else f"above {highest:g}"
        return r.found(amount.span, f"{amount.value:g} is {where}")
    return CLEAR if r.amounts else None


# The words before a number that make it a claim about what others pay or charge, up to the number itself.
_CLAIMS = Screen()
_CLAIM = Screened(
    r"(?i)\b(?:guests?|travell?ers?|customers?|people|others?|everyone|neighbou?rs?|competitors?|hotels?|"
    r"average|"
    r"market|median|typical\w*|usual\w*|normal\w*)\b[^.,;?!]{0,30}"
    r"\b(?:pay|pays|paid|paying|charges?|charged|costs?|sells?|sold|books?|booked|goes? for|is|are|was|"
    r"were)\b"
    r"[^.,;?!]{0,18}$"
    r"|(?:客人|旅客|住客|大家|别人|周边|附近|同行|其他|别家|市场|平均|均价|隔壁|一般)[^，。？！,;]{0,12}"
    r"(?:付|卖|是|才|只|都|在|定|挂|收|花)[^，。？！,;]{0,6}$",
    _CLAIMS,
)


_OTHERS_EN = (
    r"going rate|market (?:price|rate|value)|average|median|typical\w*|usual(?:ly)?|comparable|similar|neighbou?r\w*|"
    r"next door|across the (?:street|road)|(?:around|near) (?:you|here)|nearby"
    r"|other (?:[\w-]+ )?(?:hotels|rooms|houses)|"
    r"(?:rooms|hotels|houses|places) like (?:yours|this|that)|elsewhere|(?:our|the|booking|market|search"
    r"|platform) (?:data|statistics"
    r"|figures)|middle price|"
    r"this part of (?:town|the city)|on the (?:river|coast|square)|hotels? (?:like|around|near|in|here"
    r"|opposite)|competitors?|rivals?|the (?:area|district|street|city|market)"
)
_PAYERS_EN = (
    r"(?:most |your |our |many )?(?:guests|people|travell?ers|customers|users|visitors|walk-?ins?|regulars|companies"
    r"|firms|groups|families|couples|searchers|clients|everybody|corporates?)"
)
# what the hotel itself is said to ask elsewhere
_OWN_EN = (
    r"your (?:own |hotel's |usual |normal )?(?:web ?site|site|app|front desk|desk|reception"
    r"|walk-?in (?:price|rate)|rack"
    r" rate|corporate (?:price|rate)|direct (?:price|rate)|published (?:price|rate)|public (?:price|rate)"
    r"|member\w* (?:price|rate)|weekday (?:price|rate)|weekend (?:price|rate))"
)
_MONTHS_EN = r"january|february|march|april|may|june|july|august|september|october|november|december"
_PAST_EN = (
    rf"last (?:week|month|year|summer|winter|season|time|night|{_MONTHS_EN})|yesterday|(?:weeks?|months?"
    rf"|years?) ago|(?:over|at) (?:easter|christmas|new year)|"
    rf"in (?:{_MONTHS_EN})|previously|earlier"
)
# what others charge or pay, what the price once was, or what somebody is said to have named: "#" is the amount
_CLAIMED = Screened(
    rf"(?i)\b(?:{_OTHERS_EN}|{_OWN_EN})\b[^#]{{0,45}}\b(?:is|are|was|were|stands?|costs?|asks?|asking|charg\w+"
    rf"|sells?|sold|goes? for|"
    rf"has|have|shows?|lists?|listed|pays?|takes?|of|at|around|about)\b[^#]{{0,18}}#"
    rf"|#[^#]{{0,14}}\b(?:is|was|would be)\b[^#]{{0,14}}\b(?:going rate|market (?:price|rate)|average"
    rf"|usual|typical|sweet spot)"
    rf"|\b{_PAYERS_EN}\b[^#]{{0,40}}\b(?:look(?:ing)? for|after|filter\w*|aim\w*|search\w* (?:for|at|up)"
    rf"|pay|paid|spend|budget|expect|book(?:ed)?|go (?:beyond|above|over|past)|want|"
    rf"accept|stop|limit|willing|tell us|told us|say|said|find|think|call|consider)\b[^#]{{0,22}}#"
    rf"|\b(?:{_PAST_EN})\b[^#]{{0,40}}\b(?:sold|sell(?:ing)?|went|charg\w+|was|were|had|price[ds]?|rate|offer\w*|"
    rf"cost|asked|listed)\b[^#]{{0,20}}#"
    rf"|\b(?:sold|selling|sell|was|were|had|charged|went for|listed)\b[^#]{{0,25}}#[^#]{{0,18}}\b(?:{_PAST_EN})\b"
    r"|\b(?:let (?:it|them|one|this|the room) go|went|gone|going|sold|closed|booked|fetch\w*)"
    r" (?:for|at|around|about)?\b ?[^#]{0,8}#[^#]{0,4}(?:$|\b(?:before|then|here|there|on average|this|yesterday|on))"
    r"|\bused to\b[^#]{0,22}#|\bhas always been\b[^#]{0,10}#"
    r"|\b(?:colleagues?|manager|boss|owner|receptionist|partner|staff|front desk|she|he|someone)\b[^#]{0,20}"
    r"\b(?:mention\w*|said|told|offered|promised|quoted|named|agreed)\b[^#]{0,16}#"
    r"|(?:数据|统计|后台|系统)(?:显示|来看|表明|看|说)[^#能可降建希谈比]{0,10}#|(?:均价|平均|市场价|行情"
    r"|市价|周边|周围|附近|隔壁|对面|旁边|同档|同类|同级|类似|同区|同行|别家"
    r"|其他酒店|竞品|邻居|官网|前台[价卖挂]|门市|协议价|散客|挂牌价|小程序|会员价|直销价?|公司价|商务客"
    r"|差旅客?|出差的?|回头客|(?:这|那)(?:一)?[片带]|您这种|中位|中间价|数据里|江边|海边|那几家|大伙)"
    r"[^#能可降建希谈比]{0,14}#"
    r"|(?:客人|旅客|住客|大家|用户)[^#]{0,4}(?:心理价|预算|能接受|愿意|一般|通常|平时|都|基本|多半|付|出"
    r"|花)[^#]{0,8}#"
    r"|(?:上周|上个?月|去年|以前|从前|之前|上次|昨天|前几天|五一|十一|国庆|春节|端午|中秋"
    r"|[一二三四五六七八九十]+月份?)[^#能可降建希谈]{0,10}"
    r"(?:卖|做|收|是|标|挂|定|给|才|过|成交|订|走|拿|放|出)[^#能可降建希谈]{0,6}#"
    r"|(?:成交|卖|做|订|走|放|给)(?:出)?(?:过|到过)[^#能可降建希谈]{0,4}#"
    r"|(?:同事|老板|店长|经理|前台|领导|有人)[^#]{0,8}(?:提|说|报|答应|给|讲)[^#]{0,6}#",
    _CLAIMS,
)
_PROPOSES = Screened(
    r"(?i)\b(?:could|would|can|might|shall|may) (?:you|we|i|it)\b|\bwould # \b|\bif (?:you|we)\b|\b(?:how about"
    r"|what about|propose|suggest|level with|closer to|in line with"
    r"|like to ask)\b|^\s*(?:did|do|does|is|was|were|have|has|what|would|could)\b"
    r"|持平|看齐|建议|想跟|想请|希望",
    _CLAIMS,
)
_CLAUSES = re.compile(r"[,;:.!?，；：。！？\n](?!\d)")


#: Characters around an amount that are read for who says it: no sentence that people write is longer.
NEAR = 200


def _is_claim(r: Reading, amount: Amount) -> bool:
    start, end = r.sentence_of(amount.span)
    start, end = max(start, amount.span[0] - NEAR), min(end, amount.span[1] + NEAR)
    if _CLAIM.search(r.text[start : amount.span[0]]):
        return True
    breaks = [start, *(m.end() for m in _CLAUSES.finditer(r.text, start, end)), end]
    start = max(b for b in breaks if b <= amount.span[0])
    end = min((b for b in breaks if b >= amount.span[1]), default=end)  # "lower?\n350" may be one amount
    clause = r.text[start : amount.span[0]] + "#" + r.text[amount.span[1] : end]
    return bool(_CLAIMED.search(clause)) and not _PROPOSES.search(clause)


def _differences(values: list[float]) -> list[float]:
    return [abs(a - b) for a, b in product(set(values), repeat=2) if a != b]


@check()
def price_grounded(r: Reading) -> Finding | None:
    """An amount that neither the brief nor the talk so far gives, nor a difference of two that they give.

    Any price between the floor and the current one may be proposed. A claim about what others pay or charge
    must name a public figure: not the agent's own target or limit.
    """
    current, floor = r.at.number("current_price"), r.at.maybe("floor_ask")
    public = [current, *r.at.fact_values(), *r.at.partner_amounts]
    for amount in r.plain_amounts:
        value = amount.value
        if near(value, public) or amount.kind == "net":
            continue
        if _is_claim(r, amount):
            if not near(value, [*_differences(public), *r.at.agent_amounts]):
                return r.found(amount.span, f"{value:g} is claimed without a source")
            continue
        if (floor if floor is not None else 0.8 * current) - 0.51 <= value <= current + 0.51:
            continue
        others = [*r.at.agent_amounts, *_negotiated(r)]
        known = [*public, *others, *(a.value for a in r.plain_amounts)]
        gaps = _differences([v for v in known if v <= 2 * current])
        if near(value, others) or near(value, gaps) or _is_total(r, amount) or _is_gap(r, amount):
            continue
        return r.found(amount.span, f"{value:g} is neither in the brief nor said before")
    loose = _claimed_figure(r, public) if current is not None else None
    return loose or wrong_sum(r) or (CLEAR if r.plain_amounts else None)


# "差旅标准一般是320": a figure that nothing calls money, after words that make it what others pay
_LOOSE_CLAIM = Cue(
    r"(?i)\b(?:travel (?:budget|policy|allowance)|per diem|expense (?:limit|cap)|going rate|budgets?"
    r"|(?:price|spending|company|corporate) (?:limit|cap|ceiling)|average(?: (?:price"
    r"|rate))?)\b[^.,;?!\d#]{0,24}\b(\d{3})\b(?! ?(?:%|searches|guests|rooms))"
    # what breakfast is worth, and where guests are said to set their filter
    r"|\bbreakfasts?\b[^.?!;\d#]{0,24}\b(?:worth|costs?|valued? at|accounts? for|makes? up)\b[^.?!;\d#]{0,16}"
    r"\b(\d{2})\b(?! ?(?:%|rooms|nights|guests))"
    r"|\b(?:take out|without|minus|less|deduct\w*|net of) (?:the |two )?breakfasts?,? (?:at|of|worth) (\d{2})\b"
    r"|\b(?:slider|price (?:filter|bracket|range)|upper (?:bound|end))\b[^.,;?!\d#]{0,30}\b(\d{3})\b"
    r"|(?:双早|早餐)[^，。？！；\d]{0,6}(?:算|按|值|成本|折|占|卖)[^，。？！；\d]{0,4}(\d{2})(?![\d%次间人])"
    r"|(?:客人|用户|旅客|住客|大家|多数人?)[^。？！；\d]{0,14}(?:封顶|上限|筛选?|区间|拉到|卡在"
    r"|设在)[^。？！；\d]{0,6}"
    r"(\d{3})(?![\d次间人])"
    r"|(?:差旅|报销|出差|住宿)(?:的)?(?:标准|额度|上限|预算)[^，。？！；\d]{0,8}(\d{3})(?![\d次间人])"
    r"|(?:预算|均价|行情|市价|客单价?|心理价位?)[^，。？！；\d]{0,8}(\d{3})(?![\d次间人])"
)


def _claimed_figure(r: Reading, public: list[float]) -> Finding | None:
    for m in _LOOSE_CLAIM.finditer(r.text):
        group = m.lastindex or 0
        if not near(float(m[group]), [*public, *_differences(public)]) and not _PROPOSES.search(m.group()):
            return r.found(m.span(group), f"{m[group]} is claimed without a source")
    return None
