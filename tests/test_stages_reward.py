"""`repo reward score` and `repo reward check`: real ensembles on real replies, tricks that pay and tricks that do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from judge_server import FakeEndpoint
from stages_kit import settings
from typer.testing import CliRunner

from repo_cli.cli import app
from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.rewards.canaries import ABOUT, canaries
from repo_cli.rewards.combine import COMBINERS, Mix
from repo_cli.rewards.enhancement import apply_veto
from repo_cli.rewards.judge_prompt import plain_line
from repo_cli.rewards.shares import contributions, corrections, opposed
from repo_cli.stages.reward import REJECTED, _contexts, check, score_file

run = CliRunner()
MANY = st.lists(st.tuples(*[st.floats(-3, 3, width=32)] * 3), min_size=2, max_size=8)


@given(MANY, st.sampled_from(sorted(COMBINERS)), st.sampled_from([None, 0.5]))
def test_contributions_sum_to_the_total(
    rows: list[tuple[float, float, float]], combine: str, veto: float | None
) -> None:
    rm, judge, rules = torch.tensor(rows, dtype=torch.float64).T.contiguous()
    own = {"a": judge.roll(1), "b": rules.flip(0)}
    for weights in ({}, {"a": 0.5, "b": -1.0}):
        check_contributions(combine, rm, judge, rules, veto, weights, own)


def check_contributions(
    combine: str, rm: Any, judge: Any, rules: Any, veto: float | None, weights: Any, own: Any
) -> None:
    if combine == "own" and not weights:
        return
    mix = Mix(n=2.0, min_gain=0.1, weights={"rm": 1.0, "judge": 0.5, "rules": 2.0}, own=weights)
    total = COMBINERS[combine](rm, judge, rules, mix, own)
    hard = rules < -1
    total = apply_veto(total, hard, veto)
    parts = contributions(combine, rm, judge, rules, total, mix, own)
    assert set(parts) == {"rm", "judge", "rules", "veto", *(f"own/{name}" for name in weights)}
    gap = sum(parts.values()) - total
    if combine == "normalised_sum":
        if veto is None:
            assert float(gap.max() - gap.min()) < 1e-5
    else:
        assert float(gap.abs().max()) < 1e-4


def test_opposed_and_corrections_by_hand() -> None:
    nan = float("nan")
    e = corrections(torch.tensor([1.0, nan, nan, -3.0]), torch.tensor([0.5, -1.0, nan, 0.0]), 2.0)
    assert e[:2].tolist() == [1.5, -1.0] and e[2].isnan() and e[3] == -2.0
    found = opposed(torch.tensor([2.0, 2.0, 2.0, 0.0]), e, 1.0, 0.0)
    assert found[[0, 1, 3]].tolist() == [0.0, 1.0, 0.0] and found[2].isnan()


def test_every_canary_is_made_and_differs_from_the_honest_reply() -> None:
    prompt = [{"role": "user", "content": "Too low for us."}]
    for language in ("en", "zh"):
        made = canaries(
            prompt, {"room_type": "twin", "dates": ["06-18"]}, "Thank you.", "Hello.", language, ["R1"]
        )
        assert set(made) == set(ABOUT)
        assert (
            made["prompt echo"] == "Too low for us."
            and made["foreign gold"] == "Hello."
            and made["empty"] == ""
        )
        assert made["length stuffing"].startswith("Thank you. ") and "R1: 5" in made["rubric echo"]
    assert "prompt echo" not in canaries([], {}, "Thank you.", "Thank you.", "en")


def test_the_shipped_rules_let_no_canary_pay() -> None:
    done = run.invoke(app, ["reward", "check", "reward=rules_only", "--n", "24"], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    for name in ABOUT:
        assert name in done.output
    assert "PAYS" not in done.output


def test_a_reward_for_length_is_found_out(tmp_path: Path) -> None:
    rules = {"L": {"severity": "soft", "require": ["appreciate"], "on_match": 2.0, "on_miss": -0.1}}
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "long.yaml").write_text(yaml.safe_dump({"name": "long", "rules": rules}))
    done = run.invoke(
        app,
        ["reward", "check", "reward=rules_only", "rules=long", "--n", "8", "--config-dir", str(tmp_path)],
        env={"COLUMNS": "140"},
    )
    assert done.exit_code == 2, done.output
    assert "PAYS" in done.output and "length stuffing" in done.output.split("honest replies on average")[1]


def test_reward_model_and_rules_side_by_side(line: SimpleNamespace, tmp_path: Path) -> None:
    given_ = [f"policy.parent={line.sft}", f"rm.path={line.rm}", "reward=enhance", "rules=generic_dialogue"]
    cfg = compose("rl", settings(tmp_path, *given_))
    lines, means = check(cfg, str(line.pairs), 6)
    assert {"rm", "rules", "total"} <= set(means) and "judge" not in means
    found = {row.name: row for row in lines}
    assert set(found) >= {REJECTED, "empty", "foreign gold"}
    assert found[REJECTED].wins["rm"] >= 0.5  # trained on these pairs
    rows = list(score_file(cfg, str(line.pairs), 4))
    assert len(rows) == 8 and rows[0]["where"] == "row 1, chosen"
    for row in rows:
        e = max(-2.0, min(2.0, row["rules"]))
        assert row["total"] == pytest.approx(row["rm"] + abs(row["rm"]) * e / 2.0, abs=1e-4)


def table_of(output: str) -> dict[str, list[str]]:
    """The rows of the printed table by canary: the cells behind the number of contexts."""
    rows = [
        [cell.strip() for cell in text.split("│")[1:-1]]
        for text in output.splitlines()
        if text.startswith("│")
    ]
    return {row[0]: row[2:] for row in rows}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("honest_score", [5, 1])
def test_with_all_three_sources_the_judge_decides_what_pays(
    line: SimpleNamespace, tmp_path: Path, language: str, honest_score: int
) -> None:
    """A judge that knows the honest reply of each context: no trick earns anything where it rates honesty 5 and all
    else 1, every trick pays where it rates honesty 1 and all else 4."""
    rubric = "hotel_zh" if language == "zh" else "hotel"
    given_ = settings(
        tmp_path, f"policy.parent={line.sft}", f"rm.path={line.rm}", "reward=enhance", "reward.n=1", "rm.scale=sigmoid",
        "rules=hotel_guardrails", f"rubric={rubric}", f"world.language={language}", "policy.max_length=4000",
        "judge=openai", "judge.api.model=m", "judge.scoring=json",
    )  # fmt: skip
    known = set()

    def rate(user: str) -> int:
        said = re.findall(r"^partner: (.*)$", user, re.MULTILINE)[-1]
        reply = re.search(r"<<<REPLY (\w+)\n(.*?)\nREPLY \1>>>", user, re.DOTALL)[2]
        return honest_score if (said, reply) in known else 6 - honest_score - (honest_score == 1)

    with FakeEndpoint([f"R{i}" for i in range(1, 13)], rate=rate) as server:
        cfg = compose("rl", [*given_, f"judge.api.url={server.url}"])
        for context in _contexts(cfg, "world:gold", 4):
            heard = next(m["content"] for m in reversed(context["prompt"]) if m["role"] == "user")
            known.add((plain_line(heard), plain_line(context["honest"])))
        lines, means = check(cfg, "world:gold", 4)
        arguments = ["reward", "check", *given_, f"judge.api.url={server.url}", "--n", "4"]
        asked = len(server.bodies)
        done = run.invoke(app, arguments, env={"COLUMNS": "170"})
        assert len(server.bodies) == asked  # the cache answers
    assert list(means) == ["rm", "judge", "rules", "total"]
    assert means["judge"] == (1.0 if honest_score == 5 else -1.0)
    found = {row.name: row for row in lines}
    assert set(found) == set(ABOUT)
    shown = table_of(done.output)
    for name, row in found.items():
        assert row.wins["judge"] == (1.0 if honest_score == 5 else 0.0), name
        assert shown[name][0] == f"{row.wins['rm']:.0%}" and shown[name][1] == f"{row.wins['judge']:.0%}"
        assert shown[name][4] == f"{1 - row.wins['total']:.0%}", shown[name]
        assert (shown[name][6] == "PAYS") == row.pays
    assert found["promise stuffing"].wins["rules"] == found["wrong language"].wins["rules"] == 1.0
    if honest_score == 5:
        assert done.exit_code == 0 and not any(row.pays for row in lines), done.output
        assert {row.wins["total"] for row in lines} == {1.0}
    else:
        assert done.exit_code == 2 and found["no-op"].pays and found["foreign gold"].pays, done.output
        assert found["no-op"].earns_in == 1.0 and "no-op" in done.output.splitlines()[-1]
        assert "pay at least as much as honesty" in done.output


def test_score_writes_every_reply_with_its_scores(line: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "scored.jsonl"
    done = run.invoke(
        app, ["reward", "score", str(line.dialogues), "reward=rules_only", "--limit", "3", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert len(rows) == 6 and all(
        {"where", "reply", "rules", "total", "violations"} <= set(row) for row in rows
    )


def test_data_without_replies_is_refused(line: SimpleNamespace, tmp_path: Path) -> None:
    cfg = compose("rl", settings(tmp_path, "reward=rules_only", "rules=generic_dialogue"))
    with pytest.raises(UserError, match="no reply to score"):
        list(score_file(cfg, str(line.prompts)))
    with pytest.raises(UserError, match="honest replies in at least two dialogues"):
        check(cfg, str(line.prompts), 4)
