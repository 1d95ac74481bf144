"""The stages as commands (`repo sft`, `rl`, `eval` ...): compose once, then launch, or only show the plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from repo_cli.commands.options import ConfigDir, DryRun, Force, Multirun, Overrides, Resume, examples

if TYPE_CHECKING:
    from repo_cli.config import Config

TRAIN = "Train"
MEASURE = "Measure"


class Stage(NamedTuple):
    """How a stage shows in the help."""

    name: str
    panel: str
    about: str
    examples: tuple[str, ...]


STAGES = (
    Stage(
        "pipeline",
        TRAIN,
        "Run the steps of an experiment in turn, each handed the results of those before it.",
        ("repo pipeline +experiment=demo", "repo pipeline +experiment=demo seed=1 --dry-run"),
    ),
    Stage(
        "sft",
        TRAIN,
        "Fine-tune on dialogues: an adapter, or every weight.",
        (
            "repo sft data.path=dialogues.jsonl policy=qwen3_0_6b lora.r=16",
            "repo sft policy.train=full data.path=world:mixed sft.max_messages=3",
        ),
    ),
    Stage(
        "dpo",
        TRAIN,
        "Train the policy on preference pairs directly, measured from the policy it starts from.",
        (
            "repo dpo policy.parent=runs/sft/run/.../final data.path=pairs.jsonl algorithm.beta=0.1",
            "repo dpo policy.parent=runs/sft/... dpo.loss=ipo dpo.per_token=true",
        ),
    ),
    Stage(
        "train-rm",
        TRAIN,
        "Train a reward model on preference pairs and calibrate it.",
        ("repo train-rm policy.parent=runs/sft/run/.../final data.path=pairs.jsonl",),
    ),
    Stage(
        "sample",
        TRAIN,
        "Sample a policy's replies and have them compared and graded: more data for reward model and judge.",
        (
            "repo sample policy.parent=runs/sft/run/.../final data.path=prompts.jsonl sample.n=4",
            "repo sample policy.parent=... sample.annotator=judge judge=openai judge.api.url=... judge.api.model=...",
            "repo train-rm data.path=pairs.jsonl 'data.also=[runs/sample/run/.../final]'",
        ),
    ),
    Stage(
        "rl",
        TRAIN,
        "Train the policy on rewarded replies: REPO, PPO or GRPO (also `repo repo-rl`).",
        (
            "repo rl policy.parent=runs/sft/... rm.path=runs/train_rm/... rl.steps=20",
            "repo rl algorithm=grpo reward=weighted_sum judge=local judge.path=...",
            "repo rl algorithm=ppo algorithm.kl_coef=0.05 algorithm.kl_estimator=k3 algorithm.kl_reference=base",
            "repo rl rm.path=... reward.own.brief._target_=my_rewards.Brief reward.own.brief.weight=0.5",
            "repo rl launch.nproc=2 engine=zero2 --dry-run",
        ),
    ),
    Stage(
        "eval",
        MEASURE,
        "Rate agents in whole dialogues on held-out scenarios, and on bad cases.",
        (
            "repo eval eval.systems.sft=runs/sft/... eval.systems.repo=runs/rl/... eval.n_online=300",
            "repo eval eval.systems.baseline=world:intent eval.systems.mine=runs/rl/... eval.baseline=baseline",
            "repo eval eval.systems.old=transcripts:dialogues.jsonl eval.rater=none",
        ),
    ),
)


def register(app: typer.Typer) -> None:
    """Adds the stages to the root command."""
    for stage in STAGES:
        run = _command(stage)
        app.command(stage.name, rich_help_panel=stage.panel, epilog=examples(*stage.examples))(run)
        if stage.name == "rl":
            app.command("repo-rl", hidden=True)(run)


def _command(stage: Stage) -> Callable[..., None]:
    def run(
        overrides: Overrides = None,
        dry_run: DryRun = False,
        resume: Resume = None,
        config_dir: ConfigDir = None,
        multirun: Multirun = False,
        force: Force = False,
    ) -> None:
        start(stage.name.replace("-", "_"), overrides, dry_run, resume, config_dir, multirun, force)

    run.__doc__ = stage.about
    return run


def start(
    stage: str,
    overrides: list[str] | None,
    dry_run: bool = False,
    resume: str | None = None,
    config_dir: Path | None = None,
    multirun: bool = False,
    force: bool = False,
) -> None:
    """Composes the configuration and runs the stage, or shows what would be run.

    Raises:
        UserError: whatever the user can mend, before any model is loaded where it can be seen by then.
    """
    from repo_cli.config import compose
    from repo_cli.config.overrides import override_text
    from repo_cli.errors import UserError
    from repo_cli.rewards.texts import check_texts
    from repo_cli.training.signals import StopFlag

    texts = list(overrides or [])
    if multirun:
        if resume is not None:
            raise UserError("--resume does not go with -m", hint="repo sweep resume DIR goes on with a sweep")
        from repo_cli.commands.sweep import start_sweep

        return start_sweep(stage, texts + (["force=true"] if force else []), config_dir, dry_run)
    if resume is not None:
        texts.append(override_text("resume", resume))
    if force:
        texts.append("force=true")
    cfg = compose(stage, texts, config_dir)
    check_texts(cfg)
    if dry_run:
        from repo_cli.commands.plan import show_plan

        show_plan(cfg, texts, config_dir)
        return
    if cfg.launch.kind == "slurm":
        from repo_cli.launch.slurm import submit_stage

        typer.echo(submit_stage(cfg, texts, config_dir))
        return
    with StopFlag(at_once=True):  # until the stage has its own
        product = _run(stage, cfg, texts, config_dir)
    typer.echo(f"done: {product}")


def _run(stage: str, cfg: Config, texts: list[str], config_dir: Path | None) -> Path:
    if stage == "pipeline":
        import importlib

        from repo_cli.config import missing_inputs

        for lacking in missing_inputs(cfg):
            raise lacking
        # numpy's OpenBLAS starts its threads as it is imported, and a process that has some cannot be forked safely
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # by name: the stages import torch, which no other command should wait for
        own = str(config_dir) if config_dir else None
        return Path(importlib.import_module("repo_cli.stages.pipeline").run(cfg, texts, own))
    from repo_cli.launch.processes import launch

    return launch(stage, cfg, overrides=texts)
