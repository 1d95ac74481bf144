"""Masked statistics, the terminal reward's slot, and advantages (GAE; group-relative).

Shapes are `[batch, time]` unless said otherwise; dtype in is dtype out. Half precision is widened to float32
inside.
"""

from __future__ import annotations

import torch
from torch import Tensor

WHITEN_EPS = 1e-8


def check_same_shape(**tensors: Tensor) -> None:
    """Refuse tensors of unequal shape: silent broadcasting is how a loss goes wrong without a word."""
    shapes = {name: tuple(t.shape) for name, t in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"shapes differ: {shapes}")


def blank(x: Tensor, mask: Tensor) -> Tensor:
    """`x` with exact zeros where `mask` is 0; the gradient there is 0 too, even when `x` holds NaN or inf."""
    return torch.where(mask.bool(), x, torch.zeros((), dtype=x.dtype, device=x.device))


def wide(x: Tensor) -> Tensor:
    """float32 for half precision (a bfloat16 sum stops counting at 256); other dtypes as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def masked_sum(x: Tensor, mask: Tensor) -> Tensor:
    """Scalar sum of `x` over the mask; an empty mask gives 0."""
    check_same_shape(x=x, mask=mask)
    return wide(blank(x, mask)).sum().to(x.dtype)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Scalar mean of `x` over the mask; an empty mask gives 0."""
    check_same_shape(x=x, mask=mask)
    kept = wide(blank(x, mask))
    return (kept.sum() / mask.bool().sum().clamp(min=1)).to(x.dtype)


def masked_whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """(x - mean) / sqrt(var + 1e-8) over the mask, 0 elsewhere.

    The variance is the population's (divided by the count). With `shift_mean=False` the mean is added back.
    """
    check_same_shape(x=x, mask=mask)
    kept = wide(blank(x, mask))
    count = mask.bool().sum().clamp(min=1)
    mean = kept.sum() / count
    centred = blank(kept - mean, mask)
    variance = centred.square().sum() / count
    return _whitened(centred, mean, variance, mask, shift_mean).to(x.dtype)


def masked_moments(x: Tensor, mask: Tensor) -> Tensor:
    """`[3]` float64: (sum, sum of squares, count) over the mask, fit to be added over ranks and
    micro-batches.

    float64, because the variance is later the difference of two large numbers.
    """
    check_same_shape(x=x, mask=mask)
    values = blank(x, mask).double()
    return torch.stack([values.sum(), values.square().sum(), mask.bool().sum().double()])


def whiten_with_moments(x: Tensor, mask: Tensor, moments: Tensor, shift_mean: bool = True) -> Tensor:
    """`masked_whiten` with statistics from elsewhere: `moments` is `masked_moments` added over the global
    batch."""
    check_same_shape(x=x, mask=mask)
    total, squares, count = moments.double().unbind()
    count = count.clamp(min=1)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0)
    kept = wide(blank(x, mask))
    mean, variance = mean.to(kept), variance.to(kept)
    return _whitened(blank(kept - mean, mask), mean, variance, mask, shift_mean).to(x.dtype)


def _whitened(centred: Tensor, mean: Tensor, variance: Tensor, mask: Tensor, shift_mean: bool) -> Tensor:
    scaled = centred * torch.rsqrt(variance + WHITEN_EPS)
    return scaled if shift_mean else blank(scaled + mean, mask)


def token_rewards(totals: Tensor, mask: Tensor) -> Tensor:
    """Put each reply's total on its last reply token.

    totals: `[batch]`, mask: `[batch, time]` -> `[batch, time]` of totals' dtype. The slot is found from the
    mask alone, never by looking for an end token, so an end token in the middle of a reply or none at all is
    no matter. A row with an empty mask gets no reward anywhere.
    """
    if totals.shape != mask.shape[:1]:
        raise ValueError(f"totals {tuple(totals.shape)} do not fit mask {tuple(mask.shape)}")
    on = mask.bool()
    steps = torch.arange(on.shape[1], device=on.device)
    last = (
        torch.where(on, steps, -1).amax(dim=1, keepdim=True)
        if on.shape[1]
        else steps.new_full((len(on), 1), -1)
    )
    return blank(totals.unsqueeze(1).expand(on.shape), steps.unsqueeze(0) == last)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al., arXiv 1506.02438, eq. 16).

    rewards, values, mask: `[batch, time]` -> (advantages, returns), both `[batch, time]` and 0 where mask is
    0. `values[t]` is the value of the state before token t is emitted. The value after the last reply token
    is 0. returns = advantages + values. Places outside the mask are skipped over, not read as time that
    passes.
    """
    check_same_shape(rewards=rewards, values=values, mask=mask)
    on = mask.bool()
    dtype = torch.promote_types(rewards.dtype, values.dtype)
    rewards, values = wide(blank(rewards, on)), wide(blank(values, on))
    next_value = carried = values.new_zeros(values.shape[0])
    columns: list[Tensor] = []
    for t in range(values.shape[1] - 1, -1, -1):
        here = on[:, t]
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = delta + gamma * lam * carried
        columns.append(blank(advantage, here))
        carried = torch.where(here, advantage, carried)
        next_value = torch.where(here, values[:, t], next_value)
    advantages = torch.stack(columns[::-1], dim=1) if columns else torch.zeros_like(values)
    return advantages.to(dtype), blank(advantages + values, on).to(dtype)


def group_advantages(rewards: Tensor, group_size: int, scale: bool = True, eps: float = 1e-4) -> Tensor:
    """GRPO's advantage (Shao et al., arXiv 2402.03300): (R - mean) / (std + eps) within each group.

    rewards: `[batch]`, groups contiguous -> `[batch]`. std is the sample's (n - 1), as in TRL and verl; with
    `scale=False` there is no division (Dr.GRPO, arXiv 2503.20783). A group without variance gives exact
    zeros.
    """
    if rewards.dim() != 1 or group_size < 1 or rewards.shape[0] % group_size:
        raise ValueError(f"rewards of shape {tuple(rewards.shape)} do not split into groups of {group_size}")
    groups = wide(rewards).view(-1, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    flat = (
        groups.amax(dim=1, keepdim=True) == groups.amin(dim=1, keepdim=True) if len(groups) else groups.bool()
    )
    # equal rewards whose mean rounds differently would leave tiny noise: make it exactly 0
    centred = torch.where(flat, torch.zeros_like(centred), centred)
    if scale and group_size > 1:
        # the square root's gradient at 0 is infinite, so flat groups take 1 in its place
        variance = centred.square().sum(dim=1, keepdim=True) / (group_size - 1)
        centred = centred / (torch.where(flat, torch.ones_like(variance), variance).sqrt() + eps)
    return centred.reshape(-1).to(rewards.dtype)
