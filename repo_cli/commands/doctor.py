"""`repo doctor`: what this machine has; `repo doctor --plan ...`: how much memory a configuration needs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

if TYPE_CHECKING:
    from rich.console import Console

    from repo_cli.config import Config
    from repo_cli.models.shapes import Shape
    from repo_cli.training.plan_memory import Plan

GIB = 2**30
#: Memory of cards that many have, in GiB as torch counts it, and how much of it a run may plan to fill.
CARDS = (16, 24, 40, 48, 80, 140)
FILL = 0.92
STYLES = {"ok": "green", "note": "yellow", "missing": "bold red"}


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command(
        "doctor",
        rich_help_panel="Configuration",
        epilog=examples(
            "repo doctor",
            "repo doctor --plan +experiment=negotiation launch.nproc=8",
            "repo doctor --plan policy=qwen3_4b lora=r64 engine=zero2 engine.precision=bf16 --stage sft",
        ),
    )(doctor)


def doctor(
    overrides: Overrides = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Estimate the memory of a configuration on each GPU, by part.")
    ] = False,
    stage: Annotated[str, typer.Option(help="With --plan: rl, sft, dpo or train-rm.")] = "rl",
    prompt: Annotated[
        int | None,
        typer.Option(min=1, help="With --plan: tokens of a context; default: the longest allowed."),
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Show what this machine can run and what is missing; with --plan, the memory that a configuration needs."""
    from rich.console import Console

    from repo_cli.errors import UserError

    console = Console(highlight=False, soft_wrap=True)
    if plan:
        return show_memory(console, stage, list(overrides or []), prompt, config_dir)
    if overrides:
        raise UserError(
            f"{overrides[0]}: repo doctor takes settings only with --plan",
            hint=f"repo doctor --plan {' '.join(overrides)}",
        )
    if not show_machine(console):
        raise typer.Exit(2)


def show_machine(console: Console) -> bool:
    """Prints what there is; whether nothing that every stage needs is missing."""
    from rich.table import Table
    from rich.text import Text

    from repo_cli.config import compose

    place = Path(compose("sft").runs_dir).expanduser()
    facts = importlib.import_module("repo_cli.training.machine").look(place)
    table = Table("", "here", "", show_edge=False, show_header=False)
    for fact in facts:
        hint = fact.hint or ("missing" if fact.state == "missing" else "")
        table.add_row(Text(fact.what), Text(fact.found), Text(hint, style=STYLES[fact.state]))
    console.print(table)
    missing = [fact.what for fact in facts if fact.state == "missing"]
    gpus = [fact for fact in facts if fact.what.startswith("GPU ")]
    if missing:
        console.print(Text(f"training cannot run here: see {', '.join(missing)}", style="bold red"))
        return False
    if gpus:
        console.print(
            Text(f"training runs here, on {len(gpus)} GPUs (launch.nproc={len(gpus)})", style="green")
        )
    else:
        console.print(
            Text(
                "training runs here on the CPU: right for policy=tiny (repo pipeline +experiment=demo)",
                style="green",
            )
        )
    console.print(Text("how much memory a configuration needs: repo doctor --plan OVERRIDES", style="dim"))
    return True


def show_memory(
    console: Console, stage: str, overrides: list[str], prompt: int | None, config_dir: Path | None
) -> None:
    """Prints the estimate: by part for each ZeRO stage, by phase for the configured one, and what it fits.

    Raises:
        UserError: the configuration does not compose, the stage trains nothing, or the base's shape is not known here.
    """
    from rich.text import Text

    from repo_cli.config import compose
    from repo_cli.errors import UserError
    from repo_cli.quiet import quiet_libraries

    cfg = compose(stage, overrides, config_dir)
    if prompt is not None and prompt + cfg.rollout.max_new_tokens > cfg.policy.max_length:
        raise UserError(
            f"--prompt {prompt} and rollout.max_new_tokens={cfg.rollout.max_new_tokens} are more than "
            f"policy.max_length={cfg.policy.max_length}",
            hint="raise policy.max_length",
        )
    quiet_libraries()
    memory = importlib.import_module("repo_cli.training.plan_memory")
    shapes = importlib.import_module("repo_cli.models.shapes")
    shape = shapes.shape_of_policy(cfg.policy)
    judge = _judge_shape(cfg, shape, shapes) if cfg.stage == "rl" else None
    on_cpu = cfg.engine.device == "cpu"
    plans = {
        zero: memory.plan(cfg, shape, zero, prompt=prompt, on_cpu=on_cpu, judge=judge) for zero in range(4)
    }
    mine: Plan = plans[cfg.engine.zero_stage]
    work = memory.work_of(cfg, prompt)
    for line in _heading(cfg, shape, memory.precision_of(cfg, shape), work, memory.roles_of(cfg)):
        console.print(Text(line))
    console.print(_by_stage(plans, cfg.engine.zero_stage, memory.PARTS))
    console.print(_by_phase(mine))
    if mine.host:
        console.print(
            Text(f"and {_gib(mine.host)} GiB of the host's memory a rank, a copy while weights are merged")
        )
    for note in mine.notes:
        console.print(Text(note, style="yellow"))
    if cfg.policy.train == "lora" and cfg.optim.name == "muon":
        console.print(Text("optim.name=muon counts as one moment for every trained weight"))
    _verdict(console, cfg, mine, on_cpu)


def _judge_shape(cfg: Config, shape: Shape, shapes: Any) -> Shape | None:
    """The model of a local judge (`shape` where that is the policy's base); None for an adapter or an endpoint."""
    path = cfg.judge.path
    if cfg.judge.kind != "local" or not path or path.startswith("step:"):
        return None
    folder = Path(path).expanduser()
    if any((folder / part / "adapter_config.json").is_file() for part in ("", "final")):
        return None
    return shape if path == cfg.policy.path else shapes.shape_of_model(path, cfg.policy.trust_remote_code)


def _heading(
    cfg: Config, shape: Shape, precision: Any, work: Any, roles: dict[str, tuple[int, bool]]
) -> list[str]:
    adapters = ", ".join(
        f"{role} r={r}{'' if trained else ' (frozen)'}" for role, (r, trained) in roles.items()
    )
    return [
        f"repo {cfg.stage.replace('_', '-')}: {cfg.policy.name}, {shape.params:,} parameters of "
        f"{precision.weights} bytes ({shape.layers} layers of {shape.hidden}, vocabulary {shape.vocab}; "
        f"from {shape.source})",
        f"trained: {'every weight' if cfg.policy.train == 'full' else 'adapters ' + adapters}; "
        f"{cfg.launch.nproc} ranks, engine.precision={cfg.engine.precision}, engine.gradient_checkpointing="
        f"{str(cfg.engine.gradient_checkpointing).lower()}, policy.attn={cfg.policy.attn}",
        f"on a rank at once: {work.micro_rows} x {work.length} tokens in a micro-batch"
        + (
            f", {work.rollout_rows} replies generated ({work.prompt} + {work.reply} tokens)"
            if cfg.stage == "rl"
            else ""
        ),
    ]


def _by_stage(plans: dict[int, Plan], chosen: int, parts: tuple[str, ...]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("GiB a rank", title="at the peak, by ZeRO stage", title_justify="left", show_edge=False)
    for zero in plans:
        name = f"zero{zero}" + (" (configured)" if zero == chosen else "")
        table.add_column(name, justify="right", style="bold" if zero == chosen else "")
    for part in parts:
        found = [plans[zero].phases[plans[zero].peak_phase].get(part, 0.0) for zero in plans]
        if any(found):
            table.add_row(part, *(_gib(value) if value else "" for value in found))
    table.add_section()
    table.add_row("peak", *(_gib(plan.peak) for plan in plans.values()))
    table.add_row("in", *(Text(plan.peak_phase) for plan in plans.values()))
    return table


def _by_phase(plan: Plan) -> Any:
    from rich.table import Table

    title = f"by phase, zero{plan.zero_stage}"
    table = Table("phase", "GiB a rank", "of it", title=title, title_justify="left", show_edge=False)
    for phase, parts in plan.phases.items():
        shown = ", ".join(f"{name} {_gib(value)}" for name, value in parts.items() if value)
        table.add_row(phase, _gib(plan.total(phase)), shown)
    return table


def _verdict(console: Console, cfg: Config, plan: Plan, on_cpu: bool) -> None:
    """Whether it fits what is here, or the smallest usual card that it fits."""
    from rich.text import Text

    machine = importlib.import_module("repo_cli.training.machine")
    need = plan.peak
    if on_cpu:
        total, free = machine.memory_bytes()
        all_ranks = need * cfg.launch.nproc
        fits = all_ranks < FILL * total
        text = f"{_gib(all_ranks)} GiB on this machine of {_gib(total)} GiB ({_gib(free)} free), without the libraries"
        console.print(
            Text(f"{'fits' if fits else 'does not fit'}: {text}", style="green" if fits else "bold red")
        )
        return
    here = machine.gpu_bytes()
    if here:
        fits = need < FILL * min(here) and len(here) >= cfg.launch.nproc
        text = f"{_gib(need)} GiB a rank; here: {len(here)} GPUs of {_gib(min(here))} GiB, {cfg.launch.nproc} ranks"
        console.print(
            Text(f"{'fits' if fits else 'does not fit'}: {text}", style="green" if fits else "bold red")
        )
        return
    card = next((size for size in CARDS if need < FILL * size * GIB), None)
    text = (
        f"the smallest usual card that holds it has {card} GiB"
        if card
        else "no usual card holds it: see zero stages"
    )
    console.print(
        Text(
            f"peak {_gib(need)} GiB a GPU; {text} (no GPU here to compare with)",
            style="green" if card else "bold red",
        )
    )


def _gib(value: float) -> str:
    gib = value / GIB
    return f"{gib:.1f}" if gib >= 9.95 else f"{gib:.2f}" if gib >= 0.095 else f"{gib:.4f}"
