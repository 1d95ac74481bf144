"""Alarms and preflight on real runs of a tiny policy: what sounds, what stops, and that neither changes a bit."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from stages_kit import config, go, metrics, settings
from test_stages_stop import only_run, signal_after

from repo_cli.config import compose
from repo_cli.dialogue.batches import collate
from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import launch
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rollout import LocalEngine
from repo_cli.stages.experience import advantages_, collect
from repo_cli.stages.preflight import check_gradients, check_tricks
from repo_cli.stages.reward import Scorer
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater
from repo_cli.training.alarms import ALARMS, observe_all, read_alarms
from repo_cli.training.tracking import read_metrics

#: A learning rate at which six steps take the policy far away, and alarms that see it at once.
HOT = ("optim.lr=0.1", "alarms.start=1", "alarms.kl_to_base.every=2", "alarms.kl_to_base.threshold=0.2")


def given(line: SimpleNamespace, *more: str) -> tuple[str, ...]:
    return (
        f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.steps=6",
        "rl.batch_size=6", "critic.lr=0.01", *more,
    )  # fmt: skip


def weights(final: Path) -> dict[str, torch.Tensor]:
    return load_file(final / "adapter_model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# -- alarms ---------------------------------------------------------------------------------------------------


def test_a_hot_run_is_told_of_in_terminal_log_metrics_and_file(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    final = go("rl", tmp_path, *given(line, *HOT))
    rows = read_metrics(final.parent / "metrics.jsonl")
    probed = [row.get("probe/kl_to_base") for row in rows]
    assert [p is not None for p in probed] == [True, False, True, False, True, False]
    assert probed[2] > probed[0] + 0.2
    on = [row["alarm/kl_to_base"] for row in rows]
    assert on[:2] == [0.0, 0.0] and on[2:] == [1.0] * 4
    spans = {span["name"]: span for span in read_alarms(final.parent / "alarms.jsonl")}
    span = spans["kl_to_base"]
    assert (span["step"], span["since"], span["until"], span["threshold"]) == (3, 3, None, 0.2)
    assert span["value"] == pytest.approx(probed[2] - probed[0])
    text = f"step 3: {span['text']}"
    assert "threshold 0.2, since step 3" in text and "earlier checkpoint" in text
    assert f"warning: {text}" in capsys.readouterr().out.replace("\n", "")
    assert text in (final.parent / "log.txt").read_text()
    # what the run said is what the pure functions say of its metrics
    cfg = config("rl", tmp_path, *given(line, *HOT)).alarms
    events, active = observe_all(rows, cfg)
    lines = (final.parent / "alarms.jsonl").read_text().splitlines()
    assert [json.loads(x) for x in lines] == [e.row() for e in events]
    for row, now in zip(rows, active, strict=True):
        assert {k: v for k, v in row.items() if k.startswith("alarm/")} == {
            f"alarm/{name}": float(is_on) for name, is_on in now.items()
        }


def test_stop_ends_the_run_with_a_checkpoint_and_resume_goes_on_to_the_same_bits(
    line: SimpleNamespace, tmp_path: Path
) -> None:
    straight = go("rl", tmp_path / "straight", *given(line, *HOT))
    halves = tmp_path / "halves"
    with pytest.raises(UserError) as caught:
        go("rl", halves, *given(line, *HOT, "alarms.kl_to_base.action=stop", "tracker.checkpoint_every=1"))
    said = str(caught.value)
    assert "step 3: the run ends on its alarm kl_to_base" in said and "alarms.kl_to_base.action=stop" in said
    run = only_run(halves, "rl")
    assert str(run / "checkpoints" / "step-000003") in said and not (run / "final").exists()
    assert [row["step"] for row in metrics(run)] == [1, 2, 3]
    # who resumes it has read it: the same alarm does not end the run again
    final = launch("rl", compose("rl", [f"resume={run}"]), overrides=[f"resume={run}"])
    assert metrics(final) == metrics(straight) and same(weights(final), weights(straight))
    told = [(s["name"], s["step"], s["until"]) for s in read_alarms(final.parent / "alarms.jsonl")]
    assert told == [(s["name"], s["step"], s["until"]) for s in read_alarms(straight.parent / "alarms.jsonl")]


def test_the_state_of_the_alarms_survives_a_signal(
    line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows, streaks, and the probed replies are the checkpoint's; alarms of steps that were lost are taken out."""
    more = (*HOT, "alarms.kl_to_base.every=1", "alarms.kl_to_base.window=2", "alarms.kl_to_base.patience=2")
    straight = go("rl", tmp_path / "straight", *given(line, *more))
    halves = tmp_path / "halves"
    with monkeypatch.context() as patch:
        signal_after(patch, 1)
        with pytest.raises(Stopped):
            go("rl", halves, *given(line, *more))
    run = only_run(halves, "rl")
    with open(run / "alarms.jsonl", "a") as file:
        file.write(json.dumps({"name": "length", "step": 5, "state": "start"}) + "\n")
    # other thresholds would not make it another run
    final = go("rl", halves, *given(line, *more, "alarms.critic_blind.threshold=-9"), "resume=auto")
    assert final.parent == run and metrics(final) == metrics(straight)
    assert any(row["alarm/kl_to_base"] for row in metrics(final))
    told, wanted = (
        [(s["name"], s["step"], s["value"]) for s in read_alarms(p.parent / "alarms.jsonl")]
        for p in (final, straight)
    )
    assert told == wanted != []


def test_alarms_change_nothing_but_what_is_said(line: SimpleNamespace, tmp_path: Path) -> None:
    loud = go("rl", tmp_path / "loud", *given(line, *HOT))
    mute = go("rl", tmp_path / "mute", *given(line, *HOT, "alarms.strongest=none"))
    assert same(weights(loud), weights(mute))
    plain = [
        {k: v for k, v in row.items() if not k.startswith(("alarm/", "probe/"))} for row in metrics(loud)
    ]
    assert plain == metrics(mute) and not (mute.parent / "alarms.jsonl").exists()
    assert {k for row in metrics(loud) for k in row if k.startswith("alarm/")} <= {
        f"alarm/{n}" for n in ALARMS
    }


def test_kl_is_that_of_the_whole_distributions(line: SimpleNamespace, tmp_path: Path) -> None:
    cfg = config("rl", tmp_path, f"policy.parent={line.sft}")
    backbone = Backbone.load(cfg)
    rows = [json.loads(text)["prompt"] for text in line.prompts.open()][:3]
    samples = [
        backbone.fmt.pair(prompt, reply) for prompt, reply in zip(rows, ("Fine.", "No.", "350!"), strict=True)
    ]
    batch = collate(samples, backbone.fmt.pad_id)
    kl = backbone.kl("policy", None, batch.ids, batch.attention, batch.mask)
    logits = []
    with torch.no_grad():
        for role in ("policy", None):
            backbone.use(role)
            logits.append(backbone.base(batch.ids, attention_mask=batch.attention).logits.log_softmax(-1))
    p, q = logits
    wanted = torch.nn.functional.kl_div(q[:, :-1], p[:, :-1], reduction="none", log_target=True).sum(-1)
    torch.testing.assert_close(kl[:, 1:], wanted * batch.mask[:, 1:], atol=1e-5, rtol=1e-4)
    assert not kl[batch.mask == 0].any() and float(kl.sum()) > 0.01
    backbone.add_role("fresh", r=4, alpha=8.0)  # an adapter that has learnt nothing is the base
    assert not backbone.kl("fresh", None, batch.ids, batch.attention, batch.mask).any()


# -- preflight ------------------------------------------------------------------------------------------------


def test_preflight_changes_no_bit(line: SimpleNamespace, tmp_path: Path) -> None:
    more = ("reward=enhance", "rules=generic_dialogue", "rl.steps=3", "algorithm.minibatches=2",
            "engine.gradient_checkpointing=true", "lora.dropout=0.1", f"data.path={line.dialogues}")  # fmt: skip
    checked = go("rl", tmp_path / "on", *given(line, *more))
    bare = go("rl", tmp_path / "off", *given(line, *more, "rl.preflight=false"))
    assert metrics(checked) == metrics(bare) and same(weights(checked), weights(bare))
    first = [read_metrics(final.parent / "metrics.jsonl")[0] for final in (checked, bare)]
    assert ["timing/preflight_s" in row for row in first] == [True, False]


def paying(tmp_path: Path) -> tuple[str, ...]:
    """A rule set that anybody can please by padding."""
    rules = {"L": {"severity": "soft", "require": ["appreciate"], "on_match": 2.0, "on_miss": -0.1}}
    (tmp_path / "own" / "rules").mkdir(parents=True)
    (tmp_path / "own" / "rules" / "long.yaml").write_text(yaml.safe_dump({"name": "long", "rules": rules}))
    return ("reward=rules_only", "rules=long")


@pytest.mark.parametrize("known", [True, False])
def test_a_trick_that_pays_is_told_of_or_stops_the_run(
    known: bool, line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The honest reply is the prompts' own where they have one, and the policy's otherwise."""
    data = line.dialogues if known else line.prompts
    texts = settings(tmp_path / "runs", *given(line, *paying(tmp_path), f"data.path={data}", "rl.steps=1",
                                               "critic.init=fresh", "rollout.max_new_tokens=60"))  # fmt: skip
    cfg = compose("rl", texts, str(tmp_path / "own"))
    final = launch("rl", cfg, overrides=texts)
    said = capsys.readouterr().out
    # whatever does not pad earns what the honest reply earns, and a tie pays too: padding is named as the worst
    assert "tricks pay (" in said and '"length stuffing" (the honest reply, padded out) earns 2.00' in said
    assert ("the prompts' own replies earn" if known else "the policy's own replies earn") in said
    assert (final / "manifest.json").is_file()
    texts.append("rl.preflight_action=stop")
    with pytest.raises(UserError, match="rl.preflight: .*length stuffing"):
        launch("rl", compose("rl", texts, str(tmp_path / "own")), overrides=texts)
    assert len([run for run in (tmp_path / "runs/rl/run").iterdir() if (run / "final").exists()]) == 1


@pytest.fixture
def ready(line: SimpleNamespace, tmp_path: Path) -> Any:
    """A run just before its first update."""
    cfg = config("rl", tmp_path, *given(line, "reward=enhance", "rules=generic_dialogue"))
    with Session(cfg, "rl") as session:
        backbone = Backbone.load(cfg)
        ensemble = Ensemble(cfg, backbone)
        updater = Updater(cfg, backbone, session)
        rows = [json.loads(text) for text in line.prompts.open()][:6]
        prompts = [(row, backbone.fmt.context_ids(row["prompt"])) for row in rows]
        items = collect(LocalEngine(backbone, "policy", cfg.rollout), prompts, 1)
        updater.values_(items, True)
        totals, keep, _ = ensemble.total(ensemble.score([item.as_scored() for item in items]))
        advantages_(items, totals, keep, cfg.algorithm)
        yield SimpleNamespace(
            cfg=cfg, backbone=backbone, ensemble=ensemble, updater=updater, prompts=prompts, items=items
        )


def test_gradients_reach_what_is_trained_and_nothing_else(ready: SimpleNamespace) -> None:
    backbone, updater, items = ready.backbone, ready.updater, ready.items
    assert check_gradients(backbone, updater, items) == []
    assert all(p.grad is None for p in backbone.parameters())
    real = updater.trained()

    def with_loss(role: str, loss: Any) -> None:
        updater.trained = lambda: {role: (real[role][0], loss)}

    # a value loss that never meets the head, as when a critic is trained through the wrong output
    with_loss("critic", lambda micro: (backbone.hidden("critic", *ids(micro)).square().sum(), {}))
    (text,) = check_gradients(backbone, updater, items)
    assert "weights of the critic get no gradient, such as heads.critic." in text
    with_loss("policy", lambda micro: (backbone.hidden(None, *ids(micro)).sum(), {}))
    with pytest.raises(UserError, match="no weight of the policy gets a gradient"):
        check_gradients(backbone, updater, items)
    with_loss("policy", lambda micro: (real["policy"][1](micro)[0] * float("nan"), {}))
    with pytest.raises(UserError, match="the gradient of the policy is not finite"):
        check_gradients(backbone, updater, items)
    updater.trained = lambda: real
    backbone.use("critic")
    stranger = next(p for n, p in backbone.named_parameters() if "lora_B.rm" in n)
    stranger.requires_grad_(True)
    with pytest.raises(UserError, match="1 weights would be trained with the critic, such as .*lora_B.rm"):
        check_gradients(backbone, updater, items)


def ids(micro: list[list[Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    sample: Sample = micro[0][0].sample
    found = torch.tensor([sample.ids])
    return found, torch.ones_like(found)


def test_tricks_leave_the_watch_on_the_judge_alone(ready: SimpleNamespace) -> None:
    ensemble, before = ready.ensemble, ready.ensemble.watch
    state = torch.get_rng_state()
    found = check_tricks(ready.cfg, ready.backbone, ready.items, ensemble, ready.prompts)
    assert ensemble.watch is before and torch.equal(torch.get_rng_state(), state)
    assert all("pay" in text and "rm " in text for text in found)
    scorer = Scorer(ready.cfg, ready.backbone, ensemble)
    assert scorer.score([]) == []  # a rank with nothing to score
