"""The judge's failures and costs over all ranks: what is logged, and when a run on them is stopped."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.config.groups_reward import JudgeConfig
from repo_cli.errors import SavedStop
from repo_cli.rewards.judge_client import Spend
from repo_cli.rewards.judge_prompt import FAILED, SCREENED, JudgeScore
from repo_cli.training.distributed import all_gather_objects

#: What is added up over the ranks and over a run.
SPENT = ("requests", "retries", "repairs", "tokens_in", "tokens_out", "cost")


class JudgeWatch:
    """A circuit breaker: training on what is left when the judge fails on a large share is training on noise."""

    def __init__(self, cfg: JudgeConfig) -> None:
        self.cfg = cfg
        self._mine: list[JudgeScore] = []
        self._steps: deque[tuple[Counter[str], str]] = deque()  # newest last: outcomes of a step on all ranks

    def note(self, scores: Sequence[JudgeScore]) -> None:
        """What the judge said on this rank since the last check; what it was not shown does not count."""
        self._mine += [score for score in scores if score.outcome != SCREENED]

    def state(self) -> dict[str, Any]:
        """The outcomes of the newest steps, for a checkpoint: a resumed run stops where the undisturbed one would."""
        return {"steps": [[dict(outcomes), said] for outcomes, said in self._steps]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._steps = deque((Counter(outcomes), str(said)) for outcomes, said in state.get("steps", []))

    def check(self) -> None:
        """All ranks call. Raises SavedStop on all of them when `judge.max_failed` is reached.

        The share is taken over the newest steps that together hold `judge.failed_window` replies. What was beyond the
        budget does not count with judge.on_missing=rules_only: that is what the user has asked for.
        """
        detail = next((s.detail for s in self._mine if s.failed and s.detail), "")
        mine = Counter(s.outcome for s in self._mine)
        self._mine = []
        if self.cfg.max_failed is None:
            return
        outcomes: Counter[str] = Counter()
        details = [detail]
        for found, said in all_gather_objects((mine, detail)):
            outcomes += found
            details.append(said)
        self._steps.append((outcomes, next(filter(None, details), "")))
        window = self.cfg.failed_window
        while sum(sum(o.values()) for o, _ in list(self._steps)[1:]) >= window:
            self._steps.popleft()
        seen: Counter[str] = Counter()
        for step, _ in self._steps:
            seen += step
        if self.cfg.on_missing == "rules_only":
            seen["over_budget"] = 0
        failed = +Counter({kind: seen[kind] for kind in FAILED})
        total, lost = sum(seen.values()), sum(failed.values())
        if total < window or lost < self.cfg.max_failed * total:
            return
        kinds = ", ".join(f"{n} {kind}" for kind, n in failed.most_common())
        example = next((said for _, said in reversed(self._steps) if said), "")
        raise SavedStop(
            f"the judge failed on {lost} of the last {total} replies ({kinds})"
            + (f"; first: {example}" if example else ""),
            hint=f"judge.max_failed={self.cfg.max_failed:g} stops the run there; mend the judge",
        )


def judge_spending(used: Spend) -> dict[str, tuple[float, float | None]]:
    """Metrics of a judge elsewhere in one step: (amount, of how many), or (amount, None) for a sum over ranks."""
    return {
        "judge/cache_hit_rate": (float(used.hits), float(used.lookups)),
        "judge/quotes_found_frac": (float(used.quotes_found), float(used.quotes)),
        **{f"judge/{name}": (float(getattr(used, name)), None) for name in SPENT},
    }
