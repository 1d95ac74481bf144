"""How the pattern rules look at a reply: which patterns occur in it, where, and what waives them.

Many replies are looked at together, one RE2 set after the other over all of them: the tables of a set are large, and
the processor keeps those of one set at hand, not of all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from repo_cli.rewards.rule_patterns import PatternBank, fold
from repo_cli.rewards.rule_reading import Reading, script_of
from repo_cli.rewards.rule_result import RuleResult
from repo_cli.rewards.rule_together import places, sentences

#: What ends the reach of an `unless` pattern: "I cannot promise much, but you will be first" promises.
_CLAUSE_BREAK = re.compile(r"[,;.!?:，；。！？：、\n](?!\d)|(?i:\bbut\b|\byet\b|\bhowever\b)|但是?|不过|可是")

Span = tuple[int, int]


class Lists(NamedTuple):
    """Word lists that break a rule together, as indices of the bank's patterns. Only the first of `parts` is looked for
    in every text; the others where it occurs."""

    parts: tuple[int, ...]
    none: tuple[int, ...]
    within: int


class Look:
    """A reply as the patterns see it, and the result that the rules fill in."""

    __slots__ = ("_bank", "_found", "_has", "_sentences", "active", "folded", "hits", "reading", "result")

    def __init__(
        self, reading: Reading, folded: str, active: Collection[str], hits: Collection[int], bank: PatternBank
    ) -> None:
        self.reading = reading
        self.folded = folded
        self.active = active  # languages whose patterns serve here; empty = all
        self.hits = frozenset(hits)
        self.result = RuleResult()
        self._bank = bank
        self._found: dict[int, list[Span]] = {}
        self._has: dict[tuple[int, int], bool] = {}
        self._sentences: list[Span] | None = None

    def find(self, index: int) -> list[Span]:
        """The places of a pattern, each looked for once: many rules share a list."""
        found = self._found.get(index)
        if found is None:
            found = self._found[index] = self._bank.found(self.folded, index)
        return found

    def has(self, index: int, sentence: Span) -> bool:
        """Whether a pattern stands in a sentence, each asked once."""
        key = index, sentence[0]
        known = self._has.get(key)
        if known is None:
            known = self._has[key] = self._bank.occurs(index, self.folded[sentence[0] : sentence[1]])
        return known

    @property
    def sentences(self) -> list[Span]:
        """The sentences, found when first asked for."""
        if self._sentences is None:
            self._sentences = sentences(self.folded)
        return self._sentences

    def serving(self, patterns: Sequence[int]) -> list[int]:
        """Those of some patterns whose language is spoken here."""
        known = self._bank.patterns
        return [
            i
            for i in patterns
            if not self.active or (lang := known[i].language) is None or lang in self.active
        ]

    def matches(
        self, patterns: Sequence[int], together: Sequence[Lists], unless: tuple[int, ...]
    ) -> Iterator[Span]:
        """Places of patterns and of lists together that no `unless` pattern waives."""
        bank, folded = self._bank, self.folded
        for index in patterns:
            if index in self.hits or index in bank.slow:
                for span in bank.spans(index, folded):
                    if not (unless and self._waived(unless, span)):
                        yield span
        for lists in together:
            if lists.parts[0] in self.hits:
                for span in places(
                    folded,
                    self.sentences,
                    lists.parts,
                    lists.none,
                    lists.within,
                    self.find,
                    self.has,
                    bank.any_occurs,
                ):
                    if not (unless and self._waived(unless, span)):
                        yield span

    def _waived(self, unless: tuple[int, ...], span: Span) -> bool:
        """Whether an `unless` pattern stands in the clauses of a match: a denial may also follow what it denies
        ("a lower commission isn't something I can offer", "排到首页我没法保证")."""
        folded = self.folded
        breaks = [m.end() for m in _CLAUSE_BREAK.finditer(folded, 0, span[0])]
        after = _CLAUSE_BREAK.search(folded, span[1])
        clause = folded[breaks[-1] if breaks else 0 : after.start() if after else len(folded)]
        return self._bank.any_occurs(unless, clause)


def look_at(readings: Sequence[Reading], bank: PatternBank) -> list[Look]:
    """The looks of replies, in order."""
    folded = [fold(r.text) for r in readings]
    active = [{x for x in (r.at.language, script_of(r.text)) if x} for r in readings]
    hits = bank.hits_of(folded, active)
    return [Look(*each, bank) for each in zip(readings, folded, active, hits, strict=True)]
