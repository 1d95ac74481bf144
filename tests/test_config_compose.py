"""Order of overrides, experiments by step, the frozen file, and text that must survive Hydra's grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repo_cli.config import compose, conf_dir, load_frozen, save_frozen, to_yaml
from repo_cli.config.overrides import Places, override_text, parse
from repo_cli.errors import UserError

PLACES = Places(conf_dir())


def test_the_users_own_override_wins_over_the_experiments_step() -> None:
    assert compose("rl", ["+experiment=demo"]).rl.steps != 3
    assert compose("rl", ["+experiment=demo", "rl.steps=3"]).rl.steps == 3
    assert compose("rl", ["rl.steps=3", "experiment=demo"]).rl.steps == 3


def test_a_step_takes_its_own_settings_and_the_products_before_it() -> None:
    base = compose("sft", ["+experiment=demo", "rules=none"], step="base")
    assert (base.policy.train, base.policy.parent, base.data.path) == ("full", None, "world:base")
    sft = compose("sft", ["+experiment=demo", "rules=none"], products={"base": Path("made/final")})
    assert (sft.policy.train, sft.policy.parent, sft.data.path) == ("lora", "made/final", "world:gold")
    judged = compose(
        "eval", ["+experiment=demo", "rules=none"], products={"base": "a", "sft": "b"}
    ).eval.systems
    assert judged["base"] == "a" and judged["sft"] == "b" and judged["repo"] == "step:rl"
    with pytest.raises(UserError, match="no step nothing"):
        compose("sft", ["+experiment=demo", "rules=none"], step="nothing")


def test_the_last_choice_of_a_group_counts_and_plus_is_optional() -> None:
    assert compose("rl", ["lora=r64", "+lora=r16"]).lora.r == 16
    assert compose("rl", ["+lora.r=7"]).lora.r == 7
    assert compose("rl", ["++lora.r=7"]).lora.r == 7


def test_an_entry_of_a_mapping() -> None:
    first = next(iter(compose("rl").rules.rules))
    assert compose("rl", [f"rules.rules.{first}.on_match=-3"]).rules.rules[first]["on_match"] == -3
    assert first not in compose("rl", [f"~rules.rules.{first}"]).rules.rules
    assert compose("rl", [f"rules.rules.{first}=null"]).rules.rules[first] is None
    assert compose("eval", ["eval.systems.mine=runs/x/final"]).eval.systems == {"mine": "runs/x/final"}


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("data.path=/data/a=b/c.jsonl", "/data/a=b/c.jsonl"),
        ("data.path=my file.jsonl", "my file.jsonl"),
        ("data.path='a,b.jsonl'", "a,b.jsonl"),
        ("data.path=2024", "2024"),
        ("data.path=world:gold", "world:gold"),
        ("data.path=数据/对话.jsonl", "数据/对话.jsonl"),
    ],
)
def test_paths_as_people_type_them(typed: str, path: str) -> None:
    assert compose("sft", [typed]).data.path == path


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.delenv("REPO_CACHE", raising=False)
    cfg = compose("sft", ["data.path=~/x.jsonl"])
    assert cfg.data.path == "/somebody/x.jsonl"
    assert cfg.cache_dir == "/somebody/.cache/repo"
    monkeypatch.setenv("REPO_CACHE", "/elsewhere")
    assert compose("sft").cache_dir == "/elsewhere"


def test_frozen_is_the_same_configuration(tmp_path: Path) -> None:
    cfg = compose("rl", ["+experiment=demo", "optim.lr=1e-6", "name=x'y".replace("'", "-")])
    save_frozen(cfg, tmp_path / "config.yaml")
    assert load_frozen(tmp_path) == cfg
    assert load_frozen(tmp_path / "config.yaml") == cfg
    assert "${" not in (tmp_path / "config.yaml").read_text()


def test_a_frozen_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="config.yaml: no such file"):
        load_frozen(tmp_path)
    (tmp_path / "config.yaml").write_text("lora: {rr: 1}\n")
    with pytest.raises(UserError, match="config.yaml: lora.rr"):
        load_frozen(tmp_path)
    (tmp_path / "config.yaml").write_text("lora: [\n")
    with pytest.raises(UserError, match="not readable as YAML"):
        load_frozen(tmp_path)


def test_yaml_without_some_keys() -> None:
    text = to_yaml(compose("sft"), without=("runs_dir", "tracker"))
    assert "\nruns_dir:" not in text and "\ntracker:" not in text and "\nlora:" in text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_value_survives_the_grammar(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    read = OverridesParser.create().parse_override(override_text("data.path", value)).value()
    assert _plain(read) == value


def _plain(value: object) -> object:
    """Quoted strings of Hydra's parser as plain ones."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return getattr(value, "text", value)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_an_override_is_read_or_refused_never_worse(text: str) -> None:
    try:
        parse([text, f"data.path={text}"], PLACES)
    except UserError:
        pass


def test_a_step_with_a_seed_of_its_own_keeps_it() -> None:
    """One base for all seeds of the demo: `seed=1` is for the steps after it."""
    seeds = {
        step: compose(stage, ["+experiment=demo", "seed=1"], None, step=step).seed
        for step, stage in (("base", "sft"), ("sft", "sft"), ("rl", "rl"))
    }
    assert seeds == {"base": 0, "sft": 1, "rl": 1}
