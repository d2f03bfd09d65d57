"""Who owns which fields: the content of `metadata.managedFields`.

An owner is a manager by name, with the operation (`Apply` or `Update`) and the subresource it wrote through; updates
of different API versions are different owners, applies are not (Source: KEP-555). An owner of nothing is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from fairlead.machinery.fieldset import Fields, union

APPLY = "Apply"
UPDATE = "Update"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"
MAX_UPDATERS = 10
"""As upstream: more than this many updaters of one object, and the oldest are kept as one."""
_MAX_NAME = 128


class Owner(NamedTuple):
    operation: str
    manager: str
    subresource: str
    api_version: str
    """Empty for Apply."""


@dataclass(frozen=True, slots=True)
class Owned:
    fields: Fields
    api_version: str
    time: str = ""
    """RFC 3339."""


Managed = dict[Owner, Owned]


@dataclass(frozen=True, slots=True)
class Entry:
    """One of `managedFields`."""

    manager: str
    operation: str
    api_version: str
    fields: Fields
    time: str = ""
    subresource: str = ""


def owner_of(entry: Entry) -> Owner:
    version = "" if entry.operation == APPLY else entry.api_version
    return Owner(entry.operation, entry.manager, entry.subresource, version)


def from_entries(entries: Iterable[Entry]) -> Managed:
    return {owner_of(entry): Owned(entry.fields, entry.api_version, entry.time) for entry in entries}


def to_entries(managed: Managed) -> list[Entry]:
    """In upstream's order: applies first, then by time."""
    found = [
        Entry(owner.manager, owner.operation, owned.api_version, owned.fields, owned.time, owner.subresource)
        for owner, owned in managed.items()
    ]
    return sorted(found, key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))


def without_empty(managed: Managed) -> Managed:
    return {owner: owned for owner, owned in managed.items() if owned.fields}


def all_fields(managed: Managed) -> Fields:
    total: Fields = {}
    for owned in managed.values():
        total = union(total, owned.fields)
    return total


def capped(managed: Managed) -> Managed:
    """At most so many updaters: the oldest of each API version become one, called `ancient-changes`."""
    updaters = sorted(
        (owner for owner in managed if owner.operation == UPDATE), key=lambda owner: (managed[owner].time, owner)
    )
    excess = len(updaters) - MAX_UPDATERS
    kept, first = dict(managed), dict[str, Owner]()
    for owner in updaters:
        if excess <= 0:
            break
        version = owner.api_version
        if version not in first:
            first[version] = owner
            continue
        bucket = Owner(UPDATE, ANCIENT, "", version)
        so_far = kept.pop(bucket, None) or kept.pop(first[version])
        this = kept.pop(owner)
        kept[bucket] = replace(this, fields=union(this.fields, so_far.fields))
        excess -= 1
    return kept


def describe(owner: Owner) -> str:
    """As conflicts name it: `"kubectl-edit" using v1`."""
    text = _quoted(owner.manager)
    if owner.subresource:
        text += f" with subresource {_quoted(owner.subresource)}"
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text


def manager_name(given: str, user_agent: str) -> str:
    """Who says to write, or what its program calls itself."""
    if given:
        return given
    return "".join(c for c in user_agent.partition("/")[0] if c.isprintable())[:_MAX_NAME]


def name_problem(manager: str) -> tuple[str, str]:
    """What is wrong with the name: type of error and detail, both empty where nothing is."""
    if len(manager.encode()) > _MAX_NAME:
        return "TooLong", f"may not be more than {_MAX_NAME} bytes"
    for at, char in enumerate(manager):
        if not char.isprintable():
            return "Invalid", f"invalid character U+{ord(char):04X} (at position {at})"
    return "", ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
