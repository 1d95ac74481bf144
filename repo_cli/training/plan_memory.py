"""How much memory a stage needs on one rank, by part, from the configuration and the base's shape. No torch.

    plan(cfg, shape)                      # as configured
    plan(cfg, shape, zero_stage=2)        # beside it, with another ZeRO stage

A stage goes through phases (generate, score, values, update); what each holds is counted by memory_formulas.py, and
the peak is the largest of them. Unless lengths are given, every row is taken to be as long as the configuration lets
it be, so a run with shorter dialogues needs less. Not counted: what the libraries hold themselves (a CUDA context,
NCCL's buffers) and what the allocator cannot use between blocks, together some 1 to 2 GiB on a GPU.
`benchmarks/memory.py` sets the estimate beside what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from repo_cli.config.checks import NEEDS
from repo_cli.config.schema import Config
from repo_cli.errors import UserError
from repo_cli.models.shapes import Shape
from repo_cli.training.memory_formulas import (
    Precision,
    activation_moments,
    engine_bytes,
    forward_bytes,
    kv_bytes,
    logit_bytes,
    sampling_bytes,
    weight_bytes,
)

STAGES = ("sft", "dpo", "train_rm", "rl")
#: What memory goes to, in the order of the table.
PARTS = (
    "weights", "adapters", "judge", "gradients", "optimiser", "activations", "KV cache", "logits", "merge copy"
)  # fmt: skip
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: Bytes of a weight of a linear layer under policy.quant=nf4: 4 bits, 8 for each 64 of them, 32 for each 64 * 256.
NF4 = (4 + 8 / 64 + 32 / (64 * 256)) / 8

Parts = dict[str, float]


@dataclass(frozen=True)
class Work:
    """What one rank does at a time. Rows and tokens are padded ones; `prefill_rows`: contexts read in one pass;
    `replies`: rows of a step on this rank."""

    prompt: int
    reply: int
    micro_rows: int
    rollout_rows: int
    prefill_rows: int
    replies: int

    @property
    def length(self) -> int:
        return self.prompt + self.reply


@dataclass(frozen=True)
class Plan:
    """Bytes on one rank: phase -> part -> bytes. host: what lies in the host's memory besides (0 on a CPU, where all
    of it is in one place)."""

    zero_stage: int
    nproc: int
    phases: dict[str, Parts]
    host: float
    notes: list[str] = field(default_factory=list)

    def total(self, phase: str) -> float:
        return sum(self.phases[phase].values())

    @property
    def peak_phase(self) -> str:
        return max(self.phases, key=self.total)

    @property
    def peak(self) -> float:
        return self.total(self.peak_phase)


# -- a stage ---------------------------------------------------------------------------------------------------


def precision_of(cfg: Config, shape: Shape) -> Precision:
    """Which dtype things have: engine.precision=bf16 casts base, adapters and heads; else the base is in policy.dtype,
    and PEFT keeps adapters in float32."""
    own = BYTES.get(shape.dtype if cfg.policy.dtype == "auto" else cfg.policy.dtype, 4)
    bf16 = cfg.engine.precision == "bf16"
    weights = 2 if bf16 else own
    return Precision(
        weights=weights,
        adapters=2 if bf16 else 4,
        compute=2 if cfg.engine.autocast else weights,
        autocast=bool(cfg.engine.autocast) and weights == 4,
        trains=cfg.policy.train,
        dropout=cfg.lora.dropout > 0 and cfg.stage != "rl",
    )


def work_of(cfg: Config, prompt: int | None = None, reply: int | None = None) -> Work:
    """What one rank does at a time; lengths that are not given are the longest that the configuration allows."""
    reply = min(cfg.rollout.max_new_tokens, cfg.policy.max_length) if reply is None else reply
    prompt = cfg.policy.max_length - reply if prompt is None else prompt
    batch = {"sft": cfg.sft, "dpo": cfg.dpo, "train_rm": cfg.train_rm, "rl": cfg.rl}[cfg.stage].batch_size  # type: ignore[attr-defined]
    replies = math.ceil(batch / ranks(cfg)) * (2 if cfg.stage in ("dpo", "train_rm") else 1)
    return Work(
        prompt=prompt,
        reply=reply,
        micro_rows=max(1, min(replies, cfg.engine.micro_tokens // (prompt + reply))),
        rollout_rows=min(cfg.rollout.batch_size, replies),
        prefill_rows=max(
            1, min(cfg.rollout.batch_size, replies, cfg.rollout.prefill_tokens // max(1, prompt))
        ),
        replies=replies,
    )


def ranks(cfg: Config) -> int:
    return cfg.launch.nproc * (cfg.slurm.nodes if cfg.launch.kind == "slurm" else 1)


def roles_of(cfg: Config) -> dict[str, tuple[int, bool]]:
    """The adapters of a stage: role -> (rank, whether it is trained)."""
    r = cfg.lora.r
    if cfg.policy.train == "full":
        return {}
    if cfg.stage == "train_rm":
        return {"rm": (r, True)}
    roles = {"policy": (r, True)}
    if cfg.stage == "dpo" and cfg.dpo.reference == "adapter":
        roles["reference"] = (r, False)
    if cfg.stage == "rl":
        if cfg.algorithm.name != "grpo":
            roles["critic"] = (cfg.critic.lora_r or r, True)
        if "rm" in NEEDS[cfg.reward.combine]:
            roles["rm"] = (r, False)
        if cfg.algorithm.kl_coef and cfg.algorithm.kl_reference == "start":
            roles["reference"] = (r, False)
    return roles


def plan(
    cfg: Config,
    shape: Shape,
    zero_stage: int | None = None,
    *,
    prompt: int | None = None,
    reply: int | None = None,
    on_cpu: bool = False,
    judge: Shape | None = None,
) -> Plan:
    """The estimate for one rank of the stage `cfg.stage` (sft, dpo, train_rm or rl).

    prompt, reply: tokens of a context and a reply; None = as long as the configuration allows. on_cpu: all memory is
    the host's, so the copy that merging keeps counts. judge: the model of a local judge; `shape` itself = the policy's
    own base judges, which takes no memory of its own.

    Raises:
        UserError: the stage trains nothing.
    """
    if cfg.stage not in STAGES:
        raise UserError(
            f"{cfg.stage} cannot be planned", hint=f"stages that train: {', '.join(STAGES).replace('_', '-')}"
        )
    stage, nproc = cfg.engine.zero_stage if zero_stage is None else zero_stage, ranks(cfg)
    precision, work, roles = precision_of(cfg, shape), work_of(cfg, prompt, reply), roles_of(cfg)
    builder = _Builder(cfg, shape, precision, work, roles, stage, nproc, judge)
    phases = builder.phases()
    copy = shape.adapted_params(cfg.lora.targets) * precision.weights
    merges = cfg.stage == "rl" and cfg.rollout.merge and bool(roles)
    if merges and on_cpu:
        phases["generate"]["merge copy"] = float(copy)
    return Plan(stage, nproc, phases, host=float(copy) if merges and not on_cpu else 0.0, notes=builder.notes)


class _Builder:
    """The phases of one stage; what stands in all of them once, the rest by phase."""

    def __init__(
        self,
        cfg: Config,
        shape: Shape,
        precision: Precision,
        work: Work,
        roles: dict[str, tuple[int, bool]],
        zero_stage: int,
        nproc: int,
        judge: Shape | None,
    ) -> None:
        self.cfg, self.shape, self.precision, self.work, self.roles = cfg, shape, precision, work, roles
        self.zero_stage, self.nproc, self.judge = zero_stage, nproc, judge
        self.notes: list[str] = []
        if zero_stage == 3 and cfg.stage == "rl":
            self.notes.append("ZeRO-3: generation, scoring and values gather the whole base on every rank")
        if self._own_judge:
            self.notes.append(
                f"judge.path={cfg.judge.path} is a whole model of its own beside the policy's base"
            )

    @property
    def _own_judge(self) -> bool:
        return self.judge is not None and self.judge is not self.shape

    def phases(self) -> dict[str, Parts]:
        if self.cfg.policy.train == "full":
            return {"update": self._update("full", self.shape.params, 0, entropy=False)}
        trained = {role: r for role, (r, trains) in self.roles.items() if trains}
        updates = {
            f"update {role}": self._update(role, self._params(role), r, entropy=self.cfg.stage == "rl")
            for role, r in trained.items()
        }
        if self.cfg.stage != "rl":
            return updates
        work, shape, precision = self.work, self.shape, self.precision
        found: dict[str, Parts] = {}
        prefill = forward_bytes(
            shape, precision, work.prefill_rows * work.prompt, adapter=not self.cfg.rollout.merge
        )
        found["generate"] = self._standing(whole=True) | {
            "activations": prefill,
            "KV cache": kv_bytes(shape, work.rollout_rows, work.length, precision.compute),
            "logits": sampling_bytes(shape.vocab, work.rollout_rows, precision.compute),
        }
        total = work.replies * work.length
        if "rm" in self.roles:
            tokens = min(total, max(self.cfg.rm.batch_tokens, work.length))
            found["score"] = self._standing(whole=True) | {
                "activations": forward_bytes(shape, precision, tokens, adapter=True)
            }
        if self.judge is not None:
            tokens = min(
                work.replies * self.cfg.judge.max_length, max(self.cfg.judge.batch_tokens, work.length)
            )
            found["judge"] = self._standing(whole=True) | {
                "activations": forward_bytes(self.judge, precision, tokens, adapter=False)
            }
        if "critic" in self.roles:
            tokens = work.micro_rows * work.length
            found["values"] = self._standing(whole=True) | {
                "activations": forward_bytes(shape, precision, tokens, adapter=True)
            }
        return found | updates

    def _params(self, role: str) -> int:
        head = self.shape.hidden + 1 if role in ("critic", "rm") else 0
        return self.shape.adapter_params(self.roles[role][0], self.cfg.lora.targets) + head

    def _standing(self, whole: bool) -> Parts:
        """What every phase holds: weights, adapters, optimiser states, a judge of its own."""
        split = self.nproc if self.zero_stage == 3 and not whole else 1
        adapters = sum(self._params(role) for role in self.roles) * self.precision.adapters
        trained = [self._params(role) for role, (_, trains) in self.roles.items() if trains]
        if self.cfg.policy.train == "full":
            trained = [self.shape.params]
        states = sum(self._engine(n)[1] for n in trained)
        parts = {
            "weights": weight_bytes(self.shape, self.precision.weights, self.zero_stage, self.nproc, whole),
            "adapters": adapters / split,
            "optimiser": states,
        }
        if self.judge is not None and self._own_judge:
            parts["judge"] = float(self.judge.params * self.precision.weights)
        if self.cfg.policy.quant:
            spared = self.precision.weights - NF4
            parts["weights"] -= spared * self.shape.adapted_params("all-linear")
            if "judge" in parts and self.judge is not None:
                parts["judge"] -= spared * self.judge.adapted_params("all-linear")
        return parts

    def _engine(self, params: int) -> tuple[float, float]:
        cfg, precision = self.cfg, self.precision
        each = precision.weights if cfg.policy.train == "full" else precision.adapters
        muon, bf16 = cfg.optim.name == "muon", cfg.engine.precision == "bf16"
        return engine_bytes(params, self.zero_stage, self.nproc, each, bf16, muon)

    def _update(self, role: str, params: int, r: int, entropy: bool) -> Parts:
        """The larger of two moments: the end of the forward pass with its logits, and the backward pass."""
        cfg, shape, precision, work = self.cfg, self.shape, self.precision, self.work
        linears = round(sum(x.count for x in shape.adapted(cfg.lora.targets)) / shape.layers)
        rows, length, saving = work.micro_rows, work.length, cfg.engine.gradient_checkpointing
        kept, most = activation_moments(shape, precision, r, rows, length, cfg.policy.attn, linears, saving)
        tokens = work.micro_rows * (work.reply if cfg.stage in ("rl", "dpo") else work.length)
        logits = 0.0
        if role not in ("critic", "rm"):
            logits = logit_bytes(shape.vocab, tokens, precision.compute, entropy)
        gradients, _ = self._engine(params)
        parts = self._standing(whole=False) | {"gradients": gradients}
        if kept + logits > most:
            return parts | {"activations": kept, "logits": logits}
        return parts | {"activations": most}
