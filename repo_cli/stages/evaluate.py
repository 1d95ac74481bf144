"""Evaluation: every system plays the same held-out scenarios and answers the same bad cases and contexts.

    repo eval eval.systems.sft=runs/sft/.../final eval.systems.repo=runs/rl/.../final eval.n_online=300
    repo eval eval.systems.baseline=world:intent eval.systems.mine=runs/rl/.../final

Systems may be weights, agents of the world's own, endpoints, or finished transcripts (evaluate_systems.py); all that
are adapters on one base share it in memory. Each (system, set) that is done is saved (evaluate_parts.py): stopped or
killed, the same command with `--resume auto` goes on, to the same result. The world's hidden oracle rates, a panel of
simulated experts sees it through bias and noise, and nothing either says is ever seen by training. Prints tables with
intervals and paired differences, and writes `figures.json`, `conversations.csv` (for `repo ab`), `report.html`, and
last of all `eval.json` (everything that was said).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from repo_cli.config.groups_stage import EVAL_SETS
from repo_cli.config.schema import Config
from repo_cli.dialogue.scenario import public_side
from repo_cli.errors import UserError
from repo_cli.evaluation.ab_file import write_conversations
from repo_cli.evaluation.experts import experts_of, rate_bad_case, rate_dialogue
from repo_cli.evaluation.metrics import BadCase, Dialogue, EvalResult, SystemResult, summarise
from repo_cli.evaluation.report import write_report
from repo_cli.evaluation.result import HARD, ReplyCase, RuleHit
from repo_cli.evaluation.samples import sample_dialogues
from repo_cli.evaluation.sheets import write_text
from repo_cli.evaluation.table import render
from repo_cli.rewards.rules import RuleSet
from repo_cli.rollout import Agent, Talk, run_conversations
from repo_cli.stages.evaluate_judge import JudgeRater
from repo_cli.stages.evaluate_parts import Parts
from repo_cli.stages.evaluate_systems import TRANSCRIPTS, Material, Systems, read_transcripts, run_of
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_gather_objects, rank, world_size
from repo_cli.worlds import world_of
from repo_cli.worlds.base import World

#: Apart from each other: the numbers of dialogues by trial, of bad-case turns, of contexts.
_TRIAL, _BADCASE, _REPLY = 1_000_000, 500_000_000, 900_000_000


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Evaluate every system of `eval.systems`; returns the run directory with eval.json and report.html."""
    systems = cfg.eval.systems or ({"policy": cfg.policy.parent} if cfg.policy.parent else {})
    if not systems:
        raise UserError(
            "eval.systems is empty: nothing to evaluate", hint="eval.systems.mine=runs/rl/.../final"
        )
    with Session(cfg, "eval", run_dir) as session:
        world = world_of(cfg)
        rater, material = Rater(cfg, world, session), Material(cfg, world)
        rater.keep(session)
        parts, opener = Parts(session), Systems(cfg, session, world)
        for name, what in systems.items():
            agent: Agent | None = None
            for part in sets_of(str(what), cfg):
                if (name, part) in parts:
                    continue
                made = SystemResult()
                if str(what).startswith(TRANSCRIPTS):
                    made.dialogues = transcripts(name, str(what), cfg, rater, material)
                else:
                    agent = agent or opener.open(name, str(what))
                    given = (agent, cfg, session, name, rater, material)
                    if part == "online":
                        made.dialogues, made.faults = online(world, *given)
                    elif part == "badcases":
                        made.badcases = bad_cases(*given)
                    else:
                        made.replies = replies(*given)
                parts.add(name, part, made)
        out = session.path
        if session.is_main:
            result = EvalResult({}, config=_shown(cfg), baseline=cfg.eval.baseline)
            for name, what in systems.items():
                result.systems[name] = parts.of(name, sets_of(str(what), cfg))
            write_conversations(out / "conversations.csv", result)
            summary = summarise(result, bootstrap=cfg.eval.bootstrap)
            write_text(
                out / "figures.json",
                json.dumps(finite(summary.as_dict()), ensure_ascii=False, indent=1) + "\n",
            )
            trained = [run for run in map(run_of, map(str, systems.values())) if run is not None]
            write_report(result, out / "report.html", runs=trained, bootstrap=cfg.eval.bootstrap)
            result.save(out / "eval.json")  # last: it says that the evaluation is done
            session.console.print(sample_dialogues(result, cfg.eval.samples))
            session.show(render(summary))
            session.note(f"report: {out / 'report.html'}")
        return out


def sets_of(what: str, cfg: Config) -> list[str]:
    """The sets that a system is put to, in the order in which they are played; transcripts are dialogues."""
    if what.startswith(TRANSCRIPTS):
        return ["online"]
    return [name for name in EVAL_SETS if name in cfg.eval.sets]


def _shown(cfg: Config) -> dict[str, Any]:
    e = cfg.eval
    return {
        "seed": e.seed,
        "world": cfg.world.language,
        "systems": {k: str(v) for k, v in e.systems.items()},
        "rater": e.rater,
        "counterpart": e.counterpart,
        "trials": e.trials,
        "experts": e.experts,
        "consensus": e.consensus,
        "rules": cfg.rules.name,
    }


def finite(value: Any) -> Any:
    """nan and infinity as null all the way down: JSON has no others."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


class Rater:
    """Puts ratings to what was said: the oracle and its panel, a judge, or nobody; and the configured rules."""

    def __init__(self, cfg: Config, world: World, session: Session) -> None:
        self.oracle = cfg.eval.rater == "oracle"
        self.source: World | JudgeRater | None = world if self.oracle else None
        if cfg.eval.rater == "judge":
            self.source = JudgeRater.open(cfg, session)
        self.how, self.seed = cfg.eval.consensus, cfg.eval.seed
        self.experts = experts_of({k: v for k, v in cfg.eval.experts.items() if v is not None})
        self.rules = RuleSet.from_config(cfg.rules, cfg.sop) if cfg.rules.rules else None

    def keep(self, session: Session) -> None:
        """What a judge elsewhere has used is part of every checkpoint: its budget holds for the whole evaluation."""
        if isinstance(self.source, JudgeRater):
            session.keep("judge", self.source)

    def dialogue(
        self, scenario: dict[str, Any], messages: list[Any], outcome: Any, trial: int = 0
    ) -> Dialogue:
        """A finished dialogue with its ratings."""
        rating = self.source.rate(messages, scenario, outcome) if self.source else None
        made = Dialogue.of(scenario, messages, outcome, rating, trial)
        if self.rules is not None:
            agent = [i for i, m in enumerate(made.messages) if m["role"] == "assistant"]
            for turn, i in enumerate(agent):
                found = self.rules.score(made.messages[i]["content"], made.scenario, made.messages[:i])
                made.rules += [RuleHit(turn, v.rule, v.severity, *v.span) for v in found.violations]
        if self.oracle:
            rate_dialogue(made, self.experts, self.how, self.seed)
        return made

    def bad_case(self, row: dict[str, Any], texts: list[str]) -> BadCase:
        """The replies to one bad case with what they mend."""
        made = BadCase.of(row, texts, self.source.rate_badcase(row, texts) if self.source else None)
        if self.oracle:
            rate_bad_case(made, self.experts, self.seed)
        return made

    def reply(self, row: dict[str, Any], text: str, number: int, trial: int) -> ReplyCase:
        """One reply beside the gold reply of its context."""
        scenario, gold = row["scenario"], str(row.get("reference") or "")
        plain = [{"role": m["role"], "content": m["content"]} for m in row["prompt"]]
        public = public_side(scenario)
        name = str(row.get("id") or f"{scenario.get('id')}@{number}")
        if self.source is None:
            nan = float("nan")
            return ReplyCase(name, plain, text, gold, nan, nan, scenario=public, trial=trial)
        mine, theirs = (self.source.rate_reply(row["prompt"], t, scenario) for t in (text, gold))
        hard, gold_hard = (any(s >= HARD for _, s in r.violations) for r in (mine, theirs))
        return ReplyCase(
            name,
            plain,
            text,
            gold,
            mine.rating,
            theirs.rating,
            hard,
            gold_hard,
            list(mine.abilities),
            public,
            trial,
        )


def transcripts(name: str, what: str, cfg: Config, rater: Rater, material: Material) -> list[Dialogue]:
    """Finished dialogues, rated; rank 0's are the ones that count."""
    rows = read_transcripts(name, what, cfg, material)
    return [rater.dialogue(r["scenario"], r["messages"], r.get("outcome"), r["trial"]) for r in rows]


def online(
    world: World, agent: Agent, cfg: Config, session: Session, name: str, rater: Rater, material: Material
) -> tuple[list[Dialogue], list[dict[str, Any]]]:
    """Whole dialogues on held-out scenarios, `eval.trials` times each, shared out over the ranks; and the dialogues
    that their counterpart broke."""
    every = [t * _TRIAL + i for t in range(cfg.eval.trials) for i in material.numbers("online")]
    numbers = every[rank() :: world_size()]
    rows = [material.row("online", number % _TRIAL) for number in numbers]
    partners = material.partners({n: row["scenario"] for n, row in zip(numbers, rows, strict=True)})
    with session.progress(f"{name}: dialogues", len(rows)) as advance:
        played = run_conversations(
            agent, world, rows, cfg.eval.max_turns, cfg.eval.seed, advance, numbers, partners
        )
    whole, broken = [], []
    for number, c in zip(numbers, played, strict=True):
        trial = number // _TRIAL
        if c.fault is None:
            whole.append((number, rater.dialogue(c.scenario, c.messages, c.outcome, trial)))
        else:
            turns = sum(m["role"] == "assistant" for m in c.messages)
            broken.append(
                (
                    number,
                    {"scenario_id": str(c.scenario["id"]), "trial": trial, "turns": turns, "fault": c.fault},
                )
            )
    return in_order(whole), in_order(broken)


def in_order(mine: list[tuple[int, Any]]) -> list[Any]:
    """What all ranks made, by number; on every rank."""
    made = [pair for part in all_gather_objects(mine) for pair in part]
    return [thing for _, thing in sorted(made, key=lambda pair: pair[0])]


def bad_cases(
    agent: Agent, cfg: Config, session: Session, name: str, rater: Rater, material: Material
) -> list[BadCase]:
    """The system's own reply to every agent turn of each bad case, in its recorded context."""
    mine = material.numbers("badcases")[rank() :: world_size()]
    rows = {k: material.row("badcases", k) for k in mine}
    turns = [
        (k, i) for k, row in rows.items() for i, m in enumerate(row["messages"]) if m["role"] == "assistant"
    ]
    talks = [Talk(rows[k]["messages"][:i], rows[k]["scenario"], _BADCASE + 1000 * k + i) for k, i in turns]
    with session.progress(f"{name}: bad cases", len(talks)) as advance:
        said = agent.answer(talks, cfg.eval.seed, advance)
    by_row: dict[int, list[str]] = {}
    for (k, _), reply in zip(turns, said, strict=True):
        by_row.setdefault(k, []).append(reply.text)
    return in_order([(k, rater.bad_case(row, by_row.get(k, []))) for k, row in rows.items()])


def replies(
    agent: Agent, cfg: Config, session: Session, name: str, rater: Rater, material: Material
) -> list[ReplyCase]:
    """`eval.trials` replies to each recorded context, beside the gold reply there."""
    mine = material.numbers("replies")[rank() :: world_size()]
    rows = {k: material.row("replies", k) for k in mine}
    made: list[tuple[int, ReplyCase]] = []
    with session.progress(f"{name}: replies", len(rows) * cfg.eval.trials) as advance:

        def count(done: int, total: int) -> None:
            advance(len(made) + done, total)

        for trial in range(cfg.eval.trials):
            talks = [
                Talk(row["prompt"], row["scenario"], _REPLY + _TRIAL * trial + k) for k, row in rows.items()
            ]
            said = agent.answer(talks, cfg.eval.seed + trial, count)
            made += [
                (_TRIAL * trial + k, rater.reply(row, reply.text, k, trial))
                for (k, row), reply in zip(rows.items(), said, strict=True)
            ]
    return in_order(made)
