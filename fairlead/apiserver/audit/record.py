"""The record of one request, which writes an event for each of its stages (audit.k8s.io/v1 Event).

Requests only collect what an event needs; bodies are decoded and events are written by the log's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fairlead.apiserver.audit.policy import Decision
from fairlead.apiserver.model import Forward, Outcome, RequestContext, Upgrade, User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant, render_micro_time
from fairlead.runtime.client import Request, Response

Tree = dict[str, Any]
ReadBody = Callable[[bytes, str], Any]
"""Returns a body as a JSON tree, by its media type; None if it cannot be read."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that is not complete: its bodies are still bytes."""

    tree: Tree
    omit_managed_fields: bool
    request: tuple[bytes, str] | None = None
    response: tuple[bytes, str] | None = None

    def complete(self, read: ReadBody) -> bytes:
        """Returns the event as a line."""
        tree = dict(self.tree)
        for name, body in (("requestObject", self.request), ("responseObject", self.response)):
            if body is not None and body[0] and (obj := read(*body)) is not None:
                tree[name] = without_managed_fields(obj) if self.omit_managed_fields else obj
        return msgspec.json.encode(tree) + b"\n"


@dataclass(slots=True)
class Record:
    """One request that the policy asks for."""

    audit_id: str
    decision: Decision
    request: Request
    info: RequestInfo
    user: User
    source: str
    received: Instant
    emit: Callable[[Pending], None]
    now: Callable[[], Instant]
    body: bytes = b""
    impersonated: User | None = None
    """The user that the request acts as, if it acts as another one than its sender."""
    constraint: str = ""
    """The verb of constrained impersonation that allowed it."""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Records that the request has arrived."""
        self._stage("RequestReceived")

    def answered(self, context: RequestContext, outcome: Outcome) -> None:
        """Records the answer; a stream has only started."""
        self.annotations = context.annotations
        if isinstance(outcome, Response):
            self._stage("ResponseComplete", outcome)
        elif not isinstance(outcome, Forward):
            self._stage("ResponseStarted", _started(101 if isinstance(outcome, Upgrade) else 200))

    def ended(self, status: int) -> None:
        """Records the end of a stream."""
        self._stage("ResponseComplete", _started(status))

    def panicked(self, response: Response) -> None:
        """Records an error within the server."""
        self._stage("Panic", response)

    def _stage(self, stage: str, response: Response | None = None) -> None:
        decision = self.decision
        if stage in decision.omit_stages:
            return
        tree = self._tree(stage)
        request_body = response_body = None
        if response is not None:
            tree["responseStatus"] = _status(response)
            if decision.level in ("Request", "RequestResponse"):
                request_body = (self.body, self.request.headers.get("content-type", ""))
            if decision.level == "RequestResponse":
                response_body = (response.body, response.headers.get("content-type", ""))
        self.emit(Pending(tree, decision.omit_managed_fields, request_body, response_body))

    def _tree(self, stage: str) -> Tree:
        request, info = self.request, self.info
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        tree: Tree = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self.decision.level,
            "auditID": self.audit_id,
            "stage": stage,
            "requestURI": f"{request.path}?{query}" if query else request.path,
            "verb": info.verb,
            "user": _user(self.user),
            "sourceIPs": _sources(request.headers, self.source),
            "userAgent": request.headers.get("user-agent", ""),
            "requestReceivedTimestamp": render_micro_time(self.received),
            "stageTimestamp": render_micro_time(self.now()),
        }
        if self.impersonated is not None:
            tree["impersonatedUser"] = _user(self.impersonated)
        if self.constraint:
            tree["authenticationMetadata"] = {"impersonationConstraint": self.constraint}
        if info.is_resource_request:
            tree["objectRef"] = _reference(info)
        if self.annotations:
            tree["annotations"] = dict(self.annotations)
        return tree


def _started(status: int) -> Response:
    """Returns what is known of a stream's answer."""
    return Response(status, b"", {})


def _user(user: User) -> Tree:
    tree: Tree = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        tree["uid"] = user.uid
    if user.extra:
        tree["extra"] = {key: list(values) for key, values in user.extra.items()}
    return tree


def _reference(info: RequestInfo) -> Tree:
    facts = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.api_group,
        "apiVersion": info.api_version,
        "subresource": info.subresource,
    }
    return {name: value for name, value in facts.items() if value}


def _sources(headers: Mapping[str, str], source: str) -> list[str]:
    """Returns the addresses of the client and of the proxies before it, the client first."""
    given = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    real = headers.get("x-real-ip", "").strip()
    found = given or ([real] if real else [])
    if source and source not in found:
        found.append(source)
    return found


def _status(response: Response) -> Tree:
    tree: Tree = {"metadata": {}, "code": response.status}
    if response.status >= 400 and response.headers.get("content-type") == "application/json":
        try:
            status = msgspec.json.decode(response.body)
        except msgspec.DecodeError:
            return tree
        tree |= {key: status[key] for key in ("status", "message", "reason", "details") if status.get(key)}
    return tree


def without_managed_fields(tree: Any) -> Any:
    """Returns an object, or a list with its objects, without `metadata.managedFields`."""
    if not isinstance(tree, dict):
        return tree
    result = dict(tree)
    metadata = result.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        result["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    if isinstance(result.get("items"), list):
        result["items"] = [without_managed_fields(item) for item in result["items"]]
    return result
