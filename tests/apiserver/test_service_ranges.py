"""ServiceCIDRs and IPAddresses: the ranges of cluster IPs, the addresses in use, and the growth and end of a range."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.apiserver.allocation.addresspool import AddressPool, range_of
from fairlead.apiserver.allocation.servicecidrs import FINALIZER

from .harness import MERGE, SERVICES, Api, Tree, brief, events, service, start, story

CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
SMALL = "10.96.0.0/28"


def cidr(name: str, *cidrs: str) -> Tree:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def ready(found: Tree) -> Tree:
    (condition,) = found["status"]["conditions"]
    assert condition["type"] == "Ready"
    return {key: condition[key] for key in ("status", "reason", "message")}


async def eventually(api: Api, path: str, want: Any) -> Tree:
    """Waits for a loop of the server that reacts to an event: a few turns of the event loop."""
    for _ in range(200):
        response = await api.call("GET", path)
        found: Tree = {} if response.status == 404 else await api.ok("GET", path)
        if want(found):
            return found
        await asyncio.sleep(0)
    raise AssertionError(found)


@given(st.integers(24, 30), st.lists(st.integers(0, 255)), st.integers())
@settings(deadline=None)
def test_a_range_gives_each_address_once_the_upper_band_first(bits: int, chosen: list[int], seed: int) -> None:
    network = ipaddress.ip_network(f"10.0.0.0/{bits}")
    pool = AddressPool([network], rng=random.Random(seed))
    mine = {int(network[n]) for n in chosen if n < network.num_addresses and not pool.refusal(network[n])}
    for taken in mine:
        pool.allocate(taken)
    found: list[int] = []
    while (number := pool.allocate_next()) is not None:
        found.append(number)
    assert sorted([*found, *mine]) == [int(host) for host in network.hosts()]
    band = int(network.network_address) + range_of(network).band
    upper = [number for number in found if number > band]
    assert found[: len(upper)] == upper


def test_the_bands_of_ranges_are_those_of_upstream() -> None:
    sizes = {bits: range_of(ipaddress.ip_network(f"10.0.0.0/{bits}")).band for bits in (8, 12, 16, 20, 24, 27, 28)}
    assert sizes == {8: 256, 12: 256, 16: 256, 20: 256, 24: 16, 27: 16, 28: 0}
    assert range_of(ipaddress.ip_network("fd00::/112")).band == 256


@story
async def test_the_first_range_is_there_from_the_start_and_ready(api: Api) -> None:
    found = await api.ok("GET", f"{CIDRS}/kubernetes")
    assert found["spec"] == {"cidrs": ["10.96.0.0/12"]}
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert ready(found) == {"status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}


@story
async def test_every_cluster_ip_is_an_address_object_and_goes_with_its_service(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("web"))
    ip = made["spec"]["clusterIP"]
    found = await api.ok("GET", f"{ADDRESSES}/{ip}")
    assert found["spec"] == {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert found["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    listed = (await api.ok("GET", ADDRESSES))["items"]
    assert {one["metadata"]["name"] for one in listed} == {"10.96.0.1", ip}
    await api.ok("DELETE", f"{SERVICES}/web")
    assert (await api.error("GET", f"{ADDRESSES}/{ip}")).code == 404


@story
async def test_addresses_are_watched_like_anything_else(api: Api) -> None:
    stream = await api.watch(ADDRESSES, resourceVersion=str(api.revision))
    await api.ok("POST", SERVICES, service("web", clusterIP="10.96.7.7"))
    await api.ok("PATCH", f"{SERVICES}/web", {"spec": {"selector": {"a": "b"}}}, content_type=MERGE)
    body = {"spec": {"type": "ExternalName", "externalName": "a.example"}}
    await api.ok("PATCH", f"{SERVICES}/web", body, content_type=MERGE)
    assert brief(await events(stream, 2)) == [("ADDED", "10.96.7.7"), ("DELETED", "10.96.7.7")]


@story
async def test_the_address_of_a_service_is_the_service_s_to_change(api: Api) -> None:
    await api.ok("POST", SERVICES, service("web", clusterIP="10.96.7.7"))
    why = "the address belongs to the Service default/web: change the Service"
    text = f'ipaddresses.networking.k8s.io "10.96.7.7" is forbidden: {why}'
    error = await api.error("DELETE", f"{ADDRESSES}/10.96.7.7")
    assert (error.code, error.message) == (403, text)
    patch = {"metadata": {"labels": {"a": "b"}}}
    error = await api.error("PATCH", f"{ADDRESSES}/10.96.7.7", patch, content_type=MERGE)
    assert (error.code, error.message) == (403, text)


@story
async def test_an_address_reserved_by_a_user_is_allocated(api: Api) -> None:
    parent = {"group": "gateway.example.com", "resource": "gateways", "namespace": "default", "name": "g"}
    body = {"metadata": {"name": "10.96.7.7"}, "spec": {"parentRef": parent}}
    await api.ok("POST", ADDRESSES, body)
    error = await api.error("POST", SERVICES, service("web", clusterIP="10.96.7.7"))
    assert error.message.endswith("failed to allocate IP 10.96.7.7: provided IP is already allocated")
    table = await api.ok("GET", ADDRESSES, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [row["cells"][:2] for row in table["rows"]] == [
        ["10.96.0.1", "services/default/kubernetes"],
        ["10.96.7.7", "gateways.gateway.example.com/default/g"],
    ]
    again = await start(api.store)
    assert (await again.error("POST", SERVICES, service("web", clusterIP="10.96.7.7"))).code == 422
    await again.ok("DELETE", f"{ADDRESSES}/10.96.7.7")
    await again.ok("POST", SERVICES, service("web", clusterIP="10.96.7.7"))
    error = await again.error("POST", ADDRESSES, body)
    assert error.message == 'ipaddresses.networking.k8s.io "10.96.7.7" already exists'
    await again.server.stop()


def test_a_second_range_extends_a_full_one() -> None:
    async def main() -> None:
        api = await start(service_cidr=SMALL)
        for i in range(13):
            await api.ok("POST", SERVICES, service(f"s{i}"))
        error = await api.error("POST", SERVICES, service("more"))
        text = "Internal error occurred: failed to allocate a serviceIP: range is full"
        assert (error.code, error.message) == (500, text)
        await api.ok("POST", CIDRS, cidr("more", "10.200.0.0/24"))
        made = await api.ok("POST", SERVICES, service("more"))
        assert ipaddress.ip_address(made["spec"]["clusterIP"]) in ipaddress.ip_network("10.200.0.0/24")
        assert int(made["spec"]["clusterIP"].rpartition(".")[2]) > 16, "the lower band is left to those who choose"
        await api.ok("POST", SERVICES, service("chosen", clusterIP="10.200.0.5"))
        again = await start(api.store, service_cidr=SMALL)
        await again.ok("POST", SERVICES, service("later"))
        await again.server.stop()
        await api.server.stop()

    asyncio.run(main())


@story
async def test_a_range_in_use_waits_for_its_addresses(api: Api) -> None:
    await api.ok("POST", CIDRS, cidr("more", "10.200.0.0/24"))
    await eventually(api, f"{CIDRS}/more", lambda found: "conditions" in found["status"])
    await api.ok("POST", SERVICES, service("web", clusterIP="10.200.0.5"))
    await api.ok("DELETE", f"{CIDRS}/more")
    found = await eventually(api, f"{CIDRS}/more", lambda found: ready(found)["status"] == "False")
    text = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
    assert ready(found) == {"status": "False", "reason": "Terminating", "message": text}
    error = await api.error("POST", SERVICES, service("late", clusterIP="10.200.0.6"))
    assert error.message.endswith("the provided network does not match the current range")
    await api.ok("DELETE", f"{SERVICES}/web")
    await eventually(api, f"{CIDRS}/more", lambda found: not found)


@story
async def test_a_range_that_another_contains_goes_at_once(api: Api) -> None:
    await api.ok("POST", CIDRS, cidr("part", "10.96.7.0/24"))
    await eventually(api, f"{CIDRS}/part", lambda found: "finalizers" in found["metadata"])
    await api.ok("POST", SERVICES, service("web", clusterIP="10.96.7.7"))
    await api.ok("DELETE", f"{CIDRS}/part")
    await eventually(api, f"{CIDRS}/part", lambda found: not found)


WRONG: list[tuple[list[str], str]] = [
    ([], "spec.cidrs: Required value: at least one CIDR required"),
    (
        ["10.0.0.0/8", "fd00::/64", "10.1.0.0/16"],
        'spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/8","fd00::/64","10.1.0.0/16"]}: may only hold up to 2 values',
    ),
    (
        ["10.0.0.0/8", "10.1.0.0/16"],
        'spec.cidrs: Invalid value: ["10.0.0.0/8","10.1.0.0/16"]: may specify no more than one IP for each IP family, '
        "i.e 192.168.0.0/24 and 2001:db8::/64",
    ),
    (
        ["10.0.0.0"],
        'spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ),
    (["10.0.0.1/8"], 'spec.cidrs[0]: Invalid value: "10.0.0.1/8": must be in canonical form ("10.0.0.0/8")'),
]


@pytest.mark.parametrize(("cidrs", "text"), WRONG)
def test_a_wrong_range_is_refused_in_upstreams_words(cidrs: list[str], text: str) -> None:
    @story
    async def run(api: Api) -> None:
        error = await api.error("POST", CIDRS, cidr("x", *cidrs))
        assert (error.code, error.message) == (422, f'ServiceCIDR.networking.k8s.io "x" is invalid: {text}')

    run()


@story
async def test_a_range_stays_but_may_get_the_other_family(api: Api) -> None:
    await api.ok("POST", CIDRS, cidr("x", "10.200.0.0/24"))
    patch = {"spec": {"cidrs": ["10.201.0.0/24"]}}
    error = await api.error("PATCH", f"{CIDRS}/x", patch, content_type=MERGE)
    assert error.message.endswith('spec.cidrs[0]: Invalid value: "10.201.0.0/24": field is immutable')
    patch = {"spec": {"cidrs": ["10.200.0.0/24", "fd00:1::/112"]}}
    await api.ok("PATCH", f"{CIDRS}/x", patch, content_type=MERGE)
    error = await api.error("PATCH", f"{CIDRS}/x", {"spec": {"cidrs": ["10.200.0.0/24"]}}, content_type=MERGE)
    assert error.message.endswith('spec.cidrs: Invalid value: ["10.200.0.0/24"]: field is immutable')


@story
async def test_a_wrong_address_object_is_refused_in_upstreams_words(api: Api) -> None:
    parent = {"resource": "gateways", "name": "g"}
    for name, text in (
        ("web", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("2001:DB8::1", 'must be in canonical form ("2001:db8::1")'),
    ):
        error = await api.error("POST", ADDRESSES, {"metadata": {"name": name}, "spec": {"parentRef": parent}})
        assert error.message.endswith(f'metadata.name: Invalid value: "{name}": {text}')
    error = await api.error("POST", ADDRESSES, {"metadata": {"name": "10.96.7.7"}, "spec": {}})
    assert error.message.endswith("is invalid: spec.parentRef: Required value")
    error = await api.error("POST", ADDRESSES, {"metadata": {"name": "10.96.7.7"}, "spec": {"parentRef": {}}})
    assert error.message.endswith("[spec.parentRef.resource: Required value, spec.parentRef.name: Required value]")


def test_the_first_range_gets_the_second_family_when_the_cluster_does() -> None:
    async def main() -> None:
        api = await start()
        both = await start(api.store, service_cidr="10.96.0.0/12,fd00:10:96::/112")
        assert (await both.ok("GET", f"{CIDRS}/kubernetes"))["spec"]["cidrs"] == ["10.96.0.0/12", "fd00:10:96::/112"]
        await both.server.stop()
        await api.server.stop()

    asyncio.run(main())
