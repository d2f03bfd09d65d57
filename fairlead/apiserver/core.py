"""The server without its edges: `handle` processes every request in the same steps, for any transport.

The steps: `RequestInfo` -> authorizers -> body -> `Target` -> registry, or the handler of paths that are not about
objects. The edges have authenticated the user (`auth.authentication`); admission is part of the registry's writes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.auth.authorization import AuthorizerChain, refusal
from fairlead.apiserver.auth.impersonation import refuse_impersonation
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import Outcome, RequestContext, User, with_warnings
from fairlead.apiserver.nonresource import NonResourceHandler
from fairlead.apiserver.registry.verbs import Verbs
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.encodings import in_accepted_encoding, may_accept_other
from fairlead.apiserver.serialization.errors import error_response
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError, internal_error
from fairlead.runtime.client import Request, Response

ReadBody = Callable[[], Awaitable[bytes]]


class Core:
    """Runs the steps of every request."""

    def __init__(  # noqa: PLR0913 -- the steps of a request and their tools
        self,
        authorizers: AuthorizerChain,
        verbs: Verbs,
        nonresource: NonResourceHandler,
        aggregation: Aggregation,
        *,
        scheme: Scheme,
        metrics: Metrics,
        clock: Clock,
        log: Log,
    ) -> None:
        self._scheme = scheme
        self._authorizers = authorizers
        self._verbs = verbs
        self._nonresource = nonresource
        self._aggregation = aggregation
        self._metrics = metrics
        self._clock = clock
        self._log = log

    async def handle(self, request: Request, info: RequestInfo, user: User, *, read: ReadBody | None = None) -> Outcome:
        """Answers a request; errors become Status objects and are never raised. `read` reads the body; it is not
        called if the request is forbidden."""
        started = self._clock.monotonic()
        target: Target | None = None
        context = RequestContext(user, info)
        try:
            decision = await self._authorizers.authorize(user, info)
            if decision.effect != "allowed":
                raise refusal(user, info, decision.reason)
            refuse_impersonation(user, request.headers)
            remote = self._aggregation.find(info)
            if read is not None and remote is None:
                request = replace(request, body=await read())
            if info.is_resource_request and remote is None:
                target = self._verbs.find(info)
            if remote is not None:
                outcome = self._aggregation.outcome(remote, user)
            elif target is not None:
                outcome = await self._verbs.handle(target, request, context)
            else:
                outcome = await self._nonresource.handle(request, user)
        except StatusError as e:
            outcome = error_response(e)
        except Exception as e:  # noqa: BLE001 -- the top-level guard: one request's bug must not be everybody's
            self._log.error("request failed", method=request.method, path=request.path, error=repr(e))
            outcome = error_response(internal_error(repr(e)))
        if isinstance(outcome, Response):
            if may_accept_other(request):
                outcome = await in_accepted_encoding(outcome, request, self._scheme)
            if context.warnings:
                outcome = with_warnings(outcome, context.warnings)
            seconds = self._clock.monotonic() - started
            self._metrics.observe(None if target is None else info, request.method, outcome.status, seconds)
        return outcome

    def streaming(self, info: RequestInfo) -> Callable[[], None]:
        """Counts a stream as open; call the returned function when the stream has ended."""
        verb, resource = ("CONNECT" if info.subresource else info.verb.upper()), info.qualified_resource
        self._metrics.count_open(verb, resource, +1)
        return lambda: self._metrics.count_open(verb, resource, -1)
