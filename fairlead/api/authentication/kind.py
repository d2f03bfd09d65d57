"""Reviews of users (authentication.k8s.io/v1): the user of a token, and the user of the request."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import NAME
from fairlead.api.meta.types import Object, Record, Strings
from fairlead.machinery.kinds.kind import Doc, Strategy

Extra = dict[str, list[str]]


class UserInfo(Record):
    """User as authenticators report it: a name, a UID and groups."""

    username: Annotated[str, Doc("Name that identifies the user among all active users.")] = ""
    uid: Annotated[str, Doc("UID of the user, which distinguishes users that had the same name.")] = ""
    groups: Annotated[Strings, Doc("Names of the groups that the user is a member of.")] = []
    extra: Annotated[Extra, Doc("Further attributes of the user that the authenticator reports.")] = {}


class TokenReviewSpec(Record):
    """Token to check, and the audiences that the token must be for."""

    token: Annotated[str, Doc("Opaque bearer token to check; required.")] = ""
    audiences: Annotated[
        Strings, Doc("Audiences of the client, of which the token must have one; default the API server's.")
    ] = []


class TokenReviewStatus(Record):
    """Answer to the check of a token."""

    authenticated: Annotated[bool, Doc("True if the token is valid for a known user.")] = False
    user: Annotated[UserInfo, Doc("User that the token stands for, if the token is valid.")] = msgspec.field(
        default_factory=UserInfo
    )
    audiences: Annotated[Strings, Doc("Audiences that both the client and the token have, if the token is valid.")] = []
    error: Annotated[str, Doc("Problem that kept the token from being valid.")] = ""


class TokenReview(Object):
    """Check of a token, which names the user of the token; answered in the status and not stored."""

    spec: Annotated[TokenReviewSpec, Doc("Token to check, with the wanted audiences.")] = msgspec.field(
        default_factory=TokenReviewSpec
    )
    status: Annotated[TokenReviewStatus, Doc("Answer to the check; written by the server.")] = msgspec.field(
        default_factory=TokenReviewStatus
    )


class SelfSubjectReviewStatus(Record):
    """User that made the request."""

    userInfo: Annotated[UserInfo, Doc("Attributes of the user that made the request.")] = msgspec.field(
        default_factory=UserInfo
    )


class SelfSubjectReview(Object):
    """Question about the user of the request itself, for `kubectl auth whoami`; not stored."""

    status: Annotated[SelfSubjectReviewStatus, Doc("User of the request; written by the server.")] = msgspec.field(
        default_factory=SelfSubjectReviewStatus
    )


SELF_SUBJECT_REVIEW_STRATEGY: Strategy[SelfSubjectReview] = Strategy(type=SelfSubjectReview, columns=(NAME,))
TOKEN_REVIEW_STRATEGY: Strategy[TokenReview] = Strategy(type=TokenReview, columns=(NAME,))
