"""`repo dpo` on tiny pairs, the real stage: where it starts, what it learns, and what it leaves out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stages_kit import config, go, metrics, pair, write

from repo_cli.config import compose
from repo_cli.dialogue.checks import preference_samples
from repo_cli.dialogue.files import LoadReport
from repo_cli.dialogue.shared import row_length
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import read_manifest
from repo_cli.stages import dpo as stage
from repo_cli.stages.session import Session


def dpo(line: SimpleNamespace, runs: Path, *more: str) -> Path:
    given = (f"data.path={line.pairs}", f"policy.parent={line.sft}", "dpo.batch_size=8", "dpo.max_steps=4")
    return go("dpo", runs, *given, "data.val_fraction=0.2", *more)


def column(final: Path, name: str) -> list[float]:
    return [row[name] for row in metrics(final) if name in row]


def adapter(final: Path) -> dict[str, torch.Tensor]:
    return load_file(final / "adapter_model.safetensors")


# pitfalls B12: the reference is the SFT policy, so the first loss is ln 2 on the real stage
@pytest.mark.parametrize(
    "more",
    [
        ("dpo.reference=precompute", "lora.dropout=0.1"),
        ("dpo.reference=adapter", "engine.gradient_checkpointing=true"),
        ("dpo.label_smoothing=0.2", "algorithm.beta=0.5"),
        ("dpo.loss=ipo", "dpo.per_token=true", "algorithm.beta=0.25"),
    ],
    ids=" ".join,
)
def test_b12_the_first_loss_says_that_the_reference_is_the_start(
    more: tuple[str, ...], line: SimpleNamespace, tmp_path: Path
) -> None:
    final = dpo(line, tmp_path, *more, "optim.lr=0.003")
    losses = column(final, "dpo/loss")
    first = 1 / (4 * 0.25**2) if "dpo.loss=ipo" in more else math.log(2)
    assert losses[0] == pytest.approx(first, abs=1e-5) and losses[-1] < losses[0]
    assert column(final, "dpo/reward_margin")[0] == pytest.approx(0.0, abs=1e-5)
    manifest = read_manifest(final)
    assert (manifest.kind, manifest.stage, manifest.parent) == ("adapter", "dpo", str(line.sft))
    assert manifest.base_hash == read_manifest(line.sft).base_hash
    before, after = adapter(line.sft), adapter(final)
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_it_learns_to_prefer_and_shows_the_curves(line: SimpleNamespace, tmp_path: Path) -> None:
    final = dpo(line, tmp_path, "dpo.max_steps=12", "dpo.epochs=4", "dpo.eval_every=4")
    accuracy, margin = column(final, "val/accuracy"), column(final, "val/reward_margin")
    assert len(accuracy) == len(margin) == 3 and accuracy[-1] >= 0.9 and margin[-1] > margin[0] > 0
    chosen, rejected = column(final, "dpo/logps_chosen"), column(final, "dpo/logps_rejected")
    assert len(chosen) == 12 and chosen[-1] - rejected[-1] > chosen[0] - rejected[0]
    noted = read_manifest(final).extra["metrics"]
    assert noted["val/accuracy"] == accuracy[-1] and noted["val/pairs"] == 8 and noted["data/pairs"] == 32


def test_a_second_adapter_is_the_same_reference(line: SimpleNamespace, tmp_path: Path) -> None:
    made = [dpo(line, tmp_path / way, f"dpo.reference={way}") for way in ("precompute", "adapter")]
    a, b = (column(final, "dpo/loss") for final in made)
    assert a == pytest.approx(b, rel=1e-5) and a[-1] != a[0]
    assert not [name for name in adapter(made[1]) if "reference" in name]


def test_starting_from_a_whole_model_its_own_weights_are_the_reference(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    final = dpo(line, tmp_path, f"policy.parent={line.base}")
    assert column(final, "dpo/loss")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert read_manifest(final).base_hash == read_manifest(line.base).base_hash


def test_a_reference_that_is_not_the_start_is_an_alarm(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault of B12 put in on purpose: the bare base's log-probs as the reference."""
    real = stage.logps_of

    def of_the_base(backbone: Backbone, role: str, *rest: Any) -> torch.Tensor:
        return real(backbone, None, *rest)  # type: ignore[arg-type]

    dpo(line, tmp_path / "right")
    assert "the first loss is" not in capsys.readouterr().out
    monkeypatch.setattr(stage, "logps_of", of_the_base)
    final = dpo(line, tmp_path / "wrong", "algorithm.beta=2")
    assert abs(column(final, "dpo/loss")[0] - math.log(2)) > 0.05
    assert "the reference is not the policy" in capsys.readouterr().out


def test_pairs_that_truncation_makes_equal_are_left_out_and_counted(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    """B13, R25: the two sides differ only behind the cut."""
    rows = [pair(i) for i in range(20)]
    long = "word " * 400
    for i in (3, 11):
        rows[i]["chosen"][0]["content"], rows[i]["rejected"][0]["content"] = long + "yes", long + "no"
    data = write(tmp_path / "pairs.jsonl", rows)
    given = (f"data.path={data}", "data.val_fraction=0", "dpo.max_steps=1")
    with pytest.raises(UserError, match=r"pairs.jsonl:4: chosen and rejected are the same after truncation"):
        dpo(line, tmp_path, *given)
    final = dpo(line, tmp_path, *given, "data.on_bad_row=skip")
    noted = read_manifest(final).extra["metrics"]
    assert (noted["data/pairs"], noted["data/left_out"]) == (18, 2)
    assert "2 identical after truncation" in (final.parent / "log.txt").read_text()


def test_micro_batches_are_sorted_by_length_and_change_no_gradient(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    """B10 in fp32: relative to the gradient's norm the split moves less than 1e-5."""
    found = []
    for budget in (100_000, 300, 1):
        given = (f"policy.parent={line.sft}", f"engine.micro_tokens={budget}", "engine.grad_clip=0")
        cfg = config("dpo", tmp_path, *given)
        with Session(cfg, "dpo") as session:
            backbone = Backbone.load(cfg)
            rows = [json.loads(text) for text in line.pairs.read_text().splitlines()[:9]]
            pairs = preference_samples(rows, backbone.fmt, LoadReport("", "preference"))
            micros = stage.micros_of(backbone, pairs, list(range(9)), cfg)
            sizes = [row_length((p.chosen.ids, p.rejected.ids)) for p in pairs]
            longest = [sizes[i] for m in micros for i in m]
            assert longest == sorted(longest, reverse=True) and sorted(sum(micros, [])) == list(range(9))
            reference = stage.logps_of(backbone, "policy", pairs, list(range(9)), cfg)
            engine = session.engine(backbone, "policy", 0.01, 3)

            def loss_fn(micro: list[int], pairs=pairs, backbone=backbone, cfg=cfg, known=reference):
                sides = stage.pair_logps(backbone, "policy", [pairs[i] for i in micro], False)
                return stage.objective(cfg, *sides, known[micro])

            engine.step(micros, loss_fn, 9.0)  # away from the start, where every pair weighs the same
            seen: list[torch.Tensor] = []
            engine.inner.register_step_pre_hook(
                lambda *_, e=engine, s=seen: s.append(torch.cat([p.grad.flatten() for p in e.parameters]))
            )
            engine.step(micros, loss_fn, 9.0)
            found.append((len(micros), seen[0].double()))
    assert [count for count, _ in found][::2] == [1, 9] and found[0][1].norm() > 1e-3
    for _, gradient in found[1:]:
        assert float((gradient - found[0][1]).norm() / found[0][1].norm()) < 1e-5


def test_the_settings_that_clash_are_named() -> None:
    with pytest.raises(UserError, match="dpo.label_smoothing=0.1 with dpo.loss=ipo"):
        compose("dpo", ["dpo.loss=ipo", "dpo.label_smoothing=0.1", "rules=none"])
    with pytest.raises(UserError, match="policy.train=full does not go with the stage dpo"):
        compose("dpo", ["policy.train=full", "rules=none"])
    with pytest.raises(UserError, match="dpo.batch_size=1 is less than launch.nproc=2"):
        compose("dpo", ["dpo.batch_size=1", "launch.nproc=2", "rules=none"])
