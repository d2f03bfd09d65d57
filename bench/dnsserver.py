"""`python -m bench.dnsserver PORT`: an upstream that knows every name; and API-PORT UPSTREAM-PORT: our DNS server."""

from __future__ import annotations

import asyncio
import random
import socket
import sys

from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.dns.forwarding.lines import DirectDialer
from fairlead.dns.program.process import Settings, run
from fairlead.dns.serving.sockets import listening
from fairlead.runtime.http import HttpTransport

_RECORD = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\x4d"


def upstream(port: int) -> None:
    """Answers every query with 192.0.2.77, on the loopback only."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        while True:
            data, peer = sock.recvfrom(4096)
            end = data.find(b"\0", 12) + 5
            sock.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:end] + _RECORD, peer)


async def server(port: int, api_port: int, upstream_port: int) -> None:
    await run(
        Settings(address="127.0.0.1", metrics_port=0, ready_port=0, health_port=0),
        api=HttpTransport(f"http://127.0.0.1:{api_port}", ssl_context=None),
        sockets=listening(port, address="127.0.0.1"),
        dialer=DirectDialer(f"127.0.0.1:{upstream_port}"),
        clock=RealClock(),
        rng=random.Random(),
        log=SILENT,
        ending=asyncio.Event(),
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    if len(numbers) == 1:
        upstream(numbers[0])
    else:
        asyncio.run(server(*numbers))
