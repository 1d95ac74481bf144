"""`policy.attn=blocks` gives what transformers' own attention gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from repo_cli.models import attention


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that these sequences have several, the last one not full."""
    attention.register()
    monkeypatch.setattr(attention, "BLOCK", 16)


def model(kv_heads: int) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8
    }  # fmt: skip
    return Qwen3ForCausalLM(Qwen3Config(num_attention_heads=4, num_key_value_heads=kv_heads, **shape)).eval()


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("padded", [False, True])
def test_logits_and_gradients_are_those_of_eager(kv_heads: int, padded: bool) -> None:
    net = model(kv_heads)
    ids = torch.randint(0, 60, (3, 45), generator=torch.Generator().manual_seed(1))
    real = torch.ones_like(ids)
    if padded:
        real[0, :20], real[1, :3] = 0, 0
    more = {"attention_mask": real, "position_ids": (real.cumsum(1) - 1).clamp(min=0)} if padded else {}
    found = {}
    for name in ("eager", attention.NAME):
        net.set_attn_implementation(name)
        net.zero_grad()
        logits = net(input_ids=ids, **more).logits[real.bool()]
        logits.logsumexp(-1).sum().backward()
        found[name] = (logits.detach(), [p.grad.clone() for p in net.parameters()])
    assert torch.allclose(found["eager"][0], found["blocks"][0], atol=1e-5)
    for a, b in zip(found["eager"][1], found["blocks"][1], strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def test_decoding_with_a_cache_and_left_padding_is_that_of_eager() -> None:
    net = model(2)
    ids = torch.randint(0, 60, (3, 30), generator=torch.Generator().manual_seed(2))
    real = torch.ones_like(ids)
    real[0, :11] = 0
    said = {}
    for name in ("eager", attention.NAME):
        net.set_attn_implementation(name)
        said[name] = net.generate(
            input_ids=ids, attention_mask=real, max_new_tokens=20, do_sample=False, pad_token_id=0
        )
    assert torch.equal(said["eager"], said["blocks"])


def test_several_tokens_on_top_of_a_cache() -> None:
    net = model(4)
    ids = torch.randint(0, 60, (2, 40), generator=torch.Generator().manual_seed(3))
    net.set_attn_implementation(attention.NAME)
    with torch.no_grad():
        whole = net(input_ids=ids).logits
        first = net(input_ids=ids[:, :23], use_cache=True)
        rest = net(input_ids=ids[:, 23:], past_key_values=first.past_key_values, use_cache=True).logits
    assert torch.allclose(whole[:, 23:], rest, atol=1e-5)
