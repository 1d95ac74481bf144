"""From a raw file of human dialogues to an adapter trained by reinforcement learning: the whole line in one go.

    python scripts/real_dialogues.py craigslist_bargain.jsonl --out runs/craigslist
    python scripts/real_dialogues.py persuasion_for_good.jsonl --policy Qwen/Qwen3-0.6B --rl-steps 50 lora.r=16

The file holds one dialogue a line: `messages` (the agent as assistant), and an `outcome` with `agreed` and
`assistant_progress` or `user_donation_usd` (see repo_cli/dialogue/outcomes.py). What happens:

    1. dialogues that went well, each with its brief as system message       -> dialogues.jsonl
    2. preference pairs: good turns against spoilt ones, and by outcome      -> pairs.jsonl
    3. base (only where the policy is built here), SFT, reward model, RL     -> OUT/runs

The reward is that of the reward model, corrected by form rules that fit any chat (conf/rules/generic_dialogue.yaml).
Any further arguments are overrides for every stage.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from repo_cli.cli import tell
from repo_cli.config import compose
from repo_cli.dialogue.outcomes import make_dialogues
from repo_cli.dialogue.pairs import make_pairs
from repo_cli.launch.processes import launch


def main(arguments: list[str] | None = None) -> Path:
    """Run the line; returns the trained adapter's `final/`."""
    given, overrides = read(arguments)
    out = Path(given.out or Path("runs") / Path(given.source).stem)
    out.mkdir(parents=True, exist_ok=True)
    dialogues, pairs = out / "dialogues.jsonl", out / "pairs.jsonl"

    say("1. dialogues that went well")
    kept, read_ = make_dialogues(given.source, str(dialogues), split=given.split)
    say(f"   {kept} of {read_} -> {dialogues}")

    say("2. preference pairs")
    report = make_pairs(given.source, pairs, seed=given.seed, split=given.split, limit=given.pairs)
    say(f"   {report.line()}\n   -> {pairs}")

    shared = [*policy_of(given.policy), f"runs_dir={out / 'runs'}", f"seed={given.seed}"]
    shared += ["optim.lr=0.001", "policy.max_length=512", "rollout.max_new_tokens=64"]
    shared += ["data.on_bad_row=skip"]  # people write what they like; what is left out is counted and said
    steps = max(1, given.sft_steps), max(1, given.rm_steps), max(1, given.rl_steps)

    def stage(title: str, name: str, *settings: str) -> Path:
        say(title)
        began = time.monotonic()
        texts = [*shared, *settings, *overrides]
        final = launch(name, compose(name, texts), overrides=texts)
        say(f"   {time.monotonic() - began:.0f} s -> {final}")
        return final

    sft = (f"data.path={dialogues}", f"sft.max_steps={steps[0]}", "sft.epochs=1000")
    parent: list[str] = []
    if given.policy == "tiny":  # nothing is downloaded: the base itself learns from these dialogues first
        base = stage("3. base: a small model, every weight", "sft", *sft, "name=base", "policy.train=full")
        parent = [f"policy.parent={base}"]
    agent = stage("4. SFT: an adapter on the base", "sft", *parent, *sft, "name=sft")
    rm = stage(
        "5. reward model", "train_rm", *parent, f"data.path={pairs}", f"train_rm.max_steps={steps[1]}",
        "train_rm.epochs=1000",
    )  # fmt: skip
    final = stage(
        "6. RL: the reward model's score, corrected by form rules", "rl", f"policy.parent={agent}", f"rm.path={rm}",
        f"data.path={dialogues}", f"rl.steps={steps[2]}", f"rl.batch_size={given.replies}", "reward=enhance",
        "rules=generic_dialogue",
    )  # fmt: skip
    say(f"done: the trained adapter lies in {final}")
    return final


def read(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """(options, overrides)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="file of dialogues (.jsonl or .parquet)")
    parser.add_argument("--out", help="where everything goes; runs/<name of the file> when left out")
    parser.add_argument("--policy", default="tiny", help="tiny, qwen3_0_6b, ..., a directory or a hub name")
    parser.add_argument("--split", default=None, help="only dialogues of this split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=4000, help="at most so many preference pairs")
    parser.add_argument("--sft-steps", type=int, default=150)
    parser.add_argument("--rm-steps", type=int, default=60)
    parser.add_argument("--rl-steps", type=int, default=20)
    parser.add_argument("--replies", type=int, default=32, help="replies in one RL step")
    return parser.parse_known_args(arguments)


def policy_of(name: str) -> list[str]:
    """Overrides that choose the base: an option of conf/policy, or any model."""
    if name == "tiny" or name.startswith("qwen3_"):
        return [f"policy={name}"]
    return ["policy=custom", f"policy.path={name}"]


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(tell(error))
