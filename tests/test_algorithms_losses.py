"""Policy, value and preference losses against loops written from the equations; sums, splits and
gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from repo_cli.algorithms import (
    bradley_terry_loss,
    bradley_terry_loss_sum,
    dpo_loss,
    dpo_loss_sum,
    merge_token_sums,
    policy_loss,
    policy_loss_sum,
    value_loss,
    value_loss_sum,
)

LENGTHS = [4, 0, 6, 1, 3, 5, 2, 6]
B, T = len(LENGTHS), 6
MASK = torch.arange(T)[None] < torch.tensor(LENGTHS)[:, None]


def draw(seed: int, spread: float = 1.0, poison: bool = True) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = spread * torch.randn(B, T, generator=g, dtype=torch.float64)
    return torch.where(MASK, x, torch.full_like(x, float("nan"))) if poison else x


def slow_policy_loss(new, old, adv, low, high, dual) -> float:
    terms = []
    for b, n in enumerate(LENGTHS):
        for t in range(n):
            a, ratio = float(adv[b, t]), math.exp(float(new[b, t]) - float(old[b, t]))
            term = min(ratio * a, min(max(ratio, 1 - low), 1 + high) * a)
            if dual is not None and a < 0:
                term = max(term, dual * a)
            terms.append(term)
    return -sum(terms) / len(terms)


@pytest.mark.parametrize("dual", [None, 1.5, 3.0])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.1, 0.4)])
def test_policy_loss(low: float, high: float, dual: float | None) -> None:
    new, old, adv = draw(1), draw(2), draw(3)
    loss, stats = policy_loss(new, old, adv, MASK, low, high, dual)
    assert loss.dtype == torch.float64 and loss.dim() == 0
    assert float(loss) == pytest.approx(slow_policy_loss(new, old, adv, low, high, dual), abs=1e-12)
    assert float(loss) == pytest.approx(float(policy_loss(new, old, adv, MASK.float(), low, high, dual)[0]))
    assert 0 < float(stats["clip_frac"]) < 1 and float(stats["tokens"]) == sum(LENGTHS)
    assert all(not torch.as_tensor(v).requires_grad for v in stats.values())


def test_policy_loss_before_any_update_is_minus_the_mean_advantage() -> None:
    new, adv = draw(1), draw(3)
    loss, stats = policy_loss(new, new, adv, MASK, 0.2, 0.2)
    assert float(loss) == pytest.approx(-float(adv[MASK].mean()), abs=1e-14)
    assert float(stats["clip_frac"]) == float(stats["log_ratio_max"]) == float(stats["approx_kl"]) == 0.0


def test_policy_gradient_and_its_silence() -> None:
    new, old, adv = draw(1), draw(2), draw(3)
    new.requires_grad_(True)
    policy_loss(new, old, adv, MASK, 0.2, 0.2)[0].backward()
    logp, n = new.detach(), sum(LENGTHS)
    for b in range(B):
        for t in range(T):
            want = 0.0
            if MASK[b, t]:
                a, ratio = float(adv[b, t]), math.exp(float(logp[b, t]) - float(old[b, t]))
                clipped = (a > 0 and ratio > 1.2) or (a < 0 and ratio < 0.8)
                want = 0.0 if clipped else -ratio * a / n
            assert float(new.grad[b, t]) == pytest.approx(want, abs=1e-12)


def test_dual_clip_stops_the_gradient_of_a_runaway_ratio() -> None:
    new = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    old, adv, on = torch.zeros(1, 1).double(), -torch.ones(1, 1).double(), torch.ones(1, 1)
    loss, _ = policy_loss(new, old, adv, on, 0.2, 0.2, dual_clip=3.0)
    loss.backward()
    assert float(loss.detach()) == 3.0 and float(new.grad) == 0.0


@pytest.mark.parametrize("clip", [0.2, 1.0, None])
def test_value_loss(clip: float | None) -> None:
    new, old, ret = draw(4), draw(5), draw(6)
    terms = []
    for b, n in enumerate(LENGTHS):
        for t in range(n):
            v, o, r = float(new[b, t]), float(old[b, t]), float(ret[b, t])
            held = v if clip is None else o + min(max(v - o, -clip), clip)
            terms.append(0.5 * max((v - r) ** 2, (held - r) ** 2))
    loss, stats = value_loss(new, old, ret, MASK, clip)
    assert float(loss) == pytest.approx(sum(terms) / len(terms), abs=1e-12)
    assert loss.dtype == torch.float64 and float(stats["tokens"]) == len(terms)
    free = draw(4, poison=False).requires_grad_(True)
    safe_old, safe_ret = draw(5, poison=False), draw(6, poison=False)
    assert torch.autograd.gradcheck(lambda v: value_loss(v, safe_old, safe_ret, MASK, clip)[0], (free,))


@pytest.mark.parametrize("fill", [float("nan"), float("inf"), -1e300])
def test_masked_places_reach_neither_value_nor_gradient(fill: float) -> None:
    def with_fill(x: torch.Tensor) -> torch.Tensor:
        return torch.where(MASK, x, torch.full_like(x, fill)).requires_grad_(True)

    for fn, extra in ((policy_loss, (0.2, 0.2, 3.0)), (value_loss, (0.2,))):
        clean = [draw(s, poison=False).requires_grad_(True) for s in (1, 2, 3)]
        dirty = [with_fill(x.detach()) for x in clean]
        want, got = fn(*clean, MASK, *extra)[0], fn(*dirty, MASK, *extra)[0]
        want.backward(), got.backward()
        assert float(want) == float(got)
        for c, d in zip(clean, dirty, strict=True):
            assert torch.equal(c.grad, d.grad) and (d.grad[~MASK] == 0).all()


def test_empty_masks_give_zero_with_zero_gradient() -> None:
    none = torch.zeros(B, T)
    for fn, extra in ((policy_loss, (0.2, 0.2)), (value_loss, (0.2,))):
        x = draw(1).requires_grad_(True)
        loss, stats = fn(x, draw(2), draw(3), none, *extra)
        loss.backward()
        assert float(loss) == 0.0 and (x.grad == 0).all()
        assert all(math.isfinite(float(v)) for v in stats.values())


# pitfalls B10: one loss scale whatever the split; the sums are added and divided once by the global count
@pytest.mark.parametrize("cuts", [[8], [4, 4], [1] * 8, [3, 5], [1, 6, 1]])
def test_token_sums_give_the_same_gradient_for_every_split(cuts: list[int]) -> None:
    old, adv = draw(2), draw(3)
    cases: list[tuple[Callable, Callable, tuple]] = [
        (policy_loss, policy_loss_sum, (0.2, 0.2, None)),
        (value_loss, value_loss_sum, (0.2,)),
    ]
    for mean_fn, sum_fn, extra in cases:
        whole = draw(1).requires_grad_(True)
        loss, stats = mean_fn(whole, old, adv, MASK, *extra)
        loss.backward()
        parts = draw(1).requires_grad_(True)
        start, sums, total = 0, [], 0.0
        for size in cuts:
            at = slice(start, start + size)
            part, s = sum_fn(parts[at], old[at], adv[at], MASK[at], *extra)
            (part / MASK.sum()).backward()
            sums.append(s)
            total += float(part.detach()) / int(MASK.sum())
            start += size
        assert total == pytest.approx(float(loss), abs=1e-12)
        torch.testing.assert_close(parts.grad, whole.grad, atol=1e-14, rtol=1e-12)
        for name, value in merge_token_sums(sums).items():
            assert float(value) == pytest.approx(float(stats[name]), abs=1e-12), name


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def vectors() -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(9)
    return [3 * torch.randn(6, generator=g, dtype=torch.float64) for _ in range(4)]


@pytest.mark.parametrize(("beta", "smoothing"), [(0.1, 0.0), (0.5, 0.2), (2.0, 0.0)])
def test_dpo_loss(beta: float, smoothing: float) -> None:
    c, r, rc, rr = vectors()
    terms = []
    for i in range(6):
        h = beta * ((float(c[i]) - float(rc[i])) - (float(r[i]) - float(rr[i])))
        terms.append((1 - smoothing) * softplus(-h) + smoothing * softplus(h))
    loss, stats = dpo_loss(c, r, rc, rr, beta, smoothing)
    assert float(loss) == pytest.approx(sum(terms) / 6, abs=1e-12) and loss.dtype == torch.float64
    assert float(stats["pairs"]) == 6 and 0 <= float(stats["accuracy"]) <= 1
    inputs = [x.clone().requires_grad_(True) for x in (c, r)]
    assert torch.autograd.gradcheck(lambda a, b: dpo_loss(a, b, rc, rr, beta, smoothing)[0], inputs)


def test_dpo_starts_at_ln2_and_survives_extremes() -> None:
    c, r, _, _ = vectors()
    assert float(dpo_loss(c, r, c, r, 0.1)[0]) == pytest.approx(math.log(2), abs=1e-15)
    far = torch.tensor([-1e5], dtype=torch.float64, requires_grad=True)
    loss, _ = dpo_loss(far, torch.zeros(1).double(), torch.zeros(1).double(), torch.zeros(1).double(), 1.0)
    loss.backward()
    assert float(loss) == pytest.approx(1e5) and float(far.grad) == pytest.approx(-1.0)


@pytest.mark.parametrize(("with_margin", "center"), [(False, 0.0), (True, 0.0), (True, 0.01)])
def test_bradley_terry_loss(with_margin: bool, center: float) -> None:
    c, r, m, _ = vectors()
    margin = m.abs() if with_margin else None
    terms = []
    for i in range(6):
        gap = float(c[i]) - float(r[i]) - (float(margin[i]) if margin is not None else 0.0)
        terms.append(softplus(-gap) + center * (float(c[i]) + float(r[i])) ** 2)
    loss, stats = bradley_terry_loss(c, r, margin, center)
    assert float(loss) == pytest.approx(sum(terms) / 6, abs=1e-12) and loss.dtype == torch.float64
    assert float(stats["accuracy"]) == pytest.approx(
        sum(float(a) > float(b) for a, b in zip(c, r, strict=True)) / 6
    )
    inputs = [x.clone().requires_grad_(True) for x in (c, r)]
    assert torch.autograd.gradcheck(lambda a, b: bradley_terry_loss(a, b, margin, center)[0], inputs)


def test_pair_sums_split_and_empty_batches() -> None:
    c, r, rc, rr = vectors()
    for mean_fn, sum_fn, args, extra in (
        (dpo_loss, dpo_loss_sum, (c, r, rc, rr), (0.3, 0.1)),
        (bradley_terry_loss, bradley_terry_loss_sum, (c, r), (None, 0.02)),
    ):
        halves = sum(sum_fn(*(a[s] for a in args), *extra)[0] for s in (slice(0, 2), slice(2, 6)))
        assert float(halves) / 6 == pytest.approx(float(mean_fn(*args, *extra)[0]), abs=1e-12)
        assert float(mean_fn(*(a[:0] for a in args), *extra)[0]) == 0.0
    with pytest.raises(ValueError, match="shapes differ"):
        bradley_terry_loss(c, r[:1])
