"""What the hotelier does next: `decide(mind, act, scenario, rng) -> Move`.

The order is the order of what strikes a person first: a text that cannot be read, a threat or a lie, a
wrong fact, then the state of the deal, then the question that was asked, then price and reasons. `decide`
changes `mind`.
"""

from __future__ import annotations

from random import Random
from typing import Any

from repo_cli.worlds.hotel.haggling import answer_ask, drop_price, settle_deal
from repo_cli.worlds.hotel.mind import Mind, Move
from repo_cli.worlds.hotel.understand import AgentAct

#: What an answered concern is worth to the hotelier, and each kind of reason the first time it is heard.
_CONCERN_MET = 0.32
_HALF_MET = 0.06
_REASON_WORTH = {"comparison": 0.15, "class": 0.17, "date_limit": 0.13, "demand": 0.10, "choice": 0.06}

_SIDE = {
    "O07": "side.ai",
    "O10": "side.compare",
    "O15": "side.review",
    "O16": "side.offtopic",
    "O18": "side.ack",
}
_OBJECTION = {"O09": "obj.pays", "O06": "obj.scam", "O17": "obj.forced", "O13": "obj.net"}


def decide(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move:
    """The move that answers `act`; updates `mind`."""
    steps = (
        _unreadable,
        _offence,
        _farewell,
        _wrong_facts,
        _mode,
        _first_contact,
        _deal,
        _answered,
        _business,
    )
    mind.fresh = 0
    if mind.count("turn") > 6:
        mind.patience -= 0.3
    for step in steps:
        move = step(mind, act, scenario, rng)
        if move is not None:
            return move
    raise AssertionError("unreachable: the last step always answers")


def _unreadable(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    if act.garbled or "meta" in act.tactics:
        mind.patience -= 1
        return Move("garbled") if mind.count("garbled") < 2 else Move("garbled_end", end="hangup")
    if act.off_language:
        mind.patience -= 1
        return Move("language") if mind.count("garbled") < 2 else Move("garbled_end", end="hangup")
    if act.repeats and not mind.confirmed and not (act.closes and not act.questions):
        mind.patience -= 1
        return Move("repeat") if mind.count("repeat") < 2 else Move("hangup", end="hangup")
    return None


def _offence(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    """Threats, insults, tricks and promises: none of them ever brings the price down."""
    tactics, angry = act.tactics, scenario["hotel_hidden"]["mood"] == "angry"
    chance = rng.random()
    if tactics & {"secrets", "off_platform"}:
        return Move("secrets", end="hangup")
    if act.coercion:
        mind.patience, mind.openness = mind.patience - 2.5, mind.openness - 0.3
        if mind.count("threat") > 1 or angry or chance < 0.35 or mind.patience <= 0:
            return Move("threat_end", end="hangup")
        return Move("threat")
    if "insult" in tactics:
        mind.patience, mind.openness = mind.patience - 1.5, mind.openness - 0.2
        if mind.count("insult") > 1 or angry or mind.patience <= 0:
            return Move("insult_end", end="hangup")
        return Move("insult")
    if "done" in tactics and mind.agreed is None:
        mind.patience, mind.openness = mind.patience - 2, mind.openness - 0.2
        return Move("changed") if mind.count("done") < 2 else Move("changed_end", end="optout")
    if act.over_promise:
        mind.patience -= 0.7
        return Move("promise") if mind.count("promise") < 2 else Move("promise_end", end="refused")
    if tactics & {"deadline", "fake_rule", "social_proof"}:
        mind.patience, mind.openness = mind.patience - 1, mind.openness - 0.1
        return Move("fake_claim") if mind.count("fake") < 3 else Move("hangup", end="hangup")
    if "human" in tactics and (mind.pending == "side.ai" or scenario["hotel_hidden"]["mood"] == "suspicious"):
        mind.patience, mind.openness, mind.pending = mind.patience - 1.5, mind.openness - 0.2, None
        return Move("human") if mind.count("human") < 2 else Move("hangup", end="hangup")
    return None


def _farewell(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    """The agent takes its leave, or goes on although it was told to stop."""
    if mind.hard:
        return Move("bye_optout", end="optout") if not act.asks else Move("hangup", end="hangup")
    if not act.closes or act.questions and act.question not in ("recap",):
        return None
    if mind.agreed is not None:
        if act.recap_price is not None and act.recap_price != mind.agreed and not mind.confirmed:
            return None
        return Move("bye_deal", end="accepted")
    if act.accepts is not None and mind.offer is not None and act.accepts == mind.offer:
        return None
    if act.current_claim is not None and act.reasons & {"comparison"}:
        return None
    concern = scenario["hotel_hidden"]["root_concern"]
    if concern == "authority" and "authority" in mind.raised:
        return Move("bye_handover", end="handover")
    if concern == "busy" and "busy" in mind.raised:
        return Move("bye_callback", end="callback")
    if mind.refusals or mind.counters or mind.asks:
        return Move("bye_refused", end="refused")
    return Move("bye_callback", end="callback") if act.callback else Move("bye_refused", end="refused")


def _wrong_facts(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    if act.wrong_dates:
        mind.patience -= 0.7
        return Move("dates_wrong")
    if act.wrong_room:
        mind.patience -= 0.7
        return Move("room_wrong")
    if act.current_claim is not None and act.current_claim not in (scenario["current_price"], mind.offer):
        mind.patience -= 0.7
        return Move("current_wrong")
    sourced = [fact["value"] for fact in scenario["facts"] if fact["type"] == "competitor_price"]
    if act.competitor_price is not None and act.competitor_price not in sourced:
        mind.patience, mind.openness = mind.patience - 1, mind.openness - 0.1
        return Move("claim_wrong") if mind.count("claim") < 3 else Move("hangup", end="hangup")
    return None


def _mode(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    """Partners who cannot decide, or have no time: the only way on is another person or another time."""
    concern = scenario["hotel_hidden"]["root_concern"]
    if concern not in ("authority", "busy"):
        return None
    if concern not in mind.raised:
        if concern == "authority" and not act.asks and mind.count("warm") < 2 and rng.random() < 0.45:
            mind.engaged = True
            return Move("facts_yes" if act.question == "facts_check" else "go_ahead")
        mind.raised |= {concern}
        mind.engaged = True
        return Move(f"obj.{concern}")
    if act.asks:
        mind.patience -= 1.6
        if mind.patience <= 0 or mind.count("pressed") > 2:
            return Move("hangup", end="hangup")
        return Move("boss_press" if concern == "authority" else "later_press")
    if concern == "authority":
        return _authority(mind, act)
    if act.callback or act.questions:
        return Move("later_time") if mind.count("later") < 3 else Move("bye_callback", end="callback")
    mind.patience -= 0.7
    return Move("later_press") if mind.patience > 0 else Move("hangup", end="hangup")


def _authority(mind: Mind, act: AgentAct) -> Move:
    if act.questions and (act.handover or act.callback or "authority" in act.concerns):
        return Move("boss") if mind.count("boss") < 3 else Move("bye_handover", end="handover")
    if act.handover or act.callback:
        return Move("boss_note") if mind.count("note") < 2 else Move("bye_handover", end="handover")
    mind.patience -= 0.7
    return Move("obj.authority", again=True) if mind.patience > 0 else Move("hangup", end="hangup")


def _first_contact(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    if mind.engaged:
        return None
    chance, hidden = rng.random(), scenario["hotel_hidden"]
    if act.identity is None and mind.count("unknown") < 2:
        mind.patience -= 0.4
        return Move("who_is_this")
    mind.engaged = True
    if hidden["root_concern"] == "distrust" and "O06" in hidden["objections"] and chance < 0.7:
        return _raise(mind, "distrust", "obj.scam")
    if "O07" in hidden["objections"] and chance < 0.5:
        return _ask_back(mind, "side.ai")
    if act.asks or act.reasons & {"comparison", "demand"}:
        return None
    return Move(
        "facts_yes" if act.question == "facts_check" and act.current_claim is not None else "go_ahead"
    )


def _deal(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    return settle_deal(mind, act, scenario, rng)


def _answered(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move | None:
    """Whether the reply answers what the hotelier brought up; None lets the rest of the reply count."""
    pending, chance = mind.pending, rng.random()
    if pending is None:
        _hear(mind, act)
        return None
    mind.pending = None
    if pending in _SIDE.values():
        good = {
            "side.ai": act.identity == "ai",
            "side.compare": bool(act.reasons & {"comparison"}) or act.empathy or bool(act.dates),
            "side.review": act.complaint or act.scope or act.empathy,
        }.get(pending, True)
        _hear(mind, act)
        if good:
            mind.openness += 0.04
            return (
                None if _has_business(act) else Move("open_up" if pending == "side.compare" else "what_now")
            )
        mind.patience -= 0.8
        if mind.count(pending) < 2:
            mind.pending = pending
        return Move("not_answered")
    if pending == "net":
        if act.asks or act.accepts is not None:
            _hear(mind, act)
            return None
        mind.offer = mind.net_sell
        mind.counters += 1
        return Move("net_explain", price=mind.net_sell)
    return _concern_answered(mind, act, scenario, pending, chance)


def _concern_answered(
    mind: Mind, act: AgentAct, scenario: dict[str, Any], concern: str, chance: float
) -> Move | None:
    named = (
        concern in act.concerns or (concern == "distrust" and act.verify) or (concern == "fees" and act.scope)
    )
    if named:
        mind.openness += _CONCERN_MET if act.empathy else 0.22
        mind.fresh += 1
        mind.met |= {concern}
    elif act.empathy or len(act.reasons - mind.heard) >= 2:
        mind.openness += _HALF_MET
    _hear(mind, act)
    if named or (act.empathy and chance < 0.6):
        return None if _has_business(act) else Move("open_up")
    if act.asks and act.empathy:
        return None
    mind.patience -= 1
    if mind.count("unheard") >= 3:
        mind.refusals += 1
        return Move("refuse")
    mind.pending = concern
    return Move(_objection(scenario), again=True, net=_net(mind, scenario))


def _hear(mind: Mind, act: AgentAct) -> None:
    """Reasons count the first time; class and date limits are worth more than a bare figure."""
    fresh = act.reasons - mind.heard
    mind.openness += sum(_REASON_WORTH[reason] for reason in fresh)
    mind.openness = min(max(mind.openness, 0.0), 1.1)
    mind.heard |= fresh
    mind.fresh += len(fresh)
    if act.words > 60:
        mind.patience -= 0.5


def _has_business(act: AgentAct) -> bool:
    """Whether the reply moves the talk on by itself."""
    return act.asks or act.accepts is not None or act.question == "facts_check"


def _business(mind: Mind, act: AgentAct, scenario: dict[str, Any], rng: Random) -> Move:
    hidden, chance = scenario["hotel_hidden"], rng.random()
    concern = hidden["root_concern"]
    if act.asks_price is not None or (act.accepts is not None and mind.offer is None):
        return answer_ask(mind, act, scenario, rng, raise_concern=_raise_root)
    if act.vague_ask:
        if concern not in mind.raised:
            return _raise_root(mind, scenario)
        mind.patience -= 0.5
        return drop_price(mind, scenario, rng) if mind.openness >= 0.5 else Move("how_much")
    if act.question == "facts_check" and not act.reasons & {"comparison", "demand"}:
        return Move("facts_yes") if mind.count("facts") < 3 else Move("what_now")
    if act.reasons & {"comparison", "demand", "class", "date_limit"}:
        if concern not in mind.raised and chance < 0.8:
            return _raise_root(mind, scenario)
        if (
            "comparison" in act.reasons
            and "O10" in hidden["objections"]
            and "side.compare" not in mind.raised
        ):
            return _ask_back(mind, "side.compare")
        return Move("open_up" if mind.openness > 0.5 else "maybe")
    for item in hidden["objections"]:
        side = _SIDE.get(item)
        if side and side not in mind.raised and side != "side.compare" and chance < 0.5:
            return _ask_back(mind, side)
    if act.question == "opinion" and concern not in mind.raised:
        return _raise_root(mind, scenario)
    if mind.count("idle") > 3:
        mind.patience -= 1
        if mind.patience <= 0:
            return Move("hangup", end="hangup")
    return Move("maybe" if concern in mind.raised else "what_now")


def _raise(mind: Mind, concern: str, intent: str) -> Move:
    mind.raised |= {concern}
    mind.pending = concern
    return Move(intent)


def _raise_root(mind: Mind, scenario: dict[str, Any]) -> Move:
    """The root concern, in the words of the scenario's first objection."""
    concern = scenario["hotel_hidden"]["root_concern"]
    mind.raised |= {concern}
    mind.pending = concern
    net = _net(mind, scenario)
    if net is not None:
        mind.pending = "net"
    return Move(_objection(scenario), net=net)


def _objection(scenario: dict[str, Any]) -> str:
    hidden = scenario["hotel_hidden"]
    intent = _OBJECTION.get(hidden["objections"][0], f"obj.{hidden['root_concern']}")
    return "obj.scam" if intent == "obj.distrust" else intent


def _net(mind: Mind, scenario: dict[str, Any]) -> float | None:
    """The net rate of a hotelier who thinks in net rates; remembers the sell price that belongs to it."""
    hidden = scenario["hotel_hidden"]
    if hidden["objections"][0] != "O13":
        return None
    if mind.net_sell is None:
        current, reserve = scenario["current_price"], hidden["reserve"]
        mind.net_sell = min(current - 1, max(reserve, round(current - (current - reserve) * 0.6)))
    return round(mind.net_sell * 0.85)


def _ask_back(mind: Mind, intent: str) -> Move:
    mind.raised |= {intent}
    if intent != "side.ack":
        mind.pending = intent
    return Move(intent)
