"""Keys of what is trained and how: policy, critic, LoRA, engine, optimiser, launch, tracker, rollout, algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repo_cli.config.fields import key


@dataclass
class PolicyBuild:
    """A small Qwen3 made from scratch (`policy.build`); null when the policy is loaded."""

    vocab_size: int = key(2048, "entries of the tokenizer trained on the world's corpus", lo=300)
    hidden_size: int = key(256, "width of the residual stream", lo=8)
    intermediate_size: int = key(768, "width of the feed-forward layer", lo=8)
    num_layers: int = key(2, "decoder layers", lo=1)
    num_heads: int = key(4, "attention heads", lo=1)
    num_kv_heads: int = key(4, "key and value heads", lo=1)
    head_dim: int = key(64, "width of one head", lo=4)
    tie_embeddings: bool = key(True, "input and output embeddings are one matrix")
    rope_theta: float = key(10000.0, "base of the rotary position embedding", above=0)
    digits: str = key(
        "split",
        "split = each digit a token, pairs = groups of two, group3 = up to three digits, whole = a number or date",
        choices=("split", "pairs", "group3", "whole"),
    )
    tokenizer_rows: int = key(4000, "corpus rows that the tokenizer is trained on", lo=1)


@dataclass
class PolicyConfig:
    name: str = key("tiny", "label in reports and directories")
    path: str | None = key(
        None, "hub name or directory of the base; null when it is built or comes with the parent"
    )
    parent: str | None = key(None, "a final/ or run directory to start from")
    train: str = key("lora", "what is trained", choices=("lora", "full"))
    dtype: str = key("auto", "dtype of the base's weights", choices=("auto", "float32", "bfloat16"))
    quant: str | None = key(None, "the frozen base in four bits (QLoRA); GPU only", choices=("nf4",))
    attn: str = key("sdpa", "attention kernel", choices=("sdpa", "eager", "blocks", "flash_attention_2"))
    template_kwargs: dict[str, Any] = key({"enable_thinking": False}, "given to the chat template", free=True)
    trust_remote_code: bool = key(False, "run code that comes with the checkpoint")
    max_length: int = key(1024, "tokens of context and reply together", lo=16)
    build: PolicyBuild | None = key(None, "the shape of a model made from scratch")


@dataclass
class CriticConfig:
    lr: float = key(1e-5, "learning rate of the critic's adapter and head", lo=0, hi=1)
    init: str = key("rm", "where the critic starts", choices=("rm", "fresh"))
    calibrate: bool = key(
        True, "bring it to the scale of the first rollouts' returns before the first update"
    )
    warmup_steps: int = key(0, "RL steps that train only the critic", lo=0)
    lora_r: int | None = key(None, "rank of the critic's adapter; null = lora.r", lo=1)


@dataclass
class LoraConfig:
    r: int = key(64, "rank", lo=1)
    alpha: float = key(64.0, "scale: the adapter's output is multiplied by alpha / r", above=0)
    dropout: float = key(0.0, "dropout on the adapter's input", lo=0, hi=0.99)
    targets: str | list[str] = key("all-linear", "module names, or all-linear")


@dataclass
class RolloutConfig:
    max_new_tokens: int = key(512, "longest reply in tokens", lo=1)
    temperature: float = key(1.0, "sampling temperature; 0 = greedy (evaluation only)", lo=0)
    top_p: float = key(1.0, "nucleus sampling; 1 = off", above=0, hi=1)
    top_k: int = key(0, "only the k likeliest tokens; 0 = off", lo=0)
    batch_size: int = key(64, "sequences decoded at once on one rank", lo=1)
    prefill_tokens: int = key(16384, "padded tokens of contexts read in one pass", lo=1)
    merge: bool = key(True, "merge the policy's adapter into the base while generating")


@dataclass
class AlgorithmConfig:
    name: str = key("repo", "the optimiser", choices=("repo", "ppo", "grpo"))
    gamma: float = key(1.0, "discount", lo=0, hi=1)
    lam: float = key(0.95, "GAE's lambda", lo=0, hi=1)
    clip_low: float = key(0.2, "the ratio is not let below 1 - clip_low", above=0, hi=1)
    clip_high: float = key(0.2, "the ratio is not let above 1 + clip_high", above=0)
    dual_clip: float | None = key(
        None, "for negative advantages, a floor of dual_clip * A; null = off", above=1
    )
    value_clip: float = key(0.2, "a value moves at most this far in one update", above=0)
    epochs: int = key(1, "passes over each rollout batch", lo=1)
    minibatches: int = key(1, "optimizer steps in one pass", lo=1)
    whiten: bool = key(True, "advantages to mean 0 and variance 1 over the global batch")
    length_norm: str = key(
        "token", "what the policy loss is a mean over", choices=("token", "reply", "constant")
    )
    group_size: int = key(1, "replies for one prompt", lo=1)
    scale_groups: bool = key(True, "GRPO: divide by the group's standard deviation")
    gdpo: bool = key(False, "GRPO: normalise each reward source in its group, then sum with reward.weights")
    resample: int = key(0, "GRPO: how often groups of equal rewards are replaced in a step", lo=0)
    beta: float = key(0.1, "DPO's beta", above=0)
    kl_coef: float = key(0.0, "weight of a KL penalty against a reference; 0 = no reference", lo=0)
    kl_reference: str = key("start", "what the KL is measured from", choices=("start", "base"))
    kl_estimator: str = key("k1", "how the KL of a token is estimated", choices=("k1", "k2", "k3"))
    kl_in: str = key("reward", "where the penalty acts", choices=("reward", "loss"))


@dataclass
class EngineConfig:
    zero_stage: int = key(0, "DeepSpeed ZeRO stage", lo=0, hi=3)
    precision: str = key("fp32", "DeepSpeed's own precision", choices=("fp32", "bf16"))
    autocast: str | None = key(None, "torch.autocast around the forward pass", choices=("bfloat16",))
    grad_clip: float = key(1.0, "largest gradient norm; 0 = no clipping", lo=0)
    micro_tokens: int = key(4096, "padded tokens in one micro-batch", lo=1)
    gradient_checkpointing: bool = key(False, "recompute activations in the backward pass to save memory")
    short_cuts: bool = key(True, "compute less for the same numbers, but for rounding")
    threads: int | None = key(None, "CPU threads a rank; null = leave as it is", lo=1)
    device: str = key("auto", "where to train", choices=("auto", "cpu", "cuda"))


@dataclass
class OptimConfig:
    name: str = key("adamw", "adamw, or muon for weight matrices", choices=("adamw", "muon"))
    lr: float = key(1e-6, "learning rate", lo=0, hi=1)
    beta1: float = key(0.9, "AdamW's first decay", lo=0, hi=0.9999)
    beta2: float = key(0.999, "AdamW's second decay", lo=0, hi=0.99999)
    eps: float = key(1e-8, "AdamW's epsilon", above=0)
    weight_decay: float = key(0.0, "AdamW's weight decay", lo=0)
    muon_scale: float = key(6.0, "learning rate of Muon's matrices, in multiples of optim.lr", above=0)
    schedule: str = key(
        "constant", "learning rate after the warm-up", choices=("constant", "linear", "cosine")
    )
    warmup_steps: int = key(0, "steps of linear warm-up", lo=0)


@dataclass
class LaunchConfig:
    kind: str = key("local", "where the ranks run", choices=("local", "slurm"))
    nproc: int = key(1, "ranks on a machine", lo=1)
    master_port: int = key(0, "port where the ranks meet; 0 = a free one", lo=0, hi=65535)
    timeout_s: int = key(1800, "seconds that a rank waits for the others", lo=1)
    heartbeat_s: int = key(
        900, "seconds without progress on any rank after which the hung one is named; 0 = off", lo=0
    )
    stop_s: int = key(120, "seconds that a run may take to save after a signal", lo=1)


@dataclass
class SlurmConfig:
    """What the batch file of launch=slurm says."""

    partition: str | None = key(None, "--partition")
    account: str | None = key(None, "--account")
    qos: str | None = key(None, "--qos")
    time: str | None = key("24:00:00", "--time, the wall clock of one job")
    nodes: int = key(1, "machines; each runs launch.nproc ranks", lo=1)
    gpus_per_node: int | None = key(None, "--gpus-per-node; null = as many as ranks, 0 = none", lo=0)
    cpus_per_rank: int = key(8, "--cpus-per-task", lo=1)
    mem: str | None = key(None, "--mem of a node (0 = all of it)")
    signal_s: int = key(300, "seconds before the wall clock at which the run is told to save", lo=0)
    requeue: bool = key(True, "after that warning, or a preemption, the job queues again and goes on")
    max_restarts: int = key(100, "how often it may", lo=0)
    at_once: int = key(4, "sweeps: jobs of the array that run at the same time", lo=1)
    modules: list[str] = key([], "module load ...")
    setup: list[str] = key([], "shell lines before the run")
    env: dict[str, Any] = key({}, "environment variables (no secrets: the file can be read)", free=True)
    container: str | None = key(None, "image for the ranks; null = none")
    container_command: str = key(
        "apptainer exec --nv {image}", "what runs a command in it; {image} is the container"
    )
    offline: bool = key(True, "libraries do not ask a hub: compute nodes often have no network")
    sbatch: list[str] = key([], "further #SBATCH options, such as --constraint=a100")
    srun: list[str] = key([], "further options of srun, such as --mpi=none")
    python: str | None = key(None, "interpreter on the nodes; null = the one that submits")


@dataclass
class SweepConfig:
    """Sweeps: -m on a stage."""

    jobs: int = key(1, "jobs at the same time on this machine", lo=1)
    path: str | None = key(None, "the sweep's directory; null = runs_dir/sweeps/<stage>/<name>/<time>-<id>")
    retries: int = key(0, "how often a job that failed is tried again by itself", lo=0)
    objective: str | None = key(None, "metric that a sweeper of Hydra's (hydra/sweeper=optuna) goes by")


@dataclass
class TrackerConfig:
    tensorboard: bool = key(True, "write TensorBoard event files")
    log_every: int = key(1, "steps between two lines of metrics", lo=1)
    rollouts_every: int = key(1, "RL steps between two rollout tables; 0 = none", lo=0)
    rollouts_keep: int = key(16, "replies in one rollout table", lo=0)
    checkpoint_minutes: float = key(10.0, "minutes after which a checkpoint is due; 0 = off", lo=0)
    checkpoint_every: int = key(0, "steps between two checkpoints; 0 = by the clock alone", lo=0)
    keep_checkpoints: int = key(2, "newest checkpoints that are kept", lo=1)
    keep_best: str | None = key(None, "metric whose best checkpoint is kept as well; null = none")
    best_is: str = key("max", "which value of it is the best", choices=("max", "min"))
    services: list[str] = key([], "services that get the metrics too", choices=("wandb", "mlflow", "trackio"))
    project: str = key("repo", "project or experiment there")
    offline: bool = key(True, "keep their files in the run directory, send nothing")
