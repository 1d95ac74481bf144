"""How fast the rules are, on one core, on replies of 60 words: `python benchmarks/rules.py [RULES.yaml]`.

Three figures: all regex rules together (one pass of the RE2 set, then spans of the hits), the same patterns run one by
one with Python's `re`, and the whole set with its numeric and state checks, the dialogue state read once a dialogue and
many replies handed over at once, as a training step does.
The exit code is 1 where a figure lies below what is wanted of it.
The replies are sentences of the set's own passing examples and of the built-in world's agent, so most patterns find
nothing, as in training; one reply in ten has a violation.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from repo_cli.rewards.rule_patterns import fold
from repo_cli.rewards.rules import RuleSet
from repo_cli.worlds import get_world

WORDS = 60
DIALOGUES = 40
REPLIES = 50  # a dialogue: a group of samples of one prompt
#: Replies a second, and how many times faster than one pattern after the other.
WANTED = {"regex": 5000.0, "ratio": 4.0, "whole": 1000.0}
SHIPPED = Path(__file__).resolve().parent.parent / "conf" / "rules" / "hotel_guardrails.yaml"


def sentences(kind: str, data: dict[str, Any]) -> list[str]:
    """English texts of the examples of a kind ("pass", "fail")."""
    found = []
    for rule in data["rules"].values():
        for example in rule.get("examples", {}).get(kind, ()):
            text = example if isinstance(example, str) else example["text"]
            if text.isascii() and 3 <= len(text.split()) <= 30:
                found.append(text)
    return found


def reply(rng: random.Random, good: list[str], bad: list[str]) -> str:
    words: list[str] = rng.choice(bad).split() if rng.random() < 0.1 else []
    while len(words) < WORDS:
        words += rng.choice(good).split()
    return " ".join(words[:WORDS])


def rate(make: Callable[[], list[Any]], run: Callable[[list[Any]], None], least_s: float = 2.0) -> float:
    """Items a second of processor time, the best of the passes that fit into `least_s`; each pass reads new replies."""
    run(make())  # caches and automata fill
    best, used = 0.0, 0.0
    while used < least_s:
        items = make()
        start = time.process_time()
        run(items)
        spent = time.process_time() - start
        best, used = max(best, len(items) / spent), used + spent
    return best


def main() -> int:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    rng = random.Random(0)
    world = get_world("hotel", "en", 0)
    rows = [world.rows("gold", i) for i in range(DIALOGUES)]
    said = [m["content"] for row in rows for m in row["messages"] if m["role"] == "assistant"]
    good, bad = sentences("pass", data) + said, sentences("fail", data)

    patterns_only = RuleSet.from_config(
        {**data, "rules": {k: v for k, v in data["rules"].items() if "check" not in v}}
    )

    def texts(count: int) -> list[str]:
        return [reply(rng, good, bad) for _ in range(count)]

    def regex_rules(replies: list[str]) -> None:
        for text in replies:
            patterns_only.score(text, {}, ())

    one_by_one = [re.compile(_python(p.source)) for p in patterns_only.bank.patterns if p.in_set]

    def with_re(replies: list[str]) -> None:
        for text in replies:
            folded = fold(text)
            for pattern in one_by_one:
                pattern.search(folded)

    whole = RuleSet.load(path)
    dialogues = []
    for row in rows:
        turns = [m for m in row["messages"] if m["role"] != "system"]
        at = 2 * rng.randrange(1, max(2, len(turns) // 2))
        dialogues.append((row["scenario"], turns[:at]))

    def samples() -> list[dict[str, Any]]:
        return [
            {"scenario": scenario, "history": history, "reply": reply(rng, good, bad)}
            for scenario, history in dialogues
            for _ in range(REPLIES)
        ]

    fast = rate(lambda: texts(2000), regex_rules)
    slow = rate(lambda: texts(200), with_re)
    full = rate(samples, lambda items: None if whole.score_many(items) else None, 4.0)
    print(
        f"{path.name}: {len(whole.rules)} rules, {len(one_by_one)} patterns, replies of {WORDS} words, one core"
    )
    found = {"regex": fast, "ratio": fast / slow, "whole": full}
    print(f"regex rules            {fast:9,.0f} replies/s   (wanted {WANTED['regex']:,.0f})")
    print(
        f"one by one with re     {slow:9,.0f} replies/s   ratio {fast / slow:.1f} (wanted {WANTED['ratio']:g})"
    )
    print(f"whole set with checks  {full:9,.0f} replies/s   (wanted {WANTED['whole']:,.0f})")
    below = short_of(found)
    if below:
        print(f"below what is wanted: {', '.join(below)}")
    return 1 if below else 0


def short_of(found: dict[str, float]) -> list[str]:
    """Names of the figures that are lower than wanted."""
    return [name for name, wanted in WANTED.items() if found[name] < wanted]


def _python(source: str) -> str:
    """An RE2 pattern as `re` takes it: flags inside it move into a group, code points become characters."""
    source = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda m: re.escape(chr(int(m[1], 16))), source)
    found = re.search(r"\(\?([imsx]+)\)", source)
    while found:
        before, rest = source[: found.start()], source[found.end() :]
        source = f"{before}(?{found[1]}:{rest})"
        found = re.search(r"\(\?([imsx]+)\)", source)
    return source


if __name__ == "__main__":
    sys.exit(main())
