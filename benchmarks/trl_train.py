"""SFT, DPO and reward-model training against TRL's trainers: real (non-padding) tokens a second.

    python benchmarks/trl_train.py                             # all three, fp32 and bf16 (some minutes on two cores)
    python benchmarks/trl_train.py dpo --precision fp32        # a part: under four minutes
    python benchmarks/trl_train.py --quick                     # a small model, to see that it runs

Ours is the stage as `repo sft`, `repo dpo` and `repo train-rm` run it, at one setting (engine.micro_tokens). TRL runs
at the best of a small printed grid: batch size, batches of like lengths, padding-free and packed batches, the weights'
dtype. Same base (random weights), same token ids, LoRA of the same shape, AdamW, the same number of samples a step, one
process; then ours and TRL's best in turn. A step of DPO computes the reference's log-probs on both sides. "Tokens" are
those of all sequences without padding; a pair counts both its sequences in full, on both sides.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import results
import trl_kit as kit
from trl_kit import Timed
from trl_ours import Ours, our_keys, our_options, our_settings, wanted_cells

STAGES = ("sft", "dpo", "train_rm")
PRECISIONS = ("fp32", "bf16")
LONGEST = 2048


class Task:
    """The same samples for both sides of one stage."""

    def __init__(self, stage: str, base: Path, folder: Path, count: int, process: Ours) -> None:
        from transformers import AutoTokenizer

        from repo_cli.dialogue.tokens import ChatFormat

        self.stage, self.base, self.folder, self.count, self.process = stage, base, folder, count, process
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.fmt = ChatFormat(self.tokenizer, {}, LONGEST)
        rows = kit.sft_rows(count) if stage == "sft" else kit.pair_rows(count)
        self.data = kit.write(folder / f"{stage}.jsonl", rows)
        if stage == "sft":
            samples = [s for row in rows for s in self.fmt.training_samples(row["messages"])]
            assert len(samples) == count, "one sample a dialogue"
            self.columns: dict[str, list[Any]] = {
                "input_ids": [s.ids for s in samples],
                "labels": [[t if on else -100 for t, on in zip(s.ids, s.mask, strict=True)] for s in samples],
            }
            self.tokens = sum(len(s.ids) for s in samples)
            return
        pairs = [
            self.fmt.preference(r["prompt"], r["chosen"][0]["content"], r["rejected"][0]["content"])
            for r in rows
        ]
        self.tokens = sum(len(side.ids) for pair in pairs for side in pair)
        if stage == "train_rm":
            self.columns = {
                "chosen_ids": [a.ids for a, _ in pairs],
                "rejected_ids": [b.ids for _, b in pairs],
            }
            # as many again for the calibration, which no timed step sees
            self.held = kit.write(folder / "held.jsonl", kit.pair_rows(16, seed=1))
        else:
            starts = [a.mask.index(1) for a, _ in pairs]
            self.columns = {
                "prompt_ids": [a.ids[:n] for (a, _), n in zip(pairs, starts, strict=True)],
                "chosen_ids": [a.ids[n:] for (a, _), n in zip(pairs, starts, strict=True)],
                "rejected_ids": [b.ids[n:] for (_, b), n in zip(pairs, starts, strict=True)],
            }

    # -- ours ----------------------------------------------------------------------------------------------------

    def ours(self, precision: str, given: dict[str, Any]) -> Callable[[int], Timed]:
        more = {
            "sft": ("data.val_fraction=0", f"sft.batch_size={self.count}"),
            "dpo": ("data.val_fraction=0", f"dpo.batch_size={self.count}", "dpo.reference=adapter"),
            "train_rm": (
                f"train_rm.batch_size={self.count}",
                "train_rm.repeats=keep",
                f"data.val_path={getattr(self, 'held', None)}",
            ),
        }[self.stage]

        def run(steps: int) -> Timed:
            settings = our_settings(
                self.base,
                self.folder,
                precision,
                f"data.path={self.data}",
                f"policy.max_length={LONGEST}",
                *(f"{name}={value}" for name, value in given.items()),
                f"{self.stage}.epochs={steps + 1}",
                f"{self.stage}.max_steps={steps + 1}",
                *more,
            )
            found = self.process.run(self.stage, settings)
            gc.collect()
            timed = [row["timing/step_s"] for row in found[1:]]
            return Timed("ours", given, timed, [row[f"{self.stage}/loss"] for row in found])

        return run

    # -- TRL's ---------------------------------------------------------------------------------------------------

    def grid(self, precision: str, quick: bool) -> dict[str, Callable[[int], Timed]]:
        """What is tried of TRL's settings, by name."""
        half = self.count // 2
        cells: dict[str, dict[str, Any]] = {"batch 1": {"batch": 1}, "batch 4": {"batch": 4}}
        if self.stage == "sft":
            cells["batch 4, like lengths"] = {"batch": 4, "train_sampling_strategy": "group_by_length"}
            cells[f"batch {half}, like lengths"] = {
                "batch": half,
                "train_sampling_strategy": "group_by_length",
            }
            cells["batch 2, padding-free"] = {"batch": 2, "padding_free": True, "max_length": None}
            cells["packed to 1024"] = {"batch": 1, "packing": True, "max_length": 1024}
        else:
            cells["batch 2"] = {"batch": 2}
            cells[f"batch {self.count}"] = {"batch": self.count}
        if quick:
            cells = dict(list(cells.items())[:2])
        if precision != "fp32":
            cells = {
                f"{name}{', bf16 weights' if dtype == 'bfloat16' else ''}": {**cell, "dtype": dtype}
                for dtype in ("float32", "bfloat16")
                for name, cell in cells.items()
                if dtype == "float32" or "batch 4" in name or "batch 1" == name
            }
        return {name: self._cell(name, cell, precision) for name, cell in cells.items()}

    def _cell(self, name: str, given: dict[str, Any], precision: str) -> Callable[[int], Timed]:
        def run(steps: int) -> Timed:
            with kit.quiet():
                seconds, losses = self._train(steps, precision, dict(given))
            gc.collect()
            return Timed(name, given, seconds[1:], losses)

        return run

    def _train(self, steps: int, precision: str, given: dict[str, Any]) -> tuple[list[float], list[float]]:
        from datasets import Dataset

        batch, dtype = given.pop("batch"), given.pop("dtype", "float32")
        data = Dataset.from_dict(self.columns)
        clock, packed = kit.clock(), given.get("packing", False)
        settings = kit.trl_settings(
            self.folder, steps + 1, precision, per_device_train_batch_size=batch, **given
        )
        settings["gradient_accumulation_steps"] = self.count // batch
        common = {"processing_class": self.tokenizer, "callbacks": [clock]}
        if self.stage == "sft":
            from trl import SFTConfig, SFTTrainer
            from trl.data_utils import pack_dataset

            if packed:
                settings["gradient_accumulation_steps"] = len(pack_dataset(data, given["max_length"], "bfd"))
            settings.setdefault("max_length", LONGEST)
            trainer: Any = SFTTrainer(
                kit.open_model(self.base, dtype),
                SFTConfig(**settings),
                train_dataset=data,
                peft_config=kit.lora(),
                **common,
            )
        elif self.stage == "dpo":
            from trl import DPOConfig, DPOTrainer

            text = Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]})
            trainer = DPOTrainer(
                kit.open_model(self.base, dtype),
                args=DPOConfig(**settings, max_length=LONGEST, beta=0.1),
                train_dataset=text,
                peft_config=kit.lora(),
                **common,
            )
            trainer.train_dataset = data  # the very ids; from text TRL ends a reply one token later
        else:
            from trl import RewardConfig, RewardTrainer

            trainer = RewardTrainer(
                kit.open_model(self.base, dtype, scores=True),
                args=RewardConfig(**settings, max_length=LONGEST),
                train_dataset=data,
                peft_config=kit.lora("SEQ_CLS"),
                **common,
            )
        trainer.train()
        return clock.seconds, clock.losses


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; default all")
    parser.add_argument("--precision", choices=PRECISIONS, help="one of them; default both")
    parser.add_argument("--samples", type=int, default=16, help="dialogues or pairs in a step")
    parser.add_argument("--steps", type=int, default=2, help="timed steps, twice for ours and TRL's best")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    our_options(parser)
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where the figures are kept")
    parser.add_argument(
        "--quick", action="store_true", help="hidden 128, 2 layers, 8 samples, half the grid; not kept"
    )
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.hidden, asked.layers, asked.samples, asked.steps, asked.results = 128, 2, 8, 1, None
    if wrong := set(asked.stages) - set(STAGES):
        parser.error(f"{wrong.pop()}: not one of {', '.join(STAGES)}")
    with tempfile.TemporaryDirectory() as name, Ours() as process:
        folder = Path(name)
        base = kit.make_base(folder / "base", asked.hidden, asked.layers, asked.vocabulary)
        print(
            f"hidden {asked.hidden}, {asked.layers} layers, vocabulary {asked.vocabulary}, {kit.threads()}; "
            f"LoRA r={kit.RANK}, all linear layers"
        )
        for stage in asked.stages or STAGES:
            task = Task(stage, base, folder, asked.samples, process)
            print(f"\n{stage}: {asked.samples} samples a step, {task.tokens} real tokens")
            for precision in (asked.precision,) if asked.precision else PRECISIONS:
                print(f" {precision}; TRL's grid:")
                found, theirs = kit.compare(
                    {stage: task.ours(precision, our_keys(asked))},
                    wanted_cells(task.grid(precision, asked.quick), asked),
                    asked.steps,
                    lambda line: print(line, flush=True),
                )
                mine = found[stage]
                rates = [task.tokens / timed.middle for timed in (mine, theirs)]
                kept = results.against_trl(stage, precision, *rates, **kit.told(asked, mine, theirs))
                results.keep(f"{stage}-{precision}", kept, asked.results)
                print(
                    f"  {stage} {precision}: ours {rates[0]:.0f} real tokens/s ({mine.given}), TRL {rates[1]:.0f} "
                    f"({theirs.name}): {rates[0] / rates[1]:.2f} times; first loss {mine.losses[0]:.4f} and "
                    f"{theirs.losses[0]:.4f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
