"""benchmarks/trl_*.py: our losses are TRL's, and the data both sides get is what it says."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def found_by_name() -> object:
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def kit() -> ModuleType:
    return importlib.import_module("trl_kit")


def test_dialogues_have_the_lengths_of_the_list(kit: ModuleType) -> None:
    shapes = json.loads(kit.LENGTHS.read_text(encoding="utf-8"))["dialogues"]
    made = kit.dialogues(len(shapes))
    assert made == kit.dialogues(len(shapes)) and made != kit.dialogues(len(shapes), seed=1)
    count = [[len(m["content"].split()) for m in dialogue] for dialogue in made]
    assert sorted(count) == sorted(shape[1:] for shape in shapes)
    for dialogue in made:
        roles = [m["role"] for m in dialogue]
        assert roles[0] == "system" and all(a != b for a, b in zip(roles, roles[1:], strict=False))
    for row in kit.pair_rows(40):
        assert row["prompt"][-1]["role"] in ("user", "system") and row["chosen"] != row["rejected"]


def test_the_base_ends_its_replies_as_often_as_asked(kit: ModuleType, tmp_path: Path) -> None:
    import torch

    model = kit.open_model(kit.make_base(tmp_path / "base", 64, 1, 1024, reply=10.0), "float32")
    end = model.generation_config.eos_token_id
    ids = torch.randint(10, 900, (8, 80), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        chances = model(ids).logits.softmax(-1)[..., end]
    assert math.isclose(float(chances.mean()), 0.1, rel_tol=0.2)


@pytest.mark.parametrize("short_cuts", [False, True])
def test_losses_and_gradients_are_those_of_trl(short_cuts: bool) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'repo-cli[bench]'")
    found = importlib.import_module("trl_losses").losses(64, 2, 6, short_cuts)
    assert [row.stage for row in found] == ["sft", "dpo", "train-rm"]
    for row in found:
        assert abs(row.ours - row.theirs) <= 1e-4 and row.gradient < 1e-3, row
    assert abs(found[1].ours - math.log(2)) > 5e-4  # the policy has left its reference
