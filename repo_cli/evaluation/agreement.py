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
    values, each = _coincidences(data)
    return float(_alphas(each.sum(axis=0)[None], values, level)[0])


def _coincidences(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the values given, each unit's part of the coincidence matrix [units, values, values]); 0 with fewer than two
    raters."""
    values = np.unique(data[~np.isnan(data)])
    counts = (data.T[:, :, None] == values).sum(axis=1).astype(float)  # [units, values]: how many gave it
    raters = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    return values, pairs * np.where(raters >= 2, 1.0 / np.maximum(raters - 1.0, 1.0), 0.0)[:, None, None]


def _alphas(coincidence: np.ndarray, values: np.ndarray, level: str) -> np.ndarray:
    """Alpha of each coincidence matrix [matrices, values, values]; nan where there is nothing to compare."""
    margins = coincidence.sum(axis=2)
    distance = _distance(values, margins, level)
    observed = (coincidence * distance).sum(axis=(1, 2))
    chance = margins[:, :, None] * margins[:, None, :] * distance
    with np.errstate(invalid="ignore", divide="ignore"):
        alphas: np.ndarray = 1.0 - observed / (chance.sum(axis=(1, 2)) / (margins.sum(axis=1) - 1.0))
    return np.where(np.isfinite(alphas), alphas, math.nan)


def _distance(values: np.ndarray, margins: np.ndarray, level: str) -> np.ndarray:
    """Squared differences between values [1 or matrices, values, values] at the level of measurement."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))[None]
    if level == "interval":
        return ((values[:, None] - values[None, :]) ** 2)[None]
    # ordinal: all ratings between two values count, the ends by half
    middle = np.cumsum(margins, axis=1) - margins / 2.0
    squares: np.ndarray = (middle[:, :, None] - middle[:, None, :]) ** 2
    return squares


def alpha_interval(
    ratings: Sequence[Sequence[float]] | np.ndarray, level: str = "ordinal"
) -> tuple[float, float, float]:
    """(alpha, low, high): 95% by a jackknife over units, which holds up better than the bootstrap at small n."""
    data = np.asarray(ratings, dtype=float)
    alpha = krippendorff_alpha(data, level)
    units = data.shape[1]
    if units < 3 or math.isnan(alpha):
        return alpha, math.nan, math.nan
    values, each = _coincidences(data)
    left_out = _alphas(each.sum(axis=0) - each, values, level)
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
