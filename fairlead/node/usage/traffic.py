"""Traffic of a node's Pods: the counters of their links, and the connections that they answered.

Links are counted by the kernel all the time; connections are counted from one question to the next, and only while
questions come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.net.conntrack.opened import Opened
from fairlead.net.errors import KernelError
from fairlead.net.model import host_interface
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.protocol.messages import Sandbox

_DEVICES = "/proc/thread-self/net/dev"


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Counters of a Pod's link as the Pod sees them."""

    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int


def parse_devices(text: str) -> dict[str, LinkCounters]:
    """Reads `/proc/net/dev`: what a node's side of a link sent, the Pod received."""
    found: dict[str, LinkCounters] = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split()]
        found[name.strip()] = LinkCounters(numbers[8], numbers[9], numbers[0], numbers[1])
    return found


class TrafficMeter:
    """Measures the Pods of one node. `read_devices` returns the text of `/proc/net/dev` in the node's network."""

    def __init__(self, zygote: ZygoteClient, *, clock: Clock, read_devices: Callable[[], str]) -> None:
        self._zygote = zygote
        self._clock = clock
        self._read_devices = read_devices
        self._opened = Opened()

    async def measure(self) -> dict[str, Any]:
        """Returns the JSON tree of the present counters. Raises ZygoteEnded."""
        inventory = await self._zygote.inventory()
        devices, tracked = await asyncio.to_thread(self._read)
        return {
            "time": self._clock.now(),
            "connectionsCounted": tracked,
            "pods": [_pod(one, devices, self._opened) for one in inventory.sandboxes],
        }

    def _read(self) -> tuple[Mapping[str, LinkCounters], bool]:
        devices = parse_devices(self._read_devices())
        try:
            self._opened.read()
        except KernelError:  # the kernel lacks ctnetlink
            return devices, False
        return devices, True


def read_devices() -> str:
    with open(_DEVICES, encoding="ascii") as file:
        return file.read()


def _pod(sandbox: Sandbox, devices: Mapping[str, LinkCounters], opened: Opened) -> dict[str, Any]:
    link = devices.get(host_interface(sandbox.id))
    ips = sandbox.record.ips if link is not None else ()  # a Pod on the node's network shares the node's address
    return {
        "namespace": sandbox.record.namespace,
        "name": sandbox.record.name,
        "receivedBytes": link.received_bytes if link else 0,
        "receivedPackets": link.received_packets if link else 0,
        "sentBytes": link.sent_bytes if link else 0,
        "sentPackets": link.sent_packets if link else 0,
        "openConnections": sum(opened.open.get(ip, 0) for ip in ips),
        "connections": sum(opened.sums[ip] for ip in ips),
    }
