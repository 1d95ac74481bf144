"""ChatFormat over the stock chat templates of well-known models, as the `trl` package carries them (extra
`bench`).

Two kinds of checks: invariants on every text template there, and, for the families that the README names,
equality with what transformers itself makes of the template, so that no mistake of ours can hide behind
our own functions.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import pytest

from repo_cli.dialogue.template import FIXED_DATE
from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.errors import UserError
from tests.dialogue_kit import DIALOGUE, make_tokenizer

_TRL = importlib.util.find_spec("trl")
FOLDER = Path(_TRL.origin).parent / "chat_templates" if _TRL and _TRL.origin else None
if FOLDER is None or not FOLDER.is_dir():
    pytest.skip(
        "the stock chat templates come with the package trl: pip install 'repo-cli[bench]'",
        allow_module_level=True,
    )

KWARGS = {"enable_thinking": False, "date_string": FIXED_DATE}
VISION = {"idefics3", "llava_next", "smolvlm"}  # take lists of parts, not texts
NAMES = sorted(p.stem for p in FOLDER.glob("*.jinja"))
TEXT = [n for n in NAMES if n.removesuffix("_training") not in VISION]
MAIN = [
    "qwen3",
    "qwen2_5",
    "qwen3_instruct_2507",
    "llama3",
    "llama3_1",
    "llama3_2",
    "gemma",
    "gemma3",
    "phi3",
    "phi3_5",
]
END = {"qwen": "<|im_end|>", "llama": "<|eot_id|>", "gemma": "<end_of_turn>", "phi": "<|end|>"}
AGENT = [i for i, m in enumerate(DIALOGUE) if m["role"] == "assistant"]


@cache
def stock(name: str) -> ChatFormat:
    return ChatFormat(make_tokenizer((FOLDER / f"{name}.jinja").read_text(encoding="utf-8")), KWARGS, 2048)


def native(name: str, messages: list, prompt: bool) -> list[int]:
    """What transformers makes of it in one go; for Gemma 1 the system text is folded by hand, for it knows
    none."""
    if name == "gemma":
        messages = [
            {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"},
            *messages[2:],
        ]
    return stock(name).tokenizer.apply_chat_template(
        messages, add_generation_prompt=prompt, return_dict=False, **KWARGS
    )


def test_the_main_families_are_there():
    assert set(MAIN) <= set(NAMES)
    assert len(TEXT) >= 20


@pytest.mark.parametrize("name", MAIN)
def test_contexts_equal_what_transformers_gives_a_rollout(name):
    for i in AGENT:
        assert stock(name).context_ids(DIALOGUE[:i]) == native(name, DIALOGUE[:i], prompt=True)


@pytest.mark.parametrize("name", MAIN)
def test_context_and_reply_equal_the_rendered_last_turn(name):
    """Rendered by transformers, a dialogue that ends with the reply begins with our context, reply and end
    token."""
    for i in AGENT:
        ours = stock(name).context_ids(DIALOGUE[:i]) + stock(name).reply_ids(DIALOGUE[i]["content"])
        assert native(name, DIALOGUE[: i + 1], prompt=False)[: len(ours)] == ours


@pytest.mark.parametrize("name", MAIN)
def test_end_tokens_are_the_family_s_own(name):
    fmt = stock(name)
    assert fmt.tokenizer.convert_ids_to_tokens(fmt.end_ids) == [
        next(e for k, e in END.items() if name.startswith(k))
    ]


def test_qwen3_is_not_prefix_preserving_and_qwen2_5_is():
    assert len(stock("qwen3").training_samples(DIALOGUE)) == 2
    assert len(stock("qwen2_5").training_samples(DIALOGUE)) == 1


@pytest.mark.parametrize("name", TEXT)
def test_every_stock_template_learns_the_replies_and_nothing_else(name):
    fmt = stock(name)
    samples = fmt.training_samples(DIALOGUE)
    learned = [token for s in samples for token, on in zip(s.ids, s.mask, strict=True) if on]
    assert learned == [t for i in AGENT for t in fmt.reply_ids(DIALOGUE[i]["content"])]
    assert fmt.tokenizer.decode(learned, skip_special_tokens=True) == "".join(
        DIALOGUE[i]["content"] for i in AGENT
    )
    assert all(0 < sum(s.mask) < len(s.mask) for s in samples)
    assert learned[-1] in fmt.stop_ids
    assert fmt.pad_id not in fmt.stop_ids


@pytest.mark.parametrize("name", TEXT)
def test_every_stock_template_gives_samples_the_rollout_s_contexts(name):
    fmt = stock(name)
    opening = [DIALOGUE[0], *DIALOGUE[2:]]  # the agent writes first
    for dialogue in (DIALOGUE, opening, opening[1:]):
        wholes = [
            fmt.context_ids(dialogue[:i]) + fmt.reply_ids(m["content"])
            for i, m in enumerate(dialogue)
            if m["role"] == "assistant"
        ]
        samples = fmt.training_samples(dialogue)
        for whole in wholes:
            assert any(s.ids[: len(whole)] == whole for s in samples)
        if dialogue[0]["role"] == "system":
            assert dialogue[0]["content"] in fmt.tokenizer.decode(wholes[0])


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(TEXT)))
def test_templates_of_vision_models_are_refused_in_words(name):
    with pytest.raises(UserError, match="does not render a plain dialogue of texts"):
        stock(name)
