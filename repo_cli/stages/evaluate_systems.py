"""What a system of `eval.systems` may be, and what it is asked.

eval.systems.sft=runs/sft/.../final          weights of ours, or a model directory
eval.systems.base=base:Qwen/Qwen3-0.6B       a model without any adapter: a hub name, a directory, the base of a final/
eval.systems.baseline=world:intent           an agent of the world's own (intent, gold, mediocre, ...)
eval.systems.live=endpoint:MODEL@URL         a model behind an OpenAI-compatible endpoint
eval.systems.old=transcripts:dialogues.jsonl finished dialogues of any system
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from repo_cli.config.inputs import BARE_BASE, SYSTEM_FILES, SYSTEM_NAMES
from repo_cli.config.schema import Config
from repo_cli.dialogue.files import load_rows
from repo_cli.dialogue.messages import BadRow, check_messages
from repo_cli.dialogue.scenario import HIDDEN
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.loading import resolve_start
from repo_cli.models.manifest import NAME as MANIFEST
from repo_cli.models.manifest import find_final, read_manifest
from repo_cli.rollout import Agent, EndpointAgent, LocalEngine, WorldAgent
from repo_cli.rollout.conversation import opening_row
from repo_cli.rollout.endpoint import PREFIX as ENDPOINT
from repo_cli.rollout.endpoint import Endpoint
from repo_cli.rollout.partners import EndpointPartners, Partners
from repo_cli.stages.session import Session
from repo_cli.worlds.base import World

WORLD = "world:"
TRANSCRIPTS = SYSTEM_FILES


class Systems:
    """Opens the systems in turn; those that stand on the same base share it in memory."""

    def __init__(self, cfg: Config, session: Session, world: World) -> None:
        self.cfg, self.session, self.world = cfg, session, world
        self.backbone: Backbone | None = None

    def open(self, name: str, what: str) -> Agent:
        """The agent behind `what`; UserError names the system."""
        where = f"eval.systems.{name}"
        if what.startswith(WORLD):
            agent = WorldAgent(self.world, what.removeprefix(WORLD))
            first = self.world.rows("online", 0)["scenario"]
            self.world.agent(agent.name, first, 0)  # an unknown name is told before anything is played
            return agent
        if what.startswith(ENDPOINT):
            return EndpointAgent(Endpoint.parse(what, self.cfg.eval.endpoint, where))
        self.backbone, role = open_system(self.backbone, name, what, self.cfg, self.session)
        return LocalEngine(
            self.backbone, role, replace(self.cfg.rollout, batch_size=self.cfg.eval.batch_size)
        )


def open_system(
    backbone: Backbone | None, name: str, path: str, cfg: Config, session: Session
) -> tuple[Backbone, str | None]:
    """The system's role on the backbone in memory where it stands on the same base, else on its own base; a role of
    None is the base alone."""
    if path.startswith(BARE_BASE):
        return _bare(backbone, f"eval.systems.{name}", path.removeprefix(BARE_BASE), cfg, session), None
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


def _bare(backbone: Backbone | None, key: str, source: str, cfg: Config, session: Session) -> Backbone:
    """A model by its hub name or directory (of an adapter: the base that it stands on), without any adapter."""
    if not Path(source).expanduser().is_dir():
        base = source
    else:
        start = resolve_start(cfg.policy.path, str(find_final(source, key)))
        assert start is not None
        base = start.base
    folder = Path(base).expanduser()
    if backbone is not None and backbone.base_path == (str(folder.resolve()) if folder.is_dir() else base):
        return backbone
    alone = replace(cfg, policy=replace(cfg.policy, path=base, parent=None))
    try:
        return Backbone.load(alone, session.device)
    except UserError as error:
        raise UserError(
            error.message.replace("policy.path=", f"{key}={BARE_BASE}"), hint=error.hint
        ) from error


def run_of(what: str) -> Path | None:
    """The RL run that made a system, whose curves belong in the report; None for any other system."""
    if what.startswith(SYSTEM_NAMES):
        return None
    run = find_final(what, "eval.systems").parent
    return run if (run / "metrics.jsonl").is_file() and (run / "rollouts").is_dir() else None


class Material:
    """The rows of each set: the world's held-out ones, or the user's own files."""

    def __init__(self, cfg: Config, world: World) -> None:
        self.cfg, self.world = cfg, world
        e = cfg.eval
        own = load_rows(e.path, "prompts", cfg.data.on_bad_row)[0] if e.path else None
        cases = load_rows(e.badcases_path, "badcases", cfg.data.on_bad_row)[0] if e.badcases_path else None
        self.own: dict[str, list[dict[str, Any]] | None] = {
            "online": own,
            "badcases": cases,
            "replies": None if own is None else [row for row in own if row.get("reference")],
        }
        for name, rows in self.own.items():
            for number, row in enumerate(rows or []):
                row["scenario"] = self._scenario(name, number, row)
                if name == "badcases":
                    # `messages` is the whole dialogue where `prompt` is only what came before the first defect
                    row["messages"] = _whole(row)

    def numbers(self, name: str) -> range:
        """The numbers of the rows of a set that are used, from `eval.offset` on."""
        e, rows = self.cfg.eval, self.own[name]
        wanted = {"online": e.n_online, "badcases": e.n_badcases, "replies": e.n_replies}[name]
        if rows is None:  # where own rows are given, a set without any is empty unless the world can rate it
            wanted = 0 if (e.path or e.badcases_path) and not self._world_too() else wanted
        else:
            wanted = max(0, min(wanted, len(rows) - e.offset))
        return range(e.offset, e.offset + wanted)

    def row(self, name: str, number: int) -> dict[str, Any]:
        """Row `number` of a set."""
        rows = self.own[name]
        if rows is not None:
            return rows[number]
        if self.cfg.eval.split == "dev":
            return opening_row(self.world, number, "dev", self.cfg.eval.seed)
        return self.world.rows(name, number)

    def _world_too(self) -> bool:
        """The world's rows stand in where only the other kind of own file is given, and the oracle can rate."""
        return self.cfg.eval.rater == "oracle" and self.cfg.eval.counterpart == "world"

    def _scenario(self, name: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
        scenario = dict(row.get("scenario") or {})
        scenario.setdefault("id", str(row.get("id") or f"{name}-{number}"))
        needed = [key for key in ("current_price", HIDDEN) if key not in scenario]
        e = self.cfg.eval
        if needed and (e.rater == "oracle" or (name == "online" and e.counterpart == "world")):
            role = "rater" if e.rater == "oracle" else "counterpart"
            hint = "eval.rater=none" if role == "rater" else "eval.counterpart=endpoint:MODEL@URL"
            raise UserError(
                f"{row['_at']}: the world's {role} needs the scenario's {needed[0]}, and there is none",
                hint=f"{hint} does without it",
            )
        return scenario

    def partners(self, scenarios: dict[int, dict[str, Any]]) -> Partners | None:
        """The counterparts at an endpoint; None for the world's own."""
        e = self.cfg.eval
        if e.counterpart == "world":
            return None
        endpoint = Endpoint.parse(e.counterpart, e.endpoint, "eval.counterpart")
        return EndpointPartners(endpoint, e.counterpart_prompt, scenarios, e.seed)


def _whole(row: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return check_messages(row.get("messages") or row["prompt"])
    except BadRow as error:
        raise UserError(f"{row['_at']}: {error}") from None


def read_transcripts(name: str, what: str, cfg: Config, material: Material) -> list[dict[str, Any]]:
    """Finished dialogues: rows with `messages`, the scenario's id (`scenario_id`, `scenario.id` or `id`), and where
    it is known the `outcome` {deal, price, reason}. Held-out scenarios are found by their id, hidden part and all.

    Raises:
        UserError: by file and line: a scenario that nobody can rate, an outcome that is none.
    """
    path = what.removeprefix(TRANSCRIPTS)
    rows, _ = load_rows(path, "sft", cfg.data.on_bad_row)
    known: dict[str, dict[str, Any]] = {}
    for i in material.numbers("online"):
        scenario = material.row("online", i)["scenario"]
        known[str(scenario["id"])] = scenario
    seen: dict[str, int] = {}
    for row in rows:
        own = dict(row.get("scenario") or {})
        key = str(row.get("scenario_id") or own.get("id") or row.get("id") or row["_at"])
        scenario = known.get(key) or {**own, "id": key}
        if cfg.eval.rater == "oracle" and HIDDEN not in scenario:
            raise UserError(
                f"{row['_at']}: the scenario {key!r} is not among the {len(known)} held-out ones of this evaluation",
                hint="raise eval.n_online, give the row its whole scenario, or set eval.rater=none",
            )
        outcome = row.get("outcome")
        if outcome is not None and (
            not isinstance(outcome, dict) or not isinstance(outcome.get("deal"), bool)
        ):
            raise UserError(
                f"{row['_at']}: outcome must be an object with deal (true or false), price and reason"
            )
        row["scenario"], row["trial"] = scenario, seen.get(key, 0)
        seen[key] = row["trial"] + 1
    return rows
