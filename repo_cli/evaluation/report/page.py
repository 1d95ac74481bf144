"""The page itself: everything gathered, rendered with autoescape, under a content policy that lets nothing else run.

Text of models, partners, rule sets and configurations is untrusted. Jinja2 escapes all of it; the raw markup is the SVG
of charts.py and bars.py (numbers, and labels that they escape) and marks.py (text escaped piece by piece). Script and
style are named in the policy by their hashes, the script's data stand in a block that cannot end early, and it writes
text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report
from repo_cli.evaluation.metrics import EvalResult, Summary, summarise
from repo_cli.evaluation.rating_sheets import json_for_html
from repo_cli.evaluation.report.figures import evaluation
from repo_cli.evaluation.report.logs import RunLog
from repo_cli.evaluation.report.provenance import (
    provenance,
    read_config,
    rules_about,
    stage_of,
    systems_provenance,
)
from repo_cli.evaluation.report.reward_model import reward_model
from repo_cli.evaluation.report.rollouts import LIMIT, read_rollouts
from repo_cli.evaluation.report.together import labels, together
from repo_cli.evaluation.report.training import training
from repo_cli.evaluation.result import EXCELLENT


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("repo_cli.evaluation", "templates/report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_report(
    result: EvalResult,
    path: Path,
    runs: Sequence[Path] = (),
    bootstrap: int = 2000,
    title: str = "repo evaluation",
    rollouts: int = LIMIT,
    parts: Mapping[str, EvalResult] | None = None,
) -> Path:
    """Writes the page for one evaluation, with the training of `runs`; returns the path.

    The evaluation's own files (configuration, environment) are looked for beside the page. `parts` are the evaluations
    that it was put together from (one a seed), by name: the page sets them side by side.
    """
    path = Path(path)
    beside = [(name, summarise(part, bootstrap=min(bootstrap, 2000))) for name, part in (parts or {}).items()]
    return _write(
        path, [(path.parent, result)], [Path(run) for run in runs], bootstrap, title, rollouts, beside
    )


def report_runs(
    runs: Sequence[Path], out: Path, bootstrap: int = 2000, title: str = "repo report", rollouts: int = LIMIT
) -> Path:
    """The page for run directories: every eval.json, every metrics.jsonl and every rm_report.json that they hold.

    Raises UserError for a directory that holds none, and for a file of these that cannot be read.
    """
    runs = [Path(run) for run in runs]
    evaluated = [run for run in runs if (run / "eval.json").is_file()]
    trained = [run for run in runs if (run / "metrics.jsonl").is_file()]
    scored = [run for run in runs if (run / rm_report.NAME).is_file()]
    for run in runs:
        if run not in evaluated and run not in trained and run not in scored:
            raise UserError(
                f"{run}: neither eval.json nor metrics.jsonl there",
                hint="give run directories of `repo rl`, `repo eval` or another stage",
            )
    results = [(run, EvalResult.load(run / "eval.json")) for run in evaluated]
    rewards = [reward_model(rm_report.load(run), "/".join(run.parts[-3:])) for run in scored]
    return _write(Path(out), results, trained, bootstrap, title, rollouts, rewards=rewards)


def write_rm_page(found: dict[str, Any], path: Path, name: str = "") -> Path:
    """The page for one reward model (rm_report.py); returns the path."""
    return _write(Path(path), [], [], 0, "repo train-rm", 0, rewards=[reward_model(found, name)])


def _write(
    path: Path,
    results: list[tuple[Path, EvalResult]],
    runs: list[Path],
    bootstrap: int,
    title: str,
    rollouts: int,
    parts: Sequence[tuple[str, Summary]] = (),
    rewards: Sequence[dict[str, Any]] = (),
) -> Path:
    configs = {run: read_config(run) for run in dict.fromkeys([*runs, *(run for run, _ in results)])}
    named = labels([run for run, _ in results], [configs[run] for run, _ in results])
    summaries = [summarise(result, bootstrap=bootstrap) for _, result in results]
    evaluations = [
        evaluation(name if len(results) > 1 else "", result, summary, rules_about(configs[run]))
        for name, summary, (run, result) in zip(named, summaries, results, strict=True)
    ]
    stages = [stage_of(run, configs[run]) for run in runs]
    logs = []
    for stage in dict.fromkeys(stages):
        same = [run for run, its in zip(runs, stages, strict=True) if its == stage]
        for label, run in zip(labels(same, [configs[r] for r in same]), same, strict=True):
            logs.append(RunLog.read(label, run, stage, configs[run]))
    kept = read_rollouts([(log.label, log.path) for log in logs if log.stage == "rl"], rollouts)
    beside = together(parts or list(zip(named, summaries, strict=True)))
    origins = [
        {
            "title": f"evaluation {name}" if len(results) > 1 else "evaluation",
            "systems": systems_provenance(run, result),
        }
        for name, (run, result) in zip(named, results, strict=True)
    ]
    script, style = _source("report.js"), _source("report.css")
    stages_shown = training(logs)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            evaluations=evaluations,
            together=beside,
            stages=stages_shown,
            reward_models=rewards,
            nav=_nav(evaluations, bool(beside), stages_shown, kept["shown"], bool(configs), bool(rewards)),
            rollouts={k: kept[k] for k in ("found", "shown")},
            rollout_data=json_for_html(
                {
                    "rows": kept["rows"],
                    "about": {k: v for c in configs.values() for k, v in rules_about(c).items()},
                }
            ),
            systems=[o for o in origins if o["systems"]],
            provenance=[
                found
                for run, config in configs.items()
                if (found := provenance(run, config))["rows"] or found["config"]
            ],
            excellent=EXCELLENT,
            script=script,
            script_hash=_hash(script),
            style=style,
            style_hash=_hash(style),
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.lstrip(), encoding="utf-8", errors="replace")  # half a surrogate pair is no UTF-8
    return path


def _source(name: str) -> str:
    text, _, _ = _environment().loader.get_source(_environment(), name)
    return str(text)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _nav(
    evaluations: Sequence[dict[str, Any]],
    beside: bool,
    stages: Sequence[dict[str, Any]],
    rollouts: int,
    provenance: bool,
    rewards: bool = False,
) -> list[tuple[str, str]]:
    """(anchor, name) of the page's parts."""
    found = [("together", "Side by side")] if beside else []
    for number, e in enumerate(evaluations, 1):
        found.append((f"evaluation-{number}", e["name"] or "Table"))
        if len(evaluations) == 1:
            parts = (("violations", "rates", "Violations"), ("dialogues", "pairs", "Dialogues"),
                     ("cases", "cases", "Bad cases"), ("gold", "gold", "Against gold"))  # fmt: skip
            found += [(f"{anchor}-{number}", name) for anchor, key, name in parts if _filled(e[key])]
    for number, stage in enumerate(stages, 1):
        found.append((f"stage-{number}", stage["title"]))
        there = {"Alarms": stage["alarms"]["rows"], "Rewards": stage["is_rl"]}
        there |= {"Hacking": stage["hacking"], "Persuasion": stage["persuasion"]}
        found += [(f"{name.lower()}-{number}", name) for name, given in there.items() if given]
    found += [("reward-model-1", "Reward model")] if rewards else []
    found += [("rollouts", "Replies")] if rollouts else []
    return [*found, ("provenance", "Provenance")] if provenance else found


def _filled(part: Any) -> bool:
    return bool(part.get("rows", part) if isinstance(part, dict) else part)
