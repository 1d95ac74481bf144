"""A GRPO step and a REPO step of ours against a step of TRL's GRPOTrainer: replies a second.

    python benchmarks/trl_grpo.py                        # fp32 and bf16 (some minutes on two cores)
    python benchmarks/trl_grpo.py --precision fp32 --replies 32
    python benchmarks/trl_grpo.py --quick                # a small model, to see that it runs

Ours is `repo rl algorithm=grpo` and `repo rl algorithm=repo` (policy, critic, reward model and rules; no groups, so
every reply has a prompt of its own), whole steps as they are logged. TRL has neither critic nor reward model nor rules:
its reward is a function that costs nothing, as is ours for GRPO but for the rules. It runs at the best of a small
printed grid of micro-batches and the weights' dtype, then ours and TRL's best in turn. Prompts have the lengths of real
ones; the base ends its replies at random, so that their mean length is that of real ones (`trl_kit.end_turns`).
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trl_kit as kit
from trl_kit import Timed

GROUP = 8
LONGEST_REPLY = 64
PRECISIONS = ("fp32", "bf16")


class Bench:
    """The same base and prompts for both sides; `replies` in a step."""

    def __init__(self, folder: Path, hidden: int, layers: int, replies: int, process: kit.Ours) -> None:
        self.folder, self.replies, self.process = folder, replies, process
        self.mean = statistics.mean(kit.reply_lengths())
        self.base = kit.make_base(folder / "base", hidden, layers, reply=self.mean)
        self.prompts = kit.prompt_rows(128)
        self.data = kit.write(folder / "prompts.jsonl", self.prompts)
        self.rm: Path | None = None

    # -- ours ----------------------------------------------------------------------------------------------------

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
            rows = self.process.run("train_rm", kit.our_settings(self.base, self.folder, "fp32", *more))
            self.rm = Path(rows[-1]["final"])
        return self.rm

    def ours(self, algorithm: str, precision: str, micro_tokens: int, attn: str) -> Callable[[int], Timed]:
        more = ["reward=rules_only", f"algorithm.group_size={GROUP}"]
        if algorithm == "repo":
            more = ["reward=enhance", f"rm.path={self.reward_model()}", "critic.init=rm", "rm.scale=centered"]
        given = {"engine.micro_tokens": micro_tokens, "policy.attn": attn}

        def run(steps: int) -> Timed:
            settings = kit.our_settings(
                self.base,
                self.folder,
                precision,
                f"algorithm={algorithm}",
                f"data.path={self.data}",
                "policy.max_length=2048",
                *(f"{name}={value}" for name, value in given.items()),
                f"rl.batch_size={self.replies}",
                f"rl.steps={steps + 1}",
                "rl.preflight=false",
                f"rollout.max_new_tokens={LONGEST_REPLY}",
                f"rollout.batch_size={self.replies}",
                *more,
            )
            settings[settings.index("rules=none")] = "rules=generic_dialogue"
            found = self.process.run("rl", settings)
            timed = Timed(f"ours, {algorithm}", given, [row["timing/step_s"] for row in found[1:]])
            timed.parts = parts(found[1:])
            timed.length = statistics.mean(row["rollout/length_mean"] for row in found[1:])
            return timed

        return run

    # -- TRL's ---------------------------------------------------------------------------------------------------

    def grid(self, precision: str, quick: bool) -> dict[str, Callable[[int], Timed]]:
        """What is tried of TRL's settings: replies in a micro-batch of the update, and in bf16 the weights' dtype. All
        replies of a step are generated together."""
        sizes = [GROUP] if quick else sorted({GROUP, 2 * GROUP, self.replies})
        cells = {f"micro-batch {size}": (size, "float32") for size in sizes}
        if precision != "fp32":
            cells |= {f"micro-batch {size}, bf16 weights": (size, "bfloat16") for size in sizes[:2]}
        return {name: self._cell(name, *cell, precision) for name, cell in cells.items()}

    def _cell(self, name: str, size: int, dtype: str, precision: str) -> Callable[[int], Timed]:
        def run(steps: int) -> Timed:
            with kit.quiet():
                seconds, length = self._train(steps, size, dtype, precision)
            gc.collect()
            timed = Timed(name, {"per_device_train_batch_size": size, "dtype": dtype}, seconds[1:])
            timed.length = length
            return timed

        return run

    def _train(self, steps: int, size: int, dtype: str, precision: str) -> tuple[list[float], float]:
        from datasets import Dataset
        from transformers import AutoTokenizer
        from trl import GRPOConfig, GRPOTrainer

        lengths: list[int] = []

        def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
            lengths.extend(len(ids) for ids in completion_ids)
            return [float(ids[0] % 7) for ids in completion_ids]

        clock = kit.clock()
        trainer = GRPOTrainer(
            model=kit.open_model(self.base, dtype),
            reward_funcs=reward,
            args=GRPOConfig(
                **kit.trl_settings(
                    self.folder,
                    steps + 1,
                    precision,
                    per_device_train_batch_size=size,
                    gradient_accumulation_steps=self.replies // size,
                    num_generations=GROUP,
                    max_completion_length=LONGEST_REPLY,
                    temperature=1.0,
                    top_p=1.0,
                    top_k=0,
                    beta=0.0,
                    loss_type="dapo",  # the mean over the tokens of all replies, as ours
                )
            ),
            train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in self.prompts]),
            processing_class=AutoTokenizer.from_pretrained(self.base),
            peft_config=kit.lora(),
            callbacks=[clock],
        )
        trainer.train()
        return clock.seconds, statistics.mean(lengths)


def parts(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean seconds of each part of our steps."""
    names = ("generate", "score", "values", "update")
    return {name: statistics.mean(row.get(f"timing/{name}_s", 0.0) for row in rows) for name in names}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="one of them; default both")
    parser.add_argument("--replies", type=int, default=64, help=f"in a step, a multiple of {GROUP}")
    parser.add_argument("--steps", type=int, default=2, help="timed steps, twice for ours and TRL's best")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--micro-tokens", type=int, default=2048, help="engine.micro_tokens of ours")
    parser.add_argument("--attn", default="sdpa", help="policy.attn of ours (TRL: sdpa)")
    parser.add_argument("--quick", action="store_true", help="hidden 64, 2 layers, 16 replies, one cell")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.hidden, asked.layers, asked.replies, asked.steps = 64, 2, 16, 1
    if asked.replies % GROUP:
        parser.error(f"--replies must be a multiple of {GROUP}")
    with tempfile.TemporaryDirectory() as name, kit.Ours() as process:
        bench = Bench(Path(name), asked.hidden, asked.layers, asked.replies, process)
        print(
            f"hidden {asked.hidden}, {asked.layers} layers, {kit.threads()}; {asked.replies} replies a step, of "
            f"{bench.mean:.1f} tokens on average, at most {LONGEST_REPLY}; GRPO: groups of {GROUP}"
        )
        for precision in (asked.precision,) if asked.precision else PRECISIONS:
            print(f"\n{precision}; TRL's grid:")
            ways = {
                algorithm: bench.ours(algorithm, precision, asked.micro_tokens, asked.attn)
                for algorithm in ("grpo", "repo")
            }
            found, theirs = kit.compare(
                ways, bench.grid(precision, asked.quick), asked.steps, lambda line: print(line, flush=True)
            )
            rate = asked.replies / theirs.middle
            print(f"  TRL GRPO   {rate:7.2f} replies/s ({theirs.name}), mean length {theirs.length:.1f}")
            for algorithm, mine in found.items():
                ours = asked.replies / mine.middle
                shares = ", ".join(f"{k} {v:.2f} s" for k, v in mine.parts.items() if v)
                print(
                    f"  ours {algorithm:<5} {ours:7.2f} replies/s ({shares}), mean length {mine.length:.1f}: "
                    f"{ours / rate:.2f} times TRL's; a reply costs {rate / ours:.2f} of TRL's",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
