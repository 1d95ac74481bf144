"""Answers of a judge kept on disk, shared by ranks and runs: one SQLite file. No torch.

The key is a hash of all that an answer depends on (endpoint, model, sampling parameters, rubric version, the whole
transcript as it was sent). Only scores are kept, never failures, so a failure is asked again. A file that cannot be
used costs money, not correctness: the cache then switches itself off with a warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("repo")
WAIT_S = 20.0  # how long a rank waits for another one's write


def key_of(question: Mapping[str, Any]) -> str:
    """The cache's key for all that decides an answer."""
    return hashlib.sha256(json.dumps(question, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class AnswerCache:
    """A mapping of keys to JSON values in one file; safe with several processes. Use it from one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT, time REAL)"
            )
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept under this key; None where there is nothing that can be read."""
        row = self._run("SELECT value FROM answers WHERE key = ?", key)
        try:
            value = json.loads(row[0]) if row else None
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value; the last one wins."""
        text = json.dumps(value, ensure_ascii=False)
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", key, text, time.time())

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _run(self, statement: str, *values: Any) -> Any:
        if self._db is None:
            return None
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                return None  # this one answer is not kept, or asked again
            self._give_up(error)
        except sqlite3.Error as error:
            self._give_up(error)
        return None

    def _give_up(self, error: Exception) -> None:
        log.warning("judge: the cache %s cannot be used (%s); answers are not kept", self.path, error)
        if self._db is not None:
            self._db.close()
        self._db = None
