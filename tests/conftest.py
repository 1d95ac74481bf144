"""Fixtures for whole test sessions."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

# the same examples in every run, so that what is red is red for everybody; REPO_TEST_FUZZ=1 looks for new ones
settings.register_profile("same", derandomize=True)
settings.register_profile("new", derandomize=False, print_blob=True)
settings.load_profile("new" if os.environ.get("REPO_TEST_FUZZ") else "same")


# Files of tests run side by side (pytest -n): the workers share the cores. Read when torch is loaded.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `slow` are left out, and say how to run them."""
    if os.environ.get("REPO_TEST_SLOW") != "1":
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow; REPO_TEST_SLOW=1 runs it"))


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What `repo sft` and `repo train-rm` made of tiny dialogues: the files, base, sft, rm (their `final/`)."""
    from stages_kit import dialogue, go, pair, prompt, write

    root: Path = tmp_path_factory.mktemp("line")
    made = SimpleNamespace(root=root, runs=root / "runs")
    made.dialogues = write(root / "dialogues.jsonl", [dialogue(i) for i in range(40)])
    made.pairs = write(root / "pairs.jsonl", [pair(i) for i in range(40)])
    made.prompts = write(root / "prompts.jsonl", [prompt(i) for i in range(24)])
    sft = (f"data.path={made.dialogues}", "sft.batch_size=8", "sft.epochs=1")
    made.base = go("sft", made.runs, *sft, "policy.train=full", "name=base", "optim.lr=0.02", "sft.epochs=3")
    made.sft = go("sft", made.runs, *sft, f"policy.parent={made.base}", "name=agent")
    rm = (f"data.path={made.pairs}", f"policy.parent={made.base}", "train_rm.batch_size=8")
    made.rm = go("train_rm", made.runs, *rm)
    return made
