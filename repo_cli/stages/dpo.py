"""Direct preference optimisation: chosen replies made likelier than rejected ones, measured from the SFT policy.

    repo dpo policy.parent=runs/sft/.../final data.path=pairs.jsonl algorithm.beta=0.1
    repo dpo policy.parent=... dpo.loss=ipo dpo.per_token=true

The reference is the policy that the run starts from (`policy.parent`), never the bare base below it. By default its
log-probs are computed once, before the first step; `dpo.reference=adapter` keeps it as a second adapter in memory
instead. Dropout stays off, so the first loss is ln 2 (with `dpo.loss=ipo` 1 / (4 beta^2)): a run that begins
elsewhere has another reference than it thinks. Both sides of a pair go through the model together, in length-sorted
micro-batches.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from repo_cli.algorithms import dpo_loss_sum, ipo_loss_sum
from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import collate
from repo_cli.dialogue.checks import PairSample, length_gap, preference_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.dialogue.shared import collate_shared
from repo_cli.models.backbone import Backbone
from repo_cli.stages.data import BatchOrder, split_rows, stage_rows
from repo_cli.stages.pairs import pair_micros
from repo_cli.stages.reference import add_reference
from repo_cli.stages.roles import policy_role
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_gather_objects

#: Relative distance of the first loss from its known value that is more than rounding.
FIRST_LOSS = 0.05


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Train, and return the run's `final/` (the policy's adapter)."""
    with Session(cfg, "dpo", run_dir) as session:
        rows, report = stage_rows(cfg, "preference")
        if cfg.data.val_path:
            held, held_report = stage_rows(cfg, "preference", cfg.data.val_path)
        else:
            rows, held = split_rows(rows, cfg.data.val_fraction, cfg.seed)
            held_report = LoadReport(report.path, "held-out preference", rows=len(held))
        backbone = Backbone.load(cfg, session.device)
        role = policy_role(cfg, backbone)
        pairs = preference_samples(rows, backbone.fmt, report, cfg.data.on_bad_row)
        held_pairs = preference_samples(held, backbone.fmt, held_report, "skip") if held else []
        session.note(report.line())
        session.note("mean reply tokens: chosen {:.1f}, rejected {:.1f}".format(*length_gap(pairs)))

        order = BatchOrder(len(pairs), cfg.dpo.batch_size, cfg.seed, cfg.data.shuffle)
        total = order.per_epoch * cfg.dpo.epochs
        total = min(total, cfg.dpo.max_steps) if cfg.dpo.max_steps else total
        kept = cfg.dpo.reference == "adapter"
        # before the engine is made: ZeRO-3 splits what is there then
        reference = add_reference(backbone) if kept else role
        engine = session.engine(backbone, role, cfg.optim.lr, total)

        def look(who: str, of: list[PairSample], chosen: list[int]) -> torch.Tensor:
            return logps_of(backbone, who, of, chosen, cfg)

        # after the engine is made, since that may cast the weights; before a checkpoint is read into it
        wanted = [] if kept else sorted({i for step in range(total) for i in order.batch(step)})
        reference_logps = look(role, pairs, wanted)
        held_reference = look(role, held_pairs, list(range(len(held_pairs))))
        if wanted:
            session.note(f"reference log-probs of {len(wanted)} pairs computed")

        def loss_fn(micro: list[int]) -> tuple[torch.Tensor, dict[str, Any]]:
            chosen, rejected = pair_logps(backbone, role, [pairs[i] for i in micro], cfg.dpo.per_token)
            loss, stats = objective(cfg, chosen, rejected, reference_logps[micro].to(chosen))
            del stats["pairs"]
            return loss, stats

        def held_out() -> dict[str, float]:
            found = look(role, held_pairs, list(range(len(held_pairs)))).double()
            return held_out_metrics(cfg, found, held_reference.double())

        metrics: dict[str, float] = {}
        for step in session.steps(total):
            batch = order.batch(step)
            if kept:
                with session.timer("reference"):
                    reference_logps = look(reference, pairs, batch)
            metrics = {}
            stats = engine.step(micros_of(backbone, pairs, batch, cfg), loss_fn, denominator=len(batch))
            if step == 0:
                check_first_loss(cfg, session, stats["loss"])
            last = step + 1 == total
            if held_pairs and (last or (cfg.dpo.eval_every and (step + 1) % cfg.dpo.eval_every == 0)):
                with session.timer("held_out"):
                    metrics = held_out()
            session.end_step(step, {**stats, **metrics, "epoch": step / order.per_epoch})

        if held_pairs:
            metrics = metrics or held_out()  # a run resumed at its very end has taken no step
            session.note(
                f"held-out accuracy {metrics['val/accuracy']:.3f}, margin {metrics['val/reward_margin']:+.3f} "
                f"on {len(held_pairs)} pairs"
            )
        metrics |= {"data/pairs": float(len(pairs)), "data/left_out": float(report.bad + held_report.bad)}
        return session.finish(backbone, role, kind="adapter", metrics=metrics)


def objective(
    cfg: Config, chosen: torch.Tensor, rejected: torch.Tensor, known: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss summed over pairs, and sums for the log; `known` [pairs, 2]: the reference's chosen and rejected."""
    beta = cfg.algorithm.beta
    if cfg.dpo.loss == "ipo":
        loss, stats = ipo_loss_sum(chosen, rejected, known[:, 0], known[:, 1], beta)
    else:
        smoothing = cfg.dpo.label_smoothing
        loss, stats = dpo_loss_sum(chosen, rejected, known[:, 0], known[:, 1], beta, smoothing)
    sides = {"logps_chosen": chosen.detach().sum(), "logps_rejected": rejected.detach().sum()}
    return loss, {**stats, **sides}


def pair_logps(
    backbone: Backbone, role: str | None, pairs: list[PairSample], per_token: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs ([pairs], [pairs]) of the chosen and of the rejected replies: sums over each reply's tokens, or means
    with `per_token`; one forward pass for both sides, their context in it once where the attention kernel allows."""
    if backbone.shares_contexts:
        shared = collate_shared([(p.chosen, p.rejected) for p in pairs], backbone.fmt.pad_id)
        shared = shared.to(backbone.device)
        both, mask = backbone.logps_shared(role, shared), shared.mask
    else:
        samples = [side for p in pairs for side in (p.chosen, p.rejected)]
        batch = collate(samples, backbone.fmt.pad_id).to(backbone.device)
        both, mask = backbone.logps(role, batch.ids, batch.attention, batch.mask), batch.mask
    sums = both.sum(1) / mask.sum(1) if per_token else both.sum(1)
    return sums[0::2], sums[1::2]


def micros_of(backbone: Backbone, pairs: list[PairSample], chosen: list[int], cfg: Config) -> list[list[int]]:
    """This rank's micro-batches of the named pairs, as indices; together the ranks have each once."""
    micros = pair_micros(backbone, [pairs[i] for i in chosen], cfg.engine.micro_tokens)
    return [[chosen[k] for k in micro] for micro in micros]


@torch.no_grad()
def logps_of(
    backbone: Backbone, role: str | None, pairs: list[PairSample], chosen: list[int], cfg: Config
) -> torch.Tensor:
    """[pairs, 2] log-probs (chosen, rejected) of the named pairs under `role`, on every rank; NaN for the others."""
    out = torch.full((len(pairs), 2), torch.nan)
    if not chosen:
        return out
    backbone.eval()
    mine: list[tuple[list[int], list[list[float]]]] = []
    with backbone.gathered():  # ZeRO-3: ranks may differ in how many batches they have
        for micro in micros_of(backbone, pairs, chosen, cfg):
            found = pair_logps(backbone, role, [pairs[i] for i in micro], cfg.dpo.per_token)
            mine.append((micro, torch.stack(found, 1).tolist()))
    for micro, rows in (entry for part in all_gather_objects(mine) for entry in part):
        out[micro] = torch.tensor(rows)
    return out


def held_out_metrics(cfg: Config, logps: torch.Tensor, reference: torch.Tensor) -> dict[str, float]:
    """Means over the held-out pairs ([pairs, 2] each): loss, accuracy, margin, log-probs of both sides."""
    loss, stats = objective(cfg, logps[:, 0], logps[:, 1], reference)
    count = float(stats.pop("pairs"))
    return {f"val/{k}": float(v) / count for k, v in {"loss": loss, **stats}.items()} | {"val/pairs": count}


def check_first_loss(cfg: Config, session: Session, loss: float) -> None:
    """An alarm when the first loss is not that of a policy which equals its reference."""
    beta = cfg.algorithm.beta
    wanted = 1.0 / (4.0 * beta**2) if cfg.dpo.loss == "ipo" else math.log(2.0)
    if abs(loss - wanted) > FIRST_LOSS * wanted:
        session.alarm(
            f"the first loss is {loss:.4g} instead of {wanted:.4g}: the reference is not the policy that the run "
            "starts from, or rounding is coarse (engine.precision, engine.autocast)"
        )
