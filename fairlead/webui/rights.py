"""Asks the API whether the page's user may do what a page does on the user's behalf without a request to the API."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.machinery.values.status import forbidden_request
from fairlead.runtime.transport import Request, Transport, decode_status_error

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def check_exec(transport: Transport, namespace: str, name: str, work: str) -> None:
    """Raises StatusError 403 if the user may not run commands in the Pod: what leaves the Pod needs the same right.
    `work` completes "to ... you need"."""
    wanted = {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": namespace, "name": name}
    if not await _is_allowed(transport, wanted):
        raise forbidden_request(f'pods "{name}" is forbidden: to {work} you need the right to create pods/exec')


async def check_node(transport: Transport, name: str, work: str) -> None:
    """Raises StatusError 403 if the user may not use the node's own API. An empty name: that of every node."""
    wanted = {"verb": "create", "resource": "nodes", "subresource": "proxy", "name": name}
    if not await _is_allowed(transport, wanted):
        node = f'nodes "{name}" is' if name else "the host is"
        raise forbidden_request(f"{node} forbidden: to {work} you need the right to create nodes/proxy")


async def _is_allowed(transport: Transport, wanted: dict[str, str]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    headers = {"accept": "application/json", "content-type": "application/json"}
    answer = await transport.request(Request("POST", _REVIEWS, {}, headers, msgspec.json.encode(review)))
    if answer.status >= 300:
        raise decode_status_error(answer.status, answer.body)
    status: dict[str, Any] = msgspec.json.decode(answer.body)["status"]
    return bool(status.get("allowed"))
