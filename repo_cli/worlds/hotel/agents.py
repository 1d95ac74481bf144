"""The hotel world's own agents, to compare others with: `world:intent`, `world:gold` and the other mixes.

A scripted agent (policy_scripts) remembers what it did; where it is asked to go on from a dialogue that others began,
it takes each of their turns for the move that it would have made there.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.dialogue.scenario import public_side
from repo_cli.errors import UserError, nearest
from repo_cli.negotiation import SEVEN_STAGES, SOP
from repo_cli.worlds.hotel.intent_agent import IntentAgent
from repo_cli.worlds.hotel.policy_scripts import MIXES, ScriptedAgent

INTENT = "intent"
NAMES = (INTENT, *MIXES)


class Script:
    """A scripted agent that can step into any dialogue."""

    def __init__(self, scenario: Mapping[str, Any], mix: str, seed: int, sop: SOP = SEVEN_STAGES) -> None:
        rng = random.Random(f"agent|{mix}|{seed}|{scenario['id']}")
        self.agent = ScriptedAgent(scenario, mix, rng, sop)

    def reply(self, history: Sequence[dict[str, Any]]) -> str:
        """The next reply after `history`."""
        turns = [i for i, message in enumerate(history) if message["role"] == "assistant"]
        for i in turns[len(self.agent.memory.moves) :]:
            self.agent.remember(self.agent.plan(list(history[:i]))[0])
        return self.agent.reply(list(history)).text


def make_agent(
    name: str, scenario: Mapping[str, Any], seed: int, sop: SOP = SEVEN_STAGES
) -> IntentAgent | Script:
    """The agent called `name` for one dialogue; it is given the public part of the scenario alone."""
    if name not in NAMES:
        near = nearest(name, NAMES)
        raise UserError(
            f"world:{name}: the hotel world has no such agent",
            hint=(f"did you mean {near}? " if near else "") + f"it has {', '.join(NAMES)}",
        )
    public = public_side(scenario)
    return IntentAgent(public, sop) if name == INTENT else Script(public, name, seed, sop)
