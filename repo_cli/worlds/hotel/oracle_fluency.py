"""Is the text language at all? Reads garbling, salad, cut-offs and length, without a word list of the world.

`garble` is 0 for sound text, below 1 for a slip, 1 and more for text that no partner should be sent. The signs are
general: doubled words and clauses, function words in an impossible order, too few function words for the length,
tokens that are no words, sentences that stop in the middle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from repo_cli.worlds.hotel.oracle_syntax import order_score

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,:/-]\d+)*", re.I)
_CJK = re.compile(r"[\u4e00-\u9fff]")
_SENTENCE = re.compile(r"[^.?!。？！\n]+[.?!。？！]*")

_DET = "the a an my your our their its every".split()
_BE = "is are was were am be".split()
_MODAL = "will would can could shall should may might must".split()
_PREP = "of for at from with into by as than".split()
_CONJ = "and or but because if".split()
_FUNCTION = frozenset(
    """the a an my your our their his her its this that these those i you we they he she it me us them who what which when how why
    where there here is are was were am be been being do does did have has had will would can could shall should may might must not no
    yes of in on at to for from with by as into over under about after before between against without within than then so and or but
    if because while since until just only also very too more most less some any all both each every one two other such own same up out
    down off again once still already well please let if i'm i'll we'll you'd that's it's don't cannot can't won't isn't you're we're
    i'd i've there's nothing something anything whether though per next rather""".split()
)


def _impossible_pairs() -> frozenset[tuple[str, str]]:
    """Neighbours that English grammar does not allow, or so rarely that they are a slip."""
    pairs: set[tuple[str, str]] = set()
    for det in _DET:
        pairs |= {
            (det, word)
            for word in _DET
            + _BE
            + _MODAL
            + ["of", "from", "with", "and", "or", "but", "if", "because", "i", "we", "they", "us", "me"]
        }
        pairs |= {(det, "to"), (det, "at"), (det, "for"), (det, "by")}
    for word in _BE[:5]:
        pairs |= {(word, other) for other in _BE[:5] + _MODAL}
    for word in _MODAL:
        pairs |= {
            (word, other) for other in _MODAL + ["is", "are", "was", "were", "am", "of", "and", "for", "from"]
        }
    for word in _PREP:
        pairs |= {
            (word, other)
            for other in _MODAL + ["is", "are", "was", "were", "am", "and", "or", "but", "i", "we", "they"]
        }
        pairs |= {(word, other) for other in ("of", "from", "into")}
    pairs -= {
        (prep, verb)
        for prep in ("at", "for", "with", "from", "into")
        for verb in ("is", "are", "was", "were")
    }
    for word in ("as", "than"):
        pairs -= {
            (word, other)
            for other in ("i", "we", "they", "is", "are", "was", "were", "of", "from", "and", "into")
        }
    for word in _CONJ:
        pairs |= {(word, "of")} | {(word, other) for other in _CONJ}
    pairs -= {
        ("and", "if"),
        ("or", "if"),
        ("but", "if"),
        ("and", "because"),
        ("but", "because"),
        ("because", "if"),
        ("if", "and"),
    }
    pairs -= {
        ("a", "to"),
        ("or", "or"),
        ("a", "by"),
        ("a", "for"),
        ("a", "at"),
        ("by", "and"),
        ("from", "of"),
        ("may", "may"),
    }
    pairs |= {("to", "is"), ("to", "are"), ("to", "would"), ("to", "will"), ("to", "of"), ("i", "is"), ("i", "are"), ("we", "is"), ("we", "am"), ("you", "is"),
              ("you", "am"), ("we", "we"), ("i", "i"), ("is", "am"), ("it", "are"), ("i", "you"), ("i", "we"), ("we", "i"), ("would", "is"), ("not", "of"), ("they", "is")}  # fmt: skip
    return frozenset(pairs)


_BAD_PAIR = _impossible_pairs()
_FINE_DOUBLE = frozenset("had that very really so no ha well bye more her long again".split())
_UNIT = frozenset("cny yuan rmb per night nights".split())
_DANGLING = frozenset(
    [
        *_DET,
        *(w for w in _PREP if w not in ("for", "with", "from", "at", "of")),
        "and",
        "or",
        "but",
        "because",
        "if",
        "would",
        "could",
        "the",
    ]
)
_ODD_LETTERS = re.compile(
    r"([a-z])\1\1|[bcdfghjklmnpqrstvwxz]{6}|q[^u\s]|\b[bcdfghjklmnpqrstvwxz]{4,}\b|jj|vv|ww|kk|hh|[a-z]\d[a-z]|[a-z][A-Z][a-z]"
)
_ODD_PUNCTUATION = re.compile(
    r",\s*,|\.\s+\.|\?\s*\.(?!\.)|,\s*[.?!]|\s[,;](?=\s)|\ufffd|[!?]{3,}|：{2}|，，|。，|，。|。。|？。|、、|[^\x00-\x7f\u4e00-\u9fff\u3000-\u303f\uff00-\uffef\u2010-\u2027\u00a0-\u024f\u20ac\U0001F300-\U0001FAFF\u2600-\u27BF]"
)

_ZH_FUNCTION = frozenset(
    "的了是我您你们在可以这那有吗吧呢不也都就和跟把给让到从被还要会能想看说对为以上下中与及个一两很已经没再只请如果什么谁哪几时候多少来去做它他她们着过地得所以但而或因为才先于其"
)
_ZH_DOUBLE_OK = frozenset("谢看试聊想问等说谈走慢常刚天人件个家多少好哈嗯对星比算听稍刚往仅渐恰商纷")
_ZH_WORD_BREAK = re.compile(
    r"吗[^？?。！!，,、\s”\"]|(?:的了|了的|吗的|吧的|您的的|我的的|在的|可以吗吗|的吗的|们的您)|(?:^|[。！？])(?:的|了|吗|呢|吧)"
)


@dataclass(frozen=True)
class Fluency:
    """`length` in words (en) or characters (zh); `garble` as in the module's docstring."""

    length: int
    sentences: tuple[str, ...]
    questions: int
    garble: float
    cut_off: bool
    exclamations: int
    language: str
    tokens: tuple[str, ...]


@lru_cache(maxsize=65536)
def read_fluency(text: str) -> Fluency:
    """The fluency reading of one reply; the language is the script that most of it is written in."""
    stripped = text.strip()
    cjk = len(_CJK.findall(stripped))
    words = WORD.findall(stripped.lower().replace("\u2019", "'"))
    language = "zh" if cjk > len(words) else "en"
    sentences = tuple(s.strip() for s in _SENTENCE.findall(stripped) if s.strip())
    questions = stripped.count("?") + stripped.count("？")
    exclamations = stripped.count("!") + stripped.count("！")
    cut = bool(stripped) and stripped[-1] not in ".?!。？！\"”')）…~～"
    if language == "zh":
        tokens = tuple(_CJK.findall(stripped))
        garble = _garble_zh(stripped, tokens)
        length = cjk + len([w for w in words if w.isalpha()]) + sum(1 for w in words if not w.isalpha())
    else:
        tokens = tuple(words)
        garble = _garble_en(stripped, words, sentences)
        length = len(words)
    if not stripped:
        garble = 3.0
    return Fluency(length, sentences, questions, round(garble, 3), cut, exclamations, language, tokens)


def _garble_en(text: str, words: list[str], sentences: tuple[str, ...]) -> float:
    score = 0.0
    alpha = [w for w in words if w[0].isalpha()]
    doubles = sum(
        a == b and a not in _FINE_DOUBLE and a[0].isalpha() for a, b in zip(words, words[1:], strict=False)
    )
    score += 0.7 * doubles
    score += 0.5 * sum(pair in _BAD_PAIR for pair in _pairs_within(sentences))
    score += 0.45 * len(_ODD_LETTERS.findall(text)) + 0.35 * len(_ODD_PUNCTUATION.findall(text))
    score += 1.0 * _stutters(words) + 1.0 * (len(sentences) - len(set(sentences)))
    score += 0.6 * _repeated_ngrams(words, 4) + 0.25 * _repeated_ngrams(words, 3)
    order, pairs, worst = order_score(text.lower().replace("\u2019", "'"), "en")
    score += 0.9 if worst < -11 else (0.5 if worst < -8.5 else 0.0)
    if pairs >= 9 and order < -0.25:
        score += 0.5 if order > -0.4 else (1.0 if order > -0.6 else 1.6)
    prose = [w for w in alpha if w not in _UNIT]
    if len(prose) >= 8 and sum(w in _FUNCTION for w in prose) / len(prose) < 0.17:
        score += 1.2
    for sentence in sentences:
        tokens = WORD.findall(sentence.lower())
        if (
            tokens
            and tokens[-1] in _DANGLING
            and not (
                tokens[-1] in ("would", "could", "would")
                and len(tokens) > 2
                and tokens[-2] in ("i", "we", "you", "it")
            )
        ):
            score += 0.7
    if len(alpha) >= 12 and not re.search(r"[.?!,;:]", text[:-1]) and len(words) > 45:
        score += 0.5
    return score


def _pairs_within(sentences: tuple[str, ...]) -> list[tuple[str, str]]:
    """Neighbouring words that no comma or other mark parts."""
    pairs: list[tuple[str, str]] = []
    for sentence in sentences:
        for clause in re.split(r"[,;:()\"\u2014\u2013]|\s-\s", sentence.lower()):
            words = WORD.findall(clause)
            pairs.extend(zip(words, words[1:], strict=False))
    return pairs


def _repeated_ngrams(words: list[str] | tuple[str, ...], size: int) -> int:
    grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    # a price with its unit may well stand twice in a reply
    grams = [gram for gram in grams if not any(w[0].isdigit() or w in _UNIT for w in gram)]
    return len(grams) - len(set(grams))


def _stutters(words: list[str]) -> int:
    """How often a run of two to five words follows itself at once, as in "how do you see you see it"."""
    found = 0
    for size in range(2, 6):
        for i in range(len(words) - 2 * size + 1):
            run = words[i : i + size]
            if run == words[i + size : i + 2 * size] and len(set(run)) > 1:
                found += 1
    return found


def _garble_zh(text: str, characters: tuple[str, ...]) -> float:
    score = 0.0
    doubles = [a for a, b in zip(text, text[1:], strict=False) if a == b and _CJK.match(a)]
    score += 0.5 * sum(a not in _ZH_DOUBLE_OK for a in doubles)
    score += 0.5 * len(re.findall(r"([\u4e00-\u9fff])\1\1", text))
    score += 1.0 * len(
        re.findall(r"([\u4e00-\u9fff]{2,6})[，、]?\1", re.sub(r"([\u4e00-\u9fff])\1", r"\1", text))
    )
    score += 0.5 * len(_ZH_WORD_BREAK.findall(text)) + 0.35 * len(_ODD_PUNCTUATION.findall(text))
    clauses = [c for c in re.split(r"[，。？！；,?!;\s]", text) if len(c) >= 4]
    sentences = [c for c in re.split(r"[。？！?!]", text) if len(c) >= 3]
    score += 0.6 * (len(clauses) - len(set(clauses))) + 0.8 * (len(sentences) - len(set(sentences)))
    order, pairs, _ = order_score(text, "zh")
    if pairs >= 10 and order < -0.95:
        score += 0.5 if order > -1.15 else (1.0 if order > -1.5 else 1.6)
    if len(characters) >= 18:
        share = sum(c in _ZH_FUNCTION for c in characters) / len(characters)
        if share < 0.12:
            score += 1.2 if share < 0.07 else 0.5
        if not re.search(r"[，。？！,?!；：]", text[:-1]) and len(characters) > 26:
            score += 0.7
    latin = [w for w in re.findall(r"[A-Za-z]{3,}", text)]
    score += 0.4 * len(latin)
    return score
