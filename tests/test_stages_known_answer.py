"""The benchmark with a known answer in small: each method finds its own optimum, which the others' training does not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from repo_cli.config import compose


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "known_answer.py"
    spec = importlib.util.spec_from_file_location("known_answer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["known_answer"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_the_optimum_is_what_listing_all_replies_says(bench: ModuleType) -> None:
    task = bench.make_task(contexts=2, tokens=3, longest=2, seed=1)
    assert sorted(task.replies) == [(0,), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    plain, enhanced = (compose("rl", [*bench.COMMON, f"reward={name}"]) for name in ("rm_only", "enhance"))
    best = []
    for c in range(2):
        totals = []
        for i in range(7):
            rm, extra = float(task.rm[c, i]), float(task.judge[c, i] + task.rules[c, i])
            totals.append(rm + abs(rm) * min(max(extra, -2.0), 2.0) / 2.0)
        best.append(max(totals))
    assert bench.optimum(task, enhanced) == pytest.approx(sum(best) / 2, abs=1e-12)
    assert (task.rewards(plain).argmax(1) != task.rewards(enhanced).argmax(1)).all()
    # under a KL penalty no policy of 2000 drawn ones does better, and the one of the closed form does as well
    kl = compose("rl", [*bench.COMMON, *bench.METHODS["PPO with KL, reward model"].split()])
    start = bench.TableModel(task).distribution()
    assert start.sum(1).tolist() == pytest.approx([1.0, 1.0])
    soft = (start.log() + task.rewards(kl) / kl.algorithm.kl_coef).softmax(1)
    assert bench.value(task, kl, soft) == pytest.approx(bench.optimum(task, kl), abs=1e-12)
    g = torch.Generator().manual_seed(0)
    others = (2 * torch.randn(2000, 2, 7, generator=g, dtype=torch.float64)).softmax(-1)
    assert max(bench.value(task, kl, p) for p in others) < bench.optimum(task, kl)


@pytest.mark.parametrize(
    "method", ["PPO, reward model", "GRPO, reward model", "REPO", "PPO with KL, reward model"]
)
def test_each_method_comes_within_5_percent_of_its_optimum(method: str, bench: ModuleType) -> None:
    task = bench.make_task(contexts=2, tokens=3, longest=3, seed=0)
    curve, policy, cfg = bench.train(task, bench.METHODS[method], steps=80)
    assert curve[-1] >= 1 - bench.TOLERANCE and curve[1] < 0.5
    if method in ("PPO, reward model", "REPO"):  # and it is an answer of its own: far from the other optimum
        other = compose("rl", [*bench.COMMON, "reward=enhance" if method[0] == "P" else "reward=rm_only"])
        assert bench.value(task, other, policy) < 0.8 * bench.optimum(task, other)
