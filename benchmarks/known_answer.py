"""A task whose best policy is known: do PPO, GRPO and REPO find it?

    python benchmarks/known_answer.py                  # about a minute on two cores: table, known_answer.{json,svg}
    python benchmarks/known_answer.py --steps 40 --out /tmp/known

The task: a few contexts; a reply is a short string of tokens that ends with an end token or at the longest length, so
that all replies can be listed. Every (context, reply) has a drawn score of a "reward model" and a drawn correction E
of "judge and rules"; the reward model's favourite in each context gets E = -n, as a reply that hacks it would, and its
runner-up +n. So the optimum of the enhanced reward is another than the reward model's; both are computed by listing
all replies. So is the optimum under a KL penalty: with weight b against the uniform policy p0 it is
b * log sum_r p0(r) exp(R(r) / b).

What runs is the product's own step on a model that is a table: `collect`, the combination of `reward.combine`,
`Updater.values_`, `advantages_`, `Updater.update` with its DeepSpeed engines, configured by conf/algorithm/*.yaml. A
method passes when the expected reward of its policy, computed exactly, is within 5% of its optimum (distance to the
optimum over the distance at the start).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from repo_cli.config import compose
from repo_cli.config.schema import Config
from repo_cli.dialogue.tokens import Sample
from repo_cli.rewards.combine import COMBINERS, Mix
from repo_cli.rollout.engine import Reply
from repo_cli.stages.experience import advantages_, collect
from repo_cli.stages.update import Updater
from repo_cli.training.engine import TrainEngine

END = 0
TOLERANCE = 0.05

#: name -> what `repo rl` would be given
METHODS = {
    "PPO, reward model": "algorithm=ppo reward=rm_only",
    "GRPO, reward model": "algorithm=grpo reward=rm_only",
    "REPO": "algorithm=repo reward=enhance",
    "Dr.GRPO, enhanced": "algorithm=grpo algorithm.scale_groups=false algorithm.length_norm=constant reward=enhance",
    "PPO with KL, reward model": "algorithm=ppo algorithm.kl_coef=0.5 algorithm.kl_reference=base reward=rm_only",
}
COMMON = tuple(
    "rules=none critic.init=fresh engine.device=cpu engine.micro_tokens=100000 engine.grad_clip=0 rl.batch_size=128 "
    "algorithm.minibatches=2 optim.lr=0.03 critic.lr=0.1 rm.scale=centered".split()
)


@dataclass
class Task:
    """All replies of all contexts, and what each is worth. rm, judge, rules: [contexts, replies], float64."""

    contexts: int
    tokens: int
    longest: int
    replies: list[tuple[int, ...]]
    states: dict[tuple[int, ...], int]
    rm: Tensor
    judge: Tensor
    rules: Tensor
    number: dict[tuple[int, ...], int] = field(default_factory=dict)

    def rewards(self, cfg: Config) -> Tensor:
        """[contexts, replies]: what `reward.combine` makes of the three sources."""
        mix = Mix(n=cfg.reward.n, min_gain=cfg.reward.min_gain)
        flat = [x.flatten() for x in (self.rm, self.judge, self.rules)]
        return COMBINERS[cfg.reward.combine](*flat, mix).view_as(self.rm)


def make_task(
    contexts: int = 4, tokens: int = 4, longest: int = 3, n: float = 2.0, seed: int = 0, lead: float = 0.5
) -> Task:
    """Scores from a seed; in each context the reward model's favourite is corrected by -n, its runner-up by +n.

    The favourite stands `lead` above the rest (which of two nearly equal replies wins is a matter of luck), and both
    are above 0, so that E has something to scale.
    """
    replies: list[tuple[int, ...]] = []
    for length in range(1, longest + 1):
        for body in itertools.product(range(1, tokens), repeat=length - 1):
            replies += [(*body, last) for last in range(tokens) if last == END or length == longest]
    prefixes = sorted({reply[:k] for reply in replies for k in range(len(reply))}, key=lambda p: (len(p), p))
    draw = torch.Generator().manual_seed(seed)
    shape = (contexts, len(replies))
    rm = torch.randn(shape, generator=draw, dtype=torch.float64)
    judge, rules = (0.5 * torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(2))
    top, two = rm.topk(2, dim=1)
    rm.scatter_(1, two, top.clamp(min=0.5) + torch.tensor([lead, 0.0], dtype=torch.float64))
    for x in (judge, rules):
        x.scatter_(1, two, torch.tensor([[-n / 2, n / 2]], dtype=torch.float64).expand(contexts, 2))
    task = Task(contexts, tokens, longest, replies, {p: i for i, p in enumerate(prefixes)}, rm, judge, rules)
    task.number = {reply: i for i, reply in enumerate(replies)}
    return task


class TableModel(nn.Module):
    """A policy and a value for every (context, reply so far), behind the methods of `Backbone` that RL calls.

    Sequences are [context id, reply tokens ...]; context c has the id tokens + c. The base alone is uniform.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.device, self.sharding = task, torch.device("cpu"), None
        self.shares_contexts = False
        rows = task.contexts * len(task.states)
        self.tables = nn.ParameterDict({"policy": nn.Parameter(torch.zeros(rows, task.tokens))})
        self.row_of = torch.zeros(
            (task.tokens + 1) ** task.longest, dtype=torch.long
        )  # by the prefix as a number
        for prefix, row in task.states.items():
            self.row_of[
                functools.reduce(lambda code, token: code * (task.tokens + 1) + token + 1, prefix, 0)
            ] = row
        self.fmt = SimpleNamespace(pad_id=END, from_rollout=self.sample_of)

    def sample_of(self, context: list[int], reply: list[int]) -> Sample:
        return Sample([*context, *reply], [0] * len(context) + [1] * len(reply))

    def add_role(self, role: str, *given: Any, **more: Any) -> None:
        self.tables[role] = nn.Parameter(torch.zeros(len(self.tables["policy"]), 1))

    def roles(self) -> list[str]:
        return list(self.tables)

    def has_head(self, role: str) -> bool:
        return role == "critic"

    def use(self, role: str | None) -> None:
        for name, table in self.tables.items():
            table.requires_grad_(name == role)

    def named_trainable(self, role: str) -> dict[str, nn.Parameter]:
        return {role: self.tables[role]}

    def trainable(self, role: str) -> list[nn.Parameter]:
        return [self.tables[role]]

    def states(self, ids: Tensor) -> Tensor:
        """[batch, time]: row of the tables before each token; any row where there is none (context, padding)."""
        base, size = self.task.tokens + 1, len(self.task.states)
        out, code = torch.zeros_like(ids), torch.zeros_like(ids[:, 0])
        for t in range(1, ids.shape[1]):
            out[:, t] = (ids[:, 0] - self.task.tokens) * size + self.row_of[
                code.clamp(max=len(self.row_of) - 1)
            ]
            code = code * base + ids[:, t] + 1
        return out

    def log_table(self, role: str | None) -> Tensor:
        table = self.tables["policy"]
        return (torch.zeros_like(table) if role is None else table).log_softmax(-1)

    def logps_entropy(
        self, role: str | None, ids: Tensor, attention: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        rows = self.log_table(role)[self.states(ids)]
        picked = rows.gather(-1, ids.clamp(max=self.task.tokens - 1).unsqueeze(-1))[..., 0]
        entropy = -(rows.exp() * rows).sum(-1).detach()
        return torch.where(mask.bool(), picked, 0.0), torch.where(mask.bool(), entropy, 0.0)

    def logps(self, *given: Any, **more: Any) -> Tensor:
        return self.logps_entropy(*given, **more)[0]

    def values(self, role: str, ids: Tensor, attention: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.tables[role][self.states(ids), 0]

    @torch.no_grad()
    def distribution(self) -> Tensor:
        """[contexts, replies], float64: the exact probability of every reply."""
        logs = self.log_table("policy").double().view(self.task.contexts, len(self.task.states), -1)
        columns = []
        for reply in self.task.replies:
            steps = [logs[:, self.task.states[reply[:k]], token] for k, token in enumerate(reply)]
            columns.append(torch.stack(steps).sum(0).exp())
        return torch.stack(columns, 1)


class Sampler:
    """`LocalEngine` for the table: draws whole replies, token by token."""

    def __init__(self, model: TableModel) -> None:
        self.backbone = model

    @torch.no_grad()
    def generate(self, contexts: list[list[int]], seed: int, on_done: Any = None) -> list[Reply]:
        model, task = self.backbone, self.backbone.task
        generator = torch.Generator().manual_seed(seed)
        logs = model.log_table("policy")
        ids: list[tuple[int, ...]] = [() for _ in contexts]
        logps: list[list[float]] = [[] for _ in contexts]
        running = list(range(len(contexts)))
        while running:
            at = [(contexts[i][0] - task.tokens) * len(task.states) + task.states[ids[i]] for i in running]
            drawn = torch.multinomial(logs[at].exp(), 1, generator=generator)[:, 0].tolist()
            for i, row, token in zip(running, at, drawn, strict=True):
                ids[i] += (token,)
                logps[i].append(float(logs[row, token]))
            running = [i for i in running if ids[i][-1] != END and len(ids[i]) < task.longest]
        return [Reply(list(r), lp, "", r[-1] == END) for r, lp in zip(ids, logps, strict=True)]


def value(task: Task, cfg: Config, probabilities: Tensor) -> float:
    """The exact objective: mean reward over contexts, less the KL penalty where there is one."""
    found = float((probabilities * task.rewards(cfg)).sum(1).mean())
    if cfg.algorithm.kl_coef:
        start = TableModel(task).distribution()
        kl = (probabilities * (probabilities.clamp(min=1e-300).log() - start.log())).sum(1).mean()
        found -= cfg.algorithm.kl_coef * float(kl)
    return found


def optimum(task: Task, cfg: Config) -> float:
    """The best value that any policy has."""
    rewards, coef = task.rewards(cfg), cfg.algorithm.kl_coef
    if not coef:
        return float(rewards.max(1).values.mean())
    start = TableModel(task).distribution()
    return float((coef * torch.logsumexp(start.log() + rewards / coef, 1)).mean())


def train(task: Task, given: str, steps: int, seed: int = 0) -> tuple[list[float], Tensor, Config]:
    """(share of the way to the optimum after each step, final distribution, configuration) of one method."""
    cfg = compose("rl", [*COMMON, *given.split(), f"rl.steps={steps}", f"seed={seed}"])
    torch.manual_seed(seed)
    model = TableModel(task)
    session: Any = SimpleNamespace(  # a Session makes engines
        engine=lambda backbone, role, lr, total: TrainEngine(backbone, role, cfg, lr, total_steps=total),
    )
    updater = Updater(cfg, model, session)  # type: ignore[arg-type]
    sampler, rewards, group = Sampler(model), task.rewards(cfg), cfg.algorithm.group_size
    start, best = value(task, cfg, model.distribution()), optimum(task, cfg)
    draw = torch.Generator().manual_seed(seed)
    curve = [0.0]
    for step in range(steps):
        drawn = torch.randint(task.contexts, (cfg.rl.batch_size // group,), generator=draw).tolist()
        prompts: list[Any] = [({"prompt": []}, [task.tokens + c]) for c in drawn for _ in range(group)]
        items = collect(sampler, prompts, seed=seed * 100_003 + step)  # type: ignore[arg-type]
        totals = torch.stack(
            [rewards[i.sample.ids[0] - task.tokens, task.number[tuple(i.reply.ids)]] for i in items]
        ).float()
        updater.values_(items)
        advantages_(items, totals, torch.ones(len(items), dtype=torch.bool), cfg.algorithm)
        updater.update(items, step)
        curve.append((value(task, cfg, model.distribution()) - start) / (best - start))
    for engine in filter(None, (updater.policy, updater.critic)):
        engine.close()
    return curve, model.distribution(), cfg


def picture(curves: dict[str, list[float]]) -> str:
    """The curves as one SVG that stands alone."""
    width, height, left, top = 720, 360, 56, 28
    colours = ("#1f6feb", "#d9822b", "#1a7f4b", "#8250df", "#cf222e")
    steps = max(len(c) for c in curves.values()) - 1
    low = min(0.0, *(min(c) for c in curves.values()))

    def x(step: float) -> str:
        return f"{left + step / steps * (width - left - 20):.1f}"

    def y(share: float, down: float = 0.0) -> str:
        return f"{top + (1.05 - share) / (1.05 - low) * (height - top - 44) + down:.1f}"

    def text(at: str, down: str, words: str, more: str = "") -> str:
        return f'<text x="{at}" y="{down}" {more}>{words}</text>'

    title = "Share of the way from the uniform policy to each method's own optimum"
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>', text(str(left), "18", title)]
    for share, dash in ((0.0, ""), (0.5, ""), (1.0 - TOLERANCE, "4 4"), (1.0, "")):
        ends = f'x1="{x(0)}" y1="{y(share)}" x2="{x(steps)}" y2="{y(share)}"'
        parts.append(f'<line {ends} stroke="#ccc" stroke-dasharray="{dash}"/>')
        if share != 1.0 - TOLERANCE:  # it would lie over the next label
            parts.append(text(str(left - 8), y(share, 4), f"{share:.0%}", 'text-anchor="end"'))
    for step in range(0, steps + 1, max(1, steps // 5)):
        parts.append(text(x(step), y(low, 18), str(step), 'text-anchor="middle"'))
    for number, ((name, shares), colour) in enumerate(zip(curves.items(), colours, strict=False)):
        points = " ".join(f"{x(step)},{y(share)}" for step, share in enumerate(shares))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        line = height - 150 + 18 * number
        parts.append(f'<rect x="{width - 260}" y="{line - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(text(str(width - 240), str(line - 3), name))
    parts.append(text(str(width // 2), str(height - 6), "RL steps of 128 replies", 'text-anchor="middle"'))
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>{"".join(parts)}</svg>\n'


def main(arguments: list[str] | None = None) -> int:
    """Trains every method, prints the table, writes curve and figures; 1 when one misses its optimum by over 5%."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="RL steps of 128 replies")
    parser.add_argument("--seed", type=int, default=0, help="seed of task and training")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_suffix(""), help="files' name without suffix"
    )
    asked = parser.parse_args(arguments)
    task = make_task(seed=asked.seed)
    plain, enhanced = (compose("rl", [*COMMON, f"reward={name}"]) for name in ("rm_only", "enhance"))
    apart = int((task.rewards(plain).argmax(1) != task.rewards(enhanced).argmax(1)).sum())
    print(
        f"{task.contexts} contexts of {len(task.replies)} replies; the two optima differ in {apart} contexts"
    )
    print(f"{'method':<28}{'optimum':>9}{'reached':>9}{'share':>8}{'RM':>8}{'enhanced':>10}{'seconds':>9}")
    curves, rows = {}, []
    for name, given in METHODS.items():
        began = time.perf_counter()
        curve, policy, cfg = train(task, given, asked.steps, asked.seed)
        best, reached = optimum(task, cfg), value(task, cfg, policy)
        worth = [float((policy * task.rewards(c)).sum(1).mean()) for c in (plain, enhanced)]
        seconds = time.perf_counter() - began
        print(
            f"{name:<28}{best:>9.3f}{reached:>9.3f}{curve[-1]:>8.1%}{worth[0]:>8.3f}{worth[1]:>10.3f}{seconds:>9.1f}"
        )
        curves[name] = curve
        figures = {
            "optimum": best,
            "reached": reached,
            "share": curve[-1],
            "rm": worth[0],
            "enhanced": worth[1],
        }
        rows.append({"method": name, "overrides": given} | {k: round(v, 4) for k, v in figures.items()})
    asked.out.with_suffix(".svg").write_text(picture(curves), encoding="utf-8")
    found = {"steps": asked.steps, "seed": asked.seed, "rows": rows}
    asked.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    missed = [row["method"] for row in rows if row["share"] < 1 - TOLERANCE]
    print(
        f"missed by more than {TOLERANCE:.0%}: {', '.join(missed)}"
        if missed
        else f"all within {TOLERANCE:.0%}"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
