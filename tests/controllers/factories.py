"""Objects for tests, with what matters as keywords."""

from __future__ import annotations

from typing import Any

from fairlead.api.apps.deployment.kind import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from fairlead.api.apps.replicaset.kind import ReplicaSet, ReplicaSetSpec
from fairlead.api.core.node.kind import Node, NodeCondition, NodeSpec, NodeStatus
from fairlead.api.core.pod.containers.container import Container, ContainerPort
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.spec import PodSpec, PodTemplateSpec
from fairlead.api.core.pod.status import PodCondition, PodIP, PodStatus
from fairlead.api.core.service.kind import Service, ServicePort, ServiceSpec
from fairlead.api.meta.types import LabelSelector, ObjectMeta, OwnerReference
from fairlead.base.instant import Instant, render_time

NOW = Instant(1_700_000_000.0)
APP = {"app": "web"}


def template(image: str = "nginx:1.14", *, labels: dict[str, str] | None = None, **spec: Any) -> PodTemplateSpec:
    port = ContainerPort(name="http", containerPort=80, protocol="TCP")
    container = Container(name="web", image=image, ports=[port])
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=labels or APP),
        spec=PodSpec(containers=[container], restartPolicy="Always", **spec),
    )


def pod(
    name: str = "web-1",
    *,
    ip: str = "10.244.1.2",
    node: str = "node1",
    ready: bool = True,
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    owner: OwnerReference | None = None,
    terminating: bool = False,
    since: Instant = NOW,
    spec: PodSpec | None = None,
    **meta: Any,
) -> Pod:
    spec = spec or template().spec
    spec.nodeName = node
    condition = PodCondition(type="Ready", status="True" if ready else "False", lastTransitionTime=render_time(since))
    return Pod(
        kind="Pod",
        apiVersion="v1",
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            resourceVersion="1",
            creationTimestamp=render_time(since),
            labels=APP if labels is None else labels,
            ownerReferences=[owner] if owner else [],
            deletionTimestamp=render_time(NOW) if terminating else None,
            **meta,
        ),
        spec=spec,
        status=PodStatus(phase=phase, podIP=ip, podIPs=[PodIP(ip=ip)] if ip else [], conditions=[condition]),
    )


def service(name: str = "web", *, ports: list[ServicePort] | None = None, labels: Any = None, **spec: Any) -> Service:
    fields: dict[str, Any] = {"type": "ClusterIP", "clusterIP": "10.96.0.10", "selector": APP, **spec}
    fields["ports"] = [ServicePort(port=80, protocol="TCP", targetPort=80)] if ports is None else ports
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", labels=labels or {})
    return Service(kind="Service", apiVersion="v1", metadata=meta, spec=ServiceSpec(**fields))


def replica_set(name: str = "web-abc", *, replicas: int = 3, **spec: Any) -> ReplicaSet:
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", generation=1, resourceVersion="1")
    fields = {"selector": LabelSelector(matchLabels=APP), "template": template(), "replicas": replicas, **spec}
    return ReplicaSet(kind="ReplicaSet", apiVersion="apps/v1", metadata=meta, spec=ReplicaSetSpec(**fields))


def deployment(
    name: str = "web",
    *,
    replicas: int = 3,
    surge: int | str = "25%",
    unavailable: int | str = "25%",
    strategy: str = "RollingUpdate",
    **spec: Any,
) -> Deployment:
    rolling = RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    fields: dict[str, Any] = {
        "selector": LabelSelector(matchLabels=APP),
        "template": template(),
        "replicas": replicas,
        "strategy": DeploymentStrategy(type=strategy, rollingUpdate=rolling if strategy == "RollingUpdate" else None),
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 10,
        **spec,
    }
    meta = ObjectMeta(name=name, namespace="default")
    return Deployment(kind="Deployment", apiVersion="apps/v1", metadata=meta, spec=DeploymentSpec(**fields))


def node(name: str = "node1", *, ready: str = "True", labels: dict[str, str] | None = None, **spec: Any) -> Node:
    condition = NodeCondition(type="Ready", status=ready, reason="KubeletReady", lastHeartbeatTime=render_time(NOW))
    return Node(
        kind="Node",
        apiVersion="v1",
        metadata=ObjectMeta(
            name=name,
            creationTimestamp=render_time(NOW),
            labels={"kubernetes.io/hostname": name, **(labels or {})},
        ),
        spec=NodeSpec(**spec),
        status=NodeStatus(conditions=[condition], allocatable={"cpu": "2", "memory": "4Gi", "pods": "110"}),
    )
