"""Evaluation: every system plays the same held-out scenarios and answers the same bad cases.

    repo eval eval.systems.sft=runs/sft/.../final eval.systems.repo=runs/rl/.../final eval.n_online=300

All systems that are adapters on one base share it in memory. The world's hidden oracle rates; nothing it says is
ever seen by training. Prints a table with intervals and paired differences, and writes `eval.json` and `report.html`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.errors import UserError
from repo_cli.evaluation.metrics import BadCase, Dialogue, EvalResult, SystemResult
from repo_cli.evaluation.report import write_report
from repo_cli.evaluation.samples import sample_dialogues
from repo_cli.evaluation.table import render_summary
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import NAME as MANIFEST
from repo_cli.models.manifest import find_final, read_manifest
from repo_cli.rollout import LocalEngine, run_conversations
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_gather_objects, rank, world_size
from repo_cli.worlds import get_world
from repo_cli.worlds.base import World


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Evaluate every system of `eval.systems`; returns the run directory with eval.json and report.html."""
    systems = cfg.eval.systems or ({"policy": cfg.policy.parent} if cfg.policy.parent else {})
    if not systems:
        raise UserError(
            "eval.systems is empty: nothing to evaluate", hint="eval.systems.mine=runs/rl/.../final"
        )
    rollout = replace(cfg.rollout, batch_size=cfg.eval.batch_size)
    with Session(cfg, "eval", run_dir) as session:
        world = get_world(cfg.world.name, cfg.world.language, cfg.world.seed)
        backbone: Backbone | None = None
        result = EvalResult(systems={}, config={"seed": cfg.eval.seed, "world": cfg.world.language})
        for name, path in systems.items():
            backbone, role = open_system(backbone, name, path, cfg, session)
            engine = LocalEngine(backbone, role, rollout)
            system = SystemResult(dialogues=[], badcases=[])
            if "online" in cfg.eval.sets:
                system.dialogues = online(engine, world, cfg, session, name)
            if "badcases" in cfg.eval.sets:
                system.badcases = bad_cases(engine, world, cfg, session, name)
            result.systems[name] = system
        out = session.path
        if session.is_main:
            (out / "eval.json").write_text(json.dumps(result.to_json(), ensure_ascii=False), encoding="utf-8")
            trained = [run for run in map(run_of, systems.values()) if run is not None]
            write_report(result, out / "report.html", runs=trained, bootstrap=cfg.eval.bootstrap)
            session.console.print(sample_dialogues(result, cfg.eval.samples))
            session.console.print(render_summary(result, bootstrap=cfg.eval.bootstrap))
            session.note(f"report: {out / 'report.html'}")
        return out


def run_of(path: str) -> Path | None:
    """The RL run that made a system, whose curves belong in the report; None for any other system."""
    run = find_final(path, "eval.systems").parent
    return run if (run / "metrics.jsonl").is_file() and (run / "rollouts").is_dir() else None


def open_system(
    backbone: Backbone | None, name: str, path: str, cfg: Config, session: Session
) -> tuple[Backbone, str | None]:
    """The system's role on the backbone in memory where it stands on the same base, else on its own base."""
    final = find_final(path, f"eval.systems.{name}")
    adapter = (final / "adapter_config.json").is_file()
    wanted = read_manifest(final).base_hash if (final / MANIFEST).is_file() else None
    if backbone is None or wanted is None or wanted != backbone.base_hash:
        backbone = Backbone.load(cfg, session.device, parent=str(final))
        return backbone, "policy" if adapter else None
    if not adapter:
        return backbone, None
    role = f"system_{len(backbone.roles())}"
    backbone.add_role(role, init_from=final)
    return backbone, role


def online(engine: LocalEngine, world: World, cfg: Config, session: Session, name: str) -> list[Dialogue]:
    """Whole dialogues on held-out scenarios, shared out over the ranks, rated by the oracle."""
    mine = held_out(cfg, cfg.eval.n_online)
    rows = [world.rows("online", i) for i in mine]
    with session.progress(f"{name}: dialogues", len(rows)) as advance:
        played = run_conversations(engine, world, rows, cfg.eval.max_turns, cfg.eval.seed, advance, mine)
    return in_order(
        mine,
        [
            Dialogue.of(c.scenario, c.messages, c.outcome, world.rate(c.messages, c.scenario, c.outcome))
            for c in played
        ],
    )


def held_out(cfg: Config, count: int) -> range:
    """This rank's numbers of the held-out rows `eval.offset` to `eval.offset + count - 1`."""
    return range(cfg.eval.offset + rank(), cfg.eval.offset + count, world_size())


def in_order(numbers: range, mine: list[Any]) -> list[Any]:
    """What all ranks made, by number; on every rank."""
    made = [pair for part in all_gather_objects(list(zip(numbers, mine, strict=True))) for pair in part]
    return [thing for _, thing in sorted(made, key=lambda pair: pair[0])]


def bad_cases(engine: LocalEngine, world: World, cfg: Config, session: Session, name: str) -> list[BadCase]:
    """The system's own reply to every agent turn of each bad case, in its recorded context."""
    mine = held_out(cfg, cfg.eval.n_badcases)
    rows = [world.rows("badcases", i) for i in mine]
    turns = [
        (k, i)
        for k, row in enumerate(rows)
        for i, m in enumerate(row["messages"])
        if m["role"] == "assistant"
    ]
    contexts = [engine.backbone.fmt.context_ids(rows[k]["messages"][:i]) for k, i in turns]
    with session.progress(f"{name}: bad cases", len(contexts)) as advance:
        done = [0]

        def count(_: int, __: Any) -> None:
            done[0] += 1
            advance(done[0], len(contexts))

        replies = engine.generate(contexts, seed=cfg.eval.seed, on_done=count)
    by_row: dict[int, list[str]] = {}
    for (k, _), reply in zip(turns, replies, strict=True):
        by_row.setdefault(k, []).append(reply.text)
    rated = [(row, by_row.get(k, [])) for k, row in enumerate(rows)]
    return in_order(mine, [BadCase.of(row, texts, world.rate_badcase(row, texts)) for row, texts in rated])
