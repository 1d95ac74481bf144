"""The adapter folded into the base weights while text is generated, and the base restored bit for bit.

PEFT's own unmerge subtracts again, which leaves about a tenth of the weights changed and the error growing;
here the untouched tensors are kept and put back. On an accelerator they wait in host memory (two copies of a
large base would not fit); on the CPU the two simply change places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from repo_cli.models.adapters import AdapterSet


@contextmanager
def merged_weights(
    adapters: AdapterSet, role: str | None, dtype: torch.dtype | None = None
) -> Iterator[None]:
    """Within: `adapters.base` computes with the role's adapter in its weights (None: the base alone).

    dtype: run in this dtype meanwhile (say bfloat16, faster to decode); the sum is formed in float32 first.
    """
    before = adapters.active
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    try:
        with torch.no_grad():
            deltas = _deltas(adapters, role)
            for name, parameter in adapters.base.named_parameters():
                if "lora_" in name:
                    continue
                delta = deltas.get(id(parameter))
                if delta is None and (
                    dtype is None or not parameter.is_floating_point() or parameter.dtype == dtype
                ):
                    continue
                _replace(parameter, delta() if delta else None, dtype, kept)
        adapters.activate(None)
        yield
    finally:
        for parameter, original in kept:
            if original.device == parameter.device:
                parameter.data = original
            else:
                parameter.data.copy_(original)
        adapters.activate(before)


def _deltas(adapters: AdapterSet, role: str | None) -> dict:
    """id of each adapted base weight -> a function that gives what the adapter adds to it."""
    if role is None:
        return {}
    return {
        id(layer.get_base_layer().weight): (lambda layer=layer: layer.get_delta_weight(role))
        for layer in adapters.layers
        if role in layer.lora_A
    }


def _replace(
    parameter: nn.Parameter, delta: torch.Tensor | None, dtype: torch.dtype | None, kept: list
) -> None:
    original = parameter.data
    fresh = original if delta is None else (original.float() + delta.float()).to(original.dtype)
    target = fresh if dtype is None else fresh.to(dtype)
    if original.device.type == "cpu" or target.dtype != original.dtype:
        kept.append((parameter, original))
        parameter.data = target
    else:
        kept.append((parameter, original.to("cpu", copy=True)))
        original.copy_(target)
