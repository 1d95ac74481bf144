"""Pairs from human dialogues: each corruption spoils what it says, all is seeded, and the real collections
pass."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from repo_cli.dialogue.corruptions import CORRUPTIONS, NUMBER, Others, rescaled, words
from repo_cli.dialogue.files import load_rows
from repo_cli.dialogue.outcomes import brief, is_good, make_dialogues, progress, read_dialogues
from repo_cli.dialogue.pairs import make_pairs
from repo_cli.errors import UserError

TEXT = "Thank you, could we try 350 for the double room on June 18?"
OTHERS = Others(["The bike is still for sale, is it not?", "Ok."])
REAL = Path(os.environ.get("REPO_REAL_DATA") or Path(__file__).parents[2] / "shared" / "data")


def spoilt(name: str, text: str = TEXT) -> set[str | None]:
    return {CORRUPTIONS[name](text, random.Random(seed), OTHERS) for seed in range(30)}


def test_corruptions_do_what_their_names_say():
    parts = Counter(words(TEXT))
    for text in spoilt("shuffled"):
        assert Counter(words(text)) == parts
        assert text != TEXT
    for text in spoilt("truncated"):
        assert TEXT.startswith(text)
        assert 0.25 < len(words(text)) / len(words(TEXT)) < 0.75
    for text in spoilt("repeated"):
        assert len(words(text)) > len(words(TEXT))
        assert set(words(text)) == set(parts)
    for text in spoilt("wrong_number"):
        assert NUMBER.sub("#", text) == NUMBER.sub("#", TEXT)
        assert NUMBER.findall(text) != ["350", "18"]
    assert spoilt("other_dialogue") == {OTHERS.replies[0]}  # the one nearer in length


def test_corruptions_refuse_what_they_cannot_spoil():
    assert spoilt("wrong_number", "Thank you very much.") == {None}
    for name in ("shuffled", "truncated", "repeated"):
        assert spoilt(name, "Fine, thanks.") == {None}


def test_chinese_is_spoilt_by_characters():
    text = "价格388元可以吗我们酒店周末比较满"
    assert all(sorted(t) == sorted(text) and " " not in t for t in spoilt("shuffled", text))
    assert all(text.startswith(t) for t in spoilt("truncated", text))


def test_numbers_keep_their_shape():
    assert [rescaled(n, f) for n, f in (("1,200", 0.75), ("388", 0.75), ("350", 2.0), ("4.50", 2.0))] == [
        "900",
        "291",
        "700",
        "9.00",
    ]


def bargain(i: int, progress: float, agreed: bool = True, first: str = "user") -> dict:
    texts = [
        f"Hello, is number {i} still for sale?",
        f"Would you take {80 + i} dollars for it?",
        "A bit low for me, sorry.",
    ]
    texts += [f"Then let us say {90 + i} and I collect it today.", "Fine, we have a deal."]
    roles = [("user", "assistant")[(k + (first == "assistant")) % 2] for k in range(5)]
    return {
        "id": f"b{i}",
        "source": "made",
        "split": "train" if i % 4 else "val",
        "scenario": {
            "domain": "bike", "assistant_role": "buyer", "currency": "USD", "item_title": f"Bike {i}",
            "item_description": "Red.", "list_price": 100 + i, "assistant_target": 80, "user_target": 99,
        },
        "messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)],
        "outcome": {"agreed": agreed, "assistant_progress": progress if agreed else None},
    }  # fmt: skip


@pytest.fixture
def source(tmp_path):
    rows = [bargain(i, 0.9) for i in range(6)] + [bargain(i, 0.1) for i in range(6, 9)]
    rows += [bargain(9, 7.0), bargain(10, 0.9, agreed=False), bargain(11, 0.9, first="assistant")]
    path = tmp_path / "bargains.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_pairs_are_sound_rows_with_source_and_tags(source, tmp_path):
    report = make_pairs(source, tmp_path / "pairs.jsonl", seed=3)
    rows, load = load_rows(str(tmp_path / "pairs.jsonl"), "preference")
    assert load.rows == report.pairs.total() > 15
    assert report.good == 7
    assert {r["tags"][0] for r in rows} == {"corruption", "outcome"}
    assert {r["tags"][1] for r in rows} > {"shuffled", "truncated", "same domain"}
    assert len({r["id"] for r in rows}) == len(rows)
    originals = {r["id"]: r for r in read_dialogues(source)[0]}
    for row in rows:
        home = originals[row["source"].removeprefix("made:")]
        at = len(row["prompt"])
        assert row["prompt"] == home["messages"][:at]
        assert row["chosen"][0]["content"] == home["messages"][at]["content"].strip()
        assert is_good(home)
        assert row["prompt"][0]["role"] == "system"


def test_pairs_follow_from_the_seed(source, tmp_path):
    contents = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_pairs(source, tmp_path / name, seed=seed)
        contents.append((tmp_path / name).read_text())
    assert contents[0] == contents[1] != contents[2]


def test_outcome_pairs_rescale_prices_to_the_scenario(source, tmp_path):
    make_pairs(source, tmp_path / "p.jsonl", corruptions=[])
    for row in load_rows(str(tmp_path / "p.jsonl"), "preference")[0]:
        assert row["tags"][0] == "outcome"
        number = int(NUMBER.findall(row["rejected"][0]["content"])[0])
        assert number < row["scenario"]["list_price"] * 1.2


def test_choices(source, tmp_path):
    out = tmp_path / "p.jsonl"
    assert make_pairs(source, out, corruptions=["truncated"], outcome_pairs=False).pairs.keys() == {
        "corruption: truncated"
    }
    assert make_pairs(source, out, limit=5).pairs.total() == 5
    two = make_pairs(source, out, per_turn=2, outcome_pairs=False).pairs.total()
    assert two == 2 * make_pairs(source, out, outcome_pairs=False).pairs.total()
    assert make_pairs(source, out, split="val").good == 2
    with pytest.raises(UserError, match="unknown corruption 'shufled'") as caught:
        make_pairs(source, out, corruptions=["shufled"])
    assert caught.value.hint == "did you mean shuffled?"
    with pytest.raises(UserError, match="no row with split 'test'"):
        make_pairs(source, out, split="test")


def test_a_file_without_outcomes_is_refused(tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text(json.dumps({"messages": bargain(1, 1)["messages"]}))
    with pytest.raises(UserError, match="gives no preference pair: 0 of its 1 dialogues are good"):
        make_pairs(str(path), tmp_path / "p.jsonl")


def test_progress_and_the_good(source):
    assert progress(bargain(1, 7.0)) is None  # a typing slip
    assert progress(bargain(1, 0.9, agreed=False)) == 0.0
    assert progress({"outcome": {"agreed": True, "user_donation_usd": 25.0}}) == 1.0  # capped
    assert progress({}) is None
    assert [is_good(bargain(1, p)) for p in (0.2, 0.3, 1.5, 1.6)] == [False, True, True, False]
    short = bargain(1, 0.9)
    short["messages"] = short["messages"][:3]
    assert not is_good(short)


def test_brief_tells_the_target_and_never_the_other_side_s(source):
    text = brief(bargain(5, 1.0))["content"]
    assert "List price: 105 USD. Your target: 80." in text
    assert "99" not in text
    assert brief({"scenario": {"type": "other"}}) is None


def test_claims_to_be_human_are_not_learned(tmp_path):
    row = bargain(1, 0.9)
    row["messages"][1]["content"] = "Yes, I am a real person, and I offer 81."
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row))
    messages = read_dialogues(str(path))[0][0]["messages"]
    assert [m.get("train", True) for m in messages if m["role"] == "assistant"] == [False, True]


# ---- the real collections


@pytest.mark.parametrize(
    ("name", "good", "least"), [("craigslist_bargain", 613, 2000), ("persuasion_for_good", 470, 4000)]
)
def test_real_collections(tmp_path, name, good, least):
    path = REAL / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(
            f"the collection {name}.jsonl is not on this machine (REPO_REAL_DATA names its directory)"
        )
    report = make_pairs(str(path), tmp_path / "pairs.jsonl")
    assert report.good == good
    assert report.pairs.total() > least
    assert len(report.pairs) >= 6
    rows, load = load_rows(str(tmp_path / "pairs.jsonl"), "preference")
    assert (load.bad, len(rows)) == (0, report.pairs.total())
    assert make_dialogues(str(path), str(tmp_path / "sft.jsonl"))[0] == good
    assert load_rows(str(tmp_path / "sft.jsonl"), "sft")[1].rows == good
