"""The remote command protocols (exec and attach): what the streams mean, and how a command's end is reported. No I/O.

    version                streams of the client                       error stream
    channel.k8s.io         error, stdin, stdout, stderr                text of a failure
    v2.channel.k8s.io      the same; stdin can be half-closed          text of a failure
    v3.channel.k8s.io      and resize, if there is a terminal          text of a failure
    v4.channel.k8s.io      the same                                    a Status as JSON

The client opens all its streams before the command starts. Source: upstream's `remotecommand` package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.node.streaming import spdy
from fairlead.node.streaming.channels import ProtocolError

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CHANNELS: Mapping[str, int] = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
_MAX_EARLY = 1 << 20
"""Bytes of input that may come before the client has opened all streams."""
_MAX_SIZE = 1 << 10
"""Bytes of an unfinished terminal size."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the protocol over SPDY."""

    name: str
    resizes: bool
    json_status: bool


VERSIONS = (
    Version("v4.channel.k8s.io", resizes=True, json_status=True),
    Version("v3.channel.k8s.io", resizes=True, json_status=False),
    Version("v2.channel.k8s.io", resizes=False, json_status=False),
    Version("channel.k8s.io", resizes=False, json_status=False),
)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The streams that a request asks for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def channels(self, version: Version) -> frozenset[int]:
        """Returns the channels that a SPDY client opens."""
        asked = ((STDIN, self.stdin), (STDOUT, self.stdout), (STDERR, self.stderr))
        channels = {ERROR, *(channel for channel, on in asked if on)}
        return frozenset(channels | {RESIZE} if self.tty and version.resizes else channels)


@dataclass(frozen=True, slots=True)
class Input:
    """Data for the command's standard input."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnd:
    """The client has no more data for the command's standard input."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The client's terminal has another size."""

    columns: int
    rows: int


Event = Input | InputEnd | Resize


def parse_size(data: bytes) -> Resize | None:
    """Returns the size in `{"Width": ..., "Height": ...}`; None for anything else."""
    try:
        return _size(json.loads(data))
    except (ValueError, RecursionError):
        return None


def _size(tree: Any) -> Resize | None:
    if not isinstance(tree, dict):
        return None
    columns, rows = tree.get("Width"), tree.get("Height")
    fits = all(type(side) is int and 0 < side < 65536 for side in (columns, rows))
    return Resize(columns, rows) if fits else None  # type: ignore[arg-type]


class Sizes:
    """Cuts a stream of JSON documents into terminal sizes."""

    def __init__(self) -> None:
        self._rest = ""
        self._decoder = json.JSONDecoder()

    def receive(self, data: bytes) -> Iterator[Resize]:
        """Raises ProtocolError if a document never ends."""
        self._rest = (self._rest + data.decode("utf-8", "replace")).lstrip()
        while self._rest:
            try:
                tree, end = self._decoder.raw_decode(self._rest)
            except (ValueError, RecursionError) as error:
                if len(self._rest) > _MAX_SIZE:
                    raise ProtocolError("no terminal size") from error
                return
            self._rest = self._rest[end:].lstrip()
            size = _size(tree)
            if size is not None:
                yield size


class SpdyCommand:
    """One command's streams over a SPDY session. What is to be sent gathers in `outgoing`."""

    def __init__(self, version: Version, options: StreamOptions) -> None:
        self._version = version
        self._missing = set(options.channels(version))
        self._session = spdy.Session()
        self._streams: dict[int, int] = {}
        """Streams by channel."""
        self._channels: dict[int, int] = {}
        """Channels by stream."""
        self._sizes = Sizes()
        self._early = 0
        self.outgoing = bytearray()

    @property
    def open(self) -> bool:
        """Returns True if the client has opened every stream that the request asks for."""
        return not self._missing

    def receive(self, data: bytes) -> Iterator[Event]:
        """Raises ProtocolError."""
        for event in self._session.receive(data):
            yield from self._on(event)

    def _on(self, event: spdy.Event) -> Iterator[Event]:
        match event:
            case spdy.Opened(stream, headers):
                self._opened(stream, headers.get("streamtype", ""))
            case spdy.Data(stream, data):
                yield from self._said(self._channels.get(stream, -1), data)
            case spdy.Ended(stream):
                if self._channels.get(stream) == STDIN:
                    yield InputEnd()
            case spdy.Ping():
                self.outgoing += self._session.pong(event)

    def _opened(self, stream: int, kind: str) -> None:
        channel = _CHANNELS.get(kind, -1)
        if channel < 0 or channel in self._streams:
            self.outgoing += self._session.reset(stream)
            return
        self._streams[channel], self._channels[stream] = stream, channel
        self._missing.discard(channel)
        self.outgoing += self._session.reply(stream)

    def _said(self, channel: int, data: bytes) -> Iterator[Event]:
        if channel == STDIN:
            self._early += 0 if self.open else len(data)
            if self._early > _MAX_EARLY:
                raise ProtocolError("input before all streams are open")
            yield Input(data)
        elif channel == RESIZE:
            yield from self._sizes.receive(data)

    def data(self, channel: int, data: bytes) -> bytes:
        stream = self._streams.get(channel)
        return b"" if stream is None else self._session.data(stream, data)

    def end(self, channel: int) -> bytes:
        """Ends a stream on this side; a second call does nothing."""
        stream = self._streams.pop(channel, None)
        return b"" if stream is None else self._session.data(stream, b"", end=True)

    def finish(self, status: Mapping[str, Any]) -> bytes:
        """Reports how the command ended, and ends every stream."""
        text = render_status(status, as_json=self._version.json_status)
        said = self.data(ERROR, text) if text else b""
        ends = b"".join(self.end(channel) for channel in list(self._streams))
        return said + ends


def render_status(status: Mapping[str, Any], *, as_json: bool) -> bytes:
    """Returns what the error stream says; empty for a success that is not told in JSON."""
    if as_json:
        return json.dumps(status, separators=(",", ":")).encode()
    return b"" if status.get("status") == "Success" else str(status.get("message", "")).encode()


def success() -> dict[str, Any]:
    return {"metadata": {}, "status": "Success"}


def failure(code: int) -> dict[str, Any]:
    """Returns the Status of a command that exited with another code than 0; kubectl exits with the same code."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def internal(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
