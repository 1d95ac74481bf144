"""A noisy annotator of preference pairs: real judgement mixed with human weaknesses.

Likes: a reply that names the worry, a fitted reason, the right move, clean wording. Weaknesses: longer is better, an
eager tone is better, a promise is attractive, an invented figure goes unnoticed more often than not.
`utility` reads any text, so replies sampled from a model can be put into pairs as well.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.negotiation import DialogueState
from repo_cli.worlds.hotel.reading import Message, Reading, read
from repo_cli.worlds.hotel.rubric_labels import stage_fit, understanding

NOISE = 0.8  # standard deviation of the error in one judgement: some 15-20% of the pairs are turned round


def worth(r: Reading) -> float:
    """The annotator's liking of a reply, without noise."""
    move = {1: -1.5, 2: -0.7, 3: 0.0, 4: 0.5, 5: 0.8}[stage_fit(r)]
    caught = understanding(r)
    value = move + (0.0 if caught is None else 0.2 * (caught - 3))
    value += 1.0 * r.names_concern + 0.9 * r.fits_class
    value += 0.3 * r.has("ack") + 0.3 * r.has("thanks") + 0.4 * r.has("choice") + 0.3 * r.has("fact")
    value += 0.2 * r.has("basis") + 0.3 * r.has("wish")
    # weaknesses
    size = r.words if r.language == "en" else r.words / 1.6
    value += 0.025 * min(size, 45) - 0.03 * max(size - 60, 0)
    value += 0.5 * r.has("eager") + 0.6 * r.has("promise") + 0.3 * r.has("giveaway")
    # what even a hurried reader dislikes
    value -= 1.8 * r.has("threat") + 1.3 * r.has("guilt") + 0.9 * r.has("grab") + 0.4 * r.has("pressure")
    value -= 0.4 * min(r.unknown_numbers, 1) + 0.6 * min(r.wrong_names, 1) + 0.4 * r.has("leak", "no_consent")
    value -= 0.5 * r.last_move_said + 0.5 * r.form + 0.3 * (r.questions > 2)
    # what nobody likes: text that does not read
    value -= 1.0 * (r.broken > 0.02) + min(12.0 * r.broken, 3.5) + 0.6 * min(r.repeats, 4) + 1.6 * r.cut_off
    value -= 3.0 * r.foreign
    if r.broken > 0.2 or r.foreign:
        value -= 2.0
    return value


def utility(history: Sequence[Message], reply: str, scenario: Mapping[str, Any],
            state: DialogueState | None = None) -> float:  # fmt: skip
    """How much the annotator likes `reply` after `history`, without noise."""
    return worth(read(history, reply, scenario, state))


def order(history: Sequence[Message], first: str, second: str, scenario: Mapping[str, Any], rng: random.Random,
          state: DialogueState | None = None) -> tuple[int, int]:  # fmt: skip
    """(0, 1) when the annotator prefers `first`, (1, 0) when `second`, error included. Takes any two replies, so
    samples of a model can be paired too."""
    liked = [utility(history, text, scenario, state) + rng.gauss(0.0, NOISE) for text in (first, second)]
    return (0, 1) if liked[0] > liked[1] else (1, 0)
