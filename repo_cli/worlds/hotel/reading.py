"""What an annotator sees in a reply: cues, numbers and acts, read from the text and the public brief only.

`read` gives a `Reading`; the rubric labels and the preference annotator both judge from it, each in its own way. It
is a reader of surface cues and errs like one (a kind wording without a known cue goes unseen).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from repo_cli.negotiation import DialogueState, dialogue_state, is_ask
from repo_cli.worlds.hotel import agent_bad, concerns, names
from repo_cli.worlds.hotel.agent_text import PHRASES, slots
from repo_cli.worlds.hotel.cue_set import CueSet
from repo_cli.worlds.hotel.cues import COMMON, CUES
from repo_cli.worlds.hotel.garble import sentences, units

Message = dict[str, Any]
_DATE = re.compile(r"\b(\d{1,2})[-/](\d{1,2})\b|(\d{1,2})月(\d{1,2})[日号]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?%?")
_MONEY = re.compile(r"#\s*(?:cny(?: (?:per|a) night)?|元(?:每晚|一晚)?)")
_RIVAL = re.compile(r"(?:Platform|平台) ?[A-Z]\b")
_CJK = re.compile(r"[一-鿿]")
FAULTS = (
    "promise",
    "giveaway",
    "invented",
    "pressure",
    "threat",
    "guilt",
    "grab",
    "no_consent",
    "leak",
    "money_off",
)
_ANSWERS = {"O06": ("identity", "choice", "names.distrust"), "O07": ("identity",), "O09": ("limits",), "O10": ("fact", "view"),
            "O15": ("ack",), "O16": ("room",), "O17": ("choice",), "O18": ("check", "room"), "O13": ("net",)}  # fmt: skip
CONFIRMS = ("accept", "other", "O18")
_LEAVE = ("O05", "O14")
_SOOTHE = ("O01", "O03", "O04", "O08")
_FORM = re.compile(COMMON["form"], re.MULTILINE)


@cache
def _cues(language: str) -> CueSet:
    return CueSet(CUES[language], ignore_case=True)


@cache
def _cue(language: str, name: str) -> re.Pattern[str]:
    return re.compile(CUES[language][name], re.IGNORECASE)


@dataclass
class Reading:
    """Cues of one reply in its context. Flags are 0/1, counts are counts, `broken` is the share of word pairs
    that nobody would write (0 = fluent). current, floor, limit: the brief's price now, lowest ask, highest price to
    accept."""

    text: str
    language: str
    state: DialogueState
    words: int
    questions: int
    broken: float
    repeats: int
    cut_off: bool
    form: bool
    foreign: bool
    fired: set[str]
    prices: list[float]
    unknown_numbers: int
    wrong_names: int
    concern: str | None
    names_concern: bool
    fits_class: bool
    last_move_said: bool
    names_dates: bool
    need: str
    right_price: float | None
    current: float
    floor: float
    limit: float

    @property
    def offer_named(self) -> bool:
        """Whether the partner's number is repeated."""
        return self.state.partner_offer is not None and float(self.state.partner_offer) in self.prices

    @property
    def answers(self) -> bool:
        """Whether an interruption gets the kind of answer that it asks for."""
        wanted = _ANSWERS.get(self.state.partner_intent)
        return self.has(*wanted) if wanted else self.has("ack", "fact", "limits")

    def has(self, *flags: str) -> bool:
        """Whether any of these cues fired."""
        return not self.fired.isdisjoint(flags)


def _plain(text: str, values: Mapping[str, str], language: str) -> str:
    """The text in lower case with the brief's own names and dates, and times of day, replaced by one sign each."""
    for name in ("hotel", "room", "dates", "who", "when", "a_offer", "offer", "incl", "platform"):
        if name in values:
            text = text.replace(values[name], f" §{name} ")
    return concerns.WHEN[language].sub(" §time ", text).lower()


def _mask(text: str, values: Mapping[str, str], language: str) -> str:
    """As `_plain`, and every number one sign."""
    return _NUMBER.sub(" # ", _plain(text, values, language))


def _pairs(sentence: str, language: str) -> list[tuple[str, str]]:
    if language == "zh":
        words = re.findall(r"§[a-z_]+|#|[a-z]+|[一-鿿]", sentence)
    else:
        words = re.findall(r"§[a-z_]+|#|[a-z][a-z'-]*", sentence)
    words = ["^", *words, "$"]
    return list(itertools.pairwise(words))


@cache
def known_pairs(language: str) -> frozenset[tuple[str, str]]:
    """Word pairs (character pairs in Chinese) within the sentences of every phrase, slots as signs."""
    groups = (PHRASES[language].PARTS, agent_bad.DEFECTS[language])
    texts = [text for group in groups for name, many in group.items() if name != "salad"
             for text in many if name != "wrong_language"]  # fmt: skip
    texts += agent_bad.HYPE[language] + agent_bad.PADDING[language]
    unit = "元" if language == "zh" else " cny"
    money = {name: f"#{unit}" for name in ("price", "offered", "current", "comp", "acceptable", "bad", "low")}
    signs = {
        name: f" §{name} "
        for name in ("hotel", "room", "dates", "who", "when", "a_offer", "offer", "incl", "platform")
    }
    signs |= money | {"time": " §time ", "unit": "每晚" if language == "zh" else "per night"}
    signs |= {name: "#" for name in ("searches", "rooms", "value", "pct")}
    found: set[tuple[str, str]] = set()
    for text in texts:
        for sentence in sentences(concerns.WHEN[language].sub(" §time ", text.format_map(signs)).lower()):
            found.update(_pairs(sentence, language))
    return frozenset(found)


def brokenness(text: str, language: str, values: Mapping[str, str]) -> float:
    """Share of adjacent words that never stand together in any phrase (0 fluent, above 0.2 garbled)."""
    known = known_pairs(language)
    total = wrong = 0
    for sentence in sentences(_mask(text, values, language)):
        pairs = _pairs(sentence, language)
        total += len(pairs)
        wrong += sum(pair not in known for pair in pairs)
    return wrong / max(total, 1)


def repetition(text: str, language: str, values: Mapping[str, str]) -> int:
    """How many runs of words (three in English, five characters in Chinese) come back within the reply, the
    brief's own names and numbers aside, plus words doubled on the spot."""
    masked = _MONEY.sub("#", _mask(text, values, language))
    words = re.findall(r"§[a-z_]+|#|[a-z']+|[一-鿿]", masked)
    size = 5 if language == "zh" else 3
    runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    runs = [run for run in runs if sum(word[0] in "§#" for word in run) < 1]
    doubled = (
        0 if language == "zh" else sum(a == b for a, b in itertools.pairwise(words) if a not in ("#", "had"))
    )
    return len(runs) - len(set(runs)) + doubled


def recapped(reply: str, price: float) -> bool:
    """Whether an agent's reply repeats an agreed price (and is no ask for it)."""
    return f"{price:g}" in _NUMBER.findall(reply) and not is_ask(reply)


def need_of(
    history: Sequence[Message], scenario: Mapping[str, Any], state: DialogueState
) -> tuple[str, float | None]:
    """What the talk needs next, and the number that a right reply must name (None where none must be)."""
    said = [message["content"] for message in history if message["role"] == "assistant"]
    intent, language = state.partner_intent, scenario["language"]
    if not said:
        return "open", None
    if state.hard_refusal or state.opted_out or intent in _LEAVE:
        return "leave", None
    agreed = state.agreed_price
    if agreed is None and intent == "accept" and state.agent_prices:
        agreed = state.agent_prices[-1]
    if agreed is not None and agreed <= scenario["acceptable_price"]:
        return ("closing" if recapped(said[-1], agreed) and intent in CONFIRMS else "confirm"), float(agreed)
    if intent == "O02" or _cue(language, "decider").search(said[-1]):
        return "decider", None
    asked_out = (
        state.asks >= scenario["max_asks"]
        or max(state.agent_prices, default=0) >= scenario["acceptable_price"]
    )
    if state.refusals >= 2 or (asked_out and intent == "refusal"):
        return "leave", None
    if intent in _ANSWERS:
        return "answer", None
    if state.partner_offer_open and state.partner_offer is not None:
        if state.partner_offer <= scenario["acceptable_price"]:
            return "take", float(state.partner_offer)
        return ("leave" if asked_out else "counter"), None
    if len(said) == 1 and intent not in _SOOTHE:
        return "check", None
    return ("soothe" if intent in _SOOTHE else "go_on"), None


@lru_cache(maxsize=4096)
def _numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))


def _known_numbers(history: Sequence[Message], state: DialogueState) -> set[str]:
    known: set[str] = set()
    for message in history:
        known |= _numbers(message["content"])
    for price in (state.partner_offer, state.agreed_price, *state.agent_prices):
        if price is not None:
            known.add(f"{price:g}")
    return known


def _dates(text: str) -> set[tuple[int, int]]:
    return {tuple(int(part) for part in match if part) for match in _DATE.findall(text)}  # type: ignore[misc]


@cache
def _rooms(language: str) -> tuple[str, ...]:
    groups = (names.EN_ROOMS if language == "en" else names.ZH_ROOMS).values()
    return tuple(room for group in groups for room in group)


def _wrong_names(text: str, scenario: Mapping[str, Any]) -> int:
    here = scenario["room_type"]
    wrong = sum(room not in here for room in _rooms(scenario["language"]) if room in text)
    rivals = {item["who"] for item in scenario["facts"] if "who" in item}
    wrong += sum(found not in rivals for found in _RIVAL.findall(text))
    days = {tuple(int(part) for part in day.split("-")) for day in scenario["dates"]}
    return wrong + len(_dates(text) - days)


def read(history: Sequence[Message], reply: str, scenario: Mapping[str, Any],
         state: DialogueState | None = None, concern: str | None = None) -> Reading:  # fmt: skip
    """Reads `reply` as the next turn after `history`; `state` saves reading the history again."""
    language = scenario["language"]
    state = state or dialogue_state(list(history), dict(scenario))
    partner = [message["content"] for message in history if message["role"] == "user"]
    if concern is None:
        for text in reversed(partner[-3:]):
            concern = concern or concerns.concern_of(text, language)
        if concern is None and partner:
            concern = concerns.concern_of(partner[-1], language, state.partner_intent)
    values = slots(scenario)
    no_dates = _DATE.sub(" ", reply)
    found_numbers = _NUMBER.findall(no_dates)
    known = _known_numbers(history, state)
    key = names.CLASS_KEY[scenario["hotel"]["class"]]
    plain = _DATE.sub(" ", _plain(reply, values, language))
    fired = _cues(language).fired(plain)
    foreign = bool(_CJK.search(reply)) if language == "en" else not _CJK.search(reply)
    need, right_price = need_of(history, scenario, state)
    earlier = {message["content"] for message in history if message["role"] == "assistant"}
    return Reading(
        text=reply, language=language, state=state, words=len(units(reply, language)),
        questions=reply.count("?") + reply.count("？"), broken=brokenness(reply, language, values),
        repeats=repetition(reply, language, values), cut_off=reply.rstrip()[-1:] not in ".!?。！？",
        form=bool(_FORM.search(reply)), foreign=foreign, fired=fired,
        prices=[float(number) for number in found_numbers if number[-1] != "%" and float(number) >= 100],
        unknown_numbers=sum(number not in known for number in found_numbers),
        wrong_names=_wrong_names(reply, scenario), concern=concern,
        names_concern=f"names.{concern}" in fired,
        fits_class=f"fits.{key}" in fired, last_move_said=reply in earlier,
        names_dates=bool(_dates(reply)), need=need, right_price=right_price,
        current=float(scenario["current_price"]), floor=float(scenario["floor_ask"]),
        limit=float(scenario["acceptable_price"]),
    )  # fmt: skip
