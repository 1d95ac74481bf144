"""The hotel world's corpora: pure in (seed, corpus, index), valid by contract, disjoint, and honest in their labels."""

from __future__ import annotations

import json
import statistics

import pytest

from repo_cli.config.compose import conf_dir
from repo_cli.dialogue.rows import normalise
from repo_cli.rewards.judge_prompt import judge_rows_to_sft
from repo_cli.rewards.rubric import Rubric
from repo_cli.worlds import get_world
from repo_cli.worlds.hotel import defects, reading, rubric_labels
from repo_cli.worlds.hotel.corpus import SIZES
from repo_cli.worlds.hotel.selfplay import ENDGAME

KINDS = {"base": "sft", "mixed": "sft", "gold": "sft", "pairs": "preference", "judge": "judge", "prompts": "prompts",
         "dev_prompts": "prompts", "online": "prompts", "badcases": "badcases", "replies": "prompts"}  # fmt: skip
N = 45


@pytest.fixture(scope="module", params=["en", "zh"])
def world(request):
    return get_world("hotel", request.param, 3)


@pytest.fixture(scope="module")
def rows(world):
    return {
        corpus: [world.rows(corpus, i) for i in range(N if corpus != "online" else 30)] for corpus in SIZES
    }


def test_sizes_are_those_of_the_issue():
    assert SIZES["pairs"] >= 3000 and SIZES["online"] == 30 and SIZES["badcases"] == 45
    assert set(KINDS) == set(SIZES)


def test_rows_are_a_function_of_seed_corpus_and_index(world):
    again = get_world("hotel", world.language, 3)
    other = get_world("hotel", world.language, 4)
    for corpus in SIZES:
        for index in (0, 17, 123_456):
            first = json.dumps(world.rows(corpus, index), sort_keys=True)
            assert first == json.dumps(again.rows(corpus, index), sort_keys=True)
            assert first != json.dumps(other.rows(corpus, index), sort_keys=True)


def test_every_row_keeps_its_contract(rows):
    for corpus, many in rows.items():
        for row in many:
            json.dumps(row)
            assert normalise(row, KINDS[corpus])


def test_splits_and_corpora_share_no_scenario(rows):
    seen: dict[str, str] = {}
    for corpus, many in rows.items():
        for row in many:
            assert seen.setdefault(row["scenario"]["id"], corpus) == corpus
    splits = {corpus: {row["scenario"]["id"].split("-")[2] for row in many} for corpus, many in rows.items()}
    assert splits["online"] == splits["badcases"] == {"test"} and splits["dev_prompts"] == {"dev"}
    assert all(splits[corpus] == {"train"} for corpus in ("mixed", "gold", "pairs", "judge", "prompts"))


def test_training_rows_hide_what_only_the_hotelier_knows(rows):
    for corpus in ("mixed", "gold", "pairs", "judge"):
        for row in rows[corpus]:
            assert "hotel_hidden" not in row["scenario"]
    assert all("reserve" in row["scenario"]["hotel_hidden"] for row in rows["online"] + rows["badcases"])


def test_gold_replies_show_no_fault_to_the_annotator(rows):
    faults = []
    for row in rows["gold"]:
        history: list[dict] = []
        for message in row["messages"]:
            if message["role"] == "assistant":
                seen = reading.read(history, message["content"], row["scenario"])
                if rubric_labels.faulty(seen):
                    faults.append(message["content"])
            history = [*history, message]
    assert not faults, faults[:5]


def test_gold_is_mostly_scripted_with_some_excellent_turns(rows):
    labels = [label for row in rows["gold"] for label in row["tags"]]
    assert set(labels) == {"excellent", "scripted"}
    assert 0.06 < labels.count("excellent") / len(labels) < 0.20


def test_gold_agents_reach_half_of_the_possible_deals(world):
    possible = deals = 0
    for index in range(90):
        row = world.rows("gold", index)
        scenario = world.scenario(1_000_000 + index, "train")
        assert scenario["id"] == row["scenario"]["id"]
        if scenario["hotel_hidden"]["reserve"] <= scenario["acceptable_price"]:
            possible += 1
            deals += bool(row["outcome"] and row["outcome"]["deal"])
        if row["outcome"] and row["outcome"]["deal"]:
            assert row["outcome"]["price"] <= scenario["acceptable_price"]
    assert deals / possible >= 0.5


def test_mixed_turns_have_every_quality(rows):
    labels = [label for row in rows["mixed"] for label in row["tags"]]
    share = {name: labels.count(name) / len(labels) for name in ("excellent", "scripted", "mediocre")}
    assert (
        0.08 < share["excellent"] < 0.24
        and 0.35 < share["scripted"] < 0.57
        and 0.15 < share["mediocre"] < 0.35
    )
    assert 0.08 < 1 - sum(share.values()) < 0.24


def test_prompts_reach_every_state_and_a_third_are_endgame(world):
    tags = [world.rows("prompts", index)["tags"][0] for index in range(330)]
    assert 0.25 < sum(tag in ENDGAME for tag in tags) / len(tags) < 0.55
    wanted = {"opening", "after_objection", "counter_inside", "counter_outside", "after_acceptance", "after_refusal",
              "after_hard_refusal", "after_question"}  # fmt: skip
    assert wanted <= set(tags)


def test_the_annotator_prefers_better_replies_but_not_always(world):
    rank = {"excellent": 3, "scripted": 2, "mediocre": 1}
    right = wrong = broken = broken_chosen = 0
    for index in range(330):
        _, chosen, rejected = world.rows("pairs", index)["tags"]
        if "broken" in (chosen, rejected) and chosen != rejected:
            broken += 1
            broken_chosen += chosen == "broken"
        a, b = rank.get(chosen), rank.get(rejected)
        if a and b and a != b:
            right, wrong = right + (a > b), wrong + (a < b)
    assert 0.62 < right / (right + wrong) < 0.95
    assert 40 < broken and broken_chosen / broken < 0.12


def test_the_annotator_agrees_with_the_hidden_rating_and_likes_length(world):
    """Real signal for the reward model, and a bias that it can be caught by: neither reads the other's code."""
    chosen, rejected, longer = [], [], 0
    for index in range(300):
        row = world.rows("pairs", index)
        better, worse = row["chosen"][-1]["content"], row["rejected"][-1]["content"]
        chosen.append(world.rate_reply(row["prompt"], better, row["scenario"]).rating)
        rejected.append(world.rate_reply(row["prompt"], worse, row["scenario"]).rating)
        longer += len(better) > len(worse)
    labels = [1.0] * len(chosen) + [0.0] * len(rejected)
    assert 0.2 < statistics.correlation(labels, chosen + rejected) < 0.6
    assert sum(a > b for a, b in zip(chosen, rejected, strict=True)) > 2 * sum(
        a < b for a, b in zip(chosen, rejected, strict=True)
    )
    assert longer / len(chosen) > 0.6


def test_judge_scores_follow_the_intended_quality(world):
    by_quality: dict[str, list[float]] = {}
    for index in range(330):
        row = world.rows("judge", index)
        assert {"R1", "R3", "R4", "R5", "R7", "R9"} <= set(row["scores"])
        scored = [score for score in row["scores"].values() if score is not None]
        assert all(score in (1, 2, 3, 4, 5) for score in scored)
        what = row["tags"][1]
        by_quality.setdefault("defect" if what.startswith("defect") else what, []).append(
            statistics.mean(scored)
        )
    mean = {name: statistics.mean(values) for name, values in by_quality.items()}
    assert mean["excellent"] > mean["scripted"] + 0.05 > mean["mediocre"] + 0.2
    assert mean["mediocre"] > mean["broken"] and mean["scripted"] > mean["defect"] + 0.3


def test_labels_cover_the_whole_rubric(world):
    """None only where the rubric says that a criterion may not apply: `rubric=hotel` can be trained from these rows."""
    rubric = Rubric.of(
        str(conf_dir() / "rubric" / ("hotel.yaml" if world.language == "en" else "hotel_zh.yaml"))
    )
    quality: dict[tuple[str, str], list[int]] = {}
    skipped = set()
    for index in range(240):
        row = world.rows("judge", index)
        assert set(row["scores"]) == set(rubric.criteria)
        for name, score in row["scores"].items():
            if score is None:
                skipped.add(name)
            else:
                quality.setdefault((name, row["tags"][1]), []).append(score)
    assert "R10" in skipped and all(rubric.criteria[name].applies_when for name in skipped)
    for name in ("R6", "R10"):
        good, thin, broken = (
            statistics.mean(quality[name, what]) for what in ("excellent", "mediocre", "broken")
        )
        assert good > thin + 0.5 and thin > broken + 0.1, (name, good, thin, broken)


def test_later_criteria_change_nothing_for_a_judge_that_is_not_asked_them(world, monkeypatch):
    """The rows of the demo's small judge are the same byte for byte, labelled with R6 and R10 or without."""
    small = Rubric.of(str(conf_dir() / "rubric" / "hotel_small.yaml"))

    def made() -> tuple[str, list[dict]]:
        rows = [world.rows("judge", index) for index in range(120)]
        return json.dumps(judge_rows_to_sft(rows, small, None, "compact")), rows

    now, rows = made()
    first = {k: v for k, v in rubric_labels._READERS.items() if k not in ("R6", "R10")}
    monkeypatch.setattr(rubric_labels, "_READERS", first)
    before, old = made()
    assert now == before
    for new_row, old_row in zip(rows, old, strict=True):
        kept = {k: v for k, v in new_row["scores"].items() if k not in ("R6", "R10")}
        assert len(kept) == 10 and {**new_row, "scores": kept} == old_row


@pytest.mark.parametrize(
    ("said", "reply", "complete", "step"),
    [
        ("Hello.", "Hello, I am the AI assistant of Tripway. It is about the room rate of the garden twin for 06-18 to "
         "06-20. May I go on?", None, None),
        ("We could do 370.", "Thank you for offering 370 CNY. Would 360 CNY per night for 06-18 to 06-20 still be "
         "possible? It is your choice.", 5, 5),
        ("We could do 370.", "Would 360 CNY work for you?", 3, 3),
        ("We could do 370.", "Would 345 CNY per night for 06-18 to 06-20 work for you?", 4, 1),  # below an earlier ask
        ("We could do 370.", "Would 320 CNY per night work for you?", 4, 1),  # below the floor
        ("We could do 370.", "Agreed, 370 CNY per night is fine.", 1, 1),  # above what the platform can take
        ("We could do 370.", "Would 350 CNY work for you?", 3, 2),  # the same ask again
        ("We could do 360.", "Good, we can take 360 CNY per night. To confirm: 360 CNY per night for the garden twin on "
         "06-18 to 06-20. Can you confirm with a yes?", 5, 5),
        ("We could do 360.", "Could you go down to 355 CNY?", 1, 1),  # haggles on where the price is good
        ("We could do 360.", "So I note 350 CNY per night for 06-18 to 06-20.", 2, 1),  # records another figure
    ],
)  # fmt: skip
def test_completion_and_concession_by_hand(said, reply, complete, step):
    scenario = {
        "language": "en", "hotel": {"name": "Willow House", "class": "business"}, "room_type": "garden twin",
        "dates": ["06-18", "06-20"], "currency": "CNY", "price_basis": "sell, per night, breakfast for two",
        "current_price": 388, "target_price": 350, "acceptable_price": 365, "floor_ask": 330, "max_asks": 3,
        "facts": [{"id": "f1", "type": "competitor_price", "value": 340, "who": "Platform B", "when": "06-18"}],
        "allowed_offers": ["date-limited deal", "last-minute deal"],
    }  # fmt: skip
    history = [{"role": "assistant", "content": "Would 350 CNY per night for 06-18 to 06-20 work for you?"},
               {"role": "user", "content": said}]  # fmt: skip
    seen = rubric_labels.scores_of(reading.read(history if complete else [], reply, scenario))
    assert (seen["R6"], seen["R10"]) == (complete or 5, step)


def test_bad_cases_mark_what_was_planted(rows):
    turns = []
    for row in rows["badcases"]:
        said = [message for message in row["messages"] if message["role"] == "assistant"]
        turns.append(len(said))
        assert row["defects"]
        for defect in row["defects"]:
            assert defect["severity"] == defects.KINDS[defect["kind"]] and 0 < defect["turn"] < len(said)
        first = min(defect["turn"] for defect in row["defects"])
        assert row["messages"][: len(row["prompt"])] == row["prompt"]
        assert sum(message["role"] == "assistant" for message in row["prompt"]) == first
    assert 4.0 < statistics.mean(turns) <= 5.0
