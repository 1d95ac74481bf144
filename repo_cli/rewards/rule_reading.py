"""What a check sees: the situation (scenario without its hidden part, history, dialogue state) and one reply
in it.

A situation is read once and can be shared by many replies; everything in it is computed on first use.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from repo_cli.dialogue.scenario import public_side
from repo_cli.negotiation import SEVEN_STAGES, SOP, dialogue_state, read_agent, read_prices

Span = tuple[int, int]
T = TypeVar("T")

_CJK = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
_LATIN = re.compile(r"[A-Za-z]+")
_COMMA = re.compile(r"[,;:](?=\s)|[，；：]")
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|[。！？；\n]")


class NotScored(Exception):
    """A check cannot judge here (say, the scenario lacks a price); the rule then adds nothing and is
    listed."""


@dataclass(frozen=True)
class Finding:
    """What a check says where it applies: whether it found what it looks for, and where."""

    hit: bool
    text: str = ""
    span: Span = (0, 0)
    note: str = ""


CLEAR = Finding(False)


@lru_cache(maxsize=8192)
def cached_prices(
    text: str, language: str | None, current: float | None, offer: float | None
) -> tuple[Any, ...]:
    return tuple(read_prices(text, language=language, current=current, offer=offer))


@lru_cache(maxsize=1024)
def script_of(text: str) -> str | None:
    """ "zh" or "en" by the letters of a text; None when it has none."""
    if text.isascii():
        return "en" if _LATIN.search(text) else None
    cjk = count_cjk(text)
    latin = len(_LATIN.findall(text))
    if not cjk and not latin:
        return None
    return "zh" if cjk > latin else "en"


def count_cjk(text: str) -> int:
    return 0 if text.isascii() else len(_CJK.findall(text))


_WORD = re.compile(r"[㐀-鿿]|[a-z0-9]+(?:'[a-z]+)?")
_WORD_ASCII = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def words_of(text: str) -> list[str]:
    """Lower-case words; a Chinese character is a word."""
    return (_WORD_ASCII if text.isascii() else _WORD).findall(text.lower())


def trigrams_of(words: Sequence[str]) -> list[str]:
    """Word trigrams, each a text: one that is kept knows its hash, and the garbage collector has nothing to follow."""
    return [f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)]


def amounts_of(price: Any) -> tuple[float, ...]:
    """The absolute amounts a read price names: none for changes, ratios and non-prices."""
    value = price.value
    if price.kind in ("price", "net", "approx", "range"):
        values = value if isinstance(value, list | tuple) else (value,)
        return tuple(float(v) for v in values if isinstance(v, int | float))
    if price.kind == "bound" and value and not str(value[0]).startswith("delta"):
        return (float(value[1]),)
    return ()


class Amount(NamedTuple):
    """One absolute amount of money in a text. `implied` = worked out from a change or a ratio of the current
    price."""

    value: float
    span: Span
    kind: str
    implied: bool = False


class Situation:
    """Scenario (public part), history and what follows from them.

    Raises NotScored from the properties whose data are missing.
    """

    def __init__(
        self,
        scenario: dict[str, Any] | None,
        history: Iterable[dict[str, Any]],
        language: str | None = None,
        sop: SOP = SEVEN_STAGES,
    ) -> None:
        self.sop = sop
        self.scenario = public_side(scenario)
        self.history = [dict(m) for m in history if m.get("role") in ("user", "assistant")]
        self._memo: dict[str, Any] = {}
        self._numbers: dict[str, float | None] = {}
        named = language or self.scenario.get("language")
        self.language = (
            named if isinstance(named, str) else self._spoken()
        )  # a data file may hold anything there

    def _spoken(self) -> str | None:
        for message in reversed(self.history):
            if message["role"] == "user" and (found := script_of(str(message["content"]))):
                return found
        return None

    @cached_property
    def state(self) -> Any:
        return dialogue_state(self.history, self.scenario, self.sop)

    @cached_property
    def agent_turns(self) -> list[str]:
        return [str(m["content"]) for m in self.history if m["role"] == "assistant"]

    @cached_property
    def partner_turns(self) -> list[str]:
        return [str(m["content"]) for m in self.history if m["role"] == "user"]

    def number(self, key: str) -> float:
        """A number of the scenario; NotScored when it is absent."""
        value = self.maybe(key)
        if value is None:
            raise NotScored(f"the scenario has no {key}")
        return value

    def maybe(self, key: str) -> float | None:
        """The same; None when it is absent."""
        if key not in self._numbers:
            value: Any = self.scenario.get(key)
            absent = isinstance(value, bool) or not isinstance(value, int | float)
            self._numbers[key] = None if absent else float(value)
        return self._numbers[key]

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        facts = self.scenario.get("facts")
        return [f for f in facts if isinstance(f, dict)] if isinstance(facts, list) else []

    def fact_values(self, kind: str | None = None) -> list[float]:
        return self.memo(
            f"fact values {kind}",
            lambda: [
                float(f["value"])
                for f in self.facts
                if isinstance(f.get("value"), int | float) and (kind is None or f.get("type") == kind)
            ],
        )

    def memo(self, name: str, work_out: Callable[[], T]) -> T:
        """What a check works out of the situation alone, once for all the replies in it; not to be changed."""
        if name not in self._memo:
            self._memo[name] = work_out()
        found: T = self._memo[name]
        return found

    def prices(self, text: str) -> tuple[Any, ...]:
        return cached_prices(text, self.language, self.maybe("current_price"), self.last_offer)

    @cached_property
    def last_offer(self) -> float | None:
        offer = getattr(self.state, "partner_offer", None)
        return float(offer) if isinstance(offer, int | float) else None

    def amounts(self, text: str) -> list[Amount]:
        """The amounts of money a text names, in order, changes and ratios worked out on the current price."""
        current = self.maybe("current_price")
        found: list[Amount] = []
        for price in self.prices(text):
            span = (int(price.span[0]), int(price.span[1]))
            found += [Amount(v, span, price.kind) for v in amounts_of(price)]
            if current is not None and isinstance(price.value, int | float):
                if price.kind == "delta":
                    found.append(Amount(current + price.value, span, "delta", implied=True))
                elif price.kind == "ratio":
                    found.append(Amount(current * price.value, span, "ratio", implied=True))
        return found

    @cached_property
    def partner_amounts(self) -> frozenset[float]:
        return frozenset(a.value for text in self.partner_turns for a in self.amounts(text))

    @cached_property
    def agent_amounts(self) -> frozenset[float]:
        return frozenset(a.value for text in self.agent_turns for a in self.amounts(text))


class Reading:
    """One reply in its situation."""

    def __init__(self, reply: str, situation: Situation, answer: Mapping[str, Any] | None = None) -> None:
        """answer: the partner's next turn {text, ended, outcome}, where there is one."""
        self.text = reply
        self.at = situation
        self.answer = answer

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What a check works out of the reply, for another check that needs it as well."""
        return {}

    @cached_property
    def words(self) -> list[str]:
        """Lower-case words; a Chinese character is a word."""
        return words_of(self.text)

    @cached_property
    def trigrams(self) -> list[str]:
        return trigrams_of(self.words)

    @cached_property
    def after(self) -> Any:
        """The state of the dialogue after the partner's answer (without one: after the reply)."""
        said = str((self.answer or {}).get("text") or "")
        turns = [{"role": "assistant", "content": self.text}]
        turns += [{"role": "user", "content": said}] if said else []
        return dialogue_state([*self.at.history, *turns], self.at.scenario, self.at.sop)

    @cached_property
    def amounts(self) -> list[Amount]:
        return self.at.amounts(self.text)

    @cached_property
    def asks(self) -> bool:
        """Whether the reply asks for a lower price, as the dialogue state will read it."""
        return bool(read_agent(self.text, self.at.maybe("current_price"), self.at.last_offer).ask)

    @cached_property
    def plain_amounts(self) -> list[Amount]:
        """Those named outright."""
        return [a for a in self.amounts if not a.implied]

    @cached_property
    def sentences(self) -> list[Span]:
        """Spans of the sentences; an end mark inside a number ("6.5") ends nothing."""
        spans, start = [], 0
        for end in _SENTENCE_END.finditer(self.text):
            spans.append((start, end.end()))
            start = end.end()
        if start < len(self.text):
            spans.append((start, len(self.text)))
        return spans

    def sentence_of(self, span: Span) -> Span:
        """The sentence that a span begins in; the whole text where it begins behind the last."""
        at = bisect_right(self.sentences, (span[0], len(self.text))) - 1
        if at >= 0 and self.sentences[at][0] <= span[0] < self.sentences[at][1]:
            return self.sentences[at]
        return 0, len(self.text)

    def clause_of(self, span: Span) -> Span:
        """The clause around a span: between commas, semicolons, colons and the ends of its sentence."""
        start, end = self.sentence_of(span)
        for m in _COMMA.finditer(self.text, start, end):
            if m.end() <= span[0]:
                start = m.end()
            elif m.start() >= span[1]:
                return start, m.start()
        return start, end

    def cut(self, span: Span) -> str:
        return self.text[span[0] : span[1]]

    def found(self, span: Span, note: str = "") -> Finding:
        return Finding(True, self.cut(span), span, note)

    def whole(self, note: str = "") -> Finding:
        return Finding(True, self.text, (0, len(self.text)), note)


def near(value: float, known: Iterable[float], tolerance: float = 0.51) -> bool:
    """Whether some known number equals `value` up to rounding to whole units."""
    for (
        k
    ) in known:  # a loop: this is asked twenty times a reply, and any() over a generator takes twice as long
        if -tolerance <= value - k <= tolerance:
            return True
    return False


Check = Callable[..., "Finding | None"]
