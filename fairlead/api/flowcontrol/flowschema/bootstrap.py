"""The flow schemas of every cluster: facts of upstream's bootstrap configuration."""

from __future__ import annotations

from fairlead.api.flowcontrol.autoupdate import initial_meta
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

_LEASES = "coordination.k8s.io"


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
    return FlowSchema(metadata=initial_meta(name), spec=spec)


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
