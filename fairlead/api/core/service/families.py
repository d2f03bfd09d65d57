"""Address families of a service: defaults, and checks against the cluster's families.

They are separate from the other defaults, because they depend on the cluster and on the old service. The families of
a service change only if an update changes the policy, the families or the addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.api.core.service.predicates import NO_IP, is_headless, needs_cluster_ip
from fairlead.api.core.service.rules import cluster_ip_errors
from fairlead.api.core.service.spec import ServiceSpec
from fairlead.api.core.service.types import Service
from fairlead.base.addresses import family_of
from fairlead.machinery.values.status import FieldError, invalid

_POLICY = "spec.ipFamilyPolicy"
_SINGLE, _PREFER, _REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
_BOTH = f"must be '{_REQUIRE}' or '{_PREFER}' when multiple"
_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def complete_families(old: Service | None, new: Service, families: Sequence[str]) -> list[FieldError]:
    """Sets `ipFamilyPolicy` and `ipFamilies`; `families` are the cluster's, the primary one first. Invalid addresses
    are left to the rules, which report them together with all other errors."""
    spec, before = new.spec, old.spec if old is not None else None
    if not needs_cluster_ip(spec) or (before is not None and _as_before(before, spec)):
        return []
    open_ended = is_headless(spec) and not spec.selector
    if spec.ipFamilyPolicy is None:
        inherited = before.ipFamilyPolicy if before is not None else None
        spec.ipFamilyPolicy = inherited or (_REQUIRE if open_ended else _SINGLE)
    if any(cluster_ip_errors(spec)):
        return []
    errors = [*(_released(before, spec) if before is not None else ()), *_too_many(spec), *_infer(spec, families)]
    if errors:
        return errors
    if not open_ended and (errors := list(_not_configured(spec, families))):
        return errors
    spec.ipFamilies = spec.ipFamilies or [families[0]]
    wants_both = spec.ipFamilyPolicy != _SINGLE and (open_ended or len(families) > 1)
    if wants_both and len(spec.ipFamilies) == 1:
        spec.ipFamilies = [*spec.ipFamilies, _OTHER[spec.ipFamilies[0]]]
    return []


def _as_before(before: ServiceSpec, spec: ServiceSpec) -> bool:
    """Returns true if the families stay as they are. A service with PreferDualStack keeps them if the cluster gains
    or loses a family."""
    return (
        spec.ipFamilyPolicy == _PREFER
        and before.ipFamilyPolicy in (None, _PREFER)
        and before.type == spec.type
        and (before.clusterIPs, before.ipFamilies) == (spec.clusterIPs, spec.ipFamilies)
    )


def _released(before: ServiceSpec, spec: ServiceSpec) -> Iterator[FieldError]:
    """Drops the second address if the policy became SingleStack; otherwise yields an error for each list that lost an
    entry."""
    if spec.ipFamilyPolicy == _SINGLE:
        if before.clusterIPs == spec.clusterIPs:
            spec.clusterIPs = spec.clusterIPs[:1]
        if before.ipFamilies == spec.ipFamilies:
            spec.ipFamilies = spec.ipFamilies[:1]
        return
    for what, was, now in (
        ("cluster IP", before.clusterIPs, spec.clusterIPs),
        ("IP family", before.ipFamilies, spec.ipFamilies),
    ):
        if now and len(now) < len(was):
            yield invalid(_POLICY, spec.ipFamilyPolicy, f"must be '{_SINGLE}' to release the secondary {what}")


def _too_many(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.ipFamilyPolicy == _SINGLE:
        if len(spec.clusterIPs) == 2:
            yield invalid(_POLICY, _SINGLE, f"{_BOTH} cluster IPs are specified")
        if len(spec.ipFamilies) == 2:
            yield invalid(_POLICY, _SINGLE, f"{_BOTH} IP families are specified")


def _infer(spec: ServiceSpec, families: Sequence[str]) -> Iterator[FieldError]:
    for i, ip in enumerate(spec.clusterIPs):
        if ip == NO_IP:
            break
        if i < len(spec.ipFamilies):
            continue
        family = family_of(ip)
        if family in families:
            spec.ipFamilies = [*spec.ipFamilies, family]
        else:
            yield invalid(f"spec.clusterIPs[{i}]", spec.clusterIPs, f"{family} is not configured on this cluster")


def _not_configured(spec: ServiceSpec, families: Sequence[str]) -> Iterator[FieldError]:
    if spec.ipFamilyPolicy == _REQUIRE and len(families) < 2:
        yield invalid(_POLICY, _REQUIRE, "this cluster is not configured for dual-stack services")
    for i, family in enumerate(spec.ipFamilies):
        if family not in families:
            yield invalid(f"spec.ipFamilies[{i}]", family, "not configured on this cluster")
