"""A pool of the user's own and both address families, with real packets: `fairlead up --lb-pool … --ip-family dual`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.loadbalancer.cluster import (
    SERVICES,
    Tree,
    announcers,
    balanced,
    create,
    from_fabric,
    from_host,
    from_node,
    on_fabric,
    patch,
    pod,
    reasons,
    url,
    wait_ready,
)

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
NODES = ("node1", "node2")
DUAL: Tree = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}


@pytest.fixture(params=USERS, scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with new_cluster(request.param) as made:
        made.up("--nodes", "2", "--ip-family", "dual", "--api-port", str(free_port()))
        create(made, *(pod(f"web-{n}", "web", n) for n in NODES))
        wait_ready(made, *(f"web-{n}" for n in NODES))
        yield made


def addresses(cluster: Cluster, name: str) -> list[str]:
    points = cluster.access().call("GET", f"{SERVICES}/{name}")["status"]["loadBalancer"].get("ingress", [])
    return [point["ip"] for point in points]


def has(cluster: Cluster, name: str, *wanted: str) -> bool:
    return addresses(cluster, name) == list(wanted)


def serves(cluster: Cluster, address: str) -> bool:
    place = f"[{address}]" if ":" in address else address
    answers = [from_fabric(cluster, f"http://{place}/"), from_node(cluster, "node1", f"http://{place}/")]
    return all("web-node" in answer for answer in answers)


def neighbour(cluster: Cluster, address: str) -> str:
    """The link address that the fabric believes in."""
    return on_fabric(cluster, "ip", "neigh", "show", address).partition("lladdr ")[2].partition(" ")[0]


def test_a_service_of_both_families_answers_at_both_and_both_move(cluster: Cluster) -> None:
    # One after the other: of two Services that wait at once, either may get the first address.
    create(cluster, balanced("both", "web", **DUAL))
    until("both", lambda: has(cluster, "both", "172.30.0.200", "fd00:172:30::c8"))
    create(cluster, balanced("six", "web", ipFamilies=["IPv6"]))
    until("one", lambda: has(cluster, "six", "fd00:172:30::c9"))
    for address in (*addresses(cluster, "both"), *addresses(cluster, "six")):
        until(f"a page at {address}", partial(serves, cluster, address), limit_s=10)
    page = until("the page on the host", lambda: from_host(url(cluster, "both")), limit_s=10)
    assert page["pod"].startswith("web-")
    (before,) = announcers(cluster, "fd00:172:30::c8")
    excluded = {"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": ""}}}
    told = neighbour(cluster, "fd00:172:30::c8")
    patch(cluster, f"/api/v1/nodes/{before}", excluded)
    try:
        until("its move", lambda: announcers(cluster, "fd00:172:30::c8") == [n for n in NODES if n != before])
        until("the news of it", lambda: neighbour(cluster, "fd00:172:30::c8") != told, limit_s=2)
        assert serves(cluster, "fd00:172:30::c8")
        assert serves(cluster, "172.30.0.200")
        text = until("an event", lambda: reasons(cluster, "both").get("UpdatedLoadBalancer"))
        assert text == "Updated load balancer with new hosts"
    finally:
        labels = {"node.kubernetes.io/exclude-from-external-load-balancers": None}
        patch(cluster, f"/api/v1/nodes/{before}", {"metadata": {"labels": labels}})


def test_another_pool_moves_only_those_who_must_and_may_be_of_any_network(cluster: Cluster) -> None:
    for name in ("both", "six"):
        if not addresses(cluster, name):
            pytest.fail("needs the Services of the test before")
    create(cluster, balanced("third", "web"))
    until("an address", lambda: has(cluster, "third", "172.30.0.201"))
    cluster.fairlead("down")
    for pool, why in (
        ("10.244.3.0/24", "--lb-pool 10.244.3.1-10.244.3.254 overlaps the Pods' range 10.244.0.0/16"),
        ("172.30.0.9-20", "overlaps the nodes' range 172.30.0.0/24, of which 172.30.0.200-172.30.0.254 may be used"),
        ("many", '--lb-pool: invalid address range: "many"'),
    ):
        done = cluster.fairlead("up", "--detach", "--lb-pool", pool)
        assert done.returncode == 2
        assert why in done.stderr
    cluster.up("--lb-pool", "172.30.0.200-200,198.51.100.8/30,fd00:172:30::c9-d0")
    until("the same", lambda: has(cluster, "six", "fd00:172:30::c9"))
    until("one of each", lambda: has(cluster, "both", "172.30.0.200", "fd00:172:30::ca"))
    until("another", lambda: has(cluster, "third", "198.51.100.9"))
    for address in ("198.51.100.9", "fd00:172:30::ca", "172.30.0.200"):
        until(f"a page at {address}", partial(serves, cluster, address), limit_s=10)
    page = until("the page on the host", lambda: from_host(url(cluster, "third")), limit_s=10)
    assert page["pod"].startswith("web-")
    cluster.fairlead("down")
    cluster.up()
    assert addresses(cluster, "third") == ["198.51.100.9"], "the pool is kept"
    cluster.fairlead("down")
    cluster.up("--lb-pool", "default")
    until("the old pool", lambda: addresses(cluster, "third")[0].startswith("172.30.0.2"))


def test_a_pool_of_a_configmap_is_in_force_at_once_and_after_a_restart(cluster: Cluster) -> None:
    before = addresses(cluster, "both")
    meta = {"name": "fairlead-loadbalancer", "namespace": "kube-system"}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"pool": "172.30.0.252-254"}}
    cluster.access().call("POST", "/api/v1/namespaces/kube-system/configmaps", made)
    until("another address", lambda: addresses(cluster, "third")[0] in ("172.30.0.252", "172.30.0.253"))
    now = {name: addresses(cluster, name) for name in ("both", "third")}
    assert now["both"] != before
    assert len(now["both"]) == 1, "the pool has no IPv6, and the Service does without"
    until("the page", partial(serves, cluster, now["third"][0]), limit_s=10)
    cluster.fairlead("down")
    cluster.up()
    until("the page", partial(serves, cluster, now["third"][0]), limit_s=20)
    assert {name: addresses(cluster, name) for name in ("both", "third")} == now
    text = reasons(cluster, "third")
    assert text["EnsuredLoadBalancer"] == "Ensured load balancer"
