"""How many bytes each thing takes on one rank: pure functions of a base's shape and of what is done at a time.

`tests/test_training_plan_memory.py` holds them against what autograd, the sampler's cache and the engines really keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from repo_cli.models.shapes import Shape

CHUNK_LOGITS = 2**26  # models/logprobs.py: logits held at once
BLOCK = 192  # models/attention.py: queries in one block
ROUND = 64  # rollout/cache.py: lengths are multiples of this


@dataclass(frozen=True)
class Precision:
    """Bytes of an element: of the base's weights, of the adapters, of activations. autocast: weights are kept in
    float32 and cast for each product. trains: "lora" or "full". dropout: whether it acts in training."""

    weights: int
    adapters: int
    compute: int
    autocast: bool = False
    trains: str = "lora"
    dropout: bool = False


def weight_bytes(shape: Shape, each: int, zero_stage: int, nproc: int, whole: bool) -> float:
    """The base's weights on one rank: each * params.

    ZeRO-3: each * ((params - vectors) / nproc + vectors + largest): its share, the one-dimensional parameters, which
    stay whole, and the largest weight, whole while it is in use. Generation, scoring and values run on whole weights
    (`whole`), which are each * params on top of the share.
    """
    if zero_stage < 3:
        return float(each * shape.params)
    share = each * ((shape.params - shape.vectors) / nproc + shape.vectors)
    return share + each * (shape.params - shape.vectors if whole else shape.largest)


def engine_bytes(
    params: int, zero_stage: int, nproc: int, each: int, bf16: bool, muon: bool = False
) -> tuple[float, float]:
    """(gradients while the role is trained, optimiser state for good) of P = params elements of `each` bytes.

    ZeRO-0, engine.precision=fp32: gradients each * P; AdamW's two moments 2 * each * P (Muon has one).
    ZeRO-0, bf16: gradients 2 P and their float32 copy 4 P; float32 master weights and moments 12 P.
    ZeRO-1: gradients twice (where they arise, and in the bucket that is reduced) and this rank's share in float32;
    master weights and moments shared: 12 P / nproc. ZeRO-2 and 3: one of the two gradients is shared as well.
    """
    if zero_stage == 0:
        if not bf16:
            return float(each * params), float((1 if muon else 2) * each * params)
        return 6.0 * params, 12.0 * params
    own = params if zero_stage == 1 else params / nproc
    return each * (params + own) + 4.0 * params / nproc, 12.0 * params / nproc


def saved_per_token(
    shape: Shape, precision: Precision, r: int, length: int, attn: str, linears: int
) -> float:
    """Bytes that one decoder layer keeps of one token for the backward pass. With H hidden, I intermediate,
    A heads * head_dim, K kv_heads * head_dim, b bytes of activations:

    norms          4 * 2 H (+ 4 (A + K) where queries and keys are normalised): their inputs, in float32
    linear inputs  b (2 H + I): for lora_A, one for q, k, v, one for gate, up, one for down; o's is the attention's
                   output. Another dtype in the adapters, or autocast: a copy for each, c (5 H + A + I)
    attention      b (2 A + 2 K) + 4 heads: queries, keys, values, output, log-sums; without a fused kernel also the
                   probabilities, heads * length * (4 and b where it is less: eager; b / 2 and a mask: blocks)
    feed-forward   b 3 I: gate, its activation, up
    adapters       a r for each adapted layer of the block
    full training  b (2 H + A + K) more: the norms' outputs before their weights
    dropout        (b + 1) (5 H + A + I): its outputs and masks
    """
    b, hidden, inner = precision.compute, shape.hidden, shape.intermediate
    a, k = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    every_input = 5 * hidden + a + inner
    full = precision.trains == "full"
    normed = 2 * hidden + (a + k if shape.qk_norm else 0)
    saved = 4.0 * normed
    if full or (precision.adapters == b and not precision.autocast):
        saved += b * (2 * hidden + inner)
    else:
        saved += (b if precision.autocast else precision.adapters) * every_input
    saved += b * (2 * a + 2 * k) + 4 * shape.heads
    if attn == "eager":
        saved += shape.heads * length * (4 + (b if b < 4 else 0))
    elif attn == "blocks":
        seen = (length + min(BLOCK, length)) / 2
        saved += shape.heads * seen * (b + 1) + 2 * b * (a - k)
    saved += b * 3 * inner
    saved += b * normed if full else precision.adapters * r * linears
    if precision.dropout and not full:
        saved += (b + 1) * every_input
    return saved


def activation_moments(
    shape: Shape,
    precision: Precision,
    r: int,
    rows: int,
    length: int,
    attn: str,
    linears: int,
    checkpointing: bool,
) -> tuple[float, float]:
    """(bytes kept when the forward pass ends, most bytes during the backward pass) of one micro-batch.

    Kept: tokens * layers * saved_per_token, and the last states 4 H + b H a token; with checkpointing only each
    layer's input, b H. The backward pass adds the gradients of the layer it is in, b (3 I + 2 H) a token, and with
    checkpointing that layer's own activations. Autocast keeps the bf16 copies of the frozen weights for the backward
    pass: 2 * (weights of all linear layers; of one layer with checkpointing).
    """
    tokens = rows * length
    b = precision.compute
    layer = tokens * saved_per_token(shape, precision, r, length, attn, linears)
    casts = 2.0 * sum(x.count * x.inputs * x.outputs for x in shape.linears) if precision.autocast else 0.0
    ends = tokens * (4 + b) * shape.hidden
    work = tokens * b * (3 * shape.intermediate + 2 * shape.hidden)
    if not checkpointing:
        kept = shape.layers * layer + casts + ends
        return kept, kept + work
    residual = 4 if precision.autocast else b
    kept = shape.layers * tokens * residual * shape.hidden + ends
    return kept, kept + layer + casts / shape.layers + work


def forward_bytes(shape: Shape, precision: Precision, tokens: int, adapter: bool) -> float:
    """Most bytes of a pass without gradient over so many tokens: the stream and its norm in float32, 8 H, and of the
    feed-forward part b * 3 I; an adapter adds its output and their sum, b * 2 I."""
    inner = (5 if adapter else 3) * shape.intermediate
    return tokens * (8.0 * shape.hidden + precision.compute * inner)


def kv_bytes(shape: Shape, rows: int, length: int, each: int) -> float:
    """Keys and values of every layer, with room for the whole reply from the start: rows * length * layers * 2 *
    kv_heads * head_dim * each, the length rounded up to a multiple of 64."""
    return float(
        rows * math.ceil(length / ROUND) * ROUND * shape.layers * 2 * shape.kv_heads * shape.head_dim * each
    )


def logit_bytes(vocab: int, tokens: int, each: int, entropy: bool) -> float:
    """Most bytes of the output layer over `tokens` reply tokens, min(tokens * vocabulary, 2^26) logits at a time:
    logits, log-softmax and gradient in float32, 12 a logit (20 where entropies are computed: also the distribution and
    products), and the logits before the cast where they are not float32."""
    at_once = min(tokens * vocab, max(CHUNK_LOGITS, vocab))
    return float(at_once * ((20 if entropy else 12) + (each if each < 4 else 0)))


def sampling_bytes(vocab: int, rows: int, each: int) -> float:
    """Logits of the next token of each row as they come, then in float32: scaled, log-softmax, softmax."""
    return float(rows * vocab * (each + 4 * 4))
