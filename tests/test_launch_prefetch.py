"""`repo prefetch`, and a submission that refuses what a node without network would look for in vain. All offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repo_cli.cli import main
from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.launch.hub import cached, caches, named_in, refuse_uncached
from repo_cli.launch.slurm import submit_stage

GIVEN = ["policy.path=org/base", "policy.build=null", "data.path=org/talks:train", "launch=slurm"]


def put_model(hub: Path, name: str, *weights: str) -> Path:
    """A model as the hub's cache lays it out."""
    root = hub / f"models--{name.replace('/', '--')}"
    folder = root / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc")
    for file in ("config.json", "tokenizer.json", *weights):
        (folder / file).write_text("{}")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hf"


def test_what_a_configuration_names_on_a_hub(home: Path, tmp_path: Path) -> None:
    final = tmp_path / "runs" / "final"
    final.mkdir(parents=True)
    (final / "manifest.json").write_text(json.dumps({"base": "org/other"}))
    mine = tmp_path / "mine.jsonl"
    mine.touch()
    cfg = compose("sft", [*GIVEN, f"policy.parent={final.parent}", f"data.also=[{mine},org/more]"])
    assert [(one.key, one.name, one.kind) for one in named_in(cfg)] == [
        ("policy.path", "org/base", "model"),
        ("base of policy.parent", "org/other", "model"),
        ("data.path", "org/talks", "dataset"),
        ("data.also[1]", "org/more", "dataset"),
    ]
    assert named_in(compose("sft", ["policy=tiny"])) == []  # built here, from the world's own data


def test_only_what_is_whole_counts_as_cached(home: Path) -> None:
    (base,) = named_in(compose("sft", ["policy=custom", "policy.path=org/base"]))
    places = caches()
    assert places == (home / "hub", home / "datasets") and cached(base, places) is None
    folder = put_model(home / "hub", "org/base")
    assert cached(base, places) is None  # no weights
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").touch()
    assert cached(base, places) is None  # half of them
    (folder / "model-2.safetensors").touch()
    assert cached(base, places) == folder
    (folder / "tokenizer.json").unlink()
    assert cached(base, places) is None
    assert caches({"HF_HUB_CACHE": "/shared/hub"})[0] == Path("/shared/hub")


def test_the_command_says_what_lies_where(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model(home / "hub", "org/base", "model.safetensors")
    (home / "datasets" / "org___talks" / "default").mkdir(parents=True)
    (home / "datasets" / "org___talks" / "default" / "train.arrow").touch()
    with pytest.raises(SystemExit) as ended:
        main(["prefetch", "sft", *GIVEN])
    said = capsys.readouterr().out
    assert (
        ended.value.code == 0 and said.count("was there") == 2 and "models--org--base/snapshots/abc" in said
    )
    with pytest.raises(SystemExit) as ended:
        main(["prefetch", "sft", "policy=custom", "policy.path=org/unknown"])
    said = capsys.readouterr().err
    assert (
        ended.value.code == 2
        and "policy.path=org/unknown: cannot be fetched" in said
        and "Traceback" not in said
    )


def test_a_job_without_network_is_refused_when_it_is_submitted(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "sbatch").write_text("#!/bin/sh\necho 7\n")  # takes everything; nothing is run
    (bin_ / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_))
    texts = [*GIVEN, f"runs_dir={tmp_path / 'runs'}"]
    with pytest.raises(
        UserError, match="slurm.offline: not in the hub's cache .*: policy.path=org/base, data.path=org/talks"
    ):
        submit_stage(compose("sft", texts), texts)
    assert not (tmp_path / "runs").exists()
    refuse_uncached(compose("sft", [*texts, "slurm.offline=false"]))
    shared = tmp_path / "shared"  # the nodes have another cache
    put_model(shared / "hub", "org/base", "model.safetensors")
    (shared / "datasets" / "org___talks").mkdir(parents=True)
    (shared / "datasets" / "org___talks" / "train.arrow").touch()
    own = [*texts, f"slurm.env={{HF_HOME: {shared}}}"]
    assert "submitted: job 7" in submit_stage(compose("sft", own), own)
