"""One question to an OpenAI-compatible endpoint: limits, retries, deadline and budget in one place. No torch.

What comes back is an answer or a typed failure, never an exception for what a server may do. A request that failed in
transport is tried again after a pause (exponential, with jitter; a Retry-After counts); what the server refused for
good is not. The key goes into one header, and into nothing that is logged or kept.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from repo_cli.config.groups_reward import JudgeApiConfig
from repo_cli.errors import UserError
from repo_cli.rewards.judge_parse import printable

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524, 529})
FATAL = frozenset({401, 403, 404})  # a wrong key, address or model: no reply can be scored until it is mended
MOST_BYTES = 4_000_000  # an answer longer than this is no answer


@dataclass
class Answer:
    """What the endpoint said: the text, its log-probabilities where asked for, and why it ended."""

    text: str
    logprobs: Any = None
    finish: str = "stop"
    refused: bool = False


@dataclass
class Failure:
    """No answer: `kind` is an outcome of judge_prompt; `detail` may be logged."""

    kind: str
    detail: str


@dataclass
class Spend:
    """What was used so far by this process."""

    requests: int = 0
    retries: int = 0
    repairs: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    hits: int = 0
    lookups: int = 0
    quotes: int = 0
    quotes_found: int = 0

    def minus(self, other: Spend) -> Spend:
        return Spend(**{name: getattr(self, name) - getattr(other, name) for name in vars(self)})

    def copy(self) -> Spend:
        return Spend(**vars(self))

    def plus(self, more: Mapping[str, float]) -> Spend:
        """With further amounts by name; names that it does not know are left out."""
        return Spend(**{name: value + more.get(name, 0) for name, value in vars(self).items()})


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has: a third of its letters, and each Chinese character."""
    wide = sum("\u3400" <= c <= "\u9fff" for c in text)
    return wide + math.ceil((len(text) - wide) / 3)


class Pace:
    """Even spacing to stay within so many units a minute; None = no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self.seconds = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def wait(self, units: float = 1.0) -> None:
        if not self.seconds:
            return
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + units * self.seconds
        if at > now:
            await asyncio.sleep(at - now)

    def correct(self, units: float) -> None:
        """The last estimate was short of the truth by so many units (or above it, when negative)."""
        self._next += units * self.seconds


@dataclass
class Client:
    """Asks one endpoint; lives on one event loop. share: the part of all limits that is this process's (1 / ranks)."""

    api: JudgeApiConfig
    share: float = 1.0
    spend: Spend = field(default_factory=Spend)
    lost: int = 0  # questions lost in a row, all tries of each

    def __post_init__(self) -> None:
        import httpx2

        api = self.api
        if not api.url or not api.model:
            raise UserError(
                "judge.api.url and judge.api.model must be given", hint="judge=openai judge.api.url=..."
            )
        self._key = os.environ.get(api.key_env, "") if api.key_env else ""
        if api.key_env and not self._key:
            raise UserError(
                f"the environment variable {api.key_env}, which judge.api.key_env names, is not set"
            )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        at_once = max(1, math.ceil(api.concurrency * self.share))
        self._slots = asyncio.Semaphore(at_once)
        self._rpm = Pace(api.rpm * self.share if api.rpm else None)
        self._tpm = Pace(api.tpm * self.share if api.tpm else None)
        self._reserved_tokens = self._reserved_money = 0.0
        self._worked = (
            False  # has any request been answered? then a 404 is the server's trouble, not the user's
        )
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=api.timeout_s,
            limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        )
        self._errors = httpx2.HTTPError
        for name in ("httpx2", "httpcore2"):  # a line for each request would drown the log
            logging.getLogger(name).setLevel(logging.WARNING)
        self._address = api.url.rstrip("/") + "/chat/completions"

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, make: Callable[[], Mapping[str, Any]]) -> Answer | Failure:
        """The answer to one request, tried as often as the configuration allows; cancel it at a deadline.

        make: gives the request's body when its turn comes (what the endpoint can do may be known better by then).
        Raises UserError for 401, 403 and 404 before anything was ever answered.
        """
        body = make()
        tokens_in = estimate_tokens(json.dumps(body.get("messages"), ensure_ascii=False))
        tokens = tokens_in + self._expected_out(body)
        money = self._money(tokens_in, tokens - tokens_in)
        while self._beyond_budget(tokens, money):
            if self._reserved_tokens == 0:
                return Failure("over_budget", "the budget is used up")
            await asyncio.sleep(0.02)  # what is under way may turn out cheaper than was reserved for it
        self._reserved_tokens += tokens
        self._reserved_money += money
        try:
            return await self._tries(make, tokens_in, tokens)
        finally:
            self._reserved_tokens -= tokens
            self._reserved_money -= money

    async def _tries(
        self, make: Callable[[], Mapping[str, Any]], tokens_in: int, tokens: int
    ) -> Answer | Failure:
        attempt = 0
        while True:
            self.spend.retries += attempt > 0
            async with self._slots:
                await self._rpm.wait()
                await self._tpm.wait(tokens)
                if self.lost >= self.api.give_up_after:
                    return Failure("transport", f"not asked: {self.lost} questions in a row were lost")
                before = self.spend.tokens_in + self.spend.tokens_out
                found, again, pause = await self._once(make(), tokens_in)
            if not isinstance(found, Failure):
                self.lost = 0
                self._tpm.correct(self.spend.tokens_in + self.spend.tokens_out - before - tokens)
                return found
            if not again or attempt == self.api.retries:
                self.lost += found.kind == "transport"
                return found
            await asyncio.sleep(min(self.api.backoff_max_s, max(pause, self._backoff(attempt))))
            attempt += 1

    def _backoff(self, attempt: int) -> float:
        """Seconds: doubled each time, and up to half of it taken off at random, so that ranks do not march in step."""
        return self.api.backoff_s * 2**attempt * random.uniform(0.5, 1.0)

    async def _once(self, body: Mapping[str, Any], tokens_in: int) -> tuple[Answer | Failure, bool, float]:
        """(answer or failure, may another try help, pause that the server asks for)."""
        self.spend.requests += 1
        try:
            status, headers, raw = await asyncio.wait_for(self._post(body), self.api.timeout_s)
        except TimeoutError:
            said = f"no answer within judge.api.timeout_s={self.api.timeout_s:g}"
            return Failure("transport", said), True, 0.0
        except (self._errors, OSError) as error:
            return Failure("transport", self._clean(f"{type(error).__name__}: {error}")), True, 0.0
        if status != 200:
            text = raw[:2000].decode("utf-8", "replace")
            said = self._clean(f"http {status}: {' '.join(text.split())[:200]}")
            if status in FATAL and not self._worked:
                raise UserError(
                    f"judge: {self._address} answers {said}",
                    hint="look at judge.api.url, .model and .key_env",
                )
            if status in (400, 413, 422):
                return Failure(_refusal_of(text.lower()), said), False, 0.0
            return Failure("transport", said), status in RETRIED, _retry_after(headers.get("retry-after"))
        found = self._read(raw, tokens_in)
        again = isinstance(found, Failure)
        if not again:
            self._worked = True
        return found, again, 0.0

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        async with self._http.stream("POST", self._address, json=dict(body)) as response:
            raw = b""
            async for chunk in response.aiter_bytes():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    break
            return response.status_code, response.headers, raw

    def _read(self, raw: bytes, tokens_in: int) -> Answer | Failure:
        """A chat completion; what is none (a proxy's page, a broken connection's half) is a failure in transport."""
        try:
            data = json.loads(raw)
            choice = data["choices"][0]
            message = choice["message"]
            text = message.get("content")
            refusal = message.get("refusal")
            finish = str(choice.get("finish_reason"))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Failure(
                "transport", f"no chat completion: {self._clean(raw[:80].decode('utf-8', 'replace'))!r}"
            )
        usage = data.get("usage")
        text = text if isinstance(text, str) else ""
        self._count(usage if isinstance(usage, Mapping) else {}, tokens_in, estimate_tokens(text))
        refused = bool(refusal) or finish == "content_filter"
        return Answer(text, choice.get("logprobs"), finish, refused)

    def _count(self, usage: Mapping[str, Any], tokens_in: int, tokens_out: int) -> None:
        """Add what the server says was used, or the estimates where it does not."""

        def number(name: str, otherwise: int) -> int:
            value = usage.get(name)
            return (
                value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
            )

        came, went = number("prompt_tokens", tokens_in), number("completion_tokens", tokens_out)
        self.spend.tokens_in += came
        self.spend.tokens_out += went
        self.spend.cost += self._money(came, went)

    # -- the budget: what is under way counts as spent, so that many requests at once do not run over it -------------

    def _expected_out(self, body: Mapping[str, Any]) -> int:
        answered = max(1, self.spend.requests - self.spend.retries)
        most = int(body.get("max_tokens") or self.api.max_tokens)
        return min(most, math.ceil(self.spend.tokens_out / answered)) if self.spend.tokens_out else most

    def _money(self, tokens_in: float, tokens_out: float) -> float:
        return (tokens_in * self.api.price_in + tokens_out * self.api.price_out) / 1e6

    def _beyond_budget(self, tokens: float, money: float) -> bool:
        api, used = self.api, self.spend.tokens_in + self.spend.tokens_out
        over_tokens = api.budget_tokens is not None and (
            used + self._reserved_tokens + tokens > api.budget_tokens * self.share
        )
        over_money = api.budget is not None and (
            self.spend.cost + self._reserved_money + money > api.budget * self.share
        )
        return over_tokens or over_money

    def _clean(self, text: str) -> str:
        """A text of the server's, fit for the log and without the key, should it repeat it."""
        return printable(text.replace(self._key, "***") if self._key else text)


def _refusal_of(text: str) -> str:
    """The kind of a request that the server will never take: its words are all there is to tell by."""
    if "content_filter" in text or "content management policy" in text:
        return "refused"
    long = "context" in text and ("length" in text or "maximum" in text) and "token" in text
    return "too_long" if long else "bad_request"


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header (a number or a date); 0 where there is none."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
