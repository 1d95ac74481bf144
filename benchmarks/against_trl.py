"""Everything against TRL in one go: losses, SFT, DPO, reward model, GRPO and a REPO step, fp32 and bf16.

    python benchmarks/against_trl.py                     # about half an hour on two cores; `make bench`
    python benchmarks/against_trl.py sft-fp32 grpo-bf16  # some of it
    python benchmarks/against_trl.py --list

Each part is a process of its own that runs both sides in turn (trl_losses.py, trl_train.py, trl_grpo.py say how), takes
a few minutes, and keeps its figures in benchmarks/results. At the end all ratios that are there stand in one table.
Exit code 1 where a ratio is not what is wanted, or a part failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import results

PRECISIONS = ("fp32", "bf16")


def parts() -> dict[str, list[str]]:
    """Name -> script and its arguments."""
    found = {"losses": ["trl_losses.py"]}
    for precision in PRECISIONS:
        for kind in ("sft", "dpo", "train_rm"):
            found[f"{kind}-{precision}"] = ["trl_train.py", kind, "--precision", precision]
        for kind in ("grpo", "repo"):
            found[f"{kind}-{precision}"] = ["trl_grpo.py", kind, "--precision", precision]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="which (default: all)")
    parser.add_argument("--list", action="store_true", help="print the parts' names and end")
    given = parser.parse_args()
    every = parts()
    if given.list:
        print("\n".join(every))
        return 0
    unknown = [name for name in given.parts if name not in every]
    if unknown:
        parser.error(f"{unknown[0]}: not one of {', '.join(every)}")
    failed = []
    for name in given.parts or every:
        print(f"== {name}", flush=True)
        script, *arguments = every[name]
        done = subprocess.run([sys.executable, str(Path(__file__).with_name(script)), *arguments])
        failed += [name] if done.returncode else []
    rows = results.comparisons()
    print("\n".join(["", *results.table(rows)]))
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed or not all(results.held(row) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
