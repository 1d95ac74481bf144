"""Folding of text so that every reader sees the same letters at the same offsets.

Only one-to-one replacements are made (full-width forms, ASCII case, formal Chinese numerals), so a span found
in the folded text is a span of the original text.
"""

from __future__ import annotations

import re

_FOLD: dict[int, str] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_FOLD.update({ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
_FOLD.update({code: chr(code - 0xFEE0).lower() for code in range(0xFF21, 0xFF3B)})
_FOLD.update({0x3000: " ", 0x00A0: " ", 0x2009: " ", 0x202F: " ", 0x2019: "'", 0x2018: "'"})
_FOLD.update({0x2010: "-", 0x2011: "-", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0x301C: "~", 0xFF5E: "~"})
# Formal (bank) numerals and traditional forms, which people also type.
_FORMAL = "壹贰貳叁參肆伍陆陸柒捌玖拾佰仟萬億兩塊個點"
_PLAIN = "一二二三三四五六六七八九十百千万亿两块个点"
_FOLD.update({ord(a): b for a, b in zip(_FORMAL, _PLAIN, strict=True)})

_TWO_FIGURES = re.compile(r"(?<=(?<![0-9，,.])[0-9]{3})，(?=[0-9]{3}(?![0-9，,]))")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


def fold(text: str) -> str:
    """Lower-case ASCII, half-width forms, plain numerals; the length never changes.

    A Chinese comma between two figures of three digits divides clauses ("现在388，350可以吗"), not thousands.
    """
    if "，" in text:
        text = _TWO_FIGURES.sub(";", text)
    return text.translate(_FOLD)


def detect_language(text: str) -> str:
    """ "zh" when the text holds Chinese characters that outweigh its Latin words, else "en"."""
    han = len(_HAN.findall(text))
    if not han:
        return "en"
    return "zh" if han * 2 >= len(_LATIN_WORD.findall(text)) else "en"
