"""Begins the records of requests that the policy asks for."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.apiserver.audit.log import AuditLog, LogFile
from fairlead.apiserver.audit.policy import Policy, decide
from fairlead.apiserver.audit.record import Record
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.accept import media_type
from fairlead.apiserver.serialization.body import parse_yaml
from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.serialization.protobuf.decode import envelope_gvk, parse_protobuf
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.log import Log
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Request


class Auditor:
    """The audit log of a server."""

    def __init__(self, policy: Policy, file: LogFile, scheme: Scheme, *, clock: Clock, ids: IdSource, log: Log) -> None:
        self._policy = policy
        self._scheme = scheme
        self._clock = clock
        self._ids = ids
        self.log = AuditLog(
            file, self._read, on_error=lambda error: log.error("cannot write the audit log", error=error)
        )

    def begin(self, request: Request, info: RequestInfo, user: User, source: str) -> Record | None:
        """Returns the record of a request; None if the policy does not ask for one."""
        decision = decide(self._policy, user, info)
        if decision.level == "None":
            return None
        now = self._clock.now
        identity = request.headers.get("audit-id") or self._ids.uid()
        record = Record(identity, decision, request, info, user, source, now(), self.log.emit, now)
        record.start()
        return record

    def close(self) -> None:
        """Writes what is waiting, and ends."""
        self.log.close()

    def _read(self, body: bytes, content_type: str) -> Any:
        """Returns a body as a JSON tree; None for text and for what cannot be read. Called in the log's thread."""
        media = media_type(content_type)
        try:
            if media == MEDIA_TYPE:
                kind = self._scheme.by_gvk(*envelope_gvk(body))
                return parse_protobuf(body, kind.schema) if kind is not None else None
            if media.endswith("yaml") and body[:1] != b"{":
                return parse_yaml(body)
            return msgspec.json.decode(body) if media.endswith("json") or not media or body[:1] == b"{" else None
        except (StatusError, ValueError, msgspec.DecodeError, RecursionError):
            return None
