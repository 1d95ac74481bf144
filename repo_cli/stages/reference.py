"""A frozen copy of the policy that a run starts from, as one more adapter on the same base."""

from __future__ import annotations

from repo_cli.models.backbone import Backbone

REFERENCE = "reference"


def add_reference(backbone: Backbone, source: str = "policy") -> str:
    """Adds the role with the values that `source` has now, and returns its name. Call before an engine is made."""
    shape = backbone.adapters.config(source)
    targets = shape.target_modules
    backbone.add_role(
        REFERENCE, shape.r, shape.lora_alpha, 0.0, targets if isinstance(targets, str) else sorted(targets)
    )
    backbone.copy_role(source, REFERENCE)
    return REFERENCE
