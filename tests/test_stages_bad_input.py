"""Bad input through the command line itself: exit code 2 and one message that names the file, line or key."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stages_kit import dialogue, go, metrics, pair, prompt, settings, write

from repo_cli.cli import main
from repo_cli.training.checkpoint import latest_complete


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command; what it said on stderr, which must end with code 2 and hold no traceback."""

    def run(*arguments: str, code: int = 2) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        text = capsys.readouterr().err
        assert caught.value.code == code, text
        assert "Traceback" not in text and "error:" in text
        return text

    return run


def sft(line: SimpleNamespace, tmp_path: Path, *more: str) -> list[str]:
    return [
        "sft",
        *settings(tmp_path / "runs", f"data.path={line.dialogues}", f"policy.parent={line.base}", *more),
    ]


# -- configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("lora.rank=8", ["lora.rank", "lora.r"]),
        ("polcy=tiny", ["polcy", "policy"]),
        ("lora.r=-1", ["lora.r", "-1", "at least 1"]),
        ("data.path=no/such/file.jsonl", ["data.path=no/such/file.jsonl"]),
        ("policy.parent=no/such/run", ["policy.parent=no/such/run"]),
    ],
)
def test_keys_and_paths(
    override: str, words: list[str], line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]
) -> None:
    text = say(*sft(line, tmp_path, override))
    assert all(word in text for word in words)
    assert not (tmp_path / "runs").exists()


# -- data -----------------------------------------------------------------------------------------------------


def seventeen_good_then(bad: str) -> bytes:
    lines = [json.dumps(dialogue(i)) for i in range(20)]
    lines[16] = bad
    return ("\n".join(lines) + "\n").encode()


ROLES = {"messages": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]}
EMPTY_TURN = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "  "}]}
BAD_FILES: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["empty"]),
    "broken-json": (seventeen_good_then('{"messages": [{"role": "user"'), [":17", "JSON"]),
    "roles": (seventeen_good_then(json.dumps(ROLES)), [":17", "assistant"]),
    "empty-turn": (seventeen_good_then(json.dumps(EMPTY_TURN)), [":17", "empty"]),
    "latin-1": ('{"messages": [{"role": "user", "content": "café"}]}\n'.encode("latin-1"), [":1", "UTF-8"]),
    "no-rows": (b'{"text": "hello"}\n', [":1"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files(name: str, line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes(content)
    text = say(*sft(line, tmp_path, f"data.path={path}"))
    assert str(path) in text and all(word in text for word in words)


def test_bad_rows_may_be_left_out(
    line: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(seventeen_good_then("{broken"))
    go(
        "sft",
        tmp_path,
        f"data.path={path}",
        f"policy.parent={line.base}",
        "data.on_bad_row=skip",
        "sft.max_steps=1",
    )
    said = capsys.readouterr().out
    assert "19" in said and "1 " in said and "JSON" in said


def test_every_row_truncated_away(line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    data = write(tmp_path / "long.jsonl", [_long(dialogue(i)) for i in range(6)])
    text = say(*sft(line, tmp_path, f"data.path={data}", "policy.max_length=64", "data.on_bad_row=skip"))
    assert str(data) in text and "policy.max_length" in text
    prompts = write(tmp_path / "prompts.jsonl", [_long(prompt(i)) for i in range(6)])
    text = say(
        "rl",
        *settings(
            tmp_path / "runs", f"data.path={prompts}", f"policy.parent={line.sft}", f"rm.path={line.rm}"
        ),
        "policy.max_length=64",
    )
    assert f"{prompts}:1" in text and "policy.max_length" in text


def _long(row: dict[str, Any]) -> dict[str, Any]:
    key = "messages" if "messages" in row else "prompt"
    first = {**row[key][0], "content": "A very long brief. " * 60}
    return {**row, key: [first, *row[key][1:]]}


def test_rows_of_another_kind(line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    text = say(*sft(line, tmp_path, f"data.path={line.pairs}"))
    assert str(line.pairs) in text and "preference rows" in text and "needs sft" in text
    same = write(tmp_path / "same.jsonl", [{**pair(i), "rejected": pair(i)["chosen"]} for i in range(4)])
    text = say("train-rm", *settings(tmp_path / "runs", f"data.path={same}", f"policy.parent={line.base}"))
    assert f"{same}:1" in text
    few = write(tmp_path / "few.jsonl", [pair(i) for i in range(4)])
    text = say("train-rm", *settings(tmp_path / "runs", f"data.path={few}", f"policy.parent={line.base}"))
    assert "calibrat" in text and "held-out" in text


# -- products of other stages ---------------------------------------------------------------------------------


def test_reward_models_that_cannot_serve(
    line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]
) -> None:
    given = ["rl", *settings(tmp_path / "runs", f"data.path={line.prompts}", f"policy.parent={line.sft}")]
    bare = tmp_path / "bare"
    shutil.copytree(line.rm, bare)
    manifest = json.loads((bare / "manifest.json").read_text())
    (bare / "manifest.json").write_text(json.dumps({**manifest, "extra": {}}))
    text = say(*given, f"rm.path={bare}")
    assert f"rm.path={bare}" in text and "calibration" in text
    (bare / "manifest.json").write_text(json.dumps({**manifest, "base_hash": "0" * 64}))
    text = say(*given, f"rm.path={bare}")
    assert f"rm.path={bare}" in text and "another base" in text
    (bare / "manifest.json").write_text("{")
    assert "manifest.json" in say(*given, f"rm.path={bare}")


def test_a_checkpoint_without_its_marker(
    line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]
) -> None:
    final = go(
        "sft", tmp_path, f"data.path={line.dialogues}", f"policy.parent={line.base}", "sft.max_steps=2",
        "tracker.checkpoint_every=1",
    )  # fmt: skip
    run = final.parent
    steps = sorted((run / "checkpoints").iterdir())
    assert [p.name for p in steps] == ["step-000001", "step-000002"]
    (steps[1] / "COMPLETE").unlink()
    text = say("sft", "--resume", str(steps[1]))
    assert str(steps[1]) in text and "COMPLETE" in text
    (steps[0] / "COMPLETE").unlink()
    text = say("sft", "--resume", str(run))
    assert str(run) in text and "no whole checkpoint" in text
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    shutil.rmtree(unfinished / "final")
    text = say(*sft(line, tmp_path, f"policy.parent={unfinished}"))
    assert f"policy.parent={unfinished}" in text and "not finished" in text


# -- disk and network -----------------------------------------------------------------------------------------

_MS_RDONLY, _MS_REMOUNT = 1, 32


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[], None]]:
    """A tmpfs of `size` mounted at `place`; the yielded function makes it read-only. Skips where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    place.mkdir(parents=True)
    if (
        os.geteuid() != 0
        or libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={size}".encode()) != 0
    ):
        pytest.skip("mounting a small disk needs root with the right to mount")

    def read_only() -> None:
        done = libc.mount(
            b"tmpfs", os.fsencode(place), b"tmpfs", _MS_REMOUNT | _MS_RDONLY, f"size={size}".encode()
        )
        assert done == 0, os.strerror(ctypes.get_errno())

    try:
        yield read_only
    finally:
        libc.umount2(os.fsencode(place), 2)


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]
) -> None:
    with small_disk(tmp_path / "disk", "480k"):
        runs = tmp_path / "disk" / "runs"
        text = say(
            *sft(line, tmp_path, f"runs_dir={runs}", "policy.train=full", "sft.batch_size=4", "sft.epochs=9",
                 "tracker.checkpoint_every=1", "tracker.keep_checkpoints=9", f"cache_dir={tmp_path / 'cache'}")
        )  # fmt: skip
        assert "disk is full" in text and str(runs) in text
        (run,) = (runs / "sft" / "run").iterdir()
        kept = latest_complete(run / "checkpoints")
        assert (
            kept is not None and not list((run / "checkpoints").glob(".*")) and not (run / "final").exists()
        )
        assert int(kept.name[5:]) == len(list((run / "checkpoints").iterdir())) <= len(metrics(run))


def test_no_permission_to_write(line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    with small_disk(tmp_path / "disk", "1m") as read_only:
        read_only()
        text = say(*sft(line, tmp_path, f"runs_dir={tmp_path / 'disk' / 'runs'}"))
        assert "no permission" in text and str(tmp_path / "disk") in text


def test_a_file_in_the_way(line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    (tmp_path / "runs").write_text("mine")
    text = say(*sft(line, tmp_path))
    assert str(tmp_path / "runs") in text and "in the way" in text


def test_a_port_that_is_taken(line: SimpleNamespace, tmp_path: Path, say: Callable[..., str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = say(*sft(line, tmp_path, "launch.nproc=2", f"launch.master_port={port}"))
    assert f"launch.master_port={port}" in text and "taken" in text
