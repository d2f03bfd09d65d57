"""Sends HTTP requests one by one, each over a new connection, so that each is balanced separately."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Sequence

_TIMEOUT_S = 3.0


def get(address: str, port: int) -> bytes:
    """Returns the whole answer. Raises OSError."""
    with socket.create_connection((address, port), _TIMEOUT_S) as sock:
        sock.sendall(f"GET / HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


def shell_script(address: str, port: int, count: int) -> str:
    """Returns a bash script that sends the requests and prints the answers.

    Every Debian has bash; curl may be missing.
    """
    return (
        f"for ((i = 0; i < {count}; i++)); do exec 3<>/dev/tcp/{address}/{port} || exit 1; "
        f"printf 'GET / HTTP/1.0\\r\\nHost: {address}\\r\\n\\r\\n' >&3; "
        "while IFS= read -r line <&3; do printf '%s\\n' \"$line\"; done; exec 3>&-; printf '\\f'; done"
    )


def count_by_name(answers: Iterable[bytes], names: Sequence[str]) -> Counter[str]:
    """Returns how many answers contain each name; answers without a name count as `?`."""
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    encoded = [(name, name.encode()) for name in names]
    for answer in answers:
        counts[next((name for name, raw in encoded if raw in answer), "?")] += 1
    return counts
