"""One expression in two languages, searched only where it can match.

The tables of this room write an English and a Chinese wording side by side, as alternatives of one expression.
`Bilingual` takes it apart at the top-level bars, so that English text is never searched for Chinese wording:
that is most of the speed of the readers. The rest is RE2: all expressions that are tried on the same ASCII text
are put to it in one pass, and `re` searches only those that RE2 says can match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2

_HAN = re.compile(r"[\u3400-\u9fff]")


def split_alternatives(pattern: str) -> list[str]:
    """The alternatives of an expression at its top level (bars in groups and classes stay)."""
    parts, depth, start, i, in_class = [], 0, 0, 0, False
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            i += 2
            continue
        if in_class:
            in_class = c != "]"
        elif c == "[":
            in_class = True
            if pattern[i + 1 : i + 2] == "]" or pattern[i + 1 : i + 3] == "^]":
                i += 2 if pattern[i + 1] == "^" else 1
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
        elif c == "|" and depth == 0:
            parts.append(pattern[start:i])
            start = i + 1
        i += 1
    parts.append(pattern[start:])
    return parts


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?[=!]|\$", re.DOTALL)


def loosened(pattern: str) -> str:
    """An expression for RE2 that matches every ASCII text in which `re` finds `pattern` (and perhaps more).

    Look-around, which RE2 does not have, is left out; white space is what `re` takes for it.
    """
    out, i = "", 0
    while m := _TOKEN.search(pattern, i):
        token = m.group()
        out, i = out + pattern[i : m.start()], m.end()
        if token == "$":  # in `re` also before a last newline
            out += r"\n?$"
        elif token == r"\s":
            out += r"[\s\x0b\x1c-\x1f]"
        elif token[0] == "[" and token[1] != "^":
            out += token.replace(r"\s", r"\s\x0b\x1c-\x1f")
        elif token[0] in "[\\":
            out += token
        else:
            i = _group_end(pattern, i)
    return out + pattern[i:]


def _group_end(pattern: str, i: int) -> int:
    """Where the group ends that was opened before `i`."""
    depth = 1
    while depth:
        m = _GROUP_TOKEN.search(pattern, i)
        if m is None:
            raise ValueError(f"unbalanced expression: {pattern}")
        depth += {"(": 1, ")": -1}.get(m.group(), 0)
        i = m.end()
    return i


_GROUP_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)


class Screen:
    """Expressions tried on the same texts: `can_match(text)` has the bits of those that can match there.

    For ASCII text only, where RE2 and `re` agree on what a word and its edge is. RE2 knows no look-around, so
    that is left out and the answer may hold too many, never too few. Expressions join while modules are loaded.
    """

    def __init__(self) -> None:
        self._patterns: list[str] = []
        self._set: re2.Set | None = None
        self.can_match = lru_cache(maxsize=4096)(self._can_match)

    def __len__(self) -> int:
        return len(self._patterns)

    def join(self, pattern: str) -> int:
        """Takes an expression in; gives its bit."""
        self._patterns.append(pattern)
        self._set = None
        self.can_match.cache_clear()
        return 1 << (len(self._patterns) - 1)

    def _can_match(self, text: str) -> int:
        if self._set is None:
            options = re2.Options()
            options.max_mem = 64 << 20  # a limit; below some 30 MB RE2 forgets its states again and again
            self._set = re2.Set.SearchSet(options)
            for pattern in self._patterns:
                self._set.Add(loosened(pattern))
            self._set.Compile()
        # one number, not a set: thousands are kept, and the garbage collector walks through all sets
        return sum(1 << number for number in self._set.Match(text) or ())


class Screened:
    """A pattern with `search` and `finditer` of `re`, quick on an English text that several patterns are tried on."""

    def __init__(self, source: str, screen: Screen):
        self.pattern = re.compile(source)
        self.screen = screen
        self.bit = screen.join(source)
        self._locate: Any = None

    def search(self, text: str) -> re.Match[str] | None:
        return next(self.finditer(text), None)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        if not text.isascii():
            yield from self.pattern.finditer(text)
        elif self.bit & self.screen.can_match(text):
            yield from self._places(text)

    def _places(self, text: str) -> Iterator[re.Match[str]]:
        """The matches in an ASCII text: RE2 says where the next can begin, and `re` reads it there."""
        if self._locate is None:
            self._locate = re2.compile(loosened(self.pattern.pattern))
        subject, at = text.encode(), 0
        while at <= len(text) and (near := self._locate.search(subject, at)):
            found = self.pattern.match(text, near.start())
            if found is not None:
                yield found
            at = found.end() if found is not None and found.end() > near.start() else near.start() + 1


_SCREENS = {"text": Screen(), "left": Screen(), "partner": Screen()}


class Bilingual:
    """Alternatives with Chinese characters run on text that has non-ASCII characters, the others on all text."""

    __slots__ = ("any", "bit", "screen", "zh")

    def __init__(self, pattern: str, before: str = "", after: str = "", screen: str = "text"):
        alternatives = [p for p in split_alternatives(pattern) if p]
        plain = [p for p in alternatives if not _HAN.search(p)]
        chinese = [p for p in alternatives if _HAN.search(p)]
        self.any = re.compile(f"{before}(?:{'|'.join(plain)}){after}") if plain else None
        self.zh = re.compile(f"{before}(?:{'|'.join(chinese)}){after}") if chinese else None
        self.screen = _SCREENS["left" if after else screen]
        self.bit = self.screen.join(self.any.pattern) if self.any is not None and not before else 0

    def search(self, text: str) -> re.Match[str] | None:
        """The first match of either language, Chinese first."""
        if text.isascii():
            if self.bit and not self.bit & self.screen.can_match(text):
                return None
        elif self.zh is not None:
            m = self.zh.search(text)
            if m is not None:
                return m
        return self.any.search(text) if self.any is not None else None

    def match(self, text: str) -> re.Match[str] | None:
        """A match at the beginning of the text."""
        if self.zh is not None and not text.isascii():
            m = self.zh.match(text)
            if m is not None:
                return m
        return self.any.match(text) if self.any is not None else None
