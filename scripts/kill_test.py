"""Kills training runs with SIGKILL at random moments, resumes each, and compares with the undisturbed run.

    python scripts/kill_test.py                      30 kills over SFT, RM, REPO, PPO and GRPO, with a table
    python scripts/kill_test.py --kills 4 --stages sft --out /tmp/kills

Each try is a process of its own that kills itself in the middle of something: loading, generation, a judge's call, an
update, a line of metrics, a checkpoint (half its files, before and after its marker, between the renames), or by the
clock. What then runs on must end with the same metrics and the same bytes of weights, and nothing outside its run
directory may have changed. Exit code 1 if any run does not.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALL = [
    "policy=tiny", "policy.build.vocab_size=400", "policy.build.hidden_size=32", "policy.build.intermediate_size=64",
    "policy.build.num_layers=1", "policy.build.num_kv_heads=2", "policy.build.head_dim=8", "policy.max_length=1100",
    "policy.build.tokenizer_rows=60", "lora.r=4", "lora.alpha=8", "optim.lr=0.01", "engine.device=cpu",
    "engine.threads=1", "rollout.max_new_tokens=8", "rollout.batch_size=8", "tracker.tensorboard=false",
    "tracker.checkpoint_every=1", "data.limit=24", "rubric=hotel_small", "judge.prompt=compact",
    "judge.max_length=1000",
]  # fmt: skip
DROPOUT = ["lora.dropout=0.1", "optim.schedule=cosine", "optim.warmup_steps=2"]
#: Where a try may die; "clock" is any moment, loading included.
COMMON = [
    "clock",
    "update",
    "metrics line",
    "half a checkpoint",
    "before the marker",
    "before the rename",
    "pruning",
]
IN_RL = ["generation", "judge call"]


@dataclass
class Try:
    """One kill: which run, what it died in, what stood there when it went on."""

    run: str
    moment: str
    call: int
    died: bool
    steps: int


def stages(steps: int) -> dict[str, list[str]]:
    """Overrides of each run by its name; INPUT/... stands for what was made before."""
    rl = [
        f"rl.steps={steps}",
        "rl.batch_size=4",
        "critic.lr=0.01",
        "data.path=world:prompts",
        "policy.parent=INPUT/sft",
    ]
    rl += ["rm.path=INPUT/rm", "judge=local", "judge.path=INPUT/judge", "algorithm.epochs=2"]
    batch = "sft.batch_size=4"
    return {
        "sft": ["data.path=world:gold", "policy.parent=INPUT/base", f"sft.max_steps={steps}", batch, *DROPOUT],
        "train_rm": ["data.path=world:pairs", "policy.parent=INPUT/base", f"train_rm.max_steps={steps}",
                     "train_rm.batch_size=4", "train_rm.epochs=9", "train_rm.calibration_fraction=0.3", *DROPOUT],
        "repo": ["algorithm=repo", *rl, *DROPOUT],
        "ppo": ["algorithm=ppo", *rl],
        "grpo": ["algorithm=grpo", "algorithm.group_size=2", *rl],
    }  # fmt: skip


INPUTS = {
    "base": ("sft", ["policy.train=full", "data.path=world:base", "sft.max_steps=3", "sft.batch_size=4"]),
    "sft": ("sft", ["policy.parent=INPUT/base", "data.path=world:gold", "sft.max_steps=2", "sft.batch_size=4"]),
    "judge": ("sft", ["policy.parent=INPUT/base", "data.path=world:judge", "sft.max_steps=2", "sft.batch_size=4"]),
    "rm": ("train_rm", ["policy.parent=INPUT/base", "data.path=world:pairs", "train_rm.max_steps=2",
                        "train_rm.batch_size=4", "train_rm.calibration_fraction=0.3"]),
}  # fmt: skip


def child(work: Callable[[], Any], log: Path) -> int:
    """Does the work in a process of its own; minus the signal that ended it, or 0, or 1 after an exception.

    The libraries are imported here once and for all; nothing is computed before the fork.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with log.open("ab") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def overrides(name: str, texts: list[str], out: Path) -> list[str]:
    given = [text.replace("INPUT", str(out / "inputs")) for text in texts]
    return [*SMALL, *given, f"name={name}", f"runs_dir={out / 'runs'}", f"cache_dir={out / 'cache'}"]


def make_inputs(out: Path, names: set[str]) -> None:
    from repo_cli.config import compose
    from repo_cli.launch.processes import launch

    for name, (stage, texts) in INPUTS.items():
        if name in names:
            final = launch(stage, compose(stage, overrides(name, texts, out)))
            shutil.copytree(final, out / "inputs" / name)


def planned(name: str, texts: list[str], out: Path, kind: str) -> Path:
    """A run directory with its frozen configuration; the straight run and the killed one have the same."""
    from repo_cli.config import compose
    from repo_cli.launch.resume import new_run

    stage = name if name in ("sft", "train_rm") else "rl"
    given = overrides(name, texts, out)
    (out / kind).mkdir(parents=True, exist_ok=True)
    return new_run(compose(stage, given), given, out / kind / name)


def arm(moment: str, call: int, delay: float) -> None:
    """From the `call`-th time on that the run comes to that moment, it is dead."""
    from repo_cli.rewards.judge import LocalJudge
    from repo_cli.training import checkpoint, engine, tracking

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def before(owner: Any, name: str, when: Callable[..., bool] = lambda *a, **k: True) -> None:
        real, seen = getattr(owner, name), []

        def wrapped(*given: Any, **named: Any) -> Any:
            if when(*given, **named):
                seen.append(1)
                if len(seen) == call:
                    die()
            return real(*given, **named)

        setattr(owner, name, wrapped)

    if moment == "clock":
        timer = threading.Timer(delay, die)
        timer.daemon = True
        timer.start()
    elif moment == "generation":
        # in the middle of a reply: at its third token
        import repo_cli.rollout.engine as rollout

        before(rollout, "sample", lambda *a, **k: bool(random.random() < 0.4))
    elif moment == "judge call":
        before(LocalJudge, "score")
    elif moment == "update":
        before(engine.TrainEngine, "_finish")
    elif moment == "metrics line":
        real = tracking.Tracker.log
        seen: list[int] = []

        def half(self: Any, step: int, values: Any) -> None:
            seen.append(1)
            if len(seen) == call:
                with open(self.run.metrics, "a", encoding="utf-8") as handle:
                    handle.write('{"step": ' + str(step) + ', "ti')
                die()
            real(self, step, values)

        tracking.Tracker.log = half  # type: ignore[method-assign]
    elif moment == "half a checkpoint":
        before(checkpoint, "write_state")
        import repo_cli.stages.session as session

        before(session, "save_rng")
    elif moment == "before the marker":
        before(checkpoint, "fsync_tree")
    elif moment == "before the rename":
        before(checkpoint, "fsync_path", lambda path: path.name == checkpoint.MARKER)
    elif moment == "pruning":
        before(checkpoint, "_prune")
    else:
        raise ValueError(moment)


def run_once(run: Path, moment: str | None, call: int = 1, delay: float = 0.0) -> None:
    from repo_cli.launch.job import run_job

    if moment:
        arm(moment, call, delay)
    run_job(run)


def fingerprint(place: Path, without: Path) -> dict[str, str]:
    """Hash of every file under `place` but those of one run."""
    found = {}
    for file in sorted(place.rglob("*")):
        if file.is_file() and not file.is_relative_to(without) and "logs-of-tries" not in file.parts:
            found[str(file.relative_to(place))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def told(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without what the clock says."""
    from repo_cli.training.tracking import read_metrics

    clock = ("timing/", "memory/")
    return [
        {k: v for k, v in row.items() if k != "time" and not k.startswith(clock) and "per_s" not in k}
        for row in read_metrics(run / "metrics.jsonl")
    ]


def weights(run: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (run / "final").glob("*.safetensors")}


def kill_test(names: list[str], kills: int, steps: int, out: Path, seed: int) -> tuple[list[Try], list[str]]:
    """(every kill, what was wrong); runs the kills in turn over the stages."""
    draw = random.Random(seed)
    wanted = {text.split("INPUT/")[1] for name in names for text in stages(steps)[name] if "INPUT/" in text}
    logs = out / "logs-of-tries"
    logs.mkdir(parents=True)
    assert child(lambda: make_inputs(out, wanted | {"base"}), logs / "inputs.txt") == 0, (
        logs / "inputs.txt"
    ).read_text()
    tries: list[Try] = []
    wrong: list[str] = []
    for number, name in enumerate(names):
        texts = stages(steps)[name]
        log = logs / f"{name}.txt"
        straight, killed = planned(name, texts, out, "straight"), planned(name, texts, out, "killed")
        began = time.monotonic()
        if child(functools.partial(run_once, straight, None), log):
            wrong.append(f"{name}: the undisturbed run fails; see {log}")
            continue
        lasts = time.monotonic() - began
        share = kills // len(names) + (number < kills % len(names))
        moments = COMMON + (IN_RL if name in ("repo", "ppo", "grpo") else [])
        order = [moments[i % len(moments)] for i in range(share)]
        draw.shuffle(order)
        before = fingerprint(out, killed)
        for moment in order:
            call, delay = draw.randint(1, 3), draw.uniform(0.0, lasts)
            code = child(functools.partial(run_once, killed, moment, call, delay), log)
            if code not in (0, -signal.SIGKILL):
                wrong.append(f"{name}: after a kill in {moment} the run ended with {code}; see {log}")
            tries.append(Try(name, moment, call, code == -signal.SIGKILL, len(told(killed))))
            if code == 0:  # it got to its end before the moment came: begin anew
                wrong += compare(name, straight, killed)
                shutil.rmtree(killed)
                planned(name, texts, out, "killed")
        if child(functools.partial(run_once, killed, None), log):
            wrong.append(f"{name}: the run does not come to its end; see {log}")
            continue
        wrong += compare(name, straight, killed)
        after = fingerprint(out, killed)
        changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        if changed:
            wrong.append(f"{name}: files outside of the run directory have changed: {changed[:3]}")
        left = [p.name for p in (killed / "checkpoints").iterdir() if p.name.startswith(".")]
        if left:
            wrong.append(f"{name}: left behind: {left}")
    return tries, wrong


def compare(name: str, straight: Path, killed: Path) -> list[str]:
    wrong = []
    if told(straight) != told(killed):
        wrong.append(f"{name}: the metrics differ from the undisturbed run's")
    if not weights(straight) or weights(straight) != weights(killed):
        wrong.append(f"{name}: the final weights differ from the undisturbed run's")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30, help="how many, over all stages")
    parser.add_argument("--stages", default=",".join(stages(1)), help="which runs")
    parser.add_argument("--steps", type=int, default=5, help="steps of each run")
    parser.add_argument(
        "--out", type=Path, default=None, help="an empty or new directory; default: a temporary one"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--report", type=Path, default=None, help="write the tries as JSON too")
    given = parser.parse_args()
    names = [name for name in given.stages.split(",") if name]
    if unknown := set(names) - set(stages(1)):
        parser.error(f"--stages: {', '.join(sorted(unknown))} (there are: {', '.join(stages(1))})")
    import tempfile

    import repo_cli.stages.rl  # noqa: F401  # once, before the first fork
    import repo_cli.stages.train_rm  # noqa: F401

    out = (given.out or Path(tempfile.mkdtemp(prefix="kill-test-"))).resolve()
    began = time.monotonic()
    tries, wrong = kill_test(names, given.kills, given.steps, out, given.seed)
    print(f"{'run':<9} {'killed in':<18} {'call':>4}  {'died':<4} lines of metrics then")
    for one in tries:
        print(f"{one.run:<9} {one.moment:<18} {one.call:>4}  {'yes' if one.died else 'no':<4} {one.steps}")
    died = sum(one.died for one in tries)
    print(f"{died} kills in {time.monotonic() - began:.0f} s; {len(wrong)} things wrong; {out}")
    for text in wrong:
        print(f"WRONG: {text}")
    if given.report:
        rows = [vars(one) for one in tries]
        given.report.write_text(json.dumps({"kills": died, "wrong": wrong, "tries": rows}, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
