"""Kills training runs with SIGKILL, resumes each, and compares with the undisturbed run.

    python scripts/kill_test.py                                  42 kills over all stages, 1 and 2 ranks; a table
    python scripts/kill_test.py --kills 3 --runs repo --ranks 1 --moments "generation,judge call,half the weights"

A run dies in the middle of its work (generation; a judge's call, killed by the endpoint while the request is on its
way; an update), in a checkpoint write (weights, optimizer state, state or marker cut in half, before and after the
rename), and at random moments, in a line of metrics, while old checkpoints are removed or final/ is written. With two
ranks one of them dies, or the whole job does. It goes on until each run was really killed as often as asked. What is
resumed must end with the same metrics and the same bytes of final/, and nothing outside its run directory and its
cache may have changed: not the other runs, the working directory, HOME, TMPDIR nor the source.

Exit code 1 if a run differs, a file outside was touched, fewer kills happened than asked for, or the time is up. The
table is printed and written to OUT/kills.md and OUT/kills.json. Linux only.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import kill_runs as runs
from kill_moments import EVERY_RANK, KEY, OTHERS, WEIGHTS, WORK, WRITES, Kill, moments_of, serve

TRIES = 4  # tries for each kill: a moment that lies behind the run's end does not come


@dataclass
class Row:
    """One kill that happened."""

    run: str
    ranks: int
    victim: str
    moment: str
    step: int  # lines of metrics then
    resumed_from: str
    equal: str = "?"  # what the comparison at the run's end said


@dataclass
class Test:
    """All that one call of the script does."""

    out: Path
    steps: int
    draw: random.Random
    deadline: float
    url: str
    known: set[int]
    rows: list[Row] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def all(self, names: list[str], ranks: list[int], kills: int, asked: list[str]) -> None:
        logs = self.out / "logs"
        logs.mkdir(parents=True)
        make = functools.partial(runs.make_inputs, self.out, runs.needed(names), self.url)
        code, said = runs.child(make, logs / "inputs.txt", self.known)
        if code:
            self.wrong.append(f"the inputs could not be made ({said or code}); see {logs / 'inputs.txt'}")
            return
        pairs = [(name, count) for count in ranks for name in names]
        plan = schedule(pairs, -(-kills // len(pairs)), asked, self.draw)
        for number, (name, count) in enumerate(pairs):
            share = kills // len(pairs) + (number < kills % len(pairs))
            if share:
                self.one(name, count, plan[name, count], share)

    def one(self, name: str, ranks: int, moments: list[str], share: int) -> None:
        """`share` kills of one run, then its end, compared with the undisturbed one."""
        label = f"{name}, {ranks} rank{'s' if ranks > 1 else ''}"
        log = self.out / "logs" / f"{name}-{ranks}.txt"
        straight = self.planned(name, ranks, "straight")
        killed = self.planned(name, ranks, "killed")
        caches = [self.out / "caches" / f"{name}-{ranks}-{kind}" for kind in ("straight", "killed")]
        before = runs.fingerprint(self.out, [straight, killed, *caches, log.parent])
        began = time.monotonic()
        code, said = runs.child(functools.partial(runs.run_once, straight, ranks, None), log, self.known)
        if code or said:
            self.wrong.append(f"{label}: the undisturbed run fails ({said or code}); see {log}")
            return
        lasts, done, tried, place, open_rows = time.monotonic() - began, 0, 0, 0, list[Row]()
        while done < share and tried < TRIES * share and time.monotonic() < self.deadline:
            kill = self.kill(moments[place % len(moments)], ranks, lasts)
            tried += 1
            code, said = runs.child(functools.partial(runs.run_once, killed, ranks, kill), log, self.known)
            if said:
                self.wrong.append(f"{label}: killed in {kill.moment}: {said}")
            if code in (-signal.SIGKILL, runs.KILLED):
                done, place = done + 1, place + 1
                victim = "-" if ranks == 1 else "all" if kill.whole else f"rank {kill.rank}"
                row = Row(name, ranks, victim, kill.moment, len(runs.told(killed)), runs.last_whole(killed))
                open_rows.append(row)
                self.rows.append(row)
                print(
                    f"{name:<9} {ranks} {victim:<7} {kill.moment:<18} {row.step} {row.resumed_from}",
                    flush=True,
                )
            elif code == 0:  # it got to its end before the moment came: begin anew
                place += tried % TRIES == 0
                self.end(label, straight, killed, open_rows)
                shutil.rmtree(killed)
                killed = self.planned(name, ranks, "killed")
                shutil.rmtree(caches[1], ignore_errors=True)  # else it would ask no judge any more
            else:
                self.wrong.append(f"{label}: killed in {kill.moment}, it ended with code {code}; see {log}")
        if done < share:
            self.wrong.append(f"{label}: {done} of {share} kills happened, in {tried} tries")
        code, said = runs.child(functools.partial(runs.run_once, killed, ranks, None), log, self.known)
        if code or said:
            self.wrong.append(f"{label}: the run does not come to its end ({said or code}); see {log}")
        self.end(label, straight, killed, open_rows)
        touched = runs.changes(before, runs.fingerprint(self.out, [straight, killed, *caches, log.parent]))
        if touched:
            self.wrong.append(f"{label}: files outside of the run directory have changed: {touched[:4]}")

    def planned(self, name: str, ranks: int, kind: str) -> Path:
        return runs.planned(name, ranks, self.steps, self.out, kind, self.url)

    def kill(self, moment: str, ranks: int, lasts: float) -> Kill:
        most = {"generation": 12, "final/": 1, "pruning": 1}.get(moment, 3)
        rank = self.draw.randrange(ranks) if moment in EVERY_RANK else 0
        whole = ranks > 1 and self.draw.random() < 0.5
        return Kill(moment, self.draw.randint(1, most), self.draw.uniform(0.2, 0.9) * lasts, rank, whole)

    def end(self, label: str, straight: Path, killed: Path, rows: list[Row]) -> None:
        """The verdict on a run that came to its end, and on the kills that it had on its way."""
        found = runs.compare(straight, killed) if runs.finished(killed) else ["not finished"]
        self.wrong += [f"{label}: {text}" for text in found]
        for row in rows:
            row.equal = "no: " + "; ".join(found) if found else "yes"
        rows.clear()


def schedule(
    pairs: list[tuple[str, int]], share: int, asked: list[str], draw: random.Random
) -> dict[tuple[str, int], list[str]]:
    """The moments of each run: in turn one of its work, one of a checkpoint write, one of the others, so that over all
    runs each comes about equally often. asked: these alone, in this order."""
    used: Counter[str] = Counter()
    plan: dict[tuple[str, int], list[str]] = {}
    for name, ranks in pairs:
        kinds = moments_of(runs.RUNS[name][0])
        if asked:
            plan[name, ranks] = [m for m in asked if m in sum(kinds, [])]
            if not plan[name, ranks]:
                raise SystemExit(f"--moments: {name} has none of these")
            continue
        plan[name, ranks] = []
        for number in range(share + 3):
            kind = kinds[number % 3]
            moment = draw.choice([m for m in kind if used[m] == min(used[n] for n in kind)])
            used[moment] += number < share
            plan[name, ranks].append(moment)
    return plan


def table(rows: list[Row], wrong: list[str], seconds: float) -> str:
    lines = [
        "| # | run | ranks | killed | where | step | resumed from | equal |",
        "|--:|---|--:|---|---|--:|---|---|",
    ]
    for number, row in enumerate(rows, 1):
        cells = (number, row.run, row.ranks, row.victim, row.moment, row.step, row.resumed_from, row.equal)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    equal = sum(row.equal == "yes" for row in rows)
    lines += ["", f"{len(rows)} kills in {seconds:.0f} s, {equal} of them resumed to an equal end."]
    return "\n".join(lines + [f"WRONG: {text}" for text in wrong]) + "\n"


def home(out: Path) -> None:
    """HOME, TMPDIR and the working directory of all that runs from here on: empty places, looked at afterwards."""
    for name in [n for n in os.environ if n.startswith(("HF_", "XDG_", "REPO_", "SLURM_", "TORCH_"))]:
        del os.environ[name]
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)
    for name, place in (("HOME", "home"), ("TMPDIR", "tmp")):
        (out / place).mkdir(parents=True)
        os.environ[name] = str(out / place)
    tempfile.tempdir = None
    (out / "cwd").mkdir()
    sys.path[:] = [str(runs.ROOT), *(os.path.abspath(path) for path in sys.path)]
    os.chdir(out / "cwd")
    os.environ[KEY] = "live"
    sys.dont_write_bytecode = True


def criteria() -> list[str]:
    import yaml

    return list(yaml.safe_load((runs.ROOT / "conf" / "rubric" / "hotel_small.yaml").read_text())["criteria"])


def arguments() -> argparse.Namespace:
    every = [*sum(WORK.values(), []), *WEIGHTS, *WRITES, *OTHERS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=42, help="how many, over all runs")
    parser.add_argument("--runs", default=",".join(runs.RUNS), help="which runs")
    parser.add_argument("--ranks", default="1,2", help="how many ranks they have")
    parser.add_argument("--moments", default="", help=f"these alone: {', '.join(dict.fromkeys(every))}")
    parser.add_argument("--steps", type=int, default=4, help="steps of each run")
    parser.add_argument("--minutes", type=float, default=25.0, help="no further kill after that")
    parser.add_argument("--out", type=Path, default=None, help="a new directory; default: a temporary one")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    given = parser.parse_args()
    given.runs, given.moments = ([t for t in text.split(",") if t] for text in (given.runs, given.moments))
    for name, known in (("runs", list(runs.RUNS)), ("moments", every)):
        if unknown := set(getattr(given, name)) - set(known):
            parser.error(
                f"--{name}: {', '.join(sorted(unknown))} (there are: {', '.join(dict.fromkeys(known))})"
            )
    return given


def main() -> int:
    given = arguments()
    began = time.monotonic()
    out = (given.out or Path(tempfile.mkdtemp(prefix="kill-test-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise SystemExit(f"--out: {out} is not empty")
    server, url = serve(criteria())  # first: a fork of it should hold no library
    home(out)
    from repo_cli.launch.forked import import_first

    import_first([f"repo_cli.stages.{name}" for name in ("sft", "dpo", "train_rm", "rl", "sample")])
    runs.adopt_orphans()
    test = Test(out, given.steps, random.Random(given.seed), began + 60.0 * given.minutes, url, {server})
    try:
        test.all(given.runs, [int(text) for text in given.ranks.split(",")], given.kills, given.moments)
    finally:
        os.kill(server, signal.SIGKILL)
    if len(test.rows) < given.kills:
        test.wrong.append(f"{len(test.rows)} kills happened instead of {given.kills}")
    seconds = time.monotonic() - began
    text = table(test.rows, test.wrong, seconds)
    found: dict[str, Any] = {"kills": len(test.rows), "seconds": round(seconds), "wrong": test.wrong}
    (out / "kills.md").write_text(text)
    (out / "kills.json").write_text(
        json.dumps(found | {"rows": [asdict(row) for row in test.rows]}, indent=1) + "\n"
    )
    print(f"\n{text}\n{out / 'kills.md'}")
    return 1 if test.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
