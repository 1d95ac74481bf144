"""The statistics of an evaluation: intervals, paired comparisons, agreement between raters, A/B tests.

Everything is a pure function of numpy arrays (or plain lists) and a seed. Shares get Wilson's interval, means a
bootstrap over dialogues, comparisons of systems on the same contexts a paired bootstrap and McNemar's exact test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; `n` is the number of independent units behind it (dialogues, cases)."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """A paired difference with its interval; `p` two-sided; gained and lost only for shares."""

    value: float
    low: float
    high: float
    p: float
    n: int
    gained: int | None = None
    lost: int | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return asdict(self)


def _z(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + level / 2))


def wilson(k: float, n: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval of k successes out of n; nan with n = 0."""
    if n <= 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if not 0 <= k <= n:
        raise ValueError(f"k={k} is not between 0 and n={n}")
    z = _z(level)
    share = k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(share, 0.0 if k == 0 else low, 1.0 if k == n else high, n)  # exact where rounding is not


def newcombe(k1: int, n1: int, k2: int, n2: int, level: float = LEVEL) -> tuple[float, float]:
    """Newcombe's hybrid score interval of share 2 minus share 1, for independent samples."""
    one, two = wilson(k1, n1, level), wilson(k2, n2, level)
    diff = two.value - one.value
    low = diff - math.sqrt((two.value - two.low) ** 2 + (one.high - one.value) ** 2)
    high = diff + math.sqrt((two.high - two.value) ** 2 + (one.value - one.low) ** 2)
    return low, high


def _resampled(columns: Sequence[np.ndarray], seed: int, draws: int) -> list[np.ndarray]:
    """Sums of each column over `draws` bootstrap samples of the rows."""
    n = len(columns[0])
    data = np.stack(columns, axis=1)  # [n, columns]
    blocks = [_counts(n, seed, draws, start) @ data for start in range(0, draws, _block(n, draws))]
    return list(np.concatenate(blocks).T)


def _block(n: int, draws: int) -> int:
    """Samples held at once, so that memory stays small."""
    return max(1, min(draws, 2_000_000 // max(n, 1)))


@lru_cache(maxsize=6)
def _counts(n: int, seed: int, draws: int, start: int) -> np.ndarray:
    """How often each row is in each sample of a block [samples, n]: the same for every figure of an evaluation."""
    size = min(_block(n, draws), draws - start)
    rows = np.random.default_rng([seed, start]).integers(0, n, size=(size, n))
    rows += n * np.arange(size)[:, None]
    return np.bincount(rows.ravel(), minlength=size * n).reshape(size, n).astype(float)


def bootstrap_mean(
    values: Sequence[float], seed: int = 0, draws: int = 2000, level: float = LEVEL
) -> Interval:
    """Mean with a percentile bootstrap over the values (one for each dialogue)."""
    data = np.asarray(values, dtype=float)
    return bootstrap_ratio(data, np.ones_like(data), seed, draws, level)


def bootstrap_ratio(
    numerators: Sequence[float] | np.ndarray,
    denominators: Sequence[float] | np.ndarray,
    seed: int = 0,
    draws: int = 2000,
    level: float = LEVEL,
) -> Interval:
    """Sum over sum (such as breaches per reply) with a bootstrap over dialogues, which keeps replies together."""
    top, bottom = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    n = len(top)
    if n == 0 or bottom.sum() == 0:
        return Interval(math.nan, math.nan, math.nan, n)
    value = float(top.sum() / bottom.sum())
    if n == 1:
        return Interval(value, math.nan, math.nan, 1)
    tops, bottoms = _resampled((top, bottom), seed, draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        sample = tops / bottoms
    low, high = np.nanpercentile(sample, [50 * (1 - level), 50 * (1 + level)])
    return Interval(value, float(low), float(high), n)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], seed: int = 0, draws: int = 5000, level: float = LEVEL
) -> Difference:
    """Mean of b - a over the same contexts; rows where either is missing (nan) are left out.

    p is two-sided by the share of resampled means on the other side of 0 (never below 1 / (draws + 1)).
    """
    one, two = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if one.shape != two.shape:
        raise ValueError(f"paired samples differ in length: {len(one)} and {len(two)}")
    delta = two - one
    delta = delta[~np.isnan(delta)]
    if len(delta) < 2:
        return Difference(
            float(delta.mean()) if len(delta) else math.nan, math.nan, math.nan, math.nan, len(delta)
        )
    (sums,) = _resampled((delta,), seed, draws)
    means = sums / len(delta)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (draws + 1))
    return Difference(float(delta.mean()), float(low), float(high), float(p), len(delta))


def mcnemar_exact(a: Sequence[int | bool], b: Sequence[int | bool]) -> tuple[float, int, int]:
    """(two-sided exact p, gained, lost) of a paired yes/no outcome: gained = no in a, yes in b."""
    from scipy.stats import binomtest

    one, two = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if one.shape != two.shape:
        raise ValueError(f"paired samples differ in length: {len(one)} and {len(two)}")
    gained, lost = int((~one & two).sum()), int((one & ~two).sum())
    if gained + lost == 0:
        return 1.0, 0, 0
    return float(binomtest(gained, gained + lost, 0.5).pvalue), gained, lost


def holm(p_values: Mapping[str, float] | Sequence[float]) -> Any:
    """Holm's step-down adjustment; a mapping gives a mapping, a sequence a list; nan stays nan, uncounted."""
    if isinstance(p_values, Mapping):
        return dict(zip(p_values, holm(list(p_values.values())), strict=True))
    values = [float(p) for p in p_values]
    order = sorted((i for i, p in enumerate(values) if not math.isnan(p)), key=lambda i: values[i])
    adjusted, running = [math.nan] * len(values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * values[index]))
        adjusted[index] = running
    return adjusted


def excellent_share(
    turn_ratings: Sequence[Sequence[float]],
    hard: Sequence[Sequence[bool]] | None = None,
    threshold: float = 4.5,
    level: float = LEVEL,
) -> Interval:
    """Share of dialogues with at least one excellent reply: rated at least `threshold`, no hard breach."""
    hits = 0
    for index, ratings in enumerate(turn_ratings):
        flags = hard[index] if hard is not None else [False] * len(ratings)
        hits += any(rating >= threshold and not flag for rating, flag in zip(ratings, flags, strict=True))
    return wilson(hits, len(turn_ratings), level)


def bad_case_rates(cases: Sequence[Mapping[str, Any]], level: float = LEVEL) -> dict[str, Interval]:
    """Shares of bad cases fixed, cleanly fixed, and with a severe defect left (0/1 or bool fields)."""
    return {
        key: wilson(sum(bool(case[key]) for case in cases), len(cases), level)
        for key in ("fixed", "clean", "severe_unresolved")
    }
