"""RL with a partner: replies are answered, rules read the answer, dialogues go on, and a stop changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stages_kit import go, metrics
from test_stages_stop import only_run, signal_after

from repo_cli.errors import Stopped, UserError
from repo_cli.rewards.rules import RuleSet

RULES = Path(__file__).resolve().parents[1] / "conf/rules/hotel_guardrails.yaml"


def given(line: SimpleNamespace, *more: str) -> tuple[str, ...]:
    return (
        "data.path=world:prompts", "data.limit=24", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.steps=4",
        "rl.batch_size=6", "critic.lr=0.01", "policy.max_length=1024", "rl.partner=world", *more,
    )  # fmt: skip


def said(final: Path) -> list[dict[str, Any]]:
    files = sorted((final.parent / "rollouts").glob("*.jsonl"))
    return [json.loads(text) for file in files for text in file.read_text(encoding="utf-8").splitlines()]


def test_every_reply_is_answered_and_dialogues_go_on(line: SimpleNamespace, tmp_path: Path) -> None:
    final = go("rl", tmp_path, *given(line, "rl.follow=1.0", "tracker.rollouts_keep=6"))
    rows = metrics(final)
    assert rows[0]["rollout/own_frac"] == 0.0
    for before, after in zip(rows, rows[1:], strict=False):
        going_on = 1.0 - before["rollout/ended_frac"]
        assert 0 < after["rollout/own_frac"] <= going_on + 1e-9  # a dialogue may also reach its last turn
    replies = said(final)
    assert all(r["answer"]["ended"] == (r["answer"]["outcome"] is not None) for r in replies)
    # the next step's dialogue holds the reply and its answer, word for word
    pairs = {(r["reply"], r["answer"]["text"]) for r in replies}
    tails = {(h[-2]["content"], h[-1]["content"]) for h in (r["history"] for r in replies) if len(h) > 2}
    assert pairs & tails


def test_without_follow_every_prompt_is_a_recorded_one(line: SimpleNamespace, tmp_path: Path) -> None:
    rows = metrics(go("rl", tmp_path, *given(line)))
    assert all(row["rollout/own_frac"] == 0.0 and "rollout/ended_frac" in row for row in rows)


def test_dialogues_under_way_survive_a_stop(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = given(line, "rl.follow=0.8")
    straight = go("rl", tmp_path / "straight", *wanted)
    halves = tmp_path / "halves"
    with monkeypatch.context() as patch:
        signal_after(patch, 1)
        with pytest.raises(Stopped):
            go("rl", halves, *wanted)
    final = go("rl", halves, *wanted, "resume=auto")
    assert final == only_run(halves, "rl") / "final"
    assert metrics(final) == metrics(straight) and said(final) == said(straight)


def test_prompts_without_a_hidden_side_have_nobody_to_answer(line: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nobody can answer"):
        go("rl", tmp_path, *given(line, f"data.path={line.prompts}"))


def test_the_answers_rules_add_what_the_answer_brought() -> None:
    rules = RuleSet.load(RULES)
    scenario = {
        "language": "en",
        "current_price": 388,
        "target_price": 350,
        "acceptable_price": 360,
        "nights": 2,
    }
    history = [
        {"role": "assistant", "content": "Hello, I am the platform's assistant, about your room rate."},
        {"role": "user", "content": "Yes? What figure do you have in mind?"},
    ]
    reply = "Would 350 CNY per night work for you?"

    def earned(answer: dict[str, Any] | None) -> set[str]:
        item = {"scenario": scenario, "history": history, "reply": reply, "answer": answer}
        return {f.rule for f in rules.score_many([item])[0].fired} & {"G55", "G56", "G57", "G58"}

    assert earned(None) == set()
    assert earned({"text": "Yes, 350 works for me.", "ended": False, "outcome": None}) == {"G55"}
    assert earned({"text": "Yes, 375 works for me.", "ended": False, "outcome": None}) <= {"G57"}
    assert earned({"text": "350 is too low. I can do 370.", "ended": False, "outcome": None}) == {"G57"}
    walked = {"deal": False, "price": None, "reason": "hangup", "turns": 2}
    assert earned({"text": "That's enough, bye.", "ended": True, "outcome": walked}) == {"G58"}
    done = {"deal": True, "price": 352.0, "reason": "accepted", "turns": 2}
    assert "G56" in earned({"text": "Great, bye.", "ended": True, "outcome": done})
    dear = {"deal": True, "price": 380.0, "reason": "accepted", "turns": 2}
    assert "G56" not in earned({"text": "Great, bye.", "ended": True, "outcome": dear})


def test_checks_that_the_shipped_set_leaves_out() -> None:
    """A sentence said again, and the figure that was asked for: for sets of one's own."""
    again = {
        "about": "said again",
        "severity": "soft",
        "check": {"name": "repeats_sentence"},
        "on_match": -0.4,
    }
    figure = {
        "about": "names the figure",
        "severity": "soft",
        "check": {"name": "names_figure_when_asked"},
        "on_match": 1.0,
        "on_miss": -1.0,
    }
    rules = RuleSet({"name": "own", "rules": {"A": again, "B": figure}}, "own.yaml")
    scenario = {"language": "en", "current_price": 388, "acceptable_price": 365, "floor_ask": 330}
    history = [
        {
            "role": "assistant",
            "content": "A small step can make the offer more attractive. How do you see it?",
        },
        {"role": "user", "content": "I see what you mean. What figure?"},
    ]

    def total(reply: str) -> float:
        return rules.score(reply, scenario, history).total

    assert total("Would 350 CNY per night work for you?") == 1.0
    assert total("Would 300 CNY per night work for you?") == -1.0
    assert total("Could a midweek deal be a way you like?") == -1.0
    assert total("A small step can make the offer more attractive. Would 350 work?") == 0.6
