"""A web server that reports the name of its Pod, to show which Pod a connection reaches. The program of the image
`fairlead/web`.

    python -I -S start.py [PORT]        (else the environment's PORT, else 8080)
    python -I -S start.py --like NAME [ARGUMENTS OF THAT PROGRAM]      (see likeness.py)

The server is started by its path, without site packages, and uses sockets and epoll alone. It starts with 9 ms of CPU,
of which 6 are the interpreter's, and needs 8 MB; `http.server` costs four times that in imports. `socket` and `signal`
cost 7 ms because of their enumerations, so the modules below them stand in for them. The server speaks HTTP/1.1 with
keep-alive; GET and HEAD; `/healthz`; JSON with `Accept: application/json` or `?format=json`. After SIGTERM it still
answers (with `Connection: close`) until no request has come for a moment, so that clients that still use its address
are not refused.
"""

from __future__ import annotations

import os
import resource
import select
import sys

TYPE_CHECKING = False  # the module typing costs 10 ms
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable, Sequence

    Answer = Callable[[str, str, dict[str, str], str, int], tuple[int, bytes, str]]
    """A function of method, target, headers, and the client's address and port; returns status, body and media type."""
else:
    import _signal as signal
    import _socket as socket

_DEFAULT_PORT = 8080
_MAX_HEAD = 16384
_QUIET_S = 0.25
"""Seconds without a request after SIGTERM until the server ends."""
_ON_THE_WAY_S = 1.0
"""The same time, in seconds, if a connection has not carried a request yet: its client may wait for a busy machine."""
_LONGEST_STOP_S = 5
"""Seconds after SIGTERM until the server ends in any case; a second signal ends it at once."""
_MOST_CONNECTIONS, _SPARE = 4096, 32
"""The most connections. A new one beyond them closes the oldest that awaits no answer, so that idle connections never
keep other clients out."""
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
}


class Page:
    """The content of the answers: this Pod's name, node and address."""

    def __init__(self, env: dict[str, str]) -> None:
        self.pod = env.get("FAIRLEAD_POD_NAME") or env.get("HOSTNAME") or socket.gethostname()
        self.node = env.get("FAIRLEAD_NODE_NAME", "")
        self.ip = env.get("FAIRLEAD_POD_IP", "")

    def answer(
        self, method: str, target: str, headers: dict[str, str], client: str, _port: int
    ) -> tuple[int, bytes, str]:
        if method not in ("GET", "HEAD"):
            return 405, b"only GET and HEAD\n", "text/plain"
        path, _, query = target.partition("?")
        if path == "/healthz":
            return 200, b"ok\n", "text/plain"
        if "format=json" in query.split("&") or "application/json" in headers.get("accept", ""):
            return 200, self.json(path, client), "application/json"
        return 200, self.text(), "text/plain; charset=utf-8"

    def text(self) -> bytes:
        node = f" on {self.node}" if self.node else ""
        ip = f" at {self.ip}" if self.ip else ""
        return f"Pod {self.pod}{node}{ip}\n".encode()

    def json(self, path: str, client: str) -> bytes:
        import json  # 3 ms, which few Pods need

        answer = {"pod": self.pod, "node": self.node, "ip": self.ip, "path": path, "client": client}
        return json.dumps(answer).encode() + b"\n"


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Returns method, target, version, and headers by lower-case name. Raises ValueError."""
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        headers[name.strip().lower()] = value.strip()
    return method, target, version, headers


def _length(text: str) -> int:
    """Parses a Content-Length (RFC 9110: digits alone). Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def respond(answer: Answer, head: bytes, client: str, port: int, *, closing: bool) -> tuple[bytes, int, bool]:
    """Returns the answer to a request's head, the length of the request's body, and whether the connection stays
    open."""
    try:
        method, target, version, headers = parse_head(head)
        length = _length(headers.get("content-length", "0"))
    except ValueError:
        return _render(400, b"bad request\n", "text/plain", keep=False, body=True), 0, False
    wish = headers.get("connection", "").lower()
    keep = not closing and wish != "close" and (version == "HTTP/1.1" or wish == "keep-alive")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        keep = False  # the request's body is not read
    status, content, kind = answer(method, target, headers, client, port)
    return _render(status, content, kind, keep=keep, body=method != "HEAD"), length, keep


def _render(status: int, content: bytes, kind: str, *, keep: bool, body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\nServer: fairlead-web\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + (content if body else b"")


class Connection:
    def __init__(self, sock: socket.socket, client: str, port: int, answer: Answer) -> None:
        self.sock = sock
        self.client = client
        self.port = port
        self.answer = answer
        self.inbox = b""
        self.outbox = b""
        self.skip = 0
        """Bytes of a request's body that are still to come and will be ignored."""
        self.asked = False
        """True once a whole request has come over the connection."""
        self.open = True


class Server:
    """The server: one thread, one epoll."""

    def __init__(self, listeners: Sequence[tuple[socket.socket, Answer]], *, log: Callable[[str], object]) -> None:
        self._listeners = {listener.fileno(): (listener, answer) for listener, answer in listeners}
        self._log = log
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._most = min(_MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)
        self._stopping = False
        for listener, _ in listeners:
            listener.setblocking(False)
            self._poll.register(listener.fileno(), select.EPOLLIN)
        self._datagrams: dict[int, tuple[socket.socket, Callable[[str, str], str]]] = {}

    def serve_datagrams(self, sock: socket.socket, answer: Callable[[str, str], str]) -> None:
        """Answers datagrams too; an empty answer is not sent."""
        sock.setblocking(False)
        self._datagrams[sock.fileno()] = sock, answer
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _answer_datagram(self, sock: socket.socket, answer: Callable[[str, str], str]) -> None:
        try:
            data, address = sock.recvfrom(65536)
            host = str(address[0]).removeprefix("::ffff:")
            if reply := answer(data.decode(errors="replace"), f"{host}:{address[1]}"):
                sock.sendto(reply.encode(), address)
        except OSError:
            return

    def run(self, wake: int) -> None:
        """Serves until a signal comes through `wake`, and then until no more requests come."""
        self._poll.register(wake, select.EPOLLIN)
        while True:
            events = self._poll.poll(self._quiet_s() if self._stopping else None)
            if self._stopping and not events:
                return
            for fd, _ in events:
                if fd == wake and self._stopping:
                    return
                if fd == wake:
                    os.read(wake, 64)
                    self._stop()
                elif fd in self._listeners:
                    self._accept(*self._listeners[fd])
                elif fd in self._datagrams:
                    self._answer_datagram(*self._datagrams[fd])
                elif fd in self._connections:  # or the connection was closed in this turn
                    self._serve(self._connections[fd])

    def _quiet_s(self) -> float:
        return _QUIET_S if all(connection.asked for connection in self._connections.values()) else _ON_THE_WAY_S

    def _stop(self) -> None:
        self._stopping = True
        signal.alarm(_LONGEST_STOP_S)
        self._log("stopping")
        for connection in list(self._connections.values()):
            # A connection without a request yet was opened before its client could know of the stop: the request is on
            # the way.
            if connection.asked and not connection.inbox and not connection.outbox:
                self._close(connection)

    def _accept(self, listener: socket.socket, answer: Answer) -> None:
        try:
            fd, address = listener._accept()  # type: ignore[attr-defined]  # `socket.accept` calls it
        except BlockingIOError:
            return
        except OSError:  # no descriptors left
            if self._connections:
                self._shed()
            return
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, str(address[0]).removeprefix("::ffff:"), address[1], answer)
        self._connections[sock.fileno()] = connection
        self._poll.register(sock.fileno(), select.EPOLLIN)
        if len(self._connections) > self._most:
            self._shed()
        self._serve(connection)

    def _shed(self) -> None:
        """Closes the oldest connection, if possible one without an answer under way."""
        waiting = (connection for connection in self._connections.values() if not connection.outbox)
        self._close(next(waiting, None) or next(iter(self._connections.values())))

    def _serve(self, connection: Connection) -> None:
        try:
            if connection.open and not self._read(connection):
                return
            self._flush(connection)
        except OSError:
            self._close(connection)

    def _read(self, connection: Connection) -> bool:
        """Reads available data and answers the requests in it; returns False if the peer has closed the connection."""
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return True
        if not data:
            self._close(connection)
            return False
        connection.inbox += data
        while connection.open and self._step(connection):
            pass
        return True

    def _step(self, connection: Connection) -> bool:
        """Answers one request if it has arrived completely."""
        if connection.skip:
            skipped = min(connection.skip, len(connection.inbox))
            connection.inbox = connection.inbox[skipped:]
            connection.skip -= skipped
        head, end, rest = connection.inbox.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if connection.skip or not end:
            if len(connection.inbox) > _MAX_HEAD:
                connection.outbox += _render(431, b"too long\n", "text/plain", keep=False, body=True)
                connection.open = False
            return False
        answer, length, connection.open = respond(
            connection.answer, head, connection.client, connection.port, closing=self._stopping
        )
        connection.asked = True
        connection.inbox = rest
        connection.skip = length
        connection.outbox += answer
        return True

    def _flush(self, connection: Connection) -> None:
        if connection.outbox:
            try:
                sent = connection.sock.send(connection.outbox)
            except BlockingIOError:
                sent = 0
            connection.outbox = connection.outbox[sent:]
        if not connection.outbox and not connection.open:
            self._close(connection)
            return
        events = (select.EPOLLIN if connection.open else 0) | (select.EPOLLOUT if connection.outbox else 0)
        self._poll.modify(connection.sock.fileno(), events)

    def _close(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if self._connections.pop(fd, None) is not None:
            self._poll.unregister(fd)
            connection.sock.close()


def listen(port: int) -> socket.socket:
    """Listens at all addresses, also of IPv6 if the kernel has it."""
    sock = _socket_of_both(socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    sock.listen(1024)
    return sock


def listen_datagrams(port: int) -> socket.socket:
    sock = _socket_of_both(socket.SOCK_DGRAM)
    sock.bind(("", port))
    return sock


def _socket_of_both(kind: int) -> socket.socket:
    """Returns a socket of IPv6 that takes IPv4 too, or one of IPv4 if the kernel lacks IPv6."""
    try:
        sock = socket.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    except OSError:
        return socket.socket(socket.AF_INET, kind)
    return sock


def choose_port(argv: list[str], env: dict[str, str]) -> int:
    """Returns the port from the argument, else from PORT, else 8080. Raises SystemExit with one line if the port is
    invalid."""
    text = argv[0] if argv else env.get("PORT", "") or str(_DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 65536):
        raise SystemExit(f"fairlead/web: not a port: {text!r}; give a number from 1 to 65535")
    return int(text)


def _likeness(
    name: str, args: list[str], page: Page, env: dict[str, str]
) -> tuple[dict[int, Answer], dict[int, Callable[[str, str], str]]]:
    """Returns the functions that answer like a program, by port: for HTTP, and for datagrams."""
    import importlib

    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    module = importlib.import_module("likeness")
    who = module.Identity(page.pod, page.node, page.ip, env.get("FAIRLEAD_IMAGE", ""))
    found = module.setup(name, args, env, who)

    def answer_of(make: Callable[..., tuple[int, bytes, str]]) -> Answer:
        return lambda *asked: make(module.Asked(*asked))

    return {port: answer_of(make) for port, make in found.ports.items()}, dict(found.datagrams)


def main() -> None:
    env = dict(os.environ)
    page = Page(env)
    ports: dict[int, Answer]
    datagrams: dict[int, Callable[[str, str], str]] = {}
    if sys.argv[1:2] == ["--like"]:
        ports, datagrams = _likeness(sys.argv[2], sys.argv[3:], page, env)
    else:
        ports = {choose_port(sys.argv[1:], env): page.answer}
    wake, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM):
        signal.signal(number, lambda *_: None)
    listeners = [(listen(port), answer) for port, answer in ports.items()]
    server = Server(listeners, log=lambda text: print(f"fairlead/web: {text}", flush=True))
    for port, reply in datagrams.items():
        server.serve_datagrams(listen_datagrams(port), reply)
    where = f"port {', '.join(map(str, ports))}" if ports else "no port"
    print(f"fairlead/web: {page.text().decode().strip()}, listening on {where}", flush=True)
    server.run(wake)  # the end of the process closes the sockets
