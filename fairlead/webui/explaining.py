"""Answers `why` for the page, with the rights of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.runtime.transport import Request, Transport, decode_status_error

if TYPE_CHECKING:
    from fairlead.explain.sockets import Listener

Tree = dict[str, Any]
ReadSockets = Callable[[Mapping[str, Sequence[str]]], "dict[str, frozenset[Listener]]"]


async def fetch(transport: Transport, target: str) -> Tree:
    """Returns the JSON tree at a path with its query. Raises StatusError."""
    tree: Tree = msgspec.json.decode(await _body(transport, target))
    return tree


async def _body(transport: Transport, target: str) -> bytes:
    path, _, query = target.partition("?")
    answer = await transport.request(Request("GET", path, dict(parse_qsl(query)), {"accept": "application/json"}))
    if answer.status != 200:
        raise decode_status_error(answer.status, answer.body)
    return answer.body


async def why(transport: Transport, query: Mapping[str, str], read_sockets: ReadSockets) -> Tree:
    """Returns the diagnosis of a Service as `fairlead why -o json` prints it. `read_sockets` returns the listening
    sockets of Pods, by their names and addresses. Raises StatusError."""
    from fairlead.explain.diagnose import diagnose
    from fairlead.explain.reading import Observed, assemble, extended, further_lists, lists, observed_in
    from fairlead.explain.report import as_tree

    name, namespace, port = required(query, "name"), required(query, "namespace"), query.get("port", "")
    listed = await _fetch_all(transport, lists(name, namespace))
    snapshot = assemble(name, namespace, listed, port=port)
    if further := further_lists(snapshot):
        snapshot = extended(snapshot, await _fetch_all(transport, further))
    ready = snapshot.ready_pods if snapshot.service else ()
    pods = {pod.metadata.name: [one.ip for one in pod.status.podIPs] for pod in ready}
    sockets = await asyncio.to_thread(read_sockets, pods)
    return as_tree(diagnose(observed_in(snapshot, Observed(sockets))))


async def _fetch_all(transport: Transport, paths: Mapping[str, str]) -> dict[str, bytes]:
    """Returns the bodies of the lists. Lists that the user may not read are empty, except the Service's own."""
    return {key: await _items(transport, path, required=key == "services") for key, path in paths.items()}


async def _items(transport: Transport, path: str, *, required: bool) -> bytes:
    try:
        return await _body(transport, path)
    except StatusError as error:
        if required or error.code != 403:
            raise
        return b'{"items": []}'


def required(query: Mapping[str, str], name: str) -> str:
    if not (value := query.get(name, "")):
        raise bad_request(f"query parameter {name!r} is missing")
    return value
