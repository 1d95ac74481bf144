"""Replies of a policy with what an annotator says of them: `repo sample`, the enrichment loop of the paper.

    repo sample policy.parent=runs/sft/.../final data.path=prompts.jsonl
    repo sample policy.parent=runs/sft/.../final data.path=prompts.jsonl sample.annotator=judge judge=openai ...
    repo train-rm data.path=pairs.jsonl 'data.also=[runs/sample/.../final]'

A reward model or a judge that has only seen what people and scripts wrote knows next to nothing about what the policy
itself says. Here the policy answers each prompt `sample.n` times, and an annotator compares and grades the replies: the
built-in world's noisy one, or a language model by the rubric (people: `repo ratings`, `repo data pairs
--from-ratings`). `final/` holds `preference.jsonl` (pairs: `repo train-rm`, `repo dpo`) and `judge.jsonl` (graded
replies: `repo sft` of a judge of one's own); as `data.path` or in `data.also` the directory gives each stage the file
that it can read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from repo_cli.config.schema import Config
from repo_cli.dialogue.checks import prompt_contexts
from repo_cli.dialogue.files import write_rows
from repo_cli.dialogue.messages import Message
from repo_cli.dialogue.scenario import HIDDEN, public_side
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import write_manifest
from repo_cli.rewards.judge import Judge
from repo_cli.rewards.judge_open import judge_maker
from repo_cli.rewards.rubric import normalise_judge
from repo_cli.rollout import LocalEngine
from repo_cli.rollout.engine import Reply
from repo_cli.stages.data import SAMPLED, stage_rows
from repo_cli.stages.session import Session
from repo_cli.training.distributed import agreed, all_gather_objects, rank
from repo_cli.worlds import get_world
from repo_cli.worlds.base import World

Row = dict[str, Any]
Scores = dict[str, float | None]


class Annotator(Protocol):
    """Compares and grades replies to one context. `place` is the context's number, from which its noise follows."""

    name: str

    def annotate(
        self, history: list[Message], replies: list[str], scenario: Row, place: int
    ) -> tuple[list[tuple[int, int]], list[Scores | None]]:
        """(pairs of reply indices, the better one first; scores by criterion of each reply, None = not graded)."""


class WorldAnnotator:
    """The built-in world's simulated annotator: each reply is in one pair at most, so that errors are independent."""

    name = "annotator"

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed

    def annotate(
        self, history: list[Message], replies: list[str], scenario: Row, place: int
    ) -> tuple[list[tuple[int, int]], list[Scores | None]]:
        """See Annotator."""
        pairs = []
        for first in range(0, len(replies) - 1, 2):
            seed = self.seed * 1_000_003 + place * 101 + first
            liked = self.world.prefers(history, replies[first], replies[first + 1], scenario, seed)
            pairs.append((first, first + 1) if liked else (first + 1, first))
        grades = [
            self.world.grade(history, reply, scenario, self.seed * 1_000_003 + place * 101 + number)
            for number, reply in enumerate(replies)
        ]
        return pairs, list(grades)


class JudgeAnnotator:
    """A language model by the rubric: of two replies the one that it scores higher, by `margin` or more, is better."""

    name = "judge"

    def __init__(self, judge: Judge, margin: float) -> None:
        self.judge, self.margin = judge, margin

    def annotate(
        self, history: list[Message], replies: list[str], scenario: Row, place: int
    ) -> tuple[list[tuple[int, int]], list[Scores | None]]:
        """See Annotator. A reply that the judge failed on is in no pair and has no grade."""
        items = [{"scenario": scenario, "history": history, "reply": reply} for reply in replies]
        found = self.judge.score(items)
        given = [score.criteria if score.outcome == "ok" else None for score in found]
        worth = [None if g is None else normalise_judge(g, self.judge.rubric) for g in given]
        known = [(w, i) for i, w in enumerate(worth) if w is not None and not math.isnan(w)]
        known.sort(key=lambda item: -item[0])
        half = len(known) // 2  # the best with the worst, and so on inwards: each reply once
        both = zip(known[:half], known[::-1][:half], strict=True)
        pairs = [(i, j) for (a, i), (b, j) in both if a > b and a - b >= self.margin]
        return pairs, [g and _whole(g, self.judge) for g in given]


def _whole(scores: Scores, judge: Judge) -> Scores:
    """Expected scores as the whole ones that a label is, on the rubric's scale."""
    low, high = judge.rubric.low, judge.rubric.high
    return {name: None if s is None else min(high, max(low, round(s))) for name, s in scores.items()}


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Sample, annotate, and return the run's `final/` with the rows."""
    with Session(cfg, "sample", run_dir) as session:
        rows, report = stage_rows(cfg, "prompts")
        backbone = Backbone.load(cfg, session.device)
        prompts = prompt_contexts(rows, backbone.fmt, report, cfg.data.on_bad_row)
        session.note(report.line())
        annotator = open_annotator(cfg)
        if cfg.sample.annotator == "world" and any(
            HIDDEN not in row.get("scenario", {}) for row, _ in prompts
        ):
            raise UserError(
                "sample.annotator=world: a prompt's scenario is not one of the world's, whose annotator cannot read it",
                hint="sample.annotator=judge for prompts of your own; or data.path=world:prompts",
            )
        n = cfg.sample.n
        mine = session.my_share([prompt for prompt in prompts for _ in range(n)], group=n)
        places = session.my_share([k for k in range(len(prompts)) for _ in range(n)], group=n)[::n]
        sampler = LocalEngine(backbone, "policy" if "policy" in backbone.roles() else None, cfg.rollout)
        with backbone.gathered(), session.progress("sample", len(mine)) as advance:
            replies = sampler.generate(
                [context for _, context in mine], session.step_seed(0), _counted(advance, len(mine))
            )
        pairs: list[tuple[int, Row]] = []
        graded: list[tuple[int, Row]] = []
        with session.progress("annotate", len(places)) as advance:
            for number, place in enumerate(places):
                row = prompts[place][0]
                texts = distinct(replies[number * n : (number + 1) * n])
                found, examples = annotated(annotator, row, texts, place)
                pairs += [(place, pair) for pair in found]
                graded += [(place, example) for example in examples]
                advance(number + 1, len(places))
        all_pairs = [row for _, row in _gathered(pairs)]
        all_graded = [row for _, row in _gathered(graded)]
        said = [r for part in all_gather_objects([(len(r.ids), r.finished) for r in replies]) for r in part]
        if not all_pairs and not all_graded:
            raise UserError(
                f"{report.path}: the {annotator.name} said nothing of {len(said)} replies",
                hint="more prompts, sample.n=4, or a smaller sample.margin",
            )
        session.note(
            f"{len(said)} replies of {sum(length for length, _ in said) / len(said):.1f} tokens, "
            f"{sum(not done for _, done in said)} cut off; {len(all_pairs)} pairs, {len(all_graded)} graded"
        )
        agreed(lambda: _write(session, backbone, all_pairs, all_graded))
        return session.run.final


def open_annotator(cfg: Config) -> Annotator:
    """The annotator that `sample.annotator` names; a judge stands on a base of its own."""
    if cfg.sample.annotator == "judge":
        return JudgeAnnotator(judge_maker(cfg)(None), cfg.sample.margin)
    return WorldAnnotator(get_world(cfg.world.name, cfg.world.language, cfg.world.seed), cfg.seed)


def distinct(replies: list[Reply]) -> list[str]:
    """The texts, each once and none empty, in the order in which they were sampled."""
    return list(dict.fromkeys(reply.text for reply in replies if reply.text.strip()))


def annotated(annotator: Annotator, row: Row, texts: list[str], place: int) -> tuple[list[Row], list[Row]]:
    """(preference rows, judge examples) of one context's replies. Nothing of a scenario's hidden side is in them."""
    history, scenario = row["prompt"], public_side(row.get("scenario"))
    common = {"prompt": history, "scenario": scenario, "source": f"sampled, {annotator.name}"}
    tags = [*row.get("tags", ()), "sampled"]
    if not texts:
        return [], []
    pairs, grades = annotator.annotate(history, texts, scenario, place)
    preferences = [
        {
            **common,
            "chosen": [{"role": "assistant", "content": texts[better]}],
            "rejected": [{"role": "assistant", "content": texts[worse]}],
            "tags": tags,
        }
        for better, worse in pairs
    ]
    examples = [
        {**common, "reply": text, "scores": scores, "tags": tags}
        for text, scores in zip(texts, grades, strict=True)
        if scores is not None
    ]
    return preferences, examples


def _counted(advance: Callable[[int, int], None], total: int) -> Callable[[int, Reply], None]:
    ended = [0]

    def done(_: int, __: Reply) -> None:
        ended[0] += 1
        advance(ended[0], total)

    return done


def _gathered(rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Those of all ranks in the order of their contexts."""
    return sorted((row for part in all_gather_objects(rows) for row in part), key=lambda item: item[0])


def _write(session: Session, backbone: Backbone, pairs: list[Row], graded: list[Row]) -> None:
    if rank() != 0:
        return
    with session.run.writing_final() as folder:
        for kind, rows in (("preference", pairs), ("sft", graded)):
            if rows:
                write_rows(folder / SAMPLED[kind], rows)
        counts = {"pairs": len(pairs), "graded": len(graded)}
        write_manifest(
            folder,
            "data",
            backbone.base_hash,
            backbone.base_path,
            parent=session.cfg.policy.parent,
            extra={"metrics": counts},
            stage="sample",
        )
