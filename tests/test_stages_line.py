"""The stages on tiny data, in this process: what each makes, and what the next one reads of it."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stages_kit import config, dialogue, go, metrics, write

from repo_cli.config.inputs import MissingInput
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import read_manifest
from repo_cli.rollout import LocalEngine
from repo_cli.stages.data import BatchOrder


def rl(line: SimpleNamespace, runs: Path, *more: str) -> Path:
    given = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}")
    return go("rl", runs, *given, "rl.steps=2", "rl.batch_size=6", "critic.lr=0.01", *more)


def moved(before: dict[str, Any], after: dict[str, Any], part: str) -> list[bool]:
    """For each tensor whose name holds `part`: whether its values changed."""
    return [not torch.equal(before[name], after[name]) for name in before if part in name]


# -- sft ------------------------------------------------------------------------------------------------------


def test_sft_trains_all_weights_and_then_an_adapter(line: SimpleNamespace) -> None:
    losses = [row["sft/loss"] for row in metrics(line.base)]
    assert losses[-1] < 0.8 * losses[0]
    base, agent = read_manifest(line.base), read_manifest(line.sft)
    assert (base.kind, agent.kind) == ("full", "adapter")
    assert (
        agent.base == str(line.base) and agent.base_hash == base.base_hash and agent.parent == str(line.base)
    )
    assert agent.extra["metrics"]["val/loss"] < base.extra["metrics"]["val/loss"]
    assert all(
        load_file(line.sft / "adapter_model.safetensors")[n].any() for n in adapter_names(line.sft, "lora_B")
    )


def adapter_names(final: Path, part: str) -> list[str]:
    names = [name for name in load_file(final / "adapter_model.safetensors") if part in name]
    assert names
    return names


def test_sft_goes_on_from_an_adapter(line: SimpleNamespace, tmp_path: Path) -> None:
    more = go("sft", tmp_path, f"data.path={line.dialogues}", f"policy.parent={line.sft}", "sft.max_steps=2")
    before, after = (load_file(p / "adapter_model.safetensors") for p in (line.sft, more))
    assert all(moved(before, after, "lora_"))
    assert read_manifest(more).base_hash == read_manifest(line.base).base_hash


def test_b2_one_example_learnt_by_heart_ends_by_itself(line: SimpleNamespace, tmp_path: Path) -> None:
    """Overfit one dialogue; the greedy reply is the learnt one and stops at the end token."""
    row = dialogue(3)
    data = write(tmp_path / "one.jsonl", [row])
    final = go(
        "sft", tmp_path, f"data.path={data}", f"policy.parent={line.base}", "data.val_fraction=0",
        "sft.max_steps=100", "sft.epochs=100", "policy.train=full", "optim.lr=0.02",
    )  # fmt: skip
    cfg = config(
        "eval", tmp_path, f"policy.parent={final}", "rollout.temperature=0", "rollout.max_new_tokens=60"
    )
    backbone = Backbone.load(cfg)
    contexts = [backbone.fmt.context_ids(row["messages"][:i]) for i in (2, 4)]
    replies = LocalEngine(backbone, None, cfg.rollout).generate(contexts, seed=0)
    assert [r.text for r in replies] == [row["messages"][i]["content"] for i in (2, 4)]
    assert all(r.finished and r.ids[-1] in backbone.fmt.stop_ids for r in replies)


def test_the_order_of_rows_follows_from_seed_and_step_alone() -> None:
    straight, late = BatchOrder(10, 4, seed=3), BatchOrder(10, 4, seed=3)
    wanted = [straight.batch(k) for k in range(6)]
    assert late.batch(5) == wanted[5] and late.batch(1) == wanted[1]
    for epoch in (wanted[:3], wanted[3:]):
        assert sorted(i for b in epoch for i in b) == list(range(10))
    assert wanted[:3] != wanted[3:]


# -- reward model ---------------------------------------------------------------------------------------------


def test_train_rm_learns_and_stores_its_calibration(line: SimpleNamespace) -> None:
    rows = metrics(line.rm)
    assert rows[0]["train_rm/loss"] == pytest.approx(0.693, abs=0.2) and rows[-1]["train_rm/loss"] < 0.5
    manifest = read_manifest(line.rm)
    assert manifest.kind == "rm" and manifest.base_hash == read_manifest(line.base).base_hash
    assert manifest.extra["metrics"]["val/accuracy"] >= 0.75
    assert -1 <= manifest.extra["metrics"]["val/length_correlation"] <= 1
    calibration = manifest.extra["calibration"]
    assert calibration["std"] > 0 and calibration["n"] == 2 * manifest.extra["metrics"]["val/pairs"]
    assert (line.rm / "head.safetensors").is_file()


def test_calibration_is_mean_and_spread_of_the_held_out_scores(line: SimpleNamespace, tmp_path: Path) -> None:
    """Read again from the saved model in another backbone (B7: nothing is lost in saving)."""
    val = write(
        tmp_path / "val.jsonl", [json.loads(text) for text in line.pairs.read_text().splitlines()[:6]]
    )
    final = go(
        "train_rm", tmp_path, f"data.path={line.pairs}", f"data.val_path={val}", f"policy.parent={line.sft}",
        "train_rm.max_steps=2",
    )  # fmt: skip
    cfg = config("rl", tmp_path, f"policy.parent={line.sft}")
    backbone = Backbone.load(cfg)
    backbone.add_role("rm", init_from=final, head=True)
    scores = []
    for row in map(json.loads, val.read_text().splitlines()):
        for side in ("chosen", "rejected"):
            ids = torch.tensor([backbone.fmt.pair(row["prompt"], row[side][0]["content"]).ids])
            scores.append(backbone.score("rm", ids, torch.ones_like(ids)).item())
    found = read_manifest(final).extra["calibration"]
    wanted = torch.tensor(scores, dtype=torch.float64)
    assert found["mean"] == pytest.approx(float(wanted.mean()), abs=1e-5)
    assert found["std"] == pytest.approx(float(wanted.std(correction=0)), abs=1e-5)


def test_rl_refuses_a_reward_model_without_calibration_or_of_another_base(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(line.rm, bare)
    manifest = json.loads((bare / "manifest.json").read_text())
    del manifest["extra"]["calibration"]
    (bare / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"rm.path=.*bare: .*no calibration"):
        rl(line, tmp_path, f"rm.path={bare}")
    other = go(
        "sft", tmp_path, f"data.path={line.dialogues}", "policy.train=full", "sft.max_steps=1", "seed=1"
    )
    with pytest.raises(UserError, match=r"rm.path=.*: was trained on another base"):
        rl(line, tmp_path, f"policy.parent={other}")
    with pytest.raises(UserError, match="not a reward model"):
        rl(line, tmp_path, f"rm.path={line.sft}")
    with pytest.raises(MissingInput, match="rm.path"):
        rl(line, tmp_path, "rm.path=null")
    with pytest.raises(UserError, match="policy.parent=.*holds a rm, not a policy"):
        rl(line, tmp_path, f"policy.parent={line.rm}")


# -- rl -------------------------------------------------------------------------------------------------------


def test_b5_b7_repo_with_everything_switched_on(line: SimpleNamespace, tmp_path: Path) -> None:
    """Ragged prompts, dropout configured, gradient checkpointing, temperature: sampler and trainer agree in each
    step before the update, and each lora_B and the critic's head move."""
    before = load_file(line.base / "model.safetensors")
    final = rl(
        line, tmp_path, "lora.dropout=0.1", "engine.gradient_checkpointing=true", "rollout.temperature=0.7",
        "tracker.checkpoint_every=2",
    )  # fmt: skip
    rows = metrics(final)
    assert len(rows) == 2
    for row in rows:
        assert row["policy/sampler_gap_max"] < 1e-5
        assert (
            row["policy/log_ratio_max"] == 0.0
            and row["policy/clip_frac"] == 0.0
            and row["policy/ratio"] == 1.0
        )
        assert row["rollout/length_max"] <= 12 and row["rollout/replies"] == 6.0
        assert row["reward/total_min"] <= row["reward/total"] <= row["reward/total_max"]
        assert row["critic/loss"] > 0 and row["policy/grad_norm"] > 0 and 0 < row["policy/entropy"] < 7
    policy = [load_file(p / "adapter_model.safetensors") for p in (line.sft, final)]
    assert all(moved(*policy, "lora_A")) and all(moved(*policy, "lora_B"))
    assert read_manifest(final).parent == str(line.sft)
    # the critic began as the reward model (its adapter and its head), and then moved
    critic = load_file(final.parent / "checkpoints" / "step-000002" / "critic" / "model.safetensors")
    rm = load_file(line.rm / "adapter_model.safetensors")
    names = [n for n in critic if "lora_B" in n]
    assert len(names) == len([n for n in rm if "lora_B" in n]) > 0
    for name in names:
        short = name.removeprefix("base.").replace(".critic.", ".")
        start = next(value for key, value in rm.items() if key.endswith(short))
        assert 0 < (critic[name] - start).abs().max() < 0.03
    head = {n: v for n, v in critic.items() if n.startswith("heads")}
    began = load_file(line.rm / "head.safetensors")
    assert head and all(
        0 < (v - began[n.rsplit("critic.", 1)[1]]).abs().max() < 0.03 for n, v in head.items()
    )
    after = load_file(line.base / "model.safetensors")
    assert all(torch.equal(before[n], after[n]) for n in before)
    table = [
        json.loads(text)
        for text in (final.parent / "rollouts" / "step-000001.jsonl").read_text().splitlines()
    ]
    assert len(table) == 6 and {"history", "reply", "total", "rm", "kept"} <= set(table[0])


@pytest.mark.parametrize(
    "more",
    [
        (
            "algorithm=ppo",
            "algorithm.epochs=2",
            "algorithm.minibatches=2",
            "critic.init=fresh",
            "critic.warmup_steps=1",
        ),
        ("algorithm=grpo", "algorithm.group_size=3", "reward=rules_only", "rules=hotel_guardrails"),
        ("reward=rules_only", "rules=hotel_guardrails"),
        ("reward=enhance", "rules=hotel_guardrails", "rm.scale=centered", "reward.min_gain=0.1"),
        ("reward=normalised_sum", "rules=hotel_guardrails", "algorithm.whiten=false"),
    ],
    ids=lambda more: " ".join(more)[:40],
)
def test_algorithms_and_rewards_run_two_steps(
    more: tuple[str, ...], line: SimpleNamespace, tmp_path: Path
) -> None:
    rows = metrics(rl(line, tmp_path, *more))
    assert len(rows) == 2
    grpo = "algorithm=grpo" in more
    for row in rows:
        assert ("critic/loss" in row) != grpo and row["reward/kept_frac"] == 1.0
    if "critic.warmup_steps=1" in more:
        assert "policy/loss" not in rows[0] and "policy/loss" in rows[1]
        assert rows[1]["policy/sampler_gap_max"] < 1e-4 and rows[1]["policy/log_ratio_max"] > 0
    if "reward=rules_only" in more:
        assert "reward/rm" not in rows[0] and rows[0]["reward/total"] == rows[0]["reward/rules"]


def test_b5_old_and_new_logps_agree_while_nothing_moves(line: SimpleNamespace, tmp_path: Path) -> None:
    """Rollouts used twice (old log-probs from a pass of their own), learning rate 0, unmerged sampling."""
    rows = metrics(
        rl(line, tmp_path, "algorithm.epochs=2", "optim.lr=0", "lora.dropout=0.1", "rollout.merge=false")
    )
    for row in rows:
        assert row["policy/log_ratio_max"] < 1e-5 and row["policy/clip_frac"] == 0.0
        assert row["policy/sampler_gap_max"] < 1e-5


def test_the_kl_to_the_start_is_0_at_first_and_then_not(line: SimpleNamespace, tmp_path: Path) -> None:
    rows = metrics(rl(line, tmp_path, "algorithm=ppo", "algorithm.kl_coef=0.1", "optim.lr=0.003"))
    assert abs(rows[0]["policy/kl_to_start"]) < 1e-5 < abs(rows[1]["policy/kl_to_start"])


def test_preflight_stops_a_run_whose_sampler_is_not_its_policy(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalEngine.generate

    def warm(self: LocalEngine, *given: Any, **more: Any) -> Any:
        """The sampler of a run that forgot the temperature."""
        return real(LocalEngine(self.backbone, self.role, replace(self.cfg, temperature=1.0)), *given, **more)

    monkeypatch.setattr(LocalEngine, "generate", warm)
    with pytest.raises(UserError, match="rl.preflight: the sampled log-probs differ"):
        rl(line, tmp_path, "rollout.temperature=0.6")
    assert len(metrics(rl(line, tmp_path, "rollout.temperature=0.6", "rl.preflight=false"))) == 2


def test_development_dialogues_are_looked_at_and_change_nothing(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    long = ("policy.max_length=1024", "eval.max_turns=2")
    plain = rl(line, tmp_path, *long)
    looked = rl(line, tmp_path, *long, "rl.eval_every=2", "rl.eval_n=3")
    start, first, second = metrics(looked)
    assert start["step"] == 0 and "reward/total" not in start and "dev/rating" not in first
    for look in (start, second):
        assert 1 <= look["dev/rating"] <= 5 and 0 <= look["dev/deals"] <= 1 and math.isfinite(look["dev/rm"])
        found = [look[f"dev/{name}"] for name in ("negotiation", "emotional_value") if f"dev/{name}" in look]
        assert found and min(found) <= look["dev/persuasion"] <= max(found)
    a, b = (load_file(p / "adapter_model.safetensors") for p in (plain, looked))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_judge_on_the_same_base(line: SimpleNamespace, tmp_path: Path) -> None:
    """Judge rows -> sft -> RL with judge and rules; what the judge failed on is left out, never counted as 0."""
    criteria = config("rl", tmp_path).rubric.criteria
    scores = [
        {"prompt": d["messages"][:2], "reply": d["messages"][2]["content"], "scenario": d["scenario"],
         "scores": {name: 1 + (i + k) % 5 for k, name in enumerate(criteria)}}
        for i, d in enumerate(dialogue(i) for i in range(24))
    ]  # fmt: skip
    data = write(tmp_path / "judge.jsonl", scores)
    long = ("policy.max_length=1024", "judge.prompt=compact", "judge.max_length=1000")
    judge = go(
        "sft",
        tmp_path,
        f"data.path={data}",
        f"policy.parent={line.base}",
        "sft.max_steps=8",
        "optim.lr=0.02",
        *long,
    )
    rows = metrics(
        rl(
            line,
            tmp_path,
            "judge=local",
            f"judge.path={judge}",
            "reward=enhance",
            "rules=hotel_guardrails",
            *long,
        )
    )
    for row in rows:
        assert 0.0 <= row["judge/fail_rate"] <= 1.0
        assert row["reward/kept_frac"] == pytest.approx(1.0 - row["judge/fail_rate"])
        assert ("reward/judge" in row) == (row["judge/fail_rate"] < 1.0)


# -- eval -----------------------------------------------------------------------------------------------------


def test_eval_rates_every_system_on_the_same_scenarios(line: SimpleNamespace, tmp_path: Path) -> None:
    final = rl(line, tmp_path, "rl.steps=1")
    out = go(
        "eval", tmp_path, f"eval.systems={{base: {line.base}, sft: {line.sft}, repo: {final}}}", "eval.n_online=2",
        "eval.n_badcases=1", "eval.n_replies=2", "eval.max_turns=2", "eval.bootstrap=100", "policy.max_length=1024",
        "rollout.temperature=1.0",
    )  # fmt: skip
    data = json.loads((out / "eval.json").read_text())
    assert list(data["systems"]) == ["base", "sft", "repo"]
    seen = {name: [d["scenario_id"] for d in s["dialogues"]] for name, s in data["systems"].items()}
    assert len(seen["base"]) == len(set(seen["base"])) == 2 and seen["base"] == seen["sft"] == seen["repo"]
    for system in data["systems"].values():
        assert all(1 <= d["rating"] <= 5 for d in system["dialogues"]) and len(system["badcases"]) == 1
        assert all("hotel_hidden" not in d["scenario"] for d in system["dialogues"])
    # each system spoke with its own weights, though all share one base in memory
    said = {json.dumps([s["dialogues"], s["badcases"]], sort_keys=True) for s in data["systems"].values()}
    assert len(said) == 3
    assert "<html" in (out / "report.html").read_text()[:400].lower()


def test_context_weight_learns_the_partners_words_as_well(line: SimpleNamespace, tmp_path: Path) -> None:
    """With weight 1 the loss is over every token but the first of a sample; with 0 it is the agent's tokens alone."""
    given = (
        f"data.path={line.dialogues}",
        "policy.train=full",
        "sft.max_steps=12",
        "sft.batch_size=8",
        "optim.lr=0.02",
    )
    held = {}
    for weight in (0.0, 1.0):
        final = go("sft", tmp_path, *given, f"sft.context_weight={weight}", f"name=w{int(weight)}")
        backbone = Backbone.load(config("sft", tmp_path), "cpu", parent=str(final))
        rows = [dialogue(i)["messages"] for i in range(6)]
        ids = [backbone.fmt.context_ids(row[:2]) for row in rows]
        partner = []
        for row in ids:  # nothing of the agent's is in these contexts
            tokens = torch.tensor([row])
            ones = torch.ones_like(tokens)
            partner.append(float(backbone.logps(None, tokens, ones, ones).sum()) / (len(row) - 1))
        held[weight] = sum(partner) / len(partner)
    assert held[1.0] > held[0.0] + 0.5


def test_an_offset_takes_other_held_out_scenarios(line: SimpleNamespace, tmp_path: Path) -> None:
    long = (f"eval.systems.sft={line.sft}", "policy.max_length=1024", "eval.max_turns=1", "eval.n_badcases=2")

    def ids(offset: int, count: int) -> tuple[list[str], list[str]]:
        out = go(
            "eval", tmp_path, *long, f"eval.n_online={count}", f"eval.offset={offset}", f"name=o{offset}"
        )
        system = json.loads((out / "eval.json").read_text(encoding="utf-8"))["systems"]["sft"]
        return [d["scenario_id"] for d in system["dialogues"]], [b["case_id"] for b in system["badcases"]]

    (first, cases), (later, later_cases) = ids(0, 4), ids(2, 3)
    assert first[2:] == later[:2] and len(set(first + later)) == 5
    assert len(cases) == len(later_cases) == 2 and not set(cases) & set(later_cases)
