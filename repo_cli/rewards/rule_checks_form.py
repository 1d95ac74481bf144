"""Checks on the form of a reply: length, language, questions, repetition, opening."""

from __future__ import annotations

import re
from collections import Counter
from operator import eq

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_checks_dates import dates_in
from repo_cli.rewards.rule_reading import (
    CLEAR,
    Finding,
    Reading,
    Situation,
    count_cjk,
    script_of,
    trigrams_of,
    words_of,
)

_WORD = re.compile(r"[A-Za-z0-9]+(?:['.,/:-][A-Za-z0-9]+)*")


def size(text: str, language: str | None) -> int:
    """Words of a text; in Chinese the characters, a number or Latin word counting as one."""
    words = len(_WORD.findall(text))
    return count_cjk(text) + words if language == "zh" else words + count_cjk(text)


@check()
def length(r: Reading, *, max_words: int = 60, max_chars: int = 80, min_words: int = 1) -> Finding | None:
    """Longer than `max_words` words (in Chinese `max_chars` characters), or shorter than `min_words`."""
    language = script_of(r.text) or r.at.language
    long = max_chars if language == "zh" else max_words
    found = size(r.text, language)
    if found > long:
        return r.whole(f"{found} where {long} are allowed")
    if found < min_words:
        return r.whole(f"{found} where {min_words} are wanted")
    return CLEAR


@check()
def max_questions(r: Reading, *, limit: int = 1) -> Finding | None:
    """More than `limit` questions; "?!" and "??" are one."""
    if r.text.count("?") + r.text.count("？") <= limit:
        return CLEAR
    marks = list(re.finditer(r"[?？][?？!！]*", r.text))
    return r.found(marks[limit].span(), f"{len(marks)} questions") if len(marks) > limit else CLEAR


def _names(at: Situation) -> list[str]:
    """Names of the brief, the longest first."""
    hotel = at.scenario.get("hotel")
    names = [hotel.get("name"), hotel.get("district")] if isinstance(hotel, dict) else []
    names += [at.scenario.get("room_type"), *(f.get("who") for f in at.facts)]
    return sorted((n for n in names if isinstance(n, str) and n), key=len, reverse=True)


# a word that counts as English: two letters of one like it settle that a reply without Chinese is English
_ENGLISH = re.compile(r"\b(?!(?:CNY|RMB|AI|OK|ok)\b)[A-Za-z]{2,}")


@check()
def language(r: Reading, *, most_foreign: float = 0.3) -> Finding | None:
    """A reply in another language than the partner's (Chinese or not), by its share of letters.

    Names of the brief (hotel, room, platforms) are left out of the count.
    """
    wanted = r.at.language
    if wanted not in ("en", "zh"):
        return None
    text = r.text
    for name in r.at.memo("names", lambda: _names(r.at)):
        text = text.replace(name, " ")
    cjk = count_cjk(text)
    if wanted == "en" and not cjk and _ENGLISH.search(text):
        return CLEAR if most_foreign >= 0 else r.whole("0% not en")
    latin = len(re.findall(r"[A-Za-z]{2,}", re.sub(r"\b(?:CNY|RMB|AI|OK|ok)\b", " ", text)))
    if cjk + latin == 0:
        return None
    foreign = (cjk if wanted == "en" else latin) / (cjk + latin)
    return r.whole(f"{foreign:.0%} not {wanted}") if foreign > most_foreign else CLEAR


def _said_grams(at: Situation) -> list[frozenset[str]]:
    """The trigrams of each earlier turn of the agent, those of all of them first."""
    turns = [frozenset(trigrams_of(words_of(text))) for text in at.agent_turns]
    return [frozenset().union(*turns), *turns]


@check()
def repeats_earlier(r: Reading, *, share: float = 0.7, min_grams: int = 4) -> Finding | None:
    """At least `share` of the reply's trigrams stand in one earlier turn of the agent."""
    mine = r.trigrams
    if len(mine) < min_grams or not r.at.agent_turns:
        return None
    every, *turns = r.at.memo("grams said", lambda: _said_grams(r.at))
    shares = (sum(map(seen.__contains__, mine)) / len(mine) for seen in (every, *turns))
    if next(shares) >= share and any(found >= share for found in shares):
        return r.whole("said before")
    return CLEAR


_ENDS = re.compile(r"[.!?。！？；]+")
_TOKEN = re.compile(r"[㐀-鿿]|[a-z]+(?:'[a-z]+)?|\d+")
_TOKEN_ASCII = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+")


def _sentences(text: str, min_words: int) -> set[tuple[str, ...]]:
    """The longer sentences of a text as words, every number the same."""
    token = _TOKEN_ASCII if text.isascii() else _TOKEN
    found = [token.findall(part) for part in _ENDS.split(text.lower())]
    return {tuple(["#" if w.isdigit() else w for w in words]) for words in found if len(words) >= min_words}


@check()
def repeats_sentence(r: Reading, *, min_words: int = 6) -> Finding | None:
    """A sentence of at least `min_words` words that the agent has said before, other numbers or not."""
    mine = _sentences(r.text, min_words) if r.at.agent_turns else set()
    if not mine:
        return None
    key = f"sentences of {min_words} words"
    for earlier in r.at.memo(key, lambda: [_sentences(text, min_words) for text in r.at.agent_turns]):
        if again := mine & earlier:
            return r.whole("said before: " + " ".join(next(iter(again))[:6]))
    return CLEAR


@check()
def no_stutter(r: Reading, *, times: int = 3) -> Finding | None:
    """One word `times` in a row, or one trigram `times` over: text that has come apart."""
    words = r.words
    run = 1
    doubled = times < 2 or any(map(eq, words, words[1:]))
    for before, word in zip(words, words[1:], strict=False) if doubled else ():
        run = run + 1 if word == before else 1
        if run >= times:
            return r.whole(f"{word!r} again and again")
    grams = r.trigrams
    most = Counter(grams).most_common(1) if len(set(grams)) < len(grams) else []
    if most and most[0][1] >= times:
        return r.whole(f"{most[0][0]!r} {most[0][1]} times")
    return CLEAR


@check()
def ends_sentence(r: Reading) -> Finding | None:
    """The reply breaks off: it does not end with an end mark."""
    text = r.text.rstrip().rstrip("\"'”’」）)")
    if not text:
        return None
    return (
        CLEAR
        if text[-1] in ".!?…。！？~～"
        else r.found((max(0, len(r.text) - 12), len(r.text)), "breaks off")
    )


_WHO = {
    "en": re.compile(r"(?i)\b(?:platform|assistant|partner team|booking site|OTA|on behalf of)\b"),
    "zh": re.compile(r"平台|助理|助手|合作方|商务"),
}
_WHY = {
    "en": re.compile(r"(?i)\b(?:rates?|prices?|pricing|nights?|dates?|rooms?|listing)\b"),
    "zh": re.compile(
        r"价格|房价|价钱|房型|房间|客房|几晚|这两晚|日期|大床|双床|标间|标准间|套房|\d+月\d+[日号]|\d\d-\d\d"
    ),
}


@check()
def opening_identity(r: Reading) -> Finding | None:
    """The first reply of the agent does not say who is speaking and what it is about."""
    if r.at.agent_turns:
        return None
    languages = [x for x in ("en", "zh") if x in (r.at.language, script_of(r.text))] or ["en"]
    who = any(_WHO[x].search(r.text) for x in languages)
    room = str(r.at.scenario.get("room_type") or "").lower()
    why = any(_WHY[x].search(r.text) for x in languages) or bool(dates_in(r.text))
    why = why or (bool(room) and room in r.text.lower())
    if who and why:
        return CLEAR
    return r.whole("does not say " + " or ".join(w for w, said in (("who", who), ("why", why)) if not said))
