"""The answers of /healthz, /livez and /readyz: all checks of a path, or one of them."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.machinery.values.status import no_such_resource
from fairlead.runtime.client import Request, Response

_TEXT = {"content-type": "text/plain; charset=utf-8"}
PATHS = ("/healthz", "/livez", "/readyz")
_OF_READINESS = frozenset({"store-writes", "informer-sync", "shutdown"})
"""Checks of /readyz alone."""


def health_response(path: str, request: Request, checks: Mapping[str, bool]) -> Response:
    """Returns the answer for a path below one of `PATHS`. Raises StatusError 404 for an unknown check."""
    name, _, one = path[1:].partition("/")
    if name != "readyz":
        checks = {check: fine for check, fine in checks.items() if check not in _OF_READINESS}
    if one:
        if one not in checks:
            raise no_such_resource()
        if checks[one]:
            return Response(200, b"ok", _TEXT)
        return Response(500, f"internal server error: {one} check failed\n".encode(), _TEXT)
    excluded = _excluded(request.query)
    lines, good = [], True
    for check, fine in checks.items():
        if check in excluded:
            lines.append(f"[+]{check} excluded: ok")
            continue
        good = good and fine
        lines.append(f"[+]{check} ok" if fine else f"[-]{check} failed: reason withheld")
    if unknown := sorted(excluded - checks.keys()):
        quoted = ", ".join(f'"{check}"' for check in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    if "verbose" not in request.query and good:
        return Response(200, b"ok", _TEXT)
    lines.append(f"{name} check {'passed' if good else 'failed'}")
    return Response(200 if good else 500, ("\n".join(lines) + "\n").encode(), _TEXT)


def _excluded(query: Mapping[str, str]) -> set[str]:
    """Returns the checks that the parameter `exclude` names; the parameter may be repeated."""
    values = getattr(query, "getall", None)
    if values is not None:
        return set(values("exclude", ()))
    return {query["exclude"]} if "exclude" in query else set()
