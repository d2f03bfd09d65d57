"""A real gRPC server with the health service, for probes to ask: `python -m tests.node.healthserver MODE PORT`.

Prints its port and serves on every address until its standard input ends. The mode is `plain`, `other` for a server
without the health service, or a folder with `tls.crt` and `tls.key` for one that speaks TLS.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer


class Servicer(HealthServicer):  # type: ignore[misc]  # grpcio has no types
    """`slow` is never answered, `refused` is refused with a message outside ASCII."""

    def __init__(self, ended: threading.Event) -> None:
        super().__init__()
        self._ended = ended

    def Check(self, request: Any, context: Any) -> Any:
        if request.service == "slow":
            self._ended.wait()
        if request.service == "refused":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "nicht für dich")
        return super().Check(request, context)


def main(mode: str, number: str) -> None:
    ended = threading.Event()
    server = grpc.server(ThreadPoolExecutor(4))
    if mode != "other":
        servicer = Servicer(ended)
        status = health_pb2.HealthCheckResponse
        for name, value in (("", status.SERVING), ("up", status.SERVING), ("down", status.NOT_SERVING)):
            servicer.set(name, value)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if mode in ("plain", "other"):
        port = server.add_insecure_port(f"[::]:{number}")
    else:
        folder = Path(mode)
        pair = ((folder / "tls.key").read_bytes(), (folder / "tls.crt").read_bytes())
        port = server.add_secure_port(f"[::]:{number}", grpc.ssl_server_credentials([pair]))
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    ended.set()
    server.stop(None).wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
