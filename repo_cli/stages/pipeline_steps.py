"""One step of a pipeline: what it depends on, whether that was done before, and where its product is kept.

A step's key is the hash of all that its product depends on: configuration, parents, seed and the code that it runs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import repo_cli
from repo_cli.config.compose import compose, to_yaml
from repo_cli.config.inputs import system_source
from repo_cli.config.own import own_rewards, source_file
from repo_cli.config.schema import Config
from repo_cli.launch.forked import import_first
from repo_cli.launch.modules import MODULES
from repo_cli.rewards.texts import check_texts

#: The rooms whose code decides what a stage makes; a change there makes the step run again.
_SHARED = (
    "config",
    "dialogue",
    "models",
    "negotiation",
    "training/engine.py",
    "training/optimizer.py",
    "worlds",
    "stages/session.py",
    "stages/roles.py",
)
ROOMS = {
    "sft": (*_SHARED, "stages/sft.py", "stages/data.py", "rewards/judge_prompt.py", "rewards/rubric.py"),
    "dpo": (*_SHARED, "stages/dpo.py", "stages/reference.py", "stages/data.py", "algorithms"),
    "train_rm": (
        *(*_SHARED, "stages/train_rm.py", "stages/data.py", "rewards/reward_model.py", "algorithms"),
        *("evaluation/rm_report.py", "evaluation/statistics.py"),
    ),
    "sample": (
        *(*_SHARED, "stages/sample.py", "stages/annotators.py", "stages/data.py", "rollout"),
        *(
            f"rewards/judge{n}.py"
            for n in ("", "_open", "_prompt", "_parse", "_remote", "_watch", "_client", "_cache")
        ),
        *("rewards/judge_writing.py", "rewards/judge_screen.py", "rewards/rubric.py", "rewards/rules.py"),
        *(f"rewards/rule_{name}.py" for name in ("look", "patterns", "reading", "spec", "together")),
    ),
    "rl": ("",),
    "eval": ("",),
}
NOT_INPUTS = (
    *(
        "runs_dir",
        "cache_dir",
        "resume",
        "force",
        "name",
        "tracker",
        "pipeline",
        "slurm",
        "sweep",
    ),
    # how fast a judge elsewhere is asked does not change what it says
    *(
        f"judge.api.{name}"
        for name in ("concurrency", "rpm", "tpm", "backoff_s", "backoff_max_s", "cache", "key_env")
    ),
)
#: What training a judge of one's own reads of `judge` is its prompt and its length.
_ASKING = (
    *(
        "judge.kind",
        "judge.path",
        "judge.weight",
        "judge.on_missing",
        "judge.max_failed",
        "judge.failed_window",
    ),
    *("judge.scoring", "judge.mode", "judge.redact", "judge.api"),
)
#: Parts of the configuration that a stage does not read: changing a rule does not pre-train the base again.
_SCORES = ("judge", "rubric", "reward", "rules")
NOT_READ = {
    "sft": (
        "critic",
        "rm",
        "reward",
        "rules",
        "algorithm",
        "dpo",
        "train_rm",
        "sample",
        "rl",
        "eval",
        "alarms",
        *_ASKING,
    ),
    "sample": (
        "critic",
        "rm",
        "reward",
        "algorithm",
        "sft",
        "dpo",
        "train_rm",
        "rl",
        "eval",
        "alarms",
    ),
    "dpo": ("critic", "rm", *_SCORES, "sft", "train_rm", "sample", "rl", "eval", "alarms"),
    "train_rm": ("critic", *_SCORES, "algorithm", "sft", "dpo", "sample", "rl", "eval", "alarms"),
}


@dataclass
class Step:
    """A step ready to run. found: its product, where the same was made before."""

    name: str
    stage: str
    about: str
    cache: bool
    cfg: Config
    key: str
    found: Path | None

    @classmethod
    def of(
        cls,
        cfg: Config,
        name: str,
        overrides: list[str],
        config_dir: str | None,
        made: dict[str, Path],
        keys: dict[str, str],
    ) -> Step:
        """made, keys: products and keys of the steps before it, by name; its own key is added."""
        step = cfg.pipeline.steps[name]
        step_cfg = compose(step["stage"], overrides, config_dir, step=name, products=made)
        check_texts(step_cfg)
        step_cfg.name = f"{cfg.name}-{name}"
        # the same with the parents' own keys in place of where they lie
        by_key = compose(step["stage"], overrides, config_dir, step=name, products=keys)
        keys[name] = key = step_key(by_key)
        about = step.get("about") or "repo " + step["stage"].replace("_", "-")
        found = None if cfg.force else find_done(cfg, key)
        return cls(name, step["stage"], about, bool(step.get("cache")), step_cfg, key, found)

    def keep(self, cfg: Config, product: Path) -> Path:
        """Notes the product under the step's key; a step with `cache` is copied into the cache."""
        if self.cache:
            product = keep_in_cache(product, cfg, self.key)
        remember(cfg, self.key, product)
        return product


def import_stages(cfg: Config) -> None:
    """What the forked steps will need, imported once."""
    import_first(MODULES[each["stage"]] for each in cfg.pipeline.steps.values())


def step_key(cfg: Config) -> str:
    """Hash of all that a step's product depends on: configuration, seed, parents, files, and the code that it runs."""
    unread = NOT_READ.get(cfg.stage, ())
    if cfg.stage == "sample" and cfg.sample.annotator != "judge":
        unread += ("rules",)  # those that screen for a judge
    text = to_yaml(cfg, without=NOT_INPUTS + unread)
    given = [
        cfg.data.path,
        *cfg.data.also,
        cfg.data.val_path,
        cfg.policy.path,
        cfg.policy.parent,
        cfg.rm.path,
        cfg.judge.path,
    ]
    systems = [system_source(str(what)) for what in cfg.eval.systems.values()]
    own = [*given, cfg.eval.path, cfg.eval.badcases_path, *systems]
    if cfg.stage == "rl":
        files = (source_file(source.target) for source in own_rewards(cfg.reward.own).values())
        own += [str(file) for file in files if file]
    stamps = [stamp(Path(path)) for path in own if path]
    return hashlib.sha256("\n".join([text, *stamps, code_hash(cfg.stage)]).encode()).hexdigest()[:20]


def stamp(path: Path) -> str:
    """What a file of the user's holds: sizes and times of the files; '' for anything that is not on the disk."""
    files = (
        [path]
        if path.is_file()
        else sorted(p for p in path.rglob("*") if p.is_file())
        if path.is_dir()
        else []
    )
    return " ".join(f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files)


def code_hash(stage: str) -> str:
    """Hash of the package's source files that the stage runs."""
    root, digest = Path(repo_cli.__file__).parent, hashlib.sha256()
    for room in ROOMS.get(stage, ("",)):
        place = root / room
        for file in sorted([place] if place.is_file() else place.rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return digest.hexdigest()


def _index(cfg: Config) -> list[Path]:
    return [Path(cfg.runs_dir) / "steps", Path(cfg.cache_dir).expanduser() / "steps"]


def find_done(cfg: Config, key: str) -> Path | None:
    """The product of an earlier step with this key, if it is still there and whole."""
    for place in _index(cfg):
        entry = place / f"{key}.json"
        if entry.is_file():
            path = Path(json.loads(entry.read_text())["path"])
            if (path / "step.json").is_file():
                return path
    return None


def remember(cfg: Config, key: str, product: Path) -> None:
    """Write the step's key beside its product, and an entry that finds it again."""
    (product / "step.json").write_text(json.dumps({"key": key}))
    place = _index(cfg)[1 if str(product).startswith(str(Path(cfg.cache_dir).expanduser())) else 0]
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{key}.json").write_text(json.dumps({"path": str(product.resolve())}))


def keep_in_cache(product: Path, cfg: Config, key: str) -> Path:
    """Copy a step's product into the cache directory, whole or not at all."""
    kept = Path(cfg.cache_dir).expanduser() / "products" / key
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(product, partial)
        partial.rename(kept)
    return kept
