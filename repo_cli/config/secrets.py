"""Secrets stay out of the configuration: it is frozen into run directories and batch files, which others can read.

A secret is known by the name of its key (WANDB_API_KEY, api_key, Authorization) or by how it begins (sk-, hf_). No
torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.errors import UserError

_ENDS = {
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "credential",
    "credentials",
    "apikey",
}
_ANYWHERE = {"secret", "password", "passwd", "passphrase", "authorization"}
#: A token that a model's vocabulary has, and no pass.
_OF_A_VOCABULARY = {
    "bos",
    "eos",
    "pad",
    "unk",
    "sep",
    "cls",
    "mask",
    "stop",
    "image",
    "special",
    "start",
    "end",
    "think",
}
_LOOKS = re.compile(
    r"(?:Bearer\s+\S{8,}|Basic\s+\S{8,}|sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|xox[abprs]-\S{8,}|AKIA[A-Z0-9]{12,})"
)
_EXPORT = re.compile(r"""(?:^|[\s;&])(\w+)=(?!["']?\$)["']?([^\s"';&]+)""")


def refuse_literal_secrets(cfg: Config) -> None:
    """UserError for a secret in plain text in `slurm.env`, `slurm.setup` or `judge.api.body`; it is not repeated."""
    for name, value in cfg.slurm.env.items():
        if is_secret(str(name), value):
            raise UserError(
                f"slurm.env.{name} holds a secret, which the batch file and config.yaml would show",
                hint=f"leave it out: sbatch hands on the environment that submits (export {name}=... before), or "
                f"slurm.setup=['export {name}=$(cat FILE)'] reads it from a file of yours in the job",
            )
    for line in cfg.slurm.setup:
        for name, value in _EXPORT.findall(line):
            if is_secret(name, value):
                raise UserError(
                    f"slurm.setup sets {name} to a secret, which the batch file and config.yaml would show",
                    hint=f"export {name}=$(cat FILE) reads it from a file of yours in the job",
                )
    for path, value in _leaves(cfg.judge.api.body, "judge.api.body"):
        if is_secret(path.rpartition(".")[2], value):
            raise UserError(
                f"{path} holds a secret, which config.yaml would show",
                hint="judge.api.key_env names the environment variable that holds the key, which is sent as a header",
            )


def is_secret(name: str, value: Any) -> bool:
    """Whether a key's literal value is one that nobody else should read. Paths, numbers and references are none."""
    if not isinstance(value, str) or not value.strip():
        return False
    if _LOOKS.search(value):
        return True
    text = value.strip()
    if text.startswith(("/", "./", "../", "~", "$")) or re.fullmatch(
        r"[\d.]+|true|false|yes|no|none|null", text, re.I
    ):
        return False
    words = [
        word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()) if word
    ]
    if _ANYWHERE & set(words):
        return True
    return bool(words) and words[-1] in _ENDS and not (words[-1] == "token" and _OF_A_VOCABULARY & set(words))


def _leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _leaves(value, f"{path}.{name}")
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value, path)
    else:
        yield path, data
