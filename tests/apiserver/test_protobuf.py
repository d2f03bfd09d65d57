"""Bodies in protobuf, as Go clients send them."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.pod.kind import POD
from fairlead.api.kinds import KINDS
from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.serialization.protobuf.decode import parse_protobuf
from fairlead.apiserver.serialization.protobuf.numbers import table_of
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.values.status import StatusError

from .harness import PODS, Api, story

# The body of `kubectl create namespace foo` (1.32), byte for byte.
NAMESPACE = bytes.fromhex(
    "6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a001a002200"
)


def number(value: int) -> bytes:
    found = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def put(field: int, value: bytes | str | int) -> bytes:
    """Returns one field of a message."""
    if isinstance(value, int):
        return number(field << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(field << 3 | 2) + number(len(data)) + data


def enveloped(api_version: str, kind: str, message: bytes) -> bytes:
    return b"k8s\x00" + put(1, put(1, api_version) + put(2, kind)) + put(2, message)


def meta(name: str) -> bytes:
    return put(1, put(1, name))


@story
async def test_kubectls_protobuf_body_creates_a_namespace(api: Api) -> None:
    made = await api.ok("POST", "/api/v1/namespaces", NAMESPACE, content_type=MEDIA_TYPE)
    assert (made["metadata"]["name"], made["status"]["phase"]) == ("foo", "Active")


@story
async def test_a_pod_with_values_of_every_shape(api: Api) -> None:
    probe = put(1, put(2, put(1, "/") + put(2, put(1, 1) + put(3, "http")))) + put(2, 5)
    limits = put(1, put(1, "memory") + put(2, put(1, "64Mi")))
    port = put(1, "http") + put(3, 8080) + put(4, "TCP")
    container = put(1, "web") + put(2, "nginx") + put(6, port) + put(8, limits) + put(10, probe) + put(11, probe)
    volume = put(1, "v") + put(2, put(19, put(1, put(1, "config")) + put(3, 0o600)))
    toleration = put(1, "k") + put(2, "Exists") + put(4, "NoExecute") + put(5, -1)
    spec = put(1, volume) + put(2, container) + put(22, toleration) + put(4, 7) + put(12, 1)
    body = enveloped("v1", "Pod", meta("a") + put(2, spec))
    found = (await api.ok("POST", PODS, body, content_type=MEDIA_TYPE))["spec"]
    web = found["containers"][0]
    assert web["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    assert web["resources"]["limits"] == {"memory": "64Mi"}
    assert web["livenessProbe"]["httpGet"] == {"path": "/", "port": "http", "scheme": "HTTP"}
    assert web["livenessProbe"]["initialDelaySeconds"] == 5
    assert found["volumes"][0]["configMap"] == {"name": "config", "defaultMode": 0o600}
    assert found["tolerations"][0]["tolerationSeconds"] == -1
    assert (found["terminationGracePeriodSeconds"], found["hostPID"]) == (7, True)


@story
async def test_secrets_hold_bytes_and_events_hold_times(api: Api) -> None:
    entry = put(1, "k") + put(2, b"\x00\xff")
    body = enveloped("v1", "Secret", meta("s") + put(2, entry) + put(3, "Opaque"))
    made = await api.ok("POST", "/api/v1/namespaces/default/secrets", body, content_type=MEDIA_TYPE)
    assert made["data"] == {"k": "AP8="}
    about = put(1, "Pod") + put(2, "default") + put(3, "p")
    time = put(1, 1_700_000_000)
    who = put(3, "Tried") + put(12, "Try") + put(14, "tester") + put(15, "tester-0")
    times = put(6, time) + put(7, b"") + put(10, time + put(2, 5000))
    body = enveloped("v1", "Event", meta("e") + put(2, about) + times + who)
    made = await api.ok("POST", "/api/v1/namespaces/default/events", body, content_type=MEDIA_TYPE)
    assert made["firstTimestamp"] == "2023-11-14T22:13:20Z"
    assert "lastTimestamp" not in made
    assert made["eventTime"] == "2023-11-14T22:13:20.000005Z"


@story
async def test_delete_options_and_subresources_too(api: Api) -> None:
    await api.ok(
        "POST",
        PODS,
        enveloped("v1", "Pod", meta("a") + put(2, put(2, put(1, "c") + put(2, "x")) + put(10, "n"))),
        content_type=MEDIA_TYPE,
    )
    options = enveloped("v1", "DeleteOptions", put(1, 9))
    held = await api.ok("DELETE", f"{PODS}/a", options, content_type=MEDIA_TYPE)
    assert held["metadata"]["deletionGracePeriodSeconds"] == 9
    request = enveloped("authentication.k8s.io/v1", "TokenRequest", put(2, put(4, 700)))
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    assert (await api.ok("POST", path, request, content_type=MEDIA_TYPE))["spec"]["expirationSeconds"] == 700


@story
async def test_nonsense_is_a_bad_request(api: Api) -> None:
    for body in (b"", b"{}", NAMESPACE[:-1] + b"\xff", NAMESPACE[:30], b"k8s\x00\x0f"):
        error = await api.error("POST", "/api/v1/namespaces", body, content_type=MEDIA_TYPE)
        assert error.code in (400, 422), body


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for body in (data, b"k8s\x00" + put(2, data), b"k8s\x00" + put(2, put(2, put(2, data)))):
        with contextlib.suppress(StatusError):
            parse_protobuf(body, POD.schema)


def test_every_kind_and_its_types_can_be_decoded() -> None:
    newer = set().union(*(unreadable(kind.schema, set()) for kind in KINDS))
    # These are newer than Kubernetes 1.36; any other missing name is a mistake in the tables.
    assert newer == {
        "EvictionResponder",
        "NodeAllocatableMappedResources",
        "NodeAllocatableOverheadResources",
        "NodePodPreemptionPolicy",
        "PodVolumeHealth",
    }


def unreadable(schema: Schema, seen: set[Schema]) -> set[str]:
    """Returns the types below this one that are missing in the tables."""
    if schema in seen:
        return set()
    seen.add(schema)
    if table_of(schema) is None:
        return {schema.name}
    found: set[str] = set()
    for field in schema.fields.values():
        info = field.type
        while info.item is not None:
            info = info.item
        if info.schema is not None:
            found |= unreadable(info.schema, seen)
    return found
