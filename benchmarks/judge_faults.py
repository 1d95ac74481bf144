"""What a judge that fails costs a run: short REPO runs against an endpoint that fails on purpose, as a table.

    python benchmarks/judge_faults.py                                   # all of it, under four minutes on two cores
    python benchmarks/judge_faults.py --faults garbage --rates 30 --on-missing drop_row

Faults: down (the connection is closed), slow (longer than judge.api.timeout_s), rate-limited (429), garbage (no
JSON), and refusal (the judge declines in words). Each meets 10, 30 or 100% of the requests, evenly; requests are not
tried again (judge.api.retries=0), so that every fault shows. The run stops when more than judge.max_failed (half) of
the newest replies have no score. Columns:

kept       share of replies that took part in the updates
end        went on to its last step, or stopped (with a checkpoint of all that was trained)
calls      requests that reached the endpoint
again      requests for a text that had a sound answer before, in this run or in a second one with the same cache and a
           sound endpoint: the cache should leave none
invented   replies without an answer that have a judge's score all the same, or that drop_row has kept: never one

Exit code 1 where a column says that it should be otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from judge_server import FakeEndpoint  # noqa: E402
from stages_kit import dialogue, go, metrics, pair, prompt, write  # noqa: E402

from repo_cli.errors import UserError  # noqa: E402

FAULTS = {
    "down": "hang_up",
    "slow": "slow",
    "rate-limited": "429",
    "garbage": "garbage",
    "refusal": "refusal",
}
RATES = (10, 30, 100)
ON_MISSING = ("drop_row", "rules_only")
STEPS, BATCH = 3, 10
CRITERIA = ["R1", "R3", "R4", "R5", "R7", "R9"]  # of conf/rubric/hotel_small.yaml


class Counting(FakeEndpoint):
    """Knows which texts it has answered soundly."""

    def __init__(self, *given: Any, answered: set[str] | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self.answered = set() if answered is None else answered
        self.again = 0

    def _answer(self, handler: Any, body: dict[str, Any], fault: str | None) -> None:
        text = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
        with self._lock:
            self.again += text in self.answered
        super()._answer(handler, body, fault)
        if fault is None:
            with self._lock:
                self.answered.add(text)


@dataclass
class Row:
    """One line of the table."""

    fault: str
    rate: int
    on_missing: str
    kept: float
    end: str
    steps: int
    calls: int
    again: int
    invented: int
    seconds: float

    def wrong(self) -> list[str]:
        said = []
        if self.again:
            said.append("a text was paid for twice")
        if self.invented:
            said.append("a score was invented")
        if (self.end == "stopped") != (self.rate > 50):
            said.append(f"it {self.end} at {self.rate}%")
        return said


def prepared(out: Path) -> list[str]:
    """What every run starts from: data, an SFT agent and a reward model, all tiny."""
    dialogues = write(out / "dialogues.jsonl", [dialogue(i) for i in range(40)])
    pairs = write(out / "pairs.jsonl", [pair(i) for i in range(40)])
    prompts = write(out / "prompts.jsonl", [prompt(i) for i in range(24)])
    sft = (f"data.path={dialogues}", "sft.batch_size=8", "policy.max_length=1024")
    base = go("sft", out / "runs", *sft, "policy.train=full", "name=base", "optim.lr=0.02", "sft.epochs=3")
    agent = go("sft", out / "runs", *sft, f"policy.parent={base}", "name=agent", "sft.epochs=1")
    rm = go("train_rm", out / "runs", f"data.path={pairs}", f"policy.parent={base}", "train_rm.batch_size=8")
    return [
        *(f"data.path={prompts}", f"policy.parent={agent}", f"rm.path={rm}", f"rl.steps={STEPS}"),
        f"rl.batch_size={BATCH}",
        *("rl.preflight=false", "critic.lr=0.01", "policy.max_length=1024", "rollout.max_new_tokens=16"),
        *("reward=enhance", "rules=generic_dialogue", "rubric=hotel_small", "judge=openai", "judge.api.model=m"),
        *("judge.api.retries=0", "judge.api.timeout_s=0.5", "judge.failed_window=10"),
        *("judge.api.give_up_after=1000", "tracker.rollouts_keep=1000"),
    ]  # fmt: skip


def one(out: Path, given: list[str], fault: str, rate: int, on_missing: str) -> Row:
    name = f"{fault}-{rate}-{on_missing}"
    runs = out / name
    asked = [*given, f"judge.on_missing={on_missing}"]
    began, end = time.monotonic(), "went on"
    with endpoint({FAULTS[fault]: rate / 100}, set()) as server:
        try:
            go("rl", runs, *asked, f"judge.api.url={server.url}")
        except UserError as error:
            if "the judge failed on" not in str(error):
                raise
            end = "stopped"
        calls, again, answered = len(server.bodies), server.again, server.answered
        seconds = time.monotonic() - began
        if end == "went on" and answered:  # the same again, from the start, with what was kept
            server.faults.clear()
            go("rl", runs, *asked, f"judge.api.url={server.url}", "name=again", "rl.steps=1")
            again = server.again
    (run,) = (runs / "rl" / "run").iterdir()
    rows = metrics(run)
    kept = sum(row["reward/kept_frac"] for row in rows) / len(rows) if rows else 0.0
    return Row(
        fault, rate, on_missing, kept, end, len(rows), calls, again, invented(run, on_missing), seconds
    )


@contextmanager
def endpoint(faults: dict[str, float], answered: set[str]) -> Iterator[Counting]:
    with Counting(CRITERIA, faults, answered=answered, slow_s=1.2) as server:
        yield server


def invented(run: Path, on_missing: str) -> int:
    """Replies without an answer that have a score all the same, or that were kept although they are to be dropped."""
    count = 0
    for file in sorted((run / "rollouts").glob("*.jsonl")):
        for text in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(text)
            if row["judge_outcome"] != "ok":
                count += row.get("judge") is not None or (on_missing == "drop_row" and row["kept"])
    return count


def table(rows: list[Row]) -> str:
    names = ("fault", "of requests", "on_missing", "kept", "end", "steps", "calls", "again", "invented", "s")
    lines = ["| " + " | ".join(names) + " |", "|---|--:|---|--:|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        cells = (row.fault, f"{row.rate}%", row.on_missing, f"{row.kept:.2f}", row.end, row.steps, row.calls, row.again,
                 row.invented, f"{row.seconds:.1f}")  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", default=",".join(FAULTS), help="which")
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="percent of the requests")
    parser.add_argument("--on-missing", default=",".join(ON_MISSING), help="values of judge.on_missing")
    parser.add_argument("--json", type=Path, default=None, help="write the rows there too")
    given = parser.parse_args()
    wanted = given.faults.split(",")
    if unknown := set(wanted) - set(FAULTS):
        parser.error(f"--faults: {', '.join(sorted(unknown))} (there are: {', '.join(FAULTS)})")
    rows = []
    with tempfile.TemporaryDirectory(prefix="judge-faults-") as place:
        settings = prepared(Path(place))
        for fault in wanted:
            for rate in map(int, given.rates.split(",")):
                for on_missing in given.on_missing.split(","):
                    rows.append(one(Path(place), settings, fault, rate, on_missing))
    print(table(rows))
    wrong = [f"{row.fault} {row.rate}% {row.on_missing}: {text}" for row in rows for text in row.wrong()]
    for text in wrong:
        print(f"WRONG: {text}")
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
