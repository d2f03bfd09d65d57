"""The small kinds: columns, rules and defaults of each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.coordination.lease.kind import LEASE
from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.secret.kind import SECRET
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.machinery.kinds.decode import decode
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import created, made, updated, wrong, wrong_update

NOW = Instant(1_700_000_000.0)
SEALED = "field is immutable when `immutable` is set"


def ago(seconds: float) -> str:
    return render_time(Instant(NOW - seconds))


def row(kind: Kind[Any], tree: dict[str, Any], *, wide: bool = True) -> list[Any]:
    obj = made(kind, tree)
    return [c.cell(obj, NOW) for c in kind.columns if c.name not in ("Name", "Age") and (wide or not c.wide)]


def subset(count: int, **fields: Any) -> dict[str, Any]:
    addresses = [{"ip": f"10.244.{i + 1}.2"} for i in range(count)]
    return {"addresses": addresses, "ports": [{"port": 80}], **fields}


@pytest.mark.parametrize(
    ("subsets", "cell"),
    [
        ([], "<none>"),
        ([subset(2)], "10.244.1.2:80,10.244.2.2:80"),
        ([subset(4)], "10.244.1.2:80,10.244.2.2:80,10.244.3.2:80 + 1 more..."),
        ([subset(1, ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}])], "10.244.1.2:80,10.244.1.2:81"),
        ([subset(2, ports=[])], "10.244.1.2,10.244.2.2"),
        ([{"addresses": [{"ip": "fd00::2"}], "ports": [{"port": 80}]}], "[fd00::2]:80"),
        ([{"notReadyAddresses": [{"ip": "10.244.1.2"}], "ports": [{"port": 80}]}], ""),
    ],
)
def test_endpoints_show_three_addresses_and_count_the_rest(subsets: list[dict[str, Any]], cell: str) -> None:
    assert row(ENDPOINTS, {"subsets": subsets}) == [cell]


def test_what_is_wrong_with_endpoints_is_said_in_upstreams_words() -> None:
    bad = {"addresses": [{"ip": "x"}, {"ip": "127.0.0.1"}], "ports": [{"port": 80}, {"port": 0, "name": "b"}]}
    assert wrong(ENDPOINTS, {"subsets": [{}, bad]}) == [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
        'subsets[1].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        'subsets[1].addresses[1].ip: Invalid value: "127.0.0.1": '
        "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        "subsets[1].ports[0].name: Required value",
        "subsets[1].ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ]


def slice_of(*addresses: str, **fields: Any) -> dict[str, Any]:
    return {"addressType": "IPv4", "endpoints": [{"addresses": [a]} for a in addresses], **fields}


@pytest.mark.parametrize(
    ("tree", "cells"),
    [
        (slice_of(), ["IPv4", "<unset>", "<unset>"]),
        (slice_of("10.244.1.2", ports=[{"port": 80}]), ["IPv4", "80", "10.244.1.2"]),
        (
            slice_of("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", ports=[{"name": "a", "port": 80}, {"name": "b"}]),
            ["IPv4", "80,b", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."],
        ),
    ],
)
def test_an_endpoint_slices_row_is_kubectls(tree: dict[str, Any], cells: list[str]) -> None:
    assert row(ENDPOINT_SLICE, tree) == cells


def test_a_slices_ports_get_a_name_and_a_protocol() -> None:
    (port,) = made(ENDPOINT_SLICE, slice_of(ports=[{"port": 80}])).ports
    assert (port.name, port.protocol) == ("", "TCP")


def test_what_is_wrong_with_a_slice_is_said_in_upstreams_words() -> None:
    assert wrong(ENDPOINT_SLICE, slice_of("10.244.1.2")) == []
    assert wrong(ENDPOINT_SLICE, {}) == ["addressType: Required value"]
    assert wrong(ENDPOINT_SLICE, {"addressType": "IPv5"})[0] == (
        'addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"'
    )
    assert wrong(ENDPOINT_SLICE, slice_of("fd00::1", endpoints=[{}, {"addresses": ["fd00::1"]}])) == [
        "endpoints[0].addresses: Required value: must contain at least 1 address",
        'endpoints[1].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address',
    ]
    many = slice_of(*["10.0.0.1"] * 1001)
    assert wrong(ENDPOINT_SLICE, many) == ["endpoints: Too many: 1001: must have at most 1000 items"]
    assert wrong_update(ENDPOINT_SLICE, slice_of(), {"addressType": "IPv6"}) == [
        'addressType: Invalid value: "IPv6": field is immutable'
    ]


def test_a_namespace_is_labelled_with_its_name_and_starts_active() -> None:
    obj = created(NAMESPACE, {})
    assert obj.metadata.labels == {"kubernetes.io/metadata.name": "x"}
    assert (obj.spec.finalizers, obj.status.phase) == (["kubernetes"], "Active")
    assert row(NAMESPACE, {"status": {"phase": "Terminating"}}) == ["Terminating"]
    assert updated(NAMESPACE, {}, {"spec": {"finalizers": []}}).spec.finalizers == ["kubernetes"]


def ready(status: str) -> list[dict[str, Any]]:
    return [{"type": "Ready", "status": status}]


@pytest.mark.parametrize(
    ("tree", "cells"),
    [
        ({}, ["Unknown", "<none>", ""]),
        ({"status": {"conditions": ready("True")}}, ["Ready", "<none>", ""]),
        ({"status": {"conditions": ready("Unknown")}}, ["NotReady", "<none>", ""]),
        (
            {
                "metadata": {
                    "labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}
                },
                "spec": {"unschedulable": True},
                "status": {"conditions": ready("True"), "nodeInfo": {"kubeletVersion": "v1.36.0"}},
            },
            ["Ready,SchedulingDisabled", "control-plane,worker", "v1.36.0"],
        ),
    ],
)
def test_a_nodes_row_is_kubectls(tree: dict[str, Any], cells: list[str]) -> None:
    assert row(NODE, tree, wide=False) == cells


def test_a_nodes_wide_row_has_its_address_and_system() -> None:
    info = {"osImage": "Debian", "containerRuntimeVersion": "fairlead://1"}
    tree = {"status": {"addresses": [{"type": "InternalIP", "address": "172.30.0.11"}], "nodeInfo": info}}
    assert row(NODE, tree)[3:] == ["172.30.0.11", "<none>", "Debian", "<unknown>", "fairlead://1"]


def test_a_nodes_allocatable_is_its_capacity_and_its_range_is_in_both_fields() -> None:
    obj = made(NODE, {"spec": {"podCIDR": "10.244.1.0/24"}, "status": {"capacity": {"cpu": 2, "memory": "2048Mi"}}})
    assert obj.status.allocatable == {"cpu": "2", "memory": "2Gi"}
    assert obj.spec.podCIDRs == ["10.244.1.0/24"]


def test_a_nodes_policy_of_preemption_is_warned_of() -> None:
    assert list(NODE.warnings(made(NODE, {}))) == []
    (text,) = NODE.warnings(made(NODE, {"spec": {"podPreemptionPolicy": {}}}))
    assert text.startswith("spec.podPreemptionPolicy is ignored: the scheduler")


def test_a_nodes_pod_range_may_be_set_but_not_changed() -> None:
    before = {"spec": {"podCIDR": "10.244.1.0/24"}}
    assert wrong_update(NODE, {}, before) == []
    assert wrong_update(NODE, before, {"spec": {"podCIDR": "10.244.2.0/24"}}) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def event(**fields: Any) -> dict[str, Any]:
    ref = {"kind": "Pod", "name": "web", "namespace": "default", "fieldPath": "spec.containers{web}"}
    head = {"metadata": {"name": "web.17", "namespace": "default"}, "involvedObject": ref}
    return head | {"type": "Normal", "reason": "Pulled", "message": "all is well\n"} | fields


@pytest.mark.parametrize(
    ("fields", "cells"),
    [
        (
            {"firstTimestamp": ago(60), "lastTimestamp": ago(5), "count": 3, "source": {"component": "kubelet"}},
            ["5s", "kubelet", "60s", 3],
        ),
        (
            {"eventTime": render_micro_time(Instant(NOW - 7)), "reportingComponent": "s", "reportingInstance": "n"},
            ["7s", "s, n", "7s", 1],
        ),
        (
            {
                "eventTime": render_micro_time(Instant(NOW - 70)),
                "series": {"count": 9, "lastObservedTime": render_micro_time(Instant(NOW - 2))},
            },
            ["2s", "", "70s", 9],
        ),
    ],
)
def test_an_events_row_is_kubectls(fields: dict[str, Any], cells: list[Any]) -> None:
    obj = made(EVENT, event(**fields))
    found = {c.name: c.cell(obj, NOW) for c in EVENT.columns}
    assert [found[name] for name in ("Last Seen", "Source", "First Seen", "Count")] == cells
    assert [found[name] for name in ("Object", "Subobject", "Message", "Name")] == [
        "pod/web",
        "spec.containers{web}",
        "all is well",
        "web.17",
    ]


def test_an_event_lives_where_its_object_lives() -> None:
    assert wrong(EVENT, event()) == []
    assert wrong(EVENT, event(involvedObject={"kind": "Node", "name": "node1"})) == []
    assert wrong(EVENT, event(involvedObject={"kind": "Pod", "namespace": "other"})) == [
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace'
    ]


def test_config_maps_and_secrets_count_their_keys() -> None:
    assert row(CONFIG_MAP, {"data": {"a": "1"}, "binaryData": {"b": "AA=="}}) == [2]
    assert row(SECRET, {"data": {"a": "AA=="}}) == ["Opaque", 1]
    assert row(SERVICE_ACCOUNT, {"secrets": [{"name": "a"}]}) == [1]


def test_string_data_of_a_secret_becomes_data_and_wins() -> None:
    obj = made(SECRET, {"data": {"a": "AA=="}, "stringData": {"a": "hi"}})
    assert (obj.data, obj.stringData) == ({"a": "aGk="}, {})


def test_what_is_wrong_with_config_maps_is_said_in_upstreams_words() -> None:
    (text,) = wrong(CONFIG_MAP, {"data": {"a b": ""}})
    assert text.startswith('data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric')
    assert wrong(CONFIG_MAP, {"data": {"a": ""}, "binaryData": {"a": ""}}) == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]
    assert wrong(CONFIG_MAP, {"data": {"a": "x" * 2**20}}) == []
    assert wrong(CONFIG_MAP, {"data": {"a": "x" * 2**20 + "x"}}) == [": Too long: may not be more than 1048576 bytes"]


def test_an_immutable_config_map_rejects_changes() -> None:
    before = {"immutable": True, "data": {"a": "1"}}
    assert wrong_update(CONFIG_MAP, before, before) == []
    assert wrong_update(CONFIG_MAP, before, {"data": {"a": "2"}}) == [
        f"immutable: Forbidden: {SEALED}",
        f"data: Forbidden: {SEALED}",
    ]


def test_a_secrets_type_says_which_keys_it_has_and_does_not_change() -> None:
    assert wrong(SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}) == ["data[tls.key]: Required value"]
    assert wrong_update(SECRET, {"type": "a.example/b"}, {}) == ['type: Invalid value: "Opaque": field is immutable']


def test_base64_is_kept_as_gos_encoder_writes_it() -> None:
    texts = {"breaks": "YWJj\nZA==\r\n", "only breaks": "\n", "padding bits": "YR==", "plain": "YWJj", "none": ""}
    settled = {"breaks": "YWJjZA==", "only breaks": "", "padding bits": "YQ==", "plain": "YWJj", "none": ""}
    secret = SECRET.default(decode(SECRET, msgspec.json.encode({"data": texts})).obj)
    assert secret.data == settled
    found = CONFIG_MAP.default(decode(CONFIG_MAP, msgspec.json.encode({"binaryData": texts})).obj)
    assert found.binaryData == settled


def test_a_lease_shows_its_holder_and_lasts_longer_than_nothing() -> None:
    assert row(LEASE, {"spec": {"holderIdentity": "node1"}}) == ["node1"]
    assert row(LEASE, {}) == [""]
    assert wrong(LEASE, {"spec": {"leaseDurationSeconds": 0}}) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    ]


def test_a_controller_revision_shows_whose_it_is_and_never_changes() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}
    tree = {"metadata": {"name": "x", "ownerReferences": [owner]}, "revision": 3, "data": {"a": 1}}
    assert row(CONTROLLER_REVISION, tree) == ["statefulset.apps/db", 3]
    assert wrong(CONTROLLER_REVISION, {}) == ["data: Required value: data is mandatory"]
    assert wrong_update(CONTROLLER_REVISION, tree, tree | {"data": {"a": 2}}) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]
