"""The steps of a pipeline: `like` filled in, put in order, checked. No torch.

    steps:
      sft: {stage: sft, set: {policy.parent: "step:base", optim.lr: 2.0e-3}}
      hot: {like: sft, about: the same at a higher rate, set: {optim.lr: 8.0e-3}}

A step may stand on another (`like`: its settings first, then its own), and may refer to any other step (`step:NAME`),
wherever that one is written: each runs after those that it names. A step set to null is left out, and so is a system of
`eval.systems`, so that an experiment which begins with another one's steps can drop some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from repo_cli.config.build import free_part
from repo_cli.errors import UserError, nearest

STEP = "step:"  # policy.parent=step:sft names another step of the pipeline
_SYSTEMS = "eval.systems"
STEP_KEYS = ("stage", "like", "about", "cache", "set")
_OWN = ("name", "seed", "runs_dir", "cache_dir", "force")  # keys without a dot that a step may set


def expand(steps: Any) -> Any:
    """The steps as they run: names -> {stage, about, cache, set}, each after those that it names.

    What is no mapping of mappings is left for `check_steps` to answer. Raises UserError for an unknown `like` and for
    steps that wait for each other.
    """
    if not isinstance(steps, Mapping):
        return steps
    steps = {str(name): step for name, step in steps.items() if step is not None}
    return _ordered({name: _filled(name, steps, ()) for name in steps})


def _filled(name: str, steps: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    """One step with the settings of the step that it is `like`, and of those above that one."""
    step = _without_nulls(steps[name])
    if not isinstance(step, Mapping) or step.get("like") is None:
        return step
    model = str(step["like"])
    if model not in steps or model in (*above, name):
        near = nearest(model, [other for other in steps if other != name])
        raise UserError(
            f"pipeline.steps.{name}.like={model} names no other step"
            + (" (they stand on each other)" if model in above else ""),
            hint=f"did you mean {near}?" if near else "like: NAME of a step of this pipeline",
        )
    whole = _filled(model, steps, (*above, name))
    if not isinstance(whole, Mapping):
        return step
    first, own = whole.get("set") or {}, step.get("set") or {}
    if not (isinstance(first, Mapping) and isinstance(own, Mapping)):
        return step
    return {**whole, **{k: v for k, v in step.items() if k not in ("like", "set")}, "set": {**first, **own}}


def _without_nulls(step: Any) -> Any:
    """A step whose `eval.systems` says null for a system is played without it."""
    settings = step.get("set") if isinstance(step, Mapping) else None
    systems = settings.get(_SYSTEMS) if isinstance(settings, Mapping) else None
    if not isinstance(systems, Mapping) or settings is None:
        return step
    kept = {name: what for name, what in systems.items() if what is not None}
    return {**step, "set": {**settings, _SYSTEMS: kept}}


def _ordered(steps: dict[str, Any]) -> dict[str, Any]:
    """As written, but each after the steps that it names."""
    waiting, done = dict(steps), {}
    while waiting:
        ready = next((n for n, s in waiting.items() if not (named(s) & waiting.keys() - {n})), None)
        if ready is None:
            raise UserError(
                f"pipeline.steps: {', '.join(waiting)} wait for each other",
                hint="a step may use what another makes (step:NAME), but not in a circle",
            )
        done[ready] = waiting.pop(ready)
    return done


def named(step: Any) -> set[str]:
    """The steps that a step refers to, and so has to wait for."""
    settings = step.get("set") if isinstance(step, Mapping) else None
    values = list(settings.values()) if isinstance(settings, Mapping) else []
    texts = [text for value in values for text in _inside(value)]
    return {v.removeprefix(STEP) for v in texts if isinstance(v, str) and v.startswith(STEP)}


def _inside(value: Any) -> list[Any]:
    """What a setting's value holds: of a mapping or a list its items."""
    return (
        list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    )


def check_steps(steps: dict[str, Any], stages: tuple[str, ...]) -> None:
    """Raises UserError unless steps have a known stage and known keys, and refer only to steps before them."""
    seen: list[str] = []
    for name, step in steps.items():
        where = f"pipeline.steps.{name}"
        if not re.fullmatch(r"\w[\w-]*", str(name)):
            raise UserError(f"{where}: a step's name has letters, digits, - and _ only")
        if not isinstance(step, dict):
            raise UserError(
                f"{where} must be a mapping with the key stage", hint="name: {stage: sft, set: {...}}"
            )
        if unknown := sorted(set(step) - set(STEP_KEYS)):
            raise UserError(
                f"{where}.{unknown[0]} is not a configuration key",
                hint=f"keys of a step: {', '.join(STEP_KEYS)}",
            )
        if step.get("stage") not in stages:
            guess = nearest(str(step.get("stage")), stages)
            hint = f"allowed values: {', '.join(stages)}" + (f"; did you mean {guess}?" if guess else "")
            raise UserError(f"{where}.stage={step.get('stage')} is not allowed", hint=hint)
        settings = step.get("set") or {}
        if not isinstance(settings, dict):
            raise UserError(f"{where}.set must be a mapping of dotted keys", hint="set: {lora.r: 16}")
        for dotted, value in settings.items():
            _check_setting(where, str(dotted), value, seen)
        seen.append(name)


def _check_setting(where: str, dotted: str, value: Any, seen: list[str]) -> None:
    if "." in dotted or dotted in _OWN:
        try:
            free_part(dotted)
        except UserError as error:
            raise UserError(f"{where}.set: {error.message}", hint=error.hint) from None
    for text in _inside(value):
        if isinstance(text, str) and text.startswith(STEP) and text[len(STEP) :] not in seen:
            hint = f"steps before it: {', '.join(seen) or 'none'}"
            raise UserError(f"{where}.set: {dotted}={text} names no step before this one", hint=hint)
