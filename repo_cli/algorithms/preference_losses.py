"""Losses on pairs of replies: DPO and IPO on log-probabilities, Bradley-Terry on reward-model scores.

All inputs are `[batch]`, one entry a pair. `*_sum` functions return the sum over pairs and detached sums
(with the count under "pairs"); the mean versions divide by it. An empty batch gives 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from repo_cli.algorithms.advantages import check_same_shape, wide

Stats = dict[str, Tensor]


def _finish(losses: Tensor, per_pair: Stats) -> tuple[Tensor, Stats]:
    sums = {name: value.detach().to(losses.dtype).sum() for name, value in per_pair.items()}
    sums["pairs"] = losses.detach().new_tensor(float(losses.numel()))
    return losses.sum(), sums


def _mean(dtype: torch.dtype, total: Tensor, sums: Stats) -> tuple[Tensor, Stats]:
    pairs = sums["pairs"].clamp(min=1)
    return (total / pairs).to(dtype), {
        name: value if name == "pairs" else value / pairs for name, value in sums.items()
    }


def dpo_loss_sum(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Stats]:
    """Sum over pairs of the DPO loss; see `dpo_loss`. Returns (scalar, sums over pairs)."""
    check_same_shape(
        chosen_logps=chosen_logps,
        rejected_logps=rejected_logps,
        ref_chosen_logps=ref_chosen_logps,
        ref_rejected_logps=ref_rejected_logps,
    )
    chosen = wide(chosen_logps) - wide(ref_chosen_logps)
    rejected = wide(rejected_logps) - wide(ref_rejected_logps)
    h = beta * (chosen - rejected)
    losses = -(1 - label_smoothing) * F.logsigmoid(h) - label_smoothing * F.logsigmoid(-h)
    return _finish(losses, _implicit_rewards(chosen, rejected, beta))


def dpo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Stats]:
    """Direct preference optimisation (Rafailov et al., arXiv 2305.18290, eq. 7), with conservative label
    smoothing.

    Batch mean of -(1 - s) * log sigmoid(beta * h) - s * log sigmoid(-beta * h), where h = (chosen -
    ref_chosen) - (rejected - ref_rejected) and all are sums of a reply's log-probs, `[batch]`. With policy =
    reference the loss is ln 2. stats: accuracy, reward_chosen, reward_rejected, reward_margin, pairs.
    """
    sums = dpo_loss_sum(
        chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta, label_smoothing
    )
    return _mean(chosen_logps.dtype, *sums)


def ipo_loss_sum(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float,
) -> tuple[Tensor, Stats]:
    """Sum over pairs of the IPO loss; see `ipo_loss`. Returns (scalar, sums over pairs)."""
    check_same_shape(
        chosen_logps=chosen_logps,
        rejected_logps=rejected_logps,
        ref_chosen_logps=ref_chosen_logps,
        ref_rejected_logps=ref_rejected_logps,
    )
    chosen = wide(chosen_logps) - wide(ref_chosen_logps)
    rejected = wide(rejected_logps) - wide(ref_rejected_logps)
    h = chosen - rejected
    return _finish((h - 1.0 / (2.0 * beta)).square(), _implicit_rewards(chosen, rejected, beta))


def ipo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    beta: float,
) -> tuple[Tensor, Stats]:
    """Identity preference optimisation (Azar et al., arXiv 2310.12036, eq. 17, whose tau is `beta` here).

    Batch mean of (h - 1 / (2 beta))^2 with h as in `dpo_loss`: the margin is drawn to a finite value, where
    DPO's has no end. With policy = reference the loss is 1 / (4 beta^2). stats as in `dpo_loss`.
    """
    sums = ipo_loss_sum(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta)
    return _mean(chosen_logps.dtype, *sums)


def _implicit_rewards(chosen: Tensor, rejected: Tensor, beta: float) -> Stats:
    """beta * log(policy / reference) of both sides, their margin, and how often it points the right way."""
    return {
        "accuracy": (chosen > rejected).to(chosen.dtype),
        "reward_chosen": beta * chosen,
        "reward_rejected": beta * rejected,
        "reward_margin": beta * (chosen - rejected),
    }


def bradley_terry_loss_sum(
    chosen_scores: Tensor,
    rejected_scores: Tensor,
    margin: Tensor | float | None = None,
    center_coef: float = 0.0,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Stats]:
    """Sum over pairs of the Bradley-Terry loss; see `bradley_terry_loss`. Returns (scalar, sums over
    pairs)."""
    check_same_shape(chosen_scores=chosen_scores, rejected_scores=rejected_scores)
    if isinstance(margin, Tensor) and margin.dim():
        check_same_shape(chosen_scores=chosen_scores, margin=margin)
    chosen_scores, rejected_scores = wide(chosen_scores), wide(rejected_scores)
    gap = chosen_scores - rejected_scores
    h = gap if margin is None else gap - margin
    losses = -F.logsigmoid(h)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * F.logsigmoid(-h)
    if center_coef:
        losses = losses + center_coef * (chosen_scores + rejected_scores).square()
    return _finish(
        losses,
        {
            "accuracy": (gap > 0).to(losses.dtype),
            "score_chosen": chosen_scores,
            "score_rejected": rejected_scores,
            "score_margin": gap,
        },
    )


def bradley_terry_loss(
    chosen_scores: Tensor,
    rejected_scores: Tensor,
    margin: Tensor | float | None = None,
    center_coef: float = 0.0,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Stats]:
    """Reward-model loss on pairs: batch mean of -log sigmoid(c - r - margin) + center_coef * (c + r)^2.

    The centering term is that of Eisenstein et al., arXiv 2312.09244. scores `[batch]`; margin None,
    `[batch]` or a number. stats: accuracy (a tie is wrong), score_chosen, score_rejected, score_margin,
    pairs.
    """
    sums = bradley_terry_loss_sum(chosen_scores, rejected_scores, margin, center_coef, label_smoothing)
    return _mean(chosen_scores.dtype, *sums)
