"""The hotelier's price: what it accepts, how it comes down, and how it keeps to what was agreed.

With openness o in [0, 1] it accepts an ask a when
    a >= reserve + (current - reserve) * max(0, 0.7 - o),
so a well-argued ask is accepted at the reserve itself and a bare one only well above it, never below the
reserve. Its counters move from the current price towards the reserve, further when new reasons were given.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from repo_cli.worlds.hotel.mind import Mind, Move
from repo_cli.worlds.hotel.understand import AgentAct

_ENOUGH = 0.7  # openness at which the reserve itself is acceptable


def accept_level(mind: Mind, scenario: dict[str, Any]) -> float:
    """The lowest ask the hotelier says yes to in its present frame of mind."""
    current, reserve = scenario["current_price"], scenario["hotel_hidden"]["reserve"]
    return reserve + (current - reserve) * max(0.0, _ENOUGH - mind.openness)


def settle_deal(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    """Moves that concern a price both have named: acceptance, recap, retrading."""
    if mind.agreed is None:
        return _agent_accepts(mind, act, scenario)
    low = act.asks_price if act.asks_price is not None else act.accepts
    if low is not None and low != mind.agreed and act.recap_price is None:
        return _retrade(mind, low)
    if act.vague_ask:
        return _retrade(mind, mind.agreed - 1)
    if act.recap_price is not None and act.recap_price != mind.agreed:
        mind.patience -= 1.5
        if mind.count("wrong_recap") > 1:
            return Move("hangup", end="hangup")
        return Move("recap_wrong", price=mind.agreed)
    if mind.confirmed:
        return Move("bye_deal", end="accepted")
    if act.recap_price == mind.agreed or act.accepts == mind.agreed or (act.recap and act.dates):
        mind.confirmed = True
        return Move("confirm_yes")
    if mind.count("settled") > 3:
        return Move("hangup", end="hangup")
    return Move("settled", price=mind.agreed)


def _retrade(mind: Mind, low: float) -> Move:
    if mind.agreed is not None and low > mind.agreed:
        mind.agreed = low
        return Move("accept", price=low)
    mind.patience -= 2
    if mind.count("retrade") > 1 or mind.patience <= -1:
        mind.agreed = None
        return Move("hangup", end="hangup")
    mind.confirmed = False
    return Move("retrade", price=mind.agreed)


def _agent_accepts(mind: Mind, act: AgentAct, scenario: dict[str, Any]) -> Move | None:
    """The agent says yes to the hotel's own number, hears it wrong, or takes a net rate for a sell price."""
    taken = act.accepts if act.accepts is not None else act.recap_price
    if taken is None and act.accepts_any and mind.offer is not None and not act.questions:
        taken = mind.offer
    if taken is None:
        return None
    if mind.pending == "net" or (mind.net_sell is not None and taken == round(mind.net_sell * 0.85)):
        mind.pending, mind.offer = None, mind.net_sell
        return Move("net_explain", price=mind.net_sell)
    if mind.offer is None:
        return None
    if taken < mind.offer:
        mind.patience -= 1
        if mind.count("misheard") > 2:
            return Move("hangup", end="hangup")
        return Move("misheard", price=mind.offer)
    if taken >= scenario["current_price"] and mind.offer < scenario["current_price"]:
        return Move("misheard", price=mind.offer)
    mind.agreed, mind.pending = taken, None
    if act.recap_price == taken and act.recap:
        mind.confirmed = True
        return Move("confirm_yes")
    return Move("accept", price=taken)


def answer_ask(
    mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random, raise_concern: Callable[..., Move]
) -> Move:
    """Answers a price that the agent asks for."""
    ask = act.asks_price if act.asks_price is not None else act.accepts
    assert ask is not None
    current, hidden = scenario["current_price"], scenario["hotel_hidden"]
    reserve, chance = hidden["reserve"], rng.random()
    mind.asks += 1
    if mind.refusals >= 2:
        mind.count("after_no")
        return _end_of_patience(mind, chance)
    if ask >= current:
        return Move("above")
    if ask < max(0.86 * reserve, 0.9 * scenario["floor_ask"]):
        mind.patience -= 2
        return Move("too_low") if mind.patience > 0 else _end_of_patience(mind, chance)
    if ask == mind.last_ask and not act.reasons and not act.empathy:
        mind.patience -= 1.3
        return Move("same_again") if mind.patience > 0 else _end_of_patience(mind, chance)
    mind.last_ask = ask
    mind.openness = min(mind.openness + 0.03, 1.1)
    mind.patience -= 0.4 if mind.fresh else 0.9 if act.empathy else 1.2
    if mind.offer is not None and ask >= mind.offer:
        return _say_yes(mind, ask, hidden)
    root_open = hidden["root_concern"] not in mind.raised
    if ask >= reserve and ask >= accept_level(mind, scenario) and not (root_open and chance < 0.5):
        return _say_yes(mind, ask, hidden)
    if root_open:
        return raise_concern(mind, scenario)
    if mind.patience <= 0:
        return _end_of_patience(mind, chance)
    return drop_price(mind, scenario, rng, ask)


def _say_yes(mind: Mind, price: float, hidden: dict[str, Any]) -> Move:
    mind.agreed, mind.pending = price, None
    return Move("accept_only" if "O12" in hidden["objections"] else "accept", price=price)


def _end_of_patience(mind: Mind, chance: float) -> Move:
    """First a plain no; asked again, the hotelier hangs up or wants to be left alone."""
    mind.refusals += 1
    if mind.refusals <= 2 and mind.counts.get("after_no", 0) == 0 and mind.patience > -1.5:
        return Move("refuse_again")
    if chance < 0.5:
        mind.hard = True
        return Move("hard")
    return Move("hangup", end="hangup")


def drop_price(mind: Mind, scenario: dict[str, Any], rng: Random, ask: float | None = None) -> Move:
    """A counter below the present price if the hotelier has room and is open enough, else a refusal."""
    current, reserve = scenario["current_price"], scenario["hotel_hidden"]["reserve"]
    start = mind.offer if mind.offer is not None else current
    goal = max(reserve, ask or 0)
    share = min(0.95, 0.2 + 0.7 * mind.openness)
    price = _round_price(start - (start - goal) * share, reserve, rng)
    if current - reserve < 0.03 * current or price >= current - 1:
        mind.refusals += 1
        return Move("refuse" if mind.refusals < 2 else "refuse_again")
    if mind.offer is not None and (price >= mind.offer or mind.counters >= 3):
        mind.count("firm")
        if mind.counts["firm"] > 1:
            mind.refusals += 1
        return Move("counter_last", price=mind.offer)
    mind.offer = price
    mind.counters += 1
    return Move("counter" if mind.counters < 3 else "counter_last", price=price)


def _round_price(price: float, reserve: float, rng: Random) -> int:
    """A price as hoteliers name them: often a multiple of five or ending in 8, never below the reserve."""
    kind = rng.random()
    value = int(round(price))
    if kind < 0.5:
        value = int(round(price / 5) * 5)
    elif kind < 0.7:
        value = int(round((price - 8) / 10) * 10 + 8)
    return max(value, int(reserve) if reserve == int(reserve) else int(reserve) + 1)
