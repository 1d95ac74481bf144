"""Padding, micro-batches, shares of ranks, and the gate after truncation (B13)."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from repo_cli.dialogue.batches import (
    collate,
    global_split,
    micro_batches,
    pad_left,
    pad_right,
    rank_micro_batches,
    tokens_in,
)
from repo_cli.dialogue.checks import length_gap, preference_samples, prompt_contexts, sft_samples
from repo_cli.dialogue.files import load_rows
from repo_cli.dialogue.tokens import ChatFormat, Sample
from repo_cli.errors import UserError
from tests.dialogue_kit import CHATML, DIALOGUE, make_tokenizer

LENGTHS = st.lists(st.integers(1, 200), max_size=60)


def test_pad():
    assert pad_right([[1, 2], [3]], 9).tolist() == [[1, 2], [3, 9]]
    assert pad_left([[1, 2], [3]], 9).tolist() == [[1, 2], [9, 3]]
    assert pad_right([], 9).shape == (0, 0)
    assert pad_right([[]], 9).shape == (1, 0)
    assert pad_right([[1]], 9).dtype == torch.long


def test_collate_knows_padding_by_length():
    batch = collate([Sample([5, 0, 7], [0, 1, 1]), Sample([0], [1])], pad_id=0)
    assert batch.ids.tolist() == [[5, 0, 7], [0, 0, 0]]
    assert batch.attention.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.mask.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert (len(batch), batch.mask.dtype) == (2, torch.float32)
    assert tokens_in([Sample([5, 0, 7], [0, 1, 1]), Sample([0], [1])]) == 3


@given(LENGTHS, st.integers(1, 500))
def test_micro_batches_hold_every_index_once_within_the_budget(lengths, budget):
    batches = micro_batches(lengths, budget)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[i] for i in batch) * len(batch)
        assert padded <= budget or len(batch) == 1
    longest = [max(lengths[i] for i in b) for b in batches]
    assert longest == sorted(longest, reverse=True)


@given(LENGTHS, st.integers(1, 300), st.integers(1, 4))
def test_ranks_share_the_global_micro_batches(lengths, budget, world):
    shares = [rank_micro_batches(lengths, budget, rank, world) for rank in range(world)]
    assert sorted(b for share in shares for b in share) == sorted(micro_batches(lengths, budget))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 100), st.integers(1, 9))
def test_global_split(n, world):
    parts = [list(global_split(n, rank, world)) for rank in range(world)]
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


# ---- the gate after truncation


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(CHATML)


def load(tmp_path, rows, kind):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    return load_rows(str(path), kind)


def pair(chosen, rejected):
    return {
        "prompt": DIALOGUE[:2],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def test_b13_pairs_that_truncation_makes_identical_are_named_or_counted(tmp_path, tokenizer):
    head = "Could we try 350 for June 18 and 19? " * 6
    rows, report = load(
        tmp_path, [pair("Yes.", "No."), pair(head + "Thank you.", head + "Or else!")], "preference"
    )
    room = len(ChatFormat(tokenizer).context_ids(DIALOGUE[:2])) + 20
    short = ChatFormat(tokenizer, None, room)
    with pytest.raises(UserError, match=r"rows\.jsonl:2: chosen and rejected are the same after truncation"):
        preference_samples(rows, short, report)
    pairs = preference_samples(rows, short, report, "skip")
    assert (len(pairs), report.rows, report.reasons) == (1, 1, {"identical after truncation": 1})
    assert pairs[0].row["_at"].endswith("rows.jsonl:1")
    assert pairs[0].chosen.ids != pairs[0].rejected.ids

    rows, report = load(
        tmp_path, [pair("Yes.", "No."), pair(head + "Thank you.", head + "Or else!")], "preference"
    )
    assert len(preference_samples(rows, ChatFormat(tokenizer), report)) == 2
    assert report.bad == 0


def test_replies_cut_are_counted_and_lengths_compared(tmp_path, tokenizer):
    long = "Could we try 350 for June 18 and 19? " * 6
    rows, report = load(tmp_path, [pair("Yes.", long)], "preference")
    fmt = ChatFormat(tokenizer, None, len(ChatFormat(tokenizer).context_ids(DIALOGUE[:2])) + 20)
    pairs = preference_samples(rows, fmt, report)
    assert report.notes == {"replies cut at policy.max_length": 1}
    assert length_gap(pairs) == (len(fmt.reply_ids("Yes.")), 20)


def test_nothing_left_to_learn_is_named_counted_or_the_end(tmp_path, tokenizer):
    long = {"messages": [{"role": "user", "content": "x" * 900}, {"role": "assistant", "content": "Yes."}]}
    rows, report = load(tmp_path, [{"messages": DIALOGUE}, long], "sft")
    fmt = ChatFormat(tokenizer, None, 300)
    with pytest.raises(
        UserError, match=r"rows\.jsonl:2: nothing left to learn after truncation to policy.max_length 300"
    ):
        sft_samples(rows, fmt, report)
    samples = sft_samples(rows, fmt, report, "skip")
    assert (len(samples), report.rows, report.reasons) == (1, 1, {"nothing left to learn": 1})

    rows, report = load(tmp_path, [{"messages": DIALOGUE}] * 3, "sft")
    with pytest.raises(
        UserError, match=r"none of its 3 good rows is left .*max_length 8; the first: .*rows\.jsonl:1"
    ) as caught:
        sft_samples(rows, ChatFormat(tokenizer, None, 8), report, "skip")
    assert "policy.max_length" in str(caught.value.hint)


def test_prompts_that_leave_no_room_for_a_reply_are_named(tmp_path, tokenizer):
    rows, report = load(
        tmp_path, [{"prompt": DIALOGUE[:2]}, {"prompt": [{"role": "user", "content": "x" * 900}]}], "prompts"
    )
    fmt = ChatFormat(tokenizer, None, 300, reply_room=32)
    with pytest.raises(UserError, match=r"rows\.jsonl:2: the last turn takes \d+ tokens"):
        prompt_contexts(rows, fmt, report)
    kept = prompt_contexts(rows, fmt, report, "skip")
    assert [ids for _, ids in kept] == [fmt.context_ids(DIALOGUE[:2])]
    assert report.reasons == {"prompt too long": 1}
