"""The messages between the sandbox and the supervisor about sockets on the host, as values.

One datagram a message over a SOCK_SEQPACKET pair. Each request has a number, which its reply repeats. A socket
accompanies its `Opened`. A message is decoded completely or rejected: the supervisor trusts the sandbox no further.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fairlead.base.codec import CodecError, decode, encode
from fairlead.base.dataclass import dataclass

Protocol = Literal["TCP", "UDP"]

MAX_BYTES = 4096
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Listen:
    """Asks for a socket bound to the host's 127.0.0.1. Port 0: any free port."""

    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Connect:
    """Asks for a connection to a port of the host's 127.0.0.1; with UDP: for a socket that sends there."""

    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Dial:
    """Asks for a connection to another machine, as Connect does."""

    address: str
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class ListServers:
    """Asks for the present upstream name servers."""


@dataclass(frozen=True, slots=True)
class Opened:
    port: int
    """The socket's own port."""


@dataclass(frozen=True, slots=True)
class Refused:
    error: str


@dataclass(frozen=True, slots=True)
class Servers:
    servers: tuple[str, ...]


Request = Listen | Connect | Dial | ListServers
Reply = Opened | Refused | Servers
Message = Request | Reply


class MessageError(ValueError):
    """A datagram that is not a message."""


@dataclass(frozen=True, slots=True)
class Packet:
    number: int
    message: Message


_PACKET: Any = Packet


def pack(number: int, message: Message) -> bytes:
    return json.dumps(encode(_PACKET, Packet(number, message))).encode()


def unpack(data: bytes) -> Packet:
    """Returns the message of a datagram. Raises MessageError."""
    try:
        packet = decode(Packet, json.loads(data))
    except (CodecError, RecursionError, ValueError) as e:
        raise MessageError("invalid message") from e
    message = packet.message
    if isinstance(message, Listen | Connect | Dial) and not 0 <= message.port <= _MAX_PORT:
        raise MessageError("invalid port")
    return packet
