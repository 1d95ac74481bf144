"""Rewards of the user's own: any importable Python class or function, named in the configuration.

    # my_rewards.py, in the working directory, on PYTHONPATH, or in an installed package
    class Brief:
        def __init__(self, words: int = 25) -> None:
            self.words = words

        def score(self, items: list[dict]) -> list[float | None]:
            return [min(0.0, 1.0 - len(item["reply"].split()) / self.words) for item in items]

    # in a YAML file of reward/ or of an experiment; or typed: reward.own.brief._target_=my_rewards.Brief
    reward:
      own:
        brief: {_target_: my_rewards.Brief, weight: 0.5, args: {words: 20}}

A class is made once a process with `args` and asked by its `score(items)`; a function is called as
`function(items, **args)`. Both give one finite number for each item, or None where a reply is none of their business
(it is then left out, as a rule that does not apply; a fault of the code's own should raise, and stops the run with a
checkpoint). Each item is a copy that the code may do anything with:

    scenario   what the agent may know of it; never its hidden side
    history    the messages before the reply [{role, content}]
    reply      the text
    finished   False where the reply was cut at its longest
    answer     the partner's next turn {text, ended, outcome} where there is one (rl.partner), else None
    rules      {total, fired: [{rule, severity, weight, text, span}], violations: [rules], not_scored: [rules]};
               None without a rule set

What it counts for: it is a programmatic reward, the paper's RF, as a rule is. So in `reward.combine=enhance` weight
times score joins E = clip(E_judge + E_rules + E_own, -n, n), which scales the reward model's score; in judge_and_rules
it is a summand; in weighted_sum, normalised_sum and GDPO it is a source with its weight; alone it is
reward.combine=own. With weight 0, or a combination that does not read it, it is only watched: in the log and the
rollouts, not in the total.

The path is the configuration's, so whoever can set it can run code, as with any Python program: do not resume a run
directory of somebody you do not trust. It is never taken from data, and what an adapter's frozen configuration names is
imported by no evaluation, report or later stage. On several ranks each has an object of its own and its own share of
the replies; what it keeps between steps is not in the checkpoint.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from repo_cli.config.own import OwnReward, own_rewards
from repo_cli.dialogue.scenario import public_side
from repo_cli.errors import Stopped, UserError, nearest
from repo_cli.rewards.rule_result import RuleResult

log = logging.getLogger("repo")
#: Scores of a batch of items; may be anything that the user's code returns.
Score = Callable[[list[dict[str, Any]]], Any]
_LARGEST = torch.finfo(torch.float32).max


class OwnRewards:
    """All of `reward.own`, imported and made once. Empty where none is configured.

    Raises UserError for a path that cannot be imported or called, and for arguments that do not fit.
    """

    def __init__(self, sources: Mapping[str, OwnReward]) -> None:
        self.sources = dict(sources)
        self._score = {name: load(name, source) for name, source in self.sources.items()}

    @classmethod
    def of(cls, cfg: Any) -> OwnRewards:
        """Those of a configuration."""
        return cls(own_rewards(cfg.reward.own))

    def __bool__(self) -> bool:
        return bool(self.sources)

    @property
    def weights(self) -> dict[str, float]:
        """By name, without those that are only watched."""
        return {name: source.weight for name, source in self.sources.items() if source.weight}

    def score(self, items: Sequence[Mapping[str, Any]], ruled: Sequence[RuleResult]) -> dict[str, Tensor]:
        """By name `[batch]`, float32, NaN = not scored (None), without the weight. ruled: the rules' results, or empty.

        Raises UserError where the code fails, or gives anything else than a finite number or None for each item.
        """
        out = {}
        for name, score in self._score.items():
            where = f"reward.own.{name} ({self.sources[name].target})"
            with torch.no_grad():
                out[name] = torch.tensor(_ask(where, score, items, ruled), dtype=torch.float32)
        return out


def load(name: str, source: OwnReward) -> Score:
    """The function that scores a list of items, made from an entry of `reward.own`."""
    where = f"reward.own.{name}"
    found = _import(f"{where}._target_={source.target}", source.target)
    if not callable(found):
        raise UserError(
            f"{where}._target_={source.target} is {type(found).__name__}, and neither a class nor a function"
        )
    if not inspect.isclass(found):
        _check_arguments(where, found, ([],), source.args)
        made: Any = partial(found, **source.args)
    else:
        _check_arguments(where, found, (), source.args)
        try:
            made = getattr(found(**source.args), "score", None)
        except Stopped:
            raise
        except Exception as error:
            raise UserError(f"{where}: making {source.target} raised {_reason(error)}") from error
        if not callable(made):
            raise UserError(
                f"{where}._target_={source.target} has no method score",
                hint="def score(self, items: list[dict]) -> list[float | None]",
            )
        _check_arguments(where, made, ([],), {})
    if inspect.iscoroutinefunction(made):
        raise UserError(f"{where}._target_={source.target} is async, and a plain function is wanted")
    return made


def _import(where: str, target: str) -> Any:
    """What a path names. The working directory is looked into last, so that nothing there hides a library."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    path, _, last = target.rpartition(".")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path + ".").startswith(error.name + "."):
            raise UserError(f"{where}: importing {path} raised {_reason(error)}") from error
        raise UserError(
            f"{where}: there is no module {error.name}",
            hint="its folder must be the working directory, on PYTHONPATH, or an installed package's",
        ) from None
    except Stopped:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{where}: importing {path} raised {_reason(error)}") from error
    if not hasattr(module, last):
        near = nearest(last, [name for name in vars(module) if not name.startswith("_")])
        raise UserError(
            f"{where}: {path} has no {last}",
            hint=f"did you mean {near}?" if near else f"it is {getattr(module, '__file__', None) or path}",
        )
    return getattr(module, last)


def _check_arguments(where: str, made: Any, given: tuple[Any, ...], args: dict[str, Any]) -> None:
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):  # some built-ins have none
        return
    names = signature.parameters
    for unknown in [] if any(p.kind is p.VAR_KEYWORD for p in names.values()) else args.keys() - names.keys():
        near = nearest(unknown, names)
        raise UserError(
            f"{where}.args.{unknown} does not fit {signature}", hint=f"did you mean {near}?" if near else None
        )
    try:
        signature.bind(*given, **args)
    except TypeError as error:
        first = "a list of items, and the args by name" if given else "the args by name"
        raise UserError(f"{where}.args do not fit {signature}: {error}", hint=f"it gets {first}") from None


def _shown(item: Mapping[str, Any], ruled: RuleResult | None) -> dict[str, Any]:
    """What the user's code sees of a reply: copies, so that nothing it does there reaches the run."""
    rules = None
    if ruled is not None:
        rules = {
            "total": ruled.total,
            "fired": [fired._asdict() for fired in ruled.fired],
            "violations": [fired.rule for fired in ruled.violations],
            "not_scored": [rule for rule, _ in ruled.not_scored],
        }
    return {
        "scenario": copy.deepcopy(public_side(item.get("scenario"))),
        "history": copy.deepcopy(list(item["history"])),
        "reply": item["reply"],
        "finished": bool(item.get("finished", True)),
        "answer": copy.deepcopy(item.get("answer")),
        "rules": rules,
    }


def _ask(
    where: str, score: Score, items: Sequence[Mapping[str, Any]], ruled: Sequence[RuleResult]
) -> list[float]:
    """One number for each item, NaN for None. The code is not asked about nothing (a rank without replies)."""
    if not items:
        return []

    def shown() -> list[dict[str, Any]]:
        return [_shown(item, ruled[i] if ruled else None) for i, item in enumerate(items)]

    try:
        found = _listed(score(shown()))
    except Stopped:
        raise
    except Exception as error:
        log.info("".join(traceback.format_exception(error)))  # for the run's log.txt
        which, reason = _culprit(score, shown(), error)
        raise UserError(f"{where} raised {reason} on {which}") from error
    if found is None or len(found) != len(items):
        gave = "no list" if found is None else f"{len(found)} scores"
        raise UserError(
            f"{where} gave {gave} for {len(items)} replies", hint="a list: one number, or None, for each item"
        )
    return [_number(where, value, i, len(items)) for i, value in enumerate(found)]


def _listed(found: Any) -> list[Any] | None:
    """A list of what the code gave (an array or a tensor too); None where it is none."""
    if hasattr(found, "tolist"):
        found = found.tolist()
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        return None
    return list(found)


def _culprit(score: Score, items: list[dict[str, Any]], error: Exception) -> tuple[str, str]:
    """(the first reply on which the code fails alone, why); all of them where none does."""
    for i, item in enumerate(items):
        try:
            _listed(score([item]))
        except Exception as alone:
            return f"reply {i + 1} of {len(items)}: {item['reply'][:80]!r}", _reason(alone)
    return f"the {len(items)} replies of a batch together", _reason(error)


def _number(where: str, value: Any, i: int, count: int) -> float:
    if value is None:
        return math.nan
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST:  # NaN too
        raise UserError(
            f"{where} gave {str(value)[:80]!r} for reply {i + 1} of {count}, which is no finite number",
            hint="None says that a reply is not scored",
        )
    return number


def _reason(error: BaseException) -> str:
    """Kind and text of an error, and the line of code where it came up."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    at = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {text[0][:200]}' if text else ''}{at}"
