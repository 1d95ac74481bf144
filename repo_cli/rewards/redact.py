"""`judge.redact`: phone numbers, e-mail addresses and names are masked before text leaves this machine. No torch.

Names are the scenario's own: every text under a key `name` or `..._name`, at any depth. The same name has the same
mask everywhere, so that a judge can still tell whether reply and brief speak of one hotel. Prices, dates and other
short numbers stay as they are. Texts are read as the prompt will show them: without hidden characters or line breaks,
which would else cut a name or a number in two here, and be gone there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.rewards.judge_prompt import plain_line

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONES = (
    re.compile(r"(?<![\d.])\d{4}[ -]\d{4}[ -]\d{4}(?:[ -]\d{1,4})*(?!\d)"),  # a card's number
    re.compile(r"(?<![\d.])\+\d{1,3}(?:[ -]?\(?\d{1,5}\)?){2,5}(?!\d)"),  # +44 20 7946 0958
    re.compile(r"(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"),  # a Chinese mobile
    re.compile(r"(?<!\d)\(?0\d{2,3}\)?[ -]?\d{3,4}[ -]?\d{4}(?!\d)"),  # an area code and a land line
    re.compile(r"(?<!\d)\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)"),  # 555-010-1234, 400 123 4567
    re.compile(r"(?<![\d.-])0\d(?:[ .-]\d{2}){4}(?![\d.-]\d)"),  # 06 12 34 56 78
    re.compile(r"(?<![\d.,])\d{9,}(?![\d,]|\.\d)"),  # any long bare number
)


def names_of(scenario: Any) -> list[str]:
    """Every name in a scenario, hidden part included, the longest first."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if isinstance(value, str) and (key == "name" or str(key).endswith("_name")):
                    found.add(plain_line(value))
                else:
                    walk(value)
        elif isinstance(node, Sequence) and not isinstance(node, str):
            for value in node:
                walk(value)

    walk(scenario)
    return sorted((n for n in found if len(n) > 1), key=lambda n: (-len(n), n))


class Redactor:
    """Masks for the texts of one dialogue."""

    def __init__(self, scenario: Mapping[str, Any] | None) -> None:
        self.masks = {name.lower(): f"[name {i}]" for i, name in enumerate(names_of(scenario or {}), start=1)}
        words = [re.escape(name) for name in self.masks]
        # a name of letters stands between word borders; a Chinese one has none
        borders = [rf"(?<![A-Za-z0-9]){w}(?![A-Za-z0-9])" if re.match(r"[A-Za-z]", w) else w for w in words]
        self._names = re.compile("|".join(borders), re.IGNORECASE) if borders else None

    def text(self, text: str) -> str:
        """One text with its masks, as one line."""
        text = plain_line(text)
        if self._names is not None:  # case folding knows more letters than lower() does
            text = self._names.sub(lambda m: self.masks.get(m[0].lower(), "[name]"), text)
        text = _EMAIL.sub("[e-mail]", text)
        for pattern in _PHONES:
            text = pattern.sub("[phone]", text)
        return text

    def any(self, value: Any) -> Any:
        """A JSON value with every text in it masked; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.any(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.any(item) for item in value]
        return value


def redacted(item: Mapping[str, Any]) -> dict[str, Any]:
    """{scenario, history, reply} as it may leave the machine."""
    mask = Redactor(item.get("scenario"))
    history = [{**m, "content": mask.text(str(m.get("content", "")))} for m in item["history"]]
    return {
        "scenario": mask.any(item.get("scenario") or {}),
        "history": history,
        "reply": mask.text(item["reply"]),
    }
