"""The short cuts of the readers give what the plain way gives."""

from __future__ import annotations

import random
import re

from repo_cli.negotiation import (
    agent_reader,
    agent_words,
    cues,
    masks,
    numbers_en,
    prices,
    read_prices,
    readers,
)
from repo_cli.negotiation.bilingual import Bilingual, Screen, Screened, loosened
from repo_cli.negotiation.text import fold
from repo_cli.worlds import get_world
from repo_cli.worlds.hotel import understand_en
from repo_cli.worlds.hotel.cue_set import CueSet

WORDS = (
    "a an and couple of half hundred hundreds hundo thousand grand thou k point zero oh o one three fifty fiftyish"
    " ten teen twenty-five fourty eighty-eight 3 350 1,200 1.2k 1,2345 12.5.6 1 200 yuan 350s room it's done stone"
    " okay and a quarter and three quarters kingdom one's x3 é-one 三百 ,one two,three a-hundred 2,000.50 number nones"
).split(" ")


def test_tokens_start_only_at_known_words():
    rng = random.Random(3)
    seen = 0
    for _ in range(3000):
        parts = [rng.choice(WORDS) for _ in range(rng.randint(1, 9))]
        text = "".join(word + rng.choice((" ", " ", " ", "-", ", ", "")) for word in parts)
        plain = [(m.lastgroup, m.start(), m.end()) for m in numbers_en._TOKEN.finditer(text)]
        assert [(kind, a, b) for kind, _, a, b in numbers_en._tokens(text)] == plain, text
        seen += len(plain)
    assert seen > 5000


def _all_expressions() -> list[Bilingual]:
    modules = (cues, agent_words, agent_reader)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Bilingual)]
    for words in readers._BY_LANGUAGE.values():
        found += [value for value in vars(words).values() if isinstance(value, Bilingual)] + [
            *words.intents.values()
        ]
    return found


def test_screened_search_is_the_plain_search():
    world = get_world("hotel", "en", 5)
    turns = [message["content"] for i in range(40) for message in world.rows("mixed", i)["messages"]]
    texts = [part for text in turns for part in (text.lower(), *re.split(r"(?<=[.!?]) ", text.lower()))]
    # ends of texts as they stand before a number, an odd space and a last newline
    texts += [text[: m.start()] for text in texts for m in re.finditer(r"\d+", text)]
    texts += [text.replace(" ", "\x0b", 1) + "\n" for text in texts[:200]]
    hits = 0
    for expression in _all_expressions():
        if expression.any is None or not expression.bit:
            continue
        for text in filter(str.isascii, texts):
            plain = expression.any.search(text)
            got = expression.search(text)
            assert (plain and plain.span()) == (got and got.span()), (expression.any.pattern, text)
            hits += plain is not None
    assert hits > 2000


def test_places_found_by_re2_are_the_plain_matches():
    world = get_world("hotel", "en", 7)
    texts = [message["content"] for i in range(30) for message in world.rows("mixed", i)["messages"]]
    texts += [text.replace(" ", "\x0b", 1) + "\n" for text in texts[:60]] + [
        "",
        "no",
        "MAY 5 may",
        "1/2 06-18, 3-4",
    ]
    sources = (
        r"(?i)(?<!how )\b(?:about|at|for)\b(?! (?:it|me))\s?",
        r"(?<![\d/.-])\d{2,5}(?![\d/%-]|\.\d)",
        r"\bMay (\d{1,2})\b(?!\s*yuan)|(?i:\b[a-z]+ing\b)",
        r"\w+ \w+(?=\.)|[?]\s*$",
    )
    screen = Screen()
    seen = 0
    for source in sources:
        screened, plain = Screened(source, screen), re.compile(source)
        for text in [*texts, "三百五十 at 350"]:
            wanted = [m.span() for m in plain.finditer(text)]
            assert [m.span() for m in screened.finditer(text)] == wanted, (source, text)
            first = screened.search(text)
            assert (first and first.span()) == (wanted[0] if wanted else None)
            seen += len(wanted)
    assert seen > 500


def test_words_that_mask_nothing_are_passed_over(monkeypatch):
    rng = random.Random(4)
    words = (
        "the first the twenty-first the ninth the room in 2024 in 350 since 1999 of 2031 by 2008 for 2 any one any  one"
        " this one that which one some one every one everyone noone 5 room 350 cny350 top 3 x²5 9am - -350 # #5 the one"
    ).split(" ")
    texts = [" ".join(rng.choice(words) for _ in range(rng.randint(1, 9))) for _ in range(3000)]
    quick = [masks.mask(text) for text in texts]
    monkeypatch.setattr(masks, "_FOLLOWED", {})
    assert quick == [masks.mask(text) for text in texts]
    assert sum(masks.FILL in text for text in quick) > 1000


def test_loosened_keeps_every_match():
    assert (
        loosened(r"(?<!how )\babout(?! (?:it|me))\s?[$\s]\$$")
        == r"\babout[\s\x0b\x1c-\x1f]?[$\s\x0b\x1c-\x1f]\$\n?$"
    )
    assert loosened(r"[^)\s]a(?=[)]\))b") == r"[^)\s]ab"


def test_cue_sets_are_the_plain_search():
    world = get_world("hotel", "en", 6)
    texts = [message["content"].lower() for i in range(60) for message in world.rows("mixed", i)["messages"]]
    for source in (understand_en.CUES, understand_en.NEGATABLE, understand_en.CONCERNS):
        fired = CueSet(source).fired
        for text in texts:
            assert fired(text) == {name for name, pattern in source.items() if re.search(pattern, text)}, text


def test_a_kept_reading_is_the_reading_under_every_offer():
    seen, moved = 0, 0
    world = get_world("hotel", "en", 7)
    texts = {message["content"] for i in range(40) for message in world.rows("mixed", i)["messages"]}
    texts |= {
        "Hotel 88 costs 350",
        "hotel 88 costs 350",
        "three eight",
        "drop 210",
        "split the difference",
        "two-fifty or 38",
    }
    for text in sorted(texts):
        for offer in (None, 38, 200, 365, 3500):
            plain = prices._classified(fold(text), text, 388, offer)[0]
            assert read_prices(text, current=388, offer=offer) == list(plain), (text, offer)
            seen += len(plain)
            moved += plain != prices._classified(fold(text), text, 388, None)[0]
    assert seen > 500 and moved > 3
