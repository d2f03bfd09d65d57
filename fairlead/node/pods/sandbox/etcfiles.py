"""A pod's names, and the files in /etc that hold them. Pure: the node's own hosts file is an argument.

Source: the kubelet's `GeneratePodHostNameAndDomain` and `managedHostsFileContent`. A pod on its node's network has the
node's name and hosts file, whatever the pod specifies.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.node.pods.sandbox.resolvconf import resolv_conf
from fairlead.node.settings import NodeSettings

_LONGEST = 63
_LONGEST_FULL = 64  # what the kernel takes (__NEW_UTS_LEN)
_HEADER = "# Kubernetes-managed hosts file.\n"
_HEADER_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


class NameProblem(Exception):
    """The pod's full name is too long for the kernel."""


def hostname(pod: Pod) -> str:
    """Returns the short name of a pod, unless the pod uses its node's network."""
    given = pod.spec.hostnameOverride or pod.spec.hostname or pod.metadata.name
    return given[:_LONGEST].rstrip("-.") if len(given) > _LONGEST else given


def domain(pod: Pod, settings: NodeSettings) -> str:
    """Returns the domain under which a headless Service publishes the pod; empty if the pod names none."""
    if pod.spec.hostnameOverride or not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{settings.cluster_domain}"


def kernel_hostname(pod: Pod, settings: NodeSettings) -> str:
    """Returns the output of `hostname` in the pod's containers. Raises NameProblem."""
    if pod.spec.hostNetwork:
        return settings.name
    name, above = hostname(pod), domain(pod, settings)
    if not above or not pod.spec.setHostnameAsFQDN:
        return name
    full = f"{name}.{above}"
    if len(full) > _LONGEST_FULL:
        text = f"FQDN {full} is too long ({_LONGEST_FULL} characters is the max, {len(full)} characters requested)"
        raise NameProblem(f"failed to construct FQDN from pod hostname and cluster domain, {text}")
    return full


def etc_files(pod: Pod, ips: Sequence[str], settings: NodeSettings, *, node_hosts: str) -> dict[str, str]:
    """Returns the pod's own /etc/hosts, /etc/hostname and /etc/resolv.conf. `node_hosts` is the node's hosts file."""
    if pod.spec.hostNetwork:
        hosts = _HEADER_HOST_NETWORK + node_hosts
    else:
        name, above = hostname(pod), domain(pod, settings)
        names = f"{name}.{above}\t{name}" if above else name
        hosts = _HEADER + _lines([*_LOCAL, *(f"{ip}\t{names}" for ip in ips)])
    return {
        "hosts": hosts + _aliases(pod),
        "hostname": kernel_hostname(pod, settings) + "\n",
        "resolv.conf": resolv_conf(pod, settings),
    }


def _aliases(pod: Pod) -> str:
    if not pod.spec.hostAliases:
        return ""
    entries = ["\t".join((alias.ip, *alias.hostnames)) for alias in pod.spec.hostAliases]
    return "\n# Entries added by HostAliases.\n" + _lines(entries)


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
