"""benchmarks/rules.py in small: it measures, and its exit code tells of a figure that is lower than wanted."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def test_a_figure_below_its_aim_is_named_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).parents[1] / "benchmarks" / "rules.py"
    spec = importlib.util.spec_from_file_location("bench_rules", path)
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.WANTED == {"regex": 5000, "ratio": 4, "whole": 1000}
    real = bench.rate
    monkeypatch.setattr(bench, "rate", lambda make, run, least_s=0.0: real(make, run, 0.01))
    monkeypatch.setattr(bench, "DIALOGUES", 4)
    monkeypatch.setattr(bench.os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["rules.py", str(bench.SHIPPED.with_name("generic_dialogue.yaml"))])
    monkeypatch.setattr(bench, "WANTED", {"regex": 1.0, "ratio": 0.01, "whole": 1e12})
    assert bench.main() == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "below what is wanted: whole" and shown[-2].endswith("(wanted 1,000,000,000,000)")
    monkeypatch.setattr(bench, "WANTED", {"regex": 1.0, "ratio": 0.01, "whole": 1.0})
    assert bench.short_of({"regex": 1.0, "ratio": 0.02, "whole": 2.0}) == []
    assert bench.short_of({"regex": 0.9, "ratio": 0.0, "whole": 2.0}) == ["regex", "ratio"]
