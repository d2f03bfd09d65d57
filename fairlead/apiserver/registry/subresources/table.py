"""Dispatches a subresource that a kind declares to the code that serves it.

What must stay true: discovery, OpenAPI and dispatch read the same declaration (`machinery.subresources`). An
undeclared subresource is not dispatched, even if it is registered here; a kind that declares a subresource without
code is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec

from fairlead.apiserver.admission.plugin import Attributes, Operation
from fairlead.apiserver.model import Outcome, RequestContext
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.kinds.kind import Kind, Subresource
from fairlead.machinery.kinds.subresources import subresources_of
from fairlead.machinery.values.status import method_not_allowed, no_such_resource
from fairlead.runtime.client import Request


class Call(msgspec.Struct, frozen=True):
    """One request for an object or its subresource."""

    target: Target
    request: Request
    context: RequestContext

    @property
    def parent(self) -> Target:
        """The object that the subresource belongs to."""
        return Target(self.target.resource, self.target.namespace, self.target.name)

    def attributes(
        self,
        operation: Operation,
        obj: Any,
        *,
        old: Any = None,
        dry_run: bool = False,
        options: WriteOptions | None = None,
    ) -> Attributes:
        """Returns the attributes for the admission of a body that is not the object itself."""
        target = self.target
        return Attributes(
            operation=operation,
            kind=target.resource.kind,
            subresource=target.subresource,
            namespace=target.namespace,
            name=target.name,
            obj=obj,
            old=old,
            dry_run=dry_run,
            options=options,
            context=self.context,
        )


Handler = Callable[[Call], Awaitable[Outcome]]


class SubresourceHandler(Protocol):
    """The code of one subresource."""

    @property
    def subresource(self) -> tuple[str, str]:
        """Name of the subresource and kind of its body, as declared: several kinds may declare the same."""
        ...

    @property
    def any_method(self) -> bool:
        """Returns whether methods without a verb (OPTIONS) are served, too."""
        ...

    async def handle(self, call: Call) -> Outcome:
        """Answers the request. Raises StatusError."""
        ...


class SubresourceTable:
    """The subresources of all kinds; `parts` serves those that are fields of the object (`status` and
    `Kind.parts`)."""

    def __init__(self, served: Iterable[SubresourceHandler], parts: Handler) -> None:
        self._served = {one.subresource: one for one in served}
        self._parts = parts

    @property
    def registered(self) -> set[tuple[str, str]]:
        return set(self._served)

    async def handle(self, call: Call) -> Outcome:
        """Answers a request for a subresource. Raises StatusError 404 and 405, and the errors of the subresource."""
        kind, info = call.target.resource.kind, call.context.info
        declared = next((s for s in subresources_of(kind) if s.name == call.target.subresource), None)
        if declared is None:
            raise no_such_resource()
        served = self._served.get(_key(declared))
        if info.verb not in declared.verbs and not (served is not None and served.any_method and not info.verb):
            raise method_not_allowed()
        return await (served.handle if served is not None else self._parts)(call)

    def check(self, kind: Kind[Any]) -> None:
        """Raises ValueError if the kind declares a subresource without code."""
        for declared in kind.subresources:
            if _key(declared) not in self._served:
                raise ValueError(f"subresource {declared.name} of {kind.resource}: not implemented")


def _key(declared: Subresource) -> tuple[str, str]:
    return declared.name, declared.gvk.kind
