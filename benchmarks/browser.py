"""A headless Chromium driven over two pipes (Chrome DevTools Protocol), for the pages that this package writes.

    with Browser(folder) as page:
        page.open(file, width=390)
        page.run("document.title")

Nothing but the standard library: `--remote-debugging-pipe` takes JSON messages that end in a zero byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60.0


def installed() -> str | None:
    """The browser on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. `folder` takes its profile and, below `saved/`, what a page downloads."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.saved = self.folder / "saved"
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        name = installed()
        if name is None:
            raise RuntimeError("no Chromium or Chrome on this machine")
        self.saved.mkdir(parents=True, exist_ok=True)
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        command = [
            name, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
            f"--user-data-dir={self.folder / 'profile'}", "about:blank",
        ]  # fmt: skip
        # the browser reads its orders from file 3 and answers on file 4; out of the way of both first
        high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 10) for file in (theirs_in, theirs_out)]
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2)]
        moved = [(os.POSIX_SPAWN_DUP2, file, number) for file, number in zip(high, (3, 4), strict=True)]
        self._process = os.posix_spawn(name, command, os.environ, file_actions=[*quiet, *moved])
        for file in (theirs_in, theirs_out, *high):
            os.close(file)
        found = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in found if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.saved))
        return self

    def __exit__(self, *_: Any) -> None:
        os.kill(self._process, signal.SIGTERM)
        os.waitpid(self._process, 0)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One order and its answer; RuntimeError where the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                found: dict[str, Any] = answer["result"]
                return found
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("the browser has ended")
            self._buffer += block
        text, self._buffer = self._buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(text)
        return found

    def open(self, file: Path, width: int = 1280, height: int = 900) -> float:
        """Opens a file; returns the seconds until it is loaded and drawn. Below 600 pixels it is a phone's screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.events.clear()
        began = time.monotonic()
        self.call("Page.navigate", url=Path(file).resolve().as_uri())
        self._wait("Page.loadEventFired")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return time.monotonic() - began

    def _wait(self, name: str) -> None:
        until = time.monotonic() + TIMEOUT_S
        while not any(event.get("method") == name for event in self.events):
            if time.monotonic() > until:
                raise RuntimeError(f"no {name} within {TIMEOUT_S:g} s")
            self.events.append(self._read())

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for. RuntimeError where it throws."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    @property
    def errors(self) -> list[str]:
        """What went wrong on the page since it was opened: exceptions, and what its policy held back."""
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]

    def download(self) -> Path:
        """The file that the page has just saved, once it is whole."""
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            files = [f for f in self.saved.iterdir() if f.suffix != ".crdownload"]
            if files:
                return max(files, key=lambda f: f.stat().st_mtime)
            time.sleep(0.05)
        raise RuntimeError(f"nothing was saved within {TIMEOUT_S:g} s")
