"""The finished parts of an evaluation, on the disk: what one system did in one set.

    parts/online/repo.json  parts/badcases/repo.json  ...      in the run directory

Each is written aside and moved into place, and the checkpoint after it lists its hash: a run that goes on
(`--resume auto`) plays what is not listed, and plays a part again whose file is gone or damaged. What is said in a part
follows from its own rows and seeds alone, so the result is the undisturbed run's. Without a stop, too, the result is
put together from these files, so that there is one way to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from repo_cli.evaluation.result import EvalResult, SystemResult
from repo_cli.evaluation.sheets import write_text
from repo_cli.stages.session import Session
from repo_cli.training.disk import fsync_path
from repo_cli.training.distributed import agreed, broadcast_object, is_main


class Parts:
    """What is done of (system, set), in the order in which it was done; rank 0 writes, all ranks know."""

    def __init__(self, session: Session) -> None:
        self.session, self.folder = session, session.path / "parts"
        self.done: dict[str, str] = {}  # file below `folder` -> its hash
        session.keep("parts", self)
        if session.restore():
            session.kept = self._said()

    def __contains__(self, part: tuple[str, str]) -> bool:
        return _file(*part) in self.done

    def add(self, system: str, name: str, made: SystemResult) -> None:
        """All ranks call with what the system did in the set; on the disk and in a checkpoint when this returns."""
        file = _file(system, name)
        text = json.dumps(EvalResult({system: made}).to_json(), ensure_ascii=False)

        def write() -> None:
            if is_main():
                write_text(self.folder / file, text)
                fsync_path(self.folder / file)

        with self.session.unbroken():
            agreed(write)
            self.done[file] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
            self.session.save(len(self.done))
            self.session.kept = self._said()

    def _said(self) -> str:
        return f"{len(self.done)} parts are done and saved; go on with --resume {self.session.path}"

    def of(self, system: str, names: list[str]) -> SystemResult:
        """All that the system did in these sets."""
        whole = SystemResult()
        for name in names:
            part = EvalResult.load(self.folder / _file(system, name)).systems[system]
            for field in ("dialogues", "badcases", "replies", "faults"):
                getattr(whole, field).extend(getattr(part, field))
        return whole

    def state(self) -> dict[str, Any]:
        return {"done": dict(self.done)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """What the checkpoint lists and the disk still holds."""
        listed: dict[str, str] = dict(state.get("done", {}))
        whole = {file: hashed for file, hashed in listed.items() if _hash(self.folder / file) == hashed}
        self.done = broadcast_object(whole)
        for file in listed.keys() - self.done.keys():
            self.session.alarm(f"{self.folder / file}: gone or damaged, so this part is played again")
        self.session.note(f"{len(self.done)} parts are done before")


def _file(system: str, name: str) -> str:
    return f"{name}/{quote(system, safe='')}.json"


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
