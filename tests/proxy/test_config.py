"""The proxy's settings: which fields have an effect, which are ignored, and which are refused by path."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pytest
import yaml

from fairlead.net.model import ClusterNetwork, Network6
from fairlead.proxy.planning.nodes import node_views
from fairlead.proxy.planning.proxierconfig import TrafficDetector, cluster_proxier
from fairlead.proxy.settings.config import KEY, BadProxyConfig, ProxyConfig, default_text, parse_config, with_mode
from fairlead.proxy.sync.setup import detector_of, node_port_ranges, set_up
from fairlead.service.node import NodeView
from tests.proxy.objects import NETWORK, node

KUBEADM = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection: {acceptContentTypes: "", burst: 0, contentType: "", kubeconfig: /var/lib/kubeconfig.conf, qps: 0}
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack: {maxPerCore: null, min: null, tcpBeLiberal: false, udpTimeout: 0s}
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s}
kind: KubeProxyConfiguration
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}}, verbosity: 0}
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, networkName: "", sourceVip: ""}
"""


def test_what_kubeadm_writes_is_taken_as_it_is() -> None:
    expected = ProxyConfig(cluster_cidrs=("10.244.0.0/16",), kubeconfig="/var/lib/kubeconfig.conf")
    assert parse_config(KUBEADM) == expected
    assert parse_config("") == ProxyConfig()


@pytest.mark.parametrize("mode", ["nftables", "iptables"])
def test_the_default_text_says_the_defaults(mode: Any) -> None:
    text = default_text(mode)
    assert parse_config(text) == parse_config(text + "\n") == ProxyConfig(mode=mode)


def test_the_settings_of_the_mode_in_force_count() -> None:
    tree = {
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "1m30s", "masqueradeAll": True},
        "iptables": {"minSyncPeriod": "1s", "syncPeriod": "1h", "localhostNodePorts": True},
    }
    found = parse_config(yaml.safe_dump(tree))
    assert (found.min_sync_s, found.sync_s, found.masquerade_all, found.localhost) == (0.1, 90.0, True, None)
    found = parse_config(yaml.safe_dump(tree | {"mode": "iptables"}))
    assert (found.min_sync_s, found.sync_s, found.masquerade_all, found.localhost) == (1.0, 3600.0, False, True)


def test_addresses_to_serve_at_are_read() -> None:
    found = parse_config('{"healthzBindAddress": "127.0.0.1:0100", "metricsBindAddress": "[::1]:9"}')
    assert (found.healthz, found.metrics) == (("127.0.0.1", 100), ("::1", 9))
    found = parse_config("healthzBindAddress: 10.0.0.1\nmetricsBindAddress: '::'\n")
    assert (found.healthz, found.metrics) == (("10.0.0.1", 10256), ("::", 10249))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mode: ipvs", 'mode: "ipvs" is not one of nftables, iptables'),
        ("mode: 3", "mode: expected a string, got an integer"),
        ("kind: Pod", 'kind: "Pod" is not "KubeProxyConfiguration"'),
        ("apiVersion: v1", 'apiVersion: "v1" is not "kubeproxy.config.k8s.io/v1alpha1"'),
        ("modes: nftables", "modes: unknown field, did you mean mode?"),
        ("nftables: {syncperiod: 1s}", "nftables.syncperiod: unknown field, did you mean syncPeriod?"),
        ("iptables: {syncPeriod: 30}", "iptables.syncPeriod: expected a string, got an integer"),
        ("iptables: {syncPeriod: 30x}", 'iptables.syncPeriod: invalid duration "30x"'),
        ("nftables: {minSyncPeriod: -1s}", 'nftables.minSyncPeriod: invalid duration "-1s"'),
        ("nftables: {minSyncPeriod: 1m}", "nftables.minSyncPeriod: is longer than nftables.syncPeriod"),
        ("iptables: {masqueradeBit: 3}", "iptables.masqueradeBit: the bit is 14"),
        ("nodePortAddresses: [10.0.0.0/8, here]", 'nodePortAddresses[1]: invalid range of addresses "here"'),
        ("nodePortAddresses: [10.0.0.1]", 'nodePortAddresses[0]: invalid range of addresses "10.0.0.1"'),
        ("nodePortAddresses: primary", "nodePortAddresses: expected a list of strings, got a string"),
        ("metricsBindAddress: here:80", 'metricsBindAddress: invalid address "here:80"'),
        ("metricsBindAddress: 127.0.0.1:99999", "metricsBindAddress"),
        ("detectLocalMode: Guess", 'detectLocalMode: "Guess" is not one of'),
        ("detectLocalMode: BridgeInterface", "detectLocal.bridgeInterface: is needed"),
        ("clusterCIDR: 10.0.0.0", 'clusterCIDR: invalid range of addresses "10.0.0.0"'),
        ("a: [", f"{KEY}: is not valid JSON or YAML"),
        ("conntrack: 3", "conntrack: expected an object, got an integer"),
        ("detectLocal: {bridgeInterface: a b}", 'detectLocal.bridgeInterface: invalid link name "a b"'),
        ("mode: x\nkind: z\nzz: 1", 'mode: "x" is not one of nftables, iptables; kind: "z" is not "Kube'),
        ("{,}", f"{KEY}: is not valid JSON or YAML"),
        ("- a", f"{KEY}: expected an object with fields"),
    ],
)
def test_a_mistake_is_named_by_its_path(text: str, expected: str) -> None:
    with pytest.raises(BadProxyConfig) as caught:
        parse_config(text)
    assert str(caught.value).startswith(expected)


def test_another_mode_is_written_into_what_is_there() -> None:
    commented = "# mine\nmode: nftables # why\nnftables:\n  syncPeriod: 10s\n"
    changed = with_mode({KEY: commented}, "iptables")
    assert changed == "# mine\nmode: iptables\nnftables:\n  syncPeriod: 10s\n"
    assert parse_config(with_mode({KEY: "nftables: {masqueradeAll: true}"}, "iptables")).mode == "iptables"
    for broken in ({}, {KEY: ""}, {KEY: "a: ["}, {KEY: '{"nftables": {}}'}):
        assert with_mode(broken, "iptables") == default_text("iptables")


def ranges(*entries: str, localhost: bool | None = None, view: NodeView | None = None) -> tuple[str, ...]:
    return node_port_ranges(ProxyConfig(node_ports=entries, localhost=localhost), view or node())


def test_node_ports_answer_at_the_configured_addresses() -> None:
    six = node_views("node1", NETWORK.node_ip(1), ClusterNetwork(six=Network6()))[1]
    assert ranges() == ()
    assert ranges("primary") == ("172.30.0.11/32",)
    assert ranges("primary", view=six) == (f"{six.ip}/128",)
    assert ranges("10.0.0.0/8", "10.1.0.0/16", "fd00::/8") == ("10.0.0.0/8",)
    assert ranges("10.0.0.0/8", view=six) == (), "a family that is not named is as if nothing was"
    assert ranges("localhost", "primary") == ("127.0.0.0/8", "172.30.0.11/32")
    assert ranges("all") == ("0.0.0.0/0",)
    assert ranges(localhost=True) == ("0.0.0.0/0",)
    assert ranges("primary", localhost=True) == ("127.0.0.0/8", "172.30.0.11/32")
    assert ranges("primary", localhost=True, view=six) == (f"{six.ip}/128",)
    without = ranges("all", localhost=False)
    assert "127.0.0.0/8" not in without
    assert len(without) == 8


@pytest.mark.parametrize(
    ("entries", "localhost", "answering", "silent"),
    [
        ((), False, "172.30.0.11", "127.0.0.1"),
        (("primary",), False, "172.30.0.11", "10.244.1.1"),
        (("all",), True, "127.0.0.1", ""),
        (("localhost",), True, "127.0.0.9", "172.30.0.11"),
    ],
)
def test_a_site_knows_whether_loopback_has_node_ports(
    entries: tuple[str, ...], localhost: bool, answering: str, silent: str
) -> None:
    proxier = set_up(ProxyConfig(node_ports=entries), cluster_proxier(NETWORK), node()).proxier
    assert proxier.localhost == localhost
    assert proxier.has_node_ports(answering)
    assert not silent or not proxier.has_node_ports(silent)


def test_a_standalone_proxy_detects_pods_as_its_settings_say() -> None:
    view = node()
    both = ProxyConfig(cluster_cidrs=("10.244.0.0/16", "fd00:10:244::/56"))
    assert detector_of(ProxyConfig(), view) == TrafficDetector(pods=("10.244.1.0/24",))
    assert detector_of(both, view) == TrafficDetector(pods=("10.244.0.0/16",))
    assert detector_of(replace(both, detect_local="NodeCIDR"), view) == TrafficDetector(pods=("10.244.1.0/24",))
    assert detector_of(ProxyConfig(detect_local="InterfaceNamePrefix", link="cali"), view) == TrafficDetector(
        pod_links="cali"
    )
    bare = NodeView("n", IPv6Address("fd00::1"))
    assert not detector_of(ProxyConfig(detect_local="ClusterCIDR"), bare).known
