"""Bad input by the hundred: whatever a data file, a rule file, a rubric, an override, a judge's answer or a manifest
says, the answer is a result or one clear UserError: no other exception, no hang, no file touched.

Texts are drawn at random and, since those rarely get past the first check, sound ones are changed in one to three places.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from judge_server import label_places

from repo_cli.cli import main
from repo_cli.config import compose
from repo_cli.config.groups_reward import JudgeApiConfig
from repo_cli.dialogue.files import load_rows
from repo_cli.errors import UserError
from repo_cli.models.manifest import Manifest, read_manifest
from repo_cli.rewards.judge_client import Answer, Client, Failure
from repo_cli.rewards.judge_parse import Unreadable, read_json, read_labels
from repo_cli.rewards.rubric import Rubric, normalise_judge
from repo_cli.rewards.rules import RuleSet

Text = st.text(max_size=12) | st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "../../etc/passwd",
        "/dev/zero",
        "${oc.env:HOME}",
        "<think>",
        "nan",
        "1e999",
        "user",
    ]
)
Leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.sampled_from([10**400, float("inf"), float("nan"), -0.0, 1e308])
    | st.floats()
    | Text
)
Thing = st.recursive(
    Leaf, lambda part: st.lists(part, max_size=3) | st.dictionaries(Text, part, max_size=3), max_leaves=6
)


def fuzz(examples: int) -> Callable[[Any], Any]:
    """Each example has ten seconds: enough for a busy machine, and no hang."""
    return settings(
        max_examples=examples,
        deadline=timedelta(seconds=10),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def paths_of(thing: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a nest of mappings and lists."""
    parts = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for key, value in parts:
        yield (*here, key)
        yield from paths_of(value, (*here, key))


@st.composite
def changed(draw: st.DrawFn, sound: Any) -> Any:
    """A sound thing, changed in one to three places: another value, none, a key more, one twice, one under another name."""
    thing = copy.deepcopy(draw(st.sampled_from(sound)) if isinstance(sound, list) else sound)
    for _ in range(draw(st.integers(1, 3))):
        found = list(paths_of(thing))
        if not found:
            return draw(Thing)
        *parents, last = draw(st.sampled_from(found))
        node = thing
        for key in parents:
            node = node[key]
        what = draw(st.sampled_from(["value", "value", "gone", "more", "name"]))
        if what == "value":
            node[last] = draw(Thing)
        elif what == "gone":
            del node[last]
        elif isinstance(node, list):
            node.insert(last, draw(Thing))
        elif what == "more":
            node[draw(Text)] = draw(Thing)
        else:
            node[draw(Text)] = node.pop(last)
    return thing


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory to read from, which is the working directory too."""
    folder, before = tmp_path_factory.mktemp("fuzz") / "here", Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def tree(folder: Path) -> dict[str, str]:
    """All files there and beside it."""
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else ""
        for p in folder.parent.rglob("*")
    }


def answers(action: Callable[[], Any], folder: Path) -> Any:
    """What the action gives, or None after a clear error; nothing else may come of it, and no file may change."""
    before = tree(folder)
    try:
        found = action()
    except UserError as error:
        assert str(error).strip() and "Traceback" not in str(error)
        found = None
    assert tree(folder) == before
    return found


# -- data files ---------------------------------------------------------------------------------------------------

TALK = [
    {"role": "system", "content": "You speak for Willow House."},
    {"role": "user", "content": "Hello?"},
    {"role": "assistant", "content": "Could you go to 365?", "train": True},
]
ROWS = {
    "sft": {"messages": TALK, "scenario": {"language": "en", "current_price": 388}, "tags": ["a"]},
    "preference": {
        "prompt": TALK[:2],
        "chosen": TALK[2:],
        "rejected": [{"role": "assistant", "content": "No."}],
        "margin": 0.5,
        "source": "x",
    },
    "prompts": {"prompt": TALK[:2], "scenario": {}, "reference": "Could you?", "tags": []},
    "judge": {"prompt": TALK[:2], "reply": "Could you?", "scenario": {}, "scores": {"R1": 4, "R4": None}},
    "badcases": {
        "prompt": [*TALK, {"role": "user", "content": "No."}, TALK[2]],
        "scenario": {},
        "defects": [{"turn": 2, "kind": "price", "severity": 2}],
    },
}


def as_json(thing: Any) -> bytes:
    return json.dumps(thing).encode()


@st.composite
def data_files(draw: st.DrawFn) -> bytes:
    """Lines of sound rows, changed ones and anything at all; sometimes with bytes put in."""
    line = (
        st.binary(max_size=30)
        | Thing.map(as_json)
        | st.sampled_from(list(ROWS.values())).map(as_json)
        | changed(list(ROWS.values())).map(as_json)
        | st.sampled_from([b'{"messages": ' + b"[" * 4000, b'{"margin": ' + b"9" * 5000 + b"}"])
    )
    raw = b"\n".join(draw(st.lists(line, min_size=1, max_size=3)))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=4)) + raw[at:]
    return raw


@fuzz(250)
@given(raw=data_files(), kind=st.sampled_from([*ROWS, "any"]), skip=st.booleans(), whole=st.booleans())
def test_data_files(place: Path, raw: bytes, kind: str, skip: bool, whole: bool) -> None:
    path = place / ("data.json" if whole else "data.jsonl")
    path.write_bytes(raw)
    found = answers(lambda: load_rows(str(path), kind, "skip" if skip else "fail"), place)
    if found is not None:
        rows, report = found
        assert len(rows) == report.rows and all(isinstance(row, dict) for row in rows)


ROW = json.dumps({"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]})


@fuzz(60)
@given(raw=data_files())
@example(raw=b'{"\\ud800\\u001b[31m": 1}')  # what cannot be printed, and what colours a terminal
@example(raw=b'{"prompt": "Hi?"}\n{"prompt": "Hi?", "chosen": [null], "rejected": "No."}')  # of two kinds
@example(raw=f'{ROW}\n{{"\\ud800\\u001b[31m": 1}}'.encode())
def test_validate_ends_with_0_or_2(place: Path, raw: bytes) -> None:
    path = place / "told.jsonl"
    path.write_bytes(raw)
    before = tree(place)
    out, told = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        try:
            main(["data", "validate", str(path)])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out.flush()
        told.flush()
    said = out.buffer.getvalue() + told.buffer.getvalue()
    assert code in (0, 2) and b"Traceback" not in said, said.decode()
    assert b"\x1b" not in said
    assert tree(place) == before


@fuzz(40)
@given(at=st.floats(0, 1), put=st.binary(min_size=1, max_size=8))
def test_parquet(place: Path, at: float, put: bytes) -> None:
    """The words at the end of the file, which say what lies where; the data pages are pyarrow's own business."""
    import pyarrow
    import pyarrow.parquet

    path = place / "data.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROWS["sft"]]), path)
    raw = bytearray(path.read_bytes())
    place_of = len(raw) - 8 + int(at * 8)
    raw[place_of : place_of + len(put)] = put
    path.write_bytes(raw)
    answers(lambda: load_rows(str(path), "sft"), place)


# -- rules and rubrics --------------------------------------------------------------------------------------------

RULES = {
    "name": "small",
    "language": ["en", "zh"],
    "words": {"en": {"more": ["more", "extra"], "will": "(?i)will"}},
    "example_context": {"en": {"scenario": {"language": "en"}, "history": [{"role": "user", "content": "Hello?"}]}},
    "rules": {
        "A": {"about": "x", "category": "c", "severity": "hard", "forbid": {"en": ["first page"]}, "on_match": -2.0,
              "unless": ["cannot"], "when": {"stage": ["S3"], "min_asks": 1},
              "examples": {"pass": ["fine"], "fail": [{"text": "first page", "language": "en"}]}},
        "B": {"severity": "soft", "require": ["thank"], "on_miss": -0.5, "engine": "regex", "timeout_s": 0.05},
        "C": {"severity": "soft", "check": {"name": "price_in_range"}, "on_match": -1.0},
        "D": {"severity": "hard", "forbid": {"en": [{"all": ["will", "more"], "within": 30}]}, "on_match": -1.0},
    },
}  # fmt: skip
RUBRIC = {
    "name": "r",
    "scale": [1, 5],
    "criteria": {
        "R1": {"name": "n", "question": "q?", "anchors": {1: "bad", 5: "good"}, "weight": 1.0, "gate": True},
        "R4": {"name": "m", "question": "p?", "anchors": {3: "so"}, "weight": 0.5, "applies_when": "spoken"},
    },
}
BROKEN_YAML = [
    "a: [1", "? [1, 2]\n: 3\n", "a: &x [*x]\n", "- 1\n", "2020-99-99: 1\n", "a: 2020-13-45\n", "a: !!python/object:os.system x\n",
    "a: " + "[" * 2000, "a: 0x\n", "a: !!int x\n", "a: !!float x\n", "<<: 3\n", "a: 1\na: 2\n", "\x00", "%YAML 9\n---\na: 1",
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
    "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nname: [*g,*g,*g]\nrules: *g\ncriteria: *g\nscale: *g\nlanguage: *g\n",
]  # fmt: skip


def as_yaml(thing: Any) -> bytes:
    return yaml.safe_dump(thing, allow_unicode=False).encode("utf-8", "surrogatepass")


def yaml_files(sound: Any) -> st.SearchStrategy[bytes]:
    odd = st.sampled_from(BROKEN_YAML).map(str.encode)
    return changed(sound).map(as_yaml) | odd | Thing.map(as_yaml) | st.binary(max_size=30)


@fuzz(200)
@given(raw=yaml_files(RULES), reply=Text)
def test_rule_files(place: Path, raw: bytes, reply: str) -> None:
    path = place / "rules.yaml"
    path.write_bytes(raw)
    rules = answers(lambda: RuleSet.load(path), place)
    if rules is not None:
        result = rules.score(reply, {"language": "en", "current_price": 388}, TALK[:2])
        assert isinstance(result.total, float)
        answers(lambda: rules.check_examples(), place)


@pytest.mark.parametrize("text", BROKEN_YAML)
@pytest.mark.parametrize("read", [RuleSet.load, lambda path: Rubric.of(str(path))])
def test_every_odd_yaml_file_is_refused(place: Path, text: str, read: Callable[[Path], Any]) -> None:
    path = place / "odd.yaml"
    path.write_bytes(text.encode())
    assert answers(lambda: read(path), place) is None


@fuzz(200)
@given(raw=yaml_files(RUBRIC))
def test_rubric_files(place: Path, raw: bytes) -> None:
    path = place / "rubric.yaml"
    path.write_bytes(raw)
    rubric = answers(lambda: Rubric.of(str(path)), place)
    if rubric is not None:
        assert rubric.labels and rubric.criteria
        lowest = normalise_judge(dict.fromkeys(rubric.criteria, float(rubric.low)), rubric)
        assert lowest is None or -1.0 <= lowest <= 1.0


# -- overrides ----------------------------------------------------------------------------------------------------

KEYS = [
    "lora.r", "optim.lr", "rl.steps", "policy", "reward", "rules", "judge", "rules.rules.G01.on_match", "data.also",
    "seed", "name", "+experiment", "~rules", "engine.zero_stage", "rm", "policy.build", "judge.api.body", "cache_dir",
]  # fmt: skip
VALUES = [
    "1", "-1", "9" * 400, "1e-6", "nan", "inf", "null", "true", "'x", "[1,2", "{a: 1", "${seed}", "${oc.env:HOME}", "${nothing}",
    "tiny", "../../x", "world:x", "${oc.env:API_KEY}", "${seed", "\\", "1,2", "demo", "/etc/passwd", "{}", "[]", "a=b",
]  # fmt: skip
Override = (
    st.builds(lambda k, v: f"{k}={v}", st.sampled_from(KEYS), st.sampled_from(VALUES) | Text)
    | st.builds(lambda k, v: f"{k}={v}", Text, Text)
    | Text
)


@fuzz(120)
@given(texts=st.lists(Override, min_size=1, max_size=3), stage=st.sampled_from(["rl", "sft"]))
def test_overrides(place: Path, texts: list[str], stage: str) -> None:
    answers(lambda: compose(stage, texts), place)


# -- a judge's answers ----------------------------------------------------------------------------------------------

SOUND = Rubric.of(RUBRIC)
NAMES = list(SOUND.criteria)
GOOD = {"R1": {"quote": "q", "reason": "r", "score": 4}, "R4": {"score": None}}


def in_range(criteria: dict[str, float | None]) -> bool:
    return set(criteria) == set(NAMES) and all(v is None or 1.0 <= v <= 5.0 for v in criteria.values())


@fuzz(200)
@given(text=changed(GOOD).map(json.dumps) | Thing.map(json.dumps) | st.text(max_size=40))
def test_answers_in_json(text: str) -> None:
    with contextlib.suppress(Unreadable):
        assert in_range(read_json(text, SOUND, NAMES).criteria)


@fuzz(200)
@given(
    logprobs=changed({"content": label_places(NAMES, 4, False, [])}) | Thing,
    text=st.sampled_from(["R1: 4\nR4: 4", "", "I'm sorry"]) | st.text(max_size=20),
)
def test_answers_in_labels(logprobs: Any, text: str) -> None:
    with contextlib.suppress(Unreadable):
        assert in_range(read_labels(text, logprobs, SOUND, NAMES, False).criteria)


COMPLETION = {
    "choices": [{"message": {"content": "x", "refusal": None}, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
}


@fuzz(200)
@given(raw=changed(COMPLETION).map(as_json) | Thing.map(as_json) | st.binary(max_size=40))
def test_whatever_the_endpoint_sends(raw: bytes) -> None:
    async def read() -> Answer | Failure:
        client = Client(JudgeApiConfig(url="http://127.0.0.1:1/v1", model="m"))
        try:
            return client._read(raw, 10)
        finally:
            await client.close()

    assert isinstance(asyncio.run(read()), Answer | Failure)


# -- manifests ----------------------------------------------------------------------------------------------------

SOUND_MANIFEST = {
    **vars(Manifest("adapter", "base", "0" * 64)),
    "files": {"adapter_model.safetensors": "0" * 64},
}


@fuzz(200)
@given(raw=changed(SOUND_MANIFEST).map(as_json) | Thing.map(as_json) | st.binary(max_size=30))
def test_manifests(place: Path, raw: bytes) -> None:
    final = place / "final"
    final.mkdir(exist_ok=True)
    (final / "manifest.json").write_bytes(raw)
    found = answers(lambda: read_manifest(final), place)
    if found is not None:
        texts = (found.kind, found.base, found.base_hash, found.created, found.repo_version)
        assert all(isinstance(text, str) for text in texts)
        assert isinstance(found.files, dict) and isinstance(found.extra, dict)
        assert found.parent is None or isinstance(found.parent, str)
