"""Dialogues of two systems on the same scenario, side by side, with what broke a rule and the prices marked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from repo_cli.evaluation.report.marks import marked, price_marks, rule_marks
from repo_cli.evaluation.result import HARD, Dialogue, EvalResult

#: Shown of each sort: largest gains, typical ones, largest losses.
_EACH = 3


def pairs(result: EvalResult, baseline: str | None, about: Mapping[str, str]) -> list[dict[str, Any]]:
    """Dialogues of the baseline and of the last other system on the same scenario.

    Not only the flattering ones: the largest gains, the largest losses and some from the middle. `about` says what each
    rule is for.
    """
    others = [n for n in result.systems if n != baseline and result.systems[n].dialogues]
    if baseline is None or not result.systems[baseline].dialogues:
        return []
    after = others[-1] if others else baseline
    left = {(d.scenario_id, d.trial): d for d in result.systems[baseline].dialogues}
    both = [
        (left[d.scenario_id, d.trial], d)
        for d in result.systems[after].dialogues
        if (d.scenario_id, d.trial) in left
    ]
    if not any(math.isnan(d.rating) for pair in both for d in pair):
        both.sort(key=lambda pair: pair[1].rating - pair[0].rating)
    middle = len(both) // 2
    chosen = [("gained most", i) for i in range(len(both) - 1, max(-1, len(both) - 1 - _EACH), -1)]
    chosen += [("typical", i) for i in range(middle, min(middle + _EACH, len(both)))]
    chosen += [("lost most", i) for i in range(min(_EACH, len(both)))]
    out: list[dict[str, Any]] = []
    seen = set()
    for label, index in chosen:
        if index in seen:
            continue
        seen.add(index)
        before, now = both[index]
        sides = [_side(baseline, before, about)] + ([_side(after, now, about)] if others else [])
        if others:
            change = now.rating - before.rating
            if label == "gained most" and not change > 0 or label == "lost most" and not change < 0:
                label = "typical"
        out.append(
            {
                "label": label if others else "sample",
                "id": now.scenario_id,
                "brief": brief(now),
                "sides": sides,
            }
        )
    return out


def brief(dialogue: Dialogue) -> str:
    """The hotel, the nights and the prices in one line; "" for a scenario of another make."""
    s = dialogue.scenario
    if "current_price" not in s:
        return ""
    hotel = s.get("hotel") or {}
    dates = " to ".join(map(str, s.get("dates", [])))
    where = f"{hotel.get('name', '')} ({hotel.get('class', '')}), {s.get('room_type', '')}, {dates}"
    prices = f"now {s.get('current_price')}, target {s.get('target_price')}, acceptable {s.get('acceptable_price')}"
    return f"{where}: {prices} {s.get('currency', '')}"


def tone(rating: float) -> str:
    """good, fair or bad."""
    return "good" if rating >= 4 else ("bad" if rating < 2.5 else "fair")


def _side(name: str, dialogue: Dialogue, about: Mapping[str, str]) -> dict[str, Any]:
    lines, turn = [], 0
    for message in dialogue.messages:
        if message["role"] == "system":
            continue
        text = str(message["content"])
        marks = price_marks(text, dialogue.scenario)
        line: dict[str, Any] = {
            "agent": message["role"] == "assistant",
            "rating": None,
            "breaches": [],
            "rules": [],
        }
        if line["agent"]:
            marks = rule_marks(dialogue.rules, turn, about) + marks
            if turn < len(dialogue.turns) and not math.isnan(dialogue.turns[turn]):
                line["rating"] = f"{dialogue.turns[turn]:.1f}"
                line["tone"] = tone(dialogue.turns[turn])
            line["breaches"] = [
                {"kind": k, "hard": s >= HARD} for t, k, s in dialogue.violations if t == turn
            ]
            line["rules"] = [
                {"rule": h.rule, "hard": h.severity == "hard", "about": about.get(h.rule, "")}
                for h in dialogue.rules
                if h.turn == turn
            ]
            turn += 1
        line["text"] = marked(text, marks)
        lines.append(line)
    outcome = dialogue.outcome
    price = outcome.get("price")
    end = f"deal at {price}" if dialogue.deal else f"no deal ({outcome.get('reason', 'ended')})"
    return {
        "name": name,
        "rating": "not rated" if math.isnan(dialogue.rating) else f"{dialogue.rating:.2f}",
        "tone": tone(dialogue.rating),
        "lines": lines,
        "end": end,
        "right": dialogue.correct_end,
    }
