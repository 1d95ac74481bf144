"""Steps of a pipeline beside each other (`pipeline.at_once`): of all seeds, each as soon as what it waits for is there.

Each has its share of the CPU cores, whatever runs beside it, so that its numbers do not depend on that. A step that
all seeds share (`cache: true`) runs alone, with all cores.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.text import Text

from repo_cli.config.schema import Config
from repo_cli.config.steps import named
from repo_cli.errors import Stopped, UserError
from repo_cli.launch.processes import cpu_cores
from repo_cli.launch.stopping import STOP_SLACK_S, passed_on
from repo_cli.launch.together import Running
from repo_cli.stages.pipeline_steps import Step, import_stages
from repo_cli.stages.pipeline_table import show_again

Task = tuple[int, str]  # seed, step
LOOK_EVERY_S = 0.2
PLAIN_EVERY_S = 30.0  # a line for each running step, where there is no terminal


def run_together(
    cfg: Config, overrides: list[str], config_dir: str | None, made: dict[int, dict[str, Path]]
) -> None:
    """Run every step for every seed, at most `pipeline.at_once` at the same time; `made` is filled as they end.

    The first failure stops the others, which save a checkpoint, and is raised. Raises Stopped after a signal.
    """
    import_stages(cfg)
    board = _Board(cfg, overrides, config_dir, made)
    with passed_on(board.stop) as asked, _Screen(board) as screen:
        try:
            while board.running or (board.waiting and not (asked or board.failure)):
                if not (asked or board.failure):
                    board.start_what_can()
                board.look()
                board.end_what_hangs()
                screen.show()
                time.sleep(LOOK_EVERY_S)
        finally:
            board.kill()
    if board.failure:
        raise board.failure
    if board.waiting:
        raise Stopped("stopped between two steps", saved=False)
    board.in_order()


class _Board:
    """What waits, what runs, what is done."""

    def __init__(
        self, cfg: Config, overrides: list[str], config_dir: str | None, made: dict[int, dict[str, Path]]
    ) -> None:
        self.cfg, self.overrides, self.config_dir, self.made = cfg, overrides, config_dir, made
        self.seeds = list(cfg.pipeline.seeds or [cfg.seed])
        self.waiting: list[Task] = [(seed, name) for seed in self.seeds for name in cfg.pipeline.steps]
        self.number = {task: number for number, task in enumerate(self.waiting, start=1)}
        self.keys: dict[int, dict[str, str]] = {seed: {} for seed in self.seeds}
        self.ready: dict[Task, Step] = {}
        self.running: dict[Task, tuple[Running, Step, float]] = {}
        self.products: dict[str, Path] = {}  # by key: what several seeds share is made once
        self.failure: Exception | None = None
        self.told_at: float | None = None
        for seed in self.seeds:
            made[seed] = {}

    def start_what_can(self) -> None:
        """Starts waiting steps in their order, while there is room; those done before are only noted."""
        for task in list(self.waiting):
            if len(self.running) >= self.cfg.pipeline.at_once or self._one_is_alone():
                return
            seed, name = task
            if named(self.cfg.pipeline.steps[name]) - self.made[seed].keys():
                continue
            try:
                step = self.ready[task] = self.ready.get(task) or self._step(task)
            except UserError as error:  # of its configuration: what runs saves and stops
                self._fail(error)
                return
            if found := step.found or self.products.get(step.key):
                self._done(task, step, found, f"done before for the same inputs, {found}")
                continue
            if step.key in [other.key for _, other, _ in self.running.values()]:
                continue  # it is being made for another seed
            if step.cache and self.running:
                return  # it will have all cores
            self._start(task, step)
            if self.failure:
                return

    def look(self) -> None:
        """Takes in what has ended."""
        for task, (running, step, began) in list(self.running.items()):
            try:
                product = running.poll()
            except Exception as error:
                del self.running[task]
                self._fail(error)
                continue
            if product is not None:
                del self.running[task]
                self._done(task, step, step.keep(self.cfg, product), f"{time.monotonic() - began:.0f} s")
                if step.stage == "eval" and not self.cfg.pipeline.table:
                    show_again(product)

    def stop(self, number: int) -> None:
        """Passes a signal on to all that run."""
        self.told_at = self.told_at or time.monotonic()
        for running, _, _ in self.running.values():
            running.tell(number)

    def end_what_hangs(self) -> None:
        """A step that has not stopped in `launch.stop_s` is ended; its last checkpoint stands."""
        if self.told_at and time.monotonic() - self.told_at > self.cfg.launch.stop_s + STOP_SLACK_S:
            self.kill()

    def kill(self) -> None:
        for running, _, _ in self.running.values():
            running.kill()

    def head(self, task: Task) -> str:
        seed, name = task
        where = f"seed {seed} {name}" if self.cfg.pipeline.seeds else name
        return f"[{self.number[task]}/{len(self.number)}] {where}"

    def in_order(self) -> None:
        """Products in the order of the steps, as if they had been made in turn."""
        for seed in self.seeds:
            self.made[seed] = {name: self.made[seed][name] for name in self.cfg.pipeline.steps}

    def _given(self, seed: int) -> list[str]:
        return [*self.overrides, *([f"seed={seed}"] if self.cfg.pipeline.seeds else [])]

    def _step(self, task: Task) -> Step:
        seed, name = task
        step = Step.of(self.cfg, name, self._given(seed), self.config_dir, self.made[seed], self.keys[seed])
        if not step.cache and step.cfg.engine.threads is None:
            step.cfg.engine.threads = max(1, cpu_cores() // self.cfg.pipeline.at_once)
        return step

    def _one_is_alone(self) -> bool:
        return any(step.cache for _, step, _ in self.running.values())

    def _start(self, task: Task, step: Step) -> None:
        try:
            running = Running.start(step.stage, step.cfg, self._given(task[0]))
        except UserError as error:  # something that it needs is not there
            self._fail(error)
            return
        self.waiting.remove(task)
        self.running[task] = (running, step, time.monotonic())
        print(f"{self.head(task)}: {step.about}", flush=True)

    def _done(self, task: Task, step: Step, product: Path, how: str) -> None:
        self.made[task[0]][task[1]] = self.products[step.key] = product
        if task in self.waiting:
            self.waiting.remove(task)
        print(f"{self.head(task)}: {how}", flush=True)

    def _fail(self, error: Exception) -> None:
        """The first failure counts; what else runs is asked to save and stop, once: a second signal ends it at once."""
        if self.failure is None:
            self.failure = error
            if self.told_at is None:
                self.stop(signal.SIGTERM)


class _Screen:
    """The last line of each running step: kept up to date on a terminal, now and then anywhere else."""

    def __init__(self, board: _Board) -> None:
        self.board = board
        self.live: Any = None
        self.shown_at = time.monotonic()

    def __enter__(self) -> _Screen:
        if sys.stdout.isatty():
            from rich.live import Live

            # without its own thread: a process with threads cannot be forked
            self.live = Live("", auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self) -> None:
        if self.live is not None:
            self.live.update(Text("\n".join(self._lines())), refresh=True)
        elif time.monotonic() - self.shown_at >= PLAIN_EVERY_S:
            self.shown_at = time.monotonic()
            print(*self._lines(), sep="\n", flush=True)

    def _lines(self) -> list[str]:
        return [
            f"  {self.board.head(task)}: {running.last_line()}"
            for task, (running, _, _) in self.board.running.items()
        ]
