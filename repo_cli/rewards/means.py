"""Means, spreads and covariances over the replies of all ranks, as they are logged."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from repo_cli.training.distributed import all_max, all_sum


class Spread2(NamedTuple):
    """Variances and covariance of two quantities over the replies of all ranks."""

    var_x: float
    var_y: float
    cov: float


class Means:
    """Named means that are right over ranks of any size: sums and counts are added, and divided once."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, float]] = {}
        self.spreads: dict[str, tuple[float, float, float]] = {}
        self.details: dict[str, str] = {}
        self.ends: dict[str, float] = {}
        self.crosses: dict[str, tuple[float, ...]] = {}
        self.covariance: dict[str, Spread2] = {}

    def ratio(self, name: str, total: float, count: float) -> None:
        self.sums[name] = (total, count)

    def mean(self, name: str, x: Tensor) -> None:
        seen = x[~x.isnan()].double()
        self.ratio(name, float(seen.sum()), float(len(seen)))

    def spread(self, name: str, x: Tensor, detail: str | None = None) -> None:
        """Mean, standard deviation, least and greatest of the entries that are scored.

        The last three are logged as `detail` + _std, _min, _max (None: under the name itself).
        """
        seen = x[~x.isnan()].double()
        self.spreads[name] = (float(seen.sum()), float(seen.square().sum()), float(len(seen)))
        self.details[name] = detail = detail or name
        self.ends[f"{detail}_max"] = float(seen.max()) if len(seen) else -torch.inf
        self.ends[f"{detail}_min"] = float(-seen.min()) if len(seen) else -torch.inf

    def not_scored(self, name: str, x: Tensor) -> None:
        """Share of NaN."""
        self.mean(f"{name}_not_scored_frac", x.isnan().float())

    def cross(self, name: str, x: Tensor, y: Tensor) -> None:
        """Variances and covariance of two quantities where both are scored; found in `covariance` afterwards."""
        both = ~(x.isnan() | y.isnan())
        a, b = x[both].double(), y[both].double()
        sums = (a.sum(), b.sum(), a.square().sum(), b.square().sum(), (a * b).sum())
        self.crosses[name] = (*(float(v) for v in sums), float(both.sum()))

    def over_ranks(self) -> dict[str, float]:
        tables = (self.sums, self.spreads, self.crosses)
        flat = [v for table in tables for sums in table.values() for v in sums]
        added = all_sum(torch.tensor(flat, dtype=torch.float64)).tolist()
        ends = all_max(torch.tensor(list(self.ends.values()), dtype=torch.float64)).tolist()
        out: dict[str, float] = {}
        for i, name in enumerate(self.sums):
            total, count = added[2 * i : 2 * i + 2]
            if count:
                out[name] = total / count
        at = 2 * len(self.sums)
        for i, name in enumerate(self.spreads):
            total, squares, count = added[at + 3 * i : at + 3 * i + 3]
            if count:
                out[name] = total / count
                out[f"{self.details[name]}_std"] = max(0.0, squares / count - (total / count) ** 2) ** 0.5
        at += 3 * len(self.spreads)
        for i, name in enumerate(self.crosses):
            x, y, xx, yy, xy, count = added[at + 6 * i : at + 6 * i + 6]
            if count:
                x, y = x / count, y / count
                self.covariance[name] = Spread2(xx / count - x * x, yy / count - y * y, xy / count - x * y)
        for name, value in zip(self.ends, ends, strict=True):
            if value != -float("inf"):
                out[name] = -value if name.endswith("_min") else value
        return out


def mean_over_ranks(x: Tensor) -> float:
    seen = x[~x.isnan()].double()
    total, count = all_sum(torch.tensor([float(seen.sum()), float(len(seen))], dtype=torch.float64)).tolist()
    return float(total / count) if count else 0.0
