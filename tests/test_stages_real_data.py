"""scripts/real_dialogues.py on real human dialogues, in very small; skipped where the collections are absent."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import load_file
from stages_kit import SMALL, metrics

from repo_cli.evaluation import rm_report
from repo_cli.models.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("REPO_REAL_DATA") or ROOT.parent / "shared" / "data")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_dialogues", ROOT / "scripts" / "real_dialogues.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["craigslist_bargain", "persuasion_for_good"])
def test_from_raw_file_to_trained_adapter(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = REAL / f"{name}.jsonl"
    if not source.is_file():
        pytest.skip(
            f"the collection {name}.jsonl is not on this machine (REPO_REAL_DATA names its directory)"
        )
    small = [
        text
        for text in SMALL
        if not text.startswith(("policy=", "policy.max_length", "policy.build.vocab_size", "rules", "reward"))
    ]
    steps = ["--sft-steps", "3", "--rm-steps", "3", "--rl-steps", "2", "--replies", "4", "--pairs", "60"]
    steps += [
        "sft.batch_size=8",
        "train_rm.batch_size=8",
        f"cache_dir={tmp_path / 'cache'}",
        "policy.max_length=320",
    ]
    final = script().main([str(source), "--out", str(tmp_path), *steps, "data.limit=120", *small])
    assert read_manifest(final).kind == "adapter"
    before = load_file(Path(read_manifest(final).parent or "") / "adapter_model.safetensors")
    after = load_file(final / "adapter_model.safetensors")
    assert any((before[name] != after[name]).any() for name in before)
    rows = metrics(final)
    assert len(rows) == 2 and all(
        row["policy/sampler_gap_max"] < 1e-3 and "reward/rules" in row for row in rows
    )
    row = json.loads((tmp_path / "dialogues.jsonl").read_text().splitlines()[0])
    assert row["messages"][0]["role"] == "system" and row["split"] == "train"
    said = capsys.readouterr().out
    for number in "123456":
        assert f"{number}. " in said
    assert "done: the trained adapter lies in" in said
    (rm,) = (tmp_path / "runs" / "train_rm" / "run").iterdir()
    found = rm_report.load(rm)
    assert f"accuracy on {found['pairs']} pairs of split val: " in said and "corruption" in said
    held = [json.loads(text) for text in (tmp_path / "val_pairs.jsonl").read_text().splitlines()]
    raw = map(json.loads, source.read_text(encoding="utf-8").splitlines())
    of_val = {row["id"] for row in raw if row["split"] == "val"}
    assert held and {row["source"].rsplit(":", 1)[1] for row in held} <= of_val
