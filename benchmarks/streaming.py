"""What a long list of prompts costs in memory: read, checked, made into token ids, and drawn from, as `repo rl` does.

    python benchmarks/streaming.py                              # 10,000 and 100,000 prompts: about a minute
    python benchmarks/streaming.py --rows 10000 1000000         # some minutes, and about 1 GB of disk

Each number of prompts is a process of its own; printed is its peak resident memory above what it held before it read
the first row, beside that of a process which keeps the same rows in a list. Exit code 1 where the longest list takes
more than 1.1 times the memory of the shortest and 32 bytes a prompt (three numbers each: where it ends, twice, and its
place in the order).
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kit
import results

MIB = 2**20
A_ROW = 32


def write(path: Path, rows: int) -> None:
    """`rows` prompts: a brief and one or three turns of random words."""
    draw = random.Random(0)
    words = [
        "price",
        "room",
        "night",
        "offer",
        "week",
        "please",
        "could",
        "lower",
        "guests",
        "thank",
        "388",
        "420",
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            said = [" ".join(draw.choices(words, k=draw.randint(8, 24))) for _ in range(draw.choice((2, 4)))]
            roles = ("system", "user", "assistant", "user")
            turns = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
            file.write(json.dumps({"prompt": turns, "scenario": {"id": f"s{number}"}}) + "\n")


def child(path: Path, listed: bool) -> None:
    """Prints peak bytes above the start, and seconds."""
    from repo_cli.dialogue.checks import each_context
    from repo_cli.dialogue.store import Stored
    from repo_cli.dialogue.tokens import ChatFormat
    from repo_cli.stages.data import BatchOrder, stage_prompts

    fmt = ChatFormat(kit.tokenizer(), {}, 512)
    cfg = kit.settings("smallest", f"data.path={path}")
    fmt.context_ids([{"role": "user", "content": "warm up"}])
    gc.collect()
    kit.reset_peak()
    before, began = kit.peak_rss(), time.perf_counter()
    rows, report = stage_prompts(cfg, path.parent)
    contexts = each_context(rows, fmt, report)
    prompts = list(contexts) if listed else Stored.of(contexts, path.parent)
    order = BatchOrder(len(prompts), 64, seed=0)
    for step in range(50):
        assert all(ids for _, ids in (prompts[i] for i in order.batch(step)))
    print(json.dumps({"bytes": kit.peak_rss() - before, "seconds": time.perf_counter() - began}))


def run(path: Path, listed: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", str(path), *(["--listed"] if listed else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where the figures are kept")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--listed", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.listed)
        return 0
    found: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for rows in asked.rows:
            path = Path(name) / "prompts.jsonl"
            write(path, rows)
            found[rows] = mine = run(path, listed=False)
            line = f"{rows:>9,} prompts: {mine['bytes'] / MIB:7.1f} MiB, {mine['seconds']:.0f} s"
            if rows <= 200_000:
                mine["listed"] = run(path, listed=True)["bytes"]
                line += f"; in a list {mine['listed'] / MIB:7.1f} MiB"
            print(line, flush=True)
    few, many = min(found), max(found)
    grown = found[many]["bytes"] <= 1.1 * found[few]["bytes"] + A_ROW * many
    each = (found[many]["bytes"] - found[few]["bytes"]) / (many - few) if many > few else 0.0
    print(f"{'held' if grown else 'missed'}: {each:.0f} bytes a prompt, at most {A_ROW}")
    results.keep("streaming", {"rows": found}, asked.results)
    return 0 if grown else 1


if __name__ == "__main__":
    sys.exit(main())
