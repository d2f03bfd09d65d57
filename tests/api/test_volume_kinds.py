"""PersistentVolume and PersistentVolumeClaim: defaults, refusals in upstream's words, columns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.sources import SOURCES, PersistentVolumeSource
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, made, wrong, wrong_update

HOST_PATH: Tree = {"hostPath": {"path": "/data"}}
AFFINITY: Tree = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}}


def volume(**spec: Any) -> Tree:
    given = {name: spec[name] for name in spec if name in SOURCES}
    rest = {name: spec[name] for name in spec if name not in SOURCES}
    base = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"]}
    return {"spec": base | (given or HOST_PATH) | rest}


def claim(storage: str = "1Gi", **spec: Any) -> Tree:
    resources = {"requests": {"storage": storage}}
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": resources} | spec}


def csi(**fields: Any) -> Tree:
    return volume(csi={"driver": "example.com", "volumeHandle": "v1"} | fields)


def pod(**source: Any) -> Tree:
    return {"spec": {"containers": [container()], "volumes": [{"name": "data"} | source]}}


MODES = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"'
REQUIRED = {
    "awsElasticBlockStore": ["volumeID"],
    "azureDisk": ["diskName", "diskURI"],
    "azureFile": ["secretName", "shareName"],
    "cephfs": ["monitors"],
    "cinder": ["volumeID"],
    "csi": ["driver", "volumeHandle"],
    "flexVolume": ["driver"],
    "glusterfs": ["endpoints", "path"],
    "iscsi": ["targetPortal", "iqn"],
    "photonPersistentDisk": ["pdID"],
    "portworxVolume": ["volumeID"],
    "rbd": ["monitors", "image"],
    "scaleIO": ["gateway", "system", "volumeName"],
    "storageos": ["volumeName"],
    "vsphereVolume": ["volumePath"],
}
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    (PERSISTENT_VOLUME, volume(), []),
    (PERSISTENT_VOLUME, csi(), []),
    (PERSISTENT_VOLUME, volume(local={"path": "/data"}, nodeAffinity=AFFINITY), []),
    (
        PERSISTENT_VOLUME,
        volume(local={"path": "/data/.."}),
        [
            "spec.local.path: Invalid value: \"/data/..\": must not contain '..'",
            "spec.nodeAffinity: Required value: Local volume requires node affinity",
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(capacity={}, accessModes=[]),
        [
            "spec.accessModes: Required value",
            "spec.capacity: Required value",
            'spec.capacity: Unsupported value: null: supported values: "storage"',
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(capacity={"storage": "-1"}, accessModes=["Once"]),
        [
            f'spec.accessModes: Unsupported value: "Once": supported values: {MODES}',
            "spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
            'spec.capacity[storage]: Invalid value: "-1": must be greater than zero',
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(accessModes=["ReadWriteOncePod", "ReadWriteOnce"]),
        ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
    ),
    (
        PERSISTENT_VOLUME,
        volume(nfs={"server": "s", "path": "/"}, rbd={"monitors": ["m"], "image": "i"}),
        ["spec.rbd: Forbidden: may not specify more than 1 volume type"],
    ),
    (
        PERSISTENT_VOLUME,
        volume(hostPath={"path": "/"}, persistentVolumeReclaimPolicy="Recycle"),
        ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
    ),
    (
        PERSISTENT_VOLUME,
        volume(volumeMode="Raw", persistentVolumeReclaimPolicy="Burn"),
        [
            'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", '
            '"Retain"',
            'spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"',
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(volumeAttributesClassName=""),
        [
            "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
            "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
        ],
    ),
    (
        PERSISTENT_VOLUME,
        csi(nodePublishSecretRef={"name": "a"}, driver="d" * 64),
        [
            "spec.csi.driver: Too long: may not be more than 63 bytes",
            "spec.csi.nodePublishSecretRef.namespace: Required value",
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(gcePersistentDisk={"pdName": "", "partition": 300}),
        [
            "spec.persistentDisk.pdName: Required value",
            "spec.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive",
        ],
    ),
    *(
        (PERSISTENT_VOLUME, volume(**{name: {}}), [f"spec.{name}.{field}: Required value" for field in fields])
        for name, fields in REQUIRED.items()
        if name != "azureDisk"
    ),
    *(
        (
            POD,
            pod(**{name: {}}),
            [f"spec.volumes[0].{name}.{field}: Required value" for field in fields if field != "volumeHandle"],
        )
        for name, fields in REQUIRED.items()
        if name != "azureDisk"
    ),
    (
        PERSISTENT_VOLUME,
        volume(azureDisk={"diskName": "d", "diskURI": "x", "kind": "Managed", "cachingMode": "All"}),
        [
            'spec.azureDisk.cachingMode: Unsupported value: "All": supported values: "None", "ReadOnly", "ReadWrite"',
            'spec.azureDisk.diskURI: Unsupported value: "x": supported values: "/subscriptions/{sub-id}/'
            'resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
        ],
    ),
    (
        PERSISTENT_VOLUME,
        volume(fc={"targetWWNs": ["a"], "wwids": ["b"], "lun": 256}),
        [
            'spec.fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
            "spec.fc.lun: Invalid value: 256: must be between 0 and 255, inclusive",
        ],
    ),
    (
        POD,
        pod(iscsi={"targetPortal": "p", "iqn": "eui.1", "chapAuthSession": True}),
        [
            'spec.volumes[0].iscsi.iqn: Invalid value: "eui.1": must be valid format',
            "spec.volumes[0].iscsi.secretRef: Required value",
        ],
    ),
    (
        POD,
        pod(flocker={"datasetName": "a/b"}),
        ["spec.volumes[0].flocker.datasetName: Invalid value: \"a/b\": must not contain '/'"],
    ),
    (
        POD,
        pod(flexVolume={"driver": "d", "options": {"a.k8s.io/x": "1"}}),
        [
            'spec.volumes[0].flexVolume.options[a.k8s.io/x]: Invalid value: "a.k8s.io/x": kubernetes.io and k8s.io '
            "namespaces are reserved"
        ],
    ),
    (
        POD,
        pod(quobyte={"registry": "a", "volume": "v"}),
        [
            'spec.volumes[0].quobyte.registry: Invalid value: "a": must be a host:port pair or multiple pairs '
            "separated by commas"
        ],
    ),
    (
        POD,
        pod(ephemeral={"volumeClaimTemplate": {"metadata": {"name": "n"}, "spec": {}}}),
        [
            "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode "
            "is required",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
        ],
    ),
    (PERSISTENT_VOLUME_CLAIM, claim(), []),
    (
        PERSISTENT_VOLUME_CLAIM,
        claim("0", accessModes=[], storageClassName="A B", volumeMode="Raw"),
        [
            "spec.accessModes: Required value: at least 1 access mode is required",
            'spec.resources[storage]: Invalid value: "0": must be greater than zero',
            'spec.storageClassName: Invalid value: "A B": a lowercase RFC 1123 subdomain must consist of lower case '
            "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            'spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"',
        ],
    ),
    (
        PERSISTENT_VOLUME_CLAIM,
        claim(dataSourceRef={"kind": "Backup", "name": ""}),
        [
            "spec.dataSource.name: Required value",
            "spec.dataSource: Invalid value: \"Backup\": must be 'PersistentVolumeClaim' when referencing the default "
            "apiGroup",
            "spec.dataSourceRef.name: Required value",
            "spec.dataSourceRef: Invalid value: \"Backup\": must be 'PersistentVolumeClaim' when referencing the "
            "default apiGroup",
        ],
    ),
    (
        PERSISTENT_VOLUME_CLAIM,
        claim(
            dataSource={"kind": "PersistentVolumeClaim", "name": "a"},
            dataSourceRef={"kind": "PersistentVolumeClaim", "name": "b"},
        ),
        ['spec: Invalid value: "spec.dataSource": must match dataSourceRef'],
    ),
]


@pytest.mark.parametrize(("kind", "tree", "expected"), WRONG)
def test_volumes_are_checked_in_upstreams_words(kind: Kind[Any], tree: Tree, expected: list[str]) -> None:
    assert wrong(kind, tree) == expected


def test_a_volume_has_upstreams_defaults() -> None:
    found = created(
        PERSISTENT_VOLUME, volume() | {"metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    )
    spec = found.spec
    assert (spec.persistentVolumeReclaimPolicy, spec.volumeMode, spec.hostPath.type) == ("Retain", "Filesystem", "")
    assert (found.status.phase, found.status.lastPhaseTransitionTime) == ("Pending", "2026-01-01T00:00:00Z")
    rbd = made(PERSISTENT_VOLUME, volume(rbd={"monitors": ["m"], "image": "i"})).spec.rbd
    assert (rbd.pool, rbd.user, rbd.keyring) == ("rbd", "admin", "/etc/ceph/keyring")


@pytest.mark.parametrize(
    ("phase", "given", "expected"),
    [
        ("Available", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("Available", None, "2026-01-02T00:00:00Z"),
        ("Available", "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("Pending", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_volume_records_the_time_at_which_its_phase_changes(phase: str, given: str | None, expected: str) -> None:
    old = made(
        PERSISTENT_VOLUME,
        volume() | {"status": {"phase": "Pending", "lastPhaseTransitionTime": "2026-01-01T00:00:00Z"}},
    )
    new = made(PERSISTENT_VOLUME, volume() | {"status": {"phase": phase, "lastPhaseTransitionTime": given}})
    PERSISTENT_VOLUME.prepare_status(old, new, parse_time("2026-01-02T00:00:00Z"))
    assert new.status.lastPhaseTransitionTime == expected


def test_a_claim_has_upstreams_defaults_and_one_data_source_in_two_fields() -> None:
    found = created(PERSISTENT_VOLUME_CLAIM, claim(dataSource={"kind": "PersistentVolumeClaim", "name": "a"}))
    assert (found.spec.volumeMode, found.status.phase) == ("Filesystem", "Pending")
    assert (found.spec.dataSourceRef.kind, found.spec.dataSourceRef.name) == ("PersistentVolumeClaim", "a")
    other = created(PERSISTENT_VOLUME_CLAIM, claim(dataSourceRef={"kind": "K", "name": "a", "apiGroup": "b.c"}))
    assert other.spec.dataSource.apiGroup == "b.c"
    unknown = created(PERSISTENT_VOLUME_CLAIM, claim(dataSource={"kind": "K", "name": "a", "apiGroup": "b.c"}))
    assert unknown.spec.dataSource is None


FROZEN = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)


@pytest.mark.parametrize(
    ("status", "old", "new", "expected"),
    [
        ({}, claim(), claim(volumeName="v"), []),
        ({}, claim(volumeName="v"), claim(volumeName="w"), [FROZEN]),
        ({}, claim(), claim("2Gi"), [FROZEN]),
        ({}, claim(), claim(storageClassName="fast"), []),
        ({}, claim(storageClassName="slow"), claim(storageClassName="fast"), [FROZEN]),
        ({"phase": "Bound"}, claim(), claim("2Gi"), []),
        ({"phase": "Bound"}, claim(), claim(volumeAttributesClassName="gold"), []),
        ({"phase": "Bound", "capacity": {"storage": "1Gi"}}, claim("3Gi"), claim("2Gi"), []),
        (
            {"phase": "Bound", "capacity": {"storage": "2Gi"}},
            claim("3Gi"),
            claim("1Gi"),
            ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"],
        ),
        (
            {"phase": "Bound", "currentVolumeAttributesClassName": "gold"},
            claim(volumeAttributesClassName="gold"),
            claim(),
            [
                "spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when "
                "status.currentVolumeAttributesClassName is not nil"
            ],
        ),
    ],
)
def test_a_bound_claim_may_grow_and_nothing_else_changes(
    status: Tree, old: Tree, new: Tree, expected: list[str]
) -> None:
    before, after = (made(PERSISTENT_VOLUME_CLAIM, tree | {"status": status}) for tree in (old, new))
    assert [str(error) for error in PERSISTENT_VOLUME_CLAIM.transition(before, after)] == expected


def test_the_origin_of_a_volume_is_immutable_and_a_secret_for_resizes_may_be_added() -> None:
    assert wrong_update(PERSISTENT_VOLUME, volume(), volume(hostPath={"path": "/other"})) == [
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"
    ]
    secret = {"name": "a", "namespace": "b"}
    assert wrong_update(PERSISTENT_VOLUME, csi(), csi(controllerExpandSecretRef=secret)) == []
    assert wrong_update(PERSISTENT_VOLUME, volume(), volume(capacity={"storage": "9Gi"}, nodeAffinity=AFFINITY)) == []


def test_a_label_in_the_node_affinity_of_a_volume_may_only_get_its_present_name() -> None:
    def on(key: str) -> Tree:
        need = {"key": key, "operator": "In", "values": ["a"]}
        return volume(nodeAffinity={"required": {"nodeSelectorTerms": [{"matchExpressions": [need]}]}})

    old, new = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"
    assert wrong_update(PERSISTENT_VOLUME, on(old), on(new)) == []
    (error,) = wrong_update(PERSISTENT_VOLUME, on(old), on("disk"))
    assert error.endswith(": field is immutable, except for updating from beta label to GA")


def test_the_columns_of_volumes_show_what_is_bound_to_what() -> None:
    tree = volume(claimRef={"namespace": "a", "name": "b"}, storageClassName="fast")
    cells = [column.cell(made(PERSISTENT_VOLUME, tree), Instant(0.0)) for column in PERSISTENT_VOLUME.columns]
    assert cells == [
        "x",
        "5Gi",
        "RWO",
        "Retain",
        "Pending",
        "a/b",
        "fast",
        "<unset>",
        "",
        "<unknown>",
        "Filesystem",
    ]
    status = {"phase": "Bound", "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}
    bound = made(PERSISTENT_VOLUME_CLAIM, claim(volumeName="v") | {"status": status})
    cells = [column.cell(bound, Instant(0.0)) for column in PERSISTENT_VOLUME_CLAIM.columns]
    assert cells == ["x", "Bound", "v", "5Gi", "RWO,RWX", "", "<unset>", "<unknown>", "Filesystem"]


def test_every_origin_of_a_volume_is_looked_for() -> None:
    assert set(SOURCES) == {field.name for field in msgspec.structs.fields(PersistentVolumeSource)}


def test_deprecated_facts_of_a_volume_are_warned_of() -> None:
    tree = volume(rbd={"monitors": ["m"], "image": "i"}, persistentVolumeReclaimPolicy="Recycle")
    assert list(PERSISTENT_VOLUME.warnings(made(PERSISTENT_VOLUME, tree))) == [
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
        "approach is to use dynamic provisioning.",
        "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
    ]
