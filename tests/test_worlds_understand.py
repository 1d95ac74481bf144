"""The hotelier understands at least 95% of its hand-written replies (over 200), none from the corpus's templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repo_cli.worlds.hotel.understand import read_agent_reply

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "hotel_agent_replies.jsonl").read_text("utf-8").splitlines()
]


def case_scenario(language: str) -> dict:
    en = language == "en"
    return {
        "id": f"hand-{language}",
        "language": language,
        "hotel": {"id": "h", "name": "Lotus Court" if en else "云栖商务酒店", "class": "business" if en else "商务型",
                  "district": "Riverside" if en else "湖东", "rating": 4.4, "rooms_open": 6},
        "room_type": "deluxe king" if en else "豪华大床房",
        "dates": ["06-18", "06-20"], "nights": 2, "day_kind": "midweek", "currency": "CNY",
        "price_basis": "sell, per night, breakfast for two" if en else "卖价，每晚，含双早",
        "current_price": 388, "target_price": 350, "acceptable_price": 365, "floor_ask": 330, "max_asks": 3,
        "facts": [
            {"id": "f1", "type": "competitor_price", "value": 345, "who": "Platform B" if en else "平台B",
             "when": "06-18", "as_of": "today"},
            {"id": "f2", "type": "search_count", "value": 126, "when": "06-18"},
        ],
        "allowed_offers": [], "forbidden": [],
        "hotel_hidden": {"reserve": 352, "contact": "owner", "mood": "friendly", "objections": ["O01"],
                         "patience": 5, "style": "plain", "root_concern": "margin"},
    }  # fmt: skip


#: Fields that a row is held to, with the value when it says nothing about them.
DEFAULTS = {
    "asks_price": None, "vague_ask": False, "accepts": None, "recap_price": None, "competitor_price": None,
    "current_claim": None, "wrong_dates": False, "wrong_room": False, "closes": False, "garbled": False,
    "off_language": False, "tactics": [],
}  # fmt: skip


def misreadings(row: dict) -> list[str]:
    act = read_agent_reply(row["reply"], [], case_scenario(row["language"]), row["offer"], row["agreed"])
    expect, wrong = row["expect"], []
    for name, default in DEFAULTS.items():
        want = expect.get(name, default)
        got = getattr(act, name)
        got = got is not None if name == "wrong_room" else sorted(got) if name == "tactics" else got
        if got != want:
            wrong.append(f"{name}: {got!r} instead of {want!r}")
    for name in ("identity", "question", "empathy", "callback", "handover", "verify"):
        if name in expect and getattr(act, name) != expect[name]:
            wrong.append(f"{name}: {getattr(act, name)!r} instead of {expect[name]!r}")
    if "concern" in expect and expect["concern"] not in act.concerns:
        wrong.append(f"concern {expect['concern']} not in {sorted(act.concerns)}")
    if not set(expect.get("reasons", [])) <= act.reasons:
        wrong.append(f"reasons {expect['reasons']} not in {sorted(act.reasons)}")
    if expect.get("agreed_words") and not act.accepts_any:
        wrong.append("agreement in words not seen")
    return wrong


@pytest.mark.parametrize(("language", "least"), [("en", 80), ("zh", 40)])
def test_understands_hand_written_replies(language: str, least: int) -> None:
    rows = [row for row in ROWS if row["language"] == language]
    assert len(rows) >= least
    failures = {row["id"]: (row["reply"], wrong) for row in rows if (wrong := misreadings(row))}
    share = 1 - len(failures) / len(rows)
    assert share >= 0.95, "\n".join(f"{key} {reply} -> {wrong}" for key, (reply, wrong) in failures.items())
