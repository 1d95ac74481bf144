"""From a judge's answer to scores, or to the kind of failure. No number is ever guessed. No torch.

Both readers are strict on purpose. A judge quotes the reply that it rates, so an answer that merely contains scores
somewhere may contain the reply's own: an answer counts only when all of it, think block and code fence aside, has
the form that was asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.rewards.rubric import NOT_APPLICABLE, Criterion, Rubric

MIN_MASS = 0.01  # least share of the probability on the labels for them to be an answer
MOST_REASON = 300  # characters of a reason that are kept for the log

_THINK = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```[\w-]*[ \t]*\n(.*?)\n?```$", re.DOTALL)
_REFUSAL = re.compile(
    r"^\W*(?:i[’']?m sorry|i am sorry|sorry,|i can(?:no|[’'])t\b|i won[’']t\b|as an ai\b"
    r"|i(?:[’']?m| am) (?:not able|unable)\b|i (?:must|have to) decline"
    r"|(?:很)?抱歉|对不起|我无法|我不能|作为(?:一个|一名)?(?:ai|人工智能))",
    re.IGNORECASE,
)


class Unreadable(Exception):
    """An answer that holds no scores; `kind` is the outcome ("unparsable", "refused" or "off_scale")."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


@dataclass
class Read:
    """What an answer says: scores (None = does not apply), reasons and quotes by criterion, label mass."""

    criteria: dict[str, float | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    quotes: dict[str, str] = field(default_factory=dict)
    mass: float = float("nan")


def plain_answer(text: str) -> str:
    """The answer without its think block and the code fence around it."""
    text = text.strip()
    if not _THINK.match(text) and "</think>" in text and "<think" not in text.split("</think>")[0]:
        text = text.split("</think>", 1)[1]  # templates that open the block in the prompt
    text = _THINK.sub("", text, count=1).strip()
    fenced = _FENCE.match(text)
    return fenced[1].strip() if fenced else text


def printable(text: str) -> str:
    """A foreign text as one line that a terminal, a log and a UTF-8 file can take."""
    return "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode())


def is_refusal(text: str) -> bool:
    """The judge declines in words."""
    return bool(_REFUSAL.match(plain_answer(text)))


def read_json(text: str, rubric: Rubric, names: Sequence[str]) -> Read:
    """Scores of {criterion: {quote, reason, score}} for exactly the criteria `names`.

    Raises Unreadable: prose, several objects, a broken or doubled key, a criterion too few or too many, a score that
    is no number within the scale, null for a criterion that always applies.
    """
    plain = plain_answer(text)
    if not plain:
        raise Unreadable("unparsable", "an empty answer")
    if plain[0] != "{":
        raise Unreadable("refused" if is_refusal(text) else "unparsable", "not a JSON object")
    try:
        data = json.loads(plain, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except RecursionError:
        raise Unreadable("unparsable", "nested too deeply") from None
    except ValueError as error:
        raise Unreadable("unparsable", f"not JSON: {str(error)[:80]}") from None
    missing, extra = [n for n in names if n not in data], [n for n in data if n not in names]
    if missing or extra:
        which = (
            f"lacks {', '.join(missing)}"
            if missing
            else f"holds {str(extra[0])[:20]!r}, which was not asked for"
        )
        raise Unreadable("unparsable", which)
    read = Read()
    for name in names:
        entry = data[name]
        if not isinstance(entry, dict) or "score" not in entry:
            raise Unreadable("unparsable", f"{name}: no score")
        read.criteria[name] = _number(entry["score"], rubric.criteria[name], rubric)
        for field_name, kept in (("reason", read.reasons), ("quote", read.quotes)):
            if isinstance(entry.get(field_name), str):
                kept[name] = printable(entry[field_name])[:MOST_REASON]
    return read


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _number(value: Any, criterion: Criterion, rubric: Rubric) -> float | None:
    if value is None:
        _not_applicable(criterion)
        return None
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not number:
        raise Unreadable("unparsable", f"{criterion.id}: the score is no number")
    if not rubric.low <= value <= rubric.high:  # an integer of any length: no float could hold it
        raise Unreadable(
            "unparsable",
            f"{criterion.id}: {str(value)[:20]} lies outside the scale {rubric.low}..{rubric.high}",
        )
    return float(value)


def _not_applicable(criterion: Criterion) -> None:
    """Raises Unreadable where the criterion always applies: no reply may talk its way out of one."""
    if not criterion.applies_when:
        raise Unreadable("unparsable", f"{criterion.id} always applies, and has no score")


@dataclass(frozen=True)
class Place:
    """A token of the answer and the likeliest tokens in its place, with their log-probabilities."""

    token: str
    top: tuple[tuple[str, float], ...]


def places(logprobs: Any) -> list[Place]:
    """The `logprobs` of a chat completion's choice.

    Raises Unreadable where the server sent none, or none that can be read.
    """
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not content:
        raise Unreadable("unparsable", "the server sent no log-probabilities (judge.scoring=json needs none)")
    out = []
    for entry in content:
        try:
            top = tuple((str(t["token"]), float(t["logprob"])) for t in entry.get("top_logprobs") or ())
            out.append(Place(str(entry["token"]), top))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unreadable("unparsable", "log-probabilities of an unknown form") from None
    return out


def read_labels(text: str, logprobs: Any, rubric: Rubric, names: Sequence[str], alone: bool) -> Read:
    """Expected scores from the probabilities at each label.

    alone: the answer is one label; else it is one line "R1: 4" for each of `names`, in this order.
    Raises Unreadable.
    """
    found = _without_end(_after_thinking(places(logprobs)), text)
    if is_refusal(text):
        raise Unreadable("refused", "the judge declined")
    answer = "".join(place.token for place in found)
    labels = "".join(re.escape(label) for label in rubric.labels)
    if (
        alone
    ):  # "4" or "4." and what a talkative model goes on with, but neither "4.5" nor "4/10" nor "4 or 5"
        match = re.match(rf"\s*([{labels}])(?=\s*$|[ \t]*\n|\.(?!\d)|。)", answer)
    else:
        lines = [rf"{re.escape(name)}[ \t]*:[ \t]*([{labels}])" for name in names]
        match = re.match(r"\s*" + r"[ \t]*\n+[ \t]*".join(lines) + r"\s*$", answer)
    if match is None:
        raise Unreadable("unparsable", "not one label" if alone else "not a line for each criterion")
    read, masses = Read(), []
    for number, name in enumerate(names, start=1):
        place, lead = _at(found, match.start(number))
        read.criteria[name], mass = _expected(place, lead, rubric, rubric.criteria[name])
        masses.append(mass)
    read.mass = sum(masses) / len(masses)
    return read


def _after_thinking(found: list[Place]) -> list[Place]:
    """The places behind the last think block."""
    cut = "".join(place.token for place in found).rfind("</think>") + len("</think>")
    at = 0
    for i, place in enumerate(found):
        if cut < len("</think>") or at >= cut:
            return found[i:]
        at += len(place.token)
    return []


def _without_end(found: list[Place], text: str) -> list[Place]:
    """The places without the end-of-turn token, which some servers (vLLM) list though the text leaves it out."""
    last = found[-1].token.strip() if found else ""
    return found[:-1] if last and text.strip() and not text.rstrip().endswith(last) else found


def _at(found: Sequence[Place], offset: int) -> tuple[Place, str]:
    """The place that holds character `offset` of the answer, and what its token says before that character."""
    at = 0
    for place in found:
        if at <= offset < at + len(place.token):
            return place, place.token[: offset - at]
        at += len(place.token)
    raise Unreadable("unparsable", "log-probabilities that do not fit the answer")


def _expected(place: Place, lead: str, rubric: Rubric, criterion: Criterion) -> tuple[float | None, float]:
    """(expected score, mass on the labels) at one place; a label counts with any spaces around it."""
    weights = dict.fromkeys(rubric.labels, 0.0)
    lead = lead.strip()
    for token, logprob in dict(place.top).items():  # a server may list the sampled token twice
        bare = token.strip()
        if bare.startswith(lead) and bare[len(lead) :].strip() in weights and logprob <= 1e-3:
            weights[bare[len(lead) :].strip()] += math.exp(min(0.0, logprob))
    mass = sum(weights.values())
    if not MIN_MASS <= mass:
        raise Unreadable("off_scale", f"{criterion.id}: {mass:.2g} of the probability lies on the labels")
    dash = weights.pop(NOT_APPLICABLE)
    numbers = sum(weights.values())
    if dash > max(weights.values()):
        if criterion.applies_when:
            return None, mass
        if numbers < MIN_MASS:
            _not_applicable(criterion)
    return sum(int(label) * w for label, w in weights.items()) / numbers, min(1.0, mass)
