"""The LoRA layer of our own gives what PEFT's gives, and leaves to PEFT what is not the plain case."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch import nn
from training_kit import ragged, small_backbone, small_config

from repo_cli.models.lora_linear import LoraLinear, LoraProduct
from repo_cli.models.passes import last_parts


def layers(bias: bool, dropout: float, dtype: torch.dtype = torch.float32) -> tuple[Linear, LoraLinear]:
    """PEFT's layer and ours, with the same weights; B is not zero."""
    base = nn.Linear(12, 20, bias=bias, dtype=dtype).requires_grad_(False)
    config = LoraConfig(r=4, lora_alpha=6, lora_dropout=dropout)
    made = [kind(base, "policy", config, r=4, lora_alpha=6) for kind in (Linear, LoraLinear)]
    generator = torch.Generator().manual_seed(0)
    for name in ("lora_A", "lora_B"):
        weight = getattr(made[0], name)["policy"].weight
        value = torch.randn(weight.shape, generator=generator)
        for layer in made:
            getattr(layer, name)["policy"].weight.data = value.clone()
    return made[0], made[1]  # type: ignore[return-value]


def run(layer: Any, x: torch.Tensor, low: bool) -> list[torch.Tensor]:
    """Output, and gradients for x, A and B."""
    x = x.clone().requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
        out = layer(x)
    grads = torch.autograd.grad(
        (out.float() * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum(),
        [x, layer.lora_A["policy"].weight, layer.lora_B["policy"].weight],
    )
    return [out, *grads]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("low", [False, True])
def test_output_and_gradients_are_pefts(bias: bool, low: bool) -> None:
    theirs, ours = layers(bias, dropout=0.3)
    theirs.eval(), ours.eval()  # dropout is off in evaluation mode, and then ours takes the short way
    x = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(1))
    assert ours._plain_role(x) == "policy"
    for a, b in zip(run(theirs, x, low), run(ours, x, low), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        a, b = a.detach().float(), b.detach().float()
        apart = float((a - b).norm() / a.norm())
        assert apart < (0.01 if low else 1e-6), apart  # bfloat16 has 8 bits: half a hundredth


def test_gradients_are_those_of_small_differences() -> None:
    generator = torch.Generator().manual_seed(2)
    x, a, b = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((6, 5), (2, 5), (7, 2)))
    weight, bias = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((7, 5), (7,)))
    for wanted in ((x, a, b), (a, b), (x,)):
        for t in (x, a, b):
            t.requires_grad_(any(t is w for w in wanted))
        assert torch.autograd.gradcheck(
            lambda x, a, b: LoraProduct.apply(x, weight, bias, a, b, 1.5), (x, a, b)
        )


def test_what_is_not_plain_goes_pefts_way() -> None:
    x = torch.randn(4, 12)
    _, ours = layers(False, dropout=0.5)
    ours.train()
    assert ours._plain_role(x) is None
    torch.manual_seed(0)
    assert not torch.equal(ours(x), ours(x))  # dropout acts
    ours.eval()
    assert ours._plain_role(x) == "policy"
    ours.enable_adapters(False)
    assert ours._plain_role(x) is None and torch.equal(ours(x), ours.get_base_layer()(x))
    theirs, ours = layers(False, 0.0, torch.bfloat16)  # a base in bfloat16 with an adapter in float32
    low = x.bfloat16()
    assert torch.equal(theirs(low), ours(low)) and ours(low).dtype == torch.bfloat16


def _plain() -> Any:
    return small_backbone(small_config(engine__short_cuts=False))


def test_with_short_cuts_every_adapter_of_a_backbone_is_such_a_layer() -> None:
    assert not any(isinstance(layer, LoraLinear) for layer in _plain().adapters.layers)
    backbone = small_backbone()
    assert backbone.adapters.layers and all(
        isinstance(layer, LoraLinear) for layer in backbone.adapters.layers
    )
    ids, attention = ragged(backbone, [9, 6])
    found = []
    for plain in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not plain:
                patch.setattr(LoraLinear, "_plain_role", lambda *_: None)
            backbone.zero_grad()
            loss = backbone.logps("policy", ids, attention, attention).sum()
            loss.backward()
            found.append([loss.detach(), *(p.grad.clone() for p in backbone.trainable("policy"))])
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-4) for a, b in zip(*found, strict=True))


def test_a_mixture_of_experts_runs_everywhere() -> None:
    """Some give their router's scores beside the states, which nothing could put back into their places."""
    layer = nn.Module()
    layer.self_attn, layer.mlp = nn.Module(), nn.Module()
    layer.self_attn.q_proj = nn.Linear(4, 4)
    decoder = nn.Module()
    decoder.layers = nn.ModuleList([layer])
    assert last_parts(decoder) == [layer.self_attn.q_proj, layer.mlp]
    layer.mlp.experts = nn.ModuleList()
    assert last_parts(decoder) == [layer.self_attn.q_proj]
