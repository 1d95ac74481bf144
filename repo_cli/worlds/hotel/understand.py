"""How the hotelier understands an agent reply: `read_agent_reply(reply, history, scenario) -> AgentAct`.

It reads for language at large, not for the corpus: prices through the shared price reader, each given a
role by the clause it stands in (`understand_prices`), everything else by cues (`understand_en`,
`understand_zh`) with denials switched off ("I cannot promise" is no promise). A reply costs well under a
millisecond.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

from repo_cli.worlds.hotel import understand_en, understand_zh
from repo_cli.worlds.hotel.cue_set import CueSet
from repo_cli.worlds.hotel.names import CLASS_KEY, EN_ROOMS, ZH_ROOMS
from repo_cli.worlds.hotel.understand_form import is_garbled, off_language, same_text
from repo_cli.worlds.hotel.understand_prices import PriceRoles, price_roles, read_dates

Message = dict[str, Any]

TACTICS = (
    "threat",
    "exclusive",
    "promise",
    "pays",
    "deadline",
    "fake_rule",
    "social_proof",
    "insult",
    "secrets",
    "off_platform",
    "done",
    "human",
    "meta",
)


@dataclass
class AgentAct:
    """What the hotelier takes from one reply. Prices are per night, None where none was named."""

    text: str = ""
    asks_price: float | None = None
    vague_ask: bool = False
    accepts: float | None = None
    accepts_any: bool = False  # words of agreement without a number
    recap_price: float | None = None
    recap: bool = False
    competitor_price: float | None = None
    current_claim: float | None = None
    other_prices: tuple[float, ...] = ()
    dates: tuple[str, ...] = ()
    wrong_dates: bool = False
    wrong_room: str | None = None
    reasons: frozenset[str] = frozenset()  # comparison, demand, class, date_limit, choice
    concerns: frozenset[str] = frozenset()  # root concerns whose words are used
    empathy: bool = False
    questions: int = 0
    question: str | None = None  # who_decides, callback, facts_check, recap, opinion, time_ok, ask, other
    tactics: frozenset[str] = frozenset()
    identity: str | None = None  # ai, human, platform
    verify: bool = False
    scope: bool = False
    complaint: bool = False
    closes: bool = False
    callback: bool = False
    handover: bool = False
    thanks: bool = False
    garbled: bool = False
    off_language: bool = False
    repeats: bool = False
    words: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether the reply asks for a lower price, with a number or without."""
        return self.asks_price is not None or self.vague_ask

    @property
    def class_reason(self) -> bool:
        """Whether a reason fitted to the class of the hotel is given."""
        return "class" in self.reasons

    @property
    def coercion(self) -> bool:
        """Threats and demands against the hotel's freedom to sell elsewhere."""
        return bool(self.tactics & {"threat", "exclusive"})

    @property
    def over_promise(self) -> bool:
        """Promises of results, or of money that the platform did not offer."""
        return bool(self.tactics & {"promise", "pays"})


class _Lexicon:
    """The compiled cues of one language."""

    def __init__(self, source: ModuleType) -> None:
        self.cues = {name: re.compile(pattern) for name, pattern in source.CUES.items()}
        self.negatable = {name: re.compile(pattern) for name, pattern in source.NEGATABLE.items()}
        self.classes = {name: re.compile(pattern) for name, pattern in source.CLASS_REASONS.items()}
        self.cue_set = CueSet(source.CUES)
        self.negatable_set = CueSet(source.NEGATABLE)
        self.concern_set = CueSet(source.CONCERNS)
        self.denial = re.compile(source.DENIAL)
        self.rooms = re.compile(source.ROOM_WORDS)

    def asserted(self, name: str, text: str) -> bool:
        """Whether a negatable cue occurs outside a denial of its own clause."""
        for match in self.negatable[name].finditer(text):
            start = max(text.rfind(mark, 0, match.start()) for mark in _CLAUSE_MARKS) + 1
            if not self.denial.search(text, start, match.start()) and not self._inner_denial(
                name, match.group()
            ):
                return True
        return False

    def _inner_denial(self, name: str, found: str) -> bool:
        """A denial inside the match ("ranking will not drop"); cues made of denials themselves are exempt."""
        if name in ("exclusive", "human", "insult", "deadline"):
            return False
        if name in ("promise", "threat") and _OWN_DENIAL.search(found):
            return False
        return bool(self.denial.search(found))


_CLAUSE_MARKS = ".!?,;:。！？，；：\n"
_OWN_DENIAL = re.compile(
    r"never|no risk|nothing to lose"
    r"|不再|再也不|不会|没有(?:任何)?风险|不(?:降|同意|配合|调|答应|改)|don'?t (?:blame|be)|别怪"
)


@lru_cache(maxsize=2)
def _lexicon(language: str) -> _Lexicon:
    return _Lexicon(understand_en if language == "en" else understand_zh)


def read_agent_reply(
    reply: str,
    history: list[Message],
    scenario: dict[str, Any],
    offer: float | None = None,
    agreed: float | None = None,
) -> AgentAct:
    """Reads one reply of the agent.

    `history` is the dialogue before the reply; `offer` is the hotel's standing price and `agreed` the
    price both have said yes to, when the caller knows them: they only help to tell an acceptance from an
    ask.
    """
    language = scenario["language"]
    text = _normal(reply)
    words = len(text.split()) if language == "en" else sum("\u4e00" <= c <= "\u9fff" for c in text)
    act = AgentAct(text=reply, words=words)
    act.off_language = off_language(text, language)
    act.garbled = not act.off_language and is_garbled(text, language)
    if act.off_language or act.garbled:
        return act
    lex = _lexicon(language)
    _read_cues(act, lex, text, scenario)
    roles = price_roles(text, scenario, offer, agreed, recap=act.recap, check=act.question == "facts_check")
    _take_prices(act, roles, offer, agreed)
    act.dates, act.wrong_dates = read_dates(text, scenario)
    act.wrong_room = _wrong_room(lex, text, scenario)
    act.repeats = same_text(text, [_normal(m["content"]) for m in history if m["role"] == "assistant"])
    _settle(act, offer, agreed)
    return act


def _normal(text: str) -> str:
    return text.lower().replace("’", "'").replace("‘", "'").replace("，", "，").strip()


def _read_cues(act: AgentAct, lex: _Lexicon, text: str, scenario: dict[str, Any]) -> None:
    found = lex.cue_set.fired(text)
    hinted = lex.negatable_set.fired(text)
    act.thanks = "thanks" in found
    act.closes = "close" in found
    act.callback = "callback" in found
    act.handover = bool({"handover", "who_decides"} & found)
    act.verify = "verify" in found
    act.scope = "scope" in found
    act.complaint = "complaint" in found
    act.recap = "recap" in found
    act.vague_ask = "vague_ask" in found and not _denied(lex, text, "vague_ask")
    act.accepts_any = "accept" in found
    act.empathy = "empathy" in found
    act.tactics = frozenset(name for name in TACTICS if name in hinted and lex.asserted(name, text))
    if "social_proof" in act.tactics:
        act.tactics -= {"done"}  # "they have already lowered theirs" is about others
    if "identity_ai" in found and "human" not in act.tactics:
        act.identity = "ai"
    elif "human" in act.tactics:
        act.identity = "human"
    elif "identity_platform" in found:
        act.identity = "platform"
    act.concerns = frozenset(lex.concern_set.fired(text))
    reasons: set[str] = {name for name in ("comparison", "demand", "date_limit", "choice") if name in found}
    bare = text.replace(scenario["room_type"].lower(), " ").replace(scenario["hotel"]["name"].lower(), " ")
    if lex.classes[CLASS_KEY[scenario["hotel"]["class"]]].search(bare):
        reasons.add("class")
    act.reasons = frozenset(reasons)
    act.questions = text.count("?") + text.count("？")
    order = ("who_decides", "callback", "facts_check", "opinion", "time_ok", "recap")
    if act.questions or any(mark in text for mark in ("吗", "呢")):
        act.question = next((name for name in order if name in found), "other")


def _denied(lex: _Lexicon, text: str, name: str) -> bool:
    match = lex.cues[name].search(text)
    if match is None:
        return False
    start = max(text.rfind(mark, 0, match.start()) for mark in _CLAUSE_MARKS) + 1
    before = text[start : match.start()]
    return bool(lex.denial.search(before)) and not re.search(r"n't (?:you|we)|能不能|可不可|不知", before)


def _take_prices(act: AgentAct, roles: PriceRoles, offer: float | None, agreed: float | None) -> None:
    act.asks_price = roles.ask
    act.accepts = roles.accept
    act.recap_price = roles.recap
    act.competitor_price = roles.competitor
    act.current_claim = roles.current
    act.other_prices = tuple(roles.other)


def _settle(act: AgentAct, offer: float | None, agreed: float | None) -> None:
    """Resolves what cues and prices say together."""
    if act.asks_price is not None:
        act.vague_ask = False
    if act.accepts is not None or act.recap_price is not None:
        act.vague_ask = False
    if act.recap and act.recap_price is None and act.asks_price is None and not act.closes:
        act.recap = act.recap and (agreed is not None or act.accepts is not None)
    if act.asks or act.accepts is not None:
        act.accepts_any = False
    if act.accepts_any and offer is None and agreed is None:
        act.accepts_any = False
    if act.asks_price is not None:
        act.question = "ask"
    if act.asks or act.question in ("who_decides", "callback", "time_ok", "opinion", "facts_check"):
        act.closes = False


def _wrong_room(lex: _Lexicon, text: str, scenario: dict[str, Any]) -> str | None:
    """A room type of the reply that is not the one of the scenario."""
    own = scenario["room_type"].lower()
    known = EN_ROOMS if scenario["language"] == "en" else ZH_ROOMS
    for names in known.values():
        for name in names:
            if name in text and name not in own and own not in name:
                return name
    text = text.replace(own, " ")
    for match in lex.rooms.finditer(text):
        room = match.group().strip()
        if room not in own and own not in room:
            return room
    return None
