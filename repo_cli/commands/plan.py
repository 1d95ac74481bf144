"""`--dry-run`: the resolved configuration and what would be launched. Starts nothing, imports no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from repo_cli.config import Config, compose, missing_inputs
from repo_cli.config.own import own_rewards, unread

LONG_PARTS = (
    ("rules", "rules"), ("rules", "words"), ("rules", "example_context"), ("rubric", "criteria"), ("sop", "stages"),
    ("pipeline", "steps"),
)  # fmt: skip


def show_plan(cfg: Config, overrides: list[str], config_dir: Path | None = None) -> None:
    """Prints configuration, plan, and what is still missing.

    Raises:
        UserError: a path that the user gave does not exist; a step of the pipeline does not compose.
    """
    console = Console(highlight=False, soft_wrap=True)
    console.print(Syntax(brief_yaml(cfg), "yaml", background_color="default"))
    if cfg.stage == "pipeline":
        console.print(_steps(cfg, overrides, config_dir))
    else:
        console.print(_one(cfg))
    if cfg.launch.kind == "slurm":
        from repo_cli.launch.slurm import batch_file

        run = Path(cfg.runs_dir) / cfg.stage / cfg.name / "<time>-<id>"
        console.print(
            "the batch file:", Syntax(batch_file(cfg, run), "bash", background_color="default"), sep="\n"
        )
    lacking = missing_inputs(cfg)
    for problem in lacking:
        if problem.given:
            raise problem
    for problem in lacking:
        console.print(Text(f"still to be given: {problem.message}", style="yellow"))
        if problem.hint:
            console.print(Text(f"  {problem.hint}", style="yellow"))
    console.print(Text("dry run: nothing was started", style="green"))


def brief_yaml(cfg: Config) -> str:
    """The configuration with the long free-form parts counted instead of written out."""
    data: dict[str, Any] = dataclasses.asdict(cfg)
    for group, name in LONG_PARTS:
        entries = data[group][name]
        if entries:
            data[group][name] = f"({len(entries)} entries: {', '.join(map(str, list(entries)[:8]))}" + (
                ", ...)" if len(entries) > 8 else ")"
            )
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _one(cfg: Config) -> Table:
    table = Table(
        "plan", "", title=f"repo {cfg.stage.replace('_', '-')}", title_justify="left", show_header=False
    )
    for name, value in describe(cfg):
        table.add_row(Text(name), Text(value))
    return table


def describe(cfg: Config) -> list[tuple[str, str]]:
    """What a launch would do, as (what, value) lines."""
    policy = cfg.policy
    if policy.path:
        base = policy.path
    elif policy.parent:
        base = "as its parent's"
    else:
        base = (
            f"built here: {policy.build.num_layers} layers of {policy.build.hidden_size}"
            if policy.build
            else "?"
        )
    lines = [
        ("run directory", f"{cfg.runs_dir}/{cfg.stage}/{cfg.name}/<time>-<id>/"),
        (
            "processes",
            f"{_where(cfg)}, ZeRO stage {cfg.engine.zero_stage}, {cfg.engine.device}",
        ),
        ("base", f"{policy.name} ({base})"),
        ("starts from", policy.parent or "the base alone"),
    ]
    if cfg.stage == "eval":
        lines.append(
            ("systems", ", ".join(f"{k} = {v}" for k, v in cfg.eval.systems.items()) or policy.parent or "-")
        )
        lines.append(
            (
                "dialogues",
                f"{cfg.eval.n_online} online, {cfg.eval.n_badcases} bad cases, {cfg.eval.n_replies} replies "
                f"({', '.join(cfg.eval.sets)}); trials: {cfg.eval.trials}; rated by: {cfg.eval.rater}",
            )
        )
        return lines
    data = " + ".join(str(path) for path in (cfg.data.path, *cfg.data.also))
    if cfg.stage == "sample":
        who = "the world" if cfg.sample.annotator == "world" else f"judge {judge_line(cfg)}"
        return [
            *lines,
            ("data", data),
            ("steps", f"{cfg.sample.n} replies to each prompt, compared and graded by {who}"),
        ]
    trained = "every weight" if policy.train == "full" else f"LoRA r={cfg.lora.r} alpha={cfg.lora.alpha:g}"
    lines += [("trains", trained), ("data", data), ("learning rate", f"{cfg.optim.lr:g}")]
    if cfg.stage == "rl":
        lines += [
            ("method", f"{cfg.algorithm.name} on reward.combine={cfg.reward.combine}"),
            ("KL penalty", _penalty(cfg)),
            ("reward model", f"{cfg.rm.path} ({cfg.rm.scale})"),
            ("judge", judge_line(cfg)),
            ("rules", f"{cfg.rules.name}: {len(cfg.rules.rules)} rules"),
            *([("your own rewards", own_line(cfg))] if cfg.reward.own else []),
            ("steps", f"{cfg.rl.steps} of {cfg.rl.batch_size} replies"),
        ]
    else:
        if cfg.stage == "dpo":
            start = policy.parent or "the base"
            lines.append(("method", f"{cfg.dpo.loss}, beta {cfg.algorithm.beta:g}; reference: {start}"))
        part: Any = {"sft": cfg.sft, "dpo": cfg.dpo, "train_rm": cfg.train_rm}[cfg.stage]
        until = f", at most {part.max_steps} steps" if part.max_steps else ""
        lines.append(("steps", f"{part.epochs} epochs of batches of {part.batch_size}{until}"))
    return lines


def _penalty(cfg: Config) -> str:
    algorithm = cfg.algorithm
    if not algorithm.kl_coef:
        return "none, and no reference model"
    whose = "the policy it starts from" if algorithm.kl_reference == "start" else "the base alone"
    return f"{algorithm.kl_coef:g} x {algorithm.kl_estimator} in the {algorithm.kl_in}, against {whose}"


def _where(cfg: Config) -> str:
    if cfg.launch.kind == "slurm":
        nodes = cfg.slurm.nodes
        return f"{nodes * cfg.launch.nproc} under Slurm ({nodes} node{'s' if nodes > 1 else ''} of {cfg.launch.nproc})"
    return f"{cfg.launch.nproc} on this machine"


def judge_line(cfg: Config) -> str:
    """Which judge, in a few words."""
    judge = cfg.judge
    where = {"none": "", "local": f": {judge.path}", "openai": f": {judge.api.model} at {judge.api.url}"}
    return judge.kind + where[judge.kind]


def own_line(cfg: Config) -> str:
    """The rewards of the user's own, each with its weight and its code."""
    named = own_rewards(cfg.reward.own).items()
    text = ", ".join(f"{name} = {each.weight:g} x {each.target}" for name, each in named) or "-"
    return text + (" (only watched)" if unread(cfg.reward.combine, cfg.reward.own) else "")


def _steps(cfg: Config, overrides: list[str], config_dir: Path | None) -> Table:
    """The steps in order; each is composed, so that a mistake in the last one shows now."""
    table = Table(
        "step", "stage", "starts from", "data", "steps", title="repo pipeline", title_justify="left"
    )
    for name, step in cfg.pipeline.steps.items():
        part = compose(step["stage"], overrides, config_dir, step=name)
        lines = dict(describe(part))
        data = lines.get("data") or lines.get("dialogues", "")
        parent = lines["starts from"] if part.stage != "eval" else lines["systems"]
        table.add_row(*(Text(cell) for cell in (name, part.stage, parent, data, lines.get("steps", ""))))
    return table
