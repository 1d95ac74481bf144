"""`repo data pairs SRC DST`: preference pairs from human dialogues with outcomes.

Two kinds of pairs, each a reply preferred to another after the same dialogue so far:

- corruption: an agent turn of a good dialogue (outcomes.is_good) against the same turn spoilt in one of
  five ways (corruptions.py). They teach what a reply is at all.
- outcome: an agent turn of a dialogue that went well (progress >= `well`) against the turn at the same
  place of one that went badly (progress <= `badly`). Dialogues about the very same scenario are taken
  first; else the same domain, and amounts of money are rescaled by the ratio of the list prices, so that
  no number gives the pair away. A weak signal, as outcomes are: a good turn can stand in a dialogue that
  failed.

Rows: id, prompt, chosen, rejected, scenario, language, source ("NAME/split:id"), tags (["corruption",
"shuffled"] or ["outcome", "same scenario"]). Everything follows from (seed, dialogue id, turn): more
dialogues in the file change which others are drawn, and nothing else. No torch here.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.dialogue.corruptions import CORRUPTIONS, NUMBER, Others, rescaled, words
from repo_cli.dialogue.files import LoadReport, write_rows
from repo_cli.dialogue.messages import is_learned
from repo_cli.dialogue.outcomes import is_good, progress, read_dialogues
from repo_cli.dialogue.rows import Row
from repo_cli.errors import UserError, nearest

_MIN_WORDS = 4  # "ok" and "hi there" are neither good nor bad
_OTHERS = 2000


@dataclass
class PairsReport:
    """How many dialogues were read, how many were good, and the pairs made by their last tag."""

    load: LoadReport
    good: int = 0
    pairs: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """One line for the log."""
        made = ", ".join(f"{n} {kind}" for kind, n in sorted(self.pairs.items()))
        return f"{self.load.line()}; {self.good} good dialogues; {self.pairs.total()} pairs ({made})"


def make_pairs(
    src: str,
    dst: str | os.PathLike[str],
    seed: int = 0,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    *,
    per_turn: int = 1,
    outcome_pairs: bool = True,
    well: float = 0.7,
    badly: float = 0.3,
    split: str | None = None,
    with_brief: bool = True,
    limit: int | None = None,
    on_bad_row: str = "skip",
) -> PairsReport:
    """Write preference pairs made of the dialogues in `src` to `dst`.

    Args:
        corruptions: which ways of spoiling to use (names of corruptions.CORRUPTIONS); none for outcome
            pairs only.
        per_turn: corruption pairs for each agent turn, of different kinds.
        outcome_pairs: whether to make pairs by outcome.
        well, badly: progress from which, and up to which, a dialogue went well or badly.
        split, with_brief, on_bad_row: as in `outcomes.read_dialogues`.
        limit: at most so many pairs, drawn evenly (all when None).
    Raises:
        UserError: an unknown corruption, an unreadable file, or no pair at all.
    """
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise UserError(
                f"unknown corruption {name!r}; there are {', '.join(CORRUPTIONS)}",
                hint=f"did you mean {near}?" if (near := nearest(name, CORRUPTIONS)) else None,
            )
    rows, load = read_dialogues(src, split, with_brief, on_bad_row)
    report = PairsReport(load)
    good = [row for row in rows if is_good(row)]
    report.good = len(good)
    made = _corruption_pairs(good, rows, seed, list(corruptions), per_turn)
    if outcome_pairs:
        made += _outcome_pairs(rows, seed, well, badly)
    if limit is not None and len(made) > limit:
        keep = sorted(random.Random(f"{seed}/limit").sample(range(len(made)), limit))
        made = [made[i] for i in keep]
    if not made:
        raise UserError(
            f"{src} gives no preference pair: {len(good)} of its {len(rows)} dialogues are good",
            hint="rows need an `outcome` with agreed and assistant_progress or user_donation_usd",
        )
    report.pairs.update(row["tags"][0] + ": " + row["tags"][1] for row in made)
    write_rows(dst, made)
    return report


def _corruption_pairs(
    good: Sequence[Row], rows: Sequence[Row], seed: int, names: list[str], per_turn: int
) -> list[Row]:
    pool = [(_scenario_key(r), r["messages"][i]["content"]) for r in rows for i in _turns(r)]
    random.Random(f"{seed}/pool").shuffle(pool)
    made = []
    for row in good:
        key = _scenario_key(row)
        others = Others([text for other, text in pool[:_OTHERS] if other != key])
        for i in _turns(row):
            rng = random.Random(f"{seed}/{row_id(row)}/{i}")
            text = row["messages"][i]["content"].strip()
            order = rng.sample(names, len(names))
            done = 0
            for name in order:
                spoilt = CORRUPTIONS[name](text, rng, others) if done < per_turn else None
                if spoilt and spoilt.strip() != text:
                    made.append(_pair(row, i, text, spoilt.strip(), "corruption", name))
                    done += 1
    return made


def _outcome_pairs(rows: Sequence[Row], seed: int, well: float, badly: float) -> list[Row]:
    """For each agent turn of a dialogue that went well, the turn at the same place of one that went badly."""
    worse = [(row, value) for row in rows if (value := progress(row)) is not None and value <= badly]
    by_scenario: dict[Any, list[Row]] = {}
    by_domain: dict[Any, list[Row]] = {}
    for row, _ in worse:
        by_scenario.setdefault(_scenario_key(row), []).append(row)
        by_domain.setdefault(_domain(row), []).append(row)
    made = []
    for row in rows:
        value = progress(row)
        if value is None or value < well or not is_good(row):
            continue
        same = by_scenario.get(_scenario_key(row), [])
        for place, i in _placed(row):
            rng = random.Random(f"{seed}/{row_id(row)}/{i}/outcome")
            for tag, candidates in (
                ("same scenario", same),
                ("same domain", by_domain.get(_domain(row), [])),
            ):
                other = candidates[rng.randrange(len(candidates))] if candidates else None
                text = _turn_at(other, place) if other is not None else None
                if other is None or text is None:
                    continue
                rejected = _transfer(text, other, row) if tag == "same domain" else text
                chosen = row["messages"][i]["content"].strip()
                if rejected != chosen:
                    made.append(_pair(row, i, chosen, rejected, "outcome", tag))
                break
    return made


def _turns(row: Row) -> list[int]:
    """Indices of the agent turns that are long enough to say something."""
    return [
        i for i, m in enumerate(row["messages"]) if is_learned(m) and len(words(m["content"])) >= _MIN_WORDS
    ]


def _placed(row: Row) -> list[tuple[int, int]]:
    """(which agent turn it is, its index in messages) of the turns that say something, greetings (the
    first) left out."""
    agent = [i for i, m in enumerate(row["messages"]) if m["role"] == "assistant"]
    wanted = set(_turns(row))
    return [(place, i) for place, i in enumerate(agent) if place > 0 and i in wanted]


def _turn_at(row: Row, place: int) -> str | None:
    return next((row["messages"][i]["content"].strip() for at, i in _placed(row) if at == place), None)


def _transfer(text: str, source: Row, target: Row) -> str:
    """Amounts of one scenario in terms of another: every number that can be a price there, times the ratio
    of the list prices."""
    a, b = (_list_price(row) for row in (source, target))
    if not a or not b:
        return text

    def swap(hit: Any) -> str:
        value = float(hit.group().replace(",", ""))
        return rescaled(hit.group(), b / a) if 0.2 * a <= value <= 1.5 * a else hit.group()

    return NUMBER.sub(swap, text)


def _list_price(row: Row) -> float | None:
    price = (row.get("scenario") or {}).get("list_price")
    return float(price) if isinstance(price, int | float) and price > 0 else None


def _scenario_key(row: Row) -> Any:
    scenario = row.get("scenario") or {}
    if scenario.get("item_title"):
        return (scenario["item_title"], scenario.get("list_price"), scenario.get("assistant_target"))
    return row_id(row)


def _domain(row: Row) -> Any:
    return (row.get("scenario") or {}).get("domain"), row.get("language")


def row_id(row: Row) -> str:
    """The row's own id, or its place in the file."""
    return str(row.get("id") or row.get("_at"))


def _pair(row: Row, i: int, chosen: str, rejected: str, kind: str, name: str) -> Row:
    return {
        "id": f"{row_id(row)}/{i}/{name.replace(' ', '-')}",
        "prompt": [{"role": m["role"], "content": m["content"]} for m in row["messages"][:i]],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "scenario": row.get("scenario") or {},
        "language": row.get("language"),
        "source": f"{row.get('source', 'unknown')}:{row_id(row)}",
        "tags": [kind, name],
    }
