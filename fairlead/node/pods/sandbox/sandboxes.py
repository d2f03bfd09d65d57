"""Sandboxes of pods: namespaces kept by the zygote, with addresses, links and host ports."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from fairlead.api.core.pod.kind import Pod
from fairlead.base.log import Log
from fairlead.net.errors import KernelError
from fairlead.net.model import host_interface
from fairlead.net.topology.run import PodAttacher
from fairlead.node.nodestatus.ipam import Addresses
from fairlead.node.pods.sandbox.hostports import HostPorts
from fairlead.node.pods.sandbox.sysctls import sysctls_of
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.protocol.messages import MakeSandbox, Sandbox, SandboxRecord
from fairlead.node.settings import NodeSettings


class PodSandboxes:
    """The sandboxes of one node. A pod on its node's network has a sandbox too, with that network and without an
    address."""

    def __init__(
        self,
        settings: NodeSettings,
        zygote: ZygoteClient,
        *,
        attacher: PodAttacher,
        addresses: Addresses,
        host_ports: HostPorts,
        log: Log,
    ) -> None:
        self._node_ips = settings.ips
        self._host_namespaces = settings.host_namespaces
        self._zygote = zygote
        self._attacher = attacher
        self._addresses = addresses
        self._host_ports = host_ports
        self._log = log

    def resume(self, pod: Pod, ips: Sequence[str]) -> None:
        """Adds a sandbox that an earlier agent made; the kernel has its ports after `start`."""
        self._host_ports.resume(pod, ips)

    def reserve_addresses(self, pods: Sequence[Pod]) -> None:
        """Keeps the addresses that pods had for them; call it before any sandbox is made."""
        for pod in pods:
            if pod.status.podIP and not pod.spec.hostNetwork and pod.status.phase not in ("Succeeded", "Failed"):
                self._addresses.reserve(pod.status.podIP)

    def start(self) -> None:
        """Puts the host ports of the resumed sandboxes into the kernel, and no others."""
        try:
            self._host_ports.start()
        except KernelError as error:
            self._log.error("cannot add the rules of host ports", error=error)

    def reserve_ports(self, pod: Pod) -> None:
        """Raises PortTaken."""
        self._host_ports.reserve(pod)

    def allocate(self, pod: Pod, preferred: str) -> tuple[str, ...]:
        """Returns the pod's addresses, one of each family, IPv4 first: the preferred one if it is unallocated. Raises
        NoAddress."""
        if pod.spec.hostNetwork:
            return self._node_ips
        return tuple(map(str, self._addresses.allocate(preferred)))

    async def make(self, pod: Pod, ips: Sequence[str], hostname: str) -> None:
        """Raises ZygoteError, OSError, KernelError; `remove` then clears away what there is of it."""
        meta, host = pod.metadata, pod.spec.hostNetwork
        record = SandboxRecord(namespace=meta.namespace, name=meta.name, ips=tuple(ips))
        given = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC) if host else None
        try:
            request = MakeSandbox(
                meta.uid,
                hostname,
                record,
                sysctls=dict(sysctls_of(pod)),
                host_ipc=bool(pod.spec.hostIPC) and self._host_namespaces,
                share_pids=bool(pod.spec.shareProcessNamespace),
            )
            netns = await self._zygote.make_sandbox(request, netns=given)
        finally:
            if given is not None:
                os.close(given)
        try:
            if not host:
                self._attach(meta.uid, netns, ips)
        finally:
            os.close(netns)
        self._host_ports.publish(pod, ips)

    def _attach(self, uid: str, netns: int, ips: Sequence[str]) -> None:
        four, six = (next((ip for ip in ips if (":" in ip) == is_six), "") for is_six in (False, True))
        self._attacher.attach(
            netns,
            host_ifname=host_interface(uid),
            ip=IPv4Address(four) if four else None,
            gateway=self._addresses.gateway,
            ip6=IPv6Address(six) if six else None,
        )

    async def remove(self, pod: Pod, ips: Sequence[str]) -> None:
        """Kills all processes left in the sandbox, and releases its ports and addresses."""
        self.release_ports(pod)
        await self._zygote.remove_sandbox(pod.metadata.uid)
        if ips and not pod.spec.hostNetwork:
            self._addresses.release(ips[0])

    def release_ports(self, pod: Pod) -> None:
        try:
            self._host_ports.release(pod.metadata.uid)
        except KernelError as error:
            self._log.warn("cannot delete the rules of host ports", pod=pod.metadata.uid, error=error)

    async def remove_orphan(self, sandbox: Sandbox) -> None:
        """Removes the sandbox of a pod that was deleted from the API."""
        await self._zygote.remove_sandbox(sandbox.id)
        with contextlib.suppress(ValueError):
            self._addresses.release(sandbox.record.ips[0])
