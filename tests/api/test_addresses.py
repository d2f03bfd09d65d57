"""Addresses that are not what they look like: IPv4 written as IPv6 (RFC 4291, section 2.5.5.2)."""

from __future__ import annotations

import msgspec
import pytest

from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.status import PodIP, PodStatus
from fairlead.api.core.service.kind import SERVICE, ServicePort
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta.rules import ordinary_ip
from fairlead.machinery.values import names
from fairlead.net.family import IPV4, IPV6
from fairlead.service.endpoints import canonical, serving_nodes
from tests.api.objects import made_pod, service, wrong

MAPPED = ("::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:10.244.1.2", "::FFFF:a00:1")
TEXT = "must not be an IPv4-mapped IPv6 address"

mapped = pytest.mark.parametrize("ip", MAPPED)


@mapped
def test_a_mapped_address_is_refused_wherever_one_is_written(ip: str) -> None:
    said = f'Invalid value: "{ip}": {TEXT}'
    for kind in ("IPv4", "IPv6") if "." in ip else ("IPv6",):
        piece = {"addressType": kind, "endpoints": [{"addresses": [ip]}]}
        assert wrong(ENDPOINT_SLICE, piece) == [f"endpoints[0].addresses[0]: {said}"]
    subsets = [{"addresses": [{"ip": ip}], "ports": [{"port": 80}]}]
    assert wrong(ENDPOINTS, {"subsets": subsets}) == [f"subsets[0].addresses[0].ip: {said}"]
    assert wrong(SERVICE, service(externalIPs=[ip])) == [f"spec.externalIPs[0]: {said}"]
    assert names.cidr(f"{ip}/120") == ["must not have an IPv4-mapped IPv6 address"]
    assert names.canonical_ip(ip) == [TEXT]


def change(before: PodStatus, after: PodStatus) -> list[str]:
    old, new = (msgspec.structs.replace(made_pod(), status=one) for one in (before, after))
    return [str(error) for error in POD.transition(old, new)]


def status(*ips: str) -> PodStatus:
    return PodStatus(podIP=ips[0], podIPs=[PodIP(ip=ip) for ip in ips])


@mapped
def test_a_pods_new_address_is_checked_and_one_that_it_had_stays(ip: str) -> None:
    said = f'status.podIPs[0]: Invalid value: "{ip}": {TEXT}'
    assert change(PodStatus(), status(ip)) == [said]
    assert change(PodStatus(), PodStatus(podIP=ip)) == [said]
    assert change(status(ip), status(ip)) == []


def test_a_pod_has_one_address_of_each_family() -> None:
    assert change(PodStatus(), status("10.244.1.2", "fd00::2")) == []
    for ips in (("10.244.1.2", "10.244.1.3"), ("fd00::2", "10.244.1.2", "fd00::3")):
        (error,) = change(PodStatus(), status(*ips))
        assert error.startswith("status.podIPs: Invalid value: ")
        assert error.endswith("may specify no more than one IP for each IP family")


@pytest.mark.parametrize(
    ("ip", "text"),
    [
        ("::ffff:127.0.0.1", "loopback range"),
        ("::ffff:169.254.1.1", "link-local range"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::ffff:224.0.0.1", "link-local multicast range"),
    ],
)
def test_what_an_address_means_is_asked_of_the_ipv4_address(ip: str, text: str) -> None:
    (error,) = ordinary_ip(ip, "ip")
    assert text in str(error)


@mapped
def test_a_stored_mapped_address_is_of_no_family(ip: str) -> None:
    """An object that was written before the check."""
    piece = EndpointSlice(addressType="", endpoints=[Endpoint(addresses=[ip])], ports=[EndpointPort(port=80)])
    assert [serving_nodes(ServicePort(port=80), [piece], family) for family in ("IPv4", "IPv6")] == [set(), set()]
    assert [canonical(ip, family) for family in (IPV4, IPV6)] == ["", ""]
