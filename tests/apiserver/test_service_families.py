"""IP families of Services, on single-stack and dual-stack clusters: created, upgraded, downgraded, refused."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .harness import MERGE, SERVICES, Api, Tree, service, start, story

V4, V6 = ipaddress.ip_network("10.96.0.0/12"), ipaddress.ip_network("fd00:10:96::/112")
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"


def dual(test: Callable[[Api], Awaitable[None]]) -> Callable[[], None]:
    """Makes a test of a coroutine that takes a fresh dual-stack server."""

    def run() -> None:
        async def main() -> None:
            api = await start(service_cidr=f"{V4},{V6}")
            try:
                await test(api)
            finally:
                await api.server.stop()

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def families(spec: Tree) -> tuple[Any, ...]:
    """Returns policy, families, and the families of the addresses."""
    of = ["IPv6" if ":" in ip else "IPv4" for ip in spec.get("clusterIPs", ()) if ip != "None"]
    assert spec.get("clusterIP", "") == (spec["clusterIPs"][0] if spec.get("clusterIPs") else "")
    assert all(ipaddress.ip_address(ip) in (V6 if ":" in ip else V4) for ip in spec.get("clusterIPs", ()) if of)
    return spec.get("ipFamilyPolicy"), spec.get("ipFamilies"), of


async def created(api: Api, name: str, **spec: Any) -> tuple[Any, ...]:
    return families((await api.ok("POST", SERVICES, service(name, **spec)))["spec"])


async def refused(api: Api, **spec: Any) -> str:
    error = await api.error("POST", SERVICES, service("x", **spec))
    assert error.code == 422
    return error.message.removeprefix('Service "x" is invalid: ')


async def patched(api: Api, name: str, **spec: Any) -> tuple[Any, ...]:
    return families((await api.ok("PATCH", f"{SERVICES}/{name}", {"spec": spec}, content_type=MERGE))["spec"])


@story
async def test_a_cluster_of_one_family(api: Api) -> None:
    assert await created(api, "a") == (SINGLE, ["IPv4"], ["IPv4"])
    assert await created(api, "b", ipFamilyPolicy=PREFER) == (PREFER, ["IPv4"], ["IPv4"])
    assert await created(api, "c", clusterIP="10.96.7.7", ipFamilies=["IPv4"]) == (SINGLE, ["IPv4"], ["IPv4"])
    assert await created(api, "d", clusterIP="None") == (SINGLE, ["IPv4"], [])
    both: tuple[Any, ...] = (REQUIRE, ["IPv4", "IPv6"], [])
    assert await created(api, "e", clusterIP="None", selector=None) == both
    assert await created(api, "f", clusterIP="None", selector=None, ipFamilies=["IPv6", "IPv4"]) == (
        REQUIRE,
        ["IPv6", "IPv4"],
        [],
    )
    assert await created(api, "g", clusterIP="None", selector=None, ipFamilyPolicy=SINGLE) == (SINGLE, ["IPv4"], [])


@story
async def test_a_single_stack_cluster_refuses_the_other_family(api: Api) -> None:
    text = (
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    )
    assert await refused(api, ipFamilyPolicy=REQUIRE) == text
    assert await refused(api, ipFamilies=["IPv6"]) == (
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    )
    assert await refused(api, clusterIP="fd00::1") == (
        'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster'
    )
    assert await refused(api, ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy=REQUIRE) == (
        f'[{text}, spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster]'
    )


@dual
async def test_a_cluster_of_both_families(api: Api) -> None:
    assert await created(api, "a") == (SINGLE, ["IPv4"], ["IPv4"])
    assert await created(api, "b", ipFamilyPolicy=PREFER) == (PREFER, ["IPv4", "IPv6"], ["IPv4", "IPv6"])
    assert await created(api, "c", ipFamilyPolicy=REQUIRE) == (REQUIRE, ["IPv4", "IPv6"], ["IPv4", "IPv6"])
    assert await created(api, "d", ipFamilies=["IPv6"]) == (SINGLE, ["IPv6"], ["IPv6"])
    swapped = (PREFER, ["IPv6", "IPv4"], ["IPv6", "IPv4"])
    assert await created(api, "e", ipFamilies=["IPv6"], ipFamilyPolicy=PREFER) == swapped
    assert await created(api, "f", clusterIP="fd00:10:96::77") == (SINGLE, ["IPv6"], ["IPv6"])
    both = {"clusterIP": "fd00:10:96::78", "clusterIPs": ["fd00:10:96::78", "10.96.7.8"]}
    assert await created(api, "g", **both, ipFamilyPolicy=REQUIRE) == (REQUIRE, ["IPv6", "IPv4"], ["IPv6", "IPv4"])


@dual
async def test_both_families_must_be_wanted(api: Api) -> None:
    text = "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when"
    assert await refused(api, ipFamilies=["IPv4", "IPv6"]) == f"{text} multiple IP families are specified"
    both = {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::77"]}
    assert await refused(api, **both) == f"{text} multiple cluster IPs are specified"
    assert await refused(api, ipFamilies=["IPv4", "IPv4"]) == 'spec.ipFamilies[1]: Duplicate value: "IPv4"'
    four = {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "10.96.7.8"]}
    assert await refused(api, **four) == (
        'spec.clusterIPs: Invalid value: ["10.96.7.7","10.96.7.8"]: may specify no more than one IP for each IP family'
    )
    assert await refused(api, clusterIP="10.96.7.7", ipFamilies=["IPv6"]) == (
        'spec.clusterIPs[0]: Invalid value: "10.96.7.7": expected an IPv6 value as indicated by `ipFamilies[0]`'
    )


@dual
async def test_a_service_is_upgraded_and_downgraded_by_its_policy(api: Api) -> None:
    made = (await api.ok("POST", SERVICES, service("a")))["spec"]
    assert await patched(api, "a", ipFamilyPolicy=PREFER) == (PREFER, ["IPv4", "IPv6"], ["IPv4", "IPv6"])
    now = (await api.ok("GET", f"{SERVICES}/a"))["spec"]
    assert now["clusterIP"] == made["clusterIP"]
    second = now["clusterIPs"][1]
    assert (await api.call("GET", f"/apis/networking.k8s.io/v1/ipaddresses/{second}")).status == 200
    assert await patched(api, "a", ipFamilyPolicy=SINGLE) == (SINGLE, ["IPv4"], ["IPv4"])
    assert (await api.call("GET", f"/apis/networking.k8s.io/v1/ipaddresses/{second}")).status == 404
    taken = {"clusterIP": second, "ipFamilies": ["IPv6"]}
    assert await created(api, "b", **taken) == (SINGLE, ["IPv6"], ["IPv6"])


@dual
async def test_the_second_address_may_be_chosen_later(api: Api) -> None:
    made = (await api.ok("POST", SERVICES, service("a")))["spec"]
    both = [made["clusterIP"], "fd00:10:96::77"]
    await patched(api, "a", ipFamilyPolicy=REQUIRE, clusterIPs=both)
    assert (await api.ok("GET", f"{SERVICES}/a"))["spec"]["clusterIPs"] == both
    error = await api.error("POST", SERVICES, service("b", clusterIP="fd00:10:96::77"))
    assert error.message.endswith("failed to allocate IP fd00:10:96::77: provided IP is already allocated")


@dual
async def test_the_second_address_is_not_let_go_of_unsaid(api: Api) -> None:
    made = (await api.ok("POST", SERVICES, service("a", ipFamilyPolicy=REQUIRE)))["spec"]
    path, text = f"{SERVICES}/a", "Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary"
    body = {"spec": {"clusterIPs": made["clusterIPs"][:1]}}
    error = await api.error("PATCH", path, body, content_type=MERGE)
    assert error.message.endswith(f"spec.ipFamilyPolicy: {text} cluster IP")
    error = await api.error("PATCH", path, {"spec": {"ipFamilies": ["IPv4"]}}, content_type=MERGE)
    assert error.message.endswith(f"spec.ipFamilyPolicy: {text} IP family")
    kept = await api.ok("PUT", path, service("a"))
    assert kept["spec"]["clusterIPs"] == made["clusterIPs"], "who says nothing changes nothing"
    swapped = {"ipFamilies": ["IPv6", "IPv4"]}
    error = await api.error("PATCH", path, {"spec": swapped}, content_type=MERGE)
    assert 'spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: may not change once set' in error.message


@dual
async def test_both_addresses_go_with_an_external_name_and_come_back(api: Api) -> None:
    made = (await api.ok("POST", SERVICES, service("a", ipFamilyPolicy=REQUIRE)))["spec"]
    assert await patched(api, "a", type="ExternalName", externalName="x.example") == (None, None, [])
    free = {"clusterIP": made["clusterIPs"][1], "ipFamilies": ["IPv6"]}
    await api.ok("POST", SERVICES, service("b", **free))
    assert await patched(api, "a", type="ClusterIP", externalName="") == (SINGLE, ["IPv4"], ["IPv4"])


def test_one_that_prefers_both_stays_as_it_is_when_the_cluster_changes() -> None:
    async def main() -> None:
        one = await start()
        await one.ok("POST", SERVICES, service("a", ipFamilyPolicy=PREFER))
        both = await start(one.store, service_cidr=f"{V4},{V6}")
        assert await patched(both, "a", selector={"app": "b"}) == (PREFER, ["IPv4"], ["IPv4"])
        assert await patched(both, "a", ipFamilyPolicy=REQUIRE) == (REQUIRE, ["IPv4", "IPv6"], ["IPv4", "IPv6"])
        await both.server.stop()
        await one.server.stop()

    asyncio.run(main())


@pytest.mark.parametrize("policy", [SINGLE, PREFER, REQUIRE])
def test_a_dry_run_shows_addresses_and_takes_none(policy: str) -> None:
    @dual
    async def run(api: Api) -> None:
        before = {family: set(pool) for family, pool in api.server._writing.allocator.pools.items()}
        made = await api.ok("POST", SERVICES, service("a", ipFamilyPolicy=policy), query={"dryRun": "All"})
        assert made["spec"]["clusterIP"]
        assert before == {family: set(pool) for family, pool in api.server._writing.allocator.pools.items()}

    run()


def test_the_cluster_s_own_family_may_be_ipv6() -> None:
    async def main() -> None:
        api = await start(service_cidr=f"{V6},{V4}")
        assert await created(api, "a") == (SINGLE, ["IPv6"], ["IPv6"])
        assert await created(api, "b", ipFamilyPolicy=PREFER) == (PREFER, ["IPv6", "IPv4"], ["IPv6", "IPv4"])
        assert (await api.ok("GET", f"{SERVICES}/kubernetes"))["spec"]["clusterIP"] == "fd00:10:96::1"
        await api.server.stop()

    asyncio.run(main())
