"""Metrics and table over a made-up evaluation, and the report of one system or of nothing."""

from __future__ import annotations

import json

import pytest
from evaluation_kit import result

from repo_cli.errors import UserError
from repo_cli.evaluation import EvalResult, summarise
from repo_cli.evaluation.metrics import words
from repo_cli.evaluation.report import write_report
from repo_cli.evaluation.table import plain, render


def test_summary_figures_by_hand():
    made = result(n=60)
    summary = summarise(made, bootstrap=500)
    assert summary.baseline == "sft" and set(summary.differences) == {"base", "repo"}
    dialogues = made.systems["repo"].dialogues
    rating = summary.systems["repo"]["rating"]
    assert (
        rating.value == pytest.approx(sum(d.rating for d in dialogues) / 60)
        and rating.low < rating.value < rating.high
    )
    hard = sum(s >= 2 for d in dialogues for _, _, s in d.violations)
    soft = sum(s == 1 for d in dialogues for _, _, s in d.violations)
    assert summary.systems["repo"]["hard"].value == pytest.approx(hard / 180)
    assert summary.systems["repo"]["violations"].value == pytest.approx((hard + soft) / 180)
    assert summary.systems["repo"]["deals"].value == pytest.approx(
        sum(d.outcome["deal"] for d in dialogues) / 60
    )
    assert summary.kinds["repo"]["promise"] == (pytest.approx(100 * hard / 180, abs=1e-3), 2)
    excellent = sum(any(t >= 4.5 and i not in d.hard_turns for i, t in enumerate(d.turns)) for d in dialogues)
    assert summary.systems["repo"]["excellent"].value == pytest.approx(excellent / 60)


def test_differences_are_paired_by_scenario():
    made = result(n=60)
    straight = summarise(made, bootstrap=500).differences["repo"]["rating"]
    made.systems["repo"].dialogues.reverse()
    turned = summarise(made, bootstrap=500).differences["repo"]["rating"]
    assert turned.value == pytest.approx(straight.value) and turned.clear and turned.low > 0.4
    made.systems["repo"].dialogues = made.systems["repo"].dialogues[:20]
    assert summarise(made, bootstrap=500).differences["repo"]["rating"].n == 20
    for key, p in summarise(made, bootstrap=500).p_holm["repo"].items():
        assert p >= summarise(made, bootstrap=500).differences["repo"][key].p, key


def test_result_survives_json(tmp_path):
    made = result(n=8)
    made.save(tmp_path / "eval.json")
    again = EvalResult.load(tmp_path / "eval.json")
    assert again.to_json() == json.loads(json.dumps(made.to_json()))
    assert summarise(again, bootstrap=200).as_dict() == summarise(made, bootstrap=200).as_dict()
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UserError, match=r"bad\.json"):
        EvalResult.load(tmp_path / "bad.json")


def test_table_shows_systems_and_differences():
    text = plain(summarise(result(n=60), bootstrap=300))
    for part in (
        "base",
        "sft",
        "repo",
        "rating 1-5",
        "deals",
        "severe left",
        "Paired differences to sft",
        "better",
    ):
        assert part in text
    assert plain(summarise(EvalResult())).strip() == "nothing was evaluated"
    hostile = result(n=5, systems=("[red]base[/red]", "[/x]"))
    assert "[red]base" in plain(summarise(hostile, bootstrap=200))
    assert render(summarise(result(n=3), bootstrap=200))


def test_differences_of_many_systems_are_read_in_80_columns():
    names = ("sft", "base", *(f"tried_{i}" for i in range(30)))
    text = plain(summarise(result(n=12, systems=names), bootstrap=100), width=80)
    below = text[text.index("Paired differences") :]
    assert below.count("Paired differences to sft") == 11
    assert all(name in below for name in names[1:])  # in one piece each
    assert "Hard violations / 100" in below and max(map(len, below.splitlines())) <= 80


def test_words_in_both_languages():
    assert words("Would 350 yuan work for 06-18?") == 6
    assert words("350元可以吗？") == 5


def test_report_of_one_system_and_of_nothing(tmp_path):
    alone = write_report(result(n=4, systems=("base",)), tmp_path / "one.html", bootstrap=200).read_text()
    assert "Paired differences" not in alone and "sample" in alone
    assert "<main>" in write_report(EvalResult(), tmp_path / "none.html").read_text()
