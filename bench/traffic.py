"""Runs on a node (`fairlead shell NODE -- python traffic.py ADDRESS PORT [CLIENTS]`): each client makes one connection
after another to an address until standard input closes. Then prints, as JSON, the answers by server and every failure
with its time since the start.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter

PAUSE_S = 0.005
"""Seconds between two requests of a client."""
_LIMIT_S = 600


def ask(address: str, port: int) -> str:
    """Sends one request over a new connection; returns the first line of the answer."""
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != http.client.OK:
            raise OSError(f"status {answer.status}")
        return text.splitlines()[0]
    finally:
        connection.close()


class Client(threading.Thread):
    """Asks again and again until `closed` is set."""

    def __init__(self, address: str, port: int, closed: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address, self._port, self._closed = address, port, closed
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def run(self) -> None:
        start = time.monotonic()
        end = start + _LIMIT_S
        while not self._closed.wait(PAUSE_S) and time.monotonic() < end:
            try:
                self.answers[ask(self._address, self._port)] += 1
            except (OSError, http.client.HTTPException) as e:
                self.failures.append(f"after {time.monotonic() - start:.3f} s: {type(e).__name__}: {e}")


def main(address: str, port: int, count: int) -> None:
    closed = threading.Event()
    clients = [Client(address, port, closed) for _ in range(count)]
    for client in clients:
        client.start()
    sys.stdin.read()
    closed.set()
    for client in clients:
        client.join()
    answers = sum((client.answers for client in clients), Counter[str]())
    failures = sorted(failure for client in clients for failure in client.failures)
    json.dump({"answers": answers, "failures": failures}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
