"""GRPO's part of an RL step: advantages within groups, and groups whose replies all earned the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch

from repo_cli.algorithms.advantages import masked_moments, whiten_with_moments
from repo_cli.algorithms.groups import flat_groups, gdpo_advantages, kept_group_advantages
from repo_cli.config.own import own_rewards
from repo_cli.config.schema import AlgorithmConfig, Config
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.scores import RewardParts
from repo_cli.training.distributed import all_max, all_sum

#: Rewards that GDPO normalises one by one: (weights, values [sources, replies], NaN = not scored).
Sources = tuple[list[float], torch.Tensor]


def gdpo_sources(parts: RewardParts, cfg: Config) -> Sources | None:
    """The reward's parts, where `algorithm.gdpo` wants each normalised by itself; None otherwise."""
    if not cfg.algorithm.gdpo:
        return None
    weights = cfg.reward.weights
    own = {name: source.weight for name, source in own_rewards(cfg.reward.own).items() if source.weight}
    values = [parts.rm, parts.judge, parts.rules, *(parts.own[name] for name in own)]
    return [weights.rm, weights.judge, weights.rules, *own.values()], torch.stack(values)


def advantages_in_groups(
    totals: torch.Tensor, keep: list[bool], cfg: AlgorithmConfig, sources: Sources | None = None
) -> torch.Tensor:
    """Group advantages [replies]; a reply that is not kept gets 0 and takes no part in its group's mean and spread.

    With `algorithm.whiten`, and always after GDPO's sum, they are normalised over the kept replies of all ranks.
    """
    kept = torch.tensor(keep, dtype=torch.bool)
    if sources is None:
        out = kept_group_advantages(totals, kept, cfg.group_size, cfg.scale_groups)
    else:
        out = gdpo_advantages(sources[1], sources[0], kept, cfg.group_size, cfg.scale_groups)
    if cfg.whiten or sources is not None:
        out = whiten_with_moments(out, kept, all_sum(masked_moments(out, kept)))
    return out


def flat(
    totals: torch.Tensor, keep: torch.Tensor, cfg: AlgorithmConfig, sources: Sources | None
) -> torch.Tensor:
    """bool [groups of this rank]: nothing in them tells one reply from another."""
    if sources is None:
        return flat_groups(totals, keep, cfg.group_size)
    each = [flat_groups(s.nan_to_num(0.0), keep & ~s.isnan(), cfg.group_size) for s in sources[1]]
    return torch.stack(each).all(0)


def group_stats(
    totals: torch.Tensor, keep: torch.Tensor, cfg: AlgorithmConfig, sources: Sources | None, resampled: int
) -> dict[str, float]:
    """Share of groups that teach nothing, and how many were sampled anew, over all ranks; empty without groups."""
    if cfg.name != "grpo":
        return {}
    found = flat(totals, keep, cfg, sources)
    dead, groups, again = all_sum(
        torch.tensor([float(found.sum()), float(len(found)), float(resampled)], dtype=torch.float64)
    ).tolist()
    return {"group/flat_frac": dead / max(1.0, groups), "group/resampled": again}


def resample_flat_(
    items: list[Any],
    parts: RewardParts,
    ensemble: Ensemble,
    prompts: Sequence[Any],
    sample: Callable[[list[Any], int], list[Any]],
    cfg: Config,
    seed: int,
) -> int:
    """Puts replies to other prompts in the place of groups that teach nothing (DAPO's dynamic sampling, arXiv
    2503.14476), at most `algorithm.resample` times; `items` and `parts` are changed in place.

    sample(prompts, seed) gives one item a prompt. All ranks call, and take as many turns as the one that needs most.
    Returns how many groups of this rank were replaced, counted once a turn.
    """
    algorithm, replaced = cfg.algorithm, 0
    for turn in range(algorithm.resample):
        totals, keep, _ = ensemble.total(parts)
        found = flat(totals, keep, algorithm, gdpo_sources(parts, cfg))
        if not all_max(float(found.any())):
            break
        size, draw = algorithm.group_size, random.Random(f"resample:{seed}:{turn}")
        places = [g * size + k for g in found.nonzero()[:, 0].tolist() for k in range(size)]
        drawn = [prompt for _ in range(int(found.sum())) for prompt in [draw.choice(prompts)] * size]
        fresh = sample(drawn, seed + 7919 * (turn + 1))
        parts.put(places, ensemble.score([item.as_scored() for item in fresh]))
        for place, item in zip(places, fresh, strict=True):
            items[place] = item
        replaced += int(found.sum())
    return replaced
