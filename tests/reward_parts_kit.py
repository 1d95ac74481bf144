"""Made-up scores of all sources, awkward on purpose, and what numpy says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from repo_cli.config.schema import Config
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.judge_prompt import FAILED, ITS_OWN_DOING, JudgeScore
from repo_cli.rewards.rubric import Rubric
from repo_cli.rewards.rule_result import Fired, RuleResult
from repo_cli.rewards.scores import RewardParts

NAN = float("nan")
RUBRIC = {"name": "r", "scale": [1, 5], "criteria": {"R1": {"gate": True}, "R4": {}}}
RULES = {
    "A": {"severity": "hard", "forbid": ["bad"], "on_match": -2.0},
    "B": {"severity": "soft", "require": ["thank"], "on_miss": -0.5},
}


class SilentJudge:
    """Stands in an ensemble whose scores are made up."""

    rubric = Rubric.of(RUBRIC)

    def score(self, items: Sequence[Any]) -> list[JudgeScore]:
        raise AssertionError("nothing is to be judged")


def made_ensemble(cfg: Config) -> Ensemble:
    """With all three sources at the place where `total` looks for them."""
    cfg.rules.rules, cfg.judge.max_failed = RULES, None
    kept, cfg.reward.combine = cfg.reward.combine, "rules"  # builds no reward model
    ensemble = Ensemble(cfg, None, SilentJudge())  # type: ignore[arg-type]
    cfg.reward.combine = kept
    ensemble.rm = object()  # type: ignore[assignment]
    return ensemble


def made_parts(n: int = 24, seed: int = 5) -> RewardParts:
    """Scores of `n` replies; some are muted, some without a judge's score (for every reason), some break the hard rule,
    and on some the soft rule ran out of time."""
    draw = np.random.default_rng(seed)
    rm = draw.normal(0.4, 1.0, n)
    rm[::6] *= 0.02
    judge = draw.uniform(-0.8, 0.9, n)
    outcomes = ["ok"] * n
    for place, outcome in zip(range(1, n, 3), FAILED, strict=False):
        outcomes[place], judge[place] = outcome, NAN
    criteria = {name: np.where(np.isnan(judge), NAN, draw.uniform(1, 5, n)) for name in ("R1", "R4")}
    criteria["R4"][2] = NAN
    results = []
    for i in range(n):
        fired = [Fired("A", "hard", -2.0, "bad", (0, 3))] if i % 5 == 0 else []
        late = i % 7 == 3
        fired += [Fired("B", "soft", -0.5, "", (0, 0))] if i % 2 and not late else []
        missing, late_rules = ([("B", "ran out of time")], ["B"]) if late else ([], [])
        total = sum(f.weight for f in fired) + (3.0 if i % 4 == 0 else 0.0)
        results.append(RuleResult(total, fired, list(fired), missing, late_rules))
    as_tensor = {k: torch.tensor(v, dtype=torch.float32) for k, v in (("rm", rm), ("judge", judge))}
    return RewardParts(
        **as_tensor,
        rules=torch.tensor([r.total for r in results]),
        judge_criteria={k: torch.tensor(v, dtype=torch.float32) for k, v in criteria.items()},
        judge_outcomes=outcomes,
        judge_mass=torch.full((n,), 0.5),
        judge_reasons=[{}] * n,
        rule_results=results,
    )


def share_of(parts: RewardParts, start: int, end: int) -> RewardParts:
    """The replies of one rank."""
    return RewardParts(
        **{name: getattr(parts, name)[start:end] for name in ("rm", "judge", "rules", "judge_mass")},
        judge_criteria={name: x[start:end] for name, x in parts.judge_criteria.items()},
        **{
            name: getattr(parts, name)[start:end]
            for name in ("judge_outcomes", "judge_reasons", "rule_results")
        },
    )


def by_numpy(
    parts: RewardParts, combine: str, n: float, veto: float | None, on_missing: str
) -> dict[str, float]:
    """Every figure of `Ensemble.total` that is not a plain mean, anew and in another way."""
    rm, judge, rules = (getattr(parts, name).numpy().astype(float) for name in ("rm", "judge", "rules"))
    scored = ~np.isnan(judge)
    both = np.nan_to_num(judge) + rules
    e = np.clip(both, -n, n)
    factor = 1 + np.where(rm >= 0, e, -e) / n
    added = {"rm": rm}
    if combine == "enhance":
        clip = np.where(np.abs(both) > n, n / np.abs(np.where(both == 0, 1, both)), 1.0)
        added["judge"], added["rules"] = (np.abs(rm) * clip * x / n for x in (np.nan_to_num(judge), rules))
    total = np.sum(list(added.values()), axis=0)
    if combine == "enhance":
        np.testing.assert_allclose(total, rm * factor, atol=1e-6)  # the formula of the paper
    hard = np.array([any(v.severity == "hard" for v in r.violations) for r in parts.rule_results])
    last = np.where(hard, np.minimum(total, -veto), total) if veto is not None else total
    added["veto"] = last - total
    keep = np.array([o not in ITS_OWN_DOING for o in parts.judge_outcomes])
    keep &= scored if on_missing == "drop_row" else True
    far_rm, far_e = rm - rm.mean(), e - e.mean()
    found = {
        "reward/kept_frac": keep.mean(),
        "reward/rm_muted_frac": np.mean(np.abs(rm) < 0.1),
        "reward/rm_e_correlation": np.corrcoef(rm, e)[0, 1],
        "reward/opposed_frac": np.mean(np.sign(far_rm) * np.sign(far_e) < 0),
        "reward/hard_broken_frac": hard.mean(),
        "reward/rules_timeout_frac": np.mean([bool(r.timeouts) for r in parts.rule_results]),
        "reward/rules_not_scored_frac": np.mean([bool(r.not_scored) for r in parts.rule_results]),
        "reward/judge_not_scored_frac": 1 - scored.mean(),
        "judge/fail_rate": np.mean([o in FAILED for o in parts.judge_outcomes]),
        **_spread("reward/total", last[keep]),
        **_spread("reward/rm", rm),
        **_spread("reward/judge", judge[scored]),
        **_spread("reward/rules", rules),
    }
    for name, part in added.items():
        found[f"reward/variance_share/{name}"] = (
            np.cov(part[keep], last[keep], ddof=0)[0, 1] / last[keep].var()
        )
    for name, x in parts.judge_criteria.items():
        values = x.numpy().astype(float)
        inside = _spread("", values[~np.isnan(values)])
        found[f"reward/judge/{name}"] = inside[""]
        found |= {f"criteria/{name}{key}": v for key, v in inside.items() if key}
        found[f"criteria/{name}_not_scored_frac"] = np.isnan(values).mean()
    for rule in RULES:
        fired = [[f.weight for f in r.fired if f.rule == rule] for r in parts.rule_results]
        found[f"reward/rules/{rule}"] = np.mean([sum(weights) for weights in fired])
        found[f"rules/{rule}/fired_frac"] = np.mean([bool(weights) for weights in fired])
        silent = [rule in [name for name, _ in r.not_scored] for r in parts.rule_results]
        found[f"rules/{rule}/not_scored_frac"] = np.mean(silent)
    if combine == "enhance":
        found |= {**_spread("reward/enhancement", e / n), **_spread("reward/multiplier", factor)}
        found["reward/enhancement_not_scored_frac"] = 0.0
    return {name: float(value) for name, value in found.items()}


def _spread(name: str, x: np.ndarray) -> dict[str, Any]:
    return {name: x.mean(), f"{name}_std": x.std(), f"{name}_min": x.min(), f"{name}_max": x.max()}
