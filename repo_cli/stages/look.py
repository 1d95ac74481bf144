"""Looks at a running RL: development dialogues every so often.

The development dialogues are rated by the world's hidden oracle, and the reward model scores the same replies: where
its score goes on rising and the hidden rating does not, the policy has learnt to please the reward model. All of it is
logged and nothing else: no reward, gradient or decision of the run depends on it.
"""

from __future__ import annotations

import math

import torch

from repo_cli.config.schema import Config
from repo_cli.evaluation.report.hacking import gain_words, verdict
from repo_cli.evaluation.report.logs import RunLog
from repo_cli.evaluation.result import PERSUASION, aspect_scores, persuasion
from repo_cli.rewards.reward_model import RewardModel
from repo_cli.rollout import LocalEngine, run_conversations
from repo_cli.rollout.conversation import Conversation, opening_row
from repo_cli.stages.session import Session
from repo_cli.training.distributed import all_sum, rank, world_size
from repo_cli.worlds import world_of


def development_dialogues(
    sampler: LocalEngine, cfg: Config, rm: RewardModel | None = None
) -> dict[str, float]:
    """Plays `rl.eval_n` dialogues on development scenarios, shared out over the ranks; means over all of them.

    Sampled as the rollouts are (`rollout.temperature`): greedy replies would be another policy's than the one
    in training.

    dev/rating, dev/deals, dev/violations_per_100: as the evaluation's; dev/rm: the reward model on the same replies, on
    the run's `rm.scale`; dev/persuasion: the persuasive-ability score (of a dialogue the mean of its hidden ratings for
    negotiation effectiveness and emotional value, evaluation.result.persuasion), with its two parts.
    """
    world = world_of(cfg)
    numbers = range(rank(), cfg.rl.eval_n, world_size())
    rows = [opening_row(world, i, "dev", cfg.eval.seed) for i in numbers]
    with sampler.backbone.gathered():  # ZeRO-3: ranks may differ in how many turns their dialogues take
        played = run_conversations(sampler, world, rows, cfg.eval.max_turns, cfg.eval.seed, numbers=numbers)
    rated = [(c, world.rate(c.messages, c.scenario, c.outcome)) for c in played]
    aspects = [aspect_scores(r.turns) for _, r in rated]
    columns: dict[str, list[float]] = {
        "dev/rating": [r.rating for _, r in rated],
        "dev/deals": [float(bool(c.outcome.get("deal"))) for c, _ in rated],
        "dev/persuasion": [persuasion(scores) for scores in aspects],
        **{f"dev/{name}": [scores.get(name, math.nan) for scores in aspects] for name in PERSUASION},
        "dev/rm": _rm_scores(rm, sampler, cfg, played) if rm is not None else [],
    }
    given = {name: [v for v in values if not math.isnan(v)] for name, values in columns.items()}
    sums = [part for values in given.values() for part in (sum(values), float(len(values)))]
    sums += [float(sum(len(r.violations) for _, r in rated)), float(sum(len(r.turns) for _, r in rated))]
    *pairs, breaches, replies = all_sum(torch.tensor(sums, dtype=torch.float64)).tolist()
    means = zip(given, pairs[::2], pairs[1::2], strict=True)
    return {
        **{name: total / count for name, total, count in means if count},
        "dev/violations_per_100": 100.0 * breaches / max(1.0, replies),
    }


def first_look(sampler: LocalEngine, cfg: Config, rm: RewardModel | None, session: Session) -> None:
    """What training starts from, logged as step 0. The step that follows draws what it would have drawn without."""
    with session.timer("dev"):
        session.tracker.log(0, development_dialogues(sampler, cfg, rm))
    torch.manual_seed(session.step_seed(0))


def say_looks(session: Session) -> None:
    """At the end of a run: the reward model's score against the hidden rating, and the gain in persuasive ability."""
    log = RunLog.read("", session.path, "rl", {})
    for words in (verdict(log), gain_words("persuasive ability", log.series.get("dev/persuasion", []))):
        if words:
            session.note(words)


def _rm_scores(rm: RewardModel, sampler: LocalEngine, cfg: Config, played: list[Conversation]) -> list[float]:
    """The reward model's score of every agent reply that was played."""
    replies = [(c.messages, i) for c in played for i, m in enumerate(c.messages) if m["role"] == "assistant"]
    samples = [sampler.backbone.fmt.pair(messages[:i], messages[i]["content"]) for messages, i in replies]
    with sampler.backbone.gathered():
        return rm.score(samples, cfg.rm.batch_tokens).tolist() if samples else []
