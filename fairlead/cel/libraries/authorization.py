"""Authorization checks in expressions (`authorizer.group('apps').resource('deployments').check('get').allowed()`).

The checks themselves are a hook: the caller binds an `Authorizer` to a variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fairlead.base.dataclass import dataclass, replace
from fairlead.cel import types
from fairlead.cel.functions import Overload, member
from fairlead.cel.types import Type

_GROUP = "kubernetes.authorization."


@dataclass(frozen=True, slots=True)
class Request:
    """The attributes of one check. `path` is set for requests outside of resources."""

    verb: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None
    """Namespace and name, if the check is about a service account instead of the user of the request."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one check."""

    allowed: bool
    reason: str = ""
    error: str = ""
    cel_type: ClassVar[Type] = types.opaque(_GROUP + "Decision")


Check = Callable[[Request], Decision]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    check: Check
    request: Request = Request()

    def step(self, kind: type[Any], **more: Any) -> Any:
        return kind(self.check, replace(self.request, **more))


class Authorizer(_Step):
    """The value that an expression calls `authorizer`. `check` answers the checks."""

    cel_type: ClassVar[Type] = types.opaque(_GROUP + "Authorizer")


class PathCheck(_Step):
    cel_type: ClassVar[Type] = types.opaque(_GROUP + "PathCheck")


class GroupCheck(_Step):
    cel_type: ClassVar[Type] = types.opaque(_GROUP + "GroupCheck")


class ResourceCheck(_Step):
    cel_type: ClassVar[Type] = types.opaque(_GROUP + "ResourceCheck")


def _refine(name: str) -> Callable[[_Step, str], Any]:
    return lambda step, value: step.step(ResourceCheck, **{name: value})


def _check(step: _Step, verb: str) -> Decision:
    return step.check(replace(step.request, verb=verb))


_AUTHORIZER, _PATH = Authorizer.cel_type.name, PathCheck.cel_type.name
_GROUPED, _RESOURCE, _DECISION = GroupCheck.cel_type.name, ResourceCheck.cel_type.name, Decision.cel_type.name

LIBRARY: list[Overload] = [
    member(
        "path", "authorizer_path", f"{_AUTHORIZER}, string -> {_PATH}", lambda a, path: a.step(PathCheck, path=path)
    ),
    member(
        "group", "authorizer_group", f"{_AUTHORIZER}, string -> {_GROUPED}", lambda a, g: a.step(GroupCheck, group=g)
    ),
    member(
        "serviceAccount",
        "authorizer_serviceaccount",
        f"{_AUTHORIZER}, string, string -> {_AUTHORIZER}",
        lambda a, namespace, name: a.step(Authorizer, service_account=(namespace, name)),
    ),
    member("resource", "groupcheck_resource", f"{_GROUPED}, string -> {_RESOURCE}", _refine("resource")),
    *(
        member(name, f"resourcecheck_{name.lower()}", f"{_RESOURCE}, string -> {_RESOURCE}", _refine(attribute))
        for name, attribute in (
            ("subresource", "subresource"),
            ("namespace", "namespace"),
            ("name", "name"),
            ("fieldSelector", "field_selector"),
            ("labelSelector", "label_selector"),
        )
    ),
    member("check", "pathcheck_check", f"{_PATH}, string -> {_DECISION}", _check),
    member("check", "resourcecheck_check", f"{_RESOURCE}, string -> {_DECISION}", _check),
    member("allowed", "decision_allowed", f"{_DECISION} -> bool", lambda d: d.allowed),
    member("reason", "decision_reason", f"{_DECISION} -> string", lambda d: d.reason),
    member("error", "decision_error", f"{_DECISION} -> string", lambda d: d.error),
    member("errored", "decision_errored", f"{_DECISION} -> bool", lambda d: bool(d.error)),
]
