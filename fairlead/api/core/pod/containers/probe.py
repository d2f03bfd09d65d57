"""Probes and lifecycle hooks, which the node agent runs against a container."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Int64, IntOrString, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc, OneOf, Required


class ExecAction(Record):
    """Command that runs inside the container; exit code 0 means success."""

    command: Annotated[
        Strings,
        Required(),
        Doc("Command and arguments, run in the container without a shell; exit code 0 means success."),
    ] = []


class HTTPHeader(Record):
    """Header that is sent with the HTTP request of a probe or a lifecycle hook."""

    name: Annotated[str, Required(), Doc("Name of the header field, such as X-Token.")] = ""
    value: Annotated[str, Doc("Value of the header field.")] = msgspec.field(default_factory=str)


class HTTPGetAction(Record):
    """HTTP request to a container; a status from 200 to 399 means success."""

    port: Annotated[IntOrString, Doc("Port of the request, as a number or the name of a container port.")] = 0
    host: Annotated[str, Doc("Host to connect to; default: the pod's IP address.")] = ""
    httpHeaders: Annotated[
        list[HTTPHeader], Atomic(), Doc("Header fields of the request; repeated names are allowed.")
    ] = []
    path: Annotated[str, Doc("Path of the request; default /.")] = ""
    protocol: Annotated[str, Doc("HTTP version of the request; ignored by Fairlead's nodes, which use HTTP/1.1.")] = ""
    scheme: Annotated[
        str,
        OneOf("HTTP", "HTTPS"),
        Doc("Scheme of the request: HTTP (default) or HTTPS, whose certificate is not verified."),
    ] = ""


class TCPSocketAction(Record):
    """Attempt to open a TCP connection to a container's port."""

    port: Annotated[IntOrString, Doc("Port to connect to, as a number or the name of a container port.")] = 0
    host: Annotated[str, Doc("Host to connect to; default: the pod's IP address.")] = ""


class GRPCAction(Record):
    """Call of the gRPC health checking protocol to a port of the container."""

    port: Annotated[Int32, Doc("Port number of the gRPC service, 1 to 65535.")] = msgspec.field(default_factory=int)
    mode: Annotated[str, Doc("Transport security of the gRPC connection: TLS or Plaintext.")] = ""
    service: (
        Annotated[str, Doc("Service name in the health check request; empty for the server as a whole.")] | None
    ) = None


class SleepAction(Record):
    """Pause of a fixed length in a lifecycle hook."""

    seconds: Annotated[Int64, Doc("Seconds to sleep; 0 returns at once.")] = msgspec.field(default_factory=int)


class Probe(Record):
    """Check that the node repeats to find out whether a container is started, ready or alive."""

    exec: Annotated[ExecAction, Doc("Command that runs in the container; exit code 0 means success.")] | None = None
    failureThreshold: Annotated[
        Int32, Doc("Consecutive failures after which the probe counts as failed; default 3.")
    ] = 0
    grpc: (
        Annotated[GRPCAction, Doc("Health check over gRPC (grpc.health.v1); status SERVING means success.")] | None
    ) = None
    httpGet: (
        Annotated[HTTPGetAction, Doc("HTTP GET request to the container; a status from 200 to 399 means success.")]
        | None
    ) = None
    initialDelaySeconds: Annotated[
        Int32, Doc("Seconds between the container's start and the first probe; default 0.")
    ] = 0
    periodSeconds: Annotated[Int32, Doc("Seconds between two probes; default 10, minimum 1.")] = 0
    successThreshold: Annotated[
        Int32,
        Doc(
            "Consecutive successes after which a failed probe counts as passed; default 1, must be 1 for "
            "liveness and startup."
        ),
    ] = 0
    tcpSocket: (
        Annotated[TCPSocketAction, Doc("TCP connection to the container; an established connection means success.")]
        | None
    ) = None
    terminationGracePeriodSeconds: (
        Annotated[
            Int64, Doc("Seconds that the container is given to stop after the probe failed; default: the pod's value.")
        ]
        | None
    ) = None
    timeoutSeconds: Annotated[Int32, Doc("Seconds after which an unanswered probe fails; default 1, minimum 1.")] = 0


class LifecycleHandler(Record):
    """Action that a lifecycle hook performs; exactly one field may be set."""

    exec: Annotated[ExecAction, Doc("Command that runs in the container.")] | None = None
    httpGet: Annotated[HTTPGetAction, Doc("HTTP GET request to the container.")] | None = None
    sleep: Annotated[SleepAction, Doc("Pause of a fixed number of seconds.")] | None = None
    tcpSocket: Annotated[TCPSocketAction, Doc("TCP connection to the container; deprecated and ignored.")] | None = None


class Lifecycle(Record):
    """Actions after the start and before the stop of a container, and the signal that stops it."""

    postStart: (
        Annotated[
            LifecycleHandler,
            Doc("Action right after the container's start; the container is killed if the action fails."),
        ]
        | None
    ) = None
    preStop: (
        Annotated[
            LifecycleHandler, Doc("Action before the container is asked to stop; counts against the grace period.")
        ]
        | None
    ) = None
    stopSignal: (
        Annotated[
            str, Doc("Signal that asks the container to stop, such as SIGUSR1; default: the image's, else SIGTERM.")
        ]
        | None
    ) = None
