"""`repo ratings export`: blinded, shuffled rating sheets for people, as CSV and as an HTML form, and their key.

    DIR/sheet-1.csv    to fill in with a spreadsheet
    DIR/sheet-1.html   the same items as a form: opened from disk, no network; saves a CSV
    DIR/key.json       which item is whose: keep it from the raters

Every sheet has the same items in an order of its own and under ids of its own; side by side, which system is A is
drawn anew for every item of every sheet. All texts are untrusted: the form's data is JSON that cannot end its
element, the script shows it as text only, and the page's own policy runs no other script than that one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.evaluation.rating_items import FIELDS, SIDE_BY_SIDE, Unit
from repo_cli.evaluation.sheets import write_table, write_text

KEY = "key.json"
_SIGNS = "bcdfghjkmnpqrstvwxz23456789"


def export_sheets(
    units: list[Unit], out: Path, raters: int = 3, seed: int = 0, source: str = "", title: str = "Ratings"
) -> list[Path]:
    """Writes the sheets of `raters` raters and the key; returns what was written.

    Raises:
        UserError: the directory already holds a key (its sheets may be with the raters).
    """
    out = Path(out)
    if (out / KEY).exists():
        raise UserError(
            f"{out / KEY} exists: sheets were exported here before",
            hint="choose another directory with --out",
        )
    kind = units[0].kind
    order = list(range(len(units)))
    random.Random(f"names|{seed}").shuffle(order)  # the units' numbers tell nothing either
    names = {place: f"u{rank + 1:04d}" for rank, place in enumerate(order)}
    items: dict[str, dict[str, Any]] = {}
    written: list[Path] = []
    for sheet in range(1, raters + 1):
        rng = random.Random(f"sheet|{seed}|{sheet}")
        places = list(range(len(units)))
        rng.shuffle(places)
        rows = []
        for place in places:
            item = _fresh(items, rng)
            sides = list(units[place].systems)
            if kind in SIDE_BY_SIDE:
                rng.shuffle(sides)
            items[item] = {"unit": names[place], "sheet": sheet, "sides": sides}
            rows.append(_shown(item, units[place], sides))
        stem = out / f"sheet-{sheet}"
        write_table(stem.with_suffix(".csv"), *_flat(kind, rows, sheet))
        write_text(stem.with_suffix(".html"), form_page(kind, rows, sheet, title))
        written += [stem.with_suffix(".csv"), stem.with_suffix(".html")]
    # the key comes last: with it the export is whole
    key = {
        "version": 1,
        "kind": kind,
        "seed": seed,
        "source": source,
        "sheets": raters,
        "items": items,
        "units": {names[place]: asdict(unit) for place, unit in enumerate(units)},
    }
    write_text(out / KEY, json.dumps(key, ensure_ascii=False))
    return [*written, out / KEY]


def read_key(path: Path) -> dict[str, Any]:
    """The key of an export; UserError when it is none."""
    try:
        key = json.loads(Path(path).read_text(encoding="utf-8"))
        if (
            key["kind"] not in FIELDS
            or not isinstance(key["items"], dict)
            or not isinstance(key["units"], dict)
        ):
            raise KeyError("kind, items or units")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the key of exported sheets ({error})") from None
    return key


def _fresh(taken: dict[str, Any], rng: random.Random) -> str:
    while True:
        name = "".join(rng.choice(_SIGNS) for _ in range(6))
        if name not in taken:
            return name


def _shown(item: str, unit: Unit, sides: list[str]) -> dict[str, Any]:
    """An item as a rater sees it."""
    labels = ["A", "B"] if len(sides) == 2 else [""]
    parts = [{"label": label, "lines": unit.texts[name]} for label, name in zip(labels, sides, strict=True)]
    return {"id": item, "brief": unit.brief, "before": unit.before, "parts": parts}


def _flat(kind: str, rows: list[dict[str, Any]], sheet: int) -> tuple[list[str], list[dict[str, Any]]]:
    """(columns, rows) of a sheet for a spreadsheet; the cells to fill in come right after the item."""
    fields = [f.name for f in FIELDS[kind]]
    shown = ["A", "B"] if kind in SIDE_BY_SIDE else ["shown"]
    out = []
    for row in rows:
        cells: dict[str, Any] = {"item": row["id"], "rater": f"rater{sheet}", "brief": row["brief"]}
        cells["before"] = _text(row["before"])
        for column, part in zip(shown, row["parts"], strict=True):
            cells[column] = _text(part["lines"])
        out.append(cells)
    return ["item", "rater", *fields, "comment", "brief", "before", *shown], out


def _text(lines: list[dict[str, str]]) -> str:
    marks = [f" [marked: {line['mark']}]" if line.get("mark") else "" for line in lines]
    return "\n".join(f"{line['who']}: {line['text']}{mark}" for line, mark in zip(lines, marks, strict=True))


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("repo_cli.evaluation"), autoescape=True, undefined=StrictUndefined
    )


def form_page(kind: str, rows: list[dict[str, Any]], sheet: int, title: str = "Ratings") -> str:
    """The HTML form of one sheet."""
    environment = _environment()
    script, _, _ = environment.loader.get_source(environment, "ratings.js")
    data = {
        "kind": kind,
        "sheet": sheet,
        "fields": [asdict(f) for f in FIELDS[kind]],
        "items": rows,
        "name": f"ratings-{hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]}",
    }
    return environment.get_template("ratings.html.j2").render(
        title=title,
        sheet=sheet,
        count=len(rows),
        data=json_for_html(data),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def json_for_html(data: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end the element or open another."""
    text = json.dumps(data, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
