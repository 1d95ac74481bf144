"""`data validate` and `data show`: what a person sees is what is trained."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from repo_cli.dialogue.show import LEARNED, paint, samples_of, show
from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.dialogue.validate import spread, validate
from tests.dialogue_kit import CHATML, DIALOGUE, make_tokenizer

PAIR = {
    "prompt": DIALOGUE[:2],
    "chosen": [DIALOGUE[2]],
    "rejected": [{"role": "assistant", "content": "350 try [bold] we"}],
}


@pytest.fixture(scope="module")
def fmt():
    return ChatFormat(make_tokenizer(CHATML), None, 512)


def put(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return str(path)


def printed(what) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(what)
    return console.file.getvalue()


def test_the_coloured_tokens_are_those_of_the_mask(fmt):
    (sample,) = fmt.training_samples(DIALOGUE)
    text = paint(sample, fmt)
    green = "".join(text.plain[s.start : s.end] for s in text.spans if s.style in LEARNED)
    assert green == "".join(DIALOGUE[i]["content"] + "<|im_end|>" for i in (2, 4))
    assert len(text.spans) == len(sample.ids)


def test_parts_of_characters_are_named_not_lost(fmt):
    sample = fmt.pair(DIALOGUE[:2], "\U0001f642")
    assert paint(sample, fmt).plain.count("‹") == sum(sample.mask) - 1


def test_show_every_kind(tmp_path, fmt):
    sft = printed(show(put(tmp_path, {"messages": DIALOGUE}, "{broken"), fmt, n=1))
    assert "rows.jsonl:1  sample 1 of 1" in sft
    assert "a reply ends with <|im_end|>" in sft
    assert DIALOGUE[4]["content"] in sft
    pair = printed(show(put(tmp_path, PAIR), fmt))
    assert "chosen" in pair
    assert "[bold]" in pair  # text of the file is no markup
    assert "context" in printed(show(put(tmp_path, {"prompt": DIALOGUE[:2]}), fmt))
    judge = {"prompt": DIALOGUE[:2], "reply": "Fine.", "scores": {"R1": 3}}
    assert "reply" in printed(show(put(tmp_path, judge), fmt))
    assert (
        samples_of({"prompt": DIALOGUE}, "badcases", fmt)[0][1].ids == fmt.training_samples(DIALOGUE)[0].ids
    )


def test_validate_counts_and_names(tmp_path, fmt):
    empty = {"messages": [*DIALOGUE[:4], {"role": "assistant", "content": " "}]}
    report = validate(
        put(tmp_path, {"messages": DIALOGUE}, {"messages": DIALOGUE}, "{broken", empty), fmt=fmt
    )
    assert not report.ok
    assert report.load.reasons == {"broken JSON": 1, "empty assistant turn": 1}
    facts = dict(report.facts)
    assert (facts["kind"], facts["rows"], facts["good rows"]) == ("sft", "4", "2")
    assert facts["messages"] == "4 assistant, 2 system, 4 user"
    sample = fmt.training_samples(DIALOGUE)[0]
    assert facts["learned tokens"] == str(2 * sum(sample.mask))
    assert facts["tokens a sample"].startswith(f"min {len(sample.ids)}, ")
    assert report.warnings == ["1 rows repeat another row word for word"]
    page = printed(report.table())
    assert "rows.jsonl:3: broken JSON" in page
    assert "rows.jsonl:4: messages[4] is an assistant turn without text" in page
    assert "2 bad rows" in page


def test_validate_finds_what_truncation_empties(tmp_path):
    short = ChatFormat(make_tokenizer(CHATML), None, 8)
    report = validate(put(tmp_path, {"messages": DIALOGUE}), fmt=short)
    assert report.load.reasons == {"nothing left to learn": 1}
    assert dict(report.facts)["good rows"] == "0"
    assert not report.ok


def test_validate_compares_the_lengths_of_pairs(tmp_path, fmt):
    report = validate(put(tmp_path, {**PAIR, "rejected": [{"role": "assistant", "content": "No."}]}), fmt=fmt)
    assert report.ok
    assert "differ much in length" in report.warnings[0]
    assert "good" in printed(report.table())
    assert validate(put(tmp_path, PAIR)).ok  # without a tokenizer


def test_spread():
    assert spread([]) == "none"
    assert spread([5, 1, 3]) == "min 1, median 3, 95% 5, max 5"
