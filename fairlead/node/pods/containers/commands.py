"""Runs a command in a container to its end and collects its output: for probes and lifecycle hooks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteError
from fairlead.node.runtime.protocol.containerspec import ExecSpec

_KEPT = 16 << 10


class _Collector(asyncio.Protocol):
    def __init__(self) -> None:
        self.said = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if len(self.said) < _KEPT:
            self.said += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def run_command(
    zygote: ZygoteClient, container_id: str, argv: Sequence[str], timeout_s: float | None
) -> tuple[int, bytes]:
    """Returns the exit code and the output (stdout and stderr). Raises TimeoutError after killing the command."""
    id_ = zygote.new_id()
    exited = zygote.exits.wait(id_)
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    loop = asyncio.get_running_loop()
    transport, collector = await loop.connect_read_pipe(_Collector, os.fdopen(read_fd, "rb", 0))
    try:
        async with asyncio.timeout(timeout_s):
            try:
                fds = [null, write_fd, write_fd]
                spec = ExecSpec(args=tuple(argv), extra_env={})
                await zygote.exec(id_, container=container_id, spec=spec, fds=fds)
            except ZygoteError as error:
                return 126, str(error).encode()
            finally:
                os.close(write_fd)
                os.close(null)
            ended = await exited
            # Processes that the command left running may hold the pipe open indefinitely.
            await asyncio.wait((collector.ended,), timeout=0.2)
            return ended.exit.code, bytes(collector.said)
    except TimeoutError:
        with contextlib.suppress(ZygoteError):  # it has ended in the meantime
            await zygote.signal(id_, signal.SIGKILL)
        raise
    finally:
        zygote.exits.remove_listener(id_)
        transport.close()
