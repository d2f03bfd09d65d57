"""Requests one by one, and who answered them."""

from __future__ import annotations

import socket
import subprocess
import threading

from fairlead.cli.requests import count_by_name, get, shell_script


def answering_socket(times: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for _ in range(times):
                peer, _ = listener.accept()
                with peer, peer.makefile("rb") as lines:
                    while lines.readline().strip():
                        pass
                    peer.sendall(b"HTTP/1.0 200 OK\r\n\r\nI am pod-a\n")

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_answers_are_counted_by_the_pod_they_name() -> None:
    counts = count_by_name([b"I am web-a", b"web-b here", b"web-a", b"nobody"], ["web-a", "web-b", "web-c"])
    assert counts == {"web-a": 2, "web-b": 1, "web-c": 0, "?": 1}


def test_an_answer_is_read_to_its_end() -> None:
    port = answering_socket(1).getsockname()[1]
    assert get("127.0.0.1", port).endswith(b"I am pod-a\n")


def test_bash_asks_the_same_and_parts_the_answers() -> None:
    port = answering_socket(2).getsockname()[1]
    done = subprocess.run(["bash", "-c", shell_script("127.0.0.1", port, 2)], capture_output=True, check=True)
    answers = done.stdout.split(b"\f")
    assert len(answers) == 3
    assert all(a.endswith(b"I am pod-a\n") for a in answers[:2])
    assert answers[2] == b""
