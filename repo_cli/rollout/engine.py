"""The local generation engine: token ids in, token ids and their log-probs out.

Nothing is decoded and encoded again on the way to the trainer: `Reply.ids` are the very ids that were sampled
(end token included when the reply ended by itself). The adapter is merged into the base while replies are
generated, and the base is restored bit for bit afterwards (`Backbone.merged`). Contexts are sorted by length
into batches, and rows that have ended leave the batch, so that a few long replies do not hold up the rest. With
`engine.short_cuts` a context that several replies answer is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from repo_cli.config.schema import RolloutConfig
from repo_cli.dialogue.batches import pad_left
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rollout.agents import Talk
from repo_cli.rollout.cache import Store, close_parts, even_parts, roomy_cache, row_parts, takes_parts
from repo_cli.training.heartbeat import beat

COMPACT_BELOW = 0.75  # rows that have ended leave the batch once fewer than this share of its rows still run


@dataclass
class Reply:
    """One sampled reply: `ids` and `logps` have equal length (natural log, at the sampling temperature)."""

    ids: list[int]
    logps: list[float]
    text: str
    finished: bool  # ended by a stop token, not by the length limit


class LocalEngine:
    """Samples replies from one role of the backbone; `role=None` is the bare base."""

    def __init__(self, backbone: Backbone, role: str | None, cfg: RolloutConfig) -> None:
        self.backbone, self.role, self.cfg = backbone, role, cfg
        self.store = Store()

    @torch.no_grad()
    def generate(
        self, contexts: list[list[int]], seed: int, on_done: Callable[[int, Reply], None] | None = None
    ) -> list[Reply]:
        """One reply per context, in the order of the contexts; `on_done(index, reply)` as each one ends.

        The same contexts, seed, weights and thread count give the same replies. Rewards that need no
        accelerator start from `on_done` while other replies are still being generated.
        """
        replies: list[Reply | None] = [None] * len(contexts)
        generator = torch.Generator(device=self.backbone.device).manual_seed(seed)

        def done(index: int, reply: Reply) -> None:
            replies[index] = reply
            if on_done is not None:
                on_done(index, reply)

        self.backbone.eval()
        if not self.cfg.merge:
            self.backbone.use(self.role)
        with (
            self.backbone.merged(self.role) if self.cfg.merge else self.backbone.gathered(),
            self.backbone.autocast(),
        ):
            order = sorted(range(len(contexts)), key=lambda i: len(contexts[i]))
            for start in range(0, len(order), self.cfg.batch_size):
                chosen = order[start : start + self.cfg.batch_size]
                self._generate_batch(contexts, chosen, generator, done)
        if self.backbone.device.type != "cpu":
            self.store = Store()  # the update needs that memory
        return replies  # type: ignore[return-value]  # every index was filled by `done`

    def answer(
        self, talks: Sequence[Talk], seed: int, on_done: Callable[[int, int], None] | None = None
    ) -> list[Reply]:
        """As an agent (agents.Agent): one reply for each dialogue; UserError names the one that does not fit."""
        contexts = []
        for talk in talks:
            try:
                contexts.append(self.backbone.fmt.context_ids(talk.messages))
            except UserError as error:
                raise UserError(f"conversation {talk.number}: {error.message}", hint=error.hint) from error
        ended = [0]

        def count(_: int, __: Reply) -> None:
            ended[0] += 1
            if on_done is not None:
                on_done(ended[0], len(contexts))

        return self.generate(contexts, seed, count)

    def _generate_batch(
        self,
        contexts: list[list[int]],
        chosen: list[int],
        generator: torch.Generator,
        done: Callable[[int, Reply], None],
    ) -> None:
        fmt, device = self.backbone.fmt, self.backbone.device
        config, short = self.backbone.base.config, self.backbone.short_cuts
        cache = roomy_cache(
            config,
            self.cfg.max_new_tokens,
            self.backbone.autocast_dtype,
            self.store,
            wide=device.type == "cpu" and config._attn_implementation in ("blocks", "sdpa", "eager"),
        )
        read, of_row = [contexts[i] for i in chosen], list(range(len(chosen)))
        if short and takes_parts(cache):
            read, of_row = each_once(read)
        lengths = [len(context) for context in read]
        parts = (close_parts if short else even_parts)(lengths, self.cfg.prefill_tokens)
        ids = pad_left(read, fmt.pad_id).to(device)
        attention = pad_left([[1] * length for length in lengths], 0).to(device)
        positions = (attention.cumsum(1) - 1).clamp(min=0)
        stops = torch.tensor(fmt.stop_ids, device=device)
        rows = list(chosen)  # which context each row of the running batch belongs to
        tokens: dict[int, list[int]] = {i: [] for i in chosen}
        logps: dict[int, list[float]] = {i: [] for i in chosen}
        running = torch.ones(len(rows), dtype=torch.bool, device=device)
        logits = torch.cat(
            [
                self._logits(ids[part, -time:], attention[part, -time:], positions[part, -time:], part_cache)
                for part, time, part_cache in row_parts(cache, parts, len(rows))
            ]
        )
        if len(read) < len(rows):
            each = torch.tensor(of_row, device=device)
            cache.batch_select_indices(each)
            attention, positions, logits = attention[each], positions[each], logits[each]
        for emitted in range(1, self.cfg.max_new_tokens + 1):
            beat("generate")
            if emitted > 1:
                logits = self._logits(ids, attention, positions, cache)
            sampled, sampled_logps = sample(logits, self.cfg, generator)
            stopped = torch.isin(sampled, stops)
            last = emitted == self.cfg.max_new_tokens
            for row, (alive, token, logp, stop) in enumerate(
                zip(running.tolist(), sampled.tolist(), sampled_logps.tolist(), stopped.tolist(), strict=True)
            ):
                if alive:
                    index = rows[row]
                    tokens[index].append(token)
                    logps[index].append(logp)
                    if stop or last:
                        done(index, Reply(tokens[index], logps[index], fmt.decode(tokens[index]), stop))
            running &= ~stopped
            alive_count = int(running.sum())
            if last or alive_count == 0:
                return
            ids, positions = sampled[:, None], positions[:, -1:] + 1
            attention = torch.cat([attention, torch.ones_like(ids)], dim=1)
            if alive_count < COMPACT_BELOW * len(rows):
                keep = running.nonzero()[:, 0]
                cache.batch_select_indices(keep)
                ids, positions, attention, running = (
                    ids[keep],
                    positions[keep],
                    attention[keep],
                    running[keep],
                )
                rows = [rows[k] for k in keep.tolist()]

    def _logits(
        self, ids: torch.Tensor, attention: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """Of the token after the last one; [rows, vocabulary]. The cache takes the new keys and values."""
        return self.backbone.base(
            input_ids=ids,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]


def each_once(contexts: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """(The different contexts in the order in which they come, the number of each row's context among them)."""
    numbers: dict[tuple[int, ...], int] = {}
    of_row = [numbers.setdefault(tuple(context), len(numbers)) for context in contexts]
    return [list(context) for context in numbers], of_row


def sample(
    logits: torch.Tensor, cfg: RolloutConfig, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one token a row from `logits` [rows, vocabulary]; temperature 0 is greedy.

    Returns the tokens [rows] and their log-probs [rows] under the policy at the sampling temperature, before
    any top-k or top-p cut: that is the distribution which the trainer sees.
    """
    logits = logits.float()
    if cfg.temperature == 0.0:
        logps = logits.log_softmax(-1)
        best = logits.argmax(-1)
        return best, logps.gather(1, best[:, None])[:, 0]
    logps = (logits / cfg.temperature).log_softmax(-1)
    allowed = logps
    if cfg.top_k > 0:
        floor = logps.topk(min(cfg.top_k, logps.shape[-1]), dim=-1).values[:, -1:]
        allowed = allowed.masked_fill(logps < floor, -torch.inf)
    if cfg.top_p < 1.0:
        ordered, where = allowed.sort(dim=-1, descending=True)
        before = ordered.exp().cumsum(-1) - ordered.exp()
        cut = torch.zeros_like(before, dtype=torch.bool).scatter(1, where, before > cfg.top_p)
        allowed = allowed.masked_fill(cut, -torch.inf)
    # by the inverse of the distribution function: one random number a row, where torch.multinomial draws one a token;
    # the sums in float64, where those of a large vocabulary's unlikely tokens do not round away
    mass = allowed.softmax(-1).double().cumsum(-1)
    drawn = torch.rand(len(mass), 1, generator=generator, device=mass.device) * mass[:, -1:]
    tokens = torch.searchsorted(mass, drawn, right=True).clamp(max=mass.shape[-1] - 1)
    return tokens[:, 0], logps.gather(1, tokens)[:, 0]
