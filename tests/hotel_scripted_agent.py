"""A small scripted agent for self-play tests of the hotel world: polite, one generic reason, reads D's prices only.

Two manners: "plain" gives generic reasons, "fitted" names the concern it hears and a date limit.
"""

from __future__ import annotations

import re
import time
from typing import Any

from repo_cli.negotiation import read_prices
from repo_cli.worlds.base import Message, out_of_turns

HEARD = {
    "margin": r"profit|cost|margin|wages|net\b|loss|利润|成本|亏|底价|到手|结算|赚|布草",
    "regulars": r"regular|loyal|image|cheated|old rate|certain level|cheap rate|already paid|老客|档次|品牌|常住|定位|掉下去|已经订",
    "no_effect": r"last time|nothing happened|no difference|not a single|stayed empty|brought us|still no guests|extra booking|上次|没用|没来|没效果|空着|没见|没人订|作用|都没来",
    "peak": r"season|fill|by themselves|be full|travelling then|event|demand|sell out|ringing|busy period|旺|满|卖完|不愁|活动|问的人|电话都",
    "fees": r"commission|fee|cut\b|slice|half|cover|chipping|subsidy|who pays|share|pay the difference|what do you put|give what|佣金|抽|补贴|差价|谁来出|分担|出什么|让利",
    "distrust": r"scam|fake|trust|fishy|strangers|really from|trick|real\?|who you say|changing|changed|behind my back|moved my price|asked me|change it anyway|骗|证明|核实|冒充|乱改|调价|诈|改了|真的|真是平台|变了|信不过|改价|自己改",
}
SAY = {
    "en": {
        "margin": "I understand that your costs leave little margin.",
        "regulars": "I see why your regular guests matter here.",
        "no_effect": "I am sorry the last time brought no bookings.",
        "peak": "You are right, the season is strong for those dates.",
        "fees": "I hear you on the commission, that is outside what I can change.",
        "distrust": "Good to be careful; you can check me in your back office, and nothing changes without your yes.",
        "any": "I understand.",
    },
    "zh": {
        "margin": "理解，成本确实压得紧。",
        "regulars": "明白，老客的感受很重要。",
        "no_effect": "抱歉，上次降了没带来订单。",
        "peak": "您说得对，旺季房确实好卖。",
        "fees": "理解，佣金的事我没有权限，可以反馈。",
        "distrust": "您谨慎是对的，可以在后台核实我，没有您的同意什么都不会改。",
        "any": "理解您的意思。",
    },
}


class ScriptedAgent:
    """Plays domain.md's flow S1..S7 with fixed wording."""

    def __init__(self, scenario: dict[str, Any], fitted: bool) -> None:
        self.sc, self.fitted, self.step, self.asked, self.agreed = scenario, fitted, 0, 0, None
        self.answered: set[str] = set()
        self.offer: float | None = None

    def reply(self, partner: str | None) -> str:
        sc, en = self.sc, self.sc["language"] == "en"
        d1, d2 = sc["dates"]
        low = (partner or "").lower()
        unit = (lambda v: f"{v} CNY") if en else (lambda v: f"{v}元")
        if self.step == 0:
            self.step = 1
            return (
                f"Hello, I am the AI assistant of Tripway, about the {sc['room_type']} for {d1} to {d2}. Is this a good time?"
                if en
                else f"您好，我是途悦的智能助理，想聊下{sc['room_type']}{d1}到{d2}的房价，现在方便吗？"
            )
        if self.agreed is not None:
            if self.step == 9:
                return (
                    "Thank you for your time, I will submit it. Goodbye."
                    if en
                    else "谢谢您，我这就提交，再见。"
                )
            self.step = 9
            return (
                f"To confirm: {sc['room_type']}, {d1} to {d2}, {unit(self.agreed)} per night. Is that right?"
                if en
                else f"跟您确认一下：{sc['room_type']}，{d1}到{d2}，每晚{unit(self.agreed)}，对吗？"
            )
        if re.search(
            r"robot|machine|bot\b|real person|computer|automatic|human at all|are you an ai|机器|真人|人工智能|自动回复|对面是人|电脑",
            low,
        ):
            return "Yes, I am an AI assistant of the platform." if en else "是的，我是平台的智能助理。"
        if re.search(r"review|complain|photos|ticket|refund|差评|投诉|工单|照片|问题谁|退款", low):
            return (
                "Sorry about that, I will log it for the team that handles it."
                if en
                else "抱歉，我先登记，请负责的同事跟进。"
            )
        if re.search(
            r"(stop|don't|off your list|leave me alone|别再|不要再|不用找|名单|别烦)", low
        ) and re.search(r"messag|contact|writ|call|list|alone|发|联系|找|名单|烦", low):
            return "Understood, I will not contact you again. Goodbye." if en else "明白，不再打扰您，再见。"
        if re.search(
            r"owner|manager|front desk|on shift|pay grade|touch the rates|no say|not allowed|can't decide|前台|定不了|经理管|值班|不管价格|老板|没权限|改价的权限",
            low,
        ):
            return self._owner(en)
        if (
            re.search(
                r"busy|waiting|check-in|bad moment|in the middle|hands are full|swamped|no time|queue|can't do this now|忙|没空|不方便|回头再|没时间|排着队|客人等",
                low,
            )
            and self.asked == 0
        ):
            return self._later(en)
        if self.step in (20, 30) or "step" == "closed":
            return "Thank you, I will write then. Goodbye." if en else "好的，到时候联系您，再见。"
        accepted = self._accepted(partner, low)
        if accepted is not None:
            self.agreed = accepted
            return self.reply(partner)
        if self.offer is not None and self.offer <= sc["acceptable_price"]:
            self.agreed, self.step = self.offer, 8
            return (
                f"Thank you, {unit(self.offer)} works for us."
                if en
                else f"谢谢，{unit(self.offer)}我们可以接受。"
            )
        if self.step == 1:
            self.step = 2
            return (
                f"Thank you. I see {unit(sc['current_price'])} per night now. Is that correct?"
                if en
                else f"谢谢，现在是每晚{unit(sc['current_price'])}，对吗？"
            )
        if self.step == 2:
            self.step = 3
            return self._reason(en, unit)
        if self.asked >= 3 or (self.asked >= 2 and re.search(r"\bno\b|keeping|stay|不降|不行|不动", low)):
            return (
                "I understand, everything stays as it is. Thank you for your time, goodbye."
                if en
                else "理解，那就一切照旧，不打扰了，再见。"
            )
        return self._ask(en, unit, low)

    def _accepted(self, partner: str | None, low: str) -> float | None:
        prices = [
            p.value
            for p in read_prices(
                partner or "", language=self.sc["language"], current=self.sc["current_price"]
            )
            if p.kind == "price" and isinstance(p.value, (int, float))
        ]
        last = getattr(self, "last_ask", None)
        if (
            last is not None
            and (last in prices or not prices)
            and re.search(
                r"\b(ok|fine|deal|agreed?|yes|all right|works|live with|good, then)\b|行|好|可以|成|同意|没问题|那就",
                low,
            )
        ):
            return last
        new = [p for p in prices if p != self.sc["current_price"] and 0.6 < p / self.sc["current_price"] < 1]
        if new:
            self.offer = new[-1]
        return None

    def _reason(self, en: bool, unit: Any) -> str:
        fact = self.sc["facts"][0]
        if fact["type"] == "competitor_price":
            text = (
                f"{fact['who']} shows {unit(fact['value'])} for the same room on {fact['when']}. How do you see it?"
                if en
                else f"{fact['who']}同房型{fact['when']}显示{unit(fact['value'])}，您怎么看？"
            )
        elif fact["type"] == "search_count":
            text = (
                f"There were {fact['value']} searches for these nights. How do you see it?"
                if en
                else f"这几晚有{fact['value']}次搜索，您怎么看？"
            )
        else:
            text = (
                f"There are {fact['value']} rooms still open for these nights. How do you see it?"
                if en
                else f"这几晚还有{fact['value']}间空房，您怎么看？"
            )
        return text

    def _ask(self, en: bool, unit: Any, low: str) -> str:
        sc = self.sc
        steps = (
            sc["target_price"],
            (sc["target_price"] + sc["acceptable_price"]) // 2,
            sc["acceptable_price"],
        )
        price = steps[min(self.asked, 2)]
        self.asked += 1
        self.last_ask = price
        heard = (
            next((name for name, cue in HEARD.items() if re.search(cue, low)), "any")
            if self.fitted
            else "any"
        )
        lead = SAY["en" if en else "zh"][heard]
        only = ("only for these nights " if en else "只限这几晚，") if self.fitted else ""
        if en:
            return f"{lead} Would {unit(price)} per night {only}from {sc['dates'][0]} to {sc['dates'][1]} be possible?"
        return f"{lead}{sc['dates'][0]}到{sc['dates'][1]}{only}每晚{unit(price)}，您看可以吗？"

    def _owner(self, en: bool) -> str:
        self.step = {20: 21, 21: 22}.get(self.step, 20)
        if self.step == 20:
            return (
                "Of course. Who decides on prices, and when can I reach them?"
                if en
                else "好的，请问谁负责价格，什么时候方便？"
            )
        return (
            "Please pass it on, thank you for your time. Goodbye."
            if en
            else "麻烦您转告，谢谢您的时间，再见。"
        )

    def _later(self, en: bool) -> str:
        self.step = 30
        return (
            "Of course, sorry to disturb. When would suit you better?"
            if en
            else "好的，抱歉打扰，您什么时候方便？"
        )


def play(world: Any, scenario: dict[str, Any], seed: int, fitted: bool = True, max_turns: int = 12):
    """One dialogue; returns (history, outcome, seconds spent by the partner, agent turns)."""
    partner, agent = world.counterpart(scenario, seed), ScriptedAgent(scenario, fitted)
    history: list[Message] = [world.system_message(scenario)]
    text = partner.open()
    if text:
        history.append({"role": "user", "content": text})
    spent = 0.0
    for number in range(1, max_turns + 1):
        history.append({"role": "assistant", "content": agent.reply(text)})
        start = time.process_time()
        turn = partner.reply(history)
        spent += time.process_time() - start
        history.append({"role": "user", "content": turn.text})
        text = turn.text
        if turn.ended:
            return history, turn.outcome, spent, number
    return history, out_of_turns(history), spent, max_turns
