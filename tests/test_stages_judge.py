"""RL with a judge behind an endpoint: replies are judged while others are sampled, failures are left out and counted,
and a judge that breaks down stops the run with a checkpoint that goes on as if nothing had been."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from judge_server import FakeEndpoint
from safetensors.torch import load_file
from stages_kit import config, go, metrics, write

from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.judge import LocalJudge
from repo_cli.rewards.judge_parse import Unreadable, read_json
from repo_cli.rewards.judge_prompt import JudgeScore, answer_form, judge_prompt
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.judge_writing import WritingJudge
from repo_cli.rewards.rubric import Rubric
from repo_cli.rollout import LocalEngine
from repo_cli.stages.experience import collect
from repo_cli.training.checkpoint import latest_complete
from repo_cli.worlds import get_world

NAMES = [f"R{i}" for i in range(1, 13)]


def given(line: SimpleNamespace, server: FakeEndpoint, *more: str) -> tuple[str, ...]:
    return (
        *(f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.batch_size=6"),
        *("judge=openai", f"judge.api.url={server.url}", "judge.api.model=m", "judge.api.backoff_s=0.01"),
        *("reward=enhance", "rules=generic_dialogue", "critic.lr=0.01", "policy.max_length=1024"),
        *("rl.preflight_contexts=0", *more),  # requests are counted here
    )


def test_a_run_counts_what_the_judge_failed_on_and_learns_from_the_rest(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
    faults = {"refusal": 0.25}
    with FakeEndpoint(NAMES, faults) as server:
        final = go("rl", tmp_path, *given(line, server, "rl.steps=4", "judge.api.key_env=JUDGE_KEY",
                                          "judge.api.price_in=1000", "judge.on_missing=rules_only"))  # fmt: skip
    rows = metrics(final)
    assert len(server.bodies) == 24 and sum(r["judge/outcome/refused"] for r in rows) == pytest.approx(1.0)
    for row in rows:
        assert row["judge/fail_rate"] == pytest.approx(row["judge/outcome/refused"])
        # a reply that made the judge refuse is not kept, even with rules_only
        assert row["reward/kept_frac"] == pytest.approx(1.0 - row["judge/fail_rate"])
        assert row["judge/requests"] == 6 and row["judge/cost"] == pytest.approx(0.6)
        assert row["judge/cache_hit_rate"] == 0.0
        assert row["reward/judge"] == pytest.approx(0.5)  # 4 of 1..5 on every criterion
    run = final.parent
    shown = [json.loads(text) for path in sorted((run / "rollouts").glob("*.jsonl")) for text in path.open()]
    assert {r["judge_outcome"] for r in shown} == {"ok", "refused"}
    assert any(r.get("judge_reasons", {}).get("R1") == "as it is" for r in shown)
    for path in run.rglob("*"):
        assert not path.is_file() or b"sk-very-secret" not in path.read_bytes(), path


def test_the_judge_and_the_rules_begin_while_replies_are_still_sampled(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    with FakeEndpoint(NAMES) as server:
        cfg = config(
            "rl", tmp_path, *given(line, server, "rollout.batch_size=2", "rollout.max_new_tokens=40")
        )
        backbone = Backbone.load(cfg)
        rows = [json.loads(text) for text in line.prompts.open()][:8]
        prompts = [(row, backbone.fmt.context_ids(row["prompt"])) for row in rows]
        ensemble = Ensemble(cfg, backbone)
        ruled: list[float] = []
        real = ensemble.rules.score_many
        ensemble.rules.score_many = lambda items: (ruled.append(time.monotonic()), real(items))[1]
        items = collect(LocalEngine(backbone, "policy", cfg.rollout), prompts, seed=1, take=ensemble.take)
        sampled = time.monotonic()
        streamed = ensemble.score([item.as_scored() for item in items])
        assert len(server.bodies) == 8 and server.times[0] < sampled and ruled[0] < sampled

        plain = Ensemble(cfg, backbone).score([item.as_scored() for item in items])
        assert len(server.bodies) == 8  # the cache answers
        for a, b in ((streamed.judge, plain.judge), (streamed.rules, plain.rules), (streamed.rm, plain.rm)):
            torch.testing.assert_close(a, b)
        # what was taken is used for that very reply alone
        for index, item in enumerate(items):
            ensemble.take(index, {**item.as_scored(), "reply": "another reply"})
        torch.testing.assert_close(ensemble.score([i.as_scored() for i in items]).rules, plain.rules)


def test_a_judge_that_breaks_down_stops_the_run_with_a_checkpoint(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: Any
) -> None:
    more = ("rl.steps=4", "judge.failed_window=6", "judge.api.retries=0", "judge.api.cache=false")
    with FakeEndpoint(NAMES) as server:
        straight = go("rl", tmp_path / "straight", *given(line, server, *more))
    with FakeEndpoint(NAMES, dies_after=12) as server:
        halves = tmp_path / "halves"
        with pytest.raises(UserError) as caught:
            go("rl", halves, *given(line, server, *more))
        said = str(caught.value)
        assert (
            "step 3: the judge failed on 6 of the last 6 replies (6 transport)" in said and "http 500" in said
        )
        assert "judge.max_failed=0.5" in said and "--resume" in said
        (run,) = (halves / "rl" / "run").iterdir()
        kept = latest_complete(run / "checkpoints")
        assert kept is not None and kept.name == "step-000002" and not (run / "final").exists()
        server.options.clear()
        counted: list[float] = []
        real = RemoteJudge.go_on_from
        monkeypatch.setattr(
            RemoteJudge,
            "go_on_from",
            lambda self, used: (real(self, used), counted.append(self.client.spend.requests)),
        )
        final = go("rl", halves, *given(line, server, *more), "resume=auto")
    assert counted == [12]  # what the first part used counts against the budget of the whole run
    for name in ("adapter_model.safetensors",):
        a, b = load_file(straight / name), load_file(final / name)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert [r["reward/total"] for r in metrics(final)] == [r["reward/total"] for r in metrics(straight)]


def test_what_trips_a_screening_rule_is_trained_on_without_a_judge(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    rule = "{severity: soft, screen: true, on_match: -0.5, forbid: [e]}"
    with FakeEndpoint(NAMES) as server:
        final = go(
            "rl",
            tmp_path,
            *given(line, server, "rl.steps=3", "judge.api.cache=false", f"+rules.rules.S1={rule}"),
        )
    rows = metrics(final)
    shown = [
        json.loads(text) for file in sorted((final.parent / "rollouts").glob("*")) for text in file.open()
    ]
    kept = [row for row in shown if row["judge_outcome"] == "screened"]
    assert len(shown) == 18 and kept and all(row["kept"] and row["judge"] == -1.0 for row in kept)
    assert all((row["judge"] == -1.0) == bool({"S1", "D06"} & {f[0] for f in row["fired"]}) for row in shown)
    assert sum(row["judge/screened"] for row in rows) == len(kept)
    assert sum(row["judge/asked"] for row in rows) == len(server.bodies) == 18 - len(kept)
    assert [row["judge/fail_rate"] for row in rows] == [0.0] * 3


def test_what_was_judged_before_is_not_asked_again(line: SimpleNamespace, tmp_path: Path) -> None:
    """The same run once more, from the cache: the hit rate says so, and the rewards are the same."""
    with FakeEndpoint(NAMES) as server:
        first = go("rl", tmp_path, *given(line, server, "rl.steps=2"))
        assert len(server.bodies) == 12
        again = go("rl", tmp_path, *given(line, server, "rl.steps=2", "name=again"))
        assert len(server.bodies) == 12
    rows, others = metrics(first), metrics(again)
    assert [r["judge/cache_hit_rate"] for r in rows] == [0.0, 0.0]
    assert [r["judge/cache_hit_rate"] for r in others] == [1.0, 1.0]
    assert [r["judge/requests"] for r in others] == [0.0, 0.0]
    for name in ("reward/total", "reward/judge", "reward/multiplier_std", "criteria/R1_max"):
        assert [r[name] for r in rows] == [r[name] for r in others], name


def test_a_local_judge_that_is_off_the_scale_stops_the_run(line: SimpleNamespace, tmp_path: Path) -> None:
    """The agent itself as the judge: it was never taught to answer with labels, so it has not answered."""
    more = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.batch_size=6",
            "judge=local", f"judge.path={line.sft}", "judge.prompt=compact", "judge.failed_window=12",
            "reward=enhance", "critic.lr=0.01", "policy.max_length=1024", "rl.steps=4", "rl.preflight=false")  # fmt: skip
    with pytest.raises(UserError) as caught:
        go("rl", tmp_path, *more)
    assert "step 2: the judge failed on 12 of the last 12 replies (12 off_scale)" in str(caught.value)
    assert "judge.max_failed=0.5" in str(caught.value) and "--resume" in str(caught.value)
    (run,) = (tmp_path / "rl" / "run").iterdir()
    kept = latest_complete(run / "checkpoints")
    assert kept is not None and kept.name == "step-000001" and not (run / "final").exists()
    (row,) = metrics(run)
    assert row["judge/outcome/off_scale"] == 1.0 and row["reward/kept_frac"] == 0.0
    assert "reward/judge" not in row and row["reward/judge_not_scored_frac"] == 1.0
    shown = [json.loads(text) for text in (run / "rollouts" / "step-000001.jsonl").open()]
    assert len(shown) == 6 and {row["left_out"] for row in shown} == {"judge: off_scale"}
    assert not any(row["kept"] for row in shown) and {row["judge"] for row in shown} == {None}


def test_a_dead_endpoint_at_the_start_and_a_missing_key(line: SimpleNamespace, tmp_path: Path) -> None:
    with FakeEndpoint(NAMES, {"401": 1.0}) as server:
        with pytest.raises(UserError, match="http 401"):
            go("rl", tmp_path / "a", *given(line, server, "rl.steps=1"))
        with pytest.raises(UserError, match="JUDGE_KEY.*judge.api.key_env"):
            go("rl", tmp_path / "b", *given(line, server, "rl.steps=1", "judge.api.key_env=JUDGE_KEY"))


@pytest.mark.parametrize("mode", ["together", "each"])
def test_a_judge_on_this_machine_that_writes_its_reasons(tmp_path: Path, mode: str) -> None:
    """A small model is taught its answers by heart, a broken one and its repair among them: what it writes is read as
    an endpoint's is, for all criteria together or one by one."""
    rubric = {
        "name": "r",
        "scale": [1, 5],
        "criteria": {"facts": {"name": "true"}, "tone": {"applies_when": "asked"}},
    }
    broken, lacking = '{"facts": {"score": 7}, "tone": {"score": 7}}', '{"facts": {"score": 2}}'

    def note(answer: str, only: str | None = None) -> str:
        wanted = answer_form(Rubric.of(rubric), "json", only)
        return f"\n(An earlier answer could not be read: {problem(answer, rubric, only)}.) {wanted}"

    # (reply, the criterion asked for alone, what is added to the question): answer
    together = {
        (
            "yes yes",
            None,
            "",
        ): '{"facts": {"reason": "ok", "score": 5}, "tone": {"reason": "", "score": null}}',
        ("no no", None, ""): '{"facts": {"reason": "bad", "score": 1}, "tone": {"reason": "no", "score": 2}}',
        ("7 7", None, ""): broken,
        ("7 7", None, note(broken)): broken,
        ("b b", None, ""): lacking,
        ("b b", None, note(lacking)): '{"facts": {"score": 2}, "tone": {"score": 3}}',
    }
    each = {
        ("yes yes", "facts", ""): '{"facts": {"reason": "ok", "score": 4}}',
        ("yes yes", "tone", ""): '{"tone": {"score": null}}',
        ("no no", "facts", ""): '{"facts": {"score": 1}}',
        ("no no", "tone", ""): "no",
        ("no no", "tone", note("no", "tone")): "no",
    }
    rows = []
    for (reply, only, added), said in (together if mode == "together" else each).items():
        asked = judge_prompt(rubric, None, {}, [], reply, form="json", only=only)
        asked[-1]["content"] += added
        rows.append({"messages": [*asked, {"role": "assistant", "content": said}]})
    data = write(tmp_path / "judge.jsonl", rows * 8)
    given = ("policy.max_length=1800", "judge.max_length=1800", "judge.api.max_tokens=90")
    made = go("sft", tmp_path, f"data.path={data}", "policy.train=full", "policy.build.num_layers=2",
              "policy.build.hidden_size=64", "policy.build.intermediate_size=128", "policy.build.vocab_size=800",
              "sft.epochs=80", f"sft.batch_size={len(rows)}", f"sft.max_steps={200 if mode == 'each' else 120}", "optim.lr=0.006",
              "optim.schedule=cosine", "data.val_fraction=0", "engine.micro_tokens=20000", *given)  # fmt: skip
    cfg = config("rl", tmp_path, "judge=local", f"judge.path={made}", f"policy.parent={made}",
                 "judge.scoring=json", f"judge.mode={mode}", *given)  # fmt: skip
    cfg.rubric.criteria, cfg.sop.stages = rubric["criteria"], {}
    judge = LocalJudge.open(cfg, Backbone.load(cfg))
    assert isinstance(judge, WritingJudge)

    def judged(*replies: str) -> list[JudgeScore]:
        return judge.score([{"scenario": {}, "history": [], "reply": reply} for reply in replies])

    if mode == "each":
        got = judged("yes yes", "no no")
        assert got[0].outcome == "ok" and got[0].criteria == {"facts": 4.0, "tone": None}, got
        assert got[0].reasons == {"facts": "ok"}
        # an answer on the facts is there, but a reply is scored by every criterion or not at all
        assert got[1].outcome == "unparsable" and set(got[1].criteria.values()) == {None}
        return
    got = judged("yes yes", "no no", "7 7", "b b", "word " * 2000)
    assert [s.outcome for s in got] == ["ok", "ok", "unparsable", "ok", "too_long"], got
    assert got[0].criteria == {"facts": 5.0, "tone": None} and got[1].criteria == {"facts": 1.0, "tone": 2.0}
    assert got[1].reasons == {"facts": "bad", "tone": "no"} and set(got[2].criteria.values()) == {None}
    assert got[3].criteria == {"facts": 2.0, "tone": 3.0}  # the second try


def problem(answer: str, rubric: dict[str, Any], only: str | None) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_json(answer, Rubric.of(rubric), [only] if only else list(rubric["criteria"]))
    return caught.value


def test_a_judge_trains_on_the_worlds_labels_for_all_twelve_criteria(tmp_path: Path) -> None:
    asking = ("rubric=hotel", "judge.prompt=compact", "policy.max_length=1400", "judge.max_length=1400")
    made = go("sft", tmp_path, "data.path=world:judge", "data.limit=16", "sft.batch_size=4", "sft.max_steps=2",
              "policy.train=full", "engine.micro_tokens=6000", *asking)  # fmt: skip
    assert [row["sft/loss"] > 0 for row in metrics(made)] == [True, True]
    cfg = config("rl", tmp_path, "judge=local", f"judge.path={made}", f"policy.parent={made}", *asking)
    rows = [get_world("hotel", "en", 0).rows("judge", i) for i in (50, 51)]
    items = [{"scenario": r["scenario"], "history": r["prompt"], "reply": r["reply"]} for r in rows]
    for score in LocalJudge.open(cfg, Backbone.load(cfg)).score(items):
        assert list(score.criteria) == NAMES and score.outcome in ("ok", "off_scale")


def test_two_ranks_share_the_judge_and_stop_together(line: SimpleNamespace, tmp_path: Path) -> None:
    more = (
        "rl.steps=3",
        "judge.failed_window=6",
        "judge.api.retries=0",
        "launch.nproc=2",
        "judge.api.concurrency=2",
    )
    with FakeEndpoint(NAMES, dies_after=6) as server:
        with pytest.raises(UserError) as caught:
            go("rl", tmp_path, *given(line, server, *more))
        assert server.most_at_once <= 2
    assert "step 2: the judge failed on 6 of the last 6 replies (6 transport)" in str(caught.value)
    (run,) = (tmp_path / "rl" / "run").iterdir()
    kept = latest_complete(run / "checkpoints")
    assert kept is not None and kept.name == "step-000001"
    (first,) = metrics(run)
    assert (
        first["judge/requests"] == 6
        and first["judge/fail_rate"] == 0.0
        and first["judge/cache_hit_rate"] == 0.0
    )
