"""A small model made from nothing: a Qwen3 with random weights and a tokenizer trained on given texts.

Used where no model can be fetched: the demo's base (then pre-trained by `repo sft`) and the tests.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch

PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Words carry their leading space, so that a name reads the same in the brief and in a reply. Split digits never do
# (" 388" and "¥388" then share their tokens); pairs and whole numbers do: a price stands right behind its label.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = {
    "split": r"\p{N}",
    "pairs": r" ?\p{N}{1,2}(?=(?:\p{N}{2})*(?!\p{N}))",
    "group3": r"\p{N}{1,3}",
    "whole": r" ?\p{N}+(?:[-.]\p{N}+)*",
}


def train_tokenizer(texts: Iterable[str], vocab_size: int, digits: str = "split") -> Any:
    """A byte-level BPE tokenizer with the ChatML template; pad is never the end of a turn.

    digits: "split" makes each digit a token of its own; "group3" lets numbers of up to three digits become
    one.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if digits not in DIGITS:
        raise ValueError(f"digits={digits!r}: one of {sorted(DIGITS)}")
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_WORDS % DIGITS[digits]), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, TURN_START, TURN_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            eos_token=TURN_END,
            pad_token=PAD,
            additional_special_tokens=[TURN_START],
            chat_template=CHATML,
            clean_up_tokenization_spaces=False,
        )


def build_tiny(
    build: Any, corpus_texts: Iterable[str], seed: int = 0, attn: str = "eager"
) -> tuple[Any, Any]:
    """(model, tokenizer) from `policy.build` of the configuration, with weights drawn from `seed`.

    `build` has vocab_size, hidden_size, intermediate_size, num_layers, num_heads, num_kv_heads, head_dim,
    tie_embeddings, rope_theta, and may have digits and tokenizer_rows (texts read for the tokenizer).
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from repo_cli.models.attention import register as register_attention

    rows = getattr(build, "tokenizer_rows", None)
    texts = _first(corpus_texts, rows) if rows else corpus_texts
    tokenizer = train_tokenizer(texts, build.vocab_size, getattr(build, "digits", None) or "split")
    config = Qwen3Config(
        vocab_size=len(
            tokenizer
        ),  # not build.vocab_size: a short corpus may give fewer, and every id must decode
        hidden_size=build.hidden_size,
        intermediate_size=build.intermediate_size,
        num_hidden_layers=build.num_layers,
        num_attention_heads=build.num_heads,
        num_key_value_heads=build.num_kv_heads,
        head_dim=build.head_dim,
        tie_word_embeddings=build.tie_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": build.rope_theta},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # 0.02 is right for a width of some thousands; at 256 it leaves rare tokens (prices) too small to be copied
        initializer_range=build.hidden_size**-0.5,
    )
    register_attention()
    config._attn_implementation = attn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config).float()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer


def _first(texts: Iterable[str], n: int) -> Iterator[str]:
    for index, text in enumerate(texts):
        if index >= n:
            return
        yield text
