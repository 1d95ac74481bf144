"""What people are asked to rate: units cut out of an evaluation, without any hint of which system spoke.

| kind           | one unit                                                | asked                                |
|----------------|---------------------------------------------------------|--------------------------------------|
| turns          | an agent reply of a played dialogue                     | rating 1-5                           |
| replies        | a reply to a recorded context (set `replies`); gold too | rating 1-5                           |
| dialogues      | a whole dialogue                                        | rating 1-5 and the four skills, 0/1  |
| badcases       | all replies of a system to one bad case                 | fixed, clean, severe_unresolved, 0/1 |
| pairs          | two systems' replies to one context, side by side       | A, B or tie                          |
| dialogue_pairs | two systems' dialogues on one scenario, side by side    | A, B or tie                          |
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from repo_cli.errors import UserError, nearest
from repo_cli.evaluation.result import SKILLS, BadCase, Dialogue, EvalResult, SystemResult

GOLD = "gold"
CHOICES = ("A", "B", "tie")


@dataclass(frozen=True)
class Field:
    """One thing asked. scale: "1-5", "0/1" or "choice"; level: of measurement, for the agreement."""

    name: str
    label: str
    scale: str

    @property
    def level(self) -> str:
        return "ordinal" if self.scale == "1-5" else "nominal"


_RATING = Field("rating", "Rating: 1 harmful, 3 sound, 5 excellent", "1-5")
_CHOICE = Field("choice", "Which is better?", "choice")
_SKILL_LABELS = {
    "fluency": "Fluent and natural throughout",
    "workflow": "Keeps to the procedure",
    "negotiation": "Negotiates well, and ends rightly",
    "scope": "Keeps to its facts and its authority",
}
FIELDS: dict[str, tuple[Field, ...]] = {
    "turns": (_RATING,),
    "replies": (_RATING,),
    "dialogues": (_RATING, *(Field(s, _SKILL_LABELS[s], "0/1") for s in SKILLS)),
    "badcases": (
        Field("fixed", "Every marked defect is gone", "0/1"),
        Field("clean", "Fixed, and nothing new went wrong", "0/1"),
        Field("severe_unresolved", "A defect of severity 3 is still there", "0/1"),
    ),
    "pairs": (_CHOICE,),
    "dialogue_pairs": (_CHOICE,),
}
KINDS = tuple(FIELDS)
SIDE_BY_SIDE = ("pairs", "dialogue_pairs")


@dataclass
class Unit:
    """One thing to rate. `texts` holds the lines shown for each system: one, or two side by side.

    `prompt` and `replies` (one for each system, where the unit is a reply to a context) make preference pairs later;
    `better` holds (prompt, reply, recorded reply) of a bad case's marked turns.
    """

    kind: str
    systems: tuple[str, ...]
    dialogue_id: str
    turn: int | None
    brief: str
    before: list[dict[str, str]]
    texts: dict[str, list[dict[str, str]]]
    prompt: list[dict[str, str]] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    better: list[dict[str, Any]] = field(default_factory=list)
    scenario: dict[str, Any] = field(default_factory=dict)


def choose_units(
    result: EvalResult, kind: str, systems: list[str] | None = None, n: int | None = None, seed: int = 0
) -> list[Unit]:
    """The units of `kind`: the same `n` dialogues, cases or contexts of every system (all when None).

    Raises:
        UserError: an unknown kind or system, or nothing of that kind in the evaluation.
    """
    if kind not in FIELDS:
        near = nearest(kind, KINDS)
        raise UserError(
            f"--kind {kind}: not one of {', '.join(KINDS)}", hint=f"did you mean {near}?" if near else None
        )
    known = [
        *result.systems,
        *([GOLD] if _has_gold(result) and GOLD not in result.systems else []),
        *_samples(result),
    ]
    names = systems or (list(result.systems) if kind not in SIDE_BY_SIDE else _two(result))
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UserError(
                f"--systems {name}: not in this evaluation",
                hint=(f"did you mean {near}? " if near else "") + f"it has {', '.join(known)}",
            )
    if kind == "replies" and not systems and GOLD in known:
        names = list(dict.fromkeys([*names, GOLD]))
    if kind in SIDE_BY_SIDE and len(names) != 2:
        raise UserError(f"--kind {kind} compares two systems, not {len(names)}", hint="--systems sft,repo")
    per_system = {name: _of(result, name, kind) for name in names}
    shared = [key for key in per_system[names[0]] if all(key in units for units in per_system.values())]
    if not shared:
        sets = {"turns": "online", "dialogues": "online", "dialogue_pairs": "online", "badcases": "badcases"}
        raise UserError(
            f"--kind {kind}: nothing that all of {', '.join(names)} have in common in this evaluation",
            hint=f"run repo eval with {sets.get(kind, 'replies')} in eval.sets",
        )
    if n is not None and n < len(shared):
        keep = set(random.Random(f"units|{seed}").sample(range(len(shared)), n))
        shared = [key for i, key in enumerate(shared) if i in keep]
    if kind in SIDE_BY_SIDE:
        return [_joined(kind, per_system[names[0]][k][0], per_system[names[1]][k][0]) for k in shared]
    return [unit for name in names for key in shared for unit in per_system[name][key]]


def _samples(result: EvalResult) -> list[str]:
    """Further samples of a system's replies (eval.trials), as "repo#1"."""
    return [f"{n}#{t}" for n, s in result.systems.items() for t in sorted({r.trial for r in s.replies} - {0})]


def _two(result: EvalResult) -> list[str]:
    """The first system and the last; of one alone two samples, or it and the gold reply."""
    names = list(result.systems)
    if len(names) == 1 and _samples(result):
        return [names[0], _samples(result)[0]]
    if len(names) == 1 and _has_gold(result):
        return [GOLD, names[0]]
    return [names[0], names[-1]] if len(names) > 1 else names


def _has_gold(result: EvalResult) -> bool:
    return any(r.gold for s in result.systems.values() for r in s.replies)


def _of(result: EvalResult, name: str, kind: str) -> dict[str, list[Unit]]:
    """The units of one system by what they share with other systems' units."""
    gold = name == GOLD and name not in result.systems
    base, _, sample = name.rpartition("#") if name not in result.systems and "#" in name else (name, "", "0")
    system = next(iter(result.systems.values())) if gold else result.systems[base]
    if kind in ("replies", "pairs"):
        return _replies(name, system, kind, gold, int(sample))
    if gold or int(sample):
        return {}
    if kind == "badcases":
        return {c.case_id or str(i): [_badcase(name, c)] for i, c in enumerate(system.badcases)}
    if kind == "turns":
        return {_dialogue_id(d): _turns(name, d) for d in system.dialogues}
    return {_dialogue_id(d): [_dialogue(name, d, kind)] for d in system.dialogues}


def _dialogue_id(dialogue: Dialogue) -> str:
    return dialogue.scenario_id + (f"#{dialogue.trial}" if dialogue.trial else "")


def _lines(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    who = {"assistant": "agent", "user": "partner"}
    return [
        {"who": who[m["role"]], "text": str(m["content"])}
        for m in messages
        if m["role"] in ("assistant", "user")
    ]


def _plain(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in messages]


def _brief(messages: list[dict[str, Any]]) -> str:
    return next((str(m["content"]) for m in messages if m["role"] == "system"), "")


def _reply_unit(
    kind: str,
    name: str,
    key: str,
    turn: int | None,
    prompt: list[dict[str, Any]],
    reply: str,
    scenario: dict[str, Any],
) -> Unit:
    shown = {name: [{"who": "agent", "text": reply}]}
    return Unit(
        kind,
        (name,),
        key,
        turn,
        _brief(prompt),
        _lines(prompt),
        shown,
        _plain(prompt),
        {name: reply},
        scenario=scenario,
    )


def _turns(name: str, dialogue: Dialogue) -> list[Unit]:
    agent = [i for i, m in enumerate(dialogue.messages) if m["role"] == "assistant"]
    return [
        _reply_unit(
            "turns",
            name,
            _dialogue_id(dialogue),
            turn,
            dialogue.messages[:i],
            dialogue.messages[i]["content"],
            dialogue.scenario,
        )
        for turn, i in enumerate(agent)
    ]


def _dialogue(name: str, dialogue: Dialogue, kind: str) -> Unit:
    texts = {name: _lines(dialogue.messages)}
    return Unit(kind, (name,), _dialogue_id(dialogue), None, _brief(dialogue.messages), [], texts)


def _replies(name: str, system: SystemResult, kind: str, gold: bool, sample: int) -> dict[str, list[Unit]]:
    """Replies to recorded contexts; for pairs also the replies at the marked turns of bad cases."""
    units: dict[str, list[Unit]] = {}
    for r in system.replies:
        text = r.gold if gold else r.reply
        if text and r.trial == sample:
            units[r.context_id] = [_reply_unit(kind, name, r.context_id, None, r.messages, text, r.scenario)]
    if kind == "pairs" and not gold and not sample:
        for case in system.badcases:
            for turn, prompt, reply, _ in _marked(case):
                key = f"{case.case_id}@{turn}"
                units[key] = [_reply_unit(kind, name, key, turn, prompt, reply, {})]
    return units


def _marked(case: BadCase) -> list[tuple[int, list[dict[str, Any]], str, str]]:
    """(agent turn, context, the system's reply, the recorded reply) of each turn with a marked defect."""
    agent = [i for i, m in enumerate(case.messages) if m["role"] == "assistant"]
    turns = sorted({int(d.get("turn", 0)) for d in case.defects})
    return [
        (t, case.messages[: agent[t]], case.replies[t], str(case.messages[agent[t]]["content"]))
        for t in turns
        if t < min(len(agent), len(case.replies))
    ]


def _badcase(name: str, case: BadCase) -> Unit:
    """The recorded dialogue with the system's reply under each agent turn, and what was marked there."""
    lines: list[dict[str, str]] = []
    turn = 0
    for message in case.messages:
        if message["role"] == "user":
            lines.append({"who": "partner", "text": str(message["content"])})
        elif message["role"] == "assistant":
            marks = ", ".join(
                f"{d.get('kind')} (severity {d.get('severity')})"
                for d in case.defects
                if int(d.get("turn", 0)) == turn
            )
            lines.append({"who": "recorded", "text": str(message["content"]), "mark": marks})
            if turn < len(case.replies):
                lines.append({"who": "agent", "text": case.replies[turn]})
            turn += 1
    better = [
        {"prompt": _plain(prompt), "chosen": reply, "rejected": recorded}
        for _, prompt, reply, recorded in _marked(case)
    ]
    return Unit(
        "badcases", (name,), case.case_id, None, _brief(case.messages), [], {name: lines}, better=better
    )


def _joined(kind: str, one: Unit, two: Unit) -> Unit:
    """Two systems' units of one context, side by side."""
    return Unit(
        kind,
        (*one.systems, *two.systems),
        one.dialogue_id,
        one.turn,
        one.brief or two.brief,
        one.before,
        {**one.texts, **two.texts},
        one.prompt,
        {**one.replies, **two.replies},
        scenario=one.scenario or two.scenario,
    )
