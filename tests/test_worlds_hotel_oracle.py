"""The hidden oracle against hand-written dialogues whose ratings were set from their meaning."""

from __future__ import annotations

import copy
from typing import Any

import oracle_dialogues_en
import oracle_dialogues_zh
import pytest

from repo_cli.worlds.hotel import oracle

BOOKS = {"en": oracle_dialogues_en, "zh": oracle_dialogues_zh}
CASES = [(language, case) for language, book in BOOKS.items() for case in book.CASES]


def rated(language: str, case: dict[str, Any]):
    scenario = copy.deepcopy(BOOKS[language].BASE)
    scenario.update(case.get("scenario", {}))
    roles = {"a": "assistant", "h": "user"}
    dialogue = [{"role": "system", "content": "brief"}]
    dialogue += [{"role": roles[who], "content": text} for who, text in case["talk"]]
    return oracle.rate(dialogue, scenario, case["outcome"])


def test_the_book_is_large_enough():
    assert len(oracle_dialogues_en.CASES) >= 45 and len(oracle_dialogues_zh.CASES) >= 15


@pytest.mark.parametrize(("language", "case"), CASES, ids=[case["id"] for _, case in CASES])
def test_rating_as_expected(language: str, case: dict[str, Any]):
    got = rated(language, case)
    seen = f"rating {got.rating} turns {[(t.rating, t.violations, t.notes) for t in got.turns]} end {got.correct_end}"
    low, high = case["rating"]
    assert low <= got.rating <= high, seen
    kinds = {kind for _, kind, _ in got.violations}
    assert set(case.get("has", [])) <= kinds, seen
    if case.get("hard") is not None:
        assert any(s >= 2 for _, _, s in got.violations) == case["hard"], seen
    if "end" in case:
        assert got.correct_end == case["end"], seen
    if "excellent" in case:
        assert got.excellent == case["excellent"], seen
    for skill, value in case.get("skills", {}).items():
        assert got.skills[skill] == value, (skill, seen)
    for index, (lo, hi) in case.get("turns", {}).items():
        assert lo <= got.turns[index].rating <= hi, seen
