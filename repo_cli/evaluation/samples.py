"""The same dialogue before and after training, side by side, for the terminal."""

from __future__ import annotations

import math

from rich.console import Group
from rich.table import Table
from rich.text import Text

from repo_cli.evaluation.metrics import choose_baseline
from repo_cli.evaluation.result import Dialogue, EvalResult


def sample_dialogues(result: EvalResult, count: int = 2) -> Group:
    """`count` dialogues of the baseline beside those of the last system, on the same scenario.

    The ones in the middle of all, by the difference of their ratings: neither the best cases nor the worst.
    """
    before, after = choose_baseline(result), list(result.systems)[-1]
    if before is None or before == after:
        return Group()
    old = {(d.scenario_id, d.trial): d for d in result.systems[before].dialogues}
    both = [(d.scenario_id, d.trial) for d in result.systems[after].dialogues]
    pairs = [(old[k], d) for k, d in zip(both, result.systems[after].dialogues, strict=True) if k in old]
    change = [pair[1].rating - pair[0].rating for pair in pairs]
    if not any(math.isnan(c) for c in change):
        pairs.sort(key=lambda pair: pair[1].rating - pair[0].rating)
    step = len(pairs) / (count + 1)
    return Group(
        *(_side_by_side(before, after, *pairs[int(step * (k + 1))]) for k in range(min(count, len(pairs))))
    )


def _side_by_side(before: str, after: str, old: Dialogue, new: Dialogue) -> Table:
    table = Table(title=f"scenario {new.scenario_id}", title_justify="left", show_lines=False, expand=True)
    for name, dialogue in ((before, old), (after, new)):
        deal = dialogue.outcome.get("price") if dialogue.outcome.get("deal") else None
        end = f"deal at {deal}" if deal is not None else str(dialogue.outcome.get("reason", "no deal"))
        rated = "not rated" if math.isnan(dialogue.rating) else f"rated {dialogue.rating:.1f}"
        table.add_column(Text(f"{name}: {rated}, {end}"), ratio=1)
    table.add_row(_words(old), _words(new))
    return table


def _words(dialogue: Dialogue) -> Text:
    """The dialogue without its brief; model output is data, so nothing in it is read as markup."""
    text = Text()
    for message in dialogue.messages:
        if message["role"] != "system":
            who = "agent" if message["role"] == "assistant" else "hotel"
            text.append(f"{who}: ", style="bold cyan" if who == "agent" else "bold")
            text.append(message["content"] + "\n")
    return text
