"""Made-up runs for the report, and a look at the page as a browser's parser sees it."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

HOSTILE = (
    "<script>alert(1)</script></script><img src=x onerror=alert(2)>\"'`{{ 7*7 }}{% raw %}"
    "</pre></summary></style><!--<script>&lt;b&gt;\u2028 javascript:alert(3)"
)


class Page(HTMLParser):
    """Tags, attributes, text outside of scripts and styles, and the contents of those two."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.raw: dict[str, list[tuple[dict[str, str | None], str]]] = {"script": [], "style": []}
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.html = html
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in self.raw:
            self._open = (tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.raw[self._open[0]].append((self._open[1], data))
        else:
            self.text += data

    @property
    def policy(self) -> str:
        return re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', self.html)[1]

    def data(self) -> Any:
        """The replies of training that the page carries."""
        return next(
            json.loads(text) for attrs, text in self.raw["script"] if attrs.get("id") == "rollout-data"
        )


def check_safe(page: Page) -> None:
    """Nothing on the page runs but its own script, nothing is fetched, and no text has become markup."""
    code = [text for attrs, text in page.raw["script"] if attrs.get("type") != "application/json"]
    assert len(code) == 1 and len(page.raw["style"]) == 1
    rules = dict(part.split(" ", 1) for part in page.policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for name, text in (("script-src", code[0]), ("style-src", page.raw["style"][0][1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'", name
    assert page.tags.count("script") <= 2 and page.tags.count("style") == 1
    assert not {"img", "iframe", "link", "object", "embed", "form", "base"} & set(page.tags)
    names = [name for name, _ in page.attributes]
    assert not [
        n for n in names if n.startswith("on") or n in ("src", "srcdoc", "style", "xlink:href", "action")
    ]
    assert all(v and v.startswith("#") for n, v in page.attributes if n == "href")
    assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"(?s)<script.*?</script>", "", page.html))


def write_run(
    run: Path,
    stage: str = "rl",
    seed: int = 0,
    steps: int = 30,
    text: str = "Would 350 yuan do?",
    **more: Any,
) -> Path:
    """A run directory as `repo rl` leaves it: metrics with looks every ten steps, alarms, replies, where it came from."""
    rng = random.Random(seed)
    (run / "final").mkdir(parents=True)
    rows = []
    for step in range(0, steps + 1):
        row: dict[str, Any] = {"step": step, "time": 1.0}
        if step:
            row |= {"reward/total": 0.02 * step + rng.random() / 9, "reward/rm": 0.4 + 0.01 * step, "reward/judge": 0.2,
                    "reward/rules": -1 + 0.02 * step, "reward/rules/G59": -0.5 + 0.01 * step, "reward/judge/R1": 3.1,
                    "policy/entropy": 2 - 0.01 * step, "reward/variance_share/rm": 0.3, "note": "x", "gone": None}  # fmt: skip
        if step % 10 == 0:
            row |= {"dev/rating": 2.5 + 0.02 * step, "dev/rm": 0.3 + 0.01 * step, "dev/persuasion": 2.0 + 0.02 * step,
                    "dev/negotiation": 2.0, "dev/emotional_value": 2.5}  # fmt: skip
        rows.append({**row, **more.get("row", {})})
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"step": 31, "rew')
    (run / "config.yaml").write_text(
        json.dumps(
            {
                "stage": stage,
                "name": "made",
                "seed": seed,
                "algorithm": {"name": "repo"},
                "data": {"path": text},
                "rules": {"name": "r", "rules": {"G59": {"about": text, "forbid": ["secret-pattern"]}}},
            }
        )  # fmt: skip
    )
    (run / "environment.json").write_text(
        json.dumps({"repo": "0.1", "commit": "c0ffee", "command": ["repo", text]})
    )
    (run / "final" / "manifest.json").write_text(
        json.dumps({"base": text, "base_hash": "ba5e", "files": {"adapter_model.safetensors": "ada97e5"}})
    )
    (run / "log.txt").write_text(f"12:00 WARNING repo: {text}\n12:01 INFO repo: fine\n")
    (run / "rollouts").mkdir()
    for step in range(1, steps + 1, 10):
        reply = {
            "history": [{"role": "system", "content": "the brief"}, {"role": "user", "content": text}],
            "reply": text, "answer": {"text": text, "ended": False}, "kept": True, "total": 0.1, "rm": 0.2, "judge": None,
            "rules": -0.5, "fired": [["G59", "hard", -0.5, text[:5], [0, 5]]], "violations": ["G59"],
        }  # fmt: skip
        (run / "rollouts" / f"step-{step:06d}.jsonl").write_text((json.dumps(reply) + "\n") * 4 + "{broken\n")
    return run
