"""The admission plug-ins in their order: all may change the object, then, after the checks, all may refuse it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.machinery.kind import Kind

_Step = Callable[[Attributes], Awaitable[None]]


class AdmissionChain:
    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._plugins = tuple(plugins)

    async def admit(self, attributes: Attributes) -> None:
        """Lets each plug-in change the object. Raises StatusError."""
        for step in self._steps(attributes.operation, attributes.kind, attributes.subresource)[0]:
            await step(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Lets each plug-in refuse the object. Raises StatusError."""
        for step in self._steps(attributes.operation, attributes.kind, attributes.subresource)[1]:
            await step(attributes)

    async def review(self, attributes: Attributes) -> Any:
        """Returns what both steps admit: for a body without checks between them. Raises StatusError."""
        await self.admit(attributes)
        await self.validate(attributes)
        return attributes.obj

    def _steps(
        self, operation: Operation, kind: Kind[Any], subresource: str
    ) -> tuple[tuple[_Step, ...], tuple[_Step, ...]]:
        """Returns the methods to call; kept with the kind, because nearly every request asks."""
        key = (self, operation, subresource)
        steps: tuple[tuple[_Step, ...], tuple[_Step, ...]] | None = kind.derived.get(key)
        if steps is None:
            called = [plugin for plugin in self._plugins if plugin.handles(operation, kind, subresource)]
            steps = kind.derived[key] = (
                tuple(p.admit for p in called if type(p).admit is not AdmissionPlugin.admit),
                tuple(p.validate for p in called if type(p).validate is not AdmissionPlugin.validate),
            )
        return steps
