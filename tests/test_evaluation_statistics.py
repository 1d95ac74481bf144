"""Statistics against published values, statsmodels, and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repo_cli.evaluation import (
    ab_test,
    alpha_interval,
    bad_case_rates,
    bootstrap_mean,
    bootstrap_ratio,
    exact_agreement,
    excellent_share,
    holm,
    krippendorff_alpha,
    mcnemar_exact,
    needed_per_arm,
    newcombe,
    paired_bootstrap,
    wilson,
)

N = math.nan
# Krippendorff's example: four observers, twelve units, with missing values
EXAMPLE = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491)])
def test_krippendorff_on_the_published_example(level, value):
    assert krippendorff_alpha(EXAMPLE, level) == pytest.approx(value, abs=5e-5)


def test_krippendorff_edges():
    assert krippendorff_alpha([[1, 2, 3, 4], [1, 2, 3, 4]], "ordinal") == pytest.approx(1.0)
    assert math.isnan(krippendorff_alpha([[3, 3, 3], [3, 3, 3]]))  # no variance
    assert math.isnan(krippendorff_alpha([[1, N], [N, 2]]))  # nothing rated twice
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(1, 6, size=(3, 4000)), "ordinal")) < 0.03
    with pytest.raises(ValueError):
        krippendorff_alpha(EXAMPLE, "ratio")


def test_krippendorff_nominal_against_pairs_of_ratings():
    """Without missing values D_o and D_e can be counted pair by pair."""
    data = np.random.default_rng(3).integers(0, 3, size=(3, 20))
    observed = np.mean(
        [data[i, u] != data[j, u] for u in range(20) for i in range(3) for j in range(3) if i != j]
    )
    flat = data.ravel()
    expected = np.mean([flat[i] != flat[j] for i in range(60) for j in range(60) if i != j])
    assert krippendorff_alpha(data, "nominal") == pytest.approx(1 - observed / expected)


def test_alpha_interval_holds_alpha_and_agreement_share():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, size=40)
    raters = np.clip(truth + rng.integers(-1, 2, size=(3, 40)), 1, 5)
    alpha, low, high = alpha_interval(raters)
    assert low < alpha < high and high - low < 0.5
    assert exact_agreement([[1, 2, 3], [1, 2, 4]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(20, 30, 48.8, 80.8), (13, 30, 27.4, 60.8), (42, 45, 82.1, 97.7), (34, 45, 61.3, 85.8)],
)
def test_wilson_on_the_papers_sizes(k, n, low, high):
    figure = wilson(k, n)
    assert (100 * figure.low, 100 * figure.high) == pytest.approx((low, high), abs=0.06)


def test_wilson_newcombe_holm_as_statsmodels_has_them():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for k, n in ((0, 10), (10, 10), (3, 17)):
        figure = wilson(k, n)
        assert (figure.low, figure.high) == pytest.approx(
            proportion.proportion_confint(k, n, method="wilson"), abs=1e-12
        )
    want = proportion.confint_proportions_2indep(20, 30, 13, 30, method="newcomb", compare="diff")
    assert newcombe(13, 30, 20, 30) == pytest.approx(want, abs=1e-9)
    p = [0.01, 0.04, 0.03, 0.5]
    assert holm(p) == pytest.approx(list(multitest.multipletests(p, method="holm")[1]))
    assert holm({"a": 0.01, "b": N, "c": 0.04})["c"] == pytest.approx(0.04)


def test_mcnemar_exact():
    a, b = [1] * 2 + [0] * 9 + [1] * 5, [0] * 2 + [1] * 9 + [1] * 5
    p, gained, lost = mcnemar_exact(a, b)
    assert (gained, lost) == (9, 2) and p == pytest.approx(0.0654, abs=1e-4)
    assert mcnemar_exact([1, 0], [1, 0]) == (1.0, 0, 0)


def test_bootstrap_mean_covers_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        figure = bootstrap_mean(rng.normal(3.0, 1.0, size=40), seed=trial, draws=400)
        hits += figure.low <= 3.0 <= figure.high
    assert 178 <= hits <= 199
    assert bootstrap_mean([1, 2, 3], seed=5) == bootstrap_mean([1, 2, 3], seed=5)


def test_paired_bootstrap_uses_the_pairs():
    rng = np.random.default_rng(2)
    common = rng.normal(0, 2.0, size=300)
    a, b = common + rng.normal(0, 0.3, 300), common + 0.15 + rng.normal(0, 0.3, 300)
    found = paired_bootstrap(a, b)
    assert found.clear and found.low < 0.15 < found.high and found.p < 0.01
    shuffled = paired_bootstrap(a, rng.permutation(b))
    assert shuffled.high - shuffled.low > 4 * (found.high - found.low)
    null = [paired_bootstrap(a, a + rng.normal(0, 0.3, 300), draws=400) for _ in range(200)]
    assert 2 <= sum(found.clear for found in null) <= 20  # 5% of 200 are expected
    with pytest.raises(ValueError):
        paired_bootstrap([1.0], [1.0, 2.0])


def test_bootstrap_ratio_keeps_dialogues_together():
    top, bottom = [0, 6, 0, 6] * 10, [3, 6, 3, 6] * 10
    figure = bootstrap_ratio(top, bottom)
    assert figure.value == pytest.approx(240 / 180 / 2) and figure.low < figure.value < figure.high
    assert math.isnan(bootstrap_ratio([], []).value)


def test_excellent_share_and_bad_case_rates():
    figure = excellent_share(
        [[3, 4.8], [3, 3], [4.6, 3]], hard=[[False, False], [False, False], [True, False]]
    )
    assert (figure.value, figure.n) == (pytest.approx(1 / 3), 3)
    rates = bad_case_rates(
        [{"fixed": 1, "clean": 0, "severe_unresolved": 0}, {"fixed": 0, "clean": 0, "severe_unresolved": 1}]
    )
    assert (
        rates["fixed"].value == 0.5 and rates["clean"].value == 0 and rates["severe_unresolved"].value == 0.5
    )


def test_ab_test_on_the_papers_size():
    found = ab_test((965, 4826), (1252, 4827), counts=True)
    assert found.z == pytest.approx(6.9, abs=0.1) and found.p < 0.001 and found.low > 0.04 and found.ratio_ok
    assert not ab_test((500, 5200), (500, 4700), counts=True).ratio_ok


def test_ab_test_with_clusters_is_more_careful():
    """Four conversations of each hotel, and whole hotels in an arm; a hotel in both arms is its own control."""
    rng = np.random.default_rng(0)
    hotels = np.repeat(np.arange(200), 4)
    rates = [np.repeat(rng.beta(1, 3, size=200), 4) for _ in range(2)]
    a, b = ((rng.random(800) < rate).astype(int) for rate in rates)
    plain, robust = ab_test(a, b), ab_test(a, b, clusters_a=hotels, clusters_b=hotels + 200)
    assert (
        robust.design_effect > 1.2
        and robust.high - robust.low > plain.high - plain.low
        and robust.clusters == 400
    )
    c = (rng.random(800) < rates[0]).astype(int)
    both = ab_test(a, c, clusters_a=hotels, clusters_b=hotels)
    assert both.shared_clusters == 200 and both.design_effect < robust.design_effect
    alone = ab_test(a, b, clusters_a=range(800), clusters_b=range(800, 1600))
    assert alone.design_effect == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("base", "lift", "n"), [(0.2, 0.0594, 784), (0.5, 0.1214, 261), (0.2, 0.03, 2941)])
def test_power(base, lift, n):
    assert needed_per_arm(base, lift) == pytest.approx(n, abs=1)
