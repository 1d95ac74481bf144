"""The pages in a real browser (headless Chromium, where there is one): the rating form saves what `repo ratings import`
reads back, nothing runs over the side of a phone's screen, and ten thousand replies can be leafed through."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from evaluation_kit import result
from report_kit import write_run
from test_evaluation_ratings import HOSTILE, export, rows_of, run

from repo_cli.evaluation.report import report_runs

ROOT = Path(__file__).parents[1] / "benchmarks"


def load(name: str) -> ModuleType:
    """A script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


browser = load("browser")
Browser = browser.Browser
pytestmark = pytest.mark.skipif(
    browser.installed() is None, reason="needs Chromium or Chrome on this machine"
)
#: One word that no line can break, in the two widths of letters.
LONG = "https://example.org/" + "x" * 400 + " 这一句没有任何空格" * 30
FITS = "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"


def click(page: Browser, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def fill(page: Browser, form: Path, name: str, answers: dict[str, str], comment: str) -> Path:
    """What a rater does: gives a name, presses every item's buttons, goes on, and saves."""
    page.open(form)
    page.run(f"document.getElementById('rater').value = {json.dumps(name)}")
    count = page.run("document.getElementById('progress').max")
    for place in range(int(count)):
        for field, value in answers.items():
            click(page, f'button[data-field="{field}"][data-value="{value}"]')
        if place == 0:
            page.run(
                f"(box => {{ box.value = {json.dumps(comment)}; box.dispatchEvent(new Event('input')) }})"
                "(document.querySelector('textarea'))"
            )
        click(page, "#next")
    assert page.run("document.getElementById('progress').value") == count
    click(page, "#save")
    saved = page.download()
    assert page.errors == []
    return saved


def test_the_form_saves_what_the_import_reads_back(tmp_path: Path) -> None:
    out, key = export(tmp_path, "dialogues", "--n", "3", "--raters", "2", text=HOSTILE)
    comment = '=1+1, "so" he said;\nand 好'
    sheets = []
    for sheet, name in ((1, "Li Wei 李"), (2, "B")):
        given = {
            "rating": str(3 + sheet),
            "fluency": "1",
            "workflow": "0",
            "negotiation": "1",
            "scope": str(sheet % 2),
        }
        with Browser(tmp_path / f"browser-{sheet}") as page:
            saved = fill(page, out / f"sheet-{sheet}.html", name, given, comment)
        assert saved.name == f"ratings-{sheet}-{'Li_Wei_李' if sheet == 1 else 'B'}.csv"
        rows = rows_of(saved)
        assert {row["item"] for row in rows} == {
            i for i, made in key["items"].items() if made["sheet"] == sheet
        }
        assert rows[0]["comment"] == "'" + comment and {row["rating"] for row in rows} == {given["rating"]}
        sheets.append(saved)
    done = tmp_path / "rated"
    assert (
        run("ratings", "import", *map(str, sheets), "--key", str(out / "key.json"), "--out", str(done)) == 0
    )
    plain = rows_of(done / "ratings.csv")
    assert len(plain) == 2 * 6 and {row["rater"] for row in plain} == {"Li Wei 李", "B"}
    assert {row["system"] for row in plain} == {"sft", "repo"}
    by_rater = {row["rater"]: (row["rating"], row["workflow"], row["scope"]) for row in plain}
    assert by_rater == {"Li Wei 李": ("4", "0", "1"), "B": ("5", "0", "0")}


def test_what_was_entered_is_there_again_after_a_reload(tmp_path: Path) -> None:
    out, _ = export(tmp_path, "pairs", "--n", "3", "--raters", "1")
    with Browser(tmp_path / "browser") as page:
        page.open(out / "sheet-1.html")
        page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'b', bubbles: true}))")
        # the page's process hands what it keeps to the browser's in its own time
        page.run("new Promise(done => setTimeout(done, 1000))")
        page.open(out / "sheet-1.html")
        assert page.run("document.querySelector('button[aria-pressed=true]').dataset.value") == "B"


def test_no_page_runs_over_the_side_of_a_phone(tmp_path: Path) -> None:
    evaluated = result(n=12, text=LONG)
    folder = write_run(tmp_path / "run", text=LONG)
    evaluated.save(folder / "eval.json")
    report = report_runs([folder], tmp_path / "report.html", bootstrap=100, title=LONG[:300])
    out, _ = export(tmp_path, "dialogues", "--n", "2", "--raters", "1", text=LONG)
    with Browser(tmp_path / "browser") as page:
        for file in (report, out / "sheet-1.html"):
            page.open(file, width=390, height=844)
            page.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert page.run(FITS) == [390, 390, 390], file.name
            assert page.errors == [], file.name


def test_ten_thousand_replies_can_be_leafed_through(tmp_path: Path) -> None:
    folder = load("report_open").long_run(tmp_path / "run", rollouts=10_000)
    file = report_runs([folder], tmp_path / "report.html")
    with Browser(tmp_path / "browser") as page:
        page.open(file)
        assert "1 to 20 of 10,000" in page.run("document.body.innerText").replace("10000", "10,000")
        assert page.errors == []
