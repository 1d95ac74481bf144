"""What people write for the rewards - procedure, rubric, rules - read before any model is loaded. No torch."""

from __future__ import annotations

from typing import Any

from repo_cli.negotiation import SOP
from repo_cli.rewards.rubric import Rubric
from repo_cli.rewards.rules import RuleSet

#: The stages that score replies by rules.
SCORING = ("rl", "eval", "pipeline")


def check_texts(cfg: Any) -> None:
    """Read the groups `sop`, `rubric` and `rules` as the stages will.

    Raises:
        UserError: what is wrong with one of them, with the stage, criterion or rule and its field.
    """
    SOP.from_config(cfg.sop)
    if cfg.rubric.criteria:
        Rubric.of(cfg.rubric)
    if cfg.stage in SCORING and cfg.rules.rules:
        RuleSet.from_config(cfg.rules, cfg.sop)
