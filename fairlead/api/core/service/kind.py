"""The kind Service."""

from __future__ import annotations

from fairlead.api.core.service.columns import SERVICE_COLUMNS
from fairlead.api.core.service.defaults import default_service, prepare_new_service, prepare_service_update
from fairlead.api.core.service.rules import service_errors, service_transition
from fairlead.api.core.service.spec import ClientIPConfig, ServicePort, ServiceSpec, SessionAffinityConfig
from fairlead.api.core.service.types import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    PortStatus,
    Service,
    ServiceStatus,
)
from fairlead.api.core.service.warnings import service_warnings
from fairlead.machinery.kinds.kind import GroupVersionKind, Kind, Subresource
from fairlead.machinery.kinds.subresources import CONNECT

__all__ = [
    "SERVICE",
    "ClientIPConfig",
    "LoadBalancerIngress",
    "LoadBalancerStatus",
    "PortStatus",
    "Service",
    "ServicePort",
    "ServiceSpec",
    "ServiceStatus",
    "SessionAffinityConfig",
]


def _prepare_create(service: Service) -> Service:
    service.status = ServiceStatus()
    return prepare_new_service(service)


SERVICE = Kind(
    type=Service,
    created_by_update=True,
    kind="Service",
    plural="services",
    storage_path="services/specs",
    cached="object",
    delete_returns_object=True,
    subresources=(Subresource("proxy", GroupVersionKind("", "v1", "ServiceProxyOptions"), CONNECT),),
    singular="service",
    short_names=("svc",),
    categories=("all",),
    status=True,
    columns=SERVICE_COLUMNS,
    default=default_service,
    prepare_create=_prepare_create,
    prepare_update=prepare_service_update,
    rules=service_errors,
    transition=service_transition,
    warnings=service_warnings,
    fields={
        "spec.clusterIP": lambda service: service.spec.clusterIP,
        "spec.type": lambda service: service.spec.type,
    },
    name_rule="label",
)
