"""`repo sample` interrupted: a signal, kill -9 in the middle of a line, a judge that breaks down. It goes on where it
stopped, and makes what the undisturbed run makes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from judge_server import FakeEndpoint
from stages_kit import go, metrics, settings
from test_stages_resume import signal_in_call
from test_stages_stop import only_run

from repo_cli.config import compose
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import launch
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rollout import LocalEngine
from repo_cli.training.checkpoint import latest_complete

ROOT = Path(__file__).parents[1]
NAMES = ("preference.jsonl", "judge.jsonl")
#: Ends the process by kill -9 in the third round, when half of its last line is written.
TORN = """
import os, signal, sys
from repo_cli.cli import main
from repo_cli.stages.sample import Contexts
real, calls = Contexts.add, []
def add(self, lines):
    calls.append(1)
    found = real(self, lines)
    if len(calls) == 3:
        os.truncate(self.path, self.path.stat().st_size - 200)
        os.kill(os.getpid(), signal.SIGKILL)
    return found
Contexts.add = add
sys.exit(main())
"""


def given(line: SimpleNamespace) -> tuple[str, ...]:
    """Five rounds of four contexts, two replies each."""
    return (
        f"policy.parent={line.sft}", "data.path=world:prompts", "data.limit=20", "policy.max_length=1024",
    )  # fmt: skip


@pytest.fixture(scope="module")
def straight(line: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go("sample", tmp_path_factory.mktemp("straight"), *given(line))


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in NAMES)


def test_a_round_left_by_a_signal_is_done_again(
    line: SimpleNamespace, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        signal_in_call(patch, LocalEngine, "_generate_batch", 3)
        with pytest.raises(Stopped, match="stopped by SIGUSR1 after step 2; go on with --resume"):
            go("sample", tmp_path, *given(line))
    run = only_run(tmp_path, "sample")
    assert latest_complete(run / "checkpoints").name == "step-000002" and not (run / "final").exists()
    kept = (run / "contexts.jsonl").read_bytes()
    assert len(kept.splitlines()) == 8
    batches: list[int] = []
    real = LocalEngine._generate_batch
    monkeypatch.setattr(LocalEngine, "_generate_batch", lambda *a: (batches.append(len(a[2])), real(*a))[1])
    final = go("sample", tmp_path, *given(line), "resume=auto")
    assert final == run / "final" and batches == [8, 8, 8]  # three rounds are left
    assert same(final, straight) and (run / "contexts.jsonl").read_bytes().startswith(kept)
    assert metrics(final) == metrics(straight) and len(metrics(final)) == 5
    assert sum(row["sample/replies"] for row in metrics(final)) == 40


def test_kill_9_in_the_middle_of_a_line(line: SimpleNamespace, straight: Path, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TORN, "sample", *settings(tmp_path, *given(line))],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr
    run = only_run(tmp_path, "sample")
    torn = (run / "contexts.jsonl").read_bytes().splitlines()
    assert len(torn) == 12
    with pytest.raises(ValueError):
        json.loads(torn[-1])
    with pytest.raises(UserError, match=r"cannot go on with sample.n: 2 -> 4"):
        resume(run, "sample.n=4")
    with pytest.raises(UserError, match="cannot go on with rollout.batch_size: 8 -> 6"):
        resume(run, "rollout.batch_size=6")
    final = resume(run)
    assert same(final, straight) and len((run / "contexts.jsonl").read_bytes().splitlines()) == 20
    assert same(resume(run), straight)  # a finished run, once more
    with pytest.raises(UserError, match="the run had rollout.batch_size=8, and now it is 6"):
        resume(run, "rollout.batch_size=6", "force=true")
    os.truncate(run / "contexts.jsonl", 100)
    with pytest.raises(UserError, match="contexts.jsonl: shorter than it was at the checkpoint"):
        resume(run, "rollout.batch_size=8", "force=true")


def resume(run: Path, *more: str) -> Path:
    texts = [f"resume={run}", *more]
    return launch("sample", compose("sample", texts), overrides=texts)


def test_a_judge_that_breaks_down_costs_no_context(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    criteria = [f"R{i}" for i in range(1, 13)]
    asking = (
        *(f"policy.parent={line.sft}", f"data.path={line.prompts}", "policy.max_length=1024", "rollout.batch_size=12"),
        *("sample.annotator=judge", "judge=openai", "judge.api.model=m", "judge.api.backoff_s=0.01"),
        *("judge.api.retries=0", "judge.failed_window=6", "judge.api.cache=false", "judge.max_failed=0.4"),
    )  # fmt: skip
    with FakeEndpoint(criteria) as server:
        whole = go("sample", tmp_path / "straight", *asking, f"judge.api.url={server.url}")
        asked = [row["judge/requests"] for row in metrics(whole)]
        assert len(asked) == 4 and sum(asked) == len(server.bodies) > 36
        assert server.most_at_once > 2  # not context by context
    with FakeEndpoint(criteria, dies_after=int(asked[0])) as server:
        halves = tmp_path / "halves"
        with pytest.raises(UserError, match="step 2: the judge failed on .*http 500") as caught:
            go("sample", halves, *asking, f"judge.api.url={server.url}")
        run = only_run(halves, "sample")
        assert "--resume" in caught.value.hint and latest_complete(run / "checkpoints").name == "step-000001"
        server.options.clear()
        counted: list[float] = []
        real = RemoteJudge.go_on_from
        monkeypatch.setattr(
            RemoteJudge,
            "go_on_from",
            lambda self, used: (real(self, used), counted.append(self.client.spend.requests)),
        )
        final = go("sample", halves, *asking, f"judge.api.url={server.url}", "resume=auto")
    assert counted == [asked[0]]  # it counts against the whole run's budget
    assert (final / "judge.jsonl").read_bytes() == (whole / "judge.jsonl").read_bytes()
