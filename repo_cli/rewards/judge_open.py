"""The judge of a configuration, opened; and one outside of training, for `repo judge check` and `repo sample`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from repo_cli.config.inputs import judge_inputs
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge import Judge, LocalJudge
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.judge_screen import screened
from repo_cli.rewards.rubric import Rubric
from repo_cli.training.distributed import world_size

DAY_S = 86_400.0


def open_judge(cfg: Any, backbone: Backbone | None = None) -> Judge:
    """The judge of the configuration, behind the rules of its rule set that screen for it (judge_screen.py).

    backbone: what a judge on this machine stands on; one elsewhere needs none.
    """
    judge: Judge
    if cfg.judge.kind == "openai":
        judge = RemoteJudge.open(cfg, ranks=world_size())
    else:
        assert backbone is not None
        judge = LocalJudge.open(cfg, backbone)
    return screened(judge, cfg)


def judge_maker(cfg: Any) -> Callable[[Rubric | None], Judge]:
    """Opens the judge of the configuration once, and gives it with any rubric (None = the configuration's own).

    Raises UserError where there is no judge, or one cannot be opened.
    """
    if cfg.judge.kind == "none":
        raise UserError(
            "judge.kind=none: there is no judge to ask", hint="judge=openai judge.api.url=..., or judge=local"
        )
    for problem in judge_inputs(cfg):
        raise problem
    if cfg.judge.kind == "openai":
        cfg.judge.api.deadline_s = max(cfg.judge.api.deadline_s, DAY_S)  # no training step waits for it
        first = open_judge(cfg)
    else:
        # no policy is at work here: the base is the judge's own, which the manifest of an adapter names
        if Path(cfg.judge.path).expanduser().exists():
            cfg.policy.parent = cfg.judge.path
        else:
            cfg.policy.parent, cfg.policy.path = None, cfg.judge.path
        device = cfg.engine.device if cfg.engine.device != "auto" else "cpu"
        first = open_judge(cfg, Backbone.load(cfg, device))
    return lambda rubric: first if rubric is None else first.with_rubric(rubric)
