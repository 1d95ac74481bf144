"""Are the losses of SFT, DPO and the reward model those of TRL's trainers? One batch, fp32, on both sides.

    python benchmarks/trl_losses.py

A small base with random weights, an adapter that is not zero any more, ragged dialogues; in DPO the reference is the
bare base, so that the loss is not ln 2. Ours comes from the stages' own functions, TRL's from its trainers'
`compute_loss` on what their collators make of the same token ids. Gradients of the adapter are compared as well. Ends
with 1 where a loss differs by more than 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import results
import torch
import trl_kit as kit
from torch import Tensor
from trl_ours import our_settings

TOLERANCE = 1e-4
BETA = 0.1
LONGEST = 512


@dataclass
class Found:
    """Both losses, and by how much the adapter's gradients differ, relative to their norm."""

    stage: str
    ours: float
    theirs: float
    gradient: float

    @property
    def same(self) -> bool:
        return abs(self.ours - self.theirs) <= TOLERANCE


class Both:
    """One base and one adapter, opened by us and (afresh for each trainer) by plain transformers and PEFT."""

    def __init__(self, folder: Path, hidden: int, layers: int, pairs: int, short_cuts: bool) -> None:
        from repo_cli.config import compose
        from repo_cli.models.backbone import Backbone

        self.folder, self.base = folder, kit.make_base(folder / "base", hidden, layers, 1024)
        given = our_settings(self.base, folder, "fp32", f"policy.max_length={LONGEST}")
        self.cfg = compose("dpo", [*given, f"algorithm.beta={BETA}", f"engine.short_cuts={short_cuts}"])
        self.backbone = Backbone.load(self.cfg)
        for role in ("rm", "policy"):
            self.backbone.add_role(role, kit.RANK, kit.ALPHA, targets=kit.TARGETS, head=role == "rm")
        generator = torch.Generator().manual_seed(1)
        for role in ("rm", "policy"):
            for name, parameter in self.backbone.named_trainable(role).items():
                if "lora_B" in name:
                    parameter.data = 0.02 * torch.randn(parameter.shape, generator=generator)
        fmt = self.backbone.fmt
        self.samples = [s for row in kit.sft_rows(pairs) for s in fmt.training_samples(row["messages"])]
        self.rows = kit.pair_rows(pairs)

    def pairs(self) -> list[Any]:
        from repo_cli.dialogue.checks import preference_samples
        from repo_cli.dialogue.files import LoadReport

        return preference_samples(self.rows, self.backbone.fmt, LoadReport("", "preference"))

    def gradients(self, role: str, loss: Tensor) -> list[Tensor]:
        """Of our adapter, in the order of names without the role."""
        self.backbone.zero_grad()
        self.backbone.use(role)
        loss.backward()
        named = self.backbone.named_trainable(role)
        return [p.grad for name, p in sorted(named.items()) if "lora_" in name and p.grad is not None]

    def theirs(self, role: str, scores: bool = False) -> Any:
        """A PeftModel with the values of our role's adapter (and head)."""
        from peft import get_peft_model, set_peft_model_state_dict
        from safetensors.torch import load_file

        place = self.folder / role
        self.backbone.save_role(role, place)
        model = get_peft_model(
            kit.open_model(self.base, "float32", scores), kit.lora("SEQ_CLS" if scores else "CAUSAL_LM")
        )
        values = load_file(str(place / "adapter_model.safetensors"))
        if scores:
            values["base_model.model.score.weight"] = self.backbone.heads[role].weight.detach().clone()
        set_peft_model_state_dict(model, values)
        return model

    def compare(self, stage: str, role: str, ours: Tensor, trainer: Any, data: Any) -> Found:
        """Our loss against what the trainer computes on all of `data` as one batch."""
        mine = self.gradients(role, ours)
        inputs = trainer.data_collator([data[i] for i in range(len(data))])
        trainer.model.train()  # no dropout anywhere in it
        loss = trainer.compute_loss(trainer.model, inputs)
        loss.backward()
        named = {n.replace(".default.", f".{role}."): p for n, p in trainer.model.named_parameters()}
        others = [p.grad for n, p in sorted(named.items()) if "lora_" in n and p.grad is not None]
        assert len(mine) == len(others) > 0
        off = torch.stack([(a - b).norm() for a, b in zip(mine, others, strict=True)]).norm()
        return Found(
            stage, float(ours), float(loss), float(off / torch.stack([b.norm() for b in others]).norm())
        )


def sft(both: Both) -> Found:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from repo_cli.stages.sft import sft_loss, token_weights

    weights = token_weights(both.backbone, 1.0)
    count = sum(sum(s.mask) for s in both.samples)
    ours = sft_loss(both.backbone, "policy", both.samples, weights, 0.0) / count
    data = Dataset.from_dict(
        {
            "input_ids": [s.ids for s in both.samples],
            "labels": [
                [t if on else -100 for t, on in zip(s.ids, s.mask, strict=True)] for s in both.samples
            ],
        }
    )
    settings = kit.trl_settings(both.folder, 1, "fp32", max_length=LONGEST)
    trainer = SFTTrainer(
        both.theirs("policy"),
        SFTConfig(**settings),
        train_dataset=data,
        processing_class=both.backbone.tokenizer,
    )
    return both.compare("sft", "policy", ours, trainer, trainer.train_dataset)


def dpo(both: Both) -> Found:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from repo_cli.stages.dpo import logps_of, objective, pair_logps

    pairs = both.pairs()
    with torch.no_grad():
        known = logps_of(both.backbone, None, pairs, list(range(len(pairs))), both.cfg)
    loss, _ = objective(both.cfg, *pair_logps(both.backbone, "policy", pairs, False), known)
    starts = [p.chosen.mask.index(1) for p in pairs]
    data = Dataset.from_dict(
        {
            "prompt_ids": [p.chosen.ids[:n] for p, n in zip(pairs, starts, strict=True)],
            "chosen_ids": [p.chosen.ids[n:] for p, n in zip(pairs, starts, strict=True)],
            "rejected_ids": [p.rejected.ids[n:] for p, n in zip(pairs, starts, strict=True)],
        }
    )
    trainer = DPOTrainer(
        both.theirs("policy"),
        ref_model=kit.open_model(both.base, "float32"),
        args=DPOConfig(**kit.trl_settings(both.folder, 1, "fp32"), max_length=LONGEST, beta=BETA),
        train_dataset=Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}),
        processing_class=both.backbone.tokenizer,
    )
    return both.compare("dpo", "policy", loss / len(pairs), trainer, data)


def reward_model(both: Both) -> Found:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    from repo_cli.algorithms import bradley_terry_loss_sum
    from repo_cli.stages.train_rm import pair_scores

    pairs = both.pairs()
    margin = [0.5 * (i % 3) for i in range(len(pairs))]
    chosen, rejected = pair_scores(both.backbone, pairs)
    loss, _ = bradley_terry_loss_sum(chosen, rejected, torch.tensor(margin), 0.01)
    data = Dataset.from_dict(
        {
            "chosen_ids": [p.chosen.ids for p in pairs],
            "rejected_ids": [p.rejected.ids for p in pairs],
            "margin": margin,
        }
    )
    settings = kit.trl_settings(both.folder, 1, "fp32", max_length=LONGEST, center_rewards_coefficient=0.01)
    trainer = RewardTrainer(
        both.theirs("rm", scores=True),
        args=RewardConfig(**settings),
        train_dataset=data,
        processing_class=both.backbone.tokenizer,
    )
    return both.compare("train-rm", "rm", loss / len(pairs), trainer, trainer.train_dataset)


def losses(hidden: int = 128, layers: int = 2, pairs: int = 8, short_cuts: bool = True) -> list[Found]:
    """All three, on a base of this size; by default as the speed is measured, with engine.short_cuts."""
    with tempfile.TemporaryDirectory() as name, kit.quiet():
        both = Both(Path(name), hidden, layers, pairs, short_cuts)
        return [sft(both), dpo(both), reward_model(both)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=8, help="dialogues, and pairs")
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where the figures are kept")
    asked = parser.parse_args(arguments)
    found = losses(asked.hidden, asked.layers, asked.pairs)
    print(f"{'stage':<10}{'ours':>12}{'TRL':>12}{'apart':>12}{'gradients apart':>18}")
    for row in found:
        print(
            f"{row.stage:<10}{row.ours:>12.6f}{row.theirs:>12.6f}{abs(row.ours - row.theirs):>12.1e}"
            f"{row.gradient:>18.1e}"
        )
    results.keep("losses", {row.stage: asdict(row) for row in found}, asked.results)
    return 0 if all(row.same for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
