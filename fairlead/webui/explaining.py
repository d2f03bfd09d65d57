"""Answers `why` for the page, with the rights of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
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
    from fairlead.explain.tried import Lookup, Tried

KINDS = ("svc", "pod", "deploy", "sts", "ds", "rs", "job", "cronjob", "ingress")
_MOST_ENDPOINTS = 8
"""Endpoints without a Pod that are tried at once."""

_IDENT = 0x6661
"""The identifier of all questions: each is asked by a separate socket."""

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


class Explaining(NamedTuple):
    """Knowledge about the running cluster beside its objects."""

    read_sockets: ReadSockets
    """Returns the listening sockets of Pods, by their names and addresses."""
    domain: Callable[[], str]
    """Returns the cluster's DNS domain."""


async def why(backend: Backend, user: User, query: Mapping[str, str], known: Explaining) -> Tree:
    """Returns the diagnosis of an object as `fairlead why -o json` prints it; `from` names a Pod of the namespace that
    tries connections, and `http=1` asks for HTTP too. Raises StatusError."""
    from fairlead.explain.diagnose import diagnose
    from fairlead.explain.reading import Observed, assemble, extended, further_lists, lists, observed_in
    from fairlead.explain.report import as_tree

    transport, kind = backend.transport(user), query.get("kind", "svc")
    name, namespace, port = required(query, "name"), required(query, "namespace"), query.get("port", "")
    if kind not in KINDS:
        raise bad_request(f"kind {kind!r} cannot be explained: expected one of {', '.join(KINDS)}")
    if (http := query.get("http", "")) not in ("", "1"):
        raise bad_request(f"http: unknown value {http!r}: expected 1")
    if http and not query.get("from"):
        raise bad_request("http: requests are sent from a Pod: set from")
    listed = await _fetch_all(transport, lists(name, namespace, kind))
    snapshot = assemble(name, namespace, listed, kind=kind, port=port)
    if further := further_lists(snapshot):
        snapshot = extended(snapshot, await _fetch_all(transport, further))
    is_explained = snapshot.service is not None or snapshot.chosen is not None
    pods = {pod.metadata.name: [one.ip for one in pod.status.podIPs] for pod in snapshot.selected if is_explained}
    sockets = await asyncio.to_thread(known.read_sockets, pods)
    tried = None
    if snapshot.service is not None and (sender := query.get("from", "")):
        host = f"{name}.{namespace}.svc.{known.domain()}"
        tried = await _try(backend, transport, snapshot, sender, host=host, http=bool(http))
    return as_tree(diagnose(observed_in(snapshot, Observed(sockets, tried))))


async def _try(backend: Backend, transport: Transport, s: Snapshot, sender: str, *, host: str, http: bool) -> Tried:
    """Returns what became of connections and requests from a Pod. `host`: the Service's name; `http`: also ask the TCP
    ports for `/`. Raises StatusError, also if the user may not run commands there: a connection from the Pod needs the
    same right."""
    from fairlead.dns.protocol.asked import A, make_question
    from fairlead.explain.dialling import by_hand_dials, dials_to
    from fairlead.explain.requests import read_answers, requests_to, targets
    from fairlead.explain.tried import Dial, Tried

    name = sender.removeprefix("pod/")
    pod = next((one for one in s.pods if one.metadata.name == name), None)
    if pod is None or not pod.spec.nodeName:
        raise bad_request(f'from: there is no Pod "{name}" on a node in namespace {s.namespace}')
    await check_exec(transport, s.namespace, name, "try connections from a Pod")
    ends, by_hand = dials_to(s), by_hand_dials(s)[:_MOST_ENDPOINTS]
    requests = requests_to(s, http=http, datagrams=True)
    server = s.dns.spec.clusterIP if s.dns is not None else ""
    lookup = _lookup_targets(server, host) if server else []
    wanted = [f"{address},{number}" for _, address, number in (*ends, *by_hand)]
    wanted += [*lookup, *targets(requests, host, make_question(host, A, _IDENT))]
    path = f"/try/{quote(s.namespace)}/{quote(name)}?{urlencode([('to', one) for one in wanted], safe=',:')}"
    found = msgspec.json.decode(await backend.read_node(pod.spec.nodeName, path))
    first, asked = len(ends) + len(by_hand), len(lookup)
    dials = [
        Dial(*end, one["outcome"], one["detail"]) for end, one in zip((*ends, *by_hand), found[:first], strict=True)
    ]
    return Tried(
        f"pod/{name}",
        tuple(dials[: len(ends)]),
        tuple(dials[len(ends) :]),
        _lookup(host, server, found[first : first + asked]) if lookup else None,
        replies=tuple(read_answers(requests, found[first + asked :])),
    )


def _lookup_targets(server: str, name: str) -> list[str]:
    """Returns the questions for both kinds of addresses of a name, as a node's agent takes them."""
    from fairlead.dns.protocol.asked import AAAA, A, make_question

    return [f"{server},53,udp,{make_question(name, kind, _IDENT).hex()}" for kind in (A, AAAA)]


def _lookup(name: str, server: str, found: Sequence[Tree]) -> Lookup:
    """Returns what the cluster's DNS answered to both questions."""
    from fairlead.dns.protocol.asked import AAAA, A, read_addresses
    from fairlead.dns.protocol.wire import Malformed
    from fairlead.explain.outcomes import ANSWERED
    from fairlead.explain.tried import Lookup

    four, six = found
    if four["outcome"] != ANSWERED:
        return Lookup(name, server, four["outcome"])
    try:
        first = read_addresses(bytes.fromhex(four["answer"]), name, A, _IDENT)
        more = read_addresses(bytes.fromhex(six["answer"]), name, AAAA, _IDENT).addresses if six["answer"] else ()
    except Malformed:
        return Lookup(name, server, ANSWERED, "malformed")
    return Lookup(name, server, ANSWERED, first.rcode, first.aliases, (*first.addresses, *more))


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
