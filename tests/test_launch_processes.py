"""Ranks on this machine: environment, the first failure, signals, ports, orphans. The stage is one without torch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from repo_cli.config import Config, compose
from repo_cli.errors import Stopped, UserError
from repo_cli.launch import processes
from repo_cli.launch.failures import Failure, RankFailed, first, mendable
from repo_cli.launch.ports import free_port
from repo_cli.launch.processes import launch
from repo_cli.training.rundir import RunDir

STAGE = "tests.launch_stage"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Config, Path]:
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("RANK", "WORLD_SIZE", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    cfg = Config(stage="sft", runs_dir=str(tmp_path / "runs"), seed=7)
    cfg.data.path, cfg.policy.path = "world:gold", "some/model"
    cfg.launch.nproc, cfg.engine.threads = 2, 1
    return cfg, RunDir.create(cfg, ["seed=7"]).path


def go(case: tuple[Config, Path], what: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAUNCH_TEST", what)
    return launch(STAGE, case[0], case[1])


def test_two_ranks_read_the_frozen_configuration(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    final = go(case, "ok", monkeypatch)
    assert final == case[1] / "final" and final.is_dir()
    lines = [(case[1] / f"rank-{rank}").read_text().split() for rank in (0, 1)]
    assert [line[:3] for line in lines] == [["2", "1", "7"]] * 2
    assert lines[0][3] != lines[1][3] != str(os.getpid())


def test_one_rank_runs_in_this_process(case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    case[0].launch.nproc = 1
    assert go(case, "ok", monkeypatch) == case[1] / "final"
    assert (case[1] / "rank-0").read_text().split()[-1] == str(os.getpid())


def test_a_broken_rank_ends_the_others_and_is_named(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with pytest.raises(RankFailed, match="rank 1 failed: ValueError: this rank is broken"):
        go(case, "crash", monkeypatch)
    assert time.monotonic() - began < 20
    log = (case[1] / "log.txt").read_text()
    assert log.index("--- rank 1 ---") < log.index("ValueError: this rank is broken")
    assert_gone(case[1], 0)


def assert_gone(run_dir: Path, rank: int) -> None:
    pid = int((run_dir / f"rank-{rank}").read_text().split()[-1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_rank_finds_in_the_data_reaches_the_user(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="data.jsonl:17: broken JSON") as caught:
        go(case, "mend", monkeypatch)
    assert caught.value.hint == "mend line 17"
    assert "Traceback" not in (case[1] / "log.txt").read_text()


def test_a_full_disk_in_a_rank_is_the_users(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="no space left on the disk: somewhere"):
        go(case, "full", monkeypatch)


def test_a_killed_rank_is_named_with_its_last_words(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RankFailed, match="rank 1 failed: ended by SIGKILL"):
        go(case, "killed", monkeypatch)
    assert "last words" in (case[1] / "log.txt").read_text()


def test_a_signal_reaches_the_ranks(case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> None:
        while not all((case[1] / f"ready-{rank}").exists() for rank in (0, 1)):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=ask, daemon=True).start()
    with pytest.raises(Stopped, match="saved at step 3"):
        go(case, "wait", monkeypatch)
    assert signal.getsignal(signal.SIGTERM) == before


def test_ranks_end_with_the_launching_process(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAUNCH_TEST", "hang")
    code = "import sys; from pathlib import Path; from repo_cli.config import load_frozen\n"
    code += "from repo_cli.launch.processes import run_ranks\n"
    code += f"p = Path({str(case[1])!r}); run_ranks({STAGE!r}, load_frozen(p), p)"
    parent = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: all((case[1] / f"ready-{rank}").exists() for rank in (0, 1)))
    parent.kill()
    parent.wait()
    for rank in (0, 1):
        pid = int((case[1] / f"rank-{rank}").read_text().split()[-1])
        until(lambda pid=pid: not alive(pid))


def until(holds: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Running, and not a zombie that nobody has fetched yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_a_taken_port_is_named(case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        case[0].launch.master_port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"launch.master_port={case[0].launch.master_port} is taken"):
            go(case, "ok", monkeypatch)
    assert free_port(case[0].launch.master_port) == case[0].launch.master_port
    assert free_port(0) > 0


def test_what_is_missing_is_said_before_a_directory_is_made(tmp_path: Path) -> None:
    cfg = compose("rl", [f"runs_dir='{tmp_path / 'runs'}'"])
    with pytest.raises(UserError, match="rm.path"):
        launch("rl", cfg)
    assert not (tmp_path / "runs").exists()


def test_an_unknown_failure_in_this_process_goes_to_the_log(
    case: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    case[0].launch.nproc = 1
    monkeypatch.setenv("LAUNCH_TEST", "crash")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ValueError, match="broken") as caught:
        launch(STAGE, case[0], case[1])
    assert "Traceback" in (case[1] / "log.txt").read_text()
    assert str(case[1] / "log.txt") in caught.value.__notes__[0]


def test_failures_and_their_causes() -> None:
    try:
        try:
            raise PermissionError(13, "Permission denied", "/some/where")
        except OSError as inner:
            raise RuntimeError("cannot save") from inner
    except RuntimeError as error:
        known = mendable(error)
    assert known is not None and "/some/where" in known.message
    assert (
        mendable(RuntimeError("Error while serializing: No space left on device (os error 28)")) is not None
    )
    assert mendable(ValueError("x")) is None and mendable(FileNotFoundError(2, "no", "x")) is None
    cause = Failure(1, 1, "ValueError: x", time=2.0)
    echo = Failure(0, 2, "rank 1 failed: ValueError: x", time=1.0)
    late = Failure(2, 1, "RuntimeError: connection closed", time=3.0)
    assert first([echo, late, cause]) is cause


JOIN = """
import sys
from repo_cli.config import compose
from repo_cli.launch.processes import launch
print(launch("tests.launch_stage", compose("sft", ["runs_dir='" + sys.argv[1] + "'", "seed=" + sys.argv[2]])))
"""


def test_a_killed_rank_stands_in_front_of_those_that_lost_it() -> None:
    lost = "RuntimeError: [/src/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1234"
    echo = Failure(0, 1, lost, time=1.0)
    killed = Failure(1, 1, "ended by SIGKILL (out of memory?)", time=2.0)
    own = Failure(1, 1, "ValueError: gloo is a word", time=2.0)
    assert first([echo, killed]) is killed and first([own, echo]) is own


def test_a_rank_of_somebody_elses_launcher_joins(tmp_path: Path) -> None:
    """As torchrun starts it: both ranks share rank 0's run directory and its configuration."""
    ranks = []
    port = str(free_port())
    for rank in ("0", "1"):
        env = {**os.environ, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        env |= {"MASTER_PORT": port, "LAUNCH_TEST": "ok", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", JOIN, str(tmp_path), f"{rank}"]
        ranks.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
    outs = [rank.communicate(timeout=120)[0].strip() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert outs[0] == outs[1] and Path(outs[0]).parent.parent.parent == tmp_path / "sft"
    assert [(Path(outs[0]).parent / f"rank-{rank}").read_text().split()[2] for rank in (0, 1)] == ["0", "0"]


def test_each_file_of_a_list_is_known_by_its_content(tmp_path: Path) -> None:
    from repo_cli.launch.differences import differences, write_record

    names = [tmp_path / f"{name}.jsonl" for name in "abc"]
    for number, file in enumerate(names):
        file.write_text(f"{number}\n", encoding="utf-8")

    def given(*files: Path) -> Any:
        return compose("sft", ["policy=tiny", f"data.also=[{','.join(map(str, files))}]"])

    before = given(*names[:2])
    write_record(before, tmp_path)
    assert differences(before, given(*names[:2]), tmp_path) == []
    moved = names[1].rename(tmp_path / "moved.jsonl")
    (found,) = differences(before, given(names[0], moved), tmp_path)
    assert found.key == "data.also[1]" and found.kind == "allowed" and "another place" in found.why
    (found,) = differences(before, given(names[0], names[2]), tmp_path)[:1]
    assert found.key == "data.also[1]" and found.kind == "refused"
    names[0].write_text("other rows\n", encoding="utf-8")
    changed = {found.key: found for found in differences(before, given(names[0], moved), tmp_path)}
    assert changed["data.also[0]"].kind == "refused" and "content has changed" in changed["data.also[0]"].why


def test_directories_and_hub_names_are_known_by_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen3Config

    from repo_cli.launch.contents import content

    base, rows = tmp_path / "base", tmp_path / "rows"
    Qwen3Config(hidden_size=8, num_hidden_layers=1, vocab_size=11).save_pretrained(str(base))
    (base / "tokenizer.json").write_text("{}")
    rows.mkdir()
    (rows / "a.jsonl").write_text("1\n")

    def weights(value: float) -> None:
        save_file({"x": torch.full((4,), value)}, str(base / "model.safetensors"))

    weights(1.0)
    first = {place: content(place, tmp_path / "cache") for place in (base, rows)}
    assert first[base].startswith("model:") and first[rows].startswith("dir:")
    assert len(list((tmp_path / "cache" / "base_hashes").iterdir())) == 1
    (base / "README.md").write_text("a model")
    assert content(base, tmp_path / "cache") == first[base]
    weights(2.0)  # the same names, the same sizes
    (rows / "a.jsonl").write_text("2\n")
    changed = {place: content(place, tmp_path / "cache") for place in (base, rows)}
    assert all(changed[place] != first[place] for place in first)
    (base / "tokenizer.json").write_text("[]")
    assert content(base, tmp_path / "cache") not in (first[base], changed[base])
    (base / "model.safetensors").write_bytes(b"no weights")
    assert content(base, tmp_path / "cache").startswith("dir:")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    refs = tmp_path / "hub" / "models--Some--Model" / "refs"
    assert content("Some/Model") == "" == content("world:gold") == content("no/such/place/at all")
    refs.mkdir(parents=True)
    (refs / "main").write_text("abc123")
    assert content("Some/Model") == "hub:abc123"


def test_another_base_under_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from repo_cli.launch.differences import RECORD, differences, tell_differences, write_record

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    refs = tmp_path / "hub" / "models--Some--Model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("abc123")
    cfg = compose("sft", ["policy=custom", "policy.path=Some/Model"])
    write_record(cfg, tmp_path)
    assert differences(cfg, cfg, tmp_path) == []
    (refs / "main").write_text("def456")
    with pytest.raises(UserError, match="policy.path: .*its content has changed"):
        tell_differences(differences(cfg, cfg, tmp_path), tmp_path, force=False)
    # as noted by an older version, in another way: that says nothing
    (tmp_path / RECORD).write_text(json.dumps({"policy.path": "0" * 64}))
    assert differences(cfg, cfg, tmp_path) == []
    wider = compose("sft", ["policy=custom", "policy.path=Some/Model", "launch.nproc=2"])
    assert [(found.key, found.kind) for found in differences(cfg, wider, tmp_path)] == [
        ("launch.nproc", "allowed")
    ]
