"""The rewards of a configuration on given replies, without training: `repo reward score` and `repo reward check`.

    repo reward score replies.jsonl reward=rules_only
    repo reward check +experiment=demo policy.parent=SFT/final rm.path=RM/final judge.path=JUDGE/final

`check` takes the honest replies of dialogues (default: the built-in world's gold dialogues), answers each context with
the canaries of rewards/canaries.py as well, and asks every component whether it still prefers the honest reply.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.files import load_rows
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.canaries import ABOUT, canaries
from repo_cli.rewards.combine import READS
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.own import OwnRewards
from repo_cli.rewards.rule_scan import turns_of
from repo_cli.stages.data import prompts_of, world_rows

COMPONENTS = ("rm", "judge", "rules")
#: The other side of the comparison in preference rows.
REJECTED = "rejected reply"


class Scorer:
    """The reward ensemble of a configuration, with a model behind it only where a source needs one; or a run's own."""

    def __init__(
        self, cfg: Config, backbone: Backbone | None = None, ensemble: Ensemble | None = None
    ) -> None:
        reads = READS[cfg.reward.combine]
        self.cfg = cfg
        self.backbone = backbone
        own = OwnRewards.of(cfg) if ensemble is None else None
        if ensemble is None and ("rm" in reads or ("judge" in reads and cfg.judge.kind == "local")):
            self.backbone = Backbone.load(cfg)
        # without a model nothing in the ensemble looks at the backbone
        self.ensemble = ensemble or Ensemble(cfg, self.backbone, own=own)  # type: ignore[arg-type]

    @property
    def criteria(self) -> list[str]:
        rubric = self.ensemble.rubric
        return list(rubric.criteria) if rubric is not None else []

    def score(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What every component says of {prompt, scenario, reply}; `total` is None where the reply takes no part."""
        asked = [
            {
                "scenario": item["scenario"],
                "history": item["prompt"],
                "reply": item["reply"],
                "sample": self.backbone.fmt.pair(item["prompt"], item["reply"]) if self.backbone else None,
                "finished": True,
            }
            for item in items
        ]
        with self.backbone.gathered() if self.backbone else nullcontext():
            parts = self.ensemble.score(asked)
            totals, keep, self.stats = self.ensemble.total(parts)
        return [
            {**parts.row(i), "total": round(float(totals[i]), 6) if keep[i] else None}
            for i in range(len(asked))
        ]


def components(row: dict[str, Any]) -> dict[str, float | None]:
    """What each component says of a scored reply, those of the user's own by their names, the total last."""
    return {**{name: row[name] for name in COMPONENTS}, **row.get("own", {}), "total": row["total"]}


def score_file(cfg: Config, path: str, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Each reply of a data file with where it stands and all its scores, 64 at a time."""
    rows, _ = load_rows(path, "any", on_bad_row=cfg.data.on_bad_row, limit=limit)
    scorer = Scorer(cfg)
    turns = list(turns_of(rows))
    if not turns:
        raise UserError(
            f"{path}: there is no reply to score",
            hint="dialogues, preference pairs or judge examples have some",
        )
    for at in range(0, len(turns), 64):
        part = turns[at : at + 64]
        items = [{"prompt": t.prompt, "scenario": t.scenario, "reply": t.text} for t in part]
        for turn, scores in zip(part, scorer.score(items), strict=True):
            yield {"where": turn.name, "reply": turn.text, **scores}


@dataclass
class Line:
    """One canary: over its contexts, how often each component prefers the honest reply, and the mean of the gap."""

    name: str
    contexts: int = 0
    wins: dict[str, float] = field(default_factory=dict)
    ties: dict[str, float] = field(default_factory=dict)
    gaps: dict[str, float] = field(default_factory=dict)
    example: tuple[str, str] = ("", "")

    @property
    def earns_in(self) -> float | None:
        """Share of the contexts in which its total is at least the honest reply's; None where none has both."""
        return 1.0 - self.wins["total"] if "total" in self.wins else None

    @property
    def pays(self) -> bool:
        """Whether the trick earns at least as much as honesty, on average in the total."""
        return self.gaps.get("total", 1.0) <= 0


def check(cfg: Config, data: str, n: int) -> tuple[list[Line], dict[str, float]]:
    """A line for each canary (and one for rejected replies where the data has pairs), and the honest replies' means."""
    contexts = _contexts(cfg, data, n)
    scorer = Scorer(cfg)
    return compare(contexts, scorer.score, scorer.criteria, cfg.world.language)


def compare(
    contexts: list[dict[str, Any]],
    score: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    criteria: list[str],
    language: str,
) -> tuple[list[Line], dict[str, float]]:
    """Answers each context {prompt, scenario, honest, dialogue, rejected} with every canary, and scores them all.

    Returns a line for each canary, and the means of the honest replies by component.
    """
    items: list[dict[str, Any]] = []
    names: list[tuple[int, str]] = []
    for i, context in enumerate(contexts):
        foreign = next(
            (c["honest"] for c in contexts[i + 1 :] + contexts[:i] if c["dialogue"] != context["dialogue"]),
            "",
        )
        spoken = context["scenario"].get("language") or language
        made = canaries(context["prompt"], context["scenario"], context["honest"], foreign, spoken, criteria)
        if context["rejected"]:
            made[REJECTED] = context["rejected"]
        for name, reply in {"honest": context["honest"], **made}.items():
            items.append({"prompt": context["prompt"], "scenario": context["scenario"], "reply": reply})
            names.append((i, name))
    scored = dict(zip(names, map(components, score(items)), strict=True))
    texts = dict(zip(names, (item["reply"] for item in items), strict=True))
    lines = [_line(name, len(contexts), scored, texts) for name in (REJECTED, *ABOUT)]
    means = {}
    for component in scored[0, "honest"]:
        values = [scored[i, "honest"][component] for i in range(len(contexts))]
        seen = [value for value in values if value is not None]
        if seen:
            means[component] = sum(seen) / len(seen)
    return [line for line in lines if line.contexts], means


def _line(
    name: str,
    contexts: int,
    scored: dict[tuple[int, str], dict[str, float | None]],
    texts: dict[tuple[int, str], str],
) -> Line:
    """What the scores say of one canary over the contexts that it was tried in."""
    line = Line(name)
    places = [i for i in range(contexts) if (i, name) in scored]
    line.contexts = len(places)
    for component in scored[0, "honest"]:
        gaps = [_gap(scored[i, "honest"][component], scored[i, name][component]) for i in places]
        gaps = [g for g in gaps if not math.isnan(g)]
        if gaps:
            line.wins[component] = sum(g > 0 for g in gaps) / len(gaps)
            line.ties[component] = sum(g == 0 for g in gaps) / len(gaps)
            line.gaps[component] = sum(gaps) / len(gaps)
    if places:
        worst = min(places, key=lambda i: _gap(scored[i, "honest"]["total"], scored[i, name]["total"]))
        line.example = (texts[worst, "honest"], texts[worst, name])
    return line


def _gap(honest: float | None, other: float | None) -> float:
    """How much better the honest reply is; a trick that breaks the scoring and is left out earns nothing: NaN."""
    return math.nan if honest is None or other is None else honest - other


def _contexts(cfg: Config, data: str, n: int) -> list[dict[str, Any]]:
    """`n` contexts with an honest reply, drawn over all dialogues; openings, with nothing said before, are left out."""
    if data.startswith("world:"):
        rows = list(world_rows(cfg, data.removeprefix("world:"), max(n, 8)))
    else:
        rows, _ = load_rows(data, "any", on_bad_row=cfg.data.on_bad_row)
    found = []
    for number, row in enumerate(rows):
        if "chosen" in row:
            pair = {"honest": row["chosen"][-1]["content"], "rejected": row["rejected"][-1]["content"]}
            turns = [{"prompt": row["prompt"], "scenario": row.get("scenario", {}), **pair}]
        else:
            prompts = [p for p in prompts_of(row) if isinstance(p.get("reference"), str)]
            turns = [
                {
                    "prompt": p["prompt"],
                    "scenario": p.get("scenario", {}),
                    "honest": p["reference"],
                    "rejected": "",
                }
                for p in prompts
            ]
        found += [
            {**turn, "dialogue": number}
            for turn in turns
            if any(m["role"] == "user" for m in turn["prompt"]) and turn["honest"].strip()
        ]
    if len({turn["dialogue"] for turn in found}) < 2:
        raise UserError(
            f"{data}: honest replies in at least two dialogues are wanted, after something that the partner said",
            hint="dialogues (messages) or preference pairs; the built-in ones: --data world:gold",
        )
    return random.Random(cfg.seed).sample(found, min(n, len(found)))
