"""Agreement between raters: Krippendorff's alpha and the plain share of equal ratings.

alpha = 1 - D_o / D_e over the coincidence matrix (Krippendorff, Content Analysis, 2004, chapter 11).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEVELS = ("nominal", "ordinal", "interval")


def krippendorff_alpha(ratings: Sequence[Sequence[float]] | np.ndarray, level: str = "ordinal") -> float:
    """Alpha of `ratings` [raters, units], nan where a rater did not rate; nan when nothing can be compared.

    Units with fewer than two ratings are left out. All ratings equal gives nan: there is no variance to judge
    agreement against.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r}: not one of {', '.join(LEVELS)}")
    data = np.asarray(ratings, dtype=float)
    if data.ndim != 2:
        raise ValueError(f"ratings must be raters x units, got shape {data.shape}")
    values = np.unique(data[~np.isnan(data)])
    # counts [units, values]: how many raters gave each value to each unit
    counts = (data.T[:, :, None] == values).sum(axis=1).astype(float)
    raters = counts.sum(axis=1)
    counts, raters = counts[raters >= 2], raters[raters >= 2]
    if len(counts) == 0 or len(values) < 2:
        return math.nan
    weights = 1.0 / (raters - 1.0)
    coincidence = (counts * weights[:, None]).T @ counts - np.diag((counts * weights[:, None]).sum(axis=0))
    margins = coincidence.sum(axis=1)
    total = margins.sum()
    distance = _distance(values, margins, level)
    observed = (coincidence * distance).sum()
    expected = (np.outer(margins, margins) * distance).sum() / (total - 1.0)
    return math.nan if expected == 0 else float(1.0 - observed / expected)


def _distance(values: np.ndarray, margins: np.ndarray, level: str) -> np.ndarray:
    """Squared differences between values [values, values] at the level of measurement."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    # ordinal: all ratings between two values count, the ends by half
    middle = np.cumsum(margins) - margins / 2.0
    return (middle[:, None] - middle[None, :]) ** 2


def alpha_interval(
    ratings: Sequence[Sequence[float]] | np.ndarray, level: str = "ordinal"
) -> tuple[float, float, float]:
    """(alpha, low, high): 95% by a jackknife over units, which holds up better than the bootstrap at small n."""
    data = np.asarray(ratings, dtype=float)
    alpha = krippendorff_alpha(data, level)
    units = data.shape[1]
    if units < 3 or math.isnan(alpha):
        return alpha, math.nan, math.nan
    left_out = np.array([krippendorff_alpha(np.delete(data, u, axis=1), level) for u in range(units)])
    left_out = left_out[~np.isnan(left_out)]
    pseudo = len(left_out) * alpha - (len(left_out) - 1) * left_out
    error = float(pseudo.std(ddof=1) / math.sqrt(len(pseudo)))
    from scipy.stats import t

    half = float(t.ppf(0.975, len(pseudo) - 1)) * error
    return alpha, max(-1.0, alpha - half), min(1.0, alpha + half)


def exact_agreement(ratings: Sequence[Sequence[float]] | np.ndarray) -> float:
    """Share of units that all their raters (two at least) rated alike: to show beside alpha on skewed scales."""
    data = np.asarray(ratings, dtype=float)
    alike = [
        bool((column[~np.isnan(column)] == column[~np.isnan(column)][0]).all())
        for column in data.T
        if (~np.isnan(column)).sum() >= 2
    ]
    return float(np.mean(alike)) if alike else math.nan
