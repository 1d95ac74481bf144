"""How a scripted agent's reply is put together: slots of a scenario, frames of parts, one `Writer` a language.

A frame is a row of part names. Three of them depend on the situation: `ack@` and `answer@` take the variant of the
partner's concern, `why@` the variant of the hotel's class, `fact@`/`fact@s` (long/short) a sourced fact that the
brief really holds, `back@` the question of the stage that an interruption left. `a?` is optional.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from functools import cache
from typing import Any

from repo_cli.worlds.hotel import agent_en, agent_zh
from repo_cli.worlds.hotel.names import CLASS_KEY, PLATFORM

PHRASES: dict[str, Any] = {"en": agent_en, "zh": agent_zh}

CONCERNS = ("margin", "regulars", "no_effect", "peak", "fees", "distrust", "authority", "busy")
QUALITIES = ("excellent", "scripted", "mediocre")

# move -> quality -> frames. `excellent` names the partner's concern or fits the class; `scripted` is right but
# generic; `mediocre` is the right move in thin words (no unit, no dates, no thanks, no reason).
FRAMES: dict[str, dict[str, list[str]]] = {
    "open": {
        "excellent": ["open.who open.why open.ease open.ask"],
        "scripted": ["open.who open.why open.ask"],
        "mediocre": ["open.thin open.ask", "open.why open.ask", "open.thin"],
    },
    "check": {
        "excellent": ["check.ease check.facts check.ask", "check.facts check.ease check.ask"],
        "scripted": ["check.facts check.ask", "ack.any check.facts check.ask"],
        "mediocre": ["check.thin"],
    },
    "reason": {
        "excellent": ["fact@ why@ view.ask", "why@ fact@ view.ask"],
        "scripted": ["fact@ view.ask", "fact@ why.any view.ask"],
        "mediocre": ["view.thin", "why.any view.ask"],
    },
    "handle": {
        "excellent": ["ack@ answer@ option.ask", "ack@ answer@ option.ask choice"],
        "scripted": ["ack.any answer.any option.ask", "ack.any option.say view.ask", "ack.any why.any option.ask"],
        "mediocre": ["option.ask", "why.any option.ask", "ack.any view.ask"],
    },
    "propose": {
        "excellent": ["ack@ why@ propose.full choice", "fact@s why@ propose.full", "why@ propose.full choice"],
        "scripted": ["ack.any fact@s propose.full", "why.any propose.full", "ack.any why.any propose.full"],
        "mediocre": ["propose.thin", "ack.any propose.thin", "why.any propose.thin"],
    },
    "counter": {
        "excellent": ["hear.offer why@ counter.full choice", "hear.offer ack@ counter.full choice"],
        "scripted": ["hear.offer counter.full", "hear.offer why.any counter.full"],
        "mediocre": ["counter.thin", "ack.any counter.thin"],
    },
    "accept": {
        "excellent": ["accept.glad recap recap.next recap.ask", "accept.say accept.glad recap recap.ask"],
        "scripted": ["accept.say recap recap.ask", "accept.say recap.short recap.ask"],
        "mediocre": ["accept.say", "accept.say recap.thin"],
    },
    "recap": {
        "excellent": ["accept.glad recap recap.next recap.ask"],
        "scripted": ["recap recap.ask", "ack.any recap recap.ask", "recap recap.next recap.ask"],
        "mediocre": ["recap.thin", "recap.short"],
    },
    "condition": {
        "excellent": ["accept.glad say.condition recap recap.ask"],
        "scripted": ["say.condition recap recap.ask"],
        "mediocre": ["say.condition"],
    },
    "close_deal": {
        "excellent": ["accept.glad close.deal close.wish"],
        "scripted": ["close.deal", "close.deal close.wish"],
        "mediocre": ["recap.thin", "close.thanks"],
    },
    "close_nodeal": {
        "excellent": ["ack@ close.nodeal close.thanks close.wish", "ack@ close.nodeal close.thanks"],
        "scripted": ["close.nodeal close.thanks", "ack.any close.nodeal close.wish", "close.thanks close.nodeal close.wish"],
        "mediocre": ["close.thin", "close.thanks"],
    },
    "close_optout": {
        "excellent": ["close.sorry close.optout close.wish", "close.optout close.sorry close.thanks"],
        "scripted": ["close.optout", "close.optout close.wish"],
        "mediocre": ["close.thin", "close.thanks"],
    },
    "close_later": {
        "excellent": ["ack.busy close.later close.wish", "ack.busy close.later close.thanks"],
        "scripted": ["close.later", "ack.any close.later"],
        "mediocre": ["close.thin", "close.thanks"],
    },
    "close_time": {
        "excellent": ["ack.busy close.time close.wish", "close.time recap.next close.wish"],
        "scripted": ["close.time", "close.time close.thanks", "close.time close.wish"],
        "mediocre": ["close.thin", "ack.any"],
    },
    "ask_decider": {
        "excellent": ["ack.authority decider.note decider.ask", "ack.authority decider.ask"],
        "scripted": ["ack.any decider.ask", "decider.note decider.ask"],
        "mediocre": ["decider.ask", "ack.any view.ask"],
    },
    "close_decider": {
        "excellent": ["ack.authority decider.close close.wish", "decider.close decider.note close.wish"],
        "scripted": ["decider.close", "decider.close close.wish"],
        "mediocre": ["close.thanks", "close.thin"],
    },
    "clarify": {
        "excellent": ["clarify check.ease clarify.ask"],
        "scripted": ["clarify clarify.ask", "clarify.ask"],
        "mediocre": ["view.ask", "ack.any"],
    },
    "say_net": {
        "excellent": ["say.net ack.margin net.ask"],
        "scripted": ["say.net net.ask"],
        "mediocre": ["net.ask"],
    },
    "say_comp": {
        "excellent": ["ack.distrust say.comp back@"],
        "scripted": ["say.comp back@"],
        "mediocre": ["fact@s", "ack.any back@"],
    },
    **{
        f"say_{what}": {
            "excellent": [f"{ack} say.{what} back@"],
            "scripted": [f"say.{what} back@"],
            "mediocre": ["ack.any back@", f"say.{what}"],
        }
        for what, ack in {
            "ai": "ack.any", "suspicious": "ack.distrust", "complaint": "ack.any", "offtopic": "ack.any",
            "forced": "ack.distrust", "pays": "ack.margin", "fees": "ack.fees", "result": "ack.no_effect",
        }.items()
    },
}  # fmt: skip
MOVES = tuple(FRAMES)
ASKING = ("propose", "counter")  # the moves that ask for a price
BACK = {"S1": "open.ask", "S2": "check.ask", "S3": "view.ask", "S4": "view.ask", "S5": "propose.full"}


def money(value: float, scenario: Mapping[str, Any]) -> str:
    """A price exactly as the brief writes it: digits and unit ("350 CNY", "350元")."""
    digits = f"{value:g}"
    return f"{digits}元" if scenario["language"] == "zh" else f"{digits} {scenario['currency']}"


def slots(scenario: Mapping[str, Any]) -> dict[str, str]:
    """Everything in the brief that a phrase may name, in the brief's own spelling."""
    zh = scenario["language"] == "zh"
    first, last = scenario["dates"][0], scenario["dates"][-1]
    offer = scenario["allowed_offers"][0]
    values = {
        "platform": PLATFORM[scenario["language"]],
        "room": scenario["room_type"],
        "hotel": scenario["hotel"]["name"],
        "dates": f"{first}到{last}" if zh else f"{first} to {last}",
        "when": first,
        "current": money(scenario["current_price"], scenario),
        "acceptable": money(scenario["acceptable_price"], scenario),
        "unit": "每晚" if zh else "per night",
        "incl": scenario["price_basis"].replace("，", ",").split(",")[-1].strip(),
        "offer": offer,
        "a_offer": f"an {offer}" if offer[0] in "aeiou" else f"a {offer}",
    }
    for item in scenario["facts"]:
        if item["type"] == "competitor_price":
            values |= {"who": item["who"], "comp": money(item["value"], scenario), "when": item["when"]}
        elif item["type"] == "search_count":
            values["searches"] = str(item["value"])
        elif item["type"] == "open_rooms":
            values["rooms"] = str(item["value"])
    return values


@cache
def _needs(language: str, part: str) -> frozenset[str]:
    fields: set[str] = set()
    for text in PHRASES[language].PARTS[part]:
        fields |= {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return frozenset(fields)


class Writer:
    """Writes replies of one scenario: `write(move, quality, ...)` gives the text, from parts drawn by `rng`."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self.scenario = scenario
        self.language: str = scenario["language"]
        self.parts: dict[str, list[str]] = PHRASES[self.language].PARTS
        self.values = slots(scenario)
        self.hotel_class = CLASS_KEY.get(scenario["hotel"]["class"], "any")

    def part(self, name: str, rng: random.Random, extra: Mapping[str, str] | None = None) -> str:
        """One phrasing of a part, its slots filled."""
        text = rng.choice(self.parts[name])
        return text.format_map({**self.values, **extra} if extra else self.values)

    def facts(self, short: bool) -> list[str]:
        """Names of the fact parts that this brief can fill."""
        names = ["fact.comp.short" if short else "fact.comp"] * 2 + ["fact.search", "fact.rooms"]
        return [name for name in names if _needs(self.language, name) <= self.values.keys()]

    def names(self, frame: str, concern: str | None, stage: str, rng: random.Random) -> list[str]:
        """The frame's part names with everything that depends on the situation settled."""
        found = []
        for name in frame.split():
            if name.endswith("?"):
                if rng.random() < 0.5:
                    continue
                name = name[:-1]
            if name in ("ack@", "answer@", "why@"):
                stem = name[:-1]
                kind = self.hotel_class if stem == "why" else concern
                name = f"{stem}.{kind}" if f"{stem}.{kind}" in self.parts else f"{stem}.any"
            elif name.startswith("fact@"):
                name = rng.choice(self.facts(short=name.endswith("s")))
            elif name == "back@":
                name = BACK.get(stage, "view.ask")
            elif name == "say.comp" and "comp" not in self.values:
                name = "say.nocomp"
            found.append(name)
        return found

    def write(self, move: str, quality: str, rng: random.Random, *, concern: str | None = None, stage: str = "S3",
              price: float | None = None, offered: float | None = None, time: str | None = None) -> str:  # fmt: skip
        """A reply that makes `move` in words of `quality`; `price` is what is asked or agreed, `offered` the
        partner's number, `time` the time to call again that they named."""
        frames = FRAMES[move][quality]
        if concern is None or (move in ASKING and concern in ("authority", "busy")):
            frames = [frame for frame in frames if "ack@" not in frame and "answer@" not in frame] or frames
        frame = rng.choice(frames)
        names = self.names(frame, concern, stage, rng)
        extra = {"time": time or ("到时" if self.language == "zh" else "then")}
        if price is not None:
            extra["price"] = money(price, self.scenario)
        if offered is not None:
            extra["offered"] = money(offered, self.scenario)
        said = [self.part(name, rng, extra) for name in names]
        return self.join([text[0].upper() + text[1:] for text in said])

    def join(self, sentences: list[str]) -> str:
        return ("" if self.language == "zh" else " ").join(sentences)
