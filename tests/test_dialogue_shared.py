"""Rows of sequences that begin alike: who sees whom, what is masked where, and which samples go into one row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from repo_cli.dialogue.shared import MOST_REST, collate_shared, common_length, families, row_length
from repo_cli.dialogue.tokens import Sample

SAMPLES = st.lists(
    st.builds(
        lambda context, reply: Sample([*context, *reply], [0] * len(context) + [1] * len(reply)),
        st.lists(st.integers(1, 2), max_size=4),
        st.lists(st.integers(1, 9), max_size=6),
    ),
    max_size=12,
)


def context(sample: Sample) -> list[int]:
    return [t for t, on in zip(sample.ids, sample.mask, strict=True) if not on]


def test_common_length() -> None:
    assert common_length([1, 2, 3]) == 3
    assert common_length([1, 2, 3], [1, 2], [1, 2, 4]) == 2
    assert common_length([1, 2], [3, 2]) == common_length([], [1]) == 0
    assert row_length([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == 2 + 1 + 2


def test_each_sequence_sees_the_beginning_and_itself() -> None:
    group = [Sample([1, 2, 3, 4], [0, 0, 1, 1]), Sample([1, 2, 5], [0, 0, 1])]
    batch = collate_shared([group, [Sample([7, 8], [1, 1])]], pad_id=0)
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5], [7, 8, 0, 0, 0]]
    assert batch.positions.tolist()[0] == [0, 1, 2, 3, 2]
    assert batch.seen[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert batch.ends.tolist() == [[0, 3], [0, 4], [1, 1]]
    # token 3 is predicted at place 1, 4 at 2, 5 at 1 again; nothing predicts the first token of the last sequence
    assert (batch.rows.tolist(), batch.states.tolist()) == ([0, 0, 0, 1], [1, 2, 1, 0])
    assert batch.targets.tolist() == [3, 4, 5, 8]
    assert batch.mask.tolist() == [[0, 0, 1, 1], [0, 0, 1, 0], [0, 1, 0, 0]]


@given(SAMPLES)
def test_a_row_has_one_context_and_every_sample_is_in_one_row(samples: list[Sample]) -> None:
    rows = families(samples)
    assert sorted(i for row in rows for i in row) == list(range(len(samples)))
    for row in rows:
        assert row == sorted(row) and len({tuple(context(samples[i])) for i in row}) == 1
        start = len(context(samples[row[0]]))
        rests = sum(len(samples[i].ids) - start for i in row)
        assert len(row) == 1 or rests <= MOST_REST * start
    if samples:
        batch = collate_shared([[samples[i] for i in row] for row in rows], pad_id=0)
        wanted = [
            t for row in rows for i in row for t in (samples[i].ids[max(1, len(context(samples[i]))) :])
        ]
        assert batch.targets.tolist() == wanted and int(batch.mask.sum()) == len(wanted)
