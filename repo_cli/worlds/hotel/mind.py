"""What the hotelier holds in mind between turns, and a move it may make."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Mind:
    """What the hotelier holds between turns. Prices are per night in the scenario's currency."""

    openness: float  # 0: nothing but the current price; 1: ready to go to the reserve
    patience: float
    offer: float | None = None  # its standing counter
    agreed: float | None = None
    confirmed: bool = False
    engaged: bool = False
    hard: bool = False  # it asked to be left alone
    pending: str | None = None  # an objection or question that waits for an answer
    net_sell: float | None = None  # the sell price behind a net rate it named
    last_ask: float | None = None
    last_move: str = ""
    asks: int = 0
    refusals: int = 0
    counters: int = 0
    raised: frozenset[str] = frozenset()
    met: frozenset[str] = frozenset()  # concerns that were answered
    heard: frozenset[str] = frozenset()  # reasons that were given
    fresh: int = 0  # new reasons and answered concerns in the reply at hand
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> int:
        """Notes that something happened, and says how often it has."""
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]

    def copy(self) -> Mind:
        new = Mind.__new__(Mind)  # a third of the time of dataclasses.replace
        new.__dict__.update(self.__dict__)
        new.counts = dict(self.counts)
        return new


@dataclass(frozen=True)
class Move:
    """What the hotelier does: an intent of the phrase bank, a price to say, and an ending if it ends."""

    intent: str
    price: float | None = None
    end: str | None = None  # a reason of `worlds.base.REASONS`
    again: bool = False  # said as a repetition
    net: float | None = None
