"""`repo eval` without any weights: the world's agents, endpoints on this machine, transcripts, repeated trials."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from judge_server import FakeEndpoint
from stages_kit import SMALL

from repo_cli.cli import main
from repo_cli.config import compose
from repo_cli.errors import UserError
from repo_cli.evaluation.ab_file import read_arms
from repo_cli.evaluation.experts import Expert, experts_of, rate_dialogue
from repo_cli.evaluation.metrics import pass_k, summarise
from repo_cli.evaluation.result import Dialogue, EvalResult, SystemResult
from repo_cli.rewards.judge_prompt import JudgeScore
from repo_cli.rewards.rubric import Rubric
from repo_cli.rollout.partners import Fault, read_turn
from repo_cli.stages import evaluate
from repo_cli.stages.evaluate_judge import JudgeRater

FAST = ("rules=none", "engine.device=cpu", "tracker.tensorboard=false", "eval.bootstrap=200", "eval.samples=0",
        "eval.n_online=4", "eval.n_badcases=3", "eval.n_replies=6")  # fmt: skip


def play(tmp_path: Path, *overrides: str) -> Path:
    return evaluate.run(compose("eval", [*FAST, f"runs_dir={tmp_path / 'runs'}", *overrides]))


def read(out: Path) -> tuple[EvalResult, dict[str, Any]]:
    return EvalResult.load(out / "eval.json"), json.loads((out / "figures.json").read_text())


@pytest.fixture(scope="module")
def ab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline against the scripted agent."""
    systems = "eval.systems={intent: 'world:intent', gold: 'world:gold', excellent: 'world:excellent'}"
    return play(tmp_path_factory.mktemp("ab"), systems, "eval.baseline=intent", "rules=hotel_guardrails", "eval.n_online=12",
                "eval.n_replies=24")  # fmt: skip


def test_any_two_agents_play_an_ab(ab: Path) -> None:
    result, figures = read(ab)
    assert figures["baseline"] == "intent" and set(figures["differences"]) == {"gold", "excellent"}
    ids = {name: [d.scenario_id for d in s.dialogues] for name, s in result.systems.items()}
    assert ids["intent"] == ids["gold"] == ids["excellent"] and len(set(ids["gold"])) == 12
    mine = figures["systems"]
    for key in ("rating", "panel_rating", "panel_excellent", "panel_scope", "excellent_turns", "responded", "progress",
                "margin", "surplus", "wins", "wins_empathy", "fixed", "panel_fixed", "skill_workflow"):  # fmt: skip
        for name in mine:
            figure = mine[name][key]
            assert figure["low"] <= figure["value"] <= figure["high"], (name, key)
    assert mine["excellent"]["rating"]["value"] > mine["intent"]["rating"]["value"]
    assert mine["excellent"]["wins"]["value"] > 0.5 > mine["intent"]["wins"]["value"]
    assert {"rating", "fluency", "fixed"} <= set(figures["agreement"])
    for name, by_key in figures["p_holm"].items():
        assert all(p is None or p >= figures["differences"][name][k]["p"] for k, p in by_key.items())


def test_an_evaluation_is_an_ab_test_too(ab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ab / "conversations.csv"
    with pytest.raises(SystemExit) as code:
        main(["ab", str(file), "--arms", "intent,gold"])
    assert not code.value.code and "gold against intent" in capsys.readouterr().out
    result, _ = read(ab)
    control, treatment = read_arms(file, arms_wanted=["intent", "gold"])
    for arm in (control, treatment):
        dialogues = result.systems[arm.name].dialogues
        assert sum(arm.outcomes["success"]) == sum(bool(d.deal and d.correct_end) for d in dialogues)
        assert arm.share("responded") == sum(d.responded for d in dialogues) / 12
    with pytest.raises(UserError, match="has 3 arms"):
        read_arms(file)


def test_the_reserve_is_kept_for_figures_and_nothing_else_that_is_hidden(ab: Path) -> None:
    result, _ = read(ab)
    for system in result.systems.values():
        for d in system.dialogues:
            assert d.reserve is not None and "hotel_hidden" not in d.scenario
        assert not any("hotel_hidden" in r.scenario for r in system.replies)
    page = (ab / "report.html").read_text()
    for words in (
        "Panel of simulated experts",
        "Joint surplus",
        "Win rate against the gold reply",
        "Agreement of the panel",
    ):
        assert words in page


def test_prices_by_hand() -> None:
    scenario = {
        "id": "s",
        "current_price": 400,
        "target_price": 360,
        "acceptable_price": 380,
        "hotel_hidden": {"reserve": 370},
    }
    messages = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]

    def made(i: int, **outcome: Any) -> Dialogue:
        d = Dialogue.of({**scenario, "id": f"s{i}"}, messages, outcome, None)
        d.rating, d.turns = 3.0, [3.0]
        return d

    good, cheap = (
        made(0, deal=True, price=376, reason="accepted"),
        made(1, deal=True, price=350, reason="accepted"),
    )
    gone = made(2, deal=False, price=None, reason="hangup")
    other = Dialogue.of(
        {**scenario, "id": "s3", "hotel_hidden": {"reserve": 395}}, messages, {"deal": False}, None
    )
    other.correct_end, other.rating, other.turns = True, 3.0, [3.0]
    figures = summarise(EvalResult({"x": SystemResult([good, cheap, gone, other])}), bootstrap=200).systems[
        "x"
    ]
    assert figures["progress"].value == pytest.approx((24 / 40 + 50 / 40) / 4)
    assert figures["deal_progress"].value == pytest.approx((24 / 40 + 50 / 40) / 2)
    assert figures["below_reserve"].value == 0.5 and figures["below_reserve"].n == 2
    assert figures["margin"].value == pytest.approx((6 / 400 - 20 / 400) / 4)
    assert figures["surplus"].value == pytest.approx((10 / 400 + 10 / 400) / 4)
    assert (figures["right_exits"].value, figures["right_exits"].n) == (1.0, 1)
    assert (figures["missed_deals"].value, figures["missed_deals"].n) == (pytest.approx(1 / 3), 3)
    assert figures["responded"].value == 0.75  # the one who hung up at once did not


def test_the_panel_is_the_oracle_through_bias_and_noise(ab: Path) -> None:
    result, _ = read(ab)
    d = result.systems["gold"].dialogues[0]
    assert set(d.panel) == {"strict", "even", "kind"} and all(
        g["rating"] in (1, 2, 3, 4, 5) for g in d.panel.values()
    )
    assert all(len(g["turns"]) == len(d.replies) for g in d.panel.values())
    exact = [Expert("a"), Expert("b"), Expert("c")]
    d.panel, d.rating, d.turns = {}, 3.9, [2.2] * len(d.turns)
    rate_dialogue(d, exact, "median", 0)
    assert (
        d.consensus["rating"] == 4.0
        and set(d.consensus["turns"]) == {2.0}
        and d.consensus["skills"] == d.skills
    )
    rate_dialogue(d, [Expert("a", bias=-1.0), Expert("b"), Expert("c", bias=1.0)], "majority", 0)
    assert d.consensus["rating"] is None  # 3, 4 and 5: a tie, which people would talk over
    noisy = [Expert("a", noise=1.0)]
    rate_dialogue(d, noisy, "median", 0)
    again = d.panel["a"]
    rate_dialogue(d, noisy, "median", 0)
    assert d.panel["a"] == again
    for bad in ({"a": {"bias": "x"}}, {"a": {"noise": -1}}, {"a": {"nois": 1}}, {"a": 3}):
        with pytest.raises(UserError, match=r"eval\.experts\.a"):
            experts_of(bad)


def test_repeated_trials_and_pass_k(tmp_path: Path) -> None:
    out = play(tmp_path, "eval.systems.bad=world:bad", "eval.trials=3", "eval.sets=[online,replies]")
    result, figures = read(out)
    assert [r.trial for r in result.systems["bad"].replies] == [0] * 6 + [1] * 6 + [2] * 6
    assert len({(r.context_id, r.reply) for r in result.systems["bad"].replies}) > 8
    assert figures["systems"]["bad"]["wins"]["n"] == 6
    dialogues = result.systems["bad"].dialogues
    assert [d.trial for d in dialogues] == [0] * 4 + [1] * 4 + [2] * 4
    assert (
        len({json.dumps(d.messages) for d in dialogues}) > 4
    )  # a trial is another draw of agent and counterpart
    assert figures["systems"]["bad"]["rating"]["n"] == 4 and set(figures["pass_k"]["bad"]) == {"1", "2", "3"}
    assert "pass^k" in (out / "report.html").read_text()

    def trial(scenario: str, ok: bool) -> Dialogue:
        return Dialogue(scenario, [], 3.0, [3.0], correct_end=ok)

    found = pass_k([trial("a", k) for k in (1, 1, 0, 1)] + [trial("b", k) for k in (0, 0, 1, 0)])
    assert [round(found[k].value, 4) for k in (1, 2, 3, 4)] == [0.5, 0.25, 0.125, 0.0]
    assert pass_k([trial("a", True), trial("b", True)]) == {}


@contextmanager
def server(
    answer: Callable[[dict[str, Any], int], tuple[int, Any]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A chat endpoint; `answer(body, number of the request)` gives status and text (or the whole JSON)."""
    seen: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                body["key"] = self.headers.get("Authorization")
                seen.append(body)
                status, text = answer(body, len(seen))
            data = (
                text
                if not isinstance(text, str)
                else {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
            )
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/v1", seen
    finally:
        httpd.shutdown()
        httpd.server_close()


QUICK = ("eval.endpoint.backoff_s=0", "eval.sets=[online]", "eval.n_online=3", "eval.max_turns=3")


def test_an_agent_behind_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    with server(lambda body, n: (503, {}) if n % 4 == 0 else (200, f"Reply {n}.")) as (url, seen):
        out = play(
            tmp_path, f"eval.systems.live='endpoint:my-model@{url}'", *QUICK, "eval.sets=[online,replies]"
        )
    result, _ = read(out)
    dialogues = result.systems["live"].dialogues
    assert len(dialogues) == 3 and all(d.replies[0].startswith("Reply ") for d in dialogues)
    assert len(result.systems["live"].replies) == 6
    first = seen[0]
    assert (
        first["model"] == "my-model"
        and first["messages"][0]["role"] == "system"
        and first["key"] == "Bearer secret-1"
    )
    assert not any("reserve" in json.dumps(body) or "hidden" in json.dumps(body) for body in seen)
    assert "secret-1" not in "".join(
        f.read_text() for f in out.rglob("*") if f.suffix in (".json", ".yaml", ".html", ".txt")
    )


def test_a_counterpart_behind_an_endpoint_and_its_faults(tmp_path: Path) -> None:
    """Of three hotels one agrees, one leaves, and one breaks down; the broken one is in no figure."""
    ids = [compose_scenario(i)["id"] for i in range(3)]

    def hotel(body: dict[str, Any], n: int) -> tuple[int, Any]:
        brief = body["messages"][0]["content"]
        turns = sum(m["role"] == "user" for m in body["messages"])
        if ids[0] in brief:
            return 200, "Fine, 350 it is. [[deal 350]]" if turns == 2 else "Go on."
        if ids[1] in brief:
            return 200, "No. [[end refused]]"
        return 200, "" if turns == 2 else "Hm."

    with server(hotel) as (url, seen):
        out = play(
            tmp_path, "eval.systems.intent=world:intent", f"eval.counterpart='endpoint:hotel@{url}'", *QUICK
        )
    result, figures = read(out)
    system = result.systems["intent"]
    assert [d.scenario_id for d in system.dialogues] == ids[:2]
    assert [(f["scenario_id"], f["turns"]) for f in system.faults] == [(ids[2], 2)]
    assert figures["faults"] == {"intent": 1} and figures["systems"]["intent"]["deals"]["n"] == 2
    assert system.dialogues[0].outcome["price"] == 350 and system.dialogues[1].outcome["reason"] == "refused"
    assert not any("[[" in m["content"] for d in system.dialogues for m in d.messages)
    assert all(
        '"reserve"' in body["messages"][0]["content"] for body in seen
    )  # the hotel may know its own limit


def compose_scenario(i: int) -> dict[str, Any]:
    from repo_cli.worlds import get_world

    return get_world("hotel").rows("online", i)["scenario"]


@pytest.mark.parametrize(
    "text", ["", "[[deal]]", "ok [[deal 3]] [[end refused]]", "[[end happily]]", "[[end accepted]]"]
)
def test_what_a_counterpart_may_not_say(text: str) -> None:
    with pytest.raises(Fault):
        read_turn(text, 1)


def test_an_endpoint_that_fails_is_named(tmp_path: Path) -> None:
    with server(lambda body, n: (401, {"error": "no such key"})) as (url, seen):
        with pytest.raises(UserError, match=r"eval\.systems\.live.*HTTP 401.*no such key"):
            play(tmp_path, f"eval.systems.live='endpoint:m@{url}'", *QUICK)
        assert len(seen) <= 3  # 401 is not tried again
    with pytest.raises(UserError, match=r"eval\.systems\.live"):
        play(
            tmp_path,
            "eval.systems.live='endpoint:m@http://127.0.0.1:9/v1'",
            "eval.endpoint.retries=1",
            *QUICK,
        )
    with pytest.raises(UserError, match="endpoint:MODEL@URL"):
        play(tmp_path, "eval.systems.live='endpoint:localhost'", *QUICK)


def test_transcripts_of_any_system_are_rated_like_its_own(tmp_path: Path, ab: Path) -> None:
    """What the baseline said, written down and read back, gives the same figures."""
    result, figures = read(ab)
    file = tmp_path / "said.jsonl"
    rows = [
        {"scenario_id": d.scenario_id, "messages": d.messages, "outcome": d.outcome}
        for d in result.systems["intent"].dialogues
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in reversed(rows)))
    out = play(tmp_path, f"eval.systems.old='transcripts:{file}'", "eval.systems.gold=world:gold", "eval.n_online=12",
               "eval.sets=[online]", "eval.baseline=old", "rules=hotel_guardrails")  # fmt: skip
    again, read_back = read(out)
    for key in ("deals", "correct_end", "panel_excellent", "skill_scope"):
        assert read_back["systems"]["old"][key] == figures["systems"]["intent"][key]
    for key in ("rating", "margin", "words"):
        assert read_back["systems"]["old"][key]["value"] == pytest.approx(
            figures["systems"]["intent"][key]["value"]
        )
    assert read_back["differences"]["gold"]["rating"]["value"] == pytest.approx(
        figures["differences"]["gold"]["rating"]["value"]
    )
    assert again.systems["old"].badcases == []
    file.write_text(json.dumps({**rows[0], "scenario_id": "elsewhere"}) + "\n")
    with pytest.raises(UserError, match=r"said\.jsonl:1.*'elsewhere' is not among"):
        play(tmp_path, f"eval.systems.old='transcripts:{file}'")
    file.write_text(json.dumps({**rows[0], "outcome": "a deal"}) + "\n")
    with pytest.raises(UserError, match=r"said\.jsonl:1: outcome"):
        play(tmp_path, f"eval.systems.old='transcripts:{file}'", "eval.n_online=12")


def test_prompts_of_ones_own_without_a_rater(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    system = {"role": "system", "content": "Sell tea."}
    rows = [
        {"prompt": [system, {"role": "user", "content": f"Hello {i}"}], "reference": "Good day."}
        for i in range(2)
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with server(lambda body, n: (200, "Words." if body["model"] == "agent" else "No. [[end refused]]")) as (
        url,
        _,
    ):
        given = (
            f"eval.systems.live='endpoint:agent@{url}'",
            f"eval.path={file}",
            "eval.sets=[online,replies]",
        )
        out = play(tmp_path, *given, "eval.rater=none", f"eval.counterpart='endpoint:hotel@{url}'")
        with pytest.raises(
            UserError, match=r"own\.jsonl:1: the world's rater needs the scenario's current_price"
        ):
            play(tmp_path, *given)
    result, figures = read(out)
    assert (
        len(result.systems["live"].dialogues) == 2 and result.systems["live"].replies[0].gold == "Good day."
    )
    found = figures["systems"]["live"]
    assert (
        "rating" not in found
        and "wins" not in found
        and found["deals"]["value"] == 0
        and found["words"]["value"] == 1
    )
    assert "NaN" not in (out / "eval.json").read_text() and "not rated" in (out / "report.html").read_text()


class Scripted:
    """A judge that answers by rule: R1 is broken by "promise", R5 asks for a question, R9 does not apply."""

    def __init__(self, rubric: Rubric) -> None:
        self.rubric = rubric

    def score(self, items: Any) -> list[JudgeScore]:
        assert not any("hotel_hidden" in item["scenario"] for item in items)
        return [
            JudgeScore(
                {
                    "R1": 1.0 if "promise" in item["reply"] else 5.0,
                    "R5": 4.0 if "?" in item["reply"] else 2.0,
                    "R9": None,
                }
            )
            if item["reply"] != "silence"
            else JudgeScore({"R1": None, "R5": None, "R9": None}, "off_scale")
            for item in items
        ]


def test_a_judge_as_rater_by_hand() -> None:
    rubric = Rubric.of(
        {
            "scale": [1, 5],
            "criteria": {
                "R1": {"skill": "scope", "gate": True},
                "R5": {"skill": "workflow"},
                "R9": {"skill": "negotiation"},
            },
        }
    )
    rater = JudgeRater(Scripted(rubric))

    def talk(*replies: str) -> list[dict[str, str]]:
        return [
            m
            for r in replies
            for m in ({"role": "assistant", "content": r}, {"role": "user", "content": "Hm."})
        ]

    found = rater.rate(talk("Is 350 fine?", "Well.", "silence"), {"id": "s", "hotel_hidden": {}}, None)
    assert [t.rating for t in found.turns[:2]] == pytest.approx([4.5, 3.5]) and math.isnan(
        found.turns[2].rating
    )
    assert found.rating == pytest.approx(4.0) and found.correct_end is None and found.violations == []
    assert found.skills == {"fluency": 1, "workflow": 0, "negotiation": 1, "scope": 1}
    broken = rater.rate(talk("I promise. Fine?"), {"id": "s"}, None)
    assert broken.rating == 2.0 and broken.violations == [(0, "gate R1", 2)] and broken.skills["scope"] == 0
    d = Dialogue.of({"id": "s"}, talk("Is 350 fine?", "Well.", "silence"), {"deal": False}, found)
    figures = summarise(EvalResult({"x": SystemResult([d])}), bootstrap=200).systems["x"]
    assert (
        "correct_end" not in figures
        and figures["excellent"].value == 1.0
        and figures["excellent_turns"].value == 0.5
    )


def test_a_judge_as_rater_in_an_evaluation(line: SimpleNamespace, tmp_path: Path) -> None:
    small = [s for s in SMALL if not s.startswith(("rules", "policy.max_length", "reward", "lora", "optim"))]
    given = ("eval.systems.intent=world:intent", "eval.n_online=2", "eval.max_turns=2", "judge=local", f"judge.path={line.sft}",
             "judge.prompt=compact", "judge.max_length=1000", "rubric=hotel_small", "policy.max_length=1024")  # fmt: skip
    result, _ = read(play(tmp_path, *small, *given, "eval.rater=judge"))
    system = result.systems["intent"]
    assert len(system.dialogues) == 2 and not any(d.panel for d in system.dialogues)
    assert all(d.correct_end is None for d in system.dialogues) and all(
        c.fixed is None for c in system.badcases
    )
    assert all(math.isnan(t) or 1 <= t <= 5 for d in system.dialogues for t in d.turns)
    names = ("R1", "R3", "R4", "R5", "R7", "R9")
    with FakeEndpoint(names, dashes=["R9"]) as endpoint:  # the same judge elsewhere: 4 wherever it applies
        there = ("judge=openai", f"judge.api.url={endpoint.url}", "judge.api.model=m", "rubric=hotel_small")
        result, _ = read(play(tmp_path / "there", *small, *given[:3], *there, "eval.rater=judge"))
    assert [t for d in result.systems["intent"].dialogues for t in d.turns] and endpoint.bodies
    assert {t for d in result.systems["intent"].dialogues for t in d.turns} == {4.0}
    with pytest.raises(UserError, match=r"eval\.rater=judge with judge\.kind=none"):
        compose("eval", ["eval.rater=judge", "rules=none"])


def test_the_worlds_own_rows_from_a_file_give_the_same(tmp_path: Path, ab: Path) -> None:
    for corpus, n in (("online", 12), ("badcases", 3)):
        with pytest.raises(SystemExit):
            main(["data", "make", str(tmp_path / f"{corpus}.jsonl"), "--corpus", corpus, "--n", str(n)])
    paths = (f"eval.path={tmp_path / 'online.jsonl'}", f"eval.badcases_path={tmp_path / 'badcases.jsonl'}")
    _, figures = read(
        play(tmp_path, "eval.systems.gold=world:gold", *paths, "eval.n_online=12", "rules=hotel_guardrails")
    )
    _, straight = read(ab)
    for key in ("rating", "deals", "surplus", "fixed", "badcase_rating"):
        assert figures["systems"]["gold"][key] == straight["systems"]["gold"][key]
    assert "wins" not in figures["systems"]["gold"]  # these rows hold no gold reply


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"world:intnt"):
        play(tmp_path, "eval.systems.a=world:intnt")
    with pytest.raises(UserError, match=r"eval\.baseline=b"):
        play(tmp_path, "eval.systems.a=world:intent", "eval.baseline=b")
    with pytest.raises(UserError, match=r"eval\.counterpart"):
        play(tmp_path, "eval.systems.a=world:intent", "eval.counterpart=gpt")


def test_the_development_split_has_other_scenarios_and_dialogues_only(tmp_path: Path) -> None:
    given = ("eval.systems={gold: 'world:gold'}", "eval.sets=[online]")
    ids = {}
    for split in ("test", "dev"):
        result, _ = read(play(tmp_path / split, *given, f"eval.split={split}"))
        ids[split] = {d.scenario_id for d in result.systems["gold"].dialogues}
        assert len(ids[split]) == 4
    assert not ids["test"] & ids["dev"]
    with pytest.raises(UserError, match=r"eval\.split=dev"):
        compose("eval", [*FAST, "eval.split=dev", "eval.sets=[online, badcases]"])
