"""Weights & Biases, MLflow and trackio: the numbers of metrics.jsonl, sent there as well. Each imported when asked for.

    tracker.services=[wandb]                    offline by default: files in the run directory, nothing is sent
    tracker.services=[mlflow] tracker.offline=false

A run keeps one id over all its restarts (`tracking.json`). A step that was sent before a stop is not sent again, so no
curve has a doubled point; steps that were logged but not sent (a kill in between, a service that was down) are sent
from metrics.jsonl when the service is back, at the end of the run, or when the run goes on. No training ends because a
service does not answer: that is said once.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from repo_cli.errors import Stopped, UserError
from repo_cli.training.disk import disk_errors

RECORD = "tracking.json"
RETRY_S = (
    30.0  # a service that is down is asked again after this, and after ten times what the failed try took
)
Rows = Iterable[tuple[int, Mapping[str, Any]]]


class Service(Protocol):
    """What a service needs to be one."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class Wandb:
    """Weights & Biases; offline: wandb/offline-run-... in the run directory, for `wandb sync`."""

    def __init__(
        self, run_dir: Path, run_id: str, project: str, offline: bool, settings: Mapping[str, Any]
    ) -> None:
        import wandb

        self._run = wandb.init(
            project=project,
            name="/".join(run_dir.parts[-3:]),
            id=run_id,
            resume=None if offline else "allow",
            dir=str(run_dir),
            config=dict(settings),
            mode="offline" if offline else "online",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


class Mlflow:
    """MLflow; offline: a file store or SQLite file in the run directory, for `mlflow ui --backend-store-uri`."""

    def __init__(
        self, run_dir: Path, run_id: str, project: str, offline: bool, settings: Mapping[str, Any]
    ) -> None:
        if offline:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        else:  # its own patience is many minutes, in which no step is made
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow.tracking import MlflowClient

        uri = (
            (run_dir / "mlflow").resolve().as_uri() if offline else None
        )  # None = what MLFLOW_TRACKING_URI says
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(project)
        place = found.experiment_id if found else self._client.create_experiment(project)
        runs = self._client.search_runs([place], f"tags.repo_id = '{run_id}'")
        if runs:
            self._id = runs[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            tags = {"repo_id": run_id}
            self._id = self._client.create_run(
                place, tags=tags, run_name="/".join(run_dir.parts[-3:])
            ).info.run_id
            for key, value in settings.items():
                self._client.log_param(self._id, key, str(value)[:500])

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(key, value, now, step) for key, value in numbers.items()])

    def close(self) -> None:
        self._client.set_terminated(self._id)


class Trackio:
    """trackio; offline is all there is without a Space: its database lies in the run directory."""

    def __init__(
        self, run_dir: Path, run_id: str, project: str, offline: bool, settings: Mapping[str, Any]
    ) -> None:
        if offline:
            os.environ["TRACKIO_DIR"] = str((run_dir / "trackio").resolve())
        import trackio

        self._trackio = trackio
        space = {} if offline else {"space_id": os.environ.get("TRACKIO_SPACE_ID")}
        trackio.init(
            project=project, name=run_id, resume="allow", config=dict(settings), embed=False, **space
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._trackio.log(dict(numbers), step=step)

    def close(self) -> None:
        self._trackio.finish()


SERVICES: dict[str, type] = {"wandb": Wandb, "mlflow": Mlflow, "trackio": Trackio}
PIP = {"wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}


def check_installed(names: list[str]) -> None:
    """UserError for a service whose package is not there."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"tracker.services: {name} is not installed",
                hint=f"pip install {PIP[name]}, or tracker.services=[]",
            )


class Outlet:
    """One service of one run: its id, and the last step that it was given.

    rows: gives (step, numbers) of all that was logged so far, in order. say: told once when the service fails.
    resumed: the run has been going before; then a service that does not start is waited for, as one that fails later.
    """

    def __init__(
        self,
        name: str,
        run_dir: Path,
        cfg: Any,
        settings: Mapping[str, Any],
        rows: Callable[[], Rows] = lambda: (),
        say: Callable[[str], None] = print,
        resumed: bool = False,
    ) -> None:
        check_installed([name])
        self.name, self.file, self._rows, self._say = name, run_dir / RECORD, rows, say
        noted = self._noted().get(name, {})
        self.id = str(noted.get("id") or f"{run_dir.name}-{secrets.token_hex(3)}")
        self.last = int(noted.get("step", 0))
        self._open = lambda: SERVICES[name](
            run_dir, self.id, cfg.tracker.project, cfg.tracker.offline, settings
        )
        self._service: Service | None = None
        self._behind = resumed  # what was logged before a kill may not have been sent
        self._told, self._again = False, 0.0
        self._note()
        try:
            self._service = self._open()
        except Stopped:
            raise
        except Exception as error:
            if resumed:
                self._failed(error, time.monotonic())
                return
            raise UserError(
                f"tracker.services: {name} does not start: {_why(error)}",
                hint="tracker.offline=true sends nothing; tracker.services=[] does without",
            ) from error

    def log(self, step: int, numbers: Mapping[str, Any]) -> None:
        """The numbers of a step, if it was not sent yet; and before them those that could not be sent."""
        if not self._behind:
            self._try([(step, numbers)])
        elif time.monotonic() >= self._again:
            self._try(self._rows())

    def close(self) -> None:
        """Sends what is left, and ends; what cannot be sent is counted, and stays in metrics.jsonl."""
        if self._behind:
            self._try(self._rows())
        left = sum(step > self.last for step, _ in self._rows()) if self._behind else 0
        if left:
            self._say(
                f"tracker.services: {self.name} did not get the last {left} steps; they are in metrics.jsonl, and are "
                "sent when the run goes on"
            )
        if self._service is None:
            return
        try:
            self._service.close()
        except Stopped:
            raise
        except Exception as error:
            self._failed(error, time.monotonic())

    def _try(self, rows: Rows) -> None:
        began = time.monotonic()
        for step, numbers in rows:
            if step <= self.last:
                continue
            plain = {k: float(v) for k, v in numbers.items() if isinstance(v, int | float)}
            try:
                self._service = self._service or self._open()
                self._service.log(step, plain)
            except Stopped:
                raise
            except Exception as error:
                self._failed(error, began)
                return
            self.last = step
            self._note()
        self._behind = False

    def _failed(self, error: Exception, began: float) -> None:
        now = time.monotonic()
        self._behind, self._again = True, now + max(RETRY_S, 10 * (now - began))
        if not self._told:
            self._told = True
            self._say(
                f"tracker.services: {self.name} does not answer ({_why(error)}); the run goes on, and what it missed "
                "is sent later"
            )

    def _noted(self) -> dict[str, Any]:
        try:
            data = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _note(self) -> None:
        fresh = self.file.with_suffix(".tmp")
        data = self._noted() | {self.name: {"id": self.id, "step": self.last}}
        with disk_errors(self.file):
            fresh.write_text(json.dumps(data) + "\n", encoding="utf-8")
            fresh.replace(self.file)


def _why(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
