"""Which worry a hotel's words show: the cues by which scripted agents and annotator hear the root concern.

First match wins, so the more telling worries stand first ("last time the price was changed behind my back" is
distrust, not a cut without effect).
"""

from __future__ import annotations

import re

from repo_cli.worlds.hotel.cue_set import CueSet

CUES: dict[str, dict[str, str]] = {
    "en": {
        "distrust": r"scam|trust|prove|fraud|fake call|fishy|stranger|trick|is real|really from the platform|who you say|behind my back|"
        r"without asking|by itself|chang(?:e|ed|ing) (?:it|my price|on their own)|suddenly different|moved my price|on their own",
        "regulars": r"regulars?\b|loyal|come every|image|feel cheated|looks? cheap|look cheap|old rate again|certain level|already paid|"
        r"price image|paid more",
        "no_effect": r"no bookings?|nothing happened|single guest|no difference|stayed empty|never brought|no guests|did nothing|"
        r"extra booking|came down in|tried a discount|did not help|no effect|it before",
        "fees": r"commission|\bfees?\b|big cut|slice|pay half|cover part|put in\b|who pays|chipping in|you give what|subsidy|"
        r"share the cost|pay the difference",
        "authority": r"owner|\bboss\b|manager|only at the front desk|on shift|pay grade|only do check-ins|not allowed to|no say\b|can't decide",
        "peak": r"high season|fill up|sell by themselves|going to be full|travelling then|event in town|demand is|sell out|ringing|"
        r"busy period|fully booked",
        "margin": r"margin|\bcosts?\b|profit|lowest|earn nothing|wages|dearer, i can't|no room in|\bnet\b|at a loss",
        "busy": r"\bbusy\b|not now|can't talk|bad moment|middle of something|swamped|no time|queue|message me later|do this now|guests waiting|hands are full",
    },
    "zh": {
        "distrust": r"骗|证明|冒充|核实|真的是?|乱改|改价|把价改|调价|信不过|陌生人|价格都变|自己改|是平台的",
        "regulars": r"老客|常住|已经订的|档次|品牌|定位|掉下去|打折",
        "no_effect": r"没单|没用|没来|没效果|还是空着|没见多|没人订|作用都没有|一个客人都|试过",
        "fees": r"佣金|抽得|抽那么多|补贴|差价你们|你们出|降的钱|分担|你们呢|你们不让|补差价",
        "authority": r"老板|只是前台|做不了主|定不了|不归我管|没权限|值班|只办入住|改价的权限",
        "peak": r"旺季|不愁|卖完|满房|有活动|问的人多|住满|接不过来|这么旺",
        "margin": r"成本|利润|亏|没空间|哪还有空间|不赚钱|布草|底价|结算价|到手",
        "busy": r"在忙|现在忙|晚点再说|客人等着|没空|不方便|手头有事|没时间|排着队|忙不过来|正办入住",
    },
}
BY_INTENT = {"O01": "margin", "O02": "authority", "O03": "peak", "O04": "fees", "O05": "busy", "O06": "distrust",
             "O08": "no_effect", "O09": "fees", "O13": "margin", "O17": "distrust"}  # fmt: skip
WHEN = {
    "en": re.compile(
        r"tomorrow morning|tomorrow afternoon|this evening|this afternoon|after lunch|on monday|later today|tomorrow",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"明天上午|明天下午|今天晚上|下周初|晚些时候|下午|明天"),
}
_SETS = {language: CueSet(cues, ignore_case=True) for language, cues in CUES.items()}


def time_of(text: str, language: str) -> str | None:
    """The time to call again that a partner names, in their own words."""
    found = WHEN[language].search(text)
    return found.group() if found else None


def concern_of(text: str, language: str, intent: str | None = None) -> str | None:
    """The concern in a partner's message, or None: their own words first, else the usual one of the intent."""
    heard = _SETS[language].fired(text) if text else ()
    for name in CUES[language]:
        if name in heard:
            return name
    return BY_INTENT.get(intent or "")
