"""Two pictures of a reward model's report: a histogram of margins, and the calibration curve; of numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 320, 150
_LEFT, _TOP = 6, 6


def _f(value: float) -> str:
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def histogram(edges: Sequence[float], counts: Sequence[float]) -> Markup:
    """Bars over the bins; what lies below 0 (errors) in the colour of what is worse. A dashed line at 0."""
    if not counts or len(edges) != len(counts) + 1:
        return Markup("")
    low, high = float(edges[0]), float(edges[-1])
    span, most = (high - low) or 1.0, max(max(map(float, counts)), 1.0)

    def x(value: float) -> float:
        return _LEFT + (WIDTH - 2 * _LEFT) * (float(value) - low) / span

    parts = []
    for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True):
        tall = (HEIGHT - 2 * _TOP) * float(count) / most
        tone = "worse" if (float(start) + float(end)) / 2 < 0 else "s1"
        box = f'x="{_f(x(start) + 0.5)}" y="{_f(HEIGHT - _TOP - tall)}"'
        size = f'width="{_f(max(x(end) - x(start) - 1, 1))}" height="{_f(tall)}"'
        parts.append(f'<rect class="{tone}" {box} {size}/>')
    parts.append(f'<line class="axis" x1="{_LEFT}" y1="144" x2="{WIDTH - _LEFT}" y2="144"/>')
    if low < 0 < high:
        parts.append(f'<line class="zero" x1="{_f(x(0))}" y1="{_TOP}" x2="{_f(x(0))}" y2="144"/>')
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>')


def calibration(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Observed share over implied probability, both from 0.4 to 1, with intervals; the dashed diagonal is perfect."""

    def x(value: float) -> float:
        return _LEFT + (WIDTH - 2 * _LEFT) * (min(1.0, max(0.4, float(value))) - 0.4) / 0.6

    def y(value: float) -> float:
        return HEIGHT - _TOP - (HEIGHT - 2 * _TOP) * (min(1.0, max(0.4, float(value))) - 0.4) / 0.6

    parts = [f'<line class="zero" x1="{_f(x(0.4))}" y1="{_f(y(0.4))}" x2="{_f(x(1))}" y2="{_f(y(1))}"/>']
    points = []
    for found in bins:
        at = _f(x(found["predicted"]))
        ends = f'y1="{_f(y(found["observed_low"]))}" x2="{at}" y2="{_f(y(found["observed_high"]))}"'
        parts.append(f'<line class="axis" x1="{at}" {ends}/>')
        points.append(f"{at},{_f(y(found['observed']))}")
    if points:
        parts.append(f'<polyline class="trend" points="{" ".join(points)}"/>')
    for point in points:
        cx, cy = point.split(",")
        parts.append(f'<circle class="dot" cx="{cx}" cy="{cy}" r="3.5"/>')
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>')
