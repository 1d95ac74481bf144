"""`repo doctor`: what it says of this machine, its plans, and its answers to bad input."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from repo_cli.cli import main
from repo_cli.training import machine


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no line of a table is broken."""
    monkeypatch.setenv("COLUMNS", "400")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def test_it_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") == 0
    text = capsys.readouterr().out
    assert metadata.version("torch") in text and f"deepspeed {metadata.version('deepspeed')}"[-6:] in text
    assert f"{machine.cores()} cores" in text
    total, free = machine.memory_bytes()
    assert 0 < free <= total and f"{total / 2**30:.1f} GiB" in text
    for extra in ("bench", "slurm", "vllm", "quant"):
        assert f"extra {extra}" in text
    if not machine.gpu_bytes():
        assert "on the CPU" in text


def test_what_is_missing_is_named_and_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def without(name: str) -> str:
        if name == "peft":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(machine.metadata, "version", without)
    assert run("doctor") == 2
    text = capsys.readouterr().out
    assert (
        re.search(r"lacking: peft\S* \(here none\)", text)
        and "training cannot run here: see libraries" in text
    )


def test_the_papers_settings_are_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "--plan", "+experiment=negotiation", "launch.nproc=8") == 0
    text = capsys.readouterr().out
    for part in ("weights", "adapters", "gradients", "optimiser", "activations", "KV cache", "logits"):
        assert part in text
    assert "32,762,123,264 parameters of 2 bytes" in text and "zero3 (configured)" in text
    assert "policy r=64, critic r=64, rm r=64 (frozen)" in text
    weights = re.search(r"weights\s+│?\s*([\d.]+)", text)
    assert weights and float(weights.group(1)) == pytest.approx(61.0, abs=0.1)
    assert "is a whole model of its own" not in text  # the base judges
    assert run("doctor", "--plan", "+experiment=negotiation", "judge.path=Qwen/Qwen3-4B") == 0
    assert "judge.path=Qwen/Qwen3-4B is a whole model of its own" in capsys.readouterr().out


def test_a_small_policy_on_the_cpu_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "--plan", "+experiment=demo", "engine.device=cpu") == 0
    text = capsys.readouterr().out
    assert "from policy.build" in text and "fits:" in text and "merge copy" in text
    assert run("doctor", "--plan", "--stage", "sft", "policy=qwen3_0_6b") == 0
    assert "repo sft: qwen3_0_6b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lora.r=8",), "lora.r=8: repo doctor takes settings only with --plan"),
        (("--plan", "lora.rank=8"), "lora.rank"),
        (("--plan", "--stage", "eval"), "eval cannot be planned"),
        (("--plan", "--stage", "nothing"), "nothing is not a stage"),
        (("--plan", "policy=custom", "policy.path=owner/nothing"), "its shape is not known here"),
        (("--plan", "policy=custom"), "policy.path is null"),
        (("--plan", "policy=custom", "policy.path=./nowhere/at-all"), "policy.path=./nowhere/at-all"),
        (("--plan", "--prompt", "4000"), "more than policy.max_length"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("doctor", *arguments) == 2
    assert said in capsys.readouterr().err
