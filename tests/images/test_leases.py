"""Removals from the store at the same time as pulls, loads, other removals, and the starts of containers."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.images.archive.load import load
from fairlead.images.manifest import OCI_LAYER, digest_of
from fairlead.images.reference import parse_reference
from fairlead.images.registry.credentials import Credential
from fairlead.images.registry.pull import pull
from fairlead.images.registry.settings import Registries
from fairlead.images.store.gc import prune, remove
from fairlead.images.store.leases import Lease, removing
from fairlead.images.store.store import ImageStore
from fairlead.node.images.host import HostImages
from fairlead.node.images.resolver import ImageRequest, NodeImages
from fairlead.node.settings import NodeSettings
from fairlead.runtime.fake import FakeClient
from tests.images.imagemaker import Built, build, docker_archive, entry, gzipped, tar_of
from tests.images.registryserver import Registry, serving

LOWER, UPPER = tar_of(entry("a", os.urandom(300_000))), tar_of(entry("b", "b"))
PULLING = (
    "import asyncio, pathlib, sys\n"
    "from fairlead.images.reference import parse_reference\n"
    "from fairlead.images.registry.pull import pull\n"
    "from fairlead.images.registry.settings import Registries\n"
    "from fairlead.images.store.store import ImageStore\n"
    "store = ImageStore(pathlib.Path(sys.argv[1]))\n"
    "asyncio.run(pull(store, parse_reference(sys.argv[2]), registries=Registries((), 'host')))\n"
)


def an_image() -> Built:
    return build([LOWER, UPPER], packed=[gzipped(LOWER), gzipped(UPPER)], types=[OCI_LAYER + "+gzip"] * 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".images"


def fetch(root: Path, name: str) -> None:
    asyncio.run(pull(ImageStore(root), parse_reference(name), registries=Registries((), "host")))


def _prune(root: Path) -> None:
    prune(ImageStore(root))


def is_whole(root: Path, name: str) -> bool:
    """Returns True if the image has all its blobs and layers."""
    store = ImageStore(root)
    image = store.find(name)
    return image is not None and all(map(store.blobs.has, image.blobs)) and all(map(os.path.isdir, paths(store, name)))


def paths(store: ImageStore, name: str) -> list[str]:
    image = store.find(name)
    assert image is not None
    return [str(store.layers.path(diff_id)) for diff_id in image.config.diff_ids]


class Interrupted(io.BytesIO):
    """An archive during whose reading something else happens, again and again."""

    def __init__(self, data: bytes, meanwhile: Callable[[], object]) -> None:
        super().__init__(data)
        self._meanwhile = meanwhile

    def read(self, size: int | None = -1, /) -> bytes:
        self._meanwhile()
        return super().read(size)


def test_a_prune_in_the_middle_of_a_pull_takes_nothing_from_it(root: Path) -> None:
    with serving() as registry:
        registry.push("app", "1", an_image())
        registry.break_after = 100_000
        registry.before_blob = lambda digest: _prune(root)
        fetch(root, f"{registry.host}/app:1")
        assert registry.requests["resumed"] > 1  # nothing of a broken download was lost
        assert is_whole(root, f"{registry.host}/app:1")


def test_two_pulls_of_one_image_fetch_each_blob_once_and_a_prune_may_run_beside_them(root: Path) -> None:
    with serving() as registry, ThreadPoolExecutor(3) as pool:
        built = an_image()
        registry.push("app", "1", built)
        names = [f"{registry.host}/app:1"] * 2
        pulls = [pool.submit(fetch, root, name) for name in names]
        pool.submit(prune, ImageStore(root)).result()
        for one in pulls:
            one.result()
        assert {registry.requests[digest] for digest in built.blobs if digest != built.digest} == {1}
        assert is_whole(root, names[0])


def test_what_a_killed_pull_leaves_is_resumed_or_pruned(root: Path) -> None:
    with serving() as registry:
        name = f"{registry.host}/app:1"
        registry.push("app", "1", an_image())
        for again in (fetch, None):
            pulling = subprocess.Popen([sys.executable, "-c", PULLING, str(root), name])
            with pulling:
                registry.break_after = 100_000
                registry.before_blob = partial(_kill_when_resumed, registry, pulling)
                assert pulling.wait() == -signal.SIGKILL
            registry.before_blob, registry.break_after = (lambda digest: None), 0
            registry.requests.clear()
            if again is not None:
                fetch(root, name)
                assert registry.requests["resumed"] >= 1
                assert is_whole(root, name)
                remove(ImageStore(root), [name])
            prune(ImageStore(root))
            assert leftovers(root) == []


def _kill_when_resumed(registry: Registry, pulling: subprocess.Popen[bytes], digest: str) -> None:
    """Kills the process once it has a part of a blob, and asks for the rest."""
    if registry.requests["resumed"]:
        pulling.kill()


def leftovers(root: Path) -> list[str]:
    """Returns all files of an empty store but the gate of the leases."""
    store = ImageStore(root)
    ingest = sorted(path.name for path in store.blobs.ingest.iterdir())
    leases = [path.name for path in (root / "leases").iterdir() if path.name != "gate"]
    return [*store.blobs.digests(), *store.layers.diff_ids(), *ingest, *leases]


def test_a_prune_and_a_second_load_in_the_middle_of_a_load_take_nothing_from_it(root: Path) -> None:
    data = docker_archive([(build([LOWER, UPPER]), ["app:1"])])
    load(ImageStore(root), Interrupted(data, lambda: prune(ImageStore(root))))
    assert is_whole(root, "app:1")
    remove(ImageStore(root), ["app:1"])
    load(ImageStore(root), Interrupted(data, lambda: load(ImageStore(root), io.BytesIO(data), name="other")))
    assert is_whole(root, "app:1")
    remove(ImageStore(root), ["app:1"])
    prune(ImageStore(root))
    assert leftovers(root) == []


def test_two_clusters_prune_at_the_same_time_beside_loads(root: Path) -> None:
    images = [build([LOWER, tar_of(entry("n", str(n)))]) for n in range(6)]

    def load_and_remove(number: int) -> None:
        load(ImageStore(root), io.BytesIO(docker_archive([(images[number], [f"app:{number}"])])))
        if number % 2:
            remove(ImageStore(root), [f"app:{number}"])

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(load_and_remove, n) for n in range(6)]
        work += [pool.submit(_prune, root) for _ in range(8)]
        for one in work:
            one.result()
    assert [is_whole(root, f"app:{n}") for n in (0, 2, 4)] == [True] * 3
    for n in (0, 2, 4):
        remove(ImageStore(root), [f"app:{n}"])
    prune(ImageStore(root))
    assert leftovers(root) == []


def test_a_prune_removes_half_unpacked_layers_of_killed_processes_only(root: Path) -> None:
    ingest = ImageStore(root).blobs.ingest
    for digit in "ab":
        (ingest / f"layer-{digit * 64}" / "fs").mkdir(parents=True)
    with open(ingest / f"lock-{'a' * 12}", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prune(ImageStore(root))
    assert leftovers(root) == [f"layer-{'a' * 64}", f"lock-{'a' * 12}"]


def test_the_lock_of_a_layer_leaves_no_file(root: Path) -> None:
    load(ImageStore(root), io.BytesIO(docker_archive([(build([LOWER, UPPER]), ["app:1"])])))
    assert is_whole(root, "app:1")
    ingest = ImageStore(root).blobs.ingest
    assert list(ingest.iterdir()) == []
    (ingest / f"lock-{'c' * 12}").touch()  # of a process that was killed
    prune(ImageStore(root))
    assert list(ingest.iterdir()) == []


def test_a_layer_waits_for_the_lock_that_has_its_path_now(tmp_path: Path, root: Path) -> None:
    store, diff_id = ImageStore(root), digest_of(UPPER)
    (blob := tmp_path / "blob").write_bytes(UPPER)
    lock = store.blobs.ingest / f"lock-{diff_id[7:19]}"
    with ThreadPoolExecutor(1) as pool, open(lock, "wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        unpacking = pool.submit(store.layers.unpack, blob, diff_id)
        _until(lambda: is_waited_for(first))
        lock.unlink()
        with open(lock, "wb") as second:
            fcntl.flock(second, fcntl.LOCK_EX)
            fcntl.flock(first, fcntl.LOCK_UN)
            _until(lambda: unpacking.done() or is_waited_for(second))
            assert not store.layers.has(diff_id)
            lock.unlink()
        unpacking.result()
    assert store.layers.has(diff_id)
    assert not lock.exists()


def is_waited_for(file: BinaryIO) -> bool:
    """Returns True if a thread waits for the lock of the file: proc_locks(5) marks such lines with an arrow."""
    inode = f":{os.fstat(file.fileno()).st_ino} "
    return any("-> FLOCK" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def _until(probe: Callable[[], bool]) -> None:
    while not probe():
        time.sleep(0.002)


def test_a_lease_ends_with_its_block_and_with_its_process(root: Path) -> None:
    with Lease(root) as lease:
        lease.add("sha256:a", "/layer")
        with removing(root) as leased:
            assert leased == {"sha256:a", "/layer"}
        with removing(root, lease) as leased:
            assert leased == set()
    text = "import sys; from fairlead.images.store.leases import Lease; lease = Lease(sys.argv[1]).__enter__()"
    holder = f"{text}; lease.add('sha256:b'); print('held', flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", holder, str(root)], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with removing(root) as leased:
            assert leased == {"sha256:b"}
        process.kill()
        process.wait()
    with removing(root) as leased:
        assert leased == set()
    assert [path.name for path in (root / "leases").iterdir()] == ["gate"]


def test_the_layers_of_a_container_that_starts_survive_a_prune(tmp_path: Path, root: Path) -> None:
    load(ImageStore(root), io.BytesIO(docker_archive([(build([LOWER, UPPER]), ["app:1"])])))
    layers = paths(ImageStore(root), "app:1")
    settings = NodeSettings(
        name="node1", ips=("172.30.0.11",), pod_cidrs=("10.244.1.0/24",), state_dir=str(tmp_path), image_store=str(root)
    )
    clock = RealClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    images = NodeImages(HostImages(files=(), version="9"), settings, client=client, clock=clock)

    async def credentials() -> list[dict[str, Credential]]:
        return []

    with images.new_lease() as lease:
        request = ImageRequest("app:1", "IfNotPresent", pulling=lambda: None, credentials=credentials, lease=lease)
        image = asyncio.run(images.obtain(request))
        assert image.layers == tuple(layers)
        remove(ImageStore(root), ["app:1"])
        prune(ImageStore(root))
        assert all(map(os.path.isdir, layers))
    prune(ImageStore(root))
    assert leftovers(root) == []
