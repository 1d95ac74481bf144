"""How the reward sources become one number: one small pure function for each value of `reward.combine`.

All take (rm, judge, rules), `[batch]` each, NaN = not scored, `Mix`, and the scores of rewards of the user's own by
name (own.py; those with a weight in `Mix.own` are read). They return `[batch]`, NaN where nothing was scored that the
function reads; such a reply takes no part in the update, since missing is never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from repo_cli.rewards.enhancement import enhance

Moments = dict[str, tuple[float, float]]
#: Scores of rewards of the user's own by name.
Own = Mapping[str, Tensor]
_NONE: Own = {}


@dataclass(frozen=True)
class Mix:
    """What a combination may read besides the scores.

    n, min_gain: see `enhance`. weights: of the sums, by source. moments: (mean, std) of each source over the
    global batch, for `normalised_sum`; None = over the rows at hand. own: weight of each reward of the user's own.
    """

    n: float = 2.0
    min_gain: float = 0.0
    weights: dict[str, float] = field(default_factory=lambda: {"rm": 1.0, "judge": 1.0, "rules": 1.0})
    moments: Moments | None = None
    own: dict[str, float] = field(default_factory=dict)


def enhanced(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    """REPO: judge and programmatic rewards scale the reward model's score."""
    return enhance(rm, judge, programmatic(rules, mix, own), mix.n, mix.min_gain)


def rm_alone(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    return rm


def judge_alone(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    return judge


def rules_alone(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    return rules


def own_alone(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    """Sum of the rewards of the user's own times their weights."""
    return programmatic(torch.full_like(rules, torch.nan), mix, own)


def judge_and_rules(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    """Their plain sum: what the enhancement would add, without the reward model."""
    return _sum_of_scored([judge, programmatic(rules, mix, own)])


def weighted_sum(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    """Sum of the sources times their weights; a source that is not scored is left out."""
    return _sum_of_scored([weight * x for weight, x in sources(rm, judge, rules, mix, own).values()])


def normalised_sum(rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE) -> Tensor:
    """As `weighted_sum`, each source first brought to mean 0 and deviation 1 over the batch.

    (`algorithm.gdpo` does so within groups of replies to one prompt.) A source without variance adds nothing.
    """
    parts = []
    for name, (weight, x) in sources(rm, judge, rules, mix, own).items():
        mean, std = (mix.moments or {}).get(name) or moments_of(x)
        flat = not std > 1e-6
        parts.append(weight * (x - mean) * (0.0 if flat else 1.0 / max(std, 1e-6)))
    return _sum_of_scored(parts)


def programmatic(rules: Tensor, mix: Mix, own: Own) -> Tensor:
    """E_rules + E_own, the paper's RF: the rules and the rewards of the user's own, those that are scored."""
    if not mix.own:
        return rules
    return _sum_of_scored([rules, *(weight * own[name] for name, weight in mix.own.items())])


def sources(
    rm: Tensor, judge: Tensor, rules: Tensor, mix: Mix, own: Own = _NONE
) -> dict[str, tuple[float, Tensor]]:
    """(weight, scores) of each source of a sum, by the name that it has in the log."""
    built_in = {name: (mix.weights[name], x) for name, x in (("rm", rm), ("judge", judge), ("rules", rules))}
    return built_in | {f"own/{name}": (weight, own[name]) for name, weight in mix.own.items()}


def moments_of(x: Tensor) -> tuple[float, float]:
    """(mean, population standard deviation) over the entries that are scored; (0, 0) when there is none."""
    seen = x[~x.isnan()].double()
    return (float(seen.mean()), float(seen.std(correction=0))) if len(seen) else (0.0, 0.0)


def _sum_of_scored(parts: list[Tensor]) -> Tensor:
    stacked = torch.stack(parts)
    return torch.where(stacked.isnan().all(dim=0), torch.nan, stacked.nansum(dim=0))


Combiner = Callable[..., Tensor]

COMBINERS: dict[str, Combiner] = {
    "enhance": enhanced,
    "rm": rm_alone,
    "judge": judge_alone,
    "rules": rules_alone,
    "judge_and_rules": judge_and_rules,
    "weighted_sum": weighted_sum,
    "normalised_sum": normalised_sum,
    "own": own_alone,
}

#: Sources that each combination reads: what is not read need not be built or scored.
READS: dict[str, frozenset[str]] = {
    "enhance": frozenset({"rm", "judge", "rules", "own"}),
    "rm": frozenset({"rm"}),
    "judge": frozenset({"judge"}),
    "rules": frozenset({"rules"}),
    "judge_and_rules": frozenset({"judge", "rules", "own"}),
    "weighted_sum": frozenset({"rm", "judge", "rules", "own"}),
    "normalised_sum": frozenset({"rm", "judge", "rules", "own"}),
    "own": frozenset({"own"}),
}
