"""The names of a pod, and its files in /etc."""

from __future__ import annotations

import pytest

from fairlead.node.pods.sandbox.etcfiles import NameProblem, etc_files, kernel_hostname
from fairlead.node.settings import NodeSettings
from tests.node.makers import pod

SETTINGS = NodeSettings(name="node1", ips=("172.30.0.11",), pod_cidrs=("10.244.1.0/24",), state_dir="/s")
IPS = ("10.244.1.2", "fd00:10:244:1::2")
ALIASES = [{"ip": "1.2.3.4", "hostnames": ["a", "b.example"]}, {"ip": "fd00::9", "hostnames": ["c"]}]


def test_the_hosts_file_has_the_form_that_kubelets_write() -> None:
    named = pod(hostname="h", subdomain="sub", hostAliases=ALIASES)
    found = etc_files(named, IPS, SETTINGS, node_hosts="not used")
    assert found["hosts"] == (
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n"
        "10.244.1.2\th.sub.ns.svc.cluster.local\th\n"
        "fd00:10:244:1::2\th.sub.ns.svc.cluster.local\th\n"
        "\n"
        "# Entries added by HostAliases.\n"
        "1.2.3.4\ta\tb.example\n"
        "fd00::9\tc\n"
    )
    assert found["hostname"] == "h\n"
    assert "10.244.1.2\tp\n" in etc_files(pod(), IPS, SETTINGS, node_hosts="")["hosts"]


def test_on_the_nodes_network_a_pod_has_the_nodes_name_and_hosts_file() -> None:
    shared = pod(hostNetwork=True, hostname="h", subdomain="sub", setHostnameAsFQDN=True, hostAliases=ALIASES[1:])
    found = etc_files(shared, SETTINGS.ips, SETTINGS, node_hosts="127.0.0.1 localhost\n10.0.0.1 machine\n")
    assert found["hosts"] == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n10.0.0.1 machine\n"
        "\n# Entries added by HostAliases.\nfd00::9\tc\n"
    )
    assert found["hostname"] == "node1\n"
    assert kernel_hostname(shared, SETTINGS) == "node1"


def test_the_full_name_is_the_host_name_if_the_pod_asks_for_that_and_has_one() -> None:
    assert kernel_hostname(pod(setHostnameAsFQDN=True), SETTINGS) == "p"
    full = pod(hostname="h", subdomain="sub", setHostnameAsFQDN=True)
    assert kernel_hostname(full, SETTINGS) == "h.sub.ns.svc.cluster.local"
    found = etc_files(full, IPS, SETTINGS, node_hosts="")
    assert found["hostname"] == "h.sub.ns.svc.cluster.local\n"
    assert "10.244.1.2\th.sub.ns.svc.cluster.local\th\n" in found["hosts"]
    assert kernel_hostname(pod(hostname="h", subdomain="sub"), SETTINGS) == "h"
    fits = pod(hostname="h" * 39, subdomain="sub", setHostnameAsFQDN=True)
    assert len(kernel_hostname(fits, SETTINGS)) == 64
    long = pod(hostname="h" * 40, subdomain="sub", setHostnameAsFQDN=True)
    with pytest.raises(NameProblem, match=r"\(64 characters is the max, 65 characters requested\)"):
        kernel_hostname(long, SETTINGS)


def test_a_name_given_over_all_others_stands_alone() -> None:
    named = pod(hostname="h", subdomain="sub", hostnameOverride="db.example.com")
    found = etc_files(named, IPS, SETTINGS, node_hosts="")
    assert found["hostname"] == "db.example.com\n"
    assert "10.244.1.2\tdb.example.com\n" in found["hosts"]


def test_a_long_name_is_cut_to_what_a_label_may_be() -> None:
    assert kernel_hostname(pod(meta={"name": "x" * 62 + "-abc"}), SETTINGS) == "x" * 62
