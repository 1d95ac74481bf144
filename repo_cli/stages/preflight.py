"""What is looked at before the first update of a run (`rl.preflight`).

ratios     the sampler's log-probs are the trainer's: otherwise the ratio is wrong from the first step on
rewards    they differ from each other, and no cheap trick earns as much as an honest reply (rewards/canaries.py)
gradients  every weight that is to be trained gets one from its own loss, and no other weight does

Nothing of it is a part of the run: no random number is drawn, no weight, count or metric changes.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from typing import Any

import torch

from repo_cli.config.schema import Config
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.canaries import ABOUT
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.stages.experience import Item, Prompt
from repo_cli.stages.reward import Line, Scorer, compare
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater
from repo_cli.training.distributed import all_gather_objects, all_sum, rank, world_size
from repo_cli.training.engine import LossFn, TrainEngine

#: Largest mean gap between the sampler's log-probs and the trainer's: rounding is below, a fault well above.
GAP = {"float32": 1e-3, "bfloat16": 5e-2}


def preflight(
    cfg: Config,
    backbone: Backbone,
    items: list[Item],
    totals: torch.Tensor,
    session: Session,
    updater: Updater,
    ensemble: Ensemble,
    prompts: Sequence[Prompt],
    tricks: bool = True,
) -> None:
    """Before the first update, on all ranks. Items must carry `check_logps` (Updater.values_) and advantages.
    tricks: False when a run goes on, which has been told about them.

    Raises UserError when the log-probs do not agree, or a role's weights get no gradient at all or share it with
    others; with `rl.preflight_action=stop` also where a trick pays or single weights get none. All else is an alarm.
    """
    check_ratios(cfg, backbone, items)
    mine = [total for total, item in zip(totals.tolist(), items, strict=True) if item.keep]
    scored = [total for part in all_gather_objects(mine) for total in part]
    if scored and max(scored) - min(scored) < 1e-9:
        session.alarm(
            f"all {len(scored)} rewards of the first step are {scored[0]:.4g}: there is nothing to learn from"
        )
    found = check_gradients(backbone, updater, items)
    if tricks and cfg.rl.preflight_contexts:
        found += check_tricks(cfg, backbone, items, ensemble, prompts)
    for text in found:
        if cfg.rl.preflight_action == "stop":
            raise UserError(f"rl.preflight: {text}", hint="rl.preflight_action=warn goes on all the same")
        session.alarm(f"preflight: {text}")


def check_ratios(cfg: Config, backbone: Backbone, items: list[Item]) -> None:
    """Do sampler and trainer speak of the same distribution?"""
    gaps = [(i.check_logps - torch.tensor(i.reply.logps)).abs() for i in items if i.check_logps is not None]
    tokens = all_sum(float(sum(len(g) for g in gaps)))
    gap = all_sum(float(sum(float(g.sum()) for g in gaps))) / max(1.0, tokens)
    parameter = next(backbone.base.parameters())
    low = cfg.engine.autocast or cfg.engine.precision == "bf16" or parameter.dtype != torch.float32
    limit = GAP["bfloat16" if low else "float32"]
    if not gap <= limit:  # NaN too
        raise UserError(
            f"rl.preflight: the sampled log-probs differ from the trainer's by {gap:.3g} on average, {limit:g} is "
            "rounding: sampling and training do not see the same model",
            hint="rollout.merge=false or another policy.attn may tell why; rl.preflight=false skips this check",
        )


def check_gradients(backbone: Backbone, updater: Updater, items: list[Item]) -> list[str]:
    """The gradients of each role's loss on the shortest reply, taken without storing them; what is wrong with them.

    Raises UserError, on all ranks, where a role learns nothing or other weights would learn with it.
    """
    kept = [item for item in items if item.keep]
    item = min(kept, key=lambda i: len(i.sample.ids), default=None)
    wrong: list[str] = []
    with backbone.gathered():
        for role, (engine, loss_of) in updater.trained().items():
            grave, mild = _gradients_of(role, backbone, engine, loss_of, item)
            for text in all_gather_objects(grave):
                if text:
                    raise UserError(
                        f"rl.preflight: {text}",
                        hint="lora.targets names what is trained; rl.preflight=false skips this check",
                    )
            wrong += sorted({text for text in all_gather_objects(mild) if text})
    return wrong


def _gradients_of(
    role: str, backbone: Backbone, engine: TrainEngine, loss_of: LossFn, item: Item | None
) -> tuple[str, str]:
    """(what must not be, what looks wrong) about one role; empty texts where all is well."""
    if item is None:
        return "", ""
    backbone.use(role)
    named = backbone.named_trainable(role)
    strangers = [name for name, p in backbone.named_parameters() if p.requires_grad and name not in named]
    if strangers:
        return f"{len(strangers)} weights would be trained with the {role}, such as {strangers[0]}", ""
    with engine.training_mode():
        loss, _ = loss_of([[item]])
        if not loss.requires_grad:
            return f"no weight of the {role} gets a gradient", ""
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    got = {name: g for name, g in zip(named, found, strict=True) if g is not None}
    moved = sum(float(g.abs().sum()) for g in got.values())
    target = item.advantages if role == "policy" else item.returns - item.values
    if not math.isfinite(moved):
        return f"the gradient of the {role} is not finite", ""
    if not got or (moved == 0.0 and bool(target.any())):
        return f"no weight of the {role} gets a gradient", ""
    without = [name for name in named if name not in got]
    if without:
        return (
            "",
            f"{len(without)} of {len(named)} weights of the {role} get no gradient, such as {without[0]}",
        )
    return "", ""


def check_tricks(
    cfg: Config, backbone: Backbone, items: list[Item], ensemble: Ensemble, prompts: Sequence[Prompt]
) -> list[str]:
    """The canaries on some of the run's own prompts; a sentence where some of them pay in the total.

    Honest are the prompts' own `reference` replies, or, where they have none, the policy's first ones.
    """
    contexts, whose = _honest(cfg, items, prompts)
    if not contexts:
        return []
    scorer = Scorer(cfg, backbone, ensemble)

    def score(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Shared out over the ranks."""
        mine = scorer.score(asked[rank() :: world_size()])
        parts = all_gather_objects(mine)
        return [parts[i % len(parts)][i // len(parts)] for i in range(len(asked))]

    with ensemble.aside(), torch.no_grad():
        lines, means = compare(contexts, score, scorer.criteria, cfg.world.language)
    paying = [line for line in lines if line.pays]
    return [_said(paying, len(lines), means, whose)] if paying else []


def _honest(cfg: Config, items: list[Item], prompts: Sequence[Prompt]) -> tuple[list[dict[str, Any]], str]:
    """Contexts with an honest reply, the same on all ranks, and whose replies they are."""

    def after_partner(row: dict[str, Any]) -> bool:
        return any(m["role"] == "user" for m in row["prompt"])

    n = cfg.rl.preflight_contexts
    places = array("L")  # the rows themselves may be a million
    for place, (row, _) in enumerate(prompts):
        if isinstance(row.get("reference"), str) and row["reference"].strip() and after_partner(row):
            places.append(place)
    whose = "the prompts' own replies"
    draw = random.Random(f"preflight:{cfg.seed}")
    if places:
        rows = [prompts[places[k]][0] for k in draw.sample(range(len(places)), min(n, len(places)))]
        chosen = [{"row": row, "honest": row["reference"]} for row in rows]
    else:
        mine = [
            {"row": i.row, "honest": i.reply.text}
            for i in items
            if i.reply.finished and i.reply.text.strip() and after_partner(i.row)
        ]
        known = [one for part in all_gather_objects(mine[:n]) for one in part]
        whose = "the policy's own replies"
        chosen = draw.sample(known, min(n, len(known)))
    contexts = [
        {
            "prompt": one["row"]["prompt"],
            "scenario": one["row"].get("scenario") or {},
            "honest": one["honest"],
            "dialogue": (one["row"].get("scenario") or {}).get("id", number),
            "rejected": "",
        }
        for number, one in enumerate(chosen)
    ]
    return contexts, whose


def _said(paying: list[Line], tried: int, means: dict[str, float], whose: str) -> str:
    """One sentence about the tricks that pay, with the figures of the one that pays most."""
    worst = min(paying, key=lambda line: line.gaps["total"])
    gains = {name: -gap for name, gap in worst.gaps.items()}
    parts = ", ".join(f"{name} {gain:+.2f}" for name, gain in gains.items() if name != "total")
    others = f"{len(paying)} of {tried} tricks pay ({', '.join(line.name for line in paying)}); "
    return (
        f'{others if len(paying) > 1 else "a trick pays: "}"{worst.name}" ({ABOUT[worst.name]}) earns '
        f"{means['total'] + gains['total']:.2f} in the total where {whose} earn {means['total']:.2f}, on "
        f"{worst.contexts} prompts ({parts}); `repo reward check` tells more"
    )
