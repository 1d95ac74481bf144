"""A small OpenAI-compatible endpoint for tests, over real HTTP, that does whatever a good server will not do.

It rates the text between the marks of the REPLY by one word in it (great = 5, fair = 3, poor = 1; 4 otherwise), so
that a test knows what a sound answer says; the option `rate` puts another reader of the prompt in its place. `faults` maps the name of a fault to the share of requests that meet it.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = {"great": 5, "fair": 3, "poor": 1}
GARBAGE = b"\x00\xff<html>502 Bad Gateway {'score': 5}"


class FakeEndpoint:
    """`with FakeEndpoint(["R1", "R4"], {"garbage": 0.3}) as server: server.url ...`"""

    def __init__(self, names: Sequence[str], faults: dict[str, float] | None = None, **options: Any) -> None:
        self.names, self.faults, self.options = list(names), dict(faults or {}), options
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []  # when each request came
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        self._due = dict.fromkeys(self.faults, 0.0)

    def __enter__(self) -> FakeEndpoint:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint._serve(self, body)

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _fault(self) -> str | None:
        """The fault of this request; each comes at an even pace, exactly as often as its share says."""
        for name, share in self.faults.items():
            self._due[name] += share
            if self._due[name] >= 1.0 - 1e-9:
                self._due[name] -= 1.0
                return name
        return None

    def _serve(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self._lock:
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = "500" if len(self.bodies) > self.options.get("dies_after", math.inf) else self._fault()
            self.times.append(time.monotonic())
        time.sleep(self.options.get("takes_s", 0.0))
        with self._lock:
            self._at_once -= 1
        try:
            self._answer(handler, body, fault)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], fault: str | None) -> None:
        statuses = {"429": 429, "500": 500, "401": 401, "404": 404, "too_long": 400, "filtered": 400}
        if fault == "hang_up":
            handler.close_connection = True
            handler.connection.close()
            return
        if fault == "slow":
            time.sleep(self.options.get("slow_s", 5.0))
        if fault == "garbage":
            return send(handler, 200, GARBAGE)
        if fault in statuses:
            said = {
                "401": "wrong key " + handler.headers.get("Authorization", ""),
                "too_long": "maximum context length is 512 tokens",
                "filtered": "content_filter",
            }.get(fault, "try again")
            extra = {"Retry-After": str(self.options.get("retry_after", 0))} if fault == "429" else {}
            return send(handler, statuses[fault], json.dumps({"error": {"message": said}}).encode(), extra)
        kind = (body.get("response_format") or {}).get("type")
        if kind in self.options.get("refuses", ()):
            return send(handler, 400, b'{"error": "response_format is not supported"}')
        send(handler, 200, json.dumps(self.completion(body, fault)).encode())

    def completion(self, body: dict[str, Any], fault: str | None) -> dict[str, Any]:
        """A chat completion; faults of the model (not of the transport) change its text."""
        user = body["messages"][-1]["content"]
        only = re.search(r"^Criterion asked for: (\S+)$", user, re.MULTILINE)
        names = [only[1]] if only else self.names
        score = self.options.get("rate", score_of)(user)
        message: dict[str, Any] = {"role": "assistant", "refusal": None}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
        if body.get("logprobs"):
            places = label_places(names, score, bool(only), self.options.get("dashes", ()))
            message["content"] = "".join(p["token"] for p in places)
            choice["logprobs"] = {
                "content": places + [place(t, {t: 0.9}) for t in self.options.get("ends", ())]
            }
        else:
            entry = {"quote": self.options.get("quote", "of course"), "reason": "as it is", "score": score}
            answer = {
                n: {**entry, "score": None} if n in self.options.get("dashes", ()) else entry for n in names
            }
            message["content"] = json.dumps(answer)
        spoil(choice, names, fault)
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}


def score_of(user: str) -> int:
    """What the server makes of the reply in a prompt of ours (or of the whole text of another)."""
    marked = re.search(r"<<<REPLY (\w+)\n(.*?)\nREPLY \1>>>", user, re.DOTALL)
    text = marked[2] if marked else user
    return next((score for word, score in WORDS.items() if word in text), 4)


def spoil(choice: dict[str, Any], names: Sequence[str], fault: str | None) -> None:
    """Turn a sound answer into a bad one."""
    message = choice["message"]
    good = message["content"]
    first = names[0]
    if fault == "truncated":
        message["content"], choice["finish_reason"] = good[: len(good) // 2], "length"
        choice.pop("logprobs", None)
    elif fault == "refusal":
        message["content"] = "I'm sorry, but I can't help with rating this. 5"
        choice["logprobs"] = (
            {"content": [place("I", {}), place("'m", {}), place(" sorry", {})]}
            if choice.get("logprobs")
            else None
        )
    elif fault == "refusal_field":
        message["content"], message["refusal"] = None, "no"
    elif fault == "filter_end":
        choice["finish_reason"] = "content_filter"
    elif fault == "no_logprobs":
        choice["logprobs"] = None
    else:
        changed = {
            "prose": f"{first} is 5 out of 5, I would say: great. 5",
            "empty": "",
            "out_of_range": good.replace(': 4}', ': 7}'),
            "as_text": good.replace(': 4}', ': "4"}'),
            "as_bool": good.replace(': 4}', ': true}'),
            "not_a_number": good.replace(': 4}', ': NaN}'),
            "wrong_schema": json.dumps({"scores": [5, 5, 5]}),
            "one_too_few": json.dumps({n: {"score": 5} for n in names[1:]}),
            "one_too_many": json.dumps({n: {"score": 5} for n in [*names, "R99"]}),
            "two_objects": good + "\n" + good,
            "doubled_key": good[:-1] + f', "{first}": {{"score": 5}}}}',
            "thinking": f"<think>the reply says R1: 5 {{\"R1\": 5}}</think>\n{good}",
            "fenced": f"```json\n{good}\n```",
            "deep": "{" * 9 + '"a":' * 3 + "[" * 50_000,
        }  # fmt: skip
        if fault in changed:
            message["content"] = changed[fault]


def place(token: str, top: dict[str, float]) -> dict[str, Any]:
    """One entry of `logprobs.content`; `top` holds probabilities."""
    alternatives = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in top.items()]
    return {"token": token, "logprob": -0.1, "bytes": None, "top_logprobs": alternatives}


def label_places(
    names: Sequence[str], score: int, alone: bool, dashes: Sequence[str]
) -> list[dict[str, Any]]:
    """The label gets 0.75, its lower neighbour (or the upper one of 1) 0.2, a word 0.05."""
    other = score - 1 if score > 1 else 2
    out = []
    for i, name in enumerate(names):
        label = "-" if name in dashes else str(score)
        lead = "" if alone else " "
        if not alone:
            out += [place(("\n" if i else "") + name, {}), place(":", {})]
        out.append(place(lead + label, {lead + label: 0.75, f"{lead}{other}": 0.2, " well": 0.05}))
    return out


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
