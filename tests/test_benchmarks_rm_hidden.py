"""benchmarks/rm_hidden.py: its statistics against known ones, and one small run on a real reward model."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy import stats


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "rm_hidden.py"
    spec = importlib.util.spec_from_file_location("rm_hidden", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["rm_hidden"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_correlations_are_scipys(bench: ModuleType) -> None:
    rng = np.random.default_rng(1)
    length = rng.normal(size=200)
    x, y = length + rng.normal(size=200), 2 * length + rng.normal(size=200)
    assert bench.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert bench.spearman(np.round(x), y) == pytest.approx(stats.spearmanr(np.round(x), y).statistic)

    def rest(v: np.ndarray) -> np.ndarray:
        fit = stats.linregress(length, v)
        return v - fit.intercept - fit.slope * length

    assert bench.partial(x, y, length) == pytest.approx(stats.pearsonr(rest(x), rest(y)).statistic)
    assert abs(bench.partial(x, y, length)) < 0.3 < 0.5 < bench.pearson(x, y)
    assert np.isnan(bench.pearson(np.ones(5), y[:5]))


def test_within_contexts_leaves_out_what_contexts_share(bench: ModuleType) -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(60), 5)
    level = rng.normal(size=60)[group] * 5
    x, y = level + rng.normal(size=300), level + rng.normal(size=300)
    assert bench.pearson(x, y) > 0.9 and abs(bench.within(x, y, group)) < 0.2
    assert np.isnan(bench.within(x[:3], y[:3], np.arange(3)))
    rows = [bench.Rated(int(g), "gold", b, a, a / 5, 10) for g, a, b in zip(group, x, y, strict=True)]
    found = bench.figures(rows, draws=200)
    value, low, high = found["pearson"]
    assert low < value < high and value == pytest.approx(stats.pearsonr(x, y).statistic)
    # replies of a context go together: the interval is that of 60 things, not of 300
    assert high - low > 1.3 * np.subtract(*stats.pearsonr(x, y).confidence_interval()[::-1])
    assert np.isnan(found["given length"][0])  # all are equally long


def test_a_small_run(
    bench: ModuleType, line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rated.jsonl"
    given = ["--n", "4", "--samples", "1", "--max-length", "1024", "--draws", "20", "--out", str(out)]
    found = bench.main([str(line.rm), *given])
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert len(rows) == 4 * 5 + 4 and {r["who"] for r in rows} == {*bench.QUALITIES, "sampled from the base"}
    assert all(1 <= r["rating"] <= 5 and r["tokens"] > 0 for r in rows)
    assert -1 <= found["scripted, all qualities"]["spearman"][0] <= 1
    best, worst = ([r["rating"] for r in rows if r["who"] == who] for who in ("excellent", "bad"))
    assert sum(best) > sum(worst)
    assert "scripted, all qualities: 20 replies" in capsys.readouterr().out
