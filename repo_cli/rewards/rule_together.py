"""Word lists of a rule set, and rules that look for several of them in one sentence.

    words:
      en:
        more: [more, extra, 'twice as many']        # a list: words, in any case, between word boundaries
        asks: '\\?\\s*$'                            # a text: a pattern as it stands
    rules:
      G02:
        forbid:
          en:
            - {all: [will, more, guests]}           # one of each list in one sentence, in any order
            - {all: [more, guests], none: [asks], within: 30}
            - '(?i)<more> <guests>'                 # <name> in a pattern stands for the list

A pattern with gaps ("will ... more ... guests") knows one order of its words, and six of them are needed for three
words; besides, each gap makes the automaton larger. Here every list is one small pattern of the RE2 set, and only the
places of those that occur are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repo_cli.errors import UserError, nearest

#: characters from the first word to the last, where `within` says nothing
REACH = {"zh": 24}
REACH_ELSE = 70
#: languages written without blanks: their words have no boundaries
UNSPACED = ("zh", "ja", "th")
KEYS = ("all", "none", "within")
_NAME = re.compile(r"[a-z][a-z_0-9]*")
_SLOT = re.compile(r"<([a-z][a-z_0-9]*)>")
_SENTENCE_END = re.compile(r"[.!?;](?=[\s\"')]|$)|[。！？；\n]")

Words = Mapping[str, Mapping[str, str]]
Span = tuple[int, int]


@dataclass(frozen=True)
class Together:
    """Parts that break the rule when they stand in one sentence, at most `within` characters from the first to the
    last, in any order, unless one of `none` stands in that sentence too. Parts are names of lists or patterns."""

    all: tuple[str, ...]
    none: tuple[str, ...]
    within: int


def parse_words(raw: Any, where: str) -> dict[str, dict[str, str]]:
    """Patterns by language and name. UserError names file, language and list."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(isinstance(v, Mapping) for v in raw.values()):
        raise UserError(f"{where}: {{language: {{name: [word, ...]}}}} is wanted")
    out: dict[str, dict[str, str]] = {}
    for language, lists in raw.items():
        mine = out[str(language)] = {}
        for name, value in lists.items():
            at = f"{where}.{language}.{name}"
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise UserError(f"{at}: a name of small letters, digits and _ is wanted")
            mine[name] = _list(value, str(language), mine, at)
    return out


def _list(value: Any, language: str, known: Mapping[str, str], where: str) -> str:
    if isinstance(value, str) and value.strip():
        return fill(value, known)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(v, str) and v for v in value):
        raise UserError(f"{where}: a list of words, or a pattern, is wanted, not {value!r}")
    words = fill("|".join(value), known)
    return f"(?:{words})" if language in UNSPACED else rf"(?i:\b(?:{words})\b)"


def fill(source: str, words: Mapping[str, str]) -> str:
    """A pattern with every <name> of a known list replaced by the list."""
    return _SLOT.sub(lambda m: f"(?:{words[m[1]]})" if m[1] in words else m.group(), source)


def parse_together(value: Mapping[Any, Any], language: str | None, where: str) -> Together:
    """`{all: [part, part, ...], none: [part, ...], within: characters}`; UserError names the field."""
    for key in value:
        if key not in KEYS:
            near = nearest(str(key), KEYS)
            hint = (f"did you mean {near!r}? " if near else "") + f"known: {', '.join(KEYS)}"
            raise UserError(f"{where}: unknown key {key!r}", hint=hint)
    if language is None:
        raise UserError(
            f"{where}: lists together need a language", hint="forbid: {en: [{all: [more, guests]}]}"
        )
    parts = {key: _parts(value.get(key) or (), f"{where}.{key}") for key in ("all", "none")}
    if not parts["all"]:
        raise UserError(f"{where}.all: names of word lists, or patterns, are wanted")
    within = value.get("within", REACH.get(language, REACH_ELSE))
    if isinstance(within, bool) or not isinstance(within, int) or within < 1:
        raise UserError(f"{where}.within: a number of characters is wanted, not {within!r}")
    return Together(parts["all"], parts["none"], within)


def _parts(value: Any, where: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(v, str) and v.strip() for v in items):
        raise UserError(f"{where}: names of word lists, or patterns, are wanted, not {value!r}")
    return tuple(items)


def resolve(part: str, words: Mapping[str, str], where: str) -> str:
    """The pattern of a part: its list, or itself. UserError for a name that no list has."""
    if part in words:
        return words[part]
    if _NAME.fullmatch(part):
        near = nearest(part, words)
        raise UserError(
            f"{where}: no word list {part!r}", hint=f"did you mean {near!r}?" if near else "see `words:`"
        )
    return fill(part, words)


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of a text, end marks included."""
    found, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        found.append((start, end.end()))
        start = end.end()
    return [*found, (start, len(text))] if start < len(text) else found


def places(
    text: str,
    sentences: Sequence[Span],
    parts: Sequence[int],
    none: tuple[int, ...],
    within: int,
    find: Callable[[int], Sequence[Span]],
    has: Callable[[int, Span], bool],
    any_occurs: Callable[[tuple[int, ...], str], bool],
) -> Iterator[Span]:
    """Where a sentence holds every part, the first to the last at most `within` characters.

    `find(index)` gives the places of a part in the text, `has` says whether it stands in a sentence, `any_occurs`
    whether one of `none` does; parts may not lie in one another. The text is known to hold the first part.
    """
    for (start, end), here in _by_sentence(find(parts[0]), sentences):
        # yes or no is asked first: it costs RE2 a fraction of what the places cost
        if not all(has(part, (start, end)) for part in parts[1:]):
            continue
        inside = [here, *([s for s in find(p) if start <= s[0] and s[1] <= end] for p in parts[1:])]
        if not all(inside):
            continue
        waived = None
        for first in inside[0]:
            chosen = [first]
            for others in inside[1:]:
                apart = [s for s in others if all(s[1] <= c[0] or s[0] >= c[1] for c in chosen)]
                if not apart:
                    break
                chosen.append(apart[0] if len(apart) == 1 else min(apart, key=lambda s: _width([*chosen, s])))
            if len(chosen) == len(inside) and _width(chosen) <= within:
                if waived is None:
                    waived = bool(none) and any_occurs(none, text[start:end])
                if waived:
                    break
                yield min(s[0] for s in chosen), max(s[1] for s in chosen)


def _by_sentence(spans: Sequence[Span], sentences: Sequence[Span]) -> Iterator[tuple[Span, list[Span]]]:
    """The sentences that hold some of the spans, and those that they hold; both in order."""
    at, count = 0, len(spans)
    for sentence in sentences:
        if at == count:
            return
        start, end = sentence
        here = []
        while at < count and spans[at][0] < end:
            if start <= spans[at][0] and spans[at][1] <= end:
                here.append(spans[at])
            at += 1
        if here:
            yield sentence, here


def _width(spans: Sequence[Span]) -> int:
    return max(s[1] for s in spans) - min(s[0] for s in spans)
