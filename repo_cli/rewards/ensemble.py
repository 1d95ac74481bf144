"""All reward sources of a run together: scored side by side, kept apart for the log, combined into one
number.

The rules run in a thread of their own while the reward model and the judge use the device. A judge elsewhere
takes the place of the local one by having the same `score` (judge.Judge). Rules and a judge elsewhere need no
device: `take` hands them each reply while others are still being generated (early.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from repo_cli.errors import SavedStop, UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.combine import COMBINERS, READS, Mix, Moments
from repo_cli.rewards.early import Early
from repo_cli.rewards.enhancement import apply_veto, correction
from repo_cli.rewards.judge import Judge, LocalJudge
from repo_cli.rewards.judge_prompt import FAILED, ITS_OWN_DOING, JudgeScore
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.judge_watch import SPENT, JudgeWatch, judge_spending
from repo_cli.rewards.reward_model import RewardModel
from repo_cli.rewards.rubric import Rubric, normalise_judge
from repo_cli.rewards.rules import RuleSet
from repo_cli.rewards.scores import RewardParts, missing
from repo_cli.rewards.shares import contributions, corrections, opposed
from repo_cli.training.distributed import all_max, all_sum, world_size

MUTED = 0.1  # |R_rm| below this leaves judge and rules almost without effect


class Ensemble:
    """What a run rewards, built from the configuration.

    Only the sources that `reward.combine` reads are built, and the rules in any case: they cost little, and
    their hits belong in the log. `judge` may be given from outside.
    """

    def __init__(self, cfg: Any, backbone: Backbone, judge: Judge | None = None) -> None:
        self.cfg = cfg
        reads = READS[cfg.reward.combine]
        self.rules = RuleSet.from_config(cfg.rules) if cfg.rules.rules else None
        self.rm: RewardModel | None = None
        if "rm" in reads:
            if not cfg.rm.path:
                raise UserError(
                    f"rm.path is null, and reward.combine={cfg.reward.combine} needs a reward model",
                    hint="rm.path=the final/ of repo train-rm",
                )
            self.rm = RewardModel.open(backbone, cfg.rm.path, cfg.rm.scale, cfg.rm.shift)
        self.judge: Judge | None = judge
        if judge is None and "judge" in reads and cfg.judge.kind == "local":
            self.judge = LocalJudge.open(cfg, backbone)
        if judge is None and "judge" in reads and cfg.judge.kind == "openai":
            self.judge = RemoteJudge.open(cfg, ranks=world_size())
        self.early = Early(
            self.rules,
            self.judge if isinstance(self.judge, RemoteJudge) else None,
            rules_wait=cfg.rl.partner != "none",
        )
        self.watch = JudgeWatch(cfg.judge)
        self._used: dict[str, float] = {}  # by a judge elsewhere, on all ranks, since the run began
        self.rubric: Rubric | None = self.judge.rubric if self.judge is not None else None
        weights = cfg.reward.weights
        self.mix = Mix(
            n=cfg.reward.n,
            min_gain=cfg.reward.min_gain,
            weights={"rm": weights.rm, "judge": weights.judge, "rules": weights.rules},
        )

    def score(self, items: Sequence[Mapping[str, Any]]) -> RewardParts:
        """Every source on every reply.

        items: {scenario, history, reply, sample}; `sample` (ids of context and reply) is what the reward
        model reads. A score of the reward model that is not finite comes as NaN, and `total` refuses it.
        """
        batch = len(items)
        parts = RewardParts(missing(batch), missing(batch), missing(batch))
        early = self.early.collect(items)
        # torch's grad mode and autocast are per thread, and the rules use neither
        if self.rm is not None and batch:
            parts.rm = self.rm.score([item["sample"] for item in items], self.cfg.rm.batch_tokens)
        if self.judge is not None and self.rubric is not None:
            self._judge(parts, early.judged() if early.judging else self.judge.score(items))
        if self.rules is not None:
            parts.rule_results = early.ruled()
            parts.rules = torch.tensor([r.total for r in parts.rule_results], dtype=torch.float32)
        return parts

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within: what is scored is no part of the run, so the watch on the judge's failures does not count it."""
        watch, self.watch = self.watch, JudgeWatch(replace(self.cfg.judge, max_failed=None))
        try:
            yield
        finally:
            self.watch = watch

    def take(self, index: int, item: Mapping[str, Any]) -> None:
        """A reply {scenario, history, reply} that `score` will be asked about, as number `index`: rules and a judge
        elsewhere begin with it at once."""
        self.early.take(index, item)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the money and tokens that a judge elsewhere has used, and its newest failures."""
        return {"judge_used": dict(self._used), "judge_watch": self.watch.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._used = {name: float(state.get("judge_used", {}).get(name, 0.0)) for name in SPENT}
        self.watch.load_state(state.get("judge_watch", {}))
        if isinstance(self.judge, RemoteJudge):
            self.judge.go_on_from(self._used)

    def _judge(self, parts: RewardParts, scores: list[JudgeScore]) -> None:
        assert self.rubric is not None
        nan = float("nan")
        for name in self.rubric.criteria:
            found = [s.criteria.get(name) if s.outcome == "ok" else None for s in scores]
            parts.judge_criteria[name] = torch.tensor(
                [nan if f is None else f for f in found], dtype=torch.float32
            )
        means = [normalise_judge(s.criteria, self.rubric) if s.outcome == "ok" else None for s in scores]
        weight = self.cfg.judge.weight
        parts.judge = torch.tensor([nan if m is None else weight * m for m in means], dtype=torch.float32)
        parts.judge_outcomes = [s.outcome for s in scores]
        parts.judge_mass = torch.tensor([s.mass for s in scores], dtype=torch.float32)
        parts.judge_reasons = [s.reasons for s in scores]
        self.watch.note(scores)

    def total(self, parts: RewardParts) -> tuple[Tensor, Tensor, dict[str, float]]:
        """One number a reply.

        Returns (total `[batch]`, keep `[batch]` bool, stats over all ranks). `keep` is False for a reply
        that takes no part in the update: the judge failed on it and `judge.on_missing` is drop_row (or the
        failure may be the reply's own doing), or nothing that the combination reads was scored. Its total is 0
        and means nothing.

        Raises SavedStop, on all ranks, when the reward model's score is not finite, and when the judge fails on too
        many replies (`judge.max_failed`).
        """
        self._check_rm(parts)
        reward = self.cfg.reward
        mix = self.mix
        if reward.combine == "normalised_sum":
            mix = Mix(mix.n, mix.min_gain, mix.weights, _global_moments(parts))
        total = COMBINERS[reward.combine](parts.rm, parts.judge, parts.rules, mix)
        total = apply_veto(total, parts.hard, reward.veto)
        keep = ~total.isnan()
        if self.judge is not None and self.cfg.judge.on_missing == "drop_row":
            keep &= ~parts.judge.isnan()
        if self.judge is not None:
            own = [outcome in ITS_OWN_DOING for outcome in parts.judge_outcomes] or [False] * len(parts)
            keep &= ~torch.tensor(own, dtype=torch.bool)
            self.watch.check()
        total = torch.where(keep, total, torch.zeros_like(total))
        return total, keep, self._stats(parts, total, keep, mix)

    def _check_rm(self, parts: RewardParts) -> None:
        """All ranks call: one whose share is sound would wait for ever for one that stopped alone."""
        if self.rm is None:
            return
        lost = int((~torch.isfinite(parts.rm)).sum())
        lost, asked = (
            int(n) for n in all_sum(torch.tensor([lost, len(parts)], dtype=torch.float64)).tolist()
        )
        if lost:
            raise SavedStop(
                f"rm.path={self.cfg.rm.path}: the reward model's score is not finite for {lost} of {asked} replies",
                hint="train the reward model again at a lower optim.lr, or score in float32 (engine.autocast=null)",
            )

    def _stats(self, parts: RewardParts, total: Tensor, keep: Tensor, mix: Mix) -> dict[str, float]:
        """Means over all ranks. The names and their order are the same on each, as the sums demand."""
        size = float(len(parts))
        table = _Means()
        table.spread("reward/total", torch.where(keep, total, torch.nan))
        table.mean("reward/kept_frac", keep.float())
        if self.rm is not None:
            table.spread("reward/rm", parts.rm)
            table.mean("reward/rm_muted_frac", (parts.rm.abs() < MUTED).float())
        if self.judge is not None:
            table.spread("reward/judge", parts.judge)
            outcomes = parts.judge_outcomes
            table.ratio("judge/fail_rate", float(sum(o in FAILED for o in outcomes)), float(len(outcomes)))
            for kind in ("not_applicable", *FAILED):
                table.ratio(f"judge/outcome/{kind}", float(outcomes.count(kind)), float(len(outcomes)))
            if isinstance(self.judge, RemoteJudge):
                for name, (used, of) in judge_spending(self.judge.spent()).items():
                    table.ratio(name, used, 1.0 / world_size() if of is None else of)
            table.mean("judge/label_mass", parts.judge_mass if parts.judge_mass is not None else missing(0))
            for name in self.rubric.criteria if self.rubric else ():
                table.mean(f"reward/judge/{name}", parts.judge_criteria[name])
        if self.rules is not None:
            table.spread("reward/rules", parts.rules)
            table.mean("reward/hard_broken_frac", parts.hard.float())
            skipped = sum(bool(r.not_scored) for r in parts.rule_results)
            table.ratio("reward/rules_not_scored_frac", float(skipped), size)
            late = sum(bool(r.timeouts) for r in parts.rule_results)
            table.ratio("reward/rules_timeout_frac", float(late), size)
            for rule in self.rules.by_id:
                added = [f.weight for r in parts.rule_results for f in r.fired if f.rule == rule]
                table.ratio(f"reward/rules/{rule}", sum(added), size)
        if self.cfg.reward.combine == "enhance":
            table.mean("reward/enhancement", correction(parts.judge, parts.rules, self.mix.n) / self.mix.n)
        seen = torch.where(keep, total, torch.nan)
        reward = self.cfg.reward.combine
        for name, part in contributions(reward, parts.rm, parts.judge, parts.rules, total, mix).items():
            table.cross(f"variance_share/{name}", part, seen)
        e = corrections(parts.judge, parts.rules, self.mix.n)
        if self.rm is not None and reward != "rm":
            table.cross("rm_e", parts.rm, e)
            means = [_mean_over_ranks(torch.where(e.isnan(), torch.nan, parts.rm)), _mean_over_ranks(e)]
            table.mean("reward/opposed_frac", opposed(parts.rm, e, *means))
        out = table.over_ranks()
        if isinstance(self.judge, RemoteJudge):
            for name in SPENT:
                self._used[name] = self._used.get(name, 0.0) + out[f"judge/{name}"]
        for name in parts_of(reward):
            share = table.covariance.get(f"variance_share/{name}")
            if share is not None and share.var_y > 1e-12:
                out[f"reward/variance_share/{name}"] = share.cov / share.var_y
        both = table.covariance.get("rm_e")
        if both is not None and both.var_x > 1e-12 and both.var_y > 1e-12:
            out["reward/rm_e_correlation"] = both.cov / (both.var_x * both.var_y) ** 0.5
        return out


def parts_of(combine: str) -> tuple[str, ...]:
    """Names of what can add to the total of a combination, in the order of the log."""
    return (*(name for name in ("rm", "judge", "rules") if name in READS[combine]), "veto")


class Spread2(NamedTuple):
    """Variances and covariance of two quantities over the replies of all ranks."""

    var_x: float
    var_y: float
    cov: float


class _Means:
    """Named means that are right over ranks of any size: sums and counts are added, and divided once."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, float]] = {}
        self.spreads: dict[str, tuple[float, float, float]] = {}
        self.ends: dict[str, float] = {}
        self.crosses: dict[str, tuple[float, ...]] = {}
        self.covariance: dict[str, Spread2] = {}

    def ratio(self, name: str, total: float, count: float) -> None:
        self.sums[name] = (total, count)

    def mean(self, name: str, x: Tensor) -> None:
        seen = x[~x.isnan()].double()
        self.ratio(name, float(seen.sum()), float(len(seen)))

    def spread(self, name: str, x: Tensor) -> None:
        """Mean, standard deviation, least and greatest of the entries that are scored."""
        seen = x[~x.isnan()].double()
        self.spreads[name] = (float(seen.sum()), float(seen.square().sum()), float(len(seen)))
        self.ends[f"{name}_max"] = float(seen.max()) if len(seen) else -torch.inf
        self.ends[f"{name}_min"] = float(-seen.min()) if len(seen) else -torch.inf

    def cross(self, name: str, x: Tensor, y: Tensor) -> None:
        """Variances and covariance of two quantities where both are scored; found in `covariance` afterwards."""
        both = ~(x.isnan() | y.isnan())
        a, b = x[both].double(), y[both].double()
        sums = (a.sum(), b.sum(), a.square().sum(), b.square().sum(), (a * b).sum())
        self.crosses[name] = (*(float(v) for v in sums), float(both.sum()))

    def over_ranks(self) -> dict[str, float]:
        tables = (self.sums, self.spreads, self.crosses)
        flat = [v for table in tables for sums in table.values() for v in sums]
        added = all_sum(torch.tensor(flat, dtype=torch.float64)).tolist()
        ends = all_max(torch.tensor(list(self.ends.values()), dtype=torch.float64)).tolist()
        out: dict[str, float] = {}
        for i, name in enumerate(self.sums):
            total, count = added[2 * i : 2 * i + 2]
            if count:
                out[name] = total / count
        at = 2 * len(self.sums)
        for i, name in enumerate(self.spreads):
            total, squares, count = added[at + 3 * i : at + 3 * i + 3]
            if count:
                out[name] = total / count
                out[f"{name}_std"] = max(0.0, squares / count - (total / count) ** 2) ** 0.5
        at += 3 * len(self.spreads)
        for i, name in enumerate(self.crosses):
            x, y, xx, yy, xy, count = added[at + 6 * i : at + 6 * i + 6]
            if count:
                x, y = x / count, y / count
                self.covariance[name] = Spread2(xx / count - x * x, yy / count - y * y, xy / count - x * y)
        for name, value in zip(self.ends, ends, strict=True):
            if value != -float("inf"):
                out[name] = -value if name.endswith("_min") else value
        return out


def _mean_over_ranks(x: Tensor) -> float:
    seen = x[~x.isnan()].double()
    total, count = all_sum(torch.tensor([float(seen.sum()), float(len(seen))], dtype=torch.float64)).tolist()
    return float(total / count) if count else 0.0


def _global_moments(parts: RewardParts) -> Moments:
    """(mean, std) of each source over the replies of all ranks."""
    sums = []
    for x in (parts.rm, parts.judge, parts.rules):
        seen = x[~x.isnan()].double()
        sums += [seen.sum(), seen.square().sum(), torch.tensor(float(len(seen)), dtype=torch.float64)]
    added = all_sum(torch.stack(sums)).tolist()
    moments: Moments = {}
    for i, name in enumerate(("rm", "judge", "rules")):
        total, squares, count = added[3 * i : 3 * i + 3]
        mean = total / count if count else 0.0
        moments[name] = (mean, max(0.0, squares / count - mean**2) ** 0.5 if count else 0.0)
    return moments
