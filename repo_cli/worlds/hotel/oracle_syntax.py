"""How far a text keeps the order in which people put their words: a bigram model of word classes.

Function words fall into classes (determiner, modal, preposition, ...), other words into classes by their ending; in
Chinese, function characters stand for themselves. The score is the mean pointwise mutual information of neighbours,
in bits: people's sentences stand around +0.6, shuffled ones around -0.8. The tables (oracle_syntax_tables.py) are
counts over public human dialogues, made by scripts/count_word_classes.py; no sentence of them is kept.
"""

from __future__ import annotations

import re
from functools import lru_cache

from repo_cli.worlds.hotel.oracle_syntax_tables import TABLES

_CLASSES = {
    "D": "the a an every each another", "P": "my your our their its his her", "Q": "this that these those",
    "S": "i we they he she", "Y": "you it", "O": "me us them him", "B": "is are was were am isn't aren't wasn't",
    "b": "be been being", "T": "to", "F": "of", "C": "and or but", "N": "not no never", "W": "what who which how why where",
    "M": "will would can could shall should may might must won't can't cannot wouldn't couldn't shouldn't i'll we'll you'll i'd we'd you'd",
    "A": "do does did don't doesn't didn't have has had haven't",
    "K": "i'm we're you're they're it's that's there's i've we've you've",
    "R": "at from with into by on in for about per over under after before until since without between against during through around",
    "I": "if because so when while than as though whether", "U": "yes hello hi thanks thank please ok okay sorry",
    "J": "there here now then also only just even still already too very more most less quite rather again well really",
    "Z": "one two three all both some any other few many much such same",
}  # fmt: skip
_TAG = {word: tag for tag, words in _CLASSES.items() for word in words.split()}
_ZH = "的了是我您你在可以这那有吗吧呢不也都就和跟把给让到从被还要会能想看说对为上下中与及个一两很没再只请如果们好谢"
_TOKEN = {
    "en": re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,:/-]\d+)*|[,;:]"),
    "zh": re.compile(r"[\u4e00-\u9fff]|\d+(?:\.\d+)?|[A-Za-z]+|[，,、：:；]"),
}
_SENTENCE = re.compile(r"[^.?!。？！\n]+")

#: Symbols by language, in the order of the tables' rows and columns; ^ and $ are the ends of a sentence.
SYMBOLS = {"en": "^$#,xdglsDPQSYOBbTFCNWMAKRIUJZ", "zh": "^$#,aX" + _ZH}

#: A table holds round(2 * bits) + OFFSET as one character from SPACE on.
OFFSET, SPACE = 30, 35


def symbols(sentence: str, language: str) -> str:
    """The sentence as a string of class symbols with its ends."""
    out = ["^"]
    for token in _TOKEN[language].findall(sentence):
        if token[0].isdigit():
            out.append("#")
        elif token in ",;:，、：；":
            out.append(",")
        elif language == "zh":
            out.append(token if token in _ZH else ("a" if token.isascii() else "X"))
        else:
            out.append(_TAG.get(token) or _ending(token))
    return "".join(out) + "$"


def _ending(word: str) -> str:
    if word.endswith("ing") and len(word) > 4:
        return "g"
    if word.endswith("ed") and len(word) > 3:
        return "d"
    if word.endswith("ly"):
        return "l"
    return "s" if word.endswith("s") and len(word) > 3 and not word.endswith("ss") else "x"


@lru_cache(maxsize=2)
def _bits(language: str) -> dict[str, float]:
    names, table = SYMBOLS[language], "".join(TABLES[language])
    return {
        a + b: (ord(table[i * len(names) + j]) - SPACE - OFFSET) / 2
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    }


def order_score(text: str, language: str) -> tuple[float, int, float]:
    """(mean bits, number of neighbours, lowest sum of three neighbours) over the sentences of `text` (lower-cased
    for English) with three words or more. The lowest sum shows where two halves of sentences were glued together."""
    bits, total, count, worst = _bits(language), 0.0, 0, 0.0
    for sentence in _SENTENCE.findall(text):
        tags = symbols(sentence, language)
        if len(tags) >= 5:
            values = [bits[tags[i : i + 2]] for i in range(len(tags) - 1)]
            total += sum(values)
            count += len(values)
            worst = min(worst, min(map(sum, zip(values, values[1:], values[2:], strict=False))))
    return (total / count if count else 0.0), count, worst
