"""`repo sweep status|table|resume DIR`, and `repo job DIR [INDEX]`, which sweeps and batch files start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repo_cli.commands.options import ConfigDir, examples

if TYPE_CHECKING:
    from repo_cli.launch.sweep import Sweep

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Look at a sweep, and go on with it.")

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The sweep's directory.", show_default=False)]


@app.command("status", epilog=examples("repo sweep status runs/sweeps/rl/run/..."))
def sweep_status(path: Dir) -> None:
    """Show each job: its overrides, its state, how often it was tried, and what it said last."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from repo_cli.launch.sweep import load_sweep
    from repo_cli.launch.sweep_run import counts, status, tell_counts

    sweep = load_sweep(path)
    table = Table("job", "state", "tried", show_edge=False)
    for name in ("overrides", "directory"):
        table.add_column(name, overflow="fold")
    said = []
    for job in sweep.jobs:
        state = status(sweep.folder(job))
        cells = [str(job.index), state["state"], str(state.get("tried", 0)), " ".join(job.overrides)]
        cells.append(f"jobs/{job.name}")
        if state["state"] != "done" and state.get("message"):
            said.append(f"job {job.index} {state['state']}: {state['message']}")
        table.add_row(*(Text(cell) for cell in cells))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for line in [*said, tell_counts(counts(sweep))]:
        console.print(Text(line))


@app.command(
    "table", epilog=examples("repo sweep table runs/sweeps/rl/run/... --sort reward/total --html sweep.html")
)
def sweep_table(
    path: Dir,
    sort: Annotated[str | None, typer.Option(metavar="METRIC", help="Best first by this metric.")] = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="Lowest first (a loss).")] = False,
    columns: Annotated[
        str, typer.Option(metavar="A,B", help="Metrics to show; default: the usual ones.")
    ] = "",
    last: Annotated[int, typer.Option(min=1, help="Means over this many last steps.")] = 5,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write it as CSV too.")] = None,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a small page too.")
    ] = None,
) -> None:
    """Show the results of a sweep's jobs side by side."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from repo_cli.launch.sweep import load_sweep
    from repo_cli.launch.sweep_table import arranged, cells, header, results, to_csv, to_html
    from repo_cli.training.disk import disk_errors

    sweep = load_sweep(path)
    wanted = [name.strip() for name in columns.split(",") if name.strip()]
    rows, shown = arranged(results(sweep, last), sort, wanted, ascending)
    table = Table(show_edge=False, title=f"means of the last {last} steps", title_justify="left")
    for number, name in enumerate(header(shown)):
        table.add_column(Text(name), justify="left" if number in (1, 2) else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in cells(row, shown)))
    Console(highlight=False, soft_wrap=True).print(table)
    for file, text in ((csv, to_csv(rows, shown)), (page, to_html(sweep, rows, shown))):
        if file is not None:
            with disk_errors(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            typer.echo(f"done: {file}")


@app.command("resume", epilog=examples("repo sweep resume runs/sweeps/rl/run/..."))
def sweep_resume(path: Dir) -> None:
    """Go on with what is left: jobs that failed, were stopped or have not begun. What is done stays."""
    from repo_cli.launch.sweep import load_sweep

    carry_out(load_sweep(path))


def job(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="A run or a sweep.", show_default=False)],
    index: Annotated[int | None, typer.Argument(metavar="INDEX", help="The sweep's job.")] = None,
) -> None:
    """Run one planned job: a run directory, or job INDEX of a sweep."""
    from repo_cli.launch.job import run_job
    from repo_cli.training.signals import StopFlag

    with StopFlag(at_once=True):
        typer.echo(f"done: {run_job(path, index)}")


def register(app_: typer.Typer) -> None:
    """Adds `repo sweep`, and the hidden `repo job`, to the root command."""
    app_.add_typer(app, name="sweep", rich_help_panel="Train")
    app_.command("job", hidden=True)(job)


def start_sweep(stage: str, texts: list[str], config_dir: ConfigDir, dry_run: bool) -> None:
    """`repo STAGE -m ...`: plans every job, then runs them here or hands them to Slurm."""
    from repo_cli.launch.plugin_sweep import of_hydra
    from repo_cli.launch.sweep import create, plan

    if of_hydra(texts):
        return start_plugins(stage, texts, config_dir, dry_run)
    sweep, configs = plan(stage, texts, config_dir)
    typer.echo(f"sweep of {len(sweep.jobs)} jobs: {sweep.path}")
    if dry_run:
        for one in sweep.jobs:
            typer.echo(f"  {one.name}: {' '.join(one.overrides)}")
        if configs[0].launch.kind == "slurm":
            from repo_cli.launch.slurm import batch_file

            typer.echo(batch_file(configs[0], sweep.path, [one.index for one in sweep.jobs]))
        typer.echo("dry run: nothing was started")
        return
    create(sweep, configs)
    carry_out(sweep)


def start_plugins(stage: str, texts: list[str], config_dir: ConfigDir, dry_run: bool) -> None:
    """`repo STAGE -m hydra/sweeper=... hydra/launcher=...`: Hydra's plugins choose and start the jobs."""
    from repo_cli.errors import Stopped
    from repo_cli.launch.plugin_sweep import plan_plugins, run_plugins
    from repo_cli.launch.sweep import load_sweep
    from repo_cli.training.signals import StopFlag

    sweep, swept, _ = plan_plugins(stage, texts, config_dir)
    typer.echo(f"sweep by {' '.join(sweep.plugins)}: {sweep.path}")
    if dry_run:
        for text in swept:
            typer.echo(f"  {text}")
        typer.echo("dry run: nothing was started")
        return
    try:
        with StopFlag(at_once=True):
            run_plugins(sweep, swept)
    except Stopped as stop:
        hint = f"repo sweep resume {sweep.path} goes on with the jobs that had begun"
        raise Stopped(str(stop), hint=hint) from stop
    tell_end(load_sweep(sweep.path))


def carry_out(sweep: Sweep) -> None:
    """Runs what is left of a sweep, as its configuration says.

    Raises:
        SweepFailed: some jobs failed. Stopped: a signal.
    """
    from repo_cli.launch.sweep_run import run_sweep, status

    if not sweep.jobs:
        from repo_cli.errors import UserError

        raise UserError(f"{sweep.path}: no job has begun", hint="give the whole command again")
    cfg = sweep.config(sweep.jobs[0])
    if cfg.launch.kind == "slurm":
        from repo_cli.errors import UserError
        from repo_cli.launch.slurm import submit
        from repo_cli.launch.slurm_env import still_queued

        if number := still_queued(sweep.path):
            raise UserError(
                f"{sweep.path}: job {number} is still in the queue", hint=f"wait, or scancel {number}"
            )
        left = [
            one.index for one in sweep.jobs if status(sweep.folder(one))["state"] not in ("done", "running")
        ]
        if not left:
            typer.echo(f"done: {sweep.path}")
            return
        typer.echo(submit(cfg, sweep.path, left))
        typer.echo(f"  repo sweep status {sweep.path}")
        return
    run_sweep(sweep, cfg.sweep.jobs, cfg.sweep.retries, cfg.launch.nproc, cfg.launch.stop_s)
    tell_end(sweep)


def tell_end(sweep: Sweep) -> None:
    """How many jobs ended in which state.

    Raises:
        SweepFailed: not all are done.
    """
    from repo_cli.launch.sweep_run import SweepFailed, counts, tell_counts

    found = counts(sweep)
    typer.echo(tell_counts(found))
    if found.get("done", 0) < len(sweep.jobs):
        error = SweepFailed(f"{tell_counts(found)} of {len(sweep.jobs)} jobs")
        error.add_note(
            f"repo sweep status {sweep.path} shows why; repo sweep resume {sweep.path} tries them again"
        )
        raise error
    typer.echo(f"done: {sweep.path}")
