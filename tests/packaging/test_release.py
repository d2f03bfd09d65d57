"""Wheel and sdist: built as a release builds them, and used in a new environment, without any network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from tests.cluster.support import ROOT

pytestmark = [pytest.mark.slow]

SOURCES = ("fairlead", "examples", "tools", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a release is built from: a build writes into its folder."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def release(source: Path, tag: str, out: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("build", reason="build is not installed")
    offline = {"PIP_NO_INDEX": "1", "PYTHON": sys.executable}
    command = [str(source / "tools" / "release"), tag, str(out)]
    return subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = release(source, "v0.1.0", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a new environment with the wheel. Its dependencies are those of the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    [wheel] = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    packages = next(p for p in sys.path if (Path(p) / "msgspec").exists())
    [site] = folder.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{packages}\n")
    return folder / "bin" / "fairlead"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "KUBECONFIG": "",
    }


def run(program: Path, *words: str, home: dict[str, str]) -> str:
    done = subprocess.run(
        [str(program), *words], env=home, capture_output=True, text=True, check=False, cwd="/", timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_release_has_a_wheel_and_an_sdist_and_nothing_else(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == ["fairlead-0.1.0-py3-none-any.whl", "fairlead-0.1.0.tar.gz"]


def test_a_tag_that_is_not_the_version_is_refused(source: Path, tmp_path: Path) -> None:
    done = release(source, "v0.0.9", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "tools/release: the tag is v0.0.9, fairlead.__version__ is 0.1.0\n"


def test_the_examples_of_the_demo_are_data_of_the_package() -> None:
    linked = {path.name: path.resolve() for path in (ROOT / "fairlead" / "examples").iterdir()}
    assert len(linked) == 5
    assert linked.items() <= {path.name: path for path in (ROOT / "examples").glob("*.yaml")}.items()


def test_the_wheel_brings_the_program_its_types_and_the_plugin(program: Path, home: dict[str, str]) -> None:
    assert run(program, "--version", home=home) == "fairlead 0.1.0\n"
    script = (
        "import fairlead, importlib.metadata as m, pathlib; folder = pathlib.Path(fairlead.__file__).parent; "
        "print(folder, (folder / 'py.typed').exists(), [e.value for e in m.distribution('fairlead').entry_points])"
    )
    told = run(program.with_name("python"), "-c", script, home=home)
    assert told.startswith(str(program.parents[1]))
    assert "True" in told
    assert "fairlead.testing.plugin" in told


@pytest.mark.cluster
@pytest.mark.kernel
def test_the_demo_runs_from_the_wheel_and_its_hints_fit(program: Path, home: dict[str, str]) -> None:
    try:
        shown = run(program, "demo", home=home)
        assert re.search(r"^  3 Pods serve after ", shown, re.MULTILINE)
        assert f"{program} services" in shown  # the shell does not find it by its name
        [command] = re.findall(rf"^  ({re.escape(str(program))} services.*)$", shown, re.MULTILINE)
        listed = subprocess.run(command, shell=True, env=home, capture_output=True, text=True, check=True)
        assert "nodeport-service" in listed.stdout
        found = {**home, "PATH": f"{program.parent}:{home['PATH']}"}
        assert "fairlead services" in run(program, "demo", home=found)
    finally:
        run(program, "down", "--all", "--purge", home=home)


def test_the_workflow_of_a_release_needs_only_a_tag_and_runs_what_this_test_runs() -> None:
    tree = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert tree[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads the key `on` as true
    steps = tree["jobs"]["build"]["steps"]
    assert any("tools/release" in step.get("run", "") for step in steps)
    assert any(step.get("uses", "").startswith("actions/attest-build-provenance@") for step in steps)
    assert tree["jobs"]["publish"]["needs"] == "build"
    assert not re.search(r"secrets\.", (ROOT / ".github" / "workflows" / "release.yml").read_text())
