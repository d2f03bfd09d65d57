"""Services of type ExternalName with fields that DNS cannot carry, or with a name that no client can resolve."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.service.predicates import TypeOnly, is_external_name
from fairlead.base.addresses import is_address
from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, World

_WITHOUT_EFFECT = ("ports", "selector")


def external_names(world: World) -> Iterator[Problem]:
    for service in world.of_kind("Service"):
        if not is_external_name(TypeOnly(service.value.string("spec", "type"))):
            continue
        yield from _target(service)
        for key in _WITHOUT_EFFECT:
            entry = service.entry("spec", key)
            if entry is not None and not entry.value.is_null:
                message = text(
                    "`{field}` is ignored in an ExternalName Service: it is an alias in DNS (CNAME)", field=key
                )
                yield Problem("external-name", "warning", service.context.file, entry.span, message)


def _target(service: Manifest) -> Iterator[Problem]:
    entry = service.entry("spec", "externalName")
    target = service.value.string("spec", "externalName")
    if entry is None or not target:
        return
    if is_address(target):
        message = text(
            "`{target}` is an IP address: DNS answers with a CNAME record, which needs a host name", target=target
        )
    elif "." not in target.rstrip("."):
        message = text(
            "`{target}` is taken as a full name: an alias for a Service is NAME.NAMESPACE.svc.cluster.local",
            target=target,
        )
    else:
        return
    yield Problem("external-name", "warning", service.context.file, entry.value.span, message)
