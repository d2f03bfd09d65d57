"""Knows the APIServices that Services of the cluster serve, and sends requests to them.

What must stay true: a request costs one comparison without such an APIService; and what is known here
follows the cache of APIServices without delay.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.api.apiregistration.apiservice import API_SERVICE
from fairlead.apiserver.model import Forward, Outcome, User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.model import CallError, ServiceReference
from fairlead.apiserver.webhook.services import ServiceResolver
from fairlead.base.dataclass import dataclass, field
from fairlead.runtime.client import Response

if TYPE_CHECKING:
    from fairlead.api.apiregistration.apiservice.kind import APIService

GroupVersion = tuple[str, str]
ClientContext = Callable[[bytes, bool], ssl.SSLContext]
"""Returns the TLS side of connections to extension servers, by the bundle of authorities and by whether the server's
certificate is not checked."""
_UNAVAILABLE = Response(503, b"service unavailable\n", {"content-type": "text/plain; charset=utf-8"})
_LOCAL_RESOURCES = frozenset({"tokenreviews", "subjectaccessreviews"})


@dataclass(slots=True, eq=False)
class Remote:
    """One group and version that a Service serves."""

    name: str
    group: str
    version: str
    service: ServiceReference
    ca_bundle: bytes
    insecure: bool
    group_priority: int
    version_priority: int
    available: bool = False
    resources: Mapping[str, Any] = field(default_factory=dict)
    """The APIResourceList of the last check that succeeded."""
    openapi: str = ""
    """The address of the OpenAPI document (version 3), as the server's index names it."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"


class Aggregation:
    """The groups and versions that Services serve."""

    def __init__(self, resources: Resources, services: Callable[[], ServiceResolver], tls: ClientContext) -> None:
        self._cache = resources.of(API_SERVICE).cache
        self._services = services
        self._resolver: ServiceResolver | None = None
        self._tls = tls
        self._remotes: dict[GroupVersion, Remote] = {}
        self.on_change: list[Callable[[], None]] = []
        """Called after each change of an APIService that a Service serves."""

    def follow(self) -> None:
        """Reads the present APIServices, and follows their changes."""
        for entry in self._cache.select():
            self._put(entry)
        self._cache.listeners[self] = self._on_event

    def __iter__(self) -> Iterator[Remote]:
        return iter(list(self._remotes.values()))

    def __bool__(self) -> bool:
        return bool(self._remotes)

    def get(self, group: str, version: str) -> Remote | None:
        return self._remotes.get((group, version))

    def changed(self) -> None:
        """Calls the listeners."""
        for listener in self.on_change:
            listener()

    def find(self, info: RequestInfo) -> Remote | None:
        """Returns the server of the request if it is another than this one."""
        if not self._remotes:
            return None
        if info.is_resource_request:
            if info.resource in _LOCAL_RESOURCES:
                return None
            return self._remotes.get((info.api_group, info.api_version))
        parts = info.path.strip("/").split("/")
        if parts[:2] == ["openapi", "v3"]:
            parts = parts[2:]
        return self._remotes.get((parts[1], parts[2])) if len(parts) == 3 and parts[0] == "apis" else None

    def outcome(self, remote: Remote, user: User) -> Outcome:
        """Returns the outcome of a request to another server."""
        if not remote.available:
            return _UNAVAILABLE
        try:
            return self.forward(remote, user)
        except CallError:
            return _UNAVAILABLE

    def forward(self, remote: Remote, user: User) -> Forward:
        """Returns an endpoint of the server, with the identity of the user in its headers. Raises CallError."""
        if self._resolver is None:
            self._resolver = self._services()
        host, port = self._resolver.resolve(remote.service)
        try:
            tls = self._tls(remote.ca_bundle, remote.insecure)
        except (ValueError, OSError) as e:
            raise CallError(str(e)) from e
        return Forward("https", host, port, tls=tls, server_name=remote.service.server_name, headers=identity(user))

    def _on_event(self, event: Event) -> None:
        before = dict(self._remotes)
        if event.previous is not None:
            obj: APIService = event.previous.decode()
            self._remotes.pop((obj.spec.group, obj.spec.version), None)
        if event.type != "DELETED":
            self._put(event.entry, before)
        if self._remotes != before:
            self.changed()

    def _put(self, entry: Entry, before: Mapping[GroupVersion, Remote] = {}) -> None:
        if b'"service":{' not in entry.raw:
            return
        obj: APIService = entry.decode()
        spec, reference = obj.spec, obj.spec.service
        if reference is None:
            return
        remote = Remote(
            obj.metadata.name,
            spec.group,
            spec.version,
            ServiceReference(reference.namespace, reference.name, reference.port or 443),
            base64.b64decode(spec.caBundle),
            spec.insecureSkipTLSVerify,
            spec.groupPriorityMinimum,
            spec.versionPriority,
            available=any(c.type == "Available" and c.status == "True" for c in obj.status.conditions),
        )
        known = before.get((spec.group, spec.version))
        if known is not None and known.service == remote.service:
            remote.resources, remote.openapi = known.resources, known.openapi
        self._remotes[spec.group, spec.version] = remote


def identity(user: User) -> list[tuple[str, str]]:
    """Returns the headers that tell an extension server who asks."""
    headers = [("X-Remote-User", user.name)]
    if user.uid:
        headers.append(("X-Remote-Uid", user.uid))
    headers += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        headers += [(f"X-Remote-Extra-{_escaped(key)}", value) for value in values]
    return headers


def _escaped(key: str) -> str:
    """Returns a key as part of a header's name: other bytes than those of a token (RFC 9110, 5.6.2) are escaped."""
    token = frozenset(b"!#$&'*+-.^_`|~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    return "".join(chr(byte) if byte in token else f"%{byte:02X}" for byte in key.encode())


__all__ = ["Aggregation", "ClientContext", "Remote", "identity"]
