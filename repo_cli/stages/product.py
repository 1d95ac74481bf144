"""What a training stage leaves in `final/`: a role's weights, tokenizer, manifest and model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.fingerprint import format_hash
from repo_cli.models.backbone import Backbone
from repo_cli.models.hashing import hash_model_dir
from repo_cli.models.manifest import write_manifest


def write_product(
    folder: Path,
    final: Path,
    cfg: Config,
    backbone: Backbone,
    role: str,
    kind: str,
    metrics: dict[str, float],
    extra: dict[str, Any],
) -> None:
    """Into `folder`, which becomes the run's `final`; rank 0 alone (the other ranks call `backbone.save_role`).

    kind: of the manifest. A role "full" is a base of its own: its hash is that of the files just written.
    """
    backbone.save_role(role, folder)
    whole = role == "full"
    write_manifest(
        folder,
        kind,
        hash_model_dir(folder, backbone.base.config) if whole else backbone.base_hash,
        str(final.resolve()) if whole else backbone.base_path,
        parent=cfg.policy.parent,
        extra={**extra, "metrics": metrics, "format_hash": format_hash(backbone.fmt)},
        stage=cfg.stage,
    )
