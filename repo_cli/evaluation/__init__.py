"""Evaluation: statistics, metrics of several systems on the same scenarios, the terminal table, the HTML report."""

from __future__ import annotations

from repo_cli.evaluation.ab import ABResult, ab_test, needed_per_arm
from repo_cli.evaluation.agreement import alpha_interval, exact_agreement, krippendorff_alpha
from repo_cli.evaluation.metrics import Summary, summarise
from repo_cli.evaluation.result import BadCase, Dialogue, EvalResult, SystemResult
from repo_cli.evaluation.statistics import (
    Difference,
    Interval,
    bad_case_rates,
    bootstrap_mean,
    bootstrap_ratio,
    excellent_share,
    holm,
    mcnemar_exact,
    newcombe,
    paired_bootstrap,
    wilson,
)

__all__ = [
    "ABResult",
    "BadCase",
    "Dialogue",
    "Difference",
    "EvalResult",
    "Interval",
    "Summary",
    "SystemResult",
    "ab_test",
    "alpha_interval",
    "bad_case_rates",
    "bootstrap_mean",
    "bootstrap_ratio",
    "exact_agreement",
    "excellent_share",
    "holm",
    "krippendorff_alpha",
    "mcnemar_exact",
    "needed_per_arm",
    "newcombe",
    "paired_bootstrap",
    "summarise",
    "wilson",
]
