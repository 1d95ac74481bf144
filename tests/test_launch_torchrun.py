"""Ranks that somebody else's launcher starts: `torchrun --nproc-per-node 2`, a signal to it, resume, a rank that raises,
a rank that hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from stages_kit import metrics, settings

from repo_cli.launch.ports import free_port
from repo_cli.training.checkpoint import latest_complete

ROOT = Path(__file__).parents[1]

FAULTY = """
import sys
from repo_cli import cli
from repo_cli.config import compose
from repo_cli.launch.processes import launch
try:
    launch("tests.faulty_stage", compose("sft", sys.argv[1:]))
except Exception as error:
    cli.leave(error)
"""


def torchrun(tmp_path: Path, *what: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port(0)), *what]
    clean = {
        k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
    }
    env = clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)} | env
    env["PYTHONWARNINGS"] = "ignore"
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(process: subprocess.Popen[str], holds: object, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"ended or waited too long: {process.communicate()[0]}")
        time.sleep(0.05)


def test_torchrun_runs_stops_and_resumes(line: SimpleNamespace, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    given = settings(runs, f"data.path={line.dialogues}", f"policy.parent={line.base}", "sft.batch_size=8")
    given += ["engine=zero2", "engine.threads=1", "sft.epochs=999"]
    process = torchrun(tmp_path, "-m", "repo_cli.cli", "sft", *given, "sft.max_steps=2000")
    until(
        process,
        lambda: any(len(p.read_text().splitlines()) > 2 for p in runs.glob("sft/run/*/metrics.jsonl")),
    )
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    (run,) = (runs / "sft" / "run").iterdir()
    kept = latest_complete(run / "checkpoints")
    assert kept is not None, said
    done = int(kept.name[5:])
    assert said.count(f"stopped by SIGTERM after step {done}") == 2, said  # each rank says so
    assert [row["step"] for row in metrics(run)] == list(range(1, done + 1))

    process = torchrun(
        tmp_path, "-m", "repo_cli.cli", "sft", "--resume", str(run), f"sft.max_steps={done + 2}"
    )
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert [row["step"] for row in metrics(run)] == list(range(1, done + 3))
    assert (run / "final" / "adapter_model.safetensors").is_file() and not list((run / "logs").glob("beat-*"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise", ["failed: ZeroDivisionError: rank 1 divided by nothing", "on rank 1"]),
        ("hang", ["failed: rank 1 made no progress for"]),
    ],
)
def test_one_bad_rank_ends_all_within_30_s(fault: str, words: list[str], tmp_path: Path) -> None:
    script = tmp_path / "faulty.py"
    script.write_text(FAULTY)
    given = [
        f"runs_dir={tmp_path / 'runs'}",
        "tracker.tensorboard=false",
        "launch.heartbeat_s=3",
        "engine.device=cpu",
    ]
    process = torchrun(tmp_path, "--shutdown-timeout", "5", str(script), *given, FAULT=fault)
    files = lambda: list((tmp_path / "runs" / "sft" / "run").glob("*/metrics.jsonl"))  # noqa: E731
    until(process, lambda: files() and len(metrics(files()[0].parent)) == 2)
    began = time.monotonic()
    said = process.communicate(timeout=60)[0]
    assert process.returncode not in (0, None) and time.monotonic() - began < 30
    assert all(word in said for word in words), said
    (run,) = (tmp_path / "runs" / "sft" / "run").iterdir()
    log = (run / "log.txt").read_text()
    if fault == "raise":
        first = re.search(r"^(\w+Error|\w+Exception)\b.*", log, re.MULTILINE)
        assert first and "divided by nothing" in first.group(), log
    else:
        first, second = log.index("--- rank 1, where it stood"), log.index("--- rank 0, where it stood")
        assert "where_it_hangs" in log[first:second] and "torch/distributed" in log[second:]
