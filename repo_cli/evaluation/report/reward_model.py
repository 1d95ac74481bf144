"""What the page shows of a reward model's report (rm_report.py). Its texts are untrusted; Jinja2 escapes them."""

from __future__ import annotations

from typing import Any

from repo_cli.evaluation.report.bars import bar
from repo_cli.evaluation.report.reward_charts import calibration, histogram
from repo_cli.evaluation.rm_view import LENGTH_TITLE, facts, share


def reward_model(report: dict[str, Any], name: str = "") -> dict[str, Any]:
    """What reward_model.html.j2 shows."""
    groups = []
    for title, lines in (
        (LENGTH_TITLE, report["by_length"]),
        ("Accuracy by tag", report["by_tag"]),
    ):
        rows = [
            {
                "name": str(line["name"]),
                "n": int(line["n"]),
                "text": share(line),
                "bar": bar(
                    float(line["value"]), float(line["low"]), float(line["high"]), 0.0, 1.0, "s1", zero=0.5
                ),
            }
            for line in lines
        ]
        if rows:
            groups.append({"title": title, "rows": rows})
    margin = report["margin"]
    return {
        "name": name,
        "pairs": int(report["pairs"]),
        "facts": [{"what": what, "value": value} for what, value in facts(report)],
        "groups": groups,
        "margins": histogram(margin["edges"], margin["counts"]),
        "least": f"{float(margin['edges'][0]):.2f}",
        "greatest": f"{float(margin['edges'][-1]):.2f}",
        "calibration": calibration(report["reliability"]["bins"]),
        "bins": [
            {
                "ends": f"{found['low']:.2f} to {found['high']:.2f}",
                "n": int(found["n"]),
                "predicted": f"{found['predicted']:.2f}",
                "observed": f"{found['observed']:.2f} [{found['observed_low']:.2f}, {found['observed_high']:.2f}]",
            }
            for found in report["reliability"]["bins"]
        ],
        "cases": [
            {
                "where": case["where"],
                "tags": case["tags"],
                "margin": f"{float(case['chosen']['score']) - float(case['rejected']['score']):+.2f}",
                "context": [
                    {"agent": m["role"] == "assistant", "text": m["content"]} for m in case["context"]
                ],
                "sides": [
                    {
                        "name": side,
                        "score": f"{float(case[side]['score']):+.2f}",
                        "tokens": int(case[side]["tokens"]),
                        "text": case[side]["text"],
                    }
                    for side in ("chosen", "rejected")
                ],
            }
            for case in report["worst"]
        ],
    }
