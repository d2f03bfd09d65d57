"""Creates and GETs per second over TLS at 16 connections, through the server and the store of a real cluster.

`python -m bench.api [rounds]`. The baseline of the same run is a bare aiohttp server that answers the same bytes over
the same TLS and keeps nothing: the ratio to this baseline does not depend on the machine's noise.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import ssl
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from bench.cluster import Cluster, free_port, fresh_cluster
from bench.load import Result, get, post, run

CREATES, GETS, CONNECTIONS = 4000, 20000, 16


def config_map(name: str) -> bytes:
    tree = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "bench"}},
        "data": {"key": "x" * 500},
    }
    return json.dumps(tree).encode()


def service(name: str) -> bytes:
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": name}},
    }
    return json.dumps(tree).encode()


def handing_out(requests: Iterator[bytes]) -> Callable[[], bytes | None]:
    return lambda: next(requests, None)


def measure(port: int, tls: ssl.SSLContext, requests: Iterator[bytes]) -> Result:
    return uvloop.run(run(port, tls, handing_out(requests), connections=CONNECTIONS))


def creates(path: str, body: Callable[[str], bytes], prefix: str, count: int) -> Iterator[bytes]:
    return (post(path, body(f"{prefix}{n}")) for n in range(count))


def _serve_baseline(port: int, pki: str, body: bytes, up: Connection) -> None:
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(f"{pki}/apiserver.crt", f"{pki}/apiserver.key")
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        up.send(True)
        await asyncio.Event().wait()

    uvloop.run(main())


@contextmanager
def baseline(cluster: Cluster, body: bytes) -> Iterator[int]:
    """A bare server that answers every request with the same bytes."""
    port = free_port()
    here, there = multiprocessing.Pipe()
    arguments = (port, str(cluster.state / "pki"), body, there)
    process = multiprocessing.get_context("spawn").Process(target=_serve_baseline, args=arguments, daemon=True)
    process.start()
    try:
        here.recv()
        yield port
    finally:
        process.kill()
        process.join()


def run_round(cluster: Cluster, number: int) -> dict[str, Result]:
    access = cluster.access()
    prefix = f"r{number}-"
    maps, services = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/services"
    results = {
        "create ConfigMap": measure(access.port, access.tls, creates(maps, config_map, prefix, CREATES)),
        "create Service": measure(access.port, access.tls, creates(services, service, prefix, CREATES // 2)),
        "GET ConfigMap": measure(access.port, access.tls, (get(f"{maps}/{prefix}0") for _ in range(GETS))),
    }
    with baseline(cluster, config_map("baseline")) as port:
        results["baseline GET"] = measure(port, access.tls, (get("/") for _ in range(GETS)))
    return results


def main(rounds: int = 5, out: Path | None = None) -> None:
    with fresh_cluster("benchapi") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "1", "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        results = [run_round(cluster, n) for n in range(rounds)]
    print(f"API over TLS, {CONNECTIONS} connections, median of {rounds} (aims: 2,000 creates/s, 12,000 GETs/s)")
    figures = {}
    for name in results[0]:
        middle = sorted((r[name] for r in results), key=lambda r: r.rate)[rounds // 2]
        figures[name] = middle.rate
        print(f"  {name:18s} {middle}")
    share = statistics.median(r["GET ConfigMap"].rate / r["baseline GET"].rate for r in results)
    print(f"  GET as a share of the baseline: {share:.0%}")
    if out:
        out.write_text(json.dumps(figures | {"GET share of baseline": share}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
