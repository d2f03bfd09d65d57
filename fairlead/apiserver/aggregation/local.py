"""The APIServices of the groups and versions that this server itself serves: derived from the kinds, never stored.

A group whose kinds are all computed (metrics.k8s.io) has none: an APIService of another server may replace it.

They are entries of the cache only, so that a start writes nothing. They are encoded here and not by their kind, whose
module most clusters never need. A write to one is refused; upstream undoes it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fairlead.api.apiregistration.apiservice import API_SERVICE
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.ids import uuid_text
from fairlead.base.instant import render_time
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.priorities import CUSTOM_GROUP, group_priority, version_priority
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.store.model import Change, Record

_LABEL = "kube-aggregator.kubernetes.io/automanaged"


class LocalAPIServices:
    """Keeps an APIService for each group and version of the scheme. Implements `Subscriber`."""

    def __init__(self, scheme: Scheme, resources: Resources, *, clock: Clock) -> None:
        self._scheme = scheme
        self._resources = resources
        self._clock = clock
        self._cache = resources.of(API_SERVICE).cache
        scheme.subscribe(self)

    def load(self) -> None:
        """Adds the APIServices of the present kinds."""
        records = []
        for group, version in dict.fromkeys((k.group, k.version) for k in self._scheme if not k.computed):
            name = f"{version}.{group}"
            if self._cache.get(name) is None:
                records.append(Record(name, self._encoded(group, version), self._resources.revision))
                self._cache.derived.add(name)
        self._cache.load("", records, self._resources.revision)

    def is_local(self, name: str) -> bool:
        """Returns whether the APIService follows from the kinds of this server."""
        return name in self._cache.derived

    async def kind_added(self, kind: Kind[Any]) -> None:
        name = f"{kind.version}.{kind.group}"
        if self._cache.get(name) is None:
            self._cache.derived.add(name)
            value = self._encoded(kind.group, kind.version)
            self._cache.apply(name, Change(name, self._resources.revision, value))

    async def kind_removed(self, kind: Kind[Any]) -> None:
        name = f"{kind.version}.{kind.group}"
        left = any((other.group, other.version) == (kind.group, kind.version) for other in self._scheme)
        if name in self._cache.derived and not left:
            self._cache.derived.discard(name)
            self._cache.apply(name, Change(name, self._resources.revision, None))

    def _encoded(self, group: str, version: str) -> bytes:
        name, now = f"{version}.{group}", render_time(self._clock.now())
        priority = group_priority(group)
        condition = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": now,
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        spec = {"group": group} if group else {}
        return encode(
            {
                "kind": API_SERVICE.kind,
                "apiVersion": API_SERVICE.api_version,
                "metadata": {
                    "name": name,
                    "uid": _uid(name),
                    "creationTimestamp": now,
                    "labels": {_LABEL: "true" if priority == CUSTOM_GROUP else "onstart"},
                },
                "spec": spec
                | {
                    "version": version,
                    "groupPriorityMinimum": priority,
                    "versionPriority": version_priority(group, version),
                },
                "status": {"conditions": [condition]},
            }
        )


class ManagedAPIServices(AdmissionPlugin):
    """Refuses to change or delete the APIService of a group and version that this server itself serves."""

    name = "ManagedAPIServices"

    def __init__(self, resources: Resources) -> None:
        self._cache = resources.of(API_SERVICE).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation in ("UPDATE", "DELETE") and kind is API_SERVICE

    async def validate(self, attributes: Attributes) -> None:
        if attributes.name in self._cache.derived:
            raise attributes.denied("the server itself serves this group and version, and manages their APIService")


def _uid(name: str) -> str:
    """Returns the same uid for the same name: a UUID of version 5."""
    digest = hashlib.sha1(b"apiservice " + name.encode(), usedforsecurity=False).digest()
    return uuid_text(int.from_bytes(digest[:16], "big"), version=5)
