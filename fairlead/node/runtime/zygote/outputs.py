"""Carries what containers write to their logs and to attached clients, and ends their inputs. Standard library only."""

from __future__ import annotations

import os
import socket

from fairlead.node.runtime.logs.logfile import LogStream
from fairlead.node.runtime.protocol import wire
from fairlead.node.runtime.zygote.attached import CHANNELS, AttachedClient
from fairlead.node.runtime.zygote.children import Container
from fairlead.node.runtime.zygote.poller import Poller

_CHUNK = 65536
_OPENING_S = 30.0
"""Seconds after the start in which a first client gets the output it has missed: longer than `kubectl run` takes."""


class Outputs:
    """Owns the descriptors of containers' outputs and inputs, and of the pipes to attached clients."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def collect(self, container: Container, fds: list[int]) -> None:
        """Takes the zygote's ends: stdout, stderr and perhaps stdin, or the socket over which a terminal comes."""
        if container.spec.process.terminal:
            container.console = fds[0]
            self._poller.watch(fds[0], lambda: self._open_terminal(container))
            return
        self._collect_one(container, fds[0], "stdout")
        self._collect_one(container, fds[1], "stderr")
        container.stdin = fds[2] if fds[2:] else -1

    def _collect_one(self, container: Container, fd: int, name: str) -> None:
        os.set_blocking(fd, False)
        container.outputs[fd] = LogStream(container.log, name)
        self._poller.watch(fd, lambda: self._copy(container, fd))

    def _open_terminal(self, container: Container) -> None:
        fd, container.console = container.console, -1
        if fd < 0:
            return
        with socket.socket(fileno=os.dup(fd)) as console:
            masters = wire.receive_fds(console)
        self._poller.close(fd)
        for master in masters:
            self._collect_one(container, master, "stdout")

    def _copy(self, container: Container, fd: int) -> bool:
        """Copies one read from an output to the log and the clients; returns False if nothing is left to read."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: a terminal without a program
            data = b""
        if not data:
            self._end_output(container, fd)
            return False
        stream = container.outputs[fd]
        stream.feed(data)
        if container.opening is not None:
            container.opening.feed(CHANNELS[stream.name], data)
        for client in container.clients[:]:
            client.feed(CHANNELS[stream.name], data)
            self._flush(container, client)
        return True

    def _end_output(self, container: Container, fd: int) -> None:
        container.outputs.pop(fd).end()
        self._poller.close(fd)

    def attach(self, container: Container, fd: int, *, stdin: bool, now: float) -> list[int]:
        """Adds a client whose pipe is `fd`; returns the descriptor of the terminal or of the input, if it may have
        one."""
        self._open_terminal(container)  # it was sent before the program was started
        client = AttachedClient(fd, stdin=stdin)
        self._poller.watch(fd, lambda: self._check_left(container, client), lambda: self._flush(container, client))
        container.clients.append(client)
        if stdin and container.opening is not None:
            opening, container.opening = container.opening, None
            if now < container.started_at + _OPENING_S:
                opening.hand_over(client)
                self._flush(container, client)
        if container.spec.process.terminal:
            return list(container.outputs)[:1]
        return [container.stdin] if stdin and container.stdin >= 0 else []

    def _flush(self, container: Container, client: AttachedClient) -> None:
        sent = client.flush()
        if sent and client.ended:
            self._detach(container, client)
        else:
            self._poller.want_write(client.fd, not sent)

    def _check_left(self, container: Container, client: AttachedClient) -> None:
        if client.left():  # and not another's end that had the same number a moment ago
            self._detach(container, client)

    def _detach(self, container: Container, client: AttachedClient) -> None:
        if client not in container.clients:
            return
        container.clients.remove(client)
        self._poller.close(client.fd)
        if client.stdin:
            self.end_input(container)

    def end_input(self, container: Container) -> None:
        """Called if the first client with an input has closed or ended it: with `stdinOnce` that was all the input."""
        if container.stdin >= 0 and container.spec.stdin_once:
            os.close(container.stdin)
            container.stdin = -1

    def finish(self, container: Container) -> None:
        """Called after the container has ended: copies the rest of its output, and closes all files."""
        self._open_terminal(container)
        for fd in list(container.outputs):
            while self._copy(container, fd):
                pass
            if fd in container.outputs:
                self._end_output(container, fd)
        container.log.close()
        for client in container.clients[:]:
            client.ended = True
            self._flush(container, client)
        if container.stdin >= 0:
            os.close(container.stdin)
        container.stdin, container.opening = -1, None
