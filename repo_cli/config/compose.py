"""Hydra composes the YAML files once; the result is a validated `Config`, frozen into the run directory.

    cfg = compose("rl", ["+experiment=negotiation", "lora.r=16"])

The order, later wins: the stage's defaults, the experiment, the experiment's part for this stage
(`pipeline.steps.<stage>.set`), the user's own overrides.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from repo_cli.config.build import from_dict
from repo_cli.config.checks import check
from repo_cli.config.overrides import Override, Places, assign, override_text, parse
from repo_cli.config.schema import STAGES, Config
from repo_cli.config.steps import STEP, expand
from repo_cli.errors import UserError, nearest

_SECRET = re.compile(r"\$\{oc\.env:\s*['\"]?(\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)\w*)", re.I)
_CONTENT = ("rules", "rubric", "sop")
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
    typed = parse(overrides or [], places)
    tree = _composed(stage, typed, places)
    part = parse(
        _step_part(_applied(tree, typed), stage, step, products or {}), places, _source(step or stage)
    )
    if step is not None and any(override.key == "seed" for override in part):
        # one seed for the whole pipeline: a step with a seed of its own (a base shared by all seeds) keeps it
        typed = [override for override in typed if override.key != "seed"]
    if any(override.group for override in part):  # the step chooses an option: the user's choices still win
        tree = _composed(stage, part + typed, places)
    return _finish(_applied(tree, part + typed), stage)


def _source(step: str) -> str:
    return f"pipeline.steps.{step}.set"


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
    """The configuration as YAML, keys in the schema's order; `without` leaves out keys, dotted ones too."""
    data = {name: value for name, value in dataclasses.asdict(cfg).items() if name not in without}
    for dotted in without:
        node, (*parents, last) = data, dotted.split(".")
        for part in parents:
            node = node.get(part, {})
        node.pop(last, None)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _composed(stage: str, overrides: list[Override], places: Places) -> dict[str, Any]:
    """The files as Hydra composes them with the groups chosen, as plain mappings, unresolved."""
    groups = {
        override.group: override.text for override in overrides if override.group
    }  # the last choice counts
    return _hydra(stage, tuple(groups.values()), places, places.fingerprint())


@functools.lru_cache(maxsize=64)
def _hydra(stage: str, groups: tuple[str, ...], places: Places, _state: object) -> dict[str, Any]:
    """One composition; what it returns is shared and not to be changed."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    texts = list(groups)
    if places.own:
        texts.insert(0, override_text("hydra.searchpath", [f"file://{places.own}"]))
    try:
        with initialize_config_dir(config_dir=str(places.shipped), version_base="1.3"):
            tree = OmegaConf.to_container(hydra_compose(config_name=stage, overrides=texts), resolve=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise _translated(error, places) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"a configuration file is not valid YAML: {_first_line(error)}") from None
    assert isinstance(tree, dict)
    return {str(name): value for name, value in tree.items()}


def _applied(tree: dict[str, Any], overrides: list[Override]) -> dict[str, Any]:
    """A copy of the tree with the values put in."""
    tree = copy.deepcopy(tree)
    for override in overrides:
        if override.group is None:
            assign(tree, override)
    return tree


def _translated(error: Exception, places: Places) -> UserError:
    """Hydra's complaint in our words."""
    lost = re.search(r"Could not (?:find|load|override) '([\w./@-]+)'", str(error))
    if lost:
        group, _, option = lost[1].strip("/").partition("/")
        names = places.options(group) if option and group in places.groups() else places.groups()
        guess = nearest(option or group, names)
        hint = (f"did you mean {guess}? " if guess else "") + f"Allowed: {', '.join(names)}"
        return UserError(_first_line(error), hint=hint)
    return UserError(f"the configuration cannot be composed: {_first_line(error)}")


def _step_part(
    tree: dict[str, Any], stage: str, step: str | None, products: Mapping[str, str | Path]
) -> list[str]:
    """The experiment's settings for one step, as overrides."""
    pipeline = tree.get("pipeline")
    steps = expand(pipeline.get("steps")) if isinstance(pipeline, dict) else None
    if not isinstance(steps, dict):
        return []
    if step is not None and step not in steps:
        raise UserError(f"pipeline.steps holds no step {step}", hint=f"steps: {', '.join(map(str, steps))}")
    found = steps.get(step or stage)
    settings = found.get("set") if isinstance(found, dict) else None
    if stage == "pipeline" or not isinstance(settings, dict):
        return []
    return [override_text(str(dotted), _filled(value, products)) for dotted, value in settings.items()]


def _filled(value: Any, products: Mapping[str, str | Path]) -> Any:
    """`step:NAME`, anywhere in a value, as what that step made; left as it is while the step is not done."""
    if isinstance(value, dict):
        return {name: _filled(item, products) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, products) for item in value]
    if isinstance(value, str) and value.startswith(STEP) and value.removeprefix(STEP) in products:
        return str(products[value.removeprefix(STEP)])
    return value


def _finish(tree: dict[str, Any], stage: str) -> Config:
    _refuse_secrets(tree)
    data = _resolved(tree)
    data["stage"] = stage
    if isinstance(data.get("pipeline"), dict) and "steps" in data["pipeline"]:
        data["pipeline"]["steps"] = expand(data["pipeline"]["steps"])
    cfg = from_dict(Config, data)
    for name in _PATHS:
        setattr(cfg, name, _home(getattr(cfg, name)))
    for group, name in _NESTED_PATHS:
        setattr(getattr(cfg, group), name, _home(getattr(getattr(cfg, group), name)))
    cfg.data.also = [_home(path) or "" for path in cfg.data.also]
    check(cfg)
    return cfg


def _resolved(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with `${...}` filled in. Rules, rubric and SOP are long and rarely hold one: they pass by."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    aside = {name: tree[name] for name in _CONTENT if name in tree and "${" not in str(tree[name])}
    rest = {name: value for name, value in tree.items() if name not in aside}
    try:
        data = OmegaConf.to_container(OmegaConf.create(rest), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "a value"
        raise UserError(f"{key} cannot be resolved: {_first_line(error)}") from None
    assert isinstance(data, dict)
    return {**{str(name): value for name, value in data.items()}, **aside}


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


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
