"""A/B tests of two agents on live conversations: two-proportion z-test, interval, sample-ratio check, power.

statsmodels does the plain statistics. With several conversations of one hotel the shares are compared with a
cluster-robust error, since those conversations are no independent units (design effect 1 + (m - 1) * ICC).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from repo_cli.evaluation.statistics import LEVEL

#: p below which the split of the arms is taken to be broken: strict, since it is looked at in every test.
RATIO_ALARM = 0.001


@dataclass(frozen=True)
class ABResult:
    """Arm b against arm a. `design_effect` is 1 without clusters; `ratio_p` tests the split of the arms.

    `shared_clusters` is the number of clusters that have conversations in both arms.
    """

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
    shared_clusters: int = 0

    @property
    def ratio_ok(self) -> bool:
        """No sign of a sample-ratio mismatch (the usual alarm level of 0.001)."""
        return self.ratio_p >= RATIO_ALARM

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
    clusters_*: the hotel of each conversation; then error and interval are cluster-robust (t with clusters - 2
    degrees of freedom), and a hotel that is in both arms lends its covariance.
    """
    k_a, n_a = (int(a[0]), int(a[1])) if counts else (int(np.sum(a)), len(a))
    k_b, n_b = (int(b[0]), int(b[1])) if counts else (int(np.sum(b)), len(b))
    if min(n_a, n_b) < 1:
        raise ValueError("an arm of the A/B test is empty")
    from scipy.stats import chisquare, t
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    lift = k_b / n_b - k_a / n_a
    expected = [(n_a + n_b) * (1 - expected_share_b), (n_a + n_b) * expected_share_b]
    ratio_p = float(chisquare([n_a, n_b], expected).pvalue)
    effect, number, shared = 1.0, None, 0
    if clusters_a is not None and clusters_b is not None and not counts:
        variance, number, shared = _cluster_variance(a, b, clusters_a, clusters_b)
        plain = k_a * (n_a - k_a) / n_a**3 + k_b * (n_b - k_b) / n_b**3
        effect = variance / plain if plain > 0 else 1.0
        error = math.sqrt(variance)
        half = float(t.ppf(0.5 + level / 2, number - 2)) * error
        low, high = lift - half, lift + half
        z = lift / error if error > 0 else 0.0
        p = float(2 * t.sf(abs(z), number - 2)) if error > 0 else float(lift == 0)
    else:
        low, high = confint_proportions_2indep(
            k_b, n_b, k_a, n_a, method="newcomb", compare="diff", alpha=1 - level
        )
        settled = k_a + k_b in (0, n_a + n_b)  # all alike: no variance, no difference
        z, p = (0.0, 1.0) if settled else proportions_ztest([k_b, k_a], [n_b, n_a])
    return ABResult(
        k_a / n_a,
        k_b / n_b,
        n_a,
        n_b,
        lift,
        float(low),
        float(high),
        float(z),
        float(p),
        ratio_p,
        effect,
        number,
        shared,
    )


def _cluster_variance(
    a: Sequence[int | bool] | tuple[int, int],
    b: Sequence[int | bool] | tuple[int, int],
    clusters_a: Sequence[Hashable],
    clusters_b: Sequence[Hashable],
) -> tuple[float, int, int]:
    """(variance of share b - share a with whole clusters as units, clusters, clusters in both arms).

    The linearised ratio estimator: each cluster's summed residuals over the arm's size, squared and summed, times
    G / (G - 1) for the G clusters of an arm.
    """
    names = {name: index for index, name in enumerate(dict.fromkeys([*clusters_a, *clusters_b]))}
    sums, scales, rows = [], [], []
    for outcomes, clusters in ((a, clusters_a), (b, clusters_b)):
        data = np.asarray(outcomes, dtype=float)
        if len(data) != len(clusters):
            raise ValueError(f"{len(data)} outcomes but {len(clusters)} cluster names")
        places = np.array([names[name] for name in clusters])
        groups = len(set(places.tolist()))
        if groups < 2:
            raise ValueError("a cluster-robust A/B test needs at least two clusters in each arm")
        sums.append(np.bincount(places, weights=data - data.mean(), minlength=len(names)) / len(data))
        scales.append(groups / (groups - 1))
        rows.append(set(places.tolist()))
    variance = sum(scale * float((part**2).sum()) for part, scale in zip(sums, scales, strict=True))
    variance -= 2 * math.sqrt(scales[0] * scales[1]) * float((sums[0] * sums[1]).sum())
    return max(0.0, variance), len(names), len(rows[0] & rows[1])


def needed_per_arm(base: float, lift: float, power: float = 0.8, level: float = LEVEL) -> int:
    """Conversations an arm needs to see `lift` (share points as a fraction) on `base` with the given power."""
    from statsmodels.stats.power import NormalIndPower

    found = NormalIndPower().solve_power(_effect(base, lift), power=power, alpha=1 - level, ratio=1)
    return math.ceil(float(found))


def power_of(base: float, lift: float, n_a: int, n_b: int, level: float = LEVEL) -> float:
    """The chance that a test with arms of these sizes sees `lift` on `base`."""
    from statsmodels.stats.power import NormalIndPower

    return float(NormalIndPower().power(_effect(base, lift), n_a, 1 - level, ratio=n_b / n_a))


def _effect(base: float, lift: float) -> float:
    """Cohen's h."""
    other = base + lift
    if not (0 < base < 1 and 0 < other < 1) or lift == 0:
        raise ValueError(f"base {base} and base + lift {other} must lie strictly between 0 and 1 and differ")
    return 2 * (math.asin(math.sqrt(other)) - math.asin(math.sqrt(base)))
