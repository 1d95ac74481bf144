"""Keys of what a reply is worth: reward model, judge, rubric, rules, SOP, combination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repo_cli.config.fields import key, section

COMBINES = ("enhance", "rm", "judge", "rules", "judge_and_rules", "weighted_sum", "normalised_sum")


@dataclass
class RmConfig:
    path: str | None = key(None, "final/ of repo train-rm")
    scale: str = key("sigmoid", "zero point of the score", choices=("centered", "shifted", "sigmoid", "raw"))
    shift: float = key(2.0, "standard deviations added by scale=shifted")
    batch_tokens: int = key(16384, "padded tokens scored at once", lo=1)


@dataclass
class JudgeConfig:
    kind: str = key("none", "which judge", choices=("none", "local"))
    path: str | None = key(None, "final/ of an adapter on the same base, or any causal model")
    weight: float = key(1.0, "multiplies the judge's mean criterion", lo=0)
    on_missing: str = key("drop_row", "a reply without a judge score", choices=("drop_row", "rules_only"))
    prompt: str = key("full", "wording of the judge's prompt", choices=("full", "compact"))
    batch_tokens: int = key(16384, "padded tokens judged at once", lo=1)
    max_length: int = key(4096, "longest judge prompt in tokens", lo=16)


@dataclass
class RubricConfig:
    """The rubric file itself; each criterion is checked by the judge that reads it."""

    name: str = key("none", "label in reports")
    scale: list[int] = key([1, 5], "lowest and highest score")
    criteria: dict[str, Any] = key({}, "the criteria by id", free=True)


@dataclass
class RulesConfig:
    """The rule set itself; each rule is checked by `repo_cli.rewards.rules` when the set is loaded."""

    name: str = key("none", "label in reports")
    language: list[str] = key([], "languages that the patterns are written for")
    rules: dict[str, Any] = key({}, "the rules by id; null switches one off", free=True)
    example_context: dict[str, Any] = key(
        {}, "scenario and history of the examples that bring none, by language", free=True
    )


@dataclass
class SopConfig:
    """The standard operating procedure itself; its stages are checked by `repo_cli.negotiation`."""

    name: str = key("none", "label in reports")
    stages: dict[str, Any] = key({}, "the stages by id", free=True)


@dataclass
class WeightsConfig:
    rm: float = key(1.0, "weight of the reward model in a sum")
    judge: float = key(1.0, "weight of the judge in a sum")
    rules: float = key(1.0, "weight of the rules in a sum")


@dataclass
class RewardConfig:
    combine: str = key("enhance", "how the three sources become one reward", choices=COMBINES)
    n: float = key(2.0, "the correction saturates at -n and n", above=0)
    min_gain: float = key(0.0, "least |R_rm| that the correction works on", lo=0)
    veto: float | None = key(None, "a reply that breaks a hard rule gets at most -veto; null = off", lo=0)
    weights: WeightsConfig = section(WeightsConfig)
