"""All reward sources of a run together: scored side by side, kept apart for the log, combined into one
number.

The rules run in a thread of their own while the reward model and the judge use the device. A judge elsewhere
takes the place of the local one by having the same `score` (judge.Judge). Rules and a judge elsewhere need no
device: `take` hands them each reply while others are still being generated (early.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from repo_cli.errors import SavedStop, UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.combine import COMBINERS, READS, Mix, Moments, programmatic, sources
from repo_cli.rewards.early import Early
from repo_cli.rewards.enhancement import apply_veto, multiplier
from repo_cli.rewards.judge import Judge
from repo_cli.rewards.judge_open import open_judge
from repo_cli.rewards.judge_prompt import FAILED, ITS_OWN_DOING, SCREENED, JudgeScore
from repo_cli.rewards.judge_screen import elsewhere
from repo_cli.rewards.judge_watch import SPENT, JudgeWatch, judge_spending
from repo_cli.rewards.means import Means, mean_over_ranks
from repo_cli.rewards.own import OwnRewards
from repo_cli.rewards.reward_model import RewardModel
from repo_cli.rewards.rubric import Rubric, normalise_judge
from repo_cli.rewards.rules import RuleSet
from repo_cli.rewards.scores import RewardParts, missing
from repo_cli.rewards.shares import contributions, corrections, opposed
from repo_cli.training.distributed import all_gather_objects, all_sum, world_size

MUTED = 0.1  # |R_rm| below this leaves judge and rules almost without effect


class Ensemble:
    """What a run rewards, built from the configuration.

    Only the sources that `reward.combine` reads are built, and the rules in any case: they cost little, and
    their hits belong in the log; so do rewards of the user's own. `judge` and `own` may be given from outside.
    """

    def __init__(
        self, cfg: Any, backbone: Backbone, judge: Judge | None = None, own: OwnRewards | None = None
    ) -> None:
        self.cfg = cfg
        reads = READS[cfg.reward.combine]
        self.own = own if own is not None else OwnRewards.of(cfg)
        self.rules = RuleSet.from_config(cfg.rules, cfg.sop) if cfg.rules.rules else None
        self.rm: RewardModel | None = None
        if "rm" in reads:
            if not cfg.rm.path:
                raise UserError(
                    f"rm.path is null, and reward.combine={cfg.reward.combine} needs a reward model",
                    hint="rm.path=the final/ of repo train-rm",
                )
            self.rm = RewardModel.open(backbone, cfg.rm.path, cfg.rm.scale, cfg.rm.shift)
        self.judge: Judge | None = judge
        if judge is None and "judge" in reads and cfg.judge.kind != "none":
            self.judge = open_judge(cfg, backbone)
        self.remote = elsewhere(self.judge)
        self.early = Early(self.rules, self.judge, rules_wait=cfg.rl.partner != "none")
        self.watch = JudgeWatch(cfg.judge)
        self._used: dict[str, float] = {}  # by a judge elsewhere, on all ranks, since the run began
        # replies that the judge was asked about, and that were kept from it, on this rank since the last step's log
        self._asked = self._screened = 0
        self.rubric: Rubric | None = self.judge.rubric if self.judge is not None else None
        weights = cfg.reward.weights
        self.mix = Mix(
            n=cfg.reward.n,
            min_gain=cfg.reward.min_gain,
            weights={"rm": weights.rm, "judge": weights.judge, "rules": weights.rules},
            own=self.own.weights,
        )

    def score(self, items: Sequence[Mapping[str, Any]]) -> RewardParts:
        """Every source on every reply.

        items: {scenario, history, reply, sample}; `sample` (ids of context and reply) is what the reward
        model reads. A score of the reward model that is not finite comes as NaN, and what the user's own code did
        wrong as `own_fault`; `total` refuses both.
        """
        batch = len(items)
        parts = RewardParts(missing(batch), missing(batch), missing(batch))
        early = self.early.collect(items)
        # torch's grad mode and autocast are per thread, and the rules use neither
        if self.rm is not None and batch:
            parts.rm = self.rm.score([item["sample"] for item in items], self.cfg.rm.batch_tokens)
        if self.judge is not None and self.rubric is not None:
            scores = early.judged() if early.judging else self.judge.score(items)
            kept_from_it = sum(s.outcome == SCREENED for s in scores)
            self._asked += batch - kept_from_it
            self._screened += kept_from_it
            self._judge(parts, scores)
        if self.rules is not None:
            parts.rule_results = early.ruled()
            parts.rules = torch.tensor([r.total for r in parts.rule_results], dtype=torch.float32)
        if self.own:
            try:
                parts.own = self.own.score(items, parts.rule_results)
            except UserError as error:  # told in `total`, which all ranks reach
                parts.own = {name: missing(batch) for name in self.own.sources}
                parts.own_fault = error.message, error.hint or "mend the code"
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
        if self.remote is not None:
            self.remote.go_on_from(self._used)

    def _judge(self, parts: RewardParts, scores: list[JudgeScore]) -> None:
        assert self.rubric is not None
        nan = float("nan")
        for name in self.rubric.criteria:
            found = [s.criteria.get(name) if s.scored else None for s in scores]
            parts.judge_criteria[name] = torch.tensor(
                [nan if f is None else f for f in found], dtype=torch.float32
            )
        means = [normalise_judge(s.criteria, self.rubric) if s.scored else None for s in scores]
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
        and means nothing. Beside it E, the multiplier and the reason are put into `parts`.

        Raises SavedStop, on all ranks, when the reward model's score is not finite, when the judge fails on too
        many replies (`judge.max_failed`), and when a reward of the user's own failed.
        """
        self._check_rm(parts)
        self._check_own(parts)
        reward = self.cfg.reward
        mix = self.mix
        if reward.combine == "normalised_sum":
            mix = replace(mix, moments=_global_moments(parts, mix))
        total = COMBINERS[reward.combine](parts.rm, parts.judge, parts.rules, mix, parts.own)
        total = apply_veto(total, parts.hard, reward.veto)
        keep = ~total.isnan()
        if self.judge is not None and self.cfg.judge.on_missing == "drop_row":
            keep &= ~parts.judge.isnan()
        if self.judge is not None:
            own = [outcome in ITS_OWN_DOING for outcome in parts.judge_outcomes] or [False] * len(parts)
            keep &= ~torch.tensor(own, dtype=torch.bool)
            self.watch.check()
        total = torch.where(keep, total, torch.zeros_like(total))
        parts.e = corrections(parts.judge, programmatic(parts.rules, self.mix, parts.own), self.mix.n)
        if reward.combine == "enhance":
            parts.multiplier = multiplier(parts.rm, parts.e, self.mix.n)
        parts.left_out = ["" if kept else parts.why_left_out(i) for i, kept in enumerate(keep.tolist())]
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

    def _check_own(self, parts: RewardParts) -> None:
        """All ranks call, as `_check_rm`."""
        if not self.own:
            return
        faults = [fault for fault in all_gather_objects(parts.own_fault) if fault]
        if faults:
            raise SavedStop(*faults[0])

    def _stats(self, parts: RewardParts, total: Tensor, keep: Tensor, mix: Mix) -> dict[str, float]:
        """Means over all ranks. The names and their order are the same on each, as the sums demand."""
        size = float(len(parts))
        table = Means()
        table.spread("reward/total", torch.where(keep, total, torch.nan))
        table.mean("reward/kept_frac", keep.float())
        if self.rm is not None:
            table.spread("reward/rm", parts.rm)
            table.mean("reward/rm_muted_frac", (parts.rm.abs() < MUTED).float())
        if self.judge is not None:
            table.spread("reward/judge", parts.judge)
            outcomes = parts.judge_outcomes
            # whatever for: replies that were replaced by others, and the tricks of preflight, too
            table.ratio("judge/asked", float(self._asked), 1.0 / world_size())
            table.ratio("judge/screened", float(self._screened), 1.0 / world_size())
            self._asked = self._screened = 0
            table.ratio("judge/fail_rate", float(sum(o in FAILED for o in outcomes)), float(len(outcomes)))
            for kind in ("not_applicable", *FAILED):
                table.ratio(f"judge/outcome/{kind}", float(outcomes.count(kind)), float(len(outcomes)))
            if self.remote is not None:
                for name, (used, of) in judge_spending(self.remote.spent()).items():
                    table.ratio(name, used, 1.0 / world_size() if of is None else of)
            table.mean("judge/label_mass", parts.judge_mass if parts.judge_mass is not None else missing(0))
            table.not_scored("reward/judge", parts.judge)
            for name in self.rubric.criteria if self.rubric else ():
                table.spread(f"reward/judge/{name}", parts.judge_criteria[name], f"criteria/{name}")
                table.not_scored(f"criteria/{name}", parts.judge_criteria[name])
        if self.rules is not None:
            table.spread("reward/rules", parts.rules)
            table.mean("reward/hard_broken_frac", parts.hard.float())
            skipped = sum(bool(r.not_scored) for r in parts.rule_results)
            table.ratio("reward/rules_not_scored_frac", float(skipped), size)
            late = sum(bool(r.timeouts) for r in parts.rule_results)
            table.ratio("reward/rules_timeout_frac", float(late), size)
            silent = Counter(rule for r in parts.rule_results for rule in {n[0] for n in r.not_scored})
            for rule in self.rules.by_id:
                added = [f.weight for r in parts.rule_results for f in r.fired if f.rule == rule]
                table.ratio(f"reward/rules/{rule}", sum(added), size)
                table.ratio(f"rules/{rule}/fired_frac", float(len(added)), size)
                table.ratio(f"rules/{rule}/not_scored_frac", float(silent[rule]), size)
        for name, scores in parts.own.items():
            table.spread(f"reward/own/{name}", scores)
            table.mean(f"reward/own/{name}_not_scored_frac", scores.isnan().float())
        assert parts.e is not None
        e = parts.e
        if parts.multiplier is not None:
            table.spread("reward/multiplier", parts.multiplier)
            table.spread("reward/enhancement", e / self.mix.n)
            table.not_scored("reward/enhancement", e)
        seen = torch.where(keep, total, torch.nan)
        reward = self.cfg.reward.combine
        added_by = contributions(reward, parts.rm, parts.judge, parts.rules, total, mix, parts.own)
        for name, part in added_by.items():
            table.cross(f"variance_share/{name}", part, seen)
        corrected = self.judge is not None or self.rules is not None or ("own" in READS[reward] and parts.own)
        if self.rm is not None and corrected:
            table.cross("rm_e", parts.rm, e)
            means = [mean_over_ranks(torch.where(e.isnan(), torch.nan, parts.rm)), mean_over_ranks(e)]
            table.mean("reward/opposed_frac", opposed(parts.rm, e, *means))
        out = table.over_ranks()
        if self.remote is not None:
            for name in SPENT:
                self._used[name] = self._used.get(name, 0.0) + out[f"judge/{name}"]
        for name in parts_of(reward, self.mix.own):
            share = table.covariance.get(f"variance_share/{name}")
            if share is not None and share.var_y > 1e-12:
                out[f"reward/variance_share/{name}"] = share.cov / share.var_y
        both = table.covariance.get("rm_e")
        if both is not None and both.var_x > 1e-12 and both.var_y > 1e-12:
            out["reward/rm_e_correlation"] = both.cov / (both.var_x * both.var_y) ** 0.5
        return out


def parts_of(combine: str, own: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of what can add to the total of a combination, in the order of the log."""
    built_in = (name for name in ("rm", "judge", "rules") if name in READS[combine])
    return (*built_in, *(f"own/{name}" for name in own if "own" in READS[combine]), "veto")


def _global_moments(parts: RewardParts, mix: Mix) -> Moments:
    """(mean, std) of each source over the replies of all ranks."""
    given = sources(parts.rm, parts.judge, parts.rules, mix, parts.own)
    sums = []
    for _, x in given.values():
        seen = x[~x.isnan()].double()
        sums += [seen.sum(), seen.square().sum(), torch.tensor(float(len(seen)), dtype=torch.float64)]
    added = all_sum(torch.stack(sums)).tolist()
    moments: Moments = {}
    for i, name in enumerate(given):
        total, squares, count = added[3 * i : 3 * i + 3]
        mean = total / count if count else 0.0
        moments[name] = (mean, max(0.0, squares / count - mean**2) ** 0.5 if count else 0.0)
    return moments
