"""A small client for OpenAI-compatible chat endpoints: several requests at once, retries, a time limit.

`endpoint:MODEL@URL` names one, URL as far as /v1. The key is read from an environment variable and written nowhere.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from repo_cli.config.schema import EndpointConfig
from repo_cli.errors import UserError

PREFIX = "endpoint:"
_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)


class EndpointError(UserError):
    """The endpoint did not give a usable answer."""


@dataclass
class Completion:
    """One answer; `finished` is false when the token limit cut it."""

    text: str
    finished: bool


class Endpoint:
    """One model of one server."""

    def __init__(self, model: str, url: str, cfg: EndpointConfig, where: str = "endpoint") -> None:
        self.model, self.url, self.cfg, self.where = model, url.rstrip("/"), cfg, where

    @classmethod
    def parse(cls, text: str, cfg: EndpointConfig, where: str) -> Endpoint:
        """From "endpoint:MODEL@URL"."""
        model, at, url = text.removeprefix(PREFIX).partition("@")
        if not (model and at and url.startswith(("http://", "https://"))):
            raise UserError(
                f"{where}={text} is not of the form endpoint:MODEL@URL",
                hint="endpoint:my-model@http://localhost:8000/v1",
            )
        return cls(model, url, cfg, where)

    def complete_all(
        self,
        dialogues: Sequence[list[dict[str, str]]],
        seeds: Sequence[int],
        on_done: Callable[[int, int], None] | None = None,
    ) -> list[Completion | EndpointError]:
        """An answer, or why there is none, for each dialogue in their order."""
        out: list[Completion | EndpointError] = [EndpointError("not asked")] * len(dialogues)
        with ThreadPoolExecutor(max_workers=self.cfg.concurrency) as pool:
            waiting = {
                pool.submit(self.complete, dialogue, seed): place
                for place, (dialogue, seed) in enumerate(zip(dialogues, seeds, strict=True))
            }
            for done, future in enumerate(as_completed(waiting), start=1):
                try:
                    out[waiting[future]] = future.result()
                except EndpointError as error:
                    out[waiting[future]] = error
                if on_done is not None:
                    on_done(done, len(dialogues))
        return out

    def complete(self, messages: list[dict[str, str]], seed: int) -> Completion:
        """One answer; EndpointError after `retries` more tries, or at once where trying again cannot help."""
        body = {
            "model": self.model,
            "messages": messages or [{"role": "user", "content": ""}],
            "temperature": self.cfg.temperature,
            "max_tokens": self.cfg.max_tokens,
            "seed": seed % 2**31,
        }
        for attempt in range(self.cfg.retries + 1):
            try:
                return self._read(self._post(body))
            except urllib.error.HTTPError as error:
                detail = error.read(500).decode("utf-8", "replace").strip()
                why, again = f"HTTP {error.code} {detail}", error.code in _RETRIED
            except (OSError, TimeoutError) as error:
                why, again = str(getattr(error, "reason", error) or type(error).__name__), True
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                why, again = f"its answer is not a chat completion ({error})", True
            if not again:
                break
            if attempt < self.cfg.retries:
                time.sleep(min(self.cfg.backoff_s * 2**attempt, 30.0))
        raise EndpointError(f"{self.where}: {self.url} gave no answer: {why}")

    def _post(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(self.cfg.key_variable, "")
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=self.cfg.timeout_s) as answer:
            return json.loads(answer.read().decode("utf-8"))

    def _read(self, data: Any) -> Completion:
        choice = data["choices"][0]
        text = choice["message"]["content"]
        if not isinstance(text, str) or not text.strip():
            raise ValueError("an empty reply")
        return Completion(text.strip(), choice.get("finish_reason") != "length")
