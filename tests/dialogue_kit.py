"""Small tokenizers and chat templates of our own for the dialogue tests.

The templates behave like the stock families (ChatML, Llama 3, Gemma, Qwen 3) in what matters: the tokens
that end a turn, a refused system role, trimmed contents, an empty think block that only the last turn has.
"""

from __future__ import annotations

import re
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HEADERS = (  # as Llama 3: begins with bos, trims contents, no newline after a turn
    "{{ bos_token }}{% for m in messages %}{{ '<|head|>' + m.role + '<|/head|>\n\n' + m.content | trim + '<|eot|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
TURNS = (  # as Gemma: no system role, strict alternation from a user turn, the assistant is called model
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate!') }}"
    "{% endif %}{{ '<turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '</turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
)
THINK = (  # as Qwen 3: the last assistant turn has an empty think block, and loses it once it is history
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "headers": HEADERS, "turns": TURNS, "think": THINK}

_CORPUS = [
    "Good morning, the current price is 388 RMB a night, breakfast for two included.",
    "Could we try 350 for June 18 and 19? Our weekends fill late, and guests compare.",
    "价格388元，可以吗？我们酒店的周末比较满。",
    "(The conversation starts.) user assistant system model",
]
_CONTROL = re.compile(r"<\|?/?[A-Za-z_][\w ]*\|?>|<\|[^|<>\n']+\|>|<｜[^｜]+｜>|<\w+\|>")

DIALOGUE = [
    {"role": "system", "content": "You speak for the platform. Current price 388."},
    {"role": "user", "content": "Hello?"},
    {"role": "assistant", "content": "Good morning! Could we try 350 for June 18?"},
    {"role": "user", "content": "No, 我们酒店的周末比较满。"},
    {"role": "assistant", "content": "Then 365 it is."},
]


def make_tokenizer(template: str, *, pad: str = "<pad>", eos: str = "</s>", metaspace: bool = False) -> Any:
    """A small tokenizer that knows every control token which `template` spells.

    metaspace: a SentencePiece-like one, which puts a space before text that stands alone.
    """
    names = [n for n in dict.fromkeys(_CONTROL.findall(template)) if "think" not in n]
    if metaspace:
        core = Tokenizer(models.BPE(unk_token="<unk>"))
        core.normalizer = normalizers.Replace(" ", "▁")
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=[chr(c) for c in range(33, 127)],
            special_tokens=["<unk>", "<pad>", "<s>", "</s>"],
            show_progress=False,
        )
    else:
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=420,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<unk>", "<pad>", "<s>", "</s>"],
            show_progress=False,
        )
    core.train_from_iterator(_CORPUS * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token=eos,
        pad_token=pad,
        additional_special_tokens=names,
    )
    tokenizer.chat_template = template
    return tokenizer
