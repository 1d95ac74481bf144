"""Every file in conf/ composes, says what the schema says, and comments every key."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from repo_cli.config import compose, conf_dir
from repo_cli.config.build import leaf_keys
from repo_cli.config.compose import entries
from repo_cli.config.overrides import Places, override_text
from repo_cli.config.schema import Config, PolicyBuild

CONF = conf_dir()
PLACES = Places(CONF)
FILES = sorted(CONF.rglob("*.yaml"))
EXPERIMENTS = PLACES.options("experiment")
CONTENT = ("rules", "rubric", "sop")  # files that are content: their entries explain themselves
OPTIONS = [
    (group, name) for group in PLACES.groups() for name in PLACES.options(group) if group != "experiment"
]
# reading the hotel's rules takes most of a composition's time
LIGHT = ["rules=none"]


def test_the_entries_are_the_stages() -> None:
    assert entries() == ["sft", "dpo", "train_rm", "sample", "rl", "eval", "pipeline"]


@pytest.mark.parametrize("stage", entries())
def test_every_entry_composes_and_lists_every_group(stage: str) -> None:
    options = [f"{group}={PLACES.options(group)[-1]}" for group in PLACES.groups() if group != "experiment"]
    cfg = compose(stage, [*options, "policy=tiny", "judge=none", *LIGHT])  # the last rubric is none
    assert (cfg.stage, cfg.rules.name, cfg.sop.name) == (stage, "none", "none")


@pytest.mark.parametrize(
    "turn", range(max(len(PLACES.options(g)) for g in PLACES.groups() if g != "experiment"))
)
def test_every_option_composes(turn: int) -> None:
    """Each turn takes the next option of every group (a judge and rules where the reward asks for them)."""
    chosen = {group: PLACES.options(group)[turn % len(PLACES.options(group))] for group in PLACES.groups()}
    del chosen["experiment"]
    if chosen["judge"] != "none" or "judge" in chosen["reward"]:
        chosen |= {"judge": chosen["judge"] if chosen["judge"] != "none" else "local", "rubric": "hotel"}
    chosen["rules"] = "hotel_guardrails" if "rules" in chosen["reward"] else "none"
    cfg = compose("rl", [f"{group}={name}" for group, name in chosen.items()])
    for group, name in chosen.items():
        given = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
        made = dataclasses.asdict(getattr(cfg, group))
        for key, value in given.items():
            if (group, key) != ("data", "path"):  # the stage names its own default
                # a group inside a group may leave keys to the schema (judge.api of a judge on this machine)
                said = {k: made[key][k] for k in value} if isinstance(value, dict) else made[key]
                assert said == value, f"{group}/{name}.yaml: {key}"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_serves_every_stage(experiment: str) -> None:
    whole = compose("pipeline", [f"+experiment={experiment}", "policy=tiny"])
    for name, step in whole.pipeline.steps.items():
        light = [] if experiment == "ablation" else LIGHT  # some of its steps are rewarded by rules alone
        cfg = compose(step["stage"], [f"+experiment={experiment}", "policy=tiny", *light], step=name)
        assert cfg.policy.name == "tiny"
        for dotted, value in step.get("set", {}).items():
            if "." not in dotted and dotted in PLACES.groups():  # another option of a group
                assert getattr(cfg, dotted).name == value
                continue
            found = cfg
            for part in dotted.split("."):
                found = getattr(found, part)
            assert found == value, f"{experiment}: {name}: {dotted}"
    assert compose("dpo", [f"+experiment={experiment}", "policy=tiny", *LIGHT]).policy.name == "tiny"


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_a_file_names_exactly_the_keys_of_the_schema(group: str, name: str) -> None:
    given = set(yaml.safe_load((CONF / group / f"{name}.yaml").read_text()))
    cls = type(getattr(Config(), group))
    wanted = {field.name for field in dataclasses.fields(cls)} - {"example_context"}
    assert wanted <= given <= wanted | {"example_context"}


def test_the_built_policy_names_every_key_of_its_shape() -> None:
    given = yaml.safe_load((CONF / "policy/tiny.yaml").read_text())["build"]
    assert set(given) == {field.name for field in dataclasses.fields(PolicyBuild)}


@pytest.mark.parametrize("stage", ["sft", "dpo", "train_rm", "rl", "eval", "pipeline"])
def test_a_stages_own_section_says_what_the_schema_says(stage: str) -> None:
    section = yaml.safe_load((CONF / f"{stage}.yaml").read_text())[stage]
    assert section == dataclasses.asdict(getattr(Config(), stage))


def test_every_key_of_the_schema_can_be_set() -> None:
    """One composition with every key set to the value that it has."""
    cfg = compose("rl")
    overrides = []
    for dotted, limits, _ in leaf_keys():
        value = cfg
        for part in dotted.split("."):
            value = getattr(value, part)
        if dotted != "stage" and not limits["free"]:
            overrides.append(override_text(dotted, value))
    assert len(overrides) > 100
    assert compose("rl", overrides) == cfg


KEY = re.compile(r"^(\s*)(?:- )?[\w./\"'-]+:(?:\s|$)")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_key_is_commented(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#"), f"{path.name} does not say what it is for"
    top_only = path.parent.name in CONTENT
    bare = []
    for number, line in enumerate(lines):
        match = KEY.match(line)
        if not match or (top_only and match[1]) or line.startswith("defaults:"):
            continue
        above = lines[number - 1].strip() if number else ""
        if not (above.startswith("#") or re.search(r"\s#\s", line)):
            bare.append(f"{number + 1}: {line}")
    assert not bare, "\n".join(bare)


def test_no_path_of_a_machine_in_a_shipped_file() -> None:
    for path in FILES:
        assert not re.search(r"(?<![\w.])/(home|root|work|tmp|mnt|Users)/", path.read_text()), path


def test_demo_and_paper_settings() -> None:
    """The paper's published numbers, and the small model that the demo builds."""
    paper = compose("rl", ["+experiment=negotiation", *LIGHT])
    assert (paper.policy.path, paper.policy.template_kwargs) == ("Qwen/Qwen3-32B", {"enable_thinking": False})
    assert (paper.lora.r, paper.lora.alpha, paper.optim.lr) == (64, 64.0, 1e-6)
    assert (paper.rollout.max_new_tokens, paper.rl.batch_size) == (512, 128)
    assert (paper.algorithm.name, paper.reward.combine, paper.algorithm.kl_coef) == ("repo", "enhance", 0.0)
    assert compose("sft", ["+experiment=negotiation", *LIGHT]).sft.epochs == 10
    build = compose("rl", ["+experiment=demo", *LIGHT]).policy.build
    assert build is not None and (build.num_layers, build.hidden_size) == (2, 256)
