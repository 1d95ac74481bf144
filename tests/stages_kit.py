"""What the tests of the stages share: tiny dialogues on the disk, settings for a one-layer model, `go`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from repo_cli.config import compose
from repo_cli.config.schema import Config
from repo_cli.launch.processes import launch
from repo_cli.training.tracking import read_metrics

NAMES = ("Lotus Court", "Harbour View", "Willow House", "Garden Inn", "Airport Lodge")
GOOD = (
    "Could you go to {b} for both nights? Guests compare {c} next door.",
    "I understand. Would {b} work for the weekend only?",
    "Thank you. {b} it is, for two nights, breakfast for two.",
)
BAD = ("ok ok ok ok", "{b} {b} {b} now now now", "You must lower it or we remove the listing!!!")

#: A one-layer model whose steps take milliseconds.
SMALL = (
    "policy=tiny",
    "policy.build.vocab_size=400",
    "policy.build.digits=split",
    "policy.build.hidden_size=32",
    "policy.build.intermediate_size=64",
    "policy.build.num_layers=1",
    "policy.build.num_kv_heads=2",
    "policy.build.head_dim=8",
    "policy.max_length=192",
    "lora.r=4",
    "lora.alpha=8",
    "optim.lr=0.01",
    "engine.device=cpu",
    "engine.micro_tokens=600",
    "rollout.max_new_tokens=12",
    "rollout.batch_size=8",
    "tracker.tensorboard=false",
    "rules=none",
    "reward=rm_only",
)


def dialogue(i: int) -> dict[str, Any]:
    """One short dialogue with two agent turns; lengths differ from row to row."""
    price = 300 + 7 * i
    numbers = {"b": price - 20, "c": price - 30}
    more = " We lowered it before and nobody came; my margin is thin." if i % 3 == 0 else ""
    return {
        "messages": [
            {
                "role": "system",
                "content": f"You speak for {NAMES[i % 5]}. The price is {price}; aim for {price - 20}.",
            },
            {"role": "user", "content": f"Hello, what is it about?{more}"},
            {"role": "assistant", "content": GOOD[i % 2].format(**numbers)},
            {
                "role": "user",
                "content": "Fine." if i % 2 else "That is too low for us, our costs are high this season.",
            },
            {"role": "assistant", "content": GOOD[2 if i % 2 else 1].format(**numbers)},
        ],
        "scenario": {"id": f"s{i}", "language": "en", "current_price": price, "target_price": price - 20},
    }


def pair(i: int) -> dict[str, Any]:
    row = dialogue(i)
    reply = row["messages"][2]["content"]
    bad = BAD[i % 3].format(b=300 + 7 * i - 20)
    return {
        "prompt": row["messages"][:2],
        "chosen": [{"role": "assistant", "content": reply}],
        "rejected": [{"role": "assistant", "content": bad}],
        "scenario": row["scenario"],
    }


def prompt(i: int) -> dict[str, Any]:
    row = dialogue(i)
    return {"prompt": row["messages"][: 2 if i % 2 else 4], "scenario": row["scenario"]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def settings(runs: Path, *more: str) -> list[str]:
    return [*SMALL, f"runs_dir={runs}", f"cache_dir={runs}/cache", *more]


def config(stage: str, runs: Path, *more: str) -> Config:
    return compose(stage, settings(runs, *more))


def go(stage: str, runs: Path, *more: str) -> Path:
    """Compose and launch in this process (or in ranks of its own with launch.nproc); what the stage made."""
    return launch(stage, config(stage, runs, *more), overrides=list(more))


def metrics(final: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl beside a `final/` or in a run directory, without what the clock says."""
    run = final.parent if final.name == "final" else final
    kept = []
    for row in read_metrics(run / "metrics.jsonl"):
        kept.append(
            {
                k: v
                for k, v in row.items()
                if k != "time" and not k.startswith(("timing/", "memory/")) and "per_s" not in k
            }
        )
    return kept


def board(run: Path, name: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]
