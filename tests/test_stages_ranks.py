"""Two ranks do what one does: `launch.nproc=2` on the real stages (see stages_ranks.py). One pair of processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stages_kit import config, dialogue

from repo_cli.launch.processes import launch
from repo_cli.models.backbone import Backbone
from repo_cli.rollout import LocalEngine

ROOT = Path(__file__).parents[1]


def record(line: SimpleNamespace, path: Path) -> None:
    """Replies of the SFT agent to ragged prompts, with made-up totals."""
    cfg = config("rl", path.parent, f"policy.parent={line.sft}")
    backbone = Backbone.load(cfg)
    contexts = [
        backbone.fmt.context_ids(d["messages"][: (2, 4)[i % 2]])
        for i, d in enumerate(map(dialogue, range(7)))
    ]
    replies = LocalEngine(backbone, "policy", cfg.rollout).generate(contexts, seed=1)
    rows = [
        {"context": c, "ids": r.ids, "logps": r.logps, "total": (-1.0) ** i * (1 + 0.2 * i)}
        for i, (c, r) in enumerate(zip(contexts, replies, strict=True))
    ]
    path.write_text(json.dumps(rows))


def test_b10_two_ranks_do_what_one_does(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(line, tmp_path / "recorded.jsonl")
    paths = {k: str(v) for k, v in vars(line).items()} | {"recorded": str(tmp_path / "recorded.jsonl")}
    monkeypatch.setenv("STAGES_RANKS", json.dumps(paths))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    given = (f"data.path={line.dialogues}", "engine.threads=1", "launch.timeout_s=120")
    threads = torch.get_num_threads()
    found, gradients = [], []
    for ranks in (2, 1):
        final = launch("stages_ranks", config("sft", tmp_path / str(ranks), *given, f"launch.nproc={ranks}"))
        found.append(json.loads((final.parent / "found.json").read_text()))
        gradients.append(torch.load(final.parent / "inner" / "gradients.pt", weights_only=True))
    torch.set_num_threads(threads)
    two, one = found
    for role in ("policy", "critic"):  # fp32: less than 1e-5 of the gradient's size
        a, b = (g[role] for g in gradients)
        assert float(b.norm()) > 1e-3 and float((a - b).norm() / b.norm()) < 1e-5, role
    for stage in ("sft", "train_rm", "dpo"):
        assert len(one[stage]) == 10 and one[stage][-1] < one[stage][0]
        assert two[stage] == pytest.approx(one[stage], rel=1e-4)
    for mine, theirs in zip(two["rl"], one["rl"], strict=True):
        assert (
            mine.keys() == theirs.keys() and {"policy/loss", "critic/loss", "policy/grad_norm"} <= mine.keys()
        )
        assert mine["line"] == pytest.approx(theirs["line"], rel=1e-6)
        for name, value in theirs.items():
            assert mine[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert len({round(row["critic/loss"], 6) for row in one["rl"]}) == 10
    assert one["rl"][0]["line"] != [1.0, 0.0]
    for mine, theirs in zip(two["rewards"], one["rewards"], strict=True):
        assert list(mine) == list(theirs) and "reward/rm_e_correlation" in mine
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-7)
    # which context falls to which rank changes nothing, not even the order
    assert two["sample"] == one["sample"] and {"preference.jsonl", "judge.jsonl"} == one["sample"].keys()
    assert len(one["sample"]["judge.jsonl"]) > 20
    assert two["stop"].keys() == {"sft", "train_rm", "dpo", "repo", "ppo", "grpo"}
    for stage, stop in two["stop"].items():  # bit for bit
        assert stop["same"] and stop["metrics"], stage
        assert len(stop["told"]) == 2 and all("after step 2" in text for text in stop["told"]), stage
        assert "stopped by SIGTERM" in stop["told"][1]
    assert two["whole"] == {"odd": [3.0, 3.0], "dpo": [0.6931], "one": [1.0, 1.0], "eval": [3, 3, 1, 3]}
    assert all("disk is full" in text for text in two["error"])
    shares, row = two["own"]["shares"], two["own"]["row"]
    assert [len(share) for share in shares] == [3, 3]
    both = torch.tensor([x for share in shares for x in share], dtype=torch.float64)
    assert row["reward/own/long"] == row["reward/total"] == pytest.approx(float(both.mean()))
    assert row["reward/own/long_std"] == pytest.approx(float(both.std(correction=0)), abs=1e-6)
    assert len(two["own"]["told"]) == 2
    for told in two["own"]["told"]:
        assert "reward.own.long (stages_ranks.OwnReward) raised RuntimeError: no answer" in told
