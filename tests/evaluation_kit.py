"""A small made-up evaluation: two or three systems on the same scenarios, with known means."""

from __future__ import annotations

import random

from repo_cli.evaluation.result import BadCase, Dialogue, EvalResult, SystemResult


def dialogue(i: int, rating: float, excellent: bool, hard: bool, deal: bool, text: str) -> Dialogue:
    """A dialogue of three agent turns."""
    messages = [{"role": "system", "content": "brief"}]
    for k in range(3):
        messages += [
            {"role": "assistant", "content": f"{text} {k}"},
            {"role": "user", "content": f"Partner says {k}."},
        ]
    return Dialogue(
        scenario_id=f"s{i}",
        messages=messages,
        rating=rating,
        turns=[rating, 4.8 if excellent else 3.0, 3.2],
        violations=[(0, "promise", 2)] if hard else ([(2, "questions", 1)] if i % 3 == 0 else []),
        outcome={"deal": deal, "price": 350 if deal else None, "reason": "accepted" if deal else "refused"},
        skills={"fluency": 1, "workflow": int(not hard), "negotiation": int(deal), "scope": int(not hard)},
        correct_end=deal,
        scenario={"id": f"s{i}", "room_type": "twin", "dates": ["06-18", "06-20"], "current_price": 388, "target_price": 350,
                  "acceptable_price": 365, "currency": "CNY", "hotel": {"name": "Linden Court", "class": "business"}},
    )  # fmt: skip


def result(
    n: int = 60, text: str = "Would 350 yuan per night work for you?", systems=("base", "sft", "repo")
) -> EvalResult:
    """Ratings around 2.6, 3.2 and 3.8; the last system has more excellent replies and fewer hard breaches."""
    rng = random.Random(7)
    out = EvalResult(config={"seed": 0, "note": text})
    noise = [rng.gauss(0, 0.35) for _ in range(n)]
    for k, name in enumerate(systems):
        system = SystemResult()
        for i in range(n):
            rating = min(5.0, max(1.0, 2.6 + 0.6 * k + noise[i] + rng.gauss(0, 0.2)))
            system.dialogues.append(
                dialogue(
                    i,
                    rating,
                    rng.random() < 0.1 + 0.25 * k,
                    rng.random() < 0.3 - 0.12 * k,
                    rng.random() < 0.3 + 0.1 * k,
                    text,
                )
            )
        for i in range(45):
            fixed = rng.random() < 0.5 + 0.2 * k
            messages = [
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": f"recorded {text}"},
            ]
            system.badcases.append(
                BadCase(
                    f"b{i}",
                    messages,
                    [{"turn": 1, "kind": "threat", "severity": 3}],
                    ["Hello there.", text],
                    fixed,
                    fixed and rng.random() < 0.8,
                    not fixed and rng.random() < 0.3,
                    rating,
                )
            )
        out.systems[name] = system
    return out
