"""Small readers of single messages: asks of the agent; refusals, acceptance and intents of the hotel."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repo_cli.negotiation import (
    detect_language,
    is_acceptance,
    is_ask,
    is_hard_refusal,
    is_opt_out,
    is_refusal,
    partner_intents,
    read_agent,
)
from repo_cli.negotiation.bilingual import Bilingual, split_alternatives

ASKS = """
Could you do 350 CNY a night for 06-18 to 06-20?
Would 350 work for those two nights?
How about 355 then?
I'd like to propose 352 per night, breakfast included.
Is there any room to lower the rate for these nights?
Would you consider coming down to 360?
350 a night for both dates. Would that work for you?
Might 340 be possible on the weekdays only?
Understood, but could you lower the price a little?
Great, though could it be 350?
Could we meet at 358?
If you could manage 349 I would record it today.
What about a 10% discount for 06-18?
Please consider 345 for the two nights.
350您看可以吗？
能不能再降一点？
这两晚350元一晚，您觉得合适吗？
想跟您谈350元一晚。
可以便宜二十吗？
您看打个九折行不行？
360元每晚。您看可以吗？
要不350怎么样？
建议调到352元。
能给到355吗？
"""
NOT_ASKS = """
Is 388 per night with breakfast still right?
Platform B shows 358 for the same night. How do you see that?
Shall I submit 360 once you confirm?
Thank you, 360 per night is recorded for both dates.
To confirm: 360 CNY per night for 06-18 and 06-20, is that right?
I won't ask for a lower price again.
Who decides on rates, and when could I write to them?
What figure would be comfortable for you?
Hello, I am the platform's AI assistant, is now a good time?
There were 126 searches for those dates.
If you'd rather not, that's fine and nothing changes.
Understood, I will leave it here. Wishing you a good season.
Would it help to look at the quiet nights only?
同一晚平台B显示358元，您怎么看？
目前是388元每晚含双早，对吗？
跟您确认：两晚都是360元每晚，对吗？
您确认后我再提交360，可以吗？
明白，那就不打扰了，祝您生意兴隆。
您好，我是平台的智能助理，现在方便吗？
这两天有126次搜索。
谁能决定价格？什么时候方便联系？
没关系，不降也可以。
"""
REFUSALS = """
No, we can't go any lower.
Sorry, that is not possible.
I'd rather keep the rate as it is.
We don't do discounts.
No way, that's far too low.
Thanks, but no.
I won't change the price.
Out of the question.
The price stays.
不行，降不了。
这个价做不了，太低了。
不考虑降价。
算了吧，维持原价。
没得商量。
我们不打折。
"""
NOT_REFUSALS = """
No problem, go ahead.
Yes, that works.
What do you have in mind?
It's high season.
I'm only at the front desk.
OK, deal.
Maybe, tell me more.
没问题，就这样。
我做不了主，得问老板。
可以，就按您说的。
你想要多少？
现在旺季。
"""
HARD = """
Stop messaging me.
Please don't contact us again.
Leave me alone.
We are not interested.
Remove me from your list.
My answer is no, end of discussion.
别再发了。
不要再联系我们。
没兴趣，别烦我。
再发我就拉黑了。
"""
ACCEPTS = """
OK, deal.
Yes, go ahead.
That works for me.
Agreed, 350 it is.
Fine, let's do it.
I can live with that.
Sounds good.
Yes.
All right, 350 is fine.
You have a deal.
成交。
可以，就这个价。
行，按你说的办。
没问题。
好吧，就350。
同意。
那就这样定了。
"""
NOT_ACCEPTS = """
OK.
Hmm.
I see.
I can't do that.
That doesn't work for us.
Would that work for you?
If you agree to pay half.
嗯。
哦。
不可以。
可以便宜吗？
行不行？
知道了。
"""
INTENTS = """
O01 | We hardly make any profit at this rate.
O01 | Everything costs more now, there is no margin left.
O01 | Our loyal guests pay the full rate, what would they say?
O01 | 成本都涨了，没什么利润。
O01 | 已经是最低价了。
O02 | The owner decides, I just work at reception.
O02 | I'm not allowed to change rates.
O02 | 我就是前台，价格要问经理。
O02 | 这个我做不了主。
O03 | It's peak season, we will sell out.
O03 | Those nights fill up by themselves anyway.
O03 | 旺季根本不愁卖。
O03 | 那几天都订满了。
O04 | Your commission is higher than the others'.
O04 | 你们佣金太高了。
O05 | I'm busy right now, please call back later.
O05 | Not a good moment, guests are waiting.
O05 | 我在忙，回头再说。
O05 | 现在没空，晚点联系。
O06 | How do I know this isn't a scam?
O06 | Can you prove you are from the platform?
O06 | 你是不是骗子？
O06 | 怎么证明你是平台的人？
O07 | Am I talking to a bot?
O07 | Are you a real person?
O07 | 你是机器人吧？
O07 | 你是真人吗？
O08 | I cut the price last month and it brought no bookings.
O08 | Discounts never helped us.
O08 | 上次降了价，一单都没多。
O08 | 降了也没用。
O09 | Will the platform cover half of the difference?
O09 | Who pays for the discount?
O09 | 平台补贴多少？
O09 | 差价你们出吗？
O10 | Where did you see that? I see the same price everywhere.
O10 | 哪里便宜了？都是一样的价。
O15 | First solve my complaint about the bad review.
O15 | 先把差评处理了再谈。
O16 | Tell me a joke.
O16 | What's the weather like today?
O16 | 今天天气怎么样？
O16 | 给我讲个笑话。
O17 | You changed my price without asking me.
O17 | 你们老是擅自改我的价格。
O18 | Hmm.
O18 | 嗯嗯
O14 | Do not write to me any more.
O14 | 别再打扰我了
"""


def lines(block: str) -> list[str]:
    return block.strip().splitlines()


def wrong(reader, yes: str, no: str = "") -> list[str]:
    return [t for t in lines(yes) if not reader(t)] + [
        f"not: {t}" for t in (lines(no) if no else []) if reader(t)
    ]


def test_asks():
    assert wrong(is_ask, ASKS, NOT_ASKS) == []


def test_refusals():
    assert wrong(is_refusal, REFUSALS, NOT_REFUSALS) == []


def test_hard_refusals():
    assert wrong(is_hard_refusal, HARD, REFUSALS + NOT_REFUSALS.lstrip()) == []


def test_opt_out_is_a_wish_not_to_be_written_to():
    assert is_opt_out("Stop messaging me.") and is_opt_out("别再发了")
    assert not is_opt_out("We are not interested.")


def test_acceptance():
    assert wrong(is_acceptance, ACCEPTS, NOT_ACCEPTS) == []


def test_principal_intent():
    rows = [line.split(" | ") for line in lines(INTENTS)]
    assert [
        (want, text, partner_intents(text)) for want, text in rows if partner_intents(text)[:1] != (want,)
    ] == []


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("It is 388 now; could you do 350?", 350),
        ("Platform B shows 358, could you do 352 for 06-18?", 352),
        ("Could you take 30 off?", 358),
        ("Would 10% off be possible?", 349),
        ("Could you lower the price a little?", None),
        ("388调到350可以吗？", 350),
        ("能不能便宜三十？", 358),
        ("Could you match the 358 of Platform B?", 358),
    ],
)
def test_the_price_that_is_asked_for(text, asked):
    read = read_agent(text, 388)
    assert read.ask and read.asked == asked


def test_language():
    assert detect_language("350 a night") == "en"
    assert detect_language("350一晚") == "zh"
    assert detect_language("OK 可以的") == "zh"
    assert detect_language("") == "en"


def test_bilingual_splits_only_at_the_top():
    assert split_alternatives(r"a|(b|c)|[|x]|\||[]|y]") == ["a", "(b|c)", "[|x]", r"\|", "[]|y]"]
    both = Bilingual(r"\bcat\b|猫|(?:dog|狗)")
    assert both.search("a cat") and both.search("一只猫") and both.search("狗")
    assert not both.search("concat")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=120))
def test_readers_never_raise(text):
    for reader in (is_ask, is_refusal, is_hard_refusal, is_acceptance, partner_intents):
        reader(text)
