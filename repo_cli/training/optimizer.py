"""The optimizer of an engine: AdamW, or Muon for the matrices with AdamW for the rest.

Both are torch's own. Muon (Jordan et al. 2024; torch.optim.Muon) orthogonalises the momentum of each weight matrix;
a small model trained from random weights needed a quarter fewer steps with it. Embeddings, the output layer, heads
and vectors stay with AdamW, as its authors advise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

NOT_MUON = ("embed", "lm_head", "heads.")  # matrices that are tables or heads, by a part of their names


def make_optimizer(named: dict[str, nn.Parameter], optim: Any, lr: float) -> torch.optim.Optimizer:
    """`optim` is the configuration's `optim` part. Groups carry `scale`: their rate is `scale` times the engine's."""
    adamw = {
        "lr": lr,
        "betas": (optim.beta1, optim.beta2),
        "eps": optim.eps,
        "weight_decay": optim.weight_decay,
    }
    if optim.name == "adamw":
        return torch.optim.AdamW(list(named.values()), **adamw)
    matrices = [p for n, p in named.items() if p.dim() == 2 and not any(part in n for part in NOT_MUON)]
    chosen = {id(p) for p in matrices}
    rest = [p for p in named.values() if id(p) not in chosen]
    return MuonAdamW(matrices, rest, lr, optim.muon_scale, adamw)


class MuonAdamW(torch.optim.Optimizer):
    """torch's Muon on `matrices` and torch's AdamW on `rest`, with one list of groups and one state."""

    def __init__(
        self,
        matrices: list[nn.Parameter],
        rest: list[nn.Parameter],
        lr: float,
        muon_scale: float,
        adamw: dict[str, Any],
    ) -> None:
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(
                torch.optim.Muon(matrices, lr=lr * muon_scale, weight_decay=adamw["weight_decay"])
            )
            self.parts[0].param_groups[0]["scale"] = muon_scale
        if rest:
            self.parts.append(torch.optim.AdamW(rest, **adamw))
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        at = 0
        for part in self.parts:  # the parts read and write this object's groups and state
            part.param_groups = self.param_groups[at : at + len(part.param_groups)]
            part.state = self.state
            at += len(part.param_groups)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss
