"""The update of one RL step: clipped policy loss and clipped value loss, each by its own engine on the same base.

The loss is averaged over the reply tokens of the global batch, whatever the number of ranks and micro-batches. Where
the rollout is used once, the update's own first pass (detached) gives the old log-probs, so the ratio is exactly 1;
the sampler's log-probs are compared with it all the same and logged. The replies of a GRPO group go through the policy
together, their prompt once (dialogue/shared.py), where the attention kernel allows that.
"""

from __future__ import annotations

from typing import Any

import torch

from repo_cli.algorithms import (
    gae,
    kl_estimate,
    length_weights,
    policy_loss_sum,
    token_rewards,
    value_loss_sum,
)
from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import Batch, collate, micro_batches
from repo_cli.dialogue.shared import SharedBatch, collate_shared, families, row_length
from repo_cli.models.backbone import Backbone
from repo_cli.stages.experience import Item, pad
from repo_cli.stages.reference import add_reference
from repo_cli.stages.roles import add_role
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_sum
from repo_cli.training.engine import LossFn, TrainEngine

#: Rows of a batch; a row has one item, or several that answer one prompt and share it.
Micro = list[list[Item]]

#: The critic's scores are taken to go with the returns at least so well: at 0 no gradient would reach them.
LEAST_CORRELATION = 0.1


class Updater:
    """Holds the policy's engine and, where the method has one, the critic's."""

    def __init__(self, cfg: Config, backbone: Backbone, session: Session) -> None:
        self.cfg, self.backbone, self.session = cfg, backbone, session
        algorithm = cfg.algorithm
        steps = cfg.rl.steps * algorithm.epochs * algorithm.minibatches
        self.critic = None
        if algorithm.name != "grpo":  # every role before the first engine: ZeRO-3 splits what is there then
            self._add_critic()
        self.reference: str | None = None  # the base alone
        if algorithm.kl_coef and algorithm.kl_reference == "start":
            self.reference = add_reference(backbone)
        self.policy = session.engine(backbone, "policy", cfg.optim.lr, steps)
        if algorithm.name != "grpo":
            self.critic = session.engine(backbone, "critic", cfg.critic.lr, steps)
        self.shared = algorithm.group_size > 1 and self.critic is None and backbone.shares_contexts
        self.once = algorithm.epochs * algorithm.minibatches == 1
        # a value is slope * score + intercept; None = not fitted yet
        self.line: tuple[float, float] | None = None if self.critic and cfg.critic.calibrate else (1.0, 0.0)
        self._critic_stats: dict[str, float] | None = (
            None  # of the step's update, where it has been taken already
        )

    def state(self) -> dict[str, Any]:
        return {"line": self.line}

    def load_state(self, state: dict[str, Any]) -> None:
        self.line = tuple(state["line"]) if state.get("line") else self.line

    def _add_critic(self) -> None:
        """A fresh critic, or the reward model's values in it (whether or not it is among the rewards)."""
        cfg, backbone = self.cfg, self.backbone
        if cfg.critic.init == "rm" and "rm" not in backbone.roles():
            backbone.add_role("critic", dropout=cfg.lora.dropout, init_from=cfg.rm.path, head=True)
        else:
            start = "rm" if cfg.critic.init == "rm" else None
            add_role(cfg, backbone, "critic", copy_of=start, head=True)

    @torch.no_grad()
    def values_(self, items: list[Item], check: bool = False) -> None:
        """What must be known before the update: `values` (critic), `old_logps` where the rollout is used more than
        once, `ref_logps` where there is a KL penalty, `check_logps` where they are asked for."""
        self.backbone.eval()
        for micro in self._micros(items):
            batch = self._batch(micro)
            if self.critic is not None:
                self._keep(micro, "values", self._values(batch), batch)
            if check or not self.once:
                self._keep(micro, "check_logps" if self.once else "old_logps", self._logps(batch), batch)
            if self.cfg.algorithm.kl_coef:
                self._keep(micro, "ref_logps", self._logps(batch, self.reference), batch)
        if check and not self.once:
            for item in items:
                item.check_logps = item.old_logps

    def _values(self, batch: Batch | SharedBatch) -> torch.Tensor:
        assert isinstance(batch, Batch)  # only methods without a critic share prompts
        slope, intercept = self.line or (1.0, 0.0)
        return slope * self.backbone.values("critic", batch.ids, batch.attention, batch.mask) + intercept

    def calibrate_(self, items: list[Item], totals: torch.Tensor, keep: torch.Tensor) -> None:
        """Bring the critic to the scale of the returns, once, before the first update (`critic.calibrate`).

        A reward model's score is on another scale than the enhanced reward. A critic that starts from it as it is
        explains less than nothing of the returns (explained variance -1 to -2 in the demo's first rounds) and puts
        that noise into every advantage until it has unlearnt it. The line is the least-squares fit of the first
        rollouts' returns on its scores, over the reply tokens of all ranks.
        """
        if self.line is not None:
            return
        kept = [(i.values, float(t)) for i, t, on in zip(items, totals, keep.tolist(), strict=True) if on]
        scores = torch.cat([v for v, _ in kept]).double() if kept else torch.zeros(0).double()
        returns = torch.cat([torch.full((len(v),), t) for v, t in kept]).double() if kept else scores
        sums = torch.stack(
            [torch.ones_like(scores), scores, returns, scores**2, scores * returns, returns**2]
        ).sum(1)
        self.line = fit_line(*(all_sum(value) for value in sums.tolist()))
        slope, intercept = self.line
        for item in items:
            item.values = slope * item.values + intercept

    def values_come_later(self, check: bool) -> bool:
        """Whether `learn_values_` takes the place of `values_` and `calibrate_` (`engine.short_cuts`).

        Where the rollout is used once, nothing needs values before the critic's update, whose forward pass computes
        them anyway.
        """
        short = self.backbone.short_cuts and self.once and self.critic is not None and self.line is not None
        return short and not check and not self.cfg.algorithm.kl_coef

    def learn_values_(self, items: list[Item], totals: torch.Tensor, keep: torch.Tensor) -> None:
        """The critic's update of this step, which fills `values` of the items that are kept (0 in the others)."""
        assert self.critic is not None
        for item, total in zip(items, totals.tolist(), strict=True):
            item.values, item.total = torch.zeros(len(item.reply.ids)), total
        chosen = [i for i, on in zip(items, keep.tolist(), strict=True) if on and i.reply.ids]
        if tokens := all_sum(float(sum(len(i.reply.ids) for i in chosen))):
            self._critic_stats = self.critic.step(self._micros(chosen), self._values_and_loss, tokens)

    @staticmethod
    def _keep(micro: Micro, name: str, rows: torch.Tensor, batch: Batch | SharedBatch) -> None:
        for item, row, mask in zip(flat(micro), rows, batch.mask, strict=True):
            setattr(item, name, row[mask.bool()].float().cpu())

    def update(self, items: list[Item], step: int) -> dict[str, float]:
        """All epochs and minibatches over the kept replies; returns the metrics of policy and critic."""
        algorithm, passes = self.cfg.algorithm, []
        warm = self.critic is not None and step < self.cfg.critic.warmup_steps
        for _ in range(algorithm.epochs):
            for part in range(algorithm.minibatches):
                chosen = items[part :: algorithm.minibatches]
                tokens = all_sum(float(sum(len(i.reply.ids) for i in chosen)))
                if tokens == 0:
                    continue
                self._weigh(chosen, tokens)
                if self.critic is not None:
                    found = self._critic_stats or self.critic.step(
                        self._micros(chosen), self._value_loss, tokens
                    )
                    self._critic_stats = None
                    passes.append({f"critic/{k}": v for k, v in found.items()})
                if not warm:
                    found = self.policy.step(self._micros(chosen), self._policy_loss, tokens)
                    passes.append({f"policy/{k}": v for k, v in found.items()})
        stats = over_passes(passes)
        if algorithm.kl_coef:
            tokens = all_sum(float(sum(len(i.reply.ids) for i in items)))
            stats[f"policy/kl_to_{algorithm.kl_reference}"] = all_sum(
                float(sum(float(i.kl().sum()) for i in items))
            ) / max(1.0, tokens)
        if self.critic is not None:
            stats["critic/explained_variance"] = explained_variance(items)
        return stats

    def trained(self) -> dict[str, tuple[TrainEngine, LossFn]]:
        """Each role that is trained: its engine, and its loss on a micro-batch."""
        own: dict[str, tuple[TrainEngine, LossFn]] = {"policy": (self.policy, self._policy_loss)}
        return own if self.critic is None else {"critic": (self.critic, self._value_loss), **own}

    def _weigh(self, chosen: list[Item], tokens: float) -> None:
        """What a token of each reply counts in the policy loss; `tokens` is their number over all ranks."""
        lengths = torch.tensor([len(i.reply.ids) for i in chosen], dtype=torch.long)
        kind, longest = self.cfg.algorithm.length_norm, self.cfg.rollout.max_new_tokens
        weights = length_weights(lengths, kind, tokens, all_sum(float(len(chosen))), longest)
        for item, weight in zip(chosen, weights.tolist(), strict=True):
            item.weight = weight

    def _micros(self, items: list[Item]) -> list[Micro]:
        """Micro-batches of at most `engine.micro_tokens` tokens."""
        samples = [i.sample for i in items]
        rows = families(samples) if self.shared else [[k] for k in range(len(items))]
        lengths = [row_length([samples[k].ids for k in row]) for row in rows]
        micros = micro_batches(lengths, self.cfg.engine.micro_tokens)
        return [[[items[k] for k in rows[r]] for r in micro] for micro in micros]

    def _batch(self, micro: Micro) -> Batch | SharedBatch:
        """The micro-batch as tensors on the device; what is computed on it comes in the order of the items."""
        pad_id, device = self.backbone.fmt.pad_id, self.backbone.device
        if not self.shared:
            return collate([i.sample for i in flat(micro)], pad_id).to(device)
        return collate_shared([[i.sample for i in row] for row in micro], pad_id).to(device)

    def _logps(self, batch: Batch | SharedBatch, role: str | None = "policy") -> torch.Tensor:
        temperature = self.cfg.rollout.temperature or 1.0
        if isinstance(batch, SharedBatch):
            return self.backbone.logps_shared(role, batch, temperature=temperature)
        return self.backbone.logps(role, batch.ids, batch.attention, batch.mask, temperature=temperature)

    def _logps_entropy(self, batch: Batch | SharedBatch) -> tuple[torch.Tensor, torch.Tensor]:
        temperature = self.cfg.rollout.temperature or 1.0
        if isinstance(batch, SharedBatch):
            return self.backbone.logps_entropy_shared("policy", batch, temperature=temperature)
        return self.backbone.logps_entropy(
            "policy", batch.ids, batch.attention, batch.mask, temperature=temperature
        )

    def _policy_loss(self, micro: Micro) -> tuple[torch.Tensor, dict[str, Any]]:
        device, algorithm = self.backbone.device, self.cfg.algorithm
        batch, items = self._batch(micro), flat(micro)
        advantages, mask = (t.to(device) for t in pad([i.advantages for i in items]))
        logps, entropy = self._logps_entropy(batch)
        logps, entropy = reply_part(logps, batch.mask, mask), reply_part(entropy, batch.mask, mask)
        if items[0].old_logps is None:
            old = logps.detach()
        else:
            old = pad([i.old_logps for i in items if i.old_logps is not None])[0].to(device)
        sampled = pad([torch.tensor(i.reply.logps) for i in items])[0].to(device)
        # the objective is linear in a positive factor of the advantages, so that a reply's weight may go in there
        weights = torch.tensor([[i.weight] for i in items], device=device)
        loss, stats = policy_loss_sum(
            logps,
            old,
            advantages * weights,
            mask,
            algorithm.clip_low,
            algorithm.clip_high,
            algorithm.dual_clip,
        )
        if algorithm.kl_coef and algorithm.kl_in == "loss":
            known = pad([i.ref_logps for i in items if i.ref_logps is not None])[0].to(device)
            kl = kl_estimate(logps, known, mask, algorithm.kl_estimator)
            loss = loss + algorithm.kl_coef * (weights * kl).sum()
        stats["entropy"] = (entropy.detach() * mask).sum()
        stats["sampler_gap_max"] = ((logps.detach() - sampled).abs() * mask).max()
        return loss, stats

    def _value_loss(self, micro: Micro) -> tuple[torch.Tensor, dict[str, Any]]:
        device = self.backbone.device
        batch, items = self._batch(micro), flat(micro)
        returns, mask = (t.to(device) for t in pad([i.returns for i in items]))
        old = pad([i.values for i in items])[0].to(device)
        values = reply_part(self._values(batch), batch.mask, mask)
        return value_loss_sum(values, old, returns, mask, self.cfg.algorithm.value_clip)

    def _values_and_loss(self, micro: Micro) -> tuple[torch.Tensor, dict[str, Any]]:
        """The value loss against returns that follow from the very values of this pass."""
        device, algorithm = self.backbone.device, self.cfg.algorithm
        batch, items = self._batch(micro), flat(micro)
        mask = pad([torch.ones(len(i.reply.ids)) for i in items])[1].to(device)
        values = reply_part(self._values(batch), batch.mask, mask)
        old = values.detach().float()
        rewards = token_rewards(torch.tensor([i.total for i in items], device=device), mask)
        _, returns = gae(rewards, old, mask, algorithm.gamma, algorithm.lam)
        for item, row in zip(items, old.cpu(), strict=True):
            item.values = row[: len(item.reply.ids)]
        return value_loss_sum(values, old, returns, mask, algorithm.value_clip)


def flat(micro: Micro) -> list[Item]:
    return [item for row in micro for item in row]


def fit_line(n: float, x: float, y: float, xx: float, xy: float, yy: float) -> tuple[float, float]:
    """(slope, intercept) of the least-squares line of y on x, from the sums over n points.

    A correlation below LEAST_CORRELATION is taken for that, so that gradients reach the scores; points without spread
    in x keep the slope 1 (0 points: the line as it was).
    """
    if n == 0:
        return 1.0, 0.0
    spread_x, spread_y = xx / n - (x / n) ** 2, max(0.0, yy / n - (y / n) ** 2)
    if spread_x < 1e-12 or spread_y < 1e-12:
        return 1.0, (y - x) / n
    slope = max((xy / n - x * y / n**2) / spread_x, LEAST_CORRELATION * (spread_y / spread_x) ** 0.5)
    return slope, (y - slope * x) / n


def over_passes(passes: list[dict[str, float]]) -> dict[str, float]:
    """One number a metric from all optimizer steps: the mean, or the maximum for keys in _max. The sampler's gap is
    the first step's: later ones see a policy that has moved already."""
    values: dict[str, list[float]] = {}
    for found in passes:
        for name, value in found.items():
            values.setdefault(name, []).append(value)
    out = {k: max(v) if k.endswith("_max") else sum(v) / len(v) for k, v in values.items()}
    if "policy/sampler_gap_max" in values:
        out["policy/sampler_gap_max"] = values["policy/sampler_gap_max"][0]
    return out


def reply_part(x: torch.Tensor, mask: torch.Tensor, reply_mask: torch.Tensor) -> torch.Tensor:
    """The reply's entries of `x` [batch, sequence] moved to the front: [batch, reply time], 0 elsewhere."""
    out = x.new_zeros(reply_mask.shape)
    return out.masked_scatter(reply_mask.bool(), x[mask.bool()])


def explained_variance(items: list[Item]) -> float:
    """1 - Var(returns - values) / Var(returns) over all reply tokens of all ranks; 0 where returns do not vary."""
    returns = torch.cat([i.returns for i in items]).double() if items else torch.zeros(0).double()
    values = torch.cat([i.values for i in items]).double() if items else torch.zeros(0).double()
    left = returns - values
    moments = [
        torch.tensor(len(returns)),
        returns.sum(),
        returns.square().sum(),
        left.sum(),
        left.square().sum(),
    ]
    n, r, rr, d, dd = all_sum(torch.tensor([float(m) for m in moments], dtype=torch.float64)).tolist()
    if n == 0:
        return 0.0
    variance, unexplained = rr / n - (r / n) ** 2, dd / n - (d / n) ** 2
    return 1.0 - unexplained / variance if variance > 1e-12 else 0.0
