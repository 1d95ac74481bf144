"""One expression in two languages, searched only where it can match.

The tables of this room write an English and a Chinese wording side by side, as alternatives of one expression.
`Bilingual` takes it apart at the top-level bars, so that English text is never searched for Chinese wording:
that is most of the speed of the readers.
"""

from __future__ import annotations

import re

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


class Bilingual:
    """Alternatives with Chinese characters run on text that has non-ASCII characters, the others on all text."""

    __slots__ = ("any", "zh")

    def __init__(self, pattern: str, before: str = "", after: str = ""):
        alternatives = [p for p in split_alternatives(pattern) if p]
        plain = [p for p in alternatives if not _HAN.search(p)]
        chinese = [p for p in alternatives if _HAN.search(p)]
        self.any = re.compile(f"{before}(?:{'|'.join(plain)}){after}") if plain else None
        self.zh = re.compile(f"{before}(?:{'|'.join(chinese)}){after}") if chinese else None

    def search(self, text: str) -> re.Match[str] | None:
        """The first match of either language, Chinese first."""
        if self.zh is not None and not text.isascii():
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
