from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.token import mount_token
from fairlead.base.instant import Instant, render_time
from tests.api.objects import container, created, made_pod, pod, wrong, wrong_update

NOW = Instant(1_700_000_000.0)


def ago(seconds: float) -> str:
    return render_time(Instant(NOW - seconds))


def running(**fields: Any) -> dict[str, Any]:
    return {"name": "web", "ready": True, "state": {"running": {}}, **fields}


def waiting(reason: str, **fields: Any) -> dict[str, Any]:
    return {"name": "web", "state": {"waiting": {"reason": reason}}, **fields}


def ended(reason: str = "", **fields: Any) -> dict[str, Any]:
    return {"name": "web", "state": {"terminated": {"reason": reason, **fields}}}


READY = {"type": "Ready", "status": "True"}
PENDING, RUNNING = {"phase": "Pending"}, {"phase": "Running"}
INIT = {"initContainers": [{"name": "first", "image": "a"}, {"name": "second", "image": "a"}]}
SIDECAR = {"initContainers": [{"name": "proxy", "image": "a", "restartPolicy": "Always"}]}
TWO = {"containers": [container(), container(name="two")]}

ROWS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    ({}, {}, PENDING, ("0/1", "Pending", "0")),
    ({}, {}, {**PENDING, "containerStatuses": [waiting("ContainerCreating")]}, ("0/1", "ContainerCreating", "0")),
    ({}, {}, {**RUNNING, "containerStatuses": [running()]}, ("1/1", "Running", "0")),
    (
        {},
        {},
        {
            **RUNNING,
            "containerStatuses": [
                running(restartCount=1, lastState={"terminated": {"exitCode": 1, "finishedAt": ago(5)}})
            ],
        },
        ("1/1", "Running", "1 (5s ago)"),
    ),
    (
        {},
        {},
        {
            **RUNNING,
            "containerStatuses": [
                waiting(
                    "CrashLoopBackOff", restartCount=4, lastState={"terminated": {"exitCode": 1, "finishedAt": ago(80)}}
                )
            ],
        },
        ("0/1", "CrashLoopBackOff", "4 (80s ago)"),
    ),
    ({}, {}, {"phase": "Succeeded", "containerStatuses": [ended("Completed")]}, ("0/1", "Completed", "0")),
    ({}, {}, {"phase": "Failed", "containerStatuses": [ended("Error", exitCode=1)]}, ("0/1", "Error", "0")),
    ({}, {}, {"phase": "Failed", "containerStatuses": [ended(exitCode=3)]}, ("0/1", "ExitCode:3", "0")),
    ({}, {}, {"phase": "Failed", "containerStatuses": [ended(exitCode=137, signal=9)]}, ("0/1", "Signal:9", "0")),
    ({}, {}, {"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
    ({}, {"deletionTimestamp": ago(1)}, {**RUNNING, "containerStatuses": [running()]}, ("1/1", "Terminating", "0")),
    ({}, {"deletionTimestamp": ago(1)}, {**RUNNING, "reason": "NodeLost"}, ("0/1", "Unknown", "0")),
    ({}, {"deletionTimestamp": ago(1)}, {"phase": "Succeeded"}, ("0/1", "Succeeded", "0")),
    (
        {},
        {},
        {**PENDING, "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
        ("0/1", "SchedulingGated", "0"),
    ),
    (INIT, {}, {**PENDING, "initContainerStatuses": [running(), waiting("PodInitializing")]}, ("0/1", "Init:0/2", "0")),
    (
        INIT,
        {},
        {**PENDING, "initContainerStatuses": [ended(exitCode=0), waiting("PodInitializing")]},
        ("0/1", "Init:1/2", "0"),
    ),
    (INIT, {}, {**PENDING, "initContainerStatuses": [ended("Error", exitCode=1)]}, ("0/1", "Init:Error", "0")),
    (INIT, {}, {**PENDING, "initContainerStatuses": [ended(exitCode=2)]}, ("0/1", "Init:ExitCode:2", "0")),
    (
        INIT,
        {},
        {**PENDING, "initContainerStatuses": [waiting("CrashLoopBackOff", restartCount=2)]},
        ("0/1", "Init:CrashLoopBackOff", "2"),
    ),
    (
        INIT,
        {},
        {
            **PENDING,
            "initContainerStatuses": [ended(exitCode=0), ended(exitCode=0)],
            "containerStatuses": [waiting("PodInitializing")],
        },
        ("0/1", "PodInitializing", "0"),
    ),
    (
        SIDECAR,
        {},
        {
            **RUNNING,
            "initContainerStatuses": [{"name": "proxy", "started": True, "ready": True, "state": {"running": {}}}],
            "containerStatuses": [running()],
        },
        ("2/2", "Running", "0"),
    ),
    (
        TWO,
        {},
        {**RUNNING, "conditions": [READY], "containerStatuses": [ended("Completed"), running(name="two")]},
        ("1/2", "Running", "0"),
    ),
    (
        TWO,
        {},
        {**RUNNING, "containerStatuses": [ended("Completed"), running(name="two")]},
        ("1/2", "NotReady", "0"),
    ),
]


@pytest.mark.parametrize(("spec", "meta", "status", "cells"), ROWS)
def test_a_pods_row_is_kubectls(
    spec: dict[str, Any], meta: dict[str, Any], status: dict[str, Any], cells: tuple[str, str, str]
) -> None:
    obj = created(POD, pod(**spec) | {"metadata": {"name": "x", "creationTimestamp": ago(90), **meta}})
    obj.status = msgspec.convert(status, type(obj.status))
    row = {column.name: column.cell(obj, NOW) for column in POD.columns}
    assert (row["Ready"], row["Status"], row["Restarts"]) == cells
    assert row["Age"] == "90s"


def test_a_pods_wide_row_has_its_address_and_node() -> None:
    obj = made_pod(nodeName="node1", readinessGates=[{"conditionType": "a.example/up"}])
    status = {"podIPs": [{"ip": "10.244.1.2"}], "conditions": [{"type": "a.example/up", "status": "True"}]}
    obj.status = msgspec.convert(status, type(obj.status))
    wide = [column.cell(obj, NOW) for column in POD.columns if column.wide]
    assert wide == ["10.244.1.2", "node1", "<none>", "1/1"]
    bare = [column.cell(made_pod(), NOW) for column in POD.columns if column.wide]
    assert bare == ["<none>", "<none>", "<none>", "<none>"]


def test_a_plain_pod_gets_upstreams_defaults() -> None:
    probe = {"httpGet": {"port": 80}}
    ports = [{"containerPort": 80}]
    spec = made_pod(containers=[container(ports=ports, readinessProbe=probe)]).spec
    assert (spec.restartPolicy, spec.dnsPolicy, spec.schedulerName) == ("Always", "ClusterFirst", "default-scheduler")
    assert (spec.terminationGracePeriodSeconds, spec.enableServiceLinks) == (30, True)
    assert spec.securityContext is not None
    web = spec.containers[0]
    assert (web.imagePullPolicy, web.terminationMessagePath) == ("IfNotPresent", "/dev/termination-log")
    assert web.ports[0].protocol == "TCP"
    assert msgspec.to_builtins(web.readinessProbe) == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.14", "IfNotPresent"),
        ("registry.example:5000/nginx", "Always"),
        ("registry.example:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
        ("nginx:latest@sha256:00", "Always"),
    ],
)
def test_an_image_that_moves_is_always_pulled(image: str, policy: str) -> None:
    assert made_pod(containers=[container(image=image)]).spec.containers[0].imagePullPolicy == policy


def test_requests_come_from_limits_in_canonical_form() -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"memory": "1e3"}}
    found = made_pod(containers=[container(resources=resources)]).spec.containers[0].resources
    assert found.limits == {"cpu": "500m", "memory": "1Gi"}
    assert found.requests == {"memory": "1e3", "cpu": "500m"}


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"ephemeral-storage": "1Gi"}}, "BestEffort"),
    ],
)
def test_the_qos_class_follows_from_requests_and_limits(resources: dict[str, Any], qos: str) -> None:
    status = made_pod(containers=[container(resources=resources)]).status
    assert (status.phase, status.qosClass) == ("Pending", qos)


def test_volumes_get_their_modes_and_kinds() -> None:
    volumes = [
        {"name": "a"},
        {"name": "b", "configMap": {"name": "c"}},
        {"name": "c", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "d", "hostPath": {"path": "/tmp"}},
    ]
    found = msgspec.to_builtins(made_pod(volumes=volumes).spec.volumes)
    assert found == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "configMap": {"name": "c", "defaultMode": 420}},
        {
            "name": "c",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}],
            },
        },
        {"name": "d", "hostPath": {"path": "/tmp", "type": ""}},
    ]


def test_the_token_is_mounted_once_in_every_container_that_does_not_mount_its_own() -> None:
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    own = container(name="own", volumeMounts=[{"name": "mine", "mountPath": path}])
    obj = made_pod(containers=[container(), own], volumes=[{"name": "mine"}])
    mount_token(obj, volume="kube-api-access-abcde")
    mount_token(obj, volume="kube-api-access-abcde")
    assert [[m.name for m in c.volumeMounts] for c in obj.spec.containers] == [["kube-api-access-abcde"], ["mine"]]
    assert [v.name for v in obj.spec.volumes] == ["mine", "kube-api-access-abcde"]
    assert POD.default(obj) is obj
    assert list(POD.rules(obj)) == []


def one(**fields: Any) -> dict[str, Any]:
    return {"containers": [container(**fields)]}


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"containers": []}, ["spec.containers: Required value"]),
    (
        {"containers": [{}]},
        ["spec.containers[0].name: Required value", "spec.containers[0].image: Required value"],
    ),
    ({"containers": [container(), container()]}, ['spec.containers[1].name: Duplicate value: "web"']),
    (one(ports=[{}]), ["spec.containers[0].ports[0].containerPort: Required value"]),
    (
        one(ports=[{"containerPort": 70000}]),
        ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ),
    (
        one(ports=[{"containerPort": 80, "protocol": "tcp"}]),
        ['spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        one(ports=[{"name": "a", "containerPort": 80}, {"name": "a", "containerPort": 81}]),
        ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
    ),
    (
        one(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
        ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ),
    (
        one(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        ['spec.containers[0].volumeMounts[0].name: Not found: "data"'],
    ),
    (
        {
            "volumes": [{"name": "a"}, {"name": "a"}],
            **one(volumeMounts=[{"name": "a", "mountPath": "/x"}, {"name": "a", "mountPath": "/x"}]),
        },
        [
            'spec.volumes[1].name: Duplicate value: "a"',
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
        ],
    ),
    (
        {"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    (
        {"volumes": [{"name": "a", "secret": {}}, {"name": "b", "configMap": {}}]},
        ["spec.volumes[0].secret.secretName: Required value", "spec.volumes[1].configMap.name: Required value"],
    ),
    (one(env=[{"value": "x"}]), ["spec.containers[0].env[0].name: Required value"]),
    (
        one(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        one(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]),
        [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported '
            'values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", '
            '"spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
        ],
    ),
    (
        one(livenessProbe={}),
        ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    ),
    (
        one(livenessProbe={"httpGet": {"port": "80"}, "tcpSocket": {"port": 80}, "successThreshold": 2}),
        [
            "spec.containers[0].livenessProbe.httpGet.port: "
            'Invalid value: "80": must contain at least one letter (a-z)',
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    ),
    (
        {"initContainers": [container(name="init", readinessProbe={"tcpSocket": {"port": 1}})]},
        [
            "spec.initContainers[0].readinessProbe: Forbidden: "
            "may not be set for init containers without restartPolicy=Always"
        ],
    ),
    (
        one(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        one(resources={"limits": {"memory": "-1"}}),
        [
            'spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
            'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ],
    ),
    (
        {"restartPolicy": "always"},
        ['spec.restartPolicy: Unsupported value: "always": supported values: "Always", "Never", "OnFailure"'],
    ),
    (
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"tolerations": [{"operator": "Equal", "effect": "NoWay"}]},
        [
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, '
            'which means "match all values and all keys"',
            'spec.tolerations[0].effect: Unsupported value: "NoWay": supported values: "NoExecute", "NoSchedule", '
            '"PreferNoSchedule"',
        ],
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "whenUnsatisfiable": "DoNotSchedule"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
        ],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), WRONG)
def test_what_is_wrong_with_a_pod_is_said_in_upstreams_words(spec: dict[str, Any], texts: list[str]) -> None:
    assert wrong(POD, pod(**spec)) == texts


def test_an_invalid_container_name_error_explains_labels() -> None:
    (text,) = wrong(POD, pod(containers=[container(name="Web_1")]))
    assert text.startswith('spec.containers[0].name: Invalid value: "Web_1": a lowercase RFC 1123 label must consist')


def test_an_update_may_change_the_image_and_add_tolerations() -> None:
    tolerations = [{"key": "a", "operator": "Exists"}]
    assert wrong_update(POD, pod(), as_stored(containers=[container(image="nginx:1.15")])) == []
    assert wrong_update(POD, pod(), as_stored(more=tolerations)) == []


def as_stored(*, more: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod as a client reads it back, to be changed and written again."""
    tree: dict[str, Any] = msgspec.to_builtins(created(POD, pod(**spec)))
    tree["spec"]["tolerations"] = [*tree["spec"].get("tolerations", []), *(more or [])]
    return tree


def test_a_host_name_over_all_others_cannot_be_joined_with_what_would_change_it() -> None:
    assert wrong(POD, pod(hostnameOverride="db.example.com")) == []
    found = wrong(POD, pod(hostnameOverride="A" * 65, setHostnameAsFQDN=True, hostNetwork=True))
    path = "spec.hostnameOverride"
    assert found[:3] == [
        f"{path}: Forbidden: may not be specified when setHostnameAsFQDN is true",
        f"{path}: Forbidden: may not be specified when hostNetwork is true",
        f"{path}: Too long: may not be more than 64 bytes",
    ]
    assert found[3].startswith(f'{path}: Invalid value: "{"A" * 65}": a lowercase RFC 1123 subdomain must consist')


def gated(**spec: Any) -> dict[str, Any]:
    return pod(schedulingGates=[{"name": "example.com/gate"}], **spec)


def node_affinity(*terms: list[str]) -> dict[str, Any]:
    """Returns a required affinity; a term is a list of labels that must exist."""
    exist = [{"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]} for keys in terms]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": exist}}}


def test_an_update_may_only_narrow_the_nodes_of_a_gated_pod() -> None:
    gate = gated()["spec"]["schedulingGates"]
    required = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"

    def update(before: dict[str, Any], **after: Any) -> list[str]:
        return [text.partition(": Invalid value")[0] for text in wrong_update(POD, before, as_stored(**after))]

    assert update(gated(), schedulingGates=gate, nodeSelector={"a": "1"}, affinity=node_affinity(["a"])) == []
    assert update(gated(), nodeSelector={"a": "1"}) == [], "the gate may go at the same time"
    selected = gated(nodeSelector={"a": "1"})
    assert update(selected, schedulingGates=gate, nodeSelector={"a": "1", "b": "2"}) == []
    assert update(selected, schedulingGates=gate, nodeSelector={"a": "2"}) == ["spec.nodeSelector"]
    affine = gated(affinity=node_affinity(["a"]))
    assert update(affine, schedulingGates=gate, affinity=node_affinity(["a", "b"])) == []
    assert update(affine, schedulingGates=gate, affinity=node_affinity(["b"])) == [f"{required}[0]"]
    assert update(affine, schedulingGates=gate, affinity=node_affinity(["a"], ["b"])) == [required]
    assert update(affine, schedulingGates=gate) == [required]
    (text,) = wrong_update(POD, pod(), as_stored(nodeSelector={"a": "1"}))
    assert text.startswith("spec: Forbidden: pod updates may not change fields other than")


def test_label_keys_are_merged_into_the_selectors_of_a_new_pod() -> None:
    selector = {"matchLabels": {"app": "web"}}
    keys = {"labelSelector": selector, "matchLabelKeys": ["version", "absent"], "topologyKey": "zone"}
    unlike = {"labelSelector": selector, "mismatchLabelKeys": ["version"], "topologyKey": "zone"}
    spread = keys | {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    tree = pod(
        topologySpreadConstraints=[spread],
        affinity={
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [keys]},
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": unlike}]
            },
        },
    )
    tree["metadata"] = {"name": "web", "labels": {"version": "2"}}
    spec = msgspec.to_builtins(created(POD, tree))["spec"]

    def added(operator: str) -> dict[str, Any]:
        return selector | {"matchExpressions": [{"key": "version", "operator": operator, "values": ["2"]}]}

    near, apart = spec["affinity"]["podAffinity"], spec["affinity"]["podAntiAffinity"]
    assert near["requiredDuringSchedulingIgnoredDuringExecution"][0]["labelSelector"] == added("In")
    preferred = apart["preferredDuringSchedulingIgnoredDuringExecution"][0]
    assert preferred["podAffinityTerm"]["labelSelector"] == added("NotIn")
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == added("In")


def test_an_update_may_not_change_anything_else() -> None:
    assert wrong_update(POD, pod(), as_stored(hostNetwork=True))[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
        "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions"
    )
    two = as_stored(containers=[container(), container(name="two")])
    assert wrong_update(POD, pod(), two) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_old_and_hidden_things_are_warned_of() -> None:
    obj = made_pod(
        nodeSelector={"beta.kubernetes.io/os": "linux"},
        containers=[container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])],
    )
    assert list(POD.warnings(obj)) == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ]
