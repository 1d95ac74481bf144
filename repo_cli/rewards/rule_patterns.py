"""Text patterns of a rule set: all of them in one RE2 set (linear time), spans by a second search on the
hits.

RE2 knows no lookaround and no back-reference; its \\b, \\d, \\w and \\s are ASCII only. A rule that needs
more may ask for `engine: regex` (the `regex` module), which runs under a time limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import re2

from repo_cli.errors import UserError

MOST_PLACES = 50  # of one pattern in one text that are looked at
RE2_MEMORY = 256 << 20  # bytes for a set's automaton; when it runs out RE2 reports no match at all
#: Patterns in one RE2 set. A pattern with a gap ("will ... first page") keeps a state of its own while a text is read,
#: so the automaton of one large set has far more states than several small ones, and new texts keep making new ones:
#: 180 patterns in eight sets read fresh text ten times as fast as in one. Of the shipped set, whose lists are short,
#: forty to a set read 8% faster than twenty-four, and 4% faster than sixty-four.
PER_SET = 40

# : One character for one, so that spans stay those of the original text: full-width letters and digits,
# curly quotes.
_FOLD = {0xFF10 + i: 0x30 + i for i in range(10)}
_FOLD |= {0xFF21 + i: 0x41 + i for i in range(26)} | {0xFF41 + i: 0x61 + i for i in range(26)}
_FOLD |= {0x2019: 0x27, 0x2018: 0x27, 0x201C: 0x22, 0x201D: 0x22, 0xA0: 0x20, 0x3000: 0x20, 0xFF05: 0x25}
# half a character (a lone surrogate, which a JSON file may hold) is nothing that RE2 can read
_FOLD |= dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)


def fold(text: str) -> str:
    """The text that patterns see: same length, with full-width letters and digits and curly quotes made
    plain."""
    return text.translate(_FOLD)


@dataclass(frozen=True)
class Pattern:
    """One pattern of one rule. `language` None serves every language."""

    rule: str
    source: str
    language: str | None
    engine: str = "re2"
    timeout_s: float = 0.05
    where: str = ""  # file, rule and field, for messages
    in_set: bool = True  # False: only looked for after a hit (`unless`), so it stays out of the RE2 set


class PatternTimeout(Exception):
    """A `regex` pattern did not end within its limit, so the rule is not scored."""


def _re2_options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = RE2_MEMORY
    return options


def compile_one(pattern: Pattern) -> Any:
    """The compiled pattern; UserError when it cannot be compiled or matches the empty text."""
    if pattern.engine == "regex":
        try:
            import regex
        except ImportError:
            raise UserError(
                f"{pattern.where}: engine: regex needs the `regex` package", hint="pip install regex"
            ) from None
        try:
            compiled = regex.compile(pattern.source)
        except regex.error as error:
            raise UserError(f"{pattern.where}: not a regular expression: {error}") from None
    else:
        try:
            compiled = re2.compile(pattern.source, _re2_options())
        except re2.error as error:
            detail = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            raise UserError(
                f"{pattern.where}: RE2 cannot compile {pattern.source!r}: {detail}",
                hint="RE2 knows no lookaround and no back-reference: rewrite it, or set `engine: regex`",
            ) from None
    if compiled.search("") is not None:
        raise UserError(
            f"{pattern.where}: {pattern.source!r} matches the empty text, so it would fire on every reply"
        )
    return compiled


class PatternBank:
    """All patterns of a rule set. `hits(text)` runs the RE2 set once, and each `regex` pattern under its
    limit."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = list(patterns)
        self._compiled = [compile_one(p) for p in self.patterns]
        self._slow = [i for i, p in enumerate(self.patterns) if p.engine == "regex" and p.in_set]
        # the sets of `any_occurs`, made when asked for
        self._groups: dict[tuple[int, ...], tuple[Any, list[int]]] = {}
        by_language: dict[str | None, list[int]] = {}
        for i, p in enumerate(self.patterns):
            if p.engine == "re2" and p.in_set:
                by_language.setdefault(p.language, []).append(i)
        self._sets: list[tuple[str | None, Any, list[int]]] = []
        for language, fast in by_language.items():
            for at in range(0, len(fast), PER_SET):
                part = fast[at : at + PER_SET]
                self._sets.append((language, _set_of(self.patterns[i].source for i in part), part))

    def hits(self, folded: str, languages: Collection[str | None] = ()) -> list[int]:
        """Indices of the RE2 patterns that occur in a folded text.

        languages: those whose patterns serve here (what is written for every language always does); empty = all.
        """
        return self.hits_of([folded], [languages])[0]

    def hits_of(self, texts: Sequence[str], languages: Sequence[Collection[str | None]]) -> list[list[int]]:
        """`hits` of many texts, each with its languages: one set after the other, which is several times as fast."""
        found: list[list[int]] = [[] for _ in texts]
        asked = [
            (_subject(text), spoken, mine)
            for text, spoken, mine in zip(texts, languages, found, strict=True)
            if text
        ]
        for language, together, part in self._sets:
            for subject, spoken, mine in asked:
                if language is None or not spoken or language in spoken:
                    for i in together.Match(subject) or ():
                        mine.append(part[i])
        return found

    @property
    def slow(self) -> list[int]:
        """Indices of the patterns that the set does not hold (`engine: regex`)."""
        return self._slow

    def found(self, folded: str, index: int) -> list[tuple[int, int]]:
        """The first places of a pattern in a folded text, one after the other."""
        matches = self._compiled[index].finditer(_subject(folded))
        return [m.span() for m in islice(matches, MOST_PLACES)]

    def occurs(self, index: int, folded: str) -> bool:
        """Whether a pattern of RE2 stands in a folded text."""
        return self._compiled[index].search(_subject(folded)) is not None

    def any_occurs(self, indices: tuple[int, ...], folded: str) -> bool:
        """Whether one of some patterns stands in a folded text: those of RE2 are asked all at once."""
        if indices not in self._groups:
            fast = [i for i in indices if self.patterns[i].engine == "re2"]
            slow = [i for i in indices if self.patterns[i].engine != "re2"]
            self._groups[indices] = _set_of(self.patterns[i].source for i in fast) if fast else None, slow
        together, slow = self._groups[indices]
        if together is not None and folded and together.Match(_subject(folded)):
            return True
        return any(next(self.spans(i, folded), None) is not None for i in slow)

    def spans(self, index: int, folded: str) -> Iterator[tuple[int, int]]:
        """Places of a pattern in a folded text, overlapping ones too: each search begins one character after
        the last place's start. PatternTimeout when a `regex` pattern takes too long."""
        pattern, at = self.patterns[index], 0
        limit = {"timeout": pattern.timeout_s} if pattern.engine == "regex" else {}
        subject = folded if limit else _subject(folded)
        for _ in range(MOST_PLACES):
            try:
                found = self._compiled[index].search(subject, at, **limit)
            except TimeoutError:
                raise PatternTimeout(f"took longer than {pattern.timeout_s} s") from None
            if found is None:
                return
            yield found.span()
            at = found.start() + 1


def _subject(folded: str) -> str | bytes:
    """What RE2 is handed: it reads bytes, and those of an ASCII text are its characters, which nobody has to count."""
    return folded.encode() if folded.isascii() else folded


def _set_of(sources: Iterable[str]) -> Any:
    """A compiled RE2 set."""
    together = re2.Set.SearchSet(_re2_options())
    for source in sources:
        together.Add(source)
    together.Compile()
    return together
