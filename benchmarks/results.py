"""Where the benchmarks keep their figures: a JSON file each in benchmarks/results, with machine, versions and time.

python benchmarks/results.py        # the table of what is there: ratios, what is wanted, whether it holds
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")
LIBRARIES = ("torch", "transformers", "peft", "deepspeed", "trl", "accelerate")

#: What a ratio of ours to TRL's must be: (at least or at most, bound, what is compared).
WANTED = {
    "sft": ("at least", 1.3, "real tokens/s"),
    "dpo": ("at least", 1.3, "real tokens/s"),
    "train_rm": ("at least", 1.3, "real tokens/s"),
    "grpo": ("at least", 2.0, "replies/s"),
    "repo": ("at most", 1.25, "cost of a reply, of TRL's GRPO"),
}


def machine() -> dict[str, Any]:
    """Processor, memory and versions."""
    found: dict[str, Any] = {"machine": platform.machine(), "processors": os.cpu_count()}
    for file, name, field in (
        ("/proc/cpuinfo", "model name", "processor"),
        ("/proc/meminfo", "MemTotal", "memory"),
    ):
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        found[field] = next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
    found["python"] = platform.python_version()
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = None
    if "torch" in sys.modules:
        found["threads"] = sys.modules["torch"].get_num_threads()
    return found


def keep(name: str, figures: dict[str, Any], folder: Path | None = FOLDER) -> None:
    """Write `figures` as results/<name>.json; folder None = they are not kept (a run that only tries the script)."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"taken": datetime.now(UTC).isoformat(timespec="seconds"), "on": machine(), **figures}
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What `keep` wrote; empty where there is none."""
    file = folder / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def against_trl(kind: str, precision: str, ours: float, theirs: float, **more: Any) -> dict[str, Any]:
    """Figures of one comparison. ours, theirs: tokens or replies a second. The ratio is ours to theirs, or for "repo"
    what a reply of ours costs in theirs."""
    ratio = theirs / ours if WANTED[kind][0] == "at most" else ours / theirs
    return {"kind": kind, "precision": precision, "ours": ours, "theirs": theirs, "ratio": ratio, **more}


def held(row: dict[str, Any]) -> bool:
    way, bound, _ = WANTED[row["kind"]]
    return row["ratio"] >= bound if way == "at least" else row["ratio"] <= bound


def comparisons(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """What `against_trl` gave, of all files that are there."""
    order = {f"{kind}-{precision}.json": n for n, (kind, precision) in enumerate(
        (kind, precision) for precision in ("fp32", "bf16") for kind in WANTED)}  # fmt: skip
    files = sorted((f for f in folder.glob("*.json") if f.name in order), key=lambda f: order[f.name])
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of text, a comparison a line."""
    lines = [f"{'':<10}{'':<6}{'ours':>9}{'TRL':>9}{'ratio':>8}  wanted"]
    for row in rows:
        way, bound, what = WANTED[row["kind"]]
        end = "held" if held(row) else "MISSED"
        numbers = f"{row['ours']:>9.1f}{row['theirs']:>9.1f}{row['ratio']:>8.2f}"
        lines.append(f"{row['kind']:<10}{row['precision']:<6}{numbers}  {way} {bound} ({what}): {end}")
    return lines


if __name__ == "__main__":
    print("\n".join(table(comparisons())))
