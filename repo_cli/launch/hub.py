"""What a configuration names on a model hub, whether this machine has it, and fetching it: `repo prefetch`. No torch.

Compute nodes often have no network: with slurm.offline the libraries there take what lies in the hub's cache, so that
what is not in it is refused when the job is submitted, and not hours later when it starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repo_cli.config import Config, compose
from repo_cli.config.inputs import BARE_BASE, hub_name, system_source
from repo_cli.errors import UserError
from repo_cli.models.manifest import NAME as MANIFEST

#: What a model is opened with: weights as safetensors alone, since other formats may run code.
FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model", "vocab.txt")


@dataclass(frozen=True)
class Named:
    """Something on the hub: the key that names it, its name there, model or dataset."""

    key: str
    name: str
    kind: str


def named_in(cfg: Config, texts: Sequence[str] = (), config_dir: str | Path | None = None) -> list[Named]:
    """Every hub name of a configuration; of a pipeline those of all its steps. Each name once."""
    found: list[Named] = []
    if cfg.stage == "pipeline":
        for step, what in cfg.pipeline.steps.items():
            part = compose(what["stage"], texts, config_dir, step=step)
            found += [Named(f"{step}: {one.key}", one.name, one.kind) for one in named_in(part)]
    else:
        policy, judge = cfg.policy, cfg.judge
        _model(found, "policy.path", policy.path)
        _parent(found, "policy.parent", policy.parent)
        if judge.kind == "local":
            _model(found, "judge.path", judge.path)
            _parent(found, "judge.path", judge.path)
        if cfg.stage == "rl":
            _parent(found, "rm.path", cfg.rm.path)
        if cfg.stage == "eval":
            for name, what in cfg.eval.systems.items():
                source = system_source(str(what))
                if str(what).startswith(BARE_BASE):
                    _model(found, f"eval.systems.{name}", source)
                _parent(found, f"eval.systems.{name}", source)
            data: dict[str, str | None] = {
                "eval.path": cfg.eval.path,
                "eval.badcases_path": cfg.eval.badcases_path,
            }
        else:
            data = {"data.path": cfg.data.path, "data.val_path": cfg.data.val_path}
            data |= {f"data.also[{number}]": path for number, path in enumerate(cfg.data.also)}
        found += [
            Named(key, value.partition(":")[0], "dataset")
            for key, value in data.items()
            if value and not value.startswith("world:") and _on_hub(value.partition(":")[0])
        ]
    return list({(one.name, one.kind): one for one in reversed(found)}.values())[::-1]


def _on_hub(value: str | None) -> bool:
    return bool(value) and hub_name(str(value)) and not Path(str(value)).expanduser().exists()


def _model(found: list[Named], key: str, value: str | None) -> None:
    if _on_hub(value):
        found.append(Named(key, str(value), "model"))


def _parent(found: list[Named], key: str, value: str | None) -> None:
    """The base that an adapter here stands on."""
    for folder in (Path(value or "").expanduser(), Path(value or "").expanduser() / "final") if value else ():
        for file, entry in ((MANIFEST, "base"), ("adapter_config.json", "base_model_name_or_path")):
            try:
                base = json.loads((folder / file).read_text(encoding="utf-8"))[entry]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if isinstance(base, str) and _on_hub(base):
                found.append(Named(f"base of {key}", base, "model"))
            return


# -- the cache -----------------------------------------------------------------------------------------------------


def caches(more: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """(models, data sets): where the libraries keep them, with further variables (slurm.env) set."""
    env = {**os.environ, **{name: str(value) for name, value in (more or {}).items()}}
    home = Path(
        env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    ).expanduser()
    models = Path(env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()
    return models, Path(env.get("HF_DATASETS_CACHE") or home / "datasets").expanduser()


def cached(one: Named, places: tuple[Path, Path]) -> Path | None:
    """Where it lies whole; None where it does not, or only in part."""
    models, data = places
    if one.kind == "dataset":
        folder = data / one.name.replace("/", "___")
        return folder if next(folder.glob("**/*.arrow"), None) else None
    root = models / f"models--{one.name.replace('/', '--')}"
    try:
        commit = (root / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = root / "snapshots" / commit
    whole = (folder / "config.json").is_file() and any((folder / name).is_file() for name in TOKENIZER)
    return folder if whole and _weights(folder) else None


def _weights(folder: Path) -> bool:
    """All of a model's weights, as the index lists them where there are several files."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return all((folder / name).is_file() for name in set(index["weight_map"].values()))
    except FileNotFoundError:
        return any(folder.glob("*.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def fetch(one: Named, places: tuple[Path, Path]) -> Path:
    """Downloads it into the cache; returns where it lies.

    Raises:
        UserError: the hub cannot be reached, or does not know it, or what it has is no model that can be opened.
    """
    models, data = places
    try:
        if one.kind == "dataset":
            import datasets

            datasets.load_dataset(one.name, cache_dir=str(data))
        else:
            from huggingface_hub import snapshot_download

            snapshot_download(
                one.name, cache_dir=str(models), allow_patterns=list(FILES), ignore_patterns=["*/*"]
            )
    except Exception as error:  # the hub raises what it likes
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{one.key}={one.name}: cannot be fetched ({said})",
            hint="where there is network, without HF_HUB_OFFLINE; a gated model needs a token (hf auth login)",
        ) from error
    found = cached(one, places)
    if found is None:
        raise UserError(
            f"{one.key}={one.name}: the hub has no whole {one.kind} there (weights in safetensors, tokenizer)"
        )
    return found


def refuse_uncached(cfg: Config, texts: Sequence[str] = (), config_dir: str | Path | None = None) -> None:
    """UserError for hub names that a job without network would look for in vain."""
    if not cfg.slurm.offline:
        return
    places = caches(cfg.slurm.env)
    lacking = [one for one in named_in(cfg, texts, config_dir) if cached(one, places) is None]
    if lacking:
        names = ", ".join(f"{one.key}={one.name}" for one in lacking)
        raise UserError(
            f"slurm.offline: not in the hub's cache ({', '.join(sorted({str(p) for p in places}))}): {names}",
            hint="repo prefetch STAGE with the same overrides fetches them; or slurm.offline=false",
        )
