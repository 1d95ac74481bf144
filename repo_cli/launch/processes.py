"""`launch(stage, cfg)`: runs a stage in this process, or starts N ranks of it and looks after them. No torch.

The launching process makes the run directory and freezes the configuration there; ranks read that file. Rank 0
keeps the terminal; the others write to `logs/rank-N.log`. When a rank fails, the rest are ended, and the failure
that came first is the one reported. When none makes progress any more, the one that hangs is named.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repo_cli.config import Config, load_frozen
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.failures import Failure, RankFailed, first, mendable, write_traceback
from repo_cli.launch.forked import Forked, can_fork, fork
from repo_cli.launch.modules import MODULES
from repo_cli.launch.ports import free_port
from repo_cli.launch.resume import prepare
from repo_cli.launch.slurm_env import adopt
from repo_cli.launch.stopping import NUMBERS, STOP_SLACK_S, passed_on
from repo_cli.launch.watch import Watch, look_from_inside, raise_hang
from repo_cli.training.checkpoint import latest_complete
from repo_cli.training.heartbeat import beat_file

GRACE_S = 5.0  # how long the other ranks may take to end by themselves after one has failed


def launch(
    stage: str,
    cfg: Config,
    run_dir: Path | None = None,
    overrides: Sequence[str] = (),
    apart: bool = False,
) -> Path:
    """Runs one stage to its end.

    Args:
        stage: its name, or the dotted module of a stage of your own (with `run(cfg, run_dir) -> Path`).
        run_dir: an existing run directory with its frozen config.yaml; None = a new one.
        overrides: as the user typed them, for the record.
        apart: a single rank runs in a forked process of its own, where that can be (`forked.can_fork`).
    Returns:
        The stage's product: the run's `final/`, or the run directory for eval.
    Raises:
        UserError, Stopped: as the stage raised them. RankFailed: a rank died of something else.
    """
    adopt()  # a task of somebody's srun
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        return _join(stage, cfg, overrides)
    if run_dir is None:
        cfg, run_dir = prepare(cfg, overrides)
    try:
        if cfg.launch.kind == "slurm":
            from repo_cli.launch.slurm import run_srun

            return run_srun(stage, cfg, run_dir)
        if cfg.launch.nproc == 1 and not (apart and can_fork(cfg.engine.device)):
            return run_stage(stage, cfg, run_dir)
        return run_ranks(stage, cfg, run_dir)
    except Stopped as stop:
        raise what_stands(stop, run_dir) from stop.__cause__


def what_stands(stop: Stopped, run_dir: Path) -> Stopped:
    """The same with the run's last checkpoint, where there was nothing to save now, but the run had been resumed."""
    kept = None if stop.saved else latest_complete(run_dir / "checkpoints")
    if kept is None:
        return stop
    return Stopped(f"{stop}; its last checkpoint stands ({kept.name}); go on with --resume {run_dir}")


def run_stage(stage: str, cfg: Config, run_dir: Path) -> Path:
    """The stage in this very process; what the user cannot mend goes to log.txt with its traceback."""
    module = importlib.import_module(MODULES.get(stage, stage))
    try:
        return Path(module.run(cfg, run_dir))
    except (UserError, Stopped):
        raise
    except BaseException as error:
        if mendable(error) is None and write_traceback(run_dir / "log.txt", traceback.format_exc()):
            error.add_note(f"traceback: {run_dir / 'log.txt'}")
        raise


def _join(stage: str, cfg: Config, overrides: Sequence[str]) -> Path:
    """As one rank of torchrun or srun: rank 0 makes the run directory, all read its frozen configuration. The launcher
    ends the other ranks when one fails; which one hangs the ranks find out by themselves."""
    from repo_cli.training import distributed

    distributed.init(cfg)
    rank, ranks = distributed.rank(), distributed.world_size()
    made: str | None = None
    problem: Exception | None = None
    if rank == 0:
        try:
            made = str(prepare(cfg, overrides)[1])
            for index in range(ranks):  # of a run before
                beat_file(Path(made), index).unlink(missing_ok=True)
        except Exception as error:
            problem = error
    distributed.same_error(problem)
    run_dir = Path(distributed.broadcast_object(made))
    look_from_inside(run_dir, rank, ranks, cfg.launch.heartbeat_s)
    try:
        return run_stage(stage, load_frozen(run_dir), run_dir)
    except (UserError, Stopped):
        raise
    except Exception as error:
        error.add_note(f"on rank {rank}")
        raise


@dataclass
class Rank:
    """One started process and what it reports at its end."""

    index: int
    process: subprocess.Popen[bytes] | Forked
    log: Path | None
    reader: threading.Thread | None = None
    text: list[str] = field(default_factory=list)

    def failure(self, told: bool = False) -> Failure | None:
        """None for a rank that ended well. told: a signal was passed on to it, once."""
        code = self.process.returncode
        if self.reader:
            self.reader.join(timeout=2)
        if self.text and self.text[0].strip():
            return Failure(**json.loads(self.text[0]))
        if code == 0:
            return None
        if told and code is not None and -code in NUMBERS:
            why = f"stopped by {signal.Signals(-code).name} while it was starting; there was nothing to save"
            return Failure(self.index, Stopped.exit_code, why, time=time.time(), saved=False)
        if code is not None and code < 0:
            why = f"ended by {signal.Signals(-code).name}"
            why += " (out of memory?)" if -code == signal.SIGKILL else ""
        else:
            why = f"ended with exit code {code}"
        if code == Stopped.exit_code:
            return Failure(
                self.index, code, "ended at launch.stop_s; the last checkpoint stands", time=time.time()
            )
        return Failure(self.index, 1, why, None, _tail(self.log), time.time())


def run_ranks(stage: str, cfg: Config, run_dir: Path) -> Path:
    """Starts `launch.nproc` ranks, waits for them, and raises what the first failing one reported.

    A world of one is forked from this process."""
    port = free_port(cfg.launch.master_port) if cfg.launch.nproc > 1 else 0
    ranks: list[Rank] = []
    watch = Watch(run_dir, cfg.launch.nproc, cfg.launch.heartbeat_s, lambda number: _tell(ranks, number))
    with passed_on(lambda number: _tell(ranks, number)) as asked:
        try:
            for index in range(cfg.launch.nproc):
                single = cfg.launch.nproc == 1
                ranks.append(_fork(stage, run_dir) if single else _start(index, stage, cfg, run_dir, port))
            failed = _wait(ranks, asked, watch, cfg.launch.stop_s)
        finally:
            for rank in ranks:
                _kill(rank)
    told = len(asked) == 1
    failures = [failure for rank in ranks if rank.index in failed and (failure := rank.failure(told))]
    if failures:
        raise failure_of(failures, run_dir, bool(asked))
    return product_of(stage, run_dir)


def failure_of(failures: list[Failure], run_dir: Path, asked: bool) -> Exception:
    """What the user is told of the ranks' failures; the tracebacks go into the run's log."""
    worst = first(failures, asked)
    if worst.code == 1:
        for failure in [worst] + [f for f in failures if f is not worst]:
            write_traceback(run_dir / "log.txt", f"--- rank {failure.rank} ---\n{failure.detail}")
    error = worst.to_error()
    if isinstance(error, RankFailed):
        error.add_note(f"traceback: {run_dir / 'log.txt'}")
    return error


def product_of(stage: str, run_dir: Path) -> Path:
    """Where a stage's product lies."""
    return run_dir if stage == "eval" else run_dir / "final"


def _start(index: int, stage: str, cfg: Config, run_dir: Path, port: int) -> Rank:
    threads = cfg.engine.threads or max(1, cpu_cores() // cfg.launch.nproc)
    read, write = os.pipe()  # not a file: the report must come through when the disk is full
    env = dict(os.environ)
    env.update(
        RANK=str(index),
        LOCAL_RANK=str(index),
        WORLD_SIZE=str(cfg.launch.nproc),
        LOCAL_WORLD_SIZE=str(cfg.launch.nproc),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        REPO_REPORT_FD=str(write),
        PYTHONPATH=os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), env.get("PYTHONPATH")])),
    )
    env.setdefault("OMP_NUM_THREADS", str(threads))
    log: Path | None = None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, write)
        out = None
        if index:
            log = run_dir / "logs" / f"rank-{index}.log"
            log.parent.mkdir(exist_ok=True)
            out = stack.enter_context(log.open("wb"))
        # a session of its own: Ctrl-C reaches the ranks through us alone, once
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "repo_cli.launch.worker", str(run_dir), stage],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(write,),
            start_new_session=True,
        )
    return _listen(Rank(index, process, log), read)


def _fork(stage: str, run_dir: Path) -> Rank:
    read, write = os.pipe()
    try:
        process = fork(run_dir, stage, write)
    finally:
        os.close(write)
    return _listen(Rank(0, process, None), read)


def _listen(rank: Rank, read: int) -> Rank:
    """Reads what the rank reports at its end, as it comes."""

    def listen() -> None:
        with os.fdopen(read, encoding="utf-8") as pipe:
            rank.text.append(pipe.read())

    rank.reader = threading.Thread(target=listen, daemon=True)
    rank.reader.start()
    return rank


def _wait(ranks: list[Rank], asked: list[float], watch: Watch, stop_s: float) -> set[int]:
    """Until every rank has ended; returns those that ended badly by themselves (not those we ended)."""
    stop_s += STOP_SLACK_S
    failed: set[int] = set()
    deadline: float | None = None
    while True:
        running = [rank for rank in ranks if rank.process.poll() is None]
        failed |= {rank.index for rank in ranks if rank not in running and rank.process.returncode != 0}
        if not running:
            return failed
        now = time.monotonic()
        if failed and deadline is None:
            deadline = now + (stop_s if asked else GRACE_S)
        if asked and deadline is None:
            deadline = asked[0] + stop_s
        if deadline is not None and now > deadline:
            if not failed:
                failed = {rank.index for rank in running}
            return failed
        if not failed and (hang := watch.look()):
            raise_hang(hang, watch.run_dir)
        time.sleep(0.05)


def _tell(ranks: list[Rank], number: int) -> None:
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):
            rank.process.send_signal(number)


def _kill(rank: Rank) -> None:
    """Ends a rank and whatever it started; its session is its own, so nothing else is hit."""
    if rank.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(rank.process.pid, signal.SIGKILL)
        rank.process.wait()


def cpu_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tail(log: Path | None, lines: int = 30) -> str:
    if log is None or not log.is_file():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
