"""The dialogue state and the SOP stages, on small dialogues in English and Chinese."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from repo_cli.errors import UserError
from repo_cli.negotiation import SEVEN_STAGES, SOP, dialogue_state, reply_stage

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = {
    "language": "en",
    "current_price": 388,
    "target_price": 350,
    "acceptable_price": 365,
    "floor_ask": 330,
    "max_asks": 3,
    "facts": [{"id": "f1", "type": "competitor_price", "value": 358, "who": "Platform B"}],
}

OPEN = "Hello, I am the AI assistant of the platform, about your deluxe king on 06-18 and 06-20. Is this a good time?"
CHECK = "I have it at 388 CNY per night, breakfast for two. Is that right?"
REASON = "Platform B shows 358 for the same room on 06-18. How do you see that?"
ASK = "Could you do 350 CNY a night for 06-18 to 06-20?"
OPEN_ZH = "您好，我是平台的智能助理，想聊聊豪华大床房06-18和06-20的房价，现在方便吗？"
CHECK_ZH = "目前是388元每晚含双早，对吗？"
REASON_ZH = "同一晚平台B显示358元，您怎么看？"
ASK_ZH = "350元一晚，06-18和06-20，您看可以吗？"
TO_ASK = [OPEN, "Yes, go on.", CHECK, "That is right.", REASON, "Fair, what do you have in mind?", ASK]
TO_ASK_ZH = [OPEN_ZH, "方便，您说。", CHECK_ZH, "对的。", REASON_ZH, "有道理，你想要多少？", ASK_ZH]


def talk(*texts: str, first: str = "assistant") -> list[dict]:
    """Messages in turn, the agent first, behind a system message."""
    roles = ["assistant", "user"] if first == "assistant" else ["user", "assistant"]
    return [{"role": "system", "content": "brief"}] + [
        {"role": roles[i % 2], "content": text} for i, text in enumerate(texts)
    ]


def after(*texts: str, start=TO_ASK):
    return dialogue_state(talk(*start, *texts), SCENARIO)


def test_the_beginning():
    state = dialogue_state([], SCENARIO)
    assert (state.stage, state.asks, state.refusals, state.partner_offer) == ("S1", 0, 0, None)
    assert dialogue_state(talk(), None).stage == "S1"
    assert dialogue_state(talk("Hello, front desk?", first="user"), SCENARIO).stage == "S1"


@pytest.mark.parametrize(
    ("answer", "intent", "offer"),
    [
        ("Three sixty, take it or leave it.", "O11", 360),
        ("I could do 372.", "counter", 372),
        ("OK, 362 then.", "counter", 362),
        ("350 is too low, but 370 would be possible.", "counter", 370),
        ("No, 375 at the very least.", "counter", 375),
        ("We can take 15 off.", "counter", 373),
        ("I'd give you five percent off.", "O11", 369),
        ("Let's split the difference.", "O11", 369),
        ("Not below 366.", "counter", 366),
        ("三百六，爱要不要。", "O11", 360),
        ("最低365，不能再少了。", "counter", 365),
        ("便宜二十可以。", "O11", 368),
        ("打九五折吧。", "O11", 369),
        ("350不行，370还差不多。", "counter", 370),
    ],
)
def test_counter_offers(answer, intent, offer):
    state = after(answer)
    assert (state.partner_intent, state.partner_offer, state.partner_offer_open) == (intent, offer, True)
    assert state.agreed_price is None and state.refusals == 0
    assert state.stage == ("S6" if offer <= 365 else "S5")


@pytest.mark.parametrize(
    "answer",
    [
        "OK, deal.",
        "Yes, 350 is fine.",
        "350 it is.",
        "Sure.",
        "All right, let's do that.",
        "That works for us.",
        "350.",
        "可以。",
        "行，就350吧。",
        "成交。",
        "没问题，按你说的。",
        "三百五就三百五吧。",
    ],
)
def test_acceptance_of_the_ask(answer):
    state = after(answer)
    assert (state.agreed_price, state.partner_intent, state.stage) == (350, "accept", "S6")
    assert not state.partner_offer_open


@pytest.mark.parametrize(
    "answer",
    [
        "Yes, 350, but only Sunday to Thursday.",
        "OK, deal, as long as breakfast is not included.",
        "可以，但周末不行。",
    ],
)
def test_conditional_acceptance(answer):
    state = after(answer)
    assert (state.agreed_price, state.partner_intent, state.stage) == (350, "O12", "S6")
    assert state.conditions == [answer]


@pytest.mark.parametrize("answer", ["OK.", "Hmm.", "?", "嗯。", "哦。"])
def test_a_murmur_is_no_consent(answer):
    state = after(answer)
    assert (state.partner_intent, state.agreed_price, state.stage) == ("O18", None, "S5")


@pytest.mark.parametrize(
    "answer",
    [
        "No, we don't lower it.",
        "I'd rather stay at 388.",
        "That's far too low.",
        "Not possible.",
        "350? Forget it.",
        "不行，降不了。",
        "还是388吧。",
        "350太低了。",
    ],
)
def test_refusals_are_counted(answer):
    once = after(answer)
    assert (once.refusals, once.hard_refusal, once.agreed_price, once.partner_offer) == (1, False, None, None)
    assert once.stage == "S4"
    twice = after(answer, "I understand. Only these two nights, how do you see it?", answer)
    assert (twice.refusals, twice.stage) == (2, "S7")


@pytest.mark.parametrize(
    ("answer", "opted_out"),
    [
        ("No. Stop messaging me.", True),
        ("Not interested.", False),
        ("别再发了。", True),
        ("我没兴趣。", False),
    ],
)
def test_hard_refusals(answer, opted_out):
    state = after(answer)
    assert state.hard_refusal and state.opted_out is opted_out
    assert (state.stage, state.partner_intent) == ("S7", "O14")


@pytest.mark.parametrize(
    "answer",
    [
        "The other platform sells it at 358 anyway.",
        "My costs alone are 300.",
        "Last year we charged 340.",
        "You want 350?",
        "350? Are you serious?",
        "There were 126 guests last week.",
        "成本都要三百。",
        "去年这时候卖420。",
    ],
)
def test_prices_that_are_no_offer(answer):
    assert after(answer).partner_offer is None


def test_net_rates_are_kept_apart():
    state = after("My net rate can't go under 320.")
    assert (state.partner_net, state.partner_offer, state.partner_intent, state.stage) == (
        320,
        None,
        "O13",
        "S4",
    )
    assert after("底价不能低于320。", start=TO_ASK_ZH).partner_net == 320


def test_yes_to_a_check_is_not_consent():
    state = dialogue_state(talk(OPEN, "Sure.", CHECK, "Yes, correct."), SCENARIO)
    assert (state.agreed_price, state.partner_intent, state.stage) == (None, "other", "S3")
    assert after("Deal.", start=[OPEN, "Yes.", CHECK]).agreed_price is None  # nothing was on the table


def test_interest_is_not_consent():
    assert after("Fair enough, what would you suggest?").agreed_price is None
    assert after("行，你的想法是？", start=TO_ASK_ZH).agreed_price is None


def test_agent_takes_the_counter_and_the_partner_confirms():
    recap = "Thank you, 362 CNY per night for 06-18 and 06-20, deluxe king. Shall I submit it?"
    state = after("I could do 362.", recap)
    assert (state.agreed_price, state.partner_offer_open, state.agent_stages[-1]) == (362, False, "S6")
    done = after("I could do 362.", recap, "Yes, please.")
    assert (done.agreed_price, done.partner_confirmed, done.stage) == (362, True, "S7")
    changed = after("I could do 362.", recap, "Sorry, it must be 368.")
    assert (changed.agreed_price, changed.partner_offer, changed.partner_offer_open) == (None, 368, True)


MATCH = "Platform B shows 358 for 06-18. Could you do the same here?"
MATCH_ZH = "平台B 06-18显示358元，咱们这边能一样吗？"


@pytest.mark.parametrize(
    ("texts", "agreed", "offer"),
    [
        ((MATCH, "OK, 358 is fine, agreed."), 358, None),
        ((MATCH, "Alright, let's do that."), 358, None),
        ((MATCH, "No. 370 is possible."), None, 370),
        ((MATCH_ZH, "可以，那就358，定了。"), 358, None),
        (("平台B是358，房型一样吗？", "一样。"), None, None),
    ],
)
def test_an_ask_for_what_another_channel_shows(texts, agreed, offer):
    state = after(*texts, start=(OPEN, "Yes, go on."))
    assert (state.agreed_price, state.partner_offer) == (agreed, offer)


def test_a_no_after_a_figure():
    deal = after(
        "350 no. 360 a night and we have a deal.", "360 is fine with us. Shall I note it?", "Yes, 360."
    )
    assert (deal.agreed_price, deal.refusals) == (360, 0)
    assert after("No. 360.").partner_offer == 360
    state = after("350 no.")
    assert (state.agreed_price, state.partner_offer, state.refusals) == (None, None, 1)
    assert after("350, no problem.").agreed_price == 350


def test_asks_and_agent_prices():
    state = after("I could do 380.", "Could you come down to 360?", "375.", "How about 365 a night?")
    assert state.asks == 3 and state.agent_prices == [350, 360, 365]
    assert state.agent_stages == ["S1", "S2", "S3", "S5", "S5", "S5"]
    assert after("380.", "Could you do 360?", "379.", "And 365?", "No, 378.").stage == "S7"  # no ask is left


def test_last_offer_counts():
    state = after("I could do 380.", "Could you come down to 360?", "Another 10 off, so 370.")
    assert state.partner_offer == 370


@pytest.mark.parametrize(
    ("history", "reply", "stage"),
    [
        ([], OPEN, "S1"),
        ([], OPEN_ZH, "S1"),
        ([OPEN, "Yes?"], CHECK, "S2"),
        ([OPEN_ZH, "您说。"], CHECK_ZH, "S2"),
        ([OPEN, "Yes?", CHECK, "Right."], REASON, "S3"),
        ([OPEN_ZH, "您说。", CHECK_ZH, "对。"], REASON_ZH, "S3"),
        (TO_ASK[:6], ASK, "S5"),
        (TO_ASK_ZH[:6], ASK_ZH, "S5"),
        ([OPEN, "Yes?"], ASK, "S5"),
        (
            [*TO_ASK[:5], "We earn nothing at that rate."],
            "I understand, costs are up. It would be two nights only.",
            "S4",
        ),
        ([*TO_ASK_ZH[:5], "没利润了。"], "理解，成本确实在涨，只看这两晚。", "S4"),
        (
            [*TO_ASK, "OK, 350."],
            "Let me repeat: 350 CNY per night for 06-18 and 06-20. Can you confirm?",
            "S6",
        ),
        ([*TO_ASK_ZH, "行，就350。"], "跟您确认：350元每晚，06-18和06-20，对吗？", "S6"),
        (
            [*TO_ASK, "I could do 360."],
            "360 works for us, thank you. Shall I record it for both nights?",
            "S6",
        ),
        ([*TO_ASK, "No, sorry."], "I understand, I will leave it here. Have a good season.", "S7"),
        ([OPEN_ZH, "没空，晚点再说。"], "好的，明天下午再联系您，不打扰了。", "S7"),
        (
            [OPEN, "I'm only at the front desk."],
            "Thank you. Who decides on rates, and when could I write?",
            "S7",
        ),
        ([OPEN, "Stop messaging me."], "Understood, I will not write again.", "S7"),
        (
            [*TO_ASK[:5], "Are you a robot?"],
            "Yes, I am an AI assistant; a colleague can take over any time.",
            "S3",
        ),
    ],
)
def test_reply_stage(history, reply, stage):
    assert reply_stage(talk(*history), reply, SCENARIO) == stage


def test_state_is_the_callers_own():
    history = talk(*TO_ASK)
    dialogue_state(history, SCENARIO).agent_prices.append(1)
    assert dialogue_state(history, SCENARIO).agent_prices == [350]


@pytest.mark.parametrize(
    "scenario", [None, {}, {"current_price": "x", "facts": [3, None]}, {"max_asks": None}]
)
def test_poor_scenarios_do_not_stop_the_reader(scenario):
    assert dialogue_state(talk(*TO_ASK, "OK, 350."), scenario).agreed_price == 350


def test_a_long_history():
    texts = [ASK if i % 2 == 0 else "No." for i in range(600)]
    state = dialogue_state(talk(*texts), SCENARIO)
    assert (state.asks, state.refusals) == (300, 300)


def test_ten_messages_in_a_millisecond_when_seen_before():
    history = talk(*TO_ASK, "I could do 362.", "Thank you, 362 per night it is. Shall I submit it?", "Yes.")
    dialogue_state(history, SCENARIO)
    begin = time.process_time()
    for _ in range(50):
        dialogue_state(history, SCENARIO)
    assert (time.process_time() - begin) / 50 < 1e-3


# --- the SOP file -------------------------------------------------------------------------------------------------
def hotel() -> dict:
    return yaml.safe_load((ROOT / "conf" / "sop" / "hotel.yaml").read_text(encoding="utf-8"))


def test_shipped_sop_is_what_the_state_assumes():
    sop = SOP.from_config(hotel())
    assert {k: v.next for k, v in sop.stages.items()} == {k: v.next for k, v in SEVEN_STAGES.stages.items()}
    assert [s for s in sop.stages if sop.price_allowed(s)] == ["S2", "S3", "S5", "S6"]
    assert [s for s in sop.stages if sop.ask_allowed(s)] == ["S5"]
    assert all(s.enter and s.do and s.leave for s in sop)
    assert sop.first == "S1" and sop.terminal("S7") and not sop.terminal("S5")


def test_transitions():
    sop = SOP.from_config(hotel())
    assert sop.allowed(None, "S1") and not sop.allowed(None, "S5")
    assert sop.allowed("S1", "S2") and not sop.allowed("S1", "S5")
    assert sop.allowed("S7", "S7") and not sop.allowed("S7", "S2")
    assert not sop.allowed("S1", "S9") and not sop.allowed("S9", "S1")
    assert SOP.from_config({"name": "none", "stages": {}}).allowed("S1", "S6")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"S1": {"nxt": ["S2"]}}, "nxt"),
        ({"S1": {"next": ["S8"]}}, "S8"),
        ({"S1": {"next": "S2"}}, "next"),
        ({"S1": {"price_allowed": "yes"}}, "price_allowed"),
        ({"S1": ["S2"]}, "S1"),
    ],
)
def test_a_bad_sop_names_the_key(change, word):
    with pytest.raises(UserError, match=word):
        SOP.from_config({"name": "x", "stages": change})
