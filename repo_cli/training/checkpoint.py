"""Checkpoints that are either complete or not there: written aside, marked last, then moved into place.

`checkpoints/step-000100/` counts only with its `COMPLETE` file, which lists every other file's size and hash, and
the value of the metric that decides which one is the best (`tracker.keep_best`). A kill at any moment leaves the
checkpoints before as they were: what was being written keeps a name that starts with a dot.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.training.disk import disk_errors, fsync_path, fsync_tree

MARKER = "COMPLETE"


def step_of(path: Path) -> int:
    """100 for step-000100; -1 for anything else."""
    name = path.name
    return int(name[5:]) if name.startswith("step-") and name[5:].isdigit() else -1


def save_checkpoint(
    folder: Path,
    step: int,
    write: Callable[[Path], None],
    keep_last: int = 2,
    score: float | None = None,
    keep_best: str | None = None,
) -> Path:
    """All ranks call. `write(directory)` is called on every rank and puts its files there.

    score: how good this one is, written into its marker. keep_best: max or min = the one with the best score is
    kept beside the `keep_last` newest; None = only those.
    Raises UserError (on every rank) when the disk is full or not writable; the checkpoints before stay as
    they are.
    """
    from repo_cli.training import distributed as group

    target, fresh = folder / f"step-{step:06d}", folder / f".step-{step:06d}.tmp"

    def everywhere(action: Callable[[], None], main_only: bool) -> None:
        problem: Exception | None = None
        if group.is_main() or not main_only:
            try:
                with disk_errors(folder):
                    action()
            except Exception as error:
                problem = error
        try:
            group.same_error(problem)
        except Exception:
            if group.is_main():
                shutil.rmtree(fresh, ignore_errors=True)
            raise

    def begin() -> None:
        _tidy(folder)
        fresh.mkdir(parents=True)

    def finish() -> None:
        files = {p.relative_to(fresh).as_posix(): _entry(p) for p in sorted(fresh.rglob("*")) if p.is_file()}
        fsync_tree(fresh)
        marker = fresh / MARKER
        note: dict[str, Any] = {"step": step}
        if score is not None and math.isfinite(score):
            note["score"] = score
        marker.write_text(json.dumps(note | {"files": files}, indent=1) + "\n", encoding="utf-8")
        fsync_path(marker)
        fsync_path(fresh)
        aside = folder / f".step-{step:06d}.old"
        if target.exists():  # an unfinished or older try at the same step
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        fresh.rename(target)
        fsync_path(folder)
        shutil.rmtree(aside, ignore_errors=True)
        _prune(folder, keep_last, keep_best)

    everywhere(begin, main_only=True)
    everywhere(lambda: write(fresh), main_only=False)
    everywhere(finish, main_only=True)
    return target


def _entry(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 22):
            digest.update(block)
    return {"size": path.stat().st_size, "sha256": digest.hexdigest()}


def _inside(folder: Path, name: str) -> Path:
    """The file of a checkpoint that its marker names. ValueError for one elsewhere, and for what is no file: a marker
    from anywhere could make this run read without end."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r:.60} lies elsewhere")
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    return path


def _tidy(folder: Path) -> None:
    """Removes what a kill left half-written; brings back a checkpoint that it left under its second name."""
    for aside in folder.glob(".step-*.old"):
        target = folder / aside.name[1:].removesuffix(".old")
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(target)
    for half in folder.glob(".step-*.tmp"):
        shutil.rmtree(half, ignore_errors=True)


def _prune(folder: Path, keep_last: int, keep_best: str | None) -> None:
    complete = sorted((p for p in folder.glob("step-*") if (p / MARKER).is_file()), key=step_of)
    best = best_complete(folder, keep_best) if keep_best else None
    for path in complete[:-keep_last]:
        if path != best:
            (path / MARKER).unlink()  # first, so that a half-deleted one never counts
            shutil.rmtree(path, ignore_errors=True)


def best_complete(folder: Path, sense: str = "max") -> Path | None:
    """The complete checkpoint with the highest (sense=max) or lowest (min) score; the later one of equals."""
    sign = 1.0 if sense == "max" else -1.0
    scored = []
    for path in folder.glob("step-*"):
        note = _note(path)
        if note is not None and isinstance(note.get("score"), float):
            scored.append((sign * note["score"], step_of(path), path))
    return max(scored)[2] if scored else None


def latest_complete(folder: Path) -> Path | None:
    """The newest checkpoint with its marker and all its files in full size; others are passed over."""
    for path in sorted(folder.glob("step-*"), key=step_of, reverse=True):
        if step_of(path) >= 0 and _looks_whole(path):
            return path
    return None


def latest_whole(folder: Path, say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint whose files have the hashes that its marker lists.

    `say` is given a sentence about each damaged one that is passed over. None: there is no whole one.
    """
    _tidy(folder)
    for path in sorted(folder.glob("step-*"), key=step_of, reverse=True):
        if step_of(path) < 0:
            continue
        try:
            check_checkpoint(path)
        except UserError as error:
            say(f"passed over: {error.message}")
        else:
            return path
    return None


def _note(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads((path / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) else None


def _looks_whole(path: Path) -> bool:
    try:
        files = (_note(path) or {})["files"]
        return all(_inside(path, name).stat().st_size == entry["size"] for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def check_checkpoint(path: Path) -> int:
    """The step of a checkpoint about to be read; UserError when it is incomplete or a file has changed."""
    if not (path / MARKER).is_file():
        raise UserError(
            f"{path}: no {MARKER} file, so this checkpoint was never finished",
            hint="resume with the run's directory takes its last whole one",
        )
    try:
        note = json.loads((path / MARKER).read_text(encoding="utf-8"))
        for name, entry in note["files"].items():
            if _entry(_inside(path, name)) != entry:
                raise UserError(
                    f"{path / name}: differs from what was saved",
                    hint="the file is damaged; resume with the run's directory takes the one before it",
                )
        if note["step"] != step_of(path):
            raise ValueError(f"it says step {note['step']!r:.20}")
        return step_of(path)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: missing from the checkpoint") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path / MARKER}: cannot be read ({error})") from error


# -- random numbers and small state --------------------------------------------------------------------------


def save_rng(folder: Path) -> None:
    """This rank's random number states (torch, CUDA, numpy, Python), readable with weights_only=True."""
    import numpy as np
    import torch

    from repo_cli.training import distributed as group

    numpy_state: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, gauss = numpy_state
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(kind),
            torch.from_numpy(keys.astype("int64")),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": json.dumps(random.getstate()),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    with open(folder / f"rng-rank-{group.rank():05d}.pt", "wb") as handle:
        torch.save(state, handle)


def load_rng(folder: Path, optional: bool = False) -> None:
    """The states back; call it last, after all that may draw. UserError when this rank has none there and it is not
    optional (a run that goes on with more ranks by force)."""
    import numpy as np
    import torch

    from repo_cli.training import distributed as group

    file = folder / f"rng-rank-{group.rank():05d}.pt"
    if not file.is_file() and optional:
        return
    if not file.is_file():
        raise UserError(
            f"{folder}: no random number state for rank {group.rank()}",
            hint="resume with the same launch.nproc",
        )
    state = torch.load(file, weights_only=True)
    torch.set_rng_state(state["torch"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype("uint32"), position, has_gauss, gauss))
    version, numbers, gauss_next = json.loads(state["python"])
    random.setstate((version, tuple(numbers), gauss_next))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """The stage's own small state (step, epoch, data cursor) as state.json; rank 0 writes."""
    from repo_cli.training import distributed as group

    if group.is_main():
        (folder / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def read_state(folder: Path) -> dict[str, Any]:
    file = folder / "state.json"
    if not file.is_file():
        raise UserError(f"{folder}: no state.json in this checkpoint")
    state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return state


def thread_count(folder: Path) -> int | None:
    """CPU threads of the run that wrote this checkpoint: bits differ between thread counts. None = not noted."""
    found = read_state(folder).get("threads")
    return found if isinstance(found, int) else None


def rank_count(folder: Path) -> int | None:
    """Ranks of the run that wrote this checkpoint. None = not noted."""
    found = read_state(folder).get("ranks")
    return found if isinstance(found, int) else None
