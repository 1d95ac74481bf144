"""What a slow judge elsewhere costs an RL step: it works while replies are still being generated.

    python benchmarks/overlap.py                     # about two minutes on two cores
    python benchmarks/overlap.py --quick             # a small model, to see that it runs

The judge is the test suite's endpoint in a process of its own: 200 ms a call, 16 calls at a time, one call a reply,
no cache. REPO steps with policy, critic, reward model and rules, with the judge and without it, two runs of each in
turn; learning rates are 0, so that both sides sample, score and learn from the very same replies. Prompts and replies
have the lengths of real ones (trl_kit.py). Exit code 1 where a step with the judge takes more than 1.15 times one
without.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import results
import trl_kit as kit
from trl_ours import Ours, RlTask, our_keys, our_options

ROOT = Path(__file__).resolve().parents[1]
CRITERIA = ["R1", "R3", "R4", "R5", "R7", "R9"]  # of conf/rubric/hotel_small.yaml
AT_ONCE = 16
MOST = 1.15


def serve(takes_s: float, line: Any) -> None:
    """Runs the endpoint until something comes through the pipe; answers with how many calls came, most at once."""
    sys.path.insert(0, str(ROOT / "tests"))
    from judge_server import FakeEndpoint

    with FakeEndpoint(CRITERIA, takes_s=takes_s) as server:
        line.send(server.url)
        line.recv()
        line.send((len(server.bodies), server.most_at_once))


@contextmanager
def endpoint(takes_s: float) -> Iterator[tuple[str, dict[str, int]]]:
    """(Address, what it was asked: filled at the end)."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(takes_s, theirs), daemon=True)
    process.start()
    asked: dict[str, int] = {}
    try:
        yield ours.recv(), asked
        ours.send("end")
        asked["calls"], asked["most_at_once"] = ours.recv()
    finally:
        process.terminate()
        process.join()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("replies", 64), ("hidden", 256), ("layers", 4), ("steps", 3), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--takes", type=float, default=0.2, help="seconds of the judge for a call")
    our_options(parser)
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where the figures are kept")
    parser.add_argument("--quick", action="store_true", help="hidden 64, 2 layers, 16 replies; not kept")
    asked = parser.parse_args()
    if asked.quick:
        asked.hidden, asked.layers, asked.replies, asked.steps, asked.rounds = 64, 2, 16, 1, 1
        asked.results = None
    with tempfile.TemporaryDirectory() as name, Ours() as process, endpoint(asked.takes) as (url, calls):
        task = RlTask(Path(name), asked.hidden, asked.layers, asked.replies, process)
        keys = [f"{key}={value}" for key, value in our_keys(asked).items()]
        keys += ["optim.lr=0", "critic.lr=0"]
        api = {"url": url, "model": "slow", "cache": "false", "concurrency": AT_ONCE}
        judge = [f"judge.api.{key}={value}" for key, value in api.items()]
        sides = {
            "off": task.settings("repo", "fp32", asked.steps + 1, *keys),
            "on": task.settings(
                "repo", "fp32", asked.steps + 1, *keys, *judge, judge="openai", rubric="hotel_small"
            ),
        }
        seconds: dict[str, list[float]] = {"off": [], "on": []}
        generate: list[float] = []
        for _ in range(asked.rounds):
            for side, settings in sides.items():
                rows = process.run("rl", settings)[1:]
                seconds[side] += [row["timing/step_s"] for row in rows]
                generate += [row["timing/generate_s"] for row in rows]
    off, on = (statistics.median(seconds[side]) for side in ("off", "on"))
    alone = asked.takes * -(-asked.replies // AT_ONCE)
    print(
        f"hidden {asked.hidden}, {asked.layers} layers, {kit.threads()}; {asked.replies} replies a step, "
        f"{calls['calls']} calls of {1000 * asked.takes:.0f} ms, at most {calls['most_at_once']} at once"
    )
    print(
        f"a step {off:.2f} s without the judge, {on:.2f} s with it: {on / off:.2f} times (generation "
        f"{statistics.median(generate):.2f} s; after it the judge would take {alone:.2f} s more: "
        f"{(off + alone) / off:.2f} times)"
    )
    print(f"{'held' if on <= MOST * off else 'missed'}: at most {MOST} times")
    figures = {"ratio": on / off, "off": seconds["off"], "on": seconds["on"], **calls}
    results.keep("overlap", figures, asked.results)
    return 0 if on <= MOST * off else 1


if __name__ == "__main__":
    sys.exit(main())
