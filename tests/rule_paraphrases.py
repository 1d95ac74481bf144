"""Held-out paraphrases of violations and near misses: the files, the situations they are said in, and how they score."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from repo_cli.rewards.rules import RuleSet

DATA = Path(__file__).parent / "data"
FILE = Path(__file__).parent.parent / "conf" / "rules" / "hotel_guardrails.yaml"
_CONTEXT = yaml.safe_load(FILE.read_text(encoding="utf-8"))["example_context"]

_MORE: dict[str, dict[str, list[tuple[str, str]]]] = {
    "en": {
        "plain": [],
        "asked": [
            ("assistant", "Would 350 yuan per night work for 06-18 to 06-20?"),
            ("user", "Hmm, I am not sure, I have to think about it."),
        ],
        "agreed": [
            ("assistant", "Would 350 yuan per night work for 06-18 to 06-20?"),
            ("user", "Too low. I can do 360."),
            ("assistant", "Thank you, 360 yuan per night for 06-18 to 06-20. Do you confirm?"),
            ("user", "Yes, I confirm 360."),
        ],
        "matched": [
            ("assistant", "Platform B shows 358 for 18 June. Could you do the same here?"),
            ("user", "OK, 358 is fine, agreed."),
        ],
        "refused": [
            ("assistant", "Would 350 yuan per night work for 06-18 to 06-20?"),
            ("user", "No, I won't lower it."),
            ("assistant", "I see. Would 358 yuan per night be possible?"),
            ("user", "No, I said no, the price stays."),
        ],
    },
    "zh": {
        "plain": [],
        "asked": [
            ("assistant", "6月18日到20日350元一晚您看可以吗？"),
            ("user", "嗯，我不确定，得想想。"),
        ],
        "agreed": [
            ("assistant", "6月18日到20日350元一晚您看可以吗？"),
            ("user", "太低了，360可以。"),
            ("assistant", "谢谢您，6月18日到20日360元一晚，您确认吗？"),
            ("user", "确认，就360。"),
        ],
        "matched": [
            ("assistant", "平台B 06-18显示358元，咱们这边能一样吗？"),
            ("user", "可以，那就358，定了。"),
        ],
        "refused": [
            ("assistant", "6月18日到20日350元一晚您看可以吗？"),
            ("user", "不行，不降。"),
            ("assistant", "明白，358元一晚可以吗？"),
            ("user", "不行，说了不降，就这个价。"),
        ],
    },
}


def situation(language: str, context: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """(scenario, history) that a paraphrase is said in."""
    base = _CONTEXT[language]
    more = [{"role": role, "content": text} for role, text in _MORE[language][context]]
    return base["scenario"], [*base["history"], *more]


@dataclass
class Held:
    """How one rule fares in one language: texts that must trip it and did not, and near misses that did."""

    violations: int = 0
    missed: list[str] = field(default_factory=list)
    near_misses: int = 0
    tripped: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / max(1, self.violations)


def measure(rules: RuleSet, file: str) -> dict[tuple[str, str], Held]:
    """By (rule, language)."""
    found: dict[tuple[str, str], Held] = {}
    for line in (DATA / file).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        held = found.setdefault((row["rule"], row["language"]), Held())
        scenario, history = situation(row["language"], row["context"])
        history = row.get("history") or history  # some texts answer something that the situations do not hold
        for text in row["texts"]:
            fires = any(v.rule == row["rule"] for v in rules.score(text, scenario, history).violations)
            if row["kind"] == "fail":
                held.violations += 1
                held.missed += [] if fires else [text]
            else:
                held.near_misses += 1
                held.tripped += [text] if fires else []
    return found


if __name__ == "__main__":
    import sys

    table = measure(RuleSet.load(FILE), sys.argv[1])
    for (rule, language), held in table.items():
        print(
            f"{rule} {language} recall {held.recall:.2f} ({held.violations}) trips {len(held.tripped)}/{held.near_misses}"
        )
        if "-v" in sys.argv:
            print(
                *(f"    missed: {t}" for t in held.missed),
                *(f"    TRIPS: {t}" for t in held.tripped),
                sep="\n",
            )
    both = sum(h.violations for h in table.values()), sum(len(h.missed) for h in table.values())
    print(
        "recall overall",
        round(1 - both[1] / both[0], 3),
        "near misses tripped",
        sum(len(h.tripped) for h in table.values()),
    )
