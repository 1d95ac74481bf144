"""Alarms over a run's metrics: pure functions, no torch, no files but the one that `read_alarms` reads.

    state, events, beyond = observe(state, step, metrics, cfg.alarms)      # once a step
    observe_all(rows, cfg.alarms)                                          # what they would have said of a past run

Every alarm measures one number from the mean of the newest `window` measurements of a metric and, where it is a matter
of change, from the run's start (the mean of its first `alarms.start` measurements). Beyond the threshold `patience`
times in a row it sounds, and within it as often in a row it ends. A metric that a run does not have (no critic, no
judge) leaves its alarm silent. The state is JSON and part of every checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repo_cli.config.groups_alarms import ACTIONS, AlarmConfig, AlarmsConfig

State = dict[str, Any]
#: (mean of the newest measurements, mean of the first ones) of a metric; None while there are too few of either.
Read = Callable[[str], tuple[float, float] | None]


@dataclass(frozen=True)
class Alarm:
    """One alarm: which metrics it reads, the number that it makes of them, and what it says."""

    metrics: tuple[str, ...]
    measure: Callable[[Read], tuple[float, dict[str, float]] | None]
    says: str
    advice: str
    below: bool = False  # the threshold is a lower bound
    level: bool = False  # the newest measurements alone count, not the run's start
    first: int | None = None  # measurements that make the start, where not `alarms.start`


@dataclass(frozen=True)
class Event:
    """An alarm that starts or ends. `since`: the step at which it began to be beyond (or within) the threshold."""

    name: str
    step: int
    state: str  # start | end
    value: float
    threshold: float
    since: int
    action: str
    text: str

    def row(self) -> dict[str, Any]:
        return dict(vars(self))


def _now(name: str) -> Callable[[Read], tuple[float, dict[str, float]] | None]:
    def measure(read: Read) -> tuple[float, dict[str, float]] | None:
        found = read(name)
        return None if found is None else (found[0], {"now": found[0]})

    return measure


def _change(
    name: str, make: Callable[[float, float], float | None]
) -> Callable[[Read], tuple[float, dict[str, float]] | None]:
    def measure(read: Read) -> tuple[float, dict[str, float]] | None:
        found = read(name)
        if found is None:
            return None
        value = make(*found)
        return None if value is None else (value, {"now": found[0], "start": found[1]})

    return measure


def _ratio(now: float, start: float) -> float | None:
    return now / start if start > 0 else None


def _drift(now: float, start: float) -> float | None:
    """How many times longer or shorter; a mean of 0 has no ratio."""
    return max(now / start, start / now) if now > 0 and start > 0 else None


def _apart(read: Read) -> tuple[float, dict[str, float]] | None:
    """How far the reward model's mean has risen while that of judge or rules has fallen, in standard deviations of
    single replies at the start: the lesser of both moves."""
    rm, spread = read("reward/rm"), read("reward/rm_std")
    if rm is None or spread is None or spread[1] <= 0:
        return None
    rise = (rm[0] - rm[1]) / spread[1]
    falls = {}
    for other in ("judge", "rules"):
        found, width = read(f"reward/{other}"), read(f"reward/{other}_std")
        if found is not None and width is not None and width[1] > 0:
            falls[other] = (found[1] - found[0]) / width[1]
    if not falls:
        return None
    name = max(falls, key=lambda k: falls[k])
    return min(rise, falls[name]), {"rise": rise, "fall": falls[name]}


_CALM = "lower optim.lr, or go back to an earlier checkpoint"
#: Every alarm by its name in `alarms.*`, in the order of the log.
ALARMS = {
    "length": Alarm(
        ("rollout/length_mean",),
        _change("rollout/length_mean", _drift),
        "replies have {now:.1f} tokens against {start:.1f} at the start, a factor of {value:.2f}",
        "look whether a reward likes length (repo reward check), and " + _CALM,
    ),
    "truncated": Alarm(
        ("rollout/truncated_frac",),
        _now("rollout/truncated_frac"),
        "{value:.0%} of the replies are cut off at rollout.max_new_tokens",
        "raise rollout.max_new_tokens, or look whether the policy has forgotten how to end",
        level=True,
    ),
    "repetition": Alarm(
        ("rollout/repetition",),
        _change("rollout/repetition", lambda now, start: now - start),
        "{now:.1%} of a reply's 4-grams are repeated against {start:.1%} at the start",
        _CALM + "; a rule against repetition helps",
    ),
    "entropy": Alarm(
        ("policy/entropy",),
        _change("policy/entropy", _ratio),
        "the policy's entropy is {now:.3f} nats a token against {start:.3f} at the start, {value:.0%} of it",
        "it samples ever the same: " + _CALM + ", or raise algorithm.clip_high",
        below=True,
    ),
    "rm_alone": Alarm(
        ("reward/rm", "reward/rm_std", "reward/judge", "reward/judge_std", "reward/rules", "reward/rules_std"),
        _apart,
        "the reward model's score has risen by {rise:.2f} standard deviations while judge or rules fell by {fall:.2f}",
        "the policy pleases the reward model alone: read the rollouts, let judge and rules count more, " + _CALM,
    ),
    "kl_to_base": Alarm(
        ("probe/kl_to_base",),
        _change("probe/kl_to_base", lambda now, start: now - start),
        "the KL divergence from the base without its adapter has grown by {value:.3f} nats a token, to {now:.3f}",
        "the policy is far from where it began: " + _CALM,
        first=1,  # it is measured on the same replies each time, and seldom
    ),
    "hard_violations": Alarm(
        ("reward/hard_broken_frac",),
        _change("reward/hard_broken_frac", lambda now, start: now - start),
        "{now:.0%} of the replies break a hard rule against {start:.0%} at the start",
        "let the rules count more (reward.veto), or " + _CALM,
    ),
    "judge_failures": Alarm(
        ("judge/fail_rate",),
        _now("judge/fail_rate"),
        "the judge failed on {value:.0%} of the replies",
        "see judge/outcome/* for the kinds; judge.max_failed stops a run on them",
        level=True,
    ),
    "rule_timeouts": Alarm(
        ("reward/rules_timeout_frac",),
        _now("reward/rules_timeout_frac"),
        "a pattern ran out of time on {value:.1%} of the replies, so its rule was not scored",
        "the log names the rule; write it for engine: re2",
        level=True,
    ),
    "rm_muted": Alarm(
        ("reward/rm_muted_frac",),
        _now("reward/rm_muted_frac"),
        "{value:.0%} of the replies have |R_rm| < 0.1, where judge and rules have next to no effect",
        "rm.scale=sigmoid or shifted, or reward.min_gain above 0",
        level=True,
    ),
    "reward_spread": Alarm(
        ("reward/total_std",),
        _change("reward/total_std", _ratio),
        "the rewards' standard deviation is {now:.3g} against {start:.3g} at the start, {value:.0%} of it",
        "replies get much the same reward, and there is little left to learn from: stop here, or mend the reward",
        below=True,
    ),
    "critic_blind": Alarm(
        ("critic/explained_variance",),
        _now("critic/explained_variance"),
        "the critic explains less than nothing of the returns (explained variance {value:.2f})",
        "critic.init=rm, more critic.warmup_steps, or another critic.lr",
        below=True,
        level=True,
    ),
    "value_loss": Alarm(
        ("critic/loss",),
        _change("critic/loss", _ratio),
        "the critic's loss is {now:.3g} against {start:.3g} at the start, {value:.1f} times as much",
        "lower critic.lr",
    ),
}  # fmt: skip


def action_of(name: str, cfg: AlarmsConfig) -> str:
    """What the alarm `name` does: its own action, at most `alarms.strongest`."""
    own: AlarmConfig = getattr(cfg, name)
    return min(own.action, cfg.strongest, key=ACTIONS.index)


def observe(
    state: State, step: int, metrics: Mapping[str, Any], cfg: AlarmsConfig
) -> tuple[State, list[Event], dict[str, bool]]:
    """One step's metrics. Returns the new state (the old one is left alone), the alarms that start or end with this
    step, and whether each alarm that can be measured is on.

    step: as in metrics.jsonl, from 1. state: {} before the first step.
    """
    first = {k: list(v) for k, v in state.get("first", {}).items()}
    last = {k: list(v) for k, v in state.get("last", {}).items()}
    streaks = {k: list(v) for k, v in state.get("streaks", {}).items()}
    on = dict(state.get("on", {}))
    watched = {name: alarm for name, alarm in ALARMS.items() if action_of(name, cfg) != "none"}
    longest = max((getattr(cfg, name).window for name in watched), default=1)
    fresh = set()
    for metric in dict.fromkeys(m for alarm in watched.values() for m in alarm.metrics):
        value = metrics.get(metric)
        if not isinstance(value, int | float) or not math.isfinite(value):
            continue
        fresh.add(metric)
        if len(first.setdefault(metric, [])) < cfg.start:
            first[metric].append(float(value))
        last[metric] = [*last.get(metric, []), float(value)][-longest:]
    events, active = [], {}
    for name, alarm in watched.items():
        own: AlarmConfig = getattr(cfg, name)
        if fresh.intersection(alarm.metrics):
            found = measured(name, {"first": first, "last": last}, cfg)
            if found is not None:
                event = _judge(name, alarm, own, found, step, streaks, on, action_of(name, cfg))
                events += [event] if event else []
        if any(metric in last for metric in alarm.metrics):
            active[name] = name in on
    return {"first": first, "last": last, "streaks": streaks, "on": on}, events, active


def measured(name: str, state: State, cfg: AlarmsConfig) -> tuple[float, dict[str, float]] | None:
    """The number that the alarm `name` compares with its threshold, and what it is made of; None while there are too
    few measurements."""
    alarm, window = ALARMS[name], getattr(cfg, name).window
    start = alarm.first or cfg.start
    first, last = state.get("first", {}), state.get("last", {})

    def read(metric: str) -> tuple[float, float] | None:
        newest, oldest = last.get(metric, [])[-window:], first.get(metric, [])[:start]
        if len(newest) < window or (not alarm.level and len(oldest) < start):
            return None
        return sum(newest) / window, sum(oldest) / max(1, len(oldest))

    return alarm.measure(read)


def _judge(
    name: str,
    alarm: Alarm,
    own: AlarmConfig,
    found: tuple[float, dict[str, float]],
    step: int,
    streaks: dict[str, list[int]],
    on: dict[str, int],
    action: str,
) -> Event | None:
    """Moves the alarm's streak in `streaks` ([length, step at which it began]) and its entry in `on`; the event that
    comes of it, if any."""
    value, shown = found
    beyond = value <= own.threshold if alarm.below else value >= own.threshold
    if beyond == (name in on):  # as it was
        streaks.pop(name, None)
        return None
    length, began = streaks.get(name, [0, step])
    if length + 1 < own.patience:
        streaks[name] = [length + 1, began]
        return None
    streaks.pop(name, None)
    said = alarm.says.format(value=value, **shown)
    limit = f"threshold {own.threshold:g}, since step {began}"
    if beyond:
        on[name] = began
        text = f"alarm {name}: {said} ({limit}): {alarm.advice}"
        return Event(name, step, "start", value, own.threshold, began, action, text)
    del on[name]
    return Event(
        name, step, "end", value, own.threshold, began, action, f"alarm {name} is over: {said} ({limit})"
    )


def observe_all(
    rows: Iterable[Mapping[str, Any]], cfg: AlarmsConfig
) -> tuple[list[Event], list[dict[str, bool]]]:
    """What the alarms say of a whole history (the rows of a metrics.jsonl): (events, what is on after each step)."""
    state: State = {}
    events: list[Event] = []
    active = []
    for number, row in enumerate(rows, start=1):
        state, found, now = observe(state, int(row.get("step", number)), row, cfg)
        events += found
        active.append(now)
    return events, active


def read_alarms(path: Path) -> list[dict[str, Any]]:
    """The alarms of a run from its alarms.jsonl, in the order in which they started: {name, step, until, value,
    threshold, since, action, text}. `until` is the step at which it was over, None while it lasts. A file that is not
    there holds none; a line that cannot be read is passed over."""
    spans: list[dict[str, Any]] = []
    if not path.is_file():
        return spans
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if not isinstance(row, dict) or not isinstance(row.get("name"), str) or "step" not in row:
            continue
        if row.get("state") == "start":
            kept = ("name", "step", "value", "threshold", "since", "action", "text")
            spans.append({**{k: row.get(k) for k in kept}, "until": None})
        else:
            for span in reversed(spans):
                if span["name"] == row["name"] and span["until"] is None:
                    span["until"] = row["step"]
                    break
    return spans
