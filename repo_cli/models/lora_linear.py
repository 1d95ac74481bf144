"""A LoRA layer in as few passes over memory as it takes.

PEFT's layer makes three tensors of the size of its output (the base's product, the adapter's, that times the scaling)
and adds two of them; its backward does as much again. Beside matrix products of a moderate width that costs time, on a
CPU above all. Here the low-rank part is added into the base's product by the matrix product itself, forward and
backward. The numbers are the same but for rounding; whatever is not the plain case goes PEFT's way.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class LoraProduct(torch.autograd.Function):
    """x W^T + bias + scaling (x A^T) B^T. x: [rows, in]; W: [out, in]; A: [r, in]; B: [out, r]; all of one dtype.

    Gradients for x, A and B; W and bias are frozen.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        low = (x @ a.t()).mul_(scaling)
        out = x @ weight.t() if bias is None else torch.addmm(bias, x, weight.t())
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scaling = scaling
        return out.addmm_(low, b.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        for_x, _, _, for_a, for_b, _ = ctx.needs_input_grad
        grad_low = (grad @ b).mul_(ctx.scaling) if for_x or for_a else None
        grad_x = (grad @ weight).addmm_(grad_low, a) if for_x else None
        grad_a = grad_low.t() @ x if for_a and grad_low is not None else None
        grad_b = (low.t() @ grad).t() if for_b else None  # on a CPU faster than grad^T low
        return grad_x, None, None, grad_a, grad_b, None


class LoraLinear(Linear):
    """PEFT's LoRA layer on a linear one; see the module's docstring for what differs."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        role = self._plain_role(x) if not args and not kwargs else None
        if role is None:
            return super().forward(x, *args, **kwargs)
        base: Any = self.get_base_layer()
        weights = (base.weight, base.bias, self.lora_A[role].weight, self.lora_B[role].weight)
        device = x.device.type
        mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if mixed else x.dtype
        if not mixed and any(w is not None and w.dtype != dtype for w in weights):
            return super().forward(x)  # weights of several dtypes: PEFT knows which sum is formed in which
        weight, bias, a, b = (None if w is None else w.to(dtype) for w in weights)
        flat = x.to(dtype).reshape(-1, x.shape[-1])
        with torch.autocast(device, enabled=False):
            out = LoraProduct.apply(flat, weight, bias, a, b, self.scaling[role])
        return out.view(*x.shape[:-1], out.shape[-1])

    def _plain_role(self, x: Tensor) -> str | None:
        """The one active adapter, in the plain case: a linear base that is whole and frozen, no dropout, no variant."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return None
        (role,) = self.active_adapters
        base, dropout = self.get_base_layer(), self.lora_dropout[role] if role in self.lora_dropout else None
        plain = (
            type(base) is nn.Linear
            and role in self.lora_A
            and role not in self.lora_variant
            and self.lora_A[role].bias is None
            and self.lora_B[role].bias is None
            and (isinstance(dropout, nn.Identity) or not (dropout is not None and dropout.training))
            and not base.weight.requires_grad
            and not hasattr(base.weight, "ds_id")  # ZeRO-3 fetches a weight when its module is called
        )
        return role if plain else None
