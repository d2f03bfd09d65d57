"""A cluster whose folder is on a small disk, which a test can fill."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.support import Cluster, Runner, root_runner

_SIZE_MIB = 48


@dataclass(frozen=True)
class SmallDisk:
    cluster: Cluster

    def fill(self) -> None:
        """Uses up all free space."""
        with open(self._ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 65536)
        with open(self._ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x")

    def free(self) -> None:
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.cluster.home / "ballast"


@contextmanager
def cluster_on_a_small_disk() -> Iterator[SmallDisk]:
    """Mounts, as root, a tmpfs in a mount namespace that a waiting process holds. Commands enter the namespace;
    tests read it by /proc/PID/root."""
    place = Path(tempfile.mkdtemp(prefix="fairlead-disk-"))
    script = f"mount -t tmpfs -o size={_SIZE_MIB}m,mode=755 tmpfs {place} && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        inside = root_runner(place)
        prefix = ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt")
        home = Path(f"/proc/{holder.pid}/root{place}")
        name = "t" + place.name[-6:].lower().replace("_", "x")
        cluster = Cluster(name, home, Runner(prefix, inside.python, inside.environment))
        disk = SmallDisk(cluster)
        try:
            yield disk
        finally:
            with contextlib.suppress(FileNotFoundError):
                disk.free()
            cluster.fairlead("down", "--purge")
    finally:
        holder.communicate("")
        os.rmdir(place)
