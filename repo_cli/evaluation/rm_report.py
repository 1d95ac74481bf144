"""What a reward model is worth on held-out pairs: the figures, as plain numbers in `rm_report.json`.

    accuracy      share of pairs whose chosen reply has the higher score (a tie counts half), with Wilson's interval:
                  over all, by difference of length, by tag; beside it what always taking the longer reply gets
    reliability   sigmoid(score difference) is the probability that the model implies for its own choice; pairs are put
                  into bins of it, and each bin's share of right choices stands against the mean probability.
                  ece: expected calibration error, the mean distance of the two weighted by pairs (Guo et al., 2017)
    margins       histogram of score(chosen) - score(rejected)
    length        correlation of score and length over replies, and of score and length *differences* over pairs

A pair read from the other side has probability 1 - p and the opposite outcome, so bins from 0.5 to 1 hold everything
that bins from 0 to 1 would. Pure functions of numbers; text only passes through, to be read (rm_view.py shows it).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repo_cli.dialogue.messages import Message
from repo_cli.dialogue.rows import Row
from repo_cli.errors import UserError
from repo_cli.evaluation.statistics import wilson

NAME = "rm_report.json"
BINS = 10  # of the implied probability, from 0.5 to 1
HISTOGRAM = 20
WORST = 12
TAGS = 40
#: Upper ends of the bins of (chosen - rejected) / longer, in tokens, and what they are called: far is by half or more,
#: about as long is within 15%.
LENGTHS = (
    (-0.5, "chosen far shorter"),
    (-0.15, "chosen shorter"),
    (0.15, "about as long"),
    (0.5, "chosen longer"),
    (math.inf, "chosen far longer"),
)
_CUT = 1000  # characters of a text in the report


@dataclass(frozen=True)
class ScoredPair:
    """One held-out pair: raw scores and lengths (tokens) of both replies, and the row that it comes from."""

    chosen: float
    rejected: float
    chosen_tokens: int
    rejected_tokens: int
    row: Row

    @property
    def margin(self) -> float:
        return self.chosen - self.rejected

    @property
    def tags(self) -> tuple[str, ...]:
        """The row's `tags`, each once; whatever else stands there counts as none."""
        tags = self.row.get("tags")
        return tuple(dict.fromkeys(str(t) for t in tags)) if isinstance(tags, list | tuple) else ()


def rm_report(pairs: Sequence[ScoredPair], data: dict[str, Any] | None = None) -> dict[str, Any]:
    """All figures of at least one held-out pair as JSON-able numbers (see the module's head); `data`: of the gate."""
    margins = np.array([p.margin for p in pairs])
    lengths = np.array([[p.chosen_tokens, p.rejected_tokens] for p in pairs], dtype=float)
    scores = np.array([[p.chosen, p.rejected] for p in pairs])
    counts, edges = np.histogram(margins, bins=HISTOGRAM)
    return {
        "format": 1,
        "pairs": len(pairs),
        "accuracy": accuracy(margins),
        "longer_wins": accuracy(lengths[:, 0] - lengths[:, 1]),
        "score": {"mean": float(scores.mean()), "std": float(scores.std())},
        "margin": {
            "mean": float(margins.mean()),
            "std": float(margins.std()),
            "edges": edges.tolist(),
            "counts": counts.tolist(),
        },
        "length": {
            "replies": correlation(scores.ravel(), lengths.ravel()),
            "pairs": correlation(margins, lengths[:, 0] - lengths[:, 1]),
        },
        "by_length": by_length(pairs),
        "by_tag": by_tag(pairs),
        "reliability": reliability(margins),
        "worst": worst(pairs),
        "data": data or {},
    }


def accuracy(margins: Sequence[float] | np.ndarray) -> dict[str, float]:
    """{value, low, high, n}: the share of positive margins, a tie counting half, with Wilson's interval."""
    values = np.asarray(margins, dtype=float)
    right = float((values > 0).sum() + 0.5 * (values == 0).sum())
    return wilson(right, len(values)).as_dict()


def correlation(x: Any, y: Any) -> float:
    """Pearson's; 0 where either does not vary."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def reliability(margins: Sequence[float] | np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """How far the implied probability of the preferred side, sigmoid(|margin|), can be believed.

    Returns {ece, brier, log_loss, bins: [{low, high, n, predicted, observed, observed_low, observed_high}]}; empty bins
    are left out. brier and log_loss are of the probability given to the chosen side (0.25 and ln 2 for a coin).
    """
    values = np.asarray(margins, dtype=float)
    sure = _sigmoid(np.abs(values))
    right = (values > 0) + 0.5 * (values == 0)
    place = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    found, distance = [], 0.0
    for k in range(bins):
        inside = place == k
        n = int(inside.sum())
        if not n:
            continue
        share, predicted = wilson(float(right[inside].sum()), n), float(sure[inside].mean())
        distance += n * abs(share.value - predicted)
        ends = {"low": 0.5 + k / (2 * bins), "high": 0.5 + (k + 1) / (2 * bins), "n": n}
        observed = {"observed": share.value, "observed_low": share.low, "observed_high": share.high}
        found.append({**ends, "predicted": predicted, **observed})
    p = _sigmoid(values)
    return {
        "ece": distance / len(values),
        "brier": float(((1 - p) ** 2).mean()),
        "log_loss": float(np.logaddexp(0.0, -values).mean()),
        "bins": found,
    }


def by_length(pairs: Sequence[ScoredPair]) -> list[dict[str, Any]]:
    """Accuracy by how much longer the chosen reply is, relative to the longer of the two; empty bins are left out."""
    groups: dict[str, list[float]] = {name: [] for _, name in LENGTHS}
    for pair in pairs:
        longer = max(pair.chosen_tokens, pair.rejected_tokens, 1)
        gap = (pair.chosen_tokens - pair.rejected_tokens) / longer
        groups[next(name for end, name in LENGTHS if gap <= end)].append(pair.margin)
    return [{"name": name, **accuracy(found)} for name, found in groups.items() if found]


def by_tag(pairs: Sequence[ScoredPair]) -> list[dict[str, Any]]:
    """Accuracy of the pairs that bear each tag, the commonest first; a pair with three tags counts in three lines."""
    seen = Counter(tag for pair in pairs for tag in pair.tags)
    lines = []
    for tag, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:TAGS]:
        lines.append({"name": _cut(tag, 80), **accuracy([p.margin for p in pairs if tag in p.tags])})
    return lines


def worst(pairs: Sequence[ScoredPair], most: int = WORST) -> list[dict[str, Any]]:
    """The pairs that the model gets most wrong, to be read: what was said before, both replies, their scores."""
    wrong = sorted((p for p in pairs if p.margin < 0), key=lambda p: p.margin)[:most]
    return [
        {
            "where": str(p.row.get("id") or p.row.get("_at") or ""),
            "tags": [_cut(t, 80) for t in p.tags],
            "context": _said(p.row["prompt"]),
            "chosen": {"text": _reply(p.row, "chosen"), "score": p.chosen, "tokens": p.chosen_tokens},
            "rejected": {"text": _reply(p.row, "rejected"), "score": p.rejected, "tokens": p.rejected_tokens},
        }
        for p in wrong
    ]


def headline(report: dict[str, Any]) -> dict[str, float]:
    """The figures that the manifest's metrics hold."""
    found, trust = report["accuracy"], report["reliability"]
    return {
        "val/accuracy": found["value"],
        "val/accuracy_low": found["low"],
        "val/accuracy_high": found["high"],
        "val/longer_wins": report["longer_wins"]["value"],
        "val/length_correlation": report["length"]["replies"],
        "val/pairs": report["pairs"],
        "val/margin": report["margin"]["mean"],
        "val/ece": trust["ece"],
        "val/brier": trust["brier"],
        "val/log_loss": trust["log_loss"],
    }


def save(report: dict[str, Any], run: Path) -> Path:
    """Write `rm_report.json` into a run directory."""
    path = run / NAME
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def load(run: Path) -> dict[str, Any]:
    """The report of a run directory. Raises UserError when it is broken."""
    path = run / NAME
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        _check(report)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a report of repo train-rm ({type(error).__name__}: {error})") from None
    return report


def _check(report: Any) -> None:
    """Numbers are numbers wherever the page draws them, and texts are texts; TypeError or KeyError otherwise."""
    share = ("value", "low", "high", "n")
    lines = [report["accuracy"], report["longer_wins"], *report["by_length"], *report["by_tag"]]
    found: list[Any] = [line[key] for line in lines for key in share]
    keys = ("low", "high", "n", "predicted", "observed", "observed_low", "observed_high")
    found += [each[key] for each in report["reliability"]["bins"] for key in keys]
    found += [report["reliability"][key] for key in ("ece", "brier", "log_loss")]
    found += [*report["margin"]["edges"], *report["margin"]["counts"]]
    found += [report["margin"]["mean"], report["margin"]["std"], report["pairs"]]
    found += [report["score"]["mean"], report["score"]["std"]]
    found += [report["length"]["replies"], report["length"]["pairs"]]
    sides = [case[side] for case in report["worst"] for side in ("chosen", "rejected")]
    found += [side[key] for side in sides for key in ("score", "tokens")]
    for value in found:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TypeError(f"{value!r} is no number")
    texts = [line["name"] for line in lines[2:]] + [side["text"] for side in sides]
    texts += [m["content"] for case in report["worst"] for m in case["context"]]
    texts += [tag for case in report["worst"] for tag in case["tags"]]
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))


def _said(prompt: Sequence[Message]) -> list[dict[str, str]]:
    """The last two messages before the reply (the brief of an opening)."""
    return [{"role": str(m["role"]), "content": _cut(m["content"])} for m in prompt[-2:]]


def _reply(row: Row, side: str) -> str:
    return _cut(row[side][-1]["content"])


def _cut(text: str, most: int = _CUT) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


__all__ = ["NAME", "ScoredPair", "headline", "load", "reliability", "rm_report", "save"]
