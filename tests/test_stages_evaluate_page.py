"""An evaluation with rules: what it keeps of each broken rule, and the page that shows it."""

from __future__ import annotations

import json
from pathlib import Path

from report_kit import Page, check_safe

from repo_cli.config.compose import compose
from repo_cli.evaluation.result import EvalResult
from repo_cli.stages import evaluate


def test_the_page_marks_the_words_that_broke_a_rule(tmp_path: Path) -> None:
    out = evaluate.run(
        compose(
            "eval",
            ["eval.systems={bad: 'world:bad', gold: 'world:gold'}", "eval.baseline=bad", "eval.sets=[online,badcases]",
             "eval.n_online=8", "eval.n_badcases=3", "eval.bootstrap=200", "eval.samples=0", "rules=hotel_guardrails",
             "engine.device=cpu", "tracker.tensorboard=false", f"runs_dir={tmp_path / 'runs'}"],
        )
    )  # fmt: skip
    result = EvalResult.load(out / "eval.json")
    words = set()
    for dialogue in result.systems["bad"].dialogues:
        for hit in dialogue.rules:
            reply = dialogue.replies[hit.turn]
            assert 0 <= hit.start <= hit.end <= len(reply)
            if hit.end > hit.start:
                words.add((hit.rule, hit.severity, reply[hit.start : hit.end]))
    assert len(words) > 3
    html = (out / "report.html").read_text()
    page = Page(html)
    check_safe(page)
    assert '<mark class="hard" title="G' in html and '<mark class="price"' in html
    assert any(f">{text}</mark>" in html for _, _, text in words)
    figures = json.loads((out / "figures.json").read_text())["systems"]
    bad, gold = (figures[name]["persuasion"]["value"] for name in ("bad", "gold"))
    assert 1 <= bad < gold <= 5, "the scripted agent persuades better than the one that breaks every rule"
