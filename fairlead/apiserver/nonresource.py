"""Answers every request that is not about objects: health, version, discovery, OpenAPI, metrics, issuer of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.auth import issuer
from fairlead.apiserver.auth.issuer import IssuerDocuments
from fairlead.apiserver.documents import Documents
from fairlead.apiserver.health import PATHS as HEALTH
from fairlead.apiserver.health import health_response
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import Outcome, PathHandler, User
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import method_not_allowed, no_such_resource
from fairlead.runtime.client import Request, Response


class NonResourceHandler:
    """Answers requests for paths that do not name a resource."""

    def __init__(  # noqa: PLR0913 -- one value for each group of paths
        self,
        scheme: Scheme,
        documents: IssuerDocuments,
        aggregation: Aggregation,
        *,
        version: str,
        metrics: Metrics,
        ready: Callable[[], dict[str, bool]],
        paths: Mapping[str, PathHandler],
    ) -> None:
        self._issuer = documents
        self._metrics = metrics
        self._ready = ready
        self._paths = paths
        self._documents = Documents(scheme, aggregation, version=version)

    async def handle(self, request: Request, user: User) -> Outcome:
        """Answers the request. Raises StatusError 404, 405."""
        path = request.path.rstrip("/") or "/"
        if (handler := self._paths.get(path.partition("/")[2].partition("/")[0])) is not None:
            return await handler(request)
        if request.method not in ("GET", "HEAD") and self._is_served(path):
            raise method_not_allowed()
        if request.method not in ("GET", "HEAD"):
            raise no_such_resource()
        if path.startswith(HEALTH):
            return health_response(path, request, self._ready())
        if path in issuer.PATHS:
            return self._issuer.answer(path)
        if path == "/metrics":
            return Response(200, self._metrics.render(), {"content-type": "text/plain; version=0.0.4; charset=utf-8"})
        document = self._documents.response(path, request)
        if document is None:
            raise no_such_resource()
        return document

    def _is_served(self, path: str) -> bool:
        return path.startswith(HEALTH) or path in ("/metrics", *issuer.PATHS) or self._documents.get(path) is not None
