"""Reward model: an adapter and a linear head on the shared base, trained on preference pairs (Bradley-Terry).

    repo train-rm data.path=pairs.jsonl policy=qwen3_0_6b
    repo train-rm +experiment=demo policy.parent=runs/sft/.../final

The score of a reply is read at its last real token. After training the held-out pairs give the accuracy, the
correlation of the score with length, and the **calibration** (mean and standard deviation of the scores, chosen and
rejected together) which RL needs: a Bradley-Terry score has no zero of its own (see `rm.scale`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from repo_cli.algorithms import bradley_terry_loss_sum
from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import collate, collate_pairs, common_length, rank_micro_batches
from repo_cli.dialogue.checks import PairSample, length_gap, preference_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.reward_model import Calibration
from repo_cli.stages.data import BatchOrder, split_rows, stage_rows
from repo_cli.stages.roles import add_role
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_gather_objects, rank, world_size


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Train, calibrate, and return the run's `final/`."""
    with Session(cfg, "train_rm", run_dir) as session:
        rows, report = stage_rows(cfg, "preference")
        if cfg.data.val_path:
            held, held_report = stage_rows(cfg, "preference", cfg.data.val_path)
        else:
            rows, held = split_rows(rows, cfg.train_rm.calibration_fraction, cfg.seed)
            held_report = LoadReport(report.path, "held-out preference", rows=len(held))
        backbone = Backbone.load(cfg, session.device)
        add_role(cfg, backbone, "rm", copy_of="policy", head=True)
        pairs = preference_samples(rows, backbone.fmt, report, cfg.data.on_bad_row)
        held_pairs = preference_samples(held, backbone.fmt, held_report, "skip")
        session.note(report.line())
        session.note("mean reply tokens: chosen {:.1f}, rejected {:.1f}".format(*length_gap(pairs)))

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
            stats = engine.step(share(batch, cfg.engine.micro_tokens), loss_fn, denominator=len(batch))
            session.end_step(step, {**stats, "epoch": step / order.per_epoch})

        metrics, calibration = held_out(backbone, held_pairs, cfg.engine.micro_tokens)
        session.note(
            f"held-out accuracy {metrics['val/accuracy']:.3f} on {len(held_pairs)} pairs, "
            f"correlation of score with length {metrics['val/length_correlation']:+.2f}, "
            f"calibration mean {calibration.mean:+.3f} std {calibration.std:.3f}"
        )
        return session.finish(
            backbone, "rm", kind="rm", metrics=metrics, extra={"calibration": calibration.to_json()}
        )


def share(pairs: list[PairSample], micro_tokens: int) -> list[list[PairSample]]:
    """This rank's micro-batches of a global batch of pairs (both sides of a pair go together, their context once)."""
    lengths = [
        len(p.chosen.ids) + len(p.rejected.ids) - common_length(p.chosen.ids, p.rejected.ids) for p in pairs
    ]
    return [[pairs[i] for i in m] for m in rank_micro_batches(lengths, micro_tokens, rank(), world_size())]


def pair_scores(backbone: Backbone, pairs: list[PairSample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw scores ([pairs], [pairs]) of the chosen and of the rejected replies, in one forward pass."""
    if backbone.shares_pairs:
        shared = collate_pairs([(p.chosen.ids, p.rejected.ids) for p in pairs], backbone.fmt.pad_id)
        both = backbone.score_pairs("rm", shared.to(backbone.device))
        return both[:, 0], both[:, 1]
    samples = [p.chosen for p in pairs] + [p.rejected for p in pairs]
    batch = collate(samples, backbone.fmt.pad_id).to(backbone.device)
    scores = backbone.score("rm", batch.ids, batch.attention)
    return scores[: len(pairs)], scores[len(pairs) :]


@torch.no_grad()
def held_out(
    backbone: Backbone, pairs: list[PairSample], micro_tokens: int
) -> tuple[dict[str, float], Calibration]:
    """Accuracy, correlation with length and calibration on pairs which the training has not seen."""
    backbone.eval()
    found: list[tuple[float, float, int, int]] = []
    with backbone.gathered():  # ZeRO-3: ranks may differ in how many batches they have
        for micro in share(pairs, micro_tokens):
            better, worse = pair_scores(backbone, micro)
            for pair, b, w in zip(micro, better.tolist(), worse.tolist(), strict=True):
                found.append((b, w, sum(pair.chosen.mask), sum(pair.rejected.mask)))
    found = [row for part in all_gather_objects(found) for row in part]
    if not found:
        raise UserError("train-rm: no held-out pair is left to calibrate the reward model on")
    scores = torch.tensor([s for b, w, _, _ in found for s in (b, w)], dtype=torch.float64)
    lengths = torch.tensor([n for _, _, x, y in found for n in (x, y)], dtype=torch.float64)
    accuracy = sum((b > w) + 0.5 * (b == w) for b, w, _, _ in found) / len(found)
    correlation = float(torch.corrcoef(torch.stack([scores, lengths]))[0, 1]) if lengths.std() > 0 else 0.0
    calibration = Calibration.fit(scores.tolist())
    return {
        "val/accuracy": accuracy,
        "val/length_correlation": correlation,
        "val/pairs": len(found),
    }, calibration
