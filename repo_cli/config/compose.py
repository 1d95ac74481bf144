"""Hydra composes the YAML files once; the result is a validated `Config`, frozen into the run directory.

    cfg = compose("rl", ["+experiment=negotiation", "lora.r=16"])

The order, later wins: the stage's defaults, the experiment, the experiment's part for this stage
(`pipeline.steps.<stage>.set`), the user's own overrides.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from repo_cli.config.build import from_dict, unknown_key
from repo_cli.config.checks import STEP, check
from repo_cli.config.overrides import Override, Places, override_text, parse
from repo_cli.config.schema import STAGES, Config
from repo_cli.errors import UserError, nearest

_SECRET = re.compile(r"\$\{oc\.env:\s*['\"]?(\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)\w*)", re.I)
_PATHS = ("runs_dir", "cache_dir", "resume")
_NESTED_PATHS = (
    ("policy", "path"),
    ("policy", "parent"),
    ("rm", "path"),
    ("judge", "path"),
    ("data", "path"),
    ("data", "val_path"),
)


def conf_dir() -> Path:
    """The shipped configuration: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve()
    for place in (here.parents[1] / "conf", here.parents[2] / "conf"):
        if (place / "common.yaml").is_file():
            return place
    raise UserError(
        f"the configuration directory is missing beside {here.parents[1]}", hint="install repo-cli again"
    )


def entries(places: Places | None = None) -> list[str]:
    """The stages that have an entry file."""
    shipped = (places or Places(conf_dir())).shipped
    return [stage for stage in STAGES if (shipped / f"{stage}.yaml").is_file()]


def compose(
    stage: str,
    overrides: Sequence[str] | None = None,
    config_dir: str | Path | None = None,
    step: str | None = None,
    products: Mapping[str, str | Path] | None = None,
) -> Config:
    """The validated configuration of one stage.

    Args:
        stage: sft, dpo, train_rm (train-rm), rl, eval or pipeline.
        overrides: in Hydra's syntax.
        config_dir: a directory of the user's own groups, options and experiments.
        step: the step of the experiment whose settings are taken; None = the one that bears the stage's name.
        products: what earlier steps made (name -> final/), put in where a setting says `step:NAME`.
    Raises:
        UserError: whatever the user can mend, in one message that names the key.
    """
    stage = stage.replace("-", "_")
    own = Path(config_dir).expanduser().resolve() if config_dir else None
    places = Places(conf_dir(), own)
    places.check_own()
    if stage not in entries(places):
        guess = nearest(stage, entries(places))
        hint = f"stages: {', '.join(entries(places))}" + (f"; did you mean {guess}?" if guess else "")
        raise UserError(f"{stage} is not a stage", hint=hint)
    from omegaconf import OmegaConf

    typed = parse(overrides or [], places)
    raw = _hydra(stage, typed, places)
    if step is not None and step not in (OmegaConf.select(raw, "pipeline.steps") or {}):
        raise UserError(f"pipeline.steps holds no step {step}")
    step = step or stage
    part = parse(_step_part(raw, stage, step, products or {}), places, source=f"pipeline.steps.{step}.set")
    if part:
        raw = _hydra(stage, part + typed, places)
    return _finish(raw, stage)


def save_frozen(cfg: Config, path: str | Path) -> None:
    """Writes the resolved configuration, which every rank reads; it never holds a secret."""
    Path(path).write_text(to_yaml(cfg), encoding="utf-8")


def load_frozen(path: str | Path) -> Config:
    """Reads what `save_frozen` wrote; `path` is the file or its run directory."""
    path = Path(path)
    if path.is_dir():
        path = path / "config.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file", hint="a run directory holds its frozen config.yaml"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {_first_line(error)}") from None
    try:
        return from_dict(Config, data)
    except UserError as error:
        raise UserError(f"{path}: {error.message}", hint=error.hint) from None


def to_yaml(cfg: Config, without: Sequence[str] = ()) -> str:
    """The configuration as YAML, keys in the schema's order; `without` leaves out top-level keys."""
    data = {name: value for name, value in dataclasses.asdict(cfg).items() if name not in without}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _hydra(stage: str, overrides: list[Override], places: Places) -> Any:
    """One composition -> an unresolved OmegaConf tree."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    groups = {o.group: o.text for o in overrides if o.group}  # the last choice of a group counts
    values = [o.text for o in overrides if not o.group]
    texts = list(groups.values()) + values
    if places.own:
        texts.insert(0, override_text("hydra.searchpath", [f"file://{places.own}"]))
    try:
        with initialize_config_dir(config_dir=str(places.shipped), version_base="1.3"):
            raw = hydra_compose(config_name=stage, overrides=texts)
    except (HydraException, OmegaConfBaseException) as error:
        raise _translated(error, stage, groups, places) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"a configuration file is not valid YAML: {_first_line(error)}") from None
    OmegaConf.set_struct(raw, False)
    return raw


def _translated(error: Exception, stage: str, groups: dict[str, str], places: Places) -> UserError:
    """Hydra's complaint in our words."""
    message = str(error)
    missing = re.search(r"Could not override '([\w.]+)'", message)
    if missing and "." in missing[1]:  # an entry of a free mapping that is not there
        from hydra import compose as hydra_compose
        from hydra import initialize_config_dir
        from omegaconf import OmegaConf

        with initialize_config_dir(config_dir=str(places.shipped), version_base="1.3"):
            base = hydra_compose(config_name=stage, overrides=list(groups.values()))
        found = unknown_key(missing[1], list(_dotted(OmegaConf.to_container(base))))
        return UserError(found.message, hint=f"{found.hint or ''} To add an entry: +{missing[1]}=...".strip())
    lost = re.search(r"Could not (?:find|load|override) '([\w./@-]+)'", message)
    if lost:
        group, _, option = lost[1].strip("/").partition("/")
        names = places.options(group) if option and group in places.groups() else places.groups()
        guess = nearest(option or group, names)
        hint = (f"did you mean {guess}? " if guess else "") + f"Allowed: {', '.join(names)}"
        return UserError(_first_line(error), hint=hint)
    return UserError(f"the configuration cannot be composed: {_first_line(error)}")


def _step_part(raw: Any, stage: str, step: str, products: Mapping[str, str | Path]) -> list[str]:
    """The experiment's settings for one step, as overrides."""
    from omegaconf import OmegaConf

    steps = OmegaConf.to_container(
        OmegaConf.select(raw, "pipeline.steps") or OmegaConf.create(), resolve=False
    )
    found = steps.get(step) if isinstance(steps, dict) else None
    settings = found.get("set") if isinstance(found, dict) else None
    if stage == "pipeline" or not isinstance(settings, dict):
        return []
    return [override_text(str(dotted), _filled(value, products)) for dotted, value in settings.items()]


def _filled(value: Any, products: Mapping[str, str | Path]) -> Any:
    """`step:NAME`, anywhere in a value, as what that step made; left as it is while the step is not done."""
    if isinstance(value, dict):
        return {name: _filled(item, products) for name, item in value.items()}
    if isinstance(value, str) and value.startswith(STEP) and value.removeprefix(STEP) in products:
        return str(products[value.removeprefix(STEP)])
    return value


def _finish(raw: Any, stage: str) -> Config:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    _refuse_secrets(OmegaConf.to_container(raw, resolve=False))
    try:
        data = OmegaConf.to_container(raw, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "a value"
        raise UserError(f"{key} cannot be resolved: {_first_line(error)}") from None
    assert isinstance(data, dict)
    data["stage"] = stage
    cfg = from_dict(Config, data)
    for name in _PATHS:
        setattr(cfg, name, _home(getattr(cfg, name)))
    for group, name in _NESTED_PATHS:
        setattr(getattr(cfg, group), name, _home(getattr(getattr(cfg, group), name)))
    check(cfg)
    return cfg


def _home(value: str | None) -> str | None:
    return str(Path(value).expanduser()) if value and value.startswith("~") else value


def _refuse_secrets(data: Any, path: str = "") -> None:
    """The frozen file is resolved, so a key read from the environment would lie in it in plain text."""
    if isinstance(data, dict):
        for name, value in data.items():
            _refuse_secrets(value, f"{path}.{name}" if path else str(name))
    elif isinstance(data, list):
        for value in data:
            _refuse_secrets(value, path)
    elif isinstance(data, str) and (found := _SECRET.search(data)):
        raise UserError(
            f"{path} would write the secret {found[1]} into the run directory",
            hint="leave it out: what needs it reads the environment itself",
        )


def _dotted(data: Any, prefix: str = "") -> list[str]:
    if not isinstance(data, dict):
        return [prefix[:-1]]
    return [name for key, value in data.items() for name in _dotted(value, f"{prefix}{key}.")]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
