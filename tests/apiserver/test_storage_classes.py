"""The kinds of storage.k8s.io: defaults, refusals in upstream's words, columns."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.machinery.values.status import StatusError

from .harness import MERGE, Api, Tree, story

ROOT = "/apis/storage.k8s.io/v1"
CLASSES, DRIVERS, NODES = f"{ROOT}/storageclasses", f"{ROOT}/csidrivers", f"{ROOT}/csinodes"
CAPACITIES, ATTRIBUTES = f"{ROOT}/namespaces/default/csistoragecapacities", f"{ROOT}/volumeattributesclasses"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
QUALIFIED = "name part must consist of alphanumeric characters"


def named(name: str, **more: Any) -> Tree:
    return {"metadata": {"name": name}} | more


def storage_class(name: str = "fast", **more: Any) -> Tree:
    return named(name, provisioner="example.com/disk") | more


def causes(error: StatusError) -> list[tuple[str, str]]:
    assert error.code == 422, error
    return [(cause["field"], cause["message"]) for cause in error.details["causes"]]


async def row(api: Api, path: str) -> tuple[list[str], list[Any]]:
    table = await api.ok("GET", path, accept=TABLE)
    return [column["name"] for column in table["columnDefinitions"]], table["rows"][0]["cells"]


@story
async def test_a_storage_class_has_upstreams_defaults_and_columns(api: Api) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    made = await api.ok("POST", CLASSES, storage_class() | {"metadata": {"name": "fast", "annotations": default}})
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")
    assert await row(api, f"{CLASSES}/fast") == (
        ["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
        ["fast (default)", "example.com/disk", "Delete", "Immediate", False, "0s"],
    )
    assert len((await api.store.list("/registry/storageclasses/")).records) == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"provisioner": ""}, [("provisioner", "Required value")]),
        (
            {"reclaimPolicy": "Recycle"},
            [("reclaimPolicy", 'Unsupported value: "Recycle": supported values: "Delete", "Retain"')],
        ),
        (
            {"volumeBindingMode": "Later"},
            [
                (
                    "volumeBindingMode",
                    'Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
                )
            ],
        ),
        ({"parameters": {"": "x"}}, [("parameters", 'Invalid value: "": field can not be empty.')]),
        (
            {"parameters": {str(i): "" for i in range(513)}},
            [("parameters", "Too long: may not be more than 512 bytes")],
        ),
        ({"parameters": {"a": "x" * (256 << 10)}}, [("parameters", "Too long: may not be more than 262144 bytes")]),
    ],
)
def test_a_wrong_storage_class_is_refused_in_upstreams_words(more: Tree, expected: list[tuple[str, str]]) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", CLASSES, storage_class(**more))) == expected

    check()


@story
async def test_topologies_of_a_class_must_differ_and_name_values(api: Api) -> None:
    def term(key: str, *values: str) -> Tree:
        return {"matchLabelExpressions": [{"key": key, "values": list(values)}]}

    zone = "topology.kubernetes.io/zone"
    terms = [term(zone, "a", "b"), term(zone, "b", "a"), term(zone), term(zone, "c", "c")]
    assert causes(await api.error("POST", CLASSES, storage_class(allowedTopologies=terms))) == [
        ("allowedTopologies[1].matchLabelExpressions", 'Duplicate value: ""'),
        ("allowedTopologies[2].matchLabelExpressions[0].values", "Required value"),
        ("allowedTopologies[3].matchLabelExpressions[0].values[1]", 'Duplicate value: "c"'),
    ]
    old = storage_class(allowedTopologies=[term("failure-domain.beta.kubernetes.io/zone", "a")])
    warning = (await api.call("POST", CLASSES, old)).headers["warning"]
    assert "allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17" in warning


@story
async def test_a_storage_class_stays_as_it_is_but_for_its_options(api: Api) -> None:
    made = await api.ok("POST", CLASSES, storage_class(parameters={"type": "ssd"}))
    changed = {
        "provisioner": "example.com/other",
        "parameters": {"type": "hdd"},
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    found = causes(await api.error("PUT", f"{CLASSES}/fast", made | changed))
    assert sorted(found) == [
        ("parameters", 'Invalid value: {"type":"hdd"}: field is immutable'),
        ("provisioner", 'Invalid value: "example.com/other": field is immutable'),
        ("reclaimPolicy", 'Invalid value: "Retain": field is immutable'),
        ("volumeBindingMode", 'Invalid value: "WaitForFirstConsumer": field is immutable'),
    ]
    options = {"allowVolumeExpansion": True, "mountOptions": ["ro"]}
    assert (await api.ok("PATCH", f"{CLASSES}/fast", options, content_type=MERGE))["mountOptions"] == ["ro"]


@story
async def test_a_csi_driver_has_upstreams_defaults_and_columns(api: Api) -> None:
    spec = {"preventPodSchedulingIfMissing": True}  # of a feature that is off by default: removed
    made = await api.ok("POST", DRIVERS, named("disk.example.com", spec=spec))
    assert made["spec"] == {
        "attachRequired": True,
        "podInfoOnMount": False,
        "volumeLifecycleModes": ["Persistent"],
        "storageCapacity": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "requiresRepublish": False,
        "seLinuxMount": False,
    }
    head = ["Name", "AttachRequired", "PodInfoOnMount", "StorageCapacity", "TokenRequests", "RequiresRepublish"]
    assert await row(api, f"{DRIVERS}/disk.example.com") == (
        [*head, "Modes", "Age"],
        ["disk.example.com", True, False, False, "<unset>", False, "Persistent", "0s"],
    )
    made["spec"]["podInfoOnMount"] = True
    changed = await api.ok("PUT", f"{DRIVERS}/disk.example.com", made)
    assert ("generation" not in made["metadata"], changed["metadata"]["generation"]) == (True, 1)


@story
async def test_a_wrong_csi_driver_is_refused_in_upstreams_words(api: Api) -> None:
    tokens = [{"audience": "a"}, {"audience": "a"}, {"audience": "b", "expirationSeconds": 599}]
    tokens.append({"audience": "c", "expirationSeconds": (1 << 32) + 1})
    spec = {"fsGroupPolicy": "X", "volumeLifecycleModes": ["Y"], "nodeAllocatableUpdatePeriodSeconds": 9}
    supported = "supported values:"
    assert causes(await api.error("POST", DRIVERS, named("a", spec=spec | {"tokenRequests": tokens}))) == [
        ("spec.fsGroupPolicy", f'Unsupported value: "X": {supported} "File", "None", "ReadWriteOnceWithFSType"'),
        ("spec.tokenRequests[1].audience", 'Duplicate value: "a"'),
        (
            "spec.tokenRequests[2].expirationSeconds",
            "Invalid value: 599: may not specify a duration less than 10 minutes",
        ),
        (
            "spec.tokenRequests[3].expirationSeconds",
            "Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds",
        ),
        ("spec.volumeLifecycleModes", f'Unsupported value: "Y": {supported} "Ephemeral", "Persistent"'),
        (
            "spec.nodeAllocatableUpdatePeriodSeconds",
            "Invalid value: 9: must be greater than or equal to 10 seconds",
        ),
    ]
    spec = {"serviceAccountTokenInSecrets": True}
    text = "Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified"
    assert causes(await api.error("POST", DRIVERS, named("a", spec=spec))) == [
        ("spec.serviceAccountTokenInSecrets", text)
    ]
    warned = await api.call("POST", DRIVERS, named("a", spec={"tokenRequests": [{"audience": "a"}]}))
    assert "serviceAccountTokenInSecrets is unset" in warned.headers["warning"]


@story
async def test_an_update_of_a_csi_driver_names_its_version_and_keeps_two_fields(api: Api) -> None:
    made = await api.ok("POST", DRIVERS, named("a"))
    made["spec"] |= {"attachRequired": False, "volumeLifecycleModes": ["Ephemeral"]}
    assert causes(await api.error("PUT", f"{DRIVERS}/a", made)) == [
        ("spec.attachedRequired", "Invalid value: false: field is immutable"),
        ("spec.volumeLifecycleModes", 'Invalid value: ["Ephemeral"]: field is immutable'),
    ]
    error = await api.error("PUT", f"{DRIVERS}/a", named("a", spec={"podInfoOnMount": True}))
    text = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    assert (error.code, str(error)) == (422, f'csidrivers.storage.k8s.io "a" is invalid: {text}')
    body = {"spec": {"podInfoOnMount": True}}
    assert (await api.ok("PATCH", f"{DRIVERS}/a", body, content_type=MERGE))["spec"]["podInfoOnMount"] is True


@story
async def test_the_drivers_of_a_node_are_checked_and_never_change(api: Api) -> None:
    empty = {"name": "", "nodeID": "", "topologyKeys": ["", "a", "a"], "allocatable": {"count": -1}}
    twice = {"name": "d", "nodeID": "x" * 257}
    found = causes(await api.error("POST", NODES, named("node1", spec={"drivers": [empty, twice, twice]})))
    assert [path for path, _ in found] == [
        "spec.drivers[0].name",
        "spec.drivers[0].nodeID",
        "spec.drivers[0].allocatable.count",
        *["spec.drivers[0]"] * 4,
        "spec.drivers[1].nodeID",
        "spec.drivers[2].nodeID",
        "spec.drivers[2].name",
    ]
    driver = {"name": "d", "nodeID": "n", "topologyKeys": ["a"]}
    made = await api.ok("POST", NODES, named("node1", spec={"drivers": [driver]}))
    assert await row(api, f"{NODES}/node1") == (["Name", "Drivers", "Age"], ["node1", 1, "0s"])
    made["spec"]["drivers"] = [driver | {"nodeID": "m"}]
    ((path, text),) = causes(await api.error("PUT", f"{NODES}/node1", made))
    assert (path, text.endswith("field is immutable")) == ("spec.drivers", True)
    made["spec"]["drivers"] = [driver | {"allocatable": {"count": 3}}]
    await api.ok("PUT", f"{NODES}/node1", made)


@story
async def test_free_space_is_reported_for_a_class_and_a_topology(api: Api) -> None:
    topology = {"matchLabels": {"beta.kubernetes.io/os": "linux"}}
    body = named("c", storageClassName="fast", capacity="1024Mi", maximumVolumeSize=5, nodeTopology=topology)
    response = await api.call("POST", CAPACITIES, body)
    assert "nodeTopology.matchLabels.beta.kubernetes.io/os: deprecated since v1.14" in response.headers["warning"]
    made = await api.ok("GET", f"{CAPACITIES}/c")
    assert (made["capacity"], made["maximumVolumeSize"]) == ("1Gi", "5")
    assert await row(api, f"{CAPACITIES}/c") == (["Name", "Created At"], ["c", made["metadata"]["creationTimestamp"]])
    error = await api.error("PUT", f"{CAPACITIES}/c", made | {"storageClassName": "slow", "nodeTopology": {}})
    assert sorted(causes(error)) == [
        ("nodeTopology", "Invalid value: {}: field is immutable"),
        ("storageClassName", 'Invalid value: "slow": field is immutable'),
    ]
    found = causes(await api.error("POST", CAPACITIES, named("d", storageClassName="", capacity="-1")))
    assert [path for path, _ in found] == ["storageClassName", "capacity"]
    assert found[1][1] == 'Invalid value: "-1": must be greater than or equal to 0'


@story
async def test_a_class_of_attributes_has_parameters_that_never_change(api: Api) -> None:
    assert causes(await api.error("POST", ATTRIBUTES, named("gold"))) == [
        ("driverName", "Required value"),
        ("parameters", "Required value: must contain at least one key/value pair"),
    ]
    made = await api.ok("POST", ATTRIBUTES, named("gold", driverName="a.example.com", parameters={"iops": "9"}))
    assert await row(api, f"{ATTRIBUTES}/gold") == (["Name", "DriverName", "Age"], ["gold", "a.example.com", "0s"])
    error = await api.error("PUT", f"{ATTRIBUTES}/gold", made | {"driverName": "b", "parameters": {"iops": "8"}})
    assert causes(error) == [
        ("driverName", "Forbidden: updates to driverName are forbidden."),
        ("parameters", "Forbidden: updates to parameters are forbidden."),
    ]


ATTACHMENTS = f"{ROOT}/volumeattachments"


def attachment(**more: Any) -> Tree:
    spec = {"attacher": "disk.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "pv1"}}
    return named("a", spec=spec | more)


def inline(**more: Any) -> Tree:
    csi = {"driver": "disk.example.com", "volumeHandle": "v"}
    return attachment(source={"inlineVolumeSpec": {"csi": csi, "accessModes": ["ReadWriteOnce"]} | more})


@story
async def test_an_attachment_never_changes_but_for_its_status(api: Api) -> None:
    await api.ok("POST", ATTACHMENTS, attachment() | {"status": {"attached": True}})
    path = f"{ATTACHMENTS}/a"
    done = {"status": {"attached": True, "attachmentMetadata": {"path": "/dev/a"}}}
    await api.ok("PATCH", f"{path}/status", done, content_type=MERGE)
    assert await row(api, path) == (
        ["Name", "Attacher", "PV", "Node", "Attached", "Age"],
        ["a", "disk.example.com", "pv1", "n1", True, "0s"],
    )
    (error,) = causes(await api.error("PATCH", path, {"spec": {"nodeName": "n2"}}, content_type=MERGE))
    assert (error[0], error[1].rpartition(": ")[2]) == ("spec", "field is immutable")
    await api.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}, "status": None}, content_type=MERGE)
    assert (await api.ok("GET", path))["status"]["attached"] is True
    failed = {
        "status": {
            "attachError": {"message": "x" * 1025, "errorCode": -1},
            "attachmentMetadata": {"a": "x" * (256 << 10)},
        }
    }
    assert causes(await api.error("PATCH", f"{path}/status", failed, content_type=MERGE)) == [
        ("status.attachmentMetadata", "Too long: may not be more than 262144 bytes"),
        ("status.attachError.message", "Too long: may not be more than 262144 bytes"),
        ("status.attachError.errorCode", "Invalid value: -1: must be between 0 and 2147483647, inclusive"),
    ]


ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (attachment(attacher=""), [("spec.attacher", "Required value")]),
        (attachment(source={}), [("spec.source", f"Required value: {ONE_SOURCE}")]),
        (
            attachment(source={"persistentVolumeName": "pv1", "inlineVolumeSpec": {}}),
            [("spec.source", f"Forbidden: {ONE_SOURCE}")],
        ),
        (
            inline(
                capacity={"storage": "1Gi"},
                storageClassName="fast",
                persistentVolumeReclaimPolicy="Delete",
                volumeMode="Block",
            ),
            [
                ("capacity", "Forbidden: may not be specified in the context of inline volumes"),
                ("storageClassName", "Forbidden: may not be specified in the context of inline volumes"),
                ("persistentVolumeReclaimPolicy", "Forbidden: may only be Retain in the context of inline volumes"),
                (
                    "volumeMode",
                    "Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes",
                ),
            ],
        ),
        (
            inline(csi=None, accessModes=None, local={}),
            [
                ("csi", "Required value: has to be specified in the context of inline volumes"),
                ("accessModes", "Required value"),
                ("local.path", "Required value"),
                ("nodeAffinity", "Required value: Local volume requires node affinity"),
            ],
        ),
    ],
)
def test_a_wrong_attachment_is_refused_in_upstreams_words(body: Tree, expected: list[tuple[str, str]]) -> None:
    @story
    async def check(api: Api) -> None:
        found = causes(await api.error("POST", ATTACHMENTS, body))
        assert [(path.removeprefix("spec.source.inlineVolumeSpec."), text) for path, text in found] == expected

    check()
