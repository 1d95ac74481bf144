"""The table at the end of a pipeline over several seeds (`pipeline.table`): from each seed's evaluation."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from repo_cli.config import load_frozen
from repo_cli.config.inputs import SYSTEM_NAMES
from repo_cli.config.schema import Config
from repo_cli.errors import UserError
from repo_cli.evaluation.metrics import summarise
from repo_cli.evaluation.paper_table import Cost, make, render, to_csv
from repo_cli.evaluation.report import read_metrics, write_report
from repo_cli.evaluation.result import EvalResult
from repo_cli.evaluation.seeds import pooled
from repo_cli.evaluation.sheets import write_text
from repo_cli.evaluation.table import render as render_evaluation
from repo_cli.stages.evaluate import finite

WIDTH = 150  # of the table as text


def write_table(cfg: Config, made: Mapping[int, Mapping[str, Path]]) -> Path:
    """Prints the table and writes it: table.txt, table.csv, table.json and report.html in runs/pipeline/<name>/.

    made: seed -> step -> product; the last step of each must be an evaluation.
    """
    runs = {seed: list(steps.values())[-1] for seed, steps in made.items()}
    for seed, run in runs.items():
        if not (run / "eval.json").is_file():
            raise UserError(
                f"pipeline.table: the last step of seed {seed} ({run}) is no evaluation",
                hint="pipeline.table=null, or a step of stage eval at the end",
            )
    print(f"table of seeds {', '.join(map(str, runs))}: figures and intervals (up to a minute)", flush=True)
    results = {seed: EvalResult.load(run / "eval.json") for seed, run in runs.items()}
    costs = {
        name: _mean([run_cost(str(r.config.get("systems", {}).get(name, ""))) for r in results.values()])
        for name in next(iter(results.values())).systems
    }
    table = make(results, str(cfg.pipeline.table), costs, cfg.eval.bootstrap)
    out = Path(cfg.runs_dir) / "pipeline" / cfg.name
    plain = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    plain.print(render(table))
    assert isinstance(plain.file, io.StringIO)
    write_text(
        out / "table.txt", "\n".join(line.rstrip() for line in plain.file.getvalue().splitlines()) + "\n"
    )
    write_text(out / "table.csv", to_csv(table))
    write_text(out / "table.json", json.dumps(finite(table.as_dict()), indent=1) + "\n")
    write_report(
        pooled(results),
        out / "report.html",
        runs=_trained(made),
        bootstrap=cfg.eval.bootstrap,
        title=cfg.name,
        parts={f"seed {seed}": result for seed, result in results.items()},
    )
    Console().print(render(table))
    print(f"table: {out / 'table.txt'}\nreport: {out / 'report.html'}", flush=True)
    return out


def show_again(run: Path) -> None:
    """The table of an evaluation that was done before, and where its report lies; nothing for another stage's run."""
    if not (run / "eval.json").is_file():
        return
    result = EvalResult.load(run / "eval.json")
    Console().print(render_evaluation(summarise(result, bootstrap=load_frozen(run).eval.bootstrap)))
    print(f"report: {run / 'report.html'}", flush=True)


def _trained(made: Mapping[int, Mapping[str, Path]]) -> list[Path]:
    """The runs behind all products; a base that the seeds share once."""
    runs = dict.fromkeys(product.parent for steps in made.values() for product in steps.values())
    return [run for run in runs if (run / "metrics.jsonl").is_file()]


def run_cost(system: str) -> Cost:
    """What the run behind a system took, from its metrics; an empty cost for what is no run of ours.

    Looks at development dialogues (`rl.eval_every`) are no part of the training and of its seconds. Judge calls: the
    requests to a judge elsewhere, or the replies that a judge on this machine was asked about.
    """
    if not system or system.startswith(SYSTEM_NAMES):
        return Cost()
    steps, columns = read_metrics(Path(system).parent / "metrics.jsonl")
    if not steps:
        return Cost()

    def total(name: str) -> float:
        return sum(v or 0.0 for v in columns.get(name, []))

    seconds = total("timing/step_s") - total("timing/dev_s")
    peak = max((v for v in columns.get("memory/peak_gib", []) if v is not None), default=None)
    calls = total("judge/requests" if "judge/requests" in columns else "judge/asked")
    return Cost(seconds, peak, round(total("rollout/replies")), round(calls))


def _mean(costs: list[Cost]) -> Cost:
    known = [c for c in costs if c.seconds is not None]
    if not known:
        return Cost()
    peaks = [c.peak_gib for c in known if c.peak_gib is not None]
    return Cost(
        sum(c.seconds or 0.0 for c in known) / len(known),
        max(peaks) if peaks else None,
        round(sum(c.replies for c in known) / len(known)),
        round(sum(c.judge_calls for c in known) / len(known)),
    )
