"""Decisions about Services over small values: DNS has packed forms and the CLI has trees, so neither has objects.

Conditions are as in the API: None means absent.

An absent `ready` counts as ready, and an absent `serving` as serving, as in upstream. The proxy and the relay send
connections to ready endpoints, or if there are none, to terminating endpoints that still serve: a last terminating
Pod is better than none. DNS and the API server's proxy use ready endpoints only.
"""

from __future__ import annotations

from enum import Enum

DEFAULT_PROTOCOL = "TCP"


class EndpointState(Enum):
    READY = "ready"
    TERMINATING = "terminating"
    """Terminating, and still serving."""
    NOT_SERVING = "not serving"


_READY, _TERMINATING, _NOT_SERVING = EndpointState


def is_ready(ready: bool | None) -> bool:
    return ready is not False


def is_published(ready: bool, *, not_ready_too: bool) -> bool:
    """Returns whether a Pod or endpoint of a Service with this `publishNotReadyAddresses` counts as ready."""
    return ready or not_ready_too


def endpoint_state(ready: bool | None, serving: bool | None = None, terminating: bool | None = None) -> EndpointState:
    if ready is not False:
        return _READY
    return _TERMINATING if terminating and serving is not False else _NOT_SERVING


def port_id(name: str | None, protocol: str | None) -> tuple[str, str]:
    """Returns what a Service's port and a slice's port have in common if they are the same."""
    return name or "", protocol or DEFAULT_PROTOCOL
