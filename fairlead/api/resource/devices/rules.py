"""Defaults and checks of requests for devices. Source of the texts: upstream's validation of `resource.k8s.io`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fairlead.api.core.amounts import canonicalize
from fairlead.api.resource.devices.lists import (
    driver_name,
    each,
    full_attribute_name,
    json_object,
    label,
    label_name,
    unique,
)
from fairlead.api.resource.devices.selectors import expression_errors
from fairlead.api.resource.devices.types import (
    DeviceClaim,
    DeviceClaimConfiguration,
    DeviceConstraint,
    DeviceRequest,
    DeviceSelector,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
)
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

MOST_REQUESTS = 32
EFFECTS = ("NoExecute", "NoSchedule", "None")
_MOST_ALTERNATIVES = 8
_PARAMETERS_BYTES = 10 << 10
_MODES = ("All", "ExactCount")
_REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

RequestNames = Mapping[str, frozenset[str]]
"""The names of the alternatives by the names of the requests."""


def default_claim(claim: DeviceClaim) -> None:
    for request in claim.requests:
        for one in (*([request.exactly] if request.exactly is not None else ()), *request.firstAvailable):
            one.allocationMode = one.allocationMode or "ExactCount"
            if one.allocationMode == "ExactCount":
                one.count = one.count or 1
            for toleration in one.tolerations:
                toleration.operator = toleration.operator or "Equal"
            if one.capacity is not None:
                canonicalize(one.capacity.requests)


def claim_errors(claim: DeviceClaim, path: str) -> Iterator[FieldError]:
    known = request_names(claim)
    yield from unique(claim.requests, MOST_REQUESTS, f"{path}.requests", _request_errors, lambda one: one.name)
    yield from each(claim.constraints, 32, f"{path}.constraints", lambda one, at: _constraint_errors(one, at, known))
    yield from each(claim.config, 32, f"{path}.config", lambda one, at: _config_errors(one, at, known))


def request_names(claim: DeviceClaim) -> RequestNames:
    return {one.name: frozenset(sub.name for sub in one.firstAvailable) for one in claim.requests}


def _request_errors(request: DeviceRequest, path: str) -> Iterator[FieldError]:
    yield from label(request.name, f"{path}.name")
    match request.exactly, request.firstAvailable:
        case None, []:
            yield required(path, "exactly one of `exactly` or `firstAvailable` is required")
        case None, alternatives:
            where = f"{path}.firstAvailable"
            yield from unique(alternatives, _MOST_ALTERNATIVES, where, _sub_request_errors, lambda one: one.name)
        case exactly, [] if exactly is not None:
            yield from _exact_errors(exactly, f"{path}.exactly")
        case _:
            text = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
            yield invalid(path, None, text)


def _sub_request_errors(request: DeviceSubRequest, path: str) -> Iterator[FieldError]:
    yield from label(request.name, f"{path}.name")
    yield from _exact_errors(request, path)


def _exact_errors(request: ExactDeviceRequest | DeviceSubRequest, path: str) -> Iterator[FieldError]:
    name, where = request.deviceClassName, f"{path}.deviceClassName"
    if not name:
        yield required(where)
    for text in names.dns1123_subdomain(name) if name else ():
        yield invalid(where, name, text)
    yield from each(request.selectors, 32, f"{path}.selectors", selector_errors)
    yield from _mode_errors(request.allocationMode, request.count, path)
    for i, toleration in enumerate(request.tolerations):
        yield from _toleration_errors(toleration, f"{path}.tolerations[{i}]")


def _mode_errors(mode: str, count: int, path: str) -> Iterator[FieldError]:
    if mode not in _MODES:
        yield not_supported(f"{path}.allocationMode", mode, _MODES)
    elif mode == "All" and count != 0:
        yield invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield invalid(f"{path}.count", count, "must be greater than zero")


def selector_errors(selector: DeviceSelector, path: str) -> Iterator[FieldError]:
    if selector.cel is None:
        yield required(f"{path}.cel")
    else:
        yield from expression_errors(selector.cel.expression, f"{path}.cel.expression")


def _toleration_errors(toleration: DeviceToleration, path: str) -> Iterator[FieldError]:
    if toleration.key:
        yield from label_name(toleration.key, f"{path}.key")
    match toleration.operator:
        case "Exists":
            if toleration.value:
                yield invalid(f"{path}.value", toleration.value, "must be empty for operator `Exists`")
        case "Equal":
            for text in names.label_value(toleration.value):
                yield invalid(f"{path}.value", toleration.value, text)
        case other:
            yield not_supported(f"{path}.operator", other, ("Equal", "Exists"))
    if toleration.effect and toleration.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", toleration.effect, EFFECTS)


def _constraint_errors(constraint: DeviceConstraint, path: str, known: RequestNames) -> Iterator[FieldError]:
    yield from reference_list_errors(constraint.requests, f"{path}.requests", known)
    if constraint.matchAttribute is not None:
        yield from full_attribute_name(constraint.matchAttribute, f"{path}.matchAttribute")
    elif constraint.distinctAttribute is not None:
        yield from full_attribute_name(constraint.distinctAttribute, f"{path}.distinctAttribute")
    else:
        text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        yield required(path, text)


def reference_list_errors(references: list[str], path: str, known: RequestNames) -> Iterator[FieldError]:
    """Yields errors of a list of references to requests of the claim."""
    check = lambda one, at: reference_errors(one, at, known)  # noqa: E731 -- binds the names of the claim
    yield from unique(references, MOST_REQUESTS, path, check, lambda one: one)


def reference_errors(reference: str, path: str, known: RequestNames) -> Iterator[FieldError]:
    parts = reference.split("/")
    if len(parts) > 2:
        yield invalid(path, reference, _REFERENCE)
        return
    for part in parts:
        yield from label(part, path)
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        yield invalid(path, reference, _REFERENCE)


def _config_errors(config: DeviceClaimConfiguration, path: str, known: RequestNames) -> Iterator[FieldError]:
    yield from reference_list_errors(config.requests, f"{path}.requests", known)
    yield from opaque_errors(config.opaque, path)


def opaque_errors(opaque: OpaqueDeviceConfiguration | None, path: str) -> Iterator[FieldError]:
    """Yields errors of the parameters for a driver."""
    if opaque is None:
        yield required(f"{path}.opaque")
        return
    yield from driver_name(opaque.driver, f"{path}.opaque.driver")
    yield from json_object(opaque.parameters, f"{path}.opaque.parameters", _PARAMETERS_BYTES)
