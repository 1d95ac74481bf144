"""Read one reply of the agent by itself: does it ask for a price, which one, does it confirm or close."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from . import agent_words as w
from .bilingual import Bilingual
from .prices import Price, read_prices
from .text import detect_language, fold

_MONEY = ("price", "approx", "range", "midpoint", "round", "bound")


class AgentText:
    """What a reply of the agent does, by its words alone; each property is worked out when first asked for.

    `ask`: it asks for a lower price; `asked`: which one (None without a figure); `amounts`: every absolute price.
    `confirm`, `takes`, `close`, `next_step`, `identity`, `check`, `correct` (asks whether facts are right),
    `reason`, `acknowledge`, `decide` (asks who or when), `question`: the wording of that move is there.
    """

    def __init__(self, text: str, current: float | None = None, offer: float | None = None):
        self.text = text
        self.folded = fold(text)
        self.current = current
        self.prices = read_prices(text, current=current, offer=offer)
        self._spans = _ask_sentences(self.folded, self.prices)
        self.ask = bool(self._spans)

    @cached_property
    def language(self) -> str:
        return detect_language(self.text)

    @cached_property
    def asked(self) -> float | None:
        return _asked_amount(self.prices, self._spans, self.current)

    @cached_property
    def amounts(self) -> tuple[float, ...]:
        found = (p.amount(self.current) for p in self.prices if p.kind in _MONEY and not _is_change(p))
        return tuple(x for x in found if x is not None)

    def __getattr__(self, name: str) -> bool:
        pattern = _MOVES.get(name)
        if pattern is None:
            raise AttributeError(name)
        found = bool(pattern.search(self.folded))
        self.__dict__[name] = found
        return found


_MOVES = {
    "confirm": w.CONFIRM,
    "takes": w.TAKES,
    "close": w.CLOSE,
    "next_step": w.NEXT_STEP,
    "identity": w.IDENTITY,
    "check": w.CHECK,
    "correct": w.CORRECT,
    "reason": w.REASON,
    "acknowledge": w.ACKNOWLEDGE,
    "decide": w.DECIDE,
    "question": w.QUESTION,
}


def _ask_sentences(text: str, prices: list[Price]) -> list[tuple[int, int]]:
    """Spans of the sentences that ask for a lower price."""
    out: list[tuple[int, int]] = []
    before: tuple[int, int] | None = (
        None  # the sentence before, when it names a price that it does not source
    )
    shown: int | None = None  # where the sentence before begins, when it names a price of anybody
    for m in w.SENTENCE.finditer(text):
        a, b = m.span()
        sentence = m.group()
        has_price = any(a <= p.span[0] < b and p.kind != "net" for p in prices)
        asked = _asks(sentence, has_price)
        asked = asked or (has_price and _asks_the_same(sentence))
        same = shown is not None and not has_price and _asks_the_same(sentence)
        if not asked and before is not None and not has_price and w.WOULD_WORK.search(sentence):
            if not w.CONFIRM.search(sentence) and not w.NOT_ASKING.search(sentence):
                out.append((before[0], b))
        if same and shown is not None:
            out.append((shown, b))
        elif asked:
            out.append((a, b))
        proposing = has_price and not w.CONFIRM.search(sentence) and not w.FACTUAL.search(sentence)
        before = (a, b) if proposing else None
        shown = a if has_price else None
    return out


def _asks_the_same(sentence: str) -> bool:
    questions = w.SAME.search(sentence) and w.QUESTION.search(sentence)
    return bool(questions and not w.NOT_ASKING.search(sentence) and not w.CONFIRM.search(sentence))


def _asks(sentence: str, has_price: bool) -> bool:
    if has_price and len(sentence) <= 24 and _BARE.fullmatch(sentence.strip()):
        return True  # "And 365?"
    if not w.REQUEST.search(sentence) or w.NOT_ASKING.search(sentence):
        return False
    lower = bool(w.LOWER.search(sentence))
    if not (has_price or lower):
        return False
    if w.CONFIRM.search(sentence) and not lower and not _PUSH.search(sentence):
        return False
    if w.FACTUAL.search(sentence) and not lower and not _proposes(sentence):
        return False
    return True


def _proposes(sentence: str) -> bool:
    """A sentence that sources one figure may still ask for another: "B shows 358, could you do 350?"."""
    return bool(_DIRECT.search(sentence))


_DIRECT = Bilingual(
    r"\b(?:could|can|would|might) (?:you|we|the hotel)? ?(?:do|go|manage|accept|offer|agree|set|make|consider|sell"
    r"|list|try|meet|[0-9])|\bhow about\b|\bwhat about\b|\bwould [0-9a-z -]{2,40}\b(?:work|be (?:ok|possible|fine"
    r"|acceptable))|\b(?:suggest|propose|ask for)\b|\bdoes [0-9]+[^.?!]{0,20} work"
    r"|能不能|可不可以|(?<![0-9一二三四五六七八九十百块元晚])[0-9一二三四五六七八九十百块元晚]+(?:一晚|每晚)?[,，]?(?:您|你)?(?:看|觉得)?(?:可以|行|合适"
    r"|怎么样|如何|好|成)(?:吗|么|不)?|会不会(?:好|更|合适|容易|方便)|想跟(?:您|你)谈|建议|希望"
)


_BARE = re.compile(
    r"(?:and|then|or|so|maybe|perhaps|what of|那|要不|或者)?[ ,，]*[^\s?？]{1,12}(?: [^\s?？]{1,12})?(?:呢"
    r"|吧)?\s?[?？]+"
)
# a confirming sentence that asks all the same: "would 350 work, then I submit it"
_PUSH = Bilingual(
    r"\b(?:could|can|would|might) (?:you|we|the hotel) (?:do|go|manage|accept|offer|agree|make|consider|sell|come"
    r"|meet)\b|\bhow about\b"
    r"|\bwhat about\b|\bwould [0-9a-z -]{2,40}\b(?:work|be (?:ok|possible|fine|acceptable))|\bif you (?:could"
    r"|can)\b|能不能(?:降|做|给|再)"
)


@lru_cache(maxsize=16384)
def read_agent(text: str, current: float | None = None, offer: float | None = None) -> AgentText:
    """Read one reply of the agent; `current` turns "20 off" into an amount and tells the old price from the new."""
    return AgentText(text, current, offer)


def _is_change(p: Price) -> bool:
    return p.kind == "bound" and str(p.value[0]).startswith("delta")


def _asked_amount(prices: list[Price], spans: list[tuple[int, int]], current: float | None) -> float | None:
    """The price asked for: the last figure of the asking sentences that is not the current price."""
    plain: list[float] = []
    changes: list[float] = []
    for p in prices:
        if p.kind == "net" or not any(a <= p.span[0] < b for a, b in spans):
            continue
        x = p.amount(current)
        if x is None or x == current:
            continue
        (changes if p.kind in ("delta", "ratio") or _is_change(p) else plain).append(x)
    if plain:
        lower = [x for x in plain if current is None or x < current]
        return min(lower) if lower else plain[-1]
    return changes[-1] if changes else None


def is_ask(text: str, language: str | None = None) -> bool:
    """Does the agent ask for a lower price here: a request with a figure or with words of lowering?

    Not asks: checking the current price, sourcing a competitor's price, confirming an agreed one, asking for
    the partner's view, saying that nothing more will be asked. `language` is a hint and not needed.
    """
    return read_agent(text).ask
