"""Images built without an engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fairlead.images.building.build import build
from fairlead.images.building.spec import BuildSpec, completed, merged, parse_spec
from fairlead.images.errors import ImageError
from fairlead.images.store.store import ImageStore, StoredImage

SCRIPT = {"run.sh": b"#!/bin/sh\n"}


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", owners=False)


@pytest.mark.parametrize(
    ("heads", "entrypoint", "programs"),
    [
        ({"main.py": b"x"}, ("python3", "-u", "/app/main.py"), ("python3",)),
        ({"main.py": b"x", "other": b""}, ("python3", "-u", "/app/main.py"), ("python3",)),
        ({"odd.py": b"x"}, ("python3", "-u", "/app/odd.py"), ("python3",)),
        (SCRIPT, ("/bin/sh", "/app/run.sh"), ("/bin/sh",)),
        ({"tool": b"#!/usr/bin/env bash\n"}, ("bash", "/app/tool"), ("bash",)),
        ({"server": b"\x7fELF"}, ("/app/server",), ()),
    ],
)
def test_what_runs_follows_from_the_files(
    heads: dict[str, bytes], entrypoint: tuple[str, ...], programs: tuple[str, ...]
) -> None:
    spec = completed(BuildSpec(), list(heads), heads)
    assert (spec.entrypoint, spec.programs) == (entrypoint, programs)


def test_an_entrypoint_brings_its_program_unless_there_is_a_base() -> None:
    spec = completed(BuildSpec(entrypoint=("httpd", "-f"), programs=("ls",)), ["a"], {})
    assert spec.programs == ("ls", "httpd")
    assert completed(BuildSpec(base="x", command=("httpd",)), ["a"], {}).programs == ()
    assert completed(BuildSpec(entrypoint=("/app/run.sh",)), ["a", "run.sh"], SCRIPT).programs == ("/bin/sh",)


def test_nothing_to_run_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ImageError, match=r"give --entrypoint, `entrypoint` in fairlead-image\.toml"):
        completed(BuildSpec(), ["a", "b"], {})
    with pytest.raises(ImageError, match=r'"a" is neither a program nor a script'):
        completed(BuildSpec(), ["a"], {"a": b"text"})


def test_flags_go_before_the_file_and_faults_have_their_path() -> None:
    spec = parse_spec('entrypoint = ["a"]\nports = [80]\n[env]\nA = "1"\nB = "1"\n', "f")
    changed = merged(spec, {"entrypoint": ("b",), "env": {"B": "2"}, "ports": (), "user": None})
    assert (changed.entrypoint, changed.ports, changed.env) == (("b",), (80,), {"A": "1", "B": "2"})
    with pytest.raises(ImageError, match=r"^f: ports: expected a list of integers"):
        parse_spec('ports = "80"', "f")


def _root(store: ImageStore, image: StoredImage, into: Path) -> Path:
    """Copies the layers over each other, as an overlay shows them."""
    into.mkdir()
    for layer in store.layer_paths(image):
        subprocess.run(["cp", "-a", f"{layer}/.", str(into)], check=True)
    return into


@pytest.mark.kernel
@pytest.mark.slow
def test_a_python_directory_runs_with_its_interpreter_and_modules(store: ImageStore, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "pkg/__pycache__").mkdir(parents=True)
    (source / "main.py").write_text("import pkg.part, json, ssl, sqlite3; print(pkg.part.X)\n")
    (source / "pkg/part.py").write_text("X = 7\n")
    (source / "fairlead-image.toml").write_text('ports = [8000]\nuser = "65534"\n')
    image = build(store, "hello:1", source, {"env": {"A": "b"}})
    config = image.config.config
    assert config is not None
    assert (config.Entrypoint, config.User, config.WorkingDir) == (["python3", "-u", "/app/main.py"], "65534", "/app")
    assert (config.environment["A"], list(config.ExposedPorts or {})) == ("b", ["8000/tcp"])
    root = _root(store, image, tmp_path / "root")
    assert sorted(os.listdir(root / "app")) == ["main.py", "pkg"]
    assert os.listdir(root / "app/pkg") == ["part.py"]
    done = subprocess.run(
        ["unshare", "-r", "chroot", str(root), "/usr/bin/python3", "/app/main.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("7\n", "")
    assert build(store, "hello:2", source, {"env": {"A": "b"}}).id == image.id


@pytest.mark.kernel
@pytest.mark.slow
def test_a_script_has_the_usual_programs(store: ImageStore, tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\nid -u; ls /app; echo x | grep x\n")
    root = _root(store, build(store, "script", script, {}), tmp_path / "root")
    done = subprocess.run(
        ["unshare", "-r", "chroot", str(root), "/bin/sh", "/app/run.sh"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("0\nrun.sh\nx\n", "")


@pytest.mark.slow
def test_a_base_keeps_its_layers_and_config(store: ImageStore, tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\necho hi\n")
    base = build(store, "base", script, {"env": {"A": "1"}, "ports": (80,)})
    image = build(store, "above", script, {"base": "base", "env": {"B": "2"}, "command": ("x",)})
    assert image.config.diff_ids[: len(base.config.diff_ids)] == base.config.diff_ids
    config = image.config.config
    assert config is not None
    assert config.Entrypoint == ["/bin/sh", "/app/run.sh"]
    assert (config.Cmd, config.environment["A"], config.environment["B"]) == (["x"], "1", "2")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"base": "nope"}, 'no such image: "nope"'),
        ({"entrypoint": ("no-such-program",)}, 'the program "no-such-program" is not on this machine'),
    ],
)
def test_what_is_missing_is_named(flags: dict[str, object], why: str, store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(ImageError) as caught:
        build(store, "x", tmp_path / "src", flags)
    assert why in str(caught.value)
    with pytest.raises(ImageError, match="no such file or directory"):
        build(store, "x", tmp_path / "missing", {})
