"""What an evaluation leaves behind: per system its dialogues and bad cases with their ratings, as `eval.json`.

Ratings come from whatever rater the evaluation used (the world's hidden oracle, a judge, people); this room only
counts. A breach is (agent turn, kind, severity 1-3), hard from severity 2 on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from repo_cli.dialogue.scenario import HIDDEN, public_side
from repo_cli.errors import UserError
from repo_cli.evaluation.sheets import write_text

#: Breaches of this severity and above are hard.
HARD = 2
#: A reply rated at least this, without a hard breach, is excellent.
EXCELLENT = 4.5
SKILLS = ("fluency", "workflow", "negotiation", "scope")

#: Endings by which the partner leaves.
LEFT = ("hangup", "optout")

#: The aspects of a reply whose ratings make the persuasive-ability score: does it move the negotiation on (a right and
#: sound step where a reason or an answer to a price is due), and does it meet what troubles the partner?
PERSUASION = ("negotiation", "emotional_value")

Violation = tuple[int, str, int]


class RuleHit(NamedTuple):
    """A rule of the configured set that a reply broke: agent turn, rule, "hard" or "soft", and the characters of the
    reply that broke it (start == end: something is missing, or the reply as a whole is meant)."""

    turn: int
    rule: str
    severity: str
    start: int = 0
    end: int = 0


@dataclass
class Dialogue:
    """One played dialogue. `turns` holds the rating of each agent reply; `outcome` as the counterpart gave it.

    `trial` counts repetitions of a scenario. `reserve` is the least the partner can live with, where the world says it.
    `rules` are the rules of the configured set that were broken; `panel[expert]` holds what a simulated expert says
    (rating, turns, skills), `consensus` what they agree on (None for a tie). `scores` are ratings (1-5) of one aspect
    each, the mean over the replies that call for it (see `persuasion`).
    """

    scenario_id: str
    messages: list[dict[str, Any]]
    rating: float
    turns: list[float]
    violations: list[Violation] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    skills: dict[str, int] = field(default_factory=dict)
    correct_end: bool | None = False
    scenario: dict[str, Any] = field(default_factory=dict)
    trial: int = 0
    reserve: float | None = None
    rules: list[RuleHit] = field(default_factory=list)
    panel: dict[str, dict[str, Any]] = field(default_factory=dict)
    consensus: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scenario: dict[str, Any],
        messages: list[dict[str, Any]],
        outcome: dict[str, Any] | None,
        rating: Any,
        trial: int = 0,
    ) -> Dialogue:
        """From a scenario, its transcript and a world's DialogueRating (None: nobody rated it).

        Of what the agent must not see only the partner's reservation price is kept, for the figures that need it.
        """
        public = public_side(scenario)
        reserve = (scenario.get(HIDDEN) or {}).get("reserve")
        plain = [{"role": m["role"], "content": m["content"]} for m in messages]
        made = cls(
            scenario_id=str(scenario["id"]),
            messages=plain,
            rating=math.nan,
            turns=[math.nan for m in plain if m["role"] == "assistant"],
            outcome=dict(outcome or {}),
            scenario=public,
            correct_end=None,
            trial=trial,
            reserve=None if reserve is None else float(reserve),
        )
        if rating is not None:
            made.rating = float(rating.rating)
            made.turns = [float(t.rating) for t in rating.turns]
            made.violations = [tuple(v) for v in rating.violations]
            made.skills = dict(rating.skills)
            made.scores = aspect_scores(rating.turns)
            made.correct_end = None if rating.correct_end is None else bool(rating.correct_end)
        return made

    @property
    def replies(self) -> list[str]:
        """The agent's replies in order."""
        return [m["content"] for m in self.messages if m["role"] == "assistant"]

    @property
    def hard_turns(self) -> set[int]:
        """Agent turns with a hard breach."""
        return {turn for turn, _, severity in self.violations if severity >= HARD}

    @property
    def excellent_turns(self) -> int:
        """Number of excellent replies."""
        return sum(r >= EXCELLENT and i not in self.hard_turns for i, r in enumerate(self.turns))

    @property
    def deal(self) -> bool:
        """Whether the dialogue ended in an agreement."""
        return bool(self.outcome.get("deal"))

    @property
    def price(self) -> float | None:
        """The price agreed on."""
        price = self.outcome.get("price")
        return float(price) if self.deal and isinstance(price, (int, float)) else None

    @property
    def responded(self) -> bool:
        """Whether the partner took up the talk: answered the agent's first message, and not by leaving."""
        agent = next((i for i, m in enumerate(self.messages) if m["role"] == "assistant"), len(self.messages))
        answers = sum(m["role"] == "user" for m in self.messages[agent + 1 :])
        return answers > 1 or (answers == 1 and self.outcome.get("reason") not in LEFT)


@dataclass
class BadCase:
    """One bad case with the system's replies, one for each recorded agent turn."""

    case_id: str
    messages: list[dict[str, Any]]
    defects: list[dict[str, Any]]
    replies: list[str]
    fixed: bool | None
    clean: bool | None
    severe_unresolved: bool | None
    rating: float
    panel: dict[str, dict[str, Any]] = field(default_factory=dict)
    consensus: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: dict[str, Any], replies: list[str], rating: Any) -> BadCase:
        """From a bad-case row, the replies and a world's BadCaseRating (None: nobody rated it)."""
        scenario = row.get("scenario") or {}
        plain = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
        name = str(row.get("id") or scenario.get("id") or "")
        defects = [dict(d) for d in row.get("defects", [])]
        return cls(
            name,
            plain,
            defects,
            list(replies),
            None if rating is None else _yes(rating.fixed),
            None if rating is None else _yes(rating.clean),
            None if rating is None else _yes(rating.severe_unresolved),
            math.nan if rating is None else float(rating.rating),
        )


@dataclass
class ReplyCase:
    """One reply to a recorded context, and the gold reply there, both rated; `abilities` are what the context
    calls for (see worlds.base.ReplyRating)."""

    context_id: str
    messages: list[dict[str, Any]]
    reply: str
    gold: str
    rating: float
    gold_rating: float
    hard: bool = False
    gold_hard: bool = False
    abilities: list[str] = field(default_factory=list)
    scenario: dict[str, Any] = field(default_factory=dict)
    trial: int = 0

    @property
    def win(self) -> float:
        """1 when the reply is rated above the gold one, 0.5 when alike, else 0."""
        return 0.5 + 0.5 * ((self.rating > self.gold_rating) - (self.rating < self.gold_rating))


@dataclass
class SystemResult:
    """All that one system did. `faults` are dialogues that the counterpart (not the agent) broke: no part of any
    figure, counted apart."""

    dialogues: list[Dialogue] = field(default_factory=list)
    badcases: list[BadCase] = field(default_factory=list)
    replies: list[ReplyCase] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class EvalResult:
    """Systems by name, in the order in which they are shown; `config` is shown in the report as it is."""

    systems: dict[str, SystemResult] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    baseline: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, as written to eval.json."""
        return {"version": 1, **_listed(asdict(self))}

    def save(self, path: Path) -> None:
        """Writes eval.json, whole or not at all."""
        write_text(path, json.dumps(self.to_json(), ensure_ascii=False))

    @classmethod
    def from_json(cls, data: dict[str, Any], source: str = "eval.json") -> EvalResult:
        """The inverse of to_json; UserError when a field is missing."""
        try:
            systems = {
                name: SystemResult(
                    [_dialogue(d) for d in part.get("dialogues", [])],
                    [BadCase(**_rated(c, "rating")) for c in part.get("badcases", [])],
                    [ReplyCase(**_rated(r, "rating", "gold_rating")) for r in part.get("replies", [])],
                    list(part.get("faults", [])),
                )
                for name, part in data["systems"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{source}: not an evaluation result ({error})", hint="made by `repo eval`?"
            ) from error
        return cls(systems, dict(data.get("config") or {}), data.get("baseline"))

    @classmethod
    def load(cls, path: Path) -> EvalResult:
        """Reads eval.json; UserError when it cannot be read."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read as an evaluation result ({error})") from error
        return cls.from_json(data, str(path))


def _yes(answer: Any) -> bool | None:
    return None if answer is None else bool(answer)


def aspect_scores(turns: Iterable[Any]) -> dict[str, float]:
    """aspect -> mean of its ratings over the replies that call for it, from the `scores` of a world's TurnRatings."""
    found: dict[str, list[float]] = {}
    for turn in turns:
        for name, value in turn.scores.items():
            found.setdefault(name, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in found.items()}


def persuasion(scores: dict[str, float]) -> float:
    """The persuasive-ability score of a dialogue, 1 to 5: the mean of its ratings for negotiation effectiveness and
    emotional value; of one alone where the dialogue never called for the other, nan where it called for neither."""
    found = [scores[name] for name in PERSUASION if name in scores]
    return sum(found) / len(found) if found else math.nan


def _rated(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Ratings that nobody gave, as nan again."""
    return {**data, **{k: math.nan for k in keys if data.get(k) is None}}


def _dialogue(data: dict[str, Any]) -> Dialogue:
    dialogue = Dialogue(**_rated(data, "rating"))
    dialogue.turns = [math.nan if t is None else t for t in dialogue.turns]
    dialogue.violations = [(int(t), str(k), int(s)) for t, k, s in dialogue.violations]
    dialogue.rules = [RuleHit(int(t), str(r), str(s), *map(int, at)) for t, r, s, *at in dialogue.rules]
    return dialogue


def _listed(value: Any) -> Any:
    """Tuples as lists and nan as None all the way down, so that the data equals what JSON gives back."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, (list, tuple)) else value
