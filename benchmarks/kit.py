"""What the benchmarks of speed and memory share: a base of any size with random weights, the roles of REPO on it, and
one whole RL step of the product's own parts (sampler, reward model, values, advantages, both updates).

A base is named (SIZES) or given as a shape. The tokenizer is a small one trained on the built-in world's texts: its ids
lie in the larger vocabulary of the base, so logits are as wide as the architecture has them, and what is sampled
decodes to something.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: name -> hidden, intermediate, layers, heads, kv heads, width of a head, vocabulary, tied embeddings (all Qwen3)
SIZES: dict[str, tuple[int, int, int, int, int, int, int, bool]] = {
    "smallest": (64, 128, 2, 4, 2, 16, 600, True),
    "100m": (768, 3072, 12, 12, 4, 64, 8192, True),
    "wide": (1024, 3072, 4, 16, 8, 64, 8192, True),
    "0.6b": (1024, 3072, 28, 16, 8, 128, 151936, True),
    "4b": (2560, 9728, 36, 32, 8, 128, 151936, True),
    "32b": (5120, 25600, 64, 64, 8, 128, 151936, False),
}
REWARDS = ("rules=none", "reward=rm_only", "critic.init=fresh")


def settings(size: str, *more: str) -> Any:
    """A Config for the stage rl on a base of this size: REPO, without rules, judge and files."""
    from repo_cli.config import compose

    hidden, inner, layers, heads, kv, width, vocab, tied = SIZES[size]
    build = (
        f"policy.build.hidden_size={hidden}", f"policy.build.intermediate_size={inner}",
        f"policy.build.num_layers={layers}", f"policy.build.num_heads={heads}", f"policy.build.num_kv_heads={kv}",
        f"policy.build.head_dim={width}", f"policy.build.vocab_size={vocab}",
        f"policy.build.tie_embeddings={str(tied).lower()}", "policy.attn=sdpa",
    )  # fmt: skip
    return compose("rl", ["policy=tiny", *build, *REWARDS, *more])


def tokenizer() -> Any:
    """A byte-level tokenizer of a few hundred entries."""
    from repo_cli.models.tiny import train_tokenizer
    from repo_cli.worlds import get_world

    world = get_world("hotel", "en", 0)
    rows = [world.rows("prompts", i) for i in range(40)]
    return train_tokenizer((m["content"] for row in rows for m in row["prompt"]), 512)


def random_base(cfg: Any, device: str, made: Any = None) -> Any:
    """A Backbone on a Qwen3 of `policy.build` with random weights, made on `device` in the dtype that it runs in."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from repo_cli.models.attention import register
    from repo_cli.models.backbone import Backbone
    from repo_cli.quiet import quiet_libraries

    quiet_libraries()
    register()
    build, made = cfg.policy.build, made or tokenizer()
    config = Qwen3Config(
        vocab_size=build.vocab_size,
        hidden_size=build.hidden_size,
        intermediate_size=build.intermediate_size,
        num_hidden_layers=build.num_layers,
        num_attention_heads=build.num_heads,
        num_key_value_heads=build.num_kv_heads,
        head_dim=build.head_dim,
        tie_word_embeddings=build.tie_embeddings,
        max_position_embeddings=max(cfg.policy.max_length, 2048),
        bos_token_id=None,
        eos_token_id=made.eos_token_id,
        pad_token_id=made.pad_token_id,
    )
    config._attn_implementation = cfg.policy.attn
    bf16 = cfg.engine.precision == "bf16" or cfg.policy.dtype == "bfloat16"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if bf16 else torch.float32)
    try:
        with torch.device(device):
            torch.manual_seed(cfg.seed)
            model = Qwen3ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return Backbone(
        model.eval(),
        made,
        "random",
        "random",
        max_length=cfg.policy.max_length,
        autocast=cfg.engine.autocast,
        gradient_checkpointing=cfg.engine.gradient_checkpointing,
        seed=cfg.seed,
        reply_room=cfg.rollout.max_new_tokens,
        short_cuts=cfg.engine.short_cuts,
    )


def contexts(cfg: Any, count: int, tokens: int, ragged: bool = False, seed: int = 0) -> list[list[int]]:
    """Random contexts of so many tokens each (ragged: of a third of that up to it); ids that end nothing."""
    draw = random.Random(seed)
    lengths = [draw.randint(max(1, tokens // 3), tokens) if ragged else tokens for _ in range(count)]
    return [[draw.randint(3, 300) for _ in range(n)] for n in lengths]


@dataclass
class Step:
    """REPO on one base: `one()` is a whole RL step. `seconds`: of its phases, over all steps so far. `bases`: role ->
    the Backbone that it is on, where they are not all on one (memory.py's four copies)."""

    cfg: Any
    backbone: Any
    bases: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    #: called at the end of each phase with its name
    ended: Any = None

    def __post_init__(self) -> None:
        from repo_cli.rewards.reward_model import Calibration, RewardModel
        from repo_cli.rollout import LocalEngine
        from repo_cli.stages.roles import add_role
        from repo_cli.stages.update import Updater
        from repo_cli.training.engine import TrainEngine

        cfg = self.cfg
        add_role(cfg, self._of("policy"), "policy")
        add_role(cfg, self._of("rm"), "rm", head=True)
        _wake(self._of("rm"), "rm")

        def engine(backbone: Any, role: str, lr: float, total: int) -> Any:
            return TrainEngine(self._of(role), role, cfg, lr, total_steps=total)

        self.sampler = LocalEngine(self._of("policy"), "policy", cfg.rollout)
        self.reward = RewardModel(self._of("rm"), "rm", Calibration(0.0, 1.0, 8), "centered")
        session: Any = SimpleNamespace(engine=engine)
        self.updater = Updater(cfg, _Apart(self) if self.bases else self.backbone, session)

    def _of(self, role: str) -> Any:
        return self.bases.get(role, self.backbone)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        synchronise(self.backbone.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        if self.ended is not None:
            self.ended(name)

    def one(self, prompts: list[list[int]], number: int = 0) -> list[Any]:
        """Replies to the contexts, scored, valued and learnt from; the items."""
        import torch

        from repo_cli.stages.experience import advantages_, collect

        rows: list[Any] = [({"prompt": [], "scenario": {}}, context) for context in prompts]
        with self.phase("generate"):
            items = collect(self.sampler, rows, seed=number)
        with self.phase("score"):
            totals = self.reward.score([item.sample for item in items], self.cfg.rm.batch_tokens)
        keep = torch.ones(len(items), dtype=torch.bool)
        with self.phase("values"):
            self.updater.values_(items)
            self.updater.calibrate_(items, totals, keep)
        advantages_(items, totals, keep, self.cfg.algorithm)
        with self.phase("update"):
            self.updater.update(items, number)
        return items

    def close(self) -> None:
        for engine in filter(None, (self.updater.policy, self.updater.critic)):
            engine.close()


class _Apart:
    """A Backbone's face over several: what is asked of a role goes to the base that this role is on."""

    def __init__(self, step: Step) -> None:
        self._step, self.fmt, self.device = step, step.backbone.fmt, step.backbone.device

    def roles(self) -> list[str]:
        return [role for role in ("policy", "rm", "critic") if role in self._step._of(role).roles()]

    def add_role(self, role: str, *given: Any, **more: Any) -> None:
        self._step._of(role).add_role(role, *given, **more)

    def eval(self) -> None:
        for base in self._step.bases.values():
            base.eval()

    def values(self, role: str, *given: Any) -> Any:
        return self._step._of(role).values(role, *given)

    def logps(self, role: str | None, *given: Any, **more: Any) -> Any:
        return self._step._of(role or "reference").logps(role, *given, **more)

    def logps_entropy(self, role: str, *given: Any, **more: Any) -> Any:
        return self._step._of(role).logps_entropy(role, *given, **more)


def _wake(backbone: Any, role: str) -> None:
    """lora_B away from 0, so that the adapter does what a trained one does."""
    import torch

    generator = torch.Generator(device=backbone.device).manual_seed(1)
    for name, parameter in backbone.named_trainable(role).items():
        if "lora_B" in name:
            with torch.no_grad():
                parameter.normal_(0.0, 0.01, generator=generator)


def synchronise(device: Any) -> None:
    if getattr(device, "type", str(device)) == "cuda":
        import torch

        torch.cuda.synchronize()


def frozen_linear_params(cfg: Any) -> int:
    """Weights of the base that a token is multiplied with in every layer: without embeddings and output layer."""
    b = cfg.policy.build
    attention = b.hidden_size * b.head_dim * (2 * b.num_heads + 2 * b.num_kv_heads)
    return b.num_layers * (attention + 3 * b.hidden_size * b.intermediate_size)


def attention_flops(cfg: Any, length: int) -> float:
    """Forward FLOPs of causal attention for one token at the mean place of a sequence of `length`: 2 products of
    length / 2 keys, 2 FLOPs each, over all heads and layers."""
    b = cfg.policy.build
    return 4.0 * (length / 2) * b.num_heads * b.head_dim * b.num_layers


def reset_peak() -> bool:
    """Make VmHWM start anew from the memory held now (Linux); whether that worked."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_rss() -> int:
    """Most memory of this process in bytes, since it began or since `reset_peak`."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
