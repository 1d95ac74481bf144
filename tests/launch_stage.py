"""A stage without torch, for the tests of `launch`: it does what LAUNCH_TEST says, by rank."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from repo_cli.config import Config
from repo_cli.errors import Stopped, UserError


def run(cfg: Config, run_dir: Path) -> Path:
    what, rank = os.environ["LAUNCH_TEST"], int(os.environ.get("RANK", "0"))
    (run_dir / f"rank-{rank}").write_text(
        f"{os.environ.get('WORLD_SIZE')} {os.environ.get('OMP_NUM_THREADS')} {cfg.seed} {os.getpid()}"
    )
    if what == "wait":
        stop: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
        (run_dir / f"ready-{rank}").touch()
        while not stop:
            time.sleep(0.02)
        raise Stopped("saved at step 3")
    if what == "hang" or (rank == 0 and what != "ok"):
        (run_dir / f"ready-{rank}").touch()
        time.sleep(120)
    if what == "crash":
        raise ValueError("this rank is broken")
    if what == "mend":
        raise UserError("data.jsonl:17: broken JSON", hint="mend line 17")
    if what == "full":
        raise OSError(28, "No space left on device", "somewhere")
    if what == "killed":
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    (run_dir / "final").mkdir(exist_ok=True)
    return run_dir / "final"
