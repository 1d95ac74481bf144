"""`repo ab`: the figures of a file, its bad rows, clusters and guard columns."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from repo_cli.cli import main
from repo_cli.errors import UserError
from repo_cli.evaluation.ab import ab_test, needed_per_arm, power_of
from repo_cli.evaluation.ab_file import analyse, read_arms


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def conversations(path: Path, sizes=((4826, 965), (4827, 1252)), extra: str = "") -> Path:
    """Two arms with so many conversations and successes, in any order."""
    rows = [
        f"{arm},{arm}{i},{int(i < 0.6 * n)},{int(i < k)}{extra}"
        for arm, (n, k) in zip(("intent", "repo"), sizes, strict=True)
        for i in range(n)
    ]
    random.Random(0).shuffle(rows)
    head = "arm,conversation_id,responded,success" + (",opted_out" if extra else "")
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_the_papers_size_gives_z_of_6_9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = conversations(tmp_path / "ab.csv", extra=",0"), tmp_path / "ab.json"
    assert run("ab", str(file), "--control", "intent", "--out", str(out), "--guard", "opted_out") == 0
    text = capsys.readouterr().out
    assert "repo against intent" in text and "+5.94 [+4.27, +7.61]" in text and "as planned" in text
    found = json.loads(out.read_text())["metrics"]
    assert found["success"]["z"] == pytest.approx(6.9, abs=0.05) and found["success"]["p"] < 1e-10
    assert found["success"]["lift"] == pytest.approx(0.0594, abs=1e-4)
    assert found["success"]["needed_per_arm"] == 2941 and found["success"]["power"] > 0.9
    assert abs(found["responded"]["lift"]) < 1e-3 and found["responded"]["p_holm"] > 0.5
    assert found["opted_out"]["p"] == 1.0  # nobody in either arm: no difference, and no division by zero


def test_a_broken_split_is_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = conversations(tmp_path / "ab.csv", sizes=((1000, 200), (1300, 260)))
    assert run("ab", str(file), "--control", "intent") == 0
    assert "sample-ratio mismatch" in capsys.readouterr().out.replace("\n", " ")
    assert run("ab", str(file), "--share", "0.565", "--control", "intent") == 0  # as it was planned
    assert "as planned" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("arm,conversation_id,responded\na,1,1\n", "no column `success`"),
        ("arm,conversation_id,responded,success\na,1,1,2\nb,2,1,1\n", ":2: success='2' must be 0 or 1"),
        ("arm,conversation_id,responded,success\na,1,1,\nb,2,1,1\n", ":2: success is empty"),
        (
            "arm,conversation_id,responded,success\na,1,1,1\nb,1,1,1\n",
            ":3: conversation_id '1' is already on line 2",
        ),
        ("arm,conversation_id,responded,success\na,1,1,1\na,2,1,1\n", "has 1 arms"),
        ("arm,conversation_id,responded,success\na,1,1\n", ":2: 3 cells"),
        ("arm,conversation_id,responded,success,cluster\na,1,1,1,h\nb,2,1,1,\n", ":3: cluster is empty"),
        ("arm,conversation_id,responded,success,cluster\na,1,1,1,h\nb,2,1,1,h\n", "at least two clusters"),
        ("", "is empty"),
    ],
)
def test_bad_files_are_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, say: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    assert run("ab", str(file)) == 2
    err = capsys.readouterr().err
    assert say in err and "Traceback" not in err
    assert run("ab", str(tmp_path / "missing.csv")) == 2


def test_spreadsheets_of_other_countries_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ab.csv"
    file.write_bytes("\ufeffArm;Conversation_ID;Responded;Success\r\nb;1;1;0\r\ncontrol;2;0;1\r\n".encode())
    control, treatment = read_arms(file)
    assert (control.name, treatment.name) == ("control", "b") and control.outcomes["success"] == [1]
    with pytest.raises(UserError, match="did you mean control"):
        read_arms(file, "kontrol")


def test_clusters_as_statsmodels_regression_has_them(tmp_path: Path) -> None:
    """The difference of shares is a regression on the arm; its cluster-robust error is the reference."""
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    hotels = np.repeat(np.arange(60), 5)
    arm = rng.integers(0, 2, size=300)  # by conversation, so hotels stand in both arms
    y = (rng.random(300) < np.repeat(rng.beta(1, 2, size=60), 5)).astype(float)
    fit = sm.OLS(y, sm.add_constant(arm)).fit(
        cov_type="cluster", cov_kwds={"groups": hotels, "use_correction": False}
    )
    a, b = arm == 0, arm == 1
    found = ab_test(y[a], y[b], clusters_a=list(hotels[a]), clusters_b=list(hotels[b]))
    assert found.lift == pytest.approx(fit.params[1]) and found.shared_clusters > 40
    assert found.lift / found.z == pytest.approx(fit.bse[1], rel=0.02)
    rows = [f"{'ab'[arm[i]]},{i},1,{int(y[i])},h{hotels[i]}" for i in range(300)]
    file = tmp_path / "ab.csv"
    file.write_text("\n".join(["arm,conversation_id,responded,success,cluster", *rows]))
    report = analyse(*read_arms(file))
    assert report.results["success"].clusters == 60
    assert report.results["success"].z == pytest.approx(found.z)


def test_power_is_what_a_simulation_finds() -> None:
    n = needed_per_arm(0.2, 0.06)
    assert power_of(0.2, 0.06, n, n) == pytest.approx(0.8, abs=0.01)
    rng = np.random.default_rng(0)
    hits = sum(
        ab_test((int(rng.binomial(n, 0.2)), n), (int(rng.binomial(n, 0.26)), n), counts=True).p < 0.05
        for _ in range(400)
    )
    assert 0.74 <= hits / 400 <= 0.86
