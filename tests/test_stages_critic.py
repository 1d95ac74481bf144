"""The critic's start: a reward model's score brought to the scale of the first rollouts' returns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stages_kit import go, metrics

from repo_cli.stages.update import LEAST_CORRELATION, fit_line


def sums(x: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v.sum()) for v in (np.ones_like(x), x, y, x * x, x * y, y * y))


def test_the_line_is_the_least_squares_fit() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(2.0, 0.7, 400)
    y = 0.35 * x - 0.2 + rng.normal(0, 0.5, 400)
    assert fit_line(*sums(x, y)) == pytest.approx(np.polyfit(x, y, 1), abs=1e-9)


def test_a_score_that_says_nothing_or_the_reverse_keeps_a_gentle_slope() -> None:
    x, y = np.arange(10.0), 5.0 - 2 * np.arange(10.0)
    slope, intercept = fit_line(*sums(x, y))
    assert slope == pytest.approx(LEAST_CORRELATION * y.std() / x.std())
    assert (slope * x + intercept).mean() == pytest.approx(y.mean())
    assert fit_line(*sums(np.full(4, 2.0), np.arange(4.0))) == pytest.approx((1.0, -0.5))
    assert fit_line(*sums(np.arange(4.0), np.full(4, 2.0))) == pytest.approx((1.0, 0.5))
    assert fit_line(0.0, 0.0, 0.0, 0.0, 0.0, 0.0) == (1.0, 0.0)


def test_values_start_at_the_returns_mean_and_do_no_harm(line: SimpleNamespace, tmp_path: Path) -> None:
    given = (
        f"data.path={line.prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}", "rl.steps=2",
        "rl.batch_size=16", "rm.scale=centered",
    )  # fmt: skip
    fitted = metrics(go("rl", tmp_path / "on", *given))
    plain = metrics(go("rl", tmp_path / "off", *given, "critic.calibrate=false"))
    assert fitted[0]["reward/total"] == plain[0]["reward/total"]  # the same replies
    # on the rollouts that it was fitted on a line does next to no harm
    assert fitted[0]["critic/explained_variance"] > -0.3
    assert fitted[0]["critic/explained_variance"] > plain[0]["critic/explained_variance"]
