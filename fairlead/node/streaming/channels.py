"""Channels over WebSocket messages: the first byte of a message names the channel, the rest is data. No I/O.

With a base64 protocol the channel is a digit and the data is encoded, so that messages may be text. `v5.channel.k8s.io`
adds a signal that closes one channel of the client: byte 255 and the channel's number.
"""

from __future__ import annotations

import base64
import binascii

from fairlead.base.dataclass import dataclass

MAX_MESSAGE = 32 << 20
"""Bytes of one message from a client; upstream's limit."""
_CLOSE = 255
_DIGIT = ord("0")


class ProtocolError(ValueError):
    """The peer breaks its protocol; the connection cannot be used further."""


@dataclass(frozen=True, slots=True)
class ChannelProtocol:
    """One WebSocket subprotocol."""

    name: str
    base64: bool = False
    closes: bool = False
    """The client can close one channel."""
    json_status: bool = False
    """The error channel ends with a Status as JSON; otherwise with the text of a failure, or with nothing."""


@dataclass(frozen=True, slots=True)
class ChannelData:
    """Data on a channel."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The client sends no more data on a channel."""

    channel: int


COMMAND_PROTOCOLS = (
    ChannelProtocol(""),
    ChannelProtocol("channel.k8s.io"),
    ChannelProtocol("base64.channel.k8s.io", base64=True),
    ChannelProtocol("v4.channel.k8s.io", json_status=True),
    ChannelProtocol("v4.base64.channel.k8s.io", base64=True, json_status=True),
    ChannelProtocol("v5.channel.k8s.io", closes=True, json_status=True),
)
"""The protocols of exec and attach. The empty name: a client that asks for no subprotocol."""
PORT_PROTOCOLS = (
    ChannelProtocol(""),
    ChannelProtocol("portforward.k8s.io"),
    ChannelProtocol("v4.channel.k8s.io"),
    ChannelProtocol("v4.base64.channel.k8s.io", base64=True),
)
"""The protocols of port-forward without SPDY."""


def decode(protocol: ChannelProtocol, message: bytes) -> ChannelData | ChannelClosed | None:
    """Returns what a message says; None for an empty one. Raises ProtocolError."""
    if not message:
        return None
    channel, data = message[0], message[1:]
    if protocol.closes and channel == _CLOSE:
        if len(data) != 1:
            raise ProtocolError(f"invalid close signal: {len(data)} bytes, expected 1")
        return ChannelClosed(data[0])
    if not protocol.base64:
        return ChannelData(channel, data)
    return ChannelData((channel - _DIGIT) % 256, _decoded(data))


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data.translate(None, b"\r\n"), validate=True)
    except binascii.Error as error:
        raise ProtocolError(f"illegal base64 data: {error}") from error


def encode(protocol: ChannelProtocol, channel: int, data: bytes) -> bytes | str:
    """Returns the message: text with base64, otherwise binary."""
    if protocol.base64:
        return chr(_DIGIT + channel) + base64.b64encode(data).decode()
    return bytes([channel]) + data
