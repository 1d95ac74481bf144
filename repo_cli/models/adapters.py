"""LoRA adapters on one base, one for each role, through PEFT; which one is active is always set explicitly.

PEFT puts its layers into the base in place, so the base stays the module tree that everybody uses; the
PeftModel around it is kept only to add, read and write adapters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from repo_cli.errors import UserError

WEIGHTS = "adapter_model.safetensors"
EXPERT_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


class AdapterSet:
    """The adapters on `base`; `active` names the one in the forward pass, None the base alone."""

    def __init__(self, base: nn.Module, base_path: str, short_cuts: bool = False) -> None:
        self.base: Any = base
        self.base_path, self.short_cuts = base_path, short_cuts
        self.peft: Any = None
        self.active: str | None = None
        self.layers: list[Any] = []
        self._params: dict[str, list[nn.Parameter]] = {}

    def __contains__(self, role: str) -> bool:
        return role in self._params

    def parameters(self, role: str) -> list[nn.Parameter]:
        return self._params[role]

    def config(self, role: str) -> Any:
        return self.peft.peft_config[role]

    def add(
        self, role: str, r: int, alpha: float, dropout: float, targets: str | list[str], seed: int
    ) -> None:
        """A new adapter that changes nothing yet (B = 0), its A drawn from `seed`. Dense models only."""
        from peft import LoraConfig, PeftModel

        if role in self:
            raise ValueError(f"role {role!r} has an adapter already")
        refuse_experts(self.base)
        modules = targets if isinstance(targets, str) else list(targets)
        config = LoraConfig(
            r=r,
            lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,  # type: ignore[arg-type]
            lora_dropout=dropout,
            target_modules=modules,
            task_type="CAUSAL_LM",
            base_model_name_or_path=self.base_path,
        )
        if self.short_cuts and not getattr(self.base, "is_quantized", False):
            from repo_cli.models.lora_linear import LoraLinear

            config._register_custom_module({nn.Linear: LoraLinear})
        try:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                if self.peft is None:
                    self.peft = PeftModel(self.base, config, adapter_name=role)
                else:
                    self.peft.add_adapter(role, config)
        except ValueError as error:
            if "target modules" not in str(error).lower():
                raise
            names = sorted(
                {n.split(".")[-1] for n, m in self.base.named_modules() if isinstance(m, nn.Linear)}
            )
            raise UserError(
                f"lora.targets={targets} matches no layer of the model", hint=f"its linear layers: {names}"
            ) from error
        self._find_layers(role)
        if self.base.get_output_embeddings() in self.layers:
            raise UserError("lora.targets may not name the output embedding", hint="all-linear leaves it out")
        self.activate(role)

    def _find_layers(self, role: str) -> None:
        from peft.tuners.lora import LoraLayer

        self.layers = [m for m in self.base.modules() if isinstance(m, LoraLayer)]
        tag = f".{role}."
        self._params[role] = [p for n, p in self.base.named_parameters() if "lora_" in n and tag in n + "."]

    def activate(self, role: str | None) -> None:
        """Put one adapter (or none) into the forward pass. Leaves every adapter's requires_grad False."""
        for layer in self.layers:
            if role is None:
                layer.enable_adapters(False)
            else:
                layer._disable_adapters = False  # enable_adapters(True) would reactivate the last one first
                layer.set_adapter(role, inference_mode=True)
        if role is not None and self.peft is not None:
            self.peft.active_adapter = role
        self.active = role

    def copy(self, source: str, target: str) -> None:
        """Values of one adapter into another of the same shape."""
        a, b = self.config(source), self.config(target)
        if (a.r, a.lora_alpha) != (b.r, b.lora_alpha) or _shapes(self._params[source]) != _shapes(
            self._params[target]
        ):
            raise UserError(
                f"the {target} adapter (r={b.r}, alpha={b.lora_alpha}) cannot start from "
                f"the {source} adapter (r={a.r}, alpha={a.lora_alpha})",
                hint=f"give both the same rank, alpha and targets, or start the {target} fresh",
            )
        with torch.no_grad():
            for new, old in zip(self._params[target], self._params[source], strict=True):
                new.copy_(old)

    def save(self, role: str, folder: Path) -> None:
        """adapter_model.safetensors and adapter_config.json, as plain peft reads them; no empty tensors."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        state = get_peft_model_state_dict(self.peft, adapter_name=role, save_embedding_layers=False)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        empty = [name for name, tensor in state.items() if tensor.numel() == 0]
        if empty or not state:
            raise RuntimeError(
                f"adapter {role!r} would be saved with empty tensors ({empty[:3]}): gather it first"
            )
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, str(folder / WEIGHTS), metadata={"format": "pt"})
        config = self.config(role)
        trains, config.inference_mode = config.inference_mode, True
        config.save_pretrained(str(folder))
        config.inference_mode = trains

    def load(self, role: str, folder: Path) -> None:
        """Values from an adapter directory; UserError when its tensors are not exactly this adapter's."""
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        state = load_file(str(folder / WEIGHTS))
        try:
            outcome: Any = set_peft_model_state_dict(self.peft, state, adapter_name=role)
        except RuntimeError as error:
            raise UserError(
                f"{folder}: this adapter does not fit the base ({str(error).splitlines()[0]})"
            ) from error
        missing = [key for key in outcome.missing_keys if f".{role}." in key and "lora_" in key]
        if missing or outcome.unexpected_keys:
            wrong = (list(outcome.unexpected_keys) + missing)[0]
            raise UserError(f"{folder}: this adapter does not fit the base ({wrong} is on one side only)")


def read_adapter_config(folder: Path) -> Any:
    """The LoraConfig of an adapter directory; UserError when there is none or its weights are missing."""
    from peft import LoraConfig, PeftConfig

    for name in ("adapter_config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name} there, so it is not an adapter")
    config = PeftConfig.from_pretrained(str(folder))
    if not isinstance(config, LoraConfig):
        raise UserError(f"{folder}: a {config.peft_type} adapter; only LoRA adapters are read")
    return config


def refuse_experts(base: nn.Module) -> None:
    """Adapters on a mixture of experts would silently miss the fused expert weights, so they are refused."""
    config: Any = getattr(base, "config", None)
    text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
    for key in EXPERT_KEYS:
        if (getattr(text_config, key, None) or 0) > 1:
            raise UserError(
                f"the base is a mixture of experts ({key}={getattr(text_config, key)}): "
                "only dense models take adapters",
                hint="choose a dense model, or policy.train=full",
            )


def _shapes(params: list[nn.Parameter]) -> list[torch.Size]:
    return [p.shape for p in params]
