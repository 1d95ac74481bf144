"""Chinese numbers: standard, colloquial, spelled figure by figure, and mixed with digits.

Read: 三百五十, 三百五 (the last digit takes the next lower unit), 三百零八 (零 cancels that), 八百五, 一千二, 一万二,
千二, 3百8, 1.2万, 二八八 and 幺八八 (figure by figure), 三百八八, 俩百, 仨百, and spans that the wording itself makes:
两三百, 三百五六, 百八十, 百来块.
"""

from __future__ import annotations

import re

from .numbers_en import MAX_DIGITS, Number, plain

DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")}
DIGIT.update({"〇": 0, "○": 0, "两": 2, "俩": 2, "仨": 3, "幺": 1})
UNIT = {"十": 10, "百": 100, "千": 1000, "万": 10000}

_RUN = re.compile(
    r"(?!百分)[零〇○一二两三四五六七八九十百千万幺俩仨]"
    r"(?:[零〇○一二两三四五六七八九十百千万幺俩仨]|(?<=[百千万])[0-9]+|点(?=[零一二两三四五六七八九]+[百千万折成]))*"
    r"|[0-9]+(?:\.[0-9]+)?[百千万](?:[零〇一二两三四五六七八九十百千万]|[0-9]+)*"
)
_VAGUE = re.compile(
    r"百八十(?=[块元来多]|$|[^零一二两三四五六七八九百千万])|千儿?八百|百十(?=来?[块元])|[百千万](?=[把来]块)"
)
_ARABIC = re.compile(r"[0-9]+(?:\.[0-9]+)?")

# (consumed characters, value, other readings, upper end or None)
_Parsed = tuple[int, float, tuple[float, ...], float | None]


def _figures(run: str) -> int:
    """How many characters from the start are bare figures (no unit)."""
    n = 0
    while n < len(run) and run[n] in DIGIT:
        n += 1
    return n


def _tail(run: str, i: int, unit: int, total: float) -> _Parsed | None:
    """Figures after the last unit: 三百五, 三百五六, 三百八八, 一千二五; None when there are none."""
    n = _figures(run[i : i + 3])
    if n == 0:
        return None
    a = DIGIT[run[i]]
    if unit == 10:
        if n >= 2 and DIGIT[run[i + 1]] == a + 1:
            return i + 2, total + a, (), total + a + 1
        return i + 1, total + a, (), None
    step = unit // 10
    if n == 1:
        return i + 1, total + a * step, (), None
    b = DIGIT[run[i + 1]]
    if b == a + 1:  # 三百五六: three hundred fifty or sixty
        closing = 1 if run[i + 2 : i + 3] == "十" and unit == 100 else 0
        return i + 2 + closing, total + a * step, (), total + b * step
    if n == 2 and step >= 10:  # 三百八八
        return i + 2, total + a * step + b * (step // 10), (), None
    return i + 1, total + a * step, (), None


def _leading_span(run: str) -> _Parsed | None:
    """两三百, 三五百, 四五十: two figures before one unit."""
    if len(run) < 3 or run[0] not in DIGIT or run[1] not in DIGIT or run[2] not in UNIT:
        return None
    a, b = DIGIT[run[0]], DIGIT[run[1]]
    if not (a and (b == a + 1 or (a, b) == (3, 5))):
        return None
    unit, i = UNIT[run[2]], 3
    if run[3:4] == "万":
        unit, i = unit * 10000, 4
    return i, a * unit, (), b * unit


def _parse(run: str) -> _Parsed | None:
    """One number at the start of the run."""
    n = _figures(run)
    if n == len(run) or (n and run[n] not in UNIT):
        return _bare_figures(run, n)
    if n >= 2:
        span = _leading_span(run)
        if span is not None:
            return span
        if n >= 2 and run[0] not in "零〇○":
            # 五三百五 (after 周 was masked this cannot be one number): keep the first figure apart
            return 1, DIGIT[run[0]], (), None
    return _with_units(run)


def _bare_figures(run: str, n: int) -> _Parsed | None:
    if run[n : n + 1] == "点":
        m = n + 1
        figures = _figures(run[m:])
        whole = int("".join(str(DIGIT[c]) for c in run[:n])) if n <= MAX_DIGITS else 0
        frac = "".join(str(DIGIT[c]) for c in run[m : m + min(figures, 6)])
        value = float(f"{whole}.{frac or 0}")
        unit = UNIT.get(run[m + figures : m + figures + 1], 1)
        return m + figures + (unit > 1), plain(value * unit), (), None
    if n > MAX_DIGITS:
        return n, -1, (), None
    value = int("".join(str(DIGIT[c]) for c in run[:n]))
    others: tuple[float, ...] = ()
    if n == 2 and run[0] not in "零〇○" and value % 10:
        others = (value * 10,)  # 三六 said for 三百六
    return n, value, others, None


def _with_units(run: str) -> _Parsed | None:
    """十五, 三百零八, 一千二, 3百8, 一万二千: digits with falling units."""
    total = 0.0
    section = 0.0  # below 万
    last = 10**9
    zero = False
    i = 0
    while i < len(run):
        c = run[i]
        if c in "零〇○":
            if last == 10**9 or run[i + 1 : i + 2] == "" or last <= 10:
                break
            zero = True
            i += 1
            continue
        m = _ARABIC.match(run, i)
        if m and len(m.group()) > MAX_DIGITS:
            return i + len(m.group()), -1, (), None
        figure = (
            float(m.group()) if m else float(DIGIT.get(c, 1 if c in UNIT and (i == 0 or c == "十") else -1))
        )
        width = len(m.group()) if m else (1 if c in DIGIT else 0)
        if figure < 0:
            break
        unit = UNIT.get(run[i + width : i + width + 1], 0)
        if unit == 10000 and last > 10000:
            total, section, last, zero = figure * unit, 0.0, 10000, False
            i += width + 1
            continue
        if unit and unit < last:
            section += figure * unit
            last, zero = unit, False
            i += width + 1
            if run[i : i + 1] == "万" and total == 0:
                total, section, last = section * 10000, 0.0, 10000
                i += 1
            continue
        if unit:  # not falling: the next number begins here
            break
        if m:  # 3百8, 3百80
            step = last // 10 if figure < 10 and not zero and last >= 100 and last < 10**9 else 1
            return i + width, plain(total + section + figure * step), (), None
        if zero:
            return i + 1, plain(total + section + figure), (), None
        if last == 10**9:
            return i + 1, plain(figure), (), None
        tail = _tail(run, i, last, total + section)
        return tail if tail else (i, plain(total + section), (), None)
    return (i, plain(total + section), (), None) if i else None


def _vague(m: re.Match[str]) -> Number:
    word = m.group()
    low, high = {"百八十": (80, 180), "千八百": (800, 1800), "千儿八百": (800, 1000), "百十": (100, 120)}.get(
        word, (0, 0)
    )
    if not high:
        base = UNIT[word[0]]
        low, high = round(base * 0.9), round(base * 1.2)
    return Number(m.start(), m.end(), (low + high) / 2, "zh", vague=(low, high))


def scan_zh(text: str) -> list[Number]:
    """All numbers of folded text that are written with Chinese numerals (or digits with 百 千 万)."""
    out: list[Number] = []
    for m in () if text.isascii() else _RUN.finditer(text):
        run, base = m.group(), m.start()
        i = 0
        while i < len(run):
            vague = _VAGUE.match(text, base + i)
            if vague and (i == 0) and not _follows_digit(text, base):
                out.append(_vague(vague))
                i += len(vague.group())
                continue
            got = _parse(run[i : i + 24])
            if got is None or got[0] <= 0:
                i += 1
                continue
            used, value, others, high = got
            tail = run[i + used - 1]
            out.append(
                Number(
                    base + i,
                    base + i + used,
                    plain(value),
                    "zh",
                    others,
                    None if high is None else plain(high),
                    scale=UNIT.get(tail, 1),
                )
            )
            i += used
    return out


def _follows_digit(text: str, i: int) -> bool:
    return i > 0 and text[i - 1] in "0123456789"
