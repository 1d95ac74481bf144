"""The shape of a policy's base, without its weights: what `repo doctor --plan` counts with.

The model class is made on torch's meta device from its configuration, so parameters and linear layers are counted,
not guessed, whatever the architecture. The configuration comes from `policy.build`, from a directory, from the hub's
cache on this machine, or from `shapes.yaml`; the network is never asked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from repo_cli.errors import UserError

TABLE = Path(__file__).with_name("shapes.yaml")
#: Vocabulary entries are what a short corpus gives; the tokenizer may end up with fewer.
BUILT = "policy.build"


@dataclass(frozen=True)
class Linear:
    """`count` linear layers of this name and size."""

    name: str
    inputs: int
    outputs: int
    count: int


@dataclass(frozen=True)
class Shape:
    """Sizes of one decoder. `params`: elements of all its weights; `largest`: of its largest one; `vectors`: of all
    one-dimensional ones; `linears`: the linear layers without the output. `source`: where all this was read."""

    source: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    qk_norm: bool
    params: int
    largest: int
    vectors: int
    linears: tuple[Linear, ...]
    dtype: str = "float32"

    def adapter_params(self, r: int, targets: str | list[str]) -> int:
        """Elements of one LoRA adapter: r * (inputs + outputs) for each adapted layer."""
        return sum(x.count * r * (x.inputs + x.outputs) for x in self.adapted(targets))

    def adapted(self, targets: str | list[str]) -> list[Linear]:
        """The layers that an adapter is on."""
        names = [targets] if isinstance(targets, str) else list(targets)
        return [x for x in self.linears if targets == "all-linear" or x.name in names]

    def adapted_params(self, targets: str | list[str]) -> int:
        """Weights that an adapter is on: what merging copies."""
        return sum(x.count * x.inputs * x.outputs for x in self.adapted(targets))


def shape_of_policy(policy: Any) -> Shape:
    """Of the configuration's `policy` part.

    Raises:
        UserError: nothing here says what the model looks like, or its configuration is none of a causal decoder.
    """
    from repo_cli.models.loading import resolve_start

    parent = policy.parent if policy.parent and Path(policy.parent).expanduser().exists() else None
    start = resolve_start(policy.path, parent)
    if start is not None:
        return shape_of_model(start.base, policy.trust_remote_code)
    if policy.build is None:
        raise UserError("policy.path is null, and so are policy.parent and policy.build")
    build = policy.build
    return measured(
        {
            "model_type": "qwen3",
            "vocab_size": build.vocab_size,
            "hidden_size": build.hidden_size,
            "intermediate_size": build.intermediate_size,
            "num_hidden_layers": build.num_layers,
            "num_attention_heads": build.num_heads,
            "num_key_value_heads": build.num_kv_heads,
            "head_dim": build.head_dim,
            "tie_word_embeddings": build.tie_embeddings,
        },
        BUILT,
    )


def shape_of_model(source: str, trust_remote_code: bool = False) -> Shape:
    """Of a directory or hub name: its own config.json where that is on this machine, else the shipped table."""
    from transformers import AutoConfig

    folder = Path(source).expanduser()
    local = folder.is_dir()
    try:
        config = AutoConfig.from_pretrained(
            str(folder) if local else source, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError) as error:
        if local:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"policy.path={source}: its config.json cannot be read: {first}") from None
        known = table()
        if source not in known:
            raise UserError(
                f"policy.path={source}: its shape is not known here (no such directory, not in the hub's cache)",
                hint=f"download its config.json, or take one of: {', '.join(known)}",
            ) from None
        return measured(known[source], "the shipped table of shapes")
    return _measured(config, f"{folder / 'config.json' if local else 'the hub cache'}")


def table() -> dict[str, dict[str, Any]]:
    """shapes.yaml: hub name -> configuration."""
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def measured(entries: dict[str, Any], source: str) -> Shape:
    """Of a configuration given as entries (`model_type` and its keys)."""
    from transformers import AutoConfig

    entries = dict(entries)
    return _measured(AutoConfig.for_model(entries.pop("model_type"), **entries), source)


@lru_cache(maxsize=8)
def _counted(text: str, kind: Any) -> tuple[Any, ...]:
    """(params, largest, vectors, linears, qk_norm) of the model of a configuration given as JSON."""
    import json

    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(kind.from_dict(json.loads(text)))
    output = model.get_output_embeddings()
    linears = Counter(
        (name.split(".")[-1], m.in_features, m.out_features)
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear) and m is not output
    )
    sizes = [(p.numel(), p.dim()) for p in model.parameters()]
    return (
        sum(n for n, _ in sizes),
        max(n for n, _ in sizes),
        sum(n for n, dim in sizes if dim == 1),
        tuple(Linear(*key, count) for key, count in linears.items()),
        any(name.endswith(("q_norm", "q_layernorm")) for name, _ in model.named_modules()),
    )


def _measured(config: Any, source: str) -> Shape:
    kind: Any = type(config)
    try:
        params, largest, vectors, linears, qk_norm = _counted(config.to_json_string(), kind)
    except ValueError as error:
        raise UserError(f"{source}: no causal language model: {str(error).splitlines()[0]}") from None
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    dtype = getattr(config, "dtype", None)
    return Shape(
        source=source,
        hidden=int(text.hidden_size),
        intermediate=int(text.intermediate_size),
        layers=int(text.num_hidden_layers),
        heads=heads,
        kv_heads=int(getattr(text, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(text, "head_dim", None) or text.hidden_size // heads),
        vocab=int(text.vocab_size),
        qk_norm=qk_norm,
        params=params,
        largest=largest,
        vectors=vectors,
        linears=linears,
        dtype=str(dtype).removeprefix("torch.") if dtype is not None else "float32",
    )
