"""The learning rate as a pure function of the step, so that resuming needs no scheduler's state."""

from __future__ import annotations

import math


def lr_at(
    step: int, base: float, schedule: str = "constant", warmup_steps: int = 0, total_steps: int | None = None
) -> float:
    """Learning rate of update number `step` (from 0): linear warm-up, then constant, linear or cosine to 0.

    The first update already moves (base / warmup_steps). linear and cosine need total_steps; past it the
    rate is 0.
    """
    if step < warmup_steps:
        return base * (step + 1) / warmup_steps
    if schedule == "constant":
        return base
    if total_steps is None:
        raise ValueError(f"schedule {schedule!r} needs total_steps")
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    if schedule == "linear":
        return base * (1.0 - done)
    if schedule == "cosine":
        return base * 0.5 * (1.0 + math.cos(math.pi * done))
    raise ValueError(f"unknown schedule {schedule!r}")
