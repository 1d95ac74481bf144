"""`repo eval` interrupted: a signal, kill -9, a damaged part, another configuration. What is done is not done again, and
the result is the undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from stages_kit import SMALL
from test_stages_resume import signal_in_call
from test_stages_stop import only_run

from repo_cli.config import compose
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import launch
from repo_cli.rollout import LocalEngine

ROOT = Path(__file__).parents[1]
NAMES = ("eval.json", "figures.json", "conversations.csv")
FAST = ("eval.bootstrap=200", "eval.samples=0", "eval.n_online=3", "eval.n_badcases=2", "eval.n_replies=4")
AGENTS = ("eval.systems={intent: 'world:intent', gold: 'world:gold'}", "rules=none", "engine.device=cpu",
          "tracker.tensorboard=false", *FAST)  # fmt: skip
#: Sends itself a signal at the beginning of the fourth part.
STOPPED = """
import os, signal, sys
from repo_cli.cli import main
from repo_cli.stages import evaluate
real = evaluate.online
def online(world, agent, cfg, session, name, *rest):
    if name == "gold":
        os.kill(os.getpid(), signal.{signal})
    return real(world, agent, cfg, session, name, *rest)
evaluate.online = online
sys.exit(main())
"""


def go(runs: Path, *overrides: str) -> Path:
    texts = [f"runs_dir={runs}", f"cache_dir={runs}/cache", *overrides]
    return launch("eval", compose("eval", texts), overrides=texts)


def resume(run: Path, *more: str) -> Path:
    texts = [f"resume={run}", *more]
    return launch("eval", compose("eval", texts), overrides=texts)


def parts(run: Path) -> list[str]:
    return sorted(str(p.relative_to(run / "parts")) for p in (run / "parts").rglob("*.json"))


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in NAMES)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go(tmp_path_factory.mktemp("straight"), *AGENTS)


def test_models_stopped_in_a_part_go_on_with_it(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [s for s in SMALL if not s.startswith(("policy.max_length", "reward", "lora", "optim"))]
    given = (*small, *FAST, f"eval.systems={{base: {line.base}, sft: {line.sft}}}", "policy.max_length=1100",
             "eval.max_turns=2", "rollout.temperature=0.7")  # fmt: skip
    calls: list[int] = []
    real = LocalEngine._generate_batch
    with monkeypatch.context() as patch:
        patch.setattr(LocalEngine, "_generate_batch", lambda *a: (calls.append(1), real(*a))[1])
        undisturbed = go(tmp_path / "straight", *given)
    with monkeypatch.context() as patch:
        signal_in_call(patch, LocalEngine, "_generate_batch", len(calls) - 1)
        with pytest.raises(Stopped, match="parts are done and saved; go on with --resume") as caught:
            go(tmp_path / "halves", *given)
    assert caught.value.exit_code == 75
    run = only_run(tmp_path / "halves", "eval")
    done = parts(run)
    assert 3 <= len(done) < 6 and not (run / "eval.json").exists()
    again: list[int] = []
    monkeypatch.setattr(LocalEngine, "_generate_batch", lambda *a: (again.append(1), real(*a))[1])
    assert go(tmp_path / "halves", *given, "resume=auto") == run
    assert same(run, undisturbed) and len(parts(run)) == 6 and len(again) < len(calls) / 2
    other = go(tmp_path / "halves", *given, "resume=auto")
    assert other != run  # a finished evaluation is not gone on with


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGKILL", -signal.SIGKILL)])
def test_ended_between_two_parts(name: str, code: int, straight: Path, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STOPPED.replace("{signal}", name), "eval", *AGENTS, f"runs_dir={tmp_path}"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.returncode == code, process.stderr
    run = only_run(tmp_path, "eval")
    assert parts(run) == ["badcases/intent.json", "online/intent.json", "replies/intent.json"]
    with pytest.raises(UserError, match=r"cannot go on with eval.n_online: 3 -> 4"):
        resume(run, "eval.n_online=4")
    with pytest.raises(UserError, match=r"cannot go on with rollout.temperature"):
        resume(run, "rollout.temperature=0.5")
    (run / "parts/online/intent.json").write_text("{}")
    assert resume(run) == run and same(run, straight)
    assert (
        "online/intent.json: gone or damaged, so this part is played again" in (run / "log.txt").read_text()
    )


def test_what_is_only_counted_anew_may_change(straight: Path) -> None:
    before = (straight / "figures.json").read_bytes()
    assert resume(straight, "eval.bootstrap=100", "eval.baseline=gold") == straight
    assert (straight / "figures.json").read_bytes() != before
    resume(straight, "eval.bootstrap=200", "eval.baseline=null")
    assert (straight / "figures.json").read_bytes() == before
