"""The training engine: one DeepSpeed engine for one role's parameters on the shared base.

RL makes it twice, for policy and critic, on the same frozen base; a step of one cannot move the other. The
caller hands over micro-batches of any number and size and a loss that is a SUM; the gradient is that sum
over all micro- batches and ranks divided by one denominator, so it does not depend on how the batch was
split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from repo_cli.training import distributed as group
from repo_cli.training import engine_state
from repo_cli.training.deepspeed_setup import ds_config, prepare
from repo_cli.training.optimizer import make_optimizer
from repo_cli.training.schedule import lr_at

M = TypeVar("M")
LossFn = Callable[[M], tuple[Tensor, dict[str, Any]]]


class NonFiniteLoss(Exception):
    """A loss or gradient was NaN or infinite on some rank; nothing was updated."""


class RoleModule(nn.Module):
    """What DeepSpeed sees of one role.

    Up to ZeRO-2 these are the role's own parameters and nothing else: the frozen base is not DeepSpeed's
    business (it is neither cast, broadcast nor hooked, and may keep its own dtype). ZeRO-3 partitions the
    base as well, so there the whole backbone is inside.
    """

    def __init__(self, backbone: Any, role: str, whole: bool) -> None:
        super().__init__()
        self._outside = [backbone]  # in a list: not registered as a sub-module
        self.role = role
        self.stats: list[dict[str, Any]] = []  # here and not among the outputs: ZeRO-3 copies those
        if whole:
            self.backbone = backbone
        else:
            self.own = nn.ParameterList(backbone.trainable(role))

    def forward(self, loss_fn: LossFn | None, micro: Any) -> Tensor:
        backbone = self._outside[0]
        backbone.use(self.role)
        if loss_fn is None:
            return self._nothing(backbone)
        loss, found = loss_fn(micro)
        self.stats.append(found)
        return loss

    def _nothing(self, backbone: Any) -> Tensor:
        """A loss of 0 that still reaches every parameter, for ranks with fewer micro-batches than others."""
        ids = torch.zeros(1, 2, dtype=torch.long, device=backbone.device)
        ones = torch.ones_like(ids)
        if backbone.has_head(self.role):
            return backbone.values(self.role, ids, ones).sum() * 0.0
        return backbone.logps(self.role, ids, ones, ones).sum() * 0.0


class TrainEngine:
    """See the module's docstring.

    backbone: models.Backbone; role: "policy", "critic", "rm", ... or "full"; lr: in place of cfg.optim.lr;
    total_steps: needed by the linear and cosine schedules; dropout: whether dropout acts in training steps
    (RL keeps it off, so that old and new log-probs agree). Initialise roles (copy_role) before making the
    engine.
    """

    def __init__(
        self,
        backbone: Any,
        role: str,
        cfg: Any,
        lr: float | None = None,
        *,
        total_steps: int | None = None,
        warmup_steps: int | None = None,
        dropout: bool = False,
    ) -> None:
        self.backbone, self.role, self.cfg, self.dropout = backbone, role, cfg, dropout
        self.base_lr = cfg.optim.lr if lr is None else lr
        self.total_steps = total_steps
        self.warmup_steps = cfg.optim.warmup_steps if warmup_steps is None else warmup_steps
        self.stage, self.bf16 = cfg.engine.zero_stage, cfg.engine.precision == "bf16"
        self.updates = 0
        #: called on all ranks before each micro-batch; may raise to leave the step (nothing is updated then)
        self.between: Callable[[], None] = lambda: None
        deepspeed = prepare()
        group.init(cfg)
        if self.bf16:
            _cast(backbone, torch.bfloat16)
        # A parameter that does not require a gradient now is silently left out of ZeRO 1-3 for ever.
        backbone.use(role)
        self.parameters = backbone.trainable(role)
        frozen = [p for p in self.parameters if not p.requires_grad]
        assert not frozen, f"{len(frozen)} parameters of {role} do not require a gradient"
        self.module = RoleModule(backbone, role, whole=self.stage == 3)
        optimizer = make_optimizer(backbone.named_trainable(role), cfg.optim, self.base_lr)
        numel = sum(getattr(p, "ds_numel", p.numel()) for p in self.parameters)
        shapes = [getattr(p, "ds_shape", p.shape) for p in backbone.parameters()]
        vectors = max((shape.numel() for shape in shapes if len(shape) == 1), default=0)
        self.engine, *_ = deepspeed.initialize(
            model=self.module,
            optimizer=optimizer,
            model_parameters=self.parameters,
            config=ds_config(cfg, group.world_size(), numel, keep_whole=vectors),
            dist_init_required=False,
        )
        self.inner = self.engine.basic_optimizer
        if self.bf16 and self.stage == 0:  # DeepSpeed takes an empty step there, so Adam would count from 1
            for state in self.inner.state.values():
                if "step" in state:
                    state["step"] = torch.zeros_like(torch.as_tensor(state["step"]))
        if self.stage == 3:
            # Its tracing of the modules' order is for prefetching, which is off; two roles would confuse it.
            self.engine.optimizer.parameter_offload.fwd_pre_hook.remove()
            self._take_hooks()

    @property
    def lr(self) -> float:
        """Learning rate of the next update."""
        return lr_at(self.updates, self.base_lr, self.cfg.optim.schedule, self.warmup_steps, self.total_steps)

    def step(self, micros: Iterable[M], loss_fn: LossFn, denominator: float) -> dict[str, float]:
        """One optimizer step on micro-batches (this rank's), all ranks together.

        loss_fn(micro) -> (loss summed over the micro-batch's items, stats). denominator: the number of items
        over all ranks. Stats are sums too and come back divided by the denominator; a key ending in _max
        or _min comes back as the extreme. Returns loss, grad_norm (before clipping), lr, and the stats.

        Raises NonFiniteLoss on every rank, before anything is updated.
        """
        todo: list[Any] = list(micros)
        rounds = int(group.all_max(len(todo)))
        if rounds == 0:
            raise ValueError("a training step without a single micro-batch")
        if self.stage == 3:
            self._take_hooks()
        rate = self.lr
        for param_group in self.inner.param_groups:
            param_group["lr"] = rate * param_group.get("scale", 1.0)
        scale = group.world_size() / float(denominator)  # DeepSpeed averages over ranks
        total = torch.zeros((), dtype=torch.float64)
        stats = self.module.stats = []
        with self.training_mode():
            for index in range(rounds):
                self.between()
                mine = index < len(todo)
                self.engine.set_gradient_accumulation_boundary(index == rounds - 1)
                loss = self.engine(loss_fn if mine else None, todo[index] if mine else None)
                self.engine.backward(loss * scale, scale_wrt_gas=False)
                total += loss.detach().double().cpu()
                if index < rounds - 1:
                    self.engine.step()
            norm = self._finish(total)
        self.updates += 1
        result = {"loss": float(group.all_sum(total)) / denominator, "grad_norm": norm, "lr": rate}
        return result | _merge(group.all_gather_objects(_collect(stats)), denominator)

    @contextmanager
    def training_mode(self) -> Iterator[None]:
        """What makes dropout and checkpointing act; without both the evaluation mode is the same."""
        training = self.dropout or self.cfg.engine.gradient_checkpointing
        if training:
            self.backbone.set_mode(training=True, dropout=self.dropout)
        try:
            yield
        finally:
            if training:
                self.backbone.set_mode(training=False)

    def _finish(self, total: Tensor) -> float:
        """Checks, clips and steps; returns the gradient's norm before clipping."""
        norm = float("nan")
        bad = 0.0 if math.isfinite(float(total)) else 1.0
        if self.stage == 0 and not self.bf16:
            clip = self.cfg.engine.grad_clip or math.inf
            norm = float(nn.utils.clip_grad_norm_(self.parameters, clip))
            bad = max(bad, 0.0 if math.isfinite(norm) else 1.0)
        if group.all_max(bad):
            self.zero_grad()
            raise NonFiniteLoss(
                f"{self.role}: the loss or gradient of update {self.updates + 1} is not finite"
            )
        self.engine.step()
        if not self.engine.was_step_applied():  # DeepSpeed's own check of the gradients, ZeRO 1-3 and bf16
            self.zero_grad()
            raise NonFiniteLoss(f"{self.role}: the gradient of update {self.updates + 1} is not finite")
        return norm if math.isfinite(norm) else float(self.engine.get_global_grad_norm() or 0.0)

    def finite(self) -> bool:
        """Whether this rank's share of the weights holds numbers only."""
        return all(bool(torch.isfinite(master).all()) for master in engine_state.masters_of(self))

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    # -- whole state ---------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """The exact state into `folder`, in safetensors and tensors read with weights_only=True."""
        engine_state.save(self, Path(folder))

    def load(self, folder: Path | str) -> None:
        """The state back. UserError when it was saved with another role, ZeRO stage, precision, nproc."""
        engine_state.load(self, Path(folder))

    # -- ZeRO-3: DeepSpeed's hooks fetch the parts of each module as it runs -------------------------------

    def _own_hooks(self, on: bool) -> None:
        """Put this engine's fetching hooks on the backbone's modules, or take them off."""
        offload = self.engine.optimizer.parameter_offload
        for parameter in offload.module.parameters():
            parameter.ds_active_sub_modules.clear()
        for hook in offload.forward_hooks + offload.backward_hooks:
            hook.remove()
        offload.forward_hooks, offload.backward_hooks = [], []
        if on:
            offload._register_deepspeed_module(offload.module)

    def _take_hooks(self) -> None:
        """Only the hooks of one engine are on the shared modules at a time: the one that stepped last."""
        owner = self.backbone.sharding
        if owner is not self:
            if owner is not None:
                owner._own_hooks(False)
                self._own_hooks(True)
            self.backbone.sharding = self

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """All parameters of the backbone whole on every rank, and no hooks; what Backbone.gathered uses."""
        import deepspeed

        self._own_hooks(False)
        try:
            with deepspeed.zero.GatheredParameters(self._apart(), modifier_rank=None):
                yield
        finally:
            self._own_hooks(True)

    def _apart(self) -> list[nn.Parameter]:
        return [p for p in self.backbone.parameters() if p.ds_status.name == "NOT_AVAILABLE"]

    def close(self) -> None:
        """Let go of DeepSpeed's hooks and buffers; the weights are whole again and the backbone usable."""
        if self.backbone.sharding is self:
            self._own_hooks(False)
            self.backbone.sharding = None
            apart = self._apart()
            if apart:
                apart[0].all_gather(apart)
        self.engine.destroy()


def _cast(backbone: Any, dtype: torch.dtype) -> None:
    """DeepSpeed's own precision: all weights of base, adapters and heads in that dtype (buffers stay)."""
    for parameter in backbone.parameters():
        if parameter.is_floating_point() and parameter.dtype != dtype:
            parameter.data = parameter.data.to(dtype)


def _collect(stats: list[dict[str, Any]]) -> dict[str, float]:
    """One rank's stats over its micro-batches."""
    merged: dict[str, float] = {}
    for found in stats:
        for key, value in found.items():
            merged[key] = _join(key, merged.get(key), float(value))
    return merged


def _join(key: str, a: float | None, b: float) -> float:
    if a is None:
        return b
    return max(a, b) if key.endswith("_max") else min(a, b) if key.endswith("_min") else a + b


def _merge(parts: list[dict[str, float]], denominator: float) -> dict[str, float]:
    merged = _collect(parts)
    return {k: v if k.endswith(("_max", "_min")) else v / denominator for k, v in merged.items()}
