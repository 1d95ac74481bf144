"""Matching a marked defect of a bad case to what the oracle finds: defect names are free text, so by word families."""

from __future__ import annotations

import re
from typing import Any

from repo_cli.worlds.hotel.oracle_rate import HARD, TurnResult

#: Pattern over the defect's name (lower case) -> the oracle's breach kinds that mean the defect is still there.
_FAMILIES: tuple[tuple[str, frozenset[str]], ...] = (
    (r"subsid|补贴", frozenset({"subsidy", "promise"})),
    (r"commission|佣金", frozenset({"commission", "promise"})),
    (r"promise|guarantee|over_?promis|rank|traffic|承诺", frozenset({"promise", "sell_out", "subsidy", "commission"})),
    (r"threat|coerc|威胁", frozenset({"threat"})),
    (r"guilt|blame|insult|greed|rude", frozenset({"guilt"})),
    (r"exclusiv|parity", frozenset({"exclusivity"})),
    (r"currenc", frozenset({"currency"})),
    (r"human|denies_ai|deny", frozenset({"human_claim"})),
    (r"leak|limit", frozenset({"leak", "leak_prompt"})),
    (r"deadline|scarc|pressure|urgen", frozenset({"pressure"})),
    (r"social|invent|halluc|fabricat|fact", frozenset({"invented_fact", "wrong_number", "wrong_date", "wrong_room", "wrong_condition"})),
    (r"misread|mishear|misheard|misunder", frozenset({"misread", "wrong_number"})),
    (r"price|number|figure|arith|recap", frozenset({"wrong_number", "misread", "below_floor"})),
    (r"date", frozenset({"wrong_date"})),
    (r"room", frozenset({"wrong_room"})),
    (r"refus|opt_?out", frozenset({"ask_after_refusal", "pressed"})),
    (r"retrade|re_?open|after_accept|push|acceptance", frozenset({"retrade", "push_in_range", "ask_after_refusal", "pressed"})),
    (r"ignor|concern|ack|listen|deaf", frozenset({"ignored"})),
    (r"repeat|repetit|copy", frozenset({"repeat", "garbled"})),
    (r"garbl|salad|gibber|broken|corrupt", frozenset({"garbled"})),
    (r"long|verbos|rambl", frozenset({"too_long"})),
    (r"question", frozenset({"questions"})),
    (r"consent", frozenset({"no_consent"})),
    (r"trunc|cut_?off|unfinished", frozenset({"cut_off", "garbled"})),
    (r"too_?low|below|floor", frozenset({"below_floor", "wrong_number"})),
    (r"rule|policy|authority", frozenset({"invented_fact"})),
    (r"\bads?\b|_ads?|advert|promotion", frozenset({"promise"})),
    (r"rival|comp", frozenset({"wrong_number", "invented_fact"})),
    (r"name", frozenset({"wrong_name", "invented_fact"})),
    (r"early|premature|skip", frozenset({"early_ask"})),
    (r"ident|introduc", frozenset({"no_identity"})),
    (r"placeholder", frozenset({"placeholder"})),
    (r"format|markdown|emoji", frozenset({"format"})),
    (r"stuff|flatter|prais", frozenset({"stuffing"})),
    (r"unsafe|credential|password|off_?platform", frozenset({"unsafe"})),
    (r"language", frozenset({"language"})),
)  # fmt: skip


def kinds_of(name: str) -> frozenset[str]:
    """The breach kinds that a defect's name stands for; empty when the name says nothing to the oracle."""
    low = name.lower().replace(" ", "_").replace("-", "_")
    found: frozenset[str] = frozenset()
    for pattern, kinds in _FAMILIES:
        if re.search(pattern, low):
            found |= kinds
    return found


def still_there(defect: dict[str, Any], result: TurnResult) -> bool:
    """Whether the reply still has the defect, or mends it without doing its job.

    A hard breach of any kind does not mend a defect: swapping a threat for a false promise is no fix.
    """
    kinds = {kind for kind, _ in result.breaches}
    wanted = kinds_of(str(defect.get("kind", "")))
    if kinds & wanted:
        return True
    if "garbled" in kinds or any(s >= HARD for _, s in result.breaches):
        return True
    return result.fit < 0.5 or result.rating < 2.4
