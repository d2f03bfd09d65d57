"""Runs a test's body as pid 1 of a sandbox like the product's: user, pid, network, mount, ipc and uts namespaces.

With `ordinary` the child first becomes a user without rights (where the run is root's). It imports nothing anew, so
modules must be imported by the test's module. `with_zygote` adds a zygote and a client in a running event loop.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import pytest

from fairlead.net import linux
from fairlead.node import zygote
from fairlead.node.wire import Message
from fairlead.node.zygoteclient import ZygoteClient

R = TypeVar("R")

_NOBODY = 65534
_PR_SET_DUMPABLE = 4
_TIMEOUT_S = 30

as_any_user = pytest.mark.parametrize("ordinary", [False, True], ids=["as-is", "ordinary-user"])


def in_sandbox(work: Callable[[str], R], *, ordinary: bool = False) -> R:
    """What `work(directory)` returns (it has to be picklable); fails with the child's traceback where it raises."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        _child(ours, theirs, lambda: work(_directory()), ordinary)
    theirs.close()
    with ours:
        if ours.recv(1) == b"m":
            for name in ("uid_map", "gid_map"):
                linux.put(f"/proc/{pid}/{name}", "0 0 65536")
            ours.send(b"m")
        answer = b"".join(iter(lambda: ours.recv(1 << 16), b""))
    status = os.waitpid(pid, 0)[1]
    if not answer:
        raise AssertionError(f"the child ended without an answer, wait status {status}")
    good, value = pickle.loads(answer)
    if not good:
        pytest.fail(value, pytrace=False)
    result: R = value
    return result


def _directory() -> str:
    """On a file system of its own, at a place that pods see of the host."""
    linux.mount("fairlead-test", "/srv", "tmpfs", 0, "mode=755")
    os.mkdir("/srv/node")
    return "/srv/node"


def _child(ours: socket.socket, theirs: socket.socket, work: Callable[[], R], ordinary: bool) -> NoReturn:
    ours.close()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        _enter(theirs, ordinary)
    except BaseException:  # noqa: BLE001 -- handed to the parent, whatever it is
        theirs.sendall(pickle.dumps((False, traceback.format_exc())))
        os._exit(1)
    first = os.fork()
    if first:
        theirs.close()
        os.waitpid(first, 0)
        os._exit(0)
    signal.signal(signal.SIGALRM, _too_long)  # pid 1 ignores what it has no handler for
    signal.alarm(_TIMEOUT_S)
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("proc", "/proc", "proc")
        answer = pickle.dumps((True, work()))
    except BaseException:  # noqa: BLE001 -- handed to the parent, whatever it is
        answer = pickle.dumps((False, traceback.format_exc()))
    theirs.sendall(answer)
    os._exit(0)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"the test's body took over {_TIMEOUT_S} s")


def _enter(parent: socket.socket, ordinary: bool) -> None:
    if ordinary and os.getuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        linux.prctl(_PR_SET_DUMPABLE, 1)
    uid, gid = os.getuid(), os.getgid()
    flags = linux.CLONE_NEWUSER | linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWPID
    linux.unshare(flags | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    if uid == 0:
        parent.send(b"m")
        parent.recv(1)
    else:
        linux.put("/proc/self/setgroups", "deny")
        linux.put("/proc/self/uid_map", f"0 {uid} 1")
        linux.put("/proc/self/gid_map", f"0 {gid} 1")
        parent.send(b"-")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def single_id() -> bool:
    """Whether the calling process's user namespace maps only one id."""
    with open("/proc/self/uid_map") as file:
        return file.read().split()[2] == "1"


class Bench:
    """A zygote with a client, and shorthands for what tests do with containers."""

    def __init__(self, directory: str, sock: socket.socket, *, epoch: int = 1) -> None:
        self.directory = directory
        self.exits: dict[str, asyncio.Future[Message]] = {}
        self.client = ZygoteClient(sock, epoch=epoch, on_exit=self._exited)

    def _exited(self, message: Message) -> None:
        self.exit_of(message["id"]).set_result(message)

    def exit_of(self, id_: str) -> asyncio.Future[Message]:
        return self.exits.setdefault(id_, asyncio.get_running_loop().create_future())

    def recipe(self, *argv: str, **extra: Any) -> Message:
        stage = self.directory + "/stage"
        os.makedirs(stage, exist_ok=True)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return {"stage": stage, "argv": list(argv), "env": env, "single_id": single_id()} | extra

    def log_path(self, id_: str) -> str:
        return f"{self.directory}/{id_}.log"

    def log(self, id_: str) -> list[str]:
        """The lines of a container's log without their times."""
        with open(self.log_path(id_)) as file:
            return [line.rstrip("\n").split(" ", 1)[1] for line in file]

    async def start(self, id_: str, *argv: str, sandbox: str = "s", meta: Any = None, **extra: Any) -> Message:
        recipe = self.recipe(*argv, **extra)
        log = self.log_path(id_)
        return await self.client.start_container(id_, sandbox=sandbox, recipe=recipe, log=log, meta=meta)

    async def run(self, id_: str, *argv: str, **extra: Any) -> tuple[Message, list[str]]:
        """Runs a container to its end: how it exited, and its log."""
        await self.start(id_, *argv, **extra)
        message = await asyncio.wait_for(self.exit_of(id_), 10)
        return message["exit"], self.log(id_)


def fork_zygote() -> socket.socket:
    """Forks a zygote and returns the agent's end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        zygote.main(theirs)
    theirs.close()
    return ours


def with_zygote(work: Callable[[Bench], Awaitable[R]], *, ordinary: bool = False) -> R:
    """Runs `work` with a zygote that has one sandbox, `s`, whose host name is `box`."""

    def body(directory: str) -> R:
        sock = fork_zygote()

        async def main() -> R:
            bench = Bench(directory, sock)
            await bench.client.start()
            os.close(await bench.client.make_sandbox("s", hostname="box", meta={"pod": "p"}))
            return await work(bench)

        return asyncio.run(main())

    return in_sandbox(body, ordinary=ordinary)
