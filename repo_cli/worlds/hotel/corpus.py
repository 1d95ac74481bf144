"""The hotel world's corpora: `row(corpus, index, world)` is a pure function of (world seed, corpus, index).

| corpus      | rows                                                                                        |
|-------------|---------------------------------------------------------------------------------------------|
| base        | every second row a dialogue of `mixed`, the rest notes: the brief read back, in any order   |
| mixed       | whole dialogues, the quality of each agent turn drawn anew                                  |
| gold        | correct, mostly scripted dialogues: right exits, right acceptances (SFT)                    |
| pairs       | two replies to one dialogue so far, ordered by the noisy annotator (RM, DPO)                |
| judge       | a reply and the annotator's rubric scores                                                   |
| prompts     | dialogues so far, from self-play of agents of every quality (RL)                            |
| dev_prompts | the same from the development split                                                         |
| online      | opening contexts of the test split, for whole evaluation dialogues                          |
| badcases    | test dialogues of about five agent turns with marked defects                                |
| replies     | test dialogues so far, with what a good scripted agent says there as `reference`            |

Rows for training carry the public scenario; prompts, online, badcases and replies keep the hidden part, which the
counterpart and the oracle of an evaluation read and no reward does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from repo_cli.dialogue.scenario import public_side
from repo_cli.worlds.base import World
from repo_cli.worlds.hotel import agent_bad, annotator, defects, garble, rubric_labels
from repo_cli.worlds.hotel.policy_scripts import MIXES, ScriptedAgent
from repo_cli.worlds.hotel.selfplay import Cut, Play, agent_at, play

Row = dict[str, Any]

SIZES: dict[str, int] = {
    "base": 6000, "mixed": 4000, "gold": 2000, "pairs": 4000, "judge": 4000, "prompts": 4000, "dev_prompts": 400, "online": 30,
    "badcases": 45, "replies": 150,
}  # fmt: skip
# Rows of the corpora of contexts take this many states of one dialogue, drawn with these weights.
SHARED = 3
WEIGHTS = {
    "opening": 0.2, "after_opening": 0.4, "after_check": 0.45, "ready": 0.7, "after_objection": 1.1, "after_question": 1.1,
    "counter_inside": 8.0, "counter_outside": 8.0, "after_acceptance": 3.0, "after_confirmation": 0.8,
    "after_refusal": 1.2, "after_hard_refusal": 12.0, "after_busy": 0.8, "no_authority": 1.0, "after_net_price": 3.0,
}  # fmt: skip
NOTES = {
    "en": [
        "What does your brief say?",
        "Read me your notes.",
        "What do you know about this room?",
        "Your brief, please.",
    ],
    "zh": ["你的资料怎么说？", "念一下你的备注。", "这间房你知道什么？", "资料说一下。"],
}
# Each corpus draws its scenarios from a stretch of its own, so that no two share one.
_SPLITS = {"dev_prompts": "dev", "online": "test", "badcases": "test", "replies": "test"}
_STRETCH = 1_000_000
_OFFSETS = {
    "base": 5,
    "mixed": 0,
    "gold": 1,
    "pairs": 2,
    "judge": 3,
    "prompts": 4,
    "dev_prompts": 0,
    "online": 0,
    "badcases": 1,
    "replies": 2,
}


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
    return play(
        world,
        scenario,
        ScriptedAgent(scenario, mix, rng, world.sop),
        rng.randrange(1 << 30),
        max_turns,
        qualities,
    )


def _dialogue(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played = _played(corpus, index, world, rng, "mixed" if corpus == "base" else corpus)
    messages = played.messages
    if messages[-1]["role"] == "user":
        messages = messages[:-1]
    return {
        "messages": messages,
        "scenario": public_side(played.scenario),
        "tags": [cut.turn.kind or cut.turn.quality for cut in played.cuts],
        "outcome": played.outcome,
    }


def _base(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    """What the small base is pre-trained on. Reading the brief back teaches it to copy numbers and names, which whole
    dialogues alone teach a model of this size very late."""
    if index % 2 == 0:
        return _dialogue(corpus, index, world, rng)
    scenario = scenario_of(corpus, index, world)
    brief = world.system_message(scenario)
    end, gap = (". ", " ") if world.language == "en" else ("。", "")
    notes = brief["content"].rstrip(".。").split(end)[1:]
    chosen = rng.sample(notes, len(notes))
    question = rng.choice(NOTES[world.language])
    answer = gap.join(note + end.strip() for note in chosen)
    messages = [brief, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "scenario": public_side(scenario), "tags": ["notes"], "outcome": None}


@lru_cache(maxsize=64)
def _shared(corpus: str, number: int, world: Any) -> tuple[Play, list[Cut]]:
    """Dialogue `number` of a corpus of contexts, and its states in the order in which rows take them: rarer and
    more telling states first, by weight and chance. Rows share dialogues because playing one is what costs."""
    rng = random.Random(f"contexts|{getattr(world, 'seed', 0)}|{world.language}|{corpus}|{number}")
    mix = rng.choices(("gold", "mixed", "mediocre", "bad"), (0.4, 0.35, 0.1, 0.15))[0]
    played = _played(corpus, number, world, rng, mix)
    # weighted order without replacement: the key of each state is u ** (1 / weight)
    order = sorted(played.cuts, key=lambda cut: -(rng.random() ** (1.0 / WEIGHTS.get(cut.tag, 1.0))))
    return played, order


def _context(corpus: str, index: int, world: World) -> tuple[Play, Cut]:
    played, order = _shared(corpus, index // SHARED, world)  # type: ignore[arg-type]  # hashed by identity
    return played, order[index % SHARED % len(order)]


def _prompts(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    """A context, and what the scripted agent of the corpus `gold` says there: nothing is trained on that reply, RL's
    preflight compares tricks with it."""
    played, cut = _context(corpus, index, world)
    return {
        "prompt": played.messages[: cut.length],
        "scenario": played.scenario,
        "reference": _gold_reply(played, cut, rng),
        "tags": [cut.tag],
    }


def _gold_reply(played: Play, cut: Cut, rng: random.Random) -> str:
    quality = rng.choices(("excellent", "scripted"), MIXES["gold"][:2])[0]
    return agent_at(played, cut, rng, "gold").word(cut.plan, quality)


def _replies(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    """A context with a gold reply: what the scripted agent of the corpus `gold` says there. One context a dialogue,
    so that the rows are independent."""
    played, order = _shared(corpus, index, world)  # type: ignore[arg-type]  # hashed by identity
    cut = order[rng.randrange(min(SHARED, len(order)))]
    return {
        "id": f"{played.scenario['id']}@{cut.length}",
        "prompt": played.messages[: cut.length],
        "reference": _gold_reply(played, cut, rng),
        "scenario": played.scenario,
        "tags": [cut.tag],
    }


def _candidate(played: Play, cut: Cut, kind: str, rng: random.Random) -> tuple[str, str]:
    """A reply at `cut` of a wanted quality, with its label: a quality, "defect:<kind>" or "broken"."""
    agent = agent_at(played, cut, rng)
    if kind == "defect":
        text, what = agent.spoiled(cut.plan, cut.state)
        return text, ("broken" if what in defects.GARBLED else f"defect:{what}")
    if kind == "broken":
        return _broken(agent, played, cut, rng), "broken"
    if kind == "eager":  # empty praise or padding around an ordinary reply
        text = agent.word(cut.plan, rng.choice(("scripted", "mediocre")))
        bank = (agent_bad.HYPE if rng.random() < 0.7 else agent_bad.PADDING)[agent.writer.language]
        extra = rng.sample(bank, rng.choice((1, 1, 2)))
        return agent.writer.join([text, *extra] if rng.random() < 0.4 else [*extra, text]), "eager"
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
    played, cut = _context(corpus, index, world)
    good = ("excellent", "scripted", "mediocre", "defect", "misfit", "eager")
    first_kind, second_kind = rng.choices(good, (0.30, 0.27, 0.13, 0.16, 0.07, 0.07), k=2)
    if rng.random() < 0.20:
        second_kind = "broken"
    first, first_label = _candidate(played, cut, first_kind, rng)
    second, second_label = _candidate(played, cut, second_kind, rng)
    for _ in range(8):
        if first != second:
            break
        second, second_label = _candidate(played, cut, rng.choice(good), rng)
    prompt = played.messages[: cut.length]
    scenario = public_side(played.scenario)
    sides = [(first, first_label), (second, second_label)]
    sides = [sides[i] for i in annotator.order(prompt, first, second, scenario, rng, cut.state)]
    return {
        "prompt": prompt,
        "chosen": [{"role": "assistant", "content": sides[0][0]}],
        "rejected": [{"role": "assistant", "content": sides[1][0]}],
        "scenario": scenario,
        "source": "annotator",
        "tags": [cut.tag, sides[0][1], sides[1][1]],
    }


def _judge(corpus: str, index: int, world: World, rng: random.Random) -> Row:
    played, cut = _context(corpus, index, world)
    kinds = ("excellent", "scripted", "mediocre", "defect", "misfit", "broken", "eager")
    kind = rng.choices(kinds, (0.21, 0.22, 0.15, 0.22, 0.08, 0.08, 0.04))[0]
    reply, what = _candidate(played, cut, kind, rng)
    prompt = played.messages[: cut.length]
    scenario = public_side(played.scenario)
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
        agent = ScriptedAgent(scenario, "gold", rng, world.sop)
        played = play(world, scenario, agent, rng.randrange(1 << 30), 5, qualities)
        found = [turn for turn, cut in enumerate(played.cuts) if cut.turn.kind]
        if found and (best is None or len(played.cuts) > len(best.cuts)):
            best = played
        if best is not None and len(best.cuts) >= 5:
            break
    if best is None:
        raise RuntimeError(f"badcases {index}: no dialogue with a defective turn")
    kinds = {turn: cut.turn.kind for turn, cut in enumerate(best.cuts) if cut.turn.kind}
    marks = [{"turn": turn, "kind": kind, "severity": defects.KINDS[kind]} for turn, kind in kinds.items()]
    messages = best.messages if best.messages[-1]["role"] == "assistant" else best.messages[:-1]
    first = best.cuts[min(kinds)]
    return {
        "prompt": messages[: first.length],
        "messages": messages,
        "defects": marks,
        "scenario": best.scenario,
        "tags": [cut.tag for cut in best.cuts],
    }


_MAKERS: dict[str, Callable[[str, int, World, random.Random], Row]] = {
    "base": _base, "mixed": _dialogue, "gold": _dialogue, "pairs": _pairs, "judge": _judge, "prompts": _prompts,
    "dev_prompts": _prompts, "replies": _replies, "online": _online, "badcases": _badcases,
}  # fmt: skip
