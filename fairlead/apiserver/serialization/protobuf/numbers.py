"""The field numbers of messages.

The field numbers are facts of the wire, as any client sends them. They stand in `protobuf.toml` beside the types of
each folder below `fairlead/api`, or one folder above for all kinds of a group: the type's name, then field=number.
`3(a=1 b=2)` is a message that JSON inlines: its fields belong to the type itself. A field newer than Kubernetes 1.36
may be missing, because its number was not known when the tables were written; in protobuf such a field is dropped, in
JSON it is read and written.
"""

from __future__ import annotations

import functools
import re

from fairlead.base.dataclass import dataclass
from fairlead.machinery.schemas.schema import Schema

_TOKEN = re.compile(r"([\w$-]+)=(\d+)|(\d+)\(|\)")


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of a message by number."""

    fields: dict[int, str]
    inline: dict[int, Message]


def table_of(schema: Schema) -> Message | None:
    """Returns the field numbers of a schema's fields; None if they are not known."""
    if schema.source is None:
        return None
    kind = schema.source.__module__.rpartition(".")[0]
    return _tables(kind).get(schema.name) or _tables(kind.rpartition(".")[0]).get(schema.name)


@functools.cache
def _tables(package: str) -> dict[str, Message]:
    """Returns the field numbers of the types in a package's folder."""
    import importlib.resources  # slow to import, and a cluster may never receive a protobuf body
    import tomllib

    path = importlib.resources.files(package).joinpath("protobuf.toml")
    text = path.read_text(encoding="ascii") if path.is_file() else ""
    return {name: _parse(row) for name, row in tomllib.loads(text).items()}


def _parse(row: str) -> Message:
    """Parses one row of the table."""
    open_messages = [Message({}, {})]
    for match in _TOKEN.finditer(row):
        field, number, inline = match.groups()
        if field:
            open_messages[-1].fields[int(number)] = field
        elif inline:
            inner = Message({}, {})
            open_messages[-1].inline[int(inline)] = inner
            open_messages.append(inner)
        else:
            open_messages.pop()
    return open_messages[0]
