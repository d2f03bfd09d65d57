"""Names of resources (`cpu`, `requests.storage`, `example.com/gpu`) and the values that each may have.

Source: upstream's `pkg/apis/core/helper` and `pkg/apis/core/validation`. A name without a domain must be known; a name
with a domain is an extended resource and is counted in whole units.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.amounts import Amount, value
from fairlead.machinery.values import names, quantity
from fairlead.machinery.values.status import FieldError, invalid

HUGE_PAGES = "hugepages-"
_REQUESTS = "requests."
_NATIVE_DOMAIN = "kubernetes.io/"
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    }
)
_OF_QUOTA = frozenset(
    {
        *_CONTAINER,
        *_COUNTED,
        *(f"{part}.{name}" for part in ("limits", "requests") for name in _CONTAINER),
        "requests.storage",
    }
)
_STANDARD = _OF_QUOTA | {"storage"}


def is_native(name: str) -> bool:
    """Returns whether the name is in the domain of Kubernetes, which a name without a domain is."""
    return "/" not in name or _NATIVE_DOMAIN in name


def is_extended(name: str) -> bool:
    """Returns whether the name is that of an extended resource, and also valid as a name in a quota."""
    return not is_native(name) and not name.startswith(_REQUESTS) and not names.qualified_name(_REQUESTS + name)


def is_whole(name: str) -> bool:
    """Returns whether the resource is counted in whole units."""
    return name in _COUNTED or is_extended(name)


def may_overcommit(name: str) -> bool:
    """Returns whether the limit of the resource may exceed its request."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_of_quota(name: str) -> bool:
    """Returns whether quotas count the resource without a domain."""
    return name in _OF_QUOTA or name.startswith((HUGE_PAGES, _REQUESTS + HUGE_PAGES))


def name_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of a resource's name."""
    errors = [invalid(path, name, text) for text in names.qualified_name(name)]
    yield from errors
    if not errors and "/" not in name and name not in _STANDARD and not is_of_quota(name):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def container_name_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of a resource that a container requests."""
    yield from name_errors(name, path)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(HUGE_PAGES):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def quota_name_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of a resource that a quota limits."""
    yield from name_errors(name, path)
    if "/" not in name and not is_of_quota(name):
        yield invalid(path, name, "must be a standard resource for quota")


def amount_errors(amount: Amount, path: str, *, whole: bool = False) -> Iterator[FieldError]:
    """Yields errors of an amount: negative, or not a whole number."""
    text = str(amount)
    if wrong := quantity.texts(text):
        yield invalid(path, text, wrong[0])
        return
    if value(text) < 0:
        yield invalid(path, text, "must be greater than or equal to 0")
    if whole and value(text).denominator != 1:
        yield invalid(path, text, "must be an integer")
