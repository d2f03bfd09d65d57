"""StatefulSet and DaemonSet: defaults, refusals in upstream's words, columns."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, made, updated, wrong, wrong_update

LABELS = {"app": "db"}
NEGATIVE = "must be greater than or equal to 0"


def template(labels: dict[str, str] | None = None, **spec: Any) -> Tree:
    given = LABELS if labels is None else labels
    return {"metadata": {"labels": given}, "spec": {"containers": [container()]} | spec}


def with_spec(**spec: Any) -> Tree:
    return {"spec": {"selector": {"matchLabels": LABELS}, "template": template()} | spec}


def claim(name: str = "data", **spec: Any) -> Tree:
    resources = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources} | spec}


def rolling(**limits: Any) -> Tree:
    return with_spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": limits})


ROLLING, PERCENT = (
    "spec.updateStrategy.rollingUpdate",
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')",
)
BOTH: list[tuple[Tree, list[str]]] = [
    (with_spec(), []),
    (
        with_spec(template=template({"app": "web"})),
        ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ),
    (
        with_spec(template=template(restartPolicy="Never")),
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ),
    (with_spec(minReadySeconds=-1), [f"spec.minReadySeconds: Invalid value: -1: {NEGATIVE}"]),
]
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    *((kind, tree, expected) for kind in (STATEFUL_SET, DAEMON_SET) for tree, expected in BOTH),
    (STATEFUL_SET, with_spec(revisionHistoryLimit=-1), []),
    (DAEMON_SET, with_spec(revisionHistoryLimit=-1), [f"spec.revisionHistoryLimit: Invalid value: -1: {NEGATIVE}"]),
    (
        STATEFUL_SET,
        with_spec(template=template(activeDeadlineSeconds=5)),
        ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"],
    ),
    (
        DAEMON_SET,
        with_spec(template=template(activeDeadlineSeconds=5)),
        ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"],
    ),
    (
        STATEFUL_SET,
        with_spec(selector={}),
        ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
    ),
    (DAEMON_SET, with_spec(selector={}), ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]),
    (
        STATEFUL_SET,
        with_spec(podManagementPolicy="Some", serviceName="A", replicas=-1, ordinals={"start": -1}),
        [
            "spec.podManagementPolicy: Invalid value: \"Some\": must be 'OrderedReady' or 'Parallel'",
            f"spec.replicas: Invalid value: -1: {NEGATIVE}",
            f"spec.ordinals.start: Invalid value: -1: {NEGATIVE}",
            'spec.serviceName: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric '
            "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ],
    ),
    (
        STATEFUL_SET,
        with_spec(persistentVolumeClaimRetentionPolicy={"whenScaled": "Keep"}),
        [
            'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: '
            '"Delete", "Retain"'
        ],
    ),
    (STATEFUL_SET, rolling(partition=-1), [f"{ROLLING}.partition: Invalid value: -1: {NEGATIVE}"]),
    (
        STATEFUL_SET,
        with_spec(updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 1}}),
        [f"{ROLLING}: Invalid value: {{\"partition\":1}}: only allowed for updateStrategy 'RollingUpdate'"],
    ),
    (
        STATEFUL_SET,
        with_spec(updateStrategy={"type": "Fast"}),
        ["spec.updateStrategy: Invalid value: {\"type\":\"Fast\"}: must be 'RollingUpdate' or 'OnDelete'"],
    ),
    (
        STATEFUL_SET,
        with_spec(
            volumeClaimTemplates=[claim()],
            template=template(containers=[container(volumeMounts=[{"name": "data", "mountPath": "/data"}])]),
        ),
        [],
    ),
    (
        STATEFUL_SET,
        with_spec(volumeClaimTemplates=[claim(accessModes=[])]),
        ["spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"],
    ),
    (DAEMON_SET, rolling(maxUnavailable="10%"), []),
    (DAEMON_SET, rolling(maxUnavailable=0, maxSurge="100%"), []),
    (
        DAEMON_SET,
        rolling(maxUnavailable=1, maxSurge=1),
        [f"{ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
    ),
    (
        DAEMON_SET,
        rolling(maxUnavailable=0),
        [f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    ),
    (
        DAEMON_SET,
        rolling(maxUnavailable="110%"),
        [f'{ROLLING}.maxUnavailable: Invalid value: "110%": must not be greater than 100%'],
    ),
    (
        DAEMON_SET,
        rolling(maxUnavailable="all"),
        [
            f'{ROLLING}.maxUnavailable: Invalid value: "all": {PERCENT}',
            f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ],
    ),
    (
        DAEMON_SET,
        with_spec(updateStrategy={"type": "Fast"}),
        ['spec.updateStrategy: Unsupported value: {"type":"Fast"}: supported values: "OnDelete", "RollingUpdate"'],
    ),
]


@pytest.mark.parametrize(("kind", "tree", "expected"), WRONG)
def test_sets_are_checked_in_upstreams_words(kind: Kind[Any], tree: Tree, expected: list[str]) -> None:
    assert wrong(kind, tree) == expected


def test_a_stateful_set_has_upstreams_defaults() -> None:
    found = made(STATEFUL_SET, with_spec(volumeClaimTemplates=[claim()]))
    spec, policy = found.spec, found.spec.persistentVolumeClaimRetentionPolicy
    assert (spec.replicas, spec.revisionHistoryLimit, spec.podManagementPolicy) == (1, 10, "OrderedReady")
    assert (spec.updateStrategy.type, spec.updateStrategy.rollingUpdate.partition) == ("RollingUpdate", 0)
    assert (policy.whenDeleted, policy.whenScaled) == ("Retain", "Retain")
    (one,) = spec.volumeClaimTemplates
    assert (one.kind, one.apiVersion, one.status.phase) == ("PersistentVolumeClaim", "v1", "Pending")
    assert one.spec.volumeMode == "Filesystem"
    on_delete = made(STATEFUL_SET, with_spec(updateStrategy={"type": "OnDelete"})).spec.updateStrategy
    assert on_delete.rollingUpdate is None


def test_a_field_of_a_stateful_set_that_is_off_in_this_version_is_removed() -> None:
    assert created(STATEFUL_SET, rolling(maxUnavailable=2)).spec.updateStrategy.rollingUpdate.maxUnavailable is None


def test_a_daemon_set_has_upstreams_defaults_and_counts_changes_of_its_template() -> None:
    found = created(DAEMON_SET, with_spec())
    strategy = found.spec.updateStrategy
    assert (strategy.type, strategy.rollingUpdate.maxUnavailable, strategy.rollingUpdate.maxSurge) == (
        "RollingUpdate",
        1,
        0,
    )
    generation = "deprecated.daemonset.template.generation"
    assert (found.spec.revisionHistoryLimit, found.metadata.annotations) == (10, {generation: "1"})
    changed = with_spec(template=template(containers=[container(image="nginx:2")]))
    assert updated(DAEMON_SET, with_spec(), changed).metadata.annotations == {generation: "2"}
    assert updated(DAEMON_SET, with_spec(), with_spec(minReadySeconds=1)).metadata.annotations == {generation: "1"}


def test_only_some_fields_of_a_stateful_set_may_change() -> None:
    allowed = with_spec(
        replicas=3,
        minReadySeconds=2,
        revisionHistoryLimit=3,
        ordinals={"start": 1},
        updateStrategy={"type": "OnDelete"},
        template=template(containers=[container(image="nginx:2")]),
    )
    assert wrong_update(STATEFUL_SET, with_spec(), allowed) == []
    frozen = [
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
        "forbidden"
    ]
    assert wrong_update(STATEFUL_SET, with_spec(), with_spec(serviceName="db")) == frozen
    assert wrong_update(STATEFUL_SET, with_spec(), with_spec(volumeClaimTemplates=[claim()])) == frozen


def test_the_selector_of_a_daemon_set_is_immutable() -> None:
    other = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template({"app": "x"})}}
    assert wrong_update(DAEMON_SET, with_spec(), other) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'
    ]


def test_a_count_of_hash_collisions_only_grows() -> None:
    for kind in (STATEFUL_SET, DAEMON_SET):
        old, new = (made(kind, with_spec() | {"status": status}) for status in ({"collisionCount": 2}, {}))
        assert [str(error) for error in kind.transition(old, new)] == [
            "status.collisionCount: Invalid value: 0: cannot be decremented"
        ]


def test_the_counts_in_the_status_of_a_stateful_set_are_plausible() -> None:
    status = {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3}
    found = made(STATEFUL_SET, with_spec() | {"status": status})
    assert [str(error) for error in STATEFUL_SET.rules(found)] == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.readyReplicas",
    ]


def test_the_columns_of_sets_show_their_counts() -> None:
    status = {"replicas": 2, "readyReplicas": 1}
    found = made(STATEFUL_SET, with_spec(replicas=2) | {"status": status})
    assert [column.cell(found, Instant(0.0)) for column in STATEFUL_SET.columns] == [
        "x",
        "1/2",
        "<unknown>",
        "web",
        "nginx:1.14",
    ]
    counts = {"desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberReady": 1}
    daemons = made(DAEMON_SET, with_spec(template=template(nodeSelector={"disk": "fast"})) | {"status": counts})
    cells = [column.cell(daemons, Instant(0.0)) for column in DAEMON_SET.columns]
    assert cells == ["x", 3, 2, 1, 0, 0, "disk=fast", "<unknown>", "web", "nginx:1.14", "app=db"]
