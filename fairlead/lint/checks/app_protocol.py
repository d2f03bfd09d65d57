"""Ports of Services that claim HTTP or HTTPS in front of a port that the container's own probes ask for the other.

What must stay true: no false alarms. A port of which the probes tell nothing, or of which two probes tell different
things, is left alone; so are HTTPS ports of load balancers with annotations, by which clouds end TLS before the Pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.service.predicates import is_load_balancer, typed
from fairlead.api.schemes import claimed_scheme
from fairlead.base.texts import text
from fairlead.lint.document import Entry, Value
from fairlead.lint.problem import Problem
from fairlead.lint.world import PROBES, Manifest, Template, World

_NAMES = {"http": "HTTP", "https": "HTTPS"}
_SECURE = 443


def app_protocols(world: World) -> Iterator[Problem]:
    for service, port, templates in world.served_ports():
        yield from _check(service, port, templates)


def _check(service: Manifest, port: Value, templates: list[Template]) -> Iterator[Problem]:
    claim = _claim(port)
    target = port.get("targetPort") or port.get("port")
    if claim is None or target is None or (port.string("protocol") or "TCP") != "TCP":
        return
    scheme, entry = claim
    if scheme == "https" and _may_end_tls(service):
        return
    for template in templates:
        asked = {one for container in template.containers for one in _asked(container, target.scalar)}
        if len(asked) != 1 or asked == {scheme}:
            continue
        message = text(
            "`{key}: {value}` claims {claimed}, but the probes of {owner} ask port {port} for {asked}",
            key=entry.key,
            value=entry.value.text,
            claimed=_NAMES[scheme],
            owner=template.owner.title,
            port=target.text,
            asked=_NAMES[asked.pop()],
        )
        yield Problem("app-protocol", "warning", service.context.file, entry.value.span, message)
        return


def _claim(port: Value) -> tuple[str, Entry] | None:
    """Returns the scheme that a port claims, and the field by which: `appProtocol`, the name, or the number 443."""
    protocol = port.string("appProtocol")
    for key, scheme in (
        ("appProtocol", claimed_scheme("", protocol)),
        ("name", "" if protocol else claimed_scheme(port.string("name"), "")),
        ("port", "" if protocol else _scheme_of_number(port)),
    ):
        entry = port.entry(key)
        if scheme and entry is not None:
            return scheme, entry
    return None


def _scheme_of_number(port: Value) -> str:
    number = port.get("port")
    return "https" if number is not None and number.scalar == _SECURE else ""


def _may_end_tls(service: Manifest) -> bool:
    spec, annotations = service.value.get("spec"), service.value.strings_at("metadata", "annotations")
    return bool(annotations) and spec is not None and is_load_balancer(typed({"type": spec.string("type")}))


def _asked(container: Value, target: object) -> Iterator[str]:
    """Yields the schemes by which the probes of a container ask its port, given by number or by name."""
    numbers = {one.string("name"): one.tree().get("containerPort") for one in container.list_at("ports") if one.entries}
    for probe in PROBES:
        asked = container.get(probe, "httpGet")
        port = asked.get("port") if asked is not None else None
        if asked is None or port is None or asked.get("host") is not None:
            continue
        same = target == port.scalar or _number(port.scalar, numbers) == _number(target, numbers) is not None
        if same:
            yield (asked.string("scheme") or "HTTP").lower()


def _number(port: object, numbers: dict[str, object]) -> object:
    return numbers.get(port) if isinstance(port, str) else port
