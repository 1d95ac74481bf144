"""The backbone: one base model in memory, with an adapter (and a head) for every role on it.

Which adapter takes part is set explicitly at each use, so a step of one role cannot touch another. `role` is
"policy", "critic", "rm", "judge" or any other name given to `add_role`; "full" means all of the base's own
parameters; None means the base alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.errors import UserError
from repo_cli.models.adapters import AdapterSet, read_adapter_config
from repo_cli.models.heads import ScalarHead
from repo_cli.models.merging import merged_weights
from repo_cli.models.passes import Passes
from repo_cli.models.rms_norm import take_norms
from repo_cli.quiet import quiet_libraries

HEAD_FILE = "head.safetensors"


class Backbone(Passes):
    """See the module's docstring. Tensors are [batch, time] unless said, on the base's device."""

    def __init__(
        self,
        base: Any,
        tokenizer: Any,
        base_path: str,
        base_hash: str,
        *,
        template_kwargs: dict[str, Any] | None = None,
        max_length: int = 1024,
        autocast: str | None = None,
        gradient_checkpointing: bool = False,
        seed: int = 0,
        reply_room: int = 0,
        short_cuts: bool = False,
    ) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.heads = nn.ModuleDict()
        self.adapters = AdapterSet(base, base_path, short_cuts)
        self.short_cuts = short_cuts
        if short_cuts:
            take_norms(base)
        self.tokenizer = tokenizer
        self.fmt = ChatFormat(tokenizer, dict(template_kwargs or {}), max_length, reply_room=reply_room)
        self.base_path, self.base_hash, self.seed = base_path, base_hash, seed
        config = base.config.get_text_config() if hasattr(base.config, "get_text_config") else base.config
        self.hidden_size, self.vocab_size = int(config.hidden_size), int(config.vocab_size)
        self.autocast_dtype = {None: None, "bfloat16": torch.bfloat16}[autocast]
        self.sharding: Any = None  # the ZeRO-3 engine whose hooks fetch the parts of the base, if any
        self._role: str | None = None
        self._merged = False
        self._gathered = False
        if gradient_checkpointing:
            base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
            base.enable_input_require_grads()  # frozen embeddings give no gradient, and would cut the graph
        self.eval()

    # -- opening -------------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls, cfg: Any, device: str | torch.device = "cpu", texts: Any = None, parent: str | None = None
    ) -> Backbone:
        """From `policy.parent`, `policy.path`, or built from `policy.build` (with `texts` for the tokenizer).

        parent: in place of cfg.policy.parent. When it is an adapter, role "policy" is made from it.
        """
        quiet_libraries()
        from repo_cli.models import loading
        from repo_cli.models.hashing import hash_model
        from repo_cli.models.tiny import build_tiny

        quiet_libraries()
        policy = cfg.policy
        start = loading.resolve_start(policy.path, parent or policy.parent)
        if start is None:
            if policy.build is None:
                raise UserError(
                    "policy.path is not set",
                    hint="a hub name or directory; or policy=tiny to build a small model",
                )
            if texts is None:
                raise UserError(
                    f"policy={policy.name} has no weights yet",
                    hint="give policy.parent=<final/ of repo sft>, or run repo pipeline",
                )
            base, tokenizer = build_tiny(policy.build, texts, cfg.seed, policy.attn)
            base = base.to(device)
            base_path, base_hash = policy.name, hash_model(base)
        else:
            base, tokenizer = loading.open_base(
                start.base, policy.dtype, policy.attn, policy.trust_remote_code, policy.quant, device
            )
            base_hash = loading.check_base(base, start, cfg.cache_dir)
            base_path = (
                str(Path(start.base).expanduser().resolve())
                if Path(start.base).expanduser().is_dir()
                else start.base
            )
        made = cls(
            base,
            tokenizer,
            base_path,
            base_hash,
            template_kwargs=policy.template_kwargs,
            max_length=policy.max_length,
            autocast=cfg.engine.autocast,
            gradient_checkpointing=cfg.engine.gradient_checkpointing,
            seed=cfg.seed,
            reply_room=min(cfg.rollout.max_new_tokens, policy.max_length // 2),
            short_cuts=cfg.engine.short_cuts,
        )
        if start is not None and start.adapter is not None:
            made.add_role("policy", init_from=start.adapter, dropout=cfg.lora.dropout)
        return made

    @property
    def device(self) -> torch.device:
        return self.base.device

    # -- roles ---------------------------------------------------------------------------------------------

    def add_role(
        self,
        role: str,
        r: int | None = None,
        alpha: float | None = None,
        dropout: float = 0.0,
        targets: str | list[str] = "all-linear",
        init_from: Path | str | None = None,
        head: bool = False,
    ) -> None:
        """A new adapter (and scalar head); with `init_from` (a `final/`) shape and values come from there.

        Raises UserError when init_from is no LoRA adapter, was trained on another base, or lacks a wanted
        head.
        """
        if role in ("full", "none") or "." in role:
            raise ValueError(f"{role!r} cannot be the name of an adapter")
        folder = self._check_source(Path(init_from)) if init_from is not None else None
        if folder is not None:
            made = read_adapter_config(folder)
            found = (
                made.target_modules if isinstance(made.target_modules, str) else sorted(made.target_modules)
            )
            r, alpha, targets = made.r, made.lora_alpha, found
        if r is None or alpha is None:
            raise ValueError("add_role needs r and alpha, or init_from")
        seed = (zlib.crc32(role.encode()) + self.seed) % 2**31
        self.adapters.add(role, r, alpha, dropout, targets, seed)
        for parameter in self.adapters.parameters(role):
            parameter.requires_grad_(False)
        if head:
            generator = torch.Generator().manual_seed(seed)
            self.heads[role] = ScalarHead(self.hidden_size, generator).to(self.device).requires_grad_(False)
        if folder is not None:
            self.adapters.load(role, folder)
            if head:
                self._load_head(role, folder)
        self.train(self.training)  # new modules begin in training mode, and their dropout would act
        self.use(role)

    def _check_source(self, folder: Path) -> Path:
        from repo_cli.models.loading import check_same_tokenizer
        from repo_cli.models.manifest import NAME, find_final, read_manifest

        folder = find_final(folder, "adapter")
        if (folder / NAME).is_file():
            manifest = read_manifest(folder)
            if manifest.kind == "full":
                raise UserError(f"{folder}: holds a whole model, not an adapter")
            if manifest.base_hash != self.base_hash:
                raise UserError(
                    f"{folder}: was trained on another base "
                    f"({manifest.base}, hash {manifest.base_hash[:12]}) than this "
                    f"run's ({self.base_path}, hash {self.base_hash[:12]})",
                    hint="train it again on this base, or start from the base that it was trained on",
                )
        check_same_tokenizer(self.tokenizer, folder, self.base_path)
        return folder

    def _load_head(self, role: str, folder: Path) -> None:
        from safetensors.torch import load_file

        if not (folder / HEAD_FILE).is_file():
            raise UserError(f"{folder}: no {HEAD_FILE} there, so it is no reward model or critic")
        self.heads[role].load_state_dict(load_file(str(folder / HEAD_FILE)))

    def copy_role(self, source: str, target: str) -> None:
        """One role's values into another's (critic from RM); before the target's engine is made."""
        self.adapters.copy(source, target)
        if target in self.heads and source in self.heads:
            self.heads[target].load_state_dict(self.heads[source].state_dict())

    def roles(self) -> list[str]:
        return list(self.adapters._params)

    def has_head(self, role: str) -> bool:
        return role in self.heads

    def use(self, role: str | None) -> None:
        """Put `role` into the forward pass; its parameters are then the only ones that can get a gradient."""
        if self._merged:
            raise RuntimeError("the base is merged for generation: nothing else may use it until that ends")
        name = None if role in (None, "full") else role
        if name is not None and name not in self.adapters:
            raise KeyError(f"no role {name!r} on this backbone; there are {self.roles()}")
        if self._role == role and self.adapters.active == name:
            return
        self.base.requires_grad_(False)
        self.heads.requires_grad_(False)
        self.adapters.activate(name)
        if role is not None:
            for parameter in self.trainable(role):
                parameter.requires_grad_(True)
        self._role = role

    def trainable(self, role: str) -> list[nn.Parameter]:
        """The role's own parameters: adapter and head; for "full" all of the base (no adapters then)."""
        if role == "full":
            if self.roles():
                raise UserError("policy.train=full cannot be used together with adapters on the same base")
            return list(self.base.parameters())
        return self.adapters.parameters(role) + (
            list(self.heads[role].parameters()) if role in self.heads else []
        )

    def named_trainable(self, role: str) -> dict[str, nn.Parameter]:
        """The same with their names in this module."""
        wanted = {id(p) for p in self.trainable(role)}
        return {name: p for name, p in self.named_parameters() if id(p) in wanted}

    def set_mode(self, training: bool, dropout: bool = True) -> None:
        """Training or evaluation mode; with dropout=False all dropout stays off, yet checkpointing works."""
        self.train(training)
        if training and not dropout:
            for module in self.modules():
                if isinstance(module, nn.Dropout) or hasattr(module, "attention_dropout"):
                    module.training = False

    # -- whole weights -------------------------------------------------------------------------------------

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Within: all parameters are whole on every rank (ZeRO-3 splits them). All ranks must enter."""
        if self._gathered or self.sharding is None:
            yield
            return
        with self.sharding.whole_weights():
            self._gathered = True
            try:
                yield
            finally:
                self._gathered = False

    @contextmanager
    def merged(self, role: str | None, dtype: torch.dtype | None = None) -> Iterator[nn.Module]:
        """The base with the role's adapter in its weights, for generation; then bit-identical again.

        Within, only the yielded model may be used. dtype: decode in this dtype meanwhile.
        """
        name = None if role in (None, "full") else role
        if self._merged:
            raise RuntimeError("merged() cannot be nested")
        self.use(role)
        # on an accelerator the cast weights would need room beside the whole ones
        cast_to = self.autocast_dtype if self.device.type == "cpu" and dtype is None else None
        with self.gathered(), merged_weights(self.adapters, name, dtype, cast_to):
            self._merged = True
            try:
                yield self.base
            finally:
                self._merged = False
                self._role = (
                    None  # switching adapters has frozen them: the next use() must not think otherwise
                )

    def save_role(self, role: str, folder: Path | str) -> None:
        """Write the role and the tokenizer into `folder`. All ranks call; rank 0 writes.

        An adapter as plain peft reads it, and head.safetensors; "full": a model as transformers reads it.
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        with self.gathered():
            if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
                return
            folder.mkdir(parents=True, exist_ok=True)
            if role == "full":
                quiet_libraries()
                self.base.save_pretrained(str(folder))
            else:
                self.adapters.save(role, folder)
                if role in self.heads:
                    state = {
                        k: v.detach().cpu().contiguous() for k, v in self.heads[role].state_dict().items()
                    }
                    save_file(state, str(folder / HEAD_FILE))
            self.tokenizer.save_pretrained(str(folder))
