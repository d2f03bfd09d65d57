"""An agent and a zygote of different versions."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteEnded, ZygoteError, ZygoteVersionError
from fairlead.node.runtime.protocol.messages import VERSION


async def _start_against(answer: bytes) -> None:
    """Starts a client whose zygote answers every request with this packet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    with ours, theirs:
        client = ZygoteClient(ours, epoch=1, new_id=lambda: "")
        loop.add_reader(theirs.fileno(), lambda: theirs.recv(1 << 16) and theirs.send(answer))
        try:
            await client.start()
        finally:
            loop.remove_reader(theirs.fileno())
            client.stop()


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        ({"version": VERSION + 1, "message": {"new": 1}}, f"speaks version {VERSION + 1}, "),
        ({"e": 7, "re": None, "error": "KeyError('op')"}, "speaks an unversioned protocol, "),
    ],
)
def test_a_zygote_of_another_version_is_refused_in_one_line(packet: object, said: str) -> None:
    with pytest.raises(ZygoteVersionError, match=f"{said}its agent version {VERSION}: restart the cluster") as caught:
        asyncio.run(_start_against(json.dumps(packet).encode()))
    assert "\n" not in str(caught.value)


def test_a_zygote_that_sends_no_message_is_given_up() -> None:
    packet = json.dumps({"version": VERSION, "message": {"type": "Answer"}}).encode()
    with pytest.raises(ZygoteEnded, match=r"message\.epoch: is missing"):
        asyncio.run(_start_against(packet))


def test_an_answer_of_another_sort_than_was_asked_for_is_an_error() -> None:
    answer = {"type": "Answer", "epoch": 1, "number": 1, "result": {"type": "Done"}}
    with pytest.raises(ZygoteError, match="answered Hello with Done"):
        asyncio.run(_start_against(json.dumps({"version": VERSION, "message": answer}).encode()))
