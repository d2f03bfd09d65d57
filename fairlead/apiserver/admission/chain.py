"""The admission plug-ins in order: each may change the object; after the checks, each may refuse the object.

What must stay true: a write that no plug-in handles costs few look-ups. The selections are made anew if a plug-in says
that it handles other requests than before (a webhook was configured) or if the kind was defined anew. Kinds do not
refer to a chain: they live longer than an API server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.machinery.kinds.kind import Kind

_Hook = Callable[[Attributes], Awaitable[None]]


class SelectedPlugins:
    """The plug-ins that handle one operation on one kind."""

    __slots__ = ("_admits", "_finishes", "_validates")

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._admits: list[_Hook] = [p.admit for p in plugins if type(p).admit is not AdmissionPlugin.admit]
        self._finishes = [p.finish for p in plugins if type(p).finish is not AdmissionPlugin.finish]
        self._validates: list[_Hook] = [p.validate for p in plugins if type(p).validate is not AdmissionPlugin.validate]

    async def admit(self, attributes: Attributes) -> None:
        """Lets each plug-in change the object; once more, if one of them requests it. Raises StatusError."""
        for hook in self._admits:
            await hook(attributes)
        state = attributes.reinvocation
        if state is not None and state.requested and not state.active:
            state.active = True
            for hook in self._admits:
                await hook(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Lets each plug-in refuse the object. Raises StatusError."""
        for hook in self._validates:
            await hook(attributes)

    def finish(self, attributes: Attributes) -> None:
        """Tells the plug-ins that the write has happened or failed."""
        for finish in self._finishes:
            finish(attributes)


_Selections = tuple[object | None, dict[tuple[Operation, str], SelectedPlugins | None]]
"""The plug-ins for each operation on a kind and its subresources, and the definition of the kind that they belong to: a
token in `Kind.derived`, which a new definition clears."""
_NONE: _Selections = None, {}


class AdmissionChain:
    """Calls all admission plug-ins in order."""

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._plugins = tuple(plugins)
        self._selections: WeakKeyDictionary[Kind[Any], _Selections] = WeakKeyDictionary()
        for plugin in self._plugins:
            plugin.follow(self._changed)

    def _changed(self) -> None:
        self._selections.clear()

    def select(self, operation: Operation, kind: Kind[Any], subresource: str = "") -> SelectedPlugins | None:
        """Returns the plug-ins to call, or None if no plug-in handles the operation."""
        definition, selected = self._selections.get(kind, _NONE)
        if definition is None or definition is not kind.derived.get(AdmissionChain):
            definition = kind.derived.setdefault(AdmissionChain, object())
            selected = {}
            self._selections[kind] = definition, selected
        key = operation, subresource
        if key not in selected:
            plugins = [plugin for plugin in self._plugins if plugin.handles(operation, kind, subresource)]
            selected[key] = SelectedPlugins(plugins) if plugins else None
        return selected[key]

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
