"""Dialogues between a scripted agent and the hotelier, and the states that they pass through."""

from __future__ import annotations

import random
from dataclasses import dataclass

from repo_cli.negotiation import SOP, DialogueState
from repo_cli.worlds.base import Outcome, Scenario, World
from repo_cli.worlds.hotel.policy_scripts import Plan, ScriptedAgent, Turn
from repo_cli.worlds.hotel.reading import Message

MAX_TURNS = 10
CLOSING = ("close_deal", "close_nodeal", "close_optout", "close_later", "close_time", "close_decider")
TAGS = {
    "open": "opening", "check": "after_opening", "accept": "counter_inside", "counter": "counter_outside",
    "recap": "after_acceptance", "condition": "after_acceptance", "close_deal": "after_confirmation",
    "close_nodeal": "after_refusal", "close_optout": "after_hard_refusal", "close_later": "after_busy", "close_time": "after_busy",
    "ask_decider": "no_authority", "close_decider": "no_authority", "handle": "after_objection",
    "reason": "after_check", "propose": "ready", "clarify": "after_question", "say_net": "after_net_price",
}  # fmt: skip
# States whose right move settles the talk: take or confirm a price, or leave.
ENDGAME = ("counter_inside", "after_acceptance", "after_confirmation", "after_refusal", "after_hard_refusal", "after_busy",
           "no_authority")  # fmt: skip


@dataclass
class Cut:
    """A point in a dialogue where the agent speaks next: messages before it, the right plan, what was said."""

    length: int
    plan: Plan
    state: DialogueState
    turn: Turn
    moves: tuple[str, ...]
    asked: tuple[float, ...]
    concern: str | None

    @property
    def tag(self) -> str:
        """The state in a word (TAGS); interruptions are all "after_question"."""
        return TAGS.get(self.plan.move, "after_question")


@dataclass
class Play:
    """A finished dialogue; `cuts[i]` belongs to the agent's turn i."""

    scenario: Scenario
    messages: list[Message]
    cuts: list[Cut]
    outcome: Outcome | None
    sop: SOP


def play(world: World, scenario: Scenario, agent: ScriptedAgent, seed: int, max_turns: int = MAX_TURNS,
         qualities: list[str | None] | None = None) -> Play:  # fmt: skip
    """Plays to the end, or `max_turns` agent turns; `qualities[i]` fixes the quality of the agent's turn i."""
    partner = world.counterpart(scenario, seed)
    messages: list[Message] = [world.system_message(scenario)]
    greeting = partner.open()
    if greeting:
        messages.append({"role": "user", "content": greeting})
    cuts: list[Cut] = []
    outcome: Outcome | None = None
    closed = 0
    for number in range(max_turns):
        memory = agent.memory
        before = (tuple(memory.moves), tuple(memory.asked))
        fixed = qualities[number] if qualities and number < len(qualities) else None
        turn = agent.reply(messages, fixed)
        cuts.append(Cut(len(messages), turn.plan, turn.state, turn, *before, concern=turn.plan.concern))
        messages.append({"role": "assistant", "content": turn.text})
        answer = partner.reply(messages)
        if answer.text:
            messages.append({"role": "user", "content": answer.text})
        closed = closed + 1 if turn.move in CLOSING and turn.kind is None else 0
        if answer.ended or closed == 2:
            outcome = answer.outcome
            break
    return Play(scenario, messages, cuts, outcome, agent.sop)


def agent_at(play_: Play, cut: Cut, rng: random.Random, mix: str = "mixed") -> ScriptedAgent:
    """An agent that stands at `cut` and remembers what was done before it."""
    agent = ScriptedAgent(play_.scenario, mix, rng, play_.sop)
    agent.memory.moves, agent.memory.asked = list(cut.moves), list(cut.asked)
    agent.memory.concern = cut.concern
    return agent
