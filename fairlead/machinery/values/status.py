"""The family of API errors and the `Status` object that represents them on the wire.

Sources: Kubernetes API conventions ("Response Status Kind") and `metav1.Status`. Boundaries translate other errors into
`StatusError`; callers match on `code` and `reason`, never on text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Literal

from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.quoting import go_quote

FieldErrorType = Literal[
    "Required",
    "Invalid",
    "NotSupported",
    "Forbidden",
    "Duplicate",
    "TooLong",
    "TooMany",
    "NotFound",
    "TypeInvalid",
    "Internal",
]

_CAUSE_REASON: dict[str, str] = {
    "Required": "FieldValueRequired",
    "Invalid": "FieldValueInvalid",
    "NotSupported": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Duplicate": "FieldValueDuplicate",
    "TooLong": "FieldValueTooLong",
    "TooMany": "FieldValueTooMany",
    "NotFound": "FieldValueNotFound",
    "TypeInvalid": "FieldValueTypeInvalid",
    "Internal": "InternalError",
}
_DETAILED = frozenset(
    {"NotFound", "AlreadyExists", "Conflict", "Forbidden", "Invalid", "MethodNotAllowed", "InternalError", "Timeout"}
)
"""Reasons whose `Status` has `details` even if these are empty, as upstream's constructors make it. Clients read fields
of the details without a check for their presence."""
_PREFIX: dict[str, str] = {
    "Required": "Required value",
    "Invalid": "Invalid value",
    "NotSupported": "Unsupported value",
    "Forbidden": "Forbidden",
    "Duplicate": "Duplicate value",
    "TooLong": "Too long",
    "TooMany": "Too many",
    "NotFound": "Not found",
    "TypeInvalid": "Invalid value",
    "Internal": "Internal error",
}


_WITHOUT_VALUE = frozenset(("Required", "Forbidden", "TooLong", "Internal"))
OMITTED = object()
"""The value of an error whose text does not show the value."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error of one field; `path` as in `spec.ports[0].port`."""

    path: str
    type: FieldErrorType
    value: Any = None
    detail: str = ""

    def message(self) -> str:
        """Returns the text without the path, as upstream's `field.Error.ErrorBody`."""
        head = _PREFIX[self.type]
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            head += f": {render_value(self.value)}"
        return f"{head}: {self.detail}" if self.detail else head

    def __str__(self) -> str:
        return f"{self.path}: {self.message()}"


_TERMINATING = "NamespaceTerminating"


def render_value(value: Any) -> str:
    """Renders a bad value as Go shows it inside field errors: strings quoted, the rest as `json.Marshal` writes it."""
    if isinstance(value, str):
        return go_quote(value)
    is_map = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=is_map)
    return text.translate(_ESCAPED)


_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""Characters that Go's encoder escapes so that JSON can be embedded in HTML."""


def required(path: str, detail: str = "") -> FieldError:
    return FieldError(path, "Required", None, detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError(path, "Invalid", value, detail)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(path, "Forbidden", None, detail)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(path, "Duplicate", value)


def too_long(path: str, most: int) -> FieldError:
    return FieldError(path, "TooLong", None, f"may not be more than {most} bytes")


def not_supported(path: str, value: Any, supported: Sequence[str]) -> FieldError:
    """Returns the error `Unsupported value: "x": supported values: "A", "B"` with the choices sorted."""
    choices = ", ".join(go_quote(s) for s in sorted(supported))
    return FieldError(path, "NotSupported", value, f"supported values: {choices}")


@dataclasses.dataclass(eq=False)
class StatusError(Exception):
    """An API error: HTTP code, machine-readable reason, message, optional details."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """Returns the `Status` object of this error."""
        tree: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
        }
        if self.message:
            tree["message"] = self.message
        if self.reason:
            tree["reason"] = self.reason
        if self.details or self.reason in _DETAILED:
            tree["details"] = self.details
        tree["code"] = self.code
        return tree


def status_error(tree: dict[str, Any]) -> StatusError:
    """Returns the error that a `Status` object describes (the client's side of `StatusError.body`)."""
    return StatusError(
        int(tree.get("code") or 500),
        tree.get("reason") or "",
        tree.get("message") or "",
        tree.get("details") or {},
    )


def qualified(plural: str, group: str) -> str:
    """Returns `services`, or `deployments.apps` if the group has a name."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind}
    return {k: v for k, v in details.items() if v}


def not_found(plural: str, group: str, name: str) -> StatusError:
    text = f'{qualified(plural, group)} "{name}" not found'
    return StatusError(404, "NotFound", text, _details(name, group, plural))


def already_exists(plural: str, group: str, name: str) -> StatusError:
    text = f'{qualified(plural, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", text, _details(name, group, plural))


def conflict(plural: str, group: str, name: str, why: str) -> StatusError:
    text = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return StatusError(409, "Conflict", text, _details(name, group, plural))


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


_MOST_CAUSES = 1000
"""Greatest number of causes in one answer: a body of 1 MB could otherwise cause an answer of 100 MB."""


def invalid_object(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """Returns a 422 with every cause up to a bound (upstream's `NewInvalid`)."""
    more, errors = len(errors) - _MOST_CAUSES, errors[:_MOST_CAUSES]
    texts = [*map(str, errors), *([f"and {more} more errors"] if more > 0 else [])]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    causes = [{"reason": _CAUSE_REASON[e.type], "message": e.message(), "field": e.path} for e in errors]
    full = f"{kind}.{group}" if group else kind
    return StatusError(
        422,
        "Invalid",
        f'{full} "{name}" is invalid: {joined}',
        _details(name, group, kind) | {"causes": causes},
    )


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def forbidden_request(message: str) -> StatusError:
    return StatusError(403, "Forbidden", message)


def forbidden_object(plural: str, group: str, name: str, why: str) -> StatusError:
    """Returns a 403 with the name of the object (upstream's `NewForbidden`)."""
    if not plural:
        return forbidden_request(f"forbidden: {why}")
    named = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return StatusError(403, "Forbidden", f"{named} is forbidden: {why}", _details(name, group, plural))


def namespace_terminating(plural: str, group: str, name: str, namespace: str) -> StatusError:
    """Returns a 403 for a new object in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden_object(plural, group, name, why)
    cause = {
        "reason": _TERMINATING,
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details["causes"] = [cause]
    return error


def is_namespace_terminating(error: StatusError) -> bool:
    """Returns whether the object was refused because its namespace is being deleted: a retry cannot help."""
    return any(cause.get("reason") == _TERMINATING for cause in error.details.get("causes", ()))


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def no_such_resource() -> StatusError:
    """Returns a 404 for a path that is not served."""
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def internal_error(why: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def expired(message: str) -> StatusError:
    """Returns a 410: the requested resourceVersion is older than the history kept."""
    return StatusError(410, "Expired", message)
