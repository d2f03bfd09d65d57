"""The Ingress kind. The API stores and checks ingresses; no controller serves them yet."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.api.networking.ingress.rules import ingress_errors, ingress_warnings, new_ingress_errors
from fairlead.api.networking.ingress.types import Ingress, IngressStatus
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Strategy

__all__ = ["Ingress", "IngressStatus"]

_HOSTS_SHOWN = 3


def _prepare_create(ingress: Ingress) -> Ingress:
    ingress.status = IngressStatus()
    return ingress


def _class(ingress: Ingress, _: Instant) -> str:
    return ingress.spec.ingressClassName or ingress.metadata.annotations.get("kubernetes.io/ingress.class") or NONE


def _hosts(ingress: Ingress, _: Instant) -> str:
    hosts = [rule.host for rule in ingress.spec.rules if rule.host]
    if not hosts:
        return "*"
    more = f" + {len(hosts) - _HOSTS_SHOWN} more..." if len(hosts) > _HOSTS_SHOWN else ""
    return ",".join(hosts[:_HOSTS_SHOWN]) + more


def _address(ingress: Ingress, _: Instant) -> str:
    return _joined(point.ip or point.hostname for point in ingress.status.loadBalancer.ingress)


def _joined(texts: Iterable[str]) -> str:
    return ",".join(sorted({text for text in texts if text}))


STRATEGY: Strategy[Ingress] = Strategy(
    type=Ingress,
    columns=(
        NAME,
        Column("Class", _class, doc="Name of the IngressClass that the ingress belongs to."),
        Column("Hosts", _hosts, doc="Host names that the rules match; * if a rule matches all."),
        Column("Address", _address, doc="Addresses under which the ingress is reachable."),
        Column(
            "Ports",
            lambda ingress, _: "80, 443" if ingress.spec.tls else "80",
            doc="Ports on which the ingress listens.",
        ),
        AGE,
    ),
    prepare_create=_prepare_create,
    rules=ingress_errors,
    create_rules=new_ingress_errors,
    warnings=ingress_warnings,
)
