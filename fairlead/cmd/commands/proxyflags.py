"""The flags of `fairlead proxy`, apart from what it does: `fairlead --help` reads them, and needs next to nothing."""

from __future__ import annotations

import argparse

FLAGS: tuple[tuple[str, str, str, str], ...] = (
    ("bind-address", "IP", "bindAddress", "the node's address, where the Node object's first one is not"),
    ("hostname-override", "NAME", "hostnameOverride", "the node's name (default: this machine's, in lower case)"),
    ("proxy-mode", "MODE", "mode", "nftables (default) or iptables"),
    ("cluster-cidr", "CIDR[,CIDR]", "clusterCIDR", "addresses of all Pods: who has another is from outside"),
    ("detect-local-mode", "MODE", "detectLocalMode", "ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix"),
    ("pod-bridge-interface", "LINK", "detectLocal.bridgeInterface", "with --detect-local-mode BridgeInterface"),
    ("pod-interface-name-prefix", "TEXT", "detectLocal.interfaceNamePrefix", "with … InterfaceNamePrefix"),
    ("healthz-bind-address", "IP:PORT", "healthzBindAddress", "of /healthz and /livez (default: 0.0.0.0:10256)"),
    ("metrics-bind-address", "IP:PORT", "metricsBindAddress", "of /metrics (default: 127.0.0.1:10249)"),
    ("nftables-min-sync-period", "TIME", "nftables.minSyncPeriod", "how long a change may wait for others"),
    ("nftables-sync-period", "TIME", "nftables.syncPeriod", "how often to look for what somebody else changed"),
    ("iptables-min-sync-period", "TIME", "iptables.minSyncPeriod", "the same in the other mode"),
    ("iptables-sync-period", "TIME", "iptables.syncPeriod", "the same in the other mode"),
)
"""Flag, what its value is called, the field of KubeProxyConfiguration, text."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="how to reach the API server (default: as a Pod does, where this is one)"
    )
    parser.add_argument("--config", metavar="FILE", help="a KubeProxyConfiguration, instead of the flags below")
    parser.add_argument("--cleanup", action="store_true", help="remove the rules of all modes, and end")
    for flag, value, _, text in FLAGS:
        parser.add_argument(f"--{flag}", metavar=value, help=text)
    parser.add_argument(
        "--nodeport-addresses", metavar="CIDR,...", help="where node ports answer: ranges, primary, localhost, all"
    )
    parser.add_argument(
        "--masquerade-all", action="store_true", help="hide all clients of cluster IPs, not only others'"
    )
    parser.add_argument(
        "--iptables-localhost-nodeports",
        action=argparse.BooleanOptionalAction,
        help="node ports on 127.0.0.1, in mode iptables",
    )
