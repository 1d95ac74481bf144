"""The world's own agents: the intent-driven baseline and the scripted ones, anywhere in a dialogue."""

from __future__ import annotations

import re

import pytest

from repo_cli.errors import UserError
from repo_cli.worlds import get_world
from repo_cli.worlds.hotel.intent_agent import TEMPLATES


def played(world, name: str, i: int, turns: int = 10):
    row = world.rows("online", i)
    partner, agent = world.counterpart(row["scenario"], i), world.agent(name, row["scenario"], 0)
    messages, outcome = [dict(m) for m in row["prompt"]], None
    for _ in range(turns):
        messages.append({"role": "assistant", "content": agent.reply(messages)})
        answer = partner.reply(messages)
        if answer.text:
            messages.append({"role": "user", "content": answer.text})
        if answer.ended:
            outcome = answer.outcome
            break
    return messages, row["scenario"], outcome


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_baseline_is_sound_and_stiff(language):
    world = get_world("hotel", language, 5)
    ratings, deals, excellent, hard = [], 0, 0, 0
    for i in range(30):
        messages, scenario, outcome = played(world, "intent", i)
        rating = world.rate(messages, scenario, outcome)
        ratings.append(rating.rating)
        deals += bool(outcome and outcome["deal"])
        excellent += rating.excellent
        hard += any(s >= 2 for _, _, s in rating.violations)
    assert 2.6 < sum(ratings) / 30 < 3.4 and 4 <= deals <= 20 and excellent <= 3 and hard <= 3


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_baseline_says_templates_with_every_slot_filled(language):
    world = get_world("hotel", language, 0)
    heads = {re.split(r"\{", text)[0] for text in TEMPLATES[language].values()}
    for i in range(12):
        messages, _, _ = played(world, "intent", i)
        for m in messages:
            if m["role"] == "assistant":
                assert "{" not in m["content"] and "  " not in m["content"]
                assert any(m["content"].startswith(h) for h in heads)


def test_the_agents_read_the_dialogue_by_the_procedure_they_are_given():
    from repo_cli.config import compose
    from repo_cli.worlds import world_of

    cfg = compose("rl")
    assert world_of(cfg).sop.moves == get_world("hotel").sop.moves
    cfg.sop.stages["S2"]["next"] = ["S2", "S4", "S7"]  # no reason before an objection
    own = world_of(cfg)
    assert [own.rows("gold", i)["messages"] for i in range(3)] == [
        get_world("hotel").rows("gold", i)["messages"] for i in range(3)
    ]  # wording and moves are the world's own
    scenario = own.scenario(0, "train")
    history = [
        {"role": "assistant", "content": "Hello, I am the platform's assistant. Is now a good time?"},
        {"role": "user", "content": "Yes."},
        {"role": "assistant", "content": f"It shows {scenario['current_price']:.0f} CNY per night, right?"},
        {"role": "user", "content": "Yes, right."},
    ]
    stages = [w.agent("gold", scenario, 0).agent.plan(history)[1].stage for w in (get_world("hotel"), own)]
    assert stages == ["S3", "S2"]
    cfg.sop.stages = {"A": {"next": []}}
    assert world_of(cfg).sop.seven  # a procedure that is not about this world


def test_the_baseline_keeps_no_memory():
    """The same history gives the same reply from a fresh agent; so it can answer bad cases."""
    world = get_world("hotel", "en", 0)
    messages, scenario, _ = played(world, "intent", 2)
    for i, m in enumerate(messages):
        if m["role"] == "assistant":
            assert world.agent("intent", scenario, 9).reply(messages[:i]) == m["content"]


def test_no_agent_of_the_world_reads_what_is_hidden():
    world = get_world("hotel", "en", 0)
    for name in ("intent", "gold"):
        messages, scenario, _ = played(world, name, 3)
        blind = {**scenario, "hotel_hidden": {"reserve": 1, "root_concern": "none", "mood": "none"}}
        cut = max(i for i, m in enumerate(messages) if m["role"] == "assistant")
        assert world.agent(name, blind, 0).reply(messages[:cut]) == world.agent(name, scenario, 0).reply(
            messages[:cut]
        )


def test_a_scripted_agent_goes_on_from_a_dialogue_of_others():
    """Put into recorded contexts, the gold agent does well; one without the reading of the past would open anew."""
    world = get_world("hotel", "en", 0)
    rated, opened = [], 0
    for k in range(20):
        row = world.rows("replies", k)
        said = world.agent("gold", row["scenario"], 1).reply(row["prompt"])
        late = sum(m["role"] == "assistant" for m in row["prompt"])
        opened += late > 0 and "Tripway" in said
        rated.append(world.rate_reply(row["prompt"], said, row["scenario"]).rating)
    assert opened == 0 and sum(rated) / len(rated) > 2.8
    with pytest.raises(UserError, match="did you mean excellent"):
        world.agent("excelent", row["scenario"], 0)


def test_gold_replies_are_good_and_contexts_call_for_abilities():
    world = get_world("hotel", "en", 0)
    ratings, called = [], set()
    for k in range(40):
        row = world.rows("replies", k)
        gold = world.rate_reply(row["prompt"], row["reference"], row["scenario"])
        worse = world.rate_reply(
            row["prompt"], "You must agree now or we will remove your hotel.", row["scenario"]
        )
        assert worse.rating <= gold.rating and any(s >= 2 for _, s in worse.violations)
        ratings.append(gold.rating)
        called |= set(gold.abilities)
        assert gold.abilities == worse.abilities  # they belong to the context, not to the reply
    assert sum(ratings) / 40 > 3.0 and called == {"empathy", "hotel_type", "little_information"}


def test_a_reply_is_rated_as_it_is_within_its_dialogue():
    world = get_world("hotel", "en", 0)
    messages, scenario, outcome = played(world, "excellent", 1)
    whole = world.rate(messages, scenario, outcome)
    places = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    for turn, i in zip(whole.turns, places, strict=True):
        assert world.rate_reply(messages[:i], messages[i]["content"], scenario).rating == turn.rating
