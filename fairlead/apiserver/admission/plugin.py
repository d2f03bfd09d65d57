"""The admission plug-in: it may change an object before the checks, and refuse the object before the write.

What must stay true: `admit` comes before the checks of the kind and may change `obj` (or replace it); `validate` comes
after the checks and changes nothing. Both run for dry runs too, and may be called again for the same request if
another write came between. The class joins upstream's interfaces `MutationInterface` and `ValidationInterface`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from fairlead.apiserver.model import RequestContext, User
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, forbidden_object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class PassMemory(msgspec.Struct):
    """The notes of one plug-in about a request, for the second pass."""

    eligible: set[str] = set()
    """The keys of those that were called and want to see later changes."""
    again: set[str] = set()
    """The keys of those to call in the second pass."""
    output: Any = None
    """The object after the plug-in's last pass."""

    def object_changed(self) -> None:
        self.again |= self.eligible
        self.eligible = set()


class Reinvocation(msgspec.Struct):
    """The state of a second pass of all `admit`, which follows if a plug-in changed the object after others saw it."""

    requested: bool = False
    """True if a second pass is to follow."""
    active: bool = False
    """True during the second pass."""
    memory: dict[str, PassMemory] = {}
    """The notes of each plug-in by its name."""

    def enter(self, plugin: str, body: Any) -> PassMemory:
        """Returns the memory of a plug-in at the beginning of its pass, with the object as it is now."""
        memory = self.memory.setdefault(plugin, PassMemory())
        if self.active and body != memory.output:
            memory.object_changed()
        return memory


class Attributes(msgspec.Struct, kw_only=True):
    """The operation and the object that an admission plug-in decides about."""

    operation: Operation
    kind: Kind[Any]
    """The kind of the resource, even if a subresource has a body of another kind."""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    """Empty for a create."""
    obj: Any = None
    """The new object, or the body of the subresource; for a connect, the options from the query; None for a delete."""
    old: Any = None
    """The current object, or the current body of the subresource; None for a create and a connect. Must not be
    changed."""
    dry_run: bool = False
    options: Any = None
    """The options of the operation (`WriteOptions` or `DeleteOptions`); None for a connect."""
    context: RequestContext
    reinvocation: Reinvocation | None = None
    """None until a plug-in needs it."""

    @property
    def user(self) -> User:
        return self.context.user

    @property
    def object_name(self) -> str:
        """Returns the name of the object; for a create, the name in the object, which may be generated later."""
        if self.name or self.operation != "CREATE":
            return self.name
        name: str = self.obj.metadata.name
        return name

    def warn(self, text: str) -> None:
        """Adds a `Warning` header to the answer."""
        self.context.warn(text)

    def annotate(self, key: str, value: str) -> None:
        """Adds an annotation to the audit record of the request."""
        self.context.annotate(key, value)

    def denied(self, why: str) -> StatusError:
        """Returns the 403 that refuses the request."""
        return forbidden_object(self.kind.plural, self.kind.group, self.object_name, why)


class AdmissionPlugin:
    """Base of all plug-ins: handles nothing, changes nothing, refuses nothing."""

    name: str

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        """Returns whether the plug-in is called. The answer is requested once and then cached, until the function that
        `follow` was given is called."""
        return False

    def follow(self, changed: Callable[[], None]) -> None:
        """Called once with the function to call if the answers of `handles` may have changed."""

    async def admit(self, attributes: Attributes) -> None:
        """May change or replace `attributes.obj`. Raises StatusError to refuse the request."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError to refuse the request."""

    def finish(self, attributes: Attributes) -> None:
        """Called after the write that `validate` allowed has happened or failed; may be called without `validate`."""
