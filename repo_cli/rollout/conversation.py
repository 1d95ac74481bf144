"""Whole conversations between an agent (the engine) and a world's counterpart, many at a time.

All conversations that still run take their agent turn in one generation batch. The counterpart's words are
context only: they are never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.dialogue.messages import Message
from repo_cli.errors import UserError
from repo_cli.rollout.engine import LocalEngine
from repo_cli.training.memory import give_back
from repo_cli.worlds.base import World


@dataclass
class Conversation:
    """One conversation: `messages` with the agent as `assistant`; `outcome` as the world's counterpart gave it."""

    scenario: dict[str, Any]
    messages: list[Message]
    outcome: dict[str, Any] = field(default_factory=dict)
    truncated_replies: int = 0


def partner_seed(seed: int, number: int) -> int:
    """The seed of the counterpart in dialogue `number`."""
    return seed * 1_000_003 + number


def run_conversations(
    engine: LocalEngine,
    world: World,
    rows: list[dict[str, Any]],
    max_turns: int,
    seed: int,
    on_turn: Callable[[int, int], None] | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Conversation]:
    """Play each prompts row (`prompt`, `scenario`) to its end, or for `max_turns` agent turns.

    The counterpart of a row is seeded with (seed, the row's number), so that every system meets the same ones;
    `numbers` are the rows' numbers where these rows are a part of more (default: their places).
    `on_turn(finished, total)` is called after each round, for a progress bar.
    """
    conversations = [Conversation(row["scenario"], [dict(m) for m in row["prompt"]]) for row in rows]
    numbers = range(len(rows)) if numbers is None else numbers
    partners = [
        world.counterpart(row["scenario"], partner_seed(seed, i))
        for i, row in zip(numbers, rows, strict=True)
    ]
    running = list(range(len(rows)))
    for turn in range(max_turns):
        if not running:
            break
        contexts = []
        for i in running:
            try:
                contexts.append(engine.backbone.fmt.context_ids(conversations[i].messages))
            except UserError as error:
                raise UserError(f"conversation {i}: {error.message}", hint=error.hint) from error
        replies = engine.generate(contexts, seed=seed * 1009 + turn)
        still = []
        for i, reply in zip(running, replies, strict=True):
            conversation = conversations[i]
            conversation.truncated_replies += not reply.finished
            conversation.messages.append({"role": "assistant", "content": reply.text})
            answer = partners[i].reply(conversation.messages)
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
