"""Runs a test's body as pid 1 of a sandbox like the product's: user, pid, network, mount, ipc and uts namespaces.

With `ordinary` the child first becomes a user without rights (if root runs the tests). It imports nothing anew, so
modules must be imported by the test's module. `with_zygote` adds a zygote and a client in a running event loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

from fairlead.net import linux
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, Process
from fairlead.node.runtime.protocol.messages import (
    ContainerRecord,
    Exited,
    ExitStatus,
    MakeSandbox,
    SandboxRecord,
    StartContainer,
    Started,
)
from fairlead.node.runtime.zygote import zygote
from tests.net.sandbox import TIMEOUT_S, answer, answer_of, enter

R = TypeVar("R")
_OF_PROCESS = [field.name for field in dataclasses.fields(Process)]
SANDBOX = SandboxRecord(namespace="ns", name="p", ips=("10.244.1.2",))

_NAMESPACES = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
)


def in_sandbox(work: Callable[[str], R], *, ordinary: bool = False) -> R:
    """Returns the result of `work(directory)` (it has to be picklable); fails with the child's traceback if `work`
    raises."""
    result: R = answer_of(lambda parent: _child(parent, lambda: work(_directory()), ordinary))
    return result


def _directory() -> str:
    """Returns a directory on a separate file system, at a path of the host that pods see."""
    linux.mount("fairlead-test", "/srv", "tmpfs", 0, "mode=755")
    os.mkdir("/srv/node")
    return "/srv/node"


def _child(parent: socket.socket, work: Callable[[], R], ordinary: bool) -> NoReturn:
    try:
        enter(parent, _NAMESPACES, ordinary=ordinary)
        first = os.fork()
    except BaseException as e:  # noqa: BLE001 -- handed to the parent, whatever it is
        answer(parent, partial(_raise, e))
    if first:
        parent.close()
        os.waitpid(first, 0)
        os._exit(0)
    signal.signal(signal.SIGALRM, _too_long)  # pid 1 ignores signals without a handler
    signal.alarm(TIMEOUT_S)

    def body() -> R:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("proc", "/proc", "proc")
        return work()

    answer(parent, body)


def _raise(error: BaseException) -> NoReturn:
    raise error


def _too_long(*_: object) -> None:
    raise TimeoutError(f"the test's body took over {TIMEOUT_S} s")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def single_id() -> bool:
    """Returns True if the calling process's user namespace maps only one id."""
    with open("/proc/self/uid_map") as file:
        return file.read().split()[2] == "1"


class Bench:
    """A zygote with a client, and shorthands for what tests do with containers."""

    def __init__(self, directory: str, sock: socket.socket, *, epoch: int = 1) -> None:
        self.directory = directory
        self.exits: dict[str, asyncio.Future[Exited]] = {}
        self.client = ZygoteClient(sock, epoch=epoch, new_id=lambda: "")

    def exit_of(self, id_: str) -> asyncio.Future[Exited]:
        """Returns the same future for the same id, so that an exit can be asked for twice."""
        if id_ not in self.exits:
            self.exits[id_] = self.client.exits.wait(id_)
        return self.exits[id_]

    def spec(self, *args: str, **fields: Any) -> ContainerSpec:
        """A container with this command line; `fields` are those of its process and its own."""
        bundle = self.directory + "/bundle"
        os.makedirs(bundle, exist_ok=True)
        process: dict[str, Any] = {"args": args, "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}}
        process |= {name: fields.pop(name) for name in _OF_PROCESS if name in fields}
        return ContainerSpec(process=Process(**process), bundle=bundle, single_id=single_id(), **fields)

    def log_path(self, id_: str) -> str:
        return f"{self.directory}/{id_}.log"

    def log(self, id_: str) -> list[str]:
        """The lines of a container's log without their times."""
        with open(self.log_path(id_)) as file:
            return [line.rstrip("\n").split(" ", 1)[1] for line in file]

    async def start(self, id_: str, *args: str, beside: str = "", **extra: Any) -> Started:
        """Starts a container in the sandbox `s`, with `beside` among another's processes."""
        record = ContainerRecord(
            container="main", attempt=0, backoff_s=0.0, image="i", image_id="host://i", stop_signal=""
        )
        message = StartContainer(
            id=id_,
            sandbox="s",
            spec=self.spec(*args, **extra),
            log_path=self.log_path(id_),
            record=record,
            pid_namespace_of=beside,
        )
        return await self.client.start_container(message)

    async def run(self, id_: str, *args: str, **extra: Any) -> tuple[ExitStatus, list[str]]:
        """Runs a container to its end: how it exited, and its log."""
        await self.start(id_, *args, **extra)
        exited = await asyncio.wait_for(self.exit_of(id_), 30)
        return exited.exit, self.log(id_)


def fork_zygote() -> socket.socket:
    """Forks a zygote and returns the agent's end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        zygote.main(theirs)
    theirs.close()
    return ours


def with_zygote(
    work: Callable[[Bench], Awaitable[R]], *, ordinary: bool = False, before: Callable[[], None] = lambda: None
) -> R:
    """Runs `work` with a zygote that has one sandbox, `s`, whose host name is `box`; `before` it is forked."""

    def body(directory: str) -> R:
        before()
        sock = fork_zygote()

        async def main() -> R:
            bench = Bench(directory, sock)
            await bench.client.start()
            os.close(await bench.client.make_sandbox(MakeSandbox("s", "box", SANDBOX)))
            return await work(bench)

        return asyncio.run(main())

    return in_sandbox(body, ordinary=ordinary)
