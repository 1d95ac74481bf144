"""Who may speak for the platform in an evaluation: a model on this machine, the world's own agents, an endpoint.

An agent answers many dialogues at once. LocalEngine is one (`answer`); the others are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from repo_cli.dialogue.messages import Message
from repo_cli.rollout.endpoint import Endpoint
from repo_cli.worlds.base import Speaker, World

#: called with (how many replies are done, of how many)
Progress = Callable[[int, int], None]


@dataclass
class Talk:
    """One dialogue so far. `number` tells the dialogues of a run apart (bad cases and contexts too)."""

    messages: list[Message]
    scenario: dict[str, Any]
    number: int


@dataclass
class Said:
    """One reply; `finished` is false when a length limit cut it."""

    text: str
    finished: bool = True


class Spoken(Protocol):
    """What a reply must tell; Said and the engine's Reply do."""

    @property
    def text(self) -> str: ...

    @property
    def finished(self) -> bool: ...


class Agent(Protocol):
    """Anything that can be evaluated."""

    def answer(self, talks: Sequence[Talk], seed: int, on_done: Progress | None = None) -> Sequence[Spoken]:
        """One reply for each dialogue, in their order."""


class WorldAgent:
    """The world's own agent of some name. It remembers a dialogue by its number as long as that goes on; where the
    history is not its own work it is started anew."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self._speakers: dict[int, tuple[Speaker, list[str]]] = {}

    def answer(self, talks: Sequence[Talk], seed: int, on_done: Progress | None = None) -> list[Said]:
        """See Agent."""
        said = []
        for place, talk in enumerate(talks, start=1):
            mine = [m["content"] for m in talk.messages if m["role"] == "assistant"]
            speaker, before = self._speakers.get(talk.number, (None, []))
            if speaker is None or before != mine:
                speaker = self.world.agent(self.name, talk.scenario, seed * 1_000_003 + talk.number)
            text = speaker.reply(talk.messages)
            self._speakers[talk.number] = (speaker, [*mine, text])
            said.append(Said(text))
            if on_done is not None:
                on_done(place, len(talks))
        return said


class EndpointAgent:
    """A model behind an OpenAI-compatible endpoint. The brief is its system message; nothing hidden is sent."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def answer(self, talks: Sequence[Talk], seed: int, on_done: Progress | None = None) -> list[Said]:
        """See Agent. A reply that does not come ends the evaluation: it is the system that is measured."""
        made = self.endpoint.complete_all(
            [[{"role": m["role"], "content": m["content"]} for m in talk.messages] for talk in talks],
            [seed * 1_000_003 + talk.number for talk in talks],
            on_done,
        )
        for reply in made:
            if isinstance(reply, Exception):
                raise reply
        return [Said(reply.text, reply.finished) for reply in made if not isinstance(reply, Exception)]
