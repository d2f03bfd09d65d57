"""Lists and watches of an API server for DNS alone, in one small process, so that only DNS is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fairlead.service.wellknown import SERVICE_NAME_LABEL

SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


def services(count: int) -> Iterator[dict[str, Any]]:
    """`svc-N.ns0`, each with an address and a slice of one endpoint."""
    for n in range(count):
        address = f"10.96.{n // 250 + 1}.{n % 250 + 1}"
        meta = {"name": f"svc-{n}", "namespace": "ns0", "uid": f"{n:032x}", "resourceVersion": "1"}
        ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]
        spec = {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": ports,
            "selector": {"a": "b"},
        }
        yield {"metadata": meta, "spec": spec}


def headless(endpoints: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    meta = {"name": "big", "namespace": "ns0", "resourceVersion": "1"}
    service = {
        "metadata": meta,
        "spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ports": []},
    }
    slices = [
        endpoint_slice(f"big-{n}", "big", [f"10.200.{n}.{i + 1}" for i in range(min(100, endpoints - 100 * n))])
        for n in range((endpoints + 99) // 100)
    ]
    return service, slices


def endpoint_slice(name: str, service: str, addresses: list[str]) -> dict[str, Any]:
    labels = {SERVICE_NAME_LABEL: service}
    return {
        "metadata": {"name": name, "namespace": "ns0", "labels": labels, "resourceVersion": "1"},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


class FakeApi:
    """Pages by `limit`, and streams to watches what `push` is given."""

    def __init__(self, count: int, endpoints: int) -> None:
        big, slices = headless(endpoints)
        self._count, self._big, self._big_slices = count, big, slices
        self._watches: dict[str, list[asyncio.StreamWriter]] = {}
        self._version = 1

    def _items(self, path: str) -> list[Callable[[], dict[str, Any]]]:
        if path == SERVICES:
            made = list(services(self._count))
            return [*(lambda one=one: one for one in made), lambda: self._big]
        if path == SLICES:
            own = [
                lambda n=n: endpoint_slice(f"svc-{n}-x", f"svc-{n}", [f"10.244.{n // 250}.{n % 250 + 1}"])
                for n in range(self._count)
            ]
            return [*own, *(lambda one=one: one for one in self._big_slices)]
        return [lambda: {"metadata": {"name": "ns0"}}] if path.endswith("/namespaces") else []

    def push(self, path: str, kind: str, obj: dict[str, Any]) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        for writer in self._watches.get(path, ()):
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        url = urlsplit(head.split(b" ", 2)[1].decode())
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if "watch" in query:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._watches.setdefault(url.path, []).append(writer)
            return
        items = self._items(url.path)
        start, limit = int(query.get("continue", 0)), int(query.get("limit", 500))
        more = str(start + limit) if start + limit < len(items) else ""
        tree = {"metadata": {"resourceVersion": "1", "continue": more}}
        body = json.dumps(tree | {"items": [make() for make in items[start : start + limit]]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
