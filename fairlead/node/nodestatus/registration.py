"""Builds the node's API objects: its Node and its Lease. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fairlead.api.coordination.lease.kind import Lease, LeaseSpec
from fairlead.api.core.node.kind import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
)
from fairlead.api.core.topology.labels import HOSTNAME_LABEL, ZONE_LABEL
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.node.settings import NodeSettings

LEASE_NAMESPACE = "kube-node-lease"
KUBERNETES_VERSION = "v1.36.0"
NO_KERNEL_LIMITS = "NoControlGroups"
KERNEL_LIMITS_TEXT = (
    "this user may not make control groups with limits: limits.cpu is ignored, limits.memory is enforced by the "
    "node's agent, podPidsLimit of the kubelet's settings has no effect"
)
_CALM = {
    "MemoryPressure": (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    "DiskPressure": ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_PRESSED = {
    "MemoryPressure": (
        "MemoryPressure",
        "True",
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    ),
    "DiskPressure": ("DiskPressure", "True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("PIDPressure", "True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}
_LEASE_S = 40
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Facts about the machine."""

    machine: str
    kernel: str
    os_image: str
    boot_id: str
    cpus: int
    memory_kib: int
    disk_kib: int
    machine_id: str
    kernel_limits: bool = True
    """The node may make control groups, by which the kernel enforces limits."""

    @property
    def capacity(self) -> Mapping[str, str]:
        """Returns the machine's whole capacity: nothing here reserves or limits, so each node offers all of it."""
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory_kib}Ki",
            "ephemeral-storage": f"{self.disk_kib}Ki",
            "pods": "110",
        }

    @property
    def arch(self) -> str:
        return _ARCH.get(self.machine, self.machine)


def make_node(settings: NodeSettings, host: Host, now: Instant) -> Node:
    return Node(
        kind="Node",
        apiVersion="v1",
        metadata=ObjectMeta(name=settings.name, labels=labels(settings, host)),
        spec=NodeSpec(podCIDR=settings.pod_cidrs[0], podCIDRs=list(settings.pod_cidrs)),
        status=make_status(settings, host, now),
    )


def labels(settings: NodeSettings, host: Host) -> dict[str, str]:
    zone = {ZONE_LABEL: settings.zone} if settings.zone else {}
    return zone | {
        "beta.kubernetes.io/arch": host.arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": host.arch,
        HOSTNAME_LABEL: settings.name,
        "kubernetes.io/os": "linux",
    }


def make_status(
    settings: NodeSettings,
    host: Host,
    now: Instant,
    *,
    old: Node | None = None,
    pressure: Collection[str] = (),
    images: Sequence[ContainerImage] = (),
) -> NodeStatus:
    """Returns the node's status; conditions that have not changed keep their time."""
    kubelet = f"{KUBERNETES_VERSION}+fairlead-{settings.version}"
    return NodeStatus(
        addresses=[
            *(NodeAddress(type="InternalIP", address=ip) for ip in settings.ips),
            NodeAddress(type="Hostname", address=settings.name),
        ],
        capacity=dict(host.capacity),
        allocatable=dict(host.capacity),
        conditions=_conditions(host, now, old, pressure),
        images=list(images),
        daemonEndpoints=NodeDaemonEndpoints(kubeletEndpoint=DaemonEndpoint(Port=settings.kubelet_port)),
        nodeInfo=NodeSystemInfo(
            architecture=host.arch,
            bootID=host.boot_id,
            containerRuntimeVersion=f"fairlead://{settings.version}",
            kernelVersion=host.kernel,
            kubeProxyVersion="",
            kubeletVersion=kubelet,
            machineID=host.machine_id,
            operatingSystem="linux",
            osImage=host.os_image,
            systemUUID=host.machine_id,
        ),
    )


def _conditions(host: Host, now: Instant, old: Node | None, pressure: Collection[str]) -> list[NodeCondition]:
    desired = [
        *(_PRESSED[name] if name in pressure else calm for name, calm in _CALM.items()),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    if not host.kernel_limits:
        desired.append(("KernelLimits", "False", NO_KERNEL_LIMITS, KERNEL_LIMITS_TEXT))
    known = {c.type: c for c in old.status.conditions} if old else {}
    at = render_time(now)
    conditions = []
    for type_, status, reason, message in desired:
        before = known.get(type_)
        since = before.lastTransitionTime if before is not None and before.status == status else at
        condition = NodeCondition(type=type_, status=status, reason=reason, message=message)
        condition.lastHeartbeatTime, condition.lastTransitionTime = at, since
        conditions.append(condition)
    return conditions


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def make_lease(settings: NodeSettings, now: Instant, node: Node | None) -> Lease:
    owners = []
    if node is not None:
        owners.append(OwnerReference(apiVersion="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid))
    return Lease(
        kind="Lease",
        apiVersion="coordination.k8s.io/v1",
        metadata=ObjectMeta(name=settings.name, namespace=LEASE_NAMESPACE, ownerReferences=owners),
        spec=LeaseSpec(holderIdentity=settings.name, leaseDurationSeconds=_LEASE_S, renewTime=render_micro_time(now)),
    )
