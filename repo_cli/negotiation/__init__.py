"""Negotiation readers: prices, the dialogue's state, and the standard operating procedure (SOP).

Pure Python, without torch: rules, worlds and judges all read dialogues through this room.
"""

from __future__ import annotations

from .prices import Price, read_prices

__all__ = ["Price", "read_prices"]
