"""Scripted agents: what a good colleague would do next, and how well this one says it.

`plan` chooses the right move from the dialogue so far (read from its text with `negotiation.dialogue_state`) and the
public brief; `ScriptedAgent` words it in a quality drawn from its mix, or spoils it with a marked defect. The
agent never sees the hidden part of a scenario.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from repo_cli.negotiation import SEVEN_STAGES, SOP, DialogueState, dialogue_state
from repo_cli.worlds.hotel import agent_bad, defects
from repo_cli.worlds.hotel.agent_text import ASKING, QUALITIES, Writer
from repo_cli.worlds.hotel.concerns import concern_of, time_of
from repo_cli.worlds.hotel.reading import CONFIRMS, recapped

Message = dict[str, Any]

# Shares of excellent, scripted, mediocre and defective turns.
MIXES: dict[str, tuple[float, float, float, float]] = {
    "excellent": (1.0, 0.0, 0.0, 0.0),
    "gold": (0.12, 0.88, 0.0, 0.0),
    "mediocre": (0.0, 0.1, 0.9, 0.0),
    "mixed": (0.15, 0.45, 0.25, 0.15),
    "bad": (0.05, 0.25, 0.30, 0.40),
}
INTERRUPTS = {"O06": "say_suspicious", "O07": "say_ai", "O09": "say_pays", "O15": "say_complaint",
              "O16": "say_offtopic", "O17": "say_forced"}  # fmt: skip
# How a worry in the partner's words counts where the state reader named no intent.
_AS_INTENT = {"busy": "O05", "authority": "O02", "margin": "O01", "regulars": "O01", "no_effect": "O08", "peak": "O03",
              "fees": "O04", "distrust": "O06"}  # fmt: skip
OBJECTIONS = ("O01", "O03", "O04", "O08")


@dataclass
class Plan:
    """The next move with its numbers; `concern` is the partner's worry as their words show it."""

    move: str
    price: float | None = None
    offered: float | None = None
    concern: str | None = None
    stage: str = "S1"
    time: str | None = None


@dataclass
class Turn:
    """One reply of a scripted agent with the truth about it."""

    text: str
    move: str
    quality: str
    kind: str | None
    plan: Plan
    state: DialogueState


@dataclass
class Memory:
    """What an agent has done in this dialogue: its moves and the partner's concern as last heard."""

    moves: list[str] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    concern: str | None = None

    def done(self, *moves: str) -> int:
        """How often any of `moves` was made."""
        return sum(move in moves for move in self.moves)


def last_partner_text(history: Sequence[Message]) -> str:
    """The partner's last message, "" before the first one."""
    if history and history[-1]["role"] == "user":
        return history[-1]["content"]
    return ""


def plan(
    history: Sequence[Message], scenario: Mapping[str, Any], memory: Memory, state: DialogueState
) -> Plan:
    """The right next move: SOP stage, partner's intent and numbers decide, wording does not."""
    text = last_partner_text(history)
    language = scenario["language"]
    heard = concern_of(text, language) if memory.moves else None
    if state.partner_intent in ("other", "question", "O18"):
        state.partner_intent = _AS_INTENT.get(heard or "", state.partner_intent)
    memory.concern = heard or concern_of("", language, state.partner_intent) or memory.concern
    time = time_of(text, language)
    found = _exit(memory, state) or _agreement(history, scenario, memory, state) or _interrupt(memory, state)
    found = found or _offer(scenario, memory, state) or _progress(scenario, memory, state)
    found.concern, found.stage, found.time = memory.concern, state.stage, time
    if time and found.move == "close_later":
        found.move = "close_time"
    if found.offered is None:
        found.offered = state.partner_offer
    return found


def _exit(memory: Memory, state: DialogueState) -> Plan | None:
    if not memory.moves:
        return Plan("open")
    if state.hard_refusal or state.opted_out:
        return Plan("close_optout")
    if memory.moves[-1] in ("close_later", "close_time"):
        return Plan("close_later")
    if memory.done("ask_decider"):
        return Plan("close_decider")
    if state.agreed_price is None and state.partner_intent == "O02":
        return Plan("ask_decider")
    if state.partner_intent == "O05":
        return Plan("close_later")
    if state.agreed_price is None and state.refusals >= 2:
        return Plan("close_nodeal")
    return None


def _agreement(
    history: Sequence[Message], scenario: Mapping[str, Any], memory: Memory, state: DialogueState
) -> Plan | None:
    price = state.agreed_price
    if price is None and state.partner_intent == "accept" and memory.asked:
        price = memory.asked[-1]
    if price is None or price > scenario["acceptable_price"]:
        return None
    if state.partner_intent == "O12":
        return Plan("condition", price=price)
    said = next(message["content"] for message in reversed(history) if message["role"] == "assistant")
    if state.partner_intent in CONFIRMS and recapped(said, price):
        return Plan("close_deal", price=price)
    return Plan("recap", price=price)


def _interrupt(memory: Memory, state: DialogueState) -> Plan | None:
    move = INTERRUPTS.get(state.partner_intent)
    if move is None and state.partner_intent == "O04" and memory.moves[-1] in ("open", "check"):
        move = "say_fees"
    if move is None and state.partner_intent == "O10":
        move = "say_comp"
    if move is None and state.partner_intent == "O18":
        move = "clarify"
    if move is None and state.partner_intent == "O13":
        move = "say_net"
    return Plan(move) if move and memory.done(move) < 1 else None


def _offer(scenario: Mapping[str, Any], memory: Memory, state: DialogueState) -> Plan | None:
    offer = state.partner_offer
    if offer is None or not state.partner_offer_open or state.partner_intent == "O13":
        return None
    if offer <= scenario["acceptable_price"]:
        return Plan("accept", price=offer, offered=offer)
    if memory.done("counter") or state.asks >= scenario["max_asks"]:
        return Plan("close_nodeal")
    return Plan("counter", price=scenario["acceptable_price"], offered=offer)


def _progress(scenario: Mapping[str, Any], memory: Memory, state: DialogueState) -> Plan:
    asked = len(memory.asked)
    if state.partner_intent in OBJECTIONS and memory.done("handle") < 1 and memory.done("check"):
        return Plan("handle")
    if not memory.done("check"):
        return Plan("check")
    if not memory.done("reason", "handle"):
        return Plan("reason")
    if asked == 0:
        return Plan("propose", price=scenario["target_price"])
    if asked == 1 and state.asks < scenario["max_asks"]:
        if not memory.done("handle") and state.partner_intent != "question":
            return Plan("handle")
        return Plan("propose", price=scenario["acceptable_price"])
    return Plan("close_nodeal")


def back_price(found: Plan, scenario: Mapping[str, Any], memory: Memory) -> float:
    """The price that a reply names when it comes back from an interruption to an open question of price."""
    return memory.asked[-1] if memory.asked else scenario["target_price"]


class ScriptedAgent:
    """Speaks for the platform in one dialogue; `reply(history)` is deterministic given its seed and the history."""

    def __init__(
        self, scenario: Mapping[str, Any], mix: str, rng: random.Random, sop: SOP = SEVEN_STAGES
    ) -> None:
        self.scenario, self.sop = scenario, sop
        self.writer = Writer(scenario)
        self.shares = MIXES[mix]
        self.eager = 0.06 if mix in ("mixed", "bad") else 0.0  # share of turns that open with empty praise
        self.rng = rng
        self.memory = Memory()

    def plan(self, history: Sequence[Message]) -> tuple[Plan, DialogueState]:
        """The right move for this state, with the state it was read from."""
        state = dialogue_state(list(history), dict(self.scenario), self.sop)
        return plan(history, self.scenario, self.memory, state), state

    def word(self, found: Plan, quality: str) -> str:
        """One wording of a plan in a quality other than defective."""
        price = found.price if found.price is not None else back_price(found, self.scenario, self.memory)
        return self.writer.write(found.move, quality, self.rng, concern=found.concern, stage=found.stage,
                                 price=price, offered=found.offered or price, time=found.time)  # fmt: skip

    def where(self, found: Plan, state: DialogueState) -> defects.Where:
        """The situation as the defects need to know it."""
        agreed = found.price if found.move in ("recap", "condition", "close_deal") else None
        intent = state.partner_intent
        return defects.Where(
            offered=found.offered if state.partner_offer_open else None, agreed=agreed, price=found.price,
            refused=found.move in ("close_nodeal", "close_optout"),
            raised=intent.startswith("O") and intent not in ("O11", "O12", "O14", "O18"),
            opening=not self.memory.moves,
        )  # fmt: skip

    def spoiled(self, found: Plan, state: DialogueState, kind: str | None = None) -> tuple[str, str]:
        """A defective wording of a plan and the defect's kind (drawn when not given)."""
        where = self.where(found, state)
        if kind is None:
            kinds = defects.possible(where, self.writer)
            kind = self.rng.choices(list(kinds), list(kinds.values()))[0]
        text = self.word(found, self.rng.choice(("scripted", "scripted", "mediocre", "excellent")))
        said = defects.spoil(text, kind, where, self.writer, self.rng)
        if said == text:  # nothing there to spoil in this way (no number, no second sentence)
            kind = "over_promise"
            said = defects.spoil(text, kind, where, self.writer, self.rng)
        return said, kind

    def reply(self, history: Sequence[Message], quality: str | None = None) -> Turn:
        """The next reply; `quality` overrides the draw ("defect" for a spoiled one)."""
        found, state = self.plan(history)
        quality = quality or self.rng.choices((*QUALITIES, "defect"), self.shares)[0]
        kind = None
        if quality == "defect":
            text, kind = self.spoiled(found, state)
        else:
            text = self.word(found, quality)
            if self.eager and self.rng.random() < self.eager:
                text = self.writer.join([self.rng.choice(agent_bad.HYPE[self.writer.language]), text])
        self.remember(found)
        return Turn(text, found.move, quality, kind, replace(found), state)

    def remember(self, found: Plan) -> None:
        """Notes a move as made."""
        self.memory.moves.append(found.move)
        if found.move in ASKING and found.price is not None:
            self.memory.asked.append(found.price)
