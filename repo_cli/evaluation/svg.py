"""Small inline pictures for the report: interval bars and curves, as SVG that takes its colours from the page.

Only numbers enter the markup (formatted here), never text of a model; labels are put around it by the template.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 320, 26
CURVE_WIDTH, CURVE_HEIGHT = 320, 120


def _f(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def bar(
    value: float, low: float, high: float, start: float, end: float, tone: str, zero: float | None = None
) -> Markup:
    """A dot with its interval on an axis from `start` to `end`; `zero` draws a line; tone is a CSS class."""
    if tone not in {f"s{i}" for i in range(8)} | {"better", "worse", "level", ""}:
        raise ValueError(f"unknown tone {tone!r}")
    span = (end - start) or 1.0

    def x(v: float) -> float:
        return 8 + (WIDTH - 16) * min(1.0, max(0.0, (v - start) / span))

    parts = [f'<line class="axis" x1="8" y1="13" x2="{WIDTH - 8}" y2="13"/>']
    if zero is not None:
        parts.append(f'<line class="zero" x1="{_f(x(zero))}" y1="3" x2="{_f(x(zero))}" y2="23"/>')
    if not math.isnan(value):
        if not math.isnan(low):
            width = _f(max(1.5, x(high) - x(low)))
            parts.append(
                f'<rect class="span {tone}" x="{_f(x(low))}" y="9.5" width="{width}" height="7" rx="3.5"/>'
            )
        parts.append(f'<circle class="dot {tone}" cx="{_f(x(value))}" cy="13" r="5"/>')
    box = f'class="bar" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"'
    return Markup(f"<svg {box}>{''.join(parts)}</svg>")


def smooth(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average with bias correction, for showing a trend through noise."""
    out, total, norm = [], 0.0, 0.0
    for value in values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(total / norm)
    return out


def curve(steps: Sequence[float], values: Sequence[float]) -> Markup:
    """Values over steps: the raw line faint, its moving average strong. Long runs are thinned to 400 points."""
    points = [
        (float(s), float(v))
        for s, v in zip(steps, values, strict=True)
        if math.isfinite(s) and math.isfinite(v)
    ]
    if not points:
        return Markup("")
    stride = max(1, math.ceil(len(points) / 400))
    trend = smooth([v for _, v in points])[::stride]
    points = points[::stride]
    low, high = min(v for _, v in points), max(v for _, v in points)
    first, last = points[0][0], points[-1][0]
    pad = (high - low) * 0.08 or 1.0
    low, high = low - pad, high + pad

    def xy(step: float, value: float) -> str:
        x = 4 + (CURVE_WIDTH - 8) * ((step - first) / (last - first) if last > first else 0.5)
        return f"{_f(x)},{_f(4 + (CURVE_HEIGHT - 8) * (1 - (value - low) / (high - low)))}"

    raw = " ".join(xy(s, v) for s, v in points)
    mean = " ".join(xy(s, t) for (s, _), t in zip(points, trend, strict=True))
    zero = ""
    if low < 0 < high:
        y = xy(first, 0.0).split(",")[1]
        zero = f'<line class="zero" x1="4" y1="{y}" x2="{CURVE_WIDTH - 4}" y2="{y}"/>'
    x, y = mean.split(" ")[-1].split(",")
    dot = f'<circle class="dot" cx="{x}" cy="{y}" r="3.5"/>'
    return Markup(
        f'<svg class="curve" viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" aria-hidden="true">{zero}'
        f'<polyline class="raw" points="{raw}"/><polyline class="trend" points="{mean}"/>{dot}</svg>'
    )
