"""A pod's /etc/resolv.conf. Pure."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.node.settings import NodeSettings


def _wants_cluster_dns(pod: Pod) -> bool:
    """Returns True if the pod gets cluster DNS. On the node's network `ClusterFirst` means the node's name servers, and
    `WithHostNet` the cluster's."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.hostNetwork)


def resolv_conf(pod: Pod, settings: NodeSettings) -> str:
    """Renders resolv.conf by dnsPolicy and dnsConfig. Pods cannot reach the host's own name servers; pods that use them
    get the address of the forwarder instead."""
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    if settings.cluster_dns and _wants_cluster_dns(pod):
        domain = settings.cluster_domain
        servers = [settings.cluster_dns]
        searches = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain, *settings.host_searches]
        options = {"ndots": "5"}
    elif settings.outside_dns and pod.spec.dnsPolicy != "None":
        servers = [settings.outside_dns]
        searches = list(settings.host_searches)
    config = pod.spec.dnsConfig
    if config is not None:
        servers += [s for s in config.nameservers if s not in servers]
        searches += [s for s in config.searches if s not in searches]
        options |= {o.name: o.value or "" for o in config.options}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append("options " + " ".join(f"{k}:{v}" if v else k for k, v in options.items()))
    return "".join(line + "\n" for line in lines) or "# This cluster has no DNS service.\n"
