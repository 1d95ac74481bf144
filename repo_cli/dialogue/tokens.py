"""The one place where a reply becomes tokens.

Everything that is trained or generated gets its ids here, and from the same two pieces:

    context_ids(messages)   the dialogue so far and the words that ask for the next reply; what the rollout
    is given reply_ids(text)         the reply's own tokens and the token that ends it

tokenised separately, as in generation. A template may render a reply differently once it is history (Qwen
3 drops the empty think block of every turn but the last), so the tokens of a whole rendered dialogue are
in general *not* what a model saw while it generated. `training_samples` therefore builds each agent turn
from its own context, and joins two turns into one sample only where the ids prove that the first is a
prefix of the second.

Masks are made of lengths, never by looking for the pad id: a pad that equals the end token does no harm (B2).
Sampled replies are never decoded and encoded again: `from_rollout` keeps their ids bit for bit (B6).

No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from repo_cli.dialogue.messages import Message, is_learned, split_system, window
from repo_cli.dialogue.template import OPENING, Template
from repo_cli.errors import UserError

_AT_ONCE = 512  # dialogues for which the tokenizer is called once
_CACHE_LIMIT = 20_000  # pieces of text, some 25 MiB; cleared when full
_PROBES = (
    "Hi there.",
    "  388 RMB, ok?\n\nSecond line ",
    "价格388元，可以吗？",
    "naïve \U0001f642 x\ty",
    "...\n",
    "1",
)


class TooLong(UserError):
    """Even the system message and the last turn leave no room within max_length."""


@dataclass
class Sample:
    """One sequence. `mask` is 1 on the tokens of replies that are learned or scored, their end token
    included."""

    ids: list[int]
    mask: list[int]

    @property
    def start(self) -> int:
        """Index of the first masked token (the length where there is none)."""
        return self.mask.index(1) if 1 in self.mask else len(self.mask)


@dataclass
class Encoded:
    """The samples of one dialogue; `turns` learned agent turns are in them, `dropped` did not fit
    max_length."""

    samples: list[Sample]
    turns: int
    dropped: int


class ChatFormat:
    """A tokenizer with its chat template, as ids.

    Args:
        tokenizer: any of transformers' with a chat template.
        template_kwargs: passed to the template, e.g. {"enable_thinking": False}.
        max_length: the most tokens of context and reply together.
        reply_room: tokens that every context leaves free for a reply (a rollout's max_new_tokens), so that
            training and rollout cut an over-long dialogue at the same place.
        opening: the neutral user turn for templates that demand one (template.py).

    Attributes:
        end_ids: tokens that close a reply and are learned with it (nearly always one id).
        stop_ids: ids at which generation stops: the last of end_ids, and the tokenizer's eos.
        pad_id: a real id that is not a stop id, where the tokenizer has one.
    """

    def __init__(
        self,
        tokenizer: Any,
        template_kwargs: dict[str, Any] | None = None,
        max_length: int = 2048,
        *,
        reply_room: int = 0,
        opening: str = OPENING,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = Template(tokenizer, dict(template_kwargs or {}), opening)
        self.max_length = max_length
        self.reply_room = reply_room
        self._cache: dict[str, list[int]] = {}
        self._cut = re.compile("|".join(f"(?={re.escape(t)})" for t in self.template.controls) or r"(?!)")
        self._pieces_ok = True
        self._pieces_ok = self._pieces_agree()
        self.end_ids = self._find_end()
        eos = tokenizer.eos_token_id
        self.stop_ids = [self.end_ids[-1], *([eos] if eos is not None and eos != self.end_ids[-1] else [])]
        self.pad_id = self._find_pad()
        self._anchor = self._find_anchor()

    # ---- contexts and replies

    def context_ids(self, messages: Sequence[Message], room: int | None = None) -> list[int]:
        """The dialogue so far and the generation prompt, in at most max_length - room tokens.

        An over-long dialogue loses its oldest turns, whole ones; the system message and the last turn stay.

        Args:
            messages: ends with a user turn, or is a system message alone or empty (the agent opens).
            room: tokens left free for the reply; `reply_room` when None.
        Raises:
            TooLong: the system message and the last turn alone are too long.
        """
        if messages and messages[-1]["role"] == "assistant":
            raise UserError(
                "a context ends with a user turn (or is empty: the agent opens), not with an assistant turn"
            )
        return self._fit(messages, self.ids_of(messages), self.reply_room if room is None else room)

    def ids_of(self, messages: Sequence[Message]) -> list[int]:
        """The whole dialogue so far and the generation prompt, however long."""
        return self._ids(self.template.render(messages))

    def reply_ids(self, text: str) -> list[int]:
        """The tokens of a reply (outer white space taken off) and its end token(s)."""
        return self._body_ids(text) + self.end_ids

    def decode(self, ids: Sequence[int]) -> str:
        """A reply's text: up to the first stop id, without special tokens and outer white space."""
        cut = next((i for i, token in enumerate(ids) if token in self.stop_ids), len(ids))
        return str(self.tokenizer.decode(list(ids[:cut]), skip_special_tokens=True)).strip()

    # ---- samples

    def pair(self, prompt: Sequence[Message], reply_text: str) -> Sample:
        """Context and one reply, the mask on the reply. A reply that does not fit beside the shortest
        context is cut at its end (and then has no end token)."""
        return self._with_context(prompt, [self.reply_ids(reply_text)])[0]

    def preference(self, prompt: Sequence[Message], chosen: str, rejected: str) -> tuple[Sample, Sample]:
        """Both replies after the *same* context ids: the room is that of the longer reply, and both are
        cut alike."""
        a, b = self._with_context(prompt, [self.reply_ids(chosen), self.reply_ids(rejected)])
        return a, b

    def from_rollout(self, context_ids: Sequence[int], reply_ids: Sequence[int]) -> Sample:
        """A sampled reply exactly as it was sampled: ids bit for bit, mask on the reply only."""
        return Sample([*context_ids, *reply_ids], [0] * len(context_ids) + [1] * len(reply_ids))

    def training_samples(self, messages: Sequence[Message], max_messages: int | None = None) -> list[Sample]:
        """All learned agent turns of a dialogue, in as few samples as the template allows (one where the
        ids of each turn are a prefix of the next turn's context). Empty when nothing fits or nothing is to
        be learned."""
        return self.encode([messages], max_messages)[0].samples

    def encode(
        self, dialogues: Sequence[Sequence[Message]], max_messages: int | None = None
    ) -> list[Encoded]:
        """`training_samples` of many dialogues at once: one call of the tokenizer for all their new pieces
        of text."""
        encoded: list[Encoded] = []
        for start in range(0, len(dialogues), _AT_ONCE):
            plans = [self._turns(d, max_messages) for d in dialogues[start : start + _AT_ONCE]]
            self._learn(
                piece
                for plan in plans
                for _, context, reply in plan
                for piece in (*self._split(context), self._anchor + reply)
            )
            encoded += [self._assemble(plan) for plan in plans]
        return encoded

    # ---- inside

    def _turns(
        self, messages: Sequence[Message], max_messages: int | None
    ) -> list[tuple[list[Message], str, str]]:
        """(history, rendered context, reply text) of every learned turn."""
        found = []
        for i, message in enumerate(messages):
            if is_learned(message):
                history = window(messages[:i], max_messages)
                found.append((history, self.template.render(history), self._body(message["content"])))
        return found

    def _assemble(self, plan: list[tuple[list[Message], str, str]]) -> Encoded:
        samples: list[Sample] = []
        dropped = 0
        for history, context_text, reply_text in plan:
            reply = self._anchored(reply_text) + self.end_ids
            try:
                context = self._fit(history, self._ids(context_text), max(self.reply_room, len(reply)))
            except TooLong:
                dropped += 1
                continue
            last = samples[-1] if samples else None
            if last is not None and len(context) >= len(last.ids) and context[: len(last.ids)] == last.ids:
                new = len(context) - len(last.ids)
                last.ids = context + reply
                last.mask += [0] * new + [1] * len(reply)
            else:
                samples.append(self.from_rollout(context, reply))
        return Encoded(samples, len(plan) - dropped, dropped)

    def _fit(self, messages: Sequence[Message], ids: list[int], room: int) -> list[int]:
        allowed = self.max_length - room
        system, turns = split_system(messages)
        while len(ids) > allowed:
            if len(turns) <= 1:
                what = "system message and last turn take" if system else "last turn takes"
                raise TooLong(
                    f"the {what} {len(ids)} tokens, and {max(allowed, 0)} are left for them "
                    f"(policy.max_length {self.max_length}, less {room} for the reply)",
                    hint="raise policy.max_length, or shorten the system message",
                )
            # the cut dialogue starts with a user turn: no template minds, and no opening is put before it
            turns = turns[2:] if len(turns) > 2 and turns[1]["role"] == "assistant" else turns[1:]
            ids = self._ids(self.template.render(system + turns))
        return ids

    def _with_context(self, prompt: Sequence[Message], replies: list[list[int]]) -> list[Sample]:
        longest = max(len(r) for r in replies)
        try:
            context = self.context_ids(prompt, max(self.reply_room, longest))
        except TooLong:  # keep what must stay of the context, and cut the replies to what it leaves
            system, turns = split_system(prompt)
            context = self._ids(self.template.render(system + turns[-1:]))
            left = self.max_length - len(context)
            if left < 1:
                raise
            replies = [r[:left] for r in replies]
        return [self.from_rollout(context, r) for r in replies]

    def _body(self, text: str) -> str:
        return self.template.harmless(text.strip())

    def _body_ids(self, text: str) -> list[int]:
        return self._anchored(self._body(text))

    def _anchored(self, body: str) -> list[int]:
        if not self._anchor:
            return self._piece(body)
        head, whole = self._piece(self._anchor), self._piece(self._anchor + body)
        return whole[len(head) :] if whole[: len(head)] == head else self._piece(body)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        out = self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return [list(map(int, ids)) for ids in out]

    def _split(self, text: str) -> list[str]:
        """Rendered text cut before each control token: tokenizers never merge across one, so the pieces
        tokenise alone (checked on this tokenizer by `_pieces_agree`), and most of them are in the cache
        already."""
        return [piece for piece in self._cut.split(text) if piece] if self._pieces_ok else [text]

    def _piece(self, text: str) -> list[int]:
        if text not in self._cache:
            self._learn([text])
        return self._cache[text]

    def _learn(self, pieces: Iterable[str]) -> None:
        if len(self._cache) > _CACHE_LIMIT:
            self._cache.clear()
        fresh = list(dict.fromkeys(p for p in pieces if p not in self._cache))
        if fresh:
            self._cache.update(zip(fresh, self._tokenize(fresh), strict=True))

    def _ids(self, text: str) -> list[int]:
        return [token for piece in self._split(text) for token in self._piece(piece)]

    def _pieces_agree(self) -> bool:
        """Whether text cut at control tokens gives the ids of the text in one go, on awkward little
        dialogues."""
        for i, probe in enumerate(_PROBES):
            turns = [
                {"role": "user", "content": probe},
                {"role": "assistant", "content": _PROBES[i - 1].strip()},
            ]
            text = self.template.render([{"role": "system", "content": probe}, *turns, *turns, turns[0]])
            if self._ids(text) != self._tokenize([text])[0]:
                self._cache.clear()
                return False
        return True

    def _find_end(self) -> list[int]:
        if self.template.end_text:
            return self._piece(self.template.end_text)
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                "the chat template closes a reply with no control token, and the tokenizer has no eos token",
                hint="a reply must have an end that can be learned: give the tokenizer an eos_token",
            )
        return [int(self.tokenizer.eos_token_id)]

    def _find_pad(self) -> int:
        """The tokenizer's pad unless generation stops at it; else its unk, else any special token that is
        no stop, else 0. Nothing reads the id: attention and masks are made of lengths."""
        special = [i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special]
        for candidate in (
            self.tokenizer.pad_token_id,
            getattr(self.tokenizer, "unk_token_id", None),
            *special,
        ):
            if candidate is not None and candidate not in self.stop_ids:
                return int(candidate)
        return 0

    def _find_anchor(self) -> str:
        """Some tokenizers put a space before text that stands alone ("▁Hi"), and not after the generation
        prompt. Then a reply is tokenised behind the last piece of that prompt; with all others alone,
        which is the same and cheaper."""
        tail = self._split(self.template.render([{"role": "user", "content": "Hi"}]))[-1]
        head = self._tokenize([tail])[0]
        for probe in _PROBES:
            body = probe.strip()
            whole, alone = self._tokenize([tail + body, body])
            if whole[: len(head)] == head and whole[len(head) :] != alone:
                return tail
        return ""
