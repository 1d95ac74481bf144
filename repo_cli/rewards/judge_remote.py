"""A judge behind an OpenAI-compatible endpoint (`judge.kind=openai`), with the same `score` as the local one.

All requests of a process run on one event loop in a thread of its own, so that replies can be handed in one by one
while others are still being generated (`submit`), and collected at the end of the step (`gather`). A reply has a
score only when every criterion that was asked for was answered in form and in range; all else is a typed failure,
counted by kind.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from repo_cli.config.groups_reward import JudgeConfig
from repo_cli.dialogue.scenario import public_side
from repo_cli.rewards.judge_cache import AnswerCache, key_of
from repo_cli.rewards.judge_client import Answer, Client, Failure, Spend, estimate_tokens
from repo_cli.rewards.judge_parse import Read, Unreadable, read_json, read_labels
from repo_cli.rewards.judge_prompt import FAILED, JudgeScore, Message, answer_form, judge_prompt, plain_line
from repo_cli.rewards.redact import redacted
from repo_cli.rewards.rubric import Rubric
from repo_cli.training.heartbeat import beat

log = logging.getLogger("repo")
ALONE_TOKENS = 4  # of an answer that is one label
CACHE_VERSION = 1


class RemoteJudge:
    """Scores replies by asking an endpoint.

    Args:
        cfg: the group `judge`. rubric, sop: what the prompt shows. cache_dir: where answers are kept, None = nowhere.
        ranks: processes that share the configured limits and budget.
    """

    def __init__(
        self, cfg: JudgeConfig, rubric: Any, sop: Any = None, cache_dir: Path | None = None, ranks: int = 1
    ) -> None:
        self.cfg, self.sop = cfg, sop
        self.set_rubric(Rubric.of(rubric))
        self.client = Client(cfg.api, 1.0 / ranks)
        self.cache = (
            AnswerCache(cache_dir / "judge" / "answers.sqlite") if cfg.api.cache and cache_dir else None
        )
        self._formats = {"auto": ["json_schema", "json_object", "text"]}.get(
            cfg.api.response_format, [cfg.api.response_format]
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flying: dict[str, asyncio.Task[Read | Failure]] = {}
        self._told = Spend()

    @classmethod
    def open(cls, cfg: Any, ranks: int = 1) -> RemoteJudge:
        """The judge of a run's configuration."""
        return cls(cfg.judge, cfg.rubric, cfg.sop, Path(cfg.cache_dir).expanduser(), ranks)

    def with_rubric(self, rubric: Rubric) -> RemoteJudge:
        """The same endpoint asked by another rubric; limits, budget and cache hold for both together."""
        self._running()
        other = copy.copy(self)
        other.set_rubric(rubric)
        return other

    def set_rubric(self, rubric: Rubric) -> None:
        """Ask by another rubric from now on."""
        self.rubric, self.names = rubric, list(rubric.criteria)
        text = json.dumps(
            list(asdict(rubric).items()), ensure_ascii=False
        )  # the order of the criteria counts too
        self._version = hashlib.sha256(text.encode()).hexdigest()

    # -- handing in and collecting ------------------------------------------------------------------------------

    def submit(self, item: Mapping[str, Any]) -> Future[JudgeScore]:
        """Start judging one reply {scenario, history, reply}."""
        return asyncio.run_coroutine_threadsafe(self._judge(item), self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="judge", daemon=True).start()
        return self._loop

    def gather(
        self, futures: Sequence[Future[JudgeScore]], deadline_s: float | None = None
    ) -> list[JudgeScore]:
        """The scores of replies handed in; what is not there within `judge.api.deadline_s` is not scored.

        Raises UserError where the endpoint cannot be used at all (a wrong key, address or model).
        """
        limit = self.cfg.api.deadline_s if deadline_s is None else deadline_s
        done, late = wait(futures, timeout=limit, return_when="FIRST_EXCEPTION")
        if late and any(f.exception() for f in done):
            limit, late = 0.0, set(futures) - done
        for future in late:
            future.cancel()
        if late and self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._flying.values()])
        self.client.lost = 0  # the next step asks again
        lost = JudgeScore(dict.fromkeys(self.names), "transport", detail=f"no answer within {limit:g} s")
        scores = []
        for future in futures:
            scores.append(lost if future in late else future.result())
        self._tell(scores)
        return scores

    def score(self, items: Sequence[Mapping[str, Any]], deadline_s: float | None = None) -> list[JudgeScore]:
        """Scores of items {scenario, history, reply}, in their order."""
        return self.gather([self.submit(item) for item in items], deadline_s)

    def spent(self) -> Spend:
        """What was used since the last call."""
        now = self.client.spend.copy()
        used, self._told = now.minus(self._told), now
        return used

    def go_on_from(self, used: Mapping[str, float]) -> None:
        """Count this rank's part of what a run had used before it was resumed (amounts over all ranks, by the names of
        Spend): its budget holds for the whole run."""
        share = self.client.share
        self.client.spend = self.client.spend.plus({name: share * float(n) for name, n in used.items()})
        self._told = self.client.spend.copy()

    def close(self) -> None:
        """End the thread and the connections; the judge can be used no more."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None
        if self.cache is not None:
            self.cache.close()

    def _tell(self, scores: Sequence[JudgeScore]) -> None:
        kinds = Counter(s.outcome for s in scores if s.failed)
        if kinds:
            example = next(s.detail for s in scores if s.failed)
            said = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
            log.warning(
                "judge: %d of %d replies not scored: %s; first: %s",
                sum(kinds.values()),
                len(scores),
                said,
                example,
            )

    # -- one reply ------------------------------------------------------------------------------------------------

    async def _judge(self, item: Mapping[str, Any]) -> JudgeScore:
        if self.cfg.redact:
            item = redacted(item)
        asked: list[str | None] = [None] if self.cfg.mode == "together" else list(self.names)
        found = await asyncio.gather(*(self._question(item, only) for only in asked))
        # where nothing bounds the wait (repo sample), a slow judge must not look like a rank that hangs
        beat("judge")
        whole = Read()
        masses = []
        for part in found:
            if isinstance(part, Failure):
                continue
            whole.criteria |= part.criteria
            whole.reasons |= part.reasons
            masses.append(part.mass)
        failures = sorted((f for f in found if isinstance(f, Failure)), key=lambda f: FAILED.index(f.kind))
        if failures:  # a reply that spoils one criterion must not be rated by the others
            return JudgeScore(dict.fromkeys(self.names), failures[0].kind, detail=failures[0].detail)
        self._check_quotes(item, found)
        outcome = "ok" if any(v is not None for v in whole.criteria.values()) else "not_applicable"
        return JudgeScore(whole.criteria, outcome, sum(masses) / len(masses), whole.reasons)

    async def _question(self, item: Mapping[str, Any], only: str | None) -> Read | Failure:
        """One question, answered from the cache, by the same question already under way, or by the endpoint."""
        messages = self._messages(item, only)
        if messages is None:
            return Failure("too_long", f"the reply alone does not fit judge.max_length={self.cfg.max_length}")
        api = self.cfg.api
        key = key_of(
            {
                "version": CACHE_VERSION,
                "judge": [api.url, api.model, api.temperature, api.max_tokens, api.top_logprobs, api.body],
                "form": [self.cfg.scoring, self.cfg.mode, api.response_format, only],
                "rubric": self._version,
                "messages": messages,
            }
        )
        self.client.spend.lookups += 1
        kept = self.cache.get(key) if self.cache is not None else None
        if kept is not None and (read := self._from_cache(kept, only)) is not None:
            self.client.spend.hits += 1
            return read
        if key in self._flying:
            self.client.spend.hits += 1
        else:
            task = asyncio.get_running_loop().create_task(self._answered(messages, only, key))
            self._flying[key] = task
            task.add_done_callback(lambda _: self._flying.pop(key, None))
        return await asyncio.shield(self._flying[key])

    async def _answered(self, messages: list[Message], only: str | None, key: str) -> Read | Failure:
        found = await self._ask(messages, only)
        if isinstance(found, Failure) and found.kind == "unparsable":
            self.client.spend.repairs += 1
            note = f"\n(An earlier answer could not be read: {found.detail}.) "
            last = {**messages[-1], "content": messages[-1]["content"] + note + self._form(only)}
            again = await self._ask([*messages[:-1], last], only)
            if isinstance(again, Failure):
                return found  # whatever became of the second try, the first was unreadable
            found = again
        if isinstance(found, Read) and self.cache is not None:
            self.cache.put(key, {"criteria": found.criteria, "reasons": found.reasons, "mass": found.mass})
        return found

    async def _ask(self, messages: list[Message], only: str | None) -> Read | Failure:
        answer = await self._by_any_format(messages, only)
        if isinstance(answer, Failure):
            return answer
        if answer.refused:
            return Failure("refused", f"the judge declined ({answer.finish})")
        names = [only] if only else self.names
        try:
            if self.cfg.scoring == "json":
                return read_json(answer.text, self.rubric, names)
            return read_labels(answer.text, answer.logprobs, self.rubric, names, only is not None)
        except Unreadable as error:
            cut = "; it was cut off at judge.api.max_tokens" if answer.finish == "length" else ""
            return Failure(error.kind, f"{error}{cut}")

    async def _by_any_format(self, messages: list[Message], only: str | None) -> Answer | Failure:
        """With `response_format: auto` a server that refuses a schema is asked for an object, then for text."""
        used = ""

        def make() -> dict[str, Any]:
            nonlocal used
            used = self._formats[0]
            return self._body(messages, only)

        while True:
            answer = await self.client.ask(make)
            if not (isinstance(answer, Failure) and answer.kind == "bad_request"):
                return answer
            if self.cfg.scoring != "json" or (used == self._formats[0] and len(self._formats) == 1):
                return Failure("transport", answer.detail)
            if used == self._formats[0]:  # nobody else has found out meanwhile
                log.warning("judge: the endpoint refuses response_format=%s (%s)", used, answer.detail)
                self._formats.pop(0)

    def _body(self, messages: list[Message], only: str | None) -> dict[str, Any]:
        api = self.cfg.api
        body: dict[str, Any] = {"model": api.model, "messages": messages, "temperature": api.temperature}
        if self.cfg.scoring == "labels":
            body |= {"logprobs": True, "top_logprobs": api.top_logprobs}
            body["max_tokens"] = min(ALONE_TOKENS, api.max_tokens) if only else api.max_tokens
        else:
            body["max_tokens"] = api.max_tokens
            if self._formats[0] == "json_object":
                body["response_format"] = {"type": "json_object"}
            elif self._formats[0] == "json_schema":
                schema = answer_schema(self.rubric, [only] if only else self.names)
                body["response_format"] = {
                    "type": "json_schema",
                    "json_schema": {"name": "scores", "strict": True, "schema": schema},
                }
        return {**body, **api.body}

    def _messages(self, item: Mapping[str, Any], only: str | None) -> list[Message] | None:
        """The prompt, its oldest turns dropped until it fits; None when nothing is left to drop."""
        turns: list[Message] = [m for m in item["history"] if m.get("role") in ("user", "assistant")]
        while True:
            scenario, reply = item.get("scenario") or {}, item["reply"]
            form = self.cfg.scoring
            messages = judge_prompt(
                self.rubric, self.sop, scenario, turns, reply, self.cfg.prompt, form, only
            )
            if sum(estimate_tokens(m["content"]) for m in messages) <= self.cfg.max_length:
                return messages
            if not turns:
                return None
            turns = turns[1:]

    def _form(self, only: str | None) -> str:
        return answer_form(self.rubric, self.cfg.scoring, only)

    def _from_cache(self, kept: Mapping[str, Any], only: str | None) -> Read | None:
        """A kept answer, checked like a fresh one: the file may have been written by anyone."""
        criteria, reasons, mass = kept.get("criteria"), kept.get("reasons"), kept.get("mass")
        if not isinstance(criteria, dict) or set(criteria) != set([only] if only else self.names):
            return None
        for value in criteria.values():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and self.rubric.low <= value <= self.rubric.high):
                return None
        reasons = {str(k): str(v) for k, v in reasons.items()} if isinstance(reasons, dict) else {}
        return Read(
            dict(criteria), reasons, {}, float(mass) if isinstance(mass, int | float) else float("nan")
        )

    def _check_quotes(self, item: Mapping[str, Any], found: Sequence[Read | Failure]) -> None:
        """Counts how many quotes stand in what was judged: a judge that invents its evidence is seen."""

        def flat(text: str) -> str:
            return re.sub(r"\W+", "", plain_line(text)).lower()

        quotes = [q for part in found if isinstance(part, Read) for q in part.quotes.values() if flat(q)]
        if not quotes:
            return
        said = [str(m.get("content", "")) for m in item["history"]] + [item["reply"]]
        facts = public_side(item.get("scenario"))
        source = flat(" ".join(said) + json.dumps(facts, ensure_ascii=False))
        self.client.spend.quotes += len(quotes)
        self.client.spend.quotes_found += sum(flat(q) in source for q in quotes)


def answer_schema(rubric: Rubric, names: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer on the criteria `names`: quote and reason come before the score."""
    properties = {}
    for name in names:
        scores: list[int | None] = list(range(rubric.low, rubric.high + 1))
        kinds: str | list[str] = "integer"
        if rubric.criteria[name].applies_when:
            scores, kinds = [*scores, None], ["integer", "null"]
        entry = {
            "quote": {"type": "string"},
            "reason": {"type": "string"},
            "score": {"type": kinds, "enum": scores},
        }
        properties[name] = _object(entry)
    return _object(properties)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
