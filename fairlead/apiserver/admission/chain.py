"""The admission plug-ins in order: each may change the object; after the checks, each may refuse the object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.machinery.kinds.kind import Kind

_Hook = Callable[[Attributes], Awaitable[None]]


class SelectedPlugins:
    """The plug-ins that handle one operation on one kind."""

    __slots__ = ("_admits", "_validates")

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._admits: list[_Hook] = [p.admit for p in plugins if type(p).admit is not AdmissionPlugin.admit]
        self._validates: list[_Hook] = [p.validate for p in plugins if type(p).validate is not AdmissionPlugin.validate]

    async def admit(self, attributes: Attributes) -> None:
        """Lets each plug-in change the object. Raises StatusError."""
        for hook in self._admits:
            await hook(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Lets each plug-in refuse the object. Raises StatusError."""
        for hook in self._validates:
            await hook(attributes)


class AdmissionChain:
    """Calls all admission plug-ins in order."""

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._plugins = tuple(plugins)

    def select(self, operation: Operation, kind: Kind[Any], subresource: str = "") -> SelectedPlugins | None:
        """Returns the plug-ins to call, or None if no plug-in handles the operation. The list is stored with the
        kind, because every write asks for it."""
        key = (self, operation, subresource)
        try:
            selected: SelectedPlugins | None = kind.derived[key]
        except KeyError:
            plugins = [plugin for plugin in self._plugins if plugin.handles(operation, kind, subresource)]
            selected = kind.derived[key] = SelectedPlugins(plugins) if plugins else None
        return selected

    async def admit(self, attributes: Attributes) -> None:
        """Lets each plug-in change the object. Raises StatusError."""
        if selected := self.select(attributes.operation, attributes.kind, attributes.subresource):
            await selected.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Lets each plug-in refuse the object. Raises StatusError."""
        if selected := self.select(attributes.operation, attributes.kind, attributes.subresource):
            await selected.validate(attributes)

    async def review(self, attributes: Attributes) -> Any:
        """Returns the object after both phases, for a body that has no checks between them. Raises StatusError."""
        await self.admit(attributes)
        await self.validate(attributes)
        return attributes.obj
