"""The IngressClass kind: names the controller of the ingresses that refer to the class."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.api.meta.types import Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Immutable, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

_SCOPES = ("Cluster", "Namespace")
_CONTROLLER_MAX = 250


class IngressClassParametersReference(Record):
    """Reference to an object with further settings for the controller of an ingress class."""

    apiGroup: Annotated[str, Doc("API group of the referent; empty for the core group.")] | None = None
    kind: Annotated[str, Doc("Kind of the object that holds the settings.")] = ""
    name: Annotated[str, Doc("Name of the object that holds the settings.")] = ""
    namespace: (
        Annotated[str, Doc("Namespace of the referent; required if `scope` is Namespace, forbidden if Cluster.")] | None
    ) = None
    scope: Annotated[str, Doc("Scope of the referent: Cluster (default) or Namespace.")] | None = None


class IngressClassSpec(Record):
    """Controller of an ingress class, and the settings that the controller reads."""

    controller: Annotated[
        str,
        Immutable(),
        Doc("Name of the controller that serves the class, such as example.com/ingress-controller; immutable."),
    ] = ""
    parameters: (
        Annotated[
            IngressClassParametersReference,
            Doc("Reference to an object that holds further settings for the controller."),
        ]
        | None
    ) = None


class IngressClass(Object):
    """Class of ingresses, which names the controller that serves them."""

    spec: Annotated[IngressClassSpec, Doc("Desired state of the class: controller and parameters.")] = msgspec.field(
        default_factory=IngressClassSpec
    )


def _default(ingress_class: IngressClass) -> IngressClass:
    parameters = ingress_class.spec.parameters
    if parameters is not None and parameters.scope is None:
        parameters.scope = "Cluster"
    return ingress_class


def _rules(ingress_class: IngressClass) -> Iterator[FieldError]:
    controller, path = ingress_class.spec.controller, "spec.controller"
    if not controller:
        yield required(path)
    else:
        if len(controller) > _CONTROLLER_MAX:
            yield FieldError(path, "TooLong", None, f"may not be more than {_CONTROLLER_MAX} bytes")
        yield from _domain_prefixed(controller, path)
    if ingress_class.spec.parameters is not None:
        yield from _parameter_errors(ingress_class.spec.parameters, "spec.parameters")


def _domain_prefixed(value: str, path: str) -> Iterator[FieldError]:
    domain, slash, rest = value.partition("/")
    if not (domain and slash and rest):
        yield invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for text in names.dns1123_subdomain(domain):
        yield invalid(path, domain, text)
    for text in names.url_path(rest):
        yield invalid(path, rest, text)


def _parameter_errors(ref: IngressClassParametersReference, path: str) -> Iterator[FieldError]:
    if ref.apiGroup is not None:
        for text in names.dns1123_subdomain(ref.apiGroup):
            yield invalid(f"{path}.apiGroup", ref.apiGroup, text)
    for field, value in (("kind", ref.kind), ("name", ref.name)):
        if not value:
            yield required(f"{path}.{field}")
        for text in names.path_segment(value):
            yield invalid(f"{path}.{field}", value, text)
    match ref.scope:
        case None:
            yield required(f"{path}.scope")
        case "Namespace":
            if ref.namespace is None:
                yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
            else:
                for text in names.dns1123_label(ref.namespace):
                    yield invalid(f"{path}.namespace", ref.namespace, text)
        case "Cluster":
            if ref.namespace is not None:
                yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
        case scope:
            yield not_supported(f"{path}.scope", scope, _SCOPES)


def _parameters(ingress_class: IngressClass, _: Instant) -> str:
    ref = ingress_class.spec.parameters
    if ref is None:
        return NONE
    kind = f"{ref.kind}.{ref.apiGroup}" if ref.apiGroup else ref.kind
    return f"{kind}/{ref.name}"


STRATEGY: Strategy[IngressClass] = Strategy(
    type=IngressClass,
    columns=(
        NAME,
        Column(
            "Controller",
            lambda found, _: found.spec.controller,
            doc="Name of the controller that serves the class.",
        ),
        Column("Parameters", _parameters, doc="Object that holds settings for the controller."),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
