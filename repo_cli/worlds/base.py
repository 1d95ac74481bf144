"""What a world is: the protocols and records that stages, rollouts and evaluation rely on.

Everything a world makes is a function of (world seed, split or corpus, index), so a world of any size costs
no memory and two machines agree on every row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from repo_cli.negotiation import SOP

Message = dict[str, Any]
Scenario = dict[str, Any]
Outcome = dict[str, Any]

SPLITS = ("train", "dev", "test")

#: Why a dialogue ended. "max_turns" is given by whoever runs the dialogue, the rest by the counterpart.
REASONS = ("accepted", "refused", "callback", "handover", "optout", "hangup", "max_turns")


@dataclass(frozen=True)
class PartnerTurn:
    """One turn of the counterpart; `outcome` is set if and only if `ended` is true."""

    text: str
    ended: bool = False
    outcome: Outcome | None = None


@dataclass
class TurnRating:
    """The hidden rating of one agent reply, 1 (harmful) to 5 (excellent). `scores` rate single aspects, 1 to 5, where
    the moment calls for them: "negotiation" (effectiveness) and "emotional_value"."""

    index: int
    rating: float
    violations: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)


@dataclass
class DialogueRating:
    """The hidden rating of a dialogue; `skills` maps fluency, workflow, negotiation and scope to 0 or 1;
    `violations` holds (agent turn, kind, severity 1-3)."""

    rating: float
    turns: list[TurnRating]
    skills: dict[str, int]
    violations: list[tuple[int, str, int]]
    excellent: bool
    correct_end: bool


@dataclass
class ReplyRating:
    """The hidden rating of one reply to a recorded context. `abilities` are what the context calls for: "empathy" (the
    partner has just voiced a worry), "hotel_type" (a reason is due, and one that fits the house would help), and
    "little_information" (a reason is due, and the brief holds next to nothing to make one of)."""

    rating: float
    violations: list[tuple[str, int]]
    abilities: tuple[str, ...] = ()


@dataclass
class BadCaseRating:
    """Whether the replies of an agent mend a planted defect (domain.md section 9, method 3)."""

    fixed: bool
    clean: bool
    severe_unresolved: bool
    rating: float


@runtime_checkable
class Counterpart(Protocol):
    """The simulated partner of one dialogue; a pure function of its seed and the history it is shown."""

    def open(self) -> str | None:
        """What the partner says before the agent's first turn, or None when the agent opens."""

    def reply(self, history: list[Message]) -> PartnerTurn:
        """The partner's next turn; `history` ends with the agent's latest message."""


@runtime_checkable
class Speaker(Protocol):
    """An agent of the world's own, for one dialogue."""

    def reply(self, history: list[Message]) -> str:
        """Its next reply; `history` need not be its own work so far."""


@runtime_checkable
class World(Protocol):
    """A source of scenarios, partners, corpora and hidden ratings in one language."""

    name: str
    language: str
    sizes: dict[str, int]
    sop: SOP  # the procedure that its own agents follow

    def scenario(self, index: int, split: str) -> Scenario: ...

    def system_message(self, scenario: Scenario) -> Message: ...

    def rows(self, corpus: str, index: int) -> dict[str, Any]: ...

    def counterpart(self, scenario: Scenario, seed: int) -> Counterpart: ...

    def rate(
        self, dialogue: list[Message], scenario: Scenario, outcome: Outcome | None
    ) -> DialogueRating: ...

    def rate_badcase(self, row: dict[str, Any], replies: list[str]) -> BadCaseRating: ...

    def rate_reply(self, history: list[Message], reply: str, scenario: Scenario) -> ReplyRating: ...

    def agent(self, name: str, scenario: Scenario, seed: int) -> Speaker: ...

    def prefers(
        self, history: list[Message], first: str, second: str, scenario: Scenario, seed: int
    ) -> bool: ...

    def grade(
        self, history: list[Message], reply: str, scenario: Scenario, seed: int
    ) -> dict[str, float | None]: ...


def make_outcome(deal: bool, price: float | None, reason: str, turns: int) -> Outcome:
    """An outcome record: a price stands only with a deal; `turns` counts the agent's replies."""
    if reason not in REASONS:
        raise ValueError(f"unknown reason {reason!r}")
    return {"deal": deal, "price": price if deal else None, "reason": reason, "turns": turns}


def out_of_turns(history: list[Message]) -> Outcome:
    """The outcome of a dialogue that the runner stopped at its turn limit: no deal, whatever was near."""
    turns = sum(message["role"] == "assistant" for message in history)
    return make_outcome(False, None, "max_turns", turns)
