"""The exact state of a training engine on disk, in a format of our own.

model.safetensors holds the role's parameters, whole. optimizer-rank-00000.pt holds one rank's share of the
optimizer (DeepSpeed's flat float32 partitions and Adam's moments): plain tensors, read with
weights_only=True, so that a checkpoint from elsewhere can run no code. engine.json says what it belongs to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repo_cli.errors import UserError
from repo_cli.training import distributed as group


def masters_of(train: Any) -> list[Tensor]:
    """The float32 tensors that Adam really updates on this rank; keys of its state."""
    if train.stage == 3:  # there the optimizer's own groups are empty between steps
        return list(train.engine.optimizer.fp32_partitioned_groups_flat)
    return [parameter for param_group in train.inner.param_groups for parameter in param_group["params"]]


def _describe(train: Any) -> dict[str, Any]:
    return {
        "role": train.role,
        "zero_stage": train.stage,
        "precision": train.cfg.engine.precision,
        "world_size": group.world_size(),
    }


def save(train: Any, folder: Path) -> None:
    """All ranks call. Frozen parameters are not saved: the configuration names the base.

    Ends without a barrier: a rank whose disk is full raises, and the others must not wait for it here
    (`distributed.agreed` around the call tells them).
    """
    from safetensors.torch import save_file

    main = group.is_main()
    folder.mkdir(parents=True, exist_ok=True)
    with train.backbone.gathered():
        if main:
            named = train.backbone.named_trainable(train.role)
            state = {name: p.detach().cpu().clone().contiguous() for name, p in named.items()}
            empty = [name for name, tensor in state.items() if tensor.numel() == 0]
            assert not empty, f"empty tensors would be saved: {empty[:3]}"
            save_file(state, str(folder / "model.safetensors"))
    if main or train.stage > 0:
        shares = {}
        for index, master in enumerate(masters_of(train)):
            adam = {
                k: torch.as_tensor(v).detach().cpu().clone()
                for k, v in train.inner.state.get(master, {}).items()
            }
            shares[str(index)] = {"master": master.detach().cpu().clone(), **adam}
        with open(folder / _share(train), "wb") as handle:  # given a path, torch would hide a full disk
            torch.save(shares, handle)
    if main:
        note = _describe(train) | {"updates": train.updates, "threads": torch.get_num_threads()}
        (folder / "engine.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def load(train: Any, folder: Path) -> None:
    """All ranks call, on an engine made with the same configuration."""
    from safetensors.torch import load_file

    group.barrier()  # a share that another rank is still writing
    note = _check(train, folder)
    state = load_file(str(folder / "model.safetensors"))
    named = train.backbone.named_trainable(train.role)
    if set(state) != set(named):
        wrong = sorted(set(state) ^ set(named))[0]
        raise UserError(
            f"{folder}: does not fit this {train.role} ({wrong} is on one side only)",
            hint="resume with the configuration of the run",
        )
    shares = torch.load(folder / _share(train), map_location="cpu", weights_only=True)
    masters = masters_of(train)
    if len(shares) != len(masters) or any(
        shares[str(i)]["master"].shape != m.shape for i, m in enumerate(masters)
    ):
        raise UserError(f"{folder}: the optimizer's state has another shape than this {train.role}")
    with torch.no_grad():
        if train.stage < 3:
            for name, parameter in named.items():
                parameter.copy_(state[name])
        for index, master in enumerate(masters):
            share = shares[str(index)]
            master.copy_(share["master"])
            adam = {
                k: v.to(master.device) if v.dim() else v.clone() for k, v in share.items() if k != "master"
            }
            if adam:
                train.inner.state[master] = adam
        if train.stage == 3:
            _refill_partitions(train)
    train.updates = int(note["updates"])
    group.barrier()


def _refill_partitions(train: Any) -> None:
    """ZeRO-3: the working copies from the float32 partitions, as DeepSpeed does after a step."""
    zero = train.engine.optimizer
    zero._partition_all_parameters()
    for index, master in enumerate(zero.fp32_partitioned_groups_flat):
        zero.fp16_partitioned_groups_flat[index].copy_(master)
    kept = zero.persistent_parameters
    if kept:
        kept[0].partition(kept)
        kept[0].all_gather(kept)


def _share(train: Any) -> str:
    return f"optimizer-rank-{group.rank() if train.stage > 0 else 0:05d}.pt"


def _check(train: Any, folder: Path) -> dict[str, Any]:
    file = folder / "engine.json"
    if not file.is_file():
        raise UserError(f"{folder}: no engine.json there, so it is no state of a training engine")
    note: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    keys = {"role": "", "zero_stage": "engine.zero_stage", "precision": "engine.precision"}
    if train.stage > 0:
        keys["world_size"] = "launch.nproc"
    now = _describe(train)
    for name, key in keys.items():
        if note[name] != now[name]:
            raise UserError(
                f"{folder}: was saved with {name}={note[name]}, this run has {now[name]}",
                hint=f"set {key}={note[name]}" if key else None,
            )
    return note
