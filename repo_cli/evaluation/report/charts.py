"""Line charts as inline SVG: axes with ticks and units, every line labelled where it ends, colours from the page.

A chart is drawn 360 units wide, about a phone's width, so that its text keeps its size there. Numbers are formatted
here; labels come from runs and configurations and are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 210
_LEFT, _TOP, _BOTTOM = 44, 12, 34
_POINTS = 400  # drawn of one line
_CHAR = 7.0  # width of a character at the charts' font size
_LONGEST = 15  # characters of a label


@dataclass(frozen=True)
class Line:
    """One line: (step, value) in order; `tone` is a colour class s0..s7. smooth: the values faint, their moving average
    strong; else the values themselves, with dots where they are few."""

    label: str
    points: Sequence[tuple[float, float]]
    tone: str = "s1"
    smooth: bool = False


@dataclass
class _Frame:
    """From data to places in the picture."""

    x0: float
    x1: float
    y0: float
    y1: float
    right: float
    height: float = HEIGHT
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        return _LEFT + (self.right - _LEFT) * ((value - self.x0) / ((self.x1 - self.x0) or 1.0))

    def y(self, value: float) -> float:
        share = (value - self.y0) / ((self.y1 - self.y0) or 1.0)
        return _TOP + (self.height - _TOP - _BOTTOM) * (1 - share)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten apart) between low and high."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # the numbers themselves are hardly finer
        return [low]
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def smooth(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average with bias correction, for showing a trend through noise."""
    out, total, norm = [], 0.0, 0.0
    for value in values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(total / norm)
    return out


def number(value: float) -> str:
    """A value for reading: three significant figures, a real minus sign."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e5:
        text = f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    else:
        digits = 0 if abs(value) >= 100 else (1 if abs(value) >= 10 else (2 if abs(value) >= 0.1 else 3))
        text = f"{value:.{digits}f}"
    return text.replace("-", "−")


def line_chart(
    lines: Sequence[Line],
    *,
    about: str = "",
    x_label: str = "step",
    limits: tuple[float, float] | None = None,
) -> Markup:
    """Lines over steps; "" without a finite point. `limits` fixes the value axis, `about` is read out by a reader."""
    clean = [(line, points) for line in lines if (points := _finite(line.points))]
    if not clean:
        return Markup("")
    drawn = [_moving(points) if _is_smooth(line, points) else points for line, points in clean]
    xs = [x for _, points in clean for x, _ in points]
    ys = [y for _, points in clean for _, y in points]
    low, high = limits or _padded(min(ys), max(ys))
    ends = [
        (_short(line.label) + " " if len(clean) > 1 else "") + number(shown[-1][1])
        for (line, _), shown in zip(clean, drawn, strict=True)
    ]
    frame = _Frame(min(xs), max(xs), low, high, WIDTH - max(map(len, ends)) * _CHAR - 10)
    _axes(frame, x_label)
    if low < 0 < high:
        y = _f(frame.y(0.0))
        frame.parts.append(f'<line class="zero" x1="{_LEFT}" y1="{y}" x2="{_f(frame.right)}" y2="{y}"/>')
    tips = []
    for (line, points), shown, end in zip(clean, drawn, ends, strict=True):
        tone = _tone(line.tone)
        if shown is not points:
            frame.parts.append(_poly(frame, _thin(points), f"raw {tone}"))
        frame.parts.append(_poly(frame, _thin(shown), f"trend {tone}"))
        frame.parts += [
            f'<circle class="dot {tone}" cx="{_f(frame.x(x))}" cy="{_f(frame.y(y))}" r="3"/>'
            for x, y in (shown if len(shown) <= 25 and shown is points else shown[-1:])
        ]
        tips.append([frame.y(shown[-1][1]), end, tone])
    for y, text, tone in _apart(tips):
        place = f'x="{_f(frame.right + 7)}" y="{_f(y + 4)}"'
        frame.parts.append(f'<text class="{tone}" {place}>{escape(text)}</text>')
    return _svg(frame, about)


def path_chart(
    points: Sequence[tuple[float, float, float]],
    x_label: str,
    y_label: str,
    tone: str = "s1",
    about: str = "",
) -> Markup:
    """One value against another over training: (step, x, y) joined in order, the first and the last step named."""
    clean = [p for p in points if all(math.isfinite(v) for v in p)]
    if len(clean) < 2:
        return Markup("")
    x0, x1 = _padded(min(x for _, x, _ in clean), max(x for _, x, _ in clean))
    y0, y1 = _padded(min(y for _, _, y in clean), max(y for _, _, y in clean))
    frame = _Frame(x0, x1, y0, y1, WIDTH - 14)
    _axes(frame, x_label)
    frame.parts.append(f'<text class="tick" x="{_LEFT + 4}" y="{_TOP + 4}">{escape(y_label)}</text>')
    frame.parts.append(_poly(frame, [(x, y) for _, x, y in clean], f"trend thin {_tone(tone)}"))
    for place, (step, x, y) in enumerate(clean):
        ends = place in (0, len(clean) - 1)
        shape = "dot" if place else "ring"
        cx, cy = frame.x(x), frame.y(y)
        frame.parts.append(
            f'<circle class="{shape} {_tone(tone)}" cx="{_f(cx)}" cy="{_f(cy)}" r="{5 if ends else 2.5}"/>'
        )
        if ends:
            left = cx > WIDTH - 90
            anchor = "end" if left else "start"
            frame.parts.append(
                f'<text x="{_f(cx + (-9 if left else 9))}" y="{_f(cy + 4)}" text-anchor="{anchor}">'
                f"step {_f(step)}</text>"
            )
    return _svg(frame, about)


def spark(values: Sequence[float]) -> Markup:
    """A small line without axes, for a table's cell."""
    points = _finite(list(enumerate(values)))
    if len(points) < 2:
        return Markup("")
    shown = _thin(points, 60)
    low, high = min(v for _, v in shown), max(v for _, v in shown)
    span = (high - low) or 1.0
    joined = " ".join(f"{_f(2 + 76 * x / points[-1][0])},{_f(18 - 16 * (y - low) / span)}" for x, y in shown)
    return Markup(
        '<svg class="spark" viewBox="0 0 80 20" aria-hidden="true">'
        f'<polyline class="trend s1" points="{joined}"/></svg>'
    )


def card(title: str, unit: str, svg: Markup, change: str = "", note: str = "") -> dict[str, Any]:
    """A chart with its heading, as the template shows it."""
    return {"title": title, "unit": unit, "svg": svg, "change": change, "note": note}


def timeline(rows: Sequence[tuple[str, Sequence[tuple[float, float]]]], last: float) -> Markup:
    """When something held: one row a name, a bar from its first to its last step."""
    if not rows:
        return Markup("")
    height = _TOP + 24 * len(rows) + _BOTTOM
    frame = _Frame(0.0, max(1.0, last), 0.0, 1.0, WIDTH - 14, height)
    frame.parts += _x_axis(frame, "step")
    for place, (name, spans) in enumerate(rows):
        y = _TOP + 24 * place
        for start, end in spans:
            width = max(3.0, frame.x(end) - frame.x(start))
            frame.parts.append(
                f'<rect class="alarm" x="{_f(frame.x(start))}" y="{y + 12}" width="{_f(width)}" height="7" rx="3"/>'
            )
        frame.parts.append(f'<text x="{_LEFT}" y="{y + 8}">{escape(name[:48])}</text>')
    return _svg(frame, "when each alarm held")


def _is_smooth(line: Line, points: Sequence[tuple[float, float]]) -> bool:
    return line.smooth and len(points) > 8


def _moving(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    means = smooth([value for _, value in points])
    return [(x, mean) for (x, _), mean in zip(points, means, strict=True)]


def _axes(frame: _Frame, x_label: str) -> None:
    for value in ticks(frame.y0, frame.y1):
        y = _f(frame.y(value))
        frame.parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_f(frame.right)}" y2="{y}"/>')
        frame.parts.append(
            f'<text class="tick" x="{_LEFT - 5}" y="{_f(frame.y(value) + 4)}" text-anchor="end">{_tick(value)}</text>'
        )
    frame.parts += _x_axis(frame, x_label)


def _x_axis(frame: _Frame, label: str) -> list[str]:
    bottom = frame.height - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" y1="{bottom}" x2="{_f(frame.right)}" y2="{bottom}"/>']
    for value in ticks(frame.x0, frame.x1):
        x = _f(frame.x(value))
        parts.append(f'<line class="axis" x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 4}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{_tick(value)}</text>'
        )
    middle = _f((_LEFT + frame.right) / 2)
    parts.append(
        f'<text class="tick" x="{middle}" y="{frame.height - 3}" text-anchor="middle">{escape(label)}</text>'
    )
    return parts


def _svg(frame: _Frame, about: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_f(frame.height)}" role="img" aria-label="{escape(about)}">'
        f"{''.join(frame.parts)}</svg>"
    )


def _apart(tips: list[list]) -> list[list]:
    """Labels moved up and down so that none covers another; each is [y, text, tone]."""
    tips = sorted(tips, key=lambda tip: tip[0])
    gap, floor = 13.0, HEIGHT - _BOTTOM
    for above, below in zip(tips, tips[1:], strict=False):
        below[0] = max(below[0], above[0] + gap)
    for place in range(len(tips) - 1, -1, -1):
        limit = floor if place == len(tips) - 1 else tips[place + 1][0] - gap
        tips[place][0] = min(tips[place][0], limit)
    return tips


def _poly(frame: _Frame, points: Sequence[tuple[float, float]], classes: str) -> str:
    joined = " ".join(f"{_f(frame.x(x))},{_f(frame.y(y))}" for x, y in points)
    return f'<polyline class="{classes}" points="{joined}"/>'


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _thin(points: list[tuple[float, float]], most: int = _POINTS) -> list[tuple[float, float]]:
    """At most about `most` of them, the last among them."""
    stride = max(1, math.ceil(len(points) / most))
    kept = points[::stride]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _padded(low: float, high: float) -> tuple[float, float]:
    """Room around the values; what is never negative starts at 0 at the lowest."""
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return (max(0.0, low - pad) if low >= 0 else low - pad), high + pad


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _tick(value: float) -> str:
    text = f"{value:.6g}" if abs(value) < 1e5 else f"{value:.2g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def _tone(tone: str) -> str:
    if tone not in {f"s{i}" for i in range(8)}:
        raise ValueError(f"unknown tone {tone!r}")
    return tone


def _f(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
