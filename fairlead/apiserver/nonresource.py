"""Answers every request that is not about objects: health, version, discovery, OpenAPI, metrics, reviews."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.auth.reviews import Reviews
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import Outcome, User, json_response
from fairlead.apiserver.serialization import openapi_proto
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import method_not_allowed, no_such_resource
from fairlead.runtime.client import Request, Response

_TEXT = {"content-type": "text/plain; charset=utf-8"}
_HEALTH = ("/healthz", "/livez", "/readyz")
_OF_READINESS = frozenset({"informer-sync", "shutdown"})
"""Checks of /readyz alone."""


class NonResourceHandler:
    """Answers requests for paths that do not name a resource."""

    def __init__(
        self,
        scheme: Scheme,
        reviews: Reviews,
        aggregation: Aggregation,
        *,
        version: str,
        metrics: Metrics,
        ready: Callable[[], dict[str, bool]],
    ) -> None:
        self._kinds = scheme
        self._reviews = reviews
        self._aggregation = aggregation
        aggregation.on_change.append(self._forget)
        self._version = version
        self._metrics = metrics
        self._ready = ready
        self._documents: dict[str, bytes] = {}
        scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The documents are rebuilt at their next request."""
        self._forget()

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._forget()

    def _forget(self) -> None:
        self._documents.clear()

    async def handle(self, request: Request, user: User) -> Outcome:
        """Answers the request. Raises StatusError 404, 405."""
        path = request.path.rstrip("/") or "/"
        if request.method == "POST" and path in self._reviews:
            negotiate_form(request.headers.get("accept", ""), tables=False)
            return json_response(await self._reviews.answer(path, request, user), 201)
        if path in self._reviews or (request.method not in ("GET", "HEAD") and self._is_served(path)):
            raise method_not_allowed()
        if request.method not in ("GET", "HEAD"):
            raise no_such_resource()
        if path.startswith(_HEALTH):
            return self._health(path, request)
        if path == "/metrics":
            return Response(200, self._metrics.render(), {"content-type": "text/plain; version=0.0.4; charset=utf-8"})
        if path in ("/api", "/apis") and (aggregated := self._aggregated(path, request)) is not None:
            return aggregated
        if path == "/openapi/v2" and openapi_proto.MEDIA_TYPE in request.headers.get("accept", ""):
            described = openapi_proto.openapi_v2_proto(self._kinds, self._version)
            return Response(200, described, {"content-type": openapi_proto.CONTENT_TYPE})
        body = self._document(path)
        if body is None:
            raise no_such_resource()
        return json_response(body)

    def _is_served(self, path: str) -> bool:
        return path.startswith(_HEALTH) or path == "/metrics" or self._document(path) is not None

    def _document(self, path: str) -> bytes | None:
        """Returns a document, which is built at its first request and cached until the kinds change."""
        document = self._documents.get(path)
        if document is None and (document := self._build(path)) is not None:
            self._documents[path] = document
        return document

    def _build(self, path: str) -> bytes | None:
        # Imported on demand: not needed to become ready.
        from fairlead.machinery.kinds import discovery
        from fairlead.machinery.openapi import document as openapi

        parts = path.strip("/").split("/")
        match parts:
            case [""]:
                return encode({"paths": self._paths()})
            case ["version"]:
                return encode(version_info(self._version))
            case ["api"]:
                return encode(discovery.api_versions())
            case ["apis"]:
                return encode(self._groups())
            case ["api", version]:
                return self._resources(version)
            case ["apis", group]:
                return _encoded(self._group(group))
            case ["apis", group, version]:
                return self._resources(f"{group}/{version}")
            case ["openapi", "v2"]:
                return encode(openapi.openapi_v2(self._kinds))
            case ["openapi", "v3"]:
                return encode(self._openapi_index())
            case ["openapi", "v3", "api" | "apis", *rest] if "/".join(rest) in self._group_versions():
                return encode(openapi.openapi_v3(self._kinds, "/".join(rest)))
            case _:
                return None

    def _groups(self) -> dict[str, Any]:
        from fairlead.apiserver.aggregation.discovery import with_groups
        from fairlead.machinery.kinds import discovery

        return with_groups(discovery.api_groups(self._kinds), self._aggregation)

    def _group(self, name: str) -> dict[str, Any] | None:
        """Returns an APIGroup, with the versions that other servers serve."""
        from fairlead.apiserver.aggregation.discovery import with_version
        from fairlead.machinery.kinds import discovery

        group = discovery.api_group(self._kinds, name)
        for remote in self._aggregation:
            if remote.group == name:
                group = {"kind": "APIGroup", "apiVersion": "v1"} | with_version(group, remote)
        return group

    def _openapi_index(self) -> dict[str, Any]:
        from fairlead.apiserver.aggregation.discovery import with_documents
        from fairlead.machinery.openapi import document

        return with_documents(document.openapi_v3_index(self._kinds), self._aggregation)

    def _resources(self, group_version: str) -> bytes | None:
        from fairlead.machinery.kinds import discovery

        return _encoded(discovery.api_resources(self._kinds, group_version))

    def _group_versions(self) -> list[str]:
        return sorted({kind.api_version for kind in self._kinds})

    def _aggregated(self, path: str, request: Request) -> Response | None:
        """Returns group and resource discovery in one document if the client accepts it, else None."""
        from fairlead.machinery.kinds import discovery

        if not discovery.wants_aggregated(request.headers.get("accept", "")):
            return None
        tree = discovery.aggregated(self._kinds, core=path == "/api")
        if path == "/apis" and self._aggregation:
            from fairlead.apiserver.aggregation.discovery import with_discovered

            tree = with_discovered(tree, self._aggregation)
        return Response(200, encode(tree), {"content-type": discovery.AGGREGATED_MEDIA_TYPE})

    def _paths(self) -> list[str]:
        groups = sorted({kind.group for kind in self._kinds if kind.group})
        versions = [v for v in self._group_versions() if "/" in v]
        paths = ["/api", "/api/v1", "/apis", *(f"/apis/{g}" for g in groups), *(f"/apis/{v}" for v in versions)]
        return sorted([*paths, *_HEALTH, "/metrics", "/openapi/v2", "/openapi/v3", "/version"])

    def _health(self, path: str, request: Request) -> Response:
        checks = self._ready()
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


def _encoded(tree: dict[str, Any] | None) -> bytes | None:
    return encode(tree) if tree is not None else None


def version_info(version: str) -> dict[str, str]:
    """Returns the body of `/version`."""
    major, minor = version.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{_machine()}",
    }


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
