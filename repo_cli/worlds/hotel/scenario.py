"""Scenarios of the hotel world: a pure function of (index, split, seed, language), and the agent's brief.

Prices are per night, in CNY, ints. They satisfy
    floor_ask < competitor fact <= target_price < acceptable_price <= 0.97 * current_price
and the hidden reserve lies between target and current in about 60% of cases, above 97% of the current price
in about 25% (leaving without a deal is right), and below the target in about 15%.
"""

from __future__ import annotations

import datetime
import math
from random import Random
from typing import Any

from repo_cli.errors import UserError
from repo_cli.worlds.base import SPLITS
from repo_cli.worlds.hotel import names

ROOT_CONCERNS = ("margin", "regulars", "no_effect", "peak", "fees", "distrust", "authority", "busy")

#: The objection ids (domain.md section 4) with which each concern shows itself.
CONCERN_OBJECTIONS = {
    "margin": ("O01", "O13"),
    "regulars": ("O01",),
    "no_effect": ("O08",),
    "peak": ("O03",),
    "fees": ("O04", "O09"),
    "distrust": ("O06", "O17"),
    "authority": ("O02",),
    "busy": ("O05",),
}

SIDE_OBJECTIONS = ("O07", "O10", "O12", "O15", "O16", "O18")

_FIRST_DAY = datetime.date(2026, 1, 5)
_DAY = datetime.timedelta(days=1)
_ENDINGS = (8, 8, 8, 9, 0, 5, 6)


def scenario(index: int, split: str, seed: int, language: str) -> dict[str, Any]:
    """The scenario at `index` of `split`; splits never meet, since the split is part of the random seed."""
    if split not in SPLITS:
        raise UserError(f"split={split}: not one of {', '.join(SPLITS)}")
    rng = Random(f"hotel|{seed}|{split}|{index}|{language}")
    kind = rng.randrange(6)
    key = names.CLASSES["en"][kind]
    dates, nights, day_kind = _dates(rng, key)
    prices = _prices(rng, key)
    reserve, deal_right = _reserve(rng, prices)
    hotel = _hotel(rng, key, language)
    hotel["id"] = f"{language}-{split}-{seed}-{index}"
    return {
        "id": f"hotel-{language}-{split}-{seed}-{index}",
        "language": language,
        "hotel": hotel,
        "room_type": rng.choice((names.EN_ROOMS if language == "en" else names.ZH_ROOMS)[key]),
        "dates": dates,
        "nights": nights,
        "day_kind": day_kind,
        "currency": "CNY",
        "price_basis": _basis(rng, language),
        **prices,
        "max_asks": 3,
        "facts": _facts(rng, prices, hotel["rooms_open"], dates, language),
        "allowed_offers": rng.sample(names.OFFERS[language], 2),
        "forbidden": list(names.FORBIDDEN[language]),
        "hotel_hidden": _hidden(rng, reserve, deal_right),
    }


def _hotel(rng: Random, key: str, language: str) -> dict[str, Any]:
    if language == "en":
        name = f"{rng.choice(names.EN_FIRST)} {rng.choice(names.EN_SECOND[key])}"
        district = rng.choice(names.EN_DISTRICTS)
    else:
        name = rng.choice(names.ZH_FIRST) + rng.choice(names.ZH_SECOND[key])
        district = rng.choice(names.ZH_DISTRICTS)
    low, high = names.RATING_RANGE[key]
    kind = names.CLASSES[language][names.CLASSES["en"].index(key)]
    return {
        "id": "",
        "name": name,
        "class": kind,
        "district": district,
        "rating": round(rng.uniform(low, high), 1),
        "rooms_open": rng.randint(2, 14),
    }


def _dates(rng: Random, key: str) -> tuple[list[str], int, str]:
    """[check-in, check-out] as MM-DD, the number of nights, "weekend" if a Friday or Saturday night is in."""
    longest = {"airport": 1, "resort": 4}.get(key, 3)
    nights = rng.randint(1, longest)
    start = _FIRST_DAY + rng.randrange(340) * _DAY
    weekend = any((start + i * _DAY).weekday() in (4, 5) for i in range(nights))
    end = start + nights * _DAY
    return [f"{start:%m-%d}", f"{end:%m-%d}"], nights, "weekend" if weekend else "midweek"


def _prices(rng: Random, key: str) -> dict[str, int]:
    low, high = names.PRICE_RANGE[key]
    current = rng.randint(low, high) // 10 * 10 + rng.choice(_ENDINGS)
    step = 5 if current >= 200 else 1
    target = _round(current * rng.uniform(0.86, 0.945), step)
    target = min(max(target, math.ceil(current * 0.85)), int(current * 0.95))
    acceptable = _round(target + rng.uniform(0.4, 0.7) * (current - target), step)
    acceptable = max(min(acceptable, int(current * 0.97)), target + 1)
    floor = min(_round(target * rng.uniform(0.93, 0.97), step), target - 2)
    return {
        "current_price": current,
        "target_price": target,
        "acceptable_price": acceptable,
        "floor_ask": floor,
    }


def _reserve(rng: Random, prices: dict[str, int]) -> tuple[int, bool]:
    """The lowest price the hotel can live with, and whether a deal inside the platform's range exists."""
    current, target, acceptable = prices["current_price"], prices["target_price"], prices["acceptable_price"]
    draw = rng.random()
    if draw < 0.25:
        reserve = rng.randint(int(current * 0.97) + 1, current)
    elif draw < 0.40:
        reserve = rng.randint(int(target * 0.90), target - 1)
    elif rng.random() < 0.92:
        reserve = rng.randint(target, acceptable)
    else:
        reserve = rng.randint(acceptable, int(current * 0.97))
    return reserve, reserve <= acceptable


def _facts(
    rng: Random, prices: dict[str, int], rooms_open: int, dates: list[str], language: str
) -> list[dict[str, Any]]:
    """One or two sourced facts; a competitor's price never lies above the target."""
    chances = (("competitor_price", 0.75), ("search_count", 0.5), ("open_rooms", 0.35))
    kinds = [kind for kind, chance in chances if rng.random() < chance]
    kinds = kinds[:2] or ["search_count"]
    facts: list[dict[str, Any]] = []
    for number, kind in enumerate(kinds, start=1):
        fact: dict[str, Any] = {"id": f"f{number}", "type": kind}
        if kind == "competitor_price":
            fact["value"] = rng.randint(prices["floor_ask"] + 1, prices["target_price"])
            fact.update(who=rng.choice(names.RIVALS[language]), when=dates[0], as_of="today")
        elif kind == "search_count":
            fact.update(value=rng.randint(24, 96), when=dates[0])
        else:
            fact.update(value=rooms_open, when=dates[0])
        facts.append(fact)
    return facts


def _hidden(rng: Random, reserve: int, deal_possible: bool) -> dict[str, Any]:
    """The part only the counterpart and the oracle read."""
    if deal_possible:
        weights = (20, 15, 17, 11, 13, 17, 3, 4)
    else:
        weights = (17, 14, 6, 18, 6, 6, 18, 15)
    concern = rng.choices(ROOT_CONCERNS, weights)[0]
    mood = rng.choices(("friendly", "busy", "suspicious", "angry"), (45, 22, 20, 13))[0]
    contact = rng.choice(("owner", "revenue_manager", "front_desk"))
    if concern == "authority":
        contact = "front_desk"
    elif contact == "front_desk" and rng.random() < 0.5:
        contact = "owner"  # most of those who may decide are owners or managers
    if concern == "distrust" and mood == "friendly":
        mood = "suspicious"
    if concern == "busy":
        mood = "busy"
    objections = [rng.choice(CONCERN_OBJECTIONS[concern])]
    objections += rng.sample(SIDE_OBJECTIONS, rng.choice((0, 1, 1, 2)))
    patience = {"friendly": 6, "busy": 4, "suspicious": 5, "angry": 4}[mood] + rng.randint(-1, 1)
    return {
        "reserve": reserve,
        "contact": contact,
        "mood": mood,
        "objections": objections,
        "patience": patience,
        "style": rng.choice(("plain", "plain", "colloquial")),
        "root_concern": concern,
    }


def _basis(rng: Random, language: str) -> str:
    breakfast = rng.choice(names.BREAKFAST[language])
    return f"sell, per night, {breakfast}" if language == "en" else f"卖价，每晚，{breakfast}"


def _round(value: float, step: int) -> int:
    return int(round(value / step) * step)


def money(value: float, language: str) -> str:
    """A price as briefs and replies write it: "350 CNY" or "350元"."""
    return f"{value} CNY" if language == "en" else f"{value}元"


def system_message(sc: dict[str, Any]) -> dict[str, str]:
    """The agent's brief: the public facts in one fixed layout, so that a small model can copy from it."""
    content = _brief_en(sc) if sc["language"] == "en" else _brief_zh(sc)
    return {"role": "system", "content": content}


def _brief_en(sc: dict[str, Any]) -> str:
    hotel, (first, last) = sc["hotel"], sc["dates"]
    facts = "; ".join(_fact_en(fact) for fact in sc["facts"])
    return (
        f"You are the AI assistant of the booking platform {names.PLATFORM['en']}. "
        f"Hotel: {hotel['name']}, {hotel['class']} hotel, {hotel['district']}, rated {hotel['rating']}. "
        f"Room: {sc['room_type']}. Nights {first} to {last}, {sc['day_kind']}. "
        f"Basis: {sc['price_basis'].removeprefix('sell, ')}. "
        f"Price now {sc['current_price']} CNY. Ask {sc['target_price']} CNY. "
        f"Accept up to {sc['acceptable_price']} CNY. Never ask below {sc['floor_ask']} CNY. "
        f"At most {sc['max_asks']} asks. Facts: {facts}. "
        f"May offer: {', '.join(sc['allowed_offers'])}. No promises, no threats, no commission talk."
    )


def _fact_en(fact: dict[str, Any]) -> str:
    if fact["type"] == "competitor_price":
        return f"{fact['who']} shows {fact['value']} CNY for {fact['when']}"
    if fact["type"] == "search_count":
        return f"{fact['value']} searches for these nights"
    return f"{fact['value']} rooms still open"


def _brief_zh(sc: dict[str, Any]) -> str:
    hotel, (first, last) = sc["hotel"], sc["dates"]
    facts = "；".join(_fact_zh(fact) for fact in sc["facts"])
    day_kind = "周末" if sc["day_kind"] == "weekend" else "平日"
    return (
        f"你是订房平台{names.PLATFORM['zh']}的智能助理。酒店：{hotel['name']}，{hotel['class']}，{hotel['district']}，"
        f"评分{hotel['rating']}。房型：{sc['room_type']}。日期{first}到{last}，{day_kind}。"
        f"口径：{sc['price_basis'].removeprefix('卖价，')}。现价{sc['current_price']}元。想谈到{sc['target_price']}元。"
        f"最高接受{sc['acceptable_price']}元。不能低于{sc['floor_ask']}元。最多开口{sc['max_asks']}次。"
        f"事实：{facts}。可提：{'、'.join(sc['allowed_offers'])}。不承诺，不威胁，不谈佣金。"
    )


def _fact_zh(fact: dict[str, Any]) -> str:
    if fact["type"] == "competitor_price":
        return f"{fact['who']}在{fact['when']}显示{fact['value']}元"
    if fact["type"] == "search_count":
        return f"这几晚有{fact['value']}次搜索"
    return f"还有{fact['value']}间空房"
