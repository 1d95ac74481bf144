"""`report.html`: one page, no network, that a person can read on a phone: figures, curves, dialogues, bad cases,
rollouts, and where everything came from. Written by `repo eval`, and from any runs by `repo report`."""

from __future__ import annotations

from repo_cli.evaluation.report.logs import read_metrics
from repo_cli.evaluation.report.page import report_runs, write_report, write_rm_page

__all__ = ["read_metrics", "report_runs", "write_report", "write_rm_page"]
