"""The objects of cluster DNS: ServiceAccount, ConfigMap, Service and Deployment. `apply` creates those that are
missing.

An object that exists is never changed: it belongs to the user. A deleted object is created again at the next start
of the control plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.api.apps.deployment.kind import (
    DEPLOYMENT,
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    RollingUpdateDeployment,
)
from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.pod.containers.container import Container, ContainerPort, ResourceRequirements
from fairlead.api.core.pod.containers.env import EnvVar
from fairlead.api.core.pod.containers.probe import HTTPGetAction, Probe
from fairlead.api.core.pod.containers.security import Capabilities, SecurityContext
from fairlead.api.core.pod.spec import PodSpec, PodTemplateSpec
from fairlead.api.core.service.kind import SERVICE, Service, ServicePort, ServiceSpec
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.api.meta.types import LabelSelector, Object, ObjectMeta
from fairlead.base.log import Log
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client

NAMESPACE = "kube-system"
NAME = "fairlead-dns"
SERVICE_NAME = "kube-dns"
IMAGE = "fairlead/dns"
HOST_NAME = "host.fairlead.internal"
"""Name of the machine itself. It resolves to the address of the outside name server; exposed host ports are reached
there."""
LABELS = {"k8s-app": "kube-dns"}
_RETRY_S = 1.0
_TRIES = 30


def objects(*, addresses: Sequence[str], outside: str) -> Iterator[tuple[Kind[Any], Object]]:
    """Yields the objects. `addresses`: cluster IPs, IPv4 first; `outside`: name server for other names, as
    `address:port`."""
    yield SERVICE_ACCOUNT, ServiceAccount(metadata=_meta(NAME))
    data = {"domain": "cluster.local", "upstreams": "host", "pods": "insecure", "ttl": "5"}
    data["hosts"] = f"{outside.rpartition(':')[0].strip('[]')} {HOST_NAME}"
    yield CONFIG_MAP, ConfigMap(metadata=_meta(NAME), data=data)
    yield SERVICE, _service(list(addresses))
    yield DEPLOYMENT, _deployment(outside)


def _meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace=NAMESPACE, labels=dict(LABELS))


def _service(addresses: list[str]) -> Service:
    meta = _meta(SERVICE_NAME)
    meta.labels |= {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    ports = [
        ServicePort(name="dns", port=53, protocol="UDP", targetPort=53),
        ServicePort(name="dns-tcp", port=53, protocol="TCP", targetPort=53),
        ServicePort(name="metrics", port=9153, protocol="TCP", targetPort=9153),
    ]
    policy = "PreferDualStack" if len(addresses) > 1 else "SingleStack"
    spec = ServiceSpec(
        selector=dict(LABELS), clusterIP=addresses[0], clusterIPs=addresses, ipFamilyPolicy=policy, ports=ports
    )
    return Service(metadata=meta, spec=spec)


def _deployment(outside: str) -> Deployment:
    surge = RollingUpdateDeployment(maxSurge=1, maxUnavailable=0)  # the only pod must not be deleted first
    spec = DeploymentSpec(
        replicas=1,
        selector=LabelSelector(matchLabels=dict(LABELS)),
        strategy=DeploymentStrategy(type="RollingUpdate", rollingUpdate=surge),
        template=PodTemplateSpec(
            metadata=ObjectMeta(labels=dict(LABELS)),
            spec=PodSpec(
                serviceAccountName=NAME,
                dnsPolicy="Default",
                terminationGracePeriodSeconds=15,
                containers=[_container(outside)],
            ),
        ),
    )
    return Deployment(metadata=_meta(NAME), spec=spec)


def _container(outside: str) -> Container:
    ports = [
        ContainerPort(name="dns", containerPort=53, protocol="UDP"),
        ContainerPort(name="dns-tcp", containerPort=53, protocol="TCP"),
        ContainerPort(name="metrics", containerPort=9153, protocol="TCP"),
    ]
    return Container(
        name=NAME,
        image=IMAGE,
        ports=ports,
        env=[EnvVar(name="FAIRLEAD_OUTSIDE", value=outside)],
        resources=ResourceRequirements(requests={"cpu": "10m", "memory": "24Mi"}),
        readinessProbe=Probe(httpGet=HTTPGetAction(path="/ready", port=8181), periodSeconds=1, timeoutSeconds=2),
        livenessProbe=Probe(httpGet=HTTPGetAction(path="/health", port=8080), periodSeconds=10, timeoutSeconds=5),
        securityContext=SecurityContext(
            allowPrivilegeEscalation=False,
            readOnlyRootFilesystem=True,
            capabilities=Capabilities(add=["NET_BIND_SERVICE"], drop=["ALL"]),
        ),
    )


async def apply(client: Client, *, addresses: Sequence[str], outside: str, log: Log) -> None:
    """Creates missing objects. Retries each object 30 times, once a second, if the server refuses."""
    for kind, obj in objects(addresses=addresses, outside=outside):
        for _ in range(_TRIES):
            try:
                await client.create(kind, obj)
            except StatusError as error:
                if error.reason == "AlreadyExists":
                    break
                log.warn("cannot create", kind=kind.kind, name=obj.metadata.name, error=error)
                await asyncio.sleep(_RETRY_S)
            else:
                break
