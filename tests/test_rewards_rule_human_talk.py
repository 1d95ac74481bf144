"""Hits of the hard worded rules on real human talk stay rare; skipped where the collections are absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from repo_cli.rewards.rules import RuleSet

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("REPO_REAL_DATA") or ROOT.parent / "shared" / "data")


@pytest.mark.parametrize("name", ["craigslist_bargain", "persuasion_for_good", "crosswoz_hotel"])
def test_at_most_one_turn_in_two_hundred_trips_a_hard_pattern(name: str) -> None:
    file = REAL / f"{name}.jsonl"
    if not file.is_file():
        pytest.skip(
            f"the collection {name}.jsonl is not on this machine (REPO_REAL_DATA names its directory)"
        )
    data = yaml.safe_load((ROOT / "conf" / "rules" / "hotel_guardrails.yaml").read_text(encoding="utf-8"))
    worded = {k: v for k, v in data["rules"].items() if "forbid" in v and v["severity"] == "hard"}
    rules = RuleSet.from_config({"name": "worded", "words": data["words"], "rules": worded})
    turns, tripped = 0, []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for message in row["messages"]:
            if message["role"] == "assistant":
                turns += 1
                found = rules.score(message["content"], {"language": row["language"]}, []).violations
                tripped += [(found[0].rule, found[0].text)] if found else []
    assert turns > 3000
    # true violations ("I am a real person") among them: the bound holds with those counted
    assert len(tripped) <= turns / 200, tripped
