"""The server without its edges: `handle` processes every request in the same steps, for any transport.

The steps: `RequestInfo` -> authorizers -> body -> `Target` -> registry, or the handler of paths that are not about
objects. The edges have authenticated the user (`auth.authentication`); admission is part of the registry's writes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.auth.authorization import AuthorizerChain, refusal
from fairlead.apiserver.auth.impersonation import impersonate, wanted_user
from fairlead.apiserver.metrics import MUTATING, Metrics
from fairlead.apiserver.model import Outcome, RequestContext, User, with_warnings
from fairlead.apiserver.nonresource import NonResourceHandler
from fairlead.apiserver.registry.verbs import Verbs
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.encodings import in_accepted_encoding, may_accept_other
from fairlead.apiserver.serialization.errors import error_response
from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError, internal_error
from fairlead.runtime.client import Request, Response

if TYPE_CHECKING:
    from fairlead.apiserver.audit.auditor import Auditor
    from fairlead.apiserver.audit.record import Record

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
        self.metrics = metrics
        self._clock = clock
        self._log = log
        self.auditor: Auditor | None = None
        self._records: dict[int, Record] = {}
        """The audit records of streams that have not begun yet, by the identity of the outcome."""

    async def handle(
        self, request: Request, info: RequestInfo, user: User, *, read: ReadBody | None = None, source: str = ""
    ) -> Outcome:
        """Answers a request; errors become Status objects and are never raised. `read` reads the body; it is not
        called if the request is forbidden. `source` is the client's address, if the audit log is on."""
        started = self._clock.monotonic()
        record = self.auditor.begin(request, info, user, source) if self.auditor is not None else None
        context = RequestContext(user, info)
        in_flight, writes = self.metrics.in_flight, request.method in MUTATING
        in_flight[writes] += 1
        try:
            outcome = await self._answer(request, context, read, record)
        except StatusError as e:
            outcome = error_response(e)
        except Exception as e:  # noqa: BLE001 -- the top-level guard: one request's bug must not be everybody's
            self._log.error("request failed", method=request.method, path=request.path, error=repr(e))
            outcome = error_response(internal_error(repr(e)))
            if record is not None:
                record.panicked(outcome)
                record = None
        finally:
            in_flight[writes] -= 1
        if record is not None:
            record.answered(context, outcome)
            if not isinstance(outcome, Response):
                self._records[id(outcome)] = record
        if isinstance(outcome, Response):
            if may_accept_other(request):
                outcome = await in_accepted_encoding(outcome, request, self._scheme)
            if context.warnings:
                outcome = with_warnings(outcome, context.warnings)
            seconds = self._clock.monotonic() - started
            self.metrics.observe(info if context.served else None, request.method, outcome.status, seconds)
        return outcome

    async def _answer(
        self, request: Request, context: RequestContext, read: ReadBody | None, record: Record | None
    ) -> Outcome:
        """Answers a request. Raises StatusError."""
        user, info = context.user, context.info
        if (wanted := wanted_user(request.headers)) is not None:
            acting = await impersonate(user, wanted, info, self._authorizers)
            user = context.user = acting.user
            if record is not None:
                record.impersonated, record.constraint = acting.user, acting.constraint
        decision = await self._authorizers.authorize(user, info)
        if record is not None:
            context.annotate("authorization.k8s.io/decision", "allow" if decision.effect == "allowed" else "forbid")
            context.annotate("authorization.k8s.io/reason", decision.reason)
        if decision.effect != "allowed":
            raise refusal(user, info, decision.reason)
        if (remote := self._aggregation.find(info)) is not None:
            return self._aggregation.outcome(remote, user)
        if read is not None:
            request = replace(request, body=await read())
        if record is not None:
            record.body = request.body
        target = self._verbs.find(info) if info.is_resource_request else None
        if target is None and info.is_resource_request:
            target = await self._verbs.find_later(info)
        if target is None:
            return await self._nonresource.handle(request, user)
        context.served = True
        return await self._verbs.handle(target, request, context)

    def streaming(self, info: RequestInfo, outcome: Outcome) -> Callable[[int], None]:
        """Counts a stream as open; call the returned function with its status when the stream has ended."""
        self.metrics.count_open(info, info.method, +1)
        record = self._records.pop(id(outcome), None) if self._records else None

        def ended(status: int) -> None:
            self.metrics.count_open(info, info.method, -1)
            if record is not None:
                record.ended(status)

        return ended
