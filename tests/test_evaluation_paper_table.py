"""The paper's table over several training seeds."""

from __future__ import annotations

import csv
import io
import random

import pytest

from repo_cli.errors import UserError
from repo_cli.evaluation.metrics import summarise
from repo_cli.evaluation.paper_table import PAPER, Cost, make, paper_row, render, stated, to_csv
from repo_cli.evaluation.result import BadCase, Dialogue, EvalResult, SystemResult
from repo_cli.evaluation.seeds import ahead_of, first, pooled


def dialogue(number: int, rating: float) -> Dialogue:
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "a reply"}]
    return Dialogue(f"s{number}", messages, rating, [rating], outcome={"deal": rating > 3, "price": 300.0})


def result(seed: int, gain: float, count: int = 60) -> EvalResult:
    """Two systems; the second is rated higher by `gain` in each dialogue, give or take."""
    rng = random.Random(seed)
    base = [2.0 + rng.random() for _ in range(count)]
    better = [min(5.0, b + gain + 0.1 * rng.random()) for b in base]
    cases = [BadCase(f"c{i}", [], [], ["r"], i % 2 == 0, False, False, 3.0) for i in range(10)]
    return EvalResult(
        {
            "repo": SystemResult([dialogue(i, r) for i, r in enumerate(better)], cases),
            "grpo_sum": SystemResult([dialogue(i, r) for i, r in enumerate(base)], cases),
        }
    )


def test_pooling_keeps_scenarios_as_the_units() -> None:
    whole = pooled({s: result(s, 0.5) for s in (0, 1, 2)})
    assert len(whole.systems["repo"].dialogues) == 180
    assert len({(d.scenario_id, d.trial) for d in whole.systems["repo"].dialogues}) == 180
    figure = summarise(whole, bootstrap=200).systems["repo"]["rating"]
    assert figure.n == 60  # three trained copies on one scenario are not three independent units


def test_the_pooled_value_is_the_mean_of_the_seeds() -> None:
    parts = {s: result(s, 0.5) for s in (0, 1)}
    whole = summarise(pooled(parts), bootstrap=200).systems["repo"]["rating"].value
    each = [summarise(p, bootstrap=200).systems["repo"]["rating"].value for p in parts.values()]
    assert whole == pytest.approx(sum(each) / 2)


def test_seeds_with_other_systems_are_refused() -> None:
    other = result(1, 0.5)
    del other.systems["repo"]
    with pytest.raises(UserError, match="other systems"):
        pooled({0: result(0, 0.5), 1: other})


def test_how_far_one_is_ahead_has_the_sign_of_its_gain() -> None:
    gains = ahead_of(pooled({s: result(s, 0.5) for s in (0, 1)}), "repo", 500)
    gain = gains["grpo_sum"]["rating"]
    assert 0.5 < gain.difference.value < 0.65
    assert gain.difference.low <= gain.difference.value <= gain.difference.high
    assert gain.difference.low > 0
    assert gain.p_holm < 0.01
    back = ahead_of(pooled({s: result(s, 0.5) for s in (0, 1)}), "grpo_sum", 500)["repo"]["rating"].difference
    assert back.value == pytest.approx(-gain.difference.value)
    assert (back.low, back.high) == pytest.approx((-gain.difference.high, -gain.difference.low))


def test_no_gain_is_level() -> None:
    assert not ahead_of(result(0, -0.05, 40), "repo", 500)["grpo_sum"]["deals"].difference.clear


def test_the_smaller_layout_takes_the_first_dialogues_of_every_seed() -> None:
    few = first(pooled({s: result(s, 0.5) for s in (0, 1)}), 30)
    assert {d.scenario_id for d in few.systems["repo"].dialogues} == {f"s{i}" for i in range(30)}
    assert len(few.systems["repo"].dialogues) == 60


def test_the_table_shows_each_seed_the_paper_and_the_costs() -> None:
    from rich.console import Console

    table = make(
        {s: result(s, 0.5) for s in (0, 1)}, "repo", {"repo": Cost(140.0, 3.4, 1664, 1664)}, bootstrap=200
    )
    assert list(table.figures) == ["grpo_sum", "repo"]  # the claim stands last
    out = io.StringIO()
    Console(file=out, width=180, color_system=None).print(render(table))
    text = out.getvalue()
    assert "seeds 0, 1" in text
    assert "66.67%" in text
    assert "1664" in text
    values = table.by_seed["repo"]["rating"]
    assert f"({values[0]:.2f} {values[1]:.2f})" in text
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    rating = next(r for r in rows if (r["system"], r["figure"]) == ("repo", "rating"))
    assert float(rating["value"]) == pytest.approx(sum(values) / 2, rel=1e-4)
    assert table.as_dict()["paper"]["repo"]["excellent"] == 66.67


def test_every_figure_that_the_paper_reports_stands_beside_ours() -> None:
    from rich.console import Console

    table = make({0: result(0, 0.5)}, "repo", {}, bootstrap=200)
    for key in ("rating", "excellent", "fixed", "clean", "severe"):
        assert table.small["repo"][key].n == (30 if key in ("rating", "excellent") else 10)
    out = io.StringIO()
    Console(file=out, width=150, color_system=None).print(render(table))
    text = out.getvalue()
    for words in ("4.63", "66.67%", "93.33%", "75.56%", "0.00%", "4.30*", "43.33%*", "not stated"):
        assert f"paper: {words}" in text
    assert [stated("repo", key) for key in ("skill_fluency", "skill_scope")] == ["not stated"] * 2
    assert stated("sft", "fixed") == "93.33%" and stated("mine", "rating") == "–"
    shown = table.as_dict()["paper"]["repo"]
    assert shown["severe"] == 0.0 and shown["skill_negotiation"] is None


def test_the_papers_figures_belong_to_methods_by_name() -> None:
    assert paper_row("grpo_sum") == PAPER["grpo"]
    assert paper_row("repo") == PAPER["repo"]
    assert paper_row("mine") is None
