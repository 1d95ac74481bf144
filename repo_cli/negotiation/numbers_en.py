"""English numbers in digits and in words, with the short cuts of speech.

Read: 350, 1,200, 1.2k, "three hundred and eight", "twelve hundred", "two-fifty" (elided hundreds),
"three oh five", "three eight eight" (digit by digit), "three and a half hundred", "one point two k",
"half a grand", "3 fifty". One pass over the tokens; the work for a token is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {w: i + 1 for i, w in enumerate("one two three four five six seven eight nine".split())}
TEENS = {
    w: i + 10
    for i, w in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    )
}
TENS = {w: i * 10 for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
TENS["fourty"] = 40
ZEROS = ("zero", "oh", "nought", "naught", "o")
HUNDREDS = ("hundreds", "hundred", "hundos", "hundo", "hunnid")
THOUSANDS = ("thousands", "thousand", "grand", "thou", "k")
MAX_DIGITS = 7  # longer runs are phone or booking numbers, never a room rate


@dataclass(slots=True)
class Number:
    """A number found in the text.

    `value` is the usual reading, `others` further readings, `high` the upper end when the wording itself spans
    a range ("两三百"). `form` is "digits", "words" or "zh"; `plural` marks "three hundreds" and "300s";
    `scale` is the unit that closed it (100 for "four hundred"), which an earlier bare figure may share.
    """

    start: int
    end: int
    value: float
    form: str
    others: tuple[float, ...] = ()
    high: float | None = None
    plural: bool = False
    scale: int = 1
    vague: tuple[float, float] | None = None  # an approximate span built into the word: 百八十


def plain(value: float) -> float:
    """An int where the value is whole, else a float without binary noise."""
    value = round(float(value), 6)
    return int(value) if value == int(value) else value


_WORDS = "|".join(sorted([*UNITS, *TEENS, *TENS], key=len, reverse=True))
_TOKEN = re.compile(
    r"(?P<d>(?<![0-9])[0-9]{1,3}(?: [0-9]{3})+(?= ?(?:yuan|cny|rmb|usd|dollars?|元|块))|(?<![0-9])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]{1,2}(?![0-9]))?|[0-9]+(?:\.[0-9]+)?)"
    rf"|(?<![a-z])(?P<w>{_WORDS})(?!(?!ish\b)[a-z])"
    rf"|(?<![a-z])(?P<h>{'|'.join(HUNDREDS)})(?![a-z])"
    r"|(?<![a-z])(?P<k>thousands|thousand|grand|thou|k)(?![a-z])"
    r"|(?<![a-z])(?P<half>and a half|and a quarter|and three quarters)(?![a-z])"
    r"|(?<![a-z])(?P<halfa>half a(?= (?:hundred|hundo|thousand|grand)\b))"
    r"|(?<![a-z])(?P<a>a couple of|a couple|couple(?: of)?(?= (?:hundred|hundo|thousand|grand)\b)|an?(?= (?:hundred|hundo|thousand|grand|couple)\b))(?![a-z])"
    r"|(?<![a-z])(?P<p>point)(?![a-z])"
    r"|(?<![a-z])(?P<z>zero|oh|nought|naught|o)(?![a-z])"
)
# The `k` of "1.2k" has a digit, not a space, before it; the token above already allows that.
# A token starts where a run of figures or letters starts, and with one of few words ("fiftyish" too): all that
# _TOKEN may begin with must be named here (test_negotiation_speed.py compares the two).
_RUN = re.compile(r"[0-9]+|([a-z]+)")
_FIRST_WORDS = frozenset(
    (*UNITS, *TEENS, *TENS, *ZEROS, *HUNDREDS, *THOUSANDS, "and", "half", "a", "an", "couple", "point")
)
_FIRST = _FIRST_WORDS | {f"{word}ish" for word in _FIRST_WORDS}

_Tok = tuple[str, float, int, int]  # kind (d w h k half a p z), value, start, end


def _tokens(text: str) -> list[_Tok]:
    out: list[_Tok] = []
    done = 0
    for run in _RUN.finditer(text):
        if run.lastindex and run[0] not in _FIRST:  # letters: most runs
            continue
        if run.start() < done:
            continue
        m = _TOKEN.match(text, run.start())
        if m is None:
            continue
        done = m.end()
        kind = m.lastgroup or ""
        word = m.group()
        if kind == "d":
            digits = word.replace(",", "").replace(" ", "")
            if len(digits.split(".")[0]) > MAX_DIGITS or len(digits) > 12:
                value = -1.0
            else:
                value = float(digits)
        elif kind == "w":
            value = float(UNITS.get(word) or TEENS.get(word) or TENS.get(word) or 0)
        else:
            value = {"h": 100.0, "k": 1000.0, "half": 0.5, "halfa": 0.5, "a": 1.0}.get(kind, 0.0)
            if "couple" in word:
                value = 2.0
            elif kind == "half":
                value = {"and a half": 0.5, "and a quarter": 0.25}.get(word, 0.75)
        out.append((kind, value, m.start(), m.end()))
    return out


class _Reader:
    """Recursive descent over the tokens; every method returns (value, next index) or None."""

    def __init__(self, text: str, toks: list[_Tok]):
        self.text = text
        self.toks = toks

    def gap(self, i: int, allowed: tuple[str, ...]) -> bool:
        """Is token i joined to the one before it by one of these strings?"""
        if not 0 < i < len(self.toks):
            return False
        return self.text[self.toks[i - 1][3] : self.toks[i][2]] in allowed

    def kind(self, i: int) -> str:
        return self.toks[i][0] if i < len(self.toks) else ""

    def small(self, i: int, words_only: bool = False) -> tuple[float, int] | None:
        """A number below 100: "eighty-eight", "fifteen", "7", or 88 in digits."""
        if i >= len(self.toks):
            return None
        kind, value, _, _ = self.toks[i]
        if kind == "w":
            if value >= 20 and self.kind(i + 1) == "w" and self.gap(i + 1, (" ", "-")):
                unit = self.toks[i + 1][1]
                if unit < 10:
                    return value + unit, i + 2
            return value, i + 1
        if kind == "d" and not words_only and 0 < value < 100:
            return value, i + 1
        return None

    def after_scale(self, i: int) -> tuple[float, int] | None:
        """What may follow "hundred" or "thousand": [and] a smaller number."""
        if not self.gap(i, (" ", "-", " and ", "-and-", ", ")):
            return None
        joined_by_and = self.gap(i, (" and ", "-and-"))
        got = self.small(i)
        if got is None or (self.gap(i, (", ",)) and self.kind(i) == "d"):
            return None
        # "two hundred 18" and "four hundred and 12 rooms" are two numbers more often than one
        if self.kind(i) == "d" and not joined_by_and and got[0] < 10:
            return None
        return got

    def below_thousand(self, i: int) -> tuple[float, int, int] | None:
        """(value, next, scale): "three hundred [and] fifty", "twelve hundred", "two fifty", "ninety"."""
        base = self.small(i)
        if base is None:
            return None
        value, j = base
        if self.kind(j) == "half" and self.gap(j, (" ", "-")) and self.kind(j + 1) == "h":
            return (value + self.toks[j][1]) * 100, j + 2, 100
        if self.kind(j) == "h" and self.gap(j, (" ", "-")):
            value, j = value * 100, j + 1
            rest = self.after_scale(j)
            if rest is not None and rest[0] < 100:
                return value + rest[0], rest[1], 1
            return value, j, 100
        return self.elided(value, i, j)

    def elided(self, value: float, i: int, j: int) -> tuple[float, int, int]:
        """ "two-fifty", "three oh five": hundreds that are not said; also "twelve fifty" = 1250."""
        if value != int(value) or value < 1:
            return value, j, 1
        if self.kind(j) == "z" and self.gap(j, (" ", "-")):
            if self.kind(j + 1) == "w" and self.gap(j + 1, (" ", "-")) and self.toks[j + 1][1] < 10:
                return value * 100 + self.toks[j + 1][1], j + 2, 1
            if self.kind(j + 1) == "z" and self.gap(j + 1, (" ", "-")):
                return value * 100, j + 2, 1
            return value, j, 1
        if not self.gap(j, (" ", "-")):
            return value, j, 1
        rest = self.small(j, words_only=True)
        if rest is None or rest[0] < 10:
            return value, j, 1
        # "thirty to forty" never comes here; "twenty thirty" (two tens) is a list, not 2030
        if value >= 20 and value % 10 == 0 and rest[0] % 10 == 0 and self.kind(i) == "w":
            return value, j, 1
        return value * 100 + rest[0], rest[1], 1

    def digit_string(self, i: int) -> tuple[list[int], int]:
        """ "three eight eight", "three six oh": single figures read one by one."""
        figures: list[int] = []
        j = i
        while j < len(self.toks) and len(figures) < 6:
            kind, value, _, _ = self.toks[j]
            if j > i and not self.gap(j, (" ", "-")):
                break
            if kind == "w" and value < 10:
                figures.append(int(value))
            elif kind == "z" and j > i:
                figures.append(0)
            else:
                break
            j += 1
        return figures, j

    def decimals(self, i: int) -> tuple[float, int] | None:
        """ "point two", "point twenty-five" after a number."""
        if self.kind(i) != "p" or not self.gap(i, (" ",)) or not self.gap(i + 1, (" ",)):
            return None
        figures, j = self.digit_string(i + 1)
        if figures:
            return float("0." + "".join(map(str, figures))), j
        got = self.small(i + 1)
        if got is None or got[0] != int(got[0]):
            return None
        return got[0] / 100, got[1]


def _scaled(r: _Reader, i: int, j: int, value: float) -> tuple[float, int, int] | None:
    """Value before a thousand ("1.2k", "two grand three fifty") or a hundred ("3.5 hundred")."""
    kind = r.kind(j)
    digits = r.kind(j - 1) == "d"
    if kind == "h" and r.gap(j, (" ", "-", "")):
        return value * 100, j + 1, 100
    if kind == "k" and (r.gap(j, (" ", "-")) or (digits and r.gap(j, ("",)))):
        total = value * 1000
        rest = None
        if r.gap(j + 1, (" ", "-", " and ", ", ")) and r.kind(j + 1) in ("w", "d"):
            rest = r.below_thousand(j + 1)
            if rest is not None and (rest[0] >= 1000 or r.kind(j + 1) == "d" and rest[0] < 10):
                rest = None
        if rest is not None:
            return total + rest[0], rest[1], 1
        if r.kind(j + 1) == "d" and r.gap(j + 1, (" ", " and ")) and 100 <= r.toks[j + 1][1] < 1000:
            return total + r.toks[j + 1][1], j + 2, 1
        return total, j + 1, 1000
    return None


def _one(r: _Reader, i: int) -> tuple[Number, int] | None:
    kind, value, start, _ = r.toks[i]
    form = "digits" if kind == "d" else "words"

    def made(v: float, j: int, scale: int = 1, others: tuple[float, ...] = ()) -> tuple[Number, int]:
        end = r.toks[j - 1][3]
        plural = r.text[start:end].endswith("hundreds")
        return Number(start, end, plain(v), form, others, plural=plural, scale=scale), j

    if kind in ("a", "halfa"):
        if not (i + 1 < len(r.toks) and r.gap(i + 1, (" ",)) and r.kind(i + 1) in ("h", "k")):
            return None
        unit = r.toks[i + 1][1]
        if unit == 1000:
            got = _scaled(r, i, i + 1, value)
            return made(*got) if got else None
        rest = r.after_scale(i + 2) if value >= 1 else None
        if rest is not None:
            return made(value * unit + rest[0], rest[1])
        return made(value * unit, i + 2, int(unit))
    if kind == "h":  # "hundred fifty" without its one
        rest = r.after_scale(i + 1)
        return made(100 + rest[0], rest[1]) if rest is not None else made(100, i + 1, 100)
    if kind == "z":
        return made(0, i + 1)
    if kind not in ("w", "d"):
        return None
    if value < 0:
        return None
    if kind == "w" and value < 10:
        figures, j = r.digit_string(i)
        if len(figures) >= 3:
            return made(float("".join(map(str, figures))), j)
        if len(figures) == 2 and figures[1] and r.kind(j) not in ("h", "k", "half", "p", "w"):
            pair = figures[0] * 10 + figures[1]
            return made(pair, j, others=(pair * 10,))
    below = r.below_thousand(i)
    v, j, scale = below if below is not None else (value, i + 1, 1)
    if (dec := r.decimals(j)) is not None and v < 1000:
        v, j = v + dec[0], dec[1]
    if r.kind(j) == "half" and r.gap(j, (" ", "-")):
        part = r.toks[j][1]
        bigger = _scaled(r, i, j + 1, v + part)
        return made(*bigger) if bigger else made(v + part, j + 1)
    bigger = _scaled(r, i, j, v) if v < 1000 else None
    return made(*bigger) if bigger else made(v, j, scale)


def scan_en(text: str) -> list[Number]:
    """All numbers of folded English text, left to right, not overlapping."""
    toks = _tokens(text)
    r = _Reader(text, toks)
    out: list[Number] = []
    i = 0
    while i < len(toks):
        got = _one(r, i)
        if got is None:
            i += 1
            continue
        number, j = got
        if number.form == "digits" and text[number.end : number.end + 2] in (
            "s",
            "s ",
            "s,",
            "s.",
            "s?",
            "s!",
            "'s",
        ):
            number.plural = number.value >= 100 and number.value % 100 == 0
        out.append(number)
        i = max(j, i + 1)
    return out
