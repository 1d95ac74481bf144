"""Small CSV tables that people make: read with line numbers, whatever spreadsheet saved them, and written safely.

Cells are untrusted. What a spreadsheet would take for a formula is written with an apostrophe in front, as
spreadsheets themselves mark text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError, nearest

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: (line in the file, the row's cells by column name)
Line = tuple[int, dict[str, str]]


def read_table(path: Path, needed: Sequence[str] = ()) -> tuple[list[str], list[Line]]:
    """(column names, lines) of a CSV with commas, semicolons or tabs, with or without a byte order mark.

    Column names are lower-cased; cells are stripped; rows without any text are passed over.

    Raises:
        UserError: unreadable, empty, a needed column missing, or a row with another number of cells.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        text = raw.decode(encoding)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason})", hint="save the sheet as CSV UTF-8") from None
    if not text.strip():
        raise UserError(f"{path} is empty: it holds no row")
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns: list[str] = []
    lines: list[Line] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip().lower() for cell in cells]
                continue
            at = reader.line_num
            if len(cells) != len(columns):
                raise UserError(f"{path}:{at}: {len(cells)} cells, but the header has {len(columns)} columns")
            lines.append((at, {c: cell.strip() for c, cell in zip(columns, cells, strict=True)}))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    for name in needed:
        if name not in columns:
            near = nearest(name, columns)
            hint = f"its columns: {', '.join(columns)}" + (f"; is {near} meant?" if near else "")
            raise UserError(f"{path}: no column `{name}`", hint=hint)
    if not lines:
        raise UserError(f"{path} has a header and no rows")
    return columns, lines


def number(path: Path, line: Line, column: str, low: float, high: float, whole: bool = False) -> float | None:
    """A cell as a number within bounds; None when it is blank. Errors name file, line and column."""
    at, cells = line
    text = cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        what = f"{low:g} or {high:g}" if whole and high - low == 1 else f"a number from {low:g} to {high:g}"
        raise UserError(f"{path}:{at}: {column}={text!r} must be {what}")
    return value


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV that spreadsheets open as UTF-8 and in which no cell is a formula; whole or not at all."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(row.get(column)) for column in columns])
    write_text(path, "\ufeff" + out.getvalue())


def write_text(path: Path, text: str) -> None:
    """A file that appears whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(text.encode("utf-8", "replace"))
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def safe_cell(value: Any) -> str:
    """The cell's text; "" for None; an apostrophe before what a spreadsheet would run. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    text = str(value)
    risky = isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA)
    return "'" + text if risky else text
