"""The flow schemas and priority levels of every cluster: facts of upstream's bootstrap configuration.

Two of each kind are mandatory: their specs are fixed. The others are suggested: users may change them, after they set
the annotation that gives the server the right to restore them to `false`.
"""

from __future__ import annotations

from typing import TypeVar

from fairlead.api.flowcontrol.flowschema.types import (
    FlowDistinguisherMethod,
    FlowSchema,
    FlowSchemaSpec,
    GroupSubject,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfigurationReference,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)
from fairlead.api.flowcontrol.prioritylevelconfiguration.types import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
)
from fairlead.api.meta.types import ObjectMeta

_Either = TypeVar("_Either", FlowSchema, PriorityLevelConfiguration)

AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
"""Annotation of an object whose spec the server restores if the value is `true`."""
MANDATORY = frozenset({"exempt", "catch-all"})
"""Names of the mandatory objects of both kinds."""
_QUEUE_LENGTH = 50
_LEASES = "coordination.k8s.io"


def _meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, annotations={AUTO_UPDATE: "true"})


def _level(name: str, shares: int, lendable: int, queues: int, hand: int) -> PriorityLevelConfiguration:
    """Returns a limited level; one without queues rejects."""
    queuing = QueuingConfiguration(queues=queues, handSize=hand, queueLengthLimit=_QUEUE_LENGTH) if queues else None
    limited = LimitedPriorityLevelConfiguration(
        nominalConcurrencyShares=shares,
        lendablePercent=lendable,
        limitResponse=LimitResponse(type="Queue" if queues else "Reject", queuing=queuing),
    )
    return PriorityLevelConfiguration(
        metadata=_meta(name), spec=PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    )


def priority_levels() -> list[PriorityLevelConfiguration]:
    """Returns the priority levels of every cluster."""
    exempt = ExemptPriorityLevelConfiguration(nominalConcurrencyShares=0, lendablePercent=0)
    return [
        PriorityLevelConfiguration(
            metadata=_meta("exempt"), spec=PriorityLevelConfigurationSpec(type="Exempt", exempt=exempt)
        ),
        _level("catch-all", 5, 0, 0, 0),
        _level("system", 30, 33, 64, 6),
        _level("node-high", 40, 25, 64, 6),
        _level("leader-election", 10, 0, 16, 4),
        _level("workload-high", 40, 50, 128, 6),
        _level("workload-low", 100, 90, 128, 6),
        _level("global-default", 20, 50, 128, 6),
    ]


def _group(name: str) -> Subject:
    return Subject(kind="Group", group=GroupSubject(name=name))


def _user(name: str) -> Subject:
    return Subject(kind="User", user=UserSubject(name=name))


_ALL_USERS = [_group("system:unauthenticated"), _group("system:authenticated")]
_NODES = [_group("system:nodes")]
_SYSTEM_ACCOUNTS = [
    Subject(kind="ServiceAccount", serviceAccount=ServiceAccountSubject(namespace="kube-system", name="*"))
]
_MANAGER, _SCHEDULER = _user("system:kube-controller-manager"), _user("system:kube-scheduler")


def _rule(verbs: list[str], group: str, resources: list[str], *, cluster: bool) -> ResourcePolicyRule:
    return ResourcePolicyRule(
        verbs=verbs, apiGroups=[group], resources=resources, namespaces=["*"], clusterScope=cluster
    )


_EVERY_PATH = NonResourcePolicyRule(verbs=["*"], nonResourceURLs=["*"])
_PROBES = NonResourcePolicyRule(verbs=["get"], nonResourceURLs=["/healthz", "/readyz", "/livez"])
_EVERY_RESOURCE = _rule(["*"], "*", ["*"], cluster=True)


def _all_requests(*subjects: Subject) -> PolicyRulesWithSubjects:
    return PolicyRulesWithSubjects(
        subjects=list(subjects), resourceRules=[_EVERY_RESOURCE], nonResourceRules=[_EVERY_PATH]
    )


def _schema(name: str, level: str, precedence: int, method: str, rule: PolicyRulesWithSubjects) -> FlowSchema:
    spec = FlowSchemaSpec(
        priorityLevelConfiguration=PriorityLevelConfigurationReference(name=level),
        matchingPrecedence=precedence,
        distinguisherMethod=FlowDistinguisherMethod(type=method) if method else None,
        rules=[rule],
    )
    return FlowSchema(metadata=_meta(name), spec=spec)


def flow_schemas() -> list[FlowSchema]:
    """Returns the flow schemas of every cluster."""
    leases = _rule(["get", "create", "update"], _LEASES, ["leases"], cluster=False)
    heartbeats = [
        _rule(["*"], "", ["nodes", "nodes/status"], cluster=True),
        _rule(["*"], _LEASES, ["leases"], cluster=False),
    ]
    probes = PolicyRulesWithSubjects(subjects=_ALL_USERS, nonResourceRules=[_PROBES])
    elections = PolicyRulesWithSubjects(subjects=[_MANAGER, _SCHEDULER, *_SYSTEM_ACCOUNTS], resourceRules=[leases])
    health = PolicyRulesWithSubjects(subjects=_NODES, resourceRules=heartbeats)
    accounts = _group("system:serviceaccounts")
    return [
        _schema("exempt", "exempt", 1, "", _all_requests(_group("system:masters"))),
        _schema("probes", "exempt", 2, "", probes),
        _schema("system-leader-election", "leader-election", 100, "ByUser", elections),
        _schema("system-node-high", "node-high", 400, "ByUser", health),
        _schema("system-nodes", "system", 500, "ByUser", _all_requests(*_NODES)),
        _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", _all_requests(_MANAGER)),
        _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _all_requests(_SCHEDULER)),
        _schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", _all_requests(*_SYSTEM_ACCOUNTS)),
        _schema("service-accounts", "workload-low", 9000, "ByUser", _all_requests(accounts)),
        _schema("global-default", "global-default", 9900, "ByUser", _all_requests(*_ALL_USERS)),
        _schema("catch-all", "catch-all", 10_000, "ByUser", _all_requests(*_ALL_USERS)),
    ]


def restored(current: _Either, desired: _Either) -> _Either | None:
    """Returns the object with the fixed spec and annotation; None if the present object may stay."""
    updates = current.metadata.name in MANDATORY or _is_restored(current.metadata)
    annotation = "true" if updates else "false"
    spec_differs = updates and not _same_spec(current, desired)
    if not spec_differs and current.metadata.annotations.get(AUTO_UPDATE) == annotation:
        return None
    if spec_differs:
        current.spec = desired.spec
    current.metadata.annotations[AUTO_UPDATE] = annotation
    return current


def _is_restored(meta: ObjectMeta) -> bool:
    """Returns whether the annotation allows the server to restore the spec. Without the annotation, the first
    generation counts as the server's own."""
    return {"true": True, "false": False}.get(meta.annotations.get(AUTO_UPDATE, ""), meta.generation == 1)


def _same_spec(current: _Either, desired: _Either) -> bool:
    """Compares specs; users may change the settings of the exempt level."""
    if isinstance(current, PriorityLevelConfiguration) and current.metadata.name == "exempt":
        return True  # the checks hold the rest of the spec
    return current.spec == desired.spec
