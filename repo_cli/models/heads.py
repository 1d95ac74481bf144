"""The scalar head of a critic or a reward model: one linear map from a hidden state to a number."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ScalarHead(nn.Module):
    """hidden [..., hidden_size] -> value [...], always computed in float32, whatever the base's dtype.

    A small random start, not zeros: with a zero weight the first gradient to the adapter below would be zero.
    """

    def __init__(self, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        start = torch.randn(1, hidden_size, generator=generator) / (hidden_size + 1)
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            return F.linear(hidden.float(), self.weight.float(), self.bias.float()).squeeze(-1)
