"""How the cost of a REPO step grows with replies, reply length, base size, rules and ranks: exponents, and a plot.

    python benchmarks/scaling.py                     # all, about three minutes on two cores; writes results/scaling.*
    python benchmarks/scaling.py replies rules       # some of it
    python benchmarks/scaling.py --quick             # two points each of a very small model, not kept

Each term is measured at several sizes in one process (ranks: a run of `repo rl` each), the median of some rounds; the
exponent is the slope of the line through log(cost) over log(size), least squares. 1 means twice the size, twice the
cost; a fixed cost pulls it below. MUST says what each term may be at most, and why it cannot be less: exit code 1 where
a whole step grows faster.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kit
import results

PHASES = ("generate", "score", "values", "update")
#: Largest exponent of a step's cost, and why it is what it must be.
MUST = {
    "replies": (1.0, "every reply is sampled, scored and learnt from once"),
    "length": (
        1.5,
        "every token once (1), and it looks at all before it (2): between them, near 1 for short dialogues",
    ),
    "base": (1.0, "every weight is multiplied with every token once forward and once backward"),
    "rules": (1.0, "every rule is asked once a reply; patterns go together in one pass, so less"),
    "ranks": (
        0.0,
        "cost = ranks x seconds of the same batch, one thread each: the work is shared, not repeated",
    ),
}
OVER = 0.15  # what an exponent may be above that: noise of a fit through few points
SIZES: dict[str, tuple[int, ...]] = {
    "replies": (8, 16, 32, 64),
    "length": (16, 32, 64, 128),
    "base": (128, 256, 512),
    "rules": (4, 8, 16, 32),
    "ranks": (1, 2),
}
QUICK: dict[str, tuple[int, ...]] = {
    "replies": (2, 4),
    "length": (4, 8),
    "base": (64, 128),
    "rules": (4, 8),
    "ranks": (1, 2),
}


def slope(points: dict[float, float]) -> float:
    """The exponent: least-squares slope of log(cost) over log(size)."""
    xs, ys = [math.log(x) for x in points], [math.log(y) for y in points.values()]
    x, y = statistics.mean(xs), statistics.mean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def a_step(hidden: int, replies: int, prompt: int, reply: int, rounds: int) -> dict[str, float]:
    """Median seconds of a REPO step's phases and of the whole."""
    import torch

    kit.SIZES["asked"] = (hidden, 3 * hidden, 2, hidden // 64, hidden // 64, 64, 4096, True)
    cfg = kit.settings(
        "asked",
        "engine.device=cpu",
        "engine.micro_tokens=2048",
        "policy.attn=blocks",
        f"policy.max_length={prompt + reply}",
        f"rollout.max_new_tokens={reply}",
        f"rollout.batch_size={replies}",
        f"rl.batch_size={replies}",
    )
    torch.manual_seed(0)
    step = kit.Step(cfg, kit.random_base(cfg, "cpu"))
    step.sampler.backbone.fmt.stop_ids = [-1]  # every reply has its whole length
    seen: list[dict[str, float]] = []
    for number in range(rounds + 1):
        step.seconds = {}
        step.one(kit.contexts(cfg, replies, prompt, seed=number), number)
        seen.append(step.seconds)
    step.close()
    found = {phase: statistics.median(s[phase] for s in seen[1:]) for phase in PHASES}
    return {**found, "step": statistics.median(sum(s.values()) for s in seen[1:])}


def by_replies(size: int, quick: bool) -> tuple[float, dict[str, float]]:
    return size, a_step(64, size, 16, 8, 1) if quick else a_step(256, size, 128, 32, 3)


def by_length(size: int, quick: bool) -> tuple[float, dict[str, float]]:
    return size, a_step(64, 4, 16, size, 1) if quick else a_step(256, 16, 64, size, 3)


def by_base(size: int, quick: bool) -> tuple[float, dict[str, float]]:
    """Over the weights that a token is multiplied with, the output layer among them."""
    weights = 2 * (4 * size * size + 9 * size * size) + 4096 * size
    return float(weights), a_step(size, 4, 16, 8, 1) if quick else a_step(size, 16, 128, 32, 3)


def by_rules(size: int, quick: bool) -> tuple[float, dict[str, float]]:
    """Processor seconds for 1,000 replies with the first `size` rules of the shipped set."""
    import yaml

    from repo_cli.rewards.rules import RuleSet
    from repo_cli.worlds import get_world

    data = yaml.safe_load((Path(__file__).parents[1] / "conf/rules/hotel_guardrails.yaml").read_text("utf-8"))
    names = list(data["rules"])
    random.Random(0).shuffle(names)  # kinds of rule come in blocks
    rules = RuleSet.from_config({**data, "rules": {name: data["rules"][name] for name in names[:size]}})
    world = get_world("hotel", "en", 0)
    items = []
    for number in range(20 if quick else 100):
        row = world.rows("gold", number)
        turns = [m for m in row["messages"] if m["role"] != "system"]
        said = [at for at, m in enumerate(turns) if m["role"] == "assistant" and at]
        for at in said[:3]:
            items.append({"scenario": row["scenario"], "history": turns[:at], "reply": turns[at]["content"]})
    took = []
    for _ in range(4 if quick else 8):
        began = time.process_time()
        rules.score_many(items)
        took.append((time.process_time() - began) * 1000 / len(items))
    return size, {"step": min(took)}


def by_ranks(size: int, quick: bool) -> tuple[float, dict[str, float]]:
    """Rank-seconds of a step of `repo rl`: replies, lengths and base stay, one thread a rank."""
    from trl_ours import Ours, RlTask

    with tempfile.TemporaryDirectory() as name, Ours() as process:
        task = RlTask(Path(name), 64 if quick else 256, 2, 8 if quick else 32, process)
        more = ("engine.threads=1", "policy.attn=blocks", f"launch.nproc={size}", "engine.micro_tokens=2048")
        rows = process.run("rl", task.settings("repo", "fp32", 2 if quick else 4, *more))[1:]
    return size, {"step": size * statistics.median(row["timing/step_s"] for row in rows)}


TERMS: dict[str, Callable[[int, bool], tuple[float, dict[str, float]]]] = {
    "replies": by_replies,
    "length": by_length,
    "base": by_base,
    "rules": by_rules,
    "ranks": by_ranks,
}


def picture(found: dict[str, dict[str, dict[float, float]]]) -> str:
    """One small log-log chart a term, side by side; a line a phase, its exponent beside its name."""
    side, gap, top = 190, 60, 40
    colours = {
        "step": "#111",
        "generate": "#1f6feb",
        "score": "#1a7f4b",
        "values": "#8250df",
        "update": "#d9822b",
    }
    parts = []
    for number, (term, lines) in enumerate(found.items()):
        left = 50 + number * (side + gap)
        xs = [x for points in lines.values() for x in points]
        ys = [y for points in lines.values() for y in points.values()]
        low, high = math.log(min(xs)), math.log(max(xs))
        down, up = math.log(min(ys)), math.log(max(ys) * 1.01)

        def at(x: float, y: float, left: int = left, span: tuple[float, ...] = (low, high, down, up)) -> str:
            across = (math.log(x) - span[0]) / (span[1] - span[0] or 1.0)
            over = (math.log(y) - span[2]) / (span[3] - span[2] or 1.0)
            return f"{left + across * side:.1f},{top + (1 - over) * side:.1f}"

        parts.append(f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#ccc"/>')
        parts.append(f'<text x="{left}" y="{top - 8}">seconds over {term}</text>')
        for x, anchor in ((min(xs), "start"), (max(xs), "end")):
            place = left if anchor == "start" else left + side
            parts.append(f'<text x="{place}" y="{top + side + 14}" text-anchor="{anchor}">{x:,.0f}</text>')
        for y, place in ((max(ys), top + 10), (min(ys), top + side)):
            parts.append(f'<text x="{left - 4}" y="{place}" text-anchor="end">{y:.2g}</text>')
        for row, (name, points) in enumerate(lines.items()):
            line = " ".join(at(x, y) for x, y in points.items())
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colours[name]}" stroke-width="1.8"/>'
            )
            label = f"{name} {slope(points):.2f}"
            place = top + side + 32 + 14 * row
            parts.append(f'<text x="{left}" y="{place}" fill="{colours[name]}">{label}</text>')
    width, height = 50 + len(found) * (side + gap), top + side + 110
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = 'font-family="sans-serif" font-size="11"'
    back = f'<rect width="{width}" height="{height}" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>{back}{"".join(parts)}</svg>\n'


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("terms", nargs="*", metavar="TERM", help=f"of {', '.join(TERMS)}; default all")
    parser.add_argument(
        "--results", type=Path, default=results.FOLDER, help="where figures and plot are kept"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two small sizes a term, nothing is kept or judged"
    )
    asked = parser.parse_args()
    if wrong := set(asked.terms) - set(TERMS):
        parser.error(f"{wrong.pop()}: not one of {', '.join(TERMS)}")
    found: dict[str, dict[str, dict[float, float]]] = {}
    faster = []
    for term in asked.terms or TERMS:
        lines: dict[str, dict[float, float]] = {}
        for size in (QUICK if asked.quick else SIZES)[term]:
            if term == "ranks" and size > (os.cpu_count() or 1):
                continue
            x, cost = TERMS[term](size, asked.quick)
            for name, seconds in cost.items():
                lines.setdefault(name, {})[x] = seconds
        found[term] = lines
        most, why = MUST[term]
        exponents = {name: slope(points) for name, points in lines.items()}
        told = ", ".join(f"{name} {value:.2f}" for name, value in exponents.items())
        points = ", ".join(f"{x:,.0f}: {y:.3f} s" for x, y in lines["step"].items())
        print(f"{term:<8} exponents: {told}; at most {most} ({why})\n         {points}", flush=True)
        if exponents["step"] > most + OVER:
            faster.append(term)
    if asked.quick:
        return 0
    before = results.read("scaling", asked.results).get("seconds", {})
    for term, lines in before.items():  # measured in another call
        found.setdefault(
            term, {name: {float(x): y for x, y in points.items()} for name, points in lines.items()}
        )
    results.keep("scaling", {"seconds": found}, asked.results)
    (asked.results / "scaling.svg").write_text(picture(found), encoding="utf-8")
    print(f"faster than it must: {', '.join(faster)}" if faster else "no term grows faster than it must")
    return 1 if faster else 0


if __name__ == "__main__":
    sys.exit(main())
