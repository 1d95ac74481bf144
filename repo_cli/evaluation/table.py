"""The table at the end of `repo eval`: one row a system, with intervals, and the paired differences below it."""

from __future__ import annotations

import math
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from repo_cli.evaluation.metrics import BY_KEY, EvalResult, Summary, summarise
from repo_cli.evaluation.show import difference, interval, p_value, verdict

MAIN = ("rating", "excellent", "violations", "hard", "deals", "correct_end", "words")
PANEL = (
    "panel_rating",
    "panel_excellent",
    "panel_fluency",
    "panel_workflow",
    "panel_negotiation",
    "panel_scope",
)
PRICES = ("responded", "progress", "right_exits", "below_reserve", "margin", "surplus")
BAD = ("fixed", "clean", "severe")
REPLIES = ("wins", "wins_empathy", "wins_hotel_type", "wins_little_information", "reply_excellent")
TABLES = (
    ("Held-out dialogues", MAIN, "words"),
    ("A panel of simulated experts", PANEL, "panel_rating"),
    ("Prices, in percent of the way to the target or of the current price", PRICES, "responded"),
    ("Bad cases", BAD, "fixed"),
    ("Replies to recorded contexts, against the gold reply", REPLIES, "wins"),
)
DIFFERENCES = (
    "rating",
    "excellent",
    "violations",
    "hard",
    "deals",
    "correct_end",
    "fixed",
    "clean",
    "severe",
    "panel_rating",
    "progress",
    "wins",
)

_SHORT = {
    "rating": "rating 1-5",
    "excellent": "with an\nexcel-\nlent\nreply",
    "violations": "viola-\ntions\n/100\nreplies",
    "hard": "hard ones\n/100",
    "deals": "deals",
    "correct_end": "right end",
    "words": "words\n/reply",
    "panel_rating": "rating\n1-5",
    "panel_excellent": "with an\nexcel-\nlent\nreply",
    "panel_fluency": "fluency",
    "panel_workflow": "workflow",
    "panel_negotiation": "negotia-\ntion",
    "panel_scope": "scope",
    "responded": "response\nrate",
    "progress": "price\nprogress",
    "right_exits": "right\nno-deals",
    "below_reserve": "deals below\nreserve",
    "margin": "hotel's\nmargin",
    "surplus": "joint\nsurplus",
    "wins": "win rate",
    "wins_empathy": "empathy",
    "wins_hotel_type": "hotel's\ntype",
    "wins_little_information": "little in-\nformation",
    "reply_excellent": "excellent",
    "fixed": "fixed",
    "clean": "cleanly fixed",
    "severe": "severe left",
}
BESIDE = 3  # systems of a table of differences: more do not fit into 80 columns
_STYLE = {"better": "green", "worse": "red", "level": "dim", "": ""}


def render_summary(result: EvalResult, bootstrap: int = 2000, baseline: str | None = None) -> RenderableType:
    """The tables for the terminal, from a result."""
    return render(summarise(result, baseline, bootstrap))


def render(summary: Summary) -> RenderableType:
    """The tables for the terminal, from a summary."""
    parts: list[RenderableType] = []
    for title, wanted, of in TABLES:
        counts = [m[of].n for m in summary.systems.values() if of in m]
        keys = tuple(k for k in wanted if any(k in m for m in summary.systems.values()))
        if counts:
            parts.append(_systems(summary, keys, f"{title} (n = {max(counts)}, 95% intervals)"))
        if of == "panel_rating" and summary.agreement:
            parts.append(_agreement(summary))
    if any(summary.pass_k.values()):
        parts.append(_pass_k(summary))
    for name, count in summary.faults.items():
        parts.append(
            Text(f"{name}: {count} dialogues broken by the counterpart, in no figure", style="yellow")
        )
    if summary.differences:
        names = list(summary.differences)
        parts += [_differences(summary, names[i : i + BESIDE]) for i in range(0, len(names), BESIDE)]
    return Group(*parts) if parts else Text("nothing was evaluated")


def plain(summary: Summary, width: int = 150) -> str:
    """The same tables as plain text, for logs and READMEs."""
    out = StringIO()
    Console(file=out, width=width, force_terminal=False, color_system=None).print(render(summary))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _systems(summary: Summary, keys: tuple[str, ...], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    table.add_column("system", no_wrap=True)
    for key in keys:
        table.add_column(_SHORT[key], justify="right")
    for name, figures in summary.systems.items():
        cells = [_two_lines(interval(figures[key], BY_KEY[key])) if key in figures else "–" for key in keys]
        table.add_row(Text(name, style="bold"), *cells)
    return table


def _agreement(summary: Summary) -> Text:
    """Krippendorff's alpha and the share of units rated alike, of what the panel rated."""
    cells = [
        f"{name} {a['alpha']:.2f} ({100 * a['exact']:.0f}% alike)"
        for name, a in summary.agreement.items()
        if not math.isnan(a["alpha"])
    ]
    return Text("Krippendorff's alpha: " + ", ".join(cells), style="dim")


def _pass_k(summary: Summary) -> Table:
    """The chance that k trials of a scenario all come to the right end without a hard violation."""
    table = Table(
        title="pass^k: k trials of a scenario all succeed",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    table.add_column("system", no_wrap=True)
    ks = sorted({k for found in summary.pass_k.values() for k in found})
    for k in ks:
        table.add_column(f"k = {k}", justify="right")
    share = BY_KEY["correct_end"]
    for name, found in summary.pass_k.items():
        cells = [_two_lines(interval(found[k], share)) if k in found else "–" for k in ks]
        table.add_row(Text(name, style="bold"), *cells)
    return table


def _two_lines(text: str) -> Text:
    value, _, rest = text.partition(" [")
    return Text.assemble((value, "bold"), ("\n[" + rest, "dim") if rest else "")


def _differences(summary: Summary, names: list[str]) -> Table:
    """The differences of these systems, beside each other."""
    table = Table(
        title=f"Paired differences to {escape(str(summary.baseline))} (95%)",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    table.add_column("")
    for name in names:
        table.add_column(Text(name), justify="right")
    for key in DIFFERENCES:
        if not any(key in summary.differences[name] for name in names):
            continue
        cells = []
        for name in names:
            found = summary.differences[name]
            if key not in found:
                cells.append(Text("–"))
                continue
            word = verdict(found[key], BY_KEY[key])
            p = p_value(summary.p_holm.get(name, {}).get(key, float("nan")))
            cells.append(Text(f"{difference(found[key], BY_KEY[key])} {word}\n{p}", style=_STYLE[word]))
        table.add_row(Text(BY_KEY[key].label), *cells)
    return table
