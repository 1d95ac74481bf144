"""How a reward model's score goes with the world's hidden rating, on held-out contexts. Measures; trains nothing.

    python benchmarks/rm_hidden.py runs/train_rm/demo-train_rm/.../final
    python benchmarks/rm_hidden.py RM_FINAL --policy runs/sft/.../final --n 300 --samples 2

Contexts are those of the world's corpus `replies` (scenarios of the test split, which no training corpus has). Each is
answered by the world's scripted agents of five qualities, and, sampled as in RL, by the base or a policy. The oracle
rates every reply from 1 to 5, the reward model scores it. Printed for each kind of reply: Pearson's and Spearman's
correlation, Pearson's of sigmoid(z) (`rm.scale=sigmoid`), Pearson's given the reply's length, those of score and of
rating with the length, and Pearson's within contexts (score and rating less their means over the context's replies);
95% intervals by a bootstrap over contexts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

QUALITIES = ("excellent", "gold", "mediocre", "mixed", "bad")
DRAWS = 2000


@dataclass
class Rated:
    """One reply: number of its context, who wrote it, the oracle's rating, the raw score, z, and length in tokens."""

    context: int
    who: str
    rating: float
    score: float
    z: float
    tokens: int


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """nan where either does not vary."""
    a, b = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-12 else float("nan")


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's of the ranks."""
    return pearson(rankdata(x), rankdata(y))


def partial(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> float:
    """Pearson's of x and y once what is linear in `given` is taken out of both."""
    xy, xg, yg = pearson(x, y), pearson(x, given), pearson(y, given)
    rest = (1 - xg**2) * (1 - yg**2)
    return (xy - xg * yg) / rest**0.5 if rest > 1e-12 else float("nan")


def within(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> float:
    """Pearson's of what is left of x and y less their group's means; nan where every group has one member."""
    _, place = np.unique(group, return_inverse=True)
    size = np.bincount(place)
    if size.max() < 2:
        return float("nan")
    return pearson(*(v - (np.bincount(place, v) / size)[place] for v in (x, y)))


def figures(rows: list[Rated], draws: int = DRAWS, seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """name -> (value, low, high), resampling whole contexts."""
    rating, score, z, tokens = (
        np.array([getattr(r, name) for r in rows], dtype=float) for name in ("rating", "score", "z", "tokens")
    )
    context = np.array([r.context for r in rows])
    sigmoid = 1 / (1 + np.exp(-z))
    ways: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "pearson": lambda i, g: pearson(score[i], rating[i]),
        "spearman": lambda i, g: spearman(score[i], rating[i]),
        "sigmoid": lambda i, g: pearson(sigmoid[i], rating[i]),
        "given length": lambda i, g: partial(score[i], rating[i], tokens[i]),
        "score, length": lambda i, g: pearson(score[i], tokens[i]),
        "rating, length": lambda i, g: pearson(rating[i], tokens[i]),
        "within contexts": lambda i, g: within(score[i], rating[i], g),
    }
    members = [np.flatnonzero(context == c) for c in np.unique(context)]
    rng = np.random.default_rng(seed)
    taken = []
    for _ in range(draws):
        chosen = [members[k] for k in rng.integers(0, len(members), len(members))]
        # a context that is drawn twice is two contexts
        taken.append((np.concatenate(chosen), np.repeat(np.arange(len(chosen)), [len(c) for c in chosen])))
    out = {}
    for name, way in ways.items():
        value = way(np.arange(len(rows)), context)
        sample = np.array([way(*one) for one in taken]) if not np.isnan(value) else np.array([np.nan])
        low, high = np.nanpercentile(sample, [2.5, 97.5]) if not np.isnan(value) else (value, value)
        out[name] = (value, float(low), float(high))
    return out


def replies(given: argparse.Namespace) -> list[Rated]:
    """Contexts answered, rated and scored."""
    from repo_cli.config import load_frozen
    from repo_cli.models.backbone import Backbone
    from repo_cli.models.manifest import find_final, read_manifest
    from repo_cli.rewards.reward_model import RewardModel
    from repo_cli.rollout import LocalEngine
    from repo_cli.worlds import get_world

    final = find_final(given.rm, "RM_FINAL")
    cfg = load_frozen(final.parent)
    cfg.policy.max_length = given.max_length or cfg.policy.max_length
    cfg.policy.parent = given.policy or cfg.policy.parent or read_manifest(final).base
    backbone = Backbone.load(cfg)
    model = RewardModel.open(backbone, final, "centered")
    world = get_world(cfg.world.name, cfg.world.language, cfg.world.seed)
    rows = [world.rows("replies", given.offset + i) for i in range(given.n)]
    asked: list[tuple[int, str, str]] = []  # context, who, reply
    for i, row in enumerate(rows):
        for who in QUALITIES:
            asked.append((i, who, world.agent(who, row["scenario"], given.seed).reply(row["prompt"])))
    role = "policy" if "policy" in backbone.roles() else None
    name = "sampled from the policy" if given.policy else "sampled from the base"
    contexts = [backbone.fmt.context_ids(row["prompt"]) for row in rows for _ in range(given.samples)]
    if contexts:
        cfg.rollout.temperature = given.temperature
        sampled = LocalEngine(backbone, role, cfg.rollout).generate(contexts, given.seed)
        asked += [(k // given.samples, name, reply.text) for k, reply in enumerate(sampled)]
    samples = [backbone.fmt.pair(rows[i]["prompt"], text) for i, _, text in asked]
    raw = model.raw(samples, cfg.rm.batch_tokens)
    z = model.calibration.scale(raw)
    out = []
    for k, (i, who, text) in enumerate(asked):
        rating = world.rate_reply(rows[i]["prompt"], text, rows[i]["scenario"]).rating
        out.append(Rated(i, who, rating, float(raw[k]), float(z[k]), sum(samples[k].mask)))
    return out


def table(rows: list[Rated], draws: int = DRAWS) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Prints a line for each kind of reply; returns the figures."""
    kinds = {"scripted, all qualities": [r for r in rows if r.who in QUALITIES]}
    for who in dict.fromkeys(r.who for r in rows):
        kinds[who] = [r for r in rows if r.who == who]
    found = {}
    for name, part in kinds.items():
        found[name] = figures(part, draws)
        mean = sum(r.rating for r in part) / len(part)
        print(
            f"\n{name}: {len(part)} replies, mean rating {mean:.2f}, mean z {sum(r.z for r in part) / len(part):+.2f}"
        )
        for figure, (value, low, high) in found[name].items():
            if not np.isnan(value):
                print(f"  {figure:16s} {value:+.3f} [{low:+.3f}, {high:+.3f}]")
    return found


def main(arguments: list[str] | None = None) -> dict[str, dict[str, tuple[float, float, float]]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rm", metavar="RM_FINAL", help="final/ of repo train-rm, or its run directory")
    parser.add_argument(
        "--policy", default=None, help="final/ of the policy that is sampled; the base when left out"
    )
    parser.add_argument("--n", type=int, default=300, help="contexts")
    parser.add_argument("--offset", type=int, default=0, help="number of the first context")
    parser.add_argument("--samples", type=int, default=2, help="sampled replies to each context; 0 = none")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument(
        "--max-length", type=int, default=None, help="tokens; the reward model's own when left out"
    )
    parser.add_argument("--draws", type=int, default=DRAWS, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=None, help="also write every reply's figures here (.jsonl)"
    )
    given = parser.parse_args(arguments)
    rows = replies(given)
    if given.out:
        given.out.write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows), encoding="utf-8")
    return table(rows, given.draws)


if __name__ == "__main__":
    from repo_cli.cli import tell

    try:
        main()
    except Exception as error:
        sys.exit(tell(error))
