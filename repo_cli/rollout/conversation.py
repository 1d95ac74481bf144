"""Whole conversations between an agent and a counterpart, many at a time.

All conversations that still run take their agent turn in one batch. The counterpart's words are context only: they
are never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.dialogue.messages import Message
from repo_cli.rollout.agents import Agent, Talk
from repo_cli.rollout.partners import Fault, Partners, WorldPartners, partner_seed
from repo_cli.training.memory import give_back
from repo_cli.worlds.base import World

__all__ = ["Conversation", "partner_seed", "run_conversations"]


@dataclass
class Conversation:
    """One conversation: `messages` with the agent as `assistant`; `outcome` as the counterpart gave it; `fault` says
    what the counterpart did wrong, where it ended the conversation."""

    scenario: dict[str, Any]
    messages: list[Message]
    outcome: dict[str, Any] = field(default_factory=dict)
    truncated_replies: int = 0
    fault: str | None = None


def opening_row(world: World, number: int, split: str, seed: int) -> dict[str, Any]:
    """The row (`prompt`, `scenario`) that begins a dialogue on scenario `number` of a split."""
    scenario = world.scenario(number, split)
    opening = world.counterpart(scenario, partner_seed(seed, number)).open()
    first = [{"role": "user", "content": opening}] if opening else []
    return {"prompt": [world.system_message(scenario), *first], "scenario": scenario}


def run_conversations(
    agent: Agent,
    world: World,
    rows: list[dict[str, Any]],
    max_turns: int,
    seed: int,
    on_turn: Callable[[int, int], None] | None = None,
    numbers: Sequence[int] | None = None,
    partners: Partners | None = None,
) -> list[Conversation]:
    """Play each prompts row (`prompt`, `scenario`) to its end, or for `max_turns` agent turns.

    The counterpart of a row is seeded with (seed, the row's number), so that every system meets the same ones;
    `numbers` are the rows' numbers where these rows are a part of more (default: their places). `partners` play
    instead of the world's. `on_turn(finished, total)` is called after each round, for a progress bar.
    """
    conversations = [Conversation(row["scenario"], [dict(m) for m in row["prompt"]]) for row in rows]
    numbers = range(len(rows)) if numbers is None else numbers
    if partners is None:
        scenarios = {n: row["scenario"] for n, row in zip(numbers, rows, strict=True)}
        partners = WorldPartners.of(world, scenarios, seed)
    running = list(range(len(rows)))
    for turn in range(max_turns):
        if not running:
            break
        talks = [Talk(conversations[i].messages, conversations[i].scenario, numbers[i]) for i in running]
        replies = agent.answer(talks, seed=seed * 1009 + turn)
        for i, reply in zip(running, replies, strict=True):
            conversations[i].truncated_replies += not reply.finished
            conversations[i].messages.append({"role": "assistant", "content": reply.text})
        answers = partners.replies([(numbers[i], conversations[i].messages) for i in running])
        still = []
        for i, answer in zip(running, answers, strict=True):
            conversation = conversations[i]
            if isinstance(answer, Fault):
                conversation.fault = str(answer)
                continue
            if answer.text:
                conversation.messages.append({"role": "user", "content": answer.text})
            if answer.ended:
                conversation.outcome = answer.outcome or {}
            else:
                still.append(i)
        running = still
        give_back()
        if on_turn is not None:
            on_turn(len(rows) - len(running), len(rows))
    for i in running:
        conversations[i].outcome = {"deal": False, "price": None, "reason": "max_turns", "turns": max_turns}
    return conversations
