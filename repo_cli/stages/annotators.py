"""Who compares and grades the replies of `repo sample`: the built-in world's noisy annotator, or a judge by the rubric.

An annotator is asked about the replies to many contexts at once, so that a judge can score them in one batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from repo_cli.config.schema import Config
from repo_cli.dialogue.messages import Message
from repo_cli.rewards.judge import Judge
from repo_cli.rewards.judge_open import judge_maker
from repo_cli.rewards.judge_prompt import SCREENED
from repo_cli.rewards.judge_screen import elsewhere
from repo_cli.rewards.judge_watch import SPENT, JudgeWatch
from repo_cli.rewards.rubric import normalise_judge
from repo_cli.training.distributed import all_sum
from repo_cli.worlds import world_of
from repo_cli.worlds.base import World

Row = dict[str, Any]
Scores = dict[str, float | None]
#: Pairs of reply indices, the better one first; scores by criterion of each reply, None = not graded.
Verdict = tuple[list[tuple[int, int]], list[Scores | None]]


@dataclass
class Asked:
    """Replies to one context that are to be compared. `place` is the context's number: noise follows from it."""

    place: int
    history: list[Message]
    scenario: Row
    replies: list[str]


class Annotator(Protocol):
    """Compares and grades replies."""

    name: str

    def annotate(self, asked: Sequence[Asked]) -> list[Verdict]:
        """What it says of the replies to each context, in their order."""

    def end_round(self) -> dict[str, float]:
        """All ranks call after each round: what is to be logged. SavedStop where going on would waste the replies."""

    def state(self) -> Row:
        """What a checkpoint keeps of it."""

    def load_state(self, state: Mapping[str, Any]) -> None: ...


class WorldAnnotator:
    """The built-in world's simulated annotator: each reply is in one pair at most, so that errors are independent."""

    name = "annotator"

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed

    def annotate(self, asked: Sequence[Asked]) -> list[Verdict]:
        """See Annotator."""
        return [self._one(context) for context in asked]

    def _one(self, asked: Asked) -> Verdict:
        replies, pairs = asked.replies, []
        base = self.seed * 1_000_003 + asked.place * 101
        for i in range(0, len(replies) - 1, 2):
            both = replies[i], replies[i + 1]
            liked = self.world.prefers(asked.history, *both, asked.scenario, base + i)
            pairs.append((i, i + 1) if liked else (i + 1, i))
        grades = [self.world.grade(asked.history, r, asked.scenario, base + i) for i, r in enumerate(replies)]
        return pairs, list(grades)

    def end_round(self) -> dict[str, float]:
        return {}

    def state(self) -> Row:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """There is none."""


class JudgeAnnotator:
    """A language model by the rubric: of two replies the one that it scores higher, by `margin` or more, is better.

    One that fails on too many replies stops the run before their contexts count as done (`judge.max_failed`); what
    it has used counts against its budget in a resumed run too.
    """

    name = "judge"

    def __init__(self, judge: Judge, margin: float, watch: JudgeWatch) -> None:
        self.judge, self.margin, self.watch = judge, margin, watch
        self.remote = elsewhere(judge)
        self.screened = 0  # replies that were kept from the judge on this rank, in this round
        self.used = dict.fromkeys(SPENT, 0.0)  # on all ranks, since the run began

    def annotate(self, asked: Sequence[Asked]) -> list[Verdict]:
        """See Annotator. All replies are scored at once. One that the judge failed on is in no pair and not graded."""
        items = [
            {"scenario": context.scenario, "history": context.history, "reply": reply}
            for context in asked
            for reply in context.replies
        ]
        scores = self.judge.score(items) if items else []
        self.watch.note(scores)
        self.screened += sum(score.outcome == SCREENED for score in scores)
        given = iter(score.criteria if score.scored else None for score in scores)
        return [self._verdict([next(given) for _ in context.replies]) for context in asked]

    def _verdict(self, given: list[Scores | None]) -> Verdict:
        worth = [None if g is None else normalise_judge(g, self.judge.rubric) for g in given]
        known = [(w, i) for i, w in enumerate(worth) if w is not None and not math.isnan(w)]
        known.sort(key=lambda item: -item[0])
        half = len(known) // 2  # the best with the worst, and so on inwards: each reply once
        both = zip(known[:half], known[::-1][:half], strict=True)
        pairs = [(i, j) for (a, i), (b, j) in both if a > b and a - b >= self.margin]
        return pairs, [g and _whole(g, self.judge) for g in given]

    def end_round(self) -> dict[str, float]:
        """See Annotator."""
        self.watch.check()
        now = {"screened": all_sum(float(self.screened))}
        self.screened = 0
        if self.remote is not None:
            spent = self.remote.spent()
            now |= {name: all_sum(float(getattr(spent, name))) for name in SPENT}
            self.used = {name: self.used[name] + now[name] for name in SPENT}
        return {f"judge/{name}": amount for name, amount in now.items()}

    def state(self) -> Row:
        return {"judge_used": dict(self.used), "judge_watch": self.watch.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.used = {name: float(state.get("judge_used", {}).get(name, 0.0)) for name in SPENT}
        self.watch.load_state(state.get("judge_watch", {}))
        if self.remote is not None:
            self.remote.go_on_from(self.used)


def _whole(scores: Scores, judge: Judge) -> Scores:
    """Expected scores as the whole ones that a label is, on the rubric's scale."""
    low, high = judge.rubric.low, judge.rubric.high
    return {name: None if s is None else min(high, max(low, round(s))) for name, s in scores.items()}


def open_annotator(cfg: Config, device: str) -> Annotator:
    """The annotator that `sample.annotator` names; a judge on this machine stands on a base of its own."""
    if cfg.sample.annotator == "judge":
        own = copy.deepcopy(cfg)  # whose policy.parent becomes the judge's
        own.engine.device = device
        return JudgeAnnotator(judge_maker(own)(None), cfg.sample.margin, JudgeWatch(cfg.judge))
    return WorldAnnotator(world_of(cfg), cfg.seed)
