"""`pipeline.at_once`: steps beside each other, of several seeds, give what they give in turn; stops and failures."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from stages_kit import dialogue, metrics, settings, write
from test_stages_pipeline import apart, children

from repo_cli.config import compose, load_frozen
from repo_cli.errors import Stopped, UserError
from repo_cli.stages import pipeline
from repo_cli.stages.pipeline_together import _Board
from repo_cli.training.checkpoint import latest_complete

STEPS: dict[str, Any] = {
    "base": {"stage": "sft", "cache": True, "set": {"seed": 0, "policy.train": "full", "sft.max_steps": 2}},
    "left": {"stage": "sft", "set": {"policy.parent": "step:base", "sft.max_steps": 6}},
    "right": {"like": "left", "set": {"sft.number_weight": 3.0}},
    "last": {"like": "left", "set": {"policy.parent": "step:left", "sft.max_steps": 2}},
}


@pytest.fixture
def own(tmp_path: Path) -> SimpleNamespace:
    """A base, two agents on it, and one on the first of these; over two seeds."""
    data = write(tmp_path / "dialogues.jsonl", [dialogue(i) for i in range(20)])
    place = tmp_path / "conf" / "experiment"
    place.mkdir(parents=True)
    tree = {"name": "four", "pipeline": {"steps": STEPS, "seeds": [3, 4]}}
    (place / "four.yaml").write_text("# @package _global_\n" + yaml.safe_dump(tree))
    runs = tmp_path / "runs"
    given = [
        *("pipeline", "+experiment=four", "--config-dir", str(tmp_path / "conf")),
        *settings(runs, f"data.path={data}"),
        *("sft.epochs=40000", "sft.batch_size=4"),
    ]
    return SimpleNamespace(runs=runs, data=data, given=given)


def command(own: SimpleNamespace, *more: str) -> list[str]:
    return [sys.executable, "-m", "repo_cli.cli", *own.given, *more]


def run(own: SimpleNamespace, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(own, *more), capture_output=True, text=True, timeout=180, env=apart())


def finals(runs: Path, step: str) -> dict[int, Path]:
    """Seed -> final/ of a step that ended."""
    return {load_frozen(p.parent).seed: p for p in (runs / "sft" / f"four-{step}").glob("*/final")}


def weights(final: Path) -> dict[str, torch.Tensor]:
    return load_file(next(final.rglob("adapter_model.safetensors")))


def test_beside_each_other_they_make_what_they_make_in_turn(own: SimpleNamespace) -> None:
    process = subprocess.Popen(
        command(own, "pipeline.at_once=2", "engine.threads=1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=apart(),
    )
    together = [0]
    while process.poll() is None:
        together.append(len(children(process.pid)))
        time.sleep(0.01)
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert max(together) == 2
    # the base is the same for both seeds, and made once
    assert len(finals(own.runs, "base")) == 1 and out.count("done before for the same inputs") == 1
    assert len(re.findall(r"^\[\d/8\] seed [34] \w+: \d+ s$", out, re.M)) == 7
    turn = own.runs.parent / "turn"
    one = run(own, "engine.threads=1", f"runs_dir={turn}", f"cache_dir={turn / 'cache'}")
    assert one.returncode == 0, one.stderr
    again = run(own, "pipeline.at_once=2", "engine.threads=1")
    assert again.stdout.count("done before for the same inputs") == 8
    for step in ("left", "right", "last"):
        for seed in (3, 4):
            mine, theirs = (weights(finals(runs, step)[seed]) for runs in (own.runs, turn))
            assert mine.keys() == theirs.keys() and len(mine) > 0
            assert all(torch.equal(mine[name], theirs[name]) for name in mine), (step, seed)


def test_ctrl_c_stops_all_and_the_same_command_goes_on(own: SimpleNamespace) -> None:
    long = ["pipeline.at_once=2", "pipeline.seeds=[]", "pipeline.steps.last=null", so_many(600)]
    process = subprocess.Popen(
        command(own, *long), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=apart()
    )
    wait_for(lambda: len(started(own, "left") + started(own, "right")) == 2, process)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=90)
    assert process.returncode == 75, (out, said)
    assert "stopped by" in said and "--resume auto" in said and "Traceback" not in said
    stopped = [run for step in ("left", "right") for run in (own.runs / "sft" / f"four-{step}").iterdir()]
    assert len(stopped) == 2 and all(latest_complete(run / "checkpoints") for run in stopped), stopped
    again = run(own, *long, "--resume", "auto")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("resuming ") == 2 and len(metrics(finals(own.runs, "right")[0])) == 600


def test_what_is_saving_after_a_signal_is_not_sent_a_second_one(own: SimpleNamespace) -> None:
    # the second would end it at once, and its checkpoint would be lost
    told: dict[str, list[int]] = {"left": [], "right": []}

    def task(name: str, ends: list[Any]) -> Any:
        def poll() -> None:
            if ends:
                raise ends.pop()

        return SimpleNamespace(poll=poll, tell=told[name].append), SimpleNamespace(stage="sft"), 0.0

    cfg = compose("pipeline", ["+experiment=four"], config_dir=str(own.runs.parent / "conf"))
    for first, sent in (
        (Stopped("stopped by SIGINT"), signal.SIGINT),
        (UserError("bad row"), signal.SIGTERM),
    ):
        board = _Board(cfg, [], None, {})
        board.running = {(3, "left"): task("left", [first]), (3, "right"): task("right", [])}
        for sent_to in told.values():
            sent_to.clear()
        if isinstance(first, Stopped):
            board.stop(signal.SIGINT)
        board.look()
        assert told["right"] == [sent] and board.failure is first


def test_a_failing_step_stops_the_others_and_is_told(own: SimpleNamespace) -> None:
    bad = own.runs.parent / "bad.jsonl"
    bad.write_text(json.dumps({"messages": 3}) + "\n")
    long = [
        "pipeline.at_once=2",
        "pipeline.seeds=[]",
        so_many(100000),
        f"pipeline.steps.right.set={{policy.parent: 'step:base', data.also: [{bad}], data.on_bad_row: fail}}",
    ]
    done = run(own, *long)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert str(bad) in done.stderr and "Traceback" not in done.stderr
    (left,) = (own.runs / "sft" / "four-left").iterdir()
    assert not (left / "final").exists()
    assert load_frozen(left).engine.threads == max(1, len(os.sched_getaffinity(0)) // 2)
    (base,) = finals(own.runs, "base").values()
    assert load_frozen(base.parent).engine.threads is None  # it ran alone


def test_a_step_that_is_killed_is_told(own: SimpleNamespace) -> None:
    process = subprocess.Popen(
        command(own, "pipeline.at_once=2", "pipeline.seeds=[]", so_many(100000)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=apart(),
    )
    wait_for(lambda: len(started(own, "left") + started(own, "right")) == 2, process)
    os.kill(int(sorted(children(process.pid))[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 1 and "ended by SIGKILL (out of memory?)" in said, said


def test_where_processes_cannot_be_forked_they_run_in_turn(
    own: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_stages_pipeline import run as in_process

    monkeypatch.setattr(pipeline, "can_fork", lambda device: False)
    assert in_process(*own.given, "pipeline.at_once=2", "pipeline.seeds=[]") == 0
    said = capsys.readouterr().out
    assert "one step at a time here" in said and len(finals(own.runs, "last")) == 1


def so_many(steps: int) -> str:
    """So many steps for the first agent, and for those that are like it."""
    return f"pipeline.steps.left.set={{policy.parent: 'step:base', sft.max_steps: {steps}}}"


def started(own: SimpleNamespace, step: str) -> list[Path]:
    """Runs of a step that have written metrics."""
    return [p.parent for p in own.runs.glob(f"sft/four-{step}/*/metrics.jsonl") if p.stat().st_size]


def wait_for(what: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not what() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()
