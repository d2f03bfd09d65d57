"""What a Service means, decided over small values: DNS keeps packed forms and the CLI has trees, neither has objects.

Conditions are as the API has them: None means that nothing is said.

An absent `ready` counts as ready, and an absent `serving` as serving, as upstream has it. Who carries connections sends
them to ready endpoints, and if there is none, to those that still serve while they terminate: a last Pod that is going
away is better than nothing. Who only lists endpoints (DNS, the API server's proxy) names ready ones alone.
"""

from __future__ import annotations

from enum import Enum

DEFAULT_PROTOCOL = "TCP"


class EndpointState(Enum):
    READY = "ready"
    TERMINATING = "terminating"
    """On its way out, and still serving."""
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
