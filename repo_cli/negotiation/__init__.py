"""Negotiation readers: prices, the dialogue's state, and the standard operating procedure (SOP).

Pure Python, without torch: rules, worlds and judges all read dialogues through this room.
"""

from __future__ import annotations

from .agent_reader import AgentText, is_ask, read_agent
from .prices import Price, read_prices
from .readers import (
    INTERRUPTS,
    OBJECTIONS,
    PartnerText,
    is_acceptance,
    is_hard_refusal,
    is_opt_out,
    is_refusal,
    partner_intents,
    read_partner,
)
from .records import DialogueState
from .sop import SEVEN_STAGES, SOP, Stage
from .state import dialogue_state, reply_stage
from .text import detect_language

__all__ = [
    "INTERRUPTS",
    "OBJECTIONS",
    "SEVEN_STAGES",
    "SOP",
    "AgentText",
    "DialogueState",
    "PartnerText",
    "Price",
    "Stage",
    "detect_language",
    "dialogue_state",
    "is_acceptance",
    "is_ask",
    "is_hard_refusal",
    "is_opt_out",
    "is_refusal",
    "partner_intents",
    "read_agent",
    "read_partner",
    "read_prices",
    "reply_stage",
]
