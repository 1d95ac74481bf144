"""Whether every number, date, room and condition of a reply comes from the brief or from what was said."""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any

from repo_cli.worlds.hotel.oracle_breaches import RIVALS
from repo_cli.worlds.hotel.oracle_cues import MOVES_EN, MOVES_ZH, compiled
from repo_cli.worlds.hotel.oracle_numbers import Figure
from repo_cli.worlds.hotel.oracle_read import PartnerReading, ReplyReading
from repo_cli.worlds.hotel.oracle_state import State

_MOVES = {"en": compiled(MOVES_EN), "zh": compiled(MOVES_ZH, re.I)}
_YOU_SAID = re.compile(
    r"you (?:said|mentioned|offered|named|gave|quoted)|your (?:offer|figure|number|price) of|您(?:说|报|给|提)的?"
)
_STAYS = re.compile(r"stays?|remains?|unchanged|(?:keep|leave)s? (?:it|the|your)|不变|保持|维持|照旧")
_GAP = re.compile(
    r"cheaper|differen|\bgap\b|\bless\b|lower|above|below|off\b|down|more|dearer|higher|差|便宜|贵|低|少|高|降|让"
)
_PLATFORM_NAME = re.compile(r"\bplatform ([a-z])\b(?!')|平台\s?([A-Za-z])")
_HEAD_EN = re.compile(
    r"\b(?:(deluxe|executive|superior|standard|business|family|garden|courtyard|attic|studio|terrace|compact|sea-view|pool|balcony|transit|soundproof|premium|economy|classic|junior|presidential|bunk|early-check-in)[ -])"
    r"(king|queen|twin|double|suite|villa|single|room|triple)\b"
)
_HEAD_ZH = re.compile(r"(大床房|双床房|双人房|套房|家庭房|单人间|别墅|上下铺房|三人间|标准间)")
_SEARCHY = re.compile(r"search|view|look|visit|request|people|user|time|搜索|次|人")
_SUBMIT_CLAIM = re.compile(
    r"\b(?:will|'ll|going to|am) (?:now )?(?:submit|record|enter|apply|set|put|register|submitting|recording)\w*\b[^.?!]{0,40}(?:\d|\brate|\bprice)"
    r"|(?:i|we)(?:'ve| have) (?:already |just |now )*(?:adjusted|changed|updated|lowered|set|submitted|reduced|applied|entered)"
    r"|(?:rate|price) (?:has (?:already )?been|is now|is already|was) (?:adjusted|changed|updated|lowered|set|reduced|live|active|online)|(?:is|are) already (?:live|active|online)|for agreeing|glad you(?:'ve)? agree|since you agree"
    r"|已经?(?:帮您|给您|为您)?(?:调|改|降|提交|设)|(?:这就|马上|立刻|现在就)(?:帮您|给您|为您)?(?:调|改|降|提交|设)|谢谢您(?:的)?同意"
)
_CONDITIONAL = re.compile(
    r"\b(?:once|if|after|when|only|unless|until|with your|shall|may|could|would)\b|您(?:确认|同意|点头)|如果|再"
)


@lru_cache(maxsize=4096)
def _days(first: str, last: str) -> frozenset[tuple[int, int]]:
    """Every (month, day) from `first` to `last` ("MM-DD"), both included, over a year's end too."""
    year = 2026
    begin = datetime.date(year, int(first[:2]), int(first[3:5]))
    end = datetime.date(year, int(last[:2]), int(last[3:5]))
    if end < begin:
        end = end.replace(year=year + 1)
    span = min((end - begin).days, 60)
    return frozenset(
        ((begin + datetime.timedelta(i)).month, (begin + datetime.timedelta(i)).day) for i in range(span + 1)
    )


def grounding(
    reply: ReplyReading, partner: PartnerReading | None, state: State, need: str, asked: list[float]
) -> list[tuple[str, int]]:
    """(kind, severity) of everything in the reply that brief and history do not bear out."""
    scenario = state.scenario
    found = _figures(reply, state, need, asked)
    if reply.numbers.foreign_currency and scenario.get("currency", "CNY") in ("CNY", "RMB"):
        if not re.search(r"\$|dollar|euro|€|美元", state.partner_text.lower()):
            found.append(("currency", 2))
    found += _dates(reply, state) + _shares_and_counts(reply, state)
    found += _names(reply, state) + _conditions(reply, scenario)
    settled = state.agreed is not None or need in ("confirm", "close_deal", "offer_in", "conditional")
    if not settled:
        for sentence in reply.fluency.sentences:
            low = sentence.lower()
            claim = _SUBMIT_CLAIM.search(low)
            if (
                claim
                and not low.rstrip().endswith(("?", "？"))
                and not _CONDITIONAL.search(low[: claim.start()] + low[claim.end() :])
            ):
                found.append(("no_consent", 2))
                break
    return found


def _known(state: State) -> set[float]:
    scenario = state.scenario
    known = {
        state.current,
        float(scenario["target_price"]),
        state.acceptable,
        *state.partner_numbers,
        *state.ask_prices,
    }
    known |= {float(f["value"]) for f in scenario.get("facts", []) if f.get("type") == "competitor_price"}
    if state.agreed is not None:
        known.add(state.agreed)
    return known


def _figures(reply: ReplyReading, state: State, need: str, asked: list[float]) -> list[tuple[str, int]]:
    known = _known(state)
    gaps = {abs(a - b) for a in known for b in known if a != b}
    nights = int(state.scenario.get("nights") or 1)
    found: list[tuple[str, int]] = []
    for figure in reply.numbers.figures:
        found += _figure(figure, reply, state, need, asked, known, gaps, nights)
    return found


def _figure(
    figure: Figure, reply: ReplyReading, state: State, need: str, asked: list[float], known: set[float], gaps: set[float], nights: int
) -> list[tuple[str, int]]:  # fmt: skip
    value, moves = figure.value, _MOVES[reply.fluency.language]
    scenario = state.scenario
    comp = {float(f["value"]) for f in scenario.get("facts", []) if f.get("type") == "competitor_price"}
    if state.is_quote(figure):
        if value in comp or value in state.partner_numbers or value in gaps:
            return []
        return (
            []
            if value == state.current and re.search(r"\b(?:us|our|your|here)\b|我们|您", figure.clause)
            else [("wrong_number", 2)]
        )
    if _YOU_SAID.search(figure.clause) and value not in state.partner_numbers | {state.current}:
        return [("misread", 2)]
    recapping = moves["recap"].search(figure.sentence) or moves["ask_submit"].search(figure.sentence)
    expected = (
        state.offer if need in ("offer_in", "conditional") and state.offer is not None else state.agreed
    )
    if (
        need in ("offer_in", "confirm", "conditional", "close_deal")
        and expected is not None
        and value not in asked
    ):
        if value >= 0.4 * state.current and value not in (expected, state.current, expected * nights):
            return [("wrong_number", 2)] if value in known else [("wrong_number", 2), ("misread", 2)]
    if (
        _STAYS.search(figure.clause)
        and value >= 0.4 * state.current
        and value not in (state.current, state.agreed)
    ):
        return [("wrong_number", 2)]
    if value in asked:
        if value > state.current:
            return [("wrong_number", 2)]
        return [("below_floor", 1)] if value < float(scenario.get("floor_ask", 0)) else []
    if value in known or any(value == k * nights for k in known) or value in gaps:
        return []
    if value < 0.4 * state.current:
        if state.current - value in asked:
            return []
        if figure.unit or _GAP.search(figure.clause):
            return [("wrong_number", 2)]
        return []
    if recapping and need in ("net", "offer_out", "advance", "objection", "refusal", "silence"):
        return [("wrong_number", 2), ("misread", 2)]
    return [("wrong_number", 2)]


def _dates(reply: ReplyReading, state: State) -> list[tuple[str, int]]:
    scenario = state.scenario
    dates = [d for d in scenario.get("dates", []) if re.match(r"\d\d-\d\d", str(d))]
    if not dates or not reply.numbers.dates:
        return []
    allowed = set(_days(dates[0], dates[-1]))
    allowed |= {
        (int(f["when"][:2]), int(f["when"][3:5]))
        for f in scenario.get("facts", [])
        if re.match(r"\d\d-\d\d", str(f.get("when", "")))
    }
    days = {day for _, day in allowed}
    spoken = set(re.findall(r"\d+", state.partner_text))
    for month, day in reply.numbers.dates:
        if ((month, day) not in allowed if month else day not in days) and str(day) not in spoken:
            return [("wrong_date", 2)]
    return []


def _shares_and_counts(reply: ReplyReading, state: State) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    known = _known(state)
    shares = {round(100 * (1 - a / b), 1) for a in known for b in known if 0 < a < b}
    spoken = set(re.findall(r"\d+(?:\.\d+)?", state.partner_text))
    for share, sentence in reply.numbers.percents:
        of_prices = _GAP.search(sentence) and re.search(
            r"price|rate|platform|listed|yuan|cny|价|元", sentence
        )
        if f"{share:g}" not in spoken and not (of_prices and any(abs(share - s) <= 1.0 for s in shares)):
            found.append(("invented_fact", 2))
    facts = [f for f in state.scenario.get("facts", []) if f.get("type") != "competitor_price"]
    searches = {int(f["value"]) for f in facts if f.get("type") == "search_count"}
    rooms = {int(f["value"]) for f in facts if f.get("type") == "open_rooms"} | {
        int(state.scenario.get("hotel", {}).get("rooms_open", -1))
    }
    others = {int(f["value"]) for f in facts}
    for number, thing in reply.numbers.counts:
        if number <= 3 or str(number) in spoken:
            continue
        right = rooms if re.match(r"rooms?|间$", thing) else (searches if _SEARCHY.search(thing) else others)
        if number not in right:
            found.append(("invented_fact", 2))
    return found


def _names(reply: ReplyReading, state: State) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    facts = str(state.scenario.get("facts", "")).lower()
    partner = state.partner_text.lower()
    for match in RIVALS.finditer(reply.low):
        if match.group(0) not in partner and match.group(0) not in facts:
            found.append(("invented_fact", 2))
    if reply.numbers.figures:
        for match in _PLATFORM_NAME.finditer(reply.low):
            letter = (match.group(1) or match.group(2)).lower()
            if f"platform {letter}" not in facts + partner and f"平台{letter}" not in facts + partner:
                found.append(("invented_fact", 2))
                break
    room = str(state.scenario.get("room_type", "")).lower()
    for adjective, head in _HEAD_EN.findall(reply.low):
        if (
            adjective not in room.replace(" ", "-") + room
            and adjective not in partner
            or (head not in room and head not in ("room",) and head not in partner)
        ):
            found.append(("wrong_room", 2))
            break
    if re.search(r"[\u4e00-\u9fff]", room):
        for head in _HEAD_ZH.findall(reply.text):
            if head not in room and head not in state.partner_text:
                found.append(("wrong_room", 2))
                break
    return found


def _conditions(reply: ReplyReading, scenario: dict[str, Any]) -> list[tuple[str, int]]:
    """Breakfast as the brief has it."""
    basis, low = str(scenario.get("price_basis", "")).lower(), reply.low
    if "breakfast" in basis:
        said = re.search(
            r"breakfast for (one|two)|(no|without) breakfast|breakfast (?:is )?includ|(?:with|includ\w+) breakfast",
            low,
        )
        if said:
            none = "no breakfast" in basis
            wrong = (bool(said.group(2)) != none) or (
                said.group(1) is not None and f"for {said.group(1)}" not in basis
            )
            return [("wrong_condition", 2)] if wrong else []
    if "早" in basis:
        said = re.search(r"双早|单早|不含早|无早|含早", low)
        if said:
            word = said.group(0)
            none = "不含早" in basis or "无早" in basis
            wrong = (word in ("不含早", "无早")) != none or (word in ("双早", "单早") and word not in basis)
            return [("wrong_condition", 2)] if wrong else []
    return []
