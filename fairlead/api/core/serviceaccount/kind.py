"""A service account: who a pod is to the API."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.reference import LocalObjectReference, ObjectReference
from fairlead.api.meta.types import BY_NAME, Object
from fairlead.machinery.kind import Atomic, Column, Doc, GroupVersionKind, Kind, Subresource


class ServiceAccount(Object):
    """Who a pod is to the API."""

    automountServiceAccountToken: (
        Annotated[bool, Doc("Whether its pods get a token; yes unless said otherwise.")] | None
    ) = None
    imagePullSecrets: Annotated[
        list[LocalObjectReference], Atomic(), Doc("Secrets that its pods pull images with.")
    ] = []
    secrets: Annotated[list[ObjectReference], BY_NAME, Doc("Secrets that its pods may use.")] = []


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
        Column("Secrets", lambda account, _: len(account.secrets), doc="How many secrets it lists."),
        AGE,
    ),
)
