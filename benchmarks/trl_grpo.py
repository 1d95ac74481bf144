"""A GRPO step and a REPO step of ours against a step of TRL's GRPOTrainer: replies a second.

    python benchmarks/trl_grpo.py                        # fp32 and bf16 (some minutes on two cores)
    python benchmarks/trl_grpo.py grpo --precision fp32  # a part: under four minutes
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

import results
import trl_kit as kit
from trl_kit import Timed
from trl_ours import GROUP, LONGEST_REPLY, Ours, RlTask, our_keys, our_options, wanted_cells

PRECISIONS = ("fp32", "bf16")


class Bench:
    """The same base and prompts for both sides."""

    def __init__(self, task: RlTask) -> None:
        self.task = task

    # -- ours ----------------------------------------------------------------------------------------------------

    def ours(self, algorithm: str, precision: str, given: dict[str, Any]) -> Callable[[int], Timed]:
        keys = [f"{name}={value}" for name, value in given.items()]

        def run(steps: int) -> Timed:
            found = self.task.process.run("rl", self.task.settings(algorithm, precision, steps + 1, *keys))
            timed = Timed(f"ours, {algorithm}", given, [row["timing/step_s"] for row in found[1:]])
            timed.parts = parts(found[1:])
            timed.length = statistics.mean(row["rollout/length_mean"] for row in found[1:])
            return timed

        return run

    # -- TRL's ---------------------------------------------------------------------------------------------------

    def grid(self, precision: str, quick: bool) -> dict[str, Callable[[int], Timed]]:
        """What is tried of TRL's settings: replies in a micro-batch of the update, and in bf16 the weights' dtype. All
        replies of a step are generated together."""
        sizes = [GROUP] if quick else sorted({GROUP, 2 * GROUP, self.task.replies})
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
            model=kit.open_model(self.task.base, dtype),
            reward_funcs=reward,
            args=GRPOConfig(
                **kit.trl_settings(
                    self.task.folder,
                    steps + 1,
                    precision,
                    per_device_train_batch_size=size,
                    gradient_accumulation_steps=self.task.replies // size,
                    num_generations=GROUP,
                    max_completion_length=LONGEST_REPLY,
                    temperature=1.0,
                    top_p=1.0,
                    top_k=0,
                    beta=0.0,
                    loss_type="dapo",  # the mean over the tokens of all replies, as ours
                )
            ),
            train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in self.task.prompts]),
            processing_class=AutoTokenizer.from_pretrained(self.task.base),
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
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", help="grpo, repo; default both")
    parser.add_argument("--precision", choices=PRECISIONS, help="one of them; default both")
    parser.add_argument("--replies", type=int, default=64, help=f"in a step, a multiple of {GROUP}")
    parser.add_argument("--steps", type=int, default=2, help="timed steps, twice for ours and TRL's best")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    our_options(parser)
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where the figures are kept")
    parser.add_argument(
        "--quick", action="store_true", help="hidden 64, 2 layers, 16 replies, one cell; not kept"
    )
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.hidden, asked.layers, asked.replies, asked.steps, asked.results = 64, 2, 16, 1, None
    if wrong := set(asked.algorithms) - {"grpo", "repo"}:
        parser.error(f"{wrong.pop()}: not grpo or repo")
    if asked.replies % GROUP:
        parser.error(f"--replies must be a multiple of {GROUP}")
    with tempfile.TemporaryDirectory() as name, Ours() as process:
        task = RlTask(Path(name), asked.hidden, asked.layers, asked.replies, process, asked.vocabulary)
        bench = Bench(task)
        print(
            f"hidden {asked.hidden}, {asked.layers} layers, vocabulary {asked.vocabulary}, {kit.threads()}; "
            f"{asked.replies} replies a step, of {bench.task.mean:.1f} tokens on average, at most "
            f"{LONGEST_REPLY}; GRPO: groups of {GROUP}"
        )
        for precision in (asked.precision,) if asked.precision else PRECISIONS:
            print(f"\n{precision}; TRL's grid:")
            ways = {
                algorithm: bench.ours(algorithm, precision, our_keys(asked))
                for algorithm in asked.algorithms or ("grpo", "repo")
            }
            found, theirs = kit.compare(
                ways,
                wanted_cells(bench.grid(precision, asked.quick), asked),
                asked.steps,
                lambda line: print(line, flush=True),
            )
            rate = asked.replies / theirs.middle
            print(f"  TRL GRPO   {rate:7.2f} replies/s ({theirs.name}), mean length {theirs.length:.1f}")
            for algorithm, mine in found.items():
                ours = asked.replies / mine.middle
                figures = results.against_trl(
                    algorithm, precision, ours, rate, **kit.told(asked, mine, theirs)
                )
                results.keep(f"{algorithm}-{precision}", figures, asked.results)
                shares = ", ".join(f"{k} {v:.2f} s" for k, v in mine.parts.items() if v)
                print(
                    f"  ours {algorithm:<5} {ours:7.2f} replies/s ({shares}), mean length {mine.length:.1f}: "
                    f"{ours / rate:.2f} times TRL's; a reply costs {rate / ours:.2f} of TRL's",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
