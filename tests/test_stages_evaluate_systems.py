"""A base without any adapter as a system of an evaluation: by directory, by a `final/` on it, by its name on the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from stages_kit import SMALL
from test_stages_evaluate import play, read

from repo_cli.config import compose, missing_inputs
from repo_cli.launch.hub import Named, named_in
from repo_cli.models.backbone import Backbone

ROOT = Path(__file__).parents[1]
GIVEN = (
    *(s for s in SMALL if not s.startswith(("rules", "policy.max_length", "reward", "lora", "optim"))),
    *(
        "policy.max_length=1100",
        "eval.sets=[online]",
        "eval.n_online=3",
        "eval.max_turns=2",
        "rollout.temperature=1.0",
    ),
)


def test_a_base_by_itself_beside_its_adapter(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []
    real = Backbone.load.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(Backbone, "load", classmethod(lambda *a, **k: (loads.append(1), real(*a, **k))[1]))
    systems = f"{{sft: {line.sft}, below: 'base:{line.sft}', named: 'base:{line.base}', whole: {line.base}}}"
    result, _ = read(play(tmp_path, *GIVEN, f"eval.systems={systems}"))
    said = {name: [d.replies for d in s.dialogues] for name, s in result.systems.items()}
    assert said["below"] == said["named"] == said["whole"] != said["sft"]
    assert len(loads) == 1  # one base in memory for all of them


def test_a_base_by_its_name_on_the_hub(line: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--org--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / ("0" * 40)).symlink_to(line.base)
    given = [*GIVEN, "eval.systems={b: 'base:org/tiny'}", "rules=none", "eval.bootstrap=100", f"runs_dir={tmp_path}/runs",
             f"cache_dir={tmp_path}/cache", "eval.samples=0"]  # fmt: skip
    env = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    env.pop("HF_HUB_CACHE", None)

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-m", "repo_cli.cli", "eval", *given, *more]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)

    done = run()
    assert done.returncode == 0, done.stderr
    lacking = run("eval.systems.b=base:org/other")
    assert lacking.returncode == 2 and "eval.systems.b=base:org/other: cannot be loaded" in lacking.stderr


def test_what_is_asked_for_before_it_starts(tmp_path: Path) -> None:
    def problems(what: str) -> list[str]:
        return [str(p) for p in missing_inputs(compose("eval", [f"eval.systems.x={what}"]))]

    assert problems("base:org/tiny") == [] and problems("world:gold") == []
    (said,) = problems("org/tiny")
    assert "no such file" in said and "eval.systems.x=base:org/tiny" in said
    assert "eval.systems.x=/nowhere: no such file" in problems("base:/nowhere")[0]
    assert "names no model (policy.path is null?)" in problems("base:None")[0]
    names = named_in(compose("eval", ["eval.systems={x: 'base:org/tiny', y: 'world:gold'}"]))
    assert Named("eval.systems.x", "org/tiny", "model") in names


def test_the_papers_preset_compares_base_sft_dpo_and_repo() -> None:
    steps = compose("pipeline", ["+experiment=negotiation"]).pipeline.steps
    cfg = compose("eval", ["+experiment=negotiation"], step="eval")
    assert cfg.eval.systems == {
        "base": "base:Qwen/Qwen3-32B",
        "sft": "step:sft",
        "dpo": "step:dpo",
        "repo": "step:rl",
    }
    dpo = steps["dpo"]["set"]
    assert (dpo["policy.parent"], dpo["dpo.epochs"], dpo["dpo.batch_size"]) == ("step:sft", 10, 128)
