"""What a reply is worth: reward model, judge and rules, and how the three become one number.

Names are loaded on first use, so that the rules (which need no torch) can be used without it.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "COMBINERS": "combine",
    "Calibration": "reward_model",
    "Ensemble": "ensemble",
    "Fired": "rules",
    "JudgeScore": "judge_prompt",
    "LocalJudge": "judge",
    "RewardModel": "reward_model",
    "RewardParts": "scores",
    "RuleResult": "rules",
    "RuleSet": "rules",
    "Rubric": "rubric",
    "apply_veto": "enhancement",
    "enhance": "enhancement",
    "normalise_judge": "rubric",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
