"""A reward model's report in the terminal: the tables at the end of `repo train-rm`.

Tags and texts come from the data and are untrusted: they are `Text`, never markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

_TAGS, _CASES = 12, 3  # in the terminal; the page has all
LENGTH_TITLE = "Accuracy by length (far: by half or more)"
_BARS = " ▁▂▃▄▅▆▇█"


def share(line: dict[str, float]) -> str:
    """ "71.2% [66.0, 75.9]"."""
    value, low, high = (100 * float(line[key]) for key in ("value", "low", "high"))
    return f"{value:.1f}% [{low:.1f}, {high:.1f}]"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of the whole as (what, value)."""
    trust, margin, length = report["reliability"], report["margin"], report["length"]
    return [
        ("accuracy", share(report["accuracy"])),
        ("always the longer reply", share(report["longer_wins"])),
        ("score, mean ± sd", f"{report['score']['mean']:+.3f} ± {report['score']['std']:.3f}"),
        ("margin, mean ± sd", f"{margin['mean']:+.3f} ± {margin['std']:.3f}"),
        ("correlation of score and length", f"{length['replies']:+.2f}"),
        ("the same of differences in a pair", f"{length['pairs']:+.2f}"),
        ("expected calibration error", f"{trust['ece']:.3f}"),
        ("Brier score (coin: 0.25)", f"{trust['brier']:.3f}"),
        ("log loss (coin: 0.693)", f"{trust['log_loss']:.3f}"),
    ]


def render(report: dict[str, Any]) -> Group:
    """The report for a terminal (rich)."""
    from rich.console import Group
    from rich.text import Text

    whole = _table(f"Reward model on {report['pairs']} held-out pairs", "", "95% interval")
    for what, value in facts(report):
        whole.add_row(Text(what), Text(value))
    parts: list[RenderableType] = [whole]
    for title, lines in (
        (LENGTH_TITLE, report["by_length"]),
        ("Accuracy by tag", report["by_tag"][:_TAGS]),
    ):
        if lines:
            table = _table(title, "", "pairs", "accuracy")
            for line in lines:
                table.add_row(Text(line["name"]), str(line["n"]), share(line))
            parts.append(table)
    more = len(report["by_tag"]) - _TAGS
    if more > 0:
        parts.append(Text(f"and {more} more tags in rm_report.json", style="dim"))
    trust = _table("Can its certainty be believed?", "implied probability", "pairs", "mean", "right")
    for found in report["reliability"]["bins"]:
        ends = f"{found['low']:.2f} to {found['high']:.2f}"
        trust.add_row(ends, str(found["n"]), f"{found['predicted']:.2f}", f"{found['observed']:.2f}")
    parts += [trust, Text(_sparkline(report["margin"]))]
    for case in report["worst"][:_CASES]:
        parts.append(_case(case))
    return Group(*parts)


def _table(title: str, first: str, *rest: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(first)
    for name in rest:
        table.add_column(name, justify="right")
    return table


def _sparkline(margin: dict[str, Any]) -> str:
    counts, edges = [float(c) for c in margin["counts"]], margin["edges"]
    most = max(counts, default=0.0) or 1.0
    bars = "".join(_BARS[max(round(8 * c / most), int(c > 0))] for c in counts)
    return f"margins  {edges[0]:+.2f} |{bars}| {edges[-1]:+.2f}"


def _case(case: dict[str, Any]) -> RenderableType:
    """One of the worst errors, to be read."""
    from rich.text import Text

    tags = f" ({', '.join(case['tags'])})" if case["tags"] else ""
    lines = [(f"wrong: {case['where']}{tags}\n", "bold")]
    lines += [(f"  {m['role']}: {_short(m['content'])}\n", "dim") for m in case["context"][-1:]]
    for side in ("chosen", "rejected"):
        lines.append((f"  {side} {case[side]['score']:+.2f}: {_short(case[side]['text'])}\n", ""))
    return Text.assemble(*lines)


def _short(text: str, most: int = 240) -> str:
    """One line for the terminal, without control characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
