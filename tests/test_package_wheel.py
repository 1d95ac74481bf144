"""The wheel carries conf/ and works in an environment of its own, away from the checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="hatchling (extra dev) is not installed"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the libraries come from the running one, the package does not."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    site = next(place.glob("lib/python*/site-packages"))
    # a plain line adds the directory, but not the .pth files in it: the checkout stays out
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place / "bin/python"),
        "install",
        "-q",
        "--no-deps",
    ]
    done = subprocess.run([*command, "--no-index", str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


def test_the_wheel_holds_every_configuration_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"repo_cli/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert shipped and shipped <= names
    others = [n for n in names if not n.startswith("repo_cli/") and ".dist-info/" not in n]
    assert others == []
    code = {f"repo_cli/{p.relative_to(ROOT / 'repo_cli')}" for p in (ROOT / "repo_cli").rglob("*.py")}
    assert code <= names
    data = [p for p in (ROOT / "repo_cli").rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    assert {f"repo_cli/{p.relative_to(ROOT / 'repo_cli')}" for p in data} <= names
    assert any(n.endswith("/licenses/LICENSE") for n in names)


def test_the_installed_command_works_anywhere(environment: Path, tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def repo(*arguments: str) -> str:
        done = subprocess.run(
            [str(environment / "bin" / "repo"), *arguments],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "pipeline" in repo("--help")
    data = yaml.safe_load(repo("config", "show", "rl", "lora.r=4"))
    assert data["lora"]["r"] == 4 and data["rules"]["rules"] and data["sop"]["stages"]
    assert "nothing was started" in repo("rl", "--dry-run")
    where = subprocess.run(
        [str(environment / "bin" / "python"), "-P", "-c", "import repo_cli; print(repo_cli.__file__)"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(environment)), "the checkout was used, not the wheel"
    assert list(tmp_path.iterdir()) == []


def test_constraints_pin_every_library_exactly_and_name_no_host() -> None:
    import re
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    for requirement in wanted:
        name = re.split(r"[<>=!~;\[ ]", requirement)[0].lower().replace("_", "-")
        assert name in pins, f"constraints.txt has no pin for {name}"
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
