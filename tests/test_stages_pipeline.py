"""`repo pipeline`: parents handed on, steps that are done are skipped, and every shipped experiment in small."""

from __future__ import annotations

import contextlib
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
import yaml
from stages_kit import SMALL, dialogue, metrics, pair, prompt, settings, write
from test_stages_stop import signal_after

from repo_cli.cli import main
from repo_cli.config import compose, conf_dir
from repo_cli.evaluation.paper_table import Cost
from repo_cli.launch import processes
from repo_cli.models.manifest import read_manifest
from repo_cli.stages import data as stage_data
from repo_cli.stages import pipeline, pipeline_steps
from repo_cli.stages.pipeline_table import run_cost


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


@pytest.fixture
def own(tmp_path: Path) -> SimpleNamespace:
    """An experiment of two steps in a directory of the user's."""
    data = write(tmp_path / "dialogues.jsonl", [dialogue(i) for i in range(20)])
    steps = {
        "base": {"stage": "sft", "cache": True, "set": {"policy.train": "full", "sft.max_steps": 2}},
        "sft": {"stage": "sft", "set": {"policy.parent": "step:base", "sft.max_steps": 3}},
    }
    place = tmp_path / "conf" / "experiment"
    place.mkdir(parents=True)
    text = "# @package _global_\n" + yaml.safe_dump({"name": "two", "pipeline": {"steps": steps}})
    (place / "two.yaml").write_text(text)
    runs = tmp_path / "runs"
    given = [
        "pipeline",
        "+experiment=two",
        "--config-dir",
        str(tmp_path / "conf"),
        *settings(runs, f"data.path={data}"),
    ]
    return SimpleNamespace(runs=runs, data=data, given=given)


def finals(own: SimpleNamespace, step: str) -> list[Path]:
    return sorted((own.runs / "sft" / f"two-{step}").glob("*/final"))


def test_steps_get_their_parents_and_are_not_done_twice(
    own: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*own.given) == 0
    (agent,) = finals(own, "sft")
    assert len(finals(own, "base")) == 1
    kept = Path(read_manifest(agent).base)
    assert (
        kept.is_relative_to(own.runs / "cache")
        and read_manifest(kept).base_hash == read_manifest(agent).base_hash
    )
    assert capsys.readouterr().out.count("done before") == 0

    assert run(*own.given) == 0
    assert capsys.readouterr().out.count("done before") == 2 and len(finals(own, "sft")) == 1
    assert run(*own.given, "tracker.log_every=2", "name=other") == 0  # no input of what is made
    assert capsys.readouterr().out.count("done before") == 2
    assert run(*own.given, "lora.r=2") == 0  # every step has it in its configuration
    assert (len(finals(own, "base")), len(finals(own, "sft"))) == (2, 2)
    capsys.readouterr()
    write(own.data, [dialogue(i) for i in range(1, 21)])  # the same file with other rows
    assert run(*own.given) == 0
    assert capsys.readouterr().out.count("done before") == 0 and len(finals(own, "sft")) == 3
    assert run(*own.given, "force=true") == 0
    assert len(finals(own, "base")) == 4


def test_a_product_that_is_gone_is_made_again(
    own: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*own.given) == 0
    (agent,) = finals(own, "sft")
    (agent / "step.json").unlink()
    capsys.readouterr()
    assert run(*own.given) == 0
    assert capsys.readouterr().out.count("done before") == 1 and len(finals(own, "sft")) == 2


def test_a_stopped_pipeline_goes_on_in_the_step_that_was_stopped(
    own: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        signal_after(patch, 2)  # the base has two steps, so this is the last of the second step
        assert run(*own.given) == 75
    said = capsys.readouterr()
    assert "stopped by SIGTERM after step 3" in said.err and not finals(own, "sft")
    assert run(*own.given, "--resume", "auto") == 0
    said = capsys.readouterr()
    assert said.out.count("done before") == 1 and "resuming" in said.out
    assert len(finals(own, "base")) == 1 and len(metrics(finals(own, "sft")[0])) == 3


def test_a_pipeline_stopped_while_a_later_step_loads_goes_on_there(
    own: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, calls = stage_data.each_row, []

    def load(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:  # the second step's; the first is done by then
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*given, **named)

    monkeypatch.setattr(stage_data, "each_row", load)
    monkeypatch.setattr(processes, "can_fork", lambda device: False)  # the counting above is this process's
    assert run(*own.given) == 75
    said = capsys.readouterr().err
    assert "there was nothing to save; the steps before it are done" in said and "goes on from there" in said
    assert run(*own.given) == 0 and capsys.readouterr().out.count("done before") == 1


# -- shipped experiments --------------------------------------------------------------------------------------


EXPERIMENTS = sorted(p.stem for p in (conf_dir() / "experiment").glob("*.yaml"))
SHORT = (
    *(o for o in SMALL if not o.startswith(("optim", "rules", "reward", "policy.max_length"))),
    "policy.max_length=1024", "engine=zero0", "engine.device=cpu", "engine.precision=fp32", "engine.autocast=null",
    "launch.nproc=1", "data.limit=24", "sft.max_steps=2", "sft.batch_size=4", "dpo.max_steps=2",
    "dpo.batch_size=4", "train_rm.max_steps=2",
    "train_rm.batch_size=4", "train_rm.calibration_fraction=0.4", "rl.steps=2", "rl.batch_size=4", "critic.warmup_steps=0",
    "rl.preflight_contexts=1", "optim.lr=0.001", "optim.schedule=constant", "policy.build.tokenizer_rows=40", "judge.max_length=1000",
    "eval.n_online=2", "eval.n_badcases=1", "eval.n_replies=2", "eval.max_turns=2", "eval.bootstrap=100", "judge.prompt=compact",
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for an experiment's downloaded base."""
    from repo_cli.launch.processes import launch

    runs = tmp_path_factory.mktemp("base")
    texts = (
        *SHORT,
        f"runs_dir={runs}",
        f"cache_dir={runs}/cache",
        "policy.train=full",
        "data.path=world:gold",
    )
    return launch("sft", compose("sft", texts))


# the two searches are paper_table at other settings: composed (test_config_steps), not run once more; the ablation is
# the demo's RL some twenty times over, with a key or two changed (each of them runs in test_stages_line)
RUN = [
    pytest.param(e, marks=pytest.mark.slow) if e == "ablation" else e
    for e in EXPERIMENTS
    if e not in ("paper_tune", "paper_finals")
]


@pytest.mark.parametrize("experiment", RUN)
def test_every_experiment_runs_two_steps_on_the_cpu(
    experiment: str, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole pipeline of each file with policy=tiny put in for its base and sizes cut down."""
    data = tmp_path / "data"
    data.mkdir()
    write(data / "sft.jsonl", [dialogue(i) for i in range(20)])
    write(data / "pairs.jsonl", [pair(i) for i in range(20)])
    write(data / "prompts.jsonl", [prompt(i) for i in range(20)])
    monkeypatch.setenv("REPO_DATA", str(data))
    given = [
        f"+experiment={experiment}",
        *SHORT,
        f"runs_dir={tmp_path / 'runs'}",
        f"cache_dir={tmp_path / 'cache'}",
    ]
    given.append("pipeline.seeds=[]")  # one is enough here; several have a test of their own
    looks = experiment == "paper_table"
    given += ["rl.eval_every=2", "rl.eval_n=2"] if looks else []
    steps = compose("pipeline", given).pipeline.steps
    begins = [name for name, step in steps.items() if "policy.parent" not in step.get("set", {})]
    if not any(steps[name]["set"].get("policy.train") == "full" for name in begins):
        given += ["policy.build=null", f"policy.path={tiny_base}", "judge.path=${policy.path}"][
            : 3 if "judge" not in steps else 2
        ]
    monkeypatch.setattr(pipeline_steps, "find_done", lambda cfg, key: None)
    product = pipeline.run(compose("pipeline", given), given)
    assert product.is_dir()
    made = {p.parent.parent.name: p for p in (tmp_path / "runs").glob("*/*/*/metrics.jsonl")}
    for name, step in steps.items():
        if step["stage"] not in ("eval", "sample"):
            (rows,) = [metrics(p.parent) for key, p in made.items() if key.endswith(f"-{name}")]
            assert [row["step"] for row in rows] == [0, 1, 2][1 - (looks and step["stage"] == "rl") :], name
    if looks:  # the two curves, and the gain in words
        page = (product / "report.html").read_text()
        assert all(
            words in page for words in ("Persuasive ability", "Hidden rating", "One against the other")
        )
        assert re.search(r"grpo_rm: [\d.]+ at step 0, [\d.]+ at step 2: [+−][\d.]+ \([+−][\d.]+%\)", page)
        assert re.search(r"Steps 0 to 2: reward model .+ → .+, hidden rating [\d.]+ → [\d.]+", page)


SEEDS = [
    "pipeline",
    "pipeline.steps.eval={stage: eval, set: {eval.systems: {intent: 'world:intent', gold: 'world:gold'}}}",
    *("eval.sets=[online]", "eval.n_online=4", "eval.bootstrap=200", "eval.samples=0"),
]


def test_a_table_over_several_seeds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    places = (f"runs_dir={tmp_path}/runs", f"cache_dir={tmp_path}/cache", "policy=tiny")
    given = [*SEEDS, *places, "name=both", "pipeline.seeds=[3, 5]", "pipeline.table=gold"]
    assert run(*given) == 0
    printed = capfd.readouterr().out
    assert "seed 3 (1 of 2)" in printed
    assert "seeds 3, 5" in printed
    runs = sorted((tmp_path / "runs" / "eval" / "both-eval").iterdir())
    assert [yaml.safe_load((r / "config.yaml").read_text())["seed"] for r in runs] == [3, 5]
    out = tmp_path / "runs" / "pipeline" / "both"
    made = json.loads((out / "table.json").read_text())
    assert made["seeds"] == [3, 5]
    for system in ("intent", "gold"):
        each = made["by_seed"][system]["rating"]
        assert made["figures"][system]["rating"]["value"] == pytest.approx(sum(each) / 2)
    gain = made["ahead_of"]["intent"]["rating"]["value"]
    means = [made["figures"][s]["rating"]["value"] for s in ("gold", "intent")]
    assert gain == pytest.approx(means[0] - means[1])
    assert "<script src" not in (out / "report.html").read_text()
    assert "intent" in (out / "table.txt").read_text()
    # the same again: nothing is done twice
    assert run(*given) == 0
    assert capfd.readouterr().out.count("done before for the same inputs") == 2
    assert len(list((tmp_path / "runs" / "eval" / "both-eval").iterdir())) == 2


def test_a_table_that_was_made_before_is_shown_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [*SEEDS, f"runs_dir={tmp_path}/runs", f"cache_dir={tmp_path}/cache", "policy=tiny", "name=again"]
    assert run(*given) == 0
    first = capfd.readouterr().out
    assert run(*given) == 0
    second = capfd.readouterr().out
    assert "done before for the same inputs" in second
    table = [line for line in first.splitlines() if re.match(r"\W*(intent|gold)\b.*\d", line)]
    assert table and all(line in second.splitlines() for line in table)
    (report,) = [line for line in first.splitlines() if line.startswith("report: ")]
    assert report in second.splitlines() and Path(report.removeprefix("report: ")).is_file()


def test_costs_are_counted_from_the_runs_metrics(tmp_path: Path) -> None:
    def cost(*rows: dict[str, float]) -> Cost:
        (tmp_path / "metrics.jsonl").write_text(
            "".join(json.dumps({"step": i, **r}) + "\n" for i, r in enumerate(rows))
        )
        return run_cost(str(tmp_path / "final"))

    local = {
        "timing/step_s": 3.0,
        "timing/dev_s": 1.0,
        "rollout/replies": 8,
        "judge/asked": 10,
        "reward/judge": 0.1,
    }
    failed = {
        "timing/step_s": 2.0,
        "rollout/replies": 8,
        "judge/asked": 8,
    }  # no reply got a score: still asked
    assert cost({"dev/rating": 2.0}, local, failed) == Cost(4.0, None, 16, 18)
    assert cost({**local, "judge/requests": 13.0}).judge_calls == 13  # a judge elsewhere: what was sent
    assert cost({"rollout/replies": 8, "timing/step_s": 1.0}).judge_calls == 0
    assert run_cost("world:intent") == Cost()


def test_a_table_needs_an_evaluation_at_the_end(
    own: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*own.given, "pipeline.table=sft") == 2
    assert "is no evaluation" in capsys.readouterr().err


def test_each_step_runs_in_a_process_of_its_own(own: SimpleNamespace) -> None:
    command = [sys.executable, "-m", "repo_cli.cli", *own.given]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=apart()
    )
    seen: set[str] = set()
    while process.poll() is None:
        seen |= children(process.pid)
        time.sleep(0.01)
    assert process.returncode == 0, process.communicate()[1]
    assert len(seen) == 2 and len(finals(own, "base")) == len(finals(own, "sft")) == 1

    wrong = [*command, "lora.r=3", "data.on_bad_row=fail", "policy.max_length=4"]  # found once the step runs
    refused = subprocess.run(wrong, capture_output=True, text=True, timeout=120, env=apart())
    assert refused.returncode == 2 and "error:" in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 75), (signal.SIGKILL, 1)])
def test_a_stop_or_a_death_in_a_step_is_told(own: SimpleNamespace, number: int, code: int) -> None:
    command = [
        sys.executable,
        "-m",
        "repo_cli.cli",
        *own.given,
        "sft.epochs=4000",
        "pipeline.steps.base.set={sft.max_steps: 100000}",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=apart()
    )
    deadline = time.monotonic() + 120
    while not list(own.runs.glob("sft/two-base/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    if number == signal.SIGKILL:  # the step itself, as the system does when memory is short
        (child,) = children(process.pid)
        os.kill(int(child), number)
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert ("--resume auto" if code == 75 else "ended by SIGKILL (out of memory?)") in said


def children(pid: int) -> set[str]:
    """The processes of its steps: each leads a session of its own, unlike the commands that it starts."""
    found = set()
    with contextlib.suppress(OSError):  # one of them has just ended
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if os.getsid(int(child)) == int(child):
                found.add(child)
    return found


def apart() -> dict[str, str]:
    """The environment of a user's shell: nothing is said there of threads."""
    return {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
