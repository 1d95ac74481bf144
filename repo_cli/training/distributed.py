"""The processes of one run: start the group, add over it, gather over it. One process works like many.

Environment variables as every launcher sets them: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT.
Without them the run is a world of one that needs no port and no file.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from repo_cli.errors import UserError
from repo_cli.quiet import quiet_libraries


def init(cfg: Any) -> torch.device:
    """Join the process group and give this rank's device. Sets threads as `engine.threads` says.

    Raises UserError when CUDA is asked for and missing, or the meeting port is taken.
    """
    quiet_libraries()
    device = pick_device(cfg.engine.device)
    if cfg.engine.threads:
        torch.set_num_threads(cfg.engine.threads)
    os.environ.setdefault("LOCAL_RANK", "0")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if dist.is_initialized():
        return device
    backend = "nccl" if device.type == "cuda" else "gloo"
    timeout = datetime.timedelta(seconds=cfg.launch.timeout_s)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1, timeout=timeout)
        return device
    where = f"{os.environ.get('MASTER_ADDR', '127.0.0.1')}:{os.environ.get('MASTER_PORT')}"
    try:
        dist.init_process_group(backend, init_method="env://", timeout=timeout)
    except (RuntimeError, ValueError) as error:  # DistNetworkError is a RuntimeError
        text = str(error)
        if "in use" in text or "EADDRINUSE" in text:
            raise UserError(
                f"launch.master_port: {where} is taken", hint="launch.master_port=0 picks a free one"
            ) from error
        raise UserError(
            f"rank {os.environ.get('RANK')} could not meet the others at {where} ({text.splitlines()[0]})"
        ) from error
    return device


def pick_device(wanted: str) -> torch.device:
    """engine.device: auto | cpu | cuda -> this rank's device."""
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            "engine.device=cuda: torch sees no CUDA device here", hint="engine.device=cpu, or auto"
        )
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        raise UserError(
            f"launch.nproc: rank {local} has no GPU of its own, there are {torch.cuda.device_count()}"
        )
    return torch.device("cuda", local)


def shutdown() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    return rank() == 0


def barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def _device() -> torch.device:
    return (
        torch.device("cuda", torch.cuda.current_device())
        if dist.get_backend() == "nccl"
        else torch.device("cpu")
    )


def _reduce(x: Any, op: Any) -> Any:
    if world_size() == 1:
        return x
    plain = not isinstance(x, Tensor)
    tensor = torch.as_tensor(x, dtype=torch.float64 if plain else None)
    moved = tensor.detach().to(_device(), copy=True)
    dist.all_reduce(moved, op=op)
    return type(x)(moved.item()) if plain else moved.to(tensor.device)


def all_sum(x: Any) -> Any:
    """Sum over the ranks of a number or tensor (a new one; the same type and shape come back)."""
    return _reduce(x, dist.ReduceOp.SUM)


def all_max(x: Any) -> Any:
    """Maximum over the ranks of a number or tensor."""
    return _reduce(x, dist.ReduceOp.MAX)


def all_gather_objects(thing: Any) -> list[Any]:
    """Each rank's object, in the order of ranks (through pickle: for small things, within one run)."""
    if world_size() == 1:
        return [thing]
    out: list[Any] = [None] * world_size()
    dist.all_gather_object(out, thing)
    return out


def broadcast_object(thing: Any, source: int = 0) -> Any:
    """The source rank's object, on every rank."""
    if world_size() == 1:
        return thing
    box = [thing]
    dist.broadcast_object_list(box, src=source)
    return box[0]


def agreed(action: Callable[[], None]) -> None:
    """Every rank does its part of a work, and all raise when any of them failed in it."""
    problem: Exception | None = None
    try:
        action()
    except Exception as error:
        problem = error
    same_error(problem)


def same_error(error: Exception | None) -> None:
    """Raise on every rank when any rank failed, so that nobody waits for ever: the own error, else UserError.

    Call with None where things went well. A rank's UserError reaches the others with its sentence.
    """
    seen = all_gather_objects(
        None if error is None else (type(error).__name__, str(error), isinstance(error, UserError))
    )
    if error is not None:
        raise error
    for index, note in enumerate(seen):
        if note is not None:
            kind, text, mendable = note
            raise UserError(text) if mendable else RuntimeError(f"rank {index} failed: {kind}: {text}")
