"""Scenarios, briefs and the registry of worlds."""

from __future__ import annotations

import time

import pytest

from repo_cli.errors import UserError
from repo_cli.worlds import get_world
from repo_cli.worlds.base import World, make_outcome, out_of_turns

LANGUAGES = ("en", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_scenarios_keep_their_promises(language: str) -> None:
    world = get_world("hotel", language, 3)
    assert isinstance(world, World)
    shares = {"no_deal": 0, "below_target": 0, "possible": 0}
    for index in range(2000):
        sc = world.scenario(index, "train")
        current, target, acceptable = sc["current_price"], sc["target_price"], sc["acceptable_price"]
        reserve = sc["hotel_hidden"]["reserve"]
        assert 0.85 * current <= target <= 0.95 * current
        assert sc["floor_ask"] < target < acceptable <= 0.97 * current
        assert reserve <= current
        for fact in sc["facts"]:
            if fact["type"] == "competitor_price":
                assert sc["floor_ask"] < fact["value"] <= target
        shares["no_deal"] += reserve > 0.97 * current
        shares["below_target"] += reserve < target
        shares["possible"] += reserve <= acceptable
    assert 0.20 < shares["no_deal"] / 2000 < 0.30
    assert 0.11 < shares["below_target"] / 2000 < 0.20
    assert 0.65 < shares["possible"] / 2000 < 0.80


@pytest.mark.parametrize("language", LANGUAGES)
def test_brief_tells_every_public_number_and_nothing_hidden(language: str) -> None:
    world = get_world("hotel", language, 0)
    for index in range(300):
        sc = world.scenario(index, "dev")
        brief = world.system_message(sc)["content"]
        unit = " CNY" if language == "en" else "元"
        for key in ("current_price", "target_price", "acceptable_price", "floor_ask"):
            assert f"{sc[key]}{unit}" in brief
        for fact in sc["facts"]:
            assert str(fact["value"]) in brief
        assert sc["room_type"] in brief and sc["hotel"]["name"] in brief and sc["dates"][1] in brief
        other = dict(sc, hotel_hidden=None)
        assert world.system_message(other)["content"] == brief


def test_splits_seeds_and_languages_differ_and_repeat() -> None:
    world = get_world("hotel", "en", 0)
    assert world.scenario(5, "dev") == get_world("hotel", "en", 0).scenario(5, "dev")
    drop = ("id", "hotel")
    seen = {
        str({key: value for key, value in made.items() if key not in drop})
        for made in (
            world.scenario(5, "train"), world.scenario(5, "dev"), world.scenario(5, "test"),
            get_world("hotel", "en", 1).scenario(5, "dev"), get_world("hotel", "zh", 0).scenario(5, "dev"),
        )
    }  # fmt: skip
    assert len(seen) == 5


def test_scenario_is_fast() -> None:
    world = get_world("hotel", "en", 0)
    start = time.process_time()
    for index in range(1000):
        world.scenario(index, "train")
    assert (time.process_time() - start) / 1000 < 0.0002


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="hotel") as caught:
        get_world("hotle")
    assert "did you mean hotel" in str(caught.value)
    with pytest.raises(UserError, match=r"world\.language"):
        get_world("hotel", "fr")
    with pytest.raises(UserError, match="split"):
        get_world("hotel").scenario(0, "validation")


def test_outcomes() -> None:
    assert make_outcome(False, 360, "refused", 4)["price"] is None
    history = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
    assert out_of_turns(history) == {"deal": False, "price": None, "reason": "max_turns", "turns": 1}
    with pytest.raises(ValueError, match="unknown reason"):
        make_outcome(False, None, "bored", 1)
