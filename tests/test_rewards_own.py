"""Rewards of the user's own (`reward.own`): the documented example in a run, what it adds, and every way it can fail."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from stages_kit import config, dialogue, go, metrics, write
from test_stages_line import rl
from training_kit import small_config
from typer.testing import CliRunner

from repo_cli.cli import app
from repo_cli.commands.plan import own_line
from repo_cli.config import compose, missing_inputs
from repo_cli.config.overrides import override_text
from repo_cli.config.own import own_rewards, source_file, unread
from repo_cli.errors import SavedStop, UserError
from repo_cli.rewards import own as own_module
from repo_cli.rewards.combine import COMBINERS, Mix
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.own import OwnRewards
from repo_cli.rewards.scores import RewardParts
from repo_cli.stages.groups import gdpo_sources
from repo_cli.stages.pipeline_steps import step_key

NAN = float("nan")
LIGHT = ("rules=none", "reward=own_only", "critic.init=fresh")
GRPO = ("algorithm=grpo", "algorithm.group_size=3", "reward=own_only", "rl.preflight=false")


def documented() -> tuple[str, dict[str, Any]]:
    """(the module, the entries of reward.own) as the docstring shows them."""
    blocks, block = [], ""
    for text in (own_module.__doc__ or "").splitlines():
        if text.startswith("    # "):
            blocks.append("")
        if blocks and (text.startswith("    ") or not text):
            blocks[-1] += text + "\n"
        elif blocks:
            break
    module, block = (textwrap.dedent(part) for part in blocks)
    return module, yaml.safe_load(block)["reward"]["own"]


def forget(*names: str) -> None:
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python imports from; its modules are forgotten afterwards."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    forget(*(file.stem for file in folder.glob("*.py")))


def entry(target: str, **more: Any) -> dict[str, Any]:
    return {"mine": {"_target_": target, **more}}


# -- what it adds ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(line: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Two steps on all sources: the documented example, one that answers every other reply, and one that is watched."""
    folder = tmp_path_factory.mktemp("own")
    module, given = documented()
    assert list(given) == ["brief"]
    (folder / "my_rewards.py").write_text(
        module
        + "\n\ndef other(items, bonus):\n    return [bonus if i % 2 else None for i in range(len(items))]\n"
    )
    given |= {
        "other": {"_target_": "my_rewards.other", "weight": 2.0, "args": {"bonus": 0.25}},
        "watched": {"_target_": "my_rewards.Brief", "weight": 0},
    }
    more = (
        "reward=enhance",
        "rules=generic_dialogue",
        "rm.scale=centered",
        override_text("reward.own", given),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        final = rl(line, folder / "runs", *more)
    forget("my_rewards")
    yield SimpleNamespace(final=final, run=final.parent, given=given)


def test_the_documented_example_joins_e_in_a_run(trained: SimpleNamespace) -> None:
    steps = metrics(trained.final)
    assert len(steps) == 2 and trained.given["brief"]["weight"] == 0.5
    files = sorted((trained.run / "rollouts").glob("*.jsonl"))
    for stats, file in zip(steps, files, strict=True):
        rows = [json.loads(text) for text in file.read_text().splitlines()]
        assert len(rows) == 6
        for i, row in enumerate(rows):
            words = len(row["reply"].split())
            assert row["own"]["brief"] == pytest.approx(min(0.0, 1.0 - words / 20), abs=1e-6)
            assert row["own"]["watched"] == pytest.approx(min(0.0, 1.0 - words / 25), abs=1e-6)
            assert row["own"]["other"] == (0.25 if i % 2 else None)
            e = row["rules"] + 0.5 * row["own"]["brief"] + 2.0 * (row["own"]["other"] or 0.0)
            want = row["rm"] + abs(row["rm"]) * max(-2.0, min(2.0, e)) / 2.0
            assert row["total"] == pytest.approx(want, abs=1e-5)
        brief = torch.tensor([row["own"]["brief"] for row in rows], dtype=torch.float64)
        assert stats["reward/own/brief"] == pytest.approx(float(brief.mean()), abs=1e-6)
        assert stats["reward/own/brief_std"] == pytest.approx(float(brief.std(correction=0)), abs=1e-5)
        assert stats["reward/own/other"] == 0.25 and stats["reward/own/other_std"] == 0.0
        assert stats["reward/own/other_not_scored_frac"] == 0.5
        assert stats["reward/own/brief_not_scored_frac"] == 0.0
        shares = [k for k in stats if k.startswith("reward/variance_share/")]
        assert sum(stats[k] for k in shares) == pytest.approx(1.0, abs=1e-4)
        assert {"reward/variance_share/own/brief", "reward/variance_share/own/other"} <= set(shares)
        assert "reward/variance_share/own/watched" not in shares


def test_what_an_adapters_run_names_is_not_imported_by_others(
    trained: SimpleNamespace, line: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frozen configuration says my_rewards, which is not here any more: evaluation, report and RL from it go on."""
    assert "my_rewards.Brief" in (trained.run / "config.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    given = (
        "eval.n_online=1",
        "eval.n_badcases=1",
        "eval.n_replies=1",
        "eval.max_turns=1",
        "eval.bootstrap=100",
    )
    out = go("eval", tmp_path, f"eval.systems={{a: {trained.final}}}", *given, "policy.max_length=1024")
    assert (out / "eval.json").is_file()
    done = CliRunner().invoke(app, ["report", str(trained.run), "--out", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text()
    assert "Your own: brief" in page and "own/other" in page and '["other",0.25]' in page.replace(", ", ",")
    rl(line, tmp_path, f"policy.parent={trained.final}", "rl.steps=1")
    assert "my_rewards" not in sys.modules


def test_every_combination_by_hand() -> None:
    rm, judge, rules = (torch.tensor(x) for x in ([1.0, -1.0, 2.0], [0.5, NAN, NAN], [-1.0, 0.5, NAN]))
    own = {"a": torch.tensor([1.0, NAN, 3.0]), "b": torch.tensor([0.5, NAN, NAN]), "c": torch.ones(3)}
    mix = Mix(n=2.0, weights={"rm": 1.0, "judge": 2.0, "rules": 0.5}, own={"a": 0.5, "b": -2.0})
    want = {
        # E = 0.5 - 1.0 + 0.5 - 1.0; 0.5; 1.5
        "enhance": [1.0 - 0.5, -1.0 + 0.25, 2.0 + 2.0 * 0.75],
        "judge_and_rules": [-1.0, 0.5, 1.5],
        "weighted_sum": [1.0 + 1.0 - 0.5 + 0.5 - 1.0, -1.0 + 0.25, 2.0 + 1.5],
        "own": [0.5 - 1.0, NAN, 1.5],
        "rm": [1.0, -1.0, 2.0],
        "rules": [-1.0, 0.5, NAN],
    }
    for name, values in want.items():
        got = COMBINERS[name](rm, judge, rules, mix, own).tolist()
        assert got == pytest.approx(values, nan_ok=True), name
    mix = Mix(own={"a": 3.0})
    x = torch.tensor([5.0, 7.0, 9.0])
    got = COMBINERS["normalised_sum"](rm, torch.zeros(3), torch.full((3,), NAN), mix, {"a": x})
    z = (rm - rm.mean()) / rm.std(correction=0) + 3.0 * (x - x.mean()) / x.std(correction=0)
    torch.testing.assert_close(got, z)


def test_gdpo_normalises_each_and_scores_follow_their_replies() -> None:
    given = {"a": {"_target_": "m.A", "weight": 3.0}, "b": {"_target_": "m.B", "weight": 0}, "c": None}
    cfg = small_config(algorithm__gdpo=True, reward__combine="weighted_sum", reward__own=given)

    def parts(at: float, n: int) -> RewardParts:
        x = at + torch.arange(n, dtype=torch.float32)
        return RewardParts(x, x + 10, x + 20, own={"a": x + 30, "b": x + 40})

    mine = parts(0.0, 3)
    weights, values = gdpo_sources(mine, cfg)  # type: ignore[misc]
    assert weights == [1.0, 1.0, 1.0, 3.0] and torch.equal(values[3], mine.own["a"]) and len(values) == 4
    fresh = parts(100.0, 1)
    fresh.own_fault = ("why", "what to do")
    mine.put([1], fresh)
    assert mine.own["a"].tolist() == [30.0, 130.0, 32.0] and mine.own_fault == ("why", "what to do")
    assert mine.row(1)["own"] == {"a": 130.0, "b": 140.0}


# -- what it sees ---------------------------------------------------------------------------------------------

RULES = {"A": {"severity": "hard", "forbid": ["bad"], "on_match": -2.0}}


def ensemble(target: str, rules: Any = None, **more: Any) -> Ensemble:
    given = small_config(reward__combine="own", reward__own=entry(target, **more), rules__rules=rules or {})
    return Ensemble(given, None)  # type: ignore[arg-type]


def replies(*texts: str) -> list[dict[str, Any]]:
    scenario = {"id": "s1", "target_price": 300, "hotel_hidden": {"floor": 280}}
    history = [{"role": "user", "content": "Hello?"}]
    return [
        {"scenario": scenario, "history": history, "reply": text, "finished": i == 0, "sample": object()}
        for i, text in enumerate(texts)
    ]


def test_the_code_sees_a_copy_without_the_hidden_side(code: Path) -> None:
    (code / "looks.py").write_text(
        "seen = []\n\ndef look(items):\n    seen.extend(items)\n    scores = [float(len(i['rules']['fired'])) if i['rules'] else 0.0 for i in items]\n"
        "    for i in items:\n        i['history'].clear(); i['scenario'].clear(); i['reply'] = 'changed'\n    return scores\n"
    )
    items = replies("bad", "good")
    items[1]["answer"] = {"text": "No.", "ended": False, "outcome": None}
    made = ensemble("looks.look", RULES)
    parts = made.score(items)
    assert parts.own["mine"].tolist() == [1.0, 0.0]
    assert (
        items[0]["history"] == [{"role": "user", "content": "Hello?"}]
        and "hotel_hidden" in items[0]["scenario"]
    )
    total, keep, stats = made.total(parts)
    assert total.tolist() == [1.0, 0.0] and keep.all() and stats["reward/own/mine"] == 0.5
    (code / "looks.py").write_text(
        "seen = []\n\ndef look(items):\n    seen.extend(items)\n    return [None, 1]\n"
    )
    forget("looks")
    made = ensemble("looks.look", RULES)
    total, keep, _ = made.total(made.score(items))
    first, second = sys.modules["looks"].seen
    fired = {"rule": "A", "severity": "hard", "weight": -2.0, "text": "bad", "span": (0, 3)}
    assert first == {
        "scenario": {"id": "s1", "target_price": 300}, "history": items[0]["history"], "reply": "bad", "finished": True,
        "answer": None, "rules": {"total": -2.0, "fired": [fired], "violations": ["A"], "not_scored": []},
    }  # fmt: skip
    assert second["answer"] == items[1]["answer"] and second["finished"] is False
    # nothing that the combination reads was scored: such a reply takes no part
    assert keep.tolist() == [False, True] and total[1] == 1.0
    assert made.score([]).own["mine"].shape == (0,)  # a rank without replies: the code is not asked


def test_numbers_of_all_kinds_are_taken(code: Path) -> None:
    (code / "kinds.py").write_text(
        "import numpy, torch\n\ndef array(items):\n    return numpy.array([1, 2], dtype=numpy.float32)\n\n"
        "def tensor(items):\n    return torch.tensor([1.0, 2.0], requires_grad=True).detach()\n\n"
        "def mixed(items):\n    return (x for x in (True, numpy.float64(2)))\n\n"
        "class Kept:\n    def __init__(self):\n        self.calls = 0\n    def score(self, items):\n        self.calls += 1\n        return [self.calls, torch.tensor(2.0)]\n"
    )
    for name in ("array", "tensor", "mixed", "Kept"):
        assert ensemble(f"kinds.{name}").score(replies("a", "b")).own["mine"].tolist() == [1.0, 2.0], name


# -- how it fails ---------------------------------------------------------------------------------------------

BROKEN = """
import json
class Brief:
    def __init__(self, words):
        self.words = 1 / words
    def score(self, items):
        return [self.words] * len(items)
class NoScore: pass
class Two:
    def score(self, items, extra): return items
async def later(items): return [0.0 for _ in items]
number = 3
"""


@pytest.mark.parametrize(
    ("target", "args", "words"),
    [
        (
            "nowhere_at_all.Brief",
            {},
            ["_target_=nowhere_at_all.Brief", "no module nowhere_at_all", "PYTHONPATH"],
        ),
        ("broken.sub.Brief", {}, ["no module broken.sub"]),
        ("broken.Breif", {"words": 1}, ["broken has no Breif", "did you mean Brief?"]),
        ("broken.number", {}, ["is int, and neither a class nor a function"]),
        ("broken.NoScore", {}, ["has no method score", "def score(self, items"]),
        ("broken.Two", {}, ["args do not fit", "'extra'"]),
        ("broken.later", {}, ["is async"]),
        ("broken.Brief", {}, ["args do not fit (words)", "'words'"]),
        ("broken.Brief", {"wrods": 2}, ["args.wrods does not fit (words)", "did you mean words?"]),
        ("broken.Brief", {"words": 0}, ["making broken.Brief raised ZeroDivisionError", "broken.py, line 5"]),
        (
            "imports.x",
            {},
            ["importing imports raised ModuleNotFoundError", "no_such_library", "imports.py, line 1"],
        ),
        ("typo.x", {}, ["importing typo raised SyntaxError", "typo.py, line 2"]),
        ("leaves.x", {}, ["importing leaves raised SystemExit: 3"]),
    ],
)
def test_a_path_that_cannot_serve_is_told(
    code: Path, target: str, args: dict[str, Any], words: list[str]
) -> None:
    (code / "broken.py").write_text(BROKEN)
    (code / "imports.py").write_text("import no_such_library\n")
    (code / "typo.py").write_text("x = 1\nx = = 2\n")
    (code / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(UserError) as caught:
        OwnRewards(own_rewards(entry(target, args=args)))
    for word in ["reward.own.mine", *words]:
        assert word in str(caught.value)


WRONG = """
def short(items): return [1.0]
def nothing(items): pass
def text(items): return ["1.0", 2.0, 3.0]
def endless(items): return [0.0, float("inf"), 0.0]
def nan(items): return [0.0, 0.0, float("nan")]
def huge(items): return [1e300, 0.0, 0.0]
def nested(items): return [[1.0], [2.0], [3.0]]
def third(items):
    return [1 / (3 - int(item["reply"])) for item in items]
def together(items):
    if len(items) > 1:
        raise RuntimeError("too many\\nof them")
    return [0.0]
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("short", ["gave 1 scores for 3 replies", "one number, or None, for each item"]),
        ("nothing", ["gave no list for 3 replies"]),
        ("text", ["gave '1.0' for reply 1 of 3", "no finite number"]),
        ("endless", ["gave 'inf' for reply 2 of 3", "None says that a reply is not scored"]),
        ("nan", ["gave 'nan' for reply 3 of 3"]),
        ("huge", ["gave '1e+300' for reply 1 of 3"]),
        ("nested", ["gave '[1.0]' for reply 1 of 3"]),
        ("third", ["raised ZeroDivisionError: division by zero (wrong.py, line 10) on reply 3 of 3: '3'"]),
        (
            "together",
            ["raised RuntimeError: too many (wrong.py, line 13) on the 3 replies of a batch together"],
        ),
    ],
)
def test_a_fault_while_scoring_stops_the_run_and_says_where(code: Path, name: str, words: list[str]) -> None:
    (code / "wrong.py").write_text(WRONG)
    made = ensemble(f"wrong.{name}")
    parts = made.score(replies("1", "2", "3"))
    assert parts.own["mine"].isnan().all()
    with pytest.raises(SavedStop) as caught:
        made.total(parts)
    for word in [f"reward.own.mine (wrong.{name})", *words]:
        assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rules": {"_target_": "m.A"}}, ["reward.own.rules", "name of something built in"]),
        ({"total": {"_target_": "m.A"}}, ["reward.own.total", "built in"]),
        ({"a_std": {"_target_": "m.A"}}, ["reward.own.a_std", "_std"]),
        ({"a": "m.A"}, ["reward.own.a must be a mapping", "_target_: package.module.Class"]),
        (
            {"a": {"_target_": "m.A", "wieght": 2}},
            ["reward.own.a.wieght", "did you mean weight?", "under args"],
        ),
        ({"a": {"weight": 2}}, ["reward.own.a._target_ must be the path"]),
        ({"a": {"_target_": "Brief"}}, ["reward.own.a._target_", "not 'Brief'"]),
        ({"a": {"_target_": "m.A; import os"}}, ["reward.own.a._target_ must be the path"]),
        ({"a": {"_target_": "m.A", "weight": "much"}}, ["reward.own.a.weight must be a number"]),
        ({"a": {"_target_": "m.A", "args": [1]}}, ["reward.own.a.args must be a mapping"]),
        ({"a": {"_target_": "m.A", "weight": 0}}, ["reward.own.a.weight is 0", "reward.combine=own"]),
    ],
)
def test_a_wrong_entry_is_refused_when_composed(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        compose("rl", [*LIGHT, override_text("reward.own", given)])
    for word in words:
        assert word in str(caught.value)


def test_entries_of_the_command_line_and_what_is_missing(code: Path) -> None:
    typed = ["reward.own.a._target_=here.A", "reward.own.a.weight=-0.5", "reward.own.a.args.words=3"]
    cfg = compose("rl", [*LIGHT, *typed, "reward.own.b=null"])
    (a,) = own_rewards(cfg.reward.own).values()
    assert (a.target, a.weight, a.args) == ("here.A", -0.5, {"words": 3})
    (told,) = missing_inputs(cfg)
    assert "reward.own.a._target_=here.A: there is no module here" in str(told) and told.given
    (code / "here.py").write_text("raise AssertionError('a check of the inputs runs no code')\n")
    assert missing_inputs(cfg) == [] and source_file("here.A") == code / "here.py"
    (told,) = missing_inputs(compose("rl", LIGHT))
    assert "reward.own is empty" in str(told)
    for weight, said in ((1, "(only watched)"), (0, "0 x here.A")):
        cfg = compose("rl", ["rules=none", "reward=rm_only", *typed, f"reward.own.a.weight={weight}"])
        assert said in own_line(cfg) and bool(unread("rm", cfg.reward.own)) == bool(weight)
    assert not unread("enhance", cfg.reward.own)


def test_modules_beside_the_command_are_found_and_hide_no_library(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    (place / "pack").mkdir(parents=True)
    (place / "pack" / "inner.py").write_text("def one(items):\n    return [1.0 for _ in items]\n")
    (place / "json.py").write_text("raise AssertionError('in place of the library')\n")
    monkeypatch.chdir(place)
    forget("json")
    assert ensemble("pack.inner.one").score(replies("a")).own["mine"].tolist() == [1.0]
    assert "place" not in str(
        sys.modules["pack.inner"].json if hasattr(sys.modules["pack.inner"], "json") else ""
    )
    import json as library

    assert "place" not in str(library.__file__)
    assert source_file("pack.inner.one") == place / "pack" / "inner.py"
    forget("pack", "pack.inner")


# -- runs -----------------------------------------------------------------------------------------------------


def test_a_mended_reward_goes_on_from_the_checkpoint(
    line: SimpleNamespace, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code fails in the second step: nothing of the first is lost, and the mended code ends on the same bits."""
    whole = "class Long:\n    def score(self, items):\n        return [len(item['reply']) / 10 for item in items]\n"
    broken = whole.replace("    def", "    calls = 0\n    def", 1).replace(
        "        return", "        self.calls += 1\n        1 / (self.calls < 2)\n        return"
    )
    more = (*GRPO, "rl.steps=3", "reward.own.long._target_=shaky.Long")
    (code / "shaky.py").write_text(whole)
    straight = rl(line, tmp_path / "straight", *more)
    forget("shaky")
    (code / "shaky.py").write_text(broken)
    with pytest.raises(UserError) as caught:
        rl(line, tmp_path / "halves", *more)
    said = str(caught.value)
    assert "step 2: reward.own.long (shaky.Long) raised ZeroDivisionError" in said and "reply 1 of 6" in said
    (run,) = (tmp_path / "halves" / "rl" / "run").iterdir()
    assert str(run / "checkpoints" / "step-000001") in said and len(metrics(run)) == 1
    text = (run / "log.txt").read_text()
    assert "Traceback (most recent call last)" in text and "1 / (self.calls < 2)" in text
    forget("shaky")
    (code / "shaky.py").write_text(whole + "# mended\n")
    capsys.readouterr()
    final = rl(line, tmp_path / "halves", *more, "resume=auto")
    told = capsys.readouterr().out
    assert (
        "changed: reward.own.long._target_" in told
        and "its content has changed since the run started" in told
    )
    weights = "adapter_model.safetensors"
    assert metrics(final) == metrics(straight) and len(metrics(final)) == 3
    assert (final / weights).read_bytes() == (straight / weights).read_bytes()
    forget("shaky")
    rl(line, tmp_path / "halves", "resume=" + str(run), "reward.own.long.weight=2.0", "rl.steps=4")
    assert "changed: reward.own.long.weight: None -> 2.0" in capsys.readouterr().out


def test_a_combination_that_does_not_read_it_watches_it(
    line: SimpleNamespace, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code / "seen.py").write_text("def five(items):\n    return [5.0] * len(items)\n")
    more = ("rl.steps=1", "reward=rm_only", "rl.preflight=false")
    bare = rl(line, tmp_path / "bare", *more)
    final = rl(line, tmp_path / "own", *more, "reward.own.five._target_=seen.five")
    assert "reward.own: five only watched, reward.combine=rm" in capsys.readouterr().out.replace("\n", " ")
    (row,), (other,) = metrics(final), metrics(bare)
    assert row.pop("reward/own/five") == 5.0
    assert {k: v for k, v in row.items() if "/own/" not in k} == other


def test_the_code_is_a_part_of_the_pipelines_key(code: Path, tmp_path: Path) -> None:
    (code / "keyed.py").write_text("raise AssertionError('a key is made without running it')\n")
    given = (*LIGHT, "policy=tiny", "reward.own.a._target_=keyed.A")
    cfg = compose("rl", given)
    before = step_key(cfg)
    assert before == step_key(compose("rl", given))
    (code / "keyed.py").write_text("A = 'other code'\n")
    keys = {before, step_key(cfg), step_key(compose("rl", [*given, "reward.own.a.weight=2"]))}
    assert len(keys) == 3
    sft = [step_key(config("sft", tmp_path, *extra)) for extra in ((), given[3:])]
    assert sft[0] == sft[1]  # another stage does not read it


def test_reward_score_and_check_have_a_column_for_it(code: Path, tmp_path: Path) -> None:
    (code / "columns.py").write_text(
        "def long(items):\n    return [None if not i['reply'] else len(i['reply']) / 100 for i in items]\n"
    )
    given = ["reward=own_only", "rules=none", "reward.own.long._target_=columns.long"]
    data, out = write(tmp_path / "d.jsonl", [dialogue(i) for i in range(3)]), tmp_path / "out.jsonl"
    run, wide = CliRunner(), {"COLUMNS": "160"}
    done = run.invoke(app, ["reward", "score", str(data), *given, "--out", str(out)], env=wide)
    assert done.exit_code == 0, done.output
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert len(rows) == 6
    for row in rows:
        assert row["own"]["long"] == row["total"] == pytest.approx(len(row["reply"]) / 100)
    header = next(text for text in done.output.splitlines() if "where" in text)
    assert [header.index(name) for name in ("rules", "long", "total")] == sorted(
        header.index(name) for name in ("rules", "long", "total")
    )
    done = run.invoke(app, ["reward", "check", *given, "--n", "4"], env=wide)
    assert done.exit_code == 2, done.output
    header = [word for text in done.output.splitlines()[:4] for word in text.split() if word.isalpha()]
    assert header == ["canary", "contexts", "long", "total", "wins", "gap"], header
    assert "PAYS" in done.output and "length stuffing" in done.output.split("honest replies on average")[1]
    done = run.invoke(
        app, ["reward", "check", "reward=own_only", "rules=none", "reward.own.x._target_=gone.x"]
    )
    assert done.exit_code != 0 and "there is no module gone" in str(done.exception) + done.output
