"""One hash for a base model: its architecture and its weights, the same in memory and on disk.

Adapters, heads and judges are only right on the base they were trained on; the hash in their manifest says
which. The weights are hashed as they lie in the files (not as loaded), so a base opened in bfloat16 keeps
its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repo_cli.errors import UserError

# What says where a model came from or how it is run, not what it computes.
VOLATILE = {
    "_name_or_path",
    "name_or_path",
    "transformers_version",
    "dtype",
    "torch_dtype",
    "architectures",
    "use_cache",
    "_attn_implementation",
    "attn_implementation",
    "_attn_implementation_internal",
    "return_dict",
    "output_hidden_states",
    "output_attentions",
    "chunk_size_feed_forward",
    "problem_type",
    "id2label",
    "label2id",
}


def _config_bytes(config: Any) -> bytes:
    raw = {k: v for k, v in config.to_dict().items() if k not in VOLATILE and v is not None}
    return json.dumps(raw, sort_keys=True, default=str).encode()


def _add_tensor(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(f"{name}|{str(tensor.dtype).removeprefix('torch.')}|{tuple(tensor.shape)}|".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def hash_model(model: nn.Module) -> str:
    """Hash of a model in memory that has no files yet (tied weights once, as save_pretrained does)."""
    digest = hashlib.sha256(_config_bytes(model.config))
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    state = model.state_dict()
    for name in sorted(state):
        if name not in tied:
            _add_tensor(digest, name, state[name])
    return digest.hexdigest()


def hash_model_dir(folder: Path | str, config: Any | None = None, cache_dir: Path | str | None = None) -> str:
    """Hash of the model in a directory of safetensors files.

    A large model takes minutes, so with `cache_dir` the result is kept there under the files' sizes and
    times.
    """
    from safetensors import safe_open
    from transformers import AutoConfig

    files = sorted(Path(folder).glob("*.safetensors"))
    files = [f for f in files if f.name not in ("adapter_model.safetensors", "head.safetensors")]
    if not files:
        raise UserError(
            f"{folder}: no *.safetensors weights there",
            hint="other weight formats are not loaded, since they may run code",
        )
    config = (
        config if config is not None else AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    )
    note = _cache_note(files, config, cache_dir)
    if note is not None and note.is_file():
        return note.read_text().strip()
    digest = hashlib.sha256(_config_bytes(config))
    where = {}
    for file in files:
        with safe_open(str(file), framework="pt") as handle:
            where.update({key: file for key in handle.keys()})
    handles = {file: safe_open(str(file), framework="pt") for file in files}
    for name in sorted(where):
        _add_tensor(digest, name, handles[where[name]].get_tensor(name))
    result = digest.hexdigest()
    if note is not None:
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh = note.with_suffix(f".{os.getpid()}")  # other ranks may write the same note
        fresh.write_text(result)
        fresh.replace(note)
    return result


def _cache_note(files: list[Path], config: Any, cache_dir: Path | str | None) -> Path | None:
    if cache_dir is None:
        return None
    stamp = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(json.dumps(stamp).encode() + _config_bytes(config)).hexdigest()
    return Path(cache_dir).expanduser() / "base_hashes" / key
