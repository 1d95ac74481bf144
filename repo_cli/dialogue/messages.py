"""What a dialogue is, and what makes one wrong.

A message is a dict `{"role": "system" | "user" | "assistant", "content": str, "train": bool (optional)}`.
The assistant is the side that is trained. A dialogue holds at most one system message, at its start; then
user and assistant alternate, either of them first (in real negotiations the agent often writes first).

The checks raise `BadRow`, which says what is wrong with one row; the readers in `files.py` add file and line.
No torch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repo_cli.errors import nearest

Message = dict[str, Any]
ROLES = ("system", "user", "assistant")


class BadRow(ValueError):
    """One row of data is wrong. `kind` is a short label under which reports count it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def check_text(text: object, where: str) -> str:
    """`text` if it is a str that UTF-8 can hold (a lone surrogate such as \\ud800 breaks every tokenizer)."""
    if not isinstance(text, str):
        raise BadRow("wrong type", f"{where} must be a text, not {type(text).__name__}")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadRow(
                "broken text", f"{where} holds half of a surrogate pair at character {error.start}"
            ) from None
    return text


def check_messages(messages: object, where: str = "messages", empty_ok: bool = False) -> list[Message]:
    """Check types, roles and their order; returns the messages, reduced to role, content and (if given)
    train.

    Args:
        messages: what stands in the row.
        where: the field's name, for the error: "messages", "prompt", ...
        empty_ok: whether an empty list is fine (a prompt in which the agent opens).
    Raises:
        BadRow: naming the message by its number, counted from 0 as in the file.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise BadRow("wrong type", f"`{where}` must be a list of messages, not {type(messages).__name__}")
    if not messages and not empty_ok:
        raise BadRow("empty dialogue", f"`{where}` is empty")
    clean: list[Message] = []
    for i, message in enumerate(messages):
        clean.append(_check_message(message, f"{where}[{i}]"))
        _check_order(clean, i, where)
    return clean


def _check_message(message: object, at: str) -> Message:
    if not isinstance(message, Mapping):
        raise BadRow(
            "wrong type", f"{at} must be an object with role and content, not {type(message).__name__}"
        )
    for key in ("role", "content"):
        if key not in message:
            raise BadRow("missing field", f"{at} has no `{key}` (it has {names(message)})")
    role = message["role"]
    if role not in ROLES:
        near = nearest(role, ROLES) if isinstance(role, str) else None
        raise BadRow(
            "unknown role",
            f"{at} has the unknown role {role!r}; roles are system, user, assistant"
            + (f" (did you mean {near!r}?)" if near else ""),
        )
    content = check_text(message["content"], f"{at}.content")
    if role == "assistant" and not content.strip():
        raise BadRow("empty assistant turn", f"{at} is an assistant turn without text")
    clean: Message = {"role": role, "content": content}
    train = message.get("train")
    if train is not None:  # Parquet fills an absent column with null
        if not isinstance(train, bool):
            raise BadRow("wrong type", f"{at}.train must be true or false, not {train!r}")
        clean["train"] = train
    return clean


def _check_order(clean: Sequence[Message], i: int, where: str) -> None:
    role = clean[i]["role"]
    if role == "system" and i > 0:
        raise BadRow(
            "wrong role order", f"{where}[{i}] is a system message; a system message may only come first"
        )
    if i > 0 and role == clean[i - 1]["role"]:
        raise BadRow(
            "wrong role order",
            f"{where}[{i - 1}] and {where}[{i}] are both {role} turns; user and assistant must alternate",
        )


def split_system(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """The system message (a list of none or one) and the turns after it."""
    has = bool(messages) and messages[0]["role"] == "system"
    return list(messages[:has]), list(messages[has:])


def window(messages: Sequence[Message], last: int | None) -> list[Message]:
    """The system message and the last `last` turns; all of them when `last` is None."""
    system, turns = split_system(messages)
    if last is None:
        return system + turns
    return system + (turns[-last:] if last > 0 else [])


def is_learned(message: Message) -> bool:
    """Whether the loss is on this message."""
    return bool(message["role"] == "assistant" and message.get("train", True))


def names(keys: Iterable[str]) -> str:
    """The names quoted in one line, for messages: `a`, `b`."""
    return ", ".join(f"`{key}`" for key in keys) or "nothing"
