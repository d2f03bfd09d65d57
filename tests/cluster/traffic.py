"""Runs on a node (`fairlead shell NODE -- python traffic.py ADDRESS PORT`): makes one connection after another to
an address until standard input closes. Then prints, as JSON, the answers by server and every failure with its time.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter


def ask(address: str, port: int) -> str:
    """Sends one request over a new connection; returns the first line of the answer."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != http.client.OK:
            raise OSError(f"status {answer.status}")
        return text.splitlines()[0]
    finally:
        connection.close()


def main(address: str, port: int) -> None:
    closed = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    answers: Counter[str] = Counter()
    failures: list[str] = []
    end = time.monotonic() + 300
    while not closed.wait(0.005) and time.monotonic() < end:
        try:
            answers[ask(address, port)] += 1
        except (OSError, http.client.HTTPException) as e:
            failures.append(f"{time.monotonic():.3f} {type(e).__name__}: {e}")
    json.dump({"answers": answers, "failures": failures}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
