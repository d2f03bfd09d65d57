"""Checks that the kinds of the group share. Source: upstream's validation of `storage.k8s.io`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required

_MAX_PARAMETERS = 512
_MAX_PARAMETERS_BYTES = 256 << 10
_DRIVER_MAX = 63


def too_long(path: str, most: int) -> FieldError:
    return FieldError(path, "TooLong", None, f"may not be more than {most} bytes")


def provisioner_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of a provisioner or driver; that the name is given is the field's own check."""
    for text in names.qualified_name(name.lower()) if name else ():
        yield invalid(path, name.lower(), text)


def parameter_errors(parameters: Mapping[str, str], path: str, *, may_be_empty: bool) -> Iterator[FieldError]:
    """Yields errors of the parameters of a class, which are passed on to a driver."""
    if len(parameters) > _MAX_PARAMETERS:
        yield too_long(path, _MAX_PARAMETERS)
        return
    if "" in parameters:
        yield invalid(path, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > _MAX_PARAMETERS_BYTES:
        yield too_long(path, _MAX_PARAMETERS_BYTES)
    if not may_be_empty and not parameters:
        yield required(path, "must contain at least one key/value pair")


def driver_name_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of a CSI driver inside another object; that it is given is the field's own check."""
    if len(name) > _DRIVER_MAX:
        yield too_long(path, _DRIVER_MAX)
    for text in names.dns1123_subdomain(name.lower()) if name else ():
        yield invalid(path, name, text)
