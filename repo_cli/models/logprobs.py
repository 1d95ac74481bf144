"""Log-probabilities of given tokens, computed only where they matter.

The hidden states of the whole batch come first; the output layer, whose logits over a vocabulary of 150k
would fill the memory, is then applied to the selected positions alone and in chunks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_LOGITS = 2**26  # logits held at once: 256 MiB in float32


def position_ids(attention: Tensor) -> Tensor:
    """Position of each real token counted from the first real one; [batch, time] -> [batch, time].

    The same for left and right padding; padded places get 0 or the last position, which nothing reads.
    """
    return (attention.long().cumsum(-1) - 1).clamp(min=0)


def last_token_index(attention: Tensor) -> Tensor:
    """Index of the last real token of each row, for either padding side; [batch, time] -> [batch]."""
    steps = torch.arange(attention.shape[1], device=attention.device)
    return (attention.long() * (steps + 1)).argmax(dim=1)


def _one_chunk(
    lm_head: Callable[[Tensor], Tensor],
    hidden: Tensor,
    targets: Tensor,
    temperature: float,
    want_entropy: bool,
) -> tuple[Tensor, Tensor]:
    logits = lm_head(hidden).float()
    if temperature != 1.0:
        logits = logits / temperature
    logps = -torch.nn.functional.cross_entropy(logits, targets, reduction="none")  # fused, unlike logsumexp
    if not want_entropy:
        return logps, logps.detach()
    free = logits.detach().log_softmax(-1)
    return logps, -(free.exp() * free).sum(-1)


def token_logps(
    lm_head: Callable[[Tensor], Tensor],
    hidden: Tensor,
    ids: Tensor,
    mask: Tensor,
    temperature: float = 1.0,
    want_entropy: bool = False,
    chunk_logits: int = CHUNK_LOGITS,
    vocab_size: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """log p(ids[t] | ids[<t]) where mask[t] is 1, else 0.

    hidden: [batch, time, hidden_size]; ids, mask: [batch, time]; returns logps and entropy [batch, time] in
    float32 (entropy in nats, detached; None unless wanted). The state at t-1 predicts token t, so position 0
    has no log-prob: a mask there is ignored.
    """
    wanted = mask[:, 1:].bool()
    states, targets = hidden[:, :-1][wanted], ids[:, 1:][wanted]
    logps, entropy = state_logps(
        lm_head, states, targets, temperature, want_entropy, chunk_logits, vocab_size
    )
    return _scatter(logps, wanted), None if entropy is None else _scatter(entropy, wanted)


def state_logps(
    lm_head: Callable[[Tensor], Tensor],
    states: Tensor,
    targets: Tensor,
    temperature: float = 1.0,
    want_entropy: bool = False,
    chunk_logits: int = CHUNK_LOGITS,
    vocab_size: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """log p(targets[i]) from states[i]; states: [tokens, hidden_size], targets: [tokens]; returns and memory as in
    `token_logps`, both results [tokens]."""
    rows = max(1, chunk_logits // (vocab_size or 1)) if vocab_size else max(1, len(states))
    save_memory = len(states) > rows and torch.is_grad_enabled() and states.requires_grad
    parts, entropies = [], []
    for start in range(0, max(1, len(states)), rows):
        args = (
            lm_head,
            states[start : start + rows],
            targets[start : start + rows],
            temperature,
            want_entropy,
        )
        logps, entropy = (
            checkpoint(_one_chunk, *args, use_reentrant=False) if save_memory else _one_chunk(*args)
        )
        parts.append(logps)
        entropies.append(entropy)
    return torch.cat(parts), torch.cat(entropies) if want_entropy else None


@torch.no_grad()
def token_kl(
    ours: Callable[[Tensor], Tensor],
    theirs: Callable[[Tensor], Tensor],
    hidden: tuple[Tensor, Tensor],
    mask: Tensor,
    chunk_logits: int = CHUNK_LOGITS,
    vocab_size: int | None = None,
) -> Tensor:
    """KL(p || q) in nats over the whole vocabulary, of the distributions that each masked token was drawn from; 0
    elsewhere. [batch, time], float32, no gradient.

    ours, theirs: the output layers of p and q. hidden: their states, each [batch, time, hidden_size]. mask: [batch,
    time], shifted as in `token_logps`.
    """
    wanted = mask[:, 1:].bool()
    p_states, q_states = (h[:, :-1][wanted] for h in hidden)
    rows = max(1, chunk_logits // (vocab_size or 1)) if vocab_size else max(1, len(p_states))
    parts = []
    for start in range(0, max(1, len(p_states)), rows):
        p = ours(p_states[start : start + rows]).float().log_softmax(-1)
        q = theirs(q_states[start : start + rows]).float().log_softmax(-1)
        parts.append((p.exp() * (p - q)).sum(-1))
    return _scatter(torch.cat(parts), wanted)


def _scatter(values: Tensor, wanted: Tensor) -> Tensor:
    """Values at the wanted places of [batch, time-1], zeros elsewhere, and a zero column for position 0."""
    full = values.new_zeros(wanted.shape).masked_scatter(wanted, values)
    return torch.nn.functional.pad(full, (1, 0))
