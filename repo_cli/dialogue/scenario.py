"""A scenario's two sides: what the agent may know, and what only its partner and the hidden oracle know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HIDDEN = (
    "hotel_hidden"  # for the simulator and the hidden oracle alone; no reward, prompt or report may read it
)


def public_side(scenario: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy without the hidden side; {} for None."""
    return {key: value for key, value in (scenario or {}).items() if key != HIDDEN}
