"""The three HTTP ports that probes and Prometheus know: /metrics on 9153, /ready on 8181, /health on 8080."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable

_MOST_HEAD = 8192
_WAIT_S = 5.0

Page = Callable[[], tuple[int, str]]
_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


async def serve_page(path: str, page: Page, *, address: str | None, port: int) -> asyncio.Server:
    """One page; every connection carries one request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_WAIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            asked = head.split(b" ", 2)[1:2]
            status, text = page() if asked and asked[0].partition(b"?")[0] == path.encode() else (404, "not found\n")
            body = text.encode()
            lines = (
                f"HTTP/1.1 {status} {_REASONS[status]}",
                "Content-Type: text/plain; version=0.0.4; charset=utf-8",
                f"Content-Length: {len(body)}",
                "Connection: close",
            )
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(handle, address, port, limit=_MOST_HEAD)


def own_figures() -> str:
    """What Prometheus's clients say of their process, under the names that they all use."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open("/proc/self/statm", encoding="ascii") as file:
        virtual, resident = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in file.read().split()[:2])
    figures = (
        ("process_cpu_seconds_total", "counter", f"{used.ru_utime + used.ru_stime:.6f}"),
        ("process_resident_memory_bytes", "gauge", resident),
        ("process_virtual_memory_bytes", "gauge", virtual),
        ("process_open_fds", "gauge", len(os.listdir("/proc/self/fd"))),
        ("process_max_fds", "gauge", most_files),
        ("process_start_time_seconds", "gauge", f"{_started_s():.2f}"),
    )
    return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in figures)


def _started_s() -> float:
    """Seconds since the epoch."""
    with open("/proc/self/stat", encoding="ascii") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="ascii") as file:
        boot_s = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return boot_s + ticks / os.sysconf("SC_CLK_TCK")
