"""Asks the machine what it is."""

from __future__ import annotations

import hashlib
import os

from fairlead.node.nodestatus.registration import Host


def read_host(state_dir: str, *, node: str, kernel_limits: bool) -> Host:
    """Reads the host's facts. `node` makes the machine id differ between nodes that share a machine."""
    uname, disk = os.uname(), os.statvfs(state_dir)
    machine_id = _read("/etc/machine-id") or uname.nodename
    return Host(
        machine=uname.machine,
        kernel=uname.release,
        os_image=_os_image(),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        cpus=len(os.sched_getaffinity(0)),
        memory_kib=_memory_kib(),
        disk_kib=disk.f_blocks * disk.f_frsize // 1024,
        kernel_limits=kernel_limits,
        machine_id=hashlib.sha256(f"{machine_id} {node}".encode()).hexdigest()[:32],
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def _memory_kib() -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0
