"""A container's view of the files: built below a staging directory in a mount namespace of its own, then entered.

The root is a small tmpfs onto which the host's top-level directories are bound read-only, so new mount points at
the top cost a mkdir. /tmp, /var/tmp, /run, /home and /root are fresh (other programs' sockets and people's files stay
out of sight). Where a mount point is missing inside a read-only directory, that directory is replaced by a tmpfs with
every entry bound back. Runs in a forked child of the zygote: standard library only.

Rejected: one recursive bind of `/` (no place to make mount points, and /run, /tmp, /home must be covered one by one);
overlayfs over the host (the kernel refuses a lower directory with locked mounts below it, as in Docker).
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Sequence
from typing import Any

from fairlead.net import linux
from fairlead.net.linux import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT

# Not bound from the host: made afresh, or other people's business.
_FRESH = frozenset(("proc", "dev", "sys", "tmp", "run", "home", "root", "boot", "lost+found", "media", "mnt"))
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_READ_ONLY_PROC = ("sys", "bus", "fs", "irq", "sysrq-trigger")
_MASKED_PROC = ("kcore", "keys", "timer_list", "sched_debug")
_SECRET_FILES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
_NO_ROOM = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))
_MAX_LINKS = 40


class Root:
    """A root file system under construction below `stage`."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        linux.mount("fairlead", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256m")

    def bind_host(self) -> None:
        """The host's top-level directories, read-only."""
        with os.scandir("/") as entries:
            found = sorted(entries, key=lambda e: e.name)
        for entry in found:
            at = f"{self._stage}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), at)
            elif entry.name not in _FRESH and entry.is_dir() and not entry.name.startswith("."):
                os.mkdir(at)
                linux.mount(entry.path, at, None, MS_BIND | MS_REC)
                linux.set_read_only(at)
        for name, mode in (("tmp", 0o1777), ("run", 0o755), ("root", 0o700), ("home", 0o755)):
            self._fresh(name, mode)
        self._fresh("run/lock", 0o1777)
        if os.path.isdir(self._stage + "/var/tmp"):
            linux.mount("fairlead", self._stage + "/var/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=256m")

    def _fresh(self, name: str, mode: int) -> None:
        at = f"{self._stage}/{name}"
        if not os.path.lexists(at):
            os.mkdir(at)
            os.chmod(at, mode)

    def hide(self, path: str) -> None:
        """Covers a directory with an empty one, or a file with /dev/null; what is not there needs no cover."""
        self._cover(self._stage + os.path.realpath(path))

    def _cover(self, at: str) -> None:
        if os.path.isdir(at):
            linux.mount("fairlead", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
        elif os.path.lexists(at):
            linux.mount("/dev/null", at, None, MS_BIND)

    def expose(self, path: str) -> None:
        """Shows a host directory read-only again at its own place, where it was left out or hidden."""
        real = os.path.realpath(path)
        if not os.path.exists(real):
            return
        for known in {path, real}:
            at = self.place(known, directory=os.path.isdir(real))
            if not os.path.samefile(at, real):
                linux.mount(real, at, None, MS_BIND | MS_REC)
                linux.set_read_only(at)

    def mount(self, spec: dict[str, Any], *, hidden: Sequence[str]) -> None:
        """One mount of a recipe: `type` bind or tmpfs, `target`, and `source`, `ro`, `mode`, `size`;
        `optional`: only over something. What is `hidden` stays so where a host path above it is bound."""
        if spec["type"] == "tmpfs":
            at = self.place(spec["target"], directory=True)
            data = f"mode={spec.get('mode', '755')},size={spec.get('size', '64m')}"
            linux.mount("fairlead", at, "tmpfs", MS_NOSUID | MS_NODEV, data)
            return
        if spec.get("optional") and not os.path.lexists(self._stage + spec["target"]):
            return
        source = os.path.realpath(spec["source"])
        at = self.place(spec["target"], directory=os.path.isdir(source))
        linux.mount(source, at, None, MS_BIND | MS_REC)
        for path in hidden:
            if path != source and path.startswith(source.rstrip("/") + "/"):
                self._cover(at + path[len(source.rstrip("/")) :])
        if spec.get("ro"):
            linux.set_read_only(at)

    def devices(self) -> None:
        """/dev with the harmless devices, its own terminals and shared memory."""
        dev = self._stage + "/dev"
        os.makedirs(dev, exist_ok=True)
        linux.mount("fairlead", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
        for name in _DEVICES:
            _touch(f"{dev}/{name}")
            linux.mount(f"/dev/{name}", f"{dev}/{name}", None, MS_BIND)
        os.mkdir(dev + "/pts")
        linux.mount("devpts", dev + "/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
        os.mkdir(dev + "/shm")
        linux.mount("shm", dev + "/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m")
        os.symlink("pts/ptmx", dev + "/ptmx")
        os.symlink("/proc/self/fd", dev + "/fd")
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")

    def kernel_files(self, *, privileged: bool) -> None:
        """/proc of the new pid namespace and /sys of the pod's network; the outer ones where that is refused."""
        proc, sys = self._stage + "/proc", self._stage + "/sys"
        os.makedirs(proc, exist_ok=True)
        os.makedirs(sys, exist_ok=True)
        try:
            linux.mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        except PermissionError:  # parts of the outer /proc are masked, as in Docker
            linux.mount("/proc", proc, None, MS_BIND | MS_REC)
        try:
            linux.mount("sysfs", sys, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
        except PermissionError:
            linux.mount("/sys", sys, None, MS_BIND | MS_REC)
            linux.set_read_only(sys)
        if not privileged:
            _mask(proc)

    def place(self, target: str, *, directory: bool) -> str:
        """Where the container's path `target` lies, links followed as the container would; makes what is missing."""
        parts = deque(_parts(target))
        done: list[str] = []
        links = 0
        while parts:
            name = parts.popleft()
            if name == "..":
                done = done[:-1]
                continue
            at = "/".join([self._stage, *done, name])
            kind = _kind(at)
            if kind is None:
                self._make("/".join([self._stage, *done]), name, directory=directory or bool(parts))
            elif stat.S_ISLNK(kind):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, f"too many links in {target}")
                text = os.readlink(at)
                done = [] if text.startswith("/") else done
                parts.extendleft(reversed(_parts(text)))
                continue
            done.append(name)
        return "/".join([self._stage, *done])

    def _make(self, parent: str, name: str, *, directory: bool) -> None:
        make = os.mkdir if directory else _touch
        try:
            make(f"{parent}/{name}")
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _mimic(parent)
            make(f"{parent}/{name}")

    def freeze(self) -> None:
        """Makes the root's own tmpfs read-only, mounts on it staying as they are (readOnlyRootFilesystem)."""
        linux.mount(None, self._stage, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)

    def enter(self) -> None:
        linux.pivot_root(self._stage)


def build(recipe: dict[str, Any]) -> None:
    """Makes the calling process's mount namespace anew from `recipe` and moves into it."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = Root(recipe["stage"])
    root.bind_host()
    hidden = [os.path.realpath(path) for path in recipe.get("hide", ())]
    exposed = [os.path.realpath(path) for path in recipe.get("expose", ())]
    for path in (*hidden, *_SECRET_FILES):
        root.hide(path)
    root.devices()
    root.kernel_files(privileged=bool(recipe.get("privileged")))
    for path in recipe.get("expose", ()):
        root.expose(path)
    for path in hidden:
        if not any(shown.startswith(path + "/") for shown in exposed):
            root.hide(path)  # what was exposed may contain it
    for group in ("image_mounts", "mounts"):  # the pod's volumes go over what the image brings
        for spec in sorted(recipe.get(group, ()), key=lambda m: len(_parts(m["target"]))):
            root.mount(spec, hidden=hidden)
    root.place(recipe.get("cwd") or "/", directory=True)
    if recipe.get("read_only"):
        root.freeze()
    root.enter()


def _parts(path: str) -> list[str]:
    return [p for p in path.split("/") if p not in ("", ".")]


def _kind(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _mask(proc: str) -> None:
    """With root's ids mapped, the host's knobs in /proc would be writable."""
    for name in _READ_ONLY_PROC:
        at = f"{proc}/{name}"
        if os.path.exists(at):
            linux.mount(at, at, None, MS_BIND | MS_REC)
            linux.set_read_only(at)
    for name in _MASKED_PROC:
        if os.path.exists(f"{proc}/{name}"):
            linux.mount("/dev/null", f"{proc}/{name}", None, MS_BIND)


def _mimic(directory: str) -> None:
    """Replaces a read-only directory by a tmpfs that shows the same entries and has room for more."""
    below = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = f"/proc/self/fd/{below}"
        names = sorted(os.listdir(source))
        mode = stat.S_IMODE(os.stat(source).st_mode)
        linux.mount("fairlead", directory, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode | 0o700:o},size=1m")
        for name in names:
            old, new = f"{source}/{name}", f"{directory}/{name}"
            kind = os.lstat(old).st_mode
            if stat.S_ISLNK(kind):
                os.symlink(os.readlink(old), new)
                continue
            if stat.S_ISDIR(kind):
                os.mkdir(new)
            else:
                _touch(new)
            linux.mount(old, new, None, MS_BIND | MS_REC)
    finally:
        os.close(below)
