"""No reply hangs our own checks: the whole shipped set on text that has come apart, four times as long."""

from __future__ import annotations

import time

import pytest

from repo_cli.rewards.rules import RuleSet
from tests.rule_paraphrases import FILE, situation

SHIPPED = RuleSet.load(FILE)
SHORT = 1500  # characters; a reply of 512 tokens has about as many
TIMES = 12.0  # more than a fourfold time at four times the length, less than the sixteenfold of a square

#: What is repeated, and what stands before it: texts with and without Chinese characters are read in different ways.
REPEATED = {
    "counting": ("", "1 2 3 "),
    "counting behind Chinese": ("价", "1 2 3 "),
    "a month": ("", "June "),
    "one Chinese digit": ("", "三"),
    "Chinese tens": ("", "十"),
    "a Chinese number": ("", "三百五十二万七千"),
    "digits": ("", "7"),
    "digits behind Chinese": ("价", "7"),
    "a price": ("", "350 "),
    "a price in a clause": ("", "价格三百五，"),
    "a price behind Chinese": ("", "价 350 "),
    "prices on lines": ("", "价350\n"),
    "a range": ("", "300 to 350 "),
    "per cent": ("", "10%价"),
    "discounts": ("", "打八折"),
    "discounts and prices": ("", "打八折350元，"),
    "a date": ("", "6月18日"),
    "a platform": ("", "Platform B "),
    "hyphens": ("", "350-"),
    "spaces": ("价350", " "),
    "line breaks": ("价350", "\n"),
    "opening brackets": ("", "(["),
    "opening brackets behind Chinese": ("价", "（("),
    "letters": ("价", "a"),
    "a yes": ("", "可以吗？"),
    "a promise": ("", "I promise "),
}


def reply(name: str, length: int, mark: str) -> str:
    before, part = REPEATED[name]
    text = f"{mark}{before}" + part * (length // len(part))
    return text + ")" * (length // 2) if part == "([" else text


@pytest.mark.parametrize("name", REPEATED)
def test_time_does_not_grow_as_the_square_of_the_length(name: str) -> None:
    scenario, history = situation("en" if "".join(REPEATED[name]).isascii() else "zh", "agreed")
    SHIPPED.score("350?", scenario, history)

    def seconds(length: int) -> float:
        """The better of two, each on a text of its own, since what was read before is kept."""
        best = float("inf")
        for mark in "ab":
            text = reply(name, length, mark)
            start = time.process_time()
            SHIPPED.score(text, scenario, history)
            best = min(best, time.process_time() - start)
        return best

    short, long = seconds(SHORT), seconds(4 * SHORT)
    assert long < TIMES * max(short, 0.002), f"{1000 * short:.1f} ms, then {1000 * long:.1f} ms"
