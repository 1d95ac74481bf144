"""Reward model and ensemble on a real tiny backbone: calibration, scales, refusals, missing scores,
metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from reward_parts_kit import RUBRIC, RULES, by_numpy, made_ensemble, made_parts
from training_kit import small_backbone, small_config

from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import SavedStop, UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import write_manifest
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.judge_prompt import ITS_OWN_DOING, OUTCOMES, JudgeScore
from repo_cli.rewards.judge_watch import JudgeWatch
from repo_cli.rewards.reward_model import Calibration, RewardModel
from repo_cli.rewards.rubric import Rubric
from repo_cli.rewards.scores import RewardParts

NAN = float("nan")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return small_backbone()


def final(backbone: Backbone, folder: Path, extra: dict[str, Any] | None, kind: str = "rm") -> Path:
    backbone.save_role("rm", folder)
    write_manifest(folder, kind, backbone.base_hash, "tiny", extra=extra)
    return folder


GOOD = {"calibration": {"mean": 0.5, "std": 2.0, "n": 40}}


def samples(texts: Sequence[str], backbone: Backbone) -> list[Sample]:
    prompt = [{"role": "user", "content": "Hello?"}]
    return [backbone.fmt.pair(prompt, text) for text in texts]


TEXTS = [
    "Thank you.",
    "The price is 388 a night, thank you.",
    "bad",
    "I see your point, and my margin is thin.",
]


def test_calibration_by_hand() -> None:
    scores = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]
    made = Calibration.fit(scores)
    assert (made.mean, made.n) == (2.5, 8) and made.std == pytest.approx(1.25**0.5)
    assert Calibration.from_json(json.loads(json.dumps(made.to_json())), "x") == made
    raw = torch.tensor([0.5, 2.5, 5.0])
    z = (raw - 2.5) / 1.25**0.5
    torch.testing.assert_close(made.scale(raw, "centered"), z)
    torch.testing.assert_close(made.scale(raw, "shifted", 2.0), z + 2)
    torch.testing.assert_close(made.scale(raw, "sigmoid"), 1 / (1 + (-z).exp()))
    assert made.scale(raw, "raw") is raw
    assert (made.scale(torch.linspace(-50, 50, 9), "sigmoid") >= 0).all()
    for bad in ([1.0] * 9, [1.0, 2.0], [1.0] * 8 + [NAN]):
        with pytest.raises(UserError):
            Calibration.fit(bad)
    with pytest.raises(UserError, match="rm.scale=linear"):
        made.scale(raw, "linear")


@pytest.mark.parametrize(
    ("extra", "kind", "said"),
    [
        (None, "rm", "no calibration"),
        ({"calibration": {"mean": 0.0, "std": 0.0, "n": 40}}, "rm", "all alike"),
        ({"calibration": {"mean": NAN, "std": 1.0, "n": 40}}, "rm", "not finite"),
        ({"calibration": {"mean": 0.0}}, "rm", "broken"),
        ({"calibration": [1, 2]}, "rm", "broken"),
        (GOOD, "adapter", "not a reward model"),
    ],
)
def test_rl_refuses_a_reward_model_that_cannot_serve(
    backbone: Backbone, tmp_path: Path, extra: Any, kind: str, said: str
) -> None:
    folder = final(backbone, tmp_path / "final", extra, kind)
    with pytest.raises(UserError) as caught:
        RewardModel.open(backbone, folder)
    assert said in str(caught.value) and "rm.path" in str(caught.value)


def test_rl_refuses_a_reward_model_of_another_base(backbone: Backbone, tmp_path: Path) -> None:
    folder = tmp_path / "final"
    backbone.save_role("rm", folder)
    write_manifest(folder, "rm", "0" * 64, "elsewhere/base", extra=GOOD)
    with pytest.raises(UserError, match="another base.*elsewhere/base"):
        RewardModel.open(backbone, folder)


def test_scores_are_calibrated_and_do_not_depend_on_batches(backbone: Backbone, tmp_path: Path) -> None:
    model = RewardModel.open(backbone, final(backbone, tmp_path / "final", GOOD), "centered")
    rows = samples(TEXTS, backbone)
    raw = model.raw(rows, 4096)
    for row, sample in enumerate(rows):
        ids = torch.tensor([sample.ids])
        with torch.no_grad():
            alone = backbone.score("rm", ids, torch.ones_like(ids))
        assert float(raw[row]) == pytest.approx(float(alone), abs=1e-5)
    assert raw.std() > 1e-3
    torch.testing.assert_close(model.score(rows, 1), (raw - 0.5) / 2.0, atol=1e-5, rtol=1e-5)


def make(
    backbone: Backbone, tmp_path: Path, judge: Any = None, rules: Any = RULES, **changes: Any
) -> Ensemble:
    cfg = small_config(
        rm__path=str(final(backbone, tmp_path / "final", GOOD)),
        rm__scale="centered",
        rules__rules=rules,
        **changes,
    )
    return Ensemble(cfg, backbone, judge)


def items(backbone: Backbone) -> list[dict[str, Any]]:
    return [
        {"scenario": {}, "history": [], "reply": t, "sample": s}
        for t, s in zip(TEXTS, samples(TEXTS, backbone), strict=True)
    ]


class HandJudge:
    """Stands where a judge behind an API will: typed outcomes, and scores only where it succeeded."""

    rubric = Rubric.of(RUBRIC)

    def score(self, items: Sequence[Any]) -> list[JudgeScore]:
        return [
            JudgeScore({"R1": 5.0, "R4": 4.0}),
            JudgeScore({"R1": 1.0, "R4": 5.0}),
            JudgeScore({"R1": 5.0, "R4": 5.0}, "transport"),
            JudgeScore({"R1": None, "R4": None}),
        ]


def test_parts_stay_apart_and_the_total_is_the_papers(backbone: Backbone, tmp_path: Path) -> None:
    ensemble = make(backbone, tmp_path)
    parts = ensemble.score(items(backbone))
    assert parts.rules.tolist() == [-0.5, 0.0, -2.5, -0.5] and parts.hard.tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert parts.judge.isnan().all() and parts.judge_outcomes == []
    total, keep, stats = ensemble.total(parts)
    want = parts.rm + parts.rm.abs() * parts.rules.clamp(-2, 2) / 2
    torch.testing.assert_close(total, want)
    assert keep.all()  # no judge is asked for, so none is missing
    assert stats["reward/rm"] == pytest.approx(float(parts.rm.mean()), abs=1e-6)
    assert stats["reward/rules"] == pytest.approx(-3.5 / 4)
    assert stats["reward/rules/A"] == pytest.approx(-0.5) and stats["reward/rules/B"] == pytest.approx(
        -1.5 / 4
    )
    assert stats["reward/hard_broken_frac"] == 0.25
    assert stats["reward/total_std"] == pytest.approx(float(total.double().std(correction=0)), abs=1e-6)
    assert stats["reward/total_min"] == pytest.approx(float(total.min()), abs=1e-6)
    row = json.loads(json.dumps(parts.row(2)))
    assert row["judge"] is None and row["fired"][0][:3] == ["A", "hard", -2.0] and row["rules"] == -2.5


def test_veto_in_a_run(backbone: Backbone, tmp_path: Path) -> None:
    ensemble = make(backbone, tmp_path, reward__veto=3.0)
    parts = ensemble.score(items(backbone))
    total, _, _ = ensemble.total(parts)
    assert float(total[2]) <= -3.0 and (total[:2] > -3.0).all()


@pytest.mark.parametrize("on_missing", ["drop_row", "rules_only"])
def test_a_missing_judge_score_is_never_zero(backbone: Backbone, tmp_path: Path, on_missing: str) -> None:
    ensemble = make(
        backbone, tmp_path, HandJudge(), judge__kind="local", judge__on_missing=on_missing, judge__weight=0.5
    )
    parts = ensemble.score(items(backbone))
    # R1=5, R4=4 -> mean 0.75; R1=1 is a gate -> -0.5; a failed call and all-not-applicable -> no score
    assert (
        parts.judge[:2].tolist() == pytest.approx([0.5 * 0.75, 0.5 * -0.5]) and parts.judge[2:].isnan().all()
    )
    assert parts.judge_criteria["R4"][2].isnan()  # numbers of a failed call are not used
    total, keep, stats = ensemble.total(parts)
    assert keep.tolist() == ([True, True, False, False] if on_missing == "drop_row" else [True] * 4)
    want = parts.rm + parts.rm.abs() * (parts.judge.nan_to_num() + parts.rules).clamp(-2, 2) / 2
    torch.testing.assert_close(total[keep], want[keep])
    assert stats["judge/fail_rate"] == 0.25 and stats["reward/judge/R1"] == pytest.approx(3.0)
    assert stats["judge/asked"] == 4  # the one that failed too
    assert stats["reward/kept_frac"] == (0.5 if on_missing == "drop_row" else 1.0)
    dropped = ["", "", "judge: transport", "judge: not_applicable"]
    assert parts.left_out == (dropped if on_missing == "drop_row" else [""] * 4)


class OutcomeJudge(HandJudge):
    """Scores the first reply, and fails on the others in one way, with the best of scores inside."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome

    def score(self, items: Sequence[Any]) -> list[JudgeScore]:
        best = {"R1": 5.0, "R4": 5.0}
        return [JudgeScore({"R1": 4.0, "R4": 3.0})] + [JudgeScore(best, self.outcome) for _ in items[1:]]


@pytest.mark.parametrize("on_missing", ["drop_row", "rules_only"])
@pytest.mark.parametrize("outcome", [kind for kind in OUTCOMES if kind not in ("ok", "screened")])
def test_no_failure_of_the_judge_is_a_score(
    backbone: Backbone, tmp_path: Path, outcome: str, on_missing: str
) -> None:
    """Whatever the judge's failure, no number of it reaches the reward; breaking the judge oneself never pays."""
    ensemble = make(
        backbone, tmp_path, OutcomeJudge(outcome), judge__on_missing=on_missing, judge__max_failed=None
    )
    parts = ensemble.score(items(backbone))
    total, keep, stats = ensemble.total(parts)
    assert parts.judge.isnan().tolist() == [False, True, True, True]
    assert all(x[1:].isnan().all() for x in parts.judge_criteria.values())
    own = outcome in ("refused", "unparsable", "off_scale", "too_long")
    assert own == (outcome in ITS_OWN_DOING)
    alone = on_missing == "rules_only" and not own  # the rules alone correct such a reply
    assert keep.tolist() == [True] + [alone] * 3
    torch.testing.assert_close(parts.e[1:], parts.rules[1:].clamp(-2, 2))
    want = parts.rm + parts.rm.abs() * parts.rules.clamp(-2, 2) / 2
    torch.testing.assert_close(total[1:], want[1:] if alone else torch.zeros(3))
    assert parts.left_out == [""] + ["" if alone else f"judge: {outcome}"] * 3
    assert stats[f"judge/outcome/{outcome}"] == stats["reward/judge_not_scored_frac"] == 0.75
    assert stats["judge/fail_rate"] == (0.0 if outcome == "not_applicable" else 0.75)
    assert stats["reward/judge"] == pytest.approx(0.25) and stats["reward/judge/R1"] == 4.0
    row = json.loads(json.dumps(parts.row(1)))
    assert row["judge"] is None and row["criteria"] == {"R1": None, "R4": None}
    assert row["e"] == pytest.approx(float(parts.rules[1]))


@pytest.mark.parametrize("on_missing", ["drop_row", "rules_only"])
@pytest.mark.parametrize(("combine", "veto"), [("enhance", None), ("enhance", 0.5), ("rm", 0.5)])
def test_every_figure_is_that_of_numpy(combine: str, veto: float | None, on_missing: str) -> None:
    cfg = small_config(reward__combine=combine, reward__veto=veto, judge__on_missing=on_missing)
    parts = made_parts()
    _, keep, stats = made_ensemble(cfg).total(parts)
    want = by_numpy(parts, combine, cfg.reward.n, veto, on_missing)
    assert {k: stats[k] for k in want} == pytest.approx(want, rel=1e-4, abs=1e-6)
    assert {name for name in stats if not name.startswith("judge/")} <= want.keys()
    moving = (
        "reward/rm_e_correlation",
        "reward/opposed_frac",
        "reward/rm_muted_frac",
        "reward/rules_timeout_frac",
    )
    assert all(0.02 < abs(want[name]) < 0.98 for name in moving), {name: want[name] for name in moving}
    shares = [v for k, v in stats.items() if k.startswith("reward/variance_share/")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4) and len(shares) == (4 if combine == "enhance" else 2)
    assert [not reason for reason in parts.left_out] == keep.tolist() and not keep.all()
    if combine == "enhance":
        assert parts.row(1)["multiplier"] == pytest.approx(
            1 + (1 if parts.rm[1] >= 0 else -1) * float(parts.e[1]) / cfg.reward.n, abs=1e-5
        )


def test_combinations_build_only_what_they_read(backbone: Backbone, tmp_path: Path) -> None:
    rules_only = Ensemble(small_config(reward__combine="rules", rules__rules=RULES), backbone)
    assert rules_only.rm is None and rules_only.judge is None
    parts = rules_only.score(items(backbone))
    total, keep, stats = rules_only.total(parts)
    assert torch.equal(total, parts.rules) and keep.all() and "reward/rm" not in stats
    summed = make(backbone, tmp_path, reward__combine="normalised_sum")
    parts = summed.score(items(backbone))
    total, _, _ = summed.total(parts)
    for x in (parts.rm, parts.rules):
        assert float(x.std()) > 0
    z = sum((x - x.mean()) / x.std(correction=0) for x in (parts.rm, parts.rules))
    torch.testing.assert_close(total, z, atol=1e-4, rtol=1e-4)


def test_judge_alone_without_a_score_leaves_the_reply_out() -> None:
    cfg = small_config(reward__combine="judge", judge__on_missing="rules_only")
    ensemble = Ensemble(cfg, None, HandJudge())  # type: ignore[arg-type]
    parts = ensemble.score([{"scenario": {}, "history": [], "reply": "x"}] * 4)
    total, keep, _ = ensemble.total(parts)
    assert keep.tolist() == [True, True, False, False] and total.isfinite().all()


def test_a_reward_model_gone_wild_stops_the_step(backbone: Backbone, tmp_path: Path) -> None:
    ensemble = make(backbone, tmp_path)
    head = backbone.heads["rm"]
    kept = {k: v.clone() for k, v in head.state_dict().items()}
    try:
        for p in head.parameters():
            p.data.fill_(NAN)
        parts = ensemble.score(items(backbone))
        with pytest.raises(SavedStop, match=r"rm.path=.*not finite for 4 of 4 replies"):
            ensemble.total(parts)
    finally:
        head.load_state_dict(kept)


def test_an_empty_share_of_the_batch_is_no_trouble(backbone: Backbone, tmp_path: Path) -> None:
    ensemble = make(backbone, tmp_path)
    total, keep, stats = ensemble.total(ensemble.score([]))
    assert len(total) == len(keep) == 0 and all(v == v for v in stats.values())
    assert isinstance(ensemble.score([]), RewardParts)


def test_the_watch_on_the_judge_goes_on_where_it_was() -> None:
    """Half of ten replies in the window fail over three steps; a run resumed after the second stops at the third too."""
    cfg = small_config(judge__max_failed=0.5, judge__failed_window=10).judge

    def step(watch: JudgeWatch, failed: int) -> None:
        lost = JudgeScore({}, "transport", detail="http 500")
        watch.note([lost] * failed + [JudgeScore({"R1": 4.0}, "ok")] * (4 - failed))
        watch.check()

    straight = JudgeWatch(cfg)
    for failed in (3, 2):
        step(straight, failed)
    resumed = JudgeWatch(cfg)
    resumed.load_state(json.loads(json.dumps(straight.state())))
    told = []
    for watch in (straight, resumed):
        with pytest.raises(SavedStop) as caught:
            step(watch, 1)
        told.append(caught.value.message)
    assert (
        told[0] == told[1] and "failed on 6 of the last 12 replies (6 transport); first: http 500" in told[0]
    )
    fresh = JudgeWatch(cfg)
    fresh.load_state({})
    step(fresh, 1)
