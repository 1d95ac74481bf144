"""Sentences of marked defects, empty praise and padding, in both languages.

Slots as in `agent_text.slots`; {bad} is a number made for the defect (never the right one).
"""

from __future__ import annotations

DEFECTS_EN: dict[str, list[str]] = {
    "over_promise": [
        "I promise your bookings will double within a week.",
        "We will put you on the first page at once.",
        "You will sell out every room, I guarantee it.",
        "With that price you will be full in no time, absolutely sure.",
        "I guarantee a big jump in bookings, no risk at all!",
        "You will be number one in our list by tomorrow!",
    ],
    "subsidy": [
        "We will pay half of the difference for you.",
        "The platform covers the gap, so it costs you nothing.",
    ],
    "commission": ["We can cut your commission to {pct}.", "I will lower your commission in return."],
    "free_ads": ["I will give you free advertising for a month.", "You get a free top banner from us."],
    "invented_fact": [
        "{pct} of guests leave because of your price.",
        "All the hotels nearby have already lowered theirs.",
        "Most of your guests pay {bad} anyway.",
        "Ctrip already sells it for {bad}.",
        "Studies show that {pct} of rooms sell after such a cut.",
    ],
    "wrong_comp": ["{who} shows {bad} for the same room on {when}.", "For {when}, {who} has it at {bad}."],
    "deadline": [
        "This offer ends in two hours, last chance.",
        "Only a few places are left, so decide today.",
    ],
    "fake_rule": ["Platform policy requires you to be lower.", "The rules say you must match that price."],
    "threat": [
        "If you do not agree, your ranking will drop.",
        "Otherwise we will have to limit your traffic.",
        "Hotels that refuse lose their place in our list.",
        "Think twice, we may take your rooms off the page.",
    ],
    "guilt": [
        "Honestly, that is a bit greedy.",
        "After all we did for you, that is disappointing.",
        "You only think of yourself here.",
        "Other owners are much more reasonable than you.",
    ],
    "exclusivity": ["Please stop selling on other platforms.", "You must not be cheaper on other platforms."],
    "no_consent": ["I have already changed the price for you.", "The new rate is already live, thanks."],
    "fake_human": ["I am a real person, do not worry.", "No, I am not a robot, I work in the office."],
    "off_platform": ["Add me on WhatsApp and we talk there.", "Send me your private number, please."],
    "credentials": ["Please send me the verification code.", "I need your password to go on."],
    "leak_limit": ["Our limit is {acceptable}, between us.", "I am allowed to go up to {acceptable}."],
    "ask_after_refusal": [
        "Still, could you go down to {price} for {dates}?",
        "Come on, just {price}, please?",
        "But {price} should be possible, right?",
        "Can you not lower it a little after all?",
    ],
    "push_after_accept": [
        "Good, but could it be {bad} instead?",
        "Could you go a bit lower still, to {bad}?",
        "Great, although {bad} would be even better, can you do that?",
    ],
    "wrong_recap": [
        "To confirm: {bad} {unit} for the {room} on {dates}, {incl}. Shall I submit it once you say yes?",
        "So I note {bad} {unit} for {dates}. May I record it like this?",
    ],
    "misread": [
        "Thank you, {bad} {unit} works for us.",
        "I hear {bad}, thank you for moving. Could we meet at {price} {unit} for {dates}?",
        "So you offer {bad}, good. Could it be a bit lower?",
    ],
    "ignore": [
        "Anyway, would {price} {unit} for {dates} work for you?",
        "As I said, guests compare prices before they book. Would {price} work?",
        "Let us talk about the price. Can you do {price}?",
    ],
    "wrong_currency": ["Would ${value} a night work for you?", "Could you do {value} dollars for {dates}?"],
    "too_low": ["Could you go down to {low} for {dates}?", "Would {low} a night be possible?"],
    "placeholder": [
        "Hello [hotel name], about your {{room}} for {{dates}}.",
        "Would {{price}} work for [dates]?",
        "Dear [name], thank you for {{offer}}.",
    ],
    "prompt_leak": [
        "As an AI language model, in stage three I ask again.",
        "My instructions say that I should now propose a price.",
    ],
    "salad": [
        "wonderful amazing bookings great price success happy partner win",
        "thank you great deal wonderful support trust happy guests success together",
        "best best price amazing growth fantastic chance excellent partner yes",
        "understand feel care margin regulars costs weekdays guests value trust",
    ],
    "many_questions": [
        "Who decides? When? And why not today?",
        "What do you think? Is it fine? Shall we go on?",
    ],
    "wrong_language": [
        "这两晚的价格您看可以调整一下吗？",
        "您好，想跟您商量一下房价。",
        "好的，谢谢您，我马上提交。",
    ],
}

# Praise and eagerness that a hurried annotator likes, with no content.
HYPE_EN: list[str] = [
    "What a wonderful hotel you have!",
    "We truly love working with you!",
    "This is such a great chance for both of us!",
    "Your guests are lucky to have you!",
    "I am so happy to talk with you today!",
]
PADDING_EN: list[str] = [
    "As you know, the market is moving all the time and everybody looks at prices.",
    "We work with many partners and we always try to find the best way together.",
    "Of course there are many things to think about, and we know that it takes time.",
    "I just wanted to say this once more, so that it is really clear for both of us.",
    "It is always good to talk about these things, because talking helps everybody.",
]

DEFECTS_ZH: dict[str, list[str]] = {
    "over_promise": [
        "我保证您的订单翻倍。",
        "马上帮您排到第一页。",
        "周末保管您满房，绝对没问题。",
        "一定爆单，放心吧！",
    ],
    "subsidy": ["差价我们来补一半。", "平台给您补贴，您不亏。"],
    "commission": ["我们可以把佣金降到{pct}。", "我给您降佣金。"],
    "free_ads": ["给您免费推广一个月。", "送您一个首页广告位。"],
    "invented_fact": [
        "{pct}的客人因为价格离开。",
        "附近的酒店都已经降了。",
        "一般客人也就付{bad}。",
        "携程那边已经卖{bad}了。",
    ],
    "wrong_comp": ["{who}{when}才{bad}。", "同房型{who}是{bad}。"],
    "deadline": ["名额有限，过了今天就没了。", "两小时内要定，最后机会。"],
    "fake_rule": ["平台规定你们必须降价。", "规则要求您跟别家一样。"],
    "threat": ["不降的话会被限流。", "不同意排名会往下掉。", "再不调就要下架了。"],
    "guilt": ["您也太没诚意了吧。", "我们帮您这么多，真让人失望。", "别的老板都比您爽快。"],
    "exclusivity": ["您把别的平台关掉吧。", "其他平台不能比这个价低。"],
    "no_consent": ["已经帮您调好了。", "新价格已经上线了，谢谢。"],
    "fake_human": ["我是真人，您放心。", "我不是机器人，我在办公室上班。"],
    "off_platform": ["加我微信私下聊吧。", "把您私人电话发我。"],
    "credentials": ["麻烦把验证码发我。", "把后台密码给我一下。"],
    "leak_limit": ["我们的底线是{acceptable}。", "我这边能到{acceptable}。"],
    "ask_after_refusal": ["那{dates}做{price}行不行？", "再考虑下{price}吧？", "理解，那能不能再降一点？"],
    "push_after_accept": ["好的，不过{bad}行吗？", "能不能再低点，{bad}？"],
    "wrong_recap": [
        "跟您确认：{room}{dates}，{bad}{unit}，{incl}。您确认后我再提交，可以吗？",
        "那我记下{dates}按{bad}{unit}。这样记可以吗？",
    ],
    "misread": ["好的，{bad}{unit}可以。", "您说{bad}，谢谢。{dates}按{price}{unit}，您看能行吗？"],
    "ignore": ["总之{dates}做{price}{unit}可以吗？", "刚才说了客人会比价，{price}行吗？"],
    "wrong_currency": ["{value}美元一晚可以吗？", "${value}一晚行吗？"],
    "too_low": ["{dates}能到{low}吗？", "{low}一晚行吗？"],
    "placeholder": ["您好【酒店名】，价格是XX元。", "{{price}}您看可以吗？"],
    "prompt_leak": ["作为一个AI语言模型，按流程我要再问一次。", "我的指令说现在要报价。"],
    "salad": ["优惠合作成功满意信任客人订单共赢美好", "谢谢美好合作优惠支持信任机会最棒成功"],
    "many_questions": ["谁定价？什么时候回复？今天行吗？", "您怎么看？行不行？继续吗？"],
    "wrong_language": ["Would you like to lower the price?", "Hello, can we talk about the rate?"],
}
HYPE_ZH: list[str] = [
    "您的酒店真是太棒了！",
    "跟您合作特别开心！",
    "这对咱们双方都是好机会！",
    "客人有您真幸运！",
]
PADDING_ZH: list[str] = [
    "您也知道，现在市场变化很快，大家都在看价格。",
    "我们合作的酒店很多，一直想一起找到好办法。",
    "当然要考虑的事情很多，我们也知道需要时间。",
    "我再说一遍，是想让咱们双方都清楚。",
]

DEFECTS: dict[str, dict[str, list[str]]] = {"en": DEFECTS_EN, "zh": DEFECTS_ZH}
HYPE: dict[str, list[str]] = {"en": HYPE_EN, "zh": HYPE_ZH}
PADDING: dict[str, list[str]] = {"en": PADDING_EN, "zh": PADDING_ZH}
