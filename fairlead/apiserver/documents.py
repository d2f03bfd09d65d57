"""The documents about the API: discovery, OpenAPI, the version. Built at their first request, kept until kinds change.

Documents of OpenAPI cost some milliseconds a kind, so a change of a kind leaves those of other groups and versions.
"""

from __future__ import annotations

import hashlib
import platform
from typing import Any

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.auth import issuer
from fairlead.apiserver.health import PATHS as HEALTH
from fairlead.apiserver.serialization import openapi_proto
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.runtime.client import Request, Response

_V3 = "/openapi/v3/"
_PROTOBUF = "OpenAPI v2 in protobuf"


class Documents:
    """The documents of a scheme of kinds. Implements `Subscriber`."""

    def __init__(self, scheme: Scheme, aggregation: Aggregation, *, version: str) -> None:
        self._kinds = scheme
        self._aggregation = aggregation
        self._version = version
        self._documents: dict[str, bytes] = {}
        aggregation.on_change.append(self._forget)
        scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        self._forget(_path_of(kind))

    async def kind_removed(self, kind: Kind[Any]) -> None:
        self._forget(_path_of(kind))

    async def kind_renewed(self, kind: Kind[Any]) -> None:
        self._forget(_path_of(kind))

    def _forget(self, changed: str = "") -> None:
        """Drops all documents except those of OpenAPI about other groups and versions."""
        kept = {path for path in self._documents if path.startswith(_V3) and path != _V3 + changed}
        self._documents = {path: self._documents[path] for path in kept}

    def response(self, path: str, request: Request) -> Response | None:
        """Returns a document in a form that the client accepts; None for another path."""
        accept = request.headers.get("accept", "")
        if path in ("/api", "/apis") and (aggregated := self._aggregated(path, accept)) is not None:
            return aggregated
        if path == "/openapi/v2" and openapi_proto.MEDIA_TYPE in accept:
            return Response(200, self._openapi_v2_proto(), {"content-type": openapi_proto.CONTENT_TYPE})
        body = self.get(path)
        return Response(200, body, {"content-type": "application/json"}) if body is not None else None

    def get(self, path: str) -> bytes | None:
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

    def _openapi_v2_proto(self) -> bytes:
        from fairlead.machinery.openapi import document

        made = self._documents.get(_PROTOBUF)
        if made is None:
            made = self._documents[_PROTOBUF] = openapi_proto.openapi_v2_proto(document.openapi_v2(self._kinds))
        return made

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

        paths = {}
        for path in sorted({_path_of(kind) for kind in self._kinds}):
            digest = hashlib.sha256(self.get(_V3 + path) or b"").hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"{_V3}{path}?hash={digest}"}
        return with_documents({"paths": paths}, self._aggregation)

    def _resources(self, group_version: str) -> bytes | None:
        from fairlead.machinery.kinds import discovery

        return _encoded(discovery.api_resources(self._kinds, group_version))

    def _group_versions(self) -> list[str]:
        return sorted({kind.api_version for kind in self._kinds})

    def _aggregated(self, path: str, accept: str) -> Response | None:
        """Returns group and resource discovery in one document if the client accepts it, else None."""
        from fairlead.machinery.kinds import discovery

        if not discovery.wants_aggregated(accept):
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
        return sorted([*paths, *HEALTH, *issuer.PATHS, "/metrics", "/openapi/v2", "/openapi/v3", "/version"])


def _path_of(kind: Kind[Any]) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


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
