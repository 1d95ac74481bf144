"""Rules and a judge elsewhere at work on replies while others are still being generated.

They need no accelerator. What was handed in early is used only for the very same reply at the same place; any other
is scored when it is collected, so nothing hangs on who called `take`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from repo_cli.rewards.judge import Judge
from repo_cli.rewards.judge_prompt import JudgeScore
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.judge_screen import ScreenedJudge, elsewhere
from repo_cli.rewards.rules import RuleResult, RuleSet

Item = Mapping[str, Any]
Streaming = RemoteJudge | ScreenedJudge


@dataclass
class Pending:
    """The work on one batch, under way. `judging`: a judge elsewhere is at it."""

    rules: list[Future[RuleResult]]
    scores: list[Future[JudgeScore]]
    judge: Streaming | None

    @property
    def judging(self) -> bool:
        return self.judge is not None

    def ruled(self) -> list[RuleResult]:
        """What the rules say, in order."""
        return [future.result() for future in self.rules]

    def judged(self) -> list[JudgeScore]:
        """What the judge says, in order, within its deadline."""
        assert self.judge is not None
        return self.judge.gather(self.scores)


class Early:
    """Takes replies one by one (from any thread), and gives the results of a whole batch.

    judge: works here when it is elsewhere; one on this machine waits for the whole batch.
    rules_wait: rules begin with the whole batch only, since they read the partner's answer to each reply too.
    """

    def __init__(self, rules: RuleSet | None, judge: Judge | None, rules_wait: bool = False) -> None:
        self.rules, self.rules_wait = rules, rules_wait
        self.judge = judge if isinstance(judge, Streaming) and elsewhere(judge) is not None else None
        self._taken: dict[int, tuple[Item, Future[RuleResult] | None, Future[JudgeScore] | None]] = {}
        self._waiting: list[tuple[Item, Future[RuleResult]]] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules")

    def take(self, index: int, item: Item) -> None:
        """Begin with reply number `index` {scenario, history, reply}."""
        ruled = None if self.rules_wait else self._rule(item)
        self._taken[index] = (item, ruled, self.judge.submit(item) if self.judge else None)

    def collect(self, items: Sequence[Item]) -> Pending:
        """The work on a whole batch; what was not taken before is begun now."""
        taken, self._taken = self._taken, {}
        rules: list[Future[RuleResult]] = []
        scores: list[Future[JudgeScore]] = []
        for index, item in enumerate(items):
            before, ruled, judged = taken.get(index, (None, None, None))
            if before is None or any(before[k] != item[k] for k in ("reply", "history", "scenario")):
                ruled = judged = None
            elif before.get("answer") != item.get("answer"):
                ruled = None
            if self.rules is not None:
                found = ruled or self._rule(item)
                assert found is not None
                rules.append(found)
            if self.judge is not None:
                scores.append(judged or self.judge.submit(item))
        return Pending(rules, scores, self.judge)

    def _rule(self, item: Item) -> Future[RuleResult] | None:
        if self.rules is None:
            return None
        future: Future[RuleResult] = Future()
        with self._lock:
            self._waiting.append((item, future))
        self._thread.submit(self._work)
        return future

    def _work(self) -> None:
        """All that waits at once: replies to one dialogue then share what is read of it."""
        assert self.rules is not None
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            for (_, future), result in zip(
                waiting, self.rules.score_many([i for i, _ in waiting]), strict=True
            ):
                future.set_result(result)
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
