"""A stage for the tests of two ranks: runs the real stages one after the other in the same processes (importing the
libraries costs seconds), and leaves what they measured in `found.json`. Alone it is what one rank measures."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from reward_parts_kit import made_ensemble, made_parts, share_of
from stages_kit import config, metrics, prompt, write

from repo_cli.config import Config
from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import Stopped, UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rollout import LocalEngine, Reply
from repo_cli.stages import dpo, evaluate, sample, sft, train_rm
from repo_cli.stages import rl as rl_stage
from repo_cli.stages.experience import Item, advantages_
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater
from repo_cli.training import distributed
from repo_cli.training.engine import TrainEngine

STEPS = 10


def run(cfg: Config, run_dir: Path) -> Path:
    distributed.init(cfg)
    line = SimpleNamespace(**json.loads(os.environ["STAGES_RANKS"]))
    runs, two = run_dir / "inner", distributed.world_size() == 2
    found: dict[str, Any] = {
        "sft": losses(sft.run(sft_config(line, runs)), "sft/loss"),
        "train_rm": losses(train_rm.run(rm_config(line, runs)), "train_rm/loss"),
        "dpo": losses(dpo.run(dpo_config(line, runs)), "dpo/loss"),
        "rl": updates(line, runs),
        "sample": samples(line, runs),
        "rewards": reward_figures(),
    }
    if two:
        found["stop"] = stop_on_one_rank(line, runs)
        found["whole"] = whole_stages(line, runs)
        found["error"] = told_on_every_rank(line, runs)
        found["own"] = own_rewards(line, runs)
    if distributed.is_main():
        (run_dir / "found.json").write_text(json.dumps(found))
        (run_dir / "final").mkdir(exist_ok=True)
    return run_dir / "final"


def sft_config(line: SimpleNamespace, runs: Path, *more: str) -> Config:
    given = (f"data.path={line.dialogues}", f"policy.parent={line.base}", f"sft.max_steps={STEPS}")
    return config("sft", runs, *given, "sft.batch_size=8", "sft.number_weight=3", "optim.lr=0.003", *more)


def rm_config(line: SimpleNamespace, runs: Path, *more: str) -> Config:
    given = (f"data.path={line.pairs}", f"policy.parent={line.sft}", f"train_rm.max_steps={STEPS}")
    return config(
        "train_rm", runs, *given, "train_rm.epochs=3", "train_rm.batch_size=7", "optim.lr=0.003", *more
    )


def dpo_config(line: SimpleNamespace, runs: Path, *more: str) -> Config:
    given = (f"data.path={line.pairs}", f"policy.parent={line.sft}", f"dpo.max_steps={STEPS}", "dpo.epochs=3")
    return config("dpo", runs, *given, "dpo.batch_size=7", "optim.lr=0.003", "lora.dropout=0.1", *more)


def losses(final: Path, name: str) -> list[float]:
    distributed.barrier()
    return [row[name] for row in metrics(final)]


def samples(line: SimpleNamespace, runs: Path) -> dict[str, list[str]]:
    """What two replies to each of 20 contexts became: five batches, so that in the last round one of two ranks rests.
    Two ranks are stopped in their second round by a signal that only rank 1 got, and go on."""
    given = (
        f"policy.parent={line.sft}",
        "data.path=world:prompts",
        "data.limit=20",
        "policy.max_length=1024",
    )
    cfg, told, real = config("sample", runs, *given), "", LocalEngine._generate_batch
    if distributed.world_size() == 2:
        calls: list[int] = []

        def stopped(*given: Any) -> None:
            calls.append(1)
            if len(calls) == 2 and distributed.rank() == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            real(*given)

        LocalEngine._generate_batch = stopped  # type: ignore[method-assign]
        try:
            sample.run(cfg)
        except Stopped as error:
            told = str(error)
        LocalEngine._generate_batch = real  # type: ignore[method-assign]
        assert "after step 1" in told, told
        cfg.resume = "auto"
    final = sample.run(cfg, next((runs / "sample" / "run").iterdir()) if told else None)
    distributed.barrier()
    return {file.name: file.read_text().splitlines() for file in sorted(final.glob("*.jsonl"))}


def updates(line: SimpleNamespace, runs: Path) -> list[dict[str, Any]]:
    """Ten RL updates on recorded rollouts; each rank has its share of the replies, the third of rank 0 is not kept."""
    paths = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}")
    cfg = config(
        "rl", runs, *paths, "optim.lr=0.003", "critic.lr=0.003", "algorithm.epochs=2", "lora.dropout=0.1",
        "algorithm=ppo", "algorithm.kl_coef=0.05", "algorithm.kl_in=loss", "algorithm.kl_estimator=k2",
        "algorithm.length_norm=reply",
    )  # fmt: skip
    recorded = json.loads(Path(line.recorded).read_text())
    out = []
    with Session(cfg, "rl") as session:
        backbone = Backbone.load(cfg)
        Ensemble(cfg, backbone)
        updater = Updater(cfg, backbone, session)
        mine = session.my_share(list(range(len(recorded))))
        gradients: dict[str, torch.Tensor] = {}
        for name, engine in (("policy", updater.policy), ("critic", updater.critic)):
            assert engine is not None

            def note(*_: Any, n: str = name, e: Any = engine) -> None:
                gradients.setdefault(n, flat(e))

            engine.inner.register_step_pre_hook(note)
        for step in range(STEPS):
            items = [read(recorded[i], backbone) for i in mine]
            updater.values_(items)
            totals = torch.tensor([recorded[i]["total"] for i in mine])
            keep = torch.tensor([i != 2 for i in mine])
            updater.calibrate_(items, totals, keep)
            advantages_(items, totals, keep, cfg.algorithm)
            stats = updater.update([item for item in items if item.keep], step)
            out.append(
                {
                    k: v
                    for k, v in stats.items()
                    if k.rsplit("/", 1)[1] in ("loss", "grad_norm", "entropy", "explained_variance")
                }
                | {"line": updater.line}
            )
    if distributed.is_main():
        torch.save(gradients, runs / "gradients.pt")
    return out


def reward_figures() -> list[dict[str, float]]:
    """What is logged of the rewards of 24 replies; of two ranks one has 19 of them, and then all."""
    out = []
    for combine, cut in (("enhance", 19), ("normalised_sum", 19), ("rm", 24)):
        cfg = Config()
        cfg.reward.combine, cfg.reward.veto, cfg.judge.on_missing = combine, 0.5, "rules_only"
        parts = made_parts()
        if distributed.world_size() == 2:
            parts = share_of(parts, *((0, cut), (cut, 24))[distributed.rank()])
        out.append(made_ensemble(cfg).total(parts)[2])
    return out


def flat(engine: TrainEngine) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in engine.parameters if p.grad is not None]).double()


def read(row: dict[str, Any], backbone: Backbone) -> Item:
    sample: Sample = backbone.fmt.from_rollout(row["context"], row["ids"])
    return Item({"prompt": []}, sample, Reply(row["ids"], row["logps"], "", True))


def stop_on_one_rank(line: SimpleNamespace, runs: Path) -> dict[str, Any]:
    """Each stage straight, and stopped by a signal that only rank 1 got, then resumed; dropout where it acts, and every
    ZeRO stage that shares something out."""
    split = ("engine.device=cpu", "engine.micro_tokens=600")
    rl = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.steps=4", "rl.batch_size=6",
          "critic.lr=0.01", "lora.dropout=0.1", "algorithm.epochs=2", "optim.lr=0.003")  # fmt: skip
    grpo = ("algorithm=grpo", "algorithm.group_size=2", "reward=rm_only")
    dropout = "lora.dropout=0.1"
    cases: dict[str, tuple[Any, Config]] = {
        "sft": (sft, sft_config(line, runs, *split, "engine=zero2", dropout, "sft.max_steps=4")),
        "train_rm": (train_rm, rm_config(line, runs, *split, "engine=zero1", dropout, "train_rm.max_steps=4")),
        "dpo": (dpo, dpo_config(line, runs, *split, "engine=zero3", "dpo.max_steps=4", "dpo.eval_every=2")),
        "repo": (rl_stage, config("rl", runs, *rl, *split, "engine=zero2", "reward=rm_only")),
        "ppo": (rl_stage, config("rl", runs, *rl, *split, "engine=zero1", "reward=rm_only", "algorithm=ppo")),
        "grpo": (rl_stage, config("rl", runs, *rl, *split, "engine=zero3", *grpo)),
    }  # fmt: skip
    return {name: stopped_and_resumed(name, module, cfg) for name, (module, cfg) in cases.items()}


def stopped_and_resumed(name: str, module: Any, cfg: Config) -> dict[str, Any]:
    cfg.name = f"{name}-straight"
    straight = module.run(cfg)
    cfg.name = f"{name}-halves"
    real, told = Session.end_step, ""

    def end_step(self: Session, at: int, *rest: Any) -> None:
        if at == 1 and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, at, *rest)

    Session.end_step = end_step  # type: ignore[method-assign]
    try:
        module.run(cfg)
    except Stopped as error:
        told = str(error)
    Session.end_step = real  # type: ignore[method-assign]
    (run,) = (Path(cfg.runs_dir) / cfg.stage / cfg.name).iterdir()
    cfg.resume = "auto"
    resumed = module.run(cfg, run)
    distributed.barrier()
    files = [sorted(file.name for file in final.glob("*.safetensors")) for final in (straight, resumed)]
    return {
        "told": distributed.all_gather_objects(told),
        "same": files[0] == files[1] != []
        and all((straight / file).read_bytes() == (resumed / file).read_bytes() for file in files[0]),
        "metrics": metrics(straight) == metrics(resumed) and len(metrics(straight)) == 4,
    }


def whole_stages(line: SimpleNamespace, runs: Path) -> dict[str, Any]:
    """RL where one rank has fewer replies, or none at all, and an evaluation."""
    few = runs / "few.jsonl"
    if distributed.is_main():
        write(few, [prompt(0)])
    distributed.barrier()
    paths = (
        f"policy.parent={line.sft}",
        f"rm.path={line.rm}",
        "rl.steps=2",
        "rules=hotel_guardrails",
        "reward=enhance",
    )
    # budgets of one token: rank 0 has two batches of everything where rank 1 has one
    split = ("engine=zero3", "engine.device=cpu", "engine.micro_tokens=1", "rm.batch_tokens=1")
    odd = rl_stage.run(config("rl", runs, *paths, f"data.path={line.prompts}", "rl.batch_size=3", *split))
    sft.run(sft_config(line, runs, *split, "sft.max_steps=1", "data.val_fraction=0.07", "name=split"))
    split_dpo = dpo_config(line, runs, *split, "dpo.reference=adapter", "dpo.batch_size=3", "dpo.max_steps=1")
    first = losses(dpo.run(split_dpo), "dpo/loss")
    one = rl_stage.run(config("rl", runs, *paths, f"data.path={few}", "rl.batch_size=4", "name=few"))
    out = evaluate.run(
        config("eval", runs, f"eval.systems={{a: {line.sft}}}", "eval.n_online=3", "eval.n_badcases=1", "eval.n_replies=3", "eval.max_turns=1",
               "eval.bootstrap=100", "policy.max_length=1024")
    )  # fmt: skip
    distributed.barrier()
    data = json.loads((out / "eval.json").read_text())["systems"]["a"]
    return {
        "odd": [row["rollout/replies"] for row in metrics(odd)],
        "dpo": [round(loss, 4) for loss in first],
        "one": [row["rollout/replies"] for row in metrics(one)],
        "eval": [
            len(data["dialogues"]),
            len({d["scenario_id"] for d in data["dialogues"]}),
            len(data["badcases"]),
            len({r["context_id"] for r in data["replies"]}),
        ],
    }


def told_on_every_rank(line: SimpleNamespace, runs: Path) -> list[str]:
    """A disk that is full while `final/` is written, seen by rank 0 alone."""
    cfg, told, real = sft_config(line, runs, "sft.max_steps=1"), "", Backbone.save_role

    def full(self: Backbone, *given: Any) -> None:
        if distributed.is_main():
            raise OSError(28, "No space left on device")
        real(self, *given)

    Backbone.save_role = full  # type: ignore[method-assign]
    try:
        sft.run(cfg)
    except UserError as error:
        told = error.message
    Backbone.save_role = real  # type: ignore[method-assign]
    return distributed.all_gather_objects(told)


class OwnReward:
    """A reward of the user's own that keeps what it was asked about; on rank 1 it may fail."""

    def __init__(self, log: str, fail: bool = False) -> None:
        self.log, self.fail = Path(log) / f"{distributed.rank()}.json", fail

    def score(self, items: list[dict[str, Any]]) -> list[float]:
        if self.fail and distributed.rank() == 1:
            raise RuntimeError("no answer")
        scores = [float(len(item["reply"])) for item in items]
        self.log.write_text(json.dumps(scores))
        return scores


def own_rewards(line: SimpleNamespace, runs: Path) -> dict[str, Any]:
    """Each rank scores its own share; a fault on one is told on both."""
    log = runs / "own"
    if distributed.is_main():
        log.mkdir()
    distributed.barrier()
    given = (
        f"data.path={line.prompts}", f"policy.parent={line.sft}", "rl.steps=1", "rl.batch_size=6", "reward=own_only",
        "algorithm=grpo", "algorithm.group_size=3", "rl.preflight=false", "reward.own.long._target_=stages_ranks.OwnReward",
        f"reward.own.long.args.log='{log}'",
    )  # fmt: skip
    (row,) = metrics(rl_stage.run(config("rl", runs, *given, "name=own")))
    distributed.barrier()
    told = ""
    try:
        rl_stage.run(config("rl", runs, *given, "name=fault", "reward.own.long.args.fail=true"))
    except UserError as error:
        told = error.message
    shares = [json.loads((log / f"{rank}.json").read_text()) for rank in (0, 1)]
    return {"row": row, "shares": shares, "told": distributed.all_gather_objects(told)}
