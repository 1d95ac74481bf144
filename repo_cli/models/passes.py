"""What is computed on a backbone: hidden states, log-probabilities, entropies, values, scores, divergences.

Each pass names the role whose adapter takes part (None = the base alone). Tensors are [batch, time] unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from repo_cli.dialogue.shared import SharedBatch
from repo_cli.models.logprobs import last_token_index, position_ids, state_logps, token_kl, token_logps


class Passes(nn.Module):
    """The part of a Backbone that computes; the Backbone holds the base, its adapters and heads."""

    base: Any
    heads: nn.ModuleDict
    vocab_size: int
    autocast_dtype: torch.dtype | None
    sharding: Any
    short_cuts: bool

    @property
    def device(self) -> torch.device:
        raise NotImplementedError

    def use(self, role: str | None) -> None:
        raise NotImplementedError

    def autocast(self) -> AbstractContextManager:
        """torch.autocast as engine.autocast says; all passes here run in it, and so must generation."""
        return torch.autocast(
            self.device.type,
            dtype=self.autocast_dtype or torch.bfloat16,
            enabled=self.autocast_dtype is not None,
        )

    def hidden(
        self, role: str | None, ids: Tensor, attention: Tensor, wanted: Tensor | None = None
    ) -> Tensor:
        """Last hidden states [batch, time, hidden_size]; left or right padding.

        wanted: bool [batch, time], the places whose state is read (None: all); the others hold no state then.
        """
        self.use(role)
        extra: dict[str, Tensor] = {}
        if not bool(attention[:, 0].all()):  # padded on the left
            extra = {"attention_mask": attention.long(), "position_ids": position_ids(attention)}
        # Padded on the right only: no real token ever looks at the padding, so no mask is needed (and none
        # is faster).
        return self._decode(wanted, input_ids=ids, **extra)

    def _decode(self, wanted: Tensor | None, **given: Tensor) -> Tensor:
        with self.autocast(), self._read_only_at(wanted):
            return self.base.get_decoder()(use_cache=False, **given).last_hidden_state

    @contextmanager
    def _read_only_at(self, wanted: Tensor | None) -> Iterator[None]:
        """Within a forward pass: the last layer's queries, attention output and feed-forward part are computed for the
        wanted places [batch, time] alone.

        Nothing looks at another place's state after the last layer's keys and values. A reply is a small part of its
        dialogue, so this saves most of that layer: much in a model of few layers.
        """
        # ZeRO-3 has hooks of its own there, and checkpointing runs the layer again when this is over
        if wanted is None or not self.short_cuts or self.sharding is not None or self._recomputes():
            yield
            return
        places = wanted.reshape(-1).nonzero()[:, 0]

        def pick(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (args[0].flatten(0, 1).index_select(0, places)[None], *args[1:])

        def put(_: nn.Module, __: Any, out: Tensor) -> Tensor:
            whole = out.new_zeros(wanted.numel(), out.shape[-1])
            return whole.index_copy(0, places, out[0]).view(*wanted.shape, -1)

        hooks = []
        for part in last_parts(self.base.get_decoder()):
            hooks += [part.register_forward_pre_hook(pick), part.register_forward_hook(put)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _recomputes(self) -> bool:
        return bool(getattr(self.base, "is_activation_checkpointing", False))

    def _lm_head(self, hidden: Tensor) -> Tensor:
        with self.autocast():
            return self.base.get_output_embeddings()(hidden)

    def logps(
        self, role: str | None, ids: Tensor, attention: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """log p(token t | tokens < t), float32, where mask is 1, else 0; of logits / temperature."""
        hidden = self.hidden(role, ids, attention, before(mask))
        return token_logps(self._lm_head, hidden, ids, mask, temperature, vocab_size=self.vocab_size)[0]

    def logps_entropy(
        self, role: str | None, ids: Tensor, attention: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`logps`, and the entropy (nats, no gradient) of the distribution each masked token came from."""
        hidden = self.hidden(role, ids, attention, before(mask))
        logps, entropy = token_logps(
            self._lm_head, hidden, ids, mask, temperature, True, vocab_size=self.vocab_size
        )
        assert entropy is not None
        return logps, entropy

    def kl(self, role: str | None, other: str | None, ids: Tensor, attention: Tensor, mask: Tensor) -> Tensor:
        """KL(role || other) in nats at each masked token, over the whole vocabulary; 0 elsewhere; no gradient."""

        def output(name: str | None) -> Callable[[Tensor], Tensor]:
            def apply(hidden: Tensor) -> Tensor:
                self.use(name)  # an adapter may be on the output layer too
                return self._lm_head(hidden)

            return apply

        with torch.no_grad():
            wanted = before(mask)
            hidden = (
                self.hidden(role, ids, attention, wanted),
                self.hidden(other, ids, attention, wanted),
            )
        return token_kl(output(role), output(other), hidden, mask, vocab_size=self.vocab_size)

    def next_logits(self, role: str | None, ids: Tensor, attention: Tensor) -> Tensor:
        """Logits [batch, vocabulary] of the token after the last real one (a judge reads its labels here)."""
        rows, last = torch.arange(len(ids), device=ids.device), last_token_index(attention)
        hidden = self.hidden(role, ids, attention, at(ids.shape, rows, last))
        return self._lm_head(hidden[rows, last]).float()

    def values(self, role: str, ids: Tensor, attention: Tensor, mask: Tensor | None = None) -> Tensor:
        """V[b, t] = value of the state before token t is emitted, read from the hidden state of token t-1.

        So values line up with logps, rewards and masks: all speak of the action "token t". V[:, 0] = 0. With a mask
        only the values where it is 1 are wanted; what stands elsewhere means nothing then.
        """
        hidden = self.hidden(role, ids, attention, None if mask is None else before(mask))
        return nn.functional.pad(self.heads[role](hidden[:, :-1]), (1, 0))

    def score(self, role: str, ids: Tensor, attention: Tensor) -> Tensor:
        """The head at each row's last real token, found by the attention mask, never by an id; [batch]."""
        rows, last = torch.arange(len(ids), device=ids.device), last_token_index(attention)
        hidden = self.hidden(role, ids, attention, at(ids.shape, rows, last))
        return self.heads[role](hidden[rows, last])

    # -- sequences that begin alike, the common beginning computed once -------------------------------------------

    @property
    def shares_contexts(self) -> bool:
        """Whether the attention kernel takes the mask that the passes over a SharedBatch need."""
        return self.base.config._attn_implementation in ("eager", "sdpa", "blocks")

    def _states_shared(self, role: str | None, batch: SharedBatch, rows: Tensor, places: Tensor) -> Tensor:
        """The last hidden states at the named places; [places, hidden_size]."""
        self.use(role)
        seen: Tensor = batch.seen
        if self.base.config._attn_implementation == "eager":  # it adds its mask to the scores
            seen = torch.zeros(seen.shape, device=seen.device).masked_fill(
                ~seen, torch.finfo(torch.float32).min
            )
        hidden = self._decode(
            at(batch.ids.shape, rows, places),
            input_ids=batch.ids,
            attention_mask=seen,
            position_ids=batch.positions,
        )
        return hidden[rows, places]

    def score_shared(self, role: str, batch: SharedBatch) -> Tensor:
        """`score` of each sequence; [sequences]."""
        return self.heads[role](self._states_shared(role, batch, batch.ends[:, 0], batch.ends[:, 1]))

    def logps_entropy_shared(
        self, role: str | None, batch: SharedBatch, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`logps_entropy` of the sequences' masked tokens; both [sequences, longest sequence], 0 elsewhere."""
        hidden = self._states_shared(role, batch, batch.rows, batch.states)
        logps, entropy = state_logps(
            self._lm_head, hidden, batch.targets, temperature, True, vocab_size=self.vocab_size
        )
        assert entropy is not None
        wanted = batch.mask.bool()
        empty = torch.zeros_like(batch.mask)
        return empty.masked_scatter(wanted, logps), empty.masked_scatter(wanted, entropy)

    def logps_shared(self, role: str | None, batch: SharedBatch, temperature: float = 1.0) -> Tensor:
        """`logps` of the sequences' masked tokens; [sequences, longest sequence], 0 elsewhere."""
        hidden = self._states_shared(role, batch, batch.rows, batch.states)
        logps, _ = state_logps(self._lm_head, hidden, batch.targets, temperature, vocab_size=self.vocab_size)
        return torch.zeros_like(batch.mask).masked_scatter(batch.mask.bool(), logps)


def last_parts(decoder: nn.Module) -> list[nn.Module]:
    """The parts of the last layer that work place by place, by the names that decoders give them; what is not found
    runs everywhere, and so does a mixture of experts, which may give more than states."""
    layers: Any = getattr(decoder, "layers", None)
    names = ("self_attn.q_proj", "self_attn.o_proj", "mlp")
    found = dict(layers[-1].named_modules()) if layers is not None and len(layers) else {}
    return [found[name] for name in names if name in found and not hasattr(found[name], "experts")]


def before(mask: Tensor) -> Tensor:
    """The places whose state predicts a masked token: one before each; bool [batch, time]."""
    return nn.functional.pad(mask[:, 1:].bool(), (0, 1))


def at(shape: torch.Size, rows: Tensor, places: Tensor) -> Tensor:
    """Bool [batch, time], true at the named places."""
    found = torch.zeros(shape, dtype=torch.bool, device=rows.device)
    found[rows, places] = True
    return found
