"""Configuration: schema without torch, one composition, a frozen file that every rank reads."""

from repo_cli.config.compose import compose, conf_dir, load_frozen, save_frozen, to_yaml
from repo_cli.config.inputs import MissingInput, missing_inputs
from repo_cli.config.schema import STAGES, Config
from repo_cli.config.steps import STEP

__all__ = [
    "STAGES",
    "STEP",
    "Config",
    "MissingInput",
    "compose",
    "conf_dir",
    "load_frozen",
    "missing_inputs",
    "save_frozen",
    "to_yaml",
]
