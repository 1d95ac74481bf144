"""Keys of data, world and the single stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repo_cli.config.fields import key, section

EXPERTS = {
    "strict": {"bias": -0.2, "noise": 0.3, "flip": 0.05},
    "even": {"bias": 0.0, "noise": 0.25, "flip": 0.03},
    "kind": {"bias": 0.25, "noise": 0.35, "flip": 0.06},
}
COUNTERPART = (
    "You play the hotel's side in a chat about a room price; the other side is a booking platform's agent. "
    "Stay in your part, answer in one or two short sentences, in the language of the scenario, and never speak for "
    "the agent. You know this, and do not tell what is hidden: {scenario}\n"
    "When you and the agent have agreed and it has confirmed the price, end your message with [[deal PRICE]]. "
    "When you leave without an agreement, end it with [[end refused]], [[end callback]], [[end handover]], "
    "[[end optout]] or [[end hangup]]. Otherwise write no brackets."
)
EVAL_SETS = ("online", "badcases", "replies")


@dataclass
class DataConfig:
    path: str | None = key(None, "a file, a hub name, or world:<corpus>")
    also: list[str] = key([], "more rows of the same kind, after those of data.path and whole")
    val_path: str | None = key(None, "held-out rows; null = a part of data.path")
    val_fraction: float = key(0.05, "part held out when val_path is null", lo=0, hi=0.9)
    limit: int | None = key(None, "use at most this many rows", lo=1)
    on_bad_row: str = key("fail", "what a bad row does", choices=("fail", "skip"))
    shuffle: bool = key(True, "new order of rows in each epoch")


@dataclass
class WorldConfig:
    name: str = key("hotel", "which built-in world")
    language: str = key("en", "the language that it speaks", choices=("en", "zh"))
    seed: int = key(0, "all its scenarios and dialogues follow from this number", lo=0)


@dataclass
class SftConfig:
    epochs: int = key(3, "passes over the data", lo=1)
    batch_size: int = key(32, "samples in one optimizer step, over all ranks", lo=1)
    max_steps: int | None = key(None, "end after this many steps; null = all epochs", lo=1)
    number_weight: float = key(1.0, "loss weight of an agent's tokens with digits", above=0)
    context_weight: float = key(0.0, "loss weight of all other tokens; 0 = the agent's only", lo=0, hi=1)
    max_messages: int | None = key(
        None, "train on windows: system and the last k messages; null = whole", lo=1
    )


@dataclass
class TrainRmConfig:
    epochs: int = key(1, "passes over the pairs", lo=1)
    batch_size: int = key(32, "pairs in one optimizer step, over all ranks", lo=1)
    max_steps: int | None = key(None, "end after this many steps; null = all epochs", lo=1)
    center_coef: float = key(0.01, "weight of the squared sum of a pair's scores", lo=0)
    calibration_fraction: float = key(
        0.1, "part of the pairs held out to measure mean and spread", above=0, hi=0.5
    )
    label_smoothing: float = key(0.0, "share of pairs taken to be labelled wrongly", lo=0, hi=0.49)
    ties: str = key("drop", "pairs without a winner: margin 0, or both ways round", choices=("drop", "keep"))
    repeats: str = key("drop", "the same pair again", choices=("drop", "keep"))


@dataclass
class DpoConfig:
    epochs: int = key(1, "passes over the pairs", lo=1)
    batch_size: int = key(32, "pairs in one optimizer step, over all ranks", lo=1)
    max_steps: int | None = key(None, "end after this many steps; null = all epochs", lo=1)
    loss: str = key("sigmoid", "DPO's own loss, or IPO's squared one", choices=("sigmoid", "ipo"))
    label_smoothing: float = key(0.0, "sigmoid: share of pairs taken to be labelled wrongly", lo=0, hi=0.49)
    per_token: bool = key(False, "mean log-prob of a reply's tokens instead of their sum")
    reference: str = key("precompute", "log-probs of the starting policy", choices=("precompute", "adapter"))
    eval_every: int = key(0, "steps between two looks at held-out pairs; 0 = only at the end", lo=0)


@dataclass
class SampleConfig:
    n: int = key(2, "replies to each prompt", lo=1)
    annotator: str = key("world", "who compares and grades the replies", choices=("world", "judge"))
    margin: float = key(0.1, "judge: least difference of two replies' scores (-1 to 1) in a pair", lo=0, hi=2)


@dataclass
class RlConfig:
    steps: int = key(100, "rollout-and-update rounds", lo=1)
    batch_size: int = key(64, "replies in one step, over all ranks", lo=1)
    partner: str = key("none", "who answers the sampled replies", choices=("none", "world"))
    follow: float = key(0.0, "chance that a dialogue goes on in the next step", lo=0, hi=1)
    preflight: bool = key(True, "check ratios, rewards and gradients before the first step")
    preflight_action: str = key("warn", "what a trick that pays does", choices=("warn", "stop"))
    preflight_contexts: int = key(4, "prompts that the tricks are tried on; 0 = none are tried", lo=0)
    eval_every: int = key(0, "steps between two looks at development dialogues; 0 = never", lo=0)
    eval_n: int = key(30, "dialogues in such a look", lo=1)


@dataclass
class EndpointConfig:
    key_variable: str = key("OPENAI_API_KEY", "environment variable that holds the key; empty = none is sent")
    temperature: float = key(0.0, "sampling temperature asked for", lo=0)
    max_tokens: int = key(512, "longest reply asked for", lo=1)
    timeout_s: float = key(60.0, "seconds before a request is given up", above=0)
    retries: int = key(3, "further tries after a failure", lo=0)
    backoff_s: float = key(1.0, "wait before the first further try; doubled each time", lo=0)
    concurrency: int = key(8, "requests at once", lo=1)


@dataclass
class EvalConfig:
    systems: dict[str, Any] = key({}, "name of each system and what it is", free=True)
    baseline: str | None = key(None, "the system that others are compared with; null = sft, or the first")
    sets: list[str] = key(["online", "badcases", "replies"], "what is evaluated", choices=EVAL_SETS)
    split: str = key("test", "the world's scenarios that dialogues are about", choices=("test", "dev"))
    path: str | None = key(None, "prompts of your own in place of the world's scenarios")
    badcases_path: str | None = key(None, "bad cases of your own")
    rater: str = key("oracle", "who rates", choices=("oracle", "judge", "none"))
    counterpart: str = key("world", "who plays the partner: world, or endpoint:MODEL@URL")
    counterpart_prompt: str = key(
        COUNTERPART, "what a counterpart at an endpoint is told; {scenario} is filled in"
    )
    endpoint: EndpointConfig = section(EndpointConfig)
    experts: dict[str, Any] = key(EXPERTS, "simulated experts: name -> {bias, noise, flip}", free=True)
    consensus: str = key("median", "how the panel agrees on a rating", choices=("median", "majority"))
    n_online: int = key(30, "held-out dialogues with the counterpart", lo=1)
    n_badcases: int = key(45, "held-out bad-case dialogues", lo=1)
    offset: int = key(0, "number of the first held-out dialogue and bad case", lo=0)
    n_replies: int = key(90, "recorded contexts, answered once each beside a gold reply", lo=1)
    trials: int = key(1, "times each scenario is played", lo=1)
    max_turns: int = key(10, "agent turns before a dialogue is cut", lo=1)
    batch_size: int = key(64, "dialogues held at once", lo=1)
    seed: int = key(0, "seed of sampling and counterpart", lo=0)
    samples: int = key(2, "dialogues printed side by side at the end", lo=0)
    bootstrap: int = key(10000, "resamples behind an interval", lo=100)


@dataclass
class PipelineConfig:
    steps: dict[str, Any] = key(
        {}, "the steps: name -> {stage, like, about, cache, set: {dotted.key: value}}", free=True
    )
    seeds: list[int] = key([], "all steps are run for each of these; empty = the run's own seed")
    table: str | None = key(None, "one table at the end: the system that it compares with the others")
    at_once: int = key(1, "steps that run at the same time, each with its share of the CPU cores", lo=1)
