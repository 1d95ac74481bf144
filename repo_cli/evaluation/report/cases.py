"""Bad cases before and after, and replies to recorded contexts that the raters put above the gold reply."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from repo_cli.evaluation.measures import ABILITIES
from repo_cli.evaluation.report.dialogues import tone
from repo_cli.evaluation.report.marks import marked, price_marks
from repo_cli.evaluation.result import BadCase, EvalResult, ReplyCase

#: Bad cases on the page, and replies beside the gold one: the best, and some of those that lose.
_CASES, _ABOVE, _BELOW = 150, 9, 3
#: In the order in which they are shown.
STATES = ("severe defect left", "not fixed", "fixed, not clean", "clean", "not rated")
_TONES = dict(zip(STATES, ("bad", "bad", "fair", "good", "fair"), strict=True))


def state(case: BadCase) -> str:
    """One of STATES."""
    if case.fixed is None:
        return "not rated"
    if case.severe_unresolved:
        return "severe defect left"
    return ("clean" if case.clean else "fixed, not clean") if case.fixed else "not fixed"


def worse(before: BadCase, after: BadCase) -> bool:
    """Whether a case stands further down in STATES' order of merit than it did."""
    order = [state(c) for c in (before, after)]
    return "not rated" not in order and STATES.index(order[1]) < STATES.index(order[0])


def bad_cases(result: EvalResult, baseline: str | None) -> dict[str, Any]:
    """The bad cases of the last system that has some, the baseline's reply beside it.

    Those left severe come first, then those where the baseline did better. "chips" counts the states, for choosing.
    """
    having = [n for n, s in result.systems.items() if s.badcases]
    if not having:
        return {}
    name = having[-1]
    other = baseline if baseline in having and baseline != name else None
    left = dict(_numbered(result.systems[other].badcases)) if other else {}
    cases = [_case(c, name, left.get(key), other) for key, c in _numbered(result.systems[name].badcases)]
    cases.sort(key=lambda c: (STATES.index(c["state"]) > 0, not c["worse"], STATES.index(c["state"])))
    counts = {s: sum(c["state"] == s for c in cases) for s in STATES}
    chips = [{"key": f"state-{STATES.index(s)}", "name": s, "count": n} for s, n in counts.items()]
    if other:
        lost = sum(c["worse"] for c in cases)
        chips.append({"key": "worse", "name": f"worse than {other}", "count": lost})
    return {
        "system": name,
        "baseline": other,
        "total": len(cases),
        "cases": cases[:_CASES],
        "chips": [c for c in chips if c["count"]],
    }


def _numbered(cases: Sequence[BadCase]) -> Iterator[tuple[tuple[str, int], BadCase]]:
    """((id, how often it came before), case): several training seeds meet the same cases."""
    seen: Counter[str] = Counter()
    for case in cases:
        yield (case.case_id, seen[case.case_id]), case
        seen[case.case_id] += 1


def _case(case: BadCase, name: str, before: BadCase | None, other: str | None) -> dict[str, Any]:
    agent = [i for i, m in enumerate(case.messages) if m["role"] == "assistant"]
    turns = []
    for turn in sorted({int(d.get("turn", 0)) for d in case.defects}):
        if not (turn < len(agent) and turn < len(case.replies)):
            continue
        at = agent[turn]
        heard = case.messages[at - 1]["content"] if at and case.messages[at - 1]["role"] == "user" else ""
        said = [("recorded, with its defect", case.messages[at]["content"])]
        if before is not None and turn < len(before.replies):
            said.append((str(other), before.replies[turn]))
        said.append((name, case.replies[turn]))
        turns.append(
            {
                "before": _priced(heard),
                "sides": [{"name": who, "text": _priced(text)} for who, text in said],
                "defects": ", ".join(
                    f"{d.get('kind')} (severity {d.get('severity')})"
                    for d in case.defects
                    if int(d.get("turn", 0)) == turn
                ),
            }
        )
    here = state(case)
    lost = before is not None and worse(before, case)
    return {
        "id": case.case_id,
        "state": here,
        "tone": _TONES[here],
        "keys": f"state-{STATES.index(here)}" + (" worse" if lost else ""),
        "worse": lost,
        "was": state(before) if before is not None else "",
        "was_tone": _TONES[state(before)] if before is not None else "",
        "rating": "–" if math.isnan(case.rating) else f"{case.rating:.2f}",
        "turns": turns,
    }


def against_gold(result: EvalResult) -> dict[str, Any]:
    """Replies of the last system that has some, beside the gold reply of their context: the clearest wins, and some of
    the clearest losses. A reply with a hard violation is no win to show."""
    name = next((n for n in reversed(result.systems) if result.systems[n].replies), None)
    rated = (
        [r for r in result.systems[name].replies if r.gold and not math.isnan(r.rating + r.gold_rating)]
        if name is not None
        else []
    )
    if not rated:
        return {}
    rated.sort(key=lambda r: r.gold_rating - r.rating)
    above = [r for r in rated if r.win == 1 and not r.hard]
    below = [r for r in reversed(rated) if r.win == 0]
    return {
        "system": name,
        "total": len(rated),
        "wins": sum(r.win == 1 for r in rated),
        "level": sum(r.win == 0.5 for r in rated),
        "losses": sum(r.win == 0 for r in rated),
        "above": [_beside(r) for r in above[:_ABOVE]],
        "below": [_beside(r) for r in below[:_BELOW]],
    }


def _beside(reply: ReplyCase) -> dict[str, Any]:
    talk = [m for m in reply.messages if m["role"] != "system"][-3:]
    return {
        "id": reply.context_id,
        "lines": [
            {
                "agent": m["role"] == "assistant",
                "text": _priced(m["content"], reply.scenario),
                "rating": None,
                "breaches": [],
                "rules": [],
            }
            for m in talk
        ],
        "reply": _priced(reply.reply, reply.scenario),
        "gold": _priced(reply.gold, reply.scenario),
        "rating": f"{reply.rating:.1f}",
        "tone": tone(reply.rating),
        "gold_rating": f"{reply.gold_rating:.1f}",
        "gold_tone": tone(reply.gold_rating),
        "abilities": [ABILITIES.get(a, a) for a in reply.abilities],
    }


def _priced(text: Any, scenario: dict[str, Any] | None = None) -> Any:
    return marked(str(text), price_marks(str(text), scenario or {}))
