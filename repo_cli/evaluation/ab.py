"""A/B tests of two agents on live conversations: two-proportion z-test, interval, sample-ratio check, power.

With several conversations of one hotel the arms' shares are compared with a cluster-robust error, since those
conversations are no independent units (design effect 1 + (m - 1) * ICC).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from repo_cli.evaluation.statistics import LEVEL, newcombe


@dataclass(frozen=True)
class ABResult:
    """Arm b against arm a. `design_effect` is 1 without clusters; `ratio_p` tests the split of the arms."""

    share_a: float
    share_b: float
    n_a: int
    n_b: int
    lift: float
    low: float
    high: float
    z: float
    p: float
    ratio_p: float
    design_effect: float
    clusters: int | None

    @property
    def ratio_ok(self) -> bool:
        """No sign of a sample-ratio mismatch (the usual alarm level of 0.001)."""
        return self.ratio_p >= 0.001

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain numbers for JSON."""
        return asdict(self)


def ab_test(
    a: Sequence[int | bool] | tuple[int, int],
    b: Sequence[int | bool] | tuple[int, int],
    *,
    counts: bool = False,
    clusters_a: Sequence[Hashable] | None = None,
    clusters_b: Sequence[Hashable] | None = None,
    expected_share_b: float = 0.5,
    level: float = LEVEL,
) -> ABResult:
    """Compares the success share of arm b with arm a.

    a, b: 0/1 outcomes, one for each conversation; or (successes, conversations) with counts=True.
    clusters_*: the hotel of each conversation; then the error and the interval are cluster-robust.
    """
    k_a, n_a = (int(a[0]), int(a[1])) if counts else (int(np.sum(a)), len(a))
    k_b, n_b = (int(b[0]), int(b[1])) if counts else (int(np.sum(b)), len(b))
    if min(n_a, n_b) < 1:
        raise ValueError("an arm of the A/B test is empty")
    from scipy.stats import binomtest, norm

    share_a, share_b = k_a / n_a, k_b / n_b
    lift = share_b - share_a
    pooled = (k_a + k_b) / (n_a + n_b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    low, high = newcombe(k_a, n_a, k_b, n_b, level)
    effect, number = 1.0, None
    if clusters_a is not None and clusters_b is not None and not counts:
        var_a, groups_a = _cluster_variance(a, clusters_a)
        var_b, groups_b = _cluster_variance(b, clusters_b)
        plain = share_a * (1 - share_a) / n_a + share_b * (1 - share_b) / n_b
        effect = (var_a + var_b) / plain if plain > 0 else 1.0
        number = groups_a + groups_b
        error = math.sqrt(var_a + var_b)
        half = float(norm.ppf(0.5 + level / 2)) * error
        low, high = lift - half, lift + half
    z = lift / error if error > 0 else 0.0
    ratio_p = float(binomtest(n_b, n_a + n_b, expected_share_b).pvalue)
    p = float(2 * norm.sf(abs(z)))
    return ABResult(share_a, share_b, n_a, n_b, lift, low, high, z, p, ratio_p, effect, number)


def _cluster_variance(
    outcomes: Sequence[int | bool] | tuple[int, int], clusters: Sequence[Hashable]
) -> tuple[float, int]:
    """Variance of the mean with whole clusters as units (linearised ratio estimator), and their number."""
    data = np.asarray(outcomes, dtype=float)
    if len(data) != len(clusters):
        raise ValueError(f"{len(data)} outcomes but {len(clusters)} cluster names")
    names = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    rows = np.array([names[name] for name in clusters])
    residuals = np.bincount(rows, weights=data - data.mean(), minlength=len(names))
    groups = len(names)
    if groups < 2:
        raise ValueError("a cluster-robust A/B test needs at least two clusters in each arm")
    return float(groups / (groups - 1) * (residuals**2).sum() / len(data) ** 2), groups


def needed_per_arm(base: float, lift: float, power: float = 0.8, level: float = LEVEL) -> int:
    """Conversations an arm needs to see `lift` (share points as a fraction) on `base` with the given power."""
    from scipy.stats import norm

    other = base + lift
    if not (0 < base < 1 and 0 < other < 1) or lift == 0:
        raise ValueError(f"base {base} and base + lift {other} must lie strictly between 0 and 1 and differ")
    za, zb = float(norm.ppf(0.5 + level / 2)), float(norm.ppf(power))
    effect = 2 * (math.asin(math.sqrt(other)) - math.asin(math.sqrt(base)))  # Cohen's h
    return math.ceil(2 * ((za + zb) / effect) ** 2)
