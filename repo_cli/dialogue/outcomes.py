"""Human dialogues with outcomes: which are good, and the brief that the agent would have had.

Reads the form that CraigslistBargain and PersuasionForGood have after conversion: one SFT row a line, with a
`scenario` and an `outcome`:

    outcome.agreed               a deal, or a donation, was reached
    outcome.assistant_progress   0 = the list price was paid, 1 = the agent's target was reached
    outcome.user_donation_usd    what the user gave; the task allowed at most 2, so more is a slip and
    counts as 2

Known flaws, and what is done: progress outside [-1, 2] is a typing slip (the row has no progress then); a few
persuaders say that they are human, which an agent must never learn (`train: false` on that turn).
No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.dialogue.files import LoadReport, load_rows, write_rows
from repo_cli.dialogue.messages import Message, split_system
from repo_cli.dialogue.rows import Row
from repo_cli.errors import UserError

DONATION_CAP = 2.0
GOOD_PROGRESS = (0.3, 1.5)
_SLIP = (-1.0, 2.0)
_CLAIMS_HUMAN = re.compile(
    r"\bi(?:'| a)?m (?:also |just |only )?(?:a |an )?(?:real )?(?:human|person|not a (?:ro)?bot)\b",
    re.IGNORECASE,
)


def progress(row: Mapping[str, Any]) -> float | None:
    """How far the agent got, about 0 to 1; None where the row does not say, or says nonsense.

    Bargaining: `assistant_progress`, and 0 when there was no deal. Persuasion: the donation over its cap.
    """
    outcome = row.get("outcome") or {}
    if outcome.get("user_donation_usd") is not None:
        return min(max(float(outcome["user_donation_usd"]), 0.0), DONATION_CAP) / DONATION_CAP
    if outcome.get("agreed") is False:
        return 0.0
    value = outcome.get("assistant_progress")
    if value is None or not _SLIP[0] <= float(value) <= _SLIP[1]:
        return None
    return float(value)


def is_good(
    row: Mapping[str, Any], min_messages: int = 4, between: tuple[float, float] = GOOD_PROGRESS
) -> bool:
    """The filter for SFT: agreed, long enough, and for bargaining the progress within `between` (beyond
    1.5 the price is more often a slip than a feat). Any donation is good."""
    outcome = row.get("outcome") or {}
    if not outcome.get("agreed") or len(split_system(row["messages"])[1]) < min_messages:
        return False
    value = progress(row)
    if value is None:
        return False
    return value > 0 if outcome.get("user_donation_usd") is not None else between[0] <= value <= between[1]


def brief(row: Mapping[str, Any]) -> Message | None:
    """The agent's brief as a system message: what the human on its side was told, never the other side's
    target. None where the scenario is of neither kind."""
    scenario = row.get("scenario") or {}
    if scenario.get("assistant_target") is not None and scenario.get("item_title"):
        about = " ".join(str(scenario.get("item_description") or "").split())
        text = (
            f"You are the {scenario.get('assistant_role', 'buyer')} "
            f"in a chat about: {scenario['item_title']}. "
            f"{about[:200]}{'...' if len(about) > 200 else ''}\n"
            f"List price: {money(scenario.get('list_price'))} {scenario.get('currency', 'USD')}. "
            f"Your target: {money(scenario['assistant_target'])}. "
            "Reach a fair deal near your target, politely and briefly."
        )
    elif "donation" in str(scenario.get("domain")):
        text = (
            "You talk with someone who is paid for a small task. Ask them, politely and honestly, to give a "
            f"part of that payment (at most {money(scenario.get('task_payment_cap_usd', DONATION_CAP))} "
            "dollars) to Save the Children. Take a no as a no."
        )
    else:
        return None
    return {"role": "system", "content": text}


def money(value: Any) -> str:
    """388.0 -> 388, 0.5 -> 0.5."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def read_dialogues(
    path: str, split: str | None = None, with_brief: bool = True, on_bad_row: str = "skip"
) -> tuple[list[Row], LoadReport]:
    """SFT rows with their brief put first (unless they have a system message) and claims to be human not
    learned.

    Args:
        on_bad_row: "skip" by default: raw collections hold dialogues in which the agent never spoke.
        split: keep rows whose `split` is this ("train", "val"); all when None.
    Raises:
        UserError: as `load_rows`, and when no row is of that split.
    """
    rows, report = load_rows(path, "sft", on_bad_row)
    if split is not None:
        rows = [row for row in rows if row.get("split") == split]
        if not rows:
            raise UserError(f"{path} has no row with split {split!r}")
    for row in rows:
        system, turns = split_system(row["messages"])
        first = brief(row) if with_brief and not system else None
        row["messages"] = [*system, *([first] if first else []), *(_human_claims_out(m) for m in turns)]
    return rows, report


def _human_claims_out(message: Message) -> Message:
    if message["role"] == "assistant" and _CLAIMS_HUMAN.search(message["content"]):
        return {**message, "train": False}
    return message


def make_dialogues(src: str, dst: str, split: str | None = None, with_brief: bool = True) -> tuple[int, int]:
    """Write the good dialogues of `src` (is_good) as SFT rows with briefs; returns (kept, read)."""
    rows, _ = read_dialogues(src, split, with_brief)
    kept = [row for row in rows if is_good(row) and any_learned(row["messages"])]
    if not kept:
        raise UserError(
            f"{src} has no dialogue that is agreed, long enough and of good progress", hint="see outcomes.py"
        )
    write_rows(dst, kept)
    return len(kept), len(rows)


def any_learned(messages: Sequence[Message]) -> bool:
    """Whether any assistant turn is learned."""
    return any(m["role"] == "assistant" and m.get("train", True) for m in messages)
