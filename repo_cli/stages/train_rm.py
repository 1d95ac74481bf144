"""Reward model: an adapter and a linear head on the shared base, trained on preference pairs (Bradley-Terry).

    repo train-rm data.path=pairs.jsonl policy=qwen3_0_6b
    repo train-rm +experiment=demo policy.parent=runs/sft/.../final

The score of a reply is read at its last real token. Before training the pairs pass a gate (dialogue/pair_gate.py):
ties, repeats and leaks are counted in a table and leave. After training the held-out pairs give the **calibration**
(mean and standard deviation of the scores, chosen and rejected together) which RL needs, since a Bradley-Terry score
has no zero of its own (see `rm.scale`), and the report: tables in the terminal, `rm_report.json` and `rm_report.html`
in the run directory (evaluation/rm_report.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from repo_cli.algorithms import bradley_terry_loss_sum
from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import collate
from repo_cli.dialogue.checks import PairSample, preference_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.dialogue.pair_gate import context_name, gate, sample_view
from repo_cli.dialogue.shared import collate_shared
from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report
from repo_cli.evaluation.report import write_rm_page
from repo_cli.evaluation.rm_view import render
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.reward_model import LEAST, Calibration
from repo_cli.stages.data import BatchOrder, split_rows, stage_rows
from repo_cli.stages.pairs import pair_micros
from repo_cli.stages.roles import add_role
from repo_cli.stages.session import Session
from repo_cli.training.disk import disk_errors
from repo_cli.training.distributed import agreed, all_gather_objects

#: The report to read, in the run directory.
PAGE = "rm_report.html"


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Train, calibrate, and return the run's `final/`."""
    with Session(cfg, "train_rm", run_dir) as session:
        rows, report = stage_rows(cfg, "preference")
        if cfg.data.val_path:
            held, held_report = stage_rows(cfg, "preference", cfg.data.val_path)
        else:
            rows, held = split_rows(rows, cfg.train_rm.calibration_fraction, cfg.seed, together=context_name)
            report.rows = len(rows)
            held_report = LoadReport(report.path, "held-out preference", rows=len(held))
        backbone = Backbone.load(cfg, session.device)
        add_role(cfg, backbone, "rm", copy_of="policy", head=True)
        pairs = preference_samples(rows, backbone.fmt, report, cfg.data.on_bad_row)
        held_pairs = preference_samples(held, backbone.fmt, held_report, "skip")
        session.note(report.line())
        pairs, held_pairs, gated = gate(
            pairs,
            held_pairs,
            sample_view,
            report,
            held_report,
            drop_ties=cfg.train_rm.ties == "drop",
            drop_repeats=cfg.train_rm.repeats == "drop",
        )
        session.show(gated.table())
        for warning in gated.warnings:
            session.alarm(warning)
        gated.need_pairs(report.path)
        if 2 * len(held_pairs) < LEAST:
            raise UserError(
                f"{held_report.path}: {len(held_pairs)} held-out pairs are too few to calibrate the reward model, "
                f"at least {LEAST // 2} are wanted",
                hint="more pairs in data.val_path, or a larger train_rm.calibration_fraction",
            )

        def loss_fn(micro: list[PairSample]) -> tuple[torch.Tensor, dict[str, Any]]:
            chosen, rejected = pair_scores(backbone, micro)
            margin = torch.tensor([p.margin for p in micro], device=backbone.device)
            stage = cfg.train_rm
            return bradley_terry_loss_sum(chosen, rejected, margin, stage.center_coef, stage.label_smoothing)

        order = BatchOrder(len(pairs), cfg.train_rm.batch_size, cfg.seed, cfg.data.shuffle)
        total = order.per_epoch * cfg.train_rm.epochs
        total = min(total, cfg.train_rm.max_steps) if cfg.train_rm.max_steps else total
        engine = session.engine(backbone, "rm", cfg.optim.lr, total, dropout=True)
        for step in session.steps(total):
            batch = [pairs[i] for i in order.batch(step)]
            stats = engine.step(
                share(backbone, batch, cfg.engine.micro_tokens), loss_fn, denominator=len(batch)
            )
            session.end_step(step, {**stats, "epoch": step / order.per_epoch})

        scored = held_out(backbone, held_pairs, cfg.engine.micro_tokens)
        calibration = Calibration.fit([score for pair in scored for score in (pair.chosen, pair.rejected)])
        found = rm_report.rm_report(scored, gated.to_json())
        agreed(lambda: write_report(session, found))
        session.note(
            f"held-out accuracy {found['accuracy']['value']:.3f} on {len(scored)} pairs, correlation of score with "
            f"length {found['length']['replies']:+.2f}, calibration mean {calibration.mean:+.3f} "
            f"std {calibration.std:.3f}, expected calibration error {found['reliability']['ece']:.3f}; "
            f"to read: {session.path / PAGE}"
        )
        metrics = rm_report.headline(found)
        metrics |= {"val/score_mean": calibration.mean, "val/score_std": calibration.std}
        metrics |= {"data/pairs": gated.train.used, "data/left_out": gated.train.rows - gated.train.used}
        extra = {"calibration": calibration.to_json(), "reliability": found["reliability"]}
        return session.finish(backbone, "rm", kind="rm", metrics=metrics, extra=extra)


def write_report(session: Session, found: dict[str, Any]) -> None:
    """The tables for the terminal, and the files in the run directory; rank 0 alone."""
    if not session.is_main:
        return
    session.show(render(found))
    with disk_errors(session.path):
        rm_report.save(found, session.path)
        write_rm_page(found, session.path / PAGE, session.cfg.name)


def share(backbone: Backbone, pairs: list[PairSample], micro_tokens: int) -> list[list[PairSample]]:
    """This rank's micro-batches of a global batch of pairs (both sides of a pair go together)."""
    return [[pairs[i] for i in m] for m in pair_micros(backbone, pairs, micro_tokens)]


def pair_scores(backbone: Backbone, pairs: list[PairSample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw scores ([pairs], [pairs]) of the chosen and of the rejected replies, in one forward pass."""
    if backbone.shares_contexts:
        shared = collate_shared([(p.chosen, p.rejected) for p in pairs], backbone.fmt.pad_id)
        both = backbone.score_shared("rm", shared.to(backbone.device))
        return both[0::2], both[1::2]
    samples = [p.chosen for p in pairs] + [p.rejected for p in pairs]
    batch = collate(samples, backbone.fmt.pad_id).to(backbone.device)
    scores = backbone.score("rm", batch.ids, batch.attention)
    return scores[: len(pairs)], scores[len(pairs) :]


@torch.no_grad()
def held_out(backbone: Backbone, pairs: list[PairSample], micro_tokens: int) -> list[rm_report.ScoredPair]:
    """Raw scores of pairs which the training has not seen, in their order, on every rank."""
    backbone.eval()
    mine: list[tuple[int, float, float]] = []
    places = {id(pair): i for i, pair in enumerate(pairs)}
    with backbone.gathered():  # ZeRO-3: ranks may differ in how many batches they have
        for micro in share(backbone, pairs, micro_tokens):
            better, worse = pair_scores(backbone, micro)
            for pair, b, w in zip(micro, better.tolist(), worse.tolist(), strict=True):
                mine.append((places[id(pair)], b, w))
    found = sorted(row for part in all_gather_objects(mine) for row in part)
    return [
        rm_report.ScoredPair(b, w, sum(pairs[i].chosen.mask), sum(pairs[i].rejected.mask), pairs[i].row)
        for i, b, w in found
    ]
