"""The adapters that a stage trains: which role the policy has, and the shape of a new one."""

from __future__ import annotations

from repo_cli.config.schema import Config
from repo_cli.models.backbone import Backbone


def policy_role(cfg: Config, backbone: Backbone) -> str:
    """The role that the policy trains under: "full", or "policy" with a fresh adapter where it has none yet."""
    if cfg.policy.train == "full":
        return "full"
    if "policy" not in backbone.roles():
        add_role(cfg, backbone, "policy")
    return "policy"


def add_role(
    cfg: Config, backbone: Backbone, role: str, copy_of: str | None = None, head: bool = False
) -> None:
    """A trainable adapter (and head), with the values of `copy_of` where that role exists.

    Its shape is the one in `lora`; a critic's that starts from the reward model is the reward model's.
    """
    lora = cfg.lora
    source = copy_of if copy_of is not None and copy_of in backbone.roles() else None
    r, alpha, targets = lora.r, lora.alpha, lora.targets
    if role == "critic" and source:
        shape = backbone.adapters.config(source)
        r, alpha, targets = shape.r, shape.lora_alpha, shape.target_modules
        targets = targets if isinstance(targets, str) else sorted(targets)
    if role == "critic" and cfg.critic.lora_r:
        r = cfg.critic.lora_r
    backbone.add_role(role, r, alpha, lora.dropout, targets, head=head)
    if source:
        backbone.copy_role(source, role)
