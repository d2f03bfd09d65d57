"""Reviews by which a client asks for its own permissions (authorization.k8s.io/v1)."""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Object, Record


class SelectorAttributes(Record):
    rawSelector: str = ""


class ResourceAttributes(Record):
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
    path: str = ""
    verb: str = ""


class SelfSubjectAccessReviewSpec(Record):
    resourceAttributes: ResourceAttributes | None = None
    nonResourceAttributes: NonResourceAttributes | None = None


class SelfSubjectAccessReview(Object):
    spec: SelfSubjectAccessReviewSpec = msgspec.field(default_factory=SelfSubjectAccessReviewSpec)


class SelfSubjectRulesReviewSpec(Record):
    namespace: str = ""


class SelfSubjectRulesReview(Object):
    spec: SelfSubjectRulesReviewSpec = msgspec.field(default_factory=SelfSubjectRulesReviewSpec)
