"""Where a run came from: versions, commit, seeds, hashes of base, adapters and data, and its configuration.

Everything is read from the run's own files; what is missing or broken there is left out, never guessed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from repo_cli.evaluation.result import EvalResult

#: Long texts of a configuration that the page leaves out: rule, rubric and SOP files, other steps of a pipeline.
LONG = (("rules", "rules"), ("rubric", "criteria"), ("sop", "stages"), ("pipeline", "steps"))
_LARGEST = 8_000_000  # bytes of a configuration that is read


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file; {} when there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def read_config(run: Path) -> dict[str, Any]:
    """The frozen configuration of a run; {} when it cannot be read."""
    path = run / "config.yaml"
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load(path.read_text(encoding="utf-8", errors="replace"), Loader=loader)  # a safe loader
    except (OSError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}


def rules_about(config: dict[str, Any]) -> dict[str, str]:
    """rule -> what it is for, from the rule set in a configuration."""
    rules = part(config, "rules").get("rules")
    given = rules.items() if isinstance(rules, dict) else ()
    return {str(k): str(v["about"]) for k, v in given if isinstance(v, dict) and v.get("about")}


def part(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A mapping inside mappings; {} where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None  # type: ignore[assignment]
    return data if isinstance(data, dict) else {}


def stage_of(run: Path, config: dict[str, Any]) -> str:
    """The stage of a run, by its configuration or else by where it lies (runs/<stage>/<name>/<id>)."""
    return str(config.get("stage") or (run.resolve().parts[-3] if len(run.resolve().parts) > 3 else ""))


def provenance(run: Path, config: dict[str, Any]) -> dict[str, Any]:
    """{"title", "rows": [(what, value)], "config": YAML without its long parts} of a run directory."""
    environment, manifest = read_json(run / "environment.json"), read_json(run / "final" / "manifest.json")
    return {
        "title": " · ".join(dict.fromkeys(filter(None, [stage_of(run, config), short(run)]))),
        "rows": [
            (what, str(value))
            for what, value in _rows(config, environment, manifest, read_json(run / "inputs.json"))
            if value not in (None, "", {}, [])
        ],
        "config": _yaml(run, config),
    }


def short(run: Path) -> str:
    """The last two parts of a run's path: its name and its id."""
    return "/".join(run.resolve().parts[-2:])


def systems_provenance(run: Path, result: EvalResult) -> list[dict[str, Any]]:
    """For each system of an evaluation what it is: its path or address, base and adapter hashes, what it was trained
    from; and what all of them met. A relative path was one of the directory above the evaluation's runs."""
    found = []
    named = result.config.get("systems")
    for name, what in named.items() if isinstance(named, dict) else ():
        rows: list[tuple[str, str]] = [("is", str(what))]
        places = [Path(), *run.resolve().parents[:5]]
        finals = [
            place / Path(str(what)).expanduser() / inside for place in places for inside in ("", "final")
        ]
        manifest = next((m for folder in finals if (m := read_json(folder / "manifest.json"))), {})
        rows += [(k, str(v)) for k, v in _weights(manifest) if v]
        found.append({"name": str(name), "rows": rows})
    met = {d.scenario_id: d.scenario for s in result.systems.values() for d in s.dialogues}
    cases = {c.case_id: c.messages for s in result.systems.values() for c in s.badcases}
    rows = [
        (what, f"{len(things)}, sha256 {digest(things)}")
        for what, things in (("scenarios", met), ("bad cases", cases))
        if things
    ]
    return [*found, {"name": "contexts", "rows": rows}] if rows else found


def digest(things: Any) -> str:
    """The first 16 figures of the sha256 of plain data, whatever its order of keys."""
    text = json.dumps(things, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows(
    config: dict[str, Any], environment: dict[str, Any], manifest: dict[str, Any], inputs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    yield "seed", config.get("seed")
    if config.get("stage") == "rl":
        method = [part(config, "algorithm").get("name"), part(config, "reward").get("combine")]
        yield "method", ", reward ".join(str(m) for m in method if m)
    command = environment.get("command")
    yield "command", " ".join(map(str, command)) if isinstance(command, list) else command
    yield "repo", environment.get("repo")
    yield "commit", environment.get("commit")
    yield from _weights(manifest)
    for key, value in inputs.items():
        yield f"sha256 of {key}", value
    data, world = part(config, "data"), part(config, "world")
    if str(data.get("path") or "").startswith("world:"):
        known = f"{world.get('name')}, {world.get('language')}, seed {world.get('seed')}"
        yield "data", f"{data['path']}, the first {data.get('limit') or 'rows'} (made by {known})"
    else:
        yield "data", data.get("path")
    packages = environment.get("packages")
    if isinstance(packages, dict):
        yield "packages", ", ".join(f"{k} {v}" for k, v in packages.items() if v)
    yield "python", environment.get("python")
    cpus = environment.get("cpus")
    machine = [environment.get("platform"), f"{cpus} CPUs" if cpus else None]
    yield "machine", ", ".join(str(m) for m in machine if m)


def _weights(manifest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Base and weights of a `final/`."""
    yield "base", manifest.get("base")
    yield "base hash", manifest.get("base_hash")
    yield "trained from", manifest.get("parent")
    files = manifest.get("files")
    for name, value in files.items() if isinstance(files, dict) else ():
        if str(name).endswith(".safetensors"):
            yield f"sha256 of {name}", value
    yield "made", manifest.get("created")


def _yaml(run: Path, config: dict[str, Any]) -> str:
    if not config:
        path = run / "config.yaml"
        return path.read_text(encoding="utf-8", errors="replace")[:40_000] if path.is_file() else ""
    shown = dict(config)
    for outer, inner in LONG:
        if isinstance(shown.get(outer), dict) and isinstance(shown[outer].get(inner), (dict, list)):
            there = shown[outer][inner]
            shown[outer] = {**shown[outer], inner: f"({len(there)} entries, sha256 {digest(there)})"}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100)[:60_000]
