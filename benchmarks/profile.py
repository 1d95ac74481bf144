"""Where the time of an RL step goes: shares of generate, score, values, update and the rest.

    python benchmarks/profile.py runs/rl/demo/... runs/rl/other/...   # from the runs' metrics.jsonl (timing/*)
    python benchmarks/profile.py                                      # a short run of its own on the tiny policy
    python benchmarks/profile.py --steps 8 -- algorithm=grpo engine.autocast=bfloat16     # with settings for it

The first step is left out (it holds the preflight checks and the first use of everything), and so are steps with a look
at development dialogues. Several runs are set beside each other, with the ratio of their step times to the first's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

PHASES = ("generate", "score", "values", "update")


def _standard_library() -> None:
    """Python looks for modules beside the script first, so `cProfile`, imported by a script of this directory, would
    take this file for the `profile` of the standard library: that one is put in its place."""
    import importlib.util
    import sysconfig

    spec = importlib.util.spec_from_file_location(
        "profile", Path(sysconfig.get_path("stdlib")) / "profile.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["profile"] = module
    spec.loader.exec_module(module)


if __name__ == "profile":
    _standard_library()


def shares(rows: list[dict[str, float]]) -> dict[str, float]:
    """Median seconds of each phase, of the rest, and of the whole step, over rows of metrics.jsonl.

    The rest is what the phases leave of `timing/step_s`: advantages, the partner, logging, checkpoints.
    """
    kept = [row for row in rows if "timing/step_s" in row]
    kept = [row for row in kept[1:] if "timing/dev_s" not in row] or kept
    if not kept:
        raise SystemExit("no step with timing/step_s: is that a run of repo rl?")
    found = {name: [row.get(f"timing/{name}_s", 0.0) for row in kept] for name in PHASES}
    found["rest"] = [
        row["timing/step_s"] - sum(values[i] for values in found.values()) for i, row in enumerate(kept)
    ]
    seconds = {name: statistics.median(values) for name, values in found.items()}
    return seconds | {"step": statistics.median(row["timing/step_s"] for row in kept), "steps": len(kept)}


def read(run: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.jsonl; `run` is the run directory, its final/, or the file itself."""
    for path in (run, run / "metrics.jsonl", run.parent / "metrics.jsonl"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            return [json.loads(line) for line in lines if line.strip()]
    raise SystemExit(f"{run}: no metrics.jsonl there")


def own_run(folder: Path, steps: int, overrides: list[str]) -> Path:
    """`repo rl` for a few steps: the demo's settings on a base and a reward model that were hardly trained."""
    from repo_cli.config import compose
    from repo_cli.launch.processes import launch

    where = [f"runs_dir={folder / 'runs'}", f"cache_dir={folder / 'cache'}", "tracker.tensorboard=false"]
    small = ["policy=tiny", "engine.device=cpu", *where]

    def go(stage: str, *more: str) -> Path:
        return launch(stage, compose(stage, [*small, *more]), overrides=list(more))

    base = go(
        "sft",
        "policy.train=full",
        "sft.max_steps=1",
        "data.path=world:gold",
        "data.limit=64",
        "data.val_fraction=0",
    )
    parent = f"policy.parent={base}"
    rm = go("train_rm", parent, "train_rm.max_steps=1", "data.path=world:pairs", "data.limit=200")
    rl = ("rl.batch_size=32", "rollout.max_new_tokens=64", "rl.preflight=false", "data.limit=256")
    return go("rl", parent, f"rm.path={rm}", f"rl.steps={steps}", *rl, *overrides)


def table(found: dict[str, dict[str, float]]) -> list[str]:
    """Lines of text: seconds and share of each phase for each run."""
    width = max(len(name) for name in found) + 2
    lines = [
        "".ljust(width) + "".join(f"{name:>18}" for name in (*PHASES, "rest")) + f"{'step':>11}{'ratio':>8}"
    ]
    first = next(iter(found.values()))["step"]
    for name, row in found.items():
        cells = "".join(f"{row[p]:>9.3f} s {row[p] / row['step']:>6.1%}" for p in (*PHASES, "rest"))
        lines.append(f"{name:<{width}}{cells}{row['step']:>9.3f} s{row['step'] / first:>8.2f}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="*", help="run directories; none = a short run of its own, with these settings"
    )
    parser.add_argument("--steps", type=int, default=4, help="steps of the short run")
    given = parser.parse_args()
    places = [Path(name) for name in given.runs]
    if places and all(place.exists() for place in places):
        found = {str(place): shares(read(place)) for place in places}
    else:
        missing = [name for name in given.runs if "=" not in name]
        if missing:
            parser.error(f"{missing[0]}: no such run directory")
        with tempfile.TemporaryDirectory() as folder:
            found = {"own run": shares(read(own_run(Path(folder), given.steps, given.runs)))}
    print("\n".join(table(found)))
    print(f"medians over {', '.join(str(row['steps']) for row in found.values())} steps, the first left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
