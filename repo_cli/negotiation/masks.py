"""What holds figures but is no price: dates, clock times, holidays, codes, ratings, words with a figure in them.

`mask` overwrites these places with a filler of the same length before numbers are looked for. Counts ("126
searches", 三间房) are recognised later, once a number is known with its whole extent (cues.py).

Each table is tried only where one of its entries can begin (a figure, one of a few words, one of a few
characters), left to right; every pattern is linear: no nested repetition, bounded gaps.
"""

from __future__ import annotations

import re

FILL = "\x00"

_MONTHS = (
    "jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october"
    " nov november dec december"
).split()
_MONTH = f"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})"
_DAY = r"(?:[12][0-9]|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![0-9.%])"
_DAY_WORD = (
    r"(?:(?:twenty[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|twelfth"
    r"|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth"
    r"|thirty[ -]first)"
)
_JOIN = r"(?: ?(?:-|to|and|&|through|until|till|,) ?(?:the )?)"
_HOURS = "one two three four five six seven eight nine ten eleven twelve".split()
_HOUR = f"(?:{'|'.join(sorted(_HOURS, key=len, reverse=True))})"
_CLOCK = rf"(?:[0-9]{{1,2}}(?:[:.][0-9]{{2}})?|{_HOUR}(?:[ -](?:fifteen|thirty|forty[ -]five))?)"
_NOT_MONEY = r"(?! ?(?:cny|rmb|yuan|a night|per night|hundred|thousand))"
_UNIT_NAMES = (
    "room rm floor flat suite apt building bldg gate terminal option step version phase chapter section line bus"
    " route highway flight train ticket order booking reservation invoice ref reference id case no nr number tel"
    " phone mobile extension ext postcode zip"
).split()
# a figure after a no, not after the short form of "number": "350 no. 360 a night and we have a deal"
_TURNS_DOWN = r"no[.,]? [0-9]+,? ?(?:a|per|each|is|and|for|at|max|works|would|will|then|or|yes)\b|no[.,] [0-9]{3,4}[.!?]*$|(?<=[0-9] )no[.,]? [0-9]"
_RATED = ("rated", "rating", "ratings", "score", "scored", "scores", "review")
_CALLS = ("call", "ring", "phone", "message", "text", "write", "reach", "contact", "meet", "ready")
_PERIODS = ("top", "first", "last", "next", "past")

# begin with a figure
_DIGIT_LED = [
    r"(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12][0-9]|3[01]|0?[1-9])(?![0-9])",
    r"(?<![.])(?:0[1-9]|1[0-2])[-/](?:[0-2][0-9]|3[01])(?![0-9%])",
    r"(?<![./])(?:[12][0-9]|3[01]|0?[1-9])/(?:[12][0-9]|3[01]|0?[1-9])(?:/[0-9]{2,4})?(?![0-9%])",
    rf"{_DAY}(?:{_JOIN}{_DAY}){{0,3}}(?: of)? {_MONTH}\b",
    r"[0-9]{1,2}(?:st|nd|rd|th)\b",
    r"(?<!:)(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9])?(?: ?[ap]\.?m\b\.?)?",
    rf"{_CLOCK}(?: ?[ap]\.?m\b\.?| o'? ?clock| in the (?:morning|afternoon|evening))",
    r"24/7\b|7 ?x ?24\b|9[ -]to[ -]5\b|50[/-]50\b",
    # a telephone number in groups, area code first
    r"(?:0[0-9]{2,3}|[0-9]{3})[- ][0-9]{3,4}[- ][0-9]{4}(?![0-9])",
    r"[0-9]{3,5} (?:is|was) (?:the |my |our |your |a )?(?:room|phone|booking|order|code)\b",
    r"[0-9]{8,}(?:\.[0-9]+)?",
    r"[0-9]{3,4}-[0-9]{4,8}\b",
    r"[0-9](?:\.[0-9]+)? ?(?:/ ?(?:5|10)\b|out of (?:5|five|10|ten)\b|-?stars?\b)",
]
# begin with one of TRIGGERS, or are letters run into figures
_WORD_LED = [
    rf"{_MONTH}\.? (?:the )?{_DAY}(?:{_JOIN}(?:{_MONTH}\.? )?{_DAY}){{0,3}}(?:,? 20[0-9]{{2}})?",
    rf"{_MONTH}\.? (?:the )?(?:{_DAY_WORD}|(?:twenty|thirty)[ -]{_HOUR}|(?:twenty|thirty)(?! ))\b",
    rf"the {_DAY_WORD}\b",
    rf"{_HOUR}(?:[ -](?:fifteen|thirty|forty[ -]five))?(?: ?[ap]\.?m\b\.?| o'? ?clock| in the (?:morning|afternoon"
    r"|evening))",
    rf"half (?:past )?(?:{_HOUR}|[0-9]{{1,2}})\b{_NOT_MONEY}",
    rf"(?:{'|'.join(_CALLS)}|(?:be|come) back)\b[^.;!?0-9]{{0,25}}\b(?:at|by|before|after"
    rf"|until) {_CLOCK}(?![0-9])\b{_NOT_MONEY}",
    r"nine[ -]to[ -]five\b|fifty[ -]fifty\b",
    rf"(?:in|since|of|year|by|during|for) (?:19[5-9][0-9]|20[0-4][0-9])(?![0-9]){_NOT_MONEY}",
    # "room 358" and "the code is 358" name no price, but "the room is 358" and "no. 360 a night" do
    rf"(?!(?:room|suite|flat) is )(?!{_TURNS_DOWN})(?:{'|'.join(_UNIT_NAMES)})(?: (?:no|nr|number|id|code|is))?(?:\.|:|#"
    r"| #)? ?[0-9][0-9-]*(?:\.[0-9]+)?"
    r"(?= *[^0-9 ]|$| +[^cry])",
    rf"(?:{'|'.join(_RATED)})(?: score)?(?: (?:is|of|at|was|:))?:? ?[0-9](?:\.[0-9]+)?\b",
    rf"(?:{'|'.join(_PERIODS)}) (?:[0-9]{{1,2}}|{_HOUR})\b(?= (?:days?|weeks?|months?|nights?|years?|hours?|of"
    r"|places?"
    r"|spots?|results?|pages?))",
    r"(?:no|any ?|some ?|every ?|this|that|which|the) ?one\b(?! (?:hundred|thousand|point|oh|[a-z]+ty))|one (?:of"
    r"|more|moment|thing|second)\b",
    r"(?!(?:cny|rmb|usd|hkd|eur|gbp|sgd|rm)[0-9])(?:[a-z]+[0-9]+|[a-z]+-[0-9]{4,})(?:-[0-9]+)*[a-z]*",
    r"#[0-9]+",
]
TRIGGERS = frozenset(
    [
        *_MONTHS,
        *_HOURS,
        *_UNIT_NAMES,
        *_RATED,
        *_CALLS,
        *_PERIODS,
        "be",
        "come",
        "the",
        "half",
        "fifty",
        "in",
        "since",
        "of",
        "year",
    ]
    + [
        "by",
        "during",
        "for",
        "any",
        "anyone",
        "some",
        "someone",
        "every",
        "everyone",
        "this",
        "that",
        "which",
    ]
)
# common words of these, and how what follows them in an entry begins
_FOLLOWED: dict[str, tuple[str, ...]] = {"the": (" one", " t", " f", " s", " e", " n")}
_FOLLOWED |= dict.fromkeys(("in", "since", "of", "year", "by", "during", "for"), (" 19", " 20"))
_FOLLOWED |= dict.fromkeys(("this", "that", "which", "some", "any", "every"), (" one", "  one"))

_N = "零〇一二两三四五六七八九十百千"
_DAYTIME = r"(?:早上|上午|中午|下午|晚上|今晚|明早|凌晨|傍晚)?"
# begin with a figure or one of ZH_FIRST
_ZH = [
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
    rf"{_DAYTIME}(?<![0-9])[0-9]{{1,2}}[点时](?:半|一刻|三刻|[0-9]{{1,2}}分?|钟|整|多|左右)?"
    r"(?![0-9一二三四五六七八九]*[折%])",
    rf"{_DAYTIME}(?<![{_N}个])(?:十[一二]?|[一二两三四五六七八九])点"
    r"(?:半|一刻|三刻|[一二三四五]?十[一二三四五六七八九]?分?|钟|整|多|左右|前|后|之前|之后|再|来|$)",
    # holidays and sales days; not where the figures go on
    rf"(?<![{_N}0-9百千万])(?:五一|十一|六一|七一|八一|五四|三八)(?=节|期间|假|长假|黄金周|小长假|前|后|那|再|的"
    r"|以后|之后|之前|都|也"
    r"|人|没|有|很|肯定|不|我|爆|旺|客|房|满|涨|[,，。 !！?？]|和国庆|当天|过|这)",
    r"双(?:十一|十二|11|12|旦)|(?<![0-9])618(?=大促|活动|期间|促销|购物节)",
    r"第[0-9一二两三四五六七八九十百]+[次个位名天晚间条页排]?",
    r"(?:房间|房号|客房)(?:号)?(?:是|为|:)?[ ]?[0-9]{3,4}(?![0-9]|[块元])|[0-9]{3,4}号?(?:房间?|室)(?!费|价|租|型)"
    rf"|[{_N}0-9]+(?:楼|层)(?!价)",
    r"(?:电话|手机|手机号|微信|座机|订单号?|单号|编号|工号|尾号)(?:号)?(?:是|为|:)?[ ]?[0-9-]+",
    r"(?:评分|得分|打分|点评|好评|评价)(?:是|为|有|到|达到|才|只有"
    r"|:)?[ ]?[0-9一二三四五](?:[.点][0-9一二三四五六七八九]+)?分?",
    r"[0-9一二三四五](?:[.点][0-9一二三四五六七八九]+)?(?:星级?|高分|颗星)",
    r"[0-9](?:\.[0-9]+)?分(?!之)",
    r"好?几[十百千万](?![块元]?[一二三四五六七八九])",
    r"一口价|一下(?:子|午)?|一点|一些|一起|一直|一样|一定|一般|一律|一旦|一会|一切|一边|一方面|一半|一致|一向|一次性"
    r"|一早|一时|一句|一手|一概|一步|一家人|一模一样|一言为定|一来一去|一五一十|一分钱一分货|一二线",
    r"万一|万豪|万达|万元户|唯一|统一|专一|第一|十分(?!钟|之)|千万(?![块元])|千岛|千篇一律|百分百|百度|百忙|再三"
    r"|二话|二维码|二一添作五"
    r"|三番|三亚|三里屯|三天两头|三四线|九寨|四川|四季|五星|六安|七夕|七七八八|八达岭|不管三七二十一|乱七八糟"
    r"|独一无二",
]
_ZH_FIRST = f"{_N}万幺早上中下今明凌傍周星礼初双第房客电手微座订单编工尾评得打点好唯统专再不乱独好几"

_DIGIT = re.compile("|".join(_DIGIT_LED))
_WORD = re.compile("|".join(_WORD_LED))
_HAN = re.compile("|".join(_ZH))
# the group is a word that stands alone: nothing that is masked begins with it unless it is one of TRIGGERS
_ALONE = r"([a-z]+)(?![a-z0-9-])"
_ANCHOR = re.compile(rf"{_ALONE}|[0-9]+|[a-z]+|#")
_ANCHOR_ZH = re.compile(rf"{_ALONE}|[0-9]+|[a-z]+|#|[{_ZH_FIRST}]")


def mask(text: str) -> str:
    """Folded text with every date, time, code and the like overwritten by FILL; same length."""
    chinese = not text.isascii()
    pieces: list[str] = []
    done = 0
    for anchor in (_ANCHOR_ZH if chinese else _ANCHOR).finditer(text):
        word = anchor[0]
        if anchor.lastindex:  # most words
            if word not in TRIGGERS:
                continue
            if word in _FOLLOWED and not text.startswith(_FOLLOWED[word], anchor.end()):
                continue
        start = anchor.start()
        if start < done:
            continue
        m = _at(text, start, word, chinese)
        if m is not None and m.end() > start:
            pieces += [text[done:start], FILL * (m.end() - start)]
            done = m.end()
    if not done:
        return text
    pieces.append(text[done:])
    return "".join(pieces)


def _at(text: str, start: int, word: str, chinese: bool) -> re.Match[str] | None:
    """What is masked at this anchor, if anything."""
    first = word[0]
    if "0" <= first <= "9":
        return (chinese and _HAN.match(text, start)) or _DIGIT.match(text, start)
    if "a" <= first <= "z" or first == "#":
        return _WORD.match(text, start)
    return _HAN.match(text, start)
