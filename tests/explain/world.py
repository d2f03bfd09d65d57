"""A Service explained in a cluster without machines: the API server, all controllers, and kubelets that write status.

A set-up is a file of YAML documents below comments: a sentence, then `key: value` with `check` (the check that must
decide), `status` (default: fault), `cause`, `evidence` and `cure` (texts in the verdict), and `why` (the arguments,
default: `svc/web`). `dns: none` leaves out the cluster's DNS. Documents are applied in order; a Pod's or Service's
`status` is then written as its component would. A document of the kind Sockets has the listening sockets of Pods, and
a document of the kind Deletion deletes an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import yaml

from fairlead.explain.diagnose import Diagnosis, diagnose
from fairlead.explain.reading import Observed, assemble, extended, further_lists, lists, observed_in
from fairlead.explain.sockets import Listener
from tests.scenario.cluster import Cluster, cluster

Tree = dict[str, Any]

_DNS = """
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [10.244.1.250], conditions: {ready: true}}]
ports: [{name: dns, port: 53, protocol: UDP}]
"""


@dataclass(frozen=True)
class Setup:
    sentence: str
    expected: Mapping[str, str]
    documents: Sequence[Tree]

    @property
    def why(self) -> list[str]:
        return self.expected.get("why", "svc/web").split()


def dns() -> list[Tree]:
    """Returns the cluster's DNS: a Service and its endpoint."""
    return list(yaml.safe_load_all(_DNS))


def read(path: Path) -> Setup:
    head = [line[2:] for line in path.read_text().splitlines() if line.startswith("# ")]
    expected = dict(line.split(": ", 1) for line in head[1:])
    documents = list(yaml.safe_load_all(path.read_text()))
    return Setup(head[0], expected, documents if expected.get("dns") == "none" else [*dns(), *documents])


async def explain(
    documents: Sequence[Tree], subject: str, *, namespace: str = "default", port: str = "", read: list[bytes]
) -> Diagnosis:
    """Returns the diagnosis of `svc/NAME` or another object after the objects are applied and all components are at
    rest. `read` gets the bodies that the API answered."""
    async with explained(documents, read) as why:
        return await why(subject, namespace, port)


@asynccontextmanager
async def explained(
    documents: Sequence[Tree], read: list[bytes]
) -> AsyncIterator[Callable[[str, str, str], Awaitable[Diagnosis]]]:
    """Yields a function that diagnoses an object (`svc/NAME`, `pod/NAME`), by namespace and port, in a cluster with the
    objects."""
    async with cluster("ipv4") as made:
        sockets: dict[str, frozenset[Listener]] = {}
        for tree in documents:
            if tree["kind"] == "Sockets":
                sockets |= {pod: frozenset(Listener(*one) for one in found) for pod, found in tree["pods"].items()}
            elif tree["kind"] == "Deletion":
                await made.client.raw("DELETE", tree["path"])
            else:
                await _apply(made, tree)
        await asyncio.sleep(5)
        for tree in documents:
            if "status" in tree:
                await _write_status(made, tree)
        await asyncio.sleep(5)

        async def why(subject: str, namespace: str, port: str) -> Diagnosis:
            kind, _, name = subject.rpartition("/")
            kind = kind or "svc"
            listed = await _fetch(made, lists(name, namespace, kind))
            snapshot = assemble(name, namespace, listed, kind=kind, port=port)
            further = await _fetch(made, further_lists(snapshot))
            read.extend([*listed.values(), *further.values()])
            snapshot = extended(snapshot, further)
            return diagnose(observed_in(snapshot, Observed(sockets)))

        yield why


async def _apply(made: Cluster, tree: Tree) -> None:
    kind = made.kind_of(tree["kind"].lower())
    namespace = tree["metadata"].get("namespace", "default") if kind.namespaced else ""
    body = {key: value for key, value in tree.items() if key != "status"}
    await made.client.raw("POST", kind.path(namespace), body=msgspec.json.encode(body))


async def _write_status(made: Cluster, tree: Tree) -> None:
    kind, meta = made.kind_of(tree["kind"].lower()), tree["metadata"]
    namespace = meta.get("namespace", "default") if kind.namespaced else ""
    await made.client.patch(kind, meta["name"], namespace, patch={"status": tree["status"]}, subresource="status")  # type: ignore[type-var]


async def _fetch(made: Cluster, paths: Mapping[str, str]) -> dict[str, bytes]:
    found = {}
    for key, path in paths.items():
        path, _, query = path.partition("?")
        selector = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        found[key] = await made.client.raw("GET", path, query={k: unquote(v) for k, v in selector.items()})
    return found
