"""The runs that scripts/kill_test.py kills: their settings, their processes, and what is compared at their end.

Every run is forked from a process that has the libraries in memory, which spares each try ten seconds of imports; the
ranks of a run with two are forked by its launching process, the rest of which is the real one (launch/processes.py).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kill_moments import KEY, Kill, arm

ROOT = Path(__file__).resolve().parents[1]
KILLED = 137  # a launching process that named the killed rank
SMALL = [
    "policy=tiny", "policy.build.vocab_size=400", "policy.build.hidden_size=32", "policy.build.intermediate_size=64",
    "policy.build.num_layers=1", "policy.build.num_kv_heads=2", "policy.build.head_dim=8", "policy.max_length=1100",
    "policy.build.tokenizer_rows=60", "lora.r=4", "lora.alpha=8", "optim.lr=0.01", "engine.device=cpu",
    "engine.threads=1", "rollout.max_new_tokens=8", "rollout.batch_size=8", "tracker.tensorboard=false",
    "tracker.checkpoint_every=1", "data.limit=24", "rubric=hotel_small", "launch.timeout_s=60",
]  # fmt: skip
DROPOUT = ["lora.dropout=0.1", "optim.schedule=cosine", "optim.warmup_steps=2"]
JUDGE = [
    "judge=openai", "judge.api.url=URL", "judge.api.model=m", f"judge.api.key_env={KEY}",
    "judge.api.backoff_s=0.01",
]  # fmt: skip
RL = [
    "rl.batch_size=4", "critic.lr=0.01", "data.path=world:prompts", "policy.parent=INPUT/sft", "rm.path=INPUT/rm",
    "algorithm.epochs=2", "rl.preflight_contexts=0", *JUDGE,
]  # fmt: skip
RM = [
    "data.path=world:pairs",
    "train_rm.batch_size=4",
    "train_rm.epochs=9",
    "train_rm.calibration_fraction=0.3",
]
#: name of a run: (stage, key of its number of steps, overrides); INPUT/... stands for what was made before.
RUNS: dict[str, tuple[str, str, list[str]]] = {
    "sft": ("sft", "sft.max_steps", ["data.path=world:gold", "policy.parent=INPUT/base", "sft.batch_size=4", *DROPOUT]),
    "dpo": ("dpo", "dpo.max_steps", ["data.path=world:pairs", "policy.parent=INPUT/sft", "dpo.batch_size=4",
                                     "dpo.epochs=9", *DROPOUT]),
    "train_rm": ("train_rm", "train_rm.max_steps", ["policy.parent=INPUT/base", *RM, *DROPOUT]),
    "repo": ("rl", "rl.steps", ["algorithm=repo", *RL, *DROPOUT]),
    "ppo": ("rl", "rl.steps", ["algorithm=ppo", *RL]),
    "grpo": ("rl", "rl.steps", ["algorithm=grpo", "algorithm.group_size=2", *RL]),
    "sample": ("sample", "data.limit", ["policy.parent=INPUT/sft", "data.path=world:prompts", "rollout.batch_size=4",
                                        "sample.annotator=judge", *JUDGE]),
}  # fmt: skip
#: With two ranks every ZeRO stage has its turn.
ZERO = {"sft": 1, "dpo": 3, "train_rm": 2, "repo": 2, "ppo": 3, "grpo": 1, "sample": 0}
#: What is made before: the stage, its overrides.
INPUTS = {
    "base": ("sft", ["policy.train=full", "data.path=world:base", "sft.max_steps=3", "sft.batch_size=4"]),
    "sft": ("sft", ["policy.parent=INPUT/base", "data.path=world:gold", "sft.max_steps=2", "sft.batch_size=4"]),
    "rm": ("train_rm", ["policy.parent=INPUT/base", "train_rm.max_steps=2", *RM]),
}  # fmt: skip
#: How often a judge was asked depends on what its cache has kept of the try before; its scores do not.
CALLS = {
    *(f"judge/{name}" for name in ("requests", "retries", "repairs", "tokens_in", "tokens_out", "cost")),
    "judge/cache_hit_rate",
    "judge/quotes_found_frac",
}


def needed(names: list[str]) -> list[str]:
    """Which inputs those runs start from, in the order in which they are made."""
    asked = {text.split("INPUT/")[1] for name in names for text in RUNS[name][2] if "INPUT/" in text}
    return [name for name in INPUTS if name in asked or (asked and name == "base")]


def overrides(texts: list[str], out: Path, name: str, cache: str, url: str) -> list[str]:
    given = [text.replace("INPUT", str(out / "inputs")).replace("URL", url) for text in texts]
    return [*SMALL, *given, f"name={name}", f"runs_dir={out / 'runs'}", f"cache_dir={out / 'caches' / cache}"]


def make_inputs(out: Path, names: list[str], url: str) -> None:
    from repo_cli.config import compose
    from repo_cli.launch.processes import launch

    for name in names:
        stage, texts = INPUTS[name]
        final = launch(stage, compose(stage, overrides(texts, out, name, "inputs", url)))
        shutil.copytree(final, out / "inputs" / name)


def planned(name: str, ranks: int, steps: int, out: Path, kind: str, url: str) -> Path:
    """A run directory with its frozen configuration; straight and killed differ in their cache alone."""
    from repo_cli.config import compose
    from repo_cli.launch.resume import new_run

    stage, key, texts = RUNS[name]
    count = 2 * ranks * steps if stage == "sample" else steps  # two contexts a rank and round
    label = f"{name}-{ranks}"
    texts = [*texts, f"{key}={count}", f"launch.nproc={ranks}"]
    if ranks > 1:
        texts = [f"engine=zero{ZERO[name]}", "engine.device=cpu", "engine.threads=1", *texts]
    given = overrides(texts, out, label, f"{label}-{kind}", url)
    (out / kind).mkdir(parents=True, exist_ok=True)
    return new_run(compose(stage, given), given, out / kind / label)


# -- processes ---------------------------------------------------------------------------------------------------


def adopt_orphans() -> None:
    """Ranks whose launching process was killed become children of this process, which can then wait for them."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def orphans(known: set[int]) -> list[int]:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in text.split() if int(pid) not in known]


def child(work: Callable[[], Any], log: Path, known: set[int], limit_s: float = 150.0) -> tuple[int, str]:
    """Does the work in a process of its own, with all that it starts.

    Returns (minus the signal that ended it, or its exit code; what was wrong with its end, '' for nothing).
    known: children of this process that are none of its own."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with log.open("ab") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            code = int(work() or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status, end = None, time.monotonic() + limit_s
    while status is None:
        found, value = os.waitpid(pid, os.WNOHANG)
        if found:
            status = value
        elif time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 1, f"hung for {limit_s:.0f} s"
        else:
            time.sleep(0.02)
    end, wrong = time.monotonic() + 20.0, ""
    while left := orphans(known):  # its ranks see that it is gone, and end
        for other in left:
            os.waitpid(other, os.WNOHANG)
        if time.monotonic() > end:
            wrong = "a rank outlived its launching process by 20 s"
            for other in left:
                os.kill(other, signal.SIGKILL)
            end += 5.0
        time.sleep(0.05)
    return os.waitstatus_to_exitcode(status), wrong


def run_once(run: Path, ranks: int, kill: Kill | None) -> int:
    """The run to its end, or to its death: 0, or KILLED where the launching process named the rank that was killed."""
    from repo_cli.launch import processes
    from repo_cli.launch.failures import RankFailed
    from repo_cli.launch.job import run_job

    if ranks == 1:
        if kill:
            arm(kill, None)
        run_job(run)
        return 0
    launcher = os.getpid()

    def start(index: int, stage: str, cfg: Any, run_dir: Path, port: int) -> Any:
        return forked_rank(index, ranks, stage, run_dir, port, kill, launcher)

    processes._start = start
    try:
        run_job(run)
    except RankFailed as error:
        if kill and f"rank {kill.rank} failed: ended by SIGKILL" in str(error):
            return KILLED
        raise
    return 0


def forked_rank(
    index: int, ranks: int, stage: str, run_dir: Path, port: int, kill: Kill | None, launcher: int
) -> Any:
    """As `processes._start`, but forked, and armed where it is the one to die."""
    from repo_cli.launch import processes, worker
    from repo_cli.launch.forked import Forked

    read, write = os.pipe()
    log = run_dir / "logs" / f"rank-{index}.log" if index else None
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            names = {"RANK": index, "LOCAL_RANK": index, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
            os.environ.update({name: str(value) for name, value in names.items()})
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), REPO_REPORT_FD=str(write))
            if log:
                log.parent.mkdir(exist_ok=True)
                with log.open("ab") as out:
                    os.dup2(out.fileno(), 1)
                    os.dup2(out.fileno(), 2)
            if kill and kill.rank == index:
                arm(kill, launcher if kill.whole else None)
            code = worker.main(run_dir, stage)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(write)
    return processes._listen(processes.Rank(index, Forked(pid), log), read)  # type: ignore[arg-type]


# -- what is compared --------------------------------------------------------------------------------------------


def fingerprint(out: Path, without: list[Path]) -> dict[str, str]:
    """Hash of every file under `out` but those of the named places, and the stamps of the source files."""
    found = {}
    for file in sorted(out.rglob("*")):
        if file.is_file() and not any(file.is_relative_to(place) for place in without):
            found[str(file.relative_to(out))] = hashlib.sha256(file.read_bytes()).hexdigest()
    for part in ("repo_cli", "conf", "scripts", "tests"):
        for file in (ROOT / part).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                stat = file.stat()
                found[f"source/{file.relative_to(ROOT)}"] = f"{stat.st_size} {stat.st_mtime_ns}"
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def told(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without what the clock says, and without how often the judge was asked anew."""
    from repo_cli.training.tracking import read_metrics

    def kept(key: str) -> bool:
        clock = key.startswith(("timing/", "memory/")) or "per_s" in key
        return key != "time" and not clock and key not in CALLS

    return [{k: v for k, v in row.items() if kept(k)} for row in read_metrics(run / "metrics.jsonl")]


def product(run: Path) -> dict[str, str]:
    """Hashes of the weights (or rows) of final/."""
    files = [p for p in (run / "final").glob("*") if p.suffix in (".safetensors", ".jsonl")]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def compare(straight: Path, killed: Path) -> list[str]:
    """What differs between two finished runs; empty when nothing does."""
    wrong = []
    one, other = told(straight), told(killed)
    if not one or one != other:
        place = next(
            (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        keys = sorted({k for a, b in zip(one, other, strict=False) for k in a | b if a.get(k) != b.get(k)})
        wrong.append(f"the metrics differ from line {place + 1} on ({', '.join(keys[:4])})")
    if not product(straight) or product(straight) != product(killed):
        wrong.append("final/ differs")
    if left := [p.name for p in (killed / "checkpoints").iterdir() if p.name.startswith(".")]:
        wrong.append(f"left behind: {left}")
    return wrong


def last_whole(run: Path) -> str:
    from repo_cli.training.checkpoint import latest_complete

    found = latest_complete(run / "checkpoints")
    return found.name if found else "the start"


def finished(run: Path) -> bool:
    return (run / "final").is_dir() and json.loads((run / "state.json").read_text())["state"] == "done"
