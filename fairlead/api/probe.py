"""What the node does to a container from outside: probes and lifecycle hooks."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int32, Int64, IntOrString, Record, Strings
from fairlead.machinery.kind import Atomic, OneOf, Required


class ExecAction(Record):
    command: Annotated[Strings, Required()] = []


class HTTPHeader(Record):
    name: Annotated[str, Required()] = ""
    value: str = msgspec.field(default_factory=str)


class HTTPGetAction(Record):
    port: IntOrString = 0
    host: str = ""
    httpHeaders: Annotated[list[HTTPHeader], Atomic()] = []
    path: str = ""
    protocol: str = ""
    scheme: Annotated[str, OneOf("HTTP", "HTTPS")] = ""


class TCPSocketAction(Record):
    port: IntOrString = 0
    host: str = ""


class GRPCAction(Record):
    port: Int32 = msgspec.field(default_factory=int)
    mode: str = ""
    service: str | None = None


class SleepAction(Record):
    seconds: Int64 = msgspec.field(default_factory=int)


class Probe(Record):
    exec: ExecAction | None = None
    failureThreshold: Int32 = 0
    grpc: GRPCAction | None = None
    httpGet: HTTPGetAction | None = None
    initialDelaySeconds: Int32 = 0
    periodSeconds: Int32 = 0
    successThreshold: Int32 = 0
    tcpSocket: TCPSocketAction | None = None
    terminationGracePeriodSeconds: Int64 | None = None
    timeoutSeconds: Int32 = 0


class LifecycleHandler(Record):
    exec: ExecAction | None = None
    httpGet: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcpSocket: TCPSocketAction | None = None


class Lifecycle(Record):
    postStart: LifecycleHandler | None = None
    preStop: LifecycleHandler | None = None
    stopSignal: str | None = None
