"""The types, rules and columns of APIServices. Checks and texts as upstream's kube-aggregator has them."""

import base64
from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import BY_TYPE, Base64, Int32, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Strategy
from fairlead.machinery.values.names import dns1035_label, dns1123_subdomain, port_number
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

DEFAULT_PORT = 443
_STATUSES = ("False", "True", "Unknown")
_MOST_GROUP, _MOST_VERSION = 20000, 1000


class ServiceReference(Record):
    """Reference to a port of a Service of the cluster."""

    namespace: Annotated[str, Doc("Namespace of the Service that serves the group and version.")] = ""
    name: Annotated[str, Doc("Name of the Service that serves the group and version.")] = ""
    port: Annotated[Int32, Doc("Port of the Service, at which it serves HTTPS; default 443.")] | None = None


class APIServiceSpec(Record):
    """Server of one group and version, and the place of both in discovery."""

    service: (
        Annotated[
            ServiceReference,
            Doc("Service that serves the group and version; absent if the API server itself serves them."),
        ]
        | None
    ) = None
    group: Annotated[str, Doc("API group that is served; empty for the core group.")] = ""
    version: Annotated[str, Doc("Version of the API group that is served, such as v1beta1.")] = ""
    insecureSkipTLSVerify: Annotated[
        bool, Doc("True to accept any certificate of the Service; not recommended, use caBundle instead.")
    ] = False
    caBundle: Annotated[
        Base64,
        Doc("Certificates in PEM form that sign the Service's certificate; the system's authorities if empty."),
    ] = ""
    groupPriorityMinimum: Annotated[
        Int32,
        Doc("Priority of the group; clients that name a resource without its group prefer the higher priority."),
    ] = msgspec.field(default_factory=int)
    versionPriority: Annotated[
        Int32, Doc("Priority of the version within its group; clients prefer the version with the highest priority.")
    ] = msgspec.field(default_factory=int)


class APIServiceCondition(Record):
    """Observation about the server of one group and version."""

    type: Annotated[str, Doc("Type of the condition; the only type is Available.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""


class APIServiceStatus(Record):
    """Observed state of the server of one group and version."""

    conditions: Annotated[
        list[APIServiceCondition],
        BY_TYPE,
        Doc("Observations about the server, each with a type of its own; Available says that it answers."),
    ] = []


class APIService(Object):
    """Server of one API group and version; its name is `<version>.<group>`."""

    spec: Annotated[APIServiceSpec, Doc("Server of the group and version, and the place of both in discovery.")] = (
        msgspec.field(default_factory=APIServiceSpec)
    )
    status: Annotated[APIServiceStatus, Doc("Most recently observed state of the server; written by the system.")] = (
        msgspec.field(default_factory=APIServiceStatus)
    )


def _default(service: APIService) -> APIService:
    reference = service.spec.service
    if reference is not None and reference.port is None:
        reference.port = DEFAULT_PORT
    return service


def _prepare_create(service: APIService) -> APIService:
    service.status = APIServiceStatus()
    if service.spec.service is None:
        service.status.conditions = [local_condition(service.metadata.creationTimestamp)]
    return service


def local_condition(at: str | None) -> APIServiceCondition:
    """Returns the condition of a group and version that the API server itself serves."""
    return APIServiceCondition(
        type="Available",
        status="True",
        lastTransitionTime=at,
        reason="Local",
        message="Local APIServices are always available",
    )


def available(service: APIService) -> APIServiceCondition | None:
    """Returns the condition Available, if the object has one."""
    return next((c for c in service.status.conditions if c.type == "Available"), None)


def _rules(service: APIService) -> Iterator[FieldError]:
    spec, name = service.spec, service.metadata.name
    expected = f"{spec.version}.{spec.group}"
    if name != expected:
        yield invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{expected}"')
    if not spec.group and spec.version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    if spec.group:
        yield from (invalid("spec.group", spec.group, text) for text in dns1123_subdomain(spec.group))
    yield from (invalid("spec.version", spec.version, text) for text in dns1035_label(spec.version))
    if not 0 < spec.groupPriorityMinimum <= _MOST_GROUP:
        text = f"must be positive and less than {_MOST_GROUP}"
        yield invalid("spec.groupPriorityMinimum", spec.groupPriorityMinimum, text)
    if not 0 < spec.versionPriority <= _MOST_VERSION:
        yield invalid("spec.versionPriority", spec.versionPriority, f"must be positive and less than {_MOST_VERSION}")
    yield from _local_errors(spec) if spec.service is None else _service_errors(spec, spec.service)
    for i, condition in enumerate(service.status.conditions):
        if condition.status not in _STATUSES:
            yield not_supported(f"status.conditions[{i}].status", condition.status, _STATUSES)


def _local_errors(spec: APIServiceSpec) -> Iterator[FieldError]:
    if spec.caBundle:
        size = f"{len(base64.b64decode(spec.caBundle))} bytes"
        yield invalid("spec.caBundle", size, "local APIServices may not have a caBundle")
    if spec.insecureSkipTLSVerify:
        yield invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify")


def _service_errors(spec: APIServiceSpec, service: ServiceReference) -> Iterator[FieldError]:
    if not service.namespace:
        yield required("spec.service.namespace")
    if not service.name:
        yield required("spec.service.name")
    if problems := port_number(service.port or 0):
        yield invalid("spec.service.port", service.port, "port is not valid: " + ", ".join(problems))
    if spec.insecureSkipTLSVerify and spec.caBundle:
        yield invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _server(service: APIService, _: Instant) -> str:
    reference = service.spec.service
    return f"{reference.namespace}/{reference.name}" if reference is not None else "Local"


def _available(service: APIService, _: Instant) -> str:
    condition = available(service)
    if condition is None:
        return "Unknown"
    if condition.status == "True" or not condition.reason:
        return condition.status
    return f"{condition.status} ({condition.reason})"


STRATEGY: Strategy[APIService] = Strategy(
    type=APIService,
    name_rule="path-segment",
    unconditional_update=False,
    qualified_finalizers=False,
    columns=(
        NAME,
        Column("Service", _server, doc="Service that hosts this API endpoint, or Local."),
        Column("Available", _available, doc="True if the server of the group and version answers."),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
)
