"""What the reward sources said of a batch of replies, before they are combined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from repo_cli.rewards.rules import RuleResult


def missing(batch: int) -> Tensor:
    """`[batch]` of NaN: not scored."""
    return torch.full((batch,), torch.nan)


@dataclass
class RewardParts:
    """One entry a reply; float32 tensors on the CPU, NaN = not scored.

    rm: calibrated, on the scale of `rm.scale`. judge: E_judge with its weight. rules: E_rules.
    judge_criteria: expected score by criterion, on the rubric's scale. judge_outcomes: "ok", or why there is
    no score. rule_results: the rules that fired, with their places in the text. own: scores of rewards of the
    user's own by name, without their weights; own_fault: (why there are none, what to do), where the user's
    code failed.

    What `Ensemble.total` makes of them: e: E_judge + E_rules (and the user's own, where they join it), clipped.
    multiplier: of the reward model's score, where reward.combine is enhance. left_out: why a reply takes no part in the
    update, "" where it does.
    """

    rm: Tensor
    judge: Tensor
    rules: Tensor
    judge_criteria: dict[str, Tensor] = field(default_factory=dict)
    judge_outcomes: list[str] = field(default_factory=list)
    judge_mass: Tensor | None = None
    judge_reasons: list[dict[str, str]] = field(default_factory=list)
    rule_results: list[RuleResult] = field(default_factory=list)
    own: dict[str, Tensor] = field(default_factory=dict)
    own_fault: tuple[str, str] | None = None
    e: Tensor | None = None
    multiplier: Tensor | None = None
    left_out: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rm)

    def put(self, places: list[int], other: RewardParts) -> None:
        """The scores of `other`, from the same sources, in place of those at `places`."""
        for name in ("rm", "judge", "rules", "judge_mass"):
            mine, new = getattr(self, name), getattr(other, name)
            if mine is not None and new is not None:
                mine[places] = new
        for name, values in other.judge_criteria.items():
            self.judge_criteria[name][places] = values
        for name, values in other.own.items():
            self.own[name][places] = values
        self.own_fault = self.own_fault or other.own_fault
        for name in ("judge_outcomes", "judge_reasons", "rule_results"):
            mine, new = getattr(self, name), getattr(other, name)
            for place, value in zip(places, new, strict=bool(new)):
                mine[place] = value

    @property
    def hard(self) -> Tensor:
        """bool `[batch]`: a rule of severity hard is broken."""
        return torch.tensor(
            [r.hard_broken for r in self.rule_results] or [False] * len(self), dtype=torch.bool
        )

    @property
    def fired(self) -> list[list[Any]]:
        return [r.fired for r in self.rule_results] or [[] for _ in range(len(self))]

    def why_left_out(self, i: int) -> str:
        """The reason, of a reply that is not kept."""
        if self.judge_outcomes and self.judge[i].isnan():
            outcome = self.judge_outcomes[i]
            return f"judge: {'not_applicable' if outcome == 'ok' else outcome}"
        return "nothing that the reward reads was scored"

    def row(self, i: int) -> dict[str, Any]:
        """Everything about reply `i`, fit for JSON (None = not scored)."""
        out: dict[str, Any] = {name: _plain(getattr(self, name)[i]) for name in ("rm", "judge", "rules")}
        if self.own:
            out["own"] = {name: _plain(values[i]) for name, values in self.own.items()}
        for name in ("e", "multiplier"):
            values = getattr(self, name)
            if values is not None:
                out[name] = _plain(values[i])
        if self.left_out and self.left_out[i]:
            out["left_out"] = self.left_out[i]
        if self.judge_criteria:
            out["criteria"] = {name: _plain(values[i]) for name, values in self.judge_criteria.items()}
        if self.judge_outcomes:
            out["judge_outcome"] = self.judge_outcomes[i]
        if self.judge_reasons and self.judge_reasons[i]:
            out["judge_reasons"] = self.judge_reasons[i]
        if self.rule_results:
            out["fired"] = [list(f) for f in self.rule_results[i].fired]
            out["violations"] = [v.rule for v in self.rule_results[i].violations]
            if self.rule_results[i].not_scored:
                out["rules_not_scored"] = [list(n) for n in self.rule_results[i].not_scored]
        return out


def _plain(x: Tensor) -> float | None:
    value = float(x)
    return None if value != value else round(value, 6)
