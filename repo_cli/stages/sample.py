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

The work goes in rounds: in each one every rank samples one batch (`rollout.batch_size` replies) and has it annotated as
a whole. Which contexts make a batch, its seed and the annotator's noise follow from the contexts' numbers alone, so
that ranks and interruptions change nothing in the result. What a round made is appended to `contexts.jsonl`, and the
checkpoint after it (`tracker.checkpoint_every`, 1 here) says how far that file counts.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.checks import each_context
from repo_cli.dialogue.files import write_rows
from repo_cli.dialogue.scenario import HIDDEN, public_side
from repo_cli.dialogue.store import Stored
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import write_manifest
from repo_cli.rollout import LocalEngine
from repo_cli.rollout.engine import Reply
from repo_cli.stages.annotators import Annotator, Asked, Verdict, open_annotator
from repo_cli.stages.data import SAMPLED, stage_prompts
from repo_cli.stages.session import Session
from repo_cli.training.disk import disk_errors
from repo_cli.training.distributed import agreed, all_gather_objects, is_main, rank, world_size

Row = dict[str, Any]


class Contexts:
    """What was made of the contexts so far: a line each in `contexts.jsonl`, which rank 0 writes.

    `about` is what the lines' order depends on. A checkpoint keeps it and the file's size, so that what a kill left
    behind after that (a whole line or a torn one) is cut off when the run goes on.
    """

    def __init__(self, path: Path, about: Mapping[str, int]) -> None:
        self.path, self.about, self.size = path, dict(about), 0

    def add(self, lines: list[Row]) -> list[Row]:
        """All ranks call: each one's lines are appended and on the disk; returns those of all ranks."""
        every = [line for part in all_gather_objects(lines) for line in part]
        agreed(lambda: self._append(every))
        return every

    def _append(self, lines: list[Row]) -> None:
        if not is_main():
            return
        with disk_errors(self.path), open(self.path, "ab" if self.size else "wb") as file:
            file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
            self.size = file.tell()

    def read(self) -> list[Row]:
        """The lines in the order of the contexts."""
        with open(self.path, encoding="utf-8") as file:
            return sorted(map(json.loads, file), key=lambda line: line["place"])

    def state(self) -> Row:
        return {**self.about, "size": self.size}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """UserError where the lines are not those of the checkpoint, or rounds would not be what they were."""
        for name, now in self.about.items():
            if state.get(name) != now:
                raise UserError(
                    f"resume: the run had {name}={state.get(name)}, and now it is {now}",
                    hint="the same again, or a new run without --resume",
                )
        self.size = int(state["size"])
        agreed(self._cut)

    def _cut(self) -> None:
        if not is_main() or not self.size:
            return
        if not self.path.is_file() or self.path.stat().st_size < self.size:
            raise UserError(
                f"{self.path}: shorter than it was at the checkpoint, so what it held is lost",
                hint="start anew, without --resume",
            )
        with disk_errors(self.path):
            os.truncate(self.path, self.size)


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Sample, annotate, and return the run's `final/` with the rows."""
    with Session(cfg, "sample", run_dir) as session:
        rows, report = stage_prompts(cfg, session.path)
        backbone = Backbone.load(cfg, session.device)
        prompts = Stored.of(each_context(rows, backbone.fmt, report, cfg.data.on_bad_row), session.path)
        session.note(report.line())
        if cfg.sample.annotator == "world" and any(
            HIDDEN not in row.get("scenario", {}) for row, _ in prompts
        ):
            raise UserError(
                "sample.annotator=world: a prompt's scenario is not one of the world's, whose annotator cannot read it",
                hint="sample.annotator=judge for prompts of your own; or data.path=world:prompts",
            )
        annotator = open_annotator(cfg, session.device.type)
        n, size, ranks = cfg.sample.n, cfg.rollout.batch_size, world_size()
        parts = batches([len(ids) for _, ids in prompts], max(1, size // n))
        about = {"ranks": ranks, "contexts": len(prompts), "sample.n": n, "rollout.batch_size": size}
        made = Contexts(session.path / "contexts.jsonl", about)
        session.keep("contexts", made)
        session.keep("annotator", annotator)
        sampler = LocalEngine(backbone, "policy" if "policy" in backbone.roles() else None, cfg.rollout)
        for step in session.steps(math.ceil(len(parts) / ranks)):
            number = step * ranks + rank()
            mine = parts[number] if number < len(parts) else []
            seed = (cfg.seed * 1_000_003 + number * 1_009) % 2**31  # the batch's, whichever rank it falls to
            with session.timer("generate"), backbone.gathered():
                replies = sampler.generate([prompts[place][1] for place in mine for _ in range(n)], seed)
            with session.timer("annotate"):
                lines = annotated(annotator, [(place, prompts[place][0]) for place in mine], replies, n)
            stats = annotator.end_round()
            session.end_step(step, {**counts(made.add(lines)), **stats})
        agreed(lambda: _write(session, backbone, made, f"{report.path}: the {annotator.name}"))
        return session.run.final


def batches(lengths: list[int], size: int) -> list[list[int]]:
    """Context numbers, `size` of like length at a time. The longest come first, so that memory runs out at once or
    never, and the time left is not told too short."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    return [order[i : i + size] for i in range(0, len(order), size)]


def distinct(replies: list[Reply]) -> list[str]:
    """The texts, each once and none empty, in the order in which they were sampled."""
    return list(dict.fromkeys(reply.text for reply in replies if reply.text.strip()))


def annotated(
    annotator: Annotator, contexts: list[tuple[int, Row]], replies: list[Reply], n: int
) -> list[Row]:
    """A line for each context (number, prompts row) and its `n` replies: the rows made of them by kind, and how many
    tokens the replies have."""
    each = [replies[i * n : (i + 1) * n] for i in range(len(contexts))]
    asked = [
        Asked(place, row["prompt"], public_side(row.get("scenario")), distinct(said))
        for (place, row), said in zip(contexts, each, strict=True)
    ]
    return [
        {
            "place": context.place,
            "tokens": [len(reply.ids) for reply in said],
            "cut": sum(not reply.finished for reply in said),
            **rows_of(context, verdict, annotator.name, [*row.get("tags", ()), "sampled"]),
        }
        for context, verdict, (_, row), said in zip(
            asked, annotator.annotate(asked), contexts, each, strict=True
        )
    ]


def rows_of(asked: Asked, verdict: Verdict, source: str, tags: list[str]) -> dict[str, list[Row]]:
    """Preference rows and judge examples of one context. Nothing of a scenario's hidden side is in them."""
    common = {"prompt": asked.history, "scenario": asked.scenario, "source": f"sampled, {source}"}
    pairs, grades = verdict
    return {
        "preference": [
            {
                **common,
                "chosen": [{"role": "assistant", "content": asked.replies[better]}],
                "rejected": [{"role": "assistant", "content": asked.replies[worse]}],
                "tags": tags,
            }
            for better, worse in pairs
        ],
        "sft": [
            {**common, "reply": text, "scores": scores, "tags": tags}
            for text, scores in zip(asked.replies, grades, strict=True)
            if scores is not None
        ],
    }


def counts(lines: list[Row]) -> dict[str, float]:
    """What a log says of some contexts' lines."""
    tokens = [length for line in lines for length in line["tokens"]]
    return {
        "contexts": len(lines),
        "replies": len(tokens),
        "reply_tokens": sum(tokens) / len(tokens) if tokens else 0.0,
        "cut_off": sum(line["cut"] for line in lines),
        "pairs": sum(len(line["preference"]) for line in lines),
        "graded": sum(len(line["sft"]) for line in lines),
    }


def _write(session: Session, backbone: Backbone, made: Contexts, who: str) -> None:
    if not is_main():
        return
    lines = made.read()
    found = counts(lines)
    if not found["pairs"] and not found["graded"]:
        raise UserError(
            f"{who} said nothing of {found['replies']} replies",
            hint="more prompts, sample.n=4, or a smaller sample.margin",
        )
    session.note(
        f"{found['replies']} replies of {found['reply_tokens']:.1f} tokens, {found['cut_off']} cut off; "
        f"{found['pairs']} pairs, {found['graded']} graded"
    )
    with session.writing_final() as folder:
        for kind in ("preference", "sft"):
            rows = [row for line in lines for row in line[kind]]
            if rows:
                write_rows(folder / SAMPLED[kind], rows)
        write_manifest(
            folder,
            "data",
            backbone.base_hash,
            backbone.base_path,
            parent=session.cfg.policy.parent,
            extra={"metrics": {name: found[name] for name in ("pairs", "graded")}},
            stage="sample",
        )
