"""A language model as rater: `eval.rater=judge`, with the judge of the configuration (judge=local judge.path=..., or
judge=openai judge.api.url=...).

Each reply is scored by the rubric; its rating is the weighted mean of the criteria on a 1-5 scale, and a gate
criterion at its lowest score holds it at 2 and counts as a hard violation. Of a bad case the judge is asked, defect by
defect, whether it is gone (judge_mending.py): fixed = all are, clean = and every reply is rated 2.5 or more without a
hard violation, severe left = one of severity 3 is not gone. What the judge failed on stays open, and so does whether
the end of a dialogue was right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.scenario import public_side
from repo_cli.evaluation.result import HARD, SKILLS
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge import Judge
from repo_cli.rewards.judge_mending import MENDING, all_of, questions, verdict
from repo_cli.rewards.judge_open import open_judge
from repo_cli.rewards.judge_screen import elsewhere
from repo_cli.rewards.judge_watch import SPENT
from repo_cli.rewards.rubric import normalise_judge
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_sum
from repo_cli.worlds.base import ReplyRating, TurnRating

SOUND = 2.5  # least rating of every reply to a bad case that is fixed cleanly


@dataclass
class JudgedDialogue:
    """As worlds.base.DialogueRating, with the end left open."""

    rating: float
    turns: list[TurnRating]
    skills: dict[str, int]
    violations: list[tuple[int, str, int]] = field(default_factory=list)
    correct_end: bool | None = None


@dataclass
class JudgedBadCase:
    """As worlds.base.BadCaseRating; None = the judge's answers do not settle it."""

    fixed: bool | None
    clean: bool | None
    severe_unresolved: bool | None
    rating: float


class JudgeRater:
    """Rates as a world does, from what the judge says. A reply without a score is not rated (nan), never a number.

    mends: whether the judge can be asked about a defect; one that is trained on the compact prompt cannot.
    """

    def __init__(self, judge: Judge, mends: bool = True) -> None:
        self.judge, self.rubric, self.mends = judge, judge.rubric, mends
        self.remote = elsewhere(judge)
        self.used = dict.fromkeys(
            SPENT, 0.0
        )  # of a judge elsewhere, on all ranks, since the evaluation began

    @classmethod
    def open(cls, cfg: Config, session: Session) -> JudgeRater:
        """The judge of the configuration, on a base of its own: it must not share adapters with what it rates."""
        mends = cfg.judge.prompt != "compact"
        if not mends and "badcases" in cfg.eval.sets:
            session.note(
                "bad cases are played and not rated: a judge of judge.prompt=compact cannot be asked about a defect"
            )
        local = cfg.judge.kind == "local"
        backbone = Backbone.load(cfg, session.device, parent=cfg.judge.path) if local else None
        return cls(open_judge(cfg, backbone), mends)

    def state(self) -> dict[str, Any]:
        """All ranks call: what a checkpoint keeps."""
        if self.remote is not None:
            spent = self.remote.spent()
            self.used = {name: self.used[name] + all_sum(float(getattr(spent, name))) for name in SPENT}
        return {"used": dict(self.used)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.used = {name: float(state.get("used", {}).get(name, 0.0)) for name in SPENT}
        if self.remote is not None:
            self.remote.go_on_from(self.used)

    def rate(self, messages: list[dict[str, Any]], scenario: dict[str, Any], outcome: Any) -> JudgedDialogue:
        """A finished dialogue, reply by reply; its rating is the mean of theirs."""
        agent = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
        given = self._scores([(messages[:i], messages[i]["content"]) for i in agent], scenario)
        turns = [self._turn(number, scores) for number, scores in enumerate(given)]
        rated = [t.rating for t in turns if not math.isnan(t.rating)]
        breaches = [(t.index, kind, severity) for t in turns for kind, severity in t.violations]
        skills = {} if not rated else {s: int(self._sound(s, given) and not breaches) for s in SKILLS}
        return JudgedDialogue(sum(rated) / len(rated) if rated else math.nan, turns, skills, breaches)

    def rate_reply(self, history: list[dict[str, Any]], reply: str, scenario: dict[str, Any]) -> ReplyRating:
        """One reply to a recorded context."""
        turn = (
            self._turn(0, self._scores([(history, reply)], scenario)[0]) if reply else TurnRating(0, math.nan)
        )
        return ReplyRating(turn.rating, turn.violations)

    def rate_badcase(self, row: dict[str, Any], replies: list[str]) -> JudgedBadCase | None:
        """The new replies to one bad case, by the defects that its row marks."""
        if not self.mends:
            return None
        places = [i for i, m in enumerate(row["messages"]) if m["role"] == "assistant"]
        asked = [(row["messages"][:i], reply) for i, reply in zip(places, replies, strict=True)]
        turns = [self._turn(k, scores) for k, scores in enumerate(self._scores(asked, row["scenario"]))]
        sound = all_of(
            [None if math.isnan(t.rating) else t.rating >= SOUND and not t.violations for t in turns]
        )
        items = questions(row, public_side(row["scenario"]), replies)
        fixed, clean, severe = verdict(row, self.judge.with_rubric(MENDING).score(items), sound)
        rated = [t.rating for t in turns if not math.isnan(t.rating)]
        # as the oracle's: the mean of the replies, and the worst of them once more
        rating = 0.7 * sum(rated) / len(rated) + 0.3 * min(rated) if rated else math.nan
        return JudgedBadCase(fixed, clean, severe, rating)

    def _scores(
        self, turns: list[tuple[list[dict[str, Any]], str]], scenario: dict[str, Any]
    ) -> list[dict[str, float | None]]:
        public = public_side(scenario)
        items = [{"scenario": public, "history": history, "reply": reply} for history, reply in turns]
        return [s.criteria if s.scored else {} for s in self.judge.score(items)]

    def _turn(self, number: int, scores: dict[str, float | None]) -> TurnRating:
        mean = normalise_judge(scores, self.rubric)
        broken = [
            (f"gate {c.name}", HARD)
            for c in self.rubric.criteria.values()
            if c.gate and (score := scores.get(c.id)) is not None and score < self.rubric.low + 0.5
        ]
        return TurnRating(number, math.nan if mean is None else 3.0 + 2.0 * mean, broken)

    def _sound(self, skill: str, given: list[dict[str, float | None]]) -> bool:
        """Every score of the skill's criteria in the upper half of the scale (3 of 5)."""
        middle = (self.rubric.low + self.rubric.high) / 2
        names = [c.id for c in self.rubric.criteria.values() if c.skill == skill]
        found = [score for scores in given for n in names if (score := scores.get(n)) is not None]
        return all(score >= middle for score in found)
