"""A judge outside of training: for `repo judge check` and `repo sample`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from repo_cli.config.inputs import judge_inputs
from repo_cli.errors import UserError
from repo_cli.rewards.judge import Judge, LocalJudge
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.judge_writing import WritingJudge
from repo_cli.rewards.rubric import Rubric
from repo_cli.training.distributed import world_size

DAY_S = 86_400.0


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
        first: Judge = RemoteJudge.open(cfg, ranks=world_size())
    else:
        from pathlib import Path

        from repo_cli.models.backbone import Backbone

        # no policy is at work here: the base is the judge's own, which the manifest of an adapter names
        if Path(cfg.judge.path).expanduser().exists():
            cfg.policy.parent = cfg.judge.path
        else:
            cfg.policy.parent, cfg.policy.path = None, cfg.judge.path
        first = LocalJudge.open(
            cfg, Backbone.load(cfg, cfg.engine.device if cfg.engine.device != "auto" else "cpu")
        )

    def make(rubric: Rubric | None = None) -> Judge:
        if rubric is None:
            return first
        if isinstance(first, RemoteJudge):
            other = RemoteJudge.open(cfg, ranks=world_size())
            other.set_rubric(rubric)
            return other
        assert isinstance(first, LocalJudge | WritingJudge)
        return first.with_rubric(rubric)

    return make
