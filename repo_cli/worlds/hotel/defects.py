"""Marked defects of the scripted agents: what goes wrong in a reply, how badly, and where it can happen.

A defect is planted in an otherwise ordinary reply, so that it has to be found by reading. `KINDS` is a contract
with the evaluation of bad cases: the names stand in `defects: [{turn, kind, severity}]` of a row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from repo_cli.worlds.hotel import agent_bad, garble
from repo_cli.worlds.hotel.agent_text import Writer, money

# kind -> severity: 3 harms the partner or the platform, 2 breaks the talk, 1 is a matter of form.
KINDS: dict[str, int] = {
    "over_promise": 3, "subsidy": 3, "commission": 3, "free_ads": 3, "invented_fact": 3, "wrong_comp": 3,
    "deadline": 3, "fake_rule": 3, "threat": 3, "exclusivity": 3, "no_consent": 3, "fake_human": 3,
    "off_platform": 3, "credentials": 3, "ask_after_refusal": 3, "push_after_accept": 3, "wrong_recap": 3,
    "guilt": 2, "leak_limit": 2, "misread": 2, "ignore": 2, "wrong_currency": 2, "too_low": 2, "placeholder": 2,
    "prompt_leak": 2, "garbled": 2, "salad": 2, "wrong_language": 2, "wrong_name": 2,
    "wrong_number": 2,
    "many_questions": 1, "markdown": 1, "overlong": 1, "repeat_words": 1, "truncated": 1,
}  # fmt: skip
# Kinds that can happen anywhere, with their share; the others need a situation (see `possible`).
ANYWHERE = {
    "over_promise": 5, "subsidy": 1, "commission": 1, "free_ads": 1, "invented_fact": 3, "deadline": 2, "fake_rule": 1,
    "threat": 3, "guilt": 2, "exclusivity": 1, "fake_human": 0.5, "off_platform": 0.5, "credentials": 0.5,
    "placeholder": 1, "prompt_leak": 0.5, "garbled": 3, "salad": 2, "wrong_language": 1, "many_questions": 1,
    "markdown": 1, "overlong": 2, "repeat_words": 1.5, "truncated": 1, "wrong_name": 1, "wrong_number": 4,
}  # fmt: skip
GARBLED = ("garbled", "salad", "repeat_words", "truncated")
# Kinds whose sentence is the whole reply; the others stand beside an ordinary one.
WHOLE = ("push_after_accept", "wrong_recap", "misread", "ignore", "wrong_currency", "too_low", "placeholder",
         "salad", "wrong_language", "no_consent")  # fmt: skip


@dataclass(frozen=True)
class Where:
    """What a defect needs to know of the situation: the partner's number, what was agreed, refusals, the price
    that a right reply would ask, and whether the partner said something that wants an answer."""

    offered: float | None = None
    agreed: float | None = None
    price: float | None = None
    refused: bool = False
    raised: bool = False
    opening: bool = False


def possible(where: Where, writer: Writer) -> dict[str, float]:
    """Kinds that make sense here, with their shares."""
    kinds = dict(ANYWHERE)
    if where.refused:
        kinds["ask_after_refusal"] = 12
    if where.agreed is not None:
        kinds |= {"push_after_accept": 8, "wrong_recap": 8}
    elif where.offered is not None:
        kinds |= {"misread": 9, "leak_limit": 2}
    elif not where.refused and not where.opening:
        kinds |= {"too_low": 1.5, "wrong_currency": 1.5, "leak_limit": 2, "no_consent": 1.5}
        if "comp" in writer.values:
            kinds["wrong_comp"] = 4
    if where.raised:
        kinds["ignore"] = 6
    return kinds


def numbers(where: Where, writer: Writer, rng: random.Random) -> dict[str, str]:
    """The slots of defect phrases: numbers that are wrong here, and some that are merely loose."""
    sc = writer.scenario
    known = {
        sc["current_price"],
        sc["target_price"],
        sc["acceptable_price"],
        where.offered,
        where.agreed,
        where.price,
    }
    known |= {item["value"] for item in sc["facts"]}
    near = where.agreed or where.offered or where.price or sc["target_price"]
    if where.agreed is not None:
        bad = int(near) - rng.choice((5, 8, 10, 15, 20))
    else:
        bad = int(near) + rng.choice((-40, -30, -20, -12, 10, 15, 20, 30))
    while bad in known or bad <= 0:
        bad -= 3
        bad = bad if bad > 0 else 999
    return {
        "bad": money(bad, sc),
        "price": money(where.price or sc["target_price"], sc),
        "low": money(int(sc["floor_ask"] * rng.uniform(0.7, 0.92)), sc),
        "value": f"{sc['target_price']:g}",
        "pct": f"{rng.choice((5, 10, 12, 30, 40, 60, 70, 80, 82, 90))}%",
    }


def spoil(text: str, kind: str, where: Where, writer: Writer, rng: random.Random) -> str:
    """`text`, a reply that would do, with one defect of `kind` in it."""
    shapes = _FORM.get(kind)
    if shapes:
        return shapes(text, writer, rng)
    extra = numbers(where, writer, rng)
    phrases = agent_bad.DEFECTS[writer.language][kind]
    said = rng.choice(phrases).format_map({**writer.values, **extra})
    if kind in WHOLE:
        return said
    if kind == "ask_after_refusal":
        return writer.join([writer.part("ack.any", rng), said])
    sentences = garble.sentences(text)
    if kind == "wrong_comp":
        sentences = sentences[-1:]
    place = rng.choice((0, 1, len(sentences))) if len(sentences) > 1 else 1
    return writer.join([*sentences[:place], said, *sentences[place:]])


def _markdown(text: str, writer: Writer, rng: random.Random) -> str:
    sentences = garble.sentences(text)
    shape = rng.randrange(3)
    if shape == 0:
        return writer.join([f"**{sentences[0]}**", *sentences[1:]])
    if shape == 1:
        return "\n".join(f"- {sentence}" for sentence in sentences)
    return ("Assistant: " if writer.language == "en" else "助手：") + text


def _overlong(text: str, writer: Writer, rng: random.Random) -> str:
    padding = list(agent_bad.PADDING[writer.language])
    rng.shuffle(padding)
    count = 4 if writer.language == "en" else 3
    return writer.join([*padding[:2], text, *padding[2:count]])


def _wrong_name(text: str, writer: Writer, rng: random.Random) -> str:
    """Another room, hotel or date than the brief's."""
    return garble.swap_names(text, writer.scenario, rng)


def _garbled(text: str, writer: Writer, rng: random.Random) -> str:
    """Corrupted twice, so that nobody takes it for a slip."""
    return garble.corrupt(garble.corrupt(text, writer.language, rng), writer.language, rng)


_FORM: dict[str, Callable[[str, Writer, random.Random], str]] = {
    "markdown": _markdown,
    "overlong": _overlong,
    "wrong_name": _wrong_name,
    "wrong_number": lambda text, writer, rng: garble.swap_number(text, rng),
    "garbled": _garbled,
    "repeat_words": lambda text, writer, rng: garble.repeat(text, writer.language, rng),
    "truncated": lambda text, writer, rng: garble.truncate(text, writer.language, rng),
    "many_questions": lambda text, writer, rng: writer.join(
        [text, rng.choice(agent_bad.DEFECTS[writer.language]["many_questions"])]
    ),
}
