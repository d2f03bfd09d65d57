"""Checks of probes and lifecycle hooks."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from fairlead.api.meta.rules import POSITIVE, not_negative, port_number, port_number_or_name
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

_SECONDS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def container_probe_errors(container: Container, path: str, *, grace_s: int) -> Iterator[FieldError]:
    """Yields errors of the probes and hooks of a container that keeps running."""
    if (lifecycle := container.lifecycle) is not None:
        for name in ("postStart", "preStop"):
            if (handler := getattr(lifecycle, name)) is not None:
                yield from _handler_errors(handler, f"{path}.lifecycle.{name}", grace_s=grace_s)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := getattr(container, name)) is not None:
            yield from _probe_errors(probe, f"{path}.{name}", once=name != "readinessProbe", grace_s=grace_s)
    readiness = container.readinessProbe
    if readiness is not None and (seconds := readiness.terminationGracePeriodSeconds) is not None:
        where = f"{path}.readinessProbe.terminationGracePeriodSeconds"
        yield invalid(where, seconds, "must not be set for readinessProbes")


def init_probe_errors(container: Container, path: str) -> Iterator[FieldError]:
    """Yields errors of probes and hooks on an init container that runs to its end: they would have no effect."""
    for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if getattr(container, name) is not None:
            yield forbidden(f"{path}.{name}", "may not be set for init containers without restartPolicy=Always")


def _probe_errors(probe: Probe, path: str, *, once: bool, grace_s: int) -> Iterator[FieldError]:
    yield from _handler_errors(probe, path, grace_s=grace_s)
    for name in _SECONDS:
        yield from not_negative(getattr(probe, name), f"{path}.{name}")
    if probe.terminationGracePeriodSeconds is not None and probe.terminationGracePeriodSeconds <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", probe.terminationGracePeriodSeconds, POSITIVE)
    if once and probe.successThreshold != 1:
        yield invalid(f"{path}.successThreshold", probe.successThreshold, "must be 1")


def _handler_errors(handler: Probe | LifecycleHandler, path: str, *, grace_s: int) -> Iterator[FieldError]:
    given = [(name, action) for name in _HANDLERS if (action := getattr(handler, name, None)) is not None]
    if not given:
        yield required(path, "must specify a handler type")
        return
    name, action = given[0]
    yield from _action_errors(action, f"{path}.{name}", grace_s)
    for name, _ in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")


def _action_errors(action: object, path: str, grace_s: int) -> Iterator[FieldError]:
    match action:
        case HTTPGetAction():
            yield from port_number_or_name(action.port, f"{path}.port")
            for header in action.httpHeaders:
                for text in names.http_header_name(header.name) if header.name else ():
                    yield invalid(f"{path}.httpHeaders", header.name, text)
        case TCPSocketAction():
            yield from port_number_or_name(action.port, f"{path}.port")
        case GRPCAction():
            yield from port_number(action.port, f"{path}.port")
        case SleepAction() if not 0 <= action.seconds <= grace_s:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            yield invalid(path, action.seconds, text)
        case ExecAction():
            pass  # the marker `Required` on its command reports a missing one
        case _:
            pass
