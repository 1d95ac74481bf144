"""The configuration as dataclasses: every key with its type, limits and meaning. No torch.

The YAML files in `conf/` say the same with comments for people; `compose.py` turns them into a `Config`.
"""

from __future__ import annotations

from dataclasses import dataclass

from repo_cli.config.fields import key, section
from repo_cli.config.groups_alarms import AlarmConfig, AlarmsConfig
from repo_cli.config.groups_model import (
    AlgorithmConfig,
    CriticConfig,
    EngineConfig,
    LaunchConfig,
    LoraConfig,
    OptimConfig,
    PolicyBuild,
    PolicyConfig,
    RolloutConfig,
    SlurmConfig,
    SweepConfig,
    TrackerConfig,
)
from repo_cli.config.groups_reward import (
    JudgeApiConfig,
    JudgeConfig,
    RewardConfig,
    RmConfig,
    RubricConfig,
    RulesConfig,
    SopConfig,
    WeightsConfig,
)
from repo_cli.config.groups_stage import (
    DataConfig,
    DpoConfig,
    EndpointConfig,
    EvalConfig,
    PipelineConfig,
    RlConfig,
    SampleConfig,
    SftConfig,
    TrainRmConfig,
    WorldConfig,
)

STAGES = ("sft", "dpo", "train_rm", "sample", "rl", "eval", "pipeline")


@dataclass
class Config:
    """Everything a stage reads. Made by `compose`, written to the run directory by `save_frozen`."""

    stage: str = key("sft", "filled in by the command", choices=STAGES)
    name: str = key("run", "second part of the run directory runs/<stage>/<name>/")
    seed: int = key(0, "seed of weights, data order and sampling", lo=0, hi=2**31 - 1)
    runs_dir: str = key("runs", "where run directories are made")
    cache_dir: str = key("~/.cache/repo", "where built bases are kept between runs")
    resume: str | None = key(
        None, "null, auto (newest run of this stage and name), or a run or checkpoint directory"
    )
    force: bool = key(False, "pipeline: run done steps again; resume: go on although base or data differ")
    policy: PolicyConfig = section(PolicyConfig)
    critic: CriticConfig = section(CriticConfig)
    lora: LoraConfig = section(LoraConfig)
    rm: RmConfig = section(RmConfig)
    judge: JudgeConfig = section(JudgeConfig)
    rubric: RubricConfig = section(RubricConfig)
    rules: RulesConfig = section(RulesConfig)
    sop: SopConfig = section(SopConfig)
    reward: RewardConfig = section(RewardConfig)
    data: DataConfig = section(DataConfig)
    rollout: RolloutConfig = section(RolloutConfig)
    algorithm: AlgorithmConfig = section(AlgorithmConfig)
    engine: EngineConfig = section(EngineConfig)
    optim: OptimConfig = section(OptimConfig)
    launch: LaunchConfig = section(LaunchConfig)
    slurm: SlurmConfig = section(SlurmConfig)
    sweep: SweepConfig = section(SweepConfig)
    tracker: TrackerConfig = section(TrackerConfig)
    alarms: AlarmsConfig = section(AlarmsConfig)
    world: WorldConfig = section(WorldConfig)
    sft: SftConfig = section(SftConfig)
    dpo: DpoConfig = section(DpoConfig)
    train_rm: TrainRmConfig = section(TrainRmConfig)
    sample: SampleConfig = section(SampleConfig)
    rl: RlConfig = section(RlConfig)
    eval: EvalConfig = section(EvalConfig)
    pipeline: PipelineConfig = section(PipelineConfig)


__all__ = [
    "AlarmConfig",
    "AlarmsConfig",
    "AlgorithmConfig",
    "Config",
    "CriticConfig",
    "DataConfig",
    "DpoConfig",
    "EndpointConfig",
    "EngineConfig",
    "EvalConfig",
    "JudgeApiConfig",
    "JudgeConfig",
    "LaunchConfig",
    "LoraConfig",
    "OptimConfig",
    "PipelineConfig",
    "PolicyBuild",
    "PolicyConfig",
    "RewardConfig",
    "RlConfig",
    "RmConfig",
    "RolloutConfig",
    "RubricConfig",
    "RulesConfig",
    "SftConfig",
    "SopConfig",
    "STAGES",
    "SampleConfig",
    "SlurmConfig",
    "SweepConfig",
    "TrackerConfig",
    "TrainRmConfig",
    "WeightsConfig",
    "WorldConfig",
]
