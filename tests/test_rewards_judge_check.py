"""`repo judge check`: its figures by hand, and the command on a judge over HTTP whose sight is known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from judge_server import FakeEndpoint
from stages_kit import go, write

from repo_cli.cli import main
from repo_cli.config import compose, conf_dir
from repo_cli.rewards.judge_check import length_bias, position_bias, run_check, weighted_kappa
from repo_cli.rewards.judge_defects import ADDED, padded, plant
from repo_cli.rewards.judge_prompt import JudgeScore, judge_rows_to_sft
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.rubric import Rubric, normalise_judge
from repo_cli.worlds import get_world

RUBRIC = Rubric.of({"name": "r", "scale": [1, 5], "criteria": {"R1": {}, "R2": {}, "R3": {}}})


def test_weighted_kappa_by_hand() -> None:
    assert weighted_kappa([(1, 1), (3, 3), (5, 5)], 1, 5) == 1.0
    assert weighted_kappa([(1, 5), (5, 1)], 1, 5) == -1.0
    # disagreement 1/4; by chance (a: 1 1 2 3, b: 1 2 2 3) the mean squared difference is 20/16
    assert weighted_kappa([(1, 1), (1, 2), (2, 2), (3, 3)], 1, 5) == pytest.approx(1 - (1 / 4) / (20 / 16))
    assert math.isnan(weighted_kappa([(4, 4), (4, 4)], 1, 5)) and math.isnan(weighted_kappa([], 1, 5))


def test_weighted_kappa_is_that_of_statsmodels() -> None:
    import random

    from statsmodels.stats.inter_rater import cohens_kappa

    rng = random.Random(5)
    pairs = [(rng.randint(1, 5), rng.randint(1, 5)) for _ in range(200)]
    pairs += [(k, max(1, k - 1)) for k in (1, 2, 3, 4, 5) for _ in range(30)]
    table = [[sum(p == (a, b) for p in pairs) for b in range(1, 6)] for a in range(1, 6)]
    want = cohens_kappa(table, wt="quadratic").kappa
    assert weighted_kappa(pairs, 1, 5) == pytest.approx(want)


def score(*values: float | None, outcome: str = "ok") -> JudgeScore:
    return JudgeScore(dict(zip(RUBRIC.criteria, values, strict=True)), outcome)


def test_biases_by_hand() -> None:
    # asked first R1 gets 4, asked last 3; R3 the other way round; R2 stands in the middle
    bias = position_bias([score(4, 3, 3)], [score(3, 3, 4)], RUBRIC)
    assert bias == {"change": pytest.approx(2 / 3), "first_half": 1.0, "n": 3.0}
    items = [{"reply": "a" * n} for n in (1, 2, 3)]
    labels: Any = [{"R1": 3, "R2": None}] * 3
    scores = [score(2, 1, 1), score(3, 1, 1), score(4, 1, 1)]
    longer = [score(4, 3, 3), score(3, 1, 1), score(None, None, None, outcome="transport")]
    size = length_bias(items, labels, scores, longer, RUBRIC)
    assert size["correlation"] == pytest.approx(1.0) and size["n"] == 2
    assert size["padding"] == pytest.approx((1.0 + 0.0) / 2) and size["lifted"] == 0.5


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_planted_reply_differs_in_one_way(language: str) -> None:
    reply = {"en": "Would 350 a night work for you?", "zh": "这两晚350元一晚可以吗？"}[language]
    kinds = []
    for number in range(len(ADDED[language]) + 1):
        made = plant(reply, language, number)
        assert made is not None and made.reply != reply and made.criterion in ("R1", "R2", "R3")
        kinds.append(made.kind)
        assert made.kind == "wrong number" or made.reply.startswith(reply)
    assert len(set(kinds)) == len(kinds) and "350" not in made.reply
    assert plant("No number here.", "en", len(ADDED["en"])) is None
    assert padded(reply, language).endswith(reply)


def examples(tmp_path: Path) -> Path:
    rows = []
    for i in range(12):
        word, label = (("great", 5), ("fair", 3), ("poor", 2))[i % 3]
        rows.append(
            {
                "prompt": [{"role": "user", "content": "Hello?"}],
                "reply": f"{word}: would {340 + i} work?",
                "scenario": {"language": "en"},
                "scores": {f"R{k}": label for k in range(1, 13)},
            }
        )
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_the_command_prints_one_table(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    names = [f"R{k}" for k in range(1, 13)]
    with FakeEndpoint(names) as server:
        with pytest.raises(SystemExit) as end:
            main(["judge", "check", str(examples(tmp_path)), "judge=openai", f"judge.api.url={server.url}",
                  "judge.api.model=m", "judge.api.price_in=10", f"cache_dir={tmp_path}", "--out", str(tmp_path / "f.json")])  # fmt: skip
        assert end.value.code in (0, None)
    shown = capsys.readouterr().out
    figures = json.loads((tmp_path / "f.json").read_text())
    # the endpoint says 5, 3 and 1 where the labels say 5, 3 and 2
    assert (
        figures["criteria"]["R1"]["exact"] == pytest.approx(2 / 3)
        and figures["criteria"]["all"]["within_one"] == 1.0
    )
    assert figures["criteria"]["R1"]["correlation"] == pytest.approx(
        0.98198, abs=1e-5
    )  # (5, 3, 2) with (5, 3, 1)
    assert figures["position"]["change"] == 0.0 and figures["length"]["padding"] == 0.0
    # it reads one word only, so it sees none of the planted defects
    assert figures["detection"] == 0.0 and sum(p for _, p in figures["defects"].values()) == 8
    assert figures["used"]["cost"] == pytest.approx(figures["used"]["requests"] * 100 * 10 / 1e6)
    for words in ("R12", "kappa", "corr.", "planted defects found", "outcome ok", "cost"):
        assert words in shown, words


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A small model that has learnt to rate by one word, asked in either order of the criteria; whole, and as an
    adapter that was trained a little further on it."""
    root = tmp_path_factory.mktemp("taught")
    rubric = {"name": "two", "scale": [1, 5], "criteria": {"R1": {"name": "a"}, "R2": {"name": "b"}}}
    backwards = {**rubric, "criteria": dict(reversed(list(rubric["criteria"].items())))}
    rows = []
    for i in range(12):
        word, first, second = (("great", 5, 4), ("fair", 3, 2), ("poor", 1, 2))[i % 3]
        prompt = [{"role": "user", "content": "Hello?"}]
        scores = {"R1": first, "R2": second}
        rows.append({"prompt": prompt, "reply": f"{word}: would {340 + i} work?", "scores": scores})
    asked = [row for one in (rubric, backwards) for row in judge_rows_to_sft(rows, one, style="compact")]
    given = (f"data.path={write(root / 'sft.jsonl', asked)}", "data.val_fraction=0", "sft.batch_size=24")
    made = SimpleNamespace(conf=root / "conf", rows=write(root / "labelled.jsonl", rows))
    (made.conf / "rubric").mkdir(parents=True)
    (made.conf / "rubric" / "two.yaml").write_text(yaml.safe_dump(rubric))
    made.whole = go("sft", root, *given, "policy.train=full", "sft.epochs=60", "optim.lr=0.02", "name=whole")
    made.adapter = go("sft", root, *given, f"policy.parent={made.whole}", "sft.epochs=1", "name=adapter")
    return made


@pytest.mark.parametrize("kind", ["adapter", "whole"])
def test_a_judge_on_this_machine_is_checked(taught: SimpleNamespace, kind: str, tmp_path: Path) -> None:
    """As it stands: neither policy nor base is named, only the judge; it is asked in reverse order too."""
    with pytest.raises(SystemExit) as end:
        main(["judge", "check", str(taught.rows), "judge=local", f"judge.path={getattr(taught, kind)}", "rubric=two",
              "judge.prompt=compact", "engine.device=cpu", f"cache_dir={tmp_path}", "--config-dir", str(taught.conf),
              "--out", str(tmp_path / "f.json")])  # fmt: skip
    assert end.value.code in (0, None)
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["criteria"]["all"]["n"] == 24 and figures["criteria"]["all"]["exact"] == 1.0
    assert figures["criteria"]["R1"]["kappa"] == 1.0
    place = figures["position"]
    assert place["n"] == 24 and 0.0 < place["change"] < 0.5 and abs(place["first_half"]) < 0.5
    planted = sum(n for _, n in figures["defects"].values())
    assert figures["outcomes"] == {"ok": 36 + planted} and planted == 4 and figures["used"]["requests"] == 0
    assert figures["length"]["n"] == 12


def test_defects_that_a_judge_sees_are_counted() -> None:
    class Careful:
        """Takes two points off for what it can see."""

        rubric = RUBRIC

        def score(self, items: Any) -> list[JudgeScore]:
            seen = ("first page", "greedy", "40%")
            return [score(*[2.0 if any(w in i["reply"] for w in seen) else 4.0] * 3) for i in items]

    rows = [
        {
            "prompt": [],
            "reply": f"Would {300 + i} work?",
            "scenario": {"language": "en"},
            "scores": {"R1": 4, "R2": 4, "R3": 5},
        }
        for i in range(14)
    ]
    result = run_check(lambda rubric: Careful(), rows)
    found = {kind for kind, (hit, _) in result.defects.items() if hit}
    assert found == {"rank promised", "guilt", "invented fact"} and result.detection == pytest.approx(3 / 7)


def test_what_the_command_refuses(tmp_path: Path, capsys: Any) -> None:
    path = str(examples(tmp_path))
    for arguments, said in (
        ([path], "judge.kind=none"),
        ([path, "judge=openai"], "judge.api.url is null"),
        (["world:gold", "judge=openai", "judge.api.url=http://x/v1", "judge.api.model=m"], "no scores"),
        ([path, "judge=openai", "judge.api.url=http://u:p@x/v1"], "judge.api.url"),
        ([path, "judge=openai", "judge.api.key_env=sk-1234"], "judge.api.key_env is not the name"),
        ([path, "judge=openai", "judge.prompt=compact"], "judge.prompt=compact"),
        (
            [path, "judge=openai", "judge.api.url=http://x/v1", "judge.api.model=m", "--skip", "99"],
            "no examples are left",
        ),
        ([path, "judge=local", "judge.mode=each"], "judge.mode=each"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["judge", "check", *arguments])
        shown = capsys.readouterr().err
        assert end.value.code == 2 and said in shown and "sk-1234" not in shown, (arguments, shown)


@pytest.mark.parametrize(("size", "numbers"), [("hotel", range(1, 13)), ("hotel_small", (1, 3, 4, 5, 7, 9))])
def test_both_languages_ship_the_same_criteria(size: str, numbers: Iterable[int]) -> None:
    en, zh = (
        yaml.safe_load((conf_dir() / "rubric" / f"{n}.yaml").read_text("utf-8")) for n in (size, f"{size}_zh")
    )
    assert list(en["criteria"]) == list(zh["criteria"]) == [f"R{k}" for k in numbers]
    for name, ours in zh["criteria"].items():
        theirs = en["criteria"][name]
        assert set(ours["anchors"]) == set(theirs["anchors"]) == {1, 3, 5}
        for key in ("weight", "skill", "gate"):
            assert ours.get(key) == theirs.get(key), (name, key)
        assert bool(ours.get("applies_when")) == bool(theirs.get("applies_when"))
        assert ours["question"] != theirs["question"]
    gates = [name for name, c in en["criteria"].items() if c.get("gate")]
    assert gates == [f"R{k}" for k in (1, 2, 3, 11) if k in numbers]


def test_the_chinese_demo_has_its_own_rubric_and_labels_for_all_of_it() -> None:
    cfg = compose("sft", ["+experiment=demo", "world.language=zh", "rubric=hotel_small_zh"], step="judge")
    assert cfg.rubric.name == "hotel-rubric-small-zh" and cfg.world.language == "zh"
    rows = [get_world("hotel", "zh", 0).rows("judge", i) for i in range(3)]
    for made in judge_rows_to_sft(rows, cfg.rubric, style=cfg.judge.prompt):
        assert len(made["messages"][-1]["content"].splitlines()) == len(cfg.rubric.criteria)


@pytest.mark.parametrize("scoring", ["json", "labels"])
@pytest.mark.parametrize("mode", ["together", "each"])
def test_the_chinese_rubric_is_asked_for_in_chinese(tmp_path: Path, mode: str, scoring: str) -> None:
    rubric = yaml.safe_load((conf_dir() / "rubric" / "hotel_zh.yaml").read_text("utf-8"))
    names = list(rubric["criteria"])
    sometimes = [name for name, c in rubric["criteria"].items() if c.get("applies_when")]
    row = get_world("hotel", "zh", 0).rows("judge", 3)
    item = {"scenario": row["scenario"], "history": row["prompt"], "reply": "great，360元一晚您看可以吗？"}
    with FakeEndpoint(names, dashes=sometimes) as server:
        cfg = compose("rl", ["judge=openai", f"judge.api.url={server.url}", "judge.api.model=m", "rubric=hotel_zh",
                             "world.language=zh", "rules=none", f"judge.mode={mode}", f"judge.scoring={scoring}",
                             f"cache_dir={tmp_path}"])  # fmt: skip
        judge = RemoteJudge.open(cfg)
        good, poor = judge.score([item, {**item, "reply": "poor，随便吧。"}])
        bodies = list(server.bodies)
    assert good.outcome == poor.outcome == "ok" and list(good.criteria) == names
    assert len(bodies) == (2 if mode == "together" else 24)
    assert [name for name, value in good.criteria.items() if value is None] == sometimes
    assert (
        normalise_judge(good.criteria, judge.rubric)
        > 0.8
        > -0.8
        > normalise_judge(poor.criteria, judge.rubric)
    )
    fixed = {body["messages"][0]["content"] for body in bodies}
    assert len(fixed) == 1
    (text,) = fixed
    for criterion in rubric["criteria"].values():
        assert criterion["question"] in text and criterion["anchors"][5] in text
    cases = [body["messages"][-1]["content"] for body in bodies]
    assert any(item["reply"] in case for case in cases)


def test_what_a_step_depends_on() -> None:
    """How fast a judge is asked changes no product; what it is asked changes RL, and no training of a judge's base."""
    from repo_cli.stages.pipeline_steps import step_key

    def keys(*more: str) -> tuple[str, str]:
        given = ("judge=openai", "judge.api.url=http://x/v1", "judge.api.model=m", "rules=none", *more)
        rl, sft = (step_key(compose(stage, given)) for stage in ("rl", "sft"))
        return rl, sft

    plain = keys()
    assert keys("judge.api.rpm=5", "judge.api.concurrency=2", "judge.api.cache=false") == plain
    hot = keys("judge.api.temperature=1")
    assert hot[0] != plain[0] and hot[1] == plain[1]


@pytest.mark.parametrize("annotator", ["world", "judge"])
def test_samples_depend_on_rules_where_they_screen_for_a_judge(annotator: str) -> None:
    from repo_cli.stages.pipeline_steps import step_key

    given = [
        "judge=openai",
        "judge.api.url=http://x/v1",
        "judge.api.model=m",
        f"sample.annotator={annotator}",
    ]
    keys = {step_key(compose("sample", [*given, *more])) for more in ([], ["rules.rules.G62.screen=false"])}
    assert len(keys) == (2 if annotator == "judge" else 1)
