"""The steps of a pipeline: `like`, their order, what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from repo_cli.config import compose
from repo_cli.config.steps import expand
from repo_cli.errors import UserError

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
TUNED, FINALS = RESULTS / "paper_tune.csv", RESULTS / "paper_finals.csv"
SFT = {"stage": "sft", "about": "first", "cache": True, "set": {"optim.lr": 1.0, "lora.r": 4}}


def test_like_takes_the_settings_of_the_other_step_first() -> None:
    steps = expand({"a": SFT, "b": {"like": "a", "about": "second", "set": {"optim.lr": 2.0}}})
    assert steps["b"] == {
        "stage": "sft", "about": "second", "cache": True, "set": {"optim.lr": 2.0, "lora.r": 4},
    }  # fmt: skip
    assert steps["a"] == SFT


def test_like_reaches_through_several_steps_written_in_any_order() -> None:
    steps = expand({"c": {"like": "b"}, "b": {"like": "a", "set": {"lora.r": 8}}, "a": SFT})
    assert steps["c"]["set"] == {"optim.lr": 1.0, "lora.r": 8}


def test_a_step_runs_after_those_that_it_names() -> None:
    steps = expand(
        {
            "eval": {"stage": "eval", "set": {"eval.systems": {"x": "step:b"}}},
            "b": {"stage": "sft", "set": {"policy.parent": "step:a"}},
            "a": {"stage": "sft"},
            "z": {"stage": "sft"},
        }
    )
    assert list(steps) == ["a", "b", "eval", "z"] or list(steps).index("b") < list(steps).index("eval")
    assert list(steps).index("a") < list(steps).index("b")


def test_the_written_order_is_kept_where_nothing_speaks_against_it() -> None:
    assert list(expand({n: {"stage": "sft"} for n in "dbca"})) == list("dbca")


def test_a_step_set_to_null_is_left_out() -> None:
    assert list(expand({"a": SFT, "b": None})) == ["a"]


def test_a_system_set_to_null_is_not_played() -> None:
    played = {"stage": "eval", "set": {"eval.systems": {"x": "step:a", "y": None}, "eval.path": None}}
    (_, step) = expand({"a": SFT, "eval": played}).values()
    assert step["set"] == {"eval.systems": {"x": "step:a"}, "eval.path": None}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"a": SFT, "b": {"like": "aa"}}, ["pipeline.steps.b.like=aa", "did you mean a?"]),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, ["stand on each other"]),
        (
            {"a": {"set": {"x.y": "step:b"}}, "b": {"set": {"x.y": "step:a"}}},
            ["a, b wait for each other", "circle"],
        ),
    ],
)
def test_what_cannot_be_resolved_is_refused(steps: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        expand(steps)
    told = f"{error.value.message} {error.value.hint}"
    assert all(word in told for word in words), told


def test_an_override_may_set_part_of_a_step_that_stands_on_another() -> None:
    cfg = compose(
        "rl",
        ["+experiment=paper_table", "policy=tiny", "policy.parent=x", "optim.lr=5.0e-5"],
        step="grpo_sum",
    )
    assert (cfg.algorithm.name, cfg.reward.combine, cfg.optim.lr) == ("grpo", "weighted_sum", 5.0e-5)
    assert cfg.rl.partner == "world"  # from REPO's step, on which it stands


#: What decides a method's course beside its rate: the key, and what paper_tune tries.
KNOBS = {
    "dpo": ("algorithm.beta", {0.05, 0.1, 0.2}),
    "ppo_rm": ("algorithm.kl_coef", {0.0, 0.02, 0.1}),
    "grpo_rm": ("algorithm.kl_coef", {0.0, 0.02, 0.1}),
    "ppo_sum": ("reward.weights", {(1.0, 0.5, 0.5), (1.0, 1.0, 1.0), (1.0, 2.0, 2.0)}),
    "grpo_sum": ("reward.weights", {(1.0, 0.5, 0.5), (1.0, 1.0, 1.0), (1.0, 2.0, 2.0)}),
    "repo": ("reward.n", {1.0, 2.0, 4.0}),
}


def test_paper_tune_tries_each_method_equally_often_and_only_on_development_scenarios() -> None:
    whole = compose("pipeline", ["+experiment=paper_tune"]).pipeline.steps
    tuned = whole["eval"]["set"]
    assert (tuned["eval.split"], tuned["eval.sets"]) == ("dev", ["online"])
    systems = {
        n: s.removeprefix("step:") for n, s in tuned["eval.systems"].items() if n not in ("base", "sft")
    }
    assert len(systems) == 5 * len(KNOBS) and len(set(systems.values())) == len(systems)
    for method, (key, wanted) in KNOBS.items():
        mine = [step for name, step in systems.items() if name == method or name.startswith(f"{method}_")]
        tried = [whole[step]["set"] for step in mine]
        values = [_value(its, key) for its in tried]
        rates = [its["optim.lr"] for its in tried]
        middle = sorted(rates)[2]
        assert len(tried) == 5 and len(set(rates)) == 3 and set(values) == wanted, method
        assert sum(rate == middle for rate in rates) == 3  # the other values at the middle rate


def _value(its: dict[str, Any], key: str) -> Any:
    """What a step's settings say of a key; where they say nothing, the shipped default."""
    if key == "reward.weights":
        return tuple(its.get(f"{key}.{name}", 1.0) for name in ("rm", "judge", "rules"))
    return its.get(key, {"algorithm.kl_coef": 0.0, "reward.n": 2.0, "algorithm.beta": 0.1}.get(key))


def test_the_defaults_that_a_step_may_leave_out() -> None:
    cfg = compose("rl", ["+experiment=paper_table"], step="rl")
    weights = cfg.reward.weights
    assert (cfg.reward.n, cfg.algorithm.kl_coef) == (2.0, 0.0)
    assert (weights.rm, weights.judge, weights.rules) == (1.0, 1.0, 1.0)


def test_the_ablation_changes_one_thing_of_the_tables_repo_and_has_its_sums() -> None:
    steps = compose("pipeline", ["+experiment=ablation"]).pipeline.steps
    table = compose("pipeline", ["+experiment=paper_table"]).pipeline.steps
    shared = {"base", "sft", "enrich", "train_rm", "judge", "rl", "ppo_sum", "grpo_sum"}
    assert {name for name, step in steps.items() if step == table.get(name)} == shared  # made once for both
    repo = steps["rl"]["set"]
    for name in steps.keys() - shared - {"eval"}:
        its = steps[name]["set"]
        changed = {key for key in its | repo if its.get(key) != repo.get(key)} - {"rl.eval_every"}
        assert len(changed - {"judge.kind", "judge.path"}) <= 1 and changed, name  # no judge: two keys
        assert its["rl.eval_every"] == 0, name
    assert len({_value(steps[n]["set"], "reward.n") for n in ("rl", "n1", "n4")}) == 3
    played = {s.removeprefix("step:") for s in steps["eval"]["set"]["eval.systems"].values()}
    assert played == steps.keys() - {"enrich", "train_rm", "judge", "eval"}


def _searched(file: Path) -> dict[str, dict[str, float]]:
    """Deals and rating by system, from a search's rows: wide (one seed) or long (the means over seeds)."""
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    if "figure" not in rows[0]:
        return {row["system"]: {"deals": float(row["deals"]), "rating": float(row["rating"])} for row in rows}
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["figure"] in ("deals", "rating"):
            found.setdefault(row["system"], {})[row["figure"]] = float(row["value"])
    return found


@pytest.mark.parametrize(
    ("file", "search", "chosen"),
    [(TUNED, "paper_tune", "paper_finals"), (FINALS, "paper_finals", "paper_table")],
)
def test_each_round_and_the_table_have_what_the_search_chose(file: Path, search: str, chosen: str) -> None:
    """The rule in paper_table's head, applied to the search's own rows; a round's own name is its favourite."""
    rows = _searched(file)
    tried = compose("pipeline", [f"+experiment={search}"]).pipeline.steps
    taken = compose("pipeline", [f"+experiment={chosen}"]).pipeline.steps
    least = rows["sft"]["deals"] - 0.10
    for method, (key, _) in KNOBS.items():
        mine = {name: row for name, row in rows.items() if name == method or name.startswith(f"{method}_")}
        assert len(mine) == (5 if search == "paper_tune" else 2)
        closing = {name: row for name, row in mine.items() if row["deals"] >= least}
        best = max(closing or mine, key=lambda name: mine[name]["rating"])
        won, has = tried["rl" if best == "repo" else best], taken["rl" if method == "repo" else method]
        for what in ("optim.lr", key):
            assert _value(won["set"], what) == _value(has["set"], what), (method, what)


def test_the_table_looks_at_repo_and_at_the_reward_model_alone() -> None:
    steps = compose("pipeline", ["+experiment=paper_table"]).pipeline.steps
    looks = {name: step["set"]["rl.eval_every"] for name, step in steps.items() if step["stage"] == "rl"}
    assert looks == {"rl": 5, "ppo_rm": 5, "grpo_rm": 5, "ppo_sum": 0, "grpo_sum": 0}
    demo = compose("pipeline", ["+experiment=demo"]).pipeline.steps
    assert "rl.eval_every" not in demo["rl"]["set"]


def test_every_rl_method_of_the_table_samples_as_many_replies() -> None:
    steps = compose("pipeline", ["+experiment=paper_table"]).pipeline.steps
    sizes = {
        n: (s["set"]["rl.steps"], s["set"]["rl.batch_size"], s["set"]["data.path"], s["set"]["data.limit"])
        for n, s in steps.items()
        if s["stage"] == "rl"
    }
    assert len(sizes) == 5
    assert len(set(sizes.values())) == 1, sizes
