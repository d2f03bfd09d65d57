"""The specification of a container, and the small pure parts beside it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.core.pod.containers.probe import Probe
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.instant import Instant
from fairlead.node.env.environment import ConfigProblem
from fairlead.node.images.host import Image
from fairlead.node.nodestatus.ipam import Addresses, NoAddress
from fairlead.node.pods.containers.containerspec import (
    ImageFiles,
    capabilities,
    container_spec,
    image_volumes,
    pod_mounts,
    process_of,
)
from fairlead.node.pods.containers.running import RunningContainer
from fairlead.node.pods.sandbox.resolvconf import resolv_conf
from fairlead.node.probes.workers import Tally, delay_s
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.limits.privilege import CAPABILITIES, DEFAULT_CAPABILITIES
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, Mount, User
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import PodVolumes
from fairlead.runtime.fake import FakeClient
from tests.node.makers import NOW, no_image, pod, running

SETTINGS = NodeSettings(
    name="node1",
    ips=("172.30.0.11",),
    pod_cidrs=("10.244.1.0/24",),
    state_dir="/s",
    hide=("/state",),
    homes=("/data/me",),
)
VOLUME = Mount(source="/v", destination="/data", read_only=True)
IMAGE = Image(id="i", source="s", writable=("/var/cache/a",), expose=("/opt/x",))


def spec_of(container: dict[str, Any] | None = None, image: Image = IMAGE, **spec: Any) -> ContainerSpec:
    p = pod(containers=[{"name": "c", "image": "x"} | (container or {})], **spec)
    c = p.spec.containers[0]
    mounts = pod_mounts(c, image, etc="/s/etc", termination_log="/s/end", volumes=[VOLUME])
    process = process_of(p, c, image, args=["run"], env={"A": "1"})
    files = ImageFiles({"/etc/a": "/s/0"}, "/s/root")
    return container_spec(p, c, image, process, files=files, mounts=mounts, settings=SETTINGS)


def test_a_container_has_the_images_files_below_the_pods() -> None:
    found = spec_of()
    assert found.image_mounts == (
        Mount(type="tmpfs", destination="/var/cache/a", mode="777"),
        Mount(source="/s/0", destination="/etc/a", read_only=True),
    )
    targets = [mount.destination for mount in found.mounts]
    assert targets == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log", "/data"]
    assert found.mounts[-1] == VOLUME
    assert (found.masked_paths, found.home_paths, found.exposed_paths) == (("/state",), ("/data/me",), ("/opt/x",))
    assert (found.process.user.uid, found.process.capabilities) == (0, DEFAULT_CAPABILITIES)


def test_an_images_volumes_are_those_over_which_the_pod_mounts_nothing() -> None:
    image = Image(id="i", source="s", layers=("/l",), volumes=("/data", "/var/lib/db/", "cache", "/", "/data/deep"))
    assert image_volumes(image, []) == ["/data", "/var/lib/db", "/cache", "/data/deep"]
    assert image_volumes(image, [VOLUME, Mount(source="/x", destination="/var/lib")]) == ["/cache"]


def test_the_containers_user_wins_over_the_pods() -> None:
    found = spec_of(
        {"securityContext": {"runAsUser": 5}}, securityContext={"runAsUser": 4, "runAsGroup": 3, "fsGroup": 2}
    )
    assert found.process.user == User(uid=5, gid=3, additional_gids=(2,))
    found = spec_of(
        {"securityContext": {"runAsGroup": 9}}, securityContext={"runAsGroup": 3, "supplementalGroups": [7]}
    )
    assert found.process.user == User(gid=9, additional_gids=(7,))


def test_home_is_the_users_unless_the_manifest_says_otherwise() -> None:
    assert spec_of().process.env["HOME"] == "/root"
    assert spec_of(securityContext={"runAsUser": 7}).process.env["HOME"] == "/"


def test_root_is_refused_if_the_manifest_forbids_it() -> None:
    with pytest.raises(ConfigProblem, match="runAsNonRoot and image will run as root"):
        spec_of(securityContext={"runAsNonRoot": True})
    assert spec_of({"securityContext": {"runAsNonRoot": True, "runAsUser": 1}}).process.user.uid == 1


def test_new_privileges_are_forbidden_only_if_the_manifest_does() -> None:
    asked = [None, {}, {"allowPrivilegeEscalation": True}, {"allowPrivilegeEscalation": False}, {"privileged": True}]
    found = [spec_of({"securityContext": security}).process.no_new_privileges for security in asked]
    assert found == [False, False, False, True, False]


def test_capabilities_are_added_and_dropped() -> None:
    def of(**security: Any) -> list[str]:
        return capabilities(
            pod(containers=[{"name": "c", "image": "x", "securityContext": security}]).spec.containers[0]
        )

    assert of(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN", "CAP_CHOWN"]}) == ["CHOWN", "NET_ADMIN"]
    assert "KILL" not in of(capabilities={"drop": ["KILL"]})
    assert of(privileged=True) == list(CAPABILITIES)


def test_name_servers_are_the_clusters_and_the_manifests() -> None:
    with_dns = NodeSettings(
        name="n", ips=("1",), pod_cidrs=("10.244.1.0/24",), state_dir="/s", cluster_dns="10.96.0.10"
    )
    config = {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}]}
    assert resolv_conf(pod(dnsConfig=config), with_dns) == (
        "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\nnameserver 9.9.9.9\n"
        "options ndots:2 debug\n"
    )
    assert resolv_conf(pod(dnsPolicy="None"), with_dns).startswith("# ")


@pytest.mark.parametrize(
    ("policy", "host_network", "searched"),
    [
        ("ClusterFirst", False, "ns.svc.cluster.local svc.cluster.local cluster.local corp.example lab.example"),
        ("ClusterFirst", True, "corp.example lab.example"),
        (
            "ClusterFirstWithHostNet",
            True,
            "ns.svc.cluster.local svc.cluster.local cluster.local corp.example lab.example",
        ),
        ("Default", False, "corp.example lab.example"),
        ("None", False, "own.example"),
    ],
)
def test_the_hosts_search_domains_follow_the_clusters_unless_dns_policy_is_none(
    policy: str, host_network: bool, searched: str
) -> None:
    settings = replace(
        SETTINGS, cluster_dns="10.96.0.10", outside_dns="172.30.0.1", host_searches=("corp.example", "lab.example")
    )
    config = {"nameservers": ["9.9.9.9"], "searches": ["own.example"]} if policy == "None" else {}
    found = resolv_conf(pod(dnsPolicy=policy, dnsConfig=config, hostNetwork=host_network), settings)
    assert found.splitlines()[0] == f"search {searched}"


def test_the_first_delay_of_a_probe_counts_from_the_containers_start() -> None:
    probe = Probe(initialDelaySeconds=30)
    assert delay_s(running(started_at=NOW), probe, NOW) == 30
    assert delay_s(running(started_at=NOW), probe, Instant(NOW + 25)) == 5, "a new agent does not begin again"
    assert delay_s(running(started_at=NOW), probe, Instant(NOW + 60)) == 0
    assert delay_s(running(started_at=NOW), Probe(), NOW) == 0


def test_the_manifest_sets_the_working_directory_and_the_termination_log() -> None:
    found = spec_of({"workingDir": "/srv", "terminationMessagePath": "/run/last"})
    assert found.process.cwd == "/srv"
    assert Mount(source="/s/end", destination="/run/last") in found.mounts
    assert spec_of().process.cwd == "/"


def test_the_manifests_stop_signal_wins_over_the_images() -> None:
    def number(**lifecycle: str) -> int:
        made = pod(containers=[{"name": "c", "image": "x", "lifecycle": lifecycle}]).spec.containers[0]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            zygote = ZygoteClient(ours, epoch=1, new_id=lambda: "")
            run = RunningContainer(zygote, made, "id", 1, "uid", "10.244.1.2", "SIGQUIT", asyncio.Event())
            return run.stop_signal_number

    assert number(stopSignal="SIGUSR1") == signal.SIGUSR1
    assert number() == signal.SIGQUIT


def test_a_sub_path_is_made_of_the_containers_environment(tmp_path: Path) -> None:
    asked = {"name": "v", "mountPath": "/logs", "subPathExpr": "$(POD)/log"}
    made = pod(
        containers=[{"name": "c", "image": "x", "volumeMounts": [asked]}], volumes=[{"name": "v", "emptyDir": {}}]
    )
    clock, ids = FakeClock(), RandomIds(random.Random(1))
    files = PodFiles(str(tmp_path), made.metadata)
    volumes = PodVolumes(
        files, client=FakeClient(clock=clock, ids=ids), images=no_image, clock=clock, allocatable={}, masked=()
    )
    volumes.set_up(made)
    (mount,) = volumes.mounts_of(made, made.spec.containers[0], {"POD": "p-1"})
    assert (mount.source, mount.destination, mount.sub_path) == (files.volume("v"), "/logs", "p-1/log")
    assert os.path.isdir(f"{mount.source}/p-1/log")


def test_addresses_start_at_2_and_come_back_late() -> None:
    addresses = Addresses(["10.244.1.0/29"])
    taken = [str(addresses.allocate()[0]) for _ in range(3)]
    assert taken == ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
    addresses.release("10.244.1.2")
    assert [str(addresses.allocate()[0]) for _ in range(3)] == ["10.244.1.5", "10.244.1.6", "10.244.1.2"]
    with pytest.raises(NoAddress):
        addresses.allocate()
    addresses.release("10.244.1.4")
    assert str(addresses.allocate("10.244.1.4")[0]) == "10.244.1.4"


def test_an_address_reserved_for_a_pod_is_allocated_to_others_last() -> None:
    addresses = Addresses(["10.244.1.0/29"])
    for ip in ("10.244.1.2", "10.244.1.4", "172.30.0.11"):
        addresses.reserve(ip)
    taken = [str(addresses.allocate(a)[0]) for a in ("", "10.244.1.2", "", "", "")]
    assert taken == ["10.244.1.3", "10.244.1.2", "10.244.1.5", "10.244.1.6", "10.244.1.4"]


def test_a_preferred_address_that_is_not_ours_is_not_taken() -> None:
    addresses = Addresses(["10.244.1.0/24"])
    assert [str(addresses.allocate(a)[0]) for a in ("10.244.2.9", "10.244.1.9", "10.244.1.9")] == [
        "10.244.1.2",
        "10.244.1.9",
        "10.244.1.3",
    ]


def test_an_ipv6_address_has_the_place_of_the_ipv4_address() -> None:
    both = Addresses(["10.244.1.0/24", "fd00:10:244:1::/64"])
    taken = [both.allocate(preferred) for preferred in ("", "10.244.1.254")]
    assert [list(map(str, ips)) for ips in taken] == [
        ["10.244.1.2", "fd00:10:244:1::2"],
        ["10.244.1.254", "fd00:10:244:1::fe"],
    ]
    assert list(map(str, both.allocate("10.244.1.200"))) == ["10.244.1.200", "fd00:10:244:1::c8"]


def test_a_node_of_ipv6_alone_has_addresses_of_ipv6_alone() -> None:
    alone = Addresses(["fd00:10:244:1::/64"])
    assert alone.gateway is None
    taken = [str(ip) for preferred in ("", "fd00:10:244:1::c8", "fd00:10:244:2::9") for ip in alone.allocate(preferred)]
    assert taken == ["fd00:10:244:1::2", "fd00:10:244:1::c8", "fd00:10:244:1::3"]
    alone.release("fd00:10:244:1::c8")
    assert str(alone.allocate("fd00:10:244:1::c8")[0]) == "fd00:10:244:1::c8"


def test_probe_results_count_in_a_row() -> None:
    tally = Tally(success_threshold=2, failure_threshold=3)
    assert [tally.add(good) for good in (True, False, True, True)] == [False, False, False, True]
    assert [tally.add(good) for good in (False, False, True, False, False, False)] == [False] * 5 + [True]
    assert tally.verdict is False
