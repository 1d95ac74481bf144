"""Looks at a running RL: development dialogues every so often.

They are rated by the world's hidden oracle. The rating is logged and nothing else: no reward,
gradient or decision of the run depends on it.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from repo_cli.config.schema import Config
from repo_cli.rollout import LocalEngine, run_conversations
from repo_cli.rollout.conversation import opening_row
from repo_cli.training.distributed import all_sum, rank, world_size
from repo_cli.worlds import get_world


def development_dialogues(sampler: LocalEngine, cfg: Config) -> dict[str, float]:
    """Plays `rl.eval_n` dialogues on development scenarios, shared out over the ranks; means over all of them."""
    world = get_world(cfg.world.name, cfg.world.language, cfg.world.seed)
    numbers = range(rank(), cfg.rl.eval_n, world_size())
    rows = [opening_row(world, i, "dev", cfg.eval.seed) for i in numbers]
    engine = LocalEngine(sampler.backbone, sampler.role, replace(sampler.cfg, temperature=0.0))
    with sampler.backbone.gathered():  # ZeRO-3: ranks may differ in how many turns their dialogues take
        played = run_conversations(engine, world, rows, cfg.eval.max_turns, cfg.eval.seed, numbers=numbers)
    rated = [(c, world.rate(c.messages, c.scenario, c.outcome)) for c in played]
    sums = torch.tensor(
        [
            float(len(rated)),
            sum(r.rating for _, r in rated),
            sum(bool(c.outcome.get("deal")) for c, _ in rated),
            sum(len(r.turns) for _, r in rated),
            sum(len(r.violations) for _, r in rated),
        ],
        dtype=torch.float64,
    )
    count, rating, deals, replies, breaches = all_sum(sums).tolist()
    return {
        "dev/rating": rating / count,
        "dev/deals": deals / count,
        "dev/violations_per_100": 100.0 * breaches / max(1.0, replies),
    }
