"""Answers `why` for the page, with the rights of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from fairlead.apiserver.model import User
from fairlead.apiserver.pages import Backend
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.runtime.transport import Request, Transport, decode_status_error
from fairlead.webui.rights import check_exec

if TYPE_CHECKING:
    from fairlead.explain.snapshot import Snapshot
    from fairlead.explain.sockets import Listener
    from fairlead.explain.tried import Tried

KINDS = ("svc", "pod", "deploy", "sts", "ds", "rs", "job", "cronjob", "ingress")
_MOST_ENDPOINTS = 8
"""Endpoints without a Pod that are tried at once."""

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


async def why(backend: Backend, user: User, query: Mapping[str, str], read_sockets: ReadSockets) -> Tree:
    """Returns the diagnosis of an object as `fairlead why -o json` prints it; `from` names a Pod of the namespace that
    tries connections. `read_sockets` returns the listening sockets of Pods, by their names and addresses. Raises
    StatusError."""
    from fairlead.explain.diagnose import diagnose
    from fairlead.explain.reading import Observed, assemble, extended, further_lists, lists, observed_in
    from fairlead.explain.report import as_tree

    transport, kind = backend.transport(user), query.get("kind", "svc")
    name, namespace, port = required(query, "name"), required(query, "namespace"), query.get("port", "")
    if kind not in KINDS:
        raise bad_request(f"kind {kind!r} cannot be explained: expected one of {', '.join(KINDS)}")
    listed = await _fetch_all(transport, lists(name, namespace, kind))
    snapshot = assemble(name, namespace, listed, kind=kind, port=port)
    if further := further_lists(snapshot):
        snapshot = extended(snapshot, await _fetch_all(transport, further))
    is_explained = snapshot.service is not None or snapshot.chosen is not None
    pods = {pod.metadata.name: [one.ip for one in pod.status.podIPs] for pod in snapshot.selected if is_explained}
    sockets = await asyncio.to_thread(read_sockets, pods)
    tried = None
    if snapshot.service is not None and (sender := query.get("from", "")):
        tried = await _try(backend, transport, snapshot, sender)
    return as_tree(diagnose(observed_in(snapshot, Observed(sockets, tried))))


async def _try(backend: Backend, transport: Transport, s: Snapshot, sender: str) -> Tried:
    """Returns what became of connections from a Pod. Raises StatusError, also if the user may not run commands there,
    because a connection from the Pod needs the same right."""
    from fairlead.explain.dialling import by_hand_dials, dials_to
    from fairlead.explain.tried import Dial, Tried

    name = sender.removeprefix("pod/")
    pod = next((one for one in s.pods if one.metadata.name == name), None)
    if pod is None or not pod.spec.nodeName:
        raise bad_request(f'from: there is no Pod "{name}" on a node in namespace {s.namespace}')
    await check_exec(transport, s.namespace, name, "try connections from a Pod")
    ends, by_hand = dials_to(s), by_hand_dials(s)[:_MOST_ENDPOINTS]
    targets = urlencode([("to", f"{address},{number}") for _, address, number in (*ends, *by_hand)], safe=",:")
    path = f"/try/{quote(s.namespace)}/{quote(name)}"
    outcomes = msgspec.json.decode(await backend.read_node(pod.spec.nodeName, f"{path}?{targets}"))
    dials = [
        Dial(*end, found["outcome"], found["detail"]) for end, found in zip((*ends, *by_hand), outcomes, strict=True)
    ]
    return Tried(f"pod/{name}", tuple(dials[: len(ends)]), tuple(dials[len(ends) :]))


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
