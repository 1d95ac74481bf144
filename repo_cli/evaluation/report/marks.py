"""Words of a reply marked in place: what broke a rule, and the prices. Text is escaped piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from repo_cli.evaluation.result import RuleHit
from repo_cli.negotiation import read_prices


@dataclass(frozen=True)
class Mark:
    """Characters start..end of a text: `kind` is hard, soft or price; `name` is shown behind them, `about` on hover."""

    start: int
    end: int
    kind: str
    name: str = ""
    about: str = ""


def marked(text: str, marks: Sequence[Mark]) -> Markup:
    """`text` with its marks as HTML. Where marks overlap each piece carries all of them, and looks like the worst."""
    fit = [m for m in marks if 0 <= m.start < m.end <= len(text)]
    cuts = sorted({0, len(text), *(m.start for m in fit), *(m.end for m in fit)})
    out = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        here = [m for m in fit if m.start <= start and end <= m.end]
        piece = escape(text[start:end])
        if here:
            worst = min(here, key=lambda m: ("hard", "soft", "price").index(m.kind))
            about = "; ".join(dict.fromkeys(" ".join(filter(None, (m.name, m.about))) for m in here))
            names = [m.name for m in here if m.name and m.end == end]
            piece = Markup('<mark class="{}" title="{}">{}</mark>').format(worst.kind, about, piece)
            for name in dict.fromkeys(names):
                piece += Markup("<sub>{}</sub>").format(name)
        out.append(piece)
    return Markup("").join(out)


def price_marks(text: str, scenario: Mapping[str, Any]) -> list[Mark]:
    """Every price that the reader of the negotiation room finds."""
    found = read_prices(text, scenario.get("language"), current=scenario.get("current_price"))
    return [Mark(p.span[0], p.span[1], "price", about=f"{p.kind} {_said(p.value)}".strip()) for p in found]


def rule_marks(hits: Sequence[RuleHit], turn: int, about: Mapping[str, str]) -> list[Mark]:
    """The marks of one agent turn's broken rules; those without a place in the text are left to tags."""
    return [
        Mark(h.start, h.end, "hard" if h.severity == "hard" else "soft", h.rule, about.get(h.rule, ""))
        for h in hits
        if h.turn == turn and h.end > h.start
    ]


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, (int, float)) else str(value or "")
