"""Rating sheets out and back: blinding, untrusted text, consensus, agreement, adjudication, preference pairs."""

from __future__ import annotations

import csv
import io
import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluation_kit import result

from repo_cli.cli import main
from repo_cli.dialogue.files import load_rows
from repo_cli.evaluation.rating_import import disputed, read_ratings, settle
from repo_cli.evaluation.result import EvalResult, ReplyCase

HOSTILE = (
    '=HYPERLINK("http://x","y")</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028{{ 7*7 }}'
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def evaluated(
    path: Path, n: int = 6, text: str = "Would 350 yuan work?", systems=("sft", "repo")
) -> EvalResult:
    """An eval.json with dialogues, bad cases, and replies to recorded contexts with a gold reply."""
    made = result(n=n, text=text, systems=systems)
    for name, system in made.systems.items():
        for i in range(n):
            prompt = [{"role": "system", "content": f"brief {i}"}, {"role": "user", "content": f"No, {text}"}]
            system.replies.append(
                ReplyCase(
                    f"c{i}", prompt, f"reply of {len(name)} to {i}", f"gold {i}", 3.5, 3.0, scenario={"id": i}
                )
            )
    path.mkdir(parents=True, exist_ok=True)
    made.save(path / "eval.json")
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def fill(path: Path, answer) -> Path:
    """The sheet as a rater would save it; `answer(row)` gives the cells."""
    rows = rows_of(path)
    for row in rows:
        row.update(answer(row))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def export(tmp_path: Path, kind: str, *more: str, **given) -> tuple[Path, dict]:
    evaluated(tmp_path / "run", **given)
    out = tmp_path / kind
    assert run("ratings", "export", str(tmp_path / "run"), "--out", str(out), "--kind", kind, *more) == 0
    return out, json.loads((out / "key.json").read_text())


@pytest.mark.parametrize("kind", ["turns", "replies", "dialogues", "badcases", "pairs", "dialogue_pairs"])
def test_sheets_are_blind_shuffled_and_complete(tmp_path: Path, kind: str) -> None:
    out, key = export(tmp_path, kind, "--n", "5", systems=("systemone", "systemtwo"))
    sheets = [rows_of(out / f"sheet-{k}.csv") for k in (1, 2, 3)]
    want = {
        "turns": 2 * 5 * 3,
        "replies": 3 * 5,
        "dialogues": 10,
        "badcases": 10,
        "pairs": 5,
        "dialogue_pairs": 5,
    }[kind]
    orders = []
    for number, rows in enumerate(sheets, start=1):
        assert len(rows) == want
        assert all(key["items"][row["item"]]["sheet"] == number for row in rows)
        orders.append([key["items"][row["item"]]["unit"] for row in rows])
    assert set(orders[0]) == set(orders[1]) == set(key["units"]) and orders[0] != orders[1]
    for file in (*out.glob("*.csv"), *out.glob("*.html")):
        text = file.read_text()
        assert "systemone" not in text and "systemtwo" not in text and '"rating": 3' not in text, file
    if kind == "pairs":  # either system is A about as often
        first = [key["items"][row["item"]]["sides"][0] for rows in sheets for row in rows]
        assert {"systemone", "systemtwo"} == set(first)
    assert (
        run("ratings", "export", str(tmp_path / "run"), "--out", str(out), "--kind", kind) == 2
    )  # never overwritten


def test_the_same_seed_gives_the_same_sheets(tmp_path: Path) -> None:
    one, _ = export(tmp_path / "a", "turns", "--n", "3", "--seed", "4")
    two, _ = export(tmp_path / "b", "turns", "--n", "3", "--seed", "4")
    other, _ = export(tmp_path / "c", "turns", "--n", "3", "--seed", "5")
    assert (one / "sheet-2.csv").read_text() == (two / "sheet-2.csv").read_text()
    assert (one / "sheet-2.csv").read_text() != (other / "sheet-2.csv").read_text()


class Scripts(HTMLParser):
    """Script elements by type, and the other tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.found.append([dict(attrs).get("type", ""), ""])
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data):
        if self.found and self.tags[-1] == "script":
            self.found[-1][1] += data


def test_the_form_holds_untrusted_text_as_data_only(tmp_path: Path) -> None:
    out, _ = export(tmp_path, "dialogues", text=HOSTILE)
    html = (out / "sheet-1.html").read_text()
    page = Scripts(html)
    assert [kind for kind, _ in page.found] == ["application/json", ""] and "img" not in page.tags
    data = json.loads(page.found[0][1])
    assert any(HOSTILE in line["text"] for line in data["items"][0]["parts"][0]["lines"])
    assert "innerHTML" not in page.found[1][1]
    assert (
        "default-src 'none'" in html
        and "script-src 'sha256-" in html
        and "http:" not in html.replace("http://x", "")
    )
    for row in csv.reader(io.StringIO((out / "sheet-1.csv").read_text(encoding="utf-8-sig"), newline="")):
        assert not any(cell.startswith(("=", "+", "@", "-")) for cell in row)


def three(out: Path, answers) -> list[Path]:
    """Three filled sheets; answers[k](key entry) -> cells."""
    key = json.loads((out / "key.json").read_text())

    def by(k):
        return lambda row: answers[k](
            key["units"][key["items"][row["item"]]["unit"]], key["items"][row["item"]]
        )

    return [fill(out / f"sheet-{k + 1}.csv", by(k)) for k in range(3)]


def test_dialogue_ratings_come_back_under_their_systems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = export(tmp_path, "dialogues", "--n", "4")

    def rater(shift):
        def answer(unit, item):
            rating = (4 if unit["systems"] == ["repo"] else 2) + shift
            return {
                "rating": str(rating),
                "fluency": "1",
                "workflow": "0",
                "negotiation": str(int(shift > 0)),
                "scope": "",
            }

        return answer

    sheets = three(out, [rater(-1), rater(0), rater(1)])
    done = tmp_path / "rated"
    assert run("ratings", "import", *map(str, sheets), "--out", str(done)) == 0
    text = capsys.readouterr().out
    assert "Krippendorff's alpha" in text and "Paired differences" in text
    summary = json.loads((done / "summary.json").read_text())
    assert (
        summary["figures"]["repo"]["rating"]["value"] == 4.0
        and summary["figures"]["sft"]["rating"]["value"] == 2.0
    )
    assert summary["figures"]["repo"]["negotiation"]["value"] == 0.0  # one of three said yes
    assert summary["differences"]["repo"]["rating"]["value"] == 2.0
    assert "scope" not in summary["agreement"] and summary["blank"] == 3 * 8
    assert summary["agreement"]["rating"]["exact"] == 0.0
    plain = rows_of(done / "ratings.csv")
    assert set(plain[0]) == {"system", "dialogue_id", "rater", "rating", "fluency", "workflow", "negotiation"}
    assert len(plain) == 24
    # the plain form, read back without a key, gives the same figures
    again = tmp_path / "again"
    assert run("ratings", "import", str(done / "ratings.csv"), "--out", str(again)) == 0
    assert json.loads((again / "summary.json").read_text())["figures"] == summary["figures"]
    asked = rows_of(done / "adjudicate.csv")
    assert {row["why"] for row in asked} == {"2 apart", "not unanimous"}
    assert not any(name in (done / "adjudicate.csv").read_text() for name in ("repo", "sft"))


def test_ties_stay_out_until_they_are_decided(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rows = ["system,dialogue_id,rater,fixed,clean,severe_unresolved"]
    rows += ["x,d1,a,1,1,0", "x,d1,b,0,1,0", "x,d2,a,1,1,0", "x,d2,b,1,0,0"]
    file.write_text("\n".join(rows))
    ratings = read_ratings([file])
    settle(ratings)
    assert [u.consensus["fixed"] for u in ratings.units] == [None, 1.0]
    assert [(u.id[1], f.name, why) for u, f, why in disputed(ratings)] == [
        ("d1", "fixed", "tie"),
        ("d2", "clean", "tie"),
    ]
    done = tmp_path / "rated"
    assert run("ratings", "import", str(file), "--out", str(done)) == 0
    assert json.loads((done / "summary.json").read_text())["figures"]["x"]["fixed"]["n"] == 1
    decided = fill(done / "adjudicate.csv", lambda row: {"decision": "0"})
    assert (
        run("ratings", "import", str(file), "--out", str(tmp_path / "final"), "--decided", str(decided)) == 0
    )
    figures = json.loads((tmp_path / "final" / "summary.json").read_text())["figures"]["x"]
    assert (figures["fixed"]["value"], figures["fixed"]["n"]) == (0.5, 2) and figures["clean"]["value"] == 0.5


def test_median_and_majority(tmp_path: Path) -> None:
    file = tmp_path / "turns.csv"
    rows = ["system,dialogue_id,turn,rater,rating", *(f"x,d,0,r{i},{v}" for i, v in enumerate([1, 1, 4, 5]))]
    rows += [f"x,d,1,r{i},{v}" for i, v in enumerate([2, 2, 5, 5])]
    file.write_text("\n".join(rows))
    ratings = read_ratings([file])
    settle(ratings, "median")
    assert [u.consensus["rating"] for u in ratings.units] == [2.5, 3.5]
    settle(ratings, "majority")
    assert [u.consensus["rating"] for u in ratings.units] == [1.0, None]
    alpha = ratings.agreement()["rating"]["alpha"]
    assert not math.isnan(alpha) and alpha < 0.3


def test_side_by_side_choices_and_the_pairs_made_of_them(tmp_path: Path) -> None:
    out, key = export(tmp_path, "pairs", "--systems", "sft,repo")

    def prefers(unit, item):
        """The repo system, wherever it stands."""
        return {"choice": "AB"[item["sides"].index("repo")]}

    sheets = three(out, [prefers, prefers, lambda unit, item: {"choice": "tie"}])
    done = tmp_path / "rated"
    assert run("ratings", "import", *map(str, sheets), "--out", str(done)) == 0
    summary = json.loads((done / "summary.json").read_text())
    wins = summary["figures"]["repo over sft"]["win_rate"]
    assert wins["value"] == 1.0 and wins["n"] == len(key["units"])
    pairs = tmp_path / "pairs.jsonl"
    assert run("data", "pairs", str(done), str(pairs), "--from-ratings") == 0
    rows, _ = load_rows(str(pairs), "preference")
    assert rows and all(row["tags"] == ["preferred", "repo", "sft"] for row in rows)
    reply = next(r for r in rows if r["scenario"])
    assert reply["chosen"][0]["content"].startswith("reply of 4") and reply["prompt"][-1]["role"] == "user"


def test_two_samples_of_one_system_side_by_side(tmp_path: Path) -> None:
    """The enrichment loop: eval.trials=2 on recorded contexts, people choose, the choice becomes a pair."""
    made = evaluated(tmp_path / "run", n=4, systems=("repo",))
    for case in list(made.systems["repo"].replies):
        again = ReplyCase(**{**vars(case), "reply": f"another {case.context_id}", "trial": 1})
        made.systems["repo"].replies.append(again)
    made.save(tmp_path / "run" / "eval.json")
    out = tmp_path / "sheets"
    assert run("ratings", "export", str(tmp_path / "run"), "--out", str(out), "--kind", "pairs") == 0
    sheets = three(out, [lambda unit, item: {"choice": "AB"[item["sides"].index("repo#1")]}] * 3)
    assert run("ratings", "import", *map(str, sheets), "--out", str(tmp_path / "rated")) == 0
    assert run("data", "pairs", str(tmp_path / "rated"), str(tmp_path / "p.jsonl"), "--from-ratings") == 0
    rows, _ = load_rows(str(tmp_path / "p.jsonl"), "preference")
    assert len(rows) == 4 and all(r["chosen"][0]["content"].startswith("another") for r in rows)


def test_pairs_from_single_ratings_and_from_mended_bad_cases(tmp_path: Path) -> None:
    out, _ = export(tmp_path, "replies", "--n", "3")
    scores = {"gold": "5", "repo": "4", "sft": "4"}
    sheets = three(out, [lambda unit, item: {"rating": scores[unit["systems"][0]]}] * 3)
    assert run("ratings", "import", *map(str, sheets), "--out", str(tmp_path / "one")) == 0
    assert run("data", "pairs", str(tmp_path / "one"), str(tmp_path / "one.jsonl"), "--from-ratings") == 0
    rows, _ = load_rows(str(tmp_path / "one.jsonl"), "preference")
    assert len(rows) == 6 and all(
        r["chosen"][0]["content"].startswith("gold") and r["margin"] == 1.0 for r in rows
    )
    assert (
        run(
            "data",
            "pairs",
            str(tmp_path / "one"),
            str(tmp_path / "no.jsonl"),
            "--from-ratings",
            "--margin",
            "2",
        )
        == 2
    )

    out, _ = export(tmp_path / "bad", "badcases", "--n", "3", "--systems", "repo")
    sheets = three(out, [lambda unit, item: {"fixed": "1", "clean": "1", "severe_unresolved": "0"}] * 3)
    assert run("ratings", "import", *map(str, sheets), "--out", str(tmp_path / "two")) == 0
    assert run("data", "pairs", str(tmp_path / "two"), str(tmp_path / "two.jsonl"), "--from-ratings") == 0
    rows, _ = load_rows(str(tmp_path / "two.jsonl"), "preference")
    assert len(rows) == 3 and all(r["rejected"][0]["content"].startswith("recorded") for r in rows)


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("system,dialogue_id,rater,rating\nx,d,a,7\n", ":2: rating='7' must be a number from 1 to 5"),
        ("system,dialogue_id,rater,rating\nx,d,a,3\nx,d,a,4\n", ":3: a rated this unit already"),
        ("system,dialogue_id,rater,rating\nx,,a,3\n", ":2: dialogue_id is empty"),
        ("system,dialogue_id,rater,rating\nx,d,a,\n", "no rating is filled in"),
        ("system,dialogue_id,rater,score\nx,d,a,3\n", "neither rating nor fixed"),
        ("dialogue_id,rater,rating\nd,a,3\n", "no column `system`"),
        ("item,rater,rating\nzzz,a,3\n", "its key is not given"),
    ],
)
def test_bad_sheets_are_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, say: str
) -> None:
    file = tmp_path / "filled.csv"
    file.write_text(text)
    assert run("ratings", "import", str(file), "--out", str(tmp_path / "x")) == 2
    assert say in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_bad_exports_say_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(tmp_path / "run")
    for words, say in (
        (("--kind", "dialog"), "did you mean dialogues"),
        (("--systems", "rep"), "did you mean repo"),
        (("--kind", "pairs", "--systems", "repo"), "compares two systems"),
    ):
        assert run("ratings", "export", str(tmp_path / "run"), "--out", str(tmp_path / "o"), *words) == 2
        assert say in capsys.readouterr().err
