"""Checks across keys, made when a configuration is composed (what a stage lacks on the disk: inputs.py). No torch."""

from __future__ import annotations

import re
from typing import Any

from repo_cli.config.own import own_rewards
from repo_cli.config.schema import STAGES, Config
from repo_cli.config.secrets import refuse_literal_secrets
from repo_cli.config.steps import check_steps
from repo_cli.errors import UserError, nearest

NEEDS = {
    "enhance": ("rm",),
    "rm": ("rm",),
    "judge": ("judge",),
    "rules": ("rules",),
    "judge_and_rules": ("judge", "rules"),
    "weighted_sum": ("rm",),
    "normalised_sum": ("rm",),
    "own": (),
}
#: The stages in which a policy replies.
SAMPLING = ("rl", "sample", "eval")
#: What reads reward.weights.
SUMS = ("weighted_sum", "normalised_sum")


def check(cfg: Config) -> None:
    """Raises UserError for keys that clash with each other."""
    if not re.fullmatch(r"[\w][\w .+-]*", cfg.name):
        raise UserError(
            f"name={cfg.name} cannot be the name of a directory", hint="letters, digits, . + - _ only"
        )
    for part in (
        _check_policy,
        _check_algorithm,
        _check_reward,
        _check_training,
        _check_eval,
        refuse_literal_secrets,
    ):
        part(cfg)
    check_steps(cfg.pipeline.steps, tuple(stage for stage in STAGES if stage != "pipeline"))


def _clash(message: str, hint: str) -> UserError:
    return UserError(message, hint=hint)


def _check_policy(cfg: Config) -> None:
    policy = cfg.policy
    if policy.path and policy.build:
        raise _clash(
            "policy.path and policy.build are both given: the base is either loaded or built",
            "policy=custom policy.path=... loads a model; policy=tiny without policy.path builds one",
        )
    if policy.build:
        if policy.build.num_heads % policy.build.num_kv_heads:
            raise _clash(
                f"policy.build.num_heads={policy.build.num_heads} is not a multiple of "
                f"policy.build.num_kv_heads={policy.build.num_kv_heads}",
                "every key-value head serves the same number of heads",
            )
        if policy.build.head_dim % 2:
            raise _clash(
                f"policy.build.head_dim={policy.build.head_dim} is odd", "rotary embedding needs pairs"
            )
    if cfg.stage in SAMPLING and cfg.rollout.max_new_tokens >= policy.max_length:
        raise _clash(
            f"rollout.max_new_tokens={cfg.rollout.max_new_tokens} leaves no room for the dialogue in "
            f"policy.max_length={policy.max_length}",
            "raise policy.max_length or lower rollout.max_new_tokens",
        )
    if cfg.optim.name == "muon" and (cfg.engine.zero_stage or cfg.engine.precision == "bf16"):
        raise _clash(
            "optim.name=muon needs whole float32 matrices: engine.zero_stage=0 and engine.precision=fp32",
            "optim.name=adamw goes with every engine",
        )
    if cfg.stage in ("rl", "train_rm", "dpo") and policy.train != "lora":
        raise _clash(
            f"policy.train={policy.train} does not go with the stage {cfg.stage}: its roles are adapters on one base",
            "set policy.train=lora",
        )


def _check_algorithm(cfg: Config) -> None:
    algorithm = cfg.algorithm
    if algorithm.name == "grpo" and algorithm.group_size < 2:
        raise _clash(
            f"algorithm.group_size={algorithm.group_size} with algorithm.name=grpo: a group needs two replies",
            "set algorithm.group_size=8, or algorithm=repo",
        )
    if algorithm.name == "repo" and algorithm.group_size != 1:
        raise _clash(
            f"algorithm.group_size={algorithm.group_size} with algorithm.name=repo: REPO has one reply per prompt",
            "set algorithm.group_size=1, or algorithm=grpo",
        )
    if algorithm.name == "repo" and algorithm.kl_coef:
        raise _clash(
            f"algorithm.kl_coef={algorithm.kl_coef} with algorithm.name=repo: REPO has no reference model",
            "set algorithm.kl_coef=0, or algorithm=ppo",
        )
    if algorithm.dual_clip is not None and algorithm.dual_clip <= 1 + algorithm.clip_high:
        raise _clash(
            f"algorithm.dual_clip={algorithm.dual_clip} is not above 1 + algorithm.clip_high="
            f"{1 + algorithm.clip_high}: it would cut what the ordinary clip allows",
            "3.0 is usual",
        )
    if algorithm.kl_coef and algorithm.kl_in == "loss" and algorithm.kl_estimator == "k1":
        raise _clash(
            "algorithm.kl_estimator=k1 with algorithm.kl_in=loss: its gradient has mean 0 and holds nothing back",
            "set algorithm.kl_estimator=k2 or k3, or algorithm.kl_in=reward",
        )
    _check_groups(cfg)
    if cfg.stage != "rl":
        return
    if cfg.rl.batch_size % algorithm.group_size:
        raise _clash(
            f"rl.batch_size={cfg.rl.batch_size} is not a multiple of algorithm.group_size={algorithm.group_size}",
            "rl.batch_size counts replies",
        )
    if algorithm.minibatches > cfg.rl.batch_size:
        raise _clash(
            f"algorithm.minibatches={algorithm.minibatches} is more than rl.batch_size={cfg.rl.batch_size}",
            "each optimizer step needs a reply",
        )
    if algorithm.name != "grpo" and cfg.critic.warmup_steps >= cfg.rl.steps:
        raise _clash(
            f"critic.warmup_steps={cfg.critic.warmup_steps} leaves no step for the policy in rl.steps={cfg.rl.steps}",
            "lower critic.warmup_steps or raise rl.steps",
        )
    if cfg.rollout.temperature == 0:
        raise _clash(
            "rollout.temperature=0 in the stage rl: greedy replies hold nothing to learn from", "set 1.0"
        )


def _check_groups(cfg: Config) -> None:
    """What only GRPO has, and what GDPO needs besides."""
    algorithm = cfg.algorithm
    for name in ("gdpo", "resample"):
        if getattr(algorithm, name) and algorithm.name != "grpo":
            raise _clash(
                f"algorithm.{name}={getattr(algorithm, name)} with algorithm.name={algorithm.name}: "
                "only GRPO has groups",
                "set algorithm=grpo",
            )
    if not algorithm.gdpo or cfg.stage != "rl":
        return
    if cfg.reward.combine != "weighted_sum":
        raise _clash(
            f"algorithm.gdpo=true with reward.combine={cfg.reward.combine}: GDPO sums the sources itself",
            "set reward=weighted_sum; its weights are GDPO's",
        )
    if cfg.reward.veto is not None:
        raise _clash(
            f"algorithm.gdpo=true with reward.veto={cfg.reward.veto}: a veto acts on the sum, which GDPO does not use",
            "set reward.veto=null, or a larger reward.weights.rules",
        )
    if algorithm.kl_coef and algorithm.kl_in == "reward":
        raise _clash(
            "algorithm.gdpo=true with algorithm.kl_in=reward: the penalty is none of GDPO's sources",
            "set algorithm.kl_in=loss algorithm.kl_estimator=k3",
        )


def _check_reward(cfg: Config) -> None:
    if len(cfg.rubric.scale) != 2 or cfg.rubric.scale[0] >= cfg.rubric.scale[1]:
        raise _clash(f"rubric.scale={cfg.rubric.scale} must be [lowest, highest]", "for instance [1, 5]")
    if cfg.judge.kind != "none" and not cfg.rubric.criteria:
        raise _clash(
            f"judge.kind={cfg.judge.kind} with rubric={cfg.rubric.name}: a judge needs criteria",
            "set rubric=hotel, or judge=none",
        )
    _check_judge(cfg)
    # single keys typed beside resume=PATH: the run's own entries, which they belong to, come in later
    going_on = cfg.resume not in (None, "auto")
    entries = cfg.reward.own.items()
    own = own_rewards({k: v for k, v in entries if not (going_on and "_target_" not in (v or {}))})
    if cfg.stage != "rl":
        return
    needs = NEEDS[cfg.reward.combine]
    if "judge" in needs and cfg.judge.kind == "none":
        raise _clash(
            f"reward.combine={cfg.reward.combine} with judge.kind=none: there is no judge to ask",
            "set judge=local judge.path=..., or another reward.combine",
        )
    if "rules" in needs and not cfg.rules.rules:
        raise _clash(
            f"reward.combine={cfg.reward.combine} with rules={cfg.rules.name}: there is no rule to apply",
            "set rules=hotel_guardrails, or another reward.combine",
        )
    if cfg.reward.veto is not None and not cfg.rules.rules:
        raise _clash(
            f"reward.veto={cfg.reward.veto} with rules={cfg.rules.name}: only a hard rule can veto",
            "set rules=hotel_guardrails, or reward.veto=null",
        )
    weights = cfg.reward.weights
    if cfg.reward.combine not in SUMS and (weights.rm, weights.judge, weights.rules) != (1.0, 1.0, 1.0):
        raise _clash(
            f"reward.weights are read by {' and '.join(SUMS)} only, not by reward.combine={cfg.reward.combine}",
            "judge.weight scales the judge; rules=none, judge=none leave a source out",
        )
    counting = [name for name, source in own.items() if source.weight]
    if cfg.reward.combine == "weighted_sum" and not any((weights.rm, weights.judge, weights.rules, counting)):
        raise _clash(
            "reward.weights are all 0: every reply would get the same reward", "give one of them a weight"
        )
    if cfg.reward.combine == "own" and own and not counting:
        raise _clash(
            f"reward.own.{next(iter(own))}.weight is 0, and reward.combine=own has nothing else to go by",
            "give one of them a weight",
        )


def _check_judge(cfg: Config) -> None:
    judge, api = cfg.judge, cfg.judge.api
    if judge.kind == "local" and (judge.scoring, judge.mode) == ("labels", "each"):
        raise _clash(
            "judge.mode=each with judge.kind=local judge.scoring=labels: a judge on this machine reads the labels of "
            "all criteria in one pass",
            "judge.mode=together, or judge.scoring=json",
        )
    if judge.prompt == "compact" and (judge.scoring, judge.mode) != ("labels", "together"):
        raise _clash(
            f"judge.prompt=compact with judge.scoring={judge.scoring} judge.mode={judge.mode}: that wording is for a "
            "small judge trained on it, which answers with labels",
            "judge.scoring=labels judge.mode=together, or judge.prompt=full",
        )
    if api.url and not re.fullmatch(r"https?://[^\s@/]+(/[^\s@]*)?", api.url):
        raise _clash(
            "judge.api.url is not a plain http address without user or password",
            "such as http://127.0.0.1:8000/v1; a key is read from the variable that judge.api.key_env names",
        )
    if api.key_env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", api.key_env):
        raise _clash(
            "judge.api.key_env is not the name of an environment variable",
            "give the variable's name, never the key: what stands here is written into the run directory",
        )
    for name in ("messages", "model", "stream", "n", "api_key"):
        if name in api.body:
            raise _clash(f"judge.api.body.{name} cannot be set there", "body is for what the server adds")


def _check_training(cfg: Config) -> None:
    if cfg.engine.precision == "bf16" and cfg.engine.autocast:
        raise _clash(
            "engine.precision=bf16 and engine.autocast=bfloat16 are both given: one of them is enough",
            "engine.precision=bf16 keeps bf16 weights; engine.autocast=bfloat16 keeps fp32 weights",
        )
    if cfg.policy.quant:
        _check_quantised(cfg)
    sizes: dict[str, Any] = {"sft": cfg.sft, "dpo": cfg.dpo, "train_rm": cfg.train_rm, "rl": cfg.rl}
    size = sizes[cfg.stage].batch_size if cfg.stage in sizes else None
    if size is not None and size < cfg.launch.nproc:
        raise _clash(
            f"{cfg.stage}.batch_size={size} is less than launch.nproc={cfg.launch.nproc}",
            "the batch is shared by all ranks, and each needs a sample",
        )
    if cfg.stage == "dpo" and cfg.dpo.loss == "ipo" and cfg.dpo.label_smoothing:
        raise _clash(
            f"dpo.label_smoothing={cfg.dpo.label_smoothing} with dpo.loss=ipo: only the sigmoid loss is smoothed",
            "set dpo.label_smoothing=0, or dpo.loss=sigmoid",
        )
    if cfg.stage == "sample" and cfg.sample.annotator == "judge" and cfg.judge.kind == "none":
        raise _clash(
            "sample.annotator=judge with judge.kind=none: there is no judge to ask",
            "judge=local judge.path=..., or judge=openai judge.api.url=...",
        )
    if cfg.data.val_path and cfg.data.val_path in (cfg.data.path, *cfg.data.also):
        raise _clash("data.val_path is among data.path and data.also", "held-out rows must not be trained on")


def _check_quantised(cfg: Config) -> None:
    said = f"policy.quant={cfg.policy.quant}"
    if cfg.policy.train == "full":
        raise _clash(
            f"{said} with policy.train=full: weights of four bits cannot be trained", "policy.train=lora"
        )
    if cfg.policy.build is not None and not cfg.policy.parent:
        raise _clash(
            f"{said} with a base that is made from scratch",
            "policy=custom policy.path=..., or policy.quant=null",
        )
    if cfg.engine.zero_stage == 3 or cfg.engine.precision == "bf16":
        raise _clash(
            f"{said} with engine.zero_stage={cfg.engine.zero_stage} engine.precision={cfg.engine.precision}: DeepSpeed "
            "would cast or split weights of four bits",
            "engine=zero2 engine.precision=fp32 engine.autocast=bfloat16",
        )
    if cfg.stage in ("rl", "sample", "eval") and cfg.rollout.merge:
        raise _clash(
            f"{said} with rollout.merge=true: no adapter can be added to weights of four bits",
            "rollout.merge=false",
        )


def _check_eval(cfg: Config) -> None:
    e = cfg.eval
    if cfg.stage == "eval" and e.rater == "judge" and cfg.judge.kind == "none":
        raise _clash(
            "eval.rater=judge with judge.kind=none: there is no judge to ask", "judge=local judge.path=..."
        )
    if e.counterpart != "world" and not e.counterpart.startswith("endpoint:"):
        raise _clash(f"eval.counterpart={e.counterpart} is not allowed", "world, or endpoint:MODEL@URL")
    if e.baseline is not None and e.systems and e.baseline not in e.systems:
        near = nearest(e.baseline, e.systems)
        raise _clash(
            f"eval.baseline={e.baseline} is not among eval.systems",
            f"did you mean {near}?" if near else f"systems: {', '.join(e.systems)}",
        )
    if cfg.stage == "eval" and e.split == "dev" and (e.sets != ["online"] or e.path):
        raise _clash(
            "eval.split=dev: the world's development scenarios are for dialogues only",
            "eval.sets=[online], without eval.path",
        )
