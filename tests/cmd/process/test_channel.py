"""The line between supervisor and sandbox: whole messages, and pids as the reader knows them."""

from __future__ import annotations

import os
import threading
from functools import partial

import pytest

from fairlead.cmd.process import channel
from fairlead.cmd.process.messages import Ended, StepDone, Stop
from fairlead.net import linux
from tests.net.sandbox import in_sandbox


def test_messages_come_whole_and_in_order_with_their_sender() -> None:
    ours, theirs = channel.pair()
    theirs.send(StepDone("a"))
    theirs.send(StepDone("b"))
    assert ours.receive() == (StepDone("a"), os.getpid())
    assert ours.receive() == (StepDone("b"), os.getpid())
    theirs.close()
    assert ours.receive() is None
    ours.close()


def child_of_a_pid_namespace(theirs: channel.Channel) -> tuple[int, int]:
    """Runs in a new pid namespace: sends the pid that its child has there."""
    linux.unshare(linux.CLONE_NEWPID)
    first = os.fork()
    if first == 0:
        second = os.fork()
        if second == 0:
            theirs.receive()
            os._exit(0)
        theirs.send(Ended("child", second), pid=second)
        os.waitpid(second, 0)
        os._exit(0)
    return os.waitpid(first, 0)


@pytest.mark.kernel
def test_a_pid_of_a_pid_namespace_is_translated() -> None:
    ours, theirs = channel.pair()
    seen: list[tuple[int, list[str]]] = []

    def listen() -> None:
        received = ours.receive()
        assert received is not None
        message, pid = received
        with open(f"/proc/{pid}/status") as f:
            numbers = next(line.split()[1:] for line in f if line.startswith("NSpid:"))
        assert isinstance(message, Ended)
        seen.append((message.code, numbers))
        ours.send(Stop())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    in_sandbox(partial(child_of_a_pid_namespace, theirs))
    listener.join(10)
    ((inside, numbers),) = seen
    assert numbers[-1] == str(inside)
    assert len(numbers) == 2
    ours.close()
    theirs.close()
