"""The admission plug-in: it may change an object before the checks, and refuse the object before the write.

What must stay true: `admit` comes before the checks of the kind and may change `obj` (or replace it); `validate` comes
after the checks and changes nothing. Both run for dry runs too, and may be called again for the same request if
another write came between. The class joins upstream's interfaces `MutationInterface` and `ValidationInterface`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.apiserver.model import RequestContext, User
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, forbidden_object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


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
    context: RequestContext

    @property
    def user(self) -> User:
        return self.context.user

    def warn(self, text: str) -> None:
        """Adds a `Warning` header to the answer."""
        self.context.warn(text)

    def annotate(self, key: str, value: str) -> None:
        """Adds an annotation to the audit record of the request."""
        self.context.annotate(key, value)

    def denied(self, why: str) -> StatusError:
        """Returns the 403 that refuses the request."""
        name = self.name or (self.obj.metadata.name if self.operation == "CREATE" else "")
        return forbidden_object(self.kind.plural, self.kind.group, name, why)


class AdmissionPlugin:
    """Base of all plug-ins: handles nothing, changes nothing, refuses nothing."""

    name: str

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        """Returns whether the plug-in is called. The answer is requested once and then cached."""
        return False

    async def admit(self, attributes: Attributes) -> None:
        """May change or replace `attributes.obj`. Raises StatusError to refuse the request."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError to refuse the request."""
