"""A stage for test_stages_matrix.py: every ZeRO stage in turn, on as many ranks as there are, in one process group.

MATRIX (JSON) names the ZeRO stages, the recorded rollouts and what the stages start from. `found.json` holds losses and
how often weights were gathered, `gradients.pt` the first update's gradients, `expected.pt` what each written `final/` must
compute: logits, and of a reward model values and scores, taken from the weights in memory just before it was written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from stages_kit import config, metrics
from stages_ranks import read

from repo_cli.config import Config
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rollout import LocalEngine
from repo_cli.stages import sft, train_rm
from repo_cli.stages.experience import advantages_, collect
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater
from repo_cli.training import distributed
from repo_cli.training.engine import TrainEngine

STEPS = 3
IDS = [[5, 17, 40, 33, 8, 21, 60, 12, 9, 30, 44, 7]]
Wrap = Callable[[], None]


def run(cfg: Config, run_dir: Path) -> Path:
    distributed.init(cfg)
    line = SimpleNamespace(**json.loads(os.environ["MATRIX"]))
    found: dict[str, Any] = {}
    gradients: dict[str, torch.Tensor] = {}
    expected: dict[str, dict[str, torch.Tensor]] = {}
    remember_what_is_written(expected)
    for zero in line.zeros:
        runs = run_dir / f"zero{zero}"
        rl = updates(line, runs, zero, gradients)
        given = [
            f"data.path={line.dialogues}",
            f"policy.parent={line.base}",
            f"sft.max_steps={STEPS}",
            "sft.batch_size=5",
        ]
        adapter = sft.run(settled("sft", runs, zero, *given, "name=adapter"))
        full = sft.run(settled("sft", runs, zero, *given, "name=full", "policy.train=full", "optim.lr=0.003"))
        given = [
            f"data.path={line.pairs}",
            f"policy.parent={line.sft}",
            "train_rm.max_steps=2",
            "train_rm.batch_size=5",
        ]
        rm = train_rm.run(settled("train_rm", runs, zero, *given))
        distributed.barrier()
        found[str(zero)] = {"rl": rl, "sft": column(adapter, "sft/loss"), "full": column(full, "sft/loss"),
                            "train_rm": column(rm, "train_rm/loss")}  # fmt: skip
    if distributed.is_main():
        (run_dir / "found.json").write_text(json.dumps(found))
        torch.save(gradients, run_dir / "gradients.pt")
        torch.save(expected, run_dir / "expected.pt")
        (run_dir / "final").mkdir(exist_ok=True)
    return run_dir / "final"


def settled(stage: str, runs: Path, zero: int, *more: str) -> Config:
    given = (
        f"engine=zero{zero}",
        "engine.device=cpu",
        "engine.threads=1",
        "engine.grad_clip=0",
        "engine.micro_tokens=300",
    )
    return config(stage, runs, *given, "policy.attn=eager", "optim.lr=0.003", *more)


def column(final: Path, name: str) -> list[float]:
    return [row[name] for row in metrics(final)]


def updates(
    line: SimpleNamespace, runs: Path, zero: int, gradients: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """PPO updates on recorded rollouts, each rank with its share; and a rollout of this rank's own, counted."""
    cfg = settled(
        "rl", runs, zero, f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}",
        "critic.lr=0.003", "algorithm=ppo", "algorithm.epochs=2", "rollout.batch_size=2",
    )  # fmt: skip
    recorded = json.loads(Path(line.recorded).read_text())
    losses: dict[str, list[float]] = {"policy": [], "critic": []}
    with Session(cfg, "rl") as session:
        backbone = Backbone.load(cfg)
        Ensemble(cfg, backbone)
        updater = Updater(cfg, backbone, session)
        mine = session.my_share(list(range(len(recorded))))
        for name, engine in (("policy", updater.policy), ("critic", updater.critic)):
            assert engine is not None
            note_first_gradient(engine, f"{zero}/{name}", gradients)
        totals = torch.tensor([recorded[i]["total"] for i in mine])
        keep = torch.tensor([i != 2 for i in mine])
        for step in range(STEPS):
            items = [read(recorded[i], backbone) for i in mine]
            with backbone.gathered():  # ranks may differ in how many batches they have
                updater.values_(items)
            updater.calibrate_(items, totals, keep)
            advantages_(items, totals, keep, cfg.algorithm)
            stats = updater.update([item for item in items if item.keep], step)
            for name in losses:
                losses[name].append(stats[f"{name}/loss"])
        counts = gathered_in_a_rollout(backbone, cfg, recorded, updater)
    return losses | counts


def note_first_gradient(engine: TrainEngine, name: str, gradients: dict[str, torch.Tensor]) -> None:
    """The whole gradient, as DeepSpeed holds it just before the optimizer's first step."""
    real = engine.engine.step

    def step(*given: Any, **named: Any) -> Any:
        if name not in gradients and engine.engine.is_gradient_accumulation_boundary():
            gradients[name] = torch.cat(
                [whole_gradient(engine, p).flatten() for p in engine.parameters]
            ).double()
        return real(*given, **named)

    engine.engine.step = step


def whole_gradient(engine: TrainEngine, parameter: Any) -> torch.Tensor:
    if engine.stage == 0:
        return parameter.grad.detach().clone()
    if engine.stage == 3:
        return engine.engine.optimizer.get_fp32_grad_for_param(parameter).detach().clone()
    return parameter.get_full_hp_grad().detach().clone()


def gathered_in_a_rollout(
    backbone: Backbone, cfg: Config, recorded: list[Any], updater: Updater
) -> dict[str, Any]:
    """How often all weights are gathered, and one module's are fetched, while replies are sampled and valued as rl does."""
    import deepspeed
    from deepspeed.runtime.zero.partitioned_param_coordinator import (
        PartitionedParameterCoordinator as Coordinator,
    )

    counts = {"gathers": 0, "fetches": 0}
    places = (
        (deepspeed.zero.GatheredParameters, "__enter__", "gathers"),
        (Coordinator, "fetch_sub_module", "fetches"),
    )
    reals = [getattr(owner, name) for owner, name, _ in places]

    def counting(real: Any, key: str) -> Any:
        def wrapped(*given: Any, **named: Any) -> Any:
            counts[key] += 1
            return real(*given, **named)

        return wrapped

    for (owner, name, key), real in zip(places, reals, strict=True):
        setattr(owner, name, counting(real, key))
    prompts = [({"prompt": []}, row["context"]) for row in recorded]
    prompts = prompts[: 3 + 2 * distributed.rank()]  # ranks may differ in how many batches they have
    with backbone.gathered():
        items = collect(LocalEngine(backbone, "policy", cfg.rollout), prompts, seed=3)
        updater.values_(items)
    for (owner, name, _), real in zip(places, reals, strict=True):
        setattr(owner, name, real)
    assert len(items) == len(prompts) and all(item.reply.ids for item in items)
    return counts


def remember_what_is_written(expected: dict[str, dict[str, torch.Tensor]]) -> None:
    """Before a stage writes its product: what the weights in memory make of IDS."""
    real = Session.finish

    def finish(self: Session, backbone: Backbone, role: str, *given: Any, **named: Any) -> Path:
        ids = torch.tensor(IDS)
        backbone.eval()
        with backbone.gathered(), torch.no_grad():
            backbone.use(role)
            seen = {"logits": backbone.base(ids).logits.clone()}
            if backbone.has_head(role):
                ones = torch.ones_like(ids)
                seen |= {
                    "values": backbone.values(role, ids, ones),
                    "scores": backbone.score(role, ids, ones),
                }
        expected[str(self.run.final)] = seen
        return real(self, backbone, role, *given, **named)

    Session.finish = finish  # type: ignore[method-assign]
