"""PPO, GRPO and their variants on the real stage and on recorded rollouts: KL, length norms, GDPO, groups without spread."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stages_kit import metrics
from test_stages_line import rl
from test_stages_rollout import record, rl_config

from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.scores import RewardParts
from repo_cli.rollout import LocalEngine
from repo_cli.stages.experience import Item, advantages_, collect
from repo_cli.stages.groups import advantages_in_groups, resample_flat_

GRPO = ("algorithm=grpo", "algorithm.group_size=3", "rl.batch_size=6")


# -- whole steps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        ("algorithm=ppo", "algorithm.kl_estimator=k3", "algorithm.kl_reference=base"),
        ("algorithm=ppo", "algorithm.kl_estimator=k2", "algorithm.kl_in=loss", "algorithm.epochs=2"),
        (*GRPO, "algorithm.kl_estimator=k3", "algorithm.kl_in=loss", "algorithm.length_norm=reply"),
    ],
    ids=lambda more: " ".join(more)[:60],
)
def test_kl_to_either_reference(more: tuple[str, ...], line: SimpleNamespace, tmp_path: Path) -> None:
    """From the start it is 0 in the first step; from the base, which the SFT agent has left, it is not."""
    rows = metrics(rl(line, tmp_path, "algorithm.kl_coef=0.1", "optim.lr=0.003", *more))
    if "algorithm.kl_reference=base" in more:
        # the estimate of a few sampled replies may fall below 0
        assert all(abs(row["policy/kl_to_base"]) > 1e-3 and "policy/kl_to_start" not in row for row in rows)
    else:
        assert abs(rows[0]["policy/kl_to_start"]) < 1e-5 < abs(rows[1]["policy/kl_to_start"])


def test_dr_grpo_and_gdpo_take_their_steps(line: SimpleNamespace, tmp_path: Path) -> None:
    plain = metrics(
        rl(line, tmp_path, *GRPO, "algorithm.scale_groups=false", "algorithm.length_norm=constant")
    )
    assert all(row["policy/grad_norm"] > 0 and 0 <= row["group/flat_frac"] < 1 for row in plain)
    several = ("algorithm.gdpo=true", "reward=weighted_sum", "rules=hotel_guardrails", "rm.scale=centered")
    rows = metrics(rl(line, tmp_path, *GRPO, *several))
    assert all(row["policy/grad_norm"] > 0 and "reward/rules" in row for row in rows)
    assert rows[0]["policy/loss"] == pytest.approx(0.0, abs=0.5)


def test_groups_that_teach_nothing_are_counted_and_replaced(line: SimpleNamespace, tmp_path: Path) -> None:
    """A rule that no reply meets gives equal totals: every group is flat, however often it is drawn anew."""
    rule = "{about: never met, severity: soft, require: [QQQQ], on_miss: -1.0}"
    quiet = ("reward=rules_only", "rules=none", f"rules.rules={{X: {rule}}}")
    rows = metrics(rl(line, tmp_path, *GRPO, *quiet, "algorithm.resample=2"))
    for row in rows:
        assert row["group/flat_frac"] == 1.0 and row["group/resampled"] == 4.0  # 2 groups, 2 turns
        assert row["policy/grad_norm"] == 0.0


# -- recorded rollouts ----------------------------------------------------------------------------------------


def test_a_flat_group_is_replaced_in_items_and_scores(line: SimpleNamespace, tmp_path: Path) -> None:
    cfg = rl_config(
        line, tmp_path, "algorithm=grpo", "algorithm.group_size=2", "rl.batch_size=8", "algorithm.resample=3"
    )
    backbone, _, items, session = record(cfg, 8)
    ensemble = Ensemble(cfg, backbone)
    parts = ensemble.score([item.as_scored() for item in items])
    parts.rm[2:4] = 0.25  # the second group is flat
    before, kept = list(items), parts.rm.clone()
    prompts = [(item.row, item.sample.ids[: item.sample.start]) for item in items]
    asked: list[int] = []

    def sample(drawn: list[Any], seed: int) -> list[Item]:
        asked.append(len(drawn))
        assert drawn[0] is drawn[1]  # a group has one prompt
        return collect(LocalEngine(backbone, "policy", cfg.rollout), drawn, seed)

    assert resample_flat_(items, parts, ensemble, prompts, sample, cfg, seed=5) == len(asked) >= 1
    assert all(n == 2 for n in asked)
    assert [a is b for a, b in zip(items, before, strict=True)] == [True] * 2 + [False] * 2 + [True] * 4
    assert torch.equal(parts.rm[[0, 1, 4, 5, 6, 7]], kept[[0, 1, 4, 5, 6, 7]]) and parts.rm[2] != parts.rm[3]
    again = ensemble.score([item.as_scored() for item in items])
    assert torch.allclose(again.rm, parts.rm, atol=1e-5)  # scores lie with their replies
    assert resample_flat_(items, parts, ensemble, prompts, sample, cfg, seed=5) == 0
    session.__exit__(None, None, None)


def test_scores_are_put_in_place_by_part() -> None:
    def parts(base: float, n: int) -> RewardParts:
        x = base + torch.arange(n, dtype=torch.float32)
        outcomes = [f"{base}-{i}" for i in range(n)]
        return RewardParts(x, x + 0.1, x + 0.2, {"R1": x + 0.3}, outcomes, x + 0.4, [{}] * n, list(outcomes))  # type: ignore[arg-type]

    mine = parts(0.0, 4)
    mine.put([3, 1], parts(10.0, 2))
    assert mine.rm.tolist() == [0.0, 11.0, 2.0, 10.0]
    assert mine.judge_outcomes == mine.rule_results == ["0.0-0", "10.0-1", "0.0-2", "10.0-0"]
    assert mine.judge_criteria["R1"][3] == pytest.approx(10.3) and mine.judge_mass[1] == pytest.approx(11.4)
    mine.put([], parts(5.0, 0))
    assert len(mine) == 4


def test_gdpo_is_normalised_over_the_batch_after_its_sum(line: SimpleNamespace, tmp_path: Path) -> None:
    given = (
        "algorithm=grpo",
        "algorithm.group_size=4",
        "rl.batch_size=8",
        "reward=weighted_sum",
        "algorithm.gdpo=true",
    )
    cfg = rl_config(line, tmp_path, *given, "algorithm.scale_groups=true").algorithm
    g = torch.Generator().manual_seed(1)
    sources = torch.stack(
        [torch.randn(8, generator=g), torch.full((8,), torch.nan), 50 * torch.randn(8, generator=g)]
    )
    keep = [True] * 7 + [False]
    found = advantages_in_groups(sources.nansum(0), keep, cfg, ([1.0, 1.0, 0.5], sources))
    assert found[7] == 0 and float(found[:7].mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(found[:7].var(correction=0)) == pytest.approx(1.0, abs=1e-4)


def relative(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    x, y = (torch.cat([g.flatten() for g in part]).double() for part in (a, b))
    return float((x - y).norm() / y.norm())


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("algorithm=ppo", "algorithm.kl_coef=0.3", "algorithm.kl_in=loss", "algorithm.kl_estimator=k3",
         "algorithm.kl_reference=base"),
        ("algorithm=grpo", "algorithm.group_size=4", "algorithm.length_norm=reply", "rl.batch_size=8"),
        ("algorithm=grpo", "algorithm.group_size=4", "algorithm.length_norm=constant", "rl.batch_size=8"),
    ],
    ids=lambda more: " ".join(more)[:60],
)  # fmt: skip
def test_b10_the_split_changes_less_than_1e5_of_any_methods_gradient(
    more: tuple[str, ...], line: SimpleNamespace, tmp_path: Path
) -> None:
    """The second update (the first moves the policy away from its rollout), whole and one reply at a time, fp32."""
    found: list[dict[str, list[torch.Tensor]]] = []
    for budget in (100_000, 1):
        cfg = rl_config(line, tmp_path, *more, f"engine.micro_tokens={budget}", "optim.lr=0.001")
        _, updater, items, session = record(cfg)
        updater.once = False  # old log-probs from a pass of their own, so that ratios differ from 1
        updater.values_(items)
        totals = torch.tensor([(-1.0) ** i * (1 + 0.3 * i) for i in range(len(items))])
        advantages_(items, totals, torch.ones(len(items), dtype=torch.bool), cfg.algorithm)
        updater.update(items, 0)
        seen: dict[str, list[torch.Tensor]] = {}
        for role, train in (("policy", updater.policy), ("critic", updater.critic)):
            if train is not None:
                train.inner.register_step_pre_hook(
                    lambda *_, r=role, t=train, s=seen: s.update({r: [p.grad.clone() for p in t.parameters]})
                )
        assert updater.update(items, 1)["policy/log_ratio_max"] > 1e-4
        session.__exit__(None, None, None)
        found.append(seen)
    assert found[0].keys() == found[1].keys() and "policy" in found[0]
    for role, gradient in found[0].items():
        assert relative(found[1][role], gradient) < 1e-5, role


@pytest.mark.parametrize("kind", ["token", "reply", "constant"])
def test_the_stages_loss_is_the_named_mean(kind: str, line: SimpleNamespace, tmp_path: Path) -> None:
    """Before the first update the ratio is 1, so the loss is minus a mean of advantages, by hand over ragged replies."""
    given = ("algorithm=grpo", "algorithm.group_size=4", "rl.batch_size=8", f"algorithm.length_norm={kind}")
    cfg = rl_config(line, tmp_path, *given)
    _, updater, items, session = record(cfg)
    updater.values_(items)
    advantages_(items, torch.arange(8.0).square(), torch.ones(8, dtype=torch.bool), cfg.algorithm)
    sums, lengths = [float(i.advantages.sum()) for i in items], [len(i.reply.ids) for i in items]
    assert len(set(lengths)) > 1
    wanted = {
        "token": sum(sums) / sum(lengths),
        "reply": sum(s / n for s, n in zip(sums, lengths, strict=True)) / 8,
        "constant": sum(sums) / (8 * cfg.rollout.max_new_tokens),
    }[kind]
    assert updater.update(items, 0)["policy/loss"] == pytest.approx(-wanted, abs=1e-5)
    session.__exit__(None, None, None)


def test_a_kl_in_the_loss_is_that_of_the_tokens(line: SimpleNamespace, tmp_path: Path) -> None:
    """With all advantages 0 the loss is the penalty alone: its coefficient times the mean k3, worked out here."""
    given = ("algorithm=ppo", "algorithm.kl_coef=0.5", "algorithm.kl_in=loss", "algorithm.kl_estimator=k3")
    cfg = rl_config(line, tmp_path, *given, "algorithm.whiten=false")
    _, updater, items, session = record(cfg, 5)
    updater.values_(items)
    for item in items:
        item.ref_logps = item.ref_logps - torch.linspace(0.1, 0.9, len(item.reply.ids))
        item.advantages = torch.zeros(len(item.reply.ids))
        item.returns = item.values
    terms = []
    for item in items:
        for mine, theirs in zip(item.reply.logps, item.ref_logps.tolist(), strict=True):
            terms.append(math.exp(theirs - mine) - 1 - (theirs - mine))
    found = updater.update(items, 0)
    assert found["policy/loss"] == pytest.approx(0.5 * sum(terms) / len(terms), rel=1e-3)
    assert found["policy/grad_norm"] > 0
    session.__exit__(None, None, None)


def test_entropy_is_that_of_the_whole_vocabulary(line: SimpleNamespace, tmp_path: Path) -> None:
    """`logps_entropy` against sums over all tokens in float64, from the plain model's logits."""
    cfg = rl_config(line, tmp_path)
    backbone, _, items, session = record(cfg, 3)
    assert isinstance(backbone, Backbone)
    for item in items:
        ids, mask = torch.tensor([item.sample.ids]), torch.tensor([item.sample.mask])
        with torch.no_grad():
            logps, entropy = backbone.logps_entropy(
                "policy", ids, torch.ones_like(ids), mask, temperature=0.8
            )
            backbone.use("policy")
            table = (backbone.base(input_ids=ids).logits[0].double() / 0.8).log_softmax(-1)
        for t in range(item.sample.start, len(item.sample.ids)):
            row = table[t - 1]
            assert float(entropy[0, t]) == pytest.approx(-float((row.exp() * row).sum()), abs=1e-4)
            assert float(logps[0, t]) == pytest.approx(float(row[item.sample.ids[t]]), abs=1e-5)
    session.__exit__(None, None, None)


# -- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("algorithm=ppo", "algorithm.kl_coef=0.1", "algorithm.kl_in=loss"), "its gradient has mean 0"),
        (("algorithm.gdpo=true",), "algorithm.gdpo=True with algorithm.name=repo"),
        (("algorithm=ppo", "algorithm.resample=1"), "algorithm.resample=1 with algorithm.name=ppo"),
        (
            ("algorithm=grpo", "algorithm.gdpo=true", "reward=rm_only"),
            "algorithm.gdpo=true with reward.combine=rm",
        ),
        (("algorithm.kl_coef=0.1",), "REPO has no reference model"),
    ],
)
def test_settings_that_clash(given: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        compose("rl", [*given, "rules=none"] + ([] if "reward=rm_only" in given else ["reward=rm_only"]))
