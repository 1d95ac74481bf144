"""The hotel world's corpora: `row(corpus, index, world)` is a pure function of (world seed, corpus, index).

| corpus      | rows                                                                                        |
|-------------|---------------------------------------------------------------------------------------------|
| mixed       | whole dialogues, the quality of each agent turn drawn anew (base)                           |
| gold        | correct, mostly scripted dialogues: right exits, right acceptances (SFT)                    |
| pairs       | two replies to one dialogue so far, ordered by the noisy annotator (RM, DPO)                |
| judge       | a reply and the annotator's rubric scores                                                   |
| prompts     | dialogues so far, from self-play of agents of every quality (RL)                            |
| dev_prompts | the same from the development split                                                         |
| online      | opening contexts of the test split, for whole evaluation dialogues                          |
| badcases    | test dialogues of about five agent turns with marked defects                                |

Rows for training carry the public scenario; prompts, online and badcases keep the hidden part, which the
counterpart and the oracle of an evaluation read and no reward does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from repo_cli.worlds.base import World
from repo_cli.worlds.hotel import agent_bad, annotator, defects, garble, rubric_labels
from repo_cli.worlds.hotel.policy_scripts import ScriptedAgent
from repo_cli.worlds.hotel.selfplay import (
    ENDGAME,
    Cut,
    Play,
    agent_at,
    play,
    strip_hidden,
)

Row = dict[str, Any]

SIZES: dict[str, int] = {
    "mixed": 6000, "gold": 2000, "pairs": 4000, "judge": 4000, "prompts": 4000, "dev_prompts": 400, "online": 30,
    "badcases": 45,
}  # fmt: skip
# Each corpus draws its scenarios from a stretch of its own, so that no two share one.
_SPLITS = {"dev_prompts": "dev", "online": "test", "badcases": "test"}
_STRETCH = 1_000_000
_OFFSETS = {"mixed": 0, "gold": 1, "pairs": 2, "judge": 3, "prompts": 4, "dev_prompts": 0, "online": 0, "badcases": 1}


def row(corpus: str, index: int, world: World) -> Row:
    """Row `index` of `corpus`; every corpus goes on for as many rows as are asked for (below a million)."""
    seed = getattr(world, "seed", 0)
    rng = random.Random(f"corpus|{seed}|{world.language}|{corpus}|{index}")
    return _MAKERS[corpus](corpus, index, world, rng)


def scenario_of(corpus: str, index: int, world: World) -> dict[str, Any]:
    """The scenario of a row: its own stretch of the corpus's split."""
    return world.scenario(_OFFSETS[corpus] * _STRETCH + index, _SPLITS.get(corpus, "train"))


def _played(corpus: str, index: int, world: World, rng: random.Random, mix: str,
            qualities: list[str | None] | None = None, max_turns: int = 9) -> Play:  # fmt: skip
    scenario = scenario_of(corpus, index, world)
    return play(world, scenario, ScriptedAgent(scenario, mix, rng), rng.randrange(1 << 30), max_turns, qualities)


def _dialogue(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played = _played(corpus, index, world, rng, corpus)
    messages = played.messages
    if messages[-1]["role"] == "user":
        messages = messages[:-1]
    return {
        "messages": messages,
        "scenario": strip_hidden(played.scenario),
        "tags": [cut.turn.kind or cut.turn.quality for cut in played.cuts],
        "outcome": played.outcome,
    }


def _cut(played: Play, rng: random.Random, endgame: float) -> Cut:
    """One of the dialogue's states; with probability `endgame` one where the talk must be settled, if it has any."""
    late = [cut for cut in played.cuts if cut.tag in ENDGAME]
    early = [cut for cut in played.cuts if cut.tag not in ENDGAME]
    if late and (not early or rng.random() < endgame):
        return rng.choice(late)
    # openings are all alike: a third of their natural share is enough
    weights = [0.33 if cut.tag == "opening" else 1.0 for cut in early]
    return rng.choices(early, weights)[0]


def _context(corpus: str, index: int, world: World, rng: random.Random, endgame: float = 0.6) -> tuple[Play, Cut]:
    mix = rng.choices(("gold", "mixed", "mediocre", "bad"), (0.4, 0.35, 0.1, 0.15))[0]
    played = _played(corpus, index, world, rng, mix)
    return played, _cut(played, rng, endgame)


def _prompts(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played, cut = _context(corpus, index, world, rng)
    return {"prompt": played.messages[: cut.length], "scenario": played.scenario, "tags": [cut.tag]}


def _candidate(played: Play, cut: Cut, kind: str, rng: random.Random) -> tuple[str, str]:
    """A reply at `cut` of a wanted quality, with its label: a quality, "defect:<kind>" or "broken"."""
    agent = agent_at(played, cut, rng)
    if kind == "defect":
        text, what = agent.spoiled(cut.plan, cut.state)
        return text, ("broken" if what in defects.GARBLED else f"defect:{what}")
    if kind == "broken":
        return _broken(agent, played, cut, rng), "broken"
    if kind == "misfit":  # a good reply to another moment of the talk
        other = rng.choice(played.cuts)
        if other.plan.move == cut.plan.move:
            return agent.word(cut.plan, "mediocre"), "mediocre"
        return agent.word(other.plan, rng.choice(("scripted", "excellent"))), "misfit"
    return agent.word(cut.plan, kind), kind


def _broken(agent: ScriptedAgent, played: Play, cut: Cut, rng: random.Random) -> str:
    """Text as a weak model samples it: corrupted wording, a stray number or name, two replies merged, a salad."""
    language = agent.writer.language
    text = agent.word(cut.plan, rng.choice(("excellent", "scripted", "scripted", "mediocre")))
    way = rng.randrange(10)
    if way == 0:
        return rng.choice(agent_bad.DEFECTS[language]["salad"])
    if way == 1:
        other = agent.word(rng.choice(played.cuts).plan, "scripted")
        half = garble.units(text, language)
        rest = garble.units(other, language)
        joined = half[: max(2, len(half) // 2)] + rest[len(rest) // 3 :]
        return ("" if language == "zh" else " ").join(joined)
    if way == 2:
        return garble.truncate(text, language, rng)
    if way == 3:
        return garble.repeat(garble.repeat(text, language, rng), language, rng)
    if way == 4:
        return garble.corrupt(garble.swap_names(text, agent.scenario, rng), language, rng)
    if way == 5:
        return garble.corrupt(garble.swap_number(text, rng), language, rng)
    return garble.corrupt(text, language, rng)


def _pairs(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played, cut = _context(corpus, index, world, rng, 0.45)
    good = ("excellent", "scripted", "mediocre", "defect", "misfit")
    first_kind, second_kind = rng.choices(good, (0.32, 0.30, 0.14, 0.16, 0.08), k=2)
    if rng.random() < 0.20:
        second_kind = "broken"
    first, first_label = _candidate(played, cut, first_kind, rng)
    second, second_label = _candidate(played, cut, second_kind, rng)
    for _ in range(8):
        if first != second:
            break
        second, second_label = _candidate(played, cut, rng.choice(good), rng)
    prompt = played.messages[: cut.length]
    scenario = strip_hidden(played.scenario)
    values = [annotator.utility(prompt, text, scenario, cut.state) for text in (first, second)]
    sides = [(first, first_label), (second, second_label)]
    if not annotator.prefers_first(*values, rng):
        sides.reverse()
    return {
        "prompt": prompt,
        "chosen": [{"role": "assistant", "content": sides[0][0]}],
        "rejected": [{"role": "assistant", "content": sides[1][0]}],
        "scenario": scenario,
        "source": "annotator",
        "tags": [cut.tag, sides[0][1], sides[1][1]],
    }


def _judge(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played, cut = _context(corpus, index, world, rng, 0.5)
    kinds = ("excellent", "scripted", "mediocre", "defect", "misfit", "broken")
    kind = rng.choices(kinds, (0.22, 0.24, 0.16, 0.22, 0.08, 0.08))[0]
    reply, what = _candidate(played, cut, kind, rng)
    prompt = played.messages[: cut.length]
    scenario = strip_hidden(played.scenario)
    scores = rubric_labels.label(prompt, reply, scenario, rng, cut.state)
    return {"prompt": prompt, "reply": reply, "scenario": scenario, "scores": scores, "tags": [cut.tag, what]}


def _online(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    scenario = scenario_of(corpus, index, world)
    prompt = [world.system_message(scenario)]
    greeting = world.counterpart(scenario, rng.randrange(1 << 30)).open()
    if greeting:
        prompt.append({"role": "user", "content": greeting})
    return {"prompt": prompt, "scenario": scenario, "tags": ["online"]}


def _badcases(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    """One to three defective turns, none of them the first; tried again until four agent turns or more are there."""
    best: Play | None = None
    for _ in range(12):
        marked = set(rng.sample(range(1, 5), rng.choice((1, 1, 2, 2, 3))))
        qualities: list[str | None] = ["defect" if turn in marked else None for turn in range(5)]
        scenario = scenario_of(corpus, index, world)
        agent = ScriptedAgent(scenario, "gold", rng)
        played = play(world, scenario, agent, rng.randrange(1 << 30), 5, qualities)
        found = [turn for turn, cut in enumerate(played.cuts) if cut.turn.kind]
        if found and (best is None or len(played.cuts) > len(best.cuts)):
            best = played
        if best is not None and len(best.cuts) >= 5:
            break
    if best is None:
        raise RuntimeError(f"badcases {index}: no dialogue with a defective turn")
    marks = [
        {"turn": turn, "kind": cut.turn.kind, "severity": defects.KINDS[cut.turn.kind]}
        for turn, cut in enumerate(best.cuts)
        if cut.turn.kind
    ]
    messages = best.messages if best.messages[-1]["role"] == "assistant" else best.messages[:-1]
    first = best.cuts[marks[0]["turn"]]
    return {
        "prompt": messages[: first.length],
        "messages": messages,
        "defects": marks,
        "scenario": best.scenario,
        "tags": [cut.tag for cut in best.cuts],
    }


_MAKERS: dict[str, Callable[[str, int, World, random.Random], Row]] = {
    "mixed": _dialogue, "gold": _dialogue, "pairs": _pairs, "judge": _judge, "prompts": _prompts,
    "dev_prompts": _prompts, "online": _online, "badcases": _badcases,
}  # fmt: skip
