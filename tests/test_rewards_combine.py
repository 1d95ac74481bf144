"""How the sources become one number: the enhancement's properties (pitfalls B9), the veto, the other
combinations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repo_cli.rewards import COMBINERS, apply_veto, enhance
from repo_cli.rewards.combine import READS, Mix, moments_of

NAN = float("nan")
scores = st.floats(-5, 5)
bounds = st.sampled_from([0.5, 1.0, 2.0, 3.0])


def one(rm: float, judge: float, rules: float, n: float = 2.0, min_gain: float = 0.0) -> float:
    args = [torch.tensor([x], dtype=torch.float64) for x in (rm, judge, rules)]
    return float(enhance(*args, n, min_gain))


def by_the_paper(rm: float, judge: float, rules: float, n: float) -> float:
    """R_rm * (1 +- E/n), "+" where R_rm >= 0, "-" where R_rm < 0."""
    e = max(-n, min(n, judge + rules))
    return rm * (1 + e / n) if rm >= 0 else rm * (1 - e / n)


@settings(max_examples=300, deadline=None)
@given(scores, st.floats(-9, 9), st.floats(-9, 9), bounds)
def test_it_is_the_papers_formula(rm: float, judge: float, rules: float, n: float) -> None:
    assert one(rm, judge, rules, n) == pytest.approx(by_the_paper(rm, judge, rules, n), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(scores, st.floats(-9, 9), st.floats(0, 9), bounds, st.sampled_from([0.0, 0.5]))
def test_non_decreasing_in_the_correction(rm: float, low: float, more: float, n: float, gain: float) -> None:
    assert one(rm, low + more, 0.0, n, gain) >= one(rm, low, 0.0, n, gain)


@settings(max_examples=200, deadline=None)
@given(scores, bounds, st.floats(0, 9))
def test_it_saturates_and_keeps_the_sign(rm: float, n: float, beyond: float) -> None:
    top, bottom = one(rm, n, 0.0, n), one(rm, -n, 0.0, n)
    assert one(rm, n + beyond, 0.0, n) == top and one(rm, -n - beyond, 0.0, n) == bottom
    if rm > 0:
        assert top == pytest.approx(2 * rm) and bottom == 0
    if rm < 0:
        assert top == 0 and bottom == pytest.approx(2 * rm)
    for e in (-n, -n / 3, n / 3, n):
        assert one(rm, e, 0.0, n) * rm >= 0


@given(scores, bounds)
def test_no_correction_is_the_identity(rm: float, n: float) -> None:
    for judge, rules in ((0.0, 0.0), (NAN, 0.0), (0.0, NAN), (NAN, NAN)):
        assert one(rm, judge, rules, n) == rm
    assert one(rm, NAN, 0.7, n) == one(rm, 0.0, 0.7, n)  # a part that is not scored is left out, not guessed


def test_min_gain_gives_the_correction_a_hold_near_zero() -> None:
    assert one(0.0, 2.0, 0.0) == 0.0
    assert one(0.0, 2.0, 0.0, min_gain=0.5) == 0.5
    assert one(-0.1, -2.0, 0.0, min_gain=0.5) == pytest.approx(-0.6)
    assert one(3.0, 1.0, 0.0, min_gain=0.5) == one(3.0, 1.0, 0.0)


def test_bad_input_is_an_error_not_a_number() -> None:
    ok = torch.zeros(2)
    for bad in (NAN, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"not finite.*\[1\]"):
            enhance(torch.tensor([0.0, bad]), ok, ok, 2.0)
    with pytest.raises(ValueError, match="shapes differ"):
        enhance(torch.zeros(2), torch.zeros(1), ok, 2.0)
    with pytest.raises(ValueError, match="n must be above 0"):
        enhance(ok, ok, ok, 0.0)
    assert (
        enhance(torch.zeros(3, dtype=torch.float64), torch.zeros(3), torch.zeros(3), 2.0).dtype
        == torch.float64
    )


def test_veto() -> None:
    total, broken = torch.tensor([1.5, 1.5, -3.0]), torch.tensor([False, True, True])
    assert apply_veto(total, broken, None).tolist() == [1.5, 1.5, -3.0]
    assert apply_veto(total, broken, 0.5).tolist() == [1.5, -0.5, -3.0]
    assert apply_veto(total, broken, 0.0).tolist() == [1.5, 0.0, -3.0]


RM, JUDGE, RULES = (
    torch.tensor([1.0, -1.0, 2.0]),
    torch.tensor([0.5, NAN, NAN]),
    torch.tensor([-1.0, 0.5, NAN]),
)


def test_every_combination() -> None:
    mix = Mix(n=2.0, weights={"rm": 1.0, "judge": 2.0, "rules": 0.5})
    want = {
        "enhance": [1.0 * (1 - 0.25), -1.0 * (1 - 0.25), 2.0],
        "rm": [1.0, -1.0, 2.0],
        "judge": [0.5, NAN, NAN],
        "rules": [-1.0, 0.5, NAN],
        "judge_and_rules": [-0.5, 0.5, NAN],
        "weighted_sum": [1.0 + 1.0 - 0.5, -1.0 + 0.25, 2.0],
        "own": [NAN, NAN, NAN],  # there is none; see test_rewards_own.py
    }
    for name, values in want.items():
        got = COMBINERS[name](RM, JUDGE, RULES, mix).tolist()
        assert got == pytest.approx(values, nan_ok=True), name
    assert set(COMBINERS) == set(READS) == {*want, "normalised_sum"}


def test_normalised_sum_weighs_sources_of_any_scale_alike() -> None:
    mix = Mix()
    got = COMBINERS["normalised_sum"](RM, torch.zeros(3), 100 * RM, mix)
    z = (RM - RM.mean()) / RM.std(correction=0)
    torch.testing.assert_close(got, 2 * z)  # the judge has no variance and adds nothing
    assert moments_of(torch.tensor([1.0, NAN, 3.0])) == (2.0, 1.0)
    fixed = Mix(moments={"rm": (0.0, 2.0), "judge": (0.0, 0.0), "rules": (0.0, 0.0)})
    torch.testing.assert_close(COMBINERS["normalised_sum"](RM, JUDGE, RULES, fixed)[0], torch.tensor(0.5))
