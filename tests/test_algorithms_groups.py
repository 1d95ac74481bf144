"""KL estimates, IPO, GRPO's variants and groups with gaps against slow loops in float64; what no function may depend on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch

from repo_cli.algorithms import (
    bradley_terry_loss,
    dpo_loss,
    flat_groups,
    gae,
    gdpo_advantages,
    group_advantages,
    ipo_loss,
    kept_group_advantages,
    kl_estimate,
    length_weights,
    masked_mean,
    masked_whiten,
    policy_loss,
    policy_loss_sum,
    token_rewards,
    value_loss,
)

LENGTHS = [4, 1, 6, 2, 3, 5]
B, T = len(LENGTHS), 6
MASK = torch.arange(T)[None] < torch.tensor(LENGTHS)[:, None]
NAN = float("nan")


def draw(seed: int, spread: float = 1.0) -> torch.Tensor:
    """float64 [6, 6] with NaN at the masked places."""
    g = torch.Generator().manual_seed(seed)
    return torch.where(MASK, spread * torch.randn(B, T, generator=g, dtype=torch.float64), NAN)


# -- KL -------------------------------------------------------------------------------------------------------


def small_vocabulary() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a policy and log-probs of a reference over seven tokens."""
    g = torch.Generator().manual_seed(4)
    logits = torch.randn(7, generator=g, dtype=torch.float64)
    return logits.requires_grad_(True), torch.randn(7, generator=g, dtype=torch.float64).log_softmax(-1)


def exact_kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def every_token(logps: torch.Tensor, ref: torch.Tensor, kind: str) -> torch.Tensor:
    """The estimate for each of the seven tokens."""
    return kl_estimate(logps[None], ref[None], torch.ones(1, 7), kind)[0]


def test_k1_and_k3_have_the_exact_kl_as_their_mean_and_k2_nearly() -> None:
    logits, ref = small_vocabulary()
    logps = logits.detach().log_softmax(-1)
    p, wanted = logps.exp(), exact_kl(logps.exp().tolist(), ref.exp().tolist())
    assert wanted > 0.3
    for kind in ("k1", "k3"):
        assert float((p * every_token(logps, ref, kind)).sum()) == pytest.approx(wanted, abs=1e-12)
    assert (every_token(logps, ref, "k3") >= 0).all() and (every_token(logps, ref, "k2") >= 0).all()
    assert (every_token(logps, ref, "k1") < 0).any()
    near = (logits.detach() + 0.05 * ref).log_softmax(-1)  # k2 is right to second order
    small = exact_kl(near.exp().tolist(), logps.exp().tolist())
    assert float((near.exp() * every_token(near, logps, "k2")).sum()) == pytest.approx(small, rel=0.05)


def test_a_sample_gives_the_exact_kl_within_its_error() -> None:
    logits, ref = small_vocabulary()
    logps = logits.detach().log_softmax(-1)
    wanted = exact_kl(logps.exp().tolist(), ref.exp().tolist())
    tokens = torch.multinomial(
        logps.exp(), 20_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    spread = {}
    for kind in ("k1", "k3"):
        found = kl_estimate(logps[tokens][None], ref[tokens][None], torch.ones(1, 20_000), kind)[0]
        spread[kind] = float(found.std())
        assert abs(float(found.mean()) - wanted) < 4 * spread[kind] / math.sqrt(20_000)
    assert spread["k3"] < spread["k1"]


def test_what_each_estimates_gradient_is_as_a_loss() -> None:
    """Mean over the policy's own tokens: k2's is the KL's own, k1's is 0, k3's is that of KL(reference || policy)."""
    logits, ref = small_vocabulary()

    def gradient(of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.autograd.grad(of(logits.log_softmax(-1)), logits)[0]

    kl = gradient(lambda lp: (lp.exp() * (lp - ref)).sum())
    other = gradient(lambda lp: -(ref.exp() * lp).sum())
    means = {
        kind: gradient(lambda lp, k=kind: (lp.exp().detach() * every_token(lp, ref, k)).sum())
        for kind in ("k1", "k2", "k3")
    }
    torch.testing.assert_close(means["k2"], kl, atol=1e-12, rtol=0)
    assert means["k1"].abs().max() < 1e-12 < kl.abs().max()
    torch.testing.assert_close(means["k3"], other, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_kl_is_silent_at_masked_places(kind: str) -> None:
    new, ref = draw(1).requires_grad_(True), draw(2)
    found = kl_estimate(new, ref, MASK, kind)
    slow = {"k1": lambda d: d, "k2": lambda d: d * d / 2, "k3": lambda d: math.exp(-d) - 1 + d}[kind]
    for b in range(B):
        for t in range(T):
            wanted = slow(float(new[b, t].detach()) - float(ref[b, t])) if MASK[b, t] else 0.0
            assert float(found[b, t].detach()) == pytest.approx(wanted, abs=1e-12)
    found.sum().backward()
    assert (new.grad[~MASK] == 0).all() and torch.isfinite(new.grad).all()
    with pytest.raises(ValueError, match="k4"):
        kl_estimate(new, ref, MASK, "k4")


# -- groups ---------------------------------------------------------------------------------------------------

REWARDS = torch.tensor([1.0, 2.0, 4.0, 0.5, 0.5, 0.5, -1.0, 3.0, 0.1], dtype=torch.float64)
KEEP = torch.tensor([1, 1, 1, 1, 0, 1, 1, 0, 1], dtype=torch.bool)


def slow_groups(rewards: list[float], keep: list[bool], size: int, scale: bool) -> list[float]:
    """Equation of arXiv 2402.03300 within the kept replies of each group, n - 1 in the deviation, eps 1e-4."""
    out = [0.0] * len(rewards)
    for start in range(0, len(rewards), size):
        rows = [i for i in range(start, start + size) if keep[i]]
        values = [rewards[i] for i in rows]
        for i in rows:
            centred = rewards[i] - sum(values) / len(values)
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            out[i] = centred / (deviation + 1e-4) if scale and len(values) > 1 else centred
    return out


@pytest.mark.parametrize("scale", [True, False])
def test_groups_with_gaps(scale: bool) -> None:
    got = kept_group_advantages(REWARDS, KEEP, 3, scale)
    assert got.tolist() == pytest.approx(slow_groups(REWARDS.tolist(), KEEP.tolist(), 3, scale), abs=1e-12)
    assert got.dtype == torch.float64 and (got[3:6] == 0).all() and got[7] == 0
    whole = kept_group_advantages(REWARDS, torch.ones(9, dtype=torch.bool), 3, scale)
    assert torch.equal(whole, group_advantages(REWARDS, 3, scale))


def test_gdpo_normalises_each_source_before_the_sum() -> None:
    g = torch.Generator().manual_seed(3)
    sources = torch.randn(3, 9, generator=g, dtype=torch.float64) * torch.tensor([[1.0], [100.0], [0.1]])
    sources[1, 3:6] = 7.0  # a source that does not vary in the second group
    sources[2, 8] = NAN  # not scored
    weights = [1.0, 0.5, 2.0]
    wanted = [0.0] * 9
    for weight, row in zip(weights, sources.tolist(), strict=True):
        scored = [k and v == v for k, v in zip(KEEP.tolist(), row, strict=True)]
        for i, a in enumerate(slow_groups([v if v == v else 0.0 for v in row], scored, 3, True)):
            wanted[i] += weight * a
    assert gdpo_advantages(sources, weights, KEEP, 3).tolist() == pytest.approx(wanted, abs=1e-12)
    # the source on the largest scale drowns the others in a plain sum, and not here
    largest = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1000.0, 500.0]], dtype=torch.float64)
    keep = torch.ones(3, dtype=torch.bool)
    assert gdpo_advantages(largest, [1.0, 1.0], keep, 3).abs().max() < 1e-3
    assert kept_group_advantages(largest.sum(0), keep, 3)[1] > 0.99


def test_flat_groups() -> None:
    rewards = torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 5.0, NAN, 1.0])
    keep = torch.tensor([1, 1, 1, 1, 1, 1, 0, 1], dtype=torch.bool)
    assert flat_groups(rewards, keep, 2).tolist() == [True, True, False, True]
    assert flat_groups(rewards, keep, 4).tolist() == [False, False]
    assert flat_groups(rewards[:0], keep[:0], 4).tolist() == []
    assert flat_groups(rewards[:2], torch.zeros(2, dtype=torch.bool), 2).tolist() == [True]


@pytest.mark.parametrize("kind", ["token", "reply", "constant"])
@pytest.mark.parametrize("dual", [None, 1.5])
def test_length_normalisation_is_the_papers_double_mean(kind: str, dual: float | None) -> None:
    """sum over tokens / tokens; GRPO's (1 / replies) sum (1 / length) sum; Dr.GRPO's (1 / replies) sum (1 / longest) sum."""
    new, old, adv, longest = draw(1), draw(2), draw(3), 9
    total = 0.0
    for b, n in enumerate(LENGTHS):
        terms = []
        for t in range(n):
            a, ratio = float(adv[b, t]), math.exp(float(new[b, t]) - float(old[b, t]))
            term = min(ratio * a, min(max(ratio, 0.8), 1.3) * a)
            terms.append(max(term, dual * a) if dual is not None and a < 0 else term)
        share = {"token": 1 / sum(LENGTHS), "reply": 1 / (B * n), "constant": 1 / (B * longest)}[kind]
        total -= share * sum(terms)
    lengths = torch.tensor(LENGTHS)
    weights = length_weights(lengths, kind, float(sum(LENGTHS)), float(B), longest).double()[:, None]
    parts = []  # and cut in two, since the weights come from the counts of the whole batch
    for rows in (slice(0, 2), slice(2, B)):
        loss, _ = policy_loss_sum(new[rows], old[rows], (adv * weights)[rows], MASK[rows], 0.2, 0.3, dual)
        parts.append(float(loss))
    assert sum(parts) / sum(LENGTHS) == pytest.approx(total, abs=1e-6)
    with pytest.raises(ValueError, match="none of token"):
        length_weights(lengths, "characters", 1.0, 1.0, 1)


# -- pairs ----------------------------------------------------------------------------------------------------


def test_ipo_loss() -> None:
    g = torch.Generator().manual_seed(9)
    c, r, rc, rr = (3 * torch.randn(6, generator=g, dtype=torch.float64) for _ in range(4))
    for beta in (0.1, 0.5):
        terms = [
            (float(c[i]) - float(rc[i]) - float(r[i]) + float(rr[i]) - 1 / (2 * beta)) ** 2 for i in range(6)
        ]
        loss, stats = ipo_loss(c, r, rc, rr, beta)
        assert float(loss) == pytest.approx(sum(terms) / 6, abs=1e-12) and loss.dtype == torch.float64
        assert float(stats["reward_margin"]) == pytest.approx(
            beta * float((c - rc - r + rr).mean()), abs=1e-12
        )
        assert float(ipo_loss(c, r, c, r, beta)[0]) == pytest.approx(1 / (4 * beta**2), abs=1e-12)
        inputs = [x.clone().requires_grad_(True) for x in (c, r)]
        assert torch.autograd.gradcheck(lambda a, b, k=beta: ipo_loss(a, b, rc, rr, k)[0], inputs)
    assert float(ipo_loss(c[:0], r[:0], rc[:0], rr[:0], 0.1)[0]) == 0.0


def test_bradley_terry_with_labels_that_may_be_wrong() -> None:
    g = torch.Generator().manual_seed(2)
    c, r = (2 * torch.randn(5, generator=g, dtype=torch.float64) for _ in range(2))
    terms = []
    for i in range(5):
        gap = float(c[i]) - float(r[i])
        terms.append(0.8 * math.log1p(math.exp(-gap)) + 0.2 * math.log1p(math.exp(gap)))
    loss, _ = bradley_terry_loss(c, r, label_smoothing=0.2)
    assert float(loss) == pytest.approx(sum(terms) / 5, abs=1e-12)


# -- what nothing may depend on -------------------------------------------------------------------------------


def everything(rows: list[int], extra: int) -> dict[str, torch.Tensor]:
    """Every function of the contract on the batch in the order `rows`, with `extra` columns of NaN behind it."""

    def at(seed: int) -> torch.Tensor:
        return torch.nn.functional.pad(draw(seed)[rows], (0, extra), value=NAN)

    mask = torch.nn.functional.pad(MASK[rows], (0, extra))
    new, old, adv, values, old_values, returns = (at(s) for s in range(6))
    totals = draw(7)[:, 0][rows]
    c, r, rc, rr = (draw(s)[:, 0][rows] for s in (8, 9, 10, 11))
    advantages, targets = gae(token_rewards(totals, mask), values, mask, 0.9, 0.8)
    return {
        "masked_mean": masked_mean(new, mask),
        "masked_whiten": masked_whiten(new, mask),
        "gae": advantages,
        "returns": targets,
        "policy_loss": policy_loss(new, old, adv, mask, 0.2, 0.3, 3.0)[0],
        "value_loss": value_loss(values, old_values, returns, mask, 0.2)[0],
        "kl": kl_estimate(new, old, mask, "k3"),
        "groups": group_advantages(totals, 3),
        "dpo": dpo_loss(c, r, rc, rr, 0.3, 0.1)[0],
        "ipo": ipo_loss(c, r, rc, rr, 0.3)[0],
        "bradley_terry": bradley_terry_loss(c, r, None, 0.01)[0],
    }


def test_padding_changes_nothing() -> None:
    plain, padded = everything(list(range(B)), 0), everything(list(range(B)), 5)
    for name, value in plain.items():
        got = padded[name][..., :T] if value.dim() == 2 else padded[name]
        torch.testing.assert_close(got, value, atol=1e-13, rtol=0, msg=name)  # sums round in another order
        assert value.dim() < 2 or not padded[name][:, T:].any()


def test_the_order_of_the_batch_changes_nothing() -> None:
    order = [4, 3, 5, 1, 0, 2]  # groups of three change places, and the replies within them
    plain, turned = everything(list(range(B)), 0), everything(order, 0)
    for name, value in plain.items():
        wanted = value[order] if value.dim() else value
        torch.testing.assert_close(turned[name], wanted, atol=1e-12, rtol=0, msg=name)
