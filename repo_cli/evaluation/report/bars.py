"""Interval bars as inline SVG that takes its colours from the page.

Only numbers enter the markup (formatted here), never text of a model; labels are put around it by the template.
"""

from __future__ import annotations

import math

from markupsafe import Markup

WIDTH, HEIGHT = 320, 26


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
