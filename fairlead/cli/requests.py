"""Sends HTTP requests one by one, each over a connection of its own, so that each is balanced anew."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Sequence

_TIMEOUT_S = 3.0


def get(address: str, port: int) -> bytes:
    """The whole answer. Raises OSError."""
    with socket.create_connection((address, port), _TIMEOUT_S) as sock:
        sock.sendall(f"GET / HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


def shell_script(address: str, port: int, count: int) -> str:
    """The same for bash, which is on every Debian, where curl need not be. Prints the answers."""
    return (
        f"for ((i = 0; i < {count}; i++)); do exec 3<>/dev/tcp/{address}/{port} || exit 1; "
        f"printf 'GET / HTTP/1.0\\r\\nHost: {address}\\r\\n\\r\\n' >&3; "
        "while IFS= read -r line <&3; do printf '%s\\n' \"$line\"; done; exec 3>&-; printf '\\f'; done"
    )


def count_by_name(answers: Iterable[bytes], names: Sequence[str]) -> Counter[str]:
    """How many answers name each Pod; those that name none count as `?`."""
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    encoded = [(name, name.encode()) for name in names]
    for answer in answers:
        counts[next((name for name, raw in encoded if raw in answer), "?")] += 1
    return counts
