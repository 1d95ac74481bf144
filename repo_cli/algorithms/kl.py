"""Estimates of KL(policy || reference) from sampled tokens (Schulman's note "Approximating KL Divergence")."""

from __future__ import annotations

import torch
from torch import Tensor

from repo_cli.algorithms.advantages import blank, check_same_shape, wide

ESTIMATORS = ("k1", "k2", "k3")


def kl_estimate(logps: Tensor, ref_logps: Tensor, mask: Tensor, kind: str = "k3") -> Tensor:
    """One number a token; logps, ref_logps, mask: `[batch, time]` -> `[batch, time]`, 0 where mask is 0.

    With d = logps - ref_logps of a token drawn from the policy: k1 = d, without bias and of either sign;
    k2 = d^2 / 2, biased, never negative; k3 = exp(-d) - 1 + d, without bias and never negative. In a *reward*
    the numbers themselves count, so k1 or k3 is right there. In a *loss* their gradients count: that of k2
    has the KL's own gradient as its mean, k3's is near it close to the reference, and k1's has mean 0.

    Raises ValueError for another kind.
    """
    check_same_shape(logps=logps, ref_logps=ref_logps, mask=mask)
    gap = wide(blank(logps, mask)) - wide(blank(ref_logps, mask))
    if kind == "k1":
        found = gap
    elif kind == "k2":
        found = 0.5 * gap.square()
    elif kind == "k3":
        found = torch.exp(-gap) - 1.0 + gap
    else:
        raise ValueError(f"{kind!r} is none of {', '.join(ESTIMATORS)}")
    return found.to(logps.dtype)
