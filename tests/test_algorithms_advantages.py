"""Masked statistics and advantages against slow loops written from the papers' equations, in float64."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repo_cli.algorithms import (
    gae,
    group_advantages,
    masked_mean,
    masked_moments,
    masked_sum,
    masked_whiten,
    token_rewards,
    whiten_with_moments,
)

LENGTHS = [5, 0, 3, 1, 7]
T = 7


def ragged(seed: int = 0, poison: float | None = float("nan")) -> tuple[torch.Tensor, torch.Tensor]:
    """A float64 [5, 7] tensor and its prefix mask; `poison` stands at the masked places."""
    g = torch.Generator().manual_seed(seed)
    mask = torch.arange(T)[None] < torch.tensor(LENGTHS)[:, None]
    x = torch.randn(len(LENGTHS), T, generator=g, dtype=torch.float64)
    return (x if poison is None else torch.where(mask, x, torch.full_like(x, poison))), mask


def kept(x: torch.Tensor) -> list[float]:
    return [float(x[b, t]) for b, n in enumerate(LENGTHS) for t in range(n)]


def slow_gae(r, v, lengths, gamma, lam):
    """Equation 16 of arXiv 1506.02438 as the double sum it is: A_t = sum_l (gamma lam)^l delta_{t+l}."""
    adv = [[0.0] * T for _ in lengths]
    ret = [[0.0] * T for _ in lengths]
    for b, n in enumerate(lengths):
        for t in range(n):
            for k in range(t, n):
                after = float(v[b, k + 1]) if k + 1 < n else 0.0
                delta = float(r[b, k]) + gamma * after - float(v[b, k])
                adv[b][t] += (gamma * lam) ** (k - t) * delta
            ret[b][t] = adv[b][t] + float(v[b, t])
    return torch.tensor(adv, dtype=torch.float64), torch.tensor(ret, dtype=torch.float64)


@pytest.mark.parametrize("as_float", [False, True])
@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.97, 0.0)])
def test_gae_equals_the_double_sum(gamma: float, lam: float, as_float: bool) -> None:
    rewards, mask = ragged(1)
    values, _ = ragged(2)
    adv, ret = gae(rewards, values, mask.double() if as_float else mask, gamma, lam)
    want_adv, want_ret = slow_gae(rewards, values, LENGTHS, gamma, lam)
    assert adv.dtype == ret.dtype == torch.float64
    torch.testing.assert_close(adv, want_adv, atol=1e-12, rtol=0)
    torch.testing.assert_close(ret, want_ret, atol=1e-12, rtol=0)


def test_gae_skips_places_outside_the_mask() -> None:
    """A context before the reply, or a partner's turn inside it, is no time that passes."""
    rewards, mask = ragged(1, poison=None)
    values, _ = ragged(2, poison=None)
    want, _ = gae(rewards[:1, :4], values[:1, :4], mask[:1, :4], 0.9, 0.8)
    place = [1, 2, 5, 6]
    wide_r = torch.full((1, 9), float("nan"), dtype=torch.float64)
    wide_v, wide_m = wide_r.clone(), torch.zeros(1, 9)
    wide_r[0, place], wide_v[0, place], wide_m[0, place] = rewards[0, :4], values[0, :4], 1.0
    adv, ret = gae(wide_r, wide_v, wide_m, 0.9, 0.8)
    torch.testing.assert_close(adv[0, place], want[0])
    assert adv[0, [0, 3, 4, 7, 8]].abs().sum() == 0 and ret[0, [0, 3, 4, 7, 8]].abs().sum() == 0


def test_gae_of_nothing() -> None:
    empty = torch.zeros(2, 0)
    adv, ret = gae(empty, empty, empty, 1.0, 0.95)
    assert adv.shape == ret.shape == (2, 0)


def test_masked_mean_and_sum() -> None:
    x, mask = ragged()
    values = kept(x)
    assert float(masked_mean(x, mask)) == pytest.approx(math.fsum(values) / len(values), abs=1e-14)
    assert float(masked_sum(x, mask.float())) == pytest.approx(math.fsum(values), abs=1e-13)
    assert masked_mean(x, mask).dtype == torch.float64
    assert float(masked_mean(x, torch.zeros_like(x))) == 0.0
    ones = torch.ones(1, 1000, dtype=torch.bfloat16)
    assert float(masked_mean(ones, ones)) == 1.0  # a bfloat16 running sum would stop at 256


def test_gradients_at_masked_places_are_zero_not_nan() -> None:
    x, mask = ragged()
    x.requires_grad_(True)
    (masked_whiten(x, mask).square().mean() + masked_mean(x, mask)).backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[~mask] == 0).all() and (x.grad[mask] != 0).any()


def test_gae_and_whitening_gradients() -> None:
    x, mask = ragged(3, poison=None)
    y, _ = ragged(4, poison=None)
    x.requires_grad_(True), y.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda r, v: gae(r, v, mask, 0.9, 0.8), (x, y))
    assert torch.autograd.gradcheck(lambda a: masked_whiten(a, mask), (x,))


@pytest.mark.parametrize("shift", [True, False])
def test_whitening_uses_the_population_variance_over_the_mask(shift: bool) -> None:
    x, mask = ragged()
    values = kept(x)
    mean, var = statistics.fmean(values), statistics.pvariance(values)
    want = [(v - mean) / math.sqrt(var + 1e-8) + (0.0 if shift else mean) for v in values]
    got = masked_whiten(x, mask, shift_mean=shift)
    assert kept(got) == pytest.approx(want, abs=1e-12)
    assert (got[~mask] == 0).all()
    empty = masked_whiten(x, torch.zeros_like(mask), shift_mean=shift)
    assert (empty == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e3, 1e3), st.integers(1, 4))
def test_whitening_with_global_moments_equals_whitening_the_whole(offset: float, cut: int) -> None:
    x, mask = ragged(5)
    x = x + offset
    moments = masked_moments(x[:cut], mask[:cut]) + masked_moments(x[cut:], mask[cut:])
    parts = [whiten_with_moments(p, m, moments) for p, m in ((x[:cut], mask[:cut]), (x[cut:], mask[cut:]))]
    torch.testing.assert_close(torch.cat(parts), masked_whiten(x, mask), atol=1e-6, rtol=0)


def test_padding_changes_nothing() -> None:
    x, mask = ragged()
    fat = torch.cat([x, torch.full((5, 4), float("inf"), dtype=x.dtype)], dim=1)
    fat_mask = torch.cat([mask, torch.zeros(5, 4, dtype=torch.bool)], dim=1)
    assert torch.equal(masked_whiten(fat, fat_mask)[:, :T], masked_whiten(x, mask))


# pitfalls B4: the terminal reward lands on the last real token, wherever end tokens happen to stand
def test_token_rewards_lie_on_the_last_reply_token() -> None:
    _, mask = ragged()
    totals = torch.tensor([1.5, 9.0, -2.0, 0.25, 3.0], dtype=torch.float64)
    got = token_rewards(totals, mask)
    want = torch.zeros(5, T, dtype=torch.float64)
    for b, n in enumerate(LENGTHS):
        if n:
            want[b, n - 1] = totals[b]
    assert torch.equal(got, want) and got.dtype == torch.float64
    alive = torch.tensor(LENGTHS) > 0
    assert torch.equal((got * mask).sum(dim=1)[alive], totals[alive])  # nothing is lost under the mask
    # a mask inside the sequence (context first): the last 1, not the row's count
    shifted = torch.tensor([[0, 0, 1, 1, 1, 0]])
    assert token_rewards(torch.tensor([2.0]), shifted).tolist() == [[0, 0, 0, 0, 2.0, 0]]
    assert token_rewards(torch.tensor([2.0]), torch.zeros(1, 0)).shape == (1, 0)


@pytest.mark.parametrize("scale", [True, False])
def test_group_advantages(scale: bool) -> None:
    rewards = torch.tensor([1.0, 2.0, 4.0, -1.0, 0.5, 0.5, 0.1, 0.1, 0.1], dtype=torch.float64)
    got = group_advantages(rewards, 3, scale=scale).tolist()
    want: list[float] = []
    for g in range(3):
        group = rewards[3 * g : 3 * g + 3].tolist()
        mean = sum(group) / 3
        std = statistics.stdev(group)
        want += [(r - mean) / (std + 1e-4) if scale else r - mean for r in group]
    assert got == pytest.approx(want, abs=1e-12)
    assert got[6:] == [0.0, 0.0, 0.0]
    single = group_advantages(torch.tensor([3.0, -1.0]), 1, scale=scale)
    assert single.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="groups of 4"):
        group_advantages(rewards, 4)


def test_group_advantages_gradient_is_finite_for_flat_groups() -> None:
    rewards = torch.tensor([1.0, 1.0, 2.0, 5.0], dtype=torch.float64, requires_grad=True)
    group_advantages(rewards, 2).square().sum().backward()
    assert torch.isfinite(rewards.grad).all()


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        masked_mean(torch.zeros(2, 3), torch.ones(3))
    with pytest.raises(ValueError, match="do not fit"):
        token_rewards(torch.zeros(3), torch.ones(2, 4))
