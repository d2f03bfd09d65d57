"""A container's view of the files: built on a bundle directory in a new mount namespace, then entered.

An image's root is made of its layers (`imageroot`). The root of a host image is a small tmpfs onto which the host's
top-level directories are shown read-only (`hostview`), so new mount points at the top cost a mkdir. /tmp, /var/tmp,
/run, /home and /root are fresh there (other programs' sockets and people's files stay out of sight). If a mount point
is missing inside a read-only directory, that directory is replaced by a tmpfs with every entry bound back. Runs in a
forked child of the zygote: standard library only.

What must stay true: once a pod's volumes are there, no path is resolved by name twice. Sources and targets are
descriptors (`hostpath`, `safepath`), and mounts are made from and on descriptors: another container of the pod may
exchange names in a shared volume at any moment (CVE-2021-25741 for sources, CVE-2021-30465 for targets).

Rejected: one recursive bind of `/` (no place to make mount points, and /run, /tmp, /home must be covered one by one).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from fairlead.net import fsfd, linux
from fairlead.net.fsfd import ATTR_NO_DEV, ATTR_READ_ONLY
from fairlead.net.linux import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC, MS_REMOUNT
from fairlead.node.runtime.files.hostpath import CONTAINER_LOGS, LOG, POD_LOGS, open_source
from fairlead.node.runtime.files.hostview import HostView, is_kernel, read_mounts
from fairlead.node.runtime.files.imageroot import copy_directory, mount_image
from fairlead.node.runtime.files.mounting import NO_TRUST, attach, closing, cover, place
from fairlead.node.runtime.files.ownlayer import own_files, replaced
from fairlead.node.runtime.files.safepath import PathProblem, open_inside, parts_of
from fairlead.node.runtime.limits import controlgroup
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, ImageRoot, Mount

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_READ_ONLY_PROC = ("sys", "bus", "fs", "irq", "sysrq-trigger")
_MASKED_PROC = ("acpi", "asound", "kcore", "keys", "latency_stats", "scsi", "timer_list", "sched_debug")
_MASKED_SYS = ("firmware", "devices/virtual/powercap")
_FRESH = {"tmp": 0o1777, "run": 0o755, "root": 0o700, "home": 0o755, "mnt": 0o755, "media": 0o755, "run/lock": 0o1777}
"""The modes of directories of the container's own, in a host image."""
_SECRET_FILES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
_SYSTEM = ("/usr", "/usr/local")
"""Prefixes of the system's Python, which shares them with all other programs. A Python elsewhere is shown whatever its
modes."""


class RootFilesystem:
    """A root file system under construction on the bundle directory."""

    def __init__(
        self,
        bundle: str,
        *,
        privileged: bool,
        proc_unmasked: bool,
        image: ImageRoot | None = None,
        flags: int = MS_NOSUID | MS_NODEV,
        node_root: str = "",
    ) -> None:
        """`flags` are those of the root's mount."""
        self._bundle = bundle
        self._node_root = os.path.realpath(node_root) if node_root else ""
        self._proc_unmasked = proc_unmasked
        self._privileged = privileged
        mounts = read_mounts()
        self._mounts = [path for path, _ in mounts]
        self._kernel_mounts = [path for path, kind in mounts if is_kernel(kind)]
        self._covered: list[str] = ["/tmp", "/run", "/root", "/home"]
        self._writable: list[int] = []
        """The mounts below the root on which the container can write, besides volumes."""
        if image is None:
            linux.mount("fairlead", bundle, "tmpfs", flags, "mode=755,size=256m")
        else:
            mount_image(image, bundle, flags=flags)
        self._flags = flags
        self._root = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def show_host(self, *, single_id: bool, above: ImageRoot | None) -> None:
        """Shows the host's top-level directories: read-only, or with the container's own layer above them."""
        view = HostView(self._bundle, self._mounts, single_id=single_id, above=above)
        private = view.build()
        for name, mode in _FRESH.items():
            self._fresh(name, mode)
        laid = above if not view.read_only else None
        for path in (*private, *_SECRET_FILES):
            if not replaced(laid, path):
                self.hide(path)
        if not replaced(laid, "/var/tmp"):
            with (
                contextlib.suppress(FileNotFoundError),
                closing(open_inside(self._root, "/var/tmp", chroot=True)) as at,
            ):
                attach(fsfd.new_mount("tmpfs", {"mode": "1777", "size": "256m"}, NO_TRUST), at)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._writable = [os.open(self._bundle + path, flags) for path in view.writable]
        for path in view.read_only:
            for source, target in own_files(above, path) if above else ():
                self.mount(Mount(source=source, destination=target), hidden=(), homes=())

    def _fresh(self, name: str, mode: int) -> None:
        at = f"{self._bundle}/{name}"
        if not os.path.lexists(at):
            os.mkdir(at)
            os.chmod(at, mode)

    def hide(self, path: str) -> None:
        """Covers a directory with an empty one, or a file with /dev/null; a missing path needs no cover."""
        self._covered.append(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            cover(self._root, path)

    def expose(self, path: str) -> None:
        """Shows a host directory read-only again at its usual place, if it was left out or hidden."""
        real = os.path.realpath(path)
        if not os.path.exists(real):
            return
        for known in {path, real}:
            if known in _SYSTEM and self._is_visible(known):
                continue
            with (
                closing(os.open(real, os.O_PATH | os.O_CLOEXEC)) as source,
                closing(self._place_for(known, source)) as at,
            ):
                tree = fsfd.open_tree(source)
                fsfd.set_attributes(tree, ATTR_READ_ONLY | NO_TRUST)
                attach(tree, at)

    def _is_visible(self, path: str) -> bool:
        if any(path == hidden or path.startswith(hidden + "/") for hidden in self._covered):
            return False
        try:
            os.close(open_inside(self._root, path, chroot=True))
        except OSError:
            return False
        return True

    def mount(self, mount: Mount, *, hidden: Sequence[str], homes: Sequence[str]) -> None:
        """Makes one mount. What is hidden, and home folders, stay so if a host path above them is bound."""
        if mount.type == "tmpfs":
            with closing(place(self._root, mount.destination, directory=True)) as at:
                attach(fsfd.new_mount("tmpfs", {"mode": mount.mode, "size": mount.size}, NO_TRUST), at)
            return
        if mount.optional and not self._has(mount.destination):
            return
        if mount.filled:
            self._fill(mount)
        opened = open_source(mount, hidden, self._node_root)
        with closing(opened) as source, closing(self._place_for(mount.destination, source)) as at:
            tree = fsfd.open_tree(source)
            real = fsfd.path_of(source)
            read_only = mount.read_only or self._is_node_log(real)
            fsfd.set_attributes(tree, self._attributes(real, read_only=read_only))
            fsfd.move_mount(tree, at)  # `tree` goes on to mean the mount
            with closing(tree):
                self._restore_devices(tree, real)
                self._lock_kernel(tree, real)
                if mount.host_path_type is not None and self._node_root:
                    self._show_logs(tree, real, read_only=mount.read_only)
                for path in filter(None, (_below(real, hide) for hide in (*hidden, *homes))):
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                        cover(tree, path)

    def _is_node_log(self, real: str) -> bool:
        logs = [self._node_root + path for path in (POD_LOGS, CONTAINER_LOGS)] if self._node_root else ()
        return any(real == path or _below(path, real) for path in logs)

    def _show_logs(self, tree: int, real: str, *, read_only: bool) -> None:
        """Shows the node's /var/log below a host path that leads to it, and makes its Pods' logs read-only there: the
        zygote opens them by name."""
        own = self._node_root + LOG
        inside = _below(real, LOG)
        if inside:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                self._show_log(tree, own, inside, read_only=read_only)
        if inside or real == own:
            for path in (POD_LOGS, CONTAINER_LOGS):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    self._show_log(tree, self._node_root + path, f"{inside}{path.removeprefix(LOG)}", read_only=True)

    def _show_log(self, tree: int, own: str, inside: str, *, read_only: bool) -> None:
        with closing(open_inside(tree, inside.lstrip("/"), chroot=True)) as at:
            with closing(os.open(own, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) as source:
                shown = fsfd.open_tree(source)
            fsfd.set_attributes(shown, NO_TRUST | (ATTR_READ_ONLY if read_only else 0))
            attach(shown, at)

    def _fill(self, mount: Mount) -> None:
        """Copies the image's directory into the source."""
        with (
            contextlib.suppress(FileNotFoundError),
            closing(open_inside(self._root, mount.destination, chroot=True)) as at,
        ):
            if stat.S_ISDIR(os.fstat(at).st_mode):
                copy_directory(f"/proc/self/fd/{at}", mount.source)

    def _attributes(self, real: str, *, read_only: bool) -> int:
        """Devices can be opened by privileged containers alone, as device cgroups have it elsewhere."""
        harmless = self._privileged or real in [f"/dev/{name}" for name in _DEVICES]
        knobs = not self._privileged and any(real == path or _below(path, real) for path in self._kernel_mounts)
        return (ATTR_READ_ONLY if read_only or knobs else 0) | (0 if harmless else ATTR_NO_DEV)

    def _lock_kernel(self, tree: int, real: str) -> None:
        """Makes the kernel's file systems below a host path read-only. In a cluster of root's,
        /proc/sys/kernel/core_pattern would otherwise be writable, by which the kernel runs programs as the host's root.
        """
        below = (_below(real, path) for path in self._kernel_mounts)
        for path in () if self._privileged else filter(None, below):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                at = open_inside(tree, path)
                with closing(at):
                    fsfd.set_attributes(at, ATTR_READ_ONLY)

    def _restore_devices(self, tree: int, real: str) -> None:
        """Makes the harmless devices below a host path work as they do in /dev."""
        if self._privileged:
            return
        for name in _DEVICES:
            rest, device = _below(real, f"/dev/{name}"), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            if not rest:
                continue
            with (
                contextlib.suppress(FileNotFoundError),
                closing(os.open(f"/dev/{name}", device)) as node,
                closing(open_inside(tree, rest)) as at,
            ):
                attach(fsfd.open_tree(node), at)

    def _has(self, target: str) -> bool:
        """Returns True if the path exists, even as a dangling link."""
        folder, _, name = target.rstrip("/").rpartition("/")
        try:
            with closing(open_inside(self._root, folder, chroot=True)) as at:
                os.stat(name, dir_fd=at, follow_symlinks=False)
        except OSError:
            return False
        return True

    def devices(self) -> None:
        """Makes /dev with the harmless devices, new terminals and shared memory."""
        dev = self._own_directory("dev")
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

    def _own_directory(self, name: str) -> str:
        """Returns the path of a directory at the top; makes it if it is missing. An image's link is not followed: it
        could lead to the host's files."""
        path = f"{self._bundle}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o755)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise PathProblem(f"/{name} of the image is not a directory")
        return path

    def kernel_files(self, cgroups: Sequence[str]) -> None:
        """Mounts /proc of the new pid namespace, /sys of the pod's network and the container's control group; uses the
        outer ones if that is refused."""
        proc, sys = self._own_directory("proc"), self._own_directory("sys")
        try:
            linux.mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        except PermissionError:  # parts of the outer /proc are masked, as in Docker
            linux.mount("/proc", proc, None, MS_BIND | MS_REC)
        try:
            linux.mount("sysfs", sys, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
        except PermissionError:
            linux.mount("/sys", sys, None, MS_BIND | MS_REC)
            linux.set_read_only(sys)
        else:
            controlgroup.show(cgroups, f"{sys}/fs/cgroup")
        if not (self._privileged or self._proc_unmasked):
            self._mask()

    def _mask(self) -> None:
        """Masks the host's settings in /proc, which would be writable with root's ids mapped. The list is runc's."""
        for name in _READ_ONLY_PROC:
            at = f"{self._bundle}/proc/{name}"
            if os.path.exists(at):
                linux.mount(at, at, None, MS_BIND | MS_REC)
                linux.set_read_only(at)
        for path in (*(f"/proc/{name}" for name in _MASKED_PROC), *(f"/sys/{name}" for name in _MASKED_SYS)):
            self.hide(path)

    def make_folder(self, path: str) -> None:
        os.close(place(self._root, path, directory=True))

    def _place_for(self, target: str, source: int) -> int:
        return place(self._root, target, directory=stat.S_ISDIR(os.fstat(source).st_mode))

    def freeze(self) -> None:
        """Makes the root read-only; volumes on it stay as they are (readOnlyRootFilesystem)."""
        linux.mount(None, self._bundle, None, MS_REMOUNT | MS_BIND | MS_RDONLY | self._flags)
        for fd in self._writable:
            fsfd.set_attributes(fd, ATTR_READ_ONLY, recursive=False)

    def enter(self) -> None:
        linux.pivot_root(self._bundle)


def build(spec: ContainerSpec) -> None:
    """Makes the calling process's mount namespace anew from the spec and moves into it."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    root = RootFilesystem(
        spec.bundle,
        privileged=spec.privileged,
        proc_unmasked=spec.proc_unmasked,
        image=spec.image_root,
        flags=MS_NODEV | (0 if _may_gain(spec) else MS_NOSUID),
        node_root=spec.node_root,
    )
    hidden = [os.path.realpath(path) for path in spec.masked_paths]
    homes = [os.path.realpath(path) for path in spec.home_paths]
    exposed = [os.path.realpath(path) for path in spec.exposed_paths]
    if spec.image_root is None:
        root.show_host(single_id=spec.single_id, above=spec.host_root)
        for path in (*hidden, *homes):
            root.hide(path)
    root.devices()
    root.kernel_files(spec.cgroups)
    for path in sorted(spec.exposed_paths, key=lambda p: len(parts_of(p))):
        root.expose(path)
    for path in (*hidden, *homes) if spec.image_root is None else ():
        if not any(shown.startswith(path + "/") for shown in exposed):
            root.hide(path)  # what was exposed may contain it
    for group in (spec.image_mounts, spec.mounts):  # the pod's volumes go over what the image brings
        for mount in sorted(group, key=lambda m: len(parts_of(m.destination))):
            root.mount(mount, hidden=hidden, homes=homes)
    root.make_folder(spec.process.cwd)
    if spec.root_readonly:
        root.freeze()
    root.enter()


def _may_gain(spec: ContainerSpec) -> bool:
    """Returns True if setuid bits and capabilities of the image's files count; the host's never do. With one id mapped
    there is nothing to gain."""
    return spec.image_root is not None and not spec.single_id and not spec.process.no_new_privileges


def _below(folder: str, path: str) -> str:
    """Returns the rest of `path` below `folder`; empty if it lies elsewhere."""
    start = folder.rstrip("/") + "/"
    return path[len(start) :] if path.startswith(start) else ""


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
