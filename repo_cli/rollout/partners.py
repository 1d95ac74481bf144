"""Counterparts of dialogues: the world's own, or a model behind an endpoint that plays the partner.

A counterpart at an endpoint is told its part by a prompt in which {scenario} stands for the scenario as JSON, with its
hidden part: it is the one who may know it. It ends the dialogue with a mark: [[deal 350]], or [[end REASON]]. What it
does wrong (no answer, an empty one, a mark that cannot be read) is a fault of the counterpart, never a result of the
agent: such a dialogue is counted apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from repo_cli.dialogue.messages import Message
from repo_cli.rollout.endpoint import Endpoint, EndpointError
from repo_cli.worlds.base import REASONS, Counterpart, PartnerTurn, World

_MARK = re.compile(r"\[\[(.*?)\]\]", re.S)
_DEAL = re.compile(r"deal\s+(\d+(?:\.\d+)?)\s*", re.I)
_END = re.compile(r"end\s+(\w+)\s*", re.I)


class Fault(Exception):
    """The counterpart, not the agent, has gone wrong."""


class Partners(Protocol):
    """The counterparts of several dialogues."""

    def replies(self, running: Sequence[tuple[int, list[Message]]]) -> list[PartnerTurn | Fault]:
        """The next turn of each dialogue (its number, its messages)."""


class WorldPartners:
    """One simulated counterpart for each dialogue."""

    def __init__(self, made: dict[int, Counterpart]) -> None:
        self.made = made

    @classmethod
    def of(cls, world: World, scenarios: dict[int, dict[str, Any]], seed: int) -> WorldPartners:
        """Seeded with (seed, number)."""
        return cls({n: world.counterpart(s, partner_seed(seed, n)) for n, s in scenarios.items()})

    def replies(self, running: Sequence[tuple[int, list[Message]]]) -> list[PartnerTurn | Fault]:
        """See Partners."""
        return [self.made[number].reply(messages) for number, messages in running]


class EndpointPartners:
    """One model plays all counterparts; roles are turned round for it."""

    def __init__(
        self, endpoint: Endpoint, prompt: str, scenarios: dict[int, dict[str, Any]], seed: int
    ) -> None:
        self.endpoint, self.prompt, self.scenarios, self.seed = endpoint, prompt, scenarios, seed

    def replies(self, running: Sequence[tuple[int, list[Message]]]) -> list[PartnerTurn | Fault]:
        """See Partners."""
        asked = [self._seen(number, messages) for number, messages in running]
        seeds = [partner_seed(self.seed, number) + len(messages) for number, messages in running]
        made = self.endpoint.complete_all(asked, seeds)
        out: list[PartnerTurn | Fault] = []
        for (_, messages), answer in zip(running, made, strict=True):
            if isinstance(answer, EndpointError):
                out.append(Fault(answer.message))
                continue
            turns = sum(m["role"] == "assistant" for m in messages)
            try:
                out.append(read_turn(answer.text, turns))
            except Fault as fault:
                out.append(fault)
        return out

    def _seen(self, number: int, messages: list[Message]) -> list[dict[str, str]]:
        scenario = json.dumps(self.scenarios[number], ensure_ascii=False)
        seen = [{"role": "system", "content": self.prompt.replace("{scenario}", scenario)}]
        swap = {"assistant": "user", "user": "assistant"}
        return seen + [
            {"role": swap[m["role"]], "content": m["content"]} for m in messages if m["role"] in swap
        ]


def read_turn(text: str, turns: int) -> PartnerTurn:
    """What a counterpart's answer says, and whether it ends the dialogue after `turns` agent turns; raises Fault."""
    marks = _MARK.findall(text)
    words = _MARK.sub("", text).strip()
    if len(marks) > 1:
        raise Fault(f"{len(marks)} end marks in one answer")
    if not marks:
        if not words:
            raise Fault("an empty answer")
        return PartnerTurn(words)
    mark = marks[0].strip()
    deal, end = _DEAL.fullmatch(mark), _END.fullmatch(mark)
    if deal:
        return PartnerTurn(
            words, True, {"deal": True, "price": float(deal[1]), "reason": "accepted", "turns": turns}
        )
    reason = end[1].lower() if end else ""
    if reason not in REASONS or reason in ("accepted", "max_turns"):
        raise Fault(f"an end mark that says neither a price nor a reason: [[{mark[:60]}]]")
    return PartnerTurn(words, True, {"deal": False, "price": None, "reason": reason, "turns": turns})


def partner_seed(seed: int, number: int) -> int:
    """The seed of the counterpart in dialogue `number`."""
    return seed * 1_000_003 + number
