"""The command line: help without torch, exit codes, dry runs, and each command's answer to bad input."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repo_cli import __version__
from repo_cli.cli import app, main, tell
from repo_cli.config import compose
from repo_cli.errors import Stopped, UserError

STAGES = ("sft", "train-rm", "rl", "repo-rl", "eval", "pipeline")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = "('torch', 'hydra', 'omegaconf', 'transformers', 'numpy')"
    code = "import sys\ntry:\n from repo_cli.cli import main; main(['--help'])\nexcept SystemExit: pass\n"
    code += f"print('HEAVY', [m for m in {heavy} if m in sys.modules])"
    times = []
    for _ in range(3):  # CPU seconds: other work on the machine does not count
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "HEAVY []" in done.stdout
    assert min(times) < 0.5, times


def test_help_names_the_commands_and_not_the_unbuilt(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for name in (
        "pipeline", "sft", "dpo", "train-rm", "rl", "eval", "report", "ab", "ratings", "data", "rules", "reward",
        "config", "sweep", "doctor",
    ):  # fmt: skip
        assert f" {name} " in text
    for name in ("chat",):
        assert f" {name} " not in text
        assert run(name) == 2, "its name stays free"
    for name in STAGES:
        capsys.readouterr()
        assert run(name, "--help") == 0
        text = capsys.readouterr().out
        for option in ("--dry-run", "--resume", "--config-dir", "--multirun", "OVERRIDES"):
            assert option in text


def test_the_examples_in_the_help_compose() -> None:
    """What the help shows can be typed (`...` stands for the rest of a path)."""
    seen = 0
    for command in app.registered_commands:
        for line in re.findall(r"\[cyan\]repo (.*?)\[/cyan\]", str(command.epilog)):
            stage, *words = shlex.split(line.replace("\\[", "["))
            if stage in STAGES:
                overrides = [w for w in words if not w.startswith("-") and not w.startswith("pipeline")]
                compose(stage, [*(o.replace("...", "x") for o in overrides), "rules=none"])
                seen += 1
    assert seen >= 8


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"repo {__version__}\n"


@pytest.mark.parametrize("stage", ["train-rm", "dpo"])
def test_config_show_prints_yaml_that_loads(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "show", stage, "lora.r=8", "rules=none") == 0
    data = yaml.safe_load(capsys.readouterr().out)
    assert data["lora"]["r"] == 8 and data["stage"] == stage.replace("-", "_")


def test_config_list_names_groups_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "list") == 0
    text = capsys.readouterr().out
    assert "qwen3_32b" in text and "zero3" in text and "demo" in text


@pytest.mark.parametrize("stage", ["sft", "dpo", "train-rm", "rl", "repo-rl", "eval"])
def test_dry_run_shows_plan_and_starts_nothing(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(stage, "lora.r=-1", "--dry-run", "rules=none") == 2
    assert run(stage, "--dry-run", "lora.r=8", "rules=none", "launch.nproc=2") == 0
    text = capsys.readouterr().out
    assert "r: 8" in text and "2 on this machine" in text and "nothing was started" in text
    assert list(tmp_path.iterdir()) == []


def test_dry_run_of_the_pipeline_composes_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("pipeline", "+experiment=demo", "--dry-run", "rules=none") == 0
    text = capsys.readouterr().out
    for word in ("base", "train_rm", "judge", "step:base", "world:base", "nothing was started"):
        assert word in text


def test_dry_run_without_torch() -> None:
    code = "import sys\ntry:\n from repo_cli.cli import main; main(['rl', '--dry-run', 'rules=none'])\nexcept SystemExit as e: pass\n"
    code += "print('TORCH', 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "TORCH False" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rl", "lora.rr=1"), ["lora.rr", "lora.r"]),
        (("rl", "policy=tinny"), ["tinny", "tiny"]),
        (("rl",), ["rm.path"]),
        (("rl", "judge=local", "rm.path=."), ["judge.path"]),
        (("sft", "data.path=no/such.jsonl"), ["data.path=no/such.jsonl", "no such file"]),
        (("rl", "sop.stages.S5.next=[S99]", "--dry-run"), ["sop.stages.S5.next", "S99"]),
        (("rl", "rubric.scale=[5,1]", "--dry-run"), ["rubric", "scale"]),
        (("eval", "rules.rules.G01.on_match=much", "--dry-run"), ["G01", "on_match"]),
        (("sft", "data.path=no/such.jsonl", "--dry-run"), ["data.path=no/such.jsonl", "no such file"]),
        (("sft", "-m", "lora.r=8"), ["no override has several values"]),
        (("sft", "-m", "lora.r=8,-1"), ["job 1 (lora.r=-1)", "out of range"]),
        (("sft", "-m", "optim.lr=interval(0,1)"), ["interval"]),
        (("sft", "-m", "lora.r=8,16", "--resume", "auto"), ["repo sweep resume"]),
        (("sweep", "status", "no/such"), ["no/such", "not a sweep"]),
        (("sweep", "table", "no/such"), ["no/such", "not a sweep"]),
        (("sweep", "resume", "no/such"), ["no/such", "not a sweep"]),
        (("job", "no/such"), ["no/such"]),
        (("sft", "--resume", "/no/where"), ["resume=/no/where"]),
        (("sft", "--config-dir", "/no/where"), ["--config-dir", "/no/where"]),
        (("pipeline",), ["pipeline.steps", "+experiment=demo"]),
        (("config", "show", "slf"), ["slf", "sft"]),
        (("config", "show"), ["STAGE"]),
        (("slf",), ["slf", "sft"]),
        (("rules", "check", "hotl_guardrails"), ["hotl_guardrails", "hotel_guardrails"]),
        (
            ("rules", "explain", "hotel_guardrails", "--text", "x", "--scenario", "{broken"),
            ["--scenario", "JSON"],
        ),
        (("rules", "explain", "hotel_guardrails", "--text", "x", "--history", "{}"), ["--history", "list"]),
        (("data", "make", "x.jsonl", "--world", "hotle"), ["hotle", "hotel"]),
        (("data", "make", "x.jsonl", "--language", "fr"), ["fr", "en, zh"]),
        (("data", "make", "x.jsonl", "--corpus", "gld"), ["gld", "gold"]),
        (("data", "make", "x.jsonl"), ["x.jsonl", "--corpus"]),
        (("data", "make", "x.jsonl", "--corpus", "gold", "--n", "0"), ["--n"]),
        (("data", "validate", "no.jsonl"), ["no.jsonl"]),
        (("data", "show", "no.jsonl"), ["no.jsonl"]),
        (("data", "pairs", "no.jsonl", "out.jsonl"), ["no.jsonl"]),
        (("report", "no/such/run"), ["no/such/run"]),
    ],
    ids=lambda value: " ".join(value)[:60],
)
def test_bad_input_ends_with_2_and_one_message(
    arguments: tuple[str, ...],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    text = capsys.readouterr().err
    for word in words:
        assert word in text
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_exit_codes_and_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(Stopped("saved at step 3")) == 75
    assert "--resume auto" in capsys.readouterr().err
    assert tell(Stopped("stopped by SIGTERM; there was nothing to save", saved=False)) == 1
    assert "nothing to save" in (said := capsys.readouterr().err) and "--resume" not in said
    assert tell(UserError("a[b].jsonl:3: bad", hint="mend [it]")) == 2
    assert tell(Stopped("the sweep was stopped", hint="repo sweep resume DIR")) == 75
    assert tell(PermissionError(13, "Permission denied", "/some/where")) == 2
    noted = ValueError("odd")
    noted.add_note("traceback: runs/x/log.txt")
    assert tell(noted) == 1
    text = capsys.readouterr().err
    assert "a[b].jsonl:3: bad" in text and "mend [it]" in text and "repo sweep resume DIR" in text
    assert "/some/where" in text and "ValueError: odd" in text and "runs/x/log.txt" in text
    assert "Traceback" not in text
    assert tell(ValueError("no log")) == 1
    assert "ValueError: no log" in capsys.readouterr().err


def test_rules_check_and_explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    rule = {
        "about": "no shouting",
        "category": "tone",
        "severity": "soft",
        "forbid": ["LOUD"],
        "on_match": -1.5,
    }
    rule["examples"] = {"pass": ["quiet"], "fail": ["so LOUD"]}
    file.write_text(yaml.safe_dump({"name": "mine", "language": ["en"], "rules": {"T1": rule}}))
    assert run("rules", "check", str(file)) == 0
    assert "1 rules, 2 examples, 0 fail" in capsys.readouterr().out
    scenario = json.dumps({"current_price": 388})
    assert run("rules", "explain", str(file), "--text", "This is LOUD.", "--scenario", scenario) == 0
    text = capsys.readouterr().out
    assert "T1" in text and "8-12" in text and "total -1.5" in text
    assert run("rules", "explain", str(file), "--text", "quiet") == 0
    assert "no rule fires" in capsys.readouterr().out
    rule["examples"]["fail"].append("calm")
    file.write_text(yaml.safe_dump({"name": "mine", "language": ["en"], "rules": {"T1": rule}}))
    assert run("rules", "check", str(file)) == 2
    captured = capsys.readouterr()
    assert "T1" in captured.err and "calm" in captured.err


def test_data_make_is_exact_and_validates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        out = tmp_path / f"{name}.jsonl"
        assert run("data", "make", str(out), "--corpus", "gold", "--n", "5", "--seed", "3") == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 5
    assert run("data", "make", str(tmp_path / "all"), "--n", "2", "--language", "zh") == 0
    assert {path.stem for path in (tmp_path / "all").iterdir()} >= {
        "gold",
        "mixed",
        "pairs",
        "judge",
        "prompts",
    }
    assert run("data", "validate", str(tmp_path / "a.jsonl")) == 0
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write("{broken\n")
    capsys.readouterr()
    assert run("data", "validate", str(tmp_path / "a.jsonl")) == 2
    assert "a.jsonl:6" in capsys.readouterr().out.replace("\n", "")
