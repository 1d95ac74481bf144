"""How long the report page takes to open in a browser: a long run with 10,000 kept replies, on a laptop's screen and on
a phone's.

    python benchmarks/report_open.py              # under a minute; exit code 1 where it takes 2 s or more
    python benchmarks/report_open.py --rollouts 1000 --times 1

A page is open when it is loaded and drawn (two frames after the load event). Needs Chromium or Chrome.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import browser

LIMIT_S = 2.0
STEPS = 200
SCREENS = {"laptop": (1280, 900), "phone": (390, 844)}
WORDS = (
    "could the rate for both nights come to 350 yuan with breakfast as guests compare it next door".split()
)


def long_run(folder: Path, rollouts: int = 10_000) -> Path:
    """A run directory as a long RL run leaves it: metrics of 200 steps, and so many replies with their scores."""
    rng = random.Random(0)
    (folder / "rollouts").mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps({"stage": "rl", "name": "long", "seed": 0}))
    rows: list[dict[str, Any]] = []
    for step in range(1, STEPS + 1):
        row = {f"reward/rules/G{i:02d}": rng.random() for i in range(40)}
        row |= {
            "reward/total": rng.random(),
            "reward/rm": rng.random(),
            "reward/judge": rng.random(),
            "dev/rating": 3.0,
        }
        rows.append(
            {"step": step, "dev/rm": 0.5, "dev/persuasion": 3.0, "policy/entropy": rng.random(), **row}
        )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for step in range(1, STEPS + 1):
        mine = range(rollouts * (step - 1) // STEPS, rollouts * step // STEPS)
        text = "".join(json.dumps(_reply(rng)) + "\n" for _ in mine)
        (folder / "rollouts" / f"step-{step:06d}.jsonl").write_text(text)
    return folder


def _reply(rng: random.Random) -> dict[str, Any]:
    said = [" ".join(rng.choices(WORDS, k=40)) for _ in range(4)]
    turns = [{"role": "user" if i % 2 else "assistant", "content": text} for i, text in enumerate(said[:2])]
    fired = [["G59", "soft", -0.5, said[2][:9], [0, 9]]]
    return {
        "history": [{"role": "system", "content": "the brief"}, *turns], "reply": said[2], "kept": True,
        "answer": {"text": said[3], "ended": False}, "total": rng.random(), "rm": rng.random(), "judge": rng.random(),
        "rules": -0.5, "fired": fired, "violations": ["G59"],
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rollouts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args(arguments)
    if browser.installed() is None:
        print("needs Chromium or Chrome", file=sys.stderr)
        return 2
    from repo_cli.evaluation.report import report_runs

    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        run = long_run(Path(folder) / "run", given.rollouts)
        began = time.monotonic()
        page = report_runs([run], Path(folder) / "report.html")
        print(f"written in {time.monotonic() - began:.1f} s, {page.stat().st_size / 2**20:.1f} MiB")
        for name, (width, height) in SCREENS.items():
            took = []
            for number in range(given.times):
                with browser.Browser(Path(folder) / f"{name}{number}") as tab:
                    took.append(tab.open(page, width, height))
            slowest = max(slowest, *took)
            print(f"{name}: {given.rollouts} replies open in " + ", ".join(f"{t:.2f}" for t in took) + " s")
    if slowest >= LIMIT_S:
        print(f"slower than {LIMIT_S:g} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
