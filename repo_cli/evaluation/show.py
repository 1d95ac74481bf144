"""How figures are written, the same in the terminal and in the report."""

from __future__ import annotations

import math

from repo_cli.evaluation.metrics import Metric
from repo_cli.evaluation.statistics import Difference, Interval


def number(value: float, metric: Metric, sign: bool = False) -> str:
    """A metric's value scaled and rounded for reading; an en dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    scaled = value * metric.scale
    digits = 2 if metric.unit == "score" else 1
    text = f"{scaled:+.{digits}f}" if sign else f"{scaled:.{digits}f}"
    return text.replace("-", "−") + ("%" if metric.unit == "%" and not sign else "")


def interval(figure: Interval, metric: Metric) -> str:
    """ "3.41 [3.32, 3.50]"."""
    if math.isnan(figure.low):
        return number(figure.value, metric)
    return f"{number(figure.value, metric)} [{_bare(figure.low, metric)}, {_bare(figure.high, metric)}]"


def difference(figure: Difference, metric: Metric) -> str:
    """ "+0.42 [+0.31, +0.52]", in points for shares."""
    if math.isnan(figure.low):
        return number(figure.value, metric, sign=True)
    value, low, high = (number(v, metric, sign=True) for v in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def verdict(figure: Difference, metric: Metric) -> str:
    """better, worse or level, by whether the 95% interval excludes 0; "" for metrics without a direction."""
    if metric.better == 0 or math.isnan(figure.low):
        return ""
    if not figure.clear:
        return "level"
    return "better" if (figure.value > 0) == (metric.better > 0) else "worse"


def p_value(p: float) -> str:
    """ "p = 0.03" or "p < 0.001"."""
    if p is None or math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _bare(value: float, metric: Metric) -> str:
    return number(value, metric).removesuffix("%")
