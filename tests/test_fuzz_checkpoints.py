"""A checkpoint's marker may say anything: it is used, or passed over with a word, and names no file elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_inputs import Thing, answers, as_json, changed, fuzz
from test_fuzz_inputs import place as place  # the fixture

from repo_cli.training.checkpoint import best_complete, check_checkpoint, latest_complete, latest_whole

PART = b"weights"
MARKER = {
    "step": 3,
    "score": 0.5,
    "files": {"part.bin": {"size": len(PART), "sha256": hashlib.sha256(PART).hexdigest()}},
}


@fuzz(200)
@given(raw=changed(MARKER).map(as_json) | Thing.map(as_json) | st.binary(max_size=30))
def test_a_checkpoints_marker(place: Path, raw: bytes) -> None:
    folder = place / "checkpoints"
    step = folder / "step-000003"
    step.mkdir(parents=True, exist_ok=True)
    (step / "part.bin").write_bytes(PART)
    (step / "COMPLETE").write_bytes(raw)
    whole = answers(lambda: check_checkpoint(step), place)
    assert answers(lambda: latest_whole(folder, lambda said: None), place) == (
        None if whole is None else step
    )
    for look in (latest_complete, best_complete):
        assert answers(lambda look=look: look(folder), place) in (None, step)


@pytest.mark.parametrize("name", ["../outside.bin", "/dev/zero", "sub/../../outside.bin"])
def test_a_marker_names_no_file_elsewhere(place: Path, name: str) -> None:
    (place / "elsewhere").mkdir(exist_ok=True)
    (place / "elsewhere" / "outside.bin").write_bytes(PART)
    step = place / "elsewhere" / "step-000001"
    (step / "sub").mkdir(parents=True, exist_ok=True)
    (step / "COMPLETE").write_bytes(as_json({"step": 1, "files": {name: MARKER["files"]["part.bin"]}}))
    assert answers(lambda: check_checkpoint(step), place) is None
    assert answers(lambda: latest_complete(step.parent), place) is None
