"""The clipped policy loss of PPO and the clipped value loss, as token sums and as token means.

Shapes are `[batch, time]`; `mask` is 1 on reply tokens. `*_sum` functions return the sum over tokens and a
dict of detached token sums (with the count under "tokens"), to be merged by `merge_token_sums` and divided
once, globally; half precision is widened to float32 there.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from repo_cli.algorithms.advantages import blank, check_same_shape, wide

Stats = dict[str, Tensor]


def merge_token_sums(parts: Iterable[Stats]) -> Stats:
    """Means over all tokens from the sums of several micro-batches; keys that end in `_max` take the
    maximum."""
    merged: Stats = {}
    for part in parts:
        for name, value in part.items():
            if name not in merged:
                merged[name] = value
            else:
                merged[name] = (
                    torch.maximum(merged[name], value) if name.endswith("_max") else merged[name] + value
                )
    if not merged:
        return merged
    tokens = merged["tokens"].clamp(min=1)
    return {k: v if k == "tokens" or k.endswith("_max") else v / tokens for k, v in merged.items()}


def policy_loss_sum(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> tuple[Tensor, Stats]:
    """Minus the token sum of PPO's clipped objective; see `policy_loss`. Returns (scalar, token sums)."""
    check_same_shape(logps=logps, old_logps=old_logps, advantages=advantages, mask=mask)
    logps, old_logps, advantages = (wide(blank(x, mask)) for x in (logps, old_logps, advantages))
    log_ratio = logps - old_logps
    ratio = log_ratio.exp()
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    objective = torch.minimum(plain, clipped)
    if dual_clip is not None:
        floored = torch.maximum(objective, dual_clip * advantages)
        objective = torch.where(advantages < 0, floored, objective)
    loss = -blank(objective, mask).sum()
    with torch.no_grad():
        on = mask.bool()
        sums = {
            "tokens": on.sum().to(loss.dtype),
            "clip_frac": blank((clipped < plain).to(loss.dtype), on).sum(),
            "ratio": blank(ratio, on).sum(),
            # k3 estimator of KL(old || new) (Schulman's note): never negative, low variance
            "approx_kl": blank(ratio - 1 - log_ratio, on).sum(),
            "log_ratio_max": log_ratio.abs().amax() if log_ratio.numel() else loss.detach() * 0,
        }
    return loss, {name: value.detach() for name, value in sums.items()}


def policy_loss(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> tuple[Tensor, Stats]:
    """PPO's clipped policy loss (Schulman et al., arXiv 1707.06347, eq. 7) as a token mean.

    Minus the mean over reply tokens of min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), with
    ratio = exp(logps - old_logps). With `dual_clip` c (Ye et al., arXiv 1912.09729), for A < 0 that minimum
    is not let below c * A. Returns (scalar loss, stats: clip_frac, ratio, approx_kl, log_ratio_max, tokens).
    """
    total, sums = policy_loss_sum(logps, old_logps, advantages, mask, clip_low, clip_high, dual_clip)
    return (total / sums["tokens"].clamp(min=1)).to(logps.dtype), merge_token_sums([sums])


def value_loss_sum(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float | None
) -> tuple[Tensor, Stats]:
    """Token sum of the clipped value loss; see `value_loss`. Returns (scalar, token sums)."""
    check_same_shape(values=values, old_values=old_values, returns=returns, mask=mask)
    values, old_values, returns = (wide(blank(x, mask)) for x in (values, old_values, returns))
    plain = (values - returns).square()
    worst, hit = plain, torch.zeros_like(plain)
    if clip is not None:
        held = old_values + (values - old_values).clamp(-clip, clip)
        worst = torch.maximum(plain, (held - returns).square())
        hit = ((values - old_values).abs() > clip).to(plain.dtype)
    loss = 0.5 * blank(worst, mask).sum()
    on = mask.bool()
    sums = {
        "tokens": on.sum().to(loss.dtype),
        "clip_frac": blank(hit, on).sum(),
        "value": values.sum(),
        "squared_error": plain.sum(),
    }
    return loss, {name: value.detach() for name, value in sums.items()}


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float | None
) -> tuple[Tensor, Stats]:
    """Clipped value loss as a token mean: 0.5 * max((v - ret)^2, (old + clamp(v - old, -clip, clip) -
    ret)^2).

    The form of PPO's reference code, used for language models by Huang et al., arXiv 2403.17031. `clip=None`
    is the plain squared error. Returns (scalar loss, stats: clip_frac, value, squared_error, tokens).
    """
    total, sums = value_loss_sum(values, old_values, returns, mask, clip)
    return (total / sums["tokens"].clamp(min=1)).to(values.dtype), merge_token_sums([sums])
