"""The annotator's own rubric reading of a reply: scores 1-5 or None (does not apply) for each criterion.

Labels for training a judge. They come from surface cues and the public brief (`reading`), with a little noise; the
hidden oracle has no part in them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.negotiation import DialogueState
from repo_cli.worlds.hotel.reading import FAULTS, Message, Reading, read
from repo_cli.worlds.hotel.rubric_steps import completion, concession

Scores = dict[str, int | None]
NOISE = 0.08


def grounding(r: Reading) -> int:
    """R1: are facts and numbers the brief's or the talk's own."""
    if r.has("invented", "money_off") or r.unknown_numbers or r.wrong_names:
        return 1
    if r.has("pressure"):
        return 2
    if r.prices or r.has("fact"):
        return 5 if r.has("basis") or r.names_dates else 4
    return 4 if r.need in ("open", "leave", "decider", "closing") else 3


def restraint(r: Reading) -> int:
    """R2: no promise of results, rank or money."""
    if r.has("promise", "giveaway"):
        return 1
    return 5 if r.has("limits") else 4


def consent(r: Reading) -> int:
    """R3: the partner stays free; a refusal is taken."""
    asks = r.has("ask")
    if r.has("threat", "guilt", "grab", "no_consent", "pressure") or (r.need == "leave" and asks):
        return 1
    if r.need in ("confirm", "closing") and asks and not r.has("recap", "accept"):
        return 1
    if r.need == "decider" and (asks or r.has("view")):
        return 2
    if r.need == "leave":
        return 5 if r.has("leave") and r.has("thanks", "wish", "ack") else 3
    if r.has("choice", "limits"):
        return 5
    return 3 if asks and not r.has("ack", "thanks", "reason", "fact") else 4


def understanding(r: Reading) -> int | None:
    """R4: price, intent and mood of the partner caught."""
    if r.need == "open":
        return None
    if r.last_move_said or _misread(r):
        return 1
    if r.need in ("leave", "confirm", "take", "closing", "decider"):
        stage = stage_fit(r)
        if stage <= 2:
            return stage
        right_number = r.right_price is None or r.right_price in r.prices
        return 5 if stage == 5 and right_number else 4
    if r.need == "counter":
        return 5 if r.offer_named and r.has("thanks", "ack") else 3
    if r.need in ("answer", "soothe"):
        if r.names_concern or r.answers:
            return 5
        return 3 if r.has("ack", "option") else 2
    return 4 if r.has("ack", "thanks") or r.names_concern else 3


def _misread(r: Reading) -> bool:
    """A number taken up that the partner did not say, where one was said."""
    if r.right_price is None or not r.prices:
        return False
    return r.has("recap", "accept") and r.right_price not in r.prices


def stage_fit(r: Reading) -> int:
    """R5: is this the move that the talk needs now."""
    asks, closes = r.has("ask"), r.has("leave")
    if r.need == "open":
        if asks or r.prices:
            return 1
        return min(5, 1 + 2 * r.has("identity") + r.has("purpose") + (r.questions > 0))
    if r.need == "leave":
        if asks or r.has("view", "option"):
            return 1
        return 5 if closes else 2
    if r.need == "decider":
        return 1 if asks else 5 if r.has("decider", "later") else 2
    if r.need in ("take", "confirm"):
        right = r.right_price in r.prices
        if right and r.has("recap", "accept"):
            return 5 if r.has("confirm") else 3
        return 1 if asks or r.prices else 2
    if r.need == "closing":
        if r.has("submit"):
            return 5
        return 1 if asks else 4 if r.has("recap") and r.right_price in r.prices else 2
    if r.need == "answer":
        return 5 if r.answers else 2
    if r.need == "check":
        return 5 if r.has("check") and r.prices and not asks else 2 if asks else 3
    if closes:
        return 3 if r.need == "counter" and r.state.asks >= 2 else 1
    if r.need == "counter":
        return 5 if asks else 2
    if r.need == "soothe":
        return 5 if r.has("option") or (asks and r.has("ack")) else 3 if r.has("ack") else 2
    return 5 if asks and r.state.asks or r.has("fact", "reason") and (asks or r.has("view")) else 3


def empathy(r: Reading) -> int | None:
    """R7: the partner's actual worry named, in few words."""
    if r.has("guilt", "threat"):
        return 1
    if r.need == "open":
        return None
    if r.names_concern:
        return 5
    if r.concern is None or r.need in ("check", "take", "confirm", "closing"):
        return (
            4
            if r.has("thanks") and r.words > 8
            else 3
            if r.has("ack", "thanks")
            else None
            if r.need == "check"
            else 2
        )
    return 3 if r.has("ack", "thanks", "choice") else 1 if r.need in ("soothe", "answer") else 2


def tone(r: Reading) -> int:
    """R8: sounds like a considerate colleague."""
    if r.broken > 0.12 or r.foreign or r.repeats > 2 or r.form:
        return 1
    if r.broken > 0.04 or r.repeats or r.cut_off or r.has("guilt", "threat", "leak"):
        return 2
    if r.has("eager") or r.words < 6:
        return 3
    return 5 if r.has("ack", "thanks", "choice", "wish") else 4


def persuasion(r: Reading) -> int | None:
    """R9: a reason fitted to this hotel's kind or worry, with a light option."""
    if r.need in ("open", "check", "leave", "decider", "take", "confirm", "closing", "answer"):
        return None
    if r.has("threat", "pressure", "guilt") or r.last_move_said:
        return 1
    if r.fits_class or (r.names_concern and r.has("option", "limits", "choice")):
        return 5
    if r.has("fact") and r.has("reason"):
        return 4
    return 3 if r.has("fact", "reason", "option") else 2 if r.has("ack", "basis") else 1


def clarity(r: Reading) -> int | None:
    """R11: the figure, its unit, dates and basis."""
    if not r.prices:
        return None
    if r.unknown_numbers or r.has("money_off") or _misread(r):
        return 1
    return 3 + r.has("basis") + r.names_dates


def economy(r: Reading) -> int:
    """R12: one point, one question, no rambling."""
    limit = 60 if r.language == "en" else 80
    if r.broken > 0.12 or r.words > limit or r.questions > 2 or r.repeats > 2:
        return 1
    if r.questions > 1 or r.repeats or r.cut_off:
        return 2
    return 5 if r.words <= limit * 0.75 else 3


# R6 and R10 came later and stand last: noise is drawn in this order, so the other labels stayed what they were
_READERS = {"R1": grounding, "R2": restraint, "R3": consent, "R4": understanding, "R5": stage_fit, "R7": empathy,
            "R8": tone, "R9": persuasion, "R11": clarity, "R12": economy,
            "R6": completion, "R10": concession}  # fmt: skip
_WORDED = ("R1", "R4", "R5", "R6", "R7", "R9", "R10", "R11")  # criteria that hang on what the words say


def scores_of(reading: Reading) -> Scores:
    """The scores without noise. A reply that cannot be read well scores at most 2 wherever wording matters."""
    scores: Scores = {name: reader(reading) for name, reader in _READERS.items()}
    cap = 5
    if reading.foreign or reading.broken > 0.2 or reading.repeats > 4:
        cap = 1
    elif reading.broken > 0.07 or reading.repeats > 1 or reading.form:
        cap = 2
    elif reading.cut_off or reading.broken > 0.03:
        cap = 3
    if cap < 5:
        for name in _WORDED:
            if (score := scores.get(name)) is not None:
                scores[name] = min(score, cap if name != "R1" else cap + 1)
    return scores


def label(history: Sequence[Message], reply: str, scenario: Mapping[str, Any], rng: random.Random | None = None,
          state: DialogueState | None = None, noise: float = NOISE) -> Scores:  # fmt: skip
    """The annotator's scores of a reply; each one is off by a point with probability `noise`."""
    scores = scores_of(read(history, reply, scenario, state))
    if rng is not None:
        for name, score in scores.items():
            if score is not None and rng.random() < noise:
                scores[name] = min(5, max(1, score + rng.choice((-1, 1))))
    return scores


def faulty(reading: Reading) -> bool:
    """Whether the annotator sees a plain fault (used to check that gold replies have none)."""
    return reading.has(*FAULTS) or bool(reading.unknown_numbers or reading.wrong_names or reading.broken > 0.02
                                        or reading.foreign or reading.form or reading.repeats > 1)  # fmt: skip
