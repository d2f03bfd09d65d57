"""The content of `metadata.managedFields`: which manager owns which fields.

An owner is a manager by name, with the operation (`Apply` or `Update`) and the subresource of its writes. Updates of
different API versions are different owners, applies are not (Source: KEP-555). An owner of the empty set is dropped.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from fairlead.machinery.managedfields.fieldset import Fields, difference, union

APPLY = "Apply"
UPDATE = "Update"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"
MAX_UPDATERS = 10
"""Greatest number of updaters of one object, as upstream; of more, the oldest are merged into one."""
_MAX_NAME = 128


class Owner(NamedTuple):
    """The identity of an entry in `managedFields`."""

    operation: str
    manager: str
    subresource: str
    api_version: str
    """Empty for Apply."""


class Owned(NamedTuple):
    """The fields of one owner, and the time of its last write."""

    fields: Fields
    api_version: str
    time: str = ""
    """RFC 3339."""
    text: Any = None
    """The fields as they were read, if they are unchanged: most writes leave most owners' fields unchanged."""

    def losing(self, fields: Fields) -> Owned:
        """Returns the entry without the fields."""
        left = difference(self.fields, fields) if fields else self.fields
        return self if left is self.fields else Owned(left, self.api_version, self.time)

    def gaining(self, fields: Fields, *, api_version: str, time: str) -> Owned:
        """Returns the entry with the fields added."""
        total = union(self.fields, fields)
        return Owned(total, api_version, time, self.text if total is self.fields else None)


Managed = dict[Owner, Owned]


def owner(operation: str, manager: str, subresource: str, api_version: str) -> Owner:
    """Returns the owner; applies of all API versions are one owner."""
    return Owner(operation, manager, subresource, "" if operation == APPLY else api_version)


def in_order(managed: Managed) -> list[tuple[Owner, Owned]]:
    """Returns the entries in upstream's order: applies first, then by time."""
    items = list(managed.items())
    return items if len(items) < 2 else sorted(items, key=_place)


def _place(pair: tuple[Owner, Owned]) -> tuple[str, ...]:
    who, owned = pair
    return who.operation, owned.time, who.manager, owned.api_version, who.subresource


def without_empty(managed: Managed) -> Managed:
    """Returns the owners that own at least one field."""
    return {who: owned for who, owned in managed.items() if owned.fields}


def all_fields(managed: Managed) -> Fields:
    """Returns the union of the fields of all owners."""
    total: Fields = {}
    for owned in managed.values():
        total = union(total, owned.fields)
    return total


def capped(managed: Managed) -> Managed:
    """Returns the owners with at most `MAX_UPDATERS` updaters: the oldest of each API version become one, called
    `ancient-changes`."""
    if len(managed) <= MAX_UPDATERS:
        return managed
    updaters = sorted((who for who in managed if who.operation == UPDATE), key=lambda who: (managed[who].time, who))
    excess = len(updaters) - MAX_UPDATERS
    kept, first = dict(managed), dict[str, Owner]()
    for who in updaters:
        if excess <= 0:
            break
        version = who.api_version
        if version not in first:
            first[version] = who
            continue
        bucket = Owner(UPDATE, ANCIENT, "", version)
        so_far = kept.pop(bucket, None) or kept.pop(first[version])
        this = kept.pop(who)
        kept[bucket] = this.gaining(so_far.fields, api_version=version, time=this.time)
        excess -= 1
    return kept


def describe(who: Owner) -> str:
    """Returns the owner as conflicts name it: `"kubectl-edit" using v1`."""
    text = _quoted(who.manager)
    if who.subresource:
        text += f" with subresource {_quoted(who.subresource)}"
    return f"{text} using {who.api_version}" if who.operation == UPDATE else text


@functools.lru_cache(maxsize=512)
def manager_name(given: str, user_agent: str) -> str:
    """Returns the fieldManager, or the program's name in the client's User-Agent."""
    if given:
        return given
    return "".join(c for c in user_agent.partition("/")[0] if c.isprintable())[:_MAX_NAME]


def name_problem(manager: str) -> tuple[str, str]:
    """Returns what is wrong with the name: type of error and detail, both empty for a valid name."""
    if len(manager.encode()) > _MAX_NAME:
        return "TooLong", f"may not be more than {_MAX_NAME} bytes"
    for at, char in enumerate(manager):
        if not char.isprintable():
            return "Invalid", f"invalid character U+{ord(char):04X} (at position {at})"
    return "", ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
