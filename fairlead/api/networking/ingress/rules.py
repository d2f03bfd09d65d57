"""Checks of ingresses."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.meta.reference import TypedLocalObjectReference
from fairlead.api.meta.rules import dns_name, ip_address, port_number
from fairlead.api.networking.ingress.spec import (
    HTTPIngressPath,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
)
from fairlead.api.networking.ingress.types import Ingress
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")


def ingress_errors(ingress: Ingress) -> Iterator[FieldError]:
    spec = ingress.spec
    if not spec.rules and spec.defaultBackend is None:
        yield invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if spec.defaultBackend is not None:
        yield from _backend_errors(spec.defaultBackend, "spec.defaultBackend")
    for i, rule in enumerate(spec.rules):
        yield from _rule_errors(rule, f"spec.rules[{i}]")
    for i, tls in enumerate(spec.tls):
        yield from _tls_errors(tls, f"spec.tls[{i}]")
    yield from _class_errors(spec)
    for i, point in enumerate(ingress.status.loadBalancer.ingress):
        where = f"status.loadBalancer.ingress[{i}]"
        if point.ip:
            yield from ip_address(point.ip, f"{where}.ip")
        if point.hostname:
            yield from dns_name(point.hostname, f"{where}.hostname")


def _class_errors(spec: IngressSpec) -> Iterator[FieldError]:
    name = spec.ingressClassName
    for text in names.dns1123_subdomain(name) if name is not None else ():
        yield invalid("spec.ingressClassName", name, text)


def new_ingress_errors(ingress: Ingress) -> Iterator[FieldError]:
    name = ingress.spec.ingressClassName
    old_name = ingress.metadata.annotations.get(CLASS_ANNOTATION, name)
    if name is not None and old_name != name:
        text = "must match `ingressClassName` when both are specified"
        yield invalid(f"annotations.{CLASS_ANNOTATION}", old_name, text)


def _rule_errors(rule: IngressRule, path: str) -> Iterator[FieldError]:
    if rule.host:
        if not names.ip(rule.host):
            yield invalid(f"{path}.host", rule.host, "must be a DNS name, not an IP address")
        for text in _host_texts(rule.host):
            yield invalid(f"{path}.host", rule.host, text)
    if rule.http is None:
        return
    if not rule.http.paths:
        yield required(f"{path}.http.paths")
    for i, one in enumerate(rule.http.paths):
        yield from _path_errors(one, f"{path}.http.paths[{i}]")


def _host_texts(host: str) -> list[str]:
    return names.wildcard_subdomain(host) if "*" in host else names.dns1123_subdomain(host)


def _path_errors(one: HTTPIngressPath, path: str) -> Iterator[FieldError]:
    where = f"{path}.path"
    match one.pathType:
        case None:
            yield required(f"{path}.pathType", "pathType must be specified")
            return
        case "Exact" | "Prefix":
            if not one.path.startswith("/"):
                yield invalid(where, one.path, "must be an absolute path")
            for part in _NOT_IN_PATHS:
                if part in one.path:
                    yield invalid(where, one.path, f"must not contain '{part}'")
            for end in ("/..", "/."):
                if one.path.endswith(end):
                    yield invalid(where, one.path, f"cannot end with '{end}'")
        case "ImplementationSpecific":
            if one.path and not one.path.startswith("/"):
                yield invalid(where, one.path, "must be an absolute path")
        case type:
            yield not_supported(f"{path}.pathType", type, _PATH_TYPES)
    yield from _backend_errors(one.backend, f"{path}.backend")


def _backend_errors(backend: IngressBackend, path: str) -> Iterator[FieldError]:
    match backend.resource, backend.service:
        case None, None:
            yield invalid(path, "", "resource or service backend is required")
        case resource, None if resource is not None:
            yield from _resource_errors(resource, f"{path}.resource")
        case None, service if service is not None:
            yield from _service_errors(service, path)
        case _:
            yield invalid(path, "", "cannot set both resource and service backends")


def _service_errors(service: IngressServiceBackend, path: str) -> Iterator[FieldError]:
    if not service.name:
        yield required(f"{path}.service.name")
    for text in names.dns1123_label(service.name) if service.name else ():
        yield invalid(f"{path}.service.name", service.name, text)
    name, number = service.port.name, service.port.number
    if name and number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif name:
        for text in names.port_name(name):
            yield invalid(f"{path}.service.port.name", name, text)
    elif number:
        yield from port_number(number, f"{path}.service.port.number")
    else:
        yield required(path, "port name or number is required")


def _resource_errors(ref: TypedLocalObjectReference, path: str) -> Iterator[FieldError]:
    if ref.apiGroup is not None:
        for text in names.dns1123_subdomain(ref.apiGroup):
            yield invalid(f"{path}.apiGroup", ref.apiGroup, text)
    for field, value in (("kind", ref.kind), ("name", ref.name)):
        if not value:
            yield required(f"{path}.{field}")
        for text in names.path_segment(value):
            yield invalid(f"{path}.{field}", value, text)


def _tls_errors(tls: IngressTLS, path: str) -> Iterator[FieldError]:
    for i, host in enumerate(tls.hosts):
        for text in _host_texts(host):
            yield invalid(f"{path}.hosts[{i}]", host, text)
    for text in names.dns1123_subdomain(tls.secretName) if tls.secretName else ():
        yield invalid(f"{path}.secretName", tls.secretName, text)


def ingress_warnings(ingress: Ingress) -> Iterator[str]:
    if CLASS_ANNOTATION in ingress.metadata.annotations:
        yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
