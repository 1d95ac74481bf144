"""Keys of the alarms while RL trains (`training/alarms.py` says what each of them measures)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from repo_cli.config.fields import key

ACTIONS = ("none", "warn", "stop")


@dataclass
class AlarmConfig:
    """One alarm. It sounds once the mean of the newest measurements is beyond the threshold several times in a row."""

    action: str = key(
        "warn", "none = not watched; stop = the run ends with a checkpoint too", choices=ACTIONS
    )
    threshold: float = key(0.0, "where the alarm begins")
    window: int = key(4, "newest measurements that are averaged", lo=1)
    patience: int = key(
        2, "times in a row beyond the threshold before it sounds, and within before it ends", lo=1
    )


@dataclass
class ProbeAlarmConfig(AlarmConfig):
    """An alarm whose measurement costs a forward pass of its own."""

    every: int = key(5, "steps between two measurements", lo=1)
    replies: int = key(8, "replies that are measured, the first ones of the run", lo=1)


def _alarm(
    threshold: float, window: int = 4, patience: int = 2, kind: type[AlarmConfig] = AlarmConfig
) -> Any:
    return dataclasses.field(
        default_factory=lambda: kind(threshold=threshold, window=window, patience=patience),
        metadata={"section": True},
    )


@dataclass
class AlarmsConfig:
    """All alarms of a run; `start` is what a run is compared with."""

    strongest: str = key("stop", "the most that any alarm may do", choices=ACTIONS)
    start: int = key(4, "first measurements whose mean is the start that later ones are compared with", lo=1)
    length: AlarmConfig = _alarm(1.2)
    truncated: AlarmConfig = _alarm(0.25)
    repetition: AlarmConfig = _alarm(0.05)
    entropy: AlarmConfig = _alarm(0.5)
    rm_alone: AlarmConfig = _alarm(0.25)
    kl_to_base: ProbeAlarmConfig = _alarm(0.1, window=1, patience=1, kind=ProbeAlarmConfig)
    hard_violations: AlarmConfig = _alarm(0.15)
    judge_failures: AlarmConfig = _alarm(0.1)
    rule_timeouts: AlarmConfig = _alarm(0.01, window=1, patience=1)
    rm_muted: AlarmConfig = _alarm(0.3)
    reward_spread: AlarmConfig = _alarm(0.2)
    critic_blind: AlarmConfig = _alarm(-0.1, window=10, patience=10)
    value_loss: AlarmConfig = _alarm(3.0)
