"""The standard operating procedure: stages, the moves between them, and what a reply of each may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from repo_cli.errors import UserError, nearest

KEYS = ("name", "enter", "do", "leave", "next", "price_allowed", "ask_allowed")


@dataclass(frozen=True)
class Stage:
    """One stage; `next` are the ids that may follow (itself among them where it may repeat)."""

    id: str
    name: str
    enter: str = ""
    do: str = ""
    leave: str = ""
    next: tuple[str, ...] = ()
    price_allowed: bool = True
    ask_allowed: bool = True


@dataclass(frozen=True)
class SOP:
    """Stages in the order of the file; the first opens a dialogue, one without `next` is terminal."""

    name: str
    stages: dict[str, Stage] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: Any) -> SOP:
        """Build from the `sop` group (a mapping or an object with .name and .stages).

        Raises UserError naming the key: unknown key, wrong type, a `next` that names no stage.
        """
        if isinstance(config, SOP):
            return config
        if not isinstance(config, Mapping):
            config = {"name": getattr(config, "name", "none"), "stages": getattr(config, "stages", {})}
        name = str(config.get("name") or "none")
        raw = config.get("stages") or {}
        if not isinstance(raw, Mapping):
            raise UserError(f"sop.stages must be a mapping of stage id to stage, not {type(raw).__name__}")
        stages = {str(sid): _stage(str(sid), value) for sid, value in raw.items()}
        for stage in stages.values():
            for target in stage.next:
                if target not in stages:
                    near = nearest(target, list(stages))
                    raise UserError(
                        f"sop.stages.{stage.id}.next names the unknown stage {target!r}",
                        hint=f"did you mean {near}?" if near else f"stages are {', '.join(stages)}",
                    )
        return cls(name, stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    def __bool__(self) -> bool:
        return bool(self.stages)

    @property
    def first(self) -> str | None:
        """Id of the opening stage; None for an SOP without stages."""
        return next(iter(self.stages), None)

    def terminal(self, stage: str) -> bool:
        """Does the dialogue end with this stage?"""
        return stage in self.stages and not self.stages[stage].next

    def allowed(self, before: str | None, after: str) -> bool:
        """May a reply in stage `after` follow one in stage `before` (None: the dialogue's first reply)?

        A terminal stage may only be followed by itself (a second good-bye). Without stages all is allowed.
        """
        if not self.stages:
            return True
        if after not in self.stages:
            return False
        if before is None:
            return after == self.first
        if before not in self.stages:
            return False
        if not self.stages[before].next:
            return after == before
        return after in self.stages[before].next

    def price_allowed(self, stage: str) -> bool:
        """May a reply of this stage name a price? Unknown stages and an empty SOP allow it."""
        return self.stages[stage].price_allowed if stage in self.stages else True

    def ask_allowed(self, stage: str) -> bool:
        """May a reply of this stage ask for a lower price? Unknown stages and an empty SOP allow it."""
        return self.stages[stage].ask_allowed if stage in self.stages else True

    @property
    def moves(self) -> tuple[tuple[Any, ...], ...]:
        """What of it decides anything: two procedures with the same moves read every dialogue alike."""
        return tuple((s.id, s.next, s.price_allowed, s.ask_allowed) for s in self)

    @property
    def seven(self) -> bool:
        """Does it have the stages S1 to S7, which are what the dialogue reader tells apart?"""
        return set(self.stages) == set(SEVEN_STAGES.stages)


def _stage(sid: str, value: Any) -> Stage:
    where = f"sop.stages.{sid}"
    if not isinstance(value, Mapping):
        raise UserError(f"{where} must be a mapping with {', '.join(KEYS)}")
    for key in value:
        if key not in KEYS:
            near = nearest(str(key), list(KEYS))
            raise UserError(
                f"{where}.{key} is not a key of a stage",
                hint=f"did you mean {near}?" if near else f"keys are {', '.join(KEYS)}",
            )
    follow = value.get("next") or []
    if isinstance(follow, str) or not hasattr(follow, "__iter__"):
        raise UserError(f"{where}.next must be a list of stage ids")
    flags = {}
    for key in ("price_allowed", "ask_allowed"):
        flag = value.get(key, True)
        if not isinstance(flag, bool):
            raise UserError(f"{where}.{key} must be true or false, not {flag!r}")
        flags[key] = flag
    enter, do, leave = (str(value.get(key) or "") for key in ("enter", "do", "leave"))
    name = str(value.get("name") or sid)
    return Stage(sid, name, enter, do, leave, tuple(str(x) for x in follow), **flags)


def _plain(next_of: Mapping[str, str], price: str, ask: str) -> SOP:
    stages = {
        sid: {"name": sid, "next": follow.split(), "price_allowed": sid in price, "ask_allowed": sid in ask}
        for sid, follow in next_of.items()
    }
    return SOP.from_config({"name": "seven-stages", "stages": stages})


# The transitions that the dialogue state assumes when no SOP is handed over; the same as conf/sop/hotel.yaml.
SEVEN_STAGES = _plain(
    {
        "S1": "S1 S2 S4 S7",
        "S2": "S2 S3 S4 S7",
        "S3": "S3 S4 S5 S7",
        "S4": "S4 S5 S7",
        "S5": "S4 S5 S6 S7",
        "S6": "S4 S5 S6 S7",
        "S7": "",
    },
    price="S2 S3 S5 S6",
    ask="S5",
)
