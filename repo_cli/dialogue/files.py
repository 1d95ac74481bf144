"""Rows from JSONL, JSON, Parquet, or a `datasets` hub name; whatever is wrong is named by file and line.

A bad row (broken JSON, wrong role order, an empty assistant turn, an identical pair ...) ends the reading
with a `UserError`, or with on_bad_row="skip" is left out and counted. A file that is wrong as a whole
(missing, empty, not UTF-8, no good row in it) is always an error. Every row carries `_at`,
"name.jsonl:17", so that later checks (nothing left after truncation) can name it too; fields that begin
with `_` are not written out again.

No torch here; `datasets` and `pyarrow` are imported when they are needed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repo_cli.dialogue.messages import BadRow
from repo_cli.dialogue.rows import KINDS, Row, normalise, sniff
from repo_cli.errors import UserError, nearest, shown

_SUFFIXES = (".jsonl", ".json", ".ndjson", ".parquet")
_SHOWN = 50


@dataclass
class LoadReport:
    """What was read: `read` rows in the file, `rows` good ones (one dialogue can give several prompts),
    `bad` ones left out, counted by kind in `reasons`; `examples` are the first of them, with file and
    line; `notes` count what is no bad row but worth a word (turns too long, replies cut)."""

    path: str
    kind: str
    read: int = 0
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> int:
        return sum(self.reasons.values())

    def add_bad(self, kind: str, message: str) -> None:
        self.reasons[kind] += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(shown(message))

    def joined(self, other: LoadReport) -> LoadReport:
        """Both as one."""
        return LoadReport(
            f"{self.path} + {other.path}",
            self.kind,
            self.read + other.read,
            self.rows + other.rows,
            self.reasons + other.reasons,
            [*self.examples, *other.examples][:_SHOWN],
            self.notes + other.notes,
        )

    def line(self) -> str:
        """One line for the log."""
        text = f"{self.path}: {self.rows} {self.kind} rows"
        if self.bad:
            why = ", ".join(f"{n} {kind}" for kind, n in self.reasons.most_common())
            text += f"; {self.bad} bad rows left out ({why}); first: {self.examples[0]}"
        return text + "".join(f"; {n} {what}" for what, n in self.notes.items() if n)


def load_rows(
    path: str, kind: str, on_bad_row: str = "fail", limit: int | None = None
) -> tuple[list[Row], LoadReport]:
    """All rows of a file in their plain form (rows.py), checked; arguments and errors as in `each_row`."""
    report = LoadReport(str(path), kind)
    return list(each_row(path, kind, on_bad_row, limit, report)), report


def each_row(path: str, kind: str, on_bad_row: str, limit: int | None, report: LoadReport) -> Iterator[Row]:
    """The rows of a file in their plain form (rows.py), checked, one by one as they are read.

    Args:
        path: .jsonl, .json (lines, or one list), .parquet, a directory of `datasets.save_to_disk`, or a
            hub name ("owner/name", or "owner/name:split"; the split is "train" by default).
        kind: "sft", "preference", "prompts", "judge", "badcases", or "any" (what the first good row looks
            like).
        on_bad_row: "fail" (the first bad row is an error) or "skip" (left out and counted in the report).
        limit: stop after so many good rows.
        report: brought up to date with every row.
    Raises:
        UserError: one sentence with file and line.
    """
    if kind not in (*KINDS, "any"):
        raise ValueError(f"kind {kind!r} is none of {KINDS}")
    if on_bad_row not in ("fail", "skip"):
        raise UserError(f"data.on_bad_row must be fail or skip, not {on_bad_row!r}")
    for at, raw in _read(str(path)):
        report.read += 1
        try:
            if isinstance(raw, BadRow):
                raise raw
            if not isinstance(raw, Mapping):
                raise BadRow("wrong type", f"a row must be a JSON object, not {type(raw).__name__}")
            if report.kind == "any":
                report.kind = sniff(raw)
            good = normalise(raw, report.kind)
        except BadRow as error:
            bad_row(report, error.kind, f"{at}: {error}", on_bad_row)
            continue
        for row in good if limit is None else good[: limit - report.rows]:
            row["_at"] = at
            report.rows += 1
            yield row
        if limit is not None and report.rows >= limit:
            break
    if not report.read:
        raise UserError(f"{path} is empty: it holds no row", hint="a data file has one JSON object a line")
    if not report.rows and limit != 0:
        raise UserError(f"{path}: all {report.bad} rows are bad; the first: {report.examples[0]}")


def bad_row(report: LoadReport, kind: str, message: str, on_bad_row: str) -> None:
    """Count a bad row, or end with it."""
    if on_bad_row == "fail":
        raise UserError(message, hint="mend the row, or leave bad rows out with data.on_bad_row=skip")
    report.add_bad(kind, message)


def write_rows(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSONL or, for a name in .parquet, as Parquet; returns how many. The file appears whole
    or not at all (written under another name, then renamed)."""
    path = Path(path)
    plain = ({k: v for k, v in row.items() if not k.startswith("_")} for row in rows)
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            listed = list(plain)
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(listed), part)
            count = len(listed)
        else:
            with part.open("w", encoding="utf-8") as out:
                for row in plain:
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}", hint="choose a place with room and permission to write"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return count


# ---- readers: each yields (where, row or BadRow)


def _read(path: str) -> Iterator[tuple[str, Any]]:
    if path.startswith("world:"):
        raise UserError(
            f"{path} is a corpus of the built-in world, not a file",
            hint="write it to a file first: repo data make",
        )
    file = Path(path).expanduser()
    if file.is_dir():
        yield from _read_saved(file)
    elif file.exists():
        yield from _read_parquet(file) if file.suffix == ".parquet" else _read_json(file)
    elif file.suffix.lower() in _SUFFIXES or path.startswith((".", "/", "~")) or not _may_be_hub(path):
        raise _missing(file)
    else:
        yield from _read_hub(path)


def _may_be_hub(path: str) -> bool:
    """ "owner/name" or "name", and no directory of the owner's name lies here."""
    owner, _, name = path.partition("/")
    return "/" not in name and not (name and Path(owner).is_dir())


def _missing(file: Path) -> UserError:
    near = nearest(file.name, os.listdir(file.parent)) if file.parent.is_dir() else None
    hint = f"did you mean {file.parent / near}?" if near else None
    if not file.parent.is_dir():
        hint = f"there is no directory {file.parent}"
    return UserError(f"data file {file} does not exist", hint=hint)


def _read_json(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        with file.open("rb") as lines:
            head = lines.read(64)
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise UserError(
                    f"{file}:1 is UTF-16, not UTF-8", hint=f"convert it: iconv -f utf-16 -t utf-8 {file}"
                )
            if head.startswith(b"PAR1"):
                raise UserError(f"{file} is a Parquet file under another name", hint="name it .parquet")
            lines.seek(0)
            if file.suffix == ".json" and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                yield from _read_list(file, lines.read())
                return
            for number, line in enumerate(lines, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield f"{file}:{number}", _parse(_text(line, file, number))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error


def _read_list(file: Path, raw: bytes) -> Iterator[tuple[str, Any]]:
    try:
        listed = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_utf8(file, raw.count(b"\n", 0, error.start) + 1, raw[error.start]) from None
    except json.JSONDecodeError as error:
        raise UserError(f"{file}:{error.lineno}: broken JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: broken JSON: {_too_much(error)}") from None
    for number, row in enumerate(listed, start=1):
        yield f"{file} row {number}", row


def _text(line: bytes, file: Path, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(file, number, line[error.start]) from None


def _not_utf8(file: Path, number: int, byte: int) -> UserError:
    return UserError(
        f"{file}:{number} is not UTF-8 (byte 0x{byte:02x}); the file may be Latin-1 or Windows-1252",
        hint=f"convert it: iconv -f latin1 -t utf-8 {file} > {file.stem}.utf8{file.suffix}",
    )


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return BadRow("broken JSON", f"broken JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return BadRow("broken JSON", f"broken JSON: {_too_much(error)}")


def _too_much(error: Exception) -> str:
    """What Python does not read although it is JSON: brackets in brackets by the thousand, a number as long."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number with thousands of digits"


def _read_parquet(file: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file} row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(
            f"{file} cannot be read as Parquet after row {number}: {str(error).splitlines()[0]}"
        ) from error


def _read_saved(folder: Path) -> Iterator[tuple[str, Any]]:
    import datasets

    if not ((folder / "state.json").exists() or (folder / "dataset_dict.json").exists()):
        raise UserError(
            f"{folder} is a directory, not a data file", hint="name a .jsonl or .parquet file in it"
        )
    found = datasets.load_from_disk(str(folder))
    if isinstance(found, datasets.DatasetDict):
        if "train" not in found:
            raise UserError(
                f"{folder} has no split train; it has {', '.join(found)}",
                hint=f"name one: {folder / next(iter(found))}",
            )
        found = found["train"]
    for number, row in enumerate(found, start=1):
        yield f"{folder} row {number}", row


def _read_hub(name: str) -> Iterator[tuple[str, Any]]:
    import datasets

    repository, _, split = name.partition(":")
    try:
        found = datasets.load_dataset(repository, split=split or "train")
    except Exception as error:  # the hub raises what it likes: no network, no such name, no such split
        raise UserError(
            f"{name!r} is neither a file here nor a data set that the hub could give: "
            f"{str(error).splitlines()[0]}",
            hint="give the path of a .jsonl or .parquet file, or OWNER/NAME:SPLIT of a data set",
        ) from error
    for number, row in enumerate(found, start=1):
        yield f"{name} row {number}", row
