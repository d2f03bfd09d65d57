"""Forwards connections from the sandbox to an etcd outside: a UNIX socket in the cluster's folder for each member.

The sandbox has no route to the outside, but it sees the folder. A child of the supervisor, in the host's network,
copies each connection of a socket to that socket's member only. It does not interpret the bytes: TLS, if any, goes
from the control plane to the member.

The supervisor holds the listening sockets, so that connections wait while a dead child is replaced.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.enter import reset_signals
from fairlead.net import linux

if TYPE_CHECKING:
    import asyncio

    from fairlead.store.etcd.address import EtcdAddress, Member

_LONGEST_PATH = 107
"""Maximum length in bytes of a UNIX socket's path (unix(7): `sun_path`)."""
_BACKLOG = 128
_CHUNK = 1 << 16


def listen(paths: Paths, address: EtcdAddress) -> list[socket.socket]:
    """Opens the sockets, mode 0600 in a folder of mode 0700. Raises CommandError."""
    paths.etcd.mkdir(mode=0o700, exist_ok=True)
    return [_listen(paths.etcd_socket(i)) for i in range(len(address.members))]


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise CommandError(f"the path {path} is too long for a socket: set XDG_STATE_HOME to a shorter one")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    opened = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        opened.bind(str(path))
    finally:
        os.umask(before)
    opened.listen(_BACKLOG)
    return opened


def start(sockets: Sequence[socket.socket], address: EtcdAddress) -> int:
    """Forks the child and returns its pid. The child ends with its parent."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        reset_signals()
        import asyncio  # not before the fork: the supervisor stays small

        asyncio.run(serve(sockets, address.members))
    finally:
        os._exit(1)


async def serve(sockets: Sequence[socket.socket], members: Sequence[Member]) -> None:
    """Copies connections. Runs until cancelled."""
    import asyncio

    servers = []
    for opened, member in zip(sockets, members, strict=True):

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, member: Member = member
        ) -> None:
            await _copy_both(reader, writer, member)

        servers.append(await asyncio.start_unix_server(connected, sock=opened))
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.serve_forever())


async def _copy_both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, member: Member) -> None:
    """Copies one connection both ways until both directions have ended."""
    import asyncio

    try:
        to_member, from_member = None, None
        from_member, to_member = await asyncio.open_connection(member.host, member.port)
        await asyncio.gather(_copy(reader, to_member), _copy(from_member, writer))
    except OSError:
        pass  # the client sees its connection end, and asks another member
    finally:
        for end in (writer, to_member):
            if end is not None:
                end.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
    sink.write_eof()
