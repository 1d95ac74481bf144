"""Who decides: what each reward source adds to the total, and whether the reward model and the corrections agree.

All tensors are `[batch]`, NaN = not scored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from repo_cli.rewards.combine import Mix, Own, moments_of, sources
from repo_cli.rewards.enhancement import correction


def contributions(
    combine: str, rm: Tensor, judge: Tensor, rules: Tensor, total: Tensor, mix: Mix, own: Own | None = None
) -> dict[str, Tensor]:
    """What each source and the veto add to `total`; they sum to it (up to a constant in normalised_sum).

    rm, judge, rules, veto, and "own/NAME" of each reward of the user's own that has a weight. In `enhance` the
    correction max(|R_rm|, min_gain) * E / n is split as E_judge, E_rules and E_own are, all scaled by what the clip
    leaves of their sum. What is not scored adds 0.
    """
    zero = torch.zeros_like(total)
    given = sources(rm, judge, rules, mix, own or {})
    parts = dict.fromkeys(given, zero)
    plain = {name: torch.where(x.isnan(), 0.0, x).to(total.dtype) for name, (_, x) in given.items()}
    mine = {name: weight * plain[name] for name, (weight, _) in given.items() if name.startswith("own/")}
    if combine == "enhance":
        both = plain["judge"] + plain["rules"]
        for x in mine.values():
            both = both + x
        kept = torch.where(both.abs() > mix.n, mix.n / both.abs().clamp(min=1e-12), 1.0)
        gain = plain["rm"].abs().clamp(min=mix.min_gain) / mix.n
        parts["rm"] = plain["rm"]
        for name, x in {"judge": plain["judge"], "rules": plain["rules"], **mine}.items():
            parts[name] = gain * kept * x
    elif combine == "judge_and_rules":
        parts |= {"judge": plain["judge"], "rules": plain["rules"], **mine}
    elif combine == "weighted_sum":
        parts = {name: weight * plain[name] for name, (weight, _) in given.items()}
    elif combine == "normalised_sum":
        for name, (weight, x) in given.items():
            _, std = (mix.moments or {}).get(name) or moments_of(x)
            parts[name] = weight * plain[name] / std if std > 1e-6 else zero
    elif combine == "own":
        parts |= mine
    else:
        parts[combine] = plain[combine]
    made = parts["rm"] + parts["judge"] + parts["rules"]
    for name in mine:
        made = made + parts[name]
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
