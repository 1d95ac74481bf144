"""What a judge is asked about a bad case: is a marked defect gone from the new reply? No torch.

The question is a rubric of one criterion, the same for every defect, so that it goes through any judge as every other
does. Which defect is meant, and the recorded reply that had it, stand in the brief: between the marks, as material,
since files and model output are untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.rewards.judge_prompt import JudgeScore, plain_line
from repo_cli.rewards.rubric import Criterion, Rubric

CRITERION = "D1"
#: A defect is gone from this score on (a score of whole points: 4 or 5).
GONE = 3.5
SEVERE = 3  # of 1 to 3
_WORDS = 40  # of a defect's name that are shown

MENDING = Rubric(
    "mending",
    1,
    5,
    {
        CRITERION: Criterion(
            CRITERION,
            "the marked defect",
            "An earlier reply at this very point of the dialogue was marked with a defect. The brief's `marked defect` "
            "names it, its `reply with the defect` is that earlier reply. Is the new reply free of this defect, and "
            "does it still do what the moment asks for?",
            {
                1: "has the same defect, or another one that is as bad",
                2: "has the defect in a weaker form",
                3: "avoids the defect only by not answering, or it is unclear whether it is gone",
                4: "free of the defect, with a small flaw elsewhere",
                5: "free of the defect, and does well what the moment asks for",
            },
        )
    },
)


def questions(
    row: Mapping[str, Any], scenario: Mapping[str, Any], replies: Sequence[str]
) -> list[dict[str, Any]]:
    """An item {scenario, history, reply} for each marked defect of a bad case.

    row: `messages` (the recorded dialogue) and `defects` [{turn, kind, severity}], turn counting agent turns from 0.
    scenario: its public side. replies: the new ones, one for each recorded agent turn.
    """
    places = [i for i, m in enumerate(row["messages"]) if m["role"] == "assistant"]
    items = []
    for defect in row.get("defects") or ():
        turn = int(defect["turn"])
        at = places[turn]
        marked = {
            "marked_defect": plain_line(str(defect["kind"]), _WORDS),
            "reply_with_the_defect": row["messages"][at]["content"],
        }
        items.append(
            {"scenario": {**scenario, **marked}, "history": row["messages"][:at], "reply": replies[turn]}
        )
    return items


def verdict(
    row: Mapping[str, Any], scores: Sequence[JudgeScore], sound: bool | None
) -> tuple[bool | None, bool | None, bool | None]:
    """(fixed, clean, severe left) of a bad case; None where the judge's answers do not settle it.

    scores: of `questions`. sound: whether the replies are good beside that, None = not known.
    """
    gone: list[bool | None] = []
    for score in scores:
        value = score.criteria.get(CRITERION) if score.scored else None
        gone.append(None if value is None else value >= GONE)
    severe = [g for g, d in zip(gone, row.get("defects") or (), strict=True) if int(d["severity"]) >= SEVERE]
    fixed = all_of(gone)
    kept = all_of(severe)
    return fixed, all_of([fixed, sound]), None if kept is None else not kept


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """No when one is no, yes when all are yes, else not known."""
    return False if False in answers else None if None in answers else True
