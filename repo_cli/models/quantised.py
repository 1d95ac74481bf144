"""A frozen base in four bits (QLoRA, arXiv 2305.14314): `policy.quant=nf4`, through bitsandbytes, on a GPU."""

from __future__ import annotations

from importlib import util
from typing import Any

import torch

from repo_cli.errors import UserError


def quantised(kind: str | None, device: str | torch.device, dtype: torch.dtype | None) -> dict[str, Any]:
    """What `from_pretrained` is given for `policy.quant`; nothing for None. dtype: products are computed in it (None:
    bfloat16).

    Raises UserError where the machine has no GPU for it, or the package is missing.
    """
    if kind is None:
        return {}
    if torch.device(device).type != "cuda":
        raise UserError(
            f"policy.quant={kind} needs a GPU, and this run is on {torch.device(device).type}",
            hint="policy.quant=null keeps the base's weights as they are",
        )
    if util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"policy.quant={kind} needs the package bitsandbytes, which is not installed",
            hint="pip install 'repo-cli[quant]'",
        )
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype or torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": torch.device(device)}}
