"""What is computed on a backbone: hidden states, log-probabilities, entropies, values, scores, divergences.

Each pass names the role whose adapter takes part (None = the base alone). Tensors are [batch, time] unless said.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
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

    def hidden(self, role: str | None, ids: Tensor, attention: Tensor) -> Tensor:
        """Last hidden states [batch, time, hidden_size]; left or right padding."""
        self.use(role)
        extra: dict[str, Tensor] = {}
        if not bool(attention[:, 0].all()):  # padded on the left
            extra = {"attention_mask": attention.long(), "position_ids": position_ids(attention)}
        # Padded on the right only: no real token ever looks at the padding, so no mask is needed (and none
        # is faster).
        with self.autocast():
            return self.base.get_decoder()(input_ids=ids, use_cache=False, **extra).last_hidden_state

    def _lm_head(self, hidden: Tensor) -> Tensor:
        with self.autocast():
            return self.base.get_output_embeddings()(hidden)

    def logps(
        self, role: str | None, ids: Tensor, attention: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """log p(token t | tokens < t), float32, where mask is 1, else 0; of logits / temperature."""
        hidden = self.hidden(role, ids, attention)
        return token_logps(self._lm_head, hidden, ids, mask, temperature, vocab_size=self.vocab_size)[0]

    def logps_entropy(
        self, role: str | None, ids: Tensor, attention: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`logps`, and the entropy (nats, no gradient) of the distribution each masked token came from."""
        hidden = self.hidden(role, ids, attention)
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
            hidden = (self.hidden(role, ids, attention), self.hidden(other, ids, attention))
        return token_kl(output(role), output(other), hidden, mask, vocab_size=self.vocab_size)

    def next_logits(self, role: str | None, ids: Tensor, attention: Tensor) -> Tensor:
        """Logits [batch, vocabulary] of the token after the last real one (a judge reads its labels here)."""
        hidden = self.hidden(role, ids, attention)
        rows = torch.arange(len(ids), device=ids.device)
        return self._lm_head(hidden[rows, last_token_index(attention)]).float()

    def values(self, role: str, ids: Tensor, attention: Tensor) -> Tensor:
        """V[b, t] = value of the state before token t is emitted, read from the hidden state of token t-1.

        So values line up with logps, rewards and masks: all speak of the action "token t". V[:, 0] = 0.
        """
        hidden = self.hidden(role, ids, attention)
        return nn.functional.pad(self.heads[role](hidden[:, :-1]), (1, 0))

    def score(self, role: str, ids: Tensor, attention: Tensor) -> Tensor:
        """The head at each row's last real token, found by the attention mask, never by an id; [batch]."""
        hidden = self.hidden(role, ids, attention)
        rows = torch.arange(len(ids), device=ids.device)
        return self.heads[role](hidden[rows, last_token_index(attention)])

    # -- sequences that begin alike, the common beginning computed once -------------------------------------------

    @property
    def shares_contexts(self) -> bool:
        """Whether the attention kernel takes the mask that the passes over a SharedBatch need."""
        return self.base.config._attn_implementation in ("eager", "sdpa", "blocks")

    def _hidden_shared(self, role: str | None, batch: SharedBatch) -> Tensor:
        self.use(role)
        seen: Tensor = batch.seen
        if self.base.config._attn_implementation == "eager":  # it adds its mask to the scores
            seen = torch.zeros(seen.shape, device=seen.device).masked_fill(
                ~seen, torch.finfo(torch.float32).min
            )
        with self.autocast():
            return (
                self.base.get_decoder()(
                    input_ids=batch.ids, attention_mask=seen, position_ids=batch.positions, use_cache=False
                )
            ).last_hidden_state

    def score_shared(self, role: str, batch: SharedBatch) -> Tensor:
        """`score` of each sequence; [sequences]."""
        hidden = self._hidden_shared(role, batch)
        return self.heads[role](hidden[batch.ends[:, 0], batch.ends[:, 1]])

    def logps_entropy_shared(
        self, role: str | None, batch: SharedBatch, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`logps_entropy` of the sequences' masked tokens; both [sequences, longest sequence], 0 elsewhere."""
        hidden = self._hidden_shared(role, batch)[batch.rows, batch.states]
        logps, entropy = state_logps(
            self._lm_head, hidden, batch.targets, temperature, True, vocab_size=self.vocab_size
        )
        assert entropy is not None
        wanted = batch.mask.bool()
        empty = torch.zeros_like(batch.mask)
        return empty.masked_scatter(wanted, logps), empty.masked_scatter(wanted, entropy)

    def logps_shared(self, role: str | None, batch: SharedBatch, temperature: float = 1.0) -> Tensor:
        """`logps` of the sequences' masked tokens; [sequences, longest sequence], 0 elsewhere."""
        hidden = self._hidden_shared(role, batch)[batch.rows, batch.states]
        logps, _ = state_logps(self._lm_head, hidden, batch.targets, temperature, vocab_size=self.vocab_size)
        return torch.zeros_like(batch.mask).masked_scatter(batch.mask.bool(), logps)
