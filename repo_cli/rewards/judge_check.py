"""`repo judge check`: can this judge be trusted as a reward? Agreement, biases, planted defects, cost. No torch.

Agreement is with labelled examples (`prompt`, `reply`, `scenario`, `scores`), per criterion: exact and within one of
the rounded scores, Cohen's kappa with quadratic weights (1968), which takes off what chance alone would agree on, and
Pearson's correlation of the scores as they are: a judge that is unsure says the mean with a little to one side, which
rounds to no agreement at all and still orders replies.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repo_cli.rewards.judge_client import Spend
from repo_cli.rewards.judge_defects import padded, plant
from repo_cli.rewards.judge_prompt import JudgeScore, agreement
from repo_cli.rewards.judge_screen import elsewhere
from repo_cli.rewards.rubric import Rubric, normalise_judge

SEEN = 0.125  # a fall of E_judge (-1..1) by this much: a quarter of a point on a scale of 1..5
Example = Mapping[str, Any]


@dataclass
class Check:
    """The figures of one check; nan where nothing could be compared."""

    criteria: dict[str, dict[str, float]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    position: dict[str, float] = field(default_factory=dict)
    length: dict[str, float] = field(default_factory=dict)
    defects: dict[str, tuple[int, int]] = field(default_factory=dict)  # kind -> (found, planted)
    used: dict[str, float] = field(default_factory=dict)

    @property
    def detection(self) -> float:
        found, planted = (
            (sum(x) for x in zip(*self.defects.values(), strict=True)) if self.defects else (0, 0)
        )
        return found / planted if planted else math.nan


def weighted_kappa(pairs: Sequence[tuple[float, float]], low: int, high: int) -> float:
    """Cohen's kappa with quadratic weights of rounded scores (a, b); nan without any variance."""
    if not pairs:
        return math.nan
    rounded = [(round(a), round(b)) for a, b in pairs]
    first, second = Counter(a for a, _ in rounded), Counter(b for _, b in rounded)
    scores = range(low, high + 1)
    observed = sum((a - b) ** 2 for a, b in rounded) / len(rounded)
    expected = sum(first[a] * second[b] * (a - b) ** 2 for a in scores for b in scores) / len(rounded) ** 2
    return 1.0 - observed / expected if expected else math.nan


def run_check(
    make: Callable[[Rubric | None], Any],
    examples: Sequence[Example],
    tell: Callable[[str], None] = lambda _: None,
) -> Check:
    """All figures. make: the judge with a given rubric (None = its own). tell: what is being asked, for people."""
    judge = make(None)
    rubric: Rubric = judge.rubric
    items = [
        {"scenario": e.get("scenario") or {}, "history": e["prompt"], "reply": e["reply"]} for e in examples
    ]
    labels = [e["scores"] for e in examples]
    result = Check()
    began = time.monotonic()

    def asked(what: str, one: Any, batch: Sequence[Mapping[str, Any]]) -> list[JudgeScore]:
        tell(f"{what}: {len(batch)} replies")
        scores: list[JudgeScore] = one.score(batch)
        for one_score in scores:
            result.outcomes[one_score.outcome] = result.outcomes.get(one_score.outcome, 0) + 1
        return scores

    scores = asked("agreement", judge, items)
    result.criteria = agreement_of(labels, scores, rubric)
    backwards = Rubric(rubric.name, rubric.low, rubric.high, dict(reversed(list(rubric.criteria.items()))))
    other = make(backwards)
    result.position = position_bias(scores, asked("criteria in reverse order", other, items), rubric)
    longer = [{**item, "reply": padded(item["reply"], language(item))} for item in items]
    result.length = length_bias(items, labels, scores, asked("padded", judge, longer), rubric)
    result.defects = defects(judge, items, labels, scores, asked)
    remote = elsewhere(judge)
    spent = remote.client.spend if remote is not None else Spend()
    result.used = {name: getattr(spent, name) for name in ("requests", "tokens_in", "tokens_out", "cost")}
    result.used |= {"seconds": time.monotonic() - began, "replies": float(sum(result.outcomes.values()))}
    return result


def agreement_of(
    labels: Sequence[Mapping[str, float | None]], scores: Sequence[JudgeScore], rubric: Rubric
) -> dict[str, dict[str, float]]:
    """`agreement` of judge_prompt, with weighted kappa and correlation beside it; a reply without a score counts for
    nothing."""
    both = [(label, score) for label, score in zip(labels, scores, strict=True) if not score.failed]
    found = agreement([label for label, _ in both], [score for _, score in both], rubric)
    every: list[tuple[float, float]] = []
    for name in rubric.criteria:
        given = [(label.get(name), score.criteria.get(name)) for label, score in both]
        pairs = [(float(a), float(b)) for a, b in given if a is not None and b is not None]
        found[name]["kappa"] = weighted_kappa(pairs, rubric.low, rubric.high)
        found[name]["correlation"] = correlation(*zip(*pairs, strict=True)) if pairs else math.nan
        every += pairs
    found["all"] |= {
        "kappa": weighted_kappa(every, rubric.low, rubric.high),
        "correlation": correlation(*zip(*every, strict=True)) if every else math.nan,
    }
    return found


def position_bias(
    scores: Sequence[JudgeScore], reverse: Sequence[JudgeScore], rubric: Rubric
) -> dict[str, float]:
    """How much a score hangs on its place: in points, mean |change| in reverse order, and what being asked in the first
    half of the criteria adds over being asked in the second."""
    names = list(rubric.criteria)
    changes, gains = [], []
    for place, name in enumerate(names):
        for a, b in zip(scores, reverse, strict=True):
            forward, backward = a.criteria.get(name), b.criteria.get(name)
            if forward is None or backward is None:
                continue
            changes.append(abs(forward - backward))
            if 2 * place + 1 != len(names):
                gains.append((forward - backward) if 2 * place + 1 < len(names) else (backward - forward))
    return {"change": mean(changes), "first_half": mean(gains), "n": float(len(changes))}


def length_bias(
    items: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, float | None]],
    scores: Sequence[JudgeScore],
    longer: Sequence[JudgeScore],
    rubric: Rubric,
) -> dict[str, float]:
    """Correlation of reply length with how far the judge lies above the labels; and what an empty courtesy changes in
    E_judge (mean), with the share of replies that it lifts."""
    sizes, errors, changes = [], [], []
    for item, label, score, more in zip(items, labels, scores, longer, strict=True):
        shared = [
            n for n in rubric.criteria if label.get(n) is not None and score.criteria.get(n) is not None
        ]
        if shared:
            sizes.append(float(len(item["reply"])))
            errors.append(mean([float(score.criteria[n] or 0) - float(label[n] or 0) for n in shared]))
        before, after = value(score, rubric), value(more, rubric)
        if before is not None and after is not None:
            changes.append(after - before)
    lifted = mean([float(c > SEEN) for c in changes])
    return {
        "correlation": correlation(sizes, errors),
        "padding": mean(changes),
        "lifted": lifted,
        "n": float(len(changes)),
    }


def defects(
    judge: Any,
    items: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, float | None]],
    scores: Sequence[JudgeScore],
    asked: Callable[[str, Any, Sequence[Mapping[str, Any]]], list[JudgeScore]],
) -> dict[str, tuple[int, int]]:
    """kind -> (found, planted) over the replies whose labels are all 3 or more.

    Found: E_judge falls by a quarter of a point or more, or the criterion that the defect hurts by a whole one.
    """
    rubric: Rubric = judge.rubric
    good = []
    for i, label in enumerate(labels):
        given = [float(v) for v in label.values() if v is not None]
        if given and min(given) >= 3 and value(scores[i], rubric) is not None:
            good.append(i)
    planted = [
        (i, p)
        for n, i in enumerate(good)
        if (p := plant(items[i]["reply"], language(items[i]), n)) is not None
    ]
    again = asked("planted defects", judge, [{**items[i], "reply": p.reply} for i, p in planted])
    found: dict[str, tuple[int, int]] = {}
    for (i, p), after in zip(planted, again, strict=True):
        old, new = value(scores[i], rubric), value(after, rubric)
        if old is None or new is None:
            continue
        a, b = scores[i].criteria.get(p.criterion), after.criteria.get(p.criterion)
        hit = old - new >= SEEN or (a is not None and b is not None and a - b >= 1.0)
        seen, of = found.get(p.kind, (0, 0))
        found[p.kind] = (seen + hit, of + 1)
    return found


def value(score: JudgeScore, rubric: Rubric) -> float | None:
    """E_judge of a reply, None where it was not scored."""
    return None if score.failed else normalise_judge(score.criteria, rubric)


def language(item: Mapping[str, Any]) -> str:
    """The scenario's language, or what the reply is written in."""
    given = (item.get("scenario") or {}).get("language")
    return str(given) if given else ("zh" if any("\u4e00" <= c <= "\u9fff" for c in item["reply"]) else "en")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's; nan without variance."""
    x, y = mean(a), mean(b)
    spread = math.sqrt(sum((v - x) ** 2 for v in a) * sum((v - y) ** 2 for v in b))
    return sum((v - x) * (w - y) for v, w in zip(a, b, strict=True)) / spread if spread > 0 else math.nan
