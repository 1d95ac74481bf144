"""What DeepSpeed needs to be told so that it computes what we mean and leaves nothing behind.

Every default of its own that changes a result is set here in words.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from repo_cli.quiet import quiet_libraries


def prepare() -> Any:
    """The deepspeed module, imported so that nothing is compiled, printed or written outside the run."""
    quiet_libraries()
    os.environ.setdefault("LOCAL_RANK", "0")
    import deepspeed
    from deepspeed.utils import logger

    # On a CPU init_distributed would compile a shared-memory operator (45 s, needs a compiler and ninja).
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    for handler in list(logger.handlers):
        if getattr(handler, "stream", None) is not None and type(handler).__name__ == "StreamHandler":
            logger.removeHandler(handler)  # it prints to stdout; records go where quiet.route_logs sends them
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return deepspeed


def ds_config(cfg: Any, world_size: int, trainable_numel: int, keep_whole: int = 0) -> dict[str, Any]:
    """One engine's configuration; ZeRO-3 splits parameters of more than `keep_whole` elements."""
    stage, bf16 = cfg.engine.zero_stage, cfg.engine.precision == "bf16"
    # Buffers of this many elements are allocated; DeepSpeed wants a multiple of a small power of two.
    bucket = min(500_000_000, -(-trainable_numel // 1024) * 1024)
    own_clip = stage == 0 and not bf16  # there the engine here clips, since it needs the norm before the step
    return {
        "train_batch_size": world_size,
        "train_micro_batch_size_per_gpu": 1,  # bookkeeping only: the batches come from the caller
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 0.0 if own_clip else float(cfg.engine.grad_clip),
        "prescale_gradients": False,
        "gradient_predivide_factor": 1.0,
        "steps_per_print": None,
        "wall_clock_breakdown": False,
        "memory_breakdown": False,
        "dump_state": False,
        "fp16": {"enabled": False},
        "bf16": {"enabled": bf16, "check_grad_overflow": True, "bf16_master_weights_and_grads": False},
        "torch_autocast": {"enabled": False},  # autocast is the backbone's, so that generation has the same
        "zero_allow_untested_optimizer": False,
        "zero_optimization": {
            "stage": stage,
            "contiguous_gradients": True,
            "overlap_comm": False,
            "reduce_scatter": True,
            "reduce_bucket_size": bucket,
            "allgather_partitions": True,
            "allgather_bucket_size": bucket,
            "round_robin_gradients": False,
            "sub_group_size": int(1e9),
            "stage3_prefetch_bucket_size": 0,  # else two engines on one base fail in their second round
            "stage3_param_persistence_threshold": keep_whole,
            "stage3_max_live_parameters": int(1e9),
            "stage3_max_reuse_distance": int(1e9),
            "stage3_gather_16bit_weights_on_model_save": False,
        },
    }
