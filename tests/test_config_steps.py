"""The steps of a pipeline: `like`, their order, what is refused."""

from __future__ import annotations

import pytest

from repo_cli.config import compose
from repo_cli.config.steps import expand
from repo_cli.errors import UserError

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


def test_paper_tune_tries_each_method_equally_often_and_only_on_development_scenarios() -> None:
    whole = compose("pipeline", ["+experiment=paper_tune"]).pipeline.steps
    tuned = whole["eval"]["set"]
    assert (tuned["eval.split"], tuned["eval.sets"]) == ("dev", ["online"])
    methods = ("dpo", "ppo_rm", "ppo_sum", "grpo_rm", "grpo_sum", "repo")
    for method in methods:
        tries = {
            n: s for n, s in tuned["eval.systems"].items() if n in (f"{method}_low", method, f"{method}_high")
        }
        rates = {whole[what.removeprefix("step:")]["set"]["optim.lr"] for what in tries.values()}
        assert len(rates) == 3, method


def test_every_rl_method_of_the_table_samples_as_many_replies() -> None:
    steps = compose("pipeline", ["+experiment=paper_table"]).pipeline.steps
    sizes = {
        n: (s["set"]["rl.steps"], s["set"]["rl.batch_size"], s["set"]["data.path"], s["set"]["data.limit"])
        for n, s in steps.items()
        if s["stage"] == "rl"
    }
    assert len(sizes) == 5
    assert len(set(sizes.values())) == 1, sizes
