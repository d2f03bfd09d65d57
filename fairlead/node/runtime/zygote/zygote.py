"""The zygote: a small process that starts a node's containers, keeps them, and outlives the agent.

The sandbox forks it early, while it is small: forking a small process takes a millisecond. It is single-threaded,
imports little, and is the parent of every container (which die with it) and of every exec. It keeps the records of
sandboxes and containers, so an agent that starts anew finds everything as it was (`messages.Inventory`).
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

from fairlead.base.clock import Clock, RealClock
from fairlead.base.codec import CodecError
from fairlead.base.limits import descriptor_limit, explain_limit, raise_descriptor_limit, set_descriptor_limit
from fairlead.net import linux
from fairlead.node.runtime.child import launch
from fairlead.node.runtime.limits import privilege
from fairlead.node.runtime.logs.logfile import LogFile
from fairlead.node.runtime.protocol import messages, wire
from fairlead.node.runtime.protocol.containerspec import Process
from fairlead.node.runtime.protocol.messages import Done, Exited, ExitStatus, Failed, OnRunning, Request, Result
from fairlead.node.runtime.zygote.children import Child, Container, Namespaces, Pause
from fairlead.node.runtime.zygote.outbox import Outbox
from fairlead.node.runtime.zygote.outputs import Outputs
from fairlead.node.runtime.zygote.poller import Poller

_NAMESPACES = ("net", "uts", "ipc")


class Zygote:
    """Handles one request, output or exit at a time. Nothing here may block."""

    def __init__(self, sock: socket.socket, *, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self._poller = Poller()
        self._outputs = Outputs(self._poller)
        self._outbox = Outbox(sock, want_write=lambda on: self._poller.want_write(sock.fileno(), on))
        self._sandboxes: dict[str, Namespaces] = {}
        self._children: dict[str, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._self = os.pidfd_open(os.getpid())
        self._own = tuple(os.open(f"/proc/self/ns/{n}", os.O_RDONLY | os.O_CLOEXEC) for n in _NAMESPACES)
        self._descriptors = descriptor_limit()
        """The descriptor limit of containers. The zygote itself has some for each of them."""
        raise_descriptor_limit()
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._hello: tuple[int, int] | None = None
        """Number and epoch of a new agent's first request, until it can be answered."""
        self._ended = False

    def serve(self) -> None:
        """Serves until the other side of the socket is closed everywhere."""
        wake_r, wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        self._poller.watch(wake_r, lambda: self._reap(wake_r))
        self._poller.watch(self._sock.fileno(), self._receive, self._outbox.flush)
        while not self._ended:
            self._poller.step()

    def _receive(self) -> None:
        try:
            packet = wire.receive(self._sock)
        except BlockingIOError:
            return
        except ConnectionError:
            packet = None
        if packet is None:
            self._ended = True
            return
        data, fds = packet
        try:
            self._handle(data, fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, data: bytes, fds: list[int]) -> None:
        try:
            request = wire.loads(data)
        except (wire.OtherVersion, CodecError) as error:
            self._outbox.refuse(f"the zygote cannot read a request: {error}")
            return
        assert isinstance(request, Request)
        try:
            self._serve(request, fds)
        except OSError as error:
            self._answer(request, Failed(explain_limit(error)))
        except (KeyError, ValueError) as error:
            self._answer(request, Failed(repr(error)))

    def _answer(self, request: Request, result: Result, fds: Sequence[int] = ()) -> None:
        self._outbox.answer(request.number, result, fds)

    def _serve(self, request: Request, fds: list[int]) -> None:
        match request.operation:
            case messages.Hello(epoch):
                self._hello = request.number, epoch
                self._greet()
            case messages.MakeSandbox() as make:
                self._answer(request, Done(), [self._make_sandbox(make, fds)])
            case messages.RemoveSandbox(id_):
                self._remove_sandbox(id_)
                self._answer(request, Done())
            case messages.OpenNetwork(id_):
                self._answer(request, Done(), [self._sandboxes[id_].fds[0]])
            case messages.StartContainer() as start:
                self._start(request.number, start)
            case messages.ListAll():
                self._answer(request, self._inventory())
            case other:
                self._serve_running(request, other, fds)

    def _serve_running(self, request: Request, operation: OnRunning, fds: list[int]) -> None:
        match operation:
            case messages.Exec() as command:
                self._exec(request.number, command, tuple(fds))
            case messages.Attach(id_, stdin):
                self._attach(request, self._running(id_), os.dup(fds[0]), stdin=stdin)
            case messages.EndInput(id_):
                self._outputs.end_input(self._container(id_))
                self._answer(request, Done())
            case messages.Signal(id_, number):
                child = self._children[id_]
                if child.exit is None:
                    os.kill(child.pid, number)
                self._answer(request, Done())
            case messages.RemoveContainer(id_):
                self._children.pop(id_, None)
                self._answer(request, Done())

    def _greet(self) -> None:
        """Answers Hello once no start is in progress, so that a new agent sees each run as started or as absent."""
        if self._hello is None or any(child.request is not None for child in self._children.values()):
            return
        (number, epoch), self._hello = self._hello, None
        self._outbox.begin(epoch)
        self._outbox.answer(number, messages.Welcome(os.getpid()))

    def _make_sandbox(self, make: messages.MakeSandbox, given: list[int]) -> int:
        """Makes new namespaces by entering them, keeping them as descriptors, and going back. Returns the network's
        descriptor; the network is the given one, if one is given."""
        if make.id in self._sandboxes:
            raise ValueError("sandbox exists")
        ipc = 0 if make.host_ipc else linux.CLONE_NEWIPC
        linux.unshare((0 if given else linux.CLONE_NEWNET) | linux.CLONE_NEWUTS | ipc)
        try:
            for fd in given[:1]:
                linux.setns(fd, linux.CLONE_NEWNET)
            linux.sethostname(make.hostname)
            for path, value in make.sysctls.items():
                linux.put(f"/proc/sys/{path}", value)
            fds = tuple(os.open(f"/proc/self/ns/{n}", os.O_RDONLY | os.O_CLOEXEC) for n in _NAMESPACES)
        finally:
            for fd in self._own:
                linux.setns(fd)
        self._sandboxes[make.id] = Namespaces(make.record, fds, self._pause() if make.share_pids else None)
        return fds[0]

    def _pause(self) -> Pause:
        """Starts the first process of a new process namespace."""
        linux.unshare(linux.CLONE_NEWPID)
        try:
            pid = os.fork()
            if pid == 0:
                launch.run_child(launch.pause, self._null)
            namespace = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            linux.setns(self._self, linux.CLONE_NEWPID)
        return Pause(os.pidfd_open(pid), namespace)

    def _remove_sandbox(self, id_: str) -> None:
        """Kills all processes left in the sandbox. The kernel deletes the network after its last descriptor is
        closed."""
        sandbox = self._sandboxes.pop(id_, None)
        if sandbox is None:
            return
        for child in list(self._children.values()):
            if isinstance(child, Container) and child.sandbox == id_:
                if child.exit is None:
                    os.kill(child.pid, signal.SIGKILL)
                self._children.pop(child.id)
        fds = sandbox.fds
        if sandbox.pause is not None:
            signal.pidfd_send_signal(sandbox.pause.pidfd, signal.SIGKILL)
            fds = (*fds, sandbox.pause.pidfd, sandbox.pause.namespace)
        for fd in fds:
            os.close(fd)

    def _container(self, id_: str) -> Container:
        child = self._children[id_]
        if not isinstance(child, Container):
            raise ValueError("not a container")
        return child

    def _running(self, id_: str) -> Container:
        container = self._container(id_)
        if container.exit is not None or not container.started_at:
            raise ValueError("container not running")
        return container

    def _start(self, number: int, start: messages.StartContainer) -> None:
        if start.id in self._children:
            raise ValueError("container exists")
        spec, sandbox = start.spec, self._sandboxes[start.sandbox]
        neighbour = self._running(start.pid_namespace_of) if start.pid_namespace_of else None
        launch.prepare(spec)
        log = LogFile(start.log_path, now=self._clock.now, max_bytes=start.log_max_bytes, max_files=start.log_max_files)
        ours, theirs = self._stdio(spec.process, stdin=spec.stdin)
        error_r, error_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if neighbour is not None:
                linux.setns(neighbour.pidfd, linux.CLONE_NEWPID)
            elif start.pids == "pod" and sandbox.pause is not None:
                linux.setns(sandbox.pause.namespace, linux.CLONE_NEWPID)
            elif start.pids == "own":
                linux.unshare(linux.CLONE_NEWPID)
            pid = self._fork(lambda: launch.container(spec, sandbox.fds, theirs, error_w), error_w)
        except OSError:
            for fd in (*ours, error_r):
                os.close(fd)
            log.close()
            raise
        finally:
            for fd in {*theirs, error_w} - {self._null}:
                os.close(fd)
        container = Container(
            start.id,
            pid,
            error_fd=error_r,
            request=number,
            sandbox=start.sandbox,
            spec=spec,
            record=start.record,
            log=log,
        )
        container.shares_pids = neighbour is not None or start.pids != "own"
        self._add(container)
        self._outputs.collect(container, ours)

    def _fork(self, body: Callable[[], None], error_w: int) -> int:
        """Forks into the pid namespace that was chosen for children, and chooses the zygote's own again."""
        try:
            pid = os.fork()
            if pid == 0:
                set_descriptor_limit(self._descriptors)
                launch.run_child(body, error_w)
            return pid
        finally:
            linux.setns(self._self, linux.CLONE_NEWPID)

    def _stdio(self, process: Process, *, stdin: bool) -> tuple[list[int], tuple[int, ...]]:
        """Returns the zygote's ends and the container's: [stdout, stderr, stdin?], or a socket over which its terminal
        comes."""
        if process.terminal:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            return [ours.detach()], (theirs.detach(),)
        out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        if not stdin:
            return [out[0], err[0]], (self._null, out[1], err[1])
        in_ = os.pipe2(os.O_CLOEXEC)
        return [out[0], err[0], in_[1]], (in_[0], out[1], err[1])

    def _exec(self, number: int, command: messages.Exec, stdio: tuple[int, ...]) -> None:
        if command.id in self._children:
            raise ValueError("exec exists")
        container = self._running(command.container)
        spec = launch.merged(container.spec, command.spec)
        error_r, error_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            linux.setns(container.pidfd, linux.CLONE_NEWPID)
            pid = self._fork(lambda: launch.command(spec, container.pidfd, stdio, error_w), error_w)
        except OSError:
            os.close(error_r)
            raise
        finally:
            os.close(error_w)
        self._add(Child(command.id, pid, error_fd=error_r, request=number))

    def _attach(self, request: Request, container: Container, fd: int, *, stdin: bool) -> None:
        """Copies the container's output to this pipe too, from now on; returns its terminal or input."""
        spec = container.spec
        stdin = stdin and spec.stdin
        given = self._outputs.attach(container, fd, stdin=stdin, now=self._clock.now())
        self._answer(request, messages.Attached(spec.process.terminal, stdin, spec.stdin_once), given)

    def _add(self, child: Child) -> None:
        self._children[child.id] = child
        self._by_pid[child.pid] = child
        self._poller.watch(child.error_fd, lambda: self._launched(child))

    def _launched(self, child: Child) -> None:
        """Handles the error pipe of a start: a text means that the program could not be started, its end that it
        runs."""
        try:
            text = os.read(child.error_fd, 4096)
        except BlockingIOError:
            return
        self._poller.close(child.error_fd)
        if child.request is None:
            return
        number, child.request = child.request, None
        if text:
            child.error = text.decode(errors="replace")
            self._outbox.answer(number, Failed(child.error))
        else:
            child.started_at = self._clock.now()
            if isinstance(child, Container) and child.shares_pids:
                child.mounts = linux.mount_namespace(child.pid)
            self._outbox.answer(number, messages.Started(child.pid, child.started_at))
        self._greet()

    def _reap(self, wake: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        for pid, status in linux.ended_children():
            child = self._by_pid.pop(pid, None)
            if child is not None:
                self._exited(child, os.waitstatus_to_exitcode(status))

    def _exited(self, child: Child, code: int) -> None:
        if child.request is not None:
            self._launched(child)
        os.close(child.pidfd)
        if isinstance(child, Container):
            self._outputs.finish(child)
            if child.mounts:
                _kill_all_in(child.mounts)
        child.exit = ExitStatus(code if code >= 0 else 128 - code, max(-code, 0), self._clock.now())
        if child.error or child.id not in self._children:
            self._children.pop(child.id, None)  # it never was, for its owner; or its owner wants no more of it
            return
        self._outbox.notify(Exited(child.id, child.started_at, child.exit))
        if not isinstance(child, Container):
            self._children.pop(child.id)

    def _inventory(self) -> messages.Inventory:
        containers = (c for c in self._children.values() if isinstance(c, Container))
        runs = (c.run() for c in containers if c.request is None and not c.error)
        sandboxes = (messages.Sandbox(id_, sandbox.record) for id_, sandbox in self._sandboxes.items())
        return messages.Inventory(tuple(sandboxes), tuple(runs))


def _kill_all_in(mounts: int) -> None:
    """Kills every process of a container that was in another's process namespace, which thus does not end with it."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and linux.mount_namespace(int(name)) == mounts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)


def main(sock: socket.socket) -> NoReturn:
    """Becomes the zygote on this end of the pair; ends the process if no process holds the other end any more.
    Every other descriptor but the standard three is closed, the inherited other end among them."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    privilege.new_session_keyring()
    gc.disable()  # nothing here makes cycles, and what was inherited must not be finalised: its descriptors are closed
    gc.freeze()
    os.closerange(3, sock.fileno())
    os.closerange(sock.fileno() + 1, 1 << 20)
    Zygote(sock, clock=RealClock()).serve()
    os._exit(0)
