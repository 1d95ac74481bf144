"""Who decides: what each reward source adds to the total, and whether the reward model and the corrections agree.

All tensors are `[batch]`, NaN = not scored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from repo_cli.rewards.combine import Mix, moments_of
from repo_cli.rewards.enhancement import correction


def contributions(
    combine: str, rm: Tensor, judge: Tensor, rules: Tensor, total: Tensor, mix: Mix
) -> dict[str, Tensor]:
    """What rm, judge, rules and the veto each add to `total`; the four sum to it (up to a constant in normalised_sum).

    In `enhance` the correction max(|R_rm|, min_gain) * E / n is split between judge and rules as E_judge and E_rules
    are, both scaled by what the clip leaves of their sum. What is not scored adds 0.
    """
    zero = torch.zeros_like(total)
    parts = {"rm": zero, "judge": zero, "rules": zero}
    sources = {"rm": rm, "judge": judge, "rules": rules}
    plain = {name: torch.where(x.isnan(), 0.0, x).to(total.dtype) for name, x in sources.items()}
    if combine == "enhance":
        both = plain["judge"] + plain["rules"]
        kept = torch.where(both.abs() > mix.n, mix.n / both.abs().clamp(min=1e-12), 1.0)
        gain = plain["rm"].abs().clamp(min=mix.min_gain) / mix.n
        parts = {
            "rm": plain["rm"],
            "judge": gain * kept * plain["judge"],
            "rules": gain * kept * plain["rules"],
        }
    elif combine == "judge_and_rules":
        parts |= {"judge": plain["judge"], "rules": plain["rules"]}
    elif combine == "weighted_sum":
        parts = {name: mix.weights[name] * x for name, x in plain.items()}
    elif combine == "normalised_sum":
        for name, x in plain.items():
            _, std = (mix.moments or {}).get(name) or moments_of(sources[name])
            parts[name] = mix.weights[name] * x / std if std > 1e-6 else zero
    else:
        parts[combine] = plain[combine]
    made = parts["rm"] + parts["judge"] + parts["rules"]
    # a normalised sum takes means away, so only a lowered total can be the veto's work
    parts["veto"] = (
        zero if combine == "normalised_sum" else torch.where(total < made - 1e-5, total - made, zero)
    )
    return parts


def corrections(judge: Tensor, rules: Tensor, n: float) -> Tensor:
    """E of each reply, NaN where neither judge nor rules were scored."""
    unscored = judge.isnan() & rules.isnan()
    return torch.where(unscored, torch.nan, correction(judge, rules, n))


def opposed(rm: Tensor, e: Tensor, rm_mean: float, e_mean: float) -> Tensor:
    """1 where the reward model likes a reply more than its mean and judge and rules less than theirs, or the reverse.

    Measured from the means over all replies, as learning does: a reward model whose scale has no negative side would
    else never oppose a bonus. NaN where either is not scored.
    """
    product = (rm.double() - rm_mean) * (e.double() - e_mean)
    return torch.where(product.isnan(), torch.nan, (product < -1e-9).double())
