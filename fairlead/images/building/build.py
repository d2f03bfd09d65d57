"""Builds an image: one layer of the host's programs, one of the directory, one of Python packages."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fairlead.images.building.hostfiles import applets, files_of, python_of
from fairlead.images.building.spec import APP, FILE, REQUIREMENTS, BuildSpec, completed, merged, parse_spec
from fairlead.images.errors import ImageError
from fairlead.images.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    Descriptor,
    ImageConfig,
    RootFs,
    RunConfig,
    machine_platform,
    render_manifest,
)
from fairlead.images.reference import parse_reference
from fairlead.images.store.store import ImageStore, StoredImage

_SKIPPED = frozenset((".git", ".hg", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache"))
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "busybox"))
_PACKAGES = "/usr/local/lib/fairlead-packages"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def build(store: ImageStore, name: str, source: Path, flags: dict[str, object]) -> StoredImage:
    """Builds an image of a directory or a script and stores it. Raises ImageError."""
    with store.lease:
        return _build(store, name, source, flags)


def _build(store: ImageStore, name: str, source: Path, flags: dict[str, object]) -> StoredImage:
    reference = parse_reference(name)
    files = _files(source)
    names = [path.name for name, path in files.items() if name.count("/") == 2]
    spec = completed(_spec(source, flags), names, _heads(files))
    base = store.find_for_use(spec.base) if spec.base else None
    if spec.base and base is None:
        raise ImageError(f'no such image: "{spec.base}": pull or load it first')
    layers = list(base.manifest.layers) if base else [_layer(store, lambda tar: _add_host(tar, spec))]
    diff_ids = list(base.config.diff_ids) if base else [layers[0].digest]
    own = [_layer(store, lambda tar: _add_files(tar, files))]
    if (source / REQUIREMENTS).is_file():
        own.append(_packages(store, source / REQUIREMENTS))
    config = _config(spec, base, packages=len(own) > 1, diff_ids=[*diff_ids, *(layer.digest for layer in own)])
    data = msgspec.json.encode(config)
    described = Descriptor(mediaType=OCI_CONFIG, digest=store.blobs.add(data), size=len(data))
    return store.add(str(reference), render_manifest(described, [*layers, *own]))


def _spec(source: Path, flags: dict[str, object]) -> BuildSpec:
    file = source / FILE
    spec = parse_spec(file.read_text(encoding="utf-8"), str(file)) if file.is_file() else BuildSpec()
    return merged(spec, flags)


def _files(source: Path) -> dict[str, Path]:
    """Returns the files and directories to put into the image, by their path there."""
    if not source.exists():
        raise ImageError(f"cannot read {source}: no such file or directory")
    if not source.is_dir():
        return {f"{APP}/{source.name}": source}
    found = {}
    for parent, folders, names in os.walk(source):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for entry in [*folders, *sorted(names)]:
            path = Path(parent, entry)
            inside = path.relative_to(source)
            if str(inside) != FILE:
                found[f"{APP}/{inside}"] = path
    return found


def _heads(files: dict[str, Path]) -> dict[str, bytes]:
    """Returns the first bytes of the files at the top."""
    heads = {}
    for name, path in files.items():
        if name.count("/") == 2 and path.is_file():
            with open(path, "rb") as file:
                heads[name.rpartition("/")[2]] = file.read(256)
    return heads


def _layer(store: ImageStore, fill: Callable[[tarfile.TarFile], None]) -> Descriptor:
    """Writes a layer with the same bytes for the same files, and stores it."""
    with tempfile.TemporaryFile(dir=store.blobs.ingest) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            fill(tar)
        file.seek(0)
        digest, size = store.blobs.add_stream(file, "build")
    return Descriptor(mediaType=OCI_LAYER, digest=digest, size=size)


def _add_host(tar: tarfile.TarFile, spec: BuildSpec) -> None:
    for name, mode in (("etc", 0o755), ("tmp", 0o1777), ("root", 0o700), ("bin", 0o755), ("var/tmp", 0o1777)):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, mode
        tar.addfile(folder)
    for name, text in (("etc/passwd", _PASSWD), ("etc/group", _GROUP)):
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(text), 0o644
        tar.addfile(header, io.BytesIO(text))
    scripted = any(os.path.basename(program) in _SHELLS for program in spec.programs)
    names = applets() if scripted else []
    files = files_of([*spec.programs, *(["busybox"] if names else [])])
    for path, source in sorted(files.items()):
        _add(tar, path, Path(source))
    _add_applets(tar, [name for name in names if f"/bin/{name}" not in files])


def _add_applets(tar: tarfile.TarFile, names: list[str]) -> None:
    """Adds busybox's applets in /bin, so that shell scripts find the usual programs; others on PATH go before them."""
    for name in names:
        link = tarfile.TarInfo(f"bin/{name}")
        link.type, link.mode, link.linkname = tarfile.SYMTYPE, 0o777, "/usr/bin/busybox"
        tar.addfile(link)


def _add_files(tar: tarfile.TarFile, files: dict[str, Path]) -> None:
    for path, source in sorted(files.items()):
        _add(tar, path, source)


def _add(tar: tarfile.TarFile, path: str, source: Path) -> None:
    """Adds a file that belongs to root; sockets and pipes are left out."""
    try:
        header = tar.gettarinfo(str(source), arcname=path.lstrip("/"))
        if header is None or not (header.isreg() or header.isdir() or header.issym() or header.islnk()):
            return
        header.uid = header.gid = 0
        header.uname = header.gname = ""
        header.mtime = int(header.mtime)
        if header.islnk():  # of another file in this layer, by its own path
            header.type, header.size = tarfile.REGTYPE, source.stat().st_size
        if header.isreg():
            with open(source, "rb") as file:
                tar.addfile(header, file)
        else:
            tar.addfile(header)
    except OSError as error:
        raise ImageError(f"cannot read {source}: {error.strerror}") from error


def _packages(store: ImageStore, requirements: Path) -> Descriptor:
    with _installed(requirements) as folder:
        files = {f"{_PACKAGES}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*"))}
        return _layer(store, lambda tar: _add_files(tar, files))


@contextlib.contextmanager
def _installed(requirements: Path) -> Iterator[Path]:
    """Installs a script's requirements, by the pip of the Python that will run it, into a new directory."""
    with tempfile.TemporaryDirectory(prefix="fairlead-build-") as folder:
        command = [python_of(), "-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target", folder]
        done = subprocess.run([*command, "-r", str(requirements)], capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
            raise ImageError(f"{requirements}: {lines[-1]}")
        yield Path(folder)


def _config(spec: BuildSpec, base: StoredImage | None, *, packages: bool, diff_ids: list[str]) -> ImageConfig:
    old = (base.config.config if base else None) or RunConfig(Env=[_PATH])
    added = ({"PYTHONPATH": _PACKAGES} if packages else {}) | dict(spec.env)
    env = {**old.environment, **added}
    ports = {f"{port}/tcp": msgspec.Raw(b"{}") for port in spec.ports}
    run = RunConfig(
        User=spec.user or old.User,
        Env=[f"{name}={value}" for name, value in env.items()],
        Entrypoint=list(spec.entrypoint) or old.Entrypoint,
        # A new entrypoint makes the base's arguments meaningless, as in Docker.
        Cmd=list(spec.command) or (None if spec.entrypoint else old.Cmd),
        WorkingDir=spec.workdir or (old.WorkingDir if base and old.WorkingDir else APP),
        StopSignal=old.StopSignal,
        ExposedPorts={**(old.ExposedPorts or {}), **ports} or None,
        Labels=old.Labels,
    )
    machine = machine_platform(os.uname().machine)
    return ImageConfig(
        architecture=base.config.architecture if base else machine.architecture,
        os=base.config.os if base else machine.os,
        config=run,
        rootfs=RootFs(diff_ids=diff_ids),
    )
