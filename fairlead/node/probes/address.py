"""The port that a probe or hook names, and the texts for a connection that fails. Pure."""

from __future__ import annotations

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.meta.columns import join_host_port
from fairlead.base.numbers import natural


class PortError(ValueError):
    """The port cannot be resolved; the text says why."""


def resolve_port(port: int | str, container: Container) -> int:
    """Returns a port given by number, by its name in the container, or by a number in a string. Raises PortError."""
    number = port if isinstance(port, int) else _port_by_name(port, container)
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number


def _port_by_name(name: str, container: Container) -> int:
    for port in container.ports:
        if port.name == name:
            return port.containerPort
    if (number := natural(name)) is None:
        raise PortError(f"port {name} not found")
    return number


def dial_text(host: str, port: int, error: Exception) -> str:
    address = join_host_port(host, port)
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    return f"dial tcp {address}: {error}"


def duration_text(seconds: float) -> str:
    """Returns whole seconds as Go prints a duration: 5s, 1m30s, 1h0m0s."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
