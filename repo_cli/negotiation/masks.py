"""What holds figures but is no price: dates, clock times, holidays, codes, ratings, words with a figure in them.

`mask` overwrites these places with a filler of the same length before numbers are looked for. Counts ("126
searches", 三间房) are recognised later, once a number is known with its whole extent (cues.py).
All patterns are linear: no nested repetition, bounded gaps.
"""

from __future__ import annotations

import re

FILL = "\x00"

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(?:[12][0-9]|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![0-9.%])"
_DAY_WORD = (
    r"(?:twenty[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|twelfth"
    r"|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|thirty[ -]first"
)
_JOIN = r"(?: ?(?:-|to|and|&|through|until|till|,) ?(?:the )?)"
_MD = r"(?:0?[1-9]|1[0-2])[-/](?:[12][0-9]|3[01]|0?[1-9])"

_EN = "|".join(
    [
        r"(?<![0-9])(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12][0-9]|3[01]|0?[1-9])(?![0-9])",
        rf"(?<![0-9.])(?:0[1-9]|1[0-2])[-/](?:[0-2][0-9]|3[01])(?![0-9%])",
        r"(?<![0-9./])(?:[12][0-9]|3[01]|0?[1-9])/(?:[12][0-9]|3[01]|0?[1-9])(?:/[0-9]{2,4})?(?![0-9%])",
        rf"\b{_MONTH}\.? (?:the )?{_DAY}(?:{_JOIN}(?:{_MONTH}\.? )?{_DAY}){{0,3}}(?:,? 20[0-9]{{2}})?",
        rf"\b{_MONTH}\.? (?:the )?(?:{_DAY_WORD}|(?:twenty|thirty)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?)\b",
        rf"\b{_DAY}(?:{_JOIN}{_DAY}){{0,3}}(?: of)? {_MONTH}\b",
        r"\b[0-9]{1,2}(?:st|nd|rd|th)\b",
        rf"\bthe (?:{_DAY_WORD})\b",
        r"(?<![0-9:])(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9])?(?: ?[ap]\.?m\b\.?)?",
        r"\b(?:[0-9]{1,2}(?:[:.][0-9]{2})?|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
        r"(?:[ -](?:fifteen|thirty|forty[ -]five))?)(?: ?[ap]\.?m\b\.?| o'? ?clock| in the (?:morning|afternoon|evening))",
        r"\bhalf (?:past )?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2})\b",
        r"\b(?:call|ring|phone|message|text|write|reach|contact|be back|come back|meet|ready)\b[^.;!?0-9]{0,25}"
        r"\b(?:at|by|before|after|until) (?:[0-9]{1,2}|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
        r"(?:[ -](?:fifteen|thirty|forty[ -]five))?)(?![0-9.,a-z -]*[0-9a-z]*(?:hundred|yuan|cny|rmb|a night|per night))(?![0-9])\b",
        r"\b24/7\b|\b7 ?x ?24\b|\b(?:nine|9)[ -]to[ -](?:five|5)\b",
        r"\b(?:in|since|of|year|by|during|for) (?:19[5-9][0-9]|20[0-4][0-9])(?! ?(?:cny|rmb|yuan|a night|per night))(?![0-9])",
        # "the room is 358" names its price, "room 358" and "the code is 358" name no price
        r"\b(?!(?:room|suite|flat) is )(?:room|rm|floor|flat|suite|apt|building|bldg|gate|terminal|option|step|version|phase|chapter|section"
        r"|line|bus|route|highway|flight|train|ticket|order|booking|reservation|invoice|ref|reference|id|case|no|nr"
        r"|number|tel|phone|mobile|extension|ext|postcode|zip)"
        r"(?: (?:no|nr|number|id|code|is))?(?:\.|:|#| #)? ?[0-9][0-9-]*(?:\.[0-9]+)?(?= *[^0-9 ]|$| +[^cry])",
        r"#[0-9]+",
        r"\b[0-9]{3,5} (?:is|was) (?:the |my |our |your |a )?(?:room|phone|booking|order|code)\b",
        r"(?<![0-9a-z])(?!(?:cny|rmb|usd|hkd|eur|gbp|sgd|rm)[0-9])(?:[a-z]+[0-9]+|[a-z]+-[0-9]{4,})(?:-[0-9]+)*[a-z]*(?<![0-9]k)",
        r"[0-9]{8,}(?:\.[0-9]+)?",
        r"\b[0-9]{3,4}-[0-9]{4,8}\b",
        r"\b(?:rated|rating|ratings|score|scored|scores|review score)(?: (?:is|of|at|was|:))?:? ?[0-9](?:\.[0-9]+)?\b",
        r"\b[0-9](?:\.[0-9]+)? ?(?:/ ?(?:5|10)\b|out of (?:5|five|10|ten)\b|-?stars?\b)",
        r"\b(?:top|first|last|next|past) (?:[0-9]{1,2}|two|three|four|five|six|seven|eight|nine|ten)\b"
        r"(?= (?:days?|weeks?|months?|nights?|years?|hours?|of|places?|spots?|results?|pages?))",
        r"\b(?:no one|any ?one|some ?one|every ?one|this one|that one|which one|the one|one of|one more|one moment|one thing|one second)\b",
        r"\b(?:zero|no) (?:chance|problem|way)\b|\bfifty[ -]fifty\b|\b50[/-]50\b",
    ]
)

_N = "零〇一二两三四五六七八九十百千"
_ZH = "|".join(
    [
        r"(?:19|20)[0-9]{2}年(?:[0-9]{1,2}月)?(?:[0-9]{1,2}[日号])?",
        rf"[二两][{_N}]{{3}}年",
        r"[0-9]{1,2}月(?:份|底|初|中旬|上旬|下旬)?(?:[0-9]{1,2}(?:[日号]|(?![0-9百千万块元])))?"
        r"(?:[ ]?[-~到至和、与跟及][ ]?(?:[0-9]{1,2}月)?[0-9]{1,2}[日号])*",
        rf"(?<![{_N}])(?:十[一二]?|[一二三四五六七八九])月(?:份|底|初)?(?:[二三]?十?[一二三四五六七八九十]?(?:[日号]))?"
        r"(?:[ ]?[-~到至和、与跟及][ ]?[二三]?十?[一二三四五六七八九十]?[日号])*",
        r"(?<![0-9.])[0-9]{1,2}[日号]?[ ]?[-~到至和、与跟及][ ]?[0-9]{1,2}[日号](?!房|楼)",
        r"(?<![0-9.])[0-9]{1,2}[日号](?!房|楼)",
        rf"(?<![{_N}])[二三]?十[一二三四五六七八九]?[日号](?!房|楼)|[初][一二三四五六七八九十]",
        r"(?:周|星期|礼拜)[一二三四五六日天](?:[到至、和-](?:周|星期|礼拜)?[一二三四五六日天](?![百千十]))?",
        r"(?:早上|上午|中午|下午|晚上|今晚|明早|凌晨|傍晚)?(?<![0-9])[0-9]{1,2}[点时](?:半|一刻|三刻|[0-9]{1,2}分?|钟|整|多|左右)?"
        r"(?![0-9一二三四五六七八九]*[折%])",
        rf"(?:早上|上午|中午|下午|晚上|今晚|明早|凌晨|傍晚)?(?<![{_N}个])(?:十[一二]?|[一二两三四五六七八九])点(?:半|一刻|三刻|[一二三四五]?十[一二三四五六七八九]?分?|钟|整|多|左右|前|后|之前|之后|再|来|$)",
        # holidays and sales days; not where the figures go on
        rf"(?<![{_N}0-9百千万])(?:五一|十一|六一|七一|八一|五四|三八)(?=节|期间|假|长假|黄金周|小长假|前|后|那|再|的|以后|之后|之前|都|也|人|没|有|很|肯定|不|我|爆|旺|客|房|满|涨|[,，。 !！?？]|和国庆|当天|过|这)",
        r"双(?:十一|十二|11|12|旦)|(?<![0-9])618(?=大促|活动|期间|促销|购物节)",
        r"第[0-9一二两三四五六七八九十百]+[次个位名天晚间条页排]?",
        rf"(?:房间|房号|客房)(?:号)?(?:是|为|:)?[ ]?[0-9]{{3,4}}(?![0-9]|[块元])|[0-9]{{3,4}}号?(?:房间?|室)(?!费|价|租|型)|[{_N}0-9]+(?:楼|层)(?!价)",
        r"(?:电话|手机|手机号|微信|座机|订单号?|单号|编号|工号|尾号)(?:号)?(?:是|为|:)?[ ]?[0-9-]+",
        r"(?:评分|得分|打分|点评|好评|评价)(?:是|为|有|到|达到|才|只有|:)?[ ]?[0-9一二三四五](?:[.点][0-9一二三四五六七八九]+)?分?",
        r"[0-9一二三四五](?:[.点][0-9一二三四五六七八九]+)?(?:星级?|高分|颗星)",
        r"[0-9](?:\.[0-9]+)?分",
        r"一口价|一下(?:子|午)?|一点|一些|一起|一直|一样|一定|一般|一律|一共|一旦|一会|一切|一边|一方面|一半|一致|一向|一次性|一早|一时|一句|一手|一概"
        r"|万一|唯一|统一|专一|第一|十分(?!钟)|千万(?![块元])|百分百|再三|二话|三番|九寨|三亚|四川|四季|五星|七夕|千岛|八达岭|万豪|万达|百度|三里屯|六安"
        r"|不管三七二十一|乱七八糟|七七八八|一五一十|三天两头|一分钱一分货|独一无二|一模一样|一言为定|一来一去|百忙|千篇一律|万元户|一二线|三四线|二维码|一家人",
    ]
)

_EN_RE = re.compile(_EN)
_ZH_RE = re.compile(_ZH)
_HAS_HAN = re.compile(r"[\u4e00-\u9fff]")
_NEEDS = re.compile(r"[0-9零〇一二两三四五六七八九十百千万]")


def mask(text: str) -> str:
    """Folded text with every date, time, code and the like overwritten by FILL; same length."""

    def fill(m: re.Match[str]) -> str:
        return FILL * (m.end() - m.start())

    if _HAS_HAN.search(text):
        text = _ZH_RE.sub(fill, text)
    return _EN_RE.sub(fill, text)
