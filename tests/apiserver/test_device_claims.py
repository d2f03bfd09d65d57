"""The kinds of resource.k8s.io: defaults, refusals in upstream's words, columns, who may write a claim's status."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.apiserver.admission.resourceclaims import ADMIN_LABEL
from fairlead.apiserver.auth.authorization import Decision
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo

from .harness import MERGE, Api, Tree, start, story
from .test_storage_classes import causes, named, row

ROOT = "/apis/resource.k8s.io/v1"
CLASSES, SLICES = f"{ROOT}/deviceclasses", f"{ROOT}/resourceslices"
CLAIMS, TEMPLATES = f"{ROOT}/namespaces/default/resourceclaims", f"{ROOT}/namespaces/default/resourceclaimtemplates"
EXACT = {"deviceClassName": "gpu"}


def claim(*requests: Tree, name: str = "c", **devices: Any) -> Tree:
    given = list(requests) or [{"name": "r", "exactly": EXACT}]
    return named(name, spec={"devices": {"requests": given} | devices})


def exact(**more: Any) -> Tree:
    return {"name": "r", "exactly": EXACT | more}


def slice_(*devices: Tree, name: str = "s", **spec: Any) -> Tree:
    pool = {"name": "node1", "generation": 1, "resourceSliceCount": 1}
    base = {"driver": "gpu.example.com", "pool": pool, "nodeName": "node1", "devices": list(devices)}
    return named(name, spec=base | spec)


def selector(expression: str) -> Tree:
    return {"cel": {"expression": expression}}


@story
async def test_a_claim_has_upstreams_defaults_and_columns_and_never_changes(api: Api) -> None:
    tolerations = [{"key": "a"}]
    made = await api.ok("POST", CLAIMS, claim(exact(tolerations=tolerations)) | {"status": {"reservedFor": []}})
    (request,) = made["spec"]["devices"]["requests"]
    assert request["exactly"] == EXACT | {
        "allocationMode": "ExactCount",
        "count": 1,
        "tolerations": [{"key": "a", "operator": "Equal"}],
    }
    assert await row(api, f"{CLAIMS}/c") == (["Name", "State", "Age"], ["c", "pending", "0s"])
    made["spec"]["devices"]["requests"] = []
    ((path, text),) = causes(await api.error("PUT", f"{CLAIMS}/c", made))
    assert (path, text.endswith("field is immutable")) == ("spec", True)


@pytest.mark.parametrize(
    ("request_", "path", "text"),
    [
        ({"name": "r"}, "", "Required value: exactly one of `exactly` or `firstAvailable` is required"),
        (
            {"name": "r", "exactly": EXACT, "firstAvailable": [{"name": "a"} | EXACT]},
            "",
            "Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, "
            "but multiple fields are set",
        ),
        ({"name": "r", "exactly": {}}, ".exactly.deviceClassName", "Required value"),
        (exact(count=-1), ".exactly.count", "Invalid value: -1: must be greater than zero"),
        (
            exact(allocationMode="All", count=1),
            ".exactly.count",
            "Invalid value: 1: must not be specified when allocationMode is 'All'",
        ),
        (
            exact(allocationMode="Some"),
            ".exactly.allocationMode",
            'Unsupported value: "Some": supported values: "All", "ExactCount"',
        ),
        (exact(selectors=[{}]), ".exactly.selectors[0].cel", "Required value"),
        (
            exact(tolerations=[{"operator": "Exists", "value": "x"}]),
            ".exactly.tolerations[0].value",
            'Invalid value: "x": must be empty for operator `Exists`',
        ),
        (
            {"name": "r", "firstAvailable": [{"name": "a"} | EXACT] * 2},
            ".firstAvailable[1]",
            'Duplicate value: "a"',
        ),
        (
            {"name": "r", "firstAvailable": [{"name": f"a{i}"} | EXACT for i in range(9)]},
            ".firstAvailable",
            "Too many: 9: must have at most 8 items",
        ),
    ],
)
def test_a_wrong_request_for_devices_is_refused_in_upstreams_words(request_: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", CLAIMS, claim(request_))) == [(f"spec.devices.requests[0]{path}", text)]

    check()


@story
async def test_constraints_and_configurations_refer_to_requests_of_the_claim(api: Api) -> None:
    reference = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
    more: dict[str, Any] = {
        "constraints": [{"requests": ["x"], "matchAttribute": "example.com/numa"}, {"matchAttribute": "numa"}, {}],
        "config": [{}, {"opaque": {"driver": "a.example.com", "parameters": 7}}, {"opaque": {"driver": ""}}],
    }
    assert causes(await api.error("POST", CLAIMS, claim(**more))) == [
        ("spec.devices.constraints[0].requests[0]", f'Invalid value: "x": {reference}'),
        (
            "spec.devices.constraints[1].matchAttribute",
            'Invalid value: "numa": a fully qualified name must be a domain and a name separated by a slash',
        ),
        (
            "spec.devices.constraints[2]",
            'Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields '
            "are set",
        ),
        ("spec.devices.config[0].opaque", "Required value"),
        (
            "spec.devices.config[1].opaque.parameters",
            'Invalid value: "<value omitted>": must be a valid JSON object',
        ),
        ("spec.devices.config[2].opaque.driver", "Required value"),
        ("spec.devices.config[2].opaque.parameters", "Required value"),
    ]
    alternatives = {"name": "r", "firstAvailable": [{"name": "big"} | EXACT, {"name": "small"} | EXACT]}
    constraint = {"requests": ["r/big", "r"], "distinctAttribute": "example.com/id"}
    await api.ok("POST", CLAIMS, claim(alternatives, constraints=[constraint]))


@story
async def test_an_expression_about_devices_is_compiled_and_its_cost_is_bounded(api: Api) -> None:
    good = 'device.driver == "gpu.example.com" && device.attributes["gpu.example.com"].model == "a"'
    capacity = 'device.capacity["gpu.example.com"].memory.compareTo(quantity("1Gi")) >= 0'
    await api.ok("POST", CLASSES, named("gpu", spec={"selectors": [selector(good), selector(capacity)]}))
    path = "spec.selectors[0].cel.expression"

    async def refused(expression: str) -> str:
        ((where, text),) = causes(
            await api.error("POST", CLASSES, named("b", spec={"selectors": [selector(expression)]}))
        )
        assert where == path
        return text

    assert "compilation failed: " in await refused("device.")
    assert "compilation failed: " in await refused("device.colour == 'red'")
    assert (await refused("device.driver")).endswith("must evaluate to bool or the unknown type, not string")
    assert await refused("x" * 10241) == "Too long: may not be more than 10240 bytes"
    costly = "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, a + b + c != 'x')))"
    assert await refused(costly) == "Forbidden: too complex, exceeds cost limit"


@story
async def test_a_class_counts_its_generations_and_checks_its_extended_resource(api: Api) -> None:
    made = await api.ok("POST", CLASSES, named("gpu", spec={"extendedResourceName": "example.com/gpu"}))
    assert made["metadata"]["generation"] == 1
    assert await row(api, f"{CLASSES}/gpu") == (["Name", "Age"], ["gpu", "0s"])
    made["spec"] = {"config": [{"opaque": {"driver": "gpu.example.com", "parameters": {"a": 1}}}]}
    assert (await api.ok("PUT", f"{CLASSES}/gpu", made))["metadata"]["generation"] == 2
    for wrong in ("gpu", "kubernetes.io/gpu"):
        error = await api.error("POST", CLASSES, named("b", spec={"extendedResourceName": wrong}))
        text = f'Invalid value: "{wrong}": must be a valid extended resource name'
        assert causes(error) == [("spec.extendedResourceName", text)]


@story
async def test_a_template_is_checked_as_a_claim_is_and_never_changes(api: Api) -> None:
    body = named("t", spec={"spec": claim()["spec"], "metadata": {"labels": {"a": "b"}}})
    made = await api.ok("POST", TEMPLATES, body)
    assert made["spec"]["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1
    made["spec"]["metadata"]["labels"] = {"a": "c"}
    ((path, text),) = causes(await api.error("PUT", f"{TEMPLATES}/t", made))
    assert (path, text.endswith("field is immutable")) == ("spec", True)
    wrong = named("u", spec={"spec": claim({"name": "r"})["spec"], "metadata": {"labels": {"-": "b"}}})
    assert [path for path, _ in causes(await api.error("POST", TEMPLATES, wrong))] == [
        "spec.metadata.labels",
        "spec.spec.devices.requests[0]",
    ]


@story
async def test_a_slice_has_times_of_taints_columns_and_field_selectors(api: Api) -> None:
    device = {
        "name": "gpu-0",
        "attributes": {"model": {"string": "a"}, "alpha": {"int": 1, "ints": [1]}},
        "capacity": {"memory": {"value": "1024Mi"}},
        "taints": [{"key": "a", "effect": "NoSchedule"}],
    }
    made = await api.ok("POST", SLICES, slice_(device))
    (found,) = made["spec"]["devices"]
    assert found["taints"][0]["timeAdded"] == "2023-11-14T22:13:20Z"
    assert found["capacity"] == {"memory": {"value": "1Gi"}}
    assert found["attributes"]["alpha"] == {"int": 1}
    head = ["Name", "Node", "Driver", "Pool", "Age"]
    assert await row(api, f"{SLICES}/s") == (head, ["s", "node1", "gpu.example.com", "node1", "0s"])
    for query, count in (("spec.nodeName=node1", 1), ("spec.nodeName=node2", 0), ("spec.driver=gpu.example.com", 1)):
        items = (await api.ok("GET", SLICES, query={"fieldSelector": query}))["items"]
        assert len(items) == count, query
    made["spec"] |= {"driver": "Other.example.com", "nodeName": "node2"}
    assert [path for path, _ in causes(await api.error("PUT", f"{SLICES}/s", made))] == ["spec.driver", "spec.nodeName"]


@pytest.mark.parametrize(
    ("spec", "path", "text"),
    [
        (
            {"nodeName": None},
            "",
            "Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` "
            "is required",
        ),
        (
            {"allNodes": True},
            "",
            'Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, '
            "`perDeviceNodeSelection` is required, but multiple fields are set",
        ),
        (
            {"perDeviceNodeSelection": False},
            ".perDeviceNodeSelection",
            "Invalid value: false: must be either unset or set to true",
        ),
        (
            {"pool": {"name": "p", "generation": -1, "resourceSliceCount": 1}},
            ".pool.generation",
            "Invalid value: -1: must be greater than or equal to zero",
        ),
        (
            {"devices": [{"name": "a", "attributes": {"x": {}}}]},
            ".devices[0].attributes[x]",
            'Invalid value: "": exactly one value must be specified',
        ),
        (
            {"devices": [{"name": "a", "attributes": {"x": {"version": "1"}}}]},
            ".devices[0].attributes[x].version",
            'Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
        ),
        (
            {"devices": [{"name": "a", "allNodes": True}]},
            ".devices[0]",
            "Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec",
        ),
        (
            {"devices": [{"name": "a", "capacity": {"m": {"value": "1", "requestPolicy": {}}}}]},
            ".devices[0].capacity[m].requestPolicy",
            "Forbidden: allowMultipleAllocations must be true",
        ),
        (
            {"devices": [{"name": "a", "bindingConditions": ["x"]}]},
            ".devices[0].bindingFailureConditions",
            "Invalid value: null: bindingFailureConditions are required to use bindingConditions",
        ),
        (
            {"devices": [{"name": f"d{i}"} for i in range(129)]},
            ".devices",
            "Too many: 129: must have at most 128 items",
        ),
        (
            {"sharedCounters": [{"name": "a", "counters": {}}]},
            ".sharedCounters[0].counters",
            "Required value",
        ),
        (
            {"devices": [{"name": "a", "taints": [{"key": "a", "effect": "Odd"}]}]},
            ".devices[0].taints[0].effect",
            'Unsupported value: "Odd": supported values: "NoExecute", "NoSchedule", "None"',
        ),
    ],
)
def test_a_wrong_slice_is_refused_in_upstreams_words(spec: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", SLICES, slice_(**spec))) == [(f"spec{path}", text)]

    check()


@pytest.mark.parametrize(
    ("policy", "path", "text"),
    [
        ({"validValues": ["1"]}, ".default", "Required value: required when validValues is defined"),
        (
            {"default": "2", "validValues": ["1", "20"]},
            ".validValues[1]",
            'Invalid value: "20": option is larger than capacity value: 10',
        ),
        ({"default": "1", "validRange": {}}, ".validRange.min", "Required value: required when validRange is defined"),
        (
            {"default": "1", "validRange": {"min": "2"}},
            ".validRange.min",
            'Invalid value: "1": default is less than min: 2',
        ),
        (
            {"default": "3", "validRange": {"min": "2", "step": "2"}},
            ".validRange.step",
            'Invalid value: "3": value is not a multiple of a given step (2) from (2)',
        ),
        (
            {"default": "3", "validRange": {"min": "2", "max": "11"}},
            ".validRange.max",
            'Invalid value: "11": max is larger than capacity value: 10',
        ),
    ],
)
def test_a_wrong_policy_of_a_capacity_is_refused_in_upstreams_words(policy: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        capacity = {"m": {"value": "10", "requestPolicy": policy}}
        error = await api.error(
            "POST", SLICES, slice_({"name": "a", "allowMultipleAllocations": True, "capacity": capacity})
        )
        assert (f"spec.devices[0].capacity[m].requestPolicy{path}", text) in causes(error)

    check()


RESULT = {"request": "r", "driver": "gpu.example.com", "pool": "node1", "device": "gpu-0"}
ALLOCATION = {"devices": {"results": [RESULT]}}
CONSUMER = {"resource": "pods", "name": "a", "uid": "1"}


async def put_status(api: Api, **status: Any) -> Tree:
    return await api.ok("PATCH", f"{CLAIMS}/c/status", {"status": status}, content_type=MERGE)


async def status_error(api: Api, **status: Any) -> list[tuple[str, str]]:
    return causes(await api.error("PATCH", f"{CLAIMS}/c/status", {"status": status}, content_type=MERGE))


@story
async def test_the_status_of_a_claim_is_allocated_reserved_and_deallocated(api: Api) -> None:
    await api.ok("POST", CLAIMS, claim())
    text = "Forbidden: may not be specified when `allocated` is not set"
    assert await status_error(api, reservedFor=[CONSUMER]) == [("status.reservedFor", text)]
    await put_status(api, allocation=ALLOCATION, reservedFor=[CONSUMER])
    assert (await row(api, f"{CLAIMS}/c"))[1][1] == "allocated,reserved"
    ((path, text),) = await status_error(api, allocation={"devices": {"results": []}})
    assert (path, text.endswith("field is immutable")) == ("status.allocation", True)
    device = {"driver": "gpu.example.com", "pool": "node1", "device": "gpu-0", "conditions": []}
    assert (await put_status(api, devices=[device]))["status"]["devices"] == [device]
    ((path, text),) = await status_error(api, devices=[device | {"device": "gpu-9"}])
    assert (path, text.endswith("must be an allocated device in the claim")) == ("status.devices[0]", True)
    found = await put_status(api, allocation=None, reservedFor=None)
    assert found["status"] == {}


@story
async def test_a_wrong_allocation_or_device_status_is_refused(api: Api) -> None:
    await api.ok("POST", CLAIMS, claim())
    wrong = RESULT | {"request": "x", "pool": "", "device": "B", "shareID": "7"}
    found = await status_error(api, allocation={"devices": {"results": [wrong], "config": [{"source": "Odd"}]}})
    assert [path.removeprefix("status.allocation.devices.") for path, _ in found] == [
        "results[0].request",
        "results[0].pool",
        "results[0].device",
        "results[0].shareID",
        "config[0].source",
        "config[0].opaque",
    ]
    await put_status(api, allocation=ALLOCATION)
    device = {"driver": "gpu.example.com", "pool": "node1", "device": "gpu-0"}
    network = {"ips": ["10.0.0.1", "10.0.0.1/24", "10.0.0.1/24"], "interfaceName": "x" * 257}
    condition = {"type": "Ready", "status": "Odd", "lastTransitionTime": "2023-11-14T22:13:20Z", "reason": "-"}
    found = await status_error(api, devices=[device | {"data": [1], "networkData": network, "conditions": [condition]}])
    assert [path.removeprefix("status.devices[0].") for path, _ in found] == [
        "conditions[0].status",
        "conditions[0].reason",
        "data",
        "networkData.interfaceName",
        "networkData.ips[0]",
        "networkData.ips[2]",
    ]


@story
async def test_administrative_access_needs_a_label_of_the_namespace(api: Api) -> None:
    text = f"Forbidden: admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
    error = await api.error("POST", CLAIMS, claim(exact(adminAccess=True)))
    assert causes(error) == [("spec.devices.requests[0].adminAccess", text)]
    template = named("t", spec={"spec": claim(exact(adminAccess=True))["spec"]})
    assert causes(await api.error("POST", TEMPLATES, template))[0][1] == text
    await api.ok("POST", CLAIMS, claim())
    admin = {"devices": {"results": [RESULT | {"adminAccess": True}]}}
    assert await status_error(api, allocation=admin) == [("status.allocation.devices.results[0].adminAccess", text)]
    labels = {"metadata": {"labels": {ADMIN_LABEL: "true"}}}
    await api.ok("PATCH", "/api/v1/namespaces/default", labels, content_type=MERGE)
    await put_status(api, allocation=admin)
    await api.ok("POST", CLAIMS, claim(exact(adminAccess=True), name="d"))


class Rights:
    """Allows everything but parts of a claim's status, of which it allows some. Implements `Authorizer`."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self._allowed = allowed

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        if info.subresource not in ("binding", "driver"):
            return Decision("allowed")
        return Decision("allowed" if (info.verb, info.subresource) in self._allowed else "denied")


def test_parts_of_a_status_need_rights_of_their_own() -> None:
    async def run(*allowed: tuple[str, str]) -> list[str]:
        api = await start(extensions=Extensions(authorizers=(Rights(*allowed),)))
        try:
            await api.ok("POST", CLAIMS, claim())
            device = {"driver": "gpu.example.com", "pool": "node1", "device": "gpu-0"}
            body = {"status": {"allocation": ALLOCATION, "devices": [device]}}
            response = await api.call("PATCH", f"{CLAIMS}/c/status", body, content_type=MERGE)
            if response.status == 200:
                return []
            error = await api.error("PATCH", f"{CLAIMS}/c/status", body, content_type=MERGE)
            return [path for path, _ in causes(error)]
        finally:
            await api.server.stop()

    assert asyncio.run(run()) == ["status.allocation", "status.devices"]
    assert asyncio.run(run(("patch", "binding"))) == ["status.devices"]
    assert asyncio.run(run(("patch", "binding"), ("arbitrary-node:patch", "driver"))) == []
