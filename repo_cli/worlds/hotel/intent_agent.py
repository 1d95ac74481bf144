"""The intent-driven baseline: what the partner says is classified into one of a fixed set of intents, and each intent
has one template whose slots are filled from the brief.

It is what dialogue systems of this trade were before language models: correct where its classes fit, the same words
every time, no reason fitted to anybody. It sees the dialogue and the public scenario alone, and keeps no memory: the
same history gives the same reply, so it can also answer in the middle of a recorded dialogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from repo_cli.negotiation import SEVEN_STAGES, SOP, DialogueState, dialogue_state
from repo_cli.worlds.hotel.names import PLATFORM

Message = Mapping[str, Any]

#: The intents of the classifier, by the intent that the dialogue state reads from a message.
_CLASSES = {
    "O02": "no_authority", "O04": "fees", "O05": "busy", "O06": "who_are_you", "O07": "are_you_ai", "O09": "fees",
    "O13": "net_price", "O14": "opt_out", "O15": "complaint", "O16": "off_topic", "O17": "complaint", "O18": "unclear",
    "O10": "why_dearer", "question": "question",
}  # fmt: skip
#: Intents that end the talk, and are therefore answered before anything about prices.
_ENDINGS = ("opt_out", "busy", "no_authority")

TEMPLATES: dict[str, dict[str, str]] = {
    "en": {
        "greet": "Hello, this is the AI assistant of {platform}, about the price of your {room} for {first} to {last}. Is this a good time?",
        "check": "Thank you. Our system shows {current} CNY per night, {basis}. Is that correct?",
        "reason": "Thank you. {fact} May we talk about the price for {first} to {last}?",
        "ask": "Thank you for your answer. Could you offer {price} CNY per night for {first} to {last}?",
        "ask_again": "Thank you for your answer. Would {price} CNY per night for {first} to {last} be possible?",
        "accept": "Thank you. To confirm: {room}, {first} to {last}, {price} CNY per night, {basis}. Shall I submit this?",
        "condition": "Thank you, I have noted your condition. To confirm: {room}, {first} to {last}, {price} CNY per night. Shall I submit this?",
        "done": "Thank you. I will submit {price} CNY per night now, and you will see it in your back office. Goodbye.",
        "no_deal": "Thank you for your time. Nothing changes in your price. Goodbye.",
        "opt_out": "I understand. We will not write to you again about this. Goodbye.",
        "busy": "I understand. When may I write to you again?",
        "arranged": "Thank you, I will write to you then. Goodbye.",
        "no_authority": "I understand. Who decides on prices, and when can I reach them?",
        "fees": "I cannot change commission or pay a subsidy; I have noted your request. Could you consider the price for {first} to {last}?",
        "who_are_you": "This is the AI assistant of {platform}; you can check this in your back office, and nothing changes without your yes. May I go on?",
        "are_you_ai": "Yes, I am an AI assistant of {platform}. May I go on?",
        "net_price": "Thank you. I take {net} CNY as your net price. Which sell price per night would that be?",
        "complaint": "I am sorry. I have noted your complaint for the team in charge. May I go on about the price?",
        "off_topic": "I can only help with room prices. May we talk about the price for {first} to {last}?",
        "why_dearer": "{fact} I can check it again if it looks different on your side. What do you see?",
        "unclear": "I did not quite understand. What do you think about the price?",
        "question": "This is about the price of your {room} for {first} to {last}, now {current} CNY per night. How do you see it?",
        "competitor_price": "{who} shows {value} CNY for the night of {when}.",
        "search_count": "There were {value} searches for these nights.",
        "open_rooms": "{value} rooms are still open for these nights.",
    },
    "zh": {
        "greet": "您好，我是{platform}的智能助理，想跟您聊一下{room}{first}到{last}的房价，请问现在方便吗？",
        "check": "谢谢。系统显示现在每晚{current}元，{basis}，请问对吗？",
        "reason": "谢谢。{fact}{first}到{last}的价格可以谈谈吗？",
        "ask": "感谢您的回复。{first}到{last}每晚{price}元，您看可以吗？",
        "ask_again": "感谢您的回复。{first}到{last}每晚{price}元是否可以？",
        "accept": "谢谢。跟您确认：{room}，{first}到{last}，每晚{price}元，{basis}。可以提交吗？",
        "condition": "谢谢，您的条件已记录。跟您确认：{room}，{first}到{last}，每晚{price}元。可以提交吗？",
        "done": "谢谢。我现在提交每晚{price}元，您可以在后台看到。再见。",
        "no_deal": "感谢您的时间，价格不做任何变动。再见。",
        "opt_out": "明白，我们不会再为此事联系您。再见。",
        "busy": "明白。请问什么时候方便再联系您？",
        "arranged": "谢谢，到时候再联系您。再见。",
        "no_authority": "明白。请问价格由哪位负责，什么时候方便联系？",
        "fees": "佣金和补贴我这边没有权限，您的诉求已记录。{first}到{last}的价格您能考虑一下吗？",
        "who_are_you": "我是{platform}的智能助理，您可以在后台核实，没有您的同意不会做任何改动。可以继续吗？",
        "are_you_ai": "是的，我是{platform}的智能助理。可以继续吗？",
        "net_price": "谢谢。我按底价{net}元理解，请问对应的每晚卖价是多少？",
        "complaint": "非常抱歉，您的问题已记录并转给负责的同事。可以继续谈价格吗？",
        "off_topic": "我只能处理房价相关的问题。{first}到{last}的价格可以谈谈吗？",
        "why_dearer": "{fact}如果您那边看到的不一样，我可以再核对。您看到的是多少？",
        "unclear": "不好意思，没太明白。价格方面您怎么看？",
        "question": "想跟您聊的是{room}{first}到{last}的价格，现在每晚{current}元，您怎么看？",
        "competitor_price": "{who}{when}显示{value}元。",
        "search_count": "这几晚有{value}次搜索。",
        "open_rooms": "这几晚还有{value}间空房。",
    },
}  # fmt: skip

_SAID = {
    "en": {"when": r"When may I write", "who": r"Who decides on prices", "check": r"shows \S+ CNY per night", "recap": r"Shall I submit this"},
    "zh": {"when": r"什么时候方便再联系", "who": r"价格由哪位负责", "check": r"系统显示现在每晚", "recap": r"可以提交吗"},
}  # fmt: skip


class IntentAgent:
    """`reply(history)` is a pure function of the history and the public scenario."""

    def __init__(self, scenario: Mapping[str, Any], sop: SOP = SEVEN_STAGES) -> None:
        self.scenario, self.sop = scenario, sop
        self.language = scenario["language"]

    def reply(self, history: Sequence[Message]) -> str:
        """The template of the intent of the partner's last message."""
        state = dialogue_state(list(history), dict(self.scenario), self.sop)
        name, price = self.choose(history, state)
        return self._fill(name, price, state)

    def classify(self, state: DialogueState) -> str:
        """The intent of the partner's last message, as this system's classifier has it."""
        if state.hard_refusal or state.opted_out:
            return "opt_out"
        return _CLASSES.get(state.partner_intent, "other")

    def choose(self, history: Sequence[Message], state: DialogueState) -> tuple[str, float | None]:
        """(template, the price in it)."""
        mine = [str(m["content"]) for m in history if m["role"] == "assistant"]
        if not mine:
            return "greet", None
        intent, acceptable = self.classify(state), float(self.scenario["acceptable_price"])
        if intent == "opt_out":
            return "opt_out", None
        if self._said("when", mine[-1:]) or self._said("who", mine[-1:]):
            return "arranged", None
        if intent in _ENDINGS and state.agreed_price is None:
            return intent, None
        agreed = state.agreed_price
        if agreed is not None and agreed <= acceptable:
            if self._said("recap", mine[-1:]) and state.partner_intent != "O12":
                return "done", agreed
            return ("condition" if state.partner_intent == "O12" else "accept"), agreed
        offer = state.partner_offer if state.partner_offer_open else None
        if offer is not None and offer <= acceptable and intent != "net_price":
            return "accept", offer
        if state.refusals >= 2:
            return "no_deal", None
        answer = TEMPLATES[self.language].get(intent)
        if answer and not self._repeats(intent, mine):
            return intent, None
        return self._next_step(mine, state)

    def _next_step(self, mine: list[str], state: DialogueState) -> tuple[str, float | None]:
        """The script, where nothing was asked or said that has a template of its own."""
        if not self._said("check", mine):
            return "check", None
        target, acceptable = float(self.scenario["target_price"]), float(self.scenario["acceptable_price"])
        asked = len(state.agent_prices)
        if asked == 0 and not any(self._fact() in text for text in mine):
            return "reason", None
        if asked == 0:
            return "ask", target
        if asked == 1 and state.asks < int(self.scenario["max_asks"]):
            return "ask_again", acceptable
        return "no_deal", None

    def _said(self, what: str, texts: Sequence[str]) -> bool:
        return any(re.search(_SAID[self.language][what], text) for text in texts)

    def _repeats(self, name: str, mine: Sequence[str]) -> bool:
        """A template is used once: after that the script goes on."""
        head = re.split(r"\{", TEMPLATES[self.language][name], maxsplit=1)[0] or self._fact()
        return any(text.startswith(head) for text in mine)

    def _fact(self) -> str:
        fact = self.scenario["facts"][0]
        return TEMPLATES[self.language][fact["type"]].format(**{"who": "", "when": "", **fact})

    def _fill(self, name: str, price: float | None, state: DialogueState) -> str:
        s = self.scenario
        basis = str(s["price_basis"]).removeprefix("sell, per night, ").removeprefix("卖价，每晚，")
        return TEMPLATES[self.language][name].format(
            platform=PLATFORM[self.language], room=s["room_type"], first=s["dates"][0], last=s["dates"][1],
            current=s["current_price"], basis=basis, fact=self._fact() + (" " if self.language == "en" else ""),
            price=_plain(price), net=_plain(state.partner_net),
        ).replace("  ", " ")  # fmt: skip


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
