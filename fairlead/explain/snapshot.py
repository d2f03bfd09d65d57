"""The state of the cluster that the checks read: plain values, with the questions that several checks ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fairlead.api.core.event.kind import Event
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.predicates import is_finished, is_ready
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.predicates import is_external_name
from fairlead.api.core.service.spec import ServicePort
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
from fairlead.api.networking.ingress.types import Ingress
from fairlead.api.networking.networkpolicy.kind import NetworkPolicy
from fairlead.base.dataclass import dataclass, field
from fairlead.explain.runs import RUNS, Run, find_run
from fairlead.explain.sockets import Listener
from fairlead.explain.tried import Tried
from fairlead.service.decisions import EndpointState, endpoint_state

KINDS = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet"}


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet, as far as the checks need it."""

    kind: str
    name: str
    labels: Mapping[str, str]
    """Labels of its Pods."""
    replicas: int
    failure: str = ""
    """Message of its condition ReplicaFailure."""
    selector: Mapping[str, str] = field(default_factory=dict)
    """The pairs of its selector (`matchLabels`)."""
    ready: int = 0
    stalled: str = ""
    """Message of the condition Progressing if it is False."""
    paused: bool = False
    service: str = ""
    """Name of the governing Service of a StatefulSet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    name: str
    namespace: str
    service: Service | None
    kind: str = "svc"
    """The object in question: svc, pod, deploy, sts, ds, rs, job, cronjob or ingress."""
    chosen: Sequence[Pod] | None = None
    """The Pods of the object in question if it is not a Service; None if it does not exist, or is a Service."""
    ingress: Ingress | None = None
    ingress_classes: Sequence[str] = ()
    port: str = ""
    """Number or name of the port in question; empty: all ports."""
    slices: Sequence[EndpointSlice] = ()
    pods: Sequence[Pod] = ()
    """Pods of the namespace."""
    pods_elsewhere: Sequence[Pod] = ()
    """Pods of other namespaces; read only if the selector matches no Pod."""
    services: Sequence[Service] = ()
    """Services of the namespace; of all namespaces if the Service does not exist."""
    all_slices: Sequence[EndpointSlice] = ()
    """EndpointSlices of the namespace; read only if the Service has neither a selector nor slices."""
    endpoints_names: Sequence[str] = ()
    """Names of the Endpoints objects of the namespace; read together with `all_slices`."""
    workloads: Sequence[Workload] = ()
    runs: Sequence[Run] = ()
    """Jobs and CronJobs of the namespace; read only for one of them."""
    events: Sequence[Event] = ()
    """Events of the namespace, oldest first."""
    nodes: Sequence[Node] = ()
    policies: Sequence[NetworkPolicy] = ()
    dns: Service | None = None
    dns_slices: Sequence[EndpointSlice] = ()
    sockets: Mapping[str, frozenset[Listener]]
    """Listening sockets by the Pod's name; Pods whose sockets cannot be read are absent."""
    tried: Tried | None = None
    """Observations of the running cluster; None if the caller only read the API."""
    egress: bool | None = None
    """The cluster's Pods reach other machines; None if unknown."""
    host_urls: Sequence[str] = ()
    """The relay's entries for the Service, such as `80/TCP=http://127.0.0.1:8080`."""
    host_urls_known: bool = False
    """True if a relay serves this machine."""

    @property
    def found(self) -> Service:
        """The Service. Only checks after the first may ask, which run only if the Service exists."""
        assert self.service is not None
        return self.service

    @property
    def ports(self) -> list[ServicePort]:
        """The ports in question."""
        return [one for one in self.found.spec.ports if self.port in ("", one.name, str(one.port))]

    @property
    def selected(self) -> list[Pod]:
        """The Pods that the selector matches, without finished Pods; those of the object if it is not a Service."""
        if self.service is None:
            made = list(self.chosen or ())
            return [pod for pod in made if not is_finished(pod)] if self.kind in KINDS else made
        if is_external_name(self.found.spec):
            return []
        return [pod for pod in matching(self.found.spec.selector, self.pods) if not is_finished(pod)]

    @property
    def workload(self) -> Workload | None:
        """The workload in question."""
        kind = KINDS.get(self.kind)
        return next((one for one in self.workloads if (one.kind, one.name) == (kind, self.name)), None)

    @property
    def run(self) -> Run | None:
        """The Job or CronJob in question."""
        return find_run(RUNS.get(self.kind, ""), self.name, self.runs)

    @property
    def ready_pods(self) -> list[Pod]:
        """The selected Pods that are ready and not terminating."""
        return [pod for pod in self.selected if is_ready(pod) and not pod.metadata.deletionTimestamp]

    @property
    def serving(self) -> list[Endpoint]:
        """The endpoints to which connections go: the ready, or else the terminating that still serve."""
        states = [(endpoint, _state(endpoint)) for piece in self.slices for endpoint in piece.endpoints]
        ready = [endpoint for endpoint, state in states if state is EndpointState.READY]
        return ready or [endpoint for endpoint, state in states if state is EndpointState.TERMINATING]

    def events_of(self, kind: str, name: str) -> Iterator[Event]:
        """Yields the events about one object, newest first."""
        for event in reversed(self.events):
            if event.involvedObject.kind == kind and event.involvedObject.name == name:
                yield event

    def kubectl(self, words: str) -> str:
        """Returns the kubectl command in the Service's namespace."""
        return f"kubectl {words}" + ("" if self.namespace == "default" else f" -n {self.namespace}")


def matching(selector: Mapping[str, str], pods: Sequence[Pod]) -> list[Pod]:
    """Returns the Pods that the selector matches; none if it is empty."""
    wanted = selector.items()
    return [pod for pod in pods if wanted and wanted <= pod.metadata.labels.items()]


def render_labels(labels: Mapping[str, str]) -> str:
    """Returns the labels as kubectl writes them: `app=web,tier=front`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _state(endpoint: Endpoint) -> EndpointState:
    conditions = endpoint.conditions
    return endpoint_state(conditions.ready, conditions.serving, conditions.terminating)
