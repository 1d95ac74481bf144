"""The RMSNorm of our own gives what the models' own gives, and leaves alone what is another norm."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from training_kit import ragged, small_backbone, small_config
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from repo_cli.models.rms_norm import Normed, _Lean, take_norms


def states(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def norm(kind: type[nn.Module] = Qwen3RMSNorm, **more: Any) -> Any:
    made = kind(12, **more).requires_grad_(False)
    made.weight.data = 1.0 + 0.3 * states(12)
    return made


def run(layer: Any, x: torch.Tensor, low: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and gradient for x."""
    x = x.clone().requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
        out = layer(x)
        (grad,) = torch.autograd.grad(
            (out.float() * states(*out.shape)).sum(), x
        )  # within: autocast is on still
    return out.detach(), grad


@pytest.mark.parametrize("kind", [Qwen3RMSNorm, LlamaRMSNorm])
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_output_and_gradient_are_the_models_own(kind: type[nn.Module], low: bool, size: float) -> None:
    theirs, ours = norm(kind, eps=1e-6), norm(kind, eps=1e-6)
    assert take_norms(ours) == 1 and take_norms(ours) == 0  # once is enough
    assert isinstance(ours, _Lean) and isinstance(ours, kind)
    x = size * states(3, 5, 12)
    for a, b in zip(run(theirs, x, low), run(ours, x, low), strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert torch.allclose(a, b, rtol=2e-5, atol=2e-6 * float(a.abs().max()))


def test_gradients_are_those_of_small_differences() -> None:
    x = states(4, 6).double().requires_grad_(True)
    weight = 1.0 + states(6).double()
    assert torch.autograd.gradcheck(lambda x: Normed.apply(x, weight, 1e-3), (x,))


def test_half_precision_and_trained_weights_go_the_models_way(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = norm(), norm()
    take_norms(ours)
    monkeypatch.setattr(Normed, "apply", lambda *_: pytest.fail("not the plain case"))
    x = states(2, 12)
    assert torch.equal(theirs(x.bfloat16()), ours(x.bfloat16()))
    theirs.weight.requires_grad_(True), ours.weight.requires_grad_(True)
    theirs(x).sum().backward(), ours(x).sum().backward()
    assert torch.equal(theirs.weight.grad, ours.weight.grad)


def test_another_norm_is_left_alone() -> None:
    class GatedRMSNorm(LlamaRMSNorm):
        def forward(self, hidden_states: torch.Tensor, gate: Any = None) -> torch.Tensor:
            return super().forward(hidden_states)

    for kind in (GemmaRMSNorm, GatedRMSNorm, nn.LayerNorm, nn.RMSNorm):
        assert take_norms(kind(12)) == 0, kind  # Gemma's multiplies with 1 + weight


def test_with_short_cuts_every_norm_of_a_backbone_is_such_a_one_and_log_probs_stay() -> None:
    plain, short = (small_backbone(small_config(engine__short_cuts=on)) for on in (False, True))
    count = sum(isinstance(m, Qwen3RMSNorm) for m in plain.modules())
    assert count and sum(isinstance(m, _Lean) for m in short.modules()) == count
    assert not any(isinstance(m, _Lean) for m in plain.modules())
    ids, attention = ragged(plain, [12, 7, 9])
    with torch.no_grad():
        a, b = (net.logps("policy", ids, attention, attention) for net in (plain, short))
    assert torch.allclose(a, b, atol=1e-5)
