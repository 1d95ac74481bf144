"""What the benchmarks against TRL share: ragged dialogues, a base with random weights on disk, both sides' settings.

The dialogues have the lengths of real ones (`bargain_lengths.json`: how long briefs and messages are, who begins) and
made-up words. Both sides get the same token ids, the same base, LoRA of the same shape on the same layers, AdamW, and
one process.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LENGTHS = Path(__file__).with_name("bargain_lengths.json")
WORDS = 1200
VOCABULARY = 8192
RANK, ALPHA, RATE = 16, 16, 1e-5
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

Row = dict[str, Any]


# -- data --------------------------------------------------------------------------------------------------------


def words() -> list[str]:
    """Made-up words of two or three syllables."""
    draw = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en")]
    found: dict[str, None] = {}
    while len(found) < WORDS:
        found["".join(draw.choice(syllables) for _ in range(draw.choice((2, 2, 3))))] = None
    return list(found)


def dialogues(count: int, seed: int = 0) -> list[list[dict[str, str]]]:
    """`count` dialogues: a system message (the brief), then turns; the assistant is the buyer."""
    shapes = json.loads(LENGTHS.read_text(encoding="utf-8"))["dialogues"]
    draw, lexicon = random.Random(seed), words()
    order = list(range(len(shapes)))
    draw.shuffle(order)
    made = []
    for number in range(count):
        first, brief, *turns = shapes[order[number % len(shapes)]]
        roles = ("assistant", "user") if first else ("user", "assistant")
        messages = [{"role": "system", "content": " ".join(draw.choices(lexicon, k=brief))}]
        for turn, length in enumerate(turns):
            messages.append({"role": roles[turn % 2], "content": " ".join(draw.choices(lexicon, k=length))})
        made.append(messages)
    return made


def reply_lengths() -> list[int]:
    """Words of every turn of the buyer's."""
    shapes = json.loads(LENGTHS.read_text(encoding="utf-8"))["dialogues"]
    return [n for first, _, *turns in shapes for k, n in enumerate(turns) if (k % 2 == 0) == bool(first)]


def cut(messages: list[dict[str, str]], draw: random.Random) -> int:
    """The place of one of the assistant's turns, any but an opening one where there is another."""
    places = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    return draw.choice([i for i in places if i > 1] or places)


def sft_rows(count: int, seed: int = 0) -> list[Row]:
    return [{"messages": m} for m in dialogues(count, seed)]


def pair_rows(count: int, seed: int = 0) -> list[Row]:
    """The reply of a dialogue, and one of another length."""
    draw, lexicon, lengths, rows = random.Random(seed), words(), reply_lengths(), []
    for messages in dialogues(count, seed):
        at = cut(messages, draw)
        other = " ".join(draw.choices(lexicon, k=draw.choice(lengths)))
        rows.append(
            {
                "prompt": messages[:at],
                "chosen": [{"role": "assistant", "content": messages[at]["content"]}],
                "rejected": [{"role": "assistant", "content": other}],
            }
        )
    return rows


def prompt_rows(count: int, seed: int = 0) -> list[Row]:
    draw = random.Random(seed)
    return [{"prompt": m[: cut(m, draw)], "scenario": {}} for m in dialogues(count, seed)]


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# -- the base ----------------------------------------------------------------------------------------------------


def make_base(
    folder: Path, hidden: int, layers: int, vocabulary: int = VOCABULARY, reply: float | None = None
) -> Path:
    """A Qwen3 with random weights and its tokenizer, on the disk. reply: the mean length of its replies in tokens; such
    a base gives the end of a turn at the same chance after any token (None: hardly ever).

    Small as it is, it has Qwen3-0.6B's proportions: a feed-forward part of three times the width, two heads to a key,
    and (at hidden 512, four layers) an output layer of a quarter of the weights that a token meets.
    """
    import torch

    from repo_cli.models.tiny import build_tiny

    build = SimpleNamespace(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_layers=layers,
        num_heads=hidden // 64,
        num_kv_heads=max(1, hidden // 128),
        head_dim=64,
        tie_embeddings=reply is None,
        rope_theta=10000.0,
    )
    texts = [" " + m["content"] for d in dialogues(128) for m in d] + [" " + " ".join(words())] * 3
    model, tokenizer = build_tiny(build, texts, 0, "sdpa")
    if reply is not None:
        with torch.no_grad():
            end_turns(model, tokenizer, texts[:16], 1.0 / reply)
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def end_turns(model: Any, tokenizer: Any, texts: list[str], chance: float) -> None:
    """Make the end of a turn as likely as `chance` after any token: one number of the last hidden state is nearly the
    same everywhere (it stands out in every embedding), and the end token's output weight reads that number alone."""
    import torch

    end, special = (
        tokenizer.eos_token_id,
        [tokenizer.pad_token_id, tokenizer.convert_tokens_to_ids("<|im_start|>")],
    )
    model.get_input_embeddings().weight[:, 0] = 32.0  # far above what a layer adds
    head = model.get_output_embeddings().weight
    head[:, 0] = 0.0
    head[end] = 0.0
    head[end, 0] = 1.0
    head[special] = 0.0
    head[special, 0] = -20.0  # never said
    # what such a model says is nearly any token, after a dialogue
    said = torch.randint(0, len(tokenizer), (len(texts), 32), generator=torch.Generator().manual_seed(1))
    ids = torch.cat([tokenizer(texts, return_tensors="pt", padding=True)["input_ids"][:, -16:], said], 1)
    logits = model(ids).logits[:, -33:].double()
    ends = logits[..., end].clone()
    logits[..., end] = -torch.inf
    others, sign = torch.logsumexp(logits, -1), float(ends.mean().sign())
    low, high = 0.0, 1e4
    for _ in range(60):  # the factor at which the mean chance is the one asked for
        middle = (low + high) / 2
        found = torch.sigmoid(sign * middle * ends - others).mean()
        low, high = (middle, high) if found < chance else (low, middle)
    head[end, 0] = sign * middle


# -- clocks and quiet --------------------------------------------------------------------------------------------


@dataclass
class Timed:
    """One way to train: what it was given, and its seconds a step (the first, slower one left out)."""

    name: str
    given: dict[str, Any]
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(
        default_factory=dict
    )  # mean seconds of the parts of a step, where they are known
    length: float = 0.0  # mean tokens of the replies

    @property
    def middle(self) -> float:
        return statistics.median(self.seconds)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within: nothing of the trainers' progress and warnings on the terminal, unless something fails."""
    kept = io.StringIO()
    try:
        with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)
            yield
    except BaseException:
        sys.stderr.write(kept.getvalue()[-4000:])
        raise
    finally:
        logging.disable(logging.NOTSET)


def clock() -> Any:
    """A TRL callback with `.seconds`: each optimizer step from its first micro-batch on, `.losses` as logged."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.losses: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.perf_counter() - self.began)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self.losses += [logs["loss"]] if "loss" in (logs or {}) else []

    return Clock()


# -- settings ----------------------------------------------------------------------------------------------------


def trl_settings(folder: Path, steps: int, precision: str, **more: Any) -> dict[str, Any]:
    """What every TRL configuration here has: no checkpoints, no reports, AdamW at a fixed rate, no recomputation."""
    return {
        "output_dir": str(folder / "trl"),
        "max_steps": steps,
        "use_cpu": True,
        "bf16": precision != "fp32",
        "gradient_checkpointing": False,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": 0,
        **more,
    }


def lora(kind: str = "CAUSAL_LM") -> Any:
    from peft import LoraConfig

    more = {"modules_to_save": ["score"]} if kind == "SEQ_CLS" else {}
    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, task_type=kind, **more)


def open_model(base: Path, dtype: str, scores: bool = False) -> Any:
    """The base as plain transformers opens it, with a head of one number if it `scores`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    given = {"dtype": getattr(torch, dtype), "attn_implementation": "sdpa"}
    if scores:
        return AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, **given)
    return AutoModelForCausalLM.from_pretrained(base, **given)


def compare(
    ours: dict[str, Callable[[int], Timed]],
    grid: dict[str, Callable[[int], Timed]],
    steps: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Timed], Timed]:
    """Every cell of TRL's grid once, if there are several; then its best cell and each of ours in turn, twice, `steps`
    timed steps each time. A first step is always left out. Returns ours by name, and TRL's best."""
    best = next(iter(grid))
    if len(grid) > 1:
        tried = {}
        for name, cell in grid.items():
            tried[name] = cell(1)
            say(f"  {name:<34} {tried[name].middle:7.2f} s a step")
        best = min(tried, key=lambda name: tried[name].middle)
    rounds = [({name: way(steps) for name, way in ours.items()}, grid[best](steps)) for _ in range(2)]
    (mine, theirs), (again, others) = rounds
    for name, timed in mine.items():
        timed.seconds += again[name].seconds
    theirs.seconds += others.seconds
    return mine, theirs


def told(asked: Any, ours: Timed, theirs: Timed) -> dict[str, Any]:
    """What is kept beside a ratio: the shape, both sides' settings and the seconds of every timed step."""
    shape = {name: value for name, value in vars(asked).items() if isinstance(value, int | str)}
    shape["grid"] = asked.cell or "whole"
    sides = {side: asdict(timed) for side, timed in (("ours", ours), ("trl", theirs))}
    return {"shape": shape, "sides": sides}


def threads() -> str:
    import torch

    return f"{torch.get_num_threads()} threads of {os.cpu_count()} processors"
