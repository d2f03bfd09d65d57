"""Builds images for the tests from programs of the host: layers, manifests and archives as values."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fairlead.images.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
    machine_platform,
    render_manifest,
)

MACHINE = machine_platform("x86_64")
APPLETS = ("cat", "echo", "env", "grep", "httpd", "id", "ls", "mkdir", "pwd", "sh", "sleep", "stat", "touch", "wget")


def entry(name: str, data: bytes | str = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """An entry of a layer: a file with `data`, or what `fields` of the header say."""
    body = data.encode() if isinstance(data, str) else data
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(body), 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@cache
def program_files(program: str) -> tuple[tuple[tarfile.TarInfo, bytes], ...]:
    """A program of the host with the libraries that it needs, at their places."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    paths = [program, *re.findall(r"(/\S+) \(0x", listed)]
    files = []
    for path in paths:
        with open(path, "rb") as file:
            files.append(entry(path[1:], file.read(), mode=0o755))
    return tuple(files)


def files_below(*folders: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The files and links of the host below these directories."""
    found = []
    for top in folders:
        for parent, _, names in os.walk(top):
            found.append(folder(parent[1:]))
            for path in (f"{parent}/{name}" for name in names):
                if os.path.islink(path):
                    found.append(link(path[1:], os.readlink(path)))
                elif os.path.isfile(path):
                    found.append(file_of(path))
    return found


def file_of(path: str) -> tuple[tarfile.TarInfo, bytes]:
    with open(path, "rb") as file:
        return entry(path[1:], file.read())


@cache
def busybox_layer() -> bytes:
    """busybox with some applets, and the users root and web (101, in the groups 102 and 555)."""
    return tar_of(
        *program_files("/usr/bin/busybox"),
        folder("bin"),
        *(link(f"bin/{name}", "/usr/bin/busybox") for name in APPLETS),
        entry("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/www:/bin/sh\n"),
        entry("etc/group", "root:x:0:\nweb:x:102:\nextra:x:555:web\n"),
        folder("www"),
        entry("www/index.html", "from the image\n"),
        folder("tmp", 0o1777),
    )


@dataclass(frozen=True, slots=True)
class Built:
    """An image: its blobs by digest, and its manifest."""

    manifest: bytes
    config: bytes
    layers: tuple[bytes, ...]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def id(self) -> str:
        return digest_of(self.config)


def build(
    layers: Sequence[bytes],
    *,
    packed: Sequence[bytes] = (),
    types: Sequence[str] = (),
    architecture: str = "",
    **config: Any,
) -> Built:
    """An image of these layers (tar archives); `packed` are their compressed forms, and `config` its run config."""
    tree = {
        "architecture": architecture or MACHINE.architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/bin:/usr/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    text = json.dumps(tree).encode()
    stored = tuple(packed or layers)
    names = types or [OCI_LAYER] * len(stored)
    descriptors = [
        Descriptor(mediaType=name, digest=digest_of(blob), size=len(blob))
        for name, blob in zip(names, stored, strict=True)
    ]
    manifest = render_manifest(Descriptor(mediaType=OCI_CONFIG, digest=digest_of(text), size=len(text)), descriptors)
    blobs = {digest_of(blob): blob for blob in (text, manifest, *stored)}
    return Built(manifest, text, stored, blobs)


def docker_archive(images: Iterable[tuple[Built, Sequence[str]]]) -> bytes:
    """An archive as `docker save` writes it."""
    files: dict[str, bytes] = {}
    listed = []
    for image, tags in images:
        config = f"{image.id[7:]}.json"
        paths = [f"{digest_of(layer)[7:]}/layer.tar" for layer in image.layers]
        files |= {config: image.config, **dict(zip(paths, image.layers, strict=True))}
        listed.append({"Config": config, "RepoTags": list(tags) or None, "Layers": paths})
    files["manifest.json"] = json.dumps(listed).encode()
    return tar_of(*(entry(name, data) for name, data in files.items()))


def oci_archive(image: Built, name: str = "", *, extra: Sequence[dict[str, Any]] = ()) -> bytes:
    """A tar file of an OCI image layout; `extra` are further manifests of its index."""
    annotations = {"org.opencontainers.image.ref.name": name} if name else {}
    own = {"mediaType": OCI_MANIFEST, "digest": image.digest, "size": len(image.manifest), "annotations": annotations}
    index = {"schemaVersion": 2, "manifests": [*extra, own]}
    return tar_of(
        entry("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
        entry("index.json", json.dumps(index)),
        *(entry(f"blobs/sha256/{digest[7:]}", blob) for digest, blob in image.blobs.items()),
    )


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
