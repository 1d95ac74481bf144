"""A local judge: any causal model, its scores read from the distribution over the scale's labels.

The answer is forced into the form

    R1: 4
    R2: -

and at each label the expected value over the scale is taken from the next-token probabilities. The likeliest
label is then written down and the next criterion read after it, so that the judge sees its own earlier
scores. "-" says that a criterion does not apply (None); one that always applies cannot be answered so. A judge
whose probability lies elsewhere than on the labels has not answered, and a reply that it did not answer on in
one criterion has no score at all: a reply must not be rated by what is left after it spoilt the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from repo_cli.dialogue.batches import micro_batches
from repo_cli.dialogue.tokens import ChatFormat, TooLong
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge_prompt import JudgeScore, Message, judge_prompt
from repo_cli.rewards.rubric import NOT_APPLICABLE, Rubric

MIN_MASS = 0.01  # least share of the probability on the labels for them to be an answer


class Judge(Protocol):
    """What the ensemble asks of any judge, here or behind an API. A failure is an outcome, never a number."""

    rubric: Rubric

    def score(self, items: Sequence[Mapping[str, Any]]) -> list[JudgeScore]:
        """One score for each item {scenario, history, reply}."""

    def with_rubric(self, rubric: Rubric) -> Judge:
        """The same judge asked by another rubric."""


@dataclass(frozen=True)
class LabelForm:
    """How a tokenizer writes a label after "R1:".

    shared: tokens that all scores begin with (often a space). numbers: the token of each score after
    `shared`. other: the token that says "-", in place of `shared[other_at]` or, when other_at = len(shared),
    after it.
    """

    shared: tuple[int, ...]
    numbers: tuple[int, ...]
    other_at: int
    other: int


class LocalJudge:
    """A judge on a backbone (its own, or the run's with the judge as one more adapter).

    Args:
        backbone, role: the model; role None is the base alone.
        rubric, sop: what the prompt shows. style: "full" or "compact" (judge_prompt).
        max_length: longest prompt and answer in tokens; a longer dialogue loses its oldest turns.
        batch_tokens: padded tokens judged at once.
    """

    def __init__(
        self,
        backbone: Backbone,
        role: str | None,
        rubric: Any,
        sop: Any = None,
        *,
        style: str = "full",
        max_length: int = 4096,
        batch_tokens: int = 16384,
        template_kwargs: dict[str, Any] | None = None,
        min_mass: float = MIN_MASS,
    ) -> None:
        self.backbone, self.role, self.rubric, self.sop = backbone, role, Rubric.of(rubric), sop
        self.style, self.batch_tokens, self.min_mass = style, batch_tokens, min_mass
        self.template_kwargs, self.max_length = dict(template_kwargs or {}), max_length
        self.names = list(self.rubric.criteria)
        longest = "\n".join(f"{name}: {self.rubric.high}" for name in self.names)
        self.fmt = ChatFormat(backbone.tokenizer, self.template_kwargs, max_length)
        self.fmt.reply_room = len(self.fmt.reply_ids(longest)) + 2
        # a tokenizer may join "-" and the line break after it, so the last criterion has a form of its own
        self.form = label_form(self.fmt, self.rubric, f"{self.names[0]}:", f"\n{self.names[-1]}:")
        self.last_form = label_form(self.fmt, self.rubric, f"{self.names[-1]}:", "")

    @classmethod
    def open(cls, cfg: Any, backbone: Backbone) -> Judge:
        """The judge of the configuration: `judge.path` is an adapter on the run's base, that base itself (then it is
        not loaded again), or a causal model of its own. With judge.scoring=json it writes its answers out
        (judge_writing.py)."""
        path, own = cfg.judge.path, backbone
        role: str | None = "judge"
        if not path:
            raise UserError(
                "judge.path is not set", hint="the final/ of a judge, a model directory or a hub name"
            )
        adapter = any((Path(path).expanduser() / p / "adapter_config.json").is_file() for p in ("", "final"))
        if adapter:
            if "judge" not in backbone.roles():
                backbone.add_role("judge", init_from=path)
        else:
            own, role = _own_backbone(cfg, backbone), None
        if cfg.judge.scoring == "json":
            from repo_cli.rewards.judge_writing import WritingJudge

            return WritingJudge(own, role, cfg.rubric, cfg.sop, cfg.judge, cfg.policy.template_kwargs)
        return cls(
            own,
            role,
            cfg.rubric,
            cfg.sop,
            style=cfg.judge.prompt,
            max_length=cfg.judge.max_length,
            batch_tokens=cfg.judge.batch_tokens,
            template_kwargs=cfg.policy.template_kwargs,
        )

    def with_rubric(self, rubric: Rubric) -> LocalJudge:
        """The same model asked by another rubric."""
        return LocalJudge(
            self.backbone,
            self.role,
            rubric,
            self.sop,
            style=self.style,
            max_length=self.max_length,
            batch_tokens=self.batch_tokens,
            template_kwargs=self.template_kwargs,
            min_mass=self.min_mass,
        )

    def context(self, item: Mapping[str, Any]) -> list[int] | None:
        """Prompt ids of one item; oldest turns are dropped until it fits, None when nothing is left to
        drop."""
        turns: list[Message] = [m for m in item["history"] if m.get("role") in ("user", "assistant")]
        while True:
            messages = judge_prompt(
                self.rubric, self.sop, item.get("scenario") or {}, turns, item["reply"], self.style
            )
            try:
                return self.fmt.context_ids(messages)
            except TooLong:
                if not turns:
                    return None
                turns = turns[1:]

    @torch.no_grad()
    def score(self, items: Sequence[Mapping[str, Any]]) -> list[JudgeScore]:
        """Scores of items {scenario, history, reply}, in their order."""
        contexts = [self.context(item) for item in items]
        out = [JudgeScore(dict.fromkeys(self.names), "too_long") for _ in items]
        alive = [i for i, ids in enumerate(contexts) if ids is not None]
        room = self.fmt.reply_room
        was_training = self.backbone.training
        self.backbone.eval()
        try:
            for chosen in micro_batches([len(contexts[i] or ()) + room for i in alive], self.batch_tokens):
                rows = [alive[j] for j in chosen]
                for row, score in zip(rows, self._read([contexts[i] or [] for i in rows]), strict=True):
                    out[row] = score
        finally:
            self.backbone.train(was_training)
        return out

    def _read(self, contexts: list[list[int]]) -> list[JudgeScore]:
        """Scores of one batch: one growing answer a row, its keys and values kept."""
        places = max(len(self.form.shared), len(self.last_form.shared)) + 1
        runner = _Growing(self.backbone, self.role, self.fmt.pad_id, places)
        answers = [""] * len(contexts)
        scores: list[dict[str, float | None]] = [{} for _ in contexts]
        masses = torch.zeros(len(contexts))
        unread = [""] * len(contexts)  # the first criterion without an answer
        for name in self.names:
            form = self.last_form if name == self.names[-1] else self.form
            may_not_apply = bool(self.rubric.criteria[name].applies_when)
            answers = [f"{a}\n{name}:" if a else f"{name}:" for a in answers]
            ids = [c + self._body(a) + list(form.shared) for c, a in zip(contexts, answers, strict=True)]
            log_probs = runner.log_probs(ids)[:, -len(form.shared) - 1 :]
            labels, mass = label_probabilities(form, log_probs)
            masses += mass / len(self.names)
            for i in range(len(contexts)):
                allowed = labels[i] if may_not_apply else labels[i][:-1]
                best = int(allowed.argmax())
                applies = best < len(form.numbers)
                if float(mass[i] * allowed.sum()) < self.min_mass:
                    unread[i] = unread[i] or name
                scores[i][name] = self._expected(labels[i]) if applies else None
                answers[i] += " " + (str(self.rubric.low + best) if applies else NOT_APPLICABLE)
        return [
            self._outcome(found, name, float(mass))
            for found, name, mass in zip(scores, unread, masses, strict=True)
        ]

    def _outcome(self, found: dict[str, float | None], unread: str, mass: float) -> JudgeScore:
        if unread:
            detail = f"{unread}: less than {self.min_mass:g} of the probability lies on the labels"
            return JudgeScore(dict.fromkeys(self.names), "off_scale", mass, detail=detail)
        applies = any(value is not None for value in found.values())
        return JudgeScore(found, "ok" if applies else "not_applicable", mass)

    def _body(self, text: str) -> list[int]:
        return self.fmt.reply_ids(text)[: -len(self.fmt.end_ids)]

    def _expected(self, labels: Tensor) -> float:
        """Expected score over the numbers alone."""
        numbers = labels[:-1] / labels[:-1].sum().clamp_min(1e-30)
        values = torch.arange(self.rubric.low, self.rubric.high + 1, dtype=numbers.dtype)
        return float((numbers * values).sum().clamp(self.rubric.low, self.rubric.high))


class _Growing:
    """Log-probabilities at the end of rows that grow, with keys and values of what was seen kept.

    Rows are padded on the left at each step; a token that a row no longer has (another label was written) is
    masked.
    """

    def __init__(self, backbone: Backbone, role: str | None, pad_id: int, places: int) -> None:
        self.backbone, self.role, self.pad_id, self.places = backbone, role, pad_id, places
        self.cache: Any = None
        self.seen: list[list[tuple[int, int]]] = []  # per row: (token, slot in the cache)
        self.visible: Tensor | None = None  # [batch, slots]

    def log_probs(self, rows: list[list[int]]) -> Tensor:
        """`[batch, places, vocabulary]` float32 on the CPU: the last `places` positions of each row."""
        if not self.seen:
            self.seen = [[] for _ in rows]
            self.visible = torch.zeros(len(rows), 0, dtype=torch.long)
        assert self.visible is not None
        fresh: list[list[int]] = []
        starts: list[int] = []
        for row, seen in zip(rows, self.seen, strict=True):
            kept = 0
            # at least the last `places` tokens are run again, since their log-probs are what is wanted
            while kept < min(len(seen), len(row) - self.places) and seen[kept][0] == row[kept]:
                kept += 1
            for _, slot in seen[kept:]:
                self.visible[len(starts), slot] = 0
            del seen[kept:]
            fresh.append(row[kept:])
            starts.append(kept)
        width, base = max(map(len, fresh)), self.visible.shape[1]
        ids = torch.full((len(rows), width), self.pad_id)
        positions = torch.zeros(len(rows), width, dtype=torch.long)
        shown = torch.zeros(len(rows), width, dtype=torch.long)
        for i, new in enumerate(fresh):
            at = width - len(new)
            ids[i, at:] = torch.tensor(new)
            positions[i, at:] = torch.arange(starts[i], starts[i] + len(new))
            shown[i, at:] = 1
            self.seen[i] += [(token, base + at + k) for k, token in enumerate(new)]
        self.visible = torch.cat([self.visible, shown], dim=1)
        self.backbone.use(self.role)
        device = self.backbone.device
        with self.backbone.autocast():
            out = self.backbone.base(
                input_ids=ids.to(device),
                attention_mask=self.visible.to(device),
                position_ids=positions.to(device),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=self.places,
            )
        self.cache = out.past_key_values
        return out.logits[:, -self.places :].float().log_softmax(dim=-1).cpu()


def label_probabilities(form: LabelForm, log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """(label probabilities `[batch, labels]`, renormalised, "-" last; their mass `[batch]`).

    log_probs: `[batch, len(shared) + 1, vocabulary]`, at the end of "R1:" and after each token of `shared`.
    """
    steps = [log_probs[:, i, token] for i, token in enumerate(form.shared)]
    before = [torch.zeros(len(log_probs))]  # log-probability of having come to each place
    for step in steps:
        before.append(before[-1] + step)
    numbers = before[-1][:, None] + log_probs[:, -1, list(form.numbers)]
    other = before[form.other_at] + log_probs[:, form.other_at, form.other]
    both = torch.cat([numbers, other[:, None]], dim=1)
    mass = both.logsumexp(dim=1)
    return (both - mass[:, None]).exp(), mass.exp()


def label_form(fmt: ChatFormat, rubric: Rubric, lead: str, follow: str) -> LabelForm:
    """How the tokenizer writes the labels after `lead` ("R1:") and before `follow` (the next line, or
    nothing).

    Raises UserError when one token does not tell them apart.
    """

    def body(text: str) -> list[int]:
        return fmt.reply_ids(text)[: -len(fmt.end_ids)]

    base = body(lead)
    tails = {}
    for label in rubric.labels:
        ids = body(f"{lead} {label}{follow}")
        if ids[: len(base)] != base or len(ids) == len(base):
            raise UserError(f"judge: this tokenizer joins {lead!r} and its label, so no score can be read")
        tails[label] = ids[len(base) :]
    numbers = [tails[label] for label in rubric.labels[:-1]]
    shared = 0
    while all(len(t) > shared for t in numbers) and len({t[shared] for t in numbers}) == 1:
        shared += 1
    if any(len(t) <= shared for t in numbers) or len({t[shared] for t in numbers}) != len(numbers):
        raise UserError("judge: this tokenizer does not write each score of the scale as a token of its own")
    other, at = tails[NOT_APPLICABLE], 0
    while at < shared and at < len(other) and other[at] == numbers[0][at]:
        at += 1
    if at >= len(other) or (at == shared and other[at] in {t[shared] for t in numbers}):
        raise UserError(f'judge: this tokenizer does not tell "{NOT_APPLICABLE}" from a score')
    return LabelForm(tuple(numbers[0][:shared]), tuple(t[shared] for t in numbers), at, other[at])


def _own_backbone(cfg: Any, backbone: Backbone) -> Backbone:
    """A judge that is a whole model (directory, `final/` of full training, or hub name): the run's backbone where that
    is its base, for the base alone judges as well; else a backbone of its own."""
    from repo_cli.models.loading import open_base, resolve_start

    path = cfg.judge.path
    local = Path(path).expanduser().is_dir()
    start = resolve_start(None, path) if local else resolve_start(path, None)
    assert start is not None
    folder = Path(start.base).expanduser()
    if backbone.base_path == (str(folder.resolve()) if folder.is_dir() else start.base):
        return backbone
    policy, device = cfg.policy, backbone.device
    base, tokenizer = open_base(
        start.base, policy.dtype, policy.attn, policy.trust_remote_code, policy.quant, device
    )
    return Backbone(
        base,
        tokenizer,
        start.base,
        "",
        template_kwargs=cfg.policy.template_kwargs,
        max_length=cfg.judge.max_length,
        autocast=cfg.engine.autocast,
        short_cuts=cfg.engine.short_cuts,
    )
