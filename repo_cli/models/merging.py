"""The adapter folded into the base weights while text is generated, and the base restored bit for bit.

PEFT's own unmerge subtracts again, which leaves about a tenth of the weights changed and the error growing;
here the untouched tensors are kept and put back. On an accelerator they wait in host memory (two copies of a
large base would not fit); on the CPU the two simply change places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

from repo_cli.models.adapters import AdapterSet


@contextmanager
def merged_weights(
    adapters: AdapterSet,
    role: str | None,
    dtype: torch.dtype | None = None,
    cast_to: torch.dtype | None = None,
) -> Iterator[None]:
    """Within: `adapters.base` computes with the role's adapter in its weights (None: the base alone).

    dtype: run in this dtype meanwhile (say bfloat16, faster to decode); the sum is formed in float32 first.
    cast_to: the dtype that torch.autocast would cast the linear layers' weights to at every token; here they are cast
    once, to the same bits.
    """
    before = adapters.active
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    swapped: list[tuple[nn.Linear, nn.Parameter]] = []
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
            if cast_to is not None:
                swapped = _cast_linears(adapters.base, cast_to)
                done = {id(weight) for _, weight in swapped}
                for parameter, original in kept:  # the sum in float32 has served
                    if id(parameter) in done:
                        parameter.data = original
        adapters.activate(None)
        yield
    finally:
        for module, weight in swapped:
            module.weight = weight
        for parameter, original in kept:
            if original.device == parameter.device:
                parameter.data = original
            else:
                parameter.data.copy_(original)
        adapters.activate(before)


def _cast_linears(base: nn.Module, dtype: torch.dtype) -> list[tuple[nn.Linear, nn.Parameter]]:
    """Give each linear layer a weight of its own in this dtype; returns (layer, the weight it had).

    An embedding that is tied to one keeps the shared weight as it is.
    """
    swapped: list[tuple[nn.Linear, nn.Parameter]] = []
    for name, module in base.named_modules():
        if type(module) is not nn.Linear or "lora_" in name or hasattr(module.weight, "ds_id"):
            continue  # what ZeRO-3 has split stays its own
        if module.weight.dtype == torch.float32:
            swapped.append((module, cast(nn.Parameter, module.weight)))
            module.weight = nn.Parameter(module.weight.to(dtype), requires_grad=False)
    return swapped


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
