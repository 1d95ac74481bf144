"""Supervised fine-tuning: the loss is on the assistant's tokens and on the token that ends its turn.

    repo sft data.path=dialogues.jsonl policy=qwen3_0_6b lora.r=16
    repo sft policy=tiny policy.train=full data.path=world:base     # a small base, from random weights

One optimizer step: a global batch of dialogues -> length-sorted micro-batches of at most `engine.micro_tokens`
tokens -> minus the summed log-probs of the supervised tokens, divided by their weight over all ranks.
`policy.train=full` trains all the base's weights, `lora` an adapter on it. `sft.number_weight` counts tokens that
carry a digit more than once: a small model learns to copy prices by it. `sft.context_weight` learns the partner's words
and the brief as well, as pre-training does.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import collate, rank_micro_batches
from repo_cli.dialogue.checks import sft_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.dialogue.tokens import Sample
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge import LocalJudge
from repo_cli.rewards.judge_prompt import agreement
from repo_cli.stages.data import EXAMPLE, BatchOrder, split_rows, stage_rows
from repo_cli.stages.roles import policy_role
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_sum, rank, world_size


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Train, and return the run's `final/`."""
    with Session(cfg, "sft", run_dir) as session:
        rows, report = stage_rows(cfg, "sft")
        if cfg.data.val_path:
            held, held_report = stage_rows(cfg, "sft", cfg.data.val_path)
        else:
            rows, held = split_rows(rows, cfg.data.val_fraction, cfg.seed)
            held_report = LoadReport(report.path, "held-out sft", rows=len(held))
        texts = (m["content"] for r in rows for m in r["messages"])
        backbone = Backbone.load(cfg, session.device, texts=texts)
        role = policy_role(cfg, backbone)
        samples = sft_samples(rows, backbone.fmt, report, cfg.data.on_bad_row, cfg.sft.max_messages)
        held_samples = (
            sft_samples(held, backbone.fmt, held_report, "skip", cfg.sft.max_messages) if held else []
        )
        session.note(report.line())
        weights, around = token_weights(backbone, cfg.sft.number_weight), cfg.sft.context_weight

        def loss_fn(micro: list[Sample]) -> tuple[torch.Tensor, dict[str, Any]]:
            return sft_loss(backbone, role, micro, weights, around), {}

        table = weights.tolist()

        def weight_of(sample: Sample) -> float:
            return sum(table[t] if on else around for t, on in zip(sample.ids, sample.mask, strict=True))

        order = BatchOrder(len(samples), cfg.sft.batch_size, cfg.seed, cfg.data.shuffle)
        total = order.per_epoch * cfg.sft.epochs
        total = min(total, cfg.sft.max_steps) if cfg.sft.max_steps else total
        engine = session.engine(backbone, role, cfg.optim.lr, total, dropout=True)
        for step in session.steps(total):
            batch = [samples[i] for i in order.batch(step)]
            began = time.perf_counter()
            stats = engine.step(
                share(batch, cfg.engine.micro_tokens), loss_fn, denominator=sum(weight_of(s) for s in batch)
            )
            tokens = sum(len(s.ids) for s in batch)
            stats |= {
                "epoch": step / order.per_epoch,
                "timing/tokens_per_s": tokens / (time.perf_counter() - began),
            }
            session.end_step(step, stats)

        metrics = {"val/loss": held_out_loss(backbone, role, held_samples, cfg)} if held_samples else {}
        session.note(
            f"held-out loss {metrics['val/loss']:.4f} on {len(held_samples)} samples" if metrics else "done"
        )
        if examples := [row[EXAMPLE] for row in held if EXAMPLE in row]:
            metrics |= judge_agreement(backbone, role, examples, cfg, session)
        return session.finish(backbone, role, kind="full" if role == "full" else "adapter", metrics=metrics)


def sft_loss(
    backbone: Backbone, role: str, samples: list[Sample], weights: torch.Tensor, around: float
) -> torch.Tensor:
    """Minus the weighted sum of the samples' log-probs: a supervised token counts `weights` [vocabulary] of its id, any
    other token `around`."""
    batch = collate(samples, backbone.fmt.pad_id).to(backbone.device)
    loss_weights = batch.mask * weights[batch.ids] + around * (batch.attention - batch.mask)
    where = batch.attention if around else batch.mask
    return -(backbone.logps(role, batch.ids, batch.attention, where) * loss_weights).sum()


def share(samples: list[Sample], micro_tokens: int) -> list[list[Sample]]:
    """This rank's micro-batches of a global batch; together the ranks have each sample once."""
    micros = rank_micro_batches([len(s.ids) for s in samples], micro_tokens, rank(), world_size())
    return [[samples[i] for i in chosen] for chosen in micros]


def token_weights(backbone: Backbone, number_weight: float) -> torch.Tensor:
    """Loss weight by token id [vocabulary]: `number_weight` for tokens that carry a digit, 1 for the rest."""
    weights = torch.ones(backbone.vocab_size, device=backbone.device)
    if number_weight != 1.0:
        for text, token in backbone.tokenizer.get_vocab().items():
            if token < backbone.vocab_size and any(c.isdigit() for c in text) and not text.startswith("<|"):
                weights[token] = number_weight
    return weights


def judge_agreement(
    backbone: Backbone, role: str, examples: list[dict[str, Any]], cfg: Config, session: Session
) -> dict[str, float]:
    """How far the freshly trained judge agrees with the labels of held-out examples; a table for people, metrics."""
    judge = LocalJudge(
        backbone,
        None if role == "full" else role,
        cfg.rubric,
        cfg.sop,
        style=cfg.judge.prompt,
        max_length=cfg.judge.max_length,
        batch_tokens=cfg.judge.batch_tokens,
        template_kwargs=cfg.policy.template_kwargs,
    )
    items = [{"scenario": e.get("scenario"), "history": e["prompt"], "reply": e["reply"]} for e in examples]
    with backbone.gathered():
        scores = judge.score(items)
    found = agreement([e["scores"] for e in examples], scores, cfg.rubric)
    table = Table(title=f"judge against the labels of {len(examples)} held-out replies", title_justify="left")
    for column in ("criterion", "exact", "within 1", "correlation", "applies: agree", "scored by both"):
        table.add_column(column, justify="left" if column == "criterion" else "right")
    for name, row in found.items():
        cells = [f"{row[key]:.2f}" for key in ("exact", "within_one", "correlation", "applies")]
        table.add_row(name, *cells, f"{row['n']:.0f}")
    session.show(table)
    return {f"val/judge/{name}/{key}": value for name, row in found.items() for key, value in row.items()}


@torch.no_grad()
def held_out_loss(backbone: Backbone, role: str, samples: list[Sample], cfg: Config) -> float:
    """Mean negative log-prob of the supervised tokens of held-out samples (natural log, unweighted)."""
    backbone.eval()
    total = count = 0.0
    with backbone.gathered():  # ZeRO-3: ranks may differ in how many batches they have
        for micro in share(samples, cfg.engine.micro_tokens):
            batch = collate(micro, backbone.fmt.pad_id).to(backbone.device)
            logps = backbone.logps(role, batch.ids, batch.attention, batch.mask)
            total -= float((logps * batch.mask).sum())
            count += float(batch.mask.sum())
    return all_sum(total) / max(1.0, all_sum(count))
