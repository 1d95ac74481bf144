"""Price expressions that hold no figure of their own: half price, 打骨折, split the difference, round it down."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .bilingual import Screen, Screened
from .numbers_en import plain

Found = tuple[str, object, int, int]  # kind, value, start, end

_SCREEN = Screen()


def _phrase(source: str) -> Screened:
    return Screened(source, _SCREEN)


_RATIO = [
    (
        _phrase(
            r"\bhalf[ -](?:the )?(?:price|rate)\b|\bhalf off\b|半价|[打对]个?对?(?<=对)折|对折|(?:便宜|降|减|少|砍|省)一半"
        ),
        0.5,
    ),
    (_phrase(r"\b(?:a|one)[ -]third (?:off|less|cheaper)\b|(?:便宜|降|减)三分之一"), round(2 / 3, 4)),
    (_phrase(r"\b(?:a|one)[ -]quarter (?:off|less|cheaper)\b|(?:便宜|降|减)四分之一"), 0.75),
    (_phrase(r"\b(?:a|one)[ -]fifth (?:off|less|cheaper)\b"), 0.8),
    (_phrase(r"\b(?:a|one)[ -]tenth (?:off|less|cheaper)\b"), 0.9),
]
_DEEP = _phrase(r"打?(?:个)?骨折(?:价)?")
_MIDDLE = _phrase(
    r"\b(?:split|share) (?:the|that) (?:difference|gap)|\bmeet (?:me |you |us |each other "
    r"|one another )?(?:in the middle|half ?-?way)"
    r"|\b(?:go|come) half ?-?way|\bmid-?point\b|\bhalf ?-?way between\b|\bmeet you in between\b"
    r"|(?:取|折)个?中(?:间价?|间值|吧|$)?|各让一半|各退一步|各让一步|二一添作五|一人让一半|一人一半|中间价|对半让"
    r"|折中"
)
_ROUND_DOWN = _phrase(
    r"\bround (?:it |that |this |the price )?(?:down|off)\b|\b(?:drop|lose|knock off|cut|scrap"
    r"|forget) the (?:odd )?(?:change|odd (?:bit|amount|yuan)|small change|last digit|tail)\b"
    r"|抹(?:个|掉|了|去|一下)?零(?:头)?|(?:去|舍|免|砍)(?:个|掉|了)?零头|零头(?:就)?(?:抹|去|免|不要|不算|算)(?:了"
    r"|掉)?|抹掉尾数|去尾"
)
_ROUND_UP = _phrase(r"\bround (?:it |that |this |the price )?up\b|\bto the next ten\b")
_ROUND_NEAR = _phrase(
    r"\bround (?:it |that |this |the price )?to the nearest (?:ten|10)\b|\bmake it (?:a round (?:number|figure"
    r"|sum)|round)\b|\bround (?:number|figure)\b"
    r"|(?:凑|取|算)(?:个|成)?整(?:数)?"
)
_GATE = re.compile(
    r"half|third|quarter|fifth|tenth|split|share|meet|mid|round|change|odd|digit|tail|[折半零整中让退分尾添]"
)


def _middle(current: float | None, offer: float | None) -> float | None:
    if current is None or offer is None:
        return None
    return plain((current + offer) / 2)


def _rounded(current: float | None, how: str) -> float | None:
    """388 -> 380 (down), 390 (up and nearest); a whole ten loses its odd tens only below a hundred: 380 -> 300."""
    if current is None or current < 10:
        return None
    step = 10 if current % 10 else 100
    if how == "down":
        return plain(current // step * step) or None
    if how == "up":
        return plain(-(-current // 10) * 10)
    return plain(round(current / 10) * 10)


def find_phrases(text: str, current: float | None, offer: float | None) -> Iterator[Found]:
    """Every figure-free price expression in folded text."""
    if (text.isascii() and not _SCREEN.can_match(text)) or not _GATE.search(text):
        return
    for pattern, value in _RATIO:
        for m in pattern.finditer(text):
            before = text[max(0, m.start() - 12) : m.start()]
            if re.search(r"pay |补贴|承担|cover ", before):
                continue
            yield "ratio", value, m.start(), m.end()
    for m in _DEEP.finditer(text):
        yield "ratio", None, m.start(), m.end()
    for m in _MIDDLE.finditer(text):
        yield "midpoint", _middle(current, offer), m.start(), m.end()
    for pattern, how in ((_ROUND_DOWN, "down"), (_ROUND_UP, "up"), (_ROUND_NEAR, "near")):
        for m in pattern.finditer(text):
            yield "round", _rounded(current, how), m.start(), m.end()
