"""A judge that is not shown what is meant to sway it: rules with `screen: true` look at every reply first. No torch.

A prompt alone does not keep a judge from being talked up. What trips a screening rule has the lowest score by every
criterion, also by those that may not apply, so that E_judge is the least there is: an attack is never worth more than
the weak reply without it. The judge is not asked, nothing is paid and nothing cached. Only the reply is looked at: an
earlier turn of the dialogue was screened when it was rated itself, and is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from repo_cli.rewards.judge_prompt import SCREENED, JudgeScore
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.rubric import Rubric
from repo_cli.rewards.rules import RuleSet

if TYPE_CHECKING:
    from repo_cli.rewards.judge import Judge

Item = Mapping[str, Any]


class ScreenedJudge:
    """A judge behind the rules that screen for it; asked as the judge itself. `rules` holds no others."""

    def __init__(self, judge: Judge, rules: RuleSet) -> None:
        self.judge, self.rules, self.rubric = judge, rules, judge.rubric

    def with_rubric(self, rubric: Rubric) -> ScreenedJudge:
        """The same judge, behind the same rules, asked by another rubric."""
        return ScreenedJudge(self.judge.with_rubric(rubric), self.rules)

    def score(self, items: Sequence[Item]) -> list[JudgeScore]:
        """Scores of items {scenario, history, reply}, in their order; outcome "screened" where the judge was not
        asked."""
        known = [self._lowest(item) for item in items]
        said = iter(self.judge.score([item for item, low in zip(items, known, strict=True) if low is None]))
        return [next(said) if low is None else low for low in known]

    def submit(self, item: Item) -> Future[JudgeScore]:
        """As RemoteJudge.submit, where the judge is elsewhere."""
        lowest = self._lowest(item)
        if lowest is None:
            return self._remote.submit(item)
        known: Future[JudgeScore] = Future()
        known.set_result(lowest)
        return known

    def gather(self, futures: Sequence[Future[JudgeScore]]) -> list[JudgeScore]:
        """As RemoteJudge.gather, where the judge is elsewhere."""
        return self._remote.gather(futures)

    @property
    def _remote(self) -> RemoteJudge:
        assert isinstance(self.judge, RemoteJudge)
        return self.judge

    def _lowest(self, item: Item) -> JudgeScore | None:
        """The score of a reply that trips a rule, None for every other."""
        broken = self.rules.score(item["reply"], item.get("scenario") or {}, item["history"]).violations
        if not broken:
            return None
        scores: dict[str, float | None] = dict.fromkeys(self.rubric.criteria, float(self.rubric.low))
        return JudgeScore(scores, SCREENED, detail=f"rule {broken[0].rule}")


def screened(judge: Judge, cfg: Any) -> Judge:
    """The judge behind the screening rules of a run's rule set; itself where there are none."""
    chosen = {
        name: rule
        for name, rule in cfg.rules.rules.items()
        if isinstance(rule, Mapping) and rule.get("screen")
    }
    if not chosen:
        return judge
    return ScreenedJudge(judge, RuleSet.from_config({"words": cfg.rules.words, "rules": chosen}, cfg.sop))


def elsewhere(judge: Judge | None) -> RemoteJudge | None:
    """The judge behind an endpoint, screened or not; None for one on this machine."""
    inner = judge.judge if isinstance(judge, ScreenedJudge) else judge
    return inner if isinstance(inner, RemoteJudge) else None
