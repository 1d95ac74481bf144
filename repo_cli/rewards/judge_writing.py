"""A judge on this machine that writes reasons and scores (judge.kind=local judge.scoring=json).

For an instruct model large enough to answer in JSON; a small one is read by its labels (judge.py). Answers are read
by the same strict reader as those of a judge elsewhere, with one repair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from repo_cli.config.groups_reward import JudgeConfig
from repo_cli.dialogue.batches import micro_batches
from repo_cli.dialogue.tokens import ChatFormat, TooLong
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge_parse import Read, Unreadable, read_json
from repo_cli.rewards.judge_prompt import FAILED, JudgeScore, Message, answer_form, judge_prompt
from repo_cli.rewards.rubric import Rubric


class WritingJudge:
    """Greedy answers of a backbone's role, batched. `cfg` is the group `judge`; an answer has at most
    `judge.api.max_tokens` tokens."""

    def __init__(
        self,
        backbone: Backbone,
        role: str | None,
        rubric: Any,
        sop: Any,
        cfg: JudgeConfig,
        template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.backbone, self.role, self.rubric, self.sop, self.cfg = (
            backbone,
            role,
            Rubric.of(rubric),
            sop,
            cfg,
        )
        self.template_kwargs = dict(template_kwargs or {})
        self.names = list(self.rubric.criteria)
        self.fmt = ChatFormat(backbone.tokenizer, self.template_kwargs, cfg.max_length)

    def with_rubric(self, rubric: Rubric) -> WritingJudge:
        """The same model asked by another rubric."""
        return WritingJudge(self.backbone, self.role, rubric, self.sop, self.cfg, self.template_kwargs)

    @torch.no_grad()
    def score(self, items: Sequence[Mapping[str, Any]]) -> list[JudgeScore]:
        """Scores of items {scenario, history, reply}, in their order; a reply is scored by every criterion or not at
        all."""
        asked: list[str | None] = [None] if self.cfg.mode == "together" else list(self.names)
        questions = [(item, only, "") for item in items for only in asked]
        was_training = self.backbone.training
        self.backbone.eval()
        try:
            found = self._answers(questions)
            again = [i for i, f in enumerate(found) if isinstance(f, Unreadable) and f.kind == "unparsable"]
            repaired = self._answers(
                [(*questions[i][:2], self._note(found[i], questions[i][1])) for i in again]
            )
        finally:
            self.backbone.train(was_training)
        for i, answer in zip(again, repaired, strict=True):
            if isinstance(answer, Read):
                found[i] = answer
        size = len(asked)
        return [self._whole(found[i * size : (i + 1) * size]) for i in range(len(items))]

    def _note(self, problem: Any, only: str | None) -> str:
        return f"\n(An earlier answer could not be read: {problem}.) {answer_form(self.rubric, 'json', only)}"

    def _whole(self, parts: Sequence[Read | Unreadable]) -> JudgeScore:
        failures = sorted((p for p in parts if isinstance(p, Unreadable)), key=lambda p: FAILED.index(p.kind))
        if failures:
            return JudgeScore(dict.fromkeys(self.names), failures[0].kind, detail=str(failures[0]))
        criteria: dict[str, float | None] = {}
        reasons: dict[str, str] = {}
        for part in parts:
            assert isinstance(part, Read)
            criteria |= part.criteria
            reasons |= part.reasons
        applies = any(value is not None for value in criteria.values())
        return JudgeScore(criteria, "ok" if applies else "not_applicable", reasons=reasons)

    def _answers(
        self, questions: Sequence[tuple[Mapping[str, Any], str | None, str]]
    ) -> list[Read | Unreadable]:
        """One answer a question (item, criterion or None for all, words added at the end)."""
        contexts = [self._context(*question) for question in questions]
        out: list[Read | Unreadable] = [
            Unreadable("too_long", "the reply does not fit judge.max_length")
        ] * len(questions)
        alive = [i for i, ids in enumerate(contexts) if ids is not None]
        room = self.cfg.api.max_tokens
        for chosen in micro_batches([len(contexts[i] or ()) + room for i in alive], self.cfg.batch_tokens):
            rows = [alive[j] for j in chosen]
            for row, text in zip(rows, self._write([contexts[i] or [] for i in rows]), strict=True):
                only = questions[row][1]
                try:
                    out[row] = read_json(text, self.rubric, [only] if only else self.names)
                except Unreadable as error:
                    out[row] = error
        return out

    def _context(self, item: Mapping[str, Any], only: str | None, note: str) -> list[int] | None:
        """Prompt ids; oldest turns are dropped until they fit, None when nothing is left to drop."""
        turns: list[Message] = [m for m in item["history"] if m.get("role") in ("user", "assistant")]
        while True:
            scenario = item.get("scenario") or {}
            messages = judge_prompt(
                self.rubric, self.sop, scenario, turns, item["reply"], "full", "json", only
            )
            messages[-1]["content"] += note
            try:
                return self.fmt.context_ids(messages)
            except TooLong:
                if not turns:
                    return None
                turns = turns[1:]

    def _write(self, contexts: list[list[int]]) -> list[str]:
        """Greedy continuations of one batch, padded on the left."""
        width, pad = max(map(len, contexts)), self.fmt.pad_id
        ids = torch.tensor([[pad] * (width - len(c)) + c for c in contexts], device=self.backbone.device)
        attention = torch.tensor(
            [[0] * (width - len(c)) + [1] * len(c) for c in contexts], device=self.backbone.device
        )
        self.backbone.use(self.role)
        with self.backbone.autocast():
            made = self.backbone.base.generate(
                input_ids=ids,
                attention_mask=attention,
                max_new_tokens=self.cfg.api.max_tokens,
                do_sample=False,
                eos_token_id=self.fmt.stop_ids,
                pad_token_id=pad,
            )
        return [self.fmt.decode([t for t in row if t != pad]) for row in made[:, width:].tolist()]
