"""Stories of the Service path, one a file (`archive.py` has the form): what is done, and the tables that must follow.

Commands. OUT names the section with the expected text, which `pytest tests/scenario --update` writes anew.

    families ipv4|dual          the cluster's families (before all else; ipv4 if absent)
    apply FILE                  applies the objects of a section, as `kubectl apply --server-side` does
    patch KIND NAME JSON        a merge patch
    delete KIND NAME
    ready POD true|false        what the Pod's kubelet reports
    broken IMAGE                Pods of this image never become ready
    wait SECONDS                of the story's clock, which costs no time
    fails OUT COMMAND           the command's error
    get OUT KIND [NAME]         as kubectl prints it, without AGE
    events OUT KIND NAME        reasons and messages, in order
    endpoints OUT SERVICE       the Service's EndpointSlices, one row an endpoint
    dns OUT NAME TYPE           what a Pod is answered
    reach OUT SERVICE           who answers at each of its addresses, by the rules of mode nftables
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import yaml

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.meta.types import Object
from fairlead.base.keys import key_of
from fairlead.cli.table import render, render_table
from fairlead.dns.zones import records
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Request
from fairlead.runtime.transport import decode_status_error
from tests.dns.world import World as Names
from tests.scenario.archive import Archive
from tests.scenario.cluster import Cluster, cluster
from tests.scenario.packets import reach

T = TypeVar("T")
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_SERVICE_NAME = "kubernetes.io/service-name"


class StoryError(Exception):
    """A story that cannot be run as it is written."""


@dataclass
class Told:
    """The result of a story."""

    shown: dict[str, str] = field(default_factory=dict)
    """The text of each OUT section, as it should be."""
    applied: set[str] = field(default_factory=set)
    """The sections that were read."""


async def run(story: Archive) -> Told:
    """Runs the script. Raises StoryError for a command that fails."""
    commands = story.commands()
    families = "ipv4"
    if commands and commands[0][1].startswith("families "):
        families = commands.pop(0)[1].split()[1]
    failure: StoryError | None = None
    async with cluster(families) as made:
        teller = _Teller(made, story)
        for number, line in commands:
            try:
                await teller.tell(shlex.split(line))
            except (StatusError, StoryError, KeyError, TypeError, ValueError) as error:
                failure = StoryError(f"line {number}: {line}: {error}")
                break
    if failure is not None:
        raise failure
    return teller.told


class _Teller:
    def __init__(self, cluster: Cluster, story: Archive) -> None:
        self._cluster = cluster
        self._story = story
        self.told = Told()
        acts: dict[str, Callable[..., Awaitable[None]]] = {
            "apply": self._apply,
            "patch": self._patch,
            "delete": self._delete,
            "ready": self._ready,
            "broken": self._broken,
            "wait": self._wait,
        }
        shows: dict[str, Callable[..., Awaitable[str]]] = {
            "fails": self._fails,
            "get": self._get,
            "events": self._events,
            "endpoints": self._endpoints,
            "dns": self._dns,
            "reach": self._reach,
        }
        self._acts, self._shows = acts, shows

    async def tell(self, words: list[str]) -> None:
        verb, *rest = words
        if verb in self._acts:
            await self._acts[verb](*rest)
        elif verb in self._shows:
            out, *rest = rest
            if out in self.told.shown:
                raise StoryError(f"section {out} is written twice")
            self.told.shown[out] = (await self._shows[verb](*rest)).rstrip("\n") + "\n"
        else:
            raise StoryError(f"unknown command {verb!r}")

    async def _apply(self, section: str) -> None:
        if section not in self._story.sections:
            raise StoryError(f"there is no section {section}")
        self.told.applied.add(section)
        for tree in yaml.safe_load_all(self._story.sections[section]):
            group, _, version = tree["apiVersion"].rpartition("/")
            kind = self._cluster.scheme.by_gvk(group, version, tree["kind"])
            if kind is None:
                raise StoryError(f"no kind {tree['kind']} in {tree['apiVersion']}")
            path = kind.path("default" if kind.namespaced else "", tree["metadata"]["name"])
            headers = {"content-type": "application/apply-patch+yaml", "accept": "application/json"}
            query = {"fieldManager": "story", "force": "true"}
            await self._send(Request("PATCH", path, query, headers, json.dumps(tree).encode()))

    async def _patch(self, kind: str, name: str, patch: str) -> None:
        found = self._cluster.kind_of(kind)
        await self._cluster.client.patch(_any(found), name, _namespace(found), patch=json.loads(patch))

    async def _delete(self, kind: str, name: str) -> None:
        found = self._cluster.kind_of(kind)
        await self._cluster.client.delete(_any(found), name, _namespace(found))

    async def _ready(self, pod: str, ready: str) -> None:
        await self._cluster.set_ready(pod, ready={"true": True, "false": False}[ready])

    async def _broken(self, image: str) -> None:
        self._cluster.broken_images.add(image)

    async def _wait(self, seconds: str) -> None:
        await asyncio.sleep(float(seconds))

    async def _fails(self, *words: str) -> str:
        try:
            await self.tell(list(words))
        except StatusError as error:
            return f"{error.code} {error.reason}: {error.message}"
        raise StoryError("the command did not fail")

    async def _get(self, word: str, name: str = "") -> str:
        kind = self._cluster.kind_of(word)
        query = {"fieldSelector": f"metadata.name={name}"} if name else {}
        body = await self._send(Request("GET", kind.path(_namespace(kind)), query, {"accept": _TABLE}))
        table = json.loads(body)
        at = next((i for i, c in enumerate(table["columnDefinitions"]) if c["name"] == "Age"), None)
        if at is not None:
            for cells in (table["columnDefinitions"], *(row["cells"] for row in table["rows"])):
                del cells[at]
        return render_table(table) if table["rows"] else "none"

    async def _events(self, word: str, name: str) -> str:
        kind = self._cluster.kind_of(word).kind
        found = [
            event
            for event in (await self._cluster.client.list(EVENT, "default")).items
            if (event.involvedObject.kind, event.involvedObject.name) == (kind, name)
        ]
        found.sort(key=lambda event: int(event.metadata.resourceVersion))
        return render(["REASON", "MESSAGE"], [[event.reason, event.message] for event in found]) if found else "none"

    async def _endpoints(self, service: str) -> str:
        found = await self._cluster.client.list(ENDPOINT_SLICE, "default", labels=f"{_SERVICE_NAME}={service}")
        rows = []
        for one in found.items:
            ports = ",".join(f"{port.port}/{port.protocol}" for port in one.ports)
            for end in one.endpoints:
                flags = [end.conditions.ready, end.conditions.serving, end.conditions.terminating]
                zones = ",".join(zone.name for zone in end.hints.forZones) if end.hints else ""
                row = [one.addressType, *end.addresses, ports or "-", *(str(flag).lower() for flag in flags)]
                rows.append([*row, end.nodeName or "-", zones or "-"])
        header = ["FAMILY", "ADDRESS", "PORTS", "READY", "SERVING", "TERMINATING", "NODE", "ZONES"]
        return render(header, sorted(rows)) if rows else "none"

    async def _dns(self, name: str, type: str) -> str:
        names = Names()
        for service in (await self._cluster.client.list(SERVICE)).items:
            names.put((key_of(service.metadata), _as(records.Service, service)))
        for piece in (await self._cluster.client.list(ENDPOINT_SLICE)).items:
            names.put((key_of(piece.metadata), _as(records.Slice, piece)))
        code, *answers = names.dig(name, type)
        return "\n".join([code, *sorted(answers)])

    async def _reach(self, name: str) -> str:
        client = self._cluster.client
        service = await client.get(SERVICE, name, "default")
        services, slices = (await client.list(SERVICE)).items, (await client.list(ENDPOINT_SLICE)).items
        rows = await reach(service, services, slices)
        return render(["CLIENT", "ADDRESS", "ANSWERED BY", "SOURCE SEEN"], rows) if rows else "none"

    async def _send(self, request: Request) -> bytes:
        response = await self._cluster.server.transport().request(request)
        if response.status >= 400:
            raise decode_status_error(response.status, response.body)
        return response.body


def _namespace(kind: Kind[Any]) -> str:
    return "default" if kind.namespaced else ""


def _as(form: type[T], obj: Object) -> T:
    return msgspec.json.decode(msgspec.json.encode(obj), type=form)


def _any(kind: object) -> Kind[Object]:
    """Any kind as one of plain objects: only their metadata are read."""
    assert isinstance(kind, Kind)
    return kind
