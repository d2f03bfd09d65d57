"""The types of FlowSchema: which requests belong to a flow, and its priority level."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import BY_TYPE, Int32, Object, Record, Time, empty_list
from fairlead.machinery.kinds.kind import Atomic, Doc, SetList


class PriorityLevelConfigurationReference(Record):
    """Reference by name to a PriorityLevelConfiguration."""

    name: Annotated[str, Doc("Name of the PriorityLevelConfiguration; required.")] = msgspec.field(default_factory=str)


class FlowDistinguisherMethod(Record):
    """Method that divides the requests of a schema into flows."""

    type: Annotated[
        str, Doc("Property that tells flows apart: ByUser for the user, ByNamespace for the object's namespace.")
    ] = msgspec.field(default_factory=str)


class UserSubject(Record):
    """Choice of a single user by name."""

    name: Annotated[str, Doc("Name of the user that matches, or * for each user; required.")] = msgspec.field(
        default_factory=str
    )


class GroupSubject(Record):
    """Choice of the users of a group."""

    name: Annotated[str, Doc("Name of the group that matches, or * for each group; required.")] = msgspec.field(
        default_factory=str
    )


class ServiceAccountSubject(Record):
    """Choice of service accounts of one namespace."""

    namespace: Annotated[str, Doc("Namespace of the service accounts that match; required.")] = msgspec.field(
        default_factory=str
    )
    name: Annotated[str, Doc("Name of the service account that matches, or * for all of the namespace; required.")] = (
        msgspec.field(default_factory=str)
    )


class Subject(Record):
    """Choice of users that make requests: one user, one group, or service accounts."""

    kind: Annotated[str, Doc("Type of the choice: User, Group or ServiceAccount; the field of that name is set.")] = (
        msgspec.field(default_factory=str)
    )
    user: Annotated[UserSubject, Doc("User that matches; set only if `kind` is User.")] | None = None
    group: Annotated[GroupSubject, Doc("Group whose users match; set only if `kind` is Group.")] | None = None
    serviceAccount: (
        Annotated[ServiceAccountSubject, Doc("Service accounts that match; set only if `kind` is ServiceAccount.")]
        | None
    ) = None


class ResourcePolicyRule(Record):
    """Choice of requests about objects."""

    verbs: Annotated[
        list[str], SetList(), Doc("Verbs of the requests that match, or * alone for any verb; at least one.")
    ] = msgspec.field(default_factory=empty_list)
    apiGroups: Annotated[
        list[str], SetList(), Doc("API groups of the requests that match, or * alone for any group; at least one.")
    ] = msgspec.field(default_factory=empty_list)
    resources: Annotated[
        list[str],
        SetList(),
        Doc("Resources of the requests that match, such as nodes/status, or * alone for any resource."),
    ] = msgspec.field(default_factory=empty_list)
    clusterScope: Annotated[bool, Doc("True to match requests that name no namespace; default false.")] = False
    namespaces: Annotated[
        list[str],
        SetList(),
        Doc("Namespaces of the requests that match, or * alone for any namespace; required unless clusterScope."),
    ] = msgspec.field(default_factory=empty_list)


class NonResourcePolicyRule(Record):
    """Choice of requests that are not about objects, such as health checks."""

    verbs: Annotated[
        list[str], SetList(), Doc("Verbs of the requests that match, or * alone for any verb; at least one.")
    ] = msgspec.field(default_factory=empty_list)
    nonResourceURLs: Annotated[
        list[str],
        SetList(),
        Doc("Paths of the requests that match, such as /healthz or /healthz/*, or * alone for any path."),
    ] = msgspec.field(default_factory=empty_list)


class PolicyRulesWithSubjects(Record):
    """Choice of requests by the user and by the object or path."""

    subjects: Annotated[list[Subject], Atomic(), Doc("Users whose requests match, at least one entry.")] = (
        msgspec.field(default_factory=empty_list)
    )
    resourceRules: Annotated[
        list[ResourcePolicyRule], Atomic(), Doc("Requests about objects that match; one entry must match.")
    ] = []
    nonResourceRules: Annotated[
        list[NonResourcePolicyRule], Atomic(), Doc("Requests about other paths that match; one entry must match.")
    ] = []


class FlowSchemaSpec(Record):
    """Desired state of a FlowSchema: requests and their priority level."""

    priorityLevelConfiguration: Annotated[
        PriorityLevelConfigurationReference, Doc("Reference to the priority level of the requests; required.")
    ] = msgspec.field(default_factory=PriorityLevelConfigurationReference)
    matchingPrecedence: Annotated[
        Int32,
        Doc("Order of the schemas, 1 to 10000: of those that match a request the lowest counts; default 1000."),
    ] = msgspec.field(default_factory=int)
    distinguisherMethod: (
        Annotated[
            FlowDistinguisherMethod, Doc("Method that divides the requests into flows; one flow for all if absent.")
        ]
        | None
    ) = None
    rules: Annotated[
        list[PolicyRulesWithSubjects], Atomic(), Doc("Choice of the schema's requests; one entry must match.")
    ] = []


class FlowSchemaCondition(Record):
    """Observation about a FlowSchema as one typed condition."""

    type: Annotated[str, Doc("Type of the condition; Dangling is True if the priority level does not exist.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""


class FlowSchemaStatus(Record):
    """Most recently observed state of a FlowSchema."""

    conditions: Annotated[
        list[FlowSchemaCondition], BY_TYPE, Doc("Most recent observations of the schema, one for each type.")
    ] = []


class FlowSchema(Object):
    """Choice of requests to the API server and their priority level. Fairlead stores it and shapes no traffic."""

    spec: Annotated[FlowSchemaSpec, Doc("Desired state of the schema: requests and their priority level.")] = (
        msgspec.field(default_factory=FlowSchemaSpec)
    )
    status: Annotated[FlowSchemaStatus, Doc("Most recently observed state of the schema; written by the system.")] = (
        msgspec.field(default_factory=FlowSchemaStatus)
    )
