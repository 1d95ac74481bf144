"""Every kind of bad input that a data file can be, and the words it is answered with: file and line,
always."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repo_cli.dialogue.files import load_rows, write_rows
from repo_cli.errors import UserError

U, A, S = (
    lambda text, role=role: {"role": role, "content": text} for role in ("user", "assistant", "system")
)
GOOD = {"messages": [S("Be kind."), U("Hello?"), A("Good morning."), U("Yes?"), A("Could we try 350?")]}
PAIR = {"prompt": [U("Hello?")], "chosen": [A("Good morning.")], "rejected": [A("morning Good")]}


def put(path: Path, rows: list[Any], encoding: str = "utf-8") -> str:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return str(path)


def refused(path: str, kind: str = "sft", **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        load_rows(path, kind, **options)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value.message


def test_broken_json_on_line_17(tmp_path):
    path = put(tmp_path / "train.jsonl", [GOOD] * 16 + ['{"messages": [{"role": "user"}'] + [GOOD] * 3)
    message = refused(path)
    assert f"{path}:17: broken JSON" in message
    rows, report = load_rows(path, "sft", on_bad_row="skip")
    assert (len(rows), report.rows, report.read, report.bad) == (19, 19, 20, 1)
    assert report.reasons == {"broken JSON": 1}
    assert "train.jsonl:17" in report.line()
    assert rows[16]["_at"] == f"{path}:18"


BAD_DIALOGUES = {
    "two users": (
        [U("a"), U("b"), A("c")],
        "wrong role order",
        "messages[0] and messages[1] are both user turns",
    ),
    "two agents": ([U("a"), A("b"), A("c")], "wrong role order", "are both assistant turns"),
    "late system": ([U("a"), A("b"), S("c")], "wrong role order", "messages[2] is a system message"),
    "two systems": ([S("a"), S("b"), A("c")], "wrong role order", "messages[1] is a system message"),
    "empty turn": (
        [U("a"), A(" \n ")],
        "empty assistant turn",
        "messages[1] is an assistant turn without text",
    ),
    "unknown role": ([U("a"), A("b", role="asistant")], "unknown role", "did you mean 'assistant'?"),
    "no role": ([{"content": "a"}], "missing field", "messages[0] has no `role` (it has `content`)"),
    "no text": ([U("a"), A(None)], "wrong type", "messages[1].content must be a text, not NoneType"),
    "not a message": (["hi"], "wrong type", "messages[0] must be an object with role and content, not str"),
    "no messages": ([], "empty dialogue", "`messages` is empty"),
    "a text": ("hello", "wrong type", "`messages` must be a list of messages, not str"),
    "no agent": ([U("a")], "nothing to learn", "no assistant turn to learn from"),
    "none to train": (
        [U("a"), {**A("b"), "train": False}],
        "nothing to learn",
        "no assistant turn to learn from",
    ),
    "train not bool": (
        [U("a"), {**A("b"), "train": "no"}],
        "wrong type",
        "messages[1].train must be true or false",
    ),
    "half a surrogate": ([U("a"), A("b\ud83d")], "broken text", "half of a surrogate pair"),
}


@pytest.mark.parametrize("name", BAD_DIALOGUES)
def test_bad_dialogues(tmp_path, name):
    messages, kind, words = BAD_DIALOGUES[name]
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in (GOOD, GOOD, {"messages": messages}, GOOD)))
    message = refused(str(path))
    assert message.startswith(f"{path}:3: ")
    assert words in message
    _, report = load_rows(str(path), "sft", on_bad_row="skip")
    assert (report.rows, report.reasons) == (3, {kind: 1})


def test_wrong_encoding_is_named_and_never_skipped(tmp_path):
    path = put(
        tmp_path / "old.jsonl", [GOOD, {"messages": [U("hé"), A("à 350 €".replace("€", "E"))]}], "latin-1"
    )
    for option in ("fail", "skip"):
        with pytest.raises(UserError) as caught:
            load_rows(path, "sft", on_bad_row=option)
        assert f"{path}:2 is not UTF-8 (byte 0xe9)" in caught.value.message
        assert "Latin-1" in caught.value.message
        assert "iconv -f latin1" in str(caught.value.hint)
    assert ":1 is UTF-16" in refused(put(tmp_path / "u16.jsonl", [GOOD], "utf-16"))


def test_empty_missing_and_misspelt_files(tmp_path):
    for content in ("", "\n\n"):
        (tmp_path / "empty.jsonl").write_text(content)
        assert (
            refused(str(tmp_path / "empty.jsonl")) == f"{tmp_path / 'empty.jsonl'} is empty: it holds no row"
        )
    put(tmp_path / "train.jsonl", [GOOD])
    with pytest.raises(UserError, match=r"trian\.jsonl does not exist") as caught:
        load_rows(str(tmp_path / "trian.jsonl"), "sft")
    assert caught.value.hint == f"did you mean {tmp_path / 'train.jsonl'}?"
    with pytest.raises(UserError, match="does not exist") as caught:
        load_rows(str(tmp_path / "no" / "such.jsonl"), "sft")
    assert "no directory" in str(caught.value.hint)
    assert "is a directory" in refused(str(tmp_path))
    assert "corpus of the built-in world" in refused("world:gold")


def test_a_missing_file_in_a_directory_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert "data/train does not exist" in refused("data/train")


def test_all_rows_bad(tmp_path):
    path = put(tmp_path / "d.jsonl", [{"text": "x"}, {"text": "y"}])
    message = refused(path, on_bad_row="skip")
    assert f"{path}: all 2 rows are bad" in message
    assert f"{path}:1: no field `messages` (the row has `text`)" in message
    near = refused(put(tmp_path / "e.jsonl", [{"message": []}]))
    assert near.endswith("did you mean `message`?")


def test_forms_that_are_fine(tmp_path):
    crlf = tmp_path / "crlf.jsonl"
    crlf.write_bytes(("\ufeff" + json.dumps(GOOD) + "\r\n\r\n" + json.dumps(GOOD)).encode())
    rows, _ = load_rows(str(crlf), "sft")
    assert [r["_at"] for r in rows] == [f"{crlf}:1", f"{crlf}:3"]
    (tmp_path / "list.json").write_text(json.dumps([GOOD, GOOD], indent=1))
    assert load_rows(str(tmp_path / "list.json"), "sft")[1].rows == 2
    agent_first = {"messages": [A("Hi there."), U("Yes?")], "extra": [1]}
    assert load_rows(put(tmp_path / "a.jsonl", [agent_first]), "sft")[0][0]["extra"] == [1]
    (tmp_path / "broken.json").write_text('[{"messages": []},\n {]')
    assert "broken.json:2: broken JSON" in refused(str(tmp_path / "broken.json"))


def test_parquet_gives_the_same_rows(tmp_path):
    rows = [GOOD, {"messages": [U("你好"), {**A("早上好。"), "train": True}]}]
    assert write_rows(tmp_path / "d.parquet", rows) == 2
    back, report = load_rows(str(tmp_path / "d.parquet"), "sft")
    assert [r["messages"] for r in back] == [r["messages"] for r in rows]
    assert back[1]["_at"] == f"{tmp_path / 'd.parquet'} row 2"
    assert report.rows == 2
    (tmp_path / "no.parquet").write_text("this is no parquet")
    assert "no.parquet cannot be read as Parquet" in refused(str(tmp_path / "no.parquet"))
    renamed = tmp_path / "d.jsonl"
    renamed.write_bytes((tmp_path / "d.parquet").read_bytes())
    assert "is a Parquet file under another name" in refused(str(renamed))


def test_a_saved_data_set_is_read_through_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([GOOD, GOOD]).save_to_disk(str(tmp_path / "saved"))
    rows, _ = load_rows(str(tmp_path / "saved"), "sft")
    assert [r["messages"] for r in rows] == [GOOD["messages"]] * 2


def test_write_rows_drops_private_fields_and_leaves_no_half_file(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    assert write_rows(path, [{"a": 1, "_at": "x:1"}]) == 1
    assert path.read_text() == '{"a": 1}\n'
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_rows(tmp_path / "file" / "out.jsonl", [{"a": 1}])

    def failing():
        yield {"a": 2}
        raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError):
        write_rows(path, failing())
    assert path.read_text() == '{"a": 1}\n'


# ---- the other kinds


def one(tmp_path: Path, row: dict, kind: str) -> dict:
    return load_rows(put(tmp_path / "one.jsonl", [row]), kind)[0][0]


def test_preferences_in_all_three_forms_become_one(tmp_path):
    full = {"chosen": [*PAIR["prompt"], *PAIR["chosen"]], "rejected": [*PAIR["prompt"], *PAIR["rejected"]]}
    forms = [PAIR, full, {**PAIR, **full}, {"prompt": "Hello?", **full}]
    forms.append({"prompt": "Hello?", "chosen": "Good morning.", "rejected": "morning Good"})
    for form in forms:
        row = one(tmp_path, {**form, "margin": 0.5, "tags": ["t"]}, "preference")
        assert {k: row[k] for k in PAIR} == PAIR
        assert (row["margin"], row["tags"]) == (0.5, ["t"])
    assert one(tmp_path, {"chosen": [A("Hi.")], "rejected": [A("hi hi")]}, "preference")["prompt"] == []


BAD_PAIRS = {
    "identical": ({**PAIR, "rejected": [A(" Good morning. ")]}, "`chosen` and `rejected` are the same"),
    "no rejected": ({"prompt": [], "chosen": [A("a")]}, "no field `rejected`"),
    "user last": (
        {"chosen": [U("x"), A("a"), U("b")], "rejected": [U("x"), A("c")]},
        "must end with an assistant turn",
    ),
    "early parting": (
        {"chosen": [U("x"), A("a"), U("y"), A("b")], "rejected": [U("x"), A("c"), U("y"), A("b")]},
        "exactly the last message may differ",
    ),
    "seam": ({**PAIR, "prompt": [U("x"), A("y")]}, "are both assistant turns"),
    "empty reply": ({**PAIR, "rejected": [A("")]}, "assistant turn without text"),
    "margin": ({**PAIR, "margin": "big"}, "`margin` must be a number"),
}


@pytest.mark.parametrize("name", BAD_PAIRS)
def test_bad_pairs(tmp_path, name):
    row, words = BAD_PAIRS[name]
    path = put(tmp_path / "p.jsonl", [PAIR, row])
    message = refused(path, "preference")
    assert message.startswith(f"{path}:2: ")
    assert words in message


def test_prompts(tmp_path):
    assert one(tmp_path, {"prompt": [], "scenario": {"id": 1}}, "prompts")["prompt"] == []
    assert one(tmp_path, {"prompt": [S("brief")]}, "prompts")["prompt"] == [S("brief")]
    path = put(tmp_path / "p.jsonl", [{"prompt": [U("a"), A("b")]}])
    assert f"{path}:1: `prompt` ends with an assistant turn" in refused(path, "prompts")
    path = put(tmp_path / "s.jsonl", [{"prompt": [U("a")], "scenario": "none"}])
    assert "`scenario` must be an object, not str" in refused(path, "prompts")


def test_dialogues_read_as_prompts_give_one_for_each_agent_turn(tmp_path):
    rows, report = load_rows(put(tmp_path / "d.jsonl", [GOOD, GOOD]), "prompts", limit=3)
    assert [len(r["prompt"]) for r in rows] == [2, 4, 2]
    assert [r["reference"] for r in rows[:2]] == ["Good morning.", "Could we try 350?"]
    assert "messages" not in rows[0]
    assert report.rows == 3


def test_judge_examples_and_bad_cases(tmp_path):
    judge = {"prompt": [U("a")], "reply": "b", "scores": {"R1": 4, "R2": None}}
    assert one(tmp_path, judge, "judge")["scores"] == {"R1": 4, "R2": None}
    path = put(tmp_path / "j.jsonl", [judge, {**judge, "scores": {"R1": 7}}])
    assert f"{path}:2: `scores`.R1 must be a number from 1 to 5, or null, not 7" in refused(path, "judge")
    case = {"prompt": GOOD["messages"], "defects": [{"turn": 1, "kind": "threat", "severity": 3}]}
    assert one(tmp_path, case, "badcases")["defects"] == case["defects"]
    path = put(tmp_path / "b.jsonl", [{**case, "defects": [{"turn": 1, "kind": "threat", "severity": 4}]}])
    assert "defects[0].severity must be 1, 2 or 3, not 4" in refused(path, "badcases")


def test_any_kind_is_sniffed(tmp_path):
    kinds = {
        "sft": GOOD,
        "preference": PAIR,
        "prompts": {"prompt": [U("a")]},
        "judge": {"prompt": [U("a")], "reply": "b", "scores": {}},
        "badcases": {"prompt": GOOD["messages"], "defects": []},
    }
    for kind, row in kinds.items():
        assert load_rows(put(tmp_path / "k.jsonl", [row]), "any")[1].kind == kind
    assert "no kind of row has these fields: `text`" in refused(
        put(tmp_path / "k.jsonl", [{"text": 1}]), "any"
    )


def test_limit_and_wrong_options(tmp_path):
    path = put(tmp_path / "d.jsonl", [GOOD] * 9 + ["{"])
    assert load_rows(path, "sft", limit=4)[1].read == 4  # the broken line is never reached
    assert "fail or skip" in refused(path, on_bad_row="ignore")


def test_the_readers_do_not_import_torch():
    code = (
        "import sys, repo_cli.dialogue.files, repo_cli.dialogue.checks, repo_cli.dialogue.validate, "
        "repo_cli.dialogue.pairs, repo_cli.dialogue.show; sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0
