"""The IPAddress kind: an allocated address, such as a Service's cluster IP or one reserved by another controller."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Immutable, Kind, Required
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required

FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY_LABEL = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
"""Value of the managed-by label on addresses of Services."""


class ParentReference(Record):
    """Reference to the object for which an IP address is allocated, such as a service."""

    group: Annotated[str, Doc("API group of the referent; empty for the core group.")] = ""
    resource: Annotated[str, Doc("Resource of the referent, in plural, such as services.")] = ""
    namespace: Annotated[str, Doc("Namespace of the referent; empty for cluster-scoped objects.")] = ""
    name: Annotated[str, Doc("Name of the referent, unique within its namespace.")] = ""


class IPAddressSpec(Record):
    """Owner of an allocated IP address, given as a reference."""

    parentRef: (
        Annotated[
            ParentReference,
            Required(),
            Immutable(),
            Doc("Reference to the object that the address is allocated to; immutable."),
        ]
        | None
    ) = None


class IPAddress(Object):
    """Allocation of one IP address; the object's name is the address in canonical form."""

    spec: Annotated[IPAddressSpec, Doc("Desired state of the allocation: the object that holds the address.")] = (
        msgspec.field(default_factory=IPAddressSpec)
    )


def _parent(address: IPAddress, _: Instant) -> str:
    ref = address.spec.parentRef
    if ref is None:
        return ""
    resource = f"{ref.resource}.{ref.group}" if ref.group else ref.resource
    return "/".join(part for part in (resource, ref.namespace, ref.name) if part)


def _rules(address: IPAddress) -> Iterator[FieldError]:
    ref, path = address.spec.parentRef, "spec.parentRef"
    if ref is None:
        return
    for text in names.dns1123_subdomain(ref.group) if ref.group else ():
        yield invalid(f"{path}.group", ref.group, text)
    for field, value in (("resource", ref.resource), ("name", ref.name)):
        if not value:
            yield required(f"{path}.{field}")
        for text in names.path_segment(value):
            yield invalid(f"{path}.{field}", value, text)
    for text in names.path_segment(ref.namespace):
        yield invalid(f"{path}.namespace", ref.namespace, text)


IP_ADDRESS = Kind(
    type=IPAddress,
    kind="IPAddress",
    group="networking.k8s.io",
    plural="ipaddresses",
    storage_path="ipaddresses",
    singular="ipaddress",
    short_names=("ip",),
    namespaced=False,
    columns=(
        NAME,
        Column("ParentRef", _parent, doc="Object that the address is allocated to."),
        AGE,
    ),
    rules=_rules,
    name_rule="ip",
)
