"""Reward enhancement, the heart of REPO (arXiv 2510.04214): judge and rules scale the reward model's
score."""

from __future__ import annotations

import torch
from torch import Tensor


def correction(judge: Tensor, rules: Tensor, n: float) -> Tensor:
    """E = clip(E_judge + E_rules, -n, n), `[batch]`; a part that is NaN (not scored) is left out."""
    if not n > 0:
        raise ValueError(f"n must be above 0, not {n}")
    scored = torch.where(judge.isnan(), 0.0, judge) + torch.where(rules.isnan(), 0.0, rules)
    return scored.clamp(-n, n)


def enhance(rm: Tensor, judge: Tensor, rules: Tensor, n: float, min_gain: float = 0.0) -> Tensor:
    """R = R_rm + max(|R_rm|, min_gain) * E / n, which with min_gain 0 is the paper's R_rm * (1 +- E/n).

    Args:
        rm, judge, rules: `[batch]`. NaN in `judge` or `rules` means not scored: that part is left out of E,
        and
            with both left out E = 0.
        n: E saturates at -n and n. min_gain: least |R_rm| that the correction works on (ours; 0 is the
        paper).

    Returns:
        `[batch]` of rm's dtype. Non-decreasing in E for every R_rm; with min_gain 0 the sign never flips.

    Raises:
        ValueError: `rm` holds a NaN or infinity, shapes differ, or n <= 0.
    """
    if not rm.shape == judge.shape == rules.shape:
        raise ValueError(
            f"shapes differ: rm {tuple(rm.shape)}, judge {tuple(judge.shape)}, rules {tuple(rules.shape)}"
        )
    if not torch.isfinite(rm).all():
        rows = (~torch.isfinite(rm)).nonzero().flatten().tolist()
        raise ValueError(f"the reward model's score is not finite for rows {rows}")
    share = correction(judge.to(rm.dtype), rules.to(rm.dtype), n) / n
    return rm + rm.abs().clamp(min=min_gain) * share


def multiplier(rm: Tensor, e: Tensor, n: float) -> Tensor:
    """What R_rm is multiplied by, `[batch]`: 1 + E/n where R_rm >= 0, 1 - E/n where it is below; 0 to 2.

    e: E of each reply; NaN (neither judge nor rules scored) leaves R_rm alone: 1. What min_gain and the veto add
    is no multiple of R_rm, and is not in it.
    """
    share = torch.where(e.isnan(), 0.0, e) / n
    return 1.0 + torch.where(rm < 0, -share, share)


def apply_veto(total: Tensor, hard_broken: Tensor, veto: float | None) -> Tensor:
    """min(R, -veto) where a hard rule is broken (`hard_broken` bool `[batch]`); veto None changes nothing."""
    if veto is None:
        return total
    return torch.where(hard_broken.bool(), total.clamp(max=-veto), total)
