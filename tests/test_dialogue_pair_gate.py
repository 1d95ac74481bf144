"""The gate of preference pairs: what it counts, what it takes out, and that training never sees a held-out answer."""

from __future__ import annotations

import io
import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from repo_cli.cli import main
from repo_cli.dialogue.checks import preference_samples
from repo_cli.dialogue.files import LoadReport, load_rows
from repo_cli.dialogue.fingerprint import format_hash
from repo_cli.dialogue.pair_gate import context_name, gate, row_view, sample_view
from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.dialogue.validate import validate
from repo_cli.errors import UserError
from repo_cli.stages.data import split_rows
from tests.dialogue_kit import CHATML, DIALOGUE, TEMPLATES, THINK, make_tokenizer


def row(chosen: str, rejected: str, said: str = "Hello?", **more):
    return {
        "prompt": [{"role": "system", "content": "Brief."}, {"role": "user", "content": said}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        **more,
    }


def passed(train, held=None, **more):
    return gate(train, held, row_view, LoadReport("f.jsonl", "preference"), **more)


def printed(what) -> str:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(what)
    return console.file.getvalue()


def test_ties_and_repeats_are_counted_and_leave():
    rows = [
        row("a good one", "bad", margin=1.0),
        row("as good", "as bad", margin=0),  # a tie by margin
        row("x", "y"),
        row("y", "x"),  # the same pair both ways round
        row("x", "y", said="Another context."),
        row("a good one ", " bad", margin=2.0),  # the first again, but for spaces around
    ]
    kept, _, report = passed(rows)
    assert kept == [rows[0], rows[4]]
    c = report.train
    assert (c.rows, c.zero_margin, c.both_ways, c.repeats, c.used) == (6, 1, 2, 1, 2)
    assert report.held is None and c.margins == (1.0, 1.0, 1.0)
    kept, _, report = passed(rows, drop_ties=False, drop_repeats=False)
    assert kept == rows and (report.train.zero_margin, report.train.both_ways, report.train.repeats) == (
        1,
        2,
        1,
    )
    assert "tie: margin 0 (kept)" in printed(report.table())


def test_a_column_of_zero_margins_says_nothing():
    rows = [row(f"good {i}", f"bad {i}", margin=0) for i in range(3)]
    kept, _, report = passed(rows)
    assert kept == rows and report.train.zero_margin == 0


def test_training_loses_what_the_held_out_pairs_judge():
    held = [row("a", "b"), row("p", "q", scenario={"id": "s1"})]
    train = [
        row("a", "b"),  # the very pair
        row("b", "a"),  # the other way round: a leak too
        row("a", "c"),  # one of its replies
        row("c", "b"),
        row("a", "b", said="Elsewhere."),  # another context
        row("m", "n", scenario={"id": "s1"}),
    ]
    kept, theirs, report = passed(train, held, drop_ties=False)
    assert kept == train[4:] and theirs == held
    assert (report.train.leaked_pairs, report.train.leaked_replies) == (2, 2)
    assert report.held.known_scenarios == 1 and report.held.leaked_pairs == 0
    text = printed(report.table())
    assert "leak: the same pair is held out" in text and "held-out" in text
    assert json.loads(json.dumps(report.to_json()))["train"]["leaked_replies"] == 2


def test_nothing_left_is_an_error_with_its_reasons():
    _, _, report = passed([row("a", "b"), row("b", "a")])
    with pytest.raises(
        UserError, match=r"pairs.jsonl: none of its 2 rows is left to train on \(2 both ways round\)"
    ):
        report.need_pairs("pairs.jsonl")
    assert "train_rm.ties=keep" in pytest.raises(UserError, report.need_pairs, "x").value.hint


TEXTS = st.sampled_from(["a", "b", "c", "d"])
ROWS = st.lists(
    st.builds(
        row, TEXTS, TEXTS, said=st.sampled_from(["one", "two"]), margin=st.sampled_from([None, 0, 0.5, 1])
    ).filter(lambda r: r["chosen"] != r["rejected"]),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.booleans(), st.booleans())
def test_whatever_the_rows_nothing_leaks_and_the_counts_add_up(train, held, ties, repeats):
    kept, theirs, report = passed(train, held, drop_ties=ties, drop_repeats=repeats)

    def sides(rows):
        return {
            (r["prompt"][-1]["content"], r[s][0]["content"]) for r in rows for s in ("chosen", "rejected")
        }

    assert not sides(kept) & sides(held)  # also of held-out rows that leave as ties
    c = report.train
    assert c.used == len(kept) and report.held.used == len(theirs) and c.rows == len(train)
    gone = c.leaked_pairs + c.leaked_replies
    gone += (c.zero_margin + c.both_ways if ties else 0) + (c.repeats if repeats else 0)
    if repeats and not ties:  # a tie that comes again leaves as a repeat, and is counted as a tie
        assert len(train) - len(kept) >= gone
    else:
        assert len(train) - len(kept) == gone
    if ties:
        names = Counter(
            (r["prompt"][-1]["content"], *(r[s][0]["content"] for s in ("chosen", "rejected"))) for r in kept
        )
        assert not any((said, b, a) in names for said, a, b in names)
        assert not repeats or all(n == 1 for n in names.values())


def test_with_tokens_pairs_are_the_same_when_the_model_sees_the_same(tmp_path):
    """Two rows differ only in an old turn that truncation takes away."""
    long = "Could we try 350 for June 18 and 19? " * 30
    rows = []
    for first in ("No. " + long, "Maybe. " + long):
        messages = [{"role": "user", "content": first}, *DIALOGUE[2:4]]
        rows.append({**row("Then 365 it is.", "Bye."), "prompt": messages})
    fmt = ChatFormat(make_tokenizer(CHATML), None, 160)
    load = LoadReport("f", "preference", rows=2)
    pairs = preference_samples(rows, fmt, load)
    assert pairs[0].chosen.ids == pairs[1].chosen.ids
    kept, _, report = gate(pairs, None, sample_view, load)
    assert len(kept) == report.train.repeats == 1
    assert gate(rows, None, row_view, load)[2].train.repeats == 0  # as texts they differ
    kept, theirs, report = gate(pairs[:1], pairs[1:], sample_view, load)
    assert (kept, len(theirs), report.train.leaked_pairs) == ([], 1, 1)


def test_pairs_that_truncation_makes_identical_are_counted_and_shown(tmp_path, capsys):
    """Two replies that begin alike and differ only behind policy.max_length; and a pair identical as written."""
    start = "Then 365 a night it is, for June 18 and 19, with breakfast for two. " * 6
    rows = [row(start + "Thank you.", start + "Pay or leave."), row("a", "b"), row("same", "same")]
    fmt = ChatFormat(make_tokenizer(CHATML), None, 60)
    path = put(tmp_path / "p.jsonl", rows)
    good, load = load_rows(path, "preference", "skip")
    _, _, report = gate(preference_samples(good, fmt, load, "skip"), None, sample_view, load)
    c = report.train
    assert (c.rows, c.identical, c.identical_truncated, c.other_bad, c.used) == (3, 1, 1, 0, 1)
    line = next(text for text in printed(report.table()).splitlines() if "identical after truncation" in text)
    assert re.findall(r"\d+", line)[0] == "1"
    assert json.loads(json.dumps(report.to_json()))["train"]["identical_truncated"] == 1
    shown = validate(path, fmt=fmt).gate
    assert (shown.train.identical, shown.train.identical_truncated) == (1, 1)
    with pytest.raises(
        UserError,
        match=r"p.jsonl:1: chosen and rejected are the same after truncation to policy.max_length 60",
    ):
        preference_samples(good, fmt, LoadReport("f", "preference", rows=2))
    wide = ChatFormat(make_tokenizer(CHATML), None, 600)
    _, _, report = gate(
        preference_samples(good, wide, LoadReport("f", "preference", rows=2)), None, sample_view, load
    )
    assert report.train.used == 2


def test_lengths_warn_of_a_model_that_counts():
    rows = [row("one two three four five", f"no {i}", said=str(i)) for i in range(20)]
    _, _, report = passed(rows, unit="words")
    c = report.train
    assert (c.chosen_length, c.rejected_length, c.longer, c.shorter) == (5.0, 2.0, 1.0, 0.0)
    assert "always taking the longer reply is right on 100% of the pairs" in report.warnings[0]
    assert "reply words, chosen / rejected" in printed(report.table())
    assert passed([row("a b", "c d", said=str(i)) for i in range(20)])[2].warnings == []


def test_two_starts_are_told(tmp_path):
    """A template that writes the first token twice, as one and a tokenizer that both write BOS do."""
    fmt = ChatFormat(make_tokenizer("{{ bos_token }}" + TEMPLATES["headers"]), None, 400)
    load = LoadReport("f", "preference", rows=1)
    _, _, report = gate(preference_samples([row("a", "b")], fmt, load), None, sample_view, load)
    assert any("first token twice" in w for w in report.warnings)
    once = ChatFormat(make_tokenizer(TEMPLATES["headers"]), None, 400)
    _, _, report = gate(preference_samples([row("a", "b")], once, load), None, sample_view, load)
    assert report.warnings == []


# ---- the split before the gate


def test_rows_of_one_context_stay_on_one_side():
    rows = [row(f"c{i}", f"r{i}", said=f"context {i // 6}") for i in range(60)]
    train, held = split_rows(rows, 0.1, 3, together=context_name)
    assert 6 <= len(held) <= 12 and len(held) % 6 == 0 and len(train) + len(held) == 60
    assert not {context_name(r) for r in train} & {context_name(r) for r in held}
    alone = [row(f"c{i}", f"r{i}", said=str(i)) for i in range(40)]
    assert split_rows(alone, 0.2, 5, together=context_name) == split_rows(alone, 0.2, 5)
    with pytest.raises(UserError, match="nothing to train on"):
        split_rows(rows[:6], 0.1, 3, together=context_name)


# ---- repo data validate


def put(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return str(path)


def test_validate_shows_the_same_figures(tmp_path, capsys):
    rows = [row("a good one", "bad"), row("bad", "a good one"), row("m [bold]", "n"), row("same", "same")]
    path, held = put(tmp_path / "p.jsonl", rows), put(tmp_path / "h.jsonl", [row("m [bold]", "z")])
    with pytest.raises(SystemExit) as caught:
        main(["data", "validate", path, "--held", held])
    assert caught.value.code == 2  # one row is bad
    said = capsys.readouterr().out
    good, load = load_rows(path, "preference", "skip")
    theirs, held_load = load_rows(held, "preference", "skip")
    _, _, report = gate(good, theirs, row_view, load, held_load, unit="words")
    for what, train, _ in report.lines():
        line = next(text for text in said.splitlines() if what in text)
        assert train in line
    assert (
        report.train.identical,
        report.train.both_ways,
        report.train.leaked_replies,
        report.train.used,
    ) == (1, 2, 1, 0)
    fmt = ChatFormat(make_tokenizer(CHATML), None, 512)
    assert validate(path, fmt=fmt, held=held).gate.unit == "tokens"
    with pytest.raises(UserError, match="only preference pairs can leak"):
        validate(put(tmp_path / "s.jsonl", [{"messages": DIALOGUE}]), held=held)


# ---- the template's name


def test_the_name_of_a_format_is_that_of_what_it_does():
    found = {name: format_hash(ChatFormat(make_tokenizer(text))) for name, text in TEMPLATES.items()}
    # a template that spells the think block only on request asks for replies with the very tokens of ChatML
    assert found["think"] == found["chatml"] and len(set(found.values())) == len(TEMPLATES) - 1
    assert (
        format_hash(ChatFormat(make_tokenizer(CHATML), None, 64)) == found["chatml"]
    )  # the window takes no part
    comment = make_tokenizer("{# another text #}" + CHATML)
    assert format_hash(ChatFormat(comment)) == found["chatml"]
    thinking = ChatFormat(make_tokenizer(THINK), {"enable_thinking": False})
    assert format_hash(thinking) != found["think"]
    assert format_hash(ChatFormat(make_tokenizer(CHATML, metaspace=True))) != found["chatml"]
