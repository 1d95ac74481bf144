"""The sampler and the update on recorded rollouts, on the real code path: B5, B6, B10, and one base for all roles."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from stages_kit import config, dialogue

from repo_cli.config.schema import Config
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rollout import LocalEngine
from repo_cli.rollout.engine import sample
from repo_cli.stages.experience import Item, advantages_, collect
from repo_cli.stages.groups import advantages_in_groups
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater


def rl_config(line: SimpleNamespace, tmp_path: Path, *more: str) -> Config:
    paths = (f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}")
    return config("rl", tmp_path, *paths, "engine.grad_clip=1e6", "critic.lr=0.01", *more)


def rows(count: int) -> list[dict[str, Any]]:
    """Prompts of different lengths."""
    return [
        {"prompt": d["messages"][: (2, 4, 1)[i % 3]], "scenario": d["scenario"]}
        for i, d in enumerate(map(dialogue, range(count)))
    ]


@pytest.fixture(scope="module")
def plain(line: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    cfg = rl_config(line, tmp_path_factory.mktemp("plain"))
    backbone = Backbone.load(cfg)
    contexts = [backbone.fmt.context_ids(r["prompt"]) for r in rows(9)]
    assert len({len(c) for c in contexts}) > 4
    return SimpleNamespace(cfg=cfg, backbone=backbone, contexts=contexts)


def engine(plain: SimpleNamespace, role: str | None = "policy", **changes: Any) -> LocalEngine:
    from dataclasses import replace

    return LocalEngine(plain.backbone, role, replace(plain.cfg.rollout, **changes))


# -- the sampler ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("merge", [True, False])
def test_greedy_replies_are_those_of_transformers(plain: SimpleNamespace, merge: bool) -> None:
    replies = engine(plain, temperature=0.0, max_new_tokens=24, merge=merge).generate(plain.contexts, seed=0)
    backbone = plain.backbone
    backbone.use("policy")
    for context, reply in zip(plain.contexts, replies, strict=True):
        out = backbone.base.generate(
            input_ids=torch.tensor([context]), attention_mask=torch.ones(1, len(context), dtype=torch.long),
            max_new_tokens=24, do_sample=False, eos_token_id=backbone.fmt.stop_ids, pad_token_id=backbone.fmt.pad_id,
        )  # fmt: skip
        assert out[0, len(context) :].tolist() == reply.ids
        assert reply.finished == (reply.ids[-1] in backbone.fmt.stop_ids)
        assert reply.text == backbone.fmt.decode(reply.ids) and len(reply.logps) == len(reply.ids) <= 24


def test_a_ragged_batch_gives_what_each_context_gives_alone(plain: SimpleNamespace) -> None:
    """Greedy: left padding, compaction of ended rows and the order of batches change nothing."""
    together = engine(plain, temperature=0.0, batch_size=16, max_new_tokens=40).generate(
        plain.contexts, seed=0
    )
    alone = [
        engine(plain, temperature=0.0, max_new_tokens=40).generate([c], seed=0)[0] for c in plain.contexts
    ]
    assert len({len(r.ids) for r in together}) > 1, (
        "no row ended earlier than another: compaction is not reached"
    )
    for a, b in zip(together, alone, strict=True):
        assert a.ids == b.ids and torch.allclose(torch.tensor(a.logps), torch.tensor(b.logps), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_contexts_read_in_parts_give_the_same_replies(plain: SimpleNamespace, temperature: float) -> None:
    longest = max(len(context) for context in plain.contexts)
    settings: dict[str, Any] = {"temperature": temperature, "max_new_tokens": 24, "batch_size": 8}
    at_once, by_two, by_one = (
        engine(plain, **settings, prefill_tokens=tokens).generate(plain.contexts, seed=5)
        for tokens in (10**6, 2 * longest + 1, 1)
    )
    assert len({len(reply.ids) for reply in at_once}) > 1  # rows have left the batch on the way
    for parts in (by_two, by_one):
        assert [reply.ids for reply in parts] == [reply.ids for reply in at_once]
        assert [x for r in parts for x in r.logps] == pytest.approx(
            [x for r in at_once for x in r.logps], abs=1e-5
        )


def test_a_context_that_several_replies_answer_is_read_once(
    plain: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of replies are those of contexts that are read for each reply, in whatever order they are asked for."""
    from repo_cli.rollout.engine import LocalEngine as Engine

    asked = [plain.contexts[i] for i in (3, 1, 3, 0, 1, 3)]
    read: list[int] = []
    real = Engine._logits

    def counted(self: Any, ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        read.append(ids.numel() if ids.shape[1] > 1 else 0)
        return real(self, ids, *rest)

    monkeypatch.setattr(Engine, "_logits", counted)
    monkeypatch.setattr(plain.backbone, "short_cuts", True)
    settings: dict[str, Any] = {
        "temperature": 0.0,
        "max_new_tokens": 24,
        "batch_size": 8,
        "prefill_tokens": 1,
    }
    together = engine(plain, **settings).generate(asked, seed=5)
    assert sum(read) == sum(len(plain.contexts[i]) for i in (0, 1, 3))
    monkeypatch.setattr(plain.backbone, "short_cuts", False)
    read.clear()
    each = engine(plain, **settings).generate(asked, seed=5)
    assert sum(read) == len(asked) * max(len(context) for context in asked)
    assert [reply.ids for reply in each] == [reply.ids for reply in together]
    monkeypatch.setattr(plain.backbone, "short_cuts", True)
    for context, reply in zip(asked, together, strict=True):
        (alone,) = engine(plain, **settings).generate([context], seed=5)
        assert alone.ids == reply.ids and alone.logps == pytest.approx(reply.logps, abs=1e-5)
    sampled = engine(plain, **{**settings, "temperature": 1.0}).generate([plain.contexts[3]] * 6, seed=5)
    assert len({tuple(reply.ids) for reply in sampled}) > 1  # one prompt, yet each reply is drawn by itself


def test_parts_have_little_padding_and_every_row_once() -> None:
    from repo_cli.rollout.cache import PADDED, close_parts, even_parts

    lengths = sorted([90] * 20 + [200] * 30 + [450] * 20 + [2000])
    for tokens in (10**6, 4096, 100):
        for cuts in (close_parts(lengths, tokens), even_parts(lengths, tokens)):
            assert [row for cut, _ in cuts for row in range(len(lengths))[cut]] == list(range(len(lengths)))
            for cut, time in cuts:
                assert max(lengths[cut]) <= time and (
                    len(lengths[cut]) == 1 or time * len(lengths[cut]) <= tokens
                )
    wide = close_parts(lengths, 10**6)
    assert 2 < len(wide) < 6
    assert all(time == max(lengths[cut]) for cut, time in wide)
    assert sum(time * len(lengths[cut]) for cut, time in wide) <= 1.15 * PADDED * sum(lengths)


def test_logps_are_the_trainers_and_the_base_is_left_bit_identical(plain: SimpleNamespace) -> None:
    backbone = plain.backbone
    before = {n: p.detach().clone() for n, p in backbone.named_parameters()}
    sampler = engine(plain, temperature=0.7, batch_size=4)
    replies = sampler.generate(plain.contexts, seed=5)
    assert all(torch.equal(before[n], p) for n, p in backbone.named_parameters())
    assert [r.ids for r in sampler.generate(plain.contexts, seed=5)] == [r.ids for r in replies]
    assert [r.ids for r in sampler.generate(plain.contexts, seed=6)] != [r.ids for r in replies]
    for context, reply in zip(plain.contexts, replies, strict=True):
        made = backbone.fmt.from_rollout(context, reply.ids)
        assert made.ids == context + reply.ids and sum(made.mask) == len(reply.ids)  # B6
        ids = torch.tensor([made.ids])
        logps = backbone.logps(
            "policy", ids, torch.ones_like(ids), torch.tensor([made.mask]), temperature=0.7
        )
        assert torch.allclose(logps[0, len(context) :], torch.tensor(reply.logps), atol=1e-4)


def test_sampled_tokens_follow_the_policys_distribution(plain: SimpleNamespace) -> None:
    """Chi-square of 4000 first tokens against the probabilities that the trainer computes, through `generate`."""
    context = plain.contexts[0]
    replies = engine(plain, batch_size=4000, max_new_tokens=1, temperature=1.3).generate(
        [context] * 4000, seed=1
    )
    ids = torch.tensor([context])
    with torch.no_grad():
        wanted = (plain.backbone.next_logits("policy", ids, torch.ones_like(ids))[0].double() / 1.3).softmax(
            -1
        )
    counts = torch.bincount(torch.tensor([r.ids[0] for r in replies]), minlength=len(wanted)).double()
    common = wanted * 4000 >= 8  # rarer tokens count together, as the test demands
    assert common.sum() >= 5
    observed = [*counts[common].tolist(), float(counts[~common].sum())]
    expected = [*(4000 * wanted[common]).tolist(), 4000 * float(wanted[~common].sum())]
    assert chisquare(observed, [e * 4000 / sum(expected) for e in expected]).pvalue > 1e-3
    wrong = (wanted.log() * 1.3).softmax(-1)  # what temperature 1 would give is told apart
    expected = [*(4000 * wrong[common]).tolist(), 4000 * float(wrong[~common].sum())]
    assert chisquare(observed, [e * 4000 / sum(expected) for e in expected]).pvalue < 1e-6


def test_cuts_leave_only_the_allowed_tokens_and_the_policys_own_logps() -> None:
    from repo_cli.config.schema import RolloutConfig

    probabilities = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    logits = probabilities.log().expand(3000, 5)
    for changes, allowed in (
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.6}, {0, 1}),
        ({"top_p": 0.75, "top_k": 4}, {0, 1, 2}),
    ):
        tokens, logps = sample(logits, RolloutConfig(**changes), torch.Generator().manual_seed(0))
        assert set(tokens.tolist()) == allowed
        assert torch.allclose(logps, probabilities[tokens].log())


# -- the update on recorded rollouts --------------------------------------------------------------------------


def record(cfg: Config, count: int = 8) -> tuple[Backbone, Updater, list[Item], Session]:
    """A policy, its updater, and replies with made-up totals; the same for each call."""
    session = Session(cfg, "rl")
    session.__enter__()
    backbone = Backbone.load(cfg)
    Ensemble(cfg, backbone)
    prompts = [(row, backbone.fmt.context_ids(row["prompt"])) for row in rows(count)]
    items = collect(LocalEngine(backbone, "policy", cfg.rollout), prompts, seed=3)
    return backbone, Updater(cfg, backbone, session), items, session


def learn(cfg: Config, updater: Updater, items: list[Item]) -> None:
    updater.values_(items)
    totals = torch.tensor([(-1.0) ** i * (1 + 0.3 * i) for i in range(len(items))])
    advantages_(items, totals, torch.ones(len(items), dtype=torch.bool), cfg.algorithm)


def gradients_of_update(cfg: Config) -> tuple[dict[str, list[torch.Tensor]], dict[str, float]]:
    _, updater, items, session = record(cfg)
    learn(cfg, updater, items)
    seen: dict[str, list[torch.Tensor]] = {}
    for role, train in (("policy", updater.policy), ("critic", updater.critic)):
        train.inner.register_step_pre_hook(
            lambda *_, role=role, train=train: seen.update({role: [p.grad.clone() for p in train.parameters]})
        )
    stats = updater.update(items, 0)
    session.__exit__(None, None, None)
    return seen, stats


def test_b10_the_split_into_micro_batches_changes_no_gradient(line: SimpleNamespace, tmp_path: Path) -> None:
    whole, stats = gradients_of_update(rl_config(line, tmp_path, "engine.micro_tokens=100000"))
    assert all(g.abs().max() > 1e-6 for g in whole["policy"] if g.dim() > 1) and stats["critic/loss"] > 0
    for budget in (250, 1):
        parts, again = gradients_of_update(rl_config(line, tmp_path, f"engine.micro_tokens={budget}"))
        for role in ("policy", "critic"):
            for a, b in zip(whole[role], parts[role], strict=True):
                assert torch.allclose(a, b, atol=1e-6, rtol=1e-4)
        for name in ("policy/loss", "critic/loss", "policy/entropy", "critic/explained_variance"):
            assert again[name] == pytest.approx(stats[name], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("micro_tokens", [100000, 250])
def test_values_from_the_critics_own_update_are_those_of_a_pass_before_it(
    line: SimpleNamespace, tmp_path: Path, micro_tokens: int
) -> None:
    found = []
    for short in (False, True):
        changes = (
            f"engine.short_cuts={short}",
            f"engine.micro_tokens={micro_tokens}",
            "critic.calibrate=false",
        )
        cfg = rl_config(line, tmp_path, *changes)
        _, updater, items, session = record(cfg)
        totals = torch.tensor([(-1.0) ** i * (1 + 0.3 * i) for i in range(len(items))])
        keep = torch.tensor([i != 2 for i in range(len(items))])
        assert updater.values_come_later(check=False) is short and not updater.values_come_later(check=True)
        grads: dict[str, list[torch.Tensor]] = {}
        for role, train in updater.trained().items():
            train[0].inner.register_step_pre_hook(
                lambda *_, r=role, e=train[0], g=grads: g.update({r: [p.grad.clone() for p in e.parameters]})
            )
        if short:
            updater.learn_values_(items, totals, keep)
        else:
            updater.values_(items)
        advantages_(items, totals, keep, cfg.algorithm)
        kept = [item for item in items if item.keep]
        stats = updater.update(kept, 0)
        assert updater.critic is not None and updater.critic.updates == 1 == updater.policy.updates
        session.__exit__(None, None, None)
        each = torch.cat([t for i in kept for t in (i.values, i.advantages, i.returns)])
        found.append((each, grads, {k: v for k, v in stats.items() if "lr" not in k}))
    plain, fast = found
    assert torch.allclose(plain[0], fast[0], atol=1e-5)
    assert max(float(g.abs().max()) for g in plain[1]["critic"]) > 1e-4
    for role in ("critic", "policy"):
        for a, b in zip(plain[1][role], fast[1][role], strict=True):
            assert torch.allclose(a, b, atol=1e-6, rtol=1e-3)
    assert plain[2] == pytest.approx(fast[2], rel=1e-3, abs=1e-5)


def test_each_engine_moves_its_own_role_and_nothing_else(line: SimpleNamespace, tmp_path: Path) -> None:
    """Critic warm-up leaves the policy's logits bit-identical; a policy step leaves values and RM scores so."""
    cfg = rl_config(line, tmp_path, "critic.warmup_steps=1", "rl.steps=3", "lora.dropout=0.1")
    backbone, updater, items, session = record(cfg)
    learn(cfg, updater, items)
    ids = torch.tensor([items[0].sample.ids])
    ones = torch.ones_like(ids)

    def look() -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {
                "policy": backbone.next_logits("policy", ids, ones),
                "critic": backbone.values("critic", ids, ones),
                "rm": backbone.score("rm", ids, ones),
                "base": backbone.next_logits(None, ids, ones),
            }

    def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> dict[str, bool]:
        return {name: torch.equal(a[name], b[name]) for name in a}

    start = look()
    updater.update(items, step=0)  # warm-up: the critic alone
    warm = look()
    assert same(start, warm) == {"policy": True, "critic": False, "rm": True, "base": True}
    updater.policy.step(updater._micros(items), updater._policy_loss, 10.0)
    assert same(warm, look()) == {"policy": False, "critic": True, "rm": True, "base": True}
    owned = {id(p) for role in ("policy", "critic") for p in backbone.trainable(role)}
    assert not [n for n, p in backbone.named_parameters() if p.grad is not None and id(p) not in owned]
    session.__exit__(None, None, None)


def test_a_reply_that_was_not_scored_teaches_nothing(line: SimpleNamespace, tmp_path: Path) -> None:
    cfg = rl_config(line, tmp_path)
    _, updater, items, session = record(cfg, 6)
    updater.values_(items)
    totals = torch.tensor([1.0, -2.0, float("nan"), 0.5, 3.0, 1.0])
    advantages_(items, totals, torch.tensor([True, True, False, True, True, True]), cfg.algorithm)
    assert [i.keep for i in items] == [True, True, False, True, True, True]
    assert not items[2].advantages.any() and not items[2].returns.any()
    kept = torch.cat([i.advantages for i in items if i.keep]).double()
    assert abs(float(kept.mean())) < 1e-5 and float(kept.var(correction=0)) == pytest.approx(1.0, abs=1e-4)
    assert items[0].returns[-1] == pytest.approx(1.0, abs=1e-5)  # the last token's return is the reward
    session.__exit__(None, None, None)


def test_a_missing_reply_is_no_zero_in_its_group(line: SimpleNamespace, tmp_path: Path) -> None:
    cfg = rl_config(line, tmp_path, "algorithm=grpo", "algorithm.group_size=3", "rl.batch_size=6").algorithm
    found = advantages_in_groups(
        torch.tensor([5.0, 0.0, 7.0, 1.0, 2.0, 3.0]), [True, False, True, True, True, True], cfg
    )
    assert (
        found[1] == 0
        and found[0] == pytest.approx(-float(found[2]))
        and found[0] == pytest.approx(-0.7071, abs=1e-3)
    )
    assert found[4] == 0 and found[5] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["ppo", "grpo"])
def test_a_penalty_is_taken_from_each_token(name: str, line: SimpleNamespace, tmp_path: Path) -> None:
    """algorithm.kl_coef, by hand: the sampled tokens are 0.5 likelier than at the start."""
    more = (
        f"algorithm={name}",
        "algorithm.kl_coef=0.2",
        "algorithm.lam=1",
        "algorithm.whiten=false",
        "rl.batch_size=8",
    )
    grouped = ("algorithm.group_size=2", "algorithm.scale_groups=false") if name == "grpo" else ()
    cfg = rl_config(line, tmp_path, *more, *grouped)
    _, updater, items, session = record(cfg, 4)
    updater.values_(items)
    assert all(torch.allclose(i.kl(), torch.zeros(1), atol=1e-4) for i in items)
    for item in items:
        item.ref_logps = torch.tensor(item.reply.logps) - 0.5
    advantages_(items, torch.tensor([1.0, 2.0, 3.0, 5.0]), torch.ones(4, dtype=torch.bool), cfg.algorithm)
    lengths = [len(i.reply.ids) for i in items]
    if name == "ppo":
        left = torch.arange(lengths[2], 0, -1)
        assert torch.allclose(items[2].returns, 3.0 - 0.2 * 0.5 * left, atol=1e-5)
    else:
        nets = [t - 0.2 * 0.5 * n for t, n in zip((1.0, 2.0, 3.0, 5.0), lengths, strict=True)]
        assert items[3].advantages[0] == pytest.approx((nets[3] - nets[2]) / 2, abs=1e-5)
    session.__exit__(None, None, None)
