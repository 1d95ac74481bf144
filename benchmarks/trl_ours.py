"""Our side of the benchmarks against TRL: its settings, the process it runs in, and RL on prompts of real lengths."""

from __future__ import annotations

import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import trl_kit as kit

LONGEST_REPLY = 64
GROUP = 8


def our_settings(base: Path, folder: Path, precision: str, *more: str, **groups: str) -> list[str]:
    """Overrides that every one of our runs here has. groups: in place of none, as rules="generic_dialogue"."""
    low = ("engine.autocast=bfloat16",) if precision != "fp32" else ()
    chosen = {"rules": "none", "judge": "none", "sop": "none", "rubric": "none", **groups}
    return [
        "policy=custom",
        f"policy.path={base}",
        "policy.dtype=float32",
        f"lora.r={kit.RANK}",
        f"lora.alpha={kit.ALPHA}",
        f"optim.lr={kit.RATE}",
        "engine.device=cpu",
        *(f"{group}={name}" for group, name in chosen.items()),
        "data.on_bad_row=fail",
        "tracker.tensorboard=false",
        "tracker.checkpoint_minutes=0",
        f"runs_dir={folder / 'runs'}",
        f"cache_dir={folder / 'cache'}",
        *low,
        *more,
    ]


def our_options(parser: Any) -> None:
    """What may be said of our side."""
    parser.add_argument("--micro-tokens", type=int, default=640, help="engine.micro_tokens of ours")
    parser.add_argument("--vocabulary", type=int, default=kit.VOCABULARY, help="rows of the output layer")
    parser.add_argument("--attn", default="blocks", help="policy.attn of ours (TRL: sdpa)")
    parser.add_argument("--cell", action="append", help="of TRL's grid only this cell (may be given again)")
    parser.add_argument("--plain", action="store_true", help="ours without engine.short_cuts")


def our_keys(asked: Any) -> dict[str, Any]:
    """The same as keys of the configuration."""
    return {
        "engine.micro_tokens": asked.micro_tokens,
        "policy.attn": asked.attn,
        "engine.short_cuts": not asked.plain,
    }


def run_stage(stage: str, settings: list[str]) -> list[dict[str, Any]]:
    """The stage as `repo` runs it; its metrics, a row a step."""
    from repo_cli.config import compose
    from repo_cli.launch.processes import launch
    from repo_cli.training.tracking import read_metrics

    with kit.quiet():
        final = launch(stage, compose(stage, settings))
    rows = [row for row in read_metrics(final.parent / "metrics.jsonl") if "timing/step_s" in row]
    return [{**row, "final": str(final)} for row in rows]


def wanted_cells(grid: dict[str, Any], asked: Any) -> dict[str, Any]:
    """The grid, or what is wanted of it."""
    wanted = {name: grid[name] for name in asked.cell or grid if name in grid}
    if not wanted:
        raise SystemExit(f"--cell {asked.cell[0]}: TRL's grid has {', '.join(grid)}")
    return wanted


class Ours:
    """One process for all our runs, beside TRL's: a stage opens torch.distributed, and TRL's trainers would then wrap
    their model in DDP. Only one of the two works at a time."""

    def __init__(self) -> None:
        self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def run(self, stage: str, settings: list[str]) -> list[dict[str, Any]]:
        """See run_stage."""
        return self.pool.submit(run_stage, stage, settings).result()

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_: Any) -> None:
        self.pool.shutdown()


class RlTask:
    """Base, prompts and reward model for RL; `replies` in a step.

    The base ends its replies at random, so that their mean length is that of real ones (trl_kit.end_turns).
    """

    def __init__(
        self,
        folder: Path,
        hidden: int,
        layers: int,
        replies: int,
        process: Ours,
        vocabulary: int = kit.VOCABULARY,
    ) -> None:
        self.folder, self.replies, self.process = folder, replies, process
        self.mean = statistics.mean(kit.reply_lengths())
        self.base = kit.make_base(folder / "base", hidden, layers, vocabulary, self.mean)
        self.prompts = kit.prompt_rows(128)
        self.data = kit.write(folder / "prompts.jsonl", self.prompts)
        self.rm: Path | None = None

    def reward_model(self) -> Path:
        """A reward model of one step: what it scores costs the same however well it is trained."""
        if self.rm is None:
            pairs = kit.write(self.folder / "pairs.jsonl", kit.pair_rows(8))
            held = kit.write(self.folder / "held.jsonl", kit.pair_rows(8, seed=1))
            more = (
                f"data.path={pairs}",
                f"data.val_path={held}",
                "train_rm.max_steps=1",
                "policy.max_length=2048",
            )
            rows = self.process.run("train_rm", our_settings(self.base, self.folder, "fp32", *more))
            self.rm = Path(rows[-1]["final"])
        return self.rm

    def settings(self, algorithm: str, precision: str, steps: int, *more: str, **groups: str) -> list[str]:
        """Of `repo rl`: REPO with policy, critic, reward model and rules, or GRPO with rules that cost little."""
        how = ["reward=rules_only", f"algorithm.group_size={GROUP}"]
        if algorithm == "repo":
            how = ["reward=enhance", f"rm.path={self.reward_model()}", "critic.init=rm", "rm.scale=centered"]
        return our_settings(
            self.base,
            self.folder,
            precision,
            f"algorithm={algorithm}",
            f"data.path={self.data}",
            "policy.max_length=2048",
            f"rl.batch_size={self.replies}",
            f"rl.steps={steps}",
            "rl.preflight=false",
            f"rollout.max_new_tokens={LONGEST_REPLY}",
            f"rollout.batch_size={self.replies}",
            *how,
            *more,
            **{"rules": "generic_dialogue", **groups},
        )
