"""From a raw file of human dialogues to an adapter trained by reinforcement learning: the whole line in one go.

    python scripts/real_dialogues.py craigslist_bargain.jsonl --out runs/craigslist
    python scripts/real_dialogues.py persuasion_for_good.jsonl --policy Qwen/Qwen3-0.6B --rl-steps 50 lora.r=16

The file holds one dialogue a line: `messages` (the agent as assistant), and an `outcome` with `agreed` and
`assistant_progress` or `user_donation_usd` (see repo_cli/dialogue/outcomes.py). What happens:

    1. dialogues that went well, each with its brief as system message       -> dialogues.jsonl
    2. preference pairs: good turns against spoilt ones, and by outcome      -> pairs.jsonl, val_pairs.jsonl
    3. base (only where the policy is built here), SFT, reward model, RL     -> OUT/runs

The reward is that of the reward model, corrected by form rules that fit any chat (conf/rules/generic_dialogue.yaml).
A file whose rows have a `split` with "train" and "val" is trained on the first; the reward model's accuracy (Wilson's
interval), its calibration and its report are of pairs of the second, dialogues that no stage has seen. `--rm-only` ends
there. Any further arguments are overrides for every stage.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from repo_cli.cli import tell
from repo_cli.config import compose
from repo_cli.dialogue.outcomes import make_dialogues, read_dialogues
from repo_cli.dialogue.pairs import make_pairs
from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report
from repo_cli.evaluation.rm_view import share
from repo_cli.launch.processes import launch


def main(arguments: list[str] | None = None) -> Path:
    """Run the line; returns the trained adapter's `final/` (with --rm-only the reward model's)."""
    given, overrides = read(arguments)
    out = Path(given.out or Path("runs") / Path(given.source).stem)
    out.mkdir(parents=True, exist_ok=True)
    dialogues, pairs = out / "dialogues.jsonl", out / "pairs.jsonl"

    train, val = splits(given)
    say("1. dialogues that went well")
    kept, read_ = make_dialogues(given.source, str(dialogues), split=train)
    say(f"   {kept} of {read_} -> {dialogues}")

    say("2. preference pairs")
    report = make_pairs(given.source, pairs, seed=given.seed, split=train, limit=given.pairs)
    say(f"   {report.line()}\n   -> {pairs}")
    held: list[str] = []
    if val is not None:
        val_pairs = out / "val_pairs.jsonl"
        report = make_pairs(given.source, val_pairs, seed=given.seed, split=val)
        held = [f"data.val_path={val_pairs}"]
        say(f"   split {val}, held out: {report.pairs.total()} pairs -> {val_pairs}")

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
    if given.base:
        parent = [f"policy.parent={given.base}"]
    elif given.policy == "tiny":  # nothing is downloaded: the base itself learns from these dialogues first
        base = stage("3. base: a small model, every weight", "sft", *sft, "name=base", "policy.train=full")
        parent = [f"policy.parent={base}"]
    agent = None
    if not given.rm_only:
        agent = stage("4. SFT: an adapter on the base", "sft", *parent, *sft, "name=sft")
    rm = stage(
        "5. reward model", "train_rm", *parent, f"data.path={pairs}", *held, f"train_rm.max_steps={steps[1]}",
        "train_rm.epochs=1000",
    )  # fmt: skip
    found = rm_report.load(rm.parent)
    say(
        f"   accuracy on {found['pairs']} pairs of {'split ' + val if val else 'held-out rows'}: "
        f"{share(found['accuracy'])}; always the longer reply: {share(found['longer_wins'])}"
    )
    for line in found["by_tag"]:
        say(f"     {line['name']:16s} {line['n']:5d} pairs  {share(line)}")
    if agent is None:
        return rm
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
    parser.add_argument("--base", default=None, help="a final/ to start from in place of a new small base")
    parser.add_argument("--split", default=None, help="only dialogues of this split")
    parser.add_argument("--val-split", default=None, help="the reward model is measured on this one")
    parser.add_argument("--rm-only", action="store_true", help="end after the reward model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=4000, help="at most so many preference pairs")
    parser.add_argument("--sft-steps", type=int, default=150)
    parser.add_argument("--rm-steps", type=int, default=60)
    parser.add_argument("--rl-steps", type=int, default=20)
    parser.add_argument("--replies", type=int, default=32, help="replies in one RL step")
    return parser.parse_known_args(arguments)


def splits(given: argparse.Namespace) -> tuple[str | None, str | None]:
    """(the split to train on, the one to measure the reward model on), None = all rows, none held out."""
    train, val = given.split, given.val_split
    if train is None and val is None:
        found = {row.get("split") for row in read_dialogues(given.source)[0]}
        train, val = ("train", "val") if {"train", "val"} <= found else (None, None)
    if val is not None and train is None:
        raise UserError("--val-split wants --split too, or the two would share dialogues")
    return train, val


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
