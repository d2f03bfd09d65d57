"""Nodes and pods reach each other with real packets, also as an ordinary user and without a writable /proc/sys."""

from __future__ import annotations

import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from fairlead.net import linux
from tests.net.cluster import ask_tcp, ask_udp, build, serve
from tests.net.sandbox import as_any_user, in_sandbox

pytestmark = pytest.mark.kernel


def _everyone_reaches_everyone() -> None:
    cluster = build(nodes=2)
    pods = [cluster.add_pod(1), cluster.add_pod(1), cluster.add_pod(2)]
    for pod in pods:
        serve(pod.netns, pod.ip, 80)
    places = {pod.ip: pod.netns for pod in pods} | {str(cluster.network.node_ip(i)): cluster.node(i) for i in (1, 2)}
    for source, netns in places.items():
        for pod in pods:
            # From its own node a pod sees the gateway's address or the node's, whichever routing picks: not checked.
            answer = linux.in_netns(netns, lambda ip=pod.ip: ask_tcp(ip, 80))  # type: ignore[misc]
            assert answer.split()[0] == pod.ip, f"{source} -> {pod.ip}: {answer}"
            if source.startswith("10.244."):
                assert answer.split()[1] == source
    assert ask_tcp(pods[2].ip, 80) == f"{pods[2].ip} {cluster.network.gateway}"


@as_any_user
def test_pods_nodes_and_the_fabric_reach_every_pod_and_keep_their_addresses(ordinary: bool) -> None:
    in_sandbox(_everyone_reaches_everyone, ordinary=ordinary)


def _read_only_proc_sys() -> None:
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("/proc/sys", "/proc/sys", None, linux.MS_BIND | linux.MS_REC)
    linux.mount(None, "/proc/sys", None, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY)
    with pytest.raises(OSError, match="Read-only"):
        linux.put("/proc/sys/net/ipv4/ip_forward", "1")
    _everyone_reaches_everyone()


def test_forwarding_works_if_proc_sys_is_read_only() -> None:
    in_sandbox(_read_only_proc_sys)


def _no_redirects() -> list[str]:
    cluster = build(nodes=1)
    root = Path("/proc/sys/net/ipv4/conf")
    read = lambda: [(root / d / "send_redirects").read_text().strip() for d in ("all", "eth0")]  # noqa: E731
    return linux.in_netns(cluster.node(1), read)


def test_nodes_send_no_redirects_which_would_pull_flows_off_the_node_that_translates_them() -> None:
    assert in_sandbox(_no_redirects) == ["0", "0"]


def _bridge_settings() -> list[str]:
    build(nodes=1)
    return [path.read_text().strip() for path in sorted(Path("/proc/sys/net/bridge").glob("bridge-nf-call-*"))]


@as_any_user
@pytest.mark.skipif(not Path("/proc/sys/net/bridge").exists(), reason="br_netfilter is not loaded")
def test_frames_between_nodes_pass_no_rules_of_the_namespace_that_the_fabric_is_in(ordinary: bool) -> None:
    assert in_sandbox(_bridge_settings, ordinary=ordinary) == ["0", "0", "0"]


def _refusals() -> list[str]:
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)
    node = str(cluster.network.node_ip(1))
    return linux.in_netns(pod.netns, lambda: [ask_udp(node, 53) for _ in range(2000)])


@as_any_user
def test_nodes_refuse_every_datagram_and_not_only_the_first_six_or_a_thousand_a_second(ordinary: bool) -> None:
    assert Counter(in_sandbox(_refusals, ordinary=ordinary)) == {"ConnectionRefusedError": 2000}


def _low_port() -> int:
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)

    def bind() -> int:
        pid = os.fork()
        if pid == 0:
            linux.unshare(linux.CLONE_NEWUSER)  # from in there, no capability over the pod's namespace
            with socket.create_server(("0.0.0.0", 80)):
                os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return linux.in_netns(pod.netns, bind)


@as_any_user
def test_a_process_without_rights_binds_port_80_in_a_pod(ordinary: bool) -> None:
    assert in_sandbox(_low_port, ordinary=ordinary) == 7


def _readdress() -> list[str]:
    cluster = build(nodes=1)
    first = cluster.add_pod(1)
    cluster.pods.clear()
    again = cluster.add_pod(1)
    serve(again.netns, again.ip, 80)
    os.close(first.netns)
    return [ask_tcp(again.ip, 80), linux.in_netns(cluster.node(1), lambda: ask_tcp(again.ip, 80).split()[0])]


def test_a_pod_takes_over_an_address_whose_last_link_is_not_yet_gone() -> None:
    assert in_sandbox(_readdress) == ["10.244.1.2 172.30.0.1", "10.244.1.2"]


def _detached() -> list[str]:
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)
    serve(pod.netns, pod.ip, 80)
    before = linux.in_netns(cluster.node(1), lambda: sorted(name for _, name in socket.if_nameindex()))
    name = next(n for n in before if n.startswith("veth"))
    cluster.attachers[0].detach(name)
    cluster.attachers[0].detach(name)
    after = linux.in_netns(cluster.node(1), lambda: sorted(name for _, name in socket.if_nameindex()))
    return [n for n in before if n not in after]


def test_a_detached_pod_leaves_no_link_and_detaching_twice_is_no_error() -> None:
    (name,) = in_sandbox(_detached)
    assert len(name) == 15
