"""The oracle's own walk through a dialogue: what has been said, asked, offered, refused and agreed so far."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from repo_cli.worlds.hotel.oracle_cues import MOVES_EN, MOVES_ZH, compiled
from repo_cli.worlds.hotel.oracle_numbers import Figure
from repo_cli.worlds.hotel.oracle_read import PartnerReading, ReplyReading

_MOVES = {"en": compiled(MOVES_EN), "zh": compiled(MOVES_ZH, re.I)}
_OTHER_SELLER = re.compile(
    r"platform [a-z]\b|(?:another|other|the other) (?:platform|channel|site)|elsewhere|平台[A-Za-z]|(?:别的|其他|另一个)(?:平台|渠道)"
)
_DELTA = re.compile(
    r"\bby (?:about )?\d|\d+ ?(?:yuan|cny|rmb)? (?:less|off|lower|down|cheaper)|(?:降|便宜|少|让|优惠)\D{0,3}\d"
)

#: Concerns a partner can be comforted about; authority, busy and distrust are dealt with by acting.
TALK_CONCERNS = frozenset({"margin", "regulars", "no_effect", "peak", "fees"})


@dataclass
class State:
    """What the dialogue has come to before the next agent turn."""

    scenario: dict[str, Any]
    current: float
    acceptable: float
    agent_turns: int = 0
    asks: int = 0
    vague_asks: int = 0
    evidence_given: int = 0
    refusals: int = 0
    opted_out: bool = False
    handover: bool = False
    callback: bool = False
    ask_prices: list[float] = field(default_factory=list)
    partner_numbers: set[float] = field(default_factory=set)
    partner_text: str = ""
    offer: float | None = None
    in_range_offered: bool = False
    agreed: float | None = None
    explicit_yes: bool = False
    standing: tuple[str, float] | None = None
    voiced: list[str] = field(default_factory=list)
    asked_when: bool = False
    earlier: list[ReplyReading] = field(default_factory=list)

    @classmethod
    def start(cls, scenario: dict[str, Any]) -> State:
        """The state before anything is said."""
        return cls(scenario, float(scenario["current_price"]), float(scenario["acceptable_price"]))

    def hear(self, partner: PartnerReading) -> str:
        """Takes in the partner's message and names what it calls for (see oracle_moves.FITS)."""
        self.partner_text += " " + partner.text
        self.partner_numbers |= partner.numbers
        if partner.offer is not None:
            self.partner_numbers.add(partner.offer)
        for concern in sorted(partner.concerns):
            if concern not in self.voiced:
                self.voiced.append(concern)
        need = self._need(partner)
        if need == "optout":
            self.opted_out = True
        if need in ("refusal", "enough"):
            self.refusals += 1
            if self.refusals >= 2 or self.asks >= int(self.scenario.get("max_asks", 3)):
                need = "enough"
        elif "refuse" in partner.intents and need in (
            "are_ai",
            "suspicious",
            "forced",
            "complaint",
            "why_dearer",
            "objection",
        ):
            self.refusals += 1
        self.handover |= need == "handover"
        self.callback |= need == "callback"
        if need in ("offer_in", "offer_out", "conditional") and partner.offer is not None:
            self.offer = partner.offer
            self.in_range_offered |= partner.offer <= self.acceptable
        if need in ("confirm", "conditional") and self.standing:
            self.agreed = self.standing[1] if partner.offer is None else partner.offer
        if need == "close_deal" and self.standing:
            self.agreed, self.explicit_yes = self.standing[1], True
        return need

    def _need(self, partner: PartnerReading) -> str:
        intents = partner.intents
        lower_offer = partner.offer is not None and partner.offer < self.current
        if "opt_out" in intents:
            return "optout"
        if self.agent_turns == 0:
            return "open"
        yes = "accept" in intents and "refuse" not in intents and not (partner.question and not lower_offer)
        if "conditional" in intents and (yes or lower_offer or (self.standing and "accept" in intents)):
            return "conditional"
        if partner.net is not None:
            return "net"
        if lower_offer and "who_pays" not in intents:
            return self._price_need(partner, yes)
        if yes and self.standing and not (intents & {"soft"} and not _plain_yes(partner)):
            return "close_deal" if self.standing[0] == "recap" else "confirm"
        for intent, need in (
            ("are_ai", "are_ai"), ("forced", "forced"), ("complaint", "complaint"), ("suspicious", "suspicious"),
            ("no_authority", "handover"), ("busy", "callback"), ("who_pays", "who_pays"),
        ):  # fmt: skip
            if intent in intents and not (need == "who_pays" and "refuse" in intents):
                return need
        if self.asked_when and "refuse" not in intents and not partner.question:
            return "arranged"
        if "refuse" in intents and not ("why_dearer" in intents and partner.question):
            return "refusal"
        if "off_topic" in intents:
            return "off_topic"
        if "annoyed" in intents and not partner.concerns & TALK_CONCERNS:
            return "annoyed"
        return self._talk_need(partner)

    def _talk_need(self, partner: PartnerReading) -> str:
        intents = partner.intents
        if partner.concerns & TALK_CONCERNS and not intents & {"ask_price"}:
            return "objection"
        for intent in ("why_dearer", "ask_price", "ask_why", "ask_what", "silence"):
            if intent in intents:
                return intent
        if partner.offer is not None and partner.offer >= self.current and self.agent_turns > 1:
            return "objection"
        return "advance"

    def _price_need(self, partner: PartnerReading, yes: bool) -> str:
        offer = partner.offer
        if self.standing and offer == self.standing[1]:
            if self.standing[0] == "recap" and (yes or "refuse" not in partner.intents):
                return "close_deal" if yes else "confirm"
            return "confirm"
        return "offer_in" if offer is not None and offer <= self.acceptable else "offer_out"

    def figures_asked(self, reply: ReplyReading, need: str) -> list[float]:
        """The prices that the reply asks the hotel for (not those it quotes, recaps or accepts)."""
        asked: list[float] = []
        moves = _MOVES[reply.fluency.language]
        for figure in reply.numbers.figures:
            if self.is_quote(figure) or figure.value == self.current:
                continue
            if figure.value in (self.offer, self.agreed) or not moves["propose"].search(figure.sentence):
                continue
            recapping = need in ("offer_in", "confirm", "conditional", "close_deal", "net")
            if recapping and (
                moves["recap"].search(figure.sentence) or moves["ask_submit"].search(figure.sentence)
            ):
                continue
            if figure.value < 0.4 * self.current:
                if _DELTA.search(figure.clause):
                    asked.append(self.current - figure.value)
                continue
            asked.append(figure.value)
        return asked

    def vague_ask(self, reply: ReplyReading) -> bool:
        """Whether the reply asks for a lower price without naming one."""
        moves = _MOVES[reply.fluency.language]
        return any(
            s.rstrip().endswith(("?", "？")) and moves["propose"].search(low) and moves["lower"].search(low)
            for s in reply.fluency.sentences
            for low in (s.lower(),)
        )

    def is_quote(self, figure: Figure) -> bool:
        """Whether the figure is given as another seller's price."""
        who = [str(f.get("who", "")).lower() for f in self.scenario.get("facts", []) if f.get("who")]
        return bool(_OTHER_SELLER.search(figure.clause)) or any(name in figure.clause.lower() for name in who)

    def quotes_evidence(self, reply: ReplyReading) -> bool:
        """Whether the reply gives a sourced fact of the brief, with its number."""
        comp = {
            float(f["value"]) for f in self.scenario.get("facts", []) if f.get("type") == "competitor_price"
        }
        other = {
            int(f["value"]) for f in self.scenario.get("facts", []) if f.get("type") != "competitor_price"
        }
        if any(self.is_quote(f) and f.value in comp for f in reply.numbers.figures):
            return True
        return any(n in other for n, _ in reply.numbers.counts)

    def speak(self, reply: ReplyReading, need: str) -> None:
        """Takes in the agent's reply."""
        asked = self.figures_asked(reply, need)
        self.agent_turns += 1
        self.asks += bool(asked)
        self.vague_asks += not asked and self.vague_ask(reply)
        self.ask_prices += asked
        self.evidence_given += self.quotes_evidence(reply)
        self.standing = None
        if asked:
            self.standing = ("ask", asked[-1])
        elif need in ("offer_in", "offer_out", "confirm", "conditional", "net", "close_deal"):
            prices = [
                f.value for f in reply.numbers.figures if not self.is_quote(f) and f.value != self.current
            ]
            wanted = self.offer if self.offer is not None else self.agreed
            if prices and reply.moves & {"recap", "accept", "ask_submit"}:
                price = wanted if wanted in prices else prices[0]
                self.standing = ("recap", price)
                self.agreed = price
        self.asked_when = need in ("handover", "callback") and (
            "who_when" in reply.moves or "when" in reply.moves
        )
        self.earlier.append(reply)


def _plain_yes(partner: PartnerReading) -> bool:
    return len(partner.text) < 40 and bool(
        re.match(r"\W*(?:yes|ok|sure|fine|agreed|deal|好|可以|行)", partner.text.lower())
    )
