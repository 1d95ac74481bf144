"""What differs between a run and the command that resumes it: harmless, allowed, or refused. No torch.

harmless  where and how it runs, what is written down and watched: `tracker`, `launch`, `alarms`, our own paths
allowed   the course from here on: more steps, learning rates, weights of rewards, the user's own rewards and their
          code; said, since bits may differ
refused   what the state in the checkpoint was made of: base, adapters, data (by the files' hashes), seed, method;
          `--force` goes on all the same
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repo_cli.config import Config
from repo_cli.config.inputs import system_source
from repo_cli.config.own import source_file
from repo_cli.errors import UserError
from repo_cli.launch.contents import content

#: Of what is harmless else: ranks draw their own replies. The checkpoint's own count decides (stages/going_on.py).
ALLOWED = ("launch.nproc", "slurm.nodes")
HARMLESS = (
    "name", "runs_dir", "cache_dir", "resume", "force", "tracker", "launch", "slurm", "sweep", "pipeline",
    "eval", "engine.threads", "rl.eval_every", "rl.eval_n", "alarms", "rl.preflight",
    "rl.preflight_action", "rl.preflight_contexts",
)  # fmt: skip
REFUSED = (
    "stage", "seed", "policy", "lora", "data", "world", "rm", "critic.init", "critic.lora_r", "algorithm.name",
    "judge.path", "judge.kind", "engine.zero_stage", "engine.precision", "sft.batch_size", "train_rm.batch_size",
    "dpo.batch_size", "rl.batch_size", "sft.max_messages", "algorithm.group_size",
)  # fmt: skip
#: And by stage: what its finished rounds were made with.
REFUSED_IN = {
    "sample": ("sample", "rollout.batch_size"),
    "eval": ("eval", "rollout", "rules", "sop", "judge", "rubric", "engine.autocast"),
}
#: And what is read anew when all of it is done, or says only how an endpoint is asked.
HARMLESS_IN = {
    "eval": (
        *("eval.baseline", "eval.samples", "eval.bootstrap", "eval.endpoint.timeout_s", "eval.endpoint.retries"),
        *("eval.endpoint.backoff_s", "eval.endpoint.concurrency", "eval.endpoint.key_variable"),
        *(f"judge.api.{n}" for n in ("concurrency", "rpm", "tpm", "backoff_s", "backoff_max_s", "budget", "key_env")),
    )
}  # fmt: skip
#: Files that a run is made of: their contents count, not where they lie.
FILES = (
    *("data.path", "data.also", "data.val_path", "policy.path", "policy.parent", "rm.path", "judge.path"),
    *("eval.path", "eval.badcases_path"),
)
SYSTEM = "eval.systems."
RECORD = "inputs.json"
SILENT = ("resume", "force", "name", "runs_dir", "cache_dir")  # said by the command itself
_SAID = {"harmless": "changed, harmless", "allowed": "changed", "refused": "changed, forced"}


@dataclass(frozen=True)
class Difference:
    """One key that is not what it was."""

    key: str
    before: Any
    now: Any
    kind: str  # harmless | allowed | refused
    why: str = ""

    def __str__(self) -> str:
        return (
            f"{self.key}: {_short(self.before)} -> {_short(self.now)}{f' ({self.why})' if self.why else ''}"
        )


def differences(before: Config, now: Config, run: Path) -> list[Difference]:
    """Every key that differs, and every input file whose content is not what the run started with."""
    then = record(run)
    found = []
    was, new = _flat(before), _flat(now)
    for key in sorted(was.keys() | new.keys()):
        old, value = was.get(key), new.get(key)
        if old == value:
            continue
        if (
            _is_file(key)
            and not _is_code(key)
            and then.get(key)
            and then[key] == _content(key, value, now.cache_dir)
        ):
            found.append(Difference(key, old, value, "allowed", "the same content in another place"))
        else:
            found.append(Difference(key, old, value, _kind(key, now.stage)))
    changed = {difference.key for difference in found}
    for key, hashed in then.items():
        path = new.get(key)
        if key in changed or not path:
            continue
        today = _content(key, path, now.cache_dir)
        # a missing one is told elsewhere; one noted by an older version, in another way, says nothing
        if today not in ("", hashed) and today.partition(":")[1] == hashed.partition(":")[1]:
            # a fault of the user's own code is mended so
            kind = "allowed" if _is_code(key) else _kind(key, now.stage)
            found.append(Difference(key, path, path, kind, "its content has changed since the run started"))
    return found


def tell_differences(
    found: list[Difference], run: Path, force: bool, say: Callable[[str], None] = print
) -> None:
    """Says what differs.

    Raises:
        UserError: something that the checkpoint was made of differs, and `force` is off.
    """
    refused = [difference for difference in found if difference.kind == "refused"]
    if refused and not force:
        more = (
            f" (and {len(refused) - 1} more: {', '.join(d.key for d in refused[1:4])})" if refused[1:] else ""
        )
        raise UserError(
            f"{run} cannot go on with {refused[0]}{more}: its checkpoint was made with the former",
            hint="start a new run, or --force to go on all the same",
        )
    for difference in found:
        if difference.key not in SILENT:
            say(f"{_SAID[difference.kind]}: {difference}")


def write_record(cfg: Config, run: Path) -> None:
    """Notes the hashes of the files that the run is made of in its inputs.json."""
    (run / RECORD).write_text(json.dumps(inputs(cfg), indent=1) + "\n", encoding="utf-8")


def record(run: Path) -> dict[str, str]:
    """What `write_record` noted; empty where there is none."""
    try:
        data = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def inputs(cfg: Config) -> dict[str, str]:
    """Hash by key of each file, directory or cached hub name that the configuration names."""
    files = {key: value for key, value in _flat(cfg).items() if _is_file(key)}
    return {
        key: hashed
        for key, value in files.items()
        if value and (hashed := _content(key, value, cfg.cache_dir))
    }


def _kind(key: str, stage: str) -> str:
    def under(names: tuple[str, ...]) -> bool:
        return any(key == name or key.startswith((name + ".", name + "[")) for name in names)

    if under(ALLOWED):
        return "allowed"
    if under(HARMLESS_IN.get(stage, ())):
        return "harmless"
    if under(REFUSED_IN.get(stage, ())):
        return "refused"
    if under(HARMLESS):
        return "harmless"
    return "refused" if under(REFUSED) else "allowed"


def _is_file(key: str) -> bool:
    return key.partition("[")[0] in FILES or key.startswith(SYSTEM) or _is_code(key)


def _is_code(key: str) -> bool:
    """The path of a reward of the user's own (found, not imported)."""
    return key.startswith("reward.own.") and key.endswith("._target_")


def _content(key: str, value: Any, cache_dir: str) -> str:
    file = source_file(str(value)) if _is_code(key) else value
    if key.startswith(SYSTEM):
        file = system_source(str(value))
    return content(file, cache_dir) if file else ""


def _flat(cfg: Config) -> dict[str, Any]:
    """Dotted keys and their values; the files of a list one by one, since each may have moved."""
    flat = dict(_leaves(dataclasses.asdict(cfg)))
    for key in FILES:
        if isinstance(paths := flat.get(key), list):
            del flat[key]
            flat |= {f"{key}[{number}]": path for number, path in enumerate(paths)}
    return flat


def _leaves(data: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, dotted + ".")
        else:
            yield dotted, value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
