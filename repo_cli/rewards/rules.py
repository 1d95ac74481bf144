"""Rule sets: patterns and checks written in YAML, scored on a reply without any model (E_rules of REPO).

    rules = RuleSet.load("conf/rules/hotel_guardrails.yaml") result = rules.score("At 350 we will put you on
    the first page.", scenario, history) result.total, result.fired        # -2.0, [("G01", "hard", -2.0,
    "will put you on the first page", (7, 40))]

A rule is one of
    forbid   patterns that must not occur; `on_match` is added once when one does (`unless` patterns in the
    same
             clause waive a match)
    require  patterns of which one must occur; `on_miss` is added when none does check    a named check of
    the library (`rule_checks_*.py`); `on_match` is added when it finds what it looks for,
             `on_miss` when it applies and finds nothing
No rule ever sees `scenario["hotel_hidden"]`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.negotiation import SEVEN_STAGES, SOP
from repo_cli.rewards.rule_checks import bind
from repo_cli.rewards.rule_examples import ExampleReport, ExampleResult, run_examples
from repo_cli.rewards.rule_look import Lists, Look, look_at
from repo_cli.rewards.rule_patterns import Pattern, PatternBank, PatternTimeout
from repo_cli.rewards.rule_reading import Finding, NotScored, Reading, Situation, script_of
from repo_cli.rewards.rule_result import Fired, RuleResult, add_check, fire
from repo_cli.rewards.rule_spec import Example, RuleSpec, check_keys, parse_context, parse_rule, read_yaml
from repo_cli.rewards.rule_together import Together, fill, parse_words, resolve

#: Replies that are looked at together.
AT_ONCE = 256

log = logging.getLogger("repo")

__all__ = ["ExampleReport", "ExampleResult", "Fired", "RuleResult", "RuleSet"]

TOP_KEYS = ("name", "language", "words", "rules", "example_context")

Scenario = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]


class Rule:
    """A rule ready to run: its specification, pattern indices in the bank, or its bound check."""

    def __init__(self, spec: RuleSpec, where: str) -> None:
        self.spec = spec
        self.patterns: list[int] = []
        self.unless: tuple[int, ...] = ()
        self.together: list[Lists] = []
        self.finds = "violation"
        # without a hit of the RE2 sets such a rule adds nothing
        self.only_hits = spec.forbid is not None and not spec.on_miss and spec.engine == "re2"
        self.check: Callable[[Reading], Finding | None] | None = None
        if spec.check is not None:
            entry, self.check = bind(spec.check, f"{where}: rule {spec.id}")
            self.finds = entry.finds


class RuleSet:
    """A checked and compiled rule set. Made by `load` (a file) or `from_config` (a mapping)."""

    def __init__(self, data: Mapping[str, Any], file: str, sop: Any = None) -> None:
        check_keys(data, TOP_KEYS, file)
        self.file = file
        given = SOP.from_config(sop) if sop is not None else SEVEN_STAGES
        self.sop = given or SEVEN_STAGES
        self.name = str(data.get("name") or "unnamed")
        languages = data.get("language") or []
        if not isinstance(languages, str | list | tuple):
            raise UserError(f"{file}: language: a name, or a list of them, is wanted, not {languages!r}")
        self.languages: list[str] = [languages] if isinstance(languages, str) else [str(x) for x in languages]
        raw = data.get("rules") or {}
        if not isinstance(raw, Mapping):
            raise UserError(f"{file}: rules: a mapping from id to rule is wanted, not {type(raw).__name__}")
        # a rule set to null is switched off (rules.rules.G41=null)
        specs = [parse_rule(str(key), value, file) for key, value in raw.items() if value is not None]
        self.rules = [Rule(spec, file) for spec in specs]
        self.by_id = {rule.spec.id: rule for rule in self.rules}
        if not self.sop.seven:
            self._refuse_stages()
        self.words = parse_words(data.get("words"), f"{file}: words")
        self.bank = PatternBank(self._collect_patterns())
        # the numbers of the rules that a hit of a pattern may concern
        self._served: list[set[int]] = [set() for _ in self.bank.patterns]
        for number, rule in enumerate(self.rules):
            for index in (*rule.patterns, *(lists.parts[0] for lists in rule.together)):
                self._served[index].add(number)
        self.timed_out: dict[str, int] = {}
        self._contexts = self._example_contexts(data.get("example_context"))

    @classmethod
    def load(cls, path: str | Path) -> RuleSet:
        """Read, check and compile a rule file; UserError names file, rule and field."""
        return cls(read_yaml(path), str(path))

    @classmethod
    def from_config(cls, config: Any, sop: Any = None) -> RuleSet:
        """From a mapping, or from the `rules` group of the configuration; `sop`: the procedure, as the group of that
        name has it (none: the seven stages of conf/sop/hotel.yaml)."""
        data = (
            config
            if isinstance(config, Mapping)
            else {k: getattr(config, k) for k in TOP_KEYS if hasattr(config, k)}
        )
        return cls(data, "rules", sop)

    def _refuse_stages(self) -> None:
        """A rule about stages cannot be read on a procedure with stages of its own."""
        for rule in self.rules:
            if "stage" in rule.spec.when or (rule.spec.check or {}).get("name") == "stage_order":
                raise UserError(
                    f"{self.file}: rule {rule.spec.id} is about stages, but sop={self.sop.name} has other stages than "
                    f"{', '.join(SEVEN_STAGES.stages)}, which are those that can be told apart",
                    hint=f"switch the rule off (rules.rules.{rule.spec.id}=null), or keep the seven stages",
                )

    def _collect_patterns(self) -> list[Pattern]:
        patterns: list[Pattern] = []
        shared: dict[tuple[str, str, bool], int] = {}  # parts of lists, each once for all rules
        for rule in self.rules:
            spec = rule.spec
            tables: tuple[tuple[str, Mapping[str | None, Sequence[str | Together]] | None], ...] = (
                ("forbid", spec.forbid),
                ("require", spec.require),
                ("unless", spec.unless),
            )
            for kind, table in tables:
                indices: list[int] = [] if kind == "unless" else rule.patterns
                for language, items in (table or {}).items():
                    where = f"{self.file}: rule {spec.id}.{kind}" + (f".{language}" if language else "")
                    words = self.words.get(language or "", {})
                    for item in items:
                        if isinstance(item, Together):
                            rule.together.append(self._lists(item, str(language), where, patterns, shared))
                            continue
                        indices.append(len(patterns))
                        source = fill(item, words) if words else item
                        in_set = kind != "unless"
                        patterns.append(
                            Pattern(spec.id, source, language, spec.engine, spec.timeout_s, where, in_set)
                        )
                if kind == "unless":
                    rule.unless = tuple(indices)
        return patterns

    def _lists(
        self,
        item: Together,
        language: str,
        where: str,
        patterns: list[Pattern],
        shared: dict[tuple[str, str, bool], int],
    ) -> Lists:
        """The indices of an item's parts, whose patterns are added where no rule before had them."""

        def index(part: str, in_set: bool) -> int:
            source = resolve(part, self.words.get(language, {}), where)
            known = shared.get((source, language, in_set))
            if known is None:
                known = shared[source, language, in_set] = len(patterns)
                name = f"words.{language}.{part}" if part in self.words.get(language, {}) else where
                patterns.append(Pattern("words", source, language, where=name, in_set=in_set))
            return known

        parts = tuple(index(part, number == 0) for number, part in enumerate(item.all))
        none = tuple(index(part, False) for part in item.none)
        return Lists(parts, none, item.within)

    def _example_contexts(self, raw: Any) -> dict[str, tuple[Any, Any]]:
        """(scenario, history) by language, for the examples that bring none."""
        if not raw:
            return {}
        where = f"{self.file}: example_context"
        if not isinstance(raw, Mapping) or not all(isinstance(v, Mapping) for v in raw.values()):
            raise UserError(f"{where}: {{language: {{scenario: ..., history: ...}}}} is wanted")
        for language, value in raw.items():
            check_keys(value, ("scenario", "history"), f"{where}.{language}")
        return {str(k): parse_context(v, f"{where}.{k}") for k, v in raw.items()}

    def score(
        self, reply: str, scenario: Scenario, history: History, language: str | None = None
    ) -> RuleResult:
        """What the rules say of a reply.

        Args:
            reply: the agent's text. scenario: domain.md's mapping (its `hotel_hidden` is never read).
            history: messages before the reply, `{role, content}`. language: the partner's; default the
            scenario's,
                else that of the partner's last words.
        """
        return self.score_in(
            Situation(dict(scenario or {}), [dict(m) for m in history or ()], language, self.sop), reply
        )

    def score_in(
        self, situation: Situation, reply: str, answer: Mapping[str, Any] | None = None
    ) -> RuleResult:
        """As `score`, in a situation that many replies share; `answer` is the partner's next turn, if there is one."""
        return self._score_all([Reading(reply, situation, answer)])[0]

    def _score_all(self, readings: Sequence[Reading]) -> list[RuleResult]:
        """One rule after the other over all replies: what a rule needs is then at hand for each but the first."""
        looks = look_at(readings, self.bank)
        hit: dict[int, list[Look]] = {}  # by the number of a rule that adds nothing without a hit
        for look in looks:
            for number in {n for i in look.hits for n in self._served[i]}:
                hit.setdefault(number, []).append(look)
        for number, rule in enumerate(self.rules):
            for look in hit.get(number, ()) if rule.only_hits else looks:
                self._apply(rule, look)
        return [look.result for look in looks]

    def _apply(self, rule: Rule, look: Look) -> None:
        """Add to a look's result what a rule says."""
        result = look.result
        try:
            if rule.spec.when and not _holds(rule.spec.when, look.reading.at):
                return
            if rule.check is not None:
                found = rule.check(look.reading)
                if found is not None:
                    add_check(result, rule.spec, rule.finds, found)
            else:
                _add_patterns(rule, look)
        except NotScored as reason:
            result.not_scored.append((rule.spec.id, str(reason)))
        except PatternTimeout as reason:
            result.not_scored.append((rule.spec.id, str(reason)))
            result.timeouts.append(rule.spec.id)
            self._alarm(rule.spec.id, look.reading.text, reason)

    def _alarm(self, rule: str, reply: str, reason: PatternTimeout) -> None:
        """Log a pattern that ran out of time; the first of a rule, and then every hundredth, as a warning."""
        count = self.timed_out[rule] = self.timed_out.get(rule, 0) + 1
        level = logging.WARNING if count % 100 == 1 else logging.INFO
        log.log(level, "rule %s %s (%d times so far): not scored on %r", rule, reason, count, reply[:80])

    def score_many(self, items: Iterable[Mapping[str, Any]]) -> list[RuleResult]:
        """`score` for items {scenario, history, reply, answer?}; items that share a history object share its
        reading."""
        situations: dict[tuple[int, int], Situation] = {}
        readings = []
        for item in items:
            key = (id(item.get("scenario")), id(item.get("history")))
            if key not in situations:
                situations[key] = Situation(item.get("scenario"), item.get("history") or (), sop=self.sop)
            readings.append(Reading(item["reply"], situations[key], item.get("answer")))
        parts = (readings[at : at + AT_ONCE] for at in range(0, len(readings), AT_ONCE))
        return [result for part in parts for result in self._score_all(part)]

    def check_examples(self) -> ExampleReport:
        """Every example of the set, run (`rule_examples`)."""
        return run_examples(
            [(rule.spec, rule.finds) for rule in self.rules],
            lambda e: self.score_in(self.example_situation(e), e.text, e.answer),
        )

    def example_situation(self, example: Example) -> Situation:
        """The situation of an example: its own scenario and history, else the set's for its language."""
        spoken = example.language or (example.scenario or {}).get("language") or script_of(example.text)
        scenario, history = self._contexts.get(str(spoken), ({}, ()))
        if example.scenario is not None:
            scenario, history = example.scenario, ()
        if example.history is not None:
            history = example.history
        return Situation(scenario or {}, history or (), example.language, self.sop)


def _add_patterns(rule: Rule, look: Look) -> None:
    """Add to a look's result what a rule of patterns says."""
    serving = [i for i in rule.patterns if i in look.hits] if rule.only_hits else look.serving(rule.patterns)
    if not serving and not rule.together:
        return
    span = next(look.matches(serving, rule.together, rule.unless), None)
    spec, result = rule.spec, look.result
    text = look.reading.cut(span) if span else ""
    if spec.forbid is not None:
        if span:
            fire(result, spec, spec.on_match, text, span, violation=True)
        elif spec.on_miss:
            fire(result, spec, spec.on_miss, "", (0, 0), violation=False)
    elif span is None:
        fire(result, spec, spec.on_miss, "", (0, 0), violation=True)
    elif spec.on_match:
        fire(result, spec, spec.on_match, text, span, violation=False)


def _holds(when: Mapping[str, Any], at: Situation) -> bool:
    """Whether all the conditions of a rule hold in a situation."""
    for key, wanted in when.items():
        if key == "stage":
            holds = at.state.stage in wanted
        elif key == "intent":
            holds = at.state.partner_intent in wanted
        elif key == "first_turn":
            holds = wanted == (not at.agent_turns)
        elif key == "agreed":
            holds = wanted == (at.state.agreed_price is not None)
        elif key == "min_refusals":
            holds = at.state.refusals >= wanted
        elif key == "min_asks":
            holds = at.state.asks >= wanted
        else:
            holds = at.language in wanted
        if not holds:
            return False
    return True
