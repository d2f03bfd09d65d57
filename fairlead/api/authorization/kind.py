"""Reviews of permissions (authorization.k8s.io/v1): the question in `spec`, the answer in `status`.

Source of the rules and their texts: upstream's validation of the group authorization.k8s.io.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import NAME
from fairlead.api.meta.types import LabelSelectorRequirement, Object, ObjectMeta, Record, Strings, empty_list
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Doc, Strategy
from fairlead.machinery.values.status import FieldError, invalid, required

Extra = dict[str, list[str]]
_RAW = "Selector as in the query of a request; only one of rawSelector and requirements may be set."


class FieldSelectorRequirement(Record):
    """Condition on one field: a key, an operator and values."""

    key: Annotated[str, Doc("Name of the field that the requirement is about.")] = msgspec.field(default_factory=str)
    operator: Annotated[str, Doc("Relation of the field's value to `values`: In, NotIn, Exists or DoesNotExist.")] = (
        msgspec.field(default_factory=str)
    )
    values: Annotated[
        Strings, Doc("Values to compare with; required for In and NotIn, forbidden for the other operators.")
    ] = []


class FieldSelectorAttributes(Record):
    """Field selector by which the checked request is limited."""

    rawSelector: Annotated[str, Doc(_RAW)] = ""
    requirements: Annotated[
        list[FieldSelectorRequirement], Atomic(), Doc("Parsed form of the field selector; all must be met.")
    ] = []


class LabelSelectorAttributes(Record):
    """Label selector by which the checked request is limited."""

    rawSelector: Annotated[str, Doc(_RAW)] = ""
    requirements: Annotated[
        list[LabelSelectorRequirement], Atomic(), Doc("Parsed form of the label selector; all must be met.")
    ] = []


class ResourceAttributes(Record):
    """Request for a resource of the API, described for an access check."""

    namespace: Annotated[
        str, Doc("Namespace of the request; empty for cluster-scoped resources and all namespaces.")
    ] = ""
    verb: Annotated[str, Doc("Verb of the request, such as get, list or create; * stands for all verbs.")] = ""
    group: Annotated[str, Doc("API group of the resource; empty for the core group, * for all groups.")] = ""
    version: Annotated[str, Doc("API version of the resource; * stands for all versions.")] = ""
    resource: Annotated[str, Doc("Resource in plural, such as pods; * stands for all resources.")] = ""
    subresource: Annotated[str, Doc("Subresource of the request, such as log; empty for the resource itself.")] = ""
    name: Annotated[str, Doc("Name of the object for a get or a delete; empty for all objects.")] = ""
    fieldSelector: (
        Annotated[FieldSelectorAttributes, Doc("Field selector of a list, watch or deletecollection.")] | None
    ) = None
    labelSelector: (
        Annotated[LabelSelectorAttributes, Doc("Label selector of a list, watch or deletecollection.")] | None
    ) = None


class NonResourceAttributes(Record):
    """Request for a path outside the API's resources, such as /healthz, described for an access check."""

    path: Annotated[str, Doc("Path of the request, such as /healthz or /metrics.")] = ""
    verb: Annotated[str, Doc("Method of the request in lower case, such as get.")] = ""


class SelfSubjectAccessReviewSpec(Record):
    """Action to check: a request either for a resource or for another path."""

    resourceAttributes: (
        Annotated[ResourceAttributes, Doc("Request for a resource; excludes nonResourceAttributes.")] | None
    ) = None
    nonResourceAttributes: (
        Annotated[NonResourceAttributes, Doc("Request for another path; excludes resourceAttributes.")] | None
    ) = None


class SubjectAccessReviewSpec(SelfSubjectAccessReviewSpec):
    """Action to check, and the user in question; at least a name or a group must be given."""

    user: Annotated[str, Doc("Name of the user in question; may be empty if groups are given.")] = ""
    groups: Annotated[Strings, Doc("Groups of the user in question, as authenticators would report them.")] = []
    extra: Annotated[
        Extra, Doc("Further attributes of the user in question, as authenticators would report them.")
    ] = {}
    uid: Annotated[str, Doc("UID of the user in question, if authenticators report one.")] = ""


class SubjectAccessReviewStatus(Record):
    """Answer to an access check."""

    allowed: Annotated[bool, Doc("True if the action would be permitted.")] = msgspec.field(default_factory=bool)
    denied: Annotated[
        bool, Doc("True if the action is forbidden for good; false with `allowed` false if no rule permits it.")
    ] = False
    reason: Annotated[str, Doc("Explanation of the decision, such as the binding that permits the action.")] = ""
    evaluationError: Annotated[str, Doc("Problem during the check, such as a role that does not exist.")] = ""


class SelfSubjectAccessReview(Object):
    """Check whether the user of the request may perform one action; answered in the status and not stored."""

    spec: Annotated[SelfSubjectAccessReviewSpec, Doc("Action to check for the user of the request.")] = msgspec.field(
        default_factory=SelfSubjectAccessReviewSpec
    )
    status: Annotated[SubjectAccessReviewStatus, Doc("Answer to the check; written by the server.")] = msgspec.field(
        default_factory=SubjectAccessReviewStatus
    )


class SubjectAccessReview(Object):
    """Check whether some user may perform one action; answered in the status and not stored."""

    spec: Annotated[SubjectAccessReviewSpec, Doc("Action to check, and the user in question.")] = msgspec.field(
        default_factory=SubjectAccessReviewSpec
    )
    status: Annotated[SubjectAccessReviewStatus, Doc("Answer to the check; written by the server.")] = msgspec.field(
        default_factory=SubjectAccessReviewStatus
    )


class LocalSubjectAccessReview(SubjectAccessReview):
    """Check whether some user may perform one action in the namespace of the review; not stored."""


class SelfSubjectRulesReviewSpec(Record):
    """Namespace for which the permitted actions are listed."""

    namespace: Annotated[str, Doc("Namespace in which the permissions are in force; required.")] = ""


class ResourceRule(Record):
    """Permission for some verbs on resources."""

    verbs: Annotated[Strings, Doc("Permitted verbs, such as get or list; * stands for all verbs.")] = msgspec.field(
        default_factory=empty_list
    )
    apiGroups: Annotated[
        Strings, Doc('API groups of the resources; "" is the core group, * stands for all groups.')
    ] = []
    resources: Annotated[Strings, Doc("Resources that the permission is for; * stands for all resources.")] = []
    resourceNames: Annotated[Strings, Doc("Names that the permission is limited to; all names if empty.")] = []


class NonResourceRule(Record):
    """Permission for some verbs on paths that are not resources."""

    verbs: Annotated[Strings, Doc("Permitted methods in lower case, such as get; * stands for all methods.")] = (
        msgspec.field(default_factory=empty_list)
    )
    nonResourceURLs: Annotated[Strings, Doc("Paths that the permission is for, possibly with a * at the end.")] = []


class SubjectRulesReviewStatus(Record):
    """List of the permissions of a user in a namespace."""

    resourceRules: Annotated[list[ResourceRule], Atomic(), Doc("Permissions on resources, in no particular order.")] = (
        msgspec.field(default_factory=empty_list)
    )
    nonResourceRules: Annotated[
        list[NonResourceRule], Atomic(), Doc("Permissions on paths that are not resources, in no particular order.")
    ] = msgspec.field(default_factory=empty_list)
    incomplete: Annotated[bool, Doc("True if some authorizer cannot list its rules.")] = msgspec.field(
        default_factory=bool
    )
    evaluationError: Annotated[str, Doc("Problem during the listing, such as a role that does not exist.")] = ""


class SelfSubjectRulesReview(Object):
    """List of the actions that the user of the request may perform in a namespace; not stored."""

    spec: Annotated[SelfSubjectRulesReviewSpec, Doc("Namespace to list the permissions for.")] = msgspec.field(
        default_factory=SelfSubjectRulesReviewSpec
    )
    status: Annotated[SubjectRulesReviewStatus, Doc("Permissions of the user; written by the server.")] = msgspec.field(
        default_factory=SubjectRulesReviewStatus
    )


def _no_metadata(meta: ObjectMeta, *, namespace: str = "") -> Iterator[FieldError]:
    """Yields an error for metadata beyond the namespace and what every request has."""
    given = msgspec.structs.replace(meta, managedFields=[], uid="", creationTimestamp=None)
    if given != ObjectMeta(namespace=namespace):
        text = "must be empty except for namespace" if namespace else "must be empty"
        yield invalid("metadata", to_tree(given), text)


def _action_errors(spec: SelfSubjectAccessReviewSpec) -> Iterator[FieldError]:
    resource, other = spec.resourceAttributes, spec.nonResourceAttributes
    if resource is not None and other is not None:
        why = "cannot be specified in combination with resourceAttributes"
        yield invalid("spec.nonResourceAttributes", to_tree(other), why)
    if resource is None and other is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid("spec.resourceAttributes", None, why)
    for name in ("fieldSelector", "labelSelector"):
        selector = getattr(resource, name, None)
        if selector is not None:
            yield from _selector_errors(selector, f"spec.resourceAttributes.{name}")


def _selector_errors(selector: FieldSelectorAttributes | LabelSelectorAttributes, path: str) -> Iterator[FieldError]:
    if selector.rawSelector and selector.requirements:
        yield invalid(f"{path}.rawSelector", selector.rawSelector, "may not specified at the same time as requirements")
    if not selector.rawSelector and not selector.requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        yield required(f"{path}.requirements", why)


def _self_errors(review: SelfSubjectAccessReview) -> Iterator[FieldError]:
    yield from _action_errors(review.spec)
    yield from _no_metadata(review.metadata)


def _subject_errors(review: SubjectAccessReview) -> Iterator[FieldError]:
    yield from _action_errors(review.spec)
    if not review.spec.user and not review.spec.groups:
        yield invalid("spec.user", review.spec.user, "at least one of user or group must be specified")
    yield from _no_metadata(review.metadata)


def _local_errors(review: LocalSubjectAccessReview) -> Iterator[FieldError]:
    namespace, spec = review.metadata.namespace, review.spec
    yield from _action_errors(spec)
    if not spec.user and not spec.groups:
        yield invalid("spec.user", spec.user, "at least one of user or group must be specified")
    yield from _no_metadata(review.metadata, namespace=namespace)
    if spec.resourceAttributes is not None and spec.resourceAttributes.namespace != namespace:
        where = "spec.resourceAttributes.namespace"
        yield invalid(where, spec.resourceAttributes.namespace, "must match metadata.namespace")
    if spec.nonResourceAttributes is not None:
        where = "spec.nonResourceAttributes"
        yield invalid(where, to_tree(spec.nonResourceAttributes), "disallowed on this kind of request")


LOCAL_SUBJECT_ACCESS_REVIEW_STRATEGY: Strategy[LocalSubjectAccessReview] = Strategy(
    type=LocalSubjectAccessReview, columns=(NAME,), rules=_local_errors
)
SELF_SUBJECT_ACCESS_REVIEW_STRATEGY: Strategy[SelfSubjectAccessReview] = Strategy(
    type=SelfSubjectAccessReview, columns=(NAME,), rules=_self_errors
)
SELF_SUBJECT_RULES_REVIEW_STRATEGY: Strategy[SelfSubjectRulesReview] = Strategy(
    type=SelfSubjectRulesReview, columns=(NAME,)
)
SUBJECT_ACCESS_REVIEW_STRATEGY: Strategy[SubjectAccessReview] = Strategy(
    type=SubjectAccessReview, columns=(NAME,), rules=_subject_errors
)
