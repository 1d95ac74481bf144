"""Alarms on made-up histories: each one sounds where it must, all are silent on a healthy one, and state is JSON."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from repo_cli.config.schema import AlarmConfig, AlarmsConfig
from repo_cli.training.alarms import ALARMS, action_of, observe, observe_all, read_alarms

CFG = AlarmsConfig()


def healthy(steps: int, seed: int = 0) -> list[dict[str, Any]]:
    """A run that learns: rewards rise together, the rest only trembles as means of 64 replies do."""
    noise = random.Random(seed)

    def about(value: float, spread: float) -> float:
        return value + noise.gauss(0.0, spread)

    rows = []
    for step in range(1, steps + 1):
        done = step / steps
        row = {
            "step": step,
            "rollout/length_mean": about(33 + 3 * done, 1.5),
            "rollout/truncated_frac": max(0.0, about(0.01, 0.01)),
            "rollout/repetition": max(0.0, about(0.004, 0.003)),
            "policy/entropy": about(0.42 - 0.05 * done, 0.02),
            "reward/rm": about(0.5 + 0.08 * done, 0.02),
            "reward/rm_std": about(0.16, 0.01),
            "reward/judge": about(0.38 + 0.03 * done, 0.015),
            "reward/judge_std": about(0.2, 0.01),
            "reward/rules": about(-1.2 + 0.3 * done, 0.17),
            "reward/rules_std": about(1.4, 0.1),
            "reward/hard_broken_frac": about(0.35 - 0.05 * done, 0.055),
            "reward/rm_muted_frac": 0.0,
            "reward/total_std": about(0.35, 0.03),
            "reward/rules_timeout_frac": 0.0,
            "judge/fail_rate": 0.0,
            "critic/explained_variance": about(-0.8 / step, 0.05),
            "critic/loss": about(0.02 + 0.03 / step, 0.003),
        }
        if step <= 2:  # the critic's warm-up: the policy is not updated
            del row["policy/entropy"]
        if step % 5 == 1:
            row["probe/kl_to_base"] = 0.1 + 0.08 * done
        rows.append(row)
    return rows


def spoiled(changes: dict[str, Any], since: int = 15, steps: int = 30) -> list[dict[str, Any]]:
    """A healthy history in which some metrics are something else from a step on."""
    rows = healthy(steps)
    for row in rows[since - 1 :]:
        for name, value in changes.items():
            if name in row:
                row[name] = value(row[name]) if callable(value) else value
    return rows


#: What each alarm is for, and no other alarm may sound with it.
CASES: dict[str, dict[str, Any]] = {
    "length": {"rollout/length_mean": lambda x: 1.6 * x},
    "truncated": {"rollout/truncated_frac": 0.4},
    "repetition": {"rollout/repetition": 0.09},
    "entropy": {"policy/entropy": 0.15},
    "rm_alone": {"reward/rm": lambda x: x + 0.08, "reward/rules": lambda x: x - 0.9},
    "kl_to_base": {"probe/kl_to_base": 0.9},
    "hard_violations": {"reward/hard_broken_frac": 0.6},
    "judge_failures": {"judge/fail_rate": 0.2},
    "rule_timeouts": {"reward/rules_timeout_frac": 0.03},
    "rm_muted": {"reward/rm_muted_frac": 0.5},
    "reward_spread": {"reward/total_std": 0.01},
    "critic_blind": {"critic/explained_variance": -0.6},
    "value_loss": {"critic/loss": 0.4},
}


def test_every_alarm_has_a_case_and_a_threshold() -> None:
    own = [f.name for f in fields(AlarmsConfig) if isinstance(getattr(CFG, f.name), AlarmConfig)]
    assert own == list(ALARMS) == list(CASES)


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_history_is_silent(seed: int) -> None:
    events, active = observe_all(healthy(40, seed), CFG)
    assert events == []
    assert set(active[-1]) == set(ALARMS) and not any(active[-1].values())


@pytest.mark.parametrize("name", CASES)
def test_each_alarm_sounds_for_its_own_reason_and_for_no_other(name: str) -> None:
    events, active = observe_all(spoiled(CASES[name]), CFG)
    assert [(e.name, e.state) for e in events] == [(name, "start")]
    own = getattr(CFG, name)
    # no later than the window has filled with what is wrong, and `patience` times more (the probe: every fifth step)
    latest = 21 if name == "kl_to_base" else 15 + own.window + own.patience - 2
    assert 15 <= events[0].since <= events[0].step <= latest
    assert [a.get(name, False) for a in active] == [row >= events[0].step for row in range(1, 31)]
    text = events[0].text
    assert text.startswith(f"alarm {name}: ") and f"threshold {own.threshold:g}" in text
    assert f"since step {events[0].since}" in text


def test_shorter_replies_and_a_falling_judge_count_too() -> None:
    assert [e.name for e in observe_all(spoiled({"rollout/length_mean": 18.0}), CFG)[0]] == ["length"]
    judge = {"reward/rm": lambda x: x + 0.08, "reward/judge": 0.2}
    assert [e.name for e in observe_all(spoiled(judge), CFG)[0]] == ["rm_alone"]


@pytest.mark.parametrize(
    "changes",
    [
        {"reward/rm": lambda x: x + 0.2},  # all that rises alone is no divergence
        {"reward/rm": 0.5, "reward/rules": lambda x: x - 2.0},  # nor is all that falls alone
        {"reward/rm": lambda x: x + 0.2, "reward/rules": lambda x: x + 0.8},
    ],
)
def test_rm_alone_needs_both_moves(changes: dict[str, Any]) -> None:
    assert observe_all(spoiled(changes), CFG)[0] == []


def test_one_bad_step_is_not_enough_and_an_alarm_ends() -> None:
    rows = healthy(30)
    rows[14]["rollout/truncated_frac"] = 0.6  # 0.15 in the mean of four
    assert observe_all(rows, CFG)[0] == []
    rows = spoiled({"rollout/truncated_frac": 0.5}, since=10, steps=30)
    for row in rows[19:]:
        row["rollout/truncated_frac"] = 0.0
    events, active = observe_all(rows, CFG)
    assert [(e.state, e.since, e.step) for e in events] == [("start", 11, 12), ("end", 22, 23)]
    assert "is over" in events[1].text
    assert [a["truncated"] for a in active] == [12 <= step < 23 for step in range(1, 31)]


def test_measures_that_are_missing_or_no_numbers_change_nothing() -> None:
    rows = [{"step": s, "rollout/length_mean": v} for s, v in enumerate([30.0, None, float("nan")] * 9, 1)]
    events, active = observe_all(rows, CFG)
    assert events == [] and all(set(a) == {"length"} for a in active)
    assert observe_all([{"step": 1}], CFG) == ([], [{}])


def test_the_state_is_json_and_goes_on_where_it_stopped() -> None:
    rows = spoiled(CASES["rm_alone"] | CASES["critic_blind"])
    straight, _ = observe_all(rows, CFG)
    state: dict[str, Any] = {}
    found = []
    for row in rows:
        before = json.dumps(state)
        new, events, _ = observe(state, row["step"], row, CFG)
        assert json.dumps(state) == before  # the old state is left alone
        state = json.loads(json.dumps(new))
        found += events
    assert found == straight and {e.name for e in found} == {"rm_alone", "critic_blind"}
    kept = sum(len(values) for values in [*state["first"].values(), *state["last"].values()])
    assert kept <= len(state["last"]) * (CFG.start + 10)  # bounded, however long the run


def test_actions_thresholds_and_the_strongest() -> None:
    rows = spoiled(CASES["length"])
    louder = replace(CFG, length=replace(CFG.length, action="stop", threshold=1.2, window=1, patience=1))
    first = observe_all(rows, louder)[0][0]
    assert (first.action, first.step, first.since, first.threshold) == ("stop", 15, 15, 1.2)
    assert action_of("length", replace(louder, strongest="warn")) == "warn"
    for silent in (replace(louder, strongest="none"), replace(CFG, length=AlarmConfig("none"))):
        events, active = observe_all(rows, silent)
        assert events == [] and "length" not in active[-1]


def test_read_alarms_pairs_starts_with_ends_and_passes_over_what_it_cannot_read(tmp_path: Path) -> None:
    rows = spoiled(CASES["truncated"], since=8)
    for row in rows[15:]:
        row["rollout/truncated_frac"] = 0.0
    for row in rows[22:]:
        row["rollout/truncated_frac"] = 0.9
    events, _ = observe_all(rows, CFG)
    file = tmp_path / "alarms.jsonl"
    file.write_text("".join(json.dumps(e.row()) + "\n" for e in events) + '{"name": 3}\n[1]\n{"name": "x\n')
    spans = read_alarms(file)
    assert [(s["name"], s["step"], s["until"]) for s in spans] == [
        ("truncated", events[0].step, events[1].step),
        ("truncated", events[2].step, None),
    ]
    assert spans[0]["text"] == events[0].text and spans[0]["action"] == "warn"
    assert read_alarms(tmp_path / "none.jsonl") == []


def test_no_torch_behind_the_alarms() -> None:
    code = "import sys, repo_cli.training.alarms; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
