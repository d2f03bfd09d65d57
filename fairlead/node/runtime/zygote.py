"""The zygote: a small process that starts a node's containers, keeps them, and outlives the agent.

The sandbox forks it early, while it is small: forking a small process takes a millisecond. It is single-threaded,
imports little, and is the parent of every container (which die with it) and of every exec. What it was told about
a container it gives back on `list`, so an agent that starts anew finds everything as it was.

Requests `{"q": number, "op": ...}`; answers `{"e": epoch, "re": number, ...}`; happenings `{"e": epoch, "ev": ...}`.
The epoch is set by `hello`, an agent's first request: what was meant for a dead agent is recognised and dropped.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from fairlead.base.clock import Clock, RealClock
from fairlead.base.limits import descriptor_limit, explain_fork, raise_descriptor_limit, set_descriptor_limit
from fairlead.net import linux
from fairlead.node.runtime import launch, privilege, wire
from fairlead.node.runtime.attached import CHANNELS, Attached, Opening
from fairlead.node.runtime.children import Child, Sandbox
from fairlead.node.runtime.logfile import LogFile, LogStream
from fairlead.node.runtime.wire import Message

_QUEUE_LIMIT = 4096  # answers and happenings kept for an agent that does not read
_CHUNK = 65536
_OPENING_S = 30.0
"""How long after the start a first client is given what it has missed: longer than `kubectl run` takes."""
_NAMESPACES = ("net", "uts", "ipc")


class Zygote:
    """One step at a time: a request, an output, an exit. Nothing here may block."""

    def __init__(self, sock: socket.socket, *, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self._epoch = 0
        self._queue: deque[tuple[Message, list[int]]] = deque()
        self._sandboxes: dict[str, Sandbox] = {}
        self._children: dict[str, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._poll = select.epoll()
        self._readers: dict[int, Callable[[], object]] = {}
        self._writers: dict[int, Callable[[], object]] = {sock.fileno(): self._flush}
        self._self = os.pidfd_open(os.getpid())
        self._own = tuple(os.open(f"/proc/self/ns/{n}", os.O_RDONLY | os.O_CLOEXEC) for n in _NAMESPACES)
        self._descriptors = descriptor_limit()
        """Of containers. The zygote itself has some for each of them."""
        raise_descriptor_limit()
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._hello: Message | None = None
        """A new agent's first request, until it can be answered."""
        self._ended = False

    def run(self) -> None:
        """Serves until the other side of the socket is closed everywhere."""
        wake_r, wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        self._watch(wake_r, lambda: self._reap(wake_r))
        self._watch(self._sock.fileno(), self._requests)
        while not self._ended:
            for fd, events in self._poll.poll():
                writer = self._writers.get(fd)
                if writer and events & select.EPOLLOUT:
                    writer()
                reader = self._readers.get(fd)
                if reader and events & ~select.EPOLLOUT:
                    reader()

    def _watch(self, fd: int, reader: Callable[[], object]) -> None:
        self._readers[fd] = reader
        self._poll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        self._writers.pop(fd, None)
        if self._readers.pop(fd, None):
            self._poll.unregister(fd)
            os.close(fd)

    def _requests(self) -> None:
        try:
            got = wire.receive(self._sock)
        except BlockingIOError:
            return
        except ConnectionError:
            got = None
        if got is None:
            self._ended = True
            return
        request, fds = got
        try:
            self._serve(request, fds)
        except (OSError, KeyError, ValueError) as error:
            self._say(
                {"re": request.get("q"), "error": explain_fork(error) if isinstance(error, OSError) else repr(error)}
            )
        finally:
            for fd in fds:
                os.close(fd)

    def _serve(self, request: Message, fds: list[int]) -> None:
        match request["op"]:
            case "hello":
                self._hello = request
                self._greet()
            case "sandbox":
                self._make_sandbox(request, fds)
            case "sandbox_remove":
                self._remove_sandbox(request["id"])
                self._say({"re": request["q"]})
            case "netns":
                self._say({"re": request["q"]}, [self._sandboxes[request["id"]].fds[0]])
            case "start":
                self._start(request)
            case "exec":
                self._exec(request, fds)
            case "attach":
                self._attach(request, fds)
            case "end_input":
                self._end_input(self._children[request["id"]])
                self._say({"re": request["q"]})
            case "signal":
                self._signal(request)
            case "list":
                self._list(request["q"])
            case "forget":
                self._forget(request["id"])
                self._say({"re": request["q"]})
            case other:
                raise ValueError(f"no such operation: {other}")

    def _greet(self) -> None:
        """Answers `hello` once nothing is half started any more, so that a new agent sees either a run or none."""
        if self._hello is None or any(child.seq is not None for child in self._children.values()):
            return
        request, self._hello = self._hello, None
        self._epoch = request["epoch"]
        self._drop_queue()
        self._say({"re": request["q"], "pid": os.getpid()})

    def _make_sandbox(self, request: Message, given: list[int]) -> None:
        """New namespaces by entering them, keeping them as descriptors, and going back. The network is the given
        one, where one is given."""
        if request["id"] in self._sandboxes:
            raise ValueError("sandbox exists")
        linux.unshare((0 if given else linux.CLONE_NEWNET) | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC)
        try:
            for fd in given[:1]:
                linux.setns(fd, linux.CLONE_NEWNET)
            linux.sethostname(request["hostname"])
            fds = tuple(os.open(f"/proc/self/ns/{n}", os.O_RDONLY | os.O_CLOEXEC) for n in _NAMESPACES)
        finally:
            for fd in self._own:
                linux.setns(fd)
        self._sandboxes[request["id"]] = Sandbox(request["id"], request.get("meta"), fds)
        self._say({"re": request["q"]}, [fds[0]])

    def _remove_sandbox(self, id_: str) -> None:
        """Kills what still runs in it. The network goes when its last descriptor is closed."""
        sandbox = self._sandboxes.pop(id_, None)
        if sandbox is None:
            return
        for child in list(self._children.values()):
            if child.sandbox == id_:
                if child.exit is None:
                    os.kill(child.pid, signal.SIGKILL)
                self._forget(child.id)
        for fd in sandbox.fds:
            os.close(fd)

    def _start(self, request: Message) -> None:
        if request["id"] in self._children:
            raise ValueError("container exists")
        recipe = request["recipe"]
        namespaces = self._sandboxes[request["sandbox"]].fds
        target = self._running(request["target"]) if "target" in request else None
        log = LogFile(request["log"], now=self._clock.now)
        ours, theirs = self._stdio(recipe)
        error_r, error_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if target is None:
                linux.unshare(linux.CLONE_NEWPID)
            else:
                linux.setns(target.pidfd, linux.CLONE_NEWPID)
            pid = self._fork(lambda: launch.container(recipe, namespaces, theirs, error_w), error_w)
        except OSError:
            for fd in (*ours, error_r):
                os.close(fd)
            log.close()
            raise
        finally:
            for fd in {*theirs, error_w} - {self._null}:
                os.close(fd)
        child = self._adopt(request, pid, error_r)
        child.log = log
        child.opening = Opening() if recipe.get("stdin") and recipe.get("stdin_once") else None
        self._collect(child, ours, tty=bool(recipe.get("tty")))

    def _running(self, id_: str) -> Child:
        child = self._children[id_]
        if child.exit is not None or not child.started:
            raise ValueError("container not running")
        return child

    def _fork(self, body: Callable[[], None], error_w: int) -> int:
        """Forks into the pid namespace that was chosen for children, and chooses our own again."""
        try:
            pid = os.fork()
            if pid == 0:
                set_descriptor_limit(self._descriptors)
                launch.run_child(body, error_w)
            return pid
        finally:
            linux.setns(self._self, linux.CLONE_NEWPID)

    def _stdio(self, recipe: Message) -> tuple[list[int], tuple[int, ...]]:
        """Our ends and the container's: [stdout, stderr, stdin?], or a socket over which its terminal comes."""
        if recipe.get("tty"):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            return [ours.detach()], (theirs.detach(),)
        out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        if not recipe.get("stdin"):
            return [out[0], err[0]], (self._null, out[1], err[1])
        stdin = os.pipe2(os.O_CLOEXEC)
        return [out[0], err[0], stdin[1]], (stdin[0], out[1], err[1])

    def _collect(self, child: Child, fds: list[int], *, tty: bool) -> None:
        if tty:
            child.console = fds[0]
            self._watch(fds[0], lambda: self._terminal(child, fds[0]))
            return
        self._output(child, fds[0], "stdout")
        self._output(child, fds[1], "stderr")
        child.stdin = fds[2] if fds[2:] else -1

    def _output(self, child: Child, fd: int, name: str) -> None:
        os.set_blocking(fd, False)
        assert child.log is not None
        child.outputs[fd] = LogStream(child.log, name)
        self._watch(fd, lambda: self._copy(child, fd))

    def _terminal(self, child: Child, fd: int) -> None:
        with socket.socket(fileno=os.dup(fd)) as console:
            fds = wire.take_fds(console)
        child.console = -1
        self._unwatch(fd)
        for master in fds:
            self._output(child, master, "stdout")

    def _copy(self, child: Child, fd: int) -> bool:
        """One read from an output to the log; False at its end or where there is nothing to read."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: a terminal without a program
            data = b""
        if data:
            stream = child.outputs[fd]
            stream.feed(data)
            if child.opening is not None:
                child.opening.feed(CHANNELS[stream.name], data)
            for attached in child.attached[:]:
                attached.feed(CHANNELS[stream.name], data)
                self._pass_on(child, attached)
            return True
        child.outputs.pop(fd).end()
        self._unwatch(fd)
        return False

    def _exec(self, request: Message, fds: list[int]) -> None:
        if request["id"] in self._children:
            raise ValueError("exec exists")
        target = self._running(request["container"])
        recipe = {k: v for k, v in target.recipe.items() if k != "tty"} | request["recipe"]
        recipe["env"] = recipe["env"] | recipe.get("add_env", {})
        stdio = tuple(fds)
        error_r, error_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            linux.setns(target.pidfd, linux.CLONE_NEWPID)
            pid = self._fork(lambda: launch.command(recipe, target.pidfd, stdio, error_w), error_w)
        except OSError:
            os.close(error_r)
            raise
        finally:
            os.close(error_w)
        self._adopt(request, pid, error_r)

    def _attach(self, request: Message, fds: list[int]) -> None:
        """From now on what the container says goes to this pipe too; its terminal or input is given back."""
        child = self._children[request["id"]]
        if child.exit is not None or not child.started or child.log is None:
            raise ValueError("container not running")
        if child.console >= 0:
            self._terminal(child, child.console)  # it was sent before the program was started
        recipe = child.recipe
        tty, stdin = bool(recipe.get("tty")), bool(recipe.get("stdin") and request["stdin"])
        attached = Attached(os.dup(fds[0]), stdin=stdin)
        self._watch(attached.fd, lambda: self._left(child, attached))
        self._writers[attached.fd] = lambda: self._pass_on(child, attached)
        child.attached.append(attached)
        if stdin and child.opening is not None:
            opening, child.opening = child.opening, None
            if self._clock.now() < child.started + _OPENING_S:
                opening.hand_over(attached)
                self._pass_on(child, attached)
        given = list(child.outputs)[:1] if tty else [child.stdin] if stdin and child.stdin >= 0 else []
        self._say({"re": request["q"], "tty": tty, "stdin": stdin, "once": bool(recipe.get("stdin_once"))}, given)

    def _pass_on(self, child: Child, attached: Attached) -> None:
        sent = attached.flush()
        if sent and attached.ended:
            self._detach(child, attached)
        else:
            self._poll.modify(attached.fd, select.EPOLLIN | (0 if sent else select.EPOLLOUT))

    def _left(self, child: Child, attached: Attached) -> None:
        if attached.left():  # and not another's end that had the same number a moment ago
            self._detach(child, attached)

    def _detach(self, child: Child, attached: Attached) -> None:
        if attached not in child.attached:
            return
        child.attached.remove(attached)
        self._unwatch(attached.fd)
        if attached.stdin:
            self._end_input(child)

    def _end_input(self, child: Child) -> None:
        """The first client with an input has gone or has nothing more to say: with `stdinOnce` that was all."""
        if child.stdin >= 0 and child.recipe.get("stdin_once"):
            os.close(child.stdin)
            child.stdin = -1

    def _adopt(self, request: Message, pid: int, error_fd: int) -> Child:
        child = Child(request, pid)
        child.error_fd = error_fd
        self._children[child.id] = child
        self._by_pid[pid] = child
        self._watch(error_fd, lambda: self._launched(child, error_fd))
        return child

    def _launched(self, child: Child, fd: int) -> None:
        """The error pipe speaks or ends: the program could not be started, or runs."""
        try:
            text = os.read(fd, 4096)
        except BlockingIOError:
            return
        self._unwatch(fd)
        if child.seq is None:
            return
        seq, child.seq = child.seq, None
        if text:
            child.error = text.decode(errors="replace")
            self._say({"re": seq, "error": child.error})
        else:
            child.started = self._clock.now()
            if child.target:
                child.mounts = linux.mount_namespace(child.pid)
            self._say({"re": seq, "pid": child.pid, "started": child.started})
        self._greet()

    def _reap(self, wake: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        for pid, status in linux.ended_children():
            child = self._by_pid.pop(pid, None)
            if child is not None:
                self._exited(child, os.waitstatus_to_exitcode(status))

    def _exited(self, child: Child, code: int) -> None:
        if child.seq is not None:
            self._launched(child, child.error_fd)
        if child.console >= 0:
            self._terminal(child, child.console)
        for fd in list(child.outputs):
            while self._copy(child, fd):
                pass
            if fd in child.outputs:
                child.outputs.pop(fd).end()
                self._unwatch(fd)
        if child.log is not None:
            child.log.close()
        for attached in child.attached[:]:
            attached.ended = True
            self._pass_on(child, attached)
        for fd in {child.stdin, child.pidfd} - {-1}:
            os.close(fd)
        child.stdin, child.opening = -1, None
        if child.mounts:
            _kill_all_in(child.mounts)
        child.exit = {"code": code if code >= 0 else 128 - code, "signal": max(-code, 0), "time": self._clock.now()}
        if child.error or child.id not in self._children:
            self._children.pop(child.id, None)  # it never was, for its owner; or its owner wants no more of it
            return
        self._say({"ev": "exit", **child.view()})
        if child.container:
            self._children.pop(child.id)

    def _signal(self, request: Message) -> None:
        child = self._children[request["id"]]
        if child.exit is None:
            os.kill(child.pid, request["sig"])
        self._say({"re": request["q"]})

    def _list(self, seq: int) -> None:
        for sandbox in self._sandboxes.values():
            self._say({"re": seq, "more": 1, "sandbox": {"id": sandbox.id, "meta": sandbox.meta}})
        for child in self._children.values():
            if child.seq is None and not child.container and not child.error:
                self._say({"re": seq, "more": 1, "child": child.view()})
        self._say({"re": seq})

    def _forget(self, id_: str) -> None:
        self._children.pop(id_, None)

    def _say(self, message: Message, fds: list[int] | None = None) -> None:
        if not self._epoch:
            return
        self._queue.append(({"e": self._epoch, **message}, [os.dup(fd) for fd in fds or ()]))
        if len(self._queue) > _QUEUE_LIMIT:
            self._drop_queue()
            self._queue.append(({"e": self._epoch, "ev": "overflow"}, []))
        self._flush()

    def _drop_queue(self) -> None:
        for _, fds in self._queue:
            for fd in fds:
                os.close(fd)
        self._queue.clear()

    def _flush(self) -> None:
        """Sends what the agent has room for; asks to be woken for the rest."""
        while self._queue:
            message, fds = self._queue[0]
            try:
                wire.send(self._sock, message, fds)
            except (BlockingIOError, ConnectionError):
                break
            self._queue.popleft()
            for fd in fds:
                os.close(fd)
        wanted = select.EPOLLIN | (select.EPOLLOUT if self._queue else 0)
        self._poll.modify(self._sock.fileno(), wanted)


def _kill_all_in(mounts: int) -> None:
    """Kills every process of a container that was in another's process namespace, which thus does not end with it."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and linux.mount_namespace(int(name)) == mounts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)


def main(sock: socket.socket) -> NoReturn:
    """Becomes the zygote on this end of the pair; ends the process when nobody holds the other end any more.
    Every other descriptor but the standard three is closed, the inherited other end among them."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    privilege.new_session_keyring()
    gc.disable()  # nothing here makes cycles, and what was inherited must not be finalised: its descriptors are closed
    gc.freeze()
    os.closerange(3, sock.fileno())
    os.closerange(sock.fileno() + 1, 1 << 20)
    Zygote(sock, clock=RealClock()).run()
    os._exit(0)
