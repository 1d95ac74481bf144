"""What lies behind a path or a hub name, as one hash: whether a run's inputs are still those that it began with.

No torch, but for the weights of a model directory, which no manifest describes: `models/hashing.py` hashes them, and
keeps the result in the cache directory, where the run finds it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

_BLOCK = 1 << 22
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
#: What counts of a model directory beside its weights and architecture (not generation_config.json, nor papers).
_WORDS = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "chat_template*")
_NO_BASE = ("adapter_model.safetensors", "head.safetensors")


def content(value: Any, cache_dir: str | Path | None = None) -> str:
    """A hash of what lies at a path or under a cached hub name; '' for anything else (world:..., not fetched yet).

    Of a file its bytes; of a product its manifest (which lists its files' hashes); of a model directory its weights,
    architecture and tokenizer; of another directory all its files; of a hub name the revision that is cached.
    """
    path = Path(str(value)).expanduser()
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        return _of_hub(str(value))
    for manifest in (path / "manifest.json", path / "final" / "manifest.json"):
        if manifest.is_file():
            return _of_file(manifest)
    weights = [file for file in path.glob("*.safetensors") if file.name not in _NO_BASE]
    if weights and (path / "config.json").is_file():
        from repo_cli.models.hashing import hash_model_dir

        named = sorted({file for pattern in _WORDS for file in path.glob(pattern) if file.is_file()})
        with contextlib.suppress(Exception):  # whoever loads it says what is wrong with it
            return f"model:{hash_model_dir(path, cache_dir=cache_dir)}-{_of_files(path, named)}"
    return "dir:" + _of_files(path, sorted(file for file in path.rglob("*") if file.is_file()))


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _of_files(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()} {_of_file(file)}\n".encode())
    return digest.hexdigest()


def _of_hub(name: str) -> str:
    """hub:<commit> of what the hub's cache on this machine holds under the name as its newest."""
    if not _HUB_NAME.fullmatch(name):
        return ""
    for kind in ("models", "datasets"):
        try:
            commit = (_hub_cache() / "--".join([kind, *name.split("/")]) / "refs" / "main").read_text(
                encoding="utf-8"
            )
        except (OSError, UnicodeDecodeError):
            continue
        return f"hub:{commit.strip()}"
    return ""


def _hub_cache() -> Path:
    """As huggingface_hub finds it: HF_HUB_CACHE, else hub in HF_HOME, else in the user's cache."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
