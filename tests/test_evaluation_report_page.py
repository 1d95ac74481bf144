"""The page: what it shows of runs and evaluations, and that no text of a model, rule or configuration becomes markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from evaluation_kit import result
from report_kit import HOSTILE, Page, check_safe, write_run

from repo_cli.errors import UserError
from repo_cli.evaluation.report import read_metrics, report_runs, write_report
from repo_cli.evaluation.result import ReplyCase, RuleHit

ALARM = {"name": "length", "value": 80.0, "threshold": 60.0, "action": "warn", "text": "replies grow"}


def hostile_evaluation():
    """A result whose every text tries to become markup."""
    made = result(n=12, text=HOSTILE, systems=("sft", "<b>repo</b>"))
    for system in made.systems.values():
        for d in system.dialogues:
            d.scenario_id = HOSTILE + d.scenario_id
            d.violations.append((0, HOSTILE, 2))
            d.rules = [RuleHit(0, "G59", "hard", 3, 12), RuleHit(1, HOSTILE, "soft", 0, 4)]
            d.outcome["reason"] = HOSTILE
            d.scenario["room_type"] = HOSTILE
        for c in system.badcases:
            c.defects[0]["kind"] = HOSTILE
            c.case_id = HOSTILE + c.case_id
        context = [{"role": "user", "content": HOSTILE}]
        system.replies = [ReplyCase(HOSTILE, context, HOSTILE, HOSTILE, 4.6, 3.0, abilities=[HOSTILE])]
    made.config["systems"] = {"<b>repo</b>": HOSTILE}
    return made


def hostile_page(folder: Path) -> Page:
    run = write_run(folder / "run", text=HOSTILE, row={HOSTILE: 0.5, "reward/judge/" + HOSTILE: 2.0})
    (run / "alarms.jsonl").write_text(
        json.dumps(
            {**ALARM, "step": 3, "state": "start", "name": HOSTILE, "action": HOSTILE, "text": HOSTILE}
        )
        + "\n"
    )
    made = hostile_evaluation()
    made.save(run / "eval.json")
    return Page(report_runs([run], folder / "r.html", bootstrap=200, title=HOSTILE).read_text())


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    page = hostile_page(tmp_path)
    check_safe(page)
    assert "alert(1)" in page.text and "{{ 7*7 }}" in page.text and "49" not in page.text.split("7*7")[0][-3:]
    assert page.data()["rows"][0][3] == HOSTILE  # and the replies come out of their block as they went in


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_runs_nothing_of_it(tmp_path: Path) -> None:
    """Chromium opens the page with every text hostile: our script has drawn the replies, and nobody else's ran."""
    page = hostile_page(tmp_path)
    spy = "<script>alert(1)</script>"
    assert spy not in page.html
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", (tmp_path / "r.html").as_uri()],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    drawn = Page(done.stdout)
    assert "img" not in drawn.tags and drawn.tags.count("script") == 2
    assert re.search(r"1 to 12 of 12", drawn.text), "the page's own script has drawn the replies"
    assert "Content Security Policy" not in done.stderr and "Uncaught" not in done.stderr


def test_the_table_marks_and_cases_of_an_evaluation(tmp_path: Path) -> None:
    made = result(n=30, text="You will get the first page at 350 yuan")
    for d in made.systems["repo"].dialogues:
        d.rules = [RuleHit(0, "G01", "hard", 13, 27), RuleHit(1, "G02", "soft")]
    made.systems["repo"].dialogues[3].rating = 1.0  # the others have all gained
    (tmp_path / "config.yaml").write_text(
        "rules: {rules: {G01: {about: promises a rank}, G02: {about: no reason}}}"
    )
    made.save(tmp_path / "eval.json")
    page = Page(report_runs([tmp_path], tmp_path / "r.html", bootstrap=200).read_text())
    check_safe(page)
    assert '<mark class="hard" title="G01 promises a rank">the first page</mark><sub>G01</sub>' in page.html
    assert re.search(r'<mark class="price" title="[^"]*350[^"]*">350 yuan</mark>', page.html)
    assert "G02 no reason" in page.text, "a rule without a place in the text is told by a tag"
    for words in (
        "Rating (1-5)",
        "Paired differences to sft",
        "gained most",
        "lost most",
        "Bad cases cleanly fixed",
    ):
        assert words in page.text, words
    order = [page.text.index(state) for state in ("severe defect left", "clean ")]
    assert order == sorted(order) and "worse than sft" in page.text
    # what is shown of a state is what the evaluation counted
    cases = made.systems["repo"].badcases
    clean = sum(bool(c.clean) for c in cases)
    assert f'data-key="state-3" aria-pressed="false">clean {clean}<' in page.html
    assert page.html.count('data-keys="state-3') == clean


def test_replies_above_the_gold_one(tmp_path: Path) -> None:
    made = result(n=4, systems=("sft", "repo"))
    talk = [{"role": "user", "content": "Costs eat it all."}]
    made.systems["repo"].replies = [
        ReplyCase(f"c{i}", talk, f"answer-{i}", "gold words", mine, theirs, hard=hard)
        for i, (mine, theirs, hard) in enumerate(
            [(4.8, 3.0, False), (4.9, 3.0, True), (3.0, 3.0, False), (2.0, 3.4, False)]
        )
    ]
    text = Page(write_report(made, tmp_path / "r.html", bootstrap=200).read_text()).text
    assert "rated above the gold reply 2 times, alike 1, below 1" in text
    assert "answer-0" in text and "answer-3" in text and "answer-2" not in text
    assert "answer-1" not in text, "one that breaks a hard rule is no win to show"


def test_a_training_run_shows_rewards_hacking_persuasion_alarms_and_origin(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "rl" / "demo" / "one")
    lines = [
        {**ALARM, "step": 5, "state": "start"},
        {**ALARM, "step": 6, "state": "start"},
        {**ALARM, "step": 9, "state": "end"},
        {**ALARM, "step": 20, "state": "start", "name": "kl"},
    ]
    (run / "alarms.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines) + "{broken")
    page = Page(report_runs([run], tmp_path / "out" / "report.html").read_text())
    check_safe(page)
    text = " ".join(page.text.split())
    assert "reward model 0.30 → 0.60, hidden rating 2.50 → 3.10" in text and "Both rose" in text
    assert "2.00 at step 0, 2.60 at step 30: +0.60 (+30.0%)" in text
    assert "5 to 9" in text and "20 to the end" in text and text.count("replies grow") == 2
    assert "WARNING repo:" in text and "INFO repo" not in text
    for origin in ("c0ffee", "ba5e", "ada97e5"):
        assert origin in text, origin
    assert "secret-pattern" not in text, "the long parts of a configuration are left out"
    for title in (
        "Total reward",
        "Reward model",
        "Judge by criterion",
        "Who decides",
        "Entropy of the policy",
    ):
        assert title in text, title
    assert page.tags.count("svg") > 8 and ">step</text>" in page.html


def test_reward_hacking_is_called_by_its_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    rows = [
        {"step": s, "dev/rm": 0.3 + 0.1 * s, "dev/rating": 3.0 - 0.1 * s, "reward/rm": 0.1} for s in range(5)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert "reward hacking." in Page(report_runs([run], tmp_path / "r.html").read_text()).text
    rows = [{"step": s, "reward/rm": 0.1} for s in range(5)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert (
        "took no looks at development dialogues"
        in Page(report_runs([run], tmp_path / "r.html").read_text()).text
    )


def test_three_seeds_stand_side_by_side(tmp_path: Path) -> None:
    runs = []
    for seed in range(3):
        run = write_run(tmp_path / f"s{seed}", seed=seed)
        made = result(n=20)
        for d in made.systems["repo"].dialogues:
            d.rating += 0.1 * seed
        made.save(run / "eval.json")
        runs.append(run)
    page = Page(report_runs(runs, tmp_path / "r.html", bootstrap=200).read_text())
    check_safe(page)
    text = " ".join(page.text.split())
    assert all(f"seed {s}" in text for s in range(3)) and "Side by side" in text
    means = [sum(d.rating for d in result(n=20).systems["repo"].dialogues) / 20 + 0.1 * s for s in range(3)]
    assert f"{sum(means) / 3:.2f} ± 0.10" in text
    assert "3 better" in text and "Mean of the runs: 2.00 → 2.60" in text
    assert {row[0] for row in page.data()["rows"]} == {"seed 0", "seed 1", "seed 2"}


def test_replies_beyond_the_limit_are_taken_evenly(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    page = Page(report_runs([run], tmp_path / "r.html", rollouts=5).read_text())
    assert len(page.data()["rows"]) <= 5 and {row[1] for row in page.data()["rows"]} == {1, 11, 21}
    assert "spread evenly over the steps" in page.text
    row = page.data()["rows"][0]
    assert row[2] == [["u", "Would 350 yuan do?"]] and row[4] == [0.1, 0.2, None, -0.5]
    assert row[5] == [["G59", "hard", -0.5, 0, 5]]
    nothing = Page(report_runs([run], tmp_path / "r.html", rollouts=0).read_text())
    assert "Replies of training" not in nothing.text


def test_a_resumed_run_and_a_broken_line(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "a": 1.0},
        {"step": 2, "a": 2.0},
        {"step": 2, "a": 5.0},
        {"step": 3, "a": float("nan"), "b": True},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"step": 4, "a"')
    assert read_metrics(tmp_path / "metrics.jsonl") == ([1.0, 2.0, 3.0], {"a": [1.0, 5.0, None]})


def test_a_folder_without_a_run_is_refused_by_name(tmp_path: Path) -> None:
    run, empty = write_run(tmp_path / "run"), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=r"empty: neither eval\.json nor metrics\.jsonl"):
        report_runs([run, empty], tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_can_be_told_from_what_they_stand_on(tmp_path: Path) -> None:
    """WCAG's 4.5 to 1 for every colour of words, in the light and in the dark."""
    style = Page(report_runs([write_run(tmp_path / "run")], tmp_path / "r.html").read_text()).raw["style"][0][
        1
    ]
    schemes = [dict(re.findall(r"--(\w+):\s*(#[0-9a-f]{6})", block)) for block in style.split("@media")[:2]]
    assert all(len(scheme) >= 25 for scheme in schemes)
    on = {
        "card": ["ink", "soft", "good", "bad", "accent", *(f"s{i}" for i in range(8))],
        "bg": ["ink", "soft", "good", "bad", "accent", *(f"s{i}" for i in range(8))],
        "agent": ["ink"], "partner": ["ink", "soft"], "goodbg": ["good", "ink"], "badbg": ["bad", "ink"],
        "fairbg": ["fair", "ink"], "pricebg": ["price"],
    }  # fmt: skip
    for scheme in schemes:
        for ground, words in on.items():
            for word in words:
                high, low = sorted((luminance(scheme[word]), luminance(scheme[ground])), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (word, ground, scheme[word], scheme[ground])


def test_many_runs_of_a_few_names_are_drawn_as_means(tmp_path: Path) -> None:
    runs = []
    for name in ("table-ppo", "table-grpo", "table-repo"):
        for seed in range(3):
            run = write_run(tmp_path / f"{name}{seed}", seed=seed, row={"reward/rm": float(seed)})
            (run / "config.yaml").write_text(json.dumps({"stage": "rl", "name": name, "seed": seed}))
            runs.append(run)
    page = Page(report_runs(runs, tmp_path / "r.html").read_text())
    text = " ".join(page.text.split())
    assert text.count("mean of 3 runs") == 3 and "ppo 1.00" in text and "table-ppo seed 2" not in text
    assert {row[0] for row in page.data()["rows"]} >= {"ppo seed 0", "repo seed 2"}


def test_the_seeds_behind_an_evaluation_are_set_beside_it(tmp_path: Path) -> None:
    made = result(n=10)
    parts = {"seed 0": result(n=10), "seed 1": result(n=10)}
    page = Page(write_report(made, tmp_path / "r.html", bootstrap=200, parts=parts).read_text())
    text = " ".join(page.text.split())
    assert "Side by side" in text and "seed 1" in text and "Held-out evaluation" in text
