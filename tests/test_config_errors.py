"""What a user gets wrong is answered in one message that names the key, and before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repo_cli.config import compose, missing_inputs
from repo_cli.errors import UserError

BAD = [
    # unknown keys, at any depth, with and without +
    (["lora.rr=1"], ["lora.rr", "lora.r"]),
    (["+lora.rr=1"], ["lora.rr", "lora.r"]),
    (["policy.build.hidden=64"], ["policy.build.hidden", "policy.build.hidden_size"]),
    (["foo.bar=1"], ["foo.bar"]),
    (["lr=1e-4"], ["lr", "optim.lr", "critic.lr"]),
    (["reward.weights.jugde=2"], ["reward.weights.jugde", "reward.weights.judge"]),
    (["rules.rules.G9999.on_match=-3"], ["rules.rules.G9999.on_match"]),
    # groups and options
    (["policy=tinny"], ["policy=tinny", "policy=tiny", "qwen3_4b"]),
    (["polcy=tiny"], ["polcy", "policy"]),
    (["experiment=dmo"], ["dmo", "experiment=demo"]),
    (["lora={r: 3}"], ["lora", "r16"]),
    (["~policy"], ["policy", "tiny"]),
    # types
    (["lora.r=abc"], ["lora.r", "whole number", "abc"]),
    (["lora.r=1.5"], ["lora.r", "whole number"]),
    (["rl.preflight=3"], ["rl.preflight", "true or false"]),
    (["optim.lr=fast"], ["optim.lr", "a number"]),
    (["optim.lr=nan"], ["optim.lr", "a number"]),
    (["eval.sets=online"], ["eval.sets", "list"]),
    (["lora=r16", "lora.r=null"], ["lora.r", "null"]),
    (["rl=3"], ["rl", "group of keys"]),
    (["data.path="], ["data.path", "empty"]),
    # ranges and allowed values
    (["lora.r=-1"], ["lora.r", "-1", "at least 1"]),
    (["algorithm.lam=1.1"], ["algorithm.lam", "at most 1"]),
    (["reward.n=0"], ["reward.n", "above 0"]),
    (["engine.zero_stage=4"], ["engine.zero_stage", "at most 3"]),
    (["seed=-1"], ["seed", "at least 0"]),
    (["reward.combine=enhanse"], ["reward.combine", "enhance", "weighted_sum"]),
    (["rm.scale=centred"], ["rm.scale", "centered", "sigmoid"]),
    (["world.language=fr"], ["world.language", "en, zh"]),
    (["eval.sets=[online,offline]"], ["eval.sets", "badcases"]),
    # clashes
    (["engine.precision=bf16", "engine.autocast=bfloat16"], ["engine.precision", "engine.autocast"]),
    (["algorithm=grpo", "algorithm.group_size=1"], ["algorithm.group_size", "grpo"]),
    (["algorithm.group_size=4"], ["algorithm.group_size", "repo"]),
    (["algorithm.kl_coef=0.1"], ["algorithm.kl_coef", "algorithm=ppo"]),
    (["algorithm=grpo", "rl.batch_size=63"], ["rl.batch_size", "group_size"]),
    (["reward=judge_only"], ["reward.combine", "judge.kind"]),
    (["reward=rules_only", "rules=none"], ["reward.combine", "rules"]),
    (["judge=local", "judge.path=x", "rubric=none"], ["judge.kind", "rubric"]),
    (["policy.path=Qwen/Qwen3-0.6B"], ["policy.path", "policy.build"]),
    # secrets in plain text
    (["slurm.env.WANDB_API_KEY=abcdef123"], ["slurm.env.WANDB_API_KEY", "sbatch hands on", "batch file"]),
    (["slurm.env.HF_TOKEN=hf_abcdefghijklmnopqrst"], ["slurm.env.HF_TOKEN"]),
    (["slurm.env.DB='Bearer abcdefghijk'"], ["slurm.env.DB"]),
    (["slurm.setup=['module list; export MY_PASSWORD=hunter2']"], ["slurm.setup", "MY_PASSWORD", "cat FILE"]),
    (["judge.api.body={extra: {apiKey: abc123}}"], ["judge.api.body.extra.apiKey", "judge.api.key_env"]),
    (["judge.api.body={Authorization: abc}"], ["judge.api.body.Authorization"]),
    (["rollout.max_new_tokens=4096"], ["rollout.max_new_tokens", "policy.max_length"]),
    (["policy.train=full"], ["policy.train", "lora"]),
    (["critic.warmup_steps=100"], ["critic.warmup_steps", "rl.steps"]),
    (["rl.batch_size=2", "launch.nproc=4"], ["rl.batch_size", "launch.nproc"]),
    (["name=../x"], ["name"]),
    # the pipeline's own part
    (["pipeline.seeds=[a]"], ["pipeline.seeds"]),
    (["pipeline.steps.x.stage=slf"], ["pipeline.steps.x.stage", "sft"]),
    (["pipeline.steps.x.stage=sft", "pipeline.steps.x.sett={}"], ["pipeline.steps.x.sett"]),
    (
        ["+experiment=demo", "pipeline.steps.zz={stage: rl, set: {policy.parent: 'step:yy'}}"],
        ["zz", "step:yy", "sft"],
    ),
    (["pipeline.steps.x={stage: sft, set: {lora.rr: 1}}"], ["pipeline.steps.x", "lora.rr", "lora.r"]),
    # syntax and sweeps
    (["seed"], ["seed", "lora.r=16"]),
    (["lora.r=8,16"], ["lora.r", "-m"]),
    (["hydra.run.dir=x"], ["hydra.run.dir"]),
    # the environment
    (["name=${oc.env:SURELY_NOT_SET_XYZ}"], ["name", "SURELY_NOT_SET_XYZ"]),
    (["data.path=${oc.env:MY_API_TOKEN}"], ["data.path", "MY_API_TOKEN"]),
]


@pytest.mark.parametrize(("overrides", "words"), BAD, ids=lambda value: " ".join(value)[:60])
def test_bad_input_is_named(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        compose("rl", overrides)
    text = str(caught.value)
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"
    assert "\n" not in caught.value.message


def test_an_unknown_stage_names_the_stages() -> None:
    with pytest.raises(UserError, match="(?s)slf.*stages: sft.*did you mean sft"):
        compose("slf")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lora:\n  rr: 3\n", ["lora.rr", "lora.r"]),
        ("lora:\n  r: many\n", ["lora.r", "whole number"]),
        ("defaults:\n  - override /polcy: tiny\n", ["polcy"]),
        ("defaults:\n  - override /policy: tinny\n", ["tinny", "tiny"]),
        ("pipeline:\n  steps:\n    rl: {stage: rl, set: {rl.stepz: 3}}\n", ["rl.stepz", "rl.steps"]),
        ("pipeline:\n  steps:\n    rl: {stage: rl, set: {policy: tinny}}\n", ["policy=tinny", "policy=tiny"]),
        ("lora:\n  r: [1\n", ["YAML"]),
    ],
)
def test_mistakes_in_a_users_own_experiment(tmp_path: Path, text: str, words: list[str]) -> None:
    write(tmp_path / "experiment" / "mine.yaml", f"# @package _global_\n{text}")
    with pytest.raises(UserError) as caught:
        compose("rl", ["+experiment=mine", "rules=none"], tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_config_dir_adds_options_and_refuses_shipped_names(tmp_path: Path) -> None:
    write(tmp_path / "lora" / "r2.yaml", "r: 2\nalpha: 4\n")
    assert compose("rl", ["lora=r2"], tmp_path).lora.r == 2
    write(tmp_path / "lora" / "r16.yaml", "r: 3\n")
    with pytest.raises(UserError, match="lora/r16"):
        compose("rl", [], tmp_path)
    with pytest.raises(UserError, match="no such directory"):
        compose("rl", [], tmp_path / "nowhere")


def test_missing_inputs_name_their_key(tmp_path: Path) -> None:
    def lacking(stage: str, *overrides: str) -> str:
        light = [] if "reward=rules_only" in overrides else ["rules=none"]
        return " | ".join(str(problem) for problem in missing_inputs(compose(stage, [*light, *overrides])))

    assert "rm.path" in lacking("rl")
    assert "judge.path" in lacking("rl", "judge=local", f"rm.path={tmp_path}")
    assert lacking("rl", f"rm.path={tmp_path}") == ""
    assert "critic.init=rm" in lacking("rl", "reward=rules_only")
    assert lacking("rl", "reward=rules_only", "critic.init=fresh") == ""
    assert "eval.systems" in lacking("eval")
    assert "data.path=no.jsonl: no such file" in lacking("sft", "data.path=no.jsonl")
    assert "policy.parent=step:sft" in lacking("rl", "+experiment=demo")
    assert "resume=/no/where" in lacking("sft", "resume=/no/where")
    assert "pipeline.steps" in lacking("pipeline")
    assert lacking("sft") == ""


def test_a_bad_key_ends_with_code_2_before_torch() -> None:
    code = "import sys; from repo_cli.cli import main\ntry: main(['rl', 'lora.r=-1'])\n"
    code += (
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "2 []"
    assert done.stderr.count("lora.r=-1 is out of range") == 1 and "Traceback" not in done.stderr


def test_what_only_sounds_like_a_secret_is_none() -> None:
    given = [
        "slurm.env={TOKENIZERS_PARALLELISM: 'false', GOOGLE_APPLICATION_CREDENTIALS: /home/me/key.json, MAX_TOKENS: 12}",
        "slurm.setup=['export WANDB_API_KEY=$(cat ~/.wandb)', 'export HF_TOKEN=\"$TOKEN\"', 'source env/bin/activate']",
        "judge.api.body={eos_token: '</s>', stop_token_ids: [1, 2], chat_template_kwargs: {enable_thinking: false}}",
    ]
    cfg = compose("sft", given)
    assert cfg.slurm.env["MAX_TOKENS"] == 12 and len(cfg.slurm.setup) == 3


@pytest.mark.parametrize("secret", ["abcdef123", "hunter2"])
def test_a_refused_secret_is_not_repeated(secret: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("sft", [f"slurm.env.WANDB_API_KEY={secret}"])
    assert secret not in str(caught.value)
