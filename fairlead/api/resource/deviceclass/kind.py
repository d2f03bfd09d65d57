"""The DeviceClass kind: a choice of devices that claims can name. No component allocates devices yet."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Object, Record
from fairlead.api.resource.devices.lists import each
from fairlead.api.resource.devices.rules import opaque_errors, selector_errors
from fairlead.api.resource.devices.types import DeviceSelector, OpaqueDeviceConfiguration
from fairlead.machinery.kinds.kind import Atomic, Doc, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid

_OWN_DOMAIN = "kubernetes.io/"
_MOST = 32


class DeviceClassConfiguration(Record):
    """Configuration of the devices of a class."""

    opaque: Annotated[OpaqueDeviceConfiguration, Doc("Parameters for one driver; required.")] | None = None


class DeviceClassSpec(Record):
    """Desired state of a class: devices and their configuration."""

    selectors: Annotated[
        list[DeviceSelector], Atomic(), Doc("Conditions of the devices of the class, at most 32; all must be met.")
    ] = []
    config: Annotated[
        list[DeviceClassConfiguration], Atomic(), Doc("Configurations that drivers get for each device, at most 32.")
    ] = []
    extendedResourceName: (
        Annotated[str, Doc("Name of an extended resource of pods that devices of the class can satisfy.")] | None
    ) = None


class DeviceClass(Object):
    """Choice of devices that claims can name. Fairlead stores the class and allocates no devices."""

    spec: Annotated[DeviceClassSpec, Doc("Desired state of the class: devices and their configuration.")] = (
        msgspec.field(default_factory=DeviceClassSpec)
    )


def _is_extended(name: str) -> bool:
    """Returns whether the name is one of an extended resource: outside of Kubernetes' own domain."""
    if "/" not in name or _OWN_DOMAIN in name or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def _rules(found: DeviceClass) -> Iterator[FieldError]:
    spec = found.spec
    yield from each(spec.selectors, _MOST, "spec.selectors", selector_errors)
    yield from each(spec.config, _MOST, "spec.config", lambda one, at: opaque_errors(one.opaque, at))
    name = spec.extendedResourceName
    if name is not None and not _is_extended(name):
        yield invalid("spec.extendedResourceName", name, "must be a valid extended resource name")


STRATEGY: Strategy[DeviceClass] = Strategy(
    type=DeviceClass,
    columns=(NAME, AGE),
    rules=_rules,
)
