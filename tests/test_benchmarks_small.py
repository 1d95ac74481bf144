"""The benchmarks of memory, limit, profile and GPU in their smallest form, each as its own command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *arguments: str, codes: tuple[int, ...] = (0,), cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        capture_output=True,
        text=True,
        timeout=250,
        cwd=cwd,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode in codes, done.stderr[-3000:]
    return done.stdout


def test_memory_sets_measured_beside_planned() -> None:
    # a model this small says nothing of the aims: only that every side runs and is counted
    text = run(
        "memory.py", "--size", "smallest", "--lengths", "64", "--micro-tokens", "256", "--lora-r", "4", "--sides",
        "adapter", "repo", codes=(0, 1)
    )  # fmt: skip
    for side in ("adapter", "repo"):
        found = re.search(rf"^{side}\s+(\d+)\s+[\d.]+ times the adapter", text, re.M)
        assert found and int(found.group(1)) > 0
    repo = next(line for line in text.splitlines() if line.startswith("repo "))
    for phase in ("generate", "score", "values", "update"):
        assert f"{phase} " in repo
    assert re.search(r"^plan\s+\d+\s+[\d.]+ times what was measured", text, re.M)


def test_limit_prints_shares_and_its_formula() -> None:
    text = run(
        "limit.py", "--size", "smallest", "--rows", "4", "--prompt", "24", "--reply", "8", "--rounds", "1",
        "--seconds", "0.05", "--ways", "float32", "--json",
    )  # fmt: skip
    assert "FLOPs = 4 x weights of the frozen linear layers x real tokens" in text
    figures = json.loads(text.splitlines()[-1])
    assert set(figures) == {"float32"}
    for row in figures.values():
        assert row["rate"] > 1e9
        for name in ("sft", "repo"):
            assert 0 < row[f"{name}/share"] < row[f"{name}/share_with_attention"] < 1
        assert row["sft/s"] > 0 and row["repo/tokens_per_s"] > 0


def test_profile_reads_a_run(tmp_path: Path) -> None:
    rows = [
        {"step": n, "timing/generate_s": 2.0, "timing/score_s": 0.5, "timing/values_s": 0.25, "timing/update_s": 1.0}
        | {"timing/step_s": 4.0 if n else 99.0}
        for n in range(4)
    ]  # fmt: skip
    rows[3] |= {"timing/dev_s": 50.0, "timing/step_s": 54.0}
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = run("profile.py", str(tmp_path))
    assert "2.000 s  50.0%" in text and "0.250 s   6.2%" in text and "4.000 s" in text
    assert "medians over 2 steps" in text


def test_profile_of_a_run_of_its_own() -> None:
    text = run(
        "profile.py",
        "--steps",
        "2",
        "rl.batch_size=4",
        "rollout.max_new_tokens=4",
        "policy.build.num_layers=1",
    )
    row = next(line for line in text.splitlines() if line.startswith("own run"))
    seconds = [float(x) for x in re.findall(r"([\d.]+) s", row)]
    assert len(seconds) == 6 and all(value >= 0 for value in seconds) and sum(seconds[:5]) < 1.2 * seconds[5]


def test_beside_it_the_standard_librarys_profile_is_still_found() -> None:
    code = "import cProfile; cProfile.run('1 + 1')"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert "function calls" in done.stdout, done.stderr


def test_gpu_runs_its_smallest_size_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    text = run("gpu.py", "--seconds", "0.05", "--out", str(out))
    assert "a REPO step" in text and "long update" in text
    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found["versions"]) == {"torch", "transformers", "peft", "deepspeed"}
    step = found["sizes"]["smallest"]["step"]
    assert set(step["peak_gib"]) == {"generate", "score", "values", "update"}
    assert step["rollout_tokens_per_s"] > 0 and 0 < step["update_share"] < 1
    assert found["sizes"]["smallest"]["update"]["tokens_per_s"] > 0
