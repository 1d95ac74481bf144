"""Small readers of what a hotel partner says: refusal, acceptance, opt-out, and the intents O01..O18.

They look at one message alone. What a "yes" refers to, and whether a price is a counter-offer, is decided in
state.py, which knows what was said before. Each reading is cached by the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from . import intents_en, intents_zh
from .bilingual import Bilingual
from .text import detect_language, fold

#: Intents that interrupt the procedure: answer in a sentence, stay in the stage.
INTERRUPTS = ("O06", "O07", "O15", "O16", "O17", "O18")
#: Intents that are objections to handle in S4.
OBJECTIONS = ("O01", "O03", "O04", "O08", "O09", "O10", "O13")

# Of several intents in one message the first of this list is the principal one.
_ORDER = ("O07", "O06", "O17", "O02", "O04", "O15", "O09", "O08", "O05", "O10", "O03", "O01", "O16", "O13")
_LOOSE = re.compile(r"['’]")


class _Words:
    """The compiled expressions of one language."""

    def __init__(self, module):
        self.hard = Bilingual(module.HARD, screen="partner")
        self.firm = Bilingual(module.FIRM, screen="partner")
        self.refuse = Bilingual(module.REFUSE, screen="partner")
        self.strong = re.compile(module.ACCEPT_STRONG)
        self.weak = re.compile(module.ACCEPT_WEAK)
        self.ack = re.compile(module.ACK)
        self.condition = Bilingual(module.CONDITION, screen="partner")
        self.soften = Bilingual(module.SOFTEN, screen="partner")
        self.intents = {key: Bilingual(module.INTENTS[key], screen="partner") for key in _ORDER}


_BY_LANGUAGE = {"en": _Words(intents_en), "zh": _Words(intents_zh)}

# "I can't do that" holds "I can do that": words of denial just before, or a question just after, undo an acceptance
_DENIED = re.compile(
    r"(?:\b(?:not|no|never|can't|cannot|cant|won't|wont|don't|dont|doesn't|isn't|wouldn't|couldn't|hardly|if"
    r"|unless|neither|how|would|whether)\b[^,.;!?]{0,16}|[不没别未难怎么如果要是假如除非]{1,2})$"
)
_ASKED_BACK = re.compile(r"\s?(?:\?|吗|么|不行|不(?![是好错]))")
_NO_BUT = re.compile(
    r"^\W*(?:no problem|no worries|no issue|no objection|没问题|没意见|不错|不用客气|没关系)"
)
_QUESTION = re.compile(
    r"[?？]|^(?:what|which|who|when|where|why|how|is|are|do|does|did|can|could|would|will|and what|so what)\b"
    r"|[吗呢么][,，。!！ ]*$|什么|多少|哪|怎么|为啥|几(?:点|号|晚|间)"
)
_DOUBLE_NEG = re.compile(
    r"不是不(?:可以|行|能|同意)|(?:not|n't) (?:say(?:ing)? no|refus|against)|n't mind|not a problem|not impossible"
)


@dataclass(frozen=True, slots=True)
class PartnerText:
    """What one message of the partner says by itself.

    `intents` are the matching O-ids in order of weight, without those that need context (O11, O12, O18 with a
    pending question). `accept` is "strong", "weak" (a bare yes) or None.
    """

    language: str
    intents: tuple[str, ...]
    hard: bool  # opt-out: do not write again
    firm: bool  # a final no
    refusal: bool
    accept: str | None
    ack: bool
    conditional: bool
    open: bool  # asks for a figure or shows room
    question: bool


def _accepts(words: _Words, text: str) -> str | None:
    for m in words.strong.finditer(text):
        before = text[max(0, m.start() - 24) : m.start()]
        if not _DENIED.search(before) and not _ASKED_BACK.match(text[m.end() : m.end() + 3]):
            return "strong"
    weak = words.weak.match(text)
    if weak and not _ASKED_BACK.match(text[weak.end() : weak.end() + 3]):
        return "weak"
    return None


@lru_cache(maxsize=16384)
def read_partner(text: str) -> PartnerText:
    """Read one message of the partner by itself."""
    folded = fold(text).strip()
    language = detect_language(text)
    words = _BY_LANGUAGE[language]
    hard = bool(words.hard.search(folded))
    firm = hard or bool(words.firm.search(folded))
    intents = [key for key in _ORDER if words.intents[key].search(folded)]
    ack = bool(words.ack.match(folded))
    accept = None if ack or hard else _accepts(words, folded)
    refusal = firm or bool(words.refuse.search(folded) and not _DOUBLE_NEG.search(folded))
    if (
        refusal
        and not firm
        and (_NO_BUT.match(folded) or (accept == "strong" and words.condition.search(folded)))
    ):
        refusal = False
    if refusal and accept == "weak" and not words.condition.search(folded):
        accept = None
    if accept == "strong" and firm:
        accept = None
    return PartnerText(
        language,
        tuple(intents),
        hard,
        firm,
        refusal,
        accept,
        ack,
        bool(words.condition.search(folded)),
        bool(words.soften.search(folded)),
        bool(_QUESTION.search(folded)),
    )


def is_refusal(text: str) -> bool:
    """Does the partner say no to the request (softly or firmly)? A counter-offer is judged by dialogue_state."""
    read = read_partner(text)
    return read.refusal and not (read.accept == "strong")


def is_hard_refusal(text: str) -> bool:
    """A final no: "not interested", "do not ask again", or a wish not to be written to."""
    return read_partner(text).firm


def is_opt_out(text: str) -> bool:
    """Does the partner ask not to be contacted any more?"""
    return read_partner(text).hard


def is_acceptance(text: str) -> bool:
    """Do the words accept what was proposed? A mere acknowledgement (ok, hmm, 嗯, 哦) does not."""
    read = read_partner(text)
    return read.accept is not None and not (read.refusal and read.accept == "weak")


def partner_intents(text: str) -> tuple[str, ...]:
    """All O-ids that the words show by themselves, the principal one first; O14 and O18 included."""
    read = read_partner(text)
    out = list(read.intents)
    if read.firm:
        out.insert(0, "O14")
    if read.ack:
        out.append("O18")
    return tuple(out)
