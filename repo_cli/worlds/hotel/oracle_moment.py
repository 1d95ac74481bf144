"""One agent turn with all that its rating needs, as the small judges of oracle_moves and oracle_deals see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from repo_cli.worlds.hotel.oracle_read import PartnerReading, ReplyReading
from repo_cli.worlds.hotel.oracle_state import State


@dataclass
class Moment:
    """One agent turn with all that its rating needs."""

    reply: ReplyReading
    partner: PartnerReading | None
    state: State
    need: str
    asked: list[float]
    vague: bool
    evidence: bool
    flaws: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def has(self, *moves: str) -> bool:
        return any(move in self.reply.moves for move in moves)

    @property
    def ask(self) -> bool:
        return bool(self.asked) or self.vague

    @property
    def question(self) -> bool:
        return self.reply.fluency.questions > 0

    @property
    def named(self) -> frozenset[str]:
        """Concerns that the partner voiced in the last message and the reply names."""
        return self.reply.concerns & self.partner.concerns if self.partner else frozenset()

    @property
    def substance(self) -> bool:
        return self.evidence or bool(self.reply.classes) or self.has("option", "reason", "weak_nights")

    @property
    def closes(self) -> bool:
        return self.has("close") and not self.ask

    def flaw(self, kind: str, severity: int = 1) -> None:
        if (kind, severity) not in self.flaws:
            self.flaws.append((kind, severity))


def add_up(*parts: tuple[bool, float]) -> float:
    """The weights of the parts that hold, 1 at most."""
    return min(1.0, sum(weight for holds, weight in parts if holds))
