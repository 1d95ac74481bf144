"""What the tests of models and training share: a very small backbone and batches that are awkward on purpose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from repo_cli.config.groups_model import PolicyBuild
from repo_cli.config.schema import Config
from repo_cli.models.backbone import Backbone

TEXTS = [
    "The price at Willow Court is 388 CNY a night, breakfast for two.",
    "Could you go to 365 for the weekend of 06-18? Harbour View asks 358.",
    "I see. We lowered it before, and nobody came; my margin is thin.",
] * 30


def small_config(**changes: Any) -> Config:
    """A Config for a two-layer model; changes as group__key=value."""
    cfg = Config()
    cfg.policy.build = PolicyBuild(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
    )
    cfg.policy.attn = "eager"
    cfg.policy.max_length = 128
    cfg.engine.device = "cpu"
    cfg.lora.r, cfg.lora.alpha, cfg.lora.dropout = 4, 8.0, 0.1
    cfg.optim.lr = 1e-2
    for name, value in changes.items():
        group: Any = cfg
        *path, last = name.split("__")
        for part in path:
            group = getattr(group, part)
        assert hasattr(group, last), name
        setattr(group, last, value)
    return cfg


def small_backbone(
    cfg: Config | None = None, roles: tuple[str, ...] = ("rm", "policy", "critic")
) -> Backbone:
    """The backbone with adapters whose B is not zero any more, so that every role really differs."""
    cfg = cfg or small_config()
    backbone = Backbone.load(cfg, "cpu", texts=TEXTS)
    generator = torch.Generator().manual_seed(7)
    for role in roles:
        head = role in ("rm", "critic")
        backbone.add_role(role, cfg.lora.r, cfg.lora.alpha, cfg.lora.dropout, cfg.lora.targets, head=head)
        for name, parameter in backbone.named_trainable(role).items():
            if "lora_B" in name or name.startswith("heads"):
                parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return backbone


def ragged(
    backbone: Backbone, lengths: list[int], side: str = "right", seed: int = 3
) -> tuple[Tensor, Tensor]:
    """Random ids [batch, time] padded on one side, and their attention mask."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths)
    ids = torch.full((len(lengths), width), backbone.tokenizer.pad_token_id)
    attention = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        where = slice(0, length) if side == "right" else slice(width - length, width)
        ids[row, where] = torch.randint(3, backbone.vocab_size, (length,), generator=generator)
        attention[row, where] = 1
    return ids, attention


def reply_mask(attention: Tensor, context: int) -> Tensor:
    """1 on the real tokens after the first `context` ones (right padding)."""
    mask = attention.clone()
    mask[:, :context] = 0
    return mask
