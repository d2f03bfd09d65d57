"""Process metrics of every component, under the names of Prometheus' client libraries."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

from fairlead.base.metrics import Family, counter, gauge


def process_families() -> Iterator[Family]:
    """Reads `/proc/self` and the resource usage of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open("/proc/self/statm", encoding="ascii") as file:
        virtual, resident = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in file.read().split()[:2])
    cpu = used.ru_utime + used.ru_stime
    yield counter("process_cpu_seconds_total", "Processor time that the process has used, in seconds.", cpu)
    yield gauge("process_resident_memory_bytes", "Resident memory in bytes.", resident)
    peak = used.ru_maxrss * 1024
    yield gauge("process_resident_memory_max_bytes", "Largest resident memory so far, in bytes.", peak)
    yield gauge("process_virtual_memory_bytes", "Virtual memory in bytes.", virtual)
    yield gauge("process_open_fds", "Open file descriptors.", len(os.listdir("/proc/self/fd")))
    yield gauge("process_max_fds", "Limit of open file descriptors.", most_files)
    yield gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.", round(_started_s(), 2))


def build_info(version: str) -> Family:
    """Upstream's metric of the running version."""
    labels = (("git_version", version),)
    return gauge("kubernetes_build_info", "Version of the running program; always 1.", 1, labels)


def _started_s() -> float:
    """The start of the process by the kernel, in seconds since 1970."""
    with open("/proc/self/stat", encoding="ascii") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="ascii") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return boot + ticks / float(os.sysconf("SC_CLK_TCK"))
