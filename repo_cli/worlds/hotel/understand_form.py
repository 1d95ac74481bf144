"""Whether a reply can be read at all: garbled text, the wrong language, a copy of an earlier turn."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

_WORD = re.compile(r"[a-z']+|\d+")
_CJK = re.compile(r"[\u4e00-\u9fff]")
_TWO_LETTERS = re.compile(r"[^\W_][\W_]*[^\W_]")
_MARKUP = re.compile(
    r"<\|?\w+\|?>|\{\w*\}|\[(?:hotel|name|price|date|room|insert)[^\]]*\]|【[^】]*】|\bxx+\b|^(?:assistant|user|system|助手)\s*[:：]"
    r"|(?:assistant|user|system)\s*[:：]\s*\w+.*(?:assistant|user)\s*[:：]"
)
_FUNCTION = frozenset(
    "the a an and or but if of to in on at for from with by as is are was were be been am do does did "
    "have has had i you we they he she it this that these those my your our their its me us them not no "
    "yes so then than there here would could can will may might should shall must please thank thanks "
    "what when who how which why just only after before about some any more one i'm i'll i'd we'll we'd "
    "you're it's that's don't won't can't".split()
)
_DETERMINERS = frozenset("the a an your our my their this these those".split())
_AFTER_DETERMINER_NEVER = frozenset(
    "the a an your our my their is are would could can will and or but if of to in at for from with by i "
    "you we it does do not".split()
)
_DANGLING = frozenset("the a an of to for with your our my and or but if is are at from would could".split())
_JUMBLED_PAIRS = frozenset(
    [
        ("of", "of"),
        ("to", "to"),
        ("for", "for"),
        ("would", "for"),
        ("would", "of"),
        ("would", "to"),
        ("could", "of"),
        ("and", "and"),
        ("for", "of"),
        ("of", "for"),
        ("to", "of"),
        ("is", "would"),
        ("is", "could"),
        ("at", "of"),
        ("for", "and"),
        ("to", "and"),
        ("of", "and"),
        ("with", "and"),
        ("i", "is"),
        ("you", "is"),
        ("we", "is"),
        ("at", "for"),
        ("at", "to"),
        ("from", "for"),
        ("and", "of"),
        ("would", "and"),
        ("could", "and"),
        ("can", "of"),
        ("i", "your"),
        ("i", "the"),
        ("you", "i"),
        ("for", "is"),
        ("of", "is"),
        ("to", "would"),
        ("of", "would"),
    ]
)


def off_language(text: str, language: str) -> bool:
    """Whether a reply of some length is not in the partner's language."""
    cjk = 0 if text.isascii() else len(_CJK.findall(text))
    if language == "en":
        return cjk >= 4 and cjk > len(_WORD.findall(text))
    return cjk < 4 and sum(len(word) > 1 and word.isalpha() for word in _WORD.findall(text)) >= 4


def is_garbled(text: str, language: str) -> bool:
    """Empty, cut off, stuttering, jumbled or full of markup."""
    stripped = text.strip()
    if not _TWO_LETTERS.search(stripped) or _MARKUP.search(stripped) or "\ufffd" in stripped:
        return True
    return _garbled_en(stripped) if language == "en" else _garbled_zh(stripped)


def _garbled_en(text: str) -> bool:
    words = _WORD.findall(text)
    if not words:
        return True
    if _stutters(words):
        return True
    if words[-1] in _DANGLING and not text.endswith((".", "!", "?", '"')) and len(words) > 3:
        return True
    if any(len(word) > 22 for word in words) or re.search(r"\b[bcdfghjklmnpqrstvwxz]{5,}\b", text):
        return True
    if len(words) >= 8:
        share = sum(word in _FUNCTION for word in words) / len(words)
        if share < 0.15 and not re.search(r"\d", text):
            return True
    jumbled = _jumble(words)
    return jumbled * 9 >= len(words) and jumbled >= 2


def _jumble(words: list[str]) -> int:
    """Pairs of neighbours that English does not allow."""
    count = 0
    for left, right in zip(words, words[1:], strict=False):
        if (left in _DETERMINERS and right in _AFTER_DETERMINER_NEVER) and not (
            left in ("this", "these", "those")
            and right in ("is", "are", "would", "could", "can", "will", "does")
        ):
            if left in ("this", "these", "those") and right in (
                "and",
                "or",
                "to",
                "at",
                "for",
                "with",
                "if",
                "in",
                "from",
            ):
                continue
            count += 1
        elif (left, right) in _JUMBLED_PAIRS:
            count += 1
    return count


def _garbled_zh(text: str) -> bool:
    chars = [char for char in text if _CJK.match(char) or char.isalnum()]
    if len(chars) < 2:
        return True
    if re.search(r"(.)\1{3,}", re.sub(r"\d", "", text)) or re.search(r"([\u4e00-\u9fff]{2,6})\1{2,}", text):
        return True
    runs = re.findall(r"[\u4e00-\u9fff]{6,}", text)
    bad = len(
        re.findall(
            r"的的|了了|吗[\u4e00-\u9fff]{2}吗|，，|。，|，。|们们|您您|(?:^|[，。])(?:的|吗|了|们)", text
        )
    )
    bad += len(re.findall(r"吗(?=[\u4e00-\u9fff])|的(?=[，。！？]您|吗)|呢(?=您|我)|吧(?=您)", text))
    return bad >= 2 or (len(chars) > 10 and not runs and not re.search(r"[，。？！,.?!]", text))


def _stutters(words: list[str]) -> bool:
    """A word three times in a row, or a phrase of two to five words said three times in a row."""
    if len(words) - len(set(words)) < 2:
        return False
    often = {word for word, count in Counter(words).items() if count >= 3}
    starts = [start for start, word in enumerate(words) if word in often]
    for size in (1, 2, 3, 4, 5):
        for start in starts:
            piece = words[start : start + size]
            if piece == words[start + size : start + 2 * size] == words[start + 2 * size : start + 3 * size]:
                return True
    return False


def same_text(text: str, earlier: list[str]) -> bool:
    """Whether the reply is, all but a word or two, one that was sent before; another number is another reply."""
    numbers, pieces = _gist(text)
    for old in earlier:
        old_numbers, other = _gist(old)
        if old_numbers != numbers:
            continue
        if pieces and len(pieces & other) / len(pieces | other) > 0.88:
            return True
    return False


@lru_cache(maxsize=4096)
def _gist(text: str) -> tuple[list[str], frozenset[str]]:
    """The numbers of a text in order, and its words or pairs of characters."""
    return re.findall(r"\d+", text), frozenset(_pieces(text))


def _pieces(text: str) -> list[str]:
    if _CJK.search(text):
        chars = [char for char in text if char.isalnum()]
        return ["".join(pair) for pair in zip(chars, chars[1:], strict=False)]
    return _WORD.findall(text)
