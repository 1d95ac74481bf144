"""The judge behind an endpoint, over real HTTP: scores of sound answers, typed outcomes of all others, limits, cache."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from judge_server import FakeEndpoint

from repo_cli.config.groups_reward import JudgeApiConfig, JudgeConfig
from repo_cli.errors import UserError
from repo_cli.rewards.judge_remote import RemoteJudge
from repo_cli.rewards.redact import Redactor
from repo_cli.rewards.rubric import Rubric

RUBRIC = Rubric.of(
    {
        "name": "r",
        "scale": [1, 5],
        "criteria": {
            "R1": {"name": "facts", "gate": True},
            "R4": {"name": "understanding"},
            "R7": {"name": "kindness", "applies_when": "there is a worry"},
        },
    }
)
NAMES = list(RUBRIC.criteria)
SCENARIO = {"hotel": {"name": "Willow Court"}, "current_price": 388, "hotel_hidden": {"reserve": 351}}
HISTORY = [{"role": "user", "content": "Our margin is thin."}]


def replies(*texts: str) -> list[dict[str, Any]]:
    return [{"scenario": SCENARIO, "history": HISTORY, "reply": text} for text in texts]


def many(n: int) -> list[dict[str, Any]]:
    return replies(*(f"Would {300 + i} work?" for i in range(n)))


def judge(server: FakeEndpoint, cache: Path | None = None, ranks: int = 1, **changes: Any) -> RemoteJudge:
    """A judge with short pauses; keys of `judge` by name, those of `judge.api` as api_NAME."""
    api = {"concurrency": 16, "retries": 2, "backoff_s": 0.01, "timeout_s": 5.0, "cache": cache is not None}
    api |= {name.removeprefix("api_"): v for name, v in changes.items() if name.startswith("api_")}
    own = {"kind": "openai", "scoring": "json"} | {
        k: v for k, v in changes.items() if not k.startswith("api_") and k != "sop"
    }
    cfg = JudgeConfig(**own, api=JudgeApiConfig(**{"url": server.url, "model": "m", **api}))
    return RemoteJudge(cfg, RUBRIC, changes.get("sop"), cache, ranks)


def outcomes(server: FakeEndpoint, items: list[dict[str, Any]], **changes: Any) -> list[str]:
    return [s.outcome for s in judge(server, **changes).score(items)]


# -- sound answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["together", "each"])
def test_json_scores(mode: str) -> None:
    with FakeEndpoint(NAMES, dashes=["R7"], quote="Our margin is thin") as server:
        got = judge(server, mode=mode).score(replies("great", "poor", "fair"))
        assert [s.criteria for s in got] == [{"R1": v, "R4": v, "R7": None} for v in (5, 1, 3)]
        assert {s.outcome for s in got} == {"ok"} and got[0].reasons["R1"] == "as it is"
        assert len(server.bodies) == (3 if mode == "together" else 9)
        body = server.bodies[0]
        schema = body["response_format"]["json_schema"]["schema"]
        name, entry = next(iter(schema["properties"].items()))
        assert list(entry["properties"]) == ["quote", "reason", "score"]
        assert entry["properties"]["score"]["enum"] == [1, 2, 3, 4, 5] + [None] * (name == "R7")
        assert body["temperature"] == 0.0 and body["model"] == "m" and "logprobs" not in body


@pytest.mark.parametrize("mode", ["together", "each"])
def test_label_scores_are_expected_values(mode: str) -> None:
    with FakeEndpoint(NAMES, dashes=["R7"]) as server:
        got = judge(server, scoring="labels", mode=mode).score(replies("great", "poor"))
        assert got[0].criteria["R1"] == pytest.approx((5 * 0.75 + 4 * 0.2) / 0.95)
        assert got[1].criteria["R4"] == pytest.approx((1 * 0.75 + 2 * 0.2) / 0.95)
        assert got[0].criteria["R7"] is None and got[0].mass == pytest.approx(0.95)
        assert server.bodies[0]["logprobs"] is True and server.bodies[0]["top_logprobs"] == 20


@pytest.mark.parametrize("mode", ["together", "each"])
def test_an_end_token_among_the_log_probabilities_is_no_part_of_the_answer(mode: str) -> None:
    """As vLLM sends it; anything else behind the labels is still no answer."""
    with FakeEndpoint(NAMES, dashes=["R7"], ends=["<|im_end|>"]) as server:
        (got,) = judge(server, scoring="labels", mode=mode).score(replies("great"))
        assert got.outcome == "ok" and got.criteria["R1"] == pytest.approx((5 * 0.75 + 4 * 0.2) / 0.95)
    with FakeEndpoint(NAMES, ends=["/10", "<|im_end|>"]) as server:
        assert outcomes(server, many(1), scoring="labels", mode=mode) == ["unparsable"]


def test_the_fixed_part_is_the_same_for_every_reply_and_criterion() -> None:
    with FakeEndpoint(NAMES) as server:
        judge(server, mode="each").score(replies("great", "poor"))
        assert len({b["messages"][0]["content"] for b in server.bodies}) == 1
        assert all("351" not in m["content"] for b in server.bodies for m in b["messages"])


@pytest.mark.parametrize("fault", ["thinking", "fenced"])
def test_think_blocks_and_code_fences_are_taken_off(fault: str) -> None:
    with FakeEndpoint(NAMES, {fault: 1.0}) as server:
        (got,) = judge(server).score(replies("poor"))
        assert got.outcome == "ok" and set(got.criteria.values()) == {1.0} and len(server.bodies) == 1


def test_a_server_without_schemas_is_asked_for_an_object_then_for_text() -> None:
    for refuses, wanted in ((["json_schema"], "json_object"), (["json_schema", "json_object"], None)):
        with FakeEndpoint(NAMES, refuses=refuses) as server:
            asked = judge(server, api_concurrency=1)
            assert outcomes_of(asked, many(4)) == ["ok"] * 4
            assert (server.bodies[-1].get("response_format") or {}).get("type") == wanted
            assert len(server.bodies) == 4 + len(refuses)  # found out once
    with FakeEndpoint(NAMES, refuses=["json_schema"]) as server:
        assert outcomes(server, many(1), api_response_format="json_schema") == ["transport"]


def outcomes_of(asked: RemoteJudge, items: list[dict[str, Any]]) -> list[str]:
    return [s.outcome for s in asked.score(items)]


# -- everything else is a typed failure, and never a number (pitfalls B8) ---------------------------------------

UNREADABLE = (
    *("truncated", "prose", "empty", "out_of_range", "as_text", "as_bool", "not_a_number", "wrong_schema"),
    *("one_too_few", "one_too_many", "two_objects", "doubled_key", "deep"),
)
KINDS = {
    **dict.fromkeys(UNREADABLE, "unparsable"),
    **dict.fromkeys(("refusal", "refusal_field", "filter_end", "filtered"), "refused"),
    **dict.fromkeys(("garbage", "500", "429", "hang_up"), "transport"),
    "too_long": "too_long",
}


@pytest.mark.parametrize("fault", list(KINDS))
def test_outcomes(fault: str) -> None:
    with FakeEndpoint(NAMES, {fault: 1.0}) as server:
        (got,) = judge(server).score(many(1))
        assert got.outcome == KINDS[fault] and got.failed and got.detail
        assert set(got.criteria.values()) == {None} and set(got.criteria) == set(NAMES)
        tries = {"unparsable": 2, "transport": 3}.get(got.outcome, 1)  # one repair; two retries
        assert len(server.bodies) == tries


@pytest.mark.parametrize(("fault", "kind"), [("no_logprobs", "unparsable"), ("refusal", "refused")])
@pytest.mark.parametrize("mode", ["together", "each"])
def test_outcomes_of_labels(fault: str, kind: str, mode: str) -> None:
    with FakeEndpoint(NAMES, {fault: 1.0}) as server:
        assert outcomes(server, many(1), scoring="labels", mode=mode) == [kind]


def test_null_for_a_criterion_that_always_applies_is_no_answer() -> None:
    with FakeEndpoint(NAMES, dashes=["R1"]) as server:
        assert outcomes(server, many(1)) == ["unparsable"]


def test_nothing_applies_is_an_answer_of_its_own() -> None:
    rubric = Rubric.of(
        {"name": "r", "scale": [1, 5], "criteria": {"R7": {"applies_when": "there is a worry"}}}
    )
    with FakeEndpoint(["R7"], dashes=["R7"]) as server:
        asked = judge(server)
        asked.rubric, asked.names = rubric, ["R7"]
        (got,) = asked.score(many(1))
        assert got.outcome == "not_applicable" and not got.failed and got.criteria == {"R7": None}


def test_one_repair_mends_an_answer() -> None:
    with FakeEndpoint(NAMES, {"prose": 0.5}, takes_s=0.01) as server:
        asked = judge(server)
        assert [outcomes_of(asked, [item]) for item in many(4)] == [["ok"]] * 4
        assert asked.client.spend.repairs == 3
        repair = [b for b in server.bodies if "could not be read" in b["messages"][-1]["content"]]
        assert repair and repair[0]["messages"][0] == server.bodies[0]["messages"][0]


@pytest.mark.parametrize("fault", ["429", "500", "hang_up", "garbage"])
def test_a_third_of_the_requests_lost_is_mended_by_retries(fault: str) -> None:
    with FakeEndpoint(NAMES, {fault: 0.3}) as server:
        asked = judge(server, api_concurrency=1)
        assert outcomes_of(asked, many(10)) == ["ok"] * 10
        assert asked.client.spend.retries == len(server.bodies) - 10 >= 3


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_unreadable_answers_at_any_share_are_counted_exactly(share: float) -> None:
    """A reply is scored right, or not at all; what a repair mends is counted too."""
    with FakeEndpoint(NAMES, {"out_of_range": share}) as server:
        asked = judge(server)
        got = [asked.score([item])[0] for item in many(20)]
        sound = [s for s in got if s.outcome == "ok"]
        assert all(set(s.criteria.values()) == {4.0} for s in sound)
        assert all(set(s.criteria.values()) == {None} for s in got if s.failed)
        bad = sum(s.outcome == "unparsable" for s in got)
        assert len(sound) + bad == 20 and bad == (20 if share == 1.0 else 0)
        assert asked.client.spend.repairs == (20 if share == 1.0 else len(server.bodies) - 20) > 0


def test_a_slow_server_costs_no_more_than_the_deadline() -> None:
    with FakeEndpoint(NAMES, {"slow": 0.5}, slow_s=20.0) as server:
        began = time.monotonic()
        got = judge(server, api_deadline_s=3.0, api_timeout_s=30.0).score(many(8))
        assert time.monotonic() - began < 15.0  # the server would take 20
        assert sorted(s.outcome for s in got) == ["ok"] * 4 + ["transport"] * 4
        assert "within 3 s" in next(s.detail for s in got if s.failed)


def test_a_request_has_its_own_time_limit() -> None:
    with FakeEndpoint(NAMES, {"slow": 0.34}, slow_s=3.0) as server:
        assert outcomes(server, many(3), api_timeout_s=0.3) == ["ok"] * 3


def test_a_dead_server_is_given_up() -> None:
    with FakeEndpoint(NAMES) as server:
        gone = judge(server, api_retries=0, api_concurrency=1, api_give_up_after=3)
        items = many(12)
    got = gone.score(items)
    assert {s.outcome for s in got} == {"transport"}
    assert sum("not asked" in s.detail for s in got) == 9
    assert gone.client.spend.requests == 3


def test_retry_after_is_waited_for() -> None:
    with FakeEndpoint(NAMES, {"429": 0.5}, retry_after=1) as server:
        began = time.monotonic()
        assert outcomes(server, many(2), api_concurrency=1) == ["ok"] * 2
        assert time.monotonic() - began >= 1.0


# -- the key ----------------------------------------------------------------------------------------------------


def test_a_wrong_key_ends_the_run_and_is_never_shown(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
    with FakeEndpoint(NAMES, {"401": 1.0}) as server, caplog.at_level(logging.DEBUG):
        with pytest.raises(UserError, match="http 401.*wrong key Bearer \\*\\*\\*") as caught:
            judge(server, api_key_env="JUDGE_KEY").score(many(3))
        assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in str(caught.value) + caplog.text
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(UserError, match="JUDGE_KEY"):
        judge(server, api_key_env="JUDGE_KEY")


def test_no_key_is_sent_where_none_is_named() -> None:
    with FakeEndpoint(NAMES) as server:
        assert outcomes(server, many(1)) == ["ok"]
        assert "Authorization" not in server.headers[0]


def test_a_404_after_answers_is_the_servers_trouble() -> None:
    with FakeEndpoint(NAMES, {"404": 0.34}) as server:
        got = outcomes(server, many(6), api_concurrency=1)
        assert sorted(set(got)) == ["ok", "transport"]


# -- limits, budget ---------------------------------------------------------------------------------------------


def test_concurrency_is_bounded() -> None:
    with FakeEndpoint(NAMES, takes_s=0.05) as server:
        assert outcomes(server, many(12), api_concurrency=3) == ["ok"] * 12
        assert server.most_at_once == 3
    with FakeEndpoint(NAMES, takes_s=0.05) as server:  # two ranks share it
        assert outcomes(server, many(6), api_concurrency=4, ranks=2) == ["ok"] * 6
        assert server.most_at_once == 2


def test_requests_and_tokens_a_minute() -> None:
    with FakeEndpoint(NAMES) as server:
        began = time.monotonic()
        outcomes(server, many(6), api_rpm=600)
        assert time.monotonic() - began >= 0.45  # five gaps of 0.1 s
    with FakeEndpoint(NAMES) as server:
        asked = judge(server, api_tpm=66_000, api_max_tokens=100)  # 110 tokens each: ten a second
        began = time.monotonic()
        asked.score(many(6))
        assert time.monotonic() - began >= 0.5


def test_the_budget_is_kept() -> None:
    with FakeEndpoint(NAMES) as server:
        asked = judge(server, api_price_in=1000.0, api_price_out=0.0, api_budget=0.9, api_concurrency=1)
        got = asked.score(many(12))
        done = sum(s.outcome == "ok" for s in got)
        # a request costs 0.1 in truth, and more by the estimate that must fit before it is sent
        assert 1 <= done < 12 and {s.outcome for s in got} == {"ok", "over_budget"}
        assert asked.client.spend.cost == pytest.approx(0.1 * done) and asked.client.spend.cost <= 0.9
        assert len(server.bodies) == done
        assert (
            set(outcomes_of(asked, replies("another"))) == {"over_budget"} or asked.client.spend.cost <= 0.9
        )
    with FakeEndpoint(NAMES) as server:
        assert outcomes(server, many(2), api_budget_tokens=10) == ["over_budget"] * 2 and not server.bodies


def test_the_budget_holds_over_a_resumed_run() -> None:
    """Two ranks go on where a run had spent 1.6 of its 2.0: each has 0.2 left of its half."""
    with FakeEndpoint(NAMES) as server:
        asked = judge(
            server, ranks=2, api_price_in=1000.0, api_price_out=0.0, api_budget=2.0, api_concurrency=1
        )
        asked.go_on_from({"cost": 1.6, "tokens_in": 1600, "tokens_out": 160, "requests": 16, "unknown": 3})
        assert asked.client.spend.cost == pytest.approx(0.8) and asked.client.spend.requests == 8
        got = asked.score(many(12))
        assert {s.outcome for s in got} == {"over_budget"} and asked.spent().cost < 0.2
    with FakeEndpoint(NAMES) as server:
        fresh = judge(
            server, ranks=2, api_price_in=1000.0, api_price_out=0.0, api_budget=2.0, api_concurrency=1
        )
        assert "ok" in {s.outcome for s in fresh.score(many(12))}


# -- the cache --------------------------------------------------------------------------------------------------


def test_answers_are_kept_and_failures_are_not(tmp_path: Path) -> None:
    with FakeEndpoint(NAMES) as server:
        first = judge(server, tmp_path)
        want = first.score(many(5))
        again = judge(server, tmp_path)
        got = again.score(many(5) + replies("great"))
        assert len(server.bodies) == 6 and [s.criteria for s in got[:5]] == [s.criteria for s in want]
        used = again.spent()
        assert (used.hits, used.lookups, used.requests) == (5, 6, 1) and again.spent().lookups == 0
        for change in (
            {"api_temperature": 0.5},
            {"scoring": "labels"},
            {"mode": "each"},
            {"api_max_tokens": 9},
            {"api_model": "m2"},
            {"sop": {"stages": {"S1": {"name": "greet", "do": "say who is speaking"}}}},
            {"sop": {"stages": {"S1": {"name": "greet", "do": "say hello"}}}},
            {},
        ):
            before = len(server.bodies)
            assert judge(server, tmp_path, **change).score(many(1))[0].outcome == "ok"
            assert (len(server.bodies) > before) == bool(change), change
        with FakeEndpoint(NAMES) as other:  # the same question to another address
            judge(other, tmp_path).score(many(1))
            assert len(other.bodies) == 1
    with FakeEndpoint(NAMES, {"prose": 1.0}) as server:
        judge(server, tmp_path).score(many(1))
        assert outcomes(server, many(1), cache=tmp_path) == ["unparsable"] and len(server.bodies) == 4


def test_another_rubric_is_another_question(tmp_path: Path) -> None:
    with FakeEndpoint(NAMES) as server:
        judge(server, tmp_path).score(many(1))
        changed = judge(server, tmp_path)
        other = {"name": "r", "scale": [1, 5], "criteria": {n: {"weight": 2.0} for n in NAMES}}
        assert RemoteJudge(changed.cfg, other, None, tmp_path).score(many(1))[0].outcome == "ok"
        assert len(server.bodies) == 2


def test_the_same_reply_twice_at_once_is_asked_once(tmp_path: Path) -> None:
    with FakeEndpoint(NAMES, takes_s=0.1) as server:
        asked = judge(server)
        got = asked.score(replies("fair", "fair", "fair"))
        assert len(server.bodies) == 1 and {s.criteria["R1"] for s in got} == {3.0}
        assert asked.client.spend.hits == 2


def test_a_broken_or_tampered_cache_is_never_believed(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "judge" / "answers.sqlite"
    with FakeEndpoint(NAMES) as server:
        judge(server, tmp_path).score(many(1))
        db = sqlite3.connect(path)
        for value in (
            '{"criteria": {"R1": 99, "R4": 5, "R7": 5}}',
            "not json",
            '{"criteria": {"R1": 5}}',
            "[1]",
        ):
            db.execute("UPDATE answers SET value = ?", (value,))
            db.commit()
            (got,) = judge(server, tmp_path).score(many(1))
            assert got.criteria == {"R1": 4.0, "R4": 4.0, "R7": 4.0}, value
        db.close()
        path.with_name("answers.sqlite-wal").unlink(missing_ok=True)
        path.write_bytes(b"this is no database" * 100)
        assert outcomes(server, many(1), cache=tmp_path) == ["ok"]


def _rank(url: str, folder: str, start: int, out: Any) -> None:
    class Server:
        pass

    server = Server()
    server.url = url  # type: ignore[attr-defined]
    asked = judge(server, Path(folder), ranks=2)  # type: ignore[arg-type]
    got = asked.score(many(30)[start:] + many(30)[:start])
    out.put([s.outcome for s in got])


def test_several_ranks_share_one_cache(tmp_path: Path) -> None:
    with FakeEndpoint(NAMES) as server:
        context = multiprocessing.get_context("spawn")
        out = context.Queue()
        ranks = [context.Process(target=_rank, args=(server.url, str(tmp_path), s, out)) for s in (0, 15)]
        for rank in ranks:
            rank.start()
        assert [out.get(timeout=60) for _ in ranks] == [["ok"] * 30] * 2
        for rank in ranks:
            rank.join(10)
        before = len(server.bodies)
        assert before <= 60
        judge(server, tmp_path).score(many(30))
        assert len(server.bodies) == before  # all thirty are there


# -- masks, quotes, length ----------------------------------------------------------------------------------------


def test_redact_masks_what_leaves_the_machine() -> None:
    item = {
        "scenario": {
            "hotel": {"name": "Willow Court"},
            "contact_name": "陈伟",
            "current_price": 388,
            "dates": ["2026-06-18"],
        },
        "history": [
            {
                "role": "user",
                "content": "Ask 陈伟 at willow court, 138 0013 8000 or a.b@mail.example.com, before 06-18.",
            }
        ],
        "reply": "Willow Court at 388 from 2026-06-18? Call +44 20 7946 0958 or 0571-8888 6666.",
    }
    with FakeEndpoint(NAMES) as server:
        judge(server, redact=True).score([item])
        sent = json.dumps(server.bodies, ensure_ascii=False)
        for secret in ("Willow", "willow", "陈伟", "8000", "a.b@", "7946", "8888"):
            assert secret not in sent, secret
        for kept in ("388", "2026-06-18", "06-18", "[phone]", "[e-mail]"):
            assert kept in sent, kept
        judge(server).score([item])
        assert "Willow Court" in json.dumps(server.bodies[-1], ensure_ascii=False)


def test_what_hides_a_name_or_a_number_from_the_masks() -> None:
    """The prompt takes hidden characters and line breaks out, so the masks must look at what is left."""
    mask = Redactor({"hotel": {"name": "Sunset\nHouse"}, "guest_name": "Ann  Lee"})
    for said, sent in (
        ("Sun\u200bset House", "[name 1]"),
        ("sunset \n house", "[name 1]"),
        ("Ann Lee's", "[name 2]'s"),
        ("138\u200b0013\n8000", "[phone]"),
        ("a.b\u200b@c.com", "[e-mail]"),
        ("06 12 34 56 78", "[phone]"),
        ("\u017funset House", "[name]"),  # a long s, which matches where case is ignored
        ("06-18 to 06-20, 06-21", "06-18 to 06-20, 06-21"),
        ("Sunsets at 1,143 or 350-360", "Sunsets at 1,143 or 350-360"),
    ):
        assert mask.text(said) == sent, said


def test_quotes_that_were_never_said_are_counted() -> None:
    for quote, found in (("margin is thin", 3), ("a free upgrade", 0)):
        with FakeEndpoint(NAMES, quote=quote) as server:
            asked = judge(server)
            asked.score(many(1))
            assert (asked.client.spend.quotes, asked.client.spend.quotes_found) == (3, found)


def test_a_long_dialogue_loses_its_oldest_turns() -> None:
    long = [{"role": "user", "content": f"turn {i} " + "word " * 200} for i in range(30)]
    with FakeEndpoint(NAMES) as server:
        item = {"scenario": SCENARIO, "history": long, "reply": "fair"}
        asked = judge(server, max_length=2000)
        assert outcomes_of(asked, [item]) == ["ok"]
        sent = server.bodies[0]["messages"][-1]["content"]
        assert "turn 29" in sent and "turn 0 " not in sent
        assert outcomes_of(asked, [{**item, "reply": "word " * 9000}]) == ["too_long"]
