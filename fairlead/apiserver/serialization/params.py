"""The query parameters of `ListOptions`, `CreateOptions`, `UpdateOptions` and `PatchOptions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from fairlead.base.numbers import integer, natural
from fairlead.machinery.kinds.decode import FieldValidation
from fairlead.machinery.managedfields.managed import manager_name, name_problem
from fairlead.machinery.values.query import flag
from fairlead.machinery.values.status import (
    FieldError,
    StatusError,
    bad_request,
    forbidden,
    invalid,
    invalid_object,
    not_supported,
    required,
)
from fairlead.runtime.client import Request

_VALIDATIONS = ("Ignore", "Strict", "Warn")
_MATCHES = ("Exact", "NotOlderThan")


class ListOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The query parameters of a list or watch."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    """The parameter `continue`."""
    resource_version: str = ""
    match: str = ""
    """The parameter `resourceVersionMatch`."""
    timeout_s: float | None = None
    watch: bool = False
    bookmarks: bool = False
    send_initial: bool | None = None


class WriteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The query parameters of a write."""

    dry_run: bool = False
    validation: FieldValidation = "Warn"
    manager: str = ""
    """The `fieldManager` parameter, or the client's program; empty if the request has neither."""
    field_manager: str = ""
    """The `fieldManager` parameter as the request has it."""
    force: bool = False
    """Lets an apply take over fields that other managers own."""


def list_options(query: Mapping[str, str], *, watch: bool = False) -> ListOptions:
    """Reads and checks the parameters of a list or watch. Raises StatusError 400 and 422."""
    if not query:
        return ListOptions(watch=watch)
    options = ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=max(0, _integer(query, "limit")),  # a negative limit means none, as upstream
        token=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        timeout_s=float(_integer(query, "timeoutSeconds")) if "timeoutSeconds" in query else None,
        watch=watch or flag(query, "watch"),
        bookmarks=flag(query, "allowWatchBookmarks"),
        send_initial=flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
    )
    if errors := list(_watch_errors(options) if options.watch else _list_errors(options)):
        raise options_error("ListOptions", errors)
    return options


def write_options(request: Request, name: str, *, applies: bool = False) -> WriteOptions:
    """Reads and checks the parameters of a write. `name` is `CreateOptions`, `UpdateOptions` or `PatchOptions`;
    `applies` if the patch is an apply."""
    query, agent = request.query, request.headers.get("user-agent", "")
    if not query and not applies:
        return WriteOptions(manager=manager_name("", agent) if agent else "")
    errors: list[FieldError] = []
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        errors.append(not_supported("dryRun", [dry_run], ["All"]))
    validation = query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATIONS:
        errors.append(not_supported("fieldValidation", validation, _VALIDATIONS))
    errors += _manager_errors(query, name, applies=applies)
    if errors:
        raise options_error(name, errors, group="meta.k8s.io")
    return WriteOptions(
        dry_run=dry_run == "All",
        validation=cast(FieldValidation, validation),
        manager=manager_name(query.get("fieldManager", ""), agent),
        field_manager=query.get("fieldManager", ""),
        force=flag(query, "force"),
    )


def _manager_errors(query: Mapping[str, str], name: str, *, applies: bool) -> Iterator[FieldError]:
    manager = query.get("fieldManager", "")
    type, detail = name_problem(manager)
    if type == "TooLong":
        yield FieldError("fieldManager", "TooLong", manager, detail)
    elif type:
        yield invalid("fieldManager", manager, detail)
    if applies and not manager:
        yield required("fieldManager", "is required for apply patch")
    if name == "PatchOptions" and not applies and "force" in query:
        yield forbidden("force", "may not be specified for non-apply patch")


def parse_revision(text: str) -> int:
    """Returns a resourceVersion as a number; empty is 0. Raises StatusError 422."""
    if not text:
        return 0
    revision = natural(text)
    if revision is None or len(text) > 19:
        raise options_error("ListOptions", [invalid("resourceVersion", text, "strconv.ParseUint: invalid syntax")])
    return revision


def options_error(name: str, errors: Sequence[FieldError], *, group: str = "meta.k8s.io") -> StatusError:
    return invalid_object(name, group, "", errors)


def _integer(query: Mapping[str, str], name: str) -> int:
    """Returns an integer parameter, 0 if it is absent. Raises StatusError 400."""
    try:
        return integer(query[name]) if name in query else 0
    except ValueError as e:
        raise bad_request(str(e)) from e


def _watch_errors(options: ListOptions) -> Iterator[FieldError]:
    field, match = "resourceVersionMatch", options.match
    if options.send_initial is not None and match != "NotOlderThan":
        yield forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if not match:
        return
    if options.send_initial is None:
        yield forbidden(field, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if match != "NotOlderThan":
        yield not_supported(field, match, ["NotOlderThan"])
    if options.token:
        yield forbidden(field, "resourceVersionMatch is forbidden when continue is provided")


def _list_errors(options: ListOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    if options.match:
        if not options.resource_version:
            errors.append(
                forbidden(
                    "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
                )
            )
        if options.token:
            errors.append(
                forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            )
        if options.match not in _MATCHES:
            errors.append(not_supported("resourceVersionMatch", options.match, ["", *_MATCHES]))
        elif options.match == "Exact" and options.resource_version == "0":
            errors.append(
                forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
            )
    if options.send_initial is not None:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors
