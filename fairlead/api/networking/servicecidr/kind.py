"""The ServiceCIDR kind: a range for cluster IPs. The first start creates the one named `kubernetes`."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import BY_TYPE, Condition, Object, Record, Strings
from fairlead.machinery.kinds.kind import Column, Doc, Kind
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required

_CIDRS = "spec.cidrs"
_FIXED = "field is immutable"


class ServiceCIDRSpec(Record):
    """Address ranges of a ServiceCIDR, at most one for each IP family."""

    cidrs: Annotated[
        Strings,
        Doc(
            "Address ranges in CIDR form, at most one per IP family; a second family may be added, all else "
            "is immutable."
        ),
    ] = []


class ServiceCIDRStatus(Record):
    """Most recently observed state of a ServiceCIDR, given as conditions."""

    conditions: Annotated[
        list[Condition],
        BY_TYPE,
        Doc("Most recent observations of the range; Ready is True if addresses are allocated from the range."),
    ] = []


class ServiceCIDR(Object):
    """Address range from which cluster IPs of services are allocated."""

    spec: Annotated[ServiceCIDRSpec, Doc("Desired state of the range: its CIDRs.")] = msgspec.field(
        default_factory=ServiceCIDRSpec
    )
    status: Annotated[ServiceCIDRStatus, Doc("Most recently observed state of the range; written by the system.")] = (
        msgspec.field(default_factory=ServiceCIDRStatus)
    )


def _prepare_create(service_cidr: ServiceCIDR) -> ServiceCIDR:
    service_cidr.status = ServiceCIDRStatus()
    return service_cidr


def _rules(service_cidr: ServiceCIDR) -> Iterator[FieldError]:
    cidrs = service_cidr.spec.cidrs
    if not cidrs:
        yield required(_CIDRS, "at least one CIDR required")
    elif len(cidrs) > 2:
        yield invalid(_CIDRS, {"CIDRs": cidrs}, "may only hold up to 2 values")
    else:
        wrong = [
            invalid(f"{_CIDRS}[{i}]", cidr, text) for i, cidr in enumerate(cidrs) for text in names.canonical_cidr(cidr)
        ]
        yield from wrong
        if not wrong and len(cidrs) == 2 and (":" in cidrs[0]) == (":" in cidrs[1]):
            text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            yield invalid(_CIDRS, cidrs, text)


def _transition(old: ServiceCIDR, new: ServiceCIDR) -> Iterator[FieldError]:
    before, after = old.spec.cidrs, new.spec.cidrs
    if len(before) == len(after) or (len(before), len(after)) == (1, 2):
        for i, (was, cidr) in enumerate(zip(before, after, strict=False)):
            if was != cidr:
                yield invalid(f"{_CIDRS}[{i}]", cidr, _FIXED)
    else:
        yield invalid(_CIDRS, after, _FIXED)


SERVICE_CIDR = Kind(
    type=ServiceCIDR,
    kind="ServiceCIDR",
    group="networking.k8s.io",
    plural="servicecidrs",
    storage_path="servicecidrs",
    singular="servicecidr",
    namespaced=False,
    status=True,
    columns=(
        NAME,
        Column("CIDRs", lambda found, _: ",".join(found.spec.cidrs), doc="Address ranges in CIDR form."),
        AGE,
    ),
    prepare_create=_prepare_create,
    rules=_rules,
    transition=_transition,
)
