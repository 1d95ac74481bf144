"""What one row of each kind must hold, and its plain form.

| kind       | plain form after `normalise`                                                              |
|------------|-------------------------------------------------------------------------------------------|
| sft        | messages                                                                                  |
| preference | prompt, chosen [one assistant message], rejected [one assistant message], margin or absent |
| prompts    | prompt (ends with a user turn, or holds no turn: the agent opens)                         |
| judge      | prompt, reply, scores {criterion: number or None}                                         |
| badcases   | prompt (a dialogue with agent turns), defects [{turn, kind, severity 1-3}]                |

Other fields (scenario, source, tags, reference, id ...) stay as they are. No torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repo_cli.dialogue.messages import BadRow, Message, check_messages, check_text, is_learned, names
from repo_cli.errors import nearest

Row = dict[str, Any]
MOST_MARGIN = 1e6  # neither infinite, nor an integer that no float holds
KINDS = ("sft", "preference", "prompts", "judge", "badcases")


def sniff(row: Mapping[str, Any]) -> str:
    """The kind that a row looks like, by its fields; BadRow when it looks like none."""
    if "chosen" in row and "rejected" in row:
        return "preference"
    if row.get("defects") is not None:
        return "badcases"
    if "scores" in row and "reply" in row:
        return "judge"
    if "messages" in row:
        return "sft"
    if "prompt" in row:
        return "prompts"
    raise BadRow(
        "missing field", f"no kind of row has these fields: {names(row)}; see the table of data files"
    )


def normalise(row: Mapping[str, Any], kind: str) -> list[Row]:
    """The row in its plain form (see above); several rows where an SFT dialogue is read as prompts, one
    for each agent turn, with that turn as `reference`.

    Raises:
        BadRow: saying what is wrong.
    """
    rows = _READERS[kind](dict(row))
    for out in rows:
        scenario = out.get("scenario")
        if scenario is not None and not isinstance(scenario, Mapping):
            raise BadRow("wrong type", f"`scenario` must be an object, not {type(scenario).__name__}")
    return rows


def _need(row: Mapping[str, Any], key: str) -> Any:
    if row.get(key) is None:
        near = nearest(key, row)
        raise BadRow(
            "missing field",
            f"no field `{key}` (the row has {names(row)})" + (f"; did you mean `{near}`?" if near else ""),
        )
    return row[key]


def _sft(row: Row) -> list[Row]:
    row["messages"] = check_messages(_need(row, "messages"))
    if not any(is_learned(m) for m in row["messages"]):
        raise BadRow("nothing to learn", "no assistant turn to learn from in `messages`")
    return [row]


def _as_prompt(value: object, where: str = "prompt") -> list[Message]:
    if isinstance(value, str):
        return [{"role": "user", "content": check_text(value, f"`{where}`")}] if value else []
    return check_messages(value, where, empty_ok=True)


def _ends_open(prompt: Sequence[Message], where: str = "prompt") -> None:
    if prompt and prompt[-1]["role"] == "assistant":
        raise BadRow(
            "wrong role order",
            f"`{where}` ends with an assistant turn; it must end with a user turn, or be empty",
        )


def _prompts(row: Row) -> list[Row]:
    if row.get("prompt") is None and row.get("messages") is not None:
        messages = check_messages(row.pop("messages"))
        turns = [i for i, m in enumerate(messages) if is_learned(m)]
        if not turns:
            raise BadRow("nothing to learn", "no assistant turn in `messages` to make a prompt for")
        return [
            {**row, "prompt": messages[:i], "reference": messages[i]["content"], "turn": i} for i in turns
        ]
    row["prompt"] = _as_prompt(_need(row, "prompt"))
    _ends_open(row["prompt"])
    return [row]


def _preference(row: Row) -> list[Row]:
    prompt = _as_prompt(row["prompt"]) if row.get("prompt") is not None else []
    sides = {}
    for key in ("chosen", "rejected"):
        value = _need(row, key)
        sides[key] = [{"role": "assistant", "content": value}] if isinstance(value, str) else value
    # the sides alone are checked behind their prompt, so that roles alternate over the seam
    full = {key: check_messages(_with_prompt(prompt, side, key), key) for key, side in sides.items()}
    a, b = full["chosen"], full["rejected"]
    for key, side in full.items():
        if side[-1]["role"] != "assistant":
            raise BadRow(
                "wrong role order",
                f"`{key}` must end with an assistant turn, not with a {side[-1]['role']} turn",
            )
    if _same(a, b):
        raise BadRow("identical pair", "`chosen` and `rejected` are the same")
    shared = 0
    while shared < min(len(a), len(b)) - 1 and _same(a[shared : shared + 1], b[shared : shared + 1]):
        shared += 1
    for key, side in full.items():
        if len(side) - shared != 1:
            raise BadRow(
                "no shared prefix",
                f"`{key}` has {len(side) - shared} messages after what both sides share; "
                "a pair is two replies to the same dialogue, so exactly the last message may differ",
            )
    margin = row.get("margin")
    if margin is not None and (
        isinstance(margin, bool) or not isinstance(margin, int | float) or not abs(margin) < MOST_MARGIN
    ):
        raise BadRow(
            "wrong type", f"`margin` must be a number below {MOST_MARGIN:g}, not {str(margin)[:40]!r}"
        )
    row.update(prompt=a[:shared], chosen=a[shared:], rejected=b[shared:])
    return [row]


def _with_prompt(prompt: list[Message], side: object, key: str) -> object:
    """The whole dialogue of one side: `side` itself where it already holds the prompt, else both in turn."""
    if not isinstance(side, Sequence) or not side or not isinstance(side[0], Mapping):
        return side  # check_messages says what is wrong with it
    full = check_messages(side, key) if side[0].get("role") in ("system", "user") else None
    if full is not None and (
        not prompt or _same(full[: len(prompt)], prompt) or _last_user(full) == _last_user(prompt)
    ):
        return full
    return [*prompt, *side]


def _last_user(messages: Sequence[Message]) -> str | None:
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), None)


def _same(a: Sequence[Message], b: Sequence[Message]) -> bool:
    return [(m["role"], m["content"].strip()) for m in a] == [(m["role"], m["content"].strip()) for m in b]


def _judge(row: Row) -> list[Row]:
    row["prompt"] = _as_prompt(_need(row, "prompt"))
    _ends_open(row["prompt"])
    if not check_text(_need(row, "reply"), "`reply`").strip():
        raise BadRow("empty assistant turn", "`reply` is empty")
    scores = _need(row, "scores")
    if not isinstance(scores, Mapping):
        raise BadRow(
            "wrong type", f"`scores` must be an object of criterion: number, not {type(scores).__name__}"
        )
    for name, value in scores.items():
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 5
        ):
            raise BadRow(
                "score out of range", f"`scores`.{name} must be a number from 1 to 5, or null, not {value!r}"
            )
    row["scores"] = dict(scores)
    return [row]


def _badcases(row: Row) -> list[Row]:
    if row.get("prompt") is None and row.get("messages") is not None:
        row["prompt"] = row.pop("messages")
    row["prompt"] = check_messages(_need(row, "prompt"), "prompt")
    if not any(m["role"] == "assistant" for m in row["prompt"]):
        raise BadRow("nothing to learn", "a bad case must hold at least one assistant turn")
    whole = row.get("messages")
    whole = whole if isinstance(whole, list) else row["prompt"]
    turns = sum(isinstance(m, Mapping) and m.get("role") == "assistant" for m in whole)
    defects = _need(row, "defects")
    if not isinstance(defects, Sequence) or isinstance(defects, str):
        raise BadRow("wrong type", f"`defects` must be a list, not {type(defects).__name__}")
    for i, defect in enumerate(defects):
        if not isinstance(defect, Mapping) or not {"turn", "kind", "severity"} <= set(defect):
            raise BadRow("missing field", f"defects[{i}] must be an object with turn, kind and severity")
        if not isinstance(defect["turn"], int) or not 0 <= defect["turn"] < turns:
            raise BadRow(
                "wrong turn",
                f"defects[{i}].turn must count the dialogue's agent turns, 0 to {turns - 1}, not {defect['turn']!r}",
            )
        if defect["severity"] not in (1, 2, 3):
            raise BadRow(
                "score out of range", f"defects[{i}].severity must be 1, 2 or 3, not {defect['severity']!r}"
            )
    return [row]


_READERS: dict[str, Callable[[Row], list[Row]]] = {
    "sft": _sft,
    "preference": _preference,
    "prompts": _prompts,
    "judge": _judge,
    "badcases": _badcases,
}
