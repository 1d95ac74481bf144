"""`manifest.json` of a `final/`: what it is, on which base it stands, where it came from. No torch."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from repo_cli import __version__
from repo_cli.errors import UserError

NAME = "manifest.json"
FORMAT = 1
KINDS = ("full", "adapter", "rm", "critic", "judge", "data")


@dataclass
class Manifest:
    """kind: one of KINDS; base: directory or hub name of the base model; base_hash: see models/hashing.py;
    parent: the `final/` this one was trained from; files: sha256 of each file; extra: calibration,
    metrics."""

    kind: str
    base: str
    base_hash: str
    parent: str | None = None
    stage: str | None = None
    created: str = ""
    repo_version: str = __version__
    format: int = FORMAT
    files: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(
    final_dir: Path | str,
    kind: str,
    base_hash: str,
    base: str,
    parent: str | None = None,
    extra: dict[str, Any] | None = None,
    stage: str | None = None,
) -> Manifest:
    """Write manifest.json and a short model card for the files that already lie in `final_dir`."""
    if kind not in KINDS:
        raise ValueError(f"manifest kind {kind!r} is none of {KINDS}")
    folder = Path(final_dir)
    files = {
        p.relative_to(folder).as_posix(): file_sha256(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in (NAME, "README.md")
    }
    manifest = Manifest(
        kind=kind,
        base=base,
        base_hash=base_hash,
        parent=parent,
        stage=stage,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        files=files,
        extra=extra or {},
    )
    (folder / NAME).write_text(
        json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / "README.md").write_text(_card(manifest), encoding="utf-8")
    return manifest


def find_final(path: Path | str, key: str = "path") -> Path:
    """The `final/` directory meant by a path that is one, or the run directory around one.

    Raises UserError (naming the configuration key) when neither is there or the run has not finished.
    """
    folder = Path(path).expanduser()
    for candidate in (folder, folder / "final"):
        if any((candidate / name).is_file() for name in (NAME, "adapter_config.json", "config.json")):
            return candidate.resolve()
    if not folder.exists():
        raise UserError(f"{key}={path}: no such directory")
    if (folder / "config.yaml").is_file():
        raise UserError(
            f"{key}={path}: this run has no final/ directory, so it has not finished",
            hint="resume it with --resume auto",
        )
    raise UserError(
        f"{key}={path}: neither a final/ directory nor a run directory with one inside",
        hint="expected a manifest.json, adapter_config.json or config.json there",
    )


def read_manifest(path: Path | str, key: str = "path") -> Manifest:
    """The manifest of a `final/` (or of the run around it). Raises UserError when it is missing or broken."""
    file = find_final(path, key) / NAME
    if not file.is_file():
        raise UserError(f"{key}={path}: there is no {NAME}, so nothing says which base it stands on")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        known = {k: raw[k] for k in Manifest.__dataclass_fields__ if k in raw}
        manifest = Manifest(**known)
        _check_types(manifest)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{file}: broken manifest ({error})") from error
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    if manifest.format > FORMAT:
        raise UserError(f"{file}: written by a newer version (format {manifest.format}, this is {FORMAT})")
    return manifest


_TYPES: dict[str, Any] = {
    "kind": str,
    "base": str,
    "base_hash": str,
    "parent": str | None,
    "stage": str | None,
    "created": str,
    "repo_version": str,
    "format": int,
    "files": dict,
    "extra": dict,
}


def _check_types(manifest: Manifest) -> None:
    """ValueError for an entry that is not what the code reads it as: the file may come from anywhere."""
    for name, wanted in _TYPES.items():
        value = getattr(manifest, name)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ValueError(f"{name} is {value!r:.60}")


def _card(manifest: Manifest) -> str:
    """The model card: what the directory holds and how to open it with plain peft or transformers."""
    if manifest.kind == "full":
        opens = 'AutoModelForCausalLM.from_pretrained("<this directory>")'
        what = "A whole causal language model."
    elif manifest.kind == "data":
        opens = 'datasets.load_dataset("json", data_dir="<this directory>")'
        what = "Replies sampled from a policy, as an annotator compared and graded them."
    else:
        base = f'AutoModelForCausalLM.from_pretrained("{manifest.base}")'
        opens = f'PeftModel.from_pretrained({base}, "<this directory>")'
        what = f"A LoRA adapter ({manifest.kind})" + (
            " with a scalar head in head.safetensors." if "head.safetensors" in manifest.files else "."
        )
    lines = [
        "# " + (manifest.stage or manifest.kind),
        "",
        what,
        "",
        f"- base: `{manifest.base}`",
        f"- base hash: `{manifest.base_hash}`",
    ]
    lines += [f"- trained from: `{manifest.parent}`"] if manifest.parent else []
    lines += [
        f"- made by: repo {manifest.repo_version}, {manifest.created}",
        "",
        "```python",
        opens,
        "```",
        "",
    ]
    return "\n".join(lines)
