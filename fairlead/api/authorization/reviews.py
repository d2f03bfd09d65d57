"""Reviews by which a client asks for its own permissions (authorization.k8s.io/v1)."""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Object, Record


class SelectorAttributes(Record):
    """Label or field selector by which the checked request is limited."""

    rawSelector: str = ""


class ResourceAttributes(Record):
    """Request for a resource of the API, described for an access check."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    fieldSelector: SelectorAttributes | None = None
    labelSelector: SelectorAttributes | None = None


class NonResourceAttributes(Record):
    """Request for a path outside the API's resources, such as /healthz, described for an access check."""

    path: str = ""
    verb: str = ""


class SelfSubjectAccessReviewSpec(Record):
    """Action to check: a request either for a resource or for another path."""

    resourceAttributes: ResourceAttributes | None = None
    nonResourceAttributes: NonResourceAttributes | None = None


class SelfSubjectAccessReview(Object):
    """Check whether the user of the request may perform one action; answered in the status and not stored."""

    spec: SelfSubjectAccessReviewSpec = msgspec.field(default_factory=SelfSubjectAccessReviewSpec)


class SelfSubjectRulesReviewSpec(Record):
    """Namespace for which the permitted actions are listed."""

    namespace: str = ""


class SelfSubjectRulesReview(Object):
    """List of the actions that the user of the request may perform in a namespace; not stored."""

    spec: SelfSubjectRulesReviewSpec = msgspec.field(default_factory=SelfSubjectRulesReviewSpec)
