"""A reward model's report: figures by hand, a calibrated and an over-confident model, pages that stay text."""

from __future__ import annotations

import io
import json
import math
import random

import pytest
from report_kit import HOSTILE, Page, check_safe
from rich.console import Console

from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report
from repo_cli.evaluation.report import report_runs, write_rm_page
from repo_cli.evaluation.rm_report import ScoredPair, reliability
from repo_cli.evaluation.rm_view import render
from repo_cli.evaluation.statistics import wilson


def pair(chosen: float, rejected: float, tokens=(10, 10), tags=(), text="Fine.", **more) -> ScoredPair:
    said = [{"role": "system", "content": "Brief."}, {"role": "user", "content": f"before {text}"}]
    row = {
        "prompt": said,
        "chosen": [{"role": "assistant", "content": f"better {text}"}],
        "rejected": [{"role": "assistant", "content": f"worse {text}"}],
        "tags": list(tags),
        "_at": "pairs.jsonl:7",
        **more,
    }
    return ScoredPair(chosen, rejected, *tokens, row)


def printed(report) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(render(report))
    return console.file.getvalue()


def test_figures_by_hand():
    pairs = [
        pair(2.0, 0.0, (10, 4), ["corruption", "shuffled"]),  # right, far longer
        pair(1.0, 0.0, (10, 8), ["corruption"]),  # right, longer
        pair(0.5, 0.5, (10, 10), ["outcome"]),  # a tie
        pair(-1.0, 2.0, (3, 10), ["outcome", "outcome"]),  # wrong, far shorter
    ]
    report = rm_report.rm_report(pairs)
    assert report["accuracy"] == wilson(2.5, 4).as_dict() and report["accuracy"]["value"] == 0.625
    assert report["longer_wins"]["value"] == 0.625  # two longer, one level, one shorter
    assert [(line["name"], line["n"], line["value"]) for line in report["by_length"]] == [
        ("chosen far shorter", 1, 0.0), ("about as long", 1, 0.5), ("chosen longer", 1, 1.0), ("chosen far longer", 1, 1.0),
    ]  # fmt: skip
    assert [(line["name"], line["n"], line["value"]) for line in report["by_tag"]] == [
        ("corruption", 2, 1.0), ("outcome", 2, 0.25), ("shuffled", 1, 1.0),
    ]  # fmt: skip
    scores, lengths = [2, 0, 1, 0, 0.5, 0.5, -1, 2], [10, 4, 10, 8, 10, 10, 3, 10]
    mean = sum(scores) / 8
    assert report["score"]["mean"] == pytest.approx(mean)
    assert report["score"]["std"] == pytest.approx((sum((s - mean) ** 2 for s in scores) / 8) ** 0.5)
    middle = sum(lengths) / 8
    up = sum((s - mean) * (n - middle) for s, n in zip(scores, lengths, strict=True))
    down = math.sqrt(sum((s - mean) ** 2 for s in scores) * sum((n - middle) ** 2 for n in lengths))
    assert report["length"]["replies"] == pytest.approx(up / down)
    assert sum(report["margin"]["counts"]) == 4 and report["margin"]["edges"][0] == -3.0
    (worst,) = report["worst"]
    assert worst["where"] == "pairs.jsonl:7" and worst["chosen"] == {
        "text": "better Fine.",
        "score": -1.0,
        "tokens": 3,
    }
    assert worst["context"][-1] == {"role": "user", "content": "before Fine."} and worst["tags"] == [
        "outcome"
    ]
    head = rm_report.headline(report)
    assert head["val/accuracy"] == 0.625 and head["val/accuracy_low"] < 0.625 < head["val/accuracy_high"]
    assert head["val/ece"] == report["reliability"]["ece"] and head["val/pairs"] == 4


def test_reliability_by_hand():
    """Two pairs at p = 0.62 (one right), one sure and right; bins of 0.05 from 0.5."""
    margin = math.log(0.62 / 0.38)
    found = reliability([margin, -margin, 8.0])
    first, last = found["bins"]
    assert (first["low"], first["high"], first["n"]) == (pytest.approx(0.6), pytest.approx(0.65), 2)
    assert first["predicted"] == pytest.approx(0.62) and first["observed"] == 0.5
    assert (last["n"], last["observed"]) == (1, 1.0)
    sure = 1 / (1 + math.exp(-8))
    assert found["ece"] == pytest.approx((2 * 0.12 + (1 - sure)) / 3)
    assert found["brier"] == pytest.approx((0.38**2 + 0.62**2 + (1 - sure) ** 2) / 3)
    assert found["log_loss"] == pytest.approx(-(math.log(0.62) + math.log(0.38) + math.log(sure)) / 3)
    coin = reliability([0.0, 0.0])
    assert (coin["ece"], coin["brier"]) == (0.0, 0.25) and coin["log_loss"] == pytest.approx(math.log(2))
    assert reliability([1e4, -1e4])["brier"] == pytest.approx(0.5)  # nothing overflows


def test_an_over_confident_model_is_seen():
    rng = random.Random(3)
    true = [rng.gauss(0, 1.5) for _ in range(20_000)]
    signed = [
        m if rng.random() < 1 / (1 + math.exp(-m)) else -m for m in true
    ]  # chosen by that very probability
    honest, loud, shy = (reliability([k * m for m in signed]) for k in (1.0, 3.0, 0.3))
    assert honest["ece"] < 0.015 < 0.1 < min(loud["ece"], shy["ece"])
    assert all(
        b["observed_low"] - 0.02 <= b["predicted"] <= b["observed_high"] + 0.02 for b in honest["bins"]
    )
    assert loud["bins"][-1]["observed"] < loud["bins"][-1]["predicted"] - 0.05
    assert honest["log_loss"] < min(loud["log_loss"], shy["log_loss"])


def test_worst_errors_first_and_long_texts_cut():
    pairs = [pair(0.0, float(i), text="x" * 5000) for i in range(1, 30)]
    report = rm_report.rm_report(pairs)
    gaps = [c["rejected"]["score"] - c["chosen"]["score"] for c in report["worst"]]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] == 29 and len(gaps) == rm_report.WORST
    assert all(len(c["chosen"]["text"]) <= 1000 for c in report["worst"])
    assert rm_report.rm_report([pair(1, 0)])["worst"] == []


def test_tags_of_any_form_do_no_harm():
    odd = [pair(1, 0, tags=["a", "a", 7]), pair(1, 0), pair(0, 1)]
    odd[1].row["tags"], odd[2].row["tags"] = "not a list", None
    assert [line["name"] for line in rm_report.rm_report(odd)["by_tag"]] == ["7", "a"]
    many = [pair(1, 0, tags=[f"t{i}"]) for i in range(60)]
    assert len(rm_report.rm_report(many)["by_tag"]) == rm_report.TAGS


def test_everything_is_text_in_the_terminal_and_on_the_page(tmp_path):
    pairs = [
        pair(-1.0 - i, 1.0, (5, 9), [HOSTILE, "[red]tag[/red]"], HOSTILE + "\x1b[31m", id=HOSTILE)
        for i in range(4)
    ]
    report = rm_report.rm_report([*pairs, pair(1, 0)])
    text = printed(report)
    assert "[red]tag[/red]" in text and "\x1b" not in text and "0.5" in text
    page = Page(write_rm_page(report, tmp_path / "rm.html", HOSTILE).read_text())
    check_safe(page)
    assert "alert(1)" in page.text and "{{ 7*7 }}" in page.text and "The worst errors" in page.text
    assert page.tags.count("svg") == 2 + len(report["by_length"]) + len(report["by_tag"])


def test_report_of_a_run_has_the_reward_model(tmp_path):
    run = tmp_path / "runs" / "train_rm" / "demo" / "one"
    run.mkdir(parents=True)
    report = rm_report.rm_report([pair(1, 0, tags=["corruption"]), pair(0, 1)])
    rm_report.save(report, run)
    assert rm_report.load(run) == json.loads(json.dumps(report))
    (run / "metrics.jsonl").write_text(
        '{"step": 1, "train_rm/loss": 0.7}\n{"step": 2, "train_rm/loss": 0.6}\n'
    )
    page = Page(report_runs([run], tmp_path / "r.html").read_text())
    assert "Reward model: train_rm/demo/one" in page.text and "train_rm/loss" in page.text


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("accuracy"),
        lambda r: r["margin"].update(edges=["<b>", 1]),
        lambda r: r["reliability"]["bins"][0].update(predicted="0.5"),
        lambda r: r["by_tag"][0].update(name={"x": 1}),
        lambda r: r["worst"][0]["chosen"].update(score=None),
        lambda r: r["score"].update(mean=float("nan")),
    ],
)
def test_a_broken_report_is_named(tmp_path, change):
    report = rm_report.rm_report([pair(1, 0, tags=["a"]), pair(0, 1)])
    change(report)
    rm_report.save(report, tmp_path)
    with pytest.raises(UserError, match=r"rm_report\.json: not a report of repo train-rm"):
        report_runs([tmp_path], tmp_path / "out.html")
