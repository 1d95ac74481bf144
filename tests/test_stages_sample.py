"""`repo sample`: a policy's replies, compared and graded, and how other stages take them (`data.also`)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stages_kit import config, go, metrics

from repo_cli.dialogue.files import load_rows
from repo_cli.errors import UserError
from repo_cli.models.manifest import read_manifest
from repo_cli.rewards.judge_prompt import JudgeScore
from repo_cli.rewards.judge_watch import JudgeWatch
from repo_cli.rollout.engine import Reply
from repo_cli.stages.annotators import Asked, JudgeAnnotator, WorldAnnotator
from repo_cli.stages.data import stage_rows
from repo_cli.stages.sample import annotated, batches, distinct
from repo_cli.worlds import get_world
from repo_cli.worlds.hotel import annotator as hotel_annotator


@pytest.fixture(scope="module")
def sampled(line: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two replies to each of 24 contexts of the world, by the agent of `line`."""
    return go(
        "sample", tmp_path_factory.mktemp("sampled"), f"policy.parent={line.sft}", "data.path=world:prompts",
        "data.limit=24", "policy.max_length=1024",
    )  # fmt: skip


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def test_the_product_holds_pairs_and_graded_replies(sampled: Path, line: SimpleNamespace) -> None:
    pairs, graded = rows_of(sampled / "preference.jsonl"), rows_of(sampled / "judge.jsonl")
    assert len(pairs) > 12 and len(graded) > 30  # a pair needs two replies that differ
    contexts = {json.dumps(row["prompt"]) for row in pairs}
    world = get_world("hotel", "en", 0)
    assert contexts <= {json.dumps(world.rows("prompts", i)["prompt"]) for i in range(24)}
    for row in [*pairs, *graded]:
        assert row["scenario"] and "hotel_hidden" not in json.dumps(row)
        assert row["source"] == "sampled, annotator" and "sampled" in row["tags"]
    assert all(row["chosen"] != row["rejected"] for row in pairs)
    assert all(row["reply"].strip() and set(row["scores"]) >= {"R1", "R2"} for row in graded)
    manifest = read_manifest(sampled)
    assert (manifest.kind, manifest.parent) == ("data", str(line.sft))
    assert set(manifest.files) == {"preference.jsonl", "judge.jsonl"}


def test_the_same_seed_says_the_same(sampled: Path, line: SimpleNamespace, tmp_path: Path) -> None:
    given = (
        f"policy.parent={line.sft}",
        "data.path=world:prompts",
        "data.limit=24",
        "policy.max_length=1024",
    )
    again, other = go("sample", tmp_path, *given), go("sample", tmp_path, *given, "seed=1")
    names = ("preference.jsonl", "judge.jsonl")
    assert all((sampled / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert all((sampled / name).read_bytes() != (other / name).read_bytes() for name in names)


def test_a_reward_model_and_a_judge_learn_from_it_too(
    sampled: Path, line: SimpleNamespace, tmp_path: Path
) -> None:
    pairs = len(rows_of(sampled / "preference.jsonl"))
    more = (f"policy.parent={line.base}", f"data.also=[{sampled.parent}]", "policy.max_length=1024")
    rm = go("train_rm", tmp_path, f"data.path={line.pairs}", *more, "train_rm.batch_size=8")
    counts = read_manifest(rm).extra["metrics"]
    cfg = config("train_rm", tmp_path, f"data.path={line.pairs}", *more)
    rows, report = stage_rows(cfg, "preference")
    assert (len(rows), report.rows, report.path.count(" + ")) == (40 + pairs, 40 + pairs, 1)
    assert 40 < counts["data/pairs"] <= 40 + pairs
    judge = go("sft", tmp_path, "data.path=world:judge", "data.limit=6", *more, "judge.prompt=compact", "sft.max_steps=2")  # fmt: skip
    assert metrics(judge)[-1]["step"] == 2


def test_resume_refuses_other_samples(sampled: Path, line: SimpleNamespace, tmp_path: Path) -> None:
    from repo_cli.launch.differences import inputs

    noted = inputs(config("train_rm", tmp_path, f"data.path={line.pairs}", f"data.also=[{sampled}]"))
    assert {"data.path", "data.also[0]"} <= noted.keys() and all(noted.values())


@pytest.mark.parametrize(
    ("stage", "given", "said"),
    [
        ("rl", ("data.path={sampled}", "policy.parent={sft}", "rm.path={rm}"), "this stage needs prompts rows"),
        ("train_rm", ("data.also=[nowhere.jsonl]",), "data.also[0]=nowhere.jsonl: no such file"),
        ("train_rm", ("data.also=[world:pears]",), "has no such corpus"),
        ("sample", ("sample.annotator=judge",), "there is no judge to ask"),
        ("sample", ("sample.n=0",), "sample.n"),
        ("sample", ("data.path={prompts}", "policy.parent={sft}"), "is not one of the world's"),
        ("sft", ("data.path={dialogues}", "policy.parent={sampled}"), "holds a data, not a policy"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_said(
    stage: str, given: tuple[str, ...], said: str, sampled: Path, line: SimpleNamespace, tmp_path: Path
) -> None:
    filled = [
        g.format(sampled=sampled, sft=line.sft, rm=line.rm, dialogues=line.dialogues, prompts=line.prompts)
        for g in given
    ]
    named = any(g.startswith("data.path") for g in filled) or stage == "sample"
    with pytest.raises(UserError) as caught:
        go(stage, tmp_path, *([] if named else [f"data.path={line.pairs}"]), *filled)
    assert said in caught.value.message


def test_replies_that_say_nothing_or_the_same_are_left_out() -> None:
    replies = [Reply([1], [0.0], text, True) for text in ("a", " ", "a", "b", "")]
    assert distinct(replies) == ["a", "b"]


def test_the_world_annotator_prefers_what_its_liking_says_and_errs_sometimes() -> None:
    world = get_world("hotel", "en", 0)
    rows = [world.rows("pairs", i) for i in range(150)]
    agreed = clear = 0
    for place, row in enumerate(rows):
        sides = [row["chosen"][0]["content"], row["rejected"][0]["content"]]
        liked = [hotel_annotator.utility(row["prompt"], text, row["scenario"]) for text in sides]
        asked = Asked(place, row["prompt"], row["scenario"], sides)
        (((better, worse),), grades), again = WorldAnnotator(world, 0).annotate([asked, asked])
        assert again == ([(better, worse)], grades)  # noise follows from the context, not from the order
        assert {better, worse} == {0, 1} and len(grades) == 2
        if abs(liked[0] - liked[1]) > 0.5:
            clear += 1
            agreed += liked[better] > liked[worse]
    assert clear > 80 and 0.8 < agreed / clear < 1.0


class Told:
    """A judge that says what it is told: one list of criteria for each reply, None = failed."""

    def __init__(self, scores: dict[str, dict[str, float | None] | None]) -> None:
        criteria = {"R1": SimpleNamespace(id="R1", weight=1.0, gate=False)}
        self.rubric = SimpleNamespace(low=1, high=5, criteria=criteria)
        self.scores = scores
        self.asked: list[int] = []

    def score(self, items: list[dict[str, Any]]) -> list[JudgeScore]:
        self.asked.append(len(items))
        given = [self.scores[item["reply"]] for item in items]
        return [
            JudgeScore(g or {}, "ok" if g else "unparsable", detail="" if g else "no JSON") for g in given
        ]


def told(tmp_path: Path, margin: float, **scores: float | None) -> JudgeAnnotator:
    judge = Told({name: None if s is None else {"R1": s} for name, s in scores.items()})
    return JudgeAnnotator(judge, margin, JudgeWatch(config("sample", tmp_path).judge))  # type: ignore[arg-type]


def lines_of(annotator: JudgeAnnotator, *texts: str) -> list[dict[str, Any]]:
    """What comes of one context for each text, whose letters are the replies."""
    row = {
        "prompt": [{"role": "user", "content": "Hello."}],
        "scenario": {"id": "s", "hotel_hidden": {"x": 1}},
    }
    n = max(map(len, texts))
    replies = [Reply([1], [0.0], letter, True) for text in texts for letter in text.ljust(n)]
    return annotated(annotator, list(enumerate([row] * len(texts))), replies, n)


def test_a_judge_pairs_the_best_with_the_worst_by_its_margin(tmp_path: Path) -> None:
    judge = told(tmp_path, 0.3, a=1.2, b=4.6, c=None, d=3.0, e=3.1)
    (line,) = lines_of(judge, "abcde")
    pairs, graded = line["preference"], line["sft"]
    assert [(p["chosen"][0]["content"], p["rejected"][0]["content"]) for p in pairs] == [("b", "a")]
    assert [(g["reply"], g["scores"]) for g in graded] == [
        ("a", {"R1": 1}), ("b", {"R1": 5}), ("d", {"R1": 3}), ("e", {"R1": 3}),
    ]  # fmt: skip
    assert pairs[0]["scenario"] == {"id": "s"}
    assert lines_of(told(tmp_path, 0.0, a=3.0, b=3.0), "ab")[0]["preference"] == []
    (failed,) = lines_of(judge, "c")
    assert failed["preference"] == failed["sft"] == []


def test_a_judge_is_asked_once_about_the_replies_to_many_contexts(tmp_path: Path) -> None:
    judge = told(tmp_path, 0.0, a=1.0, b=2.0, c=3.0, d=None)
    lines = lines_of(judge, "ab", "  ", "cc", "bd", "ca")
    assert judge.judge.asked == [7]  # nothing empty, nothing twice
    found = [
        [(p["chosen"][0]["content"], p["rejected"][0]["content"]) for p in line["preference"]]
        for line in lines
    ]
    assert found == [[("b", "a")], [], [], [], [("c", "a")]]
    assert [[g["reply"] for g in line["sft"]] for line in lines] == [["a", "b"], [], ["c"], ["b"], ["c", "a"]]
    assert [line["place"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines_of(judge, " ")[0]["sft"] == [] and judge.judge.asked == [7]  # nobody is asked about nothing


def test_contexts_of_like_length_go_together_the_longest_first() -> None:
    assert batches([5, 9, 5, 7, 9], 2) == [[1, 4], [3, 0], [2]] and batches([], 3) == []


def test_what_is_written_is_read_back_as_what_it_is(sampled: Path) -> None:
    for name, kind in (("preference.jsonl", "preference"), ("judge.jsonl", "judge")):
        rows, report = load_rows(str(sampled / name), "any")
        assert report.kind == kind and len(rows) == len(rows_of(sampled / name)) and not report.bad
