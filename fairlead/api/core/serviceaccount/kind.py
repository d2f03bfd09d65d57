"""The ServiceAccount kind: the identity of a pod's processes in the API."""

from typing import Annotated

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.reference import LocalObjectReference, ObjectReference
from fairlead.api.meta.types import BY_NAME, Object
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, GroupVersionKind, Kind, Subresource


class ServiceAccount(Object):
    """Identity under which the processes in a pod use the API."""

    automountServiceAccountToken: (
        Annotated[
            bool,
            Doc(
                "Set to false to mount no API token into pods of the account; default true, and pods may "
                "override the value."
            ),
        ]
        | None
    ) = None
    imagePullSecrets: Annotated[
        list[LocalObjectReference],
        Atomic(),
        Doc("References to secrets with registry credentials for images of the account's pods."),
    ] = []
    secrets: Annotated[
        list[ObjectReference],
        BY_NAME,
        Doc("References to secrets that pods of the account may use, if enforced by annotation."),
    ] = []


SERVICE_ACCOUNT = Kind(
    type=ServiceAccount,
    kind="ServiceAccount",
    plural="serviceaccounts",
    cached="object",
    delete_returns_object=True,
    subresources=(Subresource("token", GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"), ("create",)),),
    singular="serviceaccount",
    short_names=("sa",),
    columns=(
        NAME,
        Column("Secrets", lambda account, _: len(account.secrets), doc="Number of secrets that the account lists."),
        AGE,
    ),
)
