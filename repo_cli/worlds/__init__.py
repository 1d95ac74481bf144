"""Worlds: simulated partners with their scenarios, corpora and hidden raters, found by name.

A stage never imports a world; it asks `get_world("hotel", "en", seed)`. A new world is a class that satisfies
`base.World` and one line in `REGISTRY` (or a call of `register`).
"""

from __future__ import annotations

import importlib
from typing import Any

from repo_cli.errors import UserError, nearest
from repo_cli.negotiation import SOP
from repo_cli.worlds.base import World

REGISTRY: dict[str, str] = {"hotel": "repo_cli.worlds.hotel.world:HotelWorld"}

LANGUAGES = ("en", "zh")


def register(name: str, target: str) -> None:
    """Adds a world; `target` is "module.path:ClassName", imported on first use."""
    if ":" not in target:
        raise UserError(f"world.name={name}: the target {target!r} is not of the form module:Class")
    REGISTRY[name] = target


def world_of(cfg: Any) -> World:
    """The world of a configuration (groups `world` and `sop`)."""
    return get_world(cfg.world.name, cfg.world.language, cfg.world.seed, SOP.from_config(cfg.sop))


def get_world(name: str, language: str = "en", seed: int = 0, sop: SOP | None = None) -> World:
    """The world called `name`; UserError with the nearest known name when there is none.

    `sop`: the procedure that its own agents follow, where it has the world's stages; default: the world's own.
    """
    target = REGISTRY.get(name)
    if target is None:
        near = nearest(name, REGISTRY)
        hint = f"did you mean {near}?" if near else f"known worlds: {', '.join(sorted(REGISTRY))}"
        raise UserError(f"world.name={name}: no world of that name", hint=hint)
    if language not in LANGUAGES:
        raise UserError(f"world.language={language}: not one of {', '.join(LANGUAGES)}")
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)(language=language, seed=seed, sop=sop)
