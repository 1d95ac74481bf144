"""The hotelier: the counterpart of one dialogue, a pure function of (scenario, seed, history).

The state is folded over the agent's replies, so the same history always meets the same partner; what was
folded before is kept, and a history that was written by others (a bad case, say) is read instead of
assumed. Chance decides wording and small choices, and depends on seed and turn alone: when only the price
in a reply changes, only what follows from the price changes.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

from repo_cli.negotiation import read_prices
from repo_cli.worlds.base import Message, PartnerTurn, make_outcome
from repo_cli.worlds.hotel.mind import Mind
from repo_cli.worlds.hotel.moves import decide
from repo_cli.worlds.hotel.speech import say, wrap
from repo_cli.worlds.hotel.understand import read_agent_reply

_START_OPENNESS = {"friendly": 0.18, "busy": 0.12, "suspicious": 0.08, "angry": 0.02}


class Hotelier:
    """Satisfies `worlds.base.Counterpart`."""

    def __init__(self, scenario: dict[str, Any], seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        # (agent reply, partner text that followed, state after it), as far as the last history went
        self._log: list[tuple[str, str, Mind]] = []

    def open(self) -> str | None:
        """A short greeting in about 30% of dialogues; None when the agent opens."""
        rng = self._rng(0)
        return say("greet", rng, self.scenario) if rng.random() < 0.3 else None

    def reply(self, history: list[Message]) -> PartnerTurn:
        """The next turn after `history`, which must end with a reply of the agent."""
        turns = _turns(history)
        if not turns or turns[-1][1] is not None:
            raise ValueError("the history must end with a reply of the agent")
        mind, done = self._resume(turns)
        for number in range(done, len(turns)):
            agent, partner = turns[number]
            earlier = [{"role": "assistant", "content": text} for text, _ in turns[:number]]
            before = mind.copy()
            turn = self._answer(mind, agent, earlier, number + 1)
            if partner is None:
                # the next history most likely holds this very text: then nothing need be read again
                self._log.append((agent, turn.text, mind.copy()))
                return turn
            if partner != turn.text:
                mind = _adopt(before, partner, self.scenario)
            self._log.append((agent, partner, mind.copy()))
        raise AssertionError("unreachable: the last turn has no partner text")

    def _resume(self, turns: list[tuple[str, str | None]]) -> tuple[Mind, int]:
        done = 0
        for (agent, partner, _), (now_agent, now_partner) in zip(self._log, turns, strict=False):
            if (agent, partner) != (now_agent, now_partner):
                break
            done += 1
        del self._log[done:]
        if done:
            return self._log[-1][2].copy(), done
        hidden = self.scenario["hotel_hidden"]
        return Mind(openness=_START_OPENNESS[hidden["mood"]], patience=float(hidden["patience"])), 0

    def _answer(self, mind: Mind, agent: str, earlier: list[Message], number: int) -> PartnerTurn:
        rng = self._rng(number)
        act = read_agent_reply(agent, earlier, self.scenario, offer=mind.offer, agreed=mind.agreed)
        move = decide(mind, act, self.scenario, rng)
        mind.last_move = move.intent
        words = Random(f"words|{self.seed}|{self.scenario['id']}|{number}")
        text = say(move.intent, words, self.scenario, price=move.price, net=move.net)
        if move.again:
            text = wrap("again", text, words, self.scenario["language"])
        if move.end is None:
            return PartnerTurn(text)
        deal = move.end == "accepted"
        return PartnerTurn(text, True, make_outcome(deal, mind.agreed, move.end, number))

    def _rng(self, number: int) -> Random:
        return Random(f"{self.seed}|{self.scenario['id']}|{number}")


def _turns(history: list[Message]) -> list[tuple[str, str | None]]:
    """Pairs of agent reply and the partner's answer to it; what the partner said first is left out."""
    turns: list[tuple[str, str | None]] = []
    for message in history:
        if message["role"] == "assistant":
            turns.append((message["content"], None))
        elif message["role"] == "user" and turns:
            turns[-1] = (turns[-1][0], message["content"])
    return turns


_YES = re.compile(
    r"\b(?:ok|okay|fine|deal|agreed?|all right|yes|works|go ahead)\b|可以|行|好吧|成|同意|没问题"
)
_STOP = re.compile(
    r"stop (?:messaging|writing|calling)|don't (?:contact|write|message|call)|leave me alone"
    r"|别再|不要再|别烦|别联系"
)
_NO = re.compile(r"\bno\b|won't|can't|not (?:going|lower)|stay at|keep(?:ing)? |不降|不行|不了|不动|维持")
_COUNTER = re.compile(
    r"could do|can do|make it|let's say|best|how about|at least|last|take it|not lower"
    r"|最多|最低|至少|爱要不要|差不多|考虑"
)
_CONFIRM = re.compile(r"correct|confirmed|that's right|go ahead|确认|没错|提交")


def _adopt(mind: Mind, text: str, scenario: dict[str, Any]) -> Mind:
    """The state after a partner turn that this hotelier did not say itself: read from the text."""
    low = text.lower()
    mind.engaged = True
    prices: list[Any] = [
        price.value[1] if isinstance(price.value, (list, tuple)) else price.value
        for price in read_prices(
            text, language=scenario["language"], current=scenario["current_price"], offer=mind.offer
        )
        if price.kind in ("price", "bound")
    ]
    named = [
        value for value in prices if isinstance(value, (int, float)) and value != scenario["current_price"]
    ]
    if _STOP.search(low):
        mind.hard = True
    elif named and _YES.search(low) and not _COUNTER.search(low) and not _NO.search(low):
        mind.agreed, mind.offer = named[-1], named[-1]
    elif named:
        mind.offer = named[-1]
        mind.counters += 1
    elif mind.agreed is not None and _CONFIRM.search(low):
        mind.confirmed = True
    elif _NO.search(low):
        mind.refusals += 1
    mind.last_move = "adopted"
    return mind
