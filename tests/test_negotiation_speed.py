"""The short cuts of the readers give what the plain way gives."""

from __future__ import annotations

import random

from repo_cli.negotiation import numbers_en

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
