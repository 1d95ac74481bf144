"""The state of a negotiation and the public numbers that its reading needs; filled by state.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class DialogueState:
    """A negotiation as it stands before the next agent reply; amounts in the scenario's currency, per night."""

    partner_offer: float | None = None  # last price the hotel named as its own
    partner_offer_open: bool = False  # that offer stands and the agent has not taken it
    partner_net: float | None = None  # last net rate the hotel named
    agreed_price: float | None = None  # both sides have said yes to it
    conditions: list[str] = field(default_factory=list)  # partner messages that tie a yes to a condition
    refusals: int = 0  # partner messages that say no
    hard_refusal: bool = False  # a final no
    opted_out: bool = False  # asked not to be written to
    asks: int = 0  # agent replies that ask for a lower price
    agent_prices: list[float] = field(default_factory=list)  # prices the agent asked for, in order
    agent_stages: list[str] = field(default_factory=list)  # SOP stage of each agent reply
    pending: float | None = None  # the figure a "yes" would accept now
    stage: str = "S1"  # the stage the next agent reply belongs in
    last_stage: str | None = None  # the stage of the last agent reply
    partner_intent: str = (
        "other"  # O01..O18, accept, counter, refusal, question or other; of the last message
    )
    partner_intents: tuple[str, ...] = ()  # everything the last partner message shows
    partner_turns: int = 0
    agent_turns: int = 0
    partner_confirmed: bool = False  # explicit yes after the agent's recap
    language: str = "en"


@dataclass(frozen=True)
class Brief:
    """The public numbers of a scenario that the reading of a dialogue needs."""

    current: float | None = None
    acceptable: float | None = None
    max_asks: int = 3
    known: tuple[float, ...] = ()  # competitor prices
    language: str | None = None

    @classmethod
    def of(cls, scenario: Mapping[str, Any] | None) -> Brief:
        """From a scenario mapping; missing or malformed parts are left out."""
        s = scenario or {}

        def number(x: Any) -> float | None:
            return x if isinstance(x, (int, float)) and not isinstance(x, bool) else None

        facts = s.get("facts") or []
        rivals = [f for f in facts if isinstance(f, Mapping) and "price" in str(f.get("type", ""))]
        known = [x for f in rivals if (x := number(f.get("value"))) is not None]
        most = number(s.get("max_asks"))
        return cls(
            number(s.get("current_price")),
            number(s.get("acceptable_price")),
            3 if most is None else int(most),
            tuple(known),
            s.get("language") if s.get("language") in ("en", "zh") else None,
        )
