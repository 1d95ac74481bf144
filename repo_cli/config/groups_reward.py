"""Keys of what a reply is worth: reward model, judge, rubric, rules, SOP, combination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repo_cli.config.fields import key, section

COMBINES = ("enhance", "rm", "judge", "rules", "judge_and_rules", "weighted_sum", "normalised_sum", "own")


@dataclass
class RmConfig:
    path: str | None = key(None, "final/ of repo train-rm")
    scale: str = key("sigmoid", "zero point of the score", choices=("centered", "shifted", "sigmoid", "raw"))
    shift: float = key(2.0, "standard deviations added by scale=shifted")
    batch_tokens: int = key(16384, "padded tokens scored at once", lo=1)


@dataclass
class JudgeApiConfig:
    """An OpenAI-compatible endpoint, and how it is asked. Limits and budgets hold for all ranks together."""

    url: str | None = key(None, "base address of the endpoint, such as http://127.0.0.1:8000/v1")
    model: str | None = key(None, "name of the model as the endpoint knows it")
    key_env: str | None = key(
        None, "environment variable that holds the key; the key itself is never written"
    )
    temperature: float = key(0.0, "sampling temperature of the judge", lo=0)
    max_tokens: int = key(2048, "longest answer in tokens", lo=1)
    top_logprobs: int = key(20, "likeliest tokens asked for at each place (judge.scoring=labels)", lo=1)
    response_format: str = key(
        "auto", "how json is asked for", choices=("auto", "json_schema", "json_object", "text")
    )
    body: dict[str, Any] = key({}, "further fields of the request, as the server knows them", free=True)
    concurrency: int = key(16, "requests on their way at once", lo=1)
    rpm: float | None = key(None, "requests a minute; null = no limit", above=0)
    tpm: float | None = key(None, "tokens a minute, prompt and answer; null = no limit", above=0)
    timeout_s: float = key(60.0, "seconds for one request", above=0)
    retries: int = key(4, "further tries of a request that failed in transport", lo=0)
    backoff_s: float = key(0.5, "first pause before a further try; doubled each time", above=0)
    backoff_max_s: float = key(30.0, "longest such pause", above=0)
    deadline_s: float = key(300.0, "seconds that a step waits for the judge in all", above=0)
    give_up_after: int = key(20, "questions lost in a row after which the rest of a step is not asked", lo=1)
    cache: bool = key(True, "keep answers in cache_dir, for the same question of any later run")
    price_in: float = key(0.0, "money for a million prompt tokens", lo=0)
    price_out: float = key(0.0, "money for a million answer tokens", lo=0)
    budget: float | None = key(None, "money that a run may spend; null = no limit", lo=0)
    budget_tokens: float | None = key(None, "tokens that a run may use; null = no limit", lo=0)


@dataclass
class JudgeConfig:
    kind: str = key("none", "which judge", choices=("none", "local", "openai"))
    path: str | None = key(None, "final/ of an adapter on the same base, or any causal model")
    weight: float = key(1.0, "multiplies the judge's mean criterion", lo=0)
    on_missing: str = key("drop_row", "a reply without a judge score", choices=("drop_row", "rules_only"))
    max_failed: float | None = key(
        0.5, "share of replies not scored that stops the run with a checkpoint", above=0, hi=1
    )
    failed_window: int = key(32, "least number of replies that this share is taken over", lo=1)
    prompt: str = key("full", "wording of the judge's prompt", choices=("full", "compact"))
    scoring: str = key("labels", "how a score is read", choices=("labels", "json"))
    mode: str = key("together", "criteria in one request", choices=("together", "each"))
    redact: bool = key(False, "mask phones, e-mails and the scenario's names before text leaves this machine")
    batch_tokens: int = key(16384, "padded tokens judged at once", lo=1)
    max_length: int = key(4096, "longest judge prompt in tokens", lo=16)
    api: JudgeApiConfig = section(JudgeApiConfig)


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
    words: dict[str, Any] = key({}, "word lists that patterns share, by language and name", free=True)
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
    combine: str = key("enhance", "how the sources become one reward", choices=COMBINES)
    n: float = key(2.0, "the correction saturates at -n and n", above=0)
    min_gain: float = key(0.0, "least |R_rm| that the correction works on", lo=0)
    veto: float | None = key(None, "a reply that breaks a hard rule gets at most -veto; null = off", lo=0)
    weights: WeightsConfig = section(WeightsConfig)
    own: dict[str, Any] = key(
        {}, "rewards of your own by name: {_target_: package.module.Class, weight, args}", free=True
    )
