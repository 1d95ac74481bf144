"""Sweeps: `repo rl -m optim.lr=1e-6,3e-6 +experiment=demo`. No torch.

Hydra's own grammar says which values (`a,b`, `choice(...)`, `range(...)`, `glob(*)` over a group's files); each
combination is a job. The plan is made whole before anything starts, so a mistake in the last job shows at once:

    <dir>/sweep.json                         stage, what was typed, the jobs
    <dir>/jobs/000_optim.lr=1e-06/           of a stage: the run directory, with its frozen config.yaml
                                  state.json running, done, failed, stopped; the exit code; how often tried
                                  output.txt what the job said

A job is `repo job DIR INDEX`, here (`sweep.jobs` at a time) or in a Slurm array. It goes on from its newest
checkpoint, so running the same sweep again (`repo sweep resume DIR`) does what is left.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from repo_cli.config import Config, compose, missing_inputs
from repo_cli.config.compose import conf_dir
from repo_cli.config.overrides import Places, override_text
from repo_cli.errors import UserError
from repo_cli.launch.resume import new_run
from repo_cli.training.disk import disk_errors

PLAN = "sweep.json"
NOTE = "job.json"
MOST_JOBS = 10_000
_NAME = 100  # characters of a directory's name that tell the overrides


@dataclass
class Job:
    """One combination: its number, its own overrides, and the directory's name."""

    index: int
    overrides: list[str]
    name: str


@dataclass
class Sweep:
    """A sweep as sweep.json holds it."""

    path: Path
    stage: str
    common: list[str]
    jobs: list[Job]
    config_dir: str | None = None
    made: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))
    plugins: list[str] = field(
        default_factory=list
    )  # Hydra's, which find the jobs as they go (plugin_sweep.py)

    def folder(self, job: Job) -> Path:
        return self.path / "jobs" / job.name

    def overrides(self, job: Job) -> list[str]:
        """All that the job is composed of."""
        return [*self.common, *job.overrides, override_text("runs_dir", str(self.folder(job)))]

    def config(self, job: Job) -> Config:
        return compose(self.stage, self.overrides(job), self.config_dir)

    def save(self) -> None:
        data = {"stage": self.stage, "common": self.common, "config_dir": self.config_dir, "made": self.made}
        known = {"plugins": self.plugins} if self.plugins else {"jobs": [asdict(job) for job in self.jobs]}
        text = json.dumps(data | known, indent=1, ensure_ascii=False)
        (self.path / PLAN).write_text(text + "\n", encoding="utf-8")


def load_sweep(path: Path | str) -> Sweep:
    """Opens a sweep's directory.

    Raises:
        UserError: it is none, or its plan is broken.
    """
    path = Path(path).expanduser()
    file = path / PLAN
    if not file.is_file():
        raise UserError(
            f"{path}: not a sweep (no {PLAN} there)", hint="repo rl -m optim.lr=1e-6,3e-6 ... makes one"
        )
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        plugins = [str(text) for text in data.get("plugins", [])]
        listed = found_jobs(path) if plugins else data["jobs"]
        jobs = [
            Job(int(job["index"]), [str(o) for o in job["overrides"]], str(job["name"])) for job in listed
        ]
        sweep = Sweep(
            path,
            str(data["stage"]),
            list(data["common"]),
            jobs,
            data.get("config_dir"),
            data["made"],
            plugins,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from None
    if any("/" in job.name or job.name.startswith(".") or "\0" in job.name for job in jobs):
        raise UserError(f"{file}: a job's name leaves its directory")
    return sweep


def found_jobs(path: Path) -> list[dict[str, Any]]:
    """The jobs that Hydra's plugins have begun, in their order; each has noted itself in its directory."""
    files = sorted(path.glob(f"jobs/*/{NOTE}"))
    found = [json.loads(file.read_text(encoding="utf-8")) | {"name": file.parent.name} for file in files]
    return sorted(found, key=lambda job: int(job["index"]))


def expand(texts: Sequence[str], places: Places) -> tuple[list[str], list[list[str]]]:
    """(what all jobs share, each job's own overrides): the product of all swept values, the last one fastest.

    Raises:
        UserError: nothing is swept, or too much; a sweep of a kind that has no list of values (interval).
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    common: list[str] = []
    swept: list[list[str]] = []
    for text in texts:
        try:
            parsed = parser.parse_override(text)
        except HydraException:  # a path that Hydra's grammar cannot read is quoted later
            common.append(text)
            continue
        if not parsed.is_sweep_override():
            common.append(text)
            continue
        key = parsed.get_key_element()
        value = parsed.value()
        if isinstance(value, Glob):
            names = value.filter(places.options(str(parsed.key_or_group)))
            swept.append([f"{key}={name}" for name in names])
        elif parsed.is_discrete_sweep():
            swept.append([f"{key}={value}" for value in parsed.sweep_string_iterator()])
        else:
            hint = f"list values ({key}=1,2,3), or choice(...), range(start,stop,step), glob(*)"
            raise UserError(f"{text}: an interval has no list of values to run", hint=hint)
        if not swept[-1]:
            raise UserError(f"{text}: gives no value at all")
    if not swept:
        raise UserError(
            "-m, but no override has several values",
            hint="optim.lr=1e-6,3e-6 or 'seed=range(3)' asks for several runs",
        )
    product = [list(values) for values in itertools.product(*swept)]
    if len(product) > MOST_JOBS:
        raise UserError(f"the sweep would have {len(product)} jobs (at most {MOST_JOBS})")
    return common, product


def job_name(index: int, overrides: Sequence[str]) -> str:
    """000_optim.lr=1e-06,seed=2: a directory's name that tells the overrides (cut where it gets long)."""
    text = ",".join(override.lstrip("+") for override in overrides)
    text = re.sub(r"[^\w.,=+-]+", "-", text).strip("-.")
    return f"{index:03d}_{text[:_NAME].rstrip(',=-.')}"


def plan(stage: str, texts: Sequence[str], config_dir: Path | None = None) -> tuple[Sweep, list[Config]]:
    """The sweep and each job's configuration; writes nothing.

    Raises:
        UserError: a job's configuration does not hold, or something that it needs is missing; names the job.
    """
    places = Places(conf_dir(), config_dir.expanduser().resolve() if config_dir else None)
    common, product = expand(texts, places)
    own = str(config_dir.expanduser().resolve()) if config_dir else None
    first = compose(stage, [*common, *product[0]], config_dir)
    path = directory(first)
    jobs = [Job(index, overrides, job_name(index, overrides)) for index, overrides in enumerate(product)]
    sweep = Sweep(path, stage, common, jobs, own)
    configs = []
    for job in jobs:
        try:
            cfg = sweep.config(job)
            for lacking in missing_inputs(cfg):
                raise lacking
        except UserError as error:
            raise UserError(
                f"job {job.index} ({' '.join(job.overrides)}): {error.message}", hint=error.hint
            ) from None
        configs.append(cfg)
    return sweep, configs


def directory(cfg: Config) -> Path:
    """Where a sweep of this configuration lies: sweep.path, or a place of its own."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    return Path(cfg.sweep.path or Path(cfg.runs_dir) / "sweeps" / cfg.stage / cfg.name / name).expanduser()


def create(sweep: Sweep, configs: Sequence[Config]) -> None:
    """Makes the sweep's directory, and in it each job's with its frozen configuration.

    Raises:
        UserError: there is a sweep already, or the place cannot be written.
    """
    if (sweep.path / PLAN).exists():
        raise UserError(
            f"sweep.path={sweep.path}: there is a sweep already", hint=f"repo sweep resume {sweep.path}"
        )
    with disk_errors(sweep.path):
        (sweep.path / "jobs").mkdir(parents=True, exist_ok=True)
        for job, cfg in zip(sweep.jobs, configs, strict=True):
            if sweep.stage == "pipeline":
                sweep.folder(job).mkdir()
            else:
                new_run(cfg, sweep.overrides(job), sweep.folder(job))
        sweep.save()  # last: with it the sweep is whole


def read_state(folder: Path) -> dict[str, Any]:
    """A job's state.json; {"state": "waiting"} before its first start."""
    try:
        data = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"state": "waiting"}
    return data if isinstance(data, dict) and "state" in data else {"state": "waiting"}


def write_state(folder: Path, **values: Any) -> None:
    """Puts values into a job's state.json, whole or not at all."""
    file = folder / "state.json"
    fresh = folder / ".state.json.tmp"
    with disk_errors(file):
        fresh.write_text(json.dumps(read_state(folder) | values, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(file)
