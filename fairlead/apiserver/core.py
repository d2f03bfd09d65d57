"""The server without its edges: `handle(request, user)` is all there is to a request, whatever carried it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairlead.apiserver.auth.authentication import authorize
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import Outcome, User
from fairlead.apiserver.nonresource import Endpoints
from fairlead.apiserver.registry.verbs import Verbs
from fairlead.apiserver.route import Target, resolve
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.machinery.decode import encode
from fairlead.machinery.status import StatusError, internal_error
from fairlead.runtime.client import Request, Response

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Core:
    def __init__(
        self, resources: Resources, verbs: Verbs, endpoints: Endpoints, *, metrics: Metrics, clock: Clock, log: Log
    ) -> None:
        self._resources = resources
        self._verbs = verbs
        self._endpoints = endpoints
        self._metrics = metrics
        self._clock = clock
        self._log = log

    async def handle(self, request: Request, user: User) -> Outcome:
        """Answers; errors come back as Status objects and never as exceptions."""
        started = self._clock.monotonic()
        target: Target | None = None
        try:
            authorize(user, request)
            if request.path.startswith("/api"):
                target = resolve(self._resources, request.path)
            if target is not None:
                outcome = await self._verbs.handle(target, request)
            else:
                outcome = await self._endpoints.handle(request, user)
        except StatusError as e:
            outcome = error_response(e)
        except Exception as e:  # noqa: BLE001 -- the top-level guard: one request's bug must not be everybody's
            self._log.error("request failed", method=request.method, path=request.path, error=repr(e))
            outcome = error_response(internal_error(repr(e)))
        self._count(request, target, outcome, started)
        return outcome

    def _count(self, request: Request, target: Target | None, outcome: Outcome, started: float) -> None:
        if isinstance(outcome, Response):
            verb, name = verb_of(request, target)
            self._metrics.observe(verb, name, outcome.status, self._clock.monotonic() - started)

    def streaming(self, request: Request) -> Callable[[], None]:
        """Counts a stream as open; call what it returns when it has ended."""
        target = resolve(self._resources, request.path)
        verb, name = ("WATCH", target.resource.kind.plural) if target is not None else ("GET", "")
        if target is not None and target.subresource:
            verb, name = "CONNECT", f"{name}/{target.subresource}"
        self._metrics.opened(verb, name, +1)
        return lambda: self._metrics.opened(verb, name, -1)


def verb_of(request: Request, target: Target | None) -> tuple[str, str]:
    """The verb and resource that metrics know a request by."""
    if target is None:
        return request.method, ""
    name = target.resource.kind.plural
    if request.method == "GET":
        return ("GET" if target.name else "LIST"), name
    if request.method == "DELETE" and not target.name:
        return "DELETECOLLECTION", name
    return request.method, name


def error_response(error: StatusError) -> Response:
    headers = {"content-type": "application/json"}
    retry = error.details.get("retryAfterSeconds")
    if retry:
        headers["retry-after"] = str(retry)
    return Response(error.code, _encoded(error.body()), headers)


def _encoded(body: Any) -> bytes:
    try:
        return encode(body) + b"\n"
    except UnicodeEncodeError:
        # The text repeats what the client sent, which need not have been UTF-8.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
