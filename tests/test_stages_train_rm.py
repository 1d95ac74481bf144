"""`repo train-rm` on tiny data: gate, options of the loss, calibration and report, and who may use the model."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stages_kit import config, go, metrics, pair, settings, write

from repo_cli.cli import main
from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import read_manifest
from repo_cli.rewards.reward_model import RewardModel
from repo_cli.training.checkpoint import latest_complete


def train(
    line: SimpleNamespace, runs: Path, rows: list[dict[str, Any]], *more: str, held: Any = None
) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    data = write(runs / "pairs.jsonl", rows)
    val = [f"data.val_path={write(runs / 'val.jsonl', held)}"] if held is not None else []
    return go(
        "train_rm",
        runs,
        f"data.path={data}",
        f"policy.parent={line.base}",
        "train_rm.batch_size=8",
        *val,
        *more,
    )


# -- the gate -------------------------------------------------------------------------------------------------


def test_the_gate_is_shown_before_training_and_kept_in_the_report(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = [pair(i) for i in range(100, 108)]
    turned = {**pair(3), "chosen": pair(3)["rejected"], "rejected": pair(3)["chosen"]}
    rows = [*(pair(i) for i in range(20)), pair(5), turned, pair(101)]
    final = train(line, tmp_path, rows, "train_rm.max_steps=2", held=held)
    said = capsys.readouterr().out
    assert said.index("Preference pairs") < said.index("Reward model on 8 held-out pairs")
    counts = json.loads((final.parent / rm_report.NAME).read_text())["data"]["train"]
    assert (counts["rows"], counts["both_ways"], counts["repeats"], counts["leaked_pairs"]) == (23, 2, 1, 1)
    noted = read_manifest(final).extra["metrics"]
    assert (noted["data/pairs"], noted["data/left_out"], noted["val/pairs"]) == (19, 4, 8)
    assert "leak: the same pair is held out" in (final.parent / "log.txt").read_text()
    kept = train(line, tmp_path / "keep", rows, "train_rm.max_steps=1", "train_rm.ties=keep", "train_rm.repeats=keep", held=held)  # fmt: skip
    assert read_manifest(kept).extra["metrics"]["data/pairs"] == 22  # a leak leaves whatever is kept


def test_no_pair_left_is_one_message(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [pair(i) for i in range(8)]
    data, held = write(tmp_path / "all.jsonl", rows), write(tmp_path / "val.jsonl", rows[::-1])
    given = settings(
        tmp_path / "runs", f"data.path={data}", f"data.val_path={held}", f"policy.parent={line.base}"
    )
    with pytest.raises(SystemExit) as caught:
        main(["train-rm", *given])
    error = capsys.readouterr().err
    assert (
        caught.value.code == 2 and f"{data}: none of its 8 rows is left to train on (8 held out too)" in error
    )
    assert "Traceback" not in error


# -- the loss's options ---------------------------------------------------------------------------------------


def scores_of(line: SimpleNamespace, runs: Path, rows: list[dict[str, Any]]) -> torch.Tensor:
    """[pairs, 2] raw scores of the untrained head, as the first step sees them."""
    backbone = Backbone.load(config("train_rm", runs, f"policy.parent={line.base}"))
    cfg = config("train_rm", runs)
    backbone.add_role("rm", cfg.lora.r, cfg.lora.alpha, cfg.lora.dropout, cfg.lora.targets, head=True)
    with torch.no_grad():
        out = []
        for row in rows:
            for side in ("chosen", "rejected"):
                ids = torch.tensor([backbone.fmt.pair(row["prompt"], row[side][0]["content"]).ids])
                out.append(backbone.score("rm", ids, torch.ones_like(ids)).item())
    return torch.tensor(out, dtype=torch.float64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("margin", "center", "smoothing"), [(None, 0.0, 0.0), (2.0, 0.0, 0.0), (None, 3.0, 0.0), (0.5, 1.0, 0.3)]
)
def test_the_first_loss_is_the_formulas(
    line: SimpleNamespace, tmp_path: Path, margin: float | None, center: float, smoothing: float
) -> None:
    """Margin (of the rows), centering and label smoothing reach the loss: step 1 over all pairs, by hand."""
    rows = [{**pair(i), **({} if margin is None else {"margin": margin + 0.1 * i})} for i in range(8)]
    given = (f"train_rm.center_coef={center}", f"train_rm.label_smoothing={smoothing}", "lora.dropout=0")
    final = train(line, tmp_path, rows, *given, "train_rm.max_steps=1", held=[pair(i) for i in range(50, 56)])
    wanted = 0.0
    for i, (c, r) in enumerate(scores_of(line, tmp_path, rows).tolist()):
        h = c - r - (0.0 if margin is None else margin + 0.1 * i)
        loss = (1 - smoothing) * math.log1p(math.exp(-h)) + smoothing * math.log1p(math.exp(h))
        wanted += (loss + center * (c + r) ** 2) / 8
    assert metrics(final)[0]["train_rm/loss"] == pytest.approx(wanted, rel=1e-4)


# -- calibration and report -----------------------------------------------------------------------------------


def test_the_report_is_of_the_saved_models_scores(line: SimpleNamespace, tmp_path: Path) -> None:
    """Figures in manifest, JSON and page agree with scores that the saved model gives in a fresh backbone."""
    held = [{**pair(i), "tags": ["even" if i % 2 == 0 else "odd"]} for i in range(50, 62)]
    final = train(line, tmp_path, [pair(i) for i in range(24)], "train_rm.max_steps=4", held=held)
    backbone = Backbone.load(config("rl", tmp_path, f"policy.parent={line.base}"))
    model = RewardModel.open(backbone, final, "raw")
    sides = [
        model.raw([backbone.fmt.pair(row["prompt"], row[side][0]["content"]) for row in held], 2000).double()
        for side in ("chosen", "rejected")
    ]
    margins = (sides[0] - sides[1]).tolist()
    report, extra = rm_report.load(final.parent), read_manifest(final).extra
    assert report["accuracy"]["value"] == extra["metrics"]["val/accuracy"] == sum(m > 0 for m in margins) / 12
    wanted = rm_report.reliability(margins)
    assert extra["reliability"]["ece"] == pytest.approx(wanted["ece"], abs=1e-5)
    assert [b["n"] for b in extra["reliability"]["bins"]] == [b["n"] for b in wanted["bins"]]
    assert extra["metrics"]["val/log_loss"] == pytest.approx(wanted["log_loss"], abs=1e-5)
    assert extra["calibration"]["mean"] == pytest.approx(float(torch.cat(sides).mean()), abs=1e-5)
    assert {line_["name"]: line_["n"] for line_ in report["by_tag"]} == {"even": 6, "odd": 6}
    page = (final.parent / "rm_report.html").read_text()
    assert "12 held-out pairs" in page and f"{100 * report['accuracy']['value']:.1f}%" in page
    assert "expected calibration error" in (final.parent / "log.txt").read_text()


# -- who may use it -------------------------------------------------------------------------------------------


def rl_given(line: SimpleNamespace, *more: str) -> list[str]:
    return [f"data.path={line.prompts}", f"policy.parent={line.sft}", "rl.steps=3", "rl.batch_size=4", *more]


def other_template(line: SimpleNamespace, folder: Path) -> Path:
    """The base (the same weights, so the same hash) with a chat template that writes other tokens."""
    shutil.copytree(line.base, folder)
    template = folder / "chat_template.jinja"
    text = template.read_text()
    assert "<|im_start|>" in text
    template.write_text("{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}" + text)
    return folder


def test_rl_refuses_a_reward_model_of_another_template(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = other_template(line, tmp_path / "other")
    final = go(
        "train_rm", tmp_path, f"data.path={line.pairs}", f"policy.parent={other}", "train_rm.max_steps=2"
    )
    ours = read_manifest(line.rm)
    theirs = read_manifest(final)
    assert theirs.base_hash == ours.base_hash and theirs.extra["format_hash"] != ours.extra["format_hash"]
    with pytest.raises(SystemExit) as caught:
        main(["rl", *settings(tmp_path, *rl_given(line, f"rm.path={final}"))])
    error = capsys.readouterr().err
    assert caught.value.code == 2 and f"rm.path={final}" in error and "another chat template" in error
    assert "policy.template_kwargs" in error and "Traceback" not in error
    with pytest.raises(UserError, match="another chat template"):
        rows = f"data.path={line.prompts}"
        go("rl", tmp_path, rows, f"policy.parent={other}", f"rm.path={line.rm}", "rl.batch_size=4")
    manifest = json.loads((final / "manifest.json").read_text())
    del manifest["extra"]["format_hash"]  # as of a version that did not store it
    (final / "manifest.json").write_text(json.dumps(manifest))
    go("rl", tmp_path, *rl_given(line, f"rm.path={final}"))


@pytest.mark.parametrize("nproc", [1, 2])
def test_a_score_that_is_not_finite_ends_rl_with_one_message(
    nproc: int, line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The head's weights are infinite, as after a training that ran away: exit 2, a checkpoint, no traceback; with
    rm.scale=sigmoid an infinite score would otherwise look like the best there is."""
    from safetensors.torch import load_file, save_file

    wild = tmp_path / "wild"
    shutil.copytree(line.rm, wild)
    head = load_file(wild / "head.safetensors")
    save_file({k: torch.full_like(v, math.inf) for k, v in head.items()}, wild / "head.safetensors")
    more = (f"rm.path={wild}", "rm.scale=sigmoid", "critic.init=fresh", f"launch.nproc={nproc}")
    with pytest.raises(SystemExit) as caught:
        main(["rl", *settings(tmp_path / "runs", *rl_given(line, *more))])
    error = capsys.readouterr().err
    assert caught.value.code == 2, error
    assert f"step 1: rm.path={wild}: the reward model's score is not finite for 4 of 4 replies" in error
    assert "optim.lr" in error and "--resume" in error and "Traceback" not in error
    (run,) = (tmp_path / "runs" / "rl" / "run").iterdir()
    kept = latest_complete(run / "checkpoints")
    assert kept is not None and kept.name == "step-000000" and not (run / "final").exists()
