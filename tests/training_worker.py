"""One of two ranks of test_training_engine.test_two_ranks_do_what_one_does; writes what it saw into a directory."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

import torch
from test_training_engine import batch, cut, gradients, losses
from training_kit import small_backbone, small_config

from repo_cli.training import distributed as group
from repo_cli.training.checkpoint import latest_complete, save_checkpoint
from repo_cli.training.engine import TrainEngine


def kind_of(action: Any) -> str:
    try:
        action()
    except Exception as error:
        return type(error).__name__ + (f": {error}" if type(error).__name__ == "RuntimeError" else "")
    return "nothing"


def main(out: Path) -> None:
    group.init(small_config())
    rank = group.rank()
    found: dict[str, Any] = {"losses": {}, "resumed": {}}

    # Gradients: rank 0 has five rows in two micro-batches, rank 1 three rows in one.
    loose = small_config(engine__grad_clip=1e6)
    backbone = small_backbone(loose)
    data = batch(backbone)
    count = float(data[2].sum())
    mine = [cut(data, [2, 3, 3])[:2], cut(data, [2, 3, 3])[2:]][rank]
    for role in ("policy", "critic"):
        train = TrainEngine(backbone, role, loose)
        seen = gradients(train, mine, losses(backbone)[role], count)
        if rank == 0:
            torch.save(seen, out / f"gradients-{role}.pt")
        train.close()

    # Losses, and the exact state, with all the work on rank 1 in every second step (an empty rank must not hang).
    for stage in (0, 2, 3):
        cfg = small_config(engine__zero_stage=stage, engine__gradient_checkpointing=stage > 0)
        backbone = small_backbone(cfg, ("policy",))
        before = {name: p.detach().clone() for name, p in backbone.named_parameters()}
        train = TrainEngine(backbone, "policy", cfg)
        seen_losses = []
        for step in range(4):
            work = mine if step % 2 == 0 else ([] if rank == 0 else [data])
            seen_losses.append(train.step(work, losses(backbone)["policy"], count)["loss"])
            if step == 1:
                train.save(out / f"state-{stage}")
        train.load(out / f"state-{stage}")
        found["losses"][str(stage)] = seen_losses
        found["resumed"][str(stage)] = [
            train.step(work, losses(backbone)["policy"], count)["loss"]
            for work in (mine, [] if rank == 0 else [data])
        ]
        with backbone.gathered():
            moved = [name for name, p in backbone.named_parameters() if not torch.equal(p, before[name])]
        assert moved == list(backbone.named_trainable("policy")), moved
        if stage == 2:

            def broken(micro: Any) -> tuple[Any, dict]:
                factor = float("nan") if rank == 1 else 1.0
                return backbone.logps("policy", *micro).sum() * factor, {}  # noqa: B023

            found["non_finite"] = group.all_gather_objects(kind_of(lambda: train.step(mine, broken, count)))  # noqa: B023
        train.close()

    # Errors reach everybody; a disk that is full for one rank stops both and leaves the last good checkpoint.
    error = ValueError("only here") if rank == 0 else None
    found["errors"] = group.all_gather_objects(kind_of(lambda: group.same_error(error)))
    save_checkpoint(out / "checkpoints", 1, lambda folder: (folder / f"part-{rank}").write_text("x"))

    def full(folder: Path) -> None:
        if rank == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    found["full_disk"] = group.all_gather_objects(
        kind_of(lambda: save_checkpoint(out / "checkpoints", 2, full))
    )
    latest = latest_complete(out / "checkpoints")
    found["latest"] = latest.name if latest else None
    if rank == 0:
        (out / "found.json").write_text(json.dumps(found))
    group.barrier()
    group.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
