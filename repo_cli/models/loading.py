"""Opens a base model from a hub name, a directory or a `final/`: explicit dtype, safetensors only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from repo_cli.errors import UserError
from repo_cli.models.hashing import hash_model_dir
from repo_cli.models.manifest import NAME, find_final, read_manifest
from repo_cli.models.quantised import quantised

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class Start:
    """Where a policy starts: the base (hub name or directory), and the adapter on it, if there is one."""

    base: str
    adapter: Path | None = None
    base_hash: str | None = None  # what the base must be, where a manifest says so


def resolve_start(path: str | None, parent: str | None) -> Start | None:
    """From `policy.path` and `policy.parent`; None when neither is set (the model is then built).

    A parent of kind "full" is itself the base; an adapter names its base in the manifest (or, for a plain
    peft directory, in adapter_config.json); `policy.path` stands in when that base has moved.
    """
    if parent is None:
        return Start(path) if path else None
    final = find_final(parent, "policy.parent")
    manifest = read_manifest(final, "policy.parent") if (final / NAME).is_file() else None
    if manifest is not None and manifest.kind not in ("adapter", "full"):
        raise UserError(f"policy.parent={parent}: holds a {manifest.kind}, not a policy")
    if not (final / "adapter_config.json").is_file():
        return Start(str(final))
    if manifest is not None:
        base, wanted = manifest.base, manifest.base_hash
    else:
        from repo_cli.models.adapters import read_adapter_config

        base, wanted = read_adapter_config(final).base_model_name_or_path, None
    if path and _is_gone(base):
        base = path
    return Start(base, final, wanted)


def _is_gone(base: str) -> bool:
    return Path(base).is_absolute() and not Path(base).is_dir()


def open_base(
    source: str,
    dtype: str,
    attn: str,
    trust_remote_code: bool = False,
    quant: str | None = None,
    device: str | torch.device = "cpu",
) -> tuple[Any, Any]:
    """(model on `device`, tokenizer) by from_pretrained; dtype "auto" is the checkpoint's own, said explicitly. quant:
    `policy.quant`.

    Raises UserError when the place does not exist, holds no safetensors, or the hub cannot be reached.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from repo_cli.models.attention import register as register_attention

    register_attention()

    folder = Path(source).expanduser()
    local = folder.is_dir()
    if not local and (folder.is_absolute() or source.startswith((".", "~"))):
        raise UserError(f"policy.path={source}: no such directory")
    if local and not (folder / "config.json").is_file():
        raise UserError(f"policy.path={source}: no config.json there, so it is not a model directory")
    if local and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"policy.path={source}: no *.safetensors weights there",
            hint="other weight formats are not loaded, since they may run code",
        )
    name = str(folder) if local else source
    low = quantised(quant, device, DTYPES.get(dtype))
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
        model: Any = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=DTYPES.get(dtype, "auto"),
            attn_implementation=attn,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            **low,
        )
    except (OSError, ImportError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"policy.path={source}: cannot be loaded ({first})",
            hint="a directory, or a hub name that is cached or reachable",
        ) from error
    except ValueError as error:
        raise UserError(f"policy.path={source}: cannot be loaded ({str(error).splitlines()[0]})") from error
    check_vocabulary(model, tokenizer, f"policy.path={source}")
    return (model if low else model.to(device)).eval(), tokenizer


def check_vocabulary(model: Any, tokenizer: Any, where: str) -> None:
    """UserError when the tokenizer can give an id that the model has no embedding for (fewer ids than embeddings are
    usual: tables are padded)."""
    rows = int(model.get_input_embeddings().num_embeddings)
    text, top = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1], default=("", -1))
    if top >= rows:
        raise UserError(
            f"{where}: its tokenizer goes up to id {top} ({text!r}), its model has embeddings for 0 to {rows - 1}: "
            "they do not belong together",
            hint="take the tokenizer's files from the model that was trained with them",
        )


def check_same_tokenizer(tokenizer: Any, final: Path, base: str) -> None:
    """UserError when the adapter in `final` was trained with other token ids than the base's tokenizer gives. A token
    that `final` has behind the base's last one is none of the base's, and harms nothing."""
    from tokenizers import Tokenizer

    file = final / "tokenizer.json"
    if not file.is_file():
        return
    try:
        theirs = Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises bare ones
        raise UserError(f"{file}: cannot be read as a tokenizer ({str(error)[:200]})") from error
    ours = tokenizer.get_vocab()
    last = max(ours.values(), default=-1)
    wrong = sorted(
        (number, text)
        for text, number in theirs.items()
        if ours.get(text) != number and (text in ours or number <= last)
    )
    if wrong:
        number, text = wrong[0]
        raise UserError(
            f"{final}: was trained with another tokenizer than {base}'s: {text!r} is token {number} in it, and "
            f"{ours.get(text, 'no token')} there ({len(wrong)} tokens differ)",
            hint="give the base back the tokenizer that it had, or train the adapter again",
        )


def base_folder(model: Any, source: str) -> Path:
    """The directory with the model's files: the source itself, or the hub's snapshot in the local cache."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            source,
            revision=getattr(model.config, "_commit_hash", None),
            local_files_only=True,
            allow_patterns=["*.safetensors", "*.json"],
        )
    )


def check_base(model: Any, start: Start, cache_dir: str | None) -> str:
    """The base's hash; UserError when the adapter to start from was trained on another base."""
    found = hash_model_dir(base_folder(model, start.base), model.config, cache_dir)
    if start.base_hash and start.base_hash != found:
        raise UserError(
            f"{start.adapter}: was trained on another base than {start.base} "
            f"(hash {start.base_hash[:12]}, here {found[:12]})",
            hint="give policy.path the base that it was trained on",
        )
    return found
