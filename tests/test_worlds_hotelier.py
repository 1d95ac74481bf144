"""The hotelier reacts to what the agent really said: one change in a reply changes what it does."""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import lru_cache
from random import Random

import pytest
from hotel_scripted_agent import play
from test_worlds_understand import case_scenario

from repo_cli.negotiation import read_prices
from repo_cli.worlds import get_world
from repo_cli.worlds.hotel.hotelier import Hotelier
from repo_cli.worlds.hotel.speech import bank, say

HELLO = "Hello, I am the AI assistant of Tripway. Is this a good time?"
REASON = "Platform B shows 345 CNY for the same room on 06-18. How do you see it?"
CARE = "I understand, your costs leave little margin. What would be possible only for these nights?"


@lru_cache(maxsize=2)
def _patterns(language: str) -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for intent, phrases in bank(language).items():
        if intent.startswith("mood.") or intent == "again":
            continue
        for phrase in phrases:
            pattern = re.sub(r"\\\{\w+\\\}", ".+?", re.escape(phrase))
            found.append((intent, re.compile(f"(?:^|.*[ ,:：，。])(?i:{pattern})$")))
    return found


def intents(text: str, language: str = "en") -> set[str]:
    return {intent for intent, pattern in _patterns(language) if pattern.match(text)}


def hotel(**hidden: object) -> dict:
    scenario = case_scenario("en")
    scenario["hotel_hidden"].update(hidden)
    return scenario


def talk(scenario: dict, replies: list[str], seed: int = 0) -> list[tuple[str, bool, dict | None]]:
    """What the hotelier answers to each of the replies, up to its end."""
    partner, history, answers = Hotelier(scenario, seed), [{"role": "system", "content": "-"}], []
    for reply in replies:
        history.append({"role": "assistant", "content": reply})
        turn = partner.reply(history)
        answers.append((turn.text, turn.ended, turn.outcome))
        history.append({"role": "user", "content": turn.text})
        if turn.ended:
            break
    return answers


def last_intents(scenario: dict, replies: list[str], seed: int = 0) -> set[str]:
    return intents(talk(scenario, replies, seed)[-1][0])


def test_only_the_price_changes() -> None:
    sc, said = hotel(), {}
    for price in (280, 345, 352, 360, 398):
        said[price] = last_intents(sc, [HELLO, REASON, CARE, f"Would {price} CNY per night be possible?"])
    assert said[280] & {"too_low"}
    assert said[345] & {"counter"}
    assert said[360] & {"accept"} and said[352] & {"accept"}
    assert said[398] & {"above"}


def test_only_the_date_room_or_fact_changes() -> None:
    sc = hotel()
    ask = "Would 352 CNY for {} be possible?"
    assert last_intents(sc, [HELLO, REASON, CARE, ask.format("06-18 to 06-20")]) & {"accept"}
    assert last_intents(sc, [HELLO, REASON, CARE, ask.format("06-18 to 06-25")]) & {"dates_wrong"}
    assert last_intents(sc, [HELLO, REASON, CARE, ask.format("the standard twin")]) & {"room_wrong"}
    assert last_intents(sc, [HELLO, REASON.replace("345", "319")]) & {"claim_wrong"}
    assert last_intents(sc, [HELLO, "I see 398 CNY per night now. Is that correct?"]) & {"current_wrong"}
    assert last_intents(sc, [HELLO, "I see 388 CNY per night now. Is that correct?"]) & {"facts_yes"}


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ("Otherwise your ranking will drop.", {"threat", "threat_end"}),
        ("Your listing will not drop either way.", {"accept"}),
        ("I guarantee you will sell out.", {"promise"}),
        ("I cannot promise you more bookings.", {"accept"}),
        ("We will pay the difference.", {"promise"}),
        ("That is a bit greedy of you.", {"insult"}),
        ("Please send me the verification code.", {"secrets"}),
        ("This offer expires in two hours.", {"fake_claim"}),
        ("All the hotels nearby have already lowered theirs.", {"fake_claim"}),
        ("I have already changed the price for you.", {"changed"}),
    ],
)
def test_one_sentence_changes_what_it_does(extra: str, wanted: set[str]) -> None:
    replies = [HELLO, REASON, CARE, f"Would 355 CNY per night be possible? {extra}"]
    assert last_intents(hotel(), replies) & wanted


def test_threats_end_it_and_anger_ends_it_at_once() -> None:
    threat = "If you don't agree, your ranking will drop."
    again = "Then we will remove your listing."
    angry = talk(hotel(mood="angry"), [HELLO, threat, again])
    assert len(angry) == 2 and angry[-1][2]["reason"] == "hangup"
    calm = talk(hotel(patience=9), [HELLO, threat, again])
    assert calm[-1][1] and not calm[-1][2]["deal"]


def test_recap_must_be_right() -> None:
    start = [HELLO, REASON, CARE, "Would 360 CNY per night be possible?"]
    recap = "To confirm: deluxe king, 06-18 to 06-20, {} CNY per night. Is that right?"
    sc = hotel()
    assert last_intents(sc, [*start, recap.format(360)]) & {"confirm_yes"}
    assert last_intents(sc, [*start, recap.format(350)]) & {"recap_wrong"}
    assert last_intents(sc, [*start, recap.format(360).replace("06-20", "06-22")]) & {"dates_wrong"}
    assert last_intents(sc, [*start, "Thanks, but could it be 350 CNY?"]) & {"retrade"}
    done = talk(sc, [*start, recap.format(360), "Thank you, I will submit it. Goodbye."])[-1]
    assert done[1] and done[2] == {"deal": True, "price": 360, "reason": "accepted", "turns": 6}


def test_its_own_counter_may_be_taken_or_misheard() -> None:
    sc, start = hotel(style="plain"), [HELLO, REASON, CARE, "Would 345 CNY per night be possible?"]
    text = talk(sc, start)[-1][0]
    offer = read_prices(text, language="en", current=388)[-1].value
    assert 352 <= offer < 388
    assert last_intents(sc, [*start, f"Thank you, {offer} CNY works for us."]) & {"accept"}
    assert last_intents(sc, [*start, f"Thank you, {offer - 9} CNY works for us."]) & {"misheard"}


def test_who_may_not_decide_and_who_has_no_time() -> None:
    desk = hotel(root_concern="authority", objections=["O02"], contact="front_desk")
    turns = talk(desk, [HELLO, "Is 388 CNY right?", "Who decides, and when can I reach them?",
                        "Please pass this on. Thank you for your time, goodbye."])  # fmt: skip
    assert turns[-1][2]["reason"] == "handover"
    pressed = talk(
        desk, [HELLO, "Is 388 CNY right?", "Would 350 CNY work?", "Please do 355 CNY.", "360 CNY?"]
    )
    assert "boss_press" in {i for text, _, _ in pressed for i in intents(text)}
    busy = hotel(root_concern="busy", objections=["O05"], mood="busy")
    turns = talk(
        busy, [HELLO, "Of course. When would suit you better?", "Thank you, I will write then. Goodbye."]
    )
    assert [turn[1] for turn in turns] == [False, False, True]
    assert turns[-1][2]["reason"] == "callback"


def test_the_robot_question_wants_an_answer() -> None:
    for seed in range(40):
        sc = hotel(objections=["O01", "O07"])
        first = talk(sc, [HELLO], seed)[-1][0]
        if "side.ai" in intents(first):
            break
    assert "side.ai" in intents(first)
    assert last_intents(sc, [HELLO, "I am a real person, of course."], seed) & {"human"}
    assert last_intents(sc, [HELLO, "Could we look at the price of the room?"], seed) & {"not_answered"}
    assert not last_intents(sc, [HELLO, "Yes, I am an AI assistant."], seed) & {"human", "not_answered"}


def test_garbled_text_and_other_languages() -> None:
    assert last_intents(hotel(), ["the of would 350 you the is for and the of"]) & {"garbled"}
    ended = talk(hotel(), ["", ""])[-1]
    assert ended[1] and ended[2]["reason"] == "hangup"
    assert last_intents(hotel(), ["您好，想跟您聊一下房价。"]) & {"language"}


def test_no_is_no() -> None:
    sc = hotel(reserve=388, patience=3, mood="angry")
    asks = [f"Would {price} CNY per night be possible?" for price in (350, 352, 355, 358, 360, 362)]
    turns = talk(sc, [HELLO, REASON, *asks])
    assert turns[-1][1] and not turns[-1][2]["deal"] and len(turns) < 8


@pytest.mark.parametrize("language", ["en", "zh"])
def test_same_history_same_answer_however_it_came(language: str) -> None:
    world = get_world("hotel", language, 0)
    for index in range(25):
        sc = world.scenario(index, "dev")
        history, outcome, _, _ = play(world, sc, index)
        for end in range(2, len(history)):
            if history[end - 1]["role"] == "assistant":
                assert world.counterpart(sc, index).reply(history[:end]).text == history[end]["content"]
        assert outcome["reason"] != "max_turns"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_self_play_ends_well_in_about_two_thirds(language: str) -> None:
    world, count = get_world("hotel", language, 0), 160
    reasons: Counter[str] = Counter()
    deals = {True: 0, False: 0}
    spent = turns = 0.0
    for index in range(count):
        sc = world.scenario(index, "dev")
        for fitted in (True, False):
            _, outcome, seconds, number = play(world, sc, index, fitted)
            spent, turns = spent + seconds, turns + number
            deals[fitted] += outcome["deal"]
            if outcome["deal"]:
                assert outcome["price"] >= sc["hotel_hidden"]["reserve"]
            if fitted:
                reasons[outcome["reason"]] += 1
    assert 0.25 < 1 - deals[True] / count < 0.45
    assert deals[True] > deals[False]  # reasons that fit the partner bring more deals
    assert {"accepted", "refused", "callback", "handover"} <= set(reasons)
    assert reasons["hangup"] / count < 0.12
    assert spent / turns < 0.002  # seconds of CPU; about 0.6 ms measured


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_named_price_is_heard_as_meant(language: str) -> None:
    from random import Random

    world, wrong, total = get_world("hotel", language, 0), [], 0
    named = [intent for intent, phrases in bank(language).items() if any("{p}" in p for p in phrases)]
    for index in range(150):
        sc = world.scenario(index, "dev")
        price = sc["acceptable_price"]
        for intent in named:
            text = say(intent, Random(index), sc, price=price)
            found = [p.value[1] if p.kind == "bound" else p.value for p in
                     read_prices(text, language=language, current=sc["current_price"])]  # fmt: skip
            if found:
                total += 1
                wrong += [text] if found[-1] != price else []
    assert total > 800 and len(wrong) / total < 0.02, wrong[:10]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_figure_that_nobody_says_in_words_is_written(language: str) -> None:
    """A weak agent may name any figure, and the partner takes it up."""
    scenario = get_world("hotel", language, 0).scenario(0, "dev")
    for price in (10_000, 31_580, 250_000, 0):
        for seed in range(40):
            assert str(price) in say("settled", Random(seed), scenario, price=price)


def test_phrase_banks_are_rich_and_alike() -> None:
    english, chinese = bank("en"), bank("zh")
    assert set(english) == set(chinese)
    for phrases in (english, chinese):
        for intent, found in phrases.items():
            assert len(set(found)) >= (3 if intent.startswith("mood.") else 8), intent


def test_speed_of_one_turn() -> None:
    history = [{"role": "assistant", "content": HELLO}]
    start = time.process_time()
    for seed in range(200):
        Hotelier(hotel(), seed).reply(history)
    assert (time.process_time() - start) / 200 < 0.002
