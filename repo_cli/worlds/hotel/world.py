"""The hotel world as the stages see it: scenarios, briefs, partners, corpora, hidden oracle.

Corpora and oracle are imported on first use: a stage that only needs scenarios never loads the oracle, and no
training code can reach a hidden rating by accident through a shared import.
"""

from __future__ import annotations

import importlib
import random
from functools import cached_property
from typing import Any

from repo_cli.dialogue.scenario import public_side
from repo_cli.errors import UserError, nearest
from repo_cli.negotiation import SEVEN_STAGES, SOP
from repo_cli.worlds.base import (
    BadCaseRating,
    Counterpart,
    DialogueRating,
    Message,
    Outcome,
    ReplyRating,
    Scenario,
    Speaker,
)
from repo_cli.worlds.hotel import scenario as scenarios


class HotelWorld:
    """Satisfies `worlds.base.World`; holds nothing but its language, its seed, and the procedure of its agents."""

    name = "hotel"

    def __init__(self, language: str = "en", seed: int = 0, sop: SOP | None = None) -> None:
        self.language = language
        self.seed = seed
        self.sop = sop if sop is not None and sop.seven else SEVEN_STAGES

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Default number of rows of each corpus."""
        return dict(importlib.import_module("repo_cli.worlds.hotel.corpus").SIZES)

    def scenario(self, index: int, split: str) -> Scenario:
        """The scenario at `index` of "train", "dev" or "test"."""
        return scenarios.scenario(index, split, self.seed, self.language)

    def system_message(self, scenario: Scenario) -> Message:
        """The agent's brief, without anything hidden."""
        return scenarios.system_message(scenario)

    def counterpart(self, scenario: Scenario, seed: int) -> Counterpart:
        """The hotelier of one dialogue."""
        from repo_cli.worlds.hotel.hotelier import Hotelier

        return Hotelier(scenario, seed)

    def rows(self, corpus: str, index: int) -> dict[str, Any]:
        """Row `index` of a corpus; UserError for a corpus that this world does not have."""
        if corpus not in self.sizes:
            near = nearest(corpus, self.sizes)
            hint = f"did you mean {near}?" if near else f"corpora: {', '.join(self.sizes)}"
            raise UserError(f"data.path=world:{corpus}: the hotel world has no such corpus", hint=hint)
        return importlib.import_module("repo_cli.worlds.hotel.corpus").row(corpus, index, self)

    def rate(self, dialogue: list[Message], scenario: Scenario, outcome: Outcome | None) -> DialogueRating:
        """The hidden rating of a dialogue; evaluation only."""
        return importlib.import_module("repo_cli.worlds.hotel.oracle").rate(dialogue, scenario, outcome)

    def rate_badcase(self, row: dict[str, Any], replies: list[str]) -> BadCaseRating:
        """Whether `replies` mend the defects planted in a bad-case row; evaluation only."""
        return importlib.import_module("repo_cli.worlds.hotel.oracle").rate_badcase(row, replies)

    def rate_reply(self, history: list[Message], reply: str, scenario: Scenario) -> ReplyRating:
        """The hidden rating of one reply to a context; evaluation only."""
        return importlib.import_module("repo_cli.worlds.hotel.oracle").rate_reply(history, reply, scenario)

    def agent(self, name: str, scenario: Scenario, seed: int) -> Speaker:
        """An agent of the world's own for one dialogue: "intent" (the baseline), or a mix of scripted qualities."""
        from repo_cli.worlds.hotel.agents import make_agent

        return make_agent(name, scenario, seed, self.sop)

    def prefers(self, history: list[Message], first: str, second: str, scenario: Scenario, seed: int) -> bool:
        """Whether the noisy annotator, who sees the public scenario alone, likes `first` better than `second`."""
        from repo_cli.worlds.hotel import annotator

        rng = random.Random(f"prefers|{self.seed}|{seed}")
        return annotator.order(history, first, second, public_side(scenario), rng) == (0, 1)

    def grade(
        self, history: list[Message], reply: str, scenario: Scenario, seed: int
    ) -> dict[str, float | None]:
        """The noisy annotator's scores of a reply by the rubric's criteria; None where one does not apply."""
        from repo_cli.worlds.hotel import rubric_labels

        rng = random.Random(f"grade|{self.seed}|{seed}")
        return dict(rubric_labels.label(history, reply, public_side(scenario), rng))
