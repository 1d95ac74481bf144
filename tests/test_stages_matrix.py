"""Ranks and ZeRO stages change nothing: losses, gradients, and what a fresh process reads from final/ without repo_cli.

In the suite: ZeRO 0 and 3 on one rank, 0 to 3 on two. The rest (1 and 2 on one rank; all on four) is marked slow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stages_kit import config
from test_stages_ranks import record

from repo_cli.launch.processes import launch

ROOT = Path(__file__).parents[1]
SUITE = {1: [0, 3], 2: [0, 1, 2, 3]}
SLOW = [{1: [0, 1, 2]}, {1: [0], 4: [0, 1]}, {1: [0], 4: [2, 3]}]

#: Run in a fresh process, isolated from this checkout: plain transformers and peft only.
OPEN = """
import json, sys
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from pathlib import Path

torch.set_num_threads(1)
torch.set_grad_enabled(False)
ids, wrong, opened = torch.tensor(json.loads(sys.argv[1])), [], 0

def whole(final):
    for file in final.glob("*.safetensors"):
        for name, tensor in load_file(str(file)).items():
            if tensor.numel() == 0:
                wrong.append(f"{final}: {name} is empty")

for name in sys.argv[2:]:
    for path, want in torch.load(name, weights_only=True).items():
        final = Path(path)
        whole(final)
        adapter = (final / "adapter_config.json").is_file()
        base = json.loads((final / "manifest.json").read_text())["base"] if adapter else str(final)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
        if adapter:
            model = PeftModel.from_pretrained(model, str(final)).eval()
        out = model(ids, output_hidden_states=True)
        found = {"logits": out.logits}
        if (final / "head.safetensors").is_file():
            head = load_file(str(final / "head.safetensors"))
            score = lambda hidden: torch.nn.functional.linear(hidden, head["weight"], head["bias"])[..., 0]
            last = out.hidden_states[-1]
            # the value of a token is read one token before it
            found |= {"values": torch.nn.functional.pad(score(last[:, :-1]), (1, 0)), "scores": score(last[:, -1])}
        if found.keys() != want.keys():
            wrong.append(f"{final}: {sorted(found)} instead of {sorted(want)}")
            continue
        for key, tensor in found.items():
            # engine.short_cuts and a head on a part of the states add in another order
            if not torch.allclose(tensor, want[key], rtol=0.0, atol=1e-5):
                wrong.append(f"{final}: {key} differ by {float((tensor - want[key]).abs().max()):.2g}")
        opened += 1
assert not any(module.startswith("repo_cli") for module in sys.modules)
print(json.dumps({"opened": opened, "wrong": wrong}))
"""


def matrix(
    plan: dict[int, list[int]], line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[Path]]:
    """(what was measured, gradients, files of expected outputs) by "ranks/zero"."""
    record(line, tmp_path / "recorded.jsonl")
    paths = {k: str(v) for k, v in vars(line).items()} | {"recorded": str(tmp_path / "recorded.jsonl")}
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    found: dict[str, Any] = {}
    gradients: dict[str, torch.Tensor] = {}
    expected = []
    for ranks, zeros in plan.items():
        monkeypatch.setenv("MATRIX", json.dumps(paths | {"zeros": zeros}))
        given = (
            f"data.path={line.dialogues}",
            "engine.threads=1",
            "launch.timeout_s=240",
            f"launch.nproc={ranks}",
        )
        place = run_apart(config("sft", tmp_path / str(ranks), *given))
        found |= {
            f"{ranks}/{zero}": rows for zero, rows in json.loads((place / "found.json").read_text()).items()
        }
        saved = torch.load(place / "gradients.pt", weights_only=True)
        gradients |= {f"{ranks}/{name}": tensor for name, tensor in saved.items()}
        expected.append(place / "expected.pt")
    return found, gradients, expected


def run_apart(cfg: Any) -> Path:
    """One rank too in a process of its own: the stage changes `Session` for good."""
    from repo_cli.launch.resume import prepare

    cfg, place = prepare(cfg, [])
    if cfg.launch.nproc > 1:
        return launch("matrix_ranks", cfg, place).parent
    code = f"import matrix_ranks; from pathlib import Path; from repo_cli.config import load_frozen; p = Path({str(place)!r}); matrix_ranks.run(load_frozen(p), p)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return place


def agree(found: dict[str, Any], gradients: dict[str, torch.Tensor]) -> None:
    """Losses and gradients of the first update are those of ZeRO 0 on one rank within 1e-5 (fp32)."""
    one = found["1/0"]
    assert len(set(one["rl"]["policy"])) == 3 and len(set(one["rl"]["critic"])) == 3
    for key, rows in found.items():
        columns = {stage: (rows[stage], one[stage]) for stage in ("sft", "full", "train_rm")}
        columns |= {role: (rows["rl"][role], one["rl"][role]) for role in ("policy", "critic")}
        for name, (got, want) in columns.items():
            assert got[0] == pytest.approx(want[0], rel=1e-5, abs=1e-7), (key, name)
            # Adam makes a whole step of a gradient that is nothing but rounding
            assert got == pytest.approx(want, rel=1e-4, abs=1e-6), (key, name)
        for role in ("policy", "critic"):
            want, got = gradients[f"1/0/{role}"], gradients[f"{key}/{role}"]
            assert float(want.norm()) > 1e-3 and want.shape == got.shape
            assert float((want - got).norm() / want.norm()) < 1e-5, (key, role)
        # ZeRO-3 gathers once a rollout, and fetches nothing module by module in it
        assert rows["rl"]["gathers"] == (1 if key.endswith("/3") else 0) and rows["rl"]["fetches"] == 0, key


def opens_plainly(expected: list[Path], count: int, tmp_path: Path) -> None:
    from matrix_ranks import IDS

    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", OPEN, json.dumps(IDS), *map(str, expected)],
        capture_output=True, text=True, cwd=tmp_path, env=env, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"opened": count, "wrong": []}


def test_zero_stages_and_ranks_agree(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, gradients, expected = matrix(SUITE, line, tmp_path, monkeypatch)
    agree(found, gradients)
    opens_plainly(expected, 3 * sum(map(len, SUITE.values())), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", SLOW, ids=str)
def test_the_rest_of_the_matrix(
    plan: dict[int, list[int]], line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, gradients, expected = matrix(plan, line, tmp_path, monkeypatch)
    agree(found, gradients)
    opens_plainly(expected, 3 * sum(map(len, plan.values())), tmp_path)
