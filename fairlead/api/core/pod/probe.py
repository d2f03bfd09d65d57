"""What the node does to a container from outside: probes and lifecycle hooks."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Int64, IntOrString, Record, Strings
from fairlead.machinery.kind import Atomic, Doc, OneOf, Required


class ExecAction(Record):
    command: Annotated[Strings, Required(), Doc("The command; fine is what ends with 0.")] = []


class HTTPHeader(Record):
    name: Annotated[str, Required(), Doc("Its name.")] = ""
    value: Annotated[str, Doc("Its value.")] = msgspec.field(default_factory=str)


class HTTPGetAction(Record):
    port: Annotated[IntOrString, Doc("The port, by number or name.")] = 0
    host: Annotated[str, Doc("The host to ask; the pod's address unless given.")] = ""
    httpHeaders: Annotated[list[HTTPHeader], Atomic(), Doc("Headers to send.")] = []
    path: Annotated[str, Doc("What to ask for.")] = ""
    protocol: Annotated[str, Doc("The version of HTTP to speak.")] = ""
    scheme: Annotated[str, OneOf("HTTP", "HTTPS"), Doc("HTTP or HTTPS.")] = ""


class TCPSocketAction(Record):
    port: Annotated[IntOrString, Doc("The port, by number or name.")] = 0
    host: Annotated[str, Doc("The host to connect to; the pod's address unless given.")] = ""


class GRPCAction(Record):
    port: Annotated[Int32, Doc("The port.")] = msgspec.field(default_factory=int)
    mode: Annotated[str, Doc("How to connect: TLS or Plaintext.")] = ""
    service: Annotated[str, Doc("The service to ask about.")] | None = None


class SleepAction(Record):
    seconds: Annotated[Int64, Doc("For how long.")] = msgspec.field(default_factory=int)


class Probe(Record):
    exec: Annotated[ExecAction, Doc("Run a command in it.")] | None = None
    failureThreshold: Annotated[Int32, Doc("How often in a row it must fail to count as failed.")] = 0
    grpc: Annotated[GRPCAction, Doc("Ask it over gRPC.")] | None = None
    httpGet: Annotated[HTTPGetAction, Doc("Ask it over HTTP.")] | None = None
    initialDelaySeconds: Annotated[Int32, Doc("How long after the start to begin.")] = 0
    periodSeconds: Annotated[Int32, Doc("How often.")] = 0
    successThreshold: Annotated[Int32, Doc("How often in a row it must succeed to count as well.")] = 0
    tcpSocket: Annotated[TCPSocketAction, Doc("Connect to it.")] | None = None
    terminationGracePeriodSeconds: (
        Annotated[Int64, Doc("How long it is given to end where the probe has failed.")] | None
    ) = None
    timeoutSeconds: Annotated[Int32, Doc("How long to wait for an answer.")] = 0


class LifecycleHandler(Record):
    exec: Annotated[ExecAction, Doc("Run a command in it.")] | None = None
    httpGet: Annotated[HTTPGetAction, Doc("Ask it over HTTP.")] | None = None
    sleep: Annotated[SleepAction, Doc("Wait.")] | None = None
    tcpSocket: Annotated[TCPSocketAction, Doc("Connect to it (no longer used).")] | None = None


class Lifecycle(Record):
    postStart: Annotated[LifecycleHandler, Doc("What to do when the container has started.")] | None = None
    preStop: Annotated[LifecycleHandler, Doc("What to do before it is asked to end.")] | None = None
    stopSignal: Annotated[str, Doc("The signal it is asked to end with.")] | None = None
