"""The replies of training as one block of data that the page's script pages through, searches and sorts.

All rollouts that the run kept are taken up to a limit; beyond it, steps spread evenly over the run are. Only what a
reader needs is kept of each, so that ten thousand stay within some megabytes and the page opens at once: the script
reads the block, and draws 20 replies at a time, with text nodes only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIMIT = 10_000
_TEXT = 1500  # characters of one message
_HEARD = 2  # messages before the reply


def read_rollouts(runs: Sequence[tuple[str, Path]], limit: int = LIMIT) -> dict[str, Any]:
    """{"rows", "found", "shown"}: rollouts of named runs, the same share of each step's; a row is a list (`_row`)."""
    files = [(label, path) for label, run in runs for path in sorted((run / "rollouts").glob("step-*.jsonl"))]
    found: list[tuple[str, int, list[str]]] = []
    for label, path in files:
        number = path.stem.removeprefix("step-")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if number.isdigit() and lines:
            found.append((label, int(number), lines))
    total = sum(len(lines) for _, _, lines in found)
    if not total or limit <= 0:
        return {"rows": [], "found": total, "shown": 0}
    rows = []
    share = min(1.0, limit / total)
    due = 0.0
    for label, step, lines in found:
        for line in lines:
            due += share
            if due < 1.0 - 1e-9:
                continue
            due -= 1.0
            row = _row(label, step, line)
            if row is not None:
                rows.append(row)
    return {"rows": rows, "found": total, "shown": len(rows)}


def _row(label: str, step: int, line: str) -> list[Any] | None:
    """[run, step, messages before [role's first letter, text], reply, scores [total, rm, judge, rules], fired rules
    [rule, severity, weight, start, end], kept, the partner's answer, rewards of the user's own [name, score]]; None for
    a line that cannot be read."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("reply"), str):
        return None
    heard = [
        ["a" if m.get("role") == "assistant" else "u", str(m.get("content", ""))[:_TEXT]]
        for m in data.get("history") or []
        if isinstance(m, dict) and m.get("role") != "system"
    ][-_HEARD:]
    scores = [_number(data.get(k)) for k in ("total", "rm", "judge", "rules")]
    answer = data.get("answer")
    said = str(answer.get("text") or "")[:_TEXT] if isinstance(answer, dict) else ""
    fired = [f for f in map(_fired, data.get("fired") or []) if f is not None]
    named = data.get("own")
    own = [[str(k), _number(v)] for k, v in named.items()] if isinstance(named, dict) else []
    return [label, step, heard, data["reply"][:_TEXT], scores, fired, bool(data.get("kept", True)), said, own]


def _fired(hit: Any) -> list[Any] | None:
    try:
        rule, severity, weight, _, (start, end) = hit
        return [str(rule), str(severity), _number(weight), int(start), int(end)]
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    return round(float(value), 3) if good else None
