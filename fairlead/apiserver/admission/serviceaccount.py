"""Sets the service account of a new Pod, checks that the account exists, and mounts its token into the containers.

Source: upstream's admission plug-in ServiceAccount.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.rules import MIRROR
from fairlead.api.core.pod.token import mount_token
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.ids import IdSource
from fairlead.machinery.kinds.kind import Kind

_DEFAULT = "default"


class ServiceAccounts(AdmissionPlugin):
    """Sets a new Pod's service account and mounts the account's token."""

    name = "ServiceAccount"

    def __init__(self, resources: Resources, *, ids: IdSource) -> None:
        self._accounts = resources.of(SERVICE_ACCOUNT).cache
        self._ids = ids

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is POD and not subresource

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        spec = pod.spec
        if MIRROR in pod.metadata.annotations:
            return
        spec.serviceAccountName = spec.serviceAccountName or _DEFAULT
        namespace, name = attributes.namespace, spec.serviceAccountName
        entry = self._accounts.get(f"{namespace}/{name}")
        if entry is None:
            text = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise attributes.denied(text)
        account: ServiceAccount = entry.decode()
        mounts = spec.automountServiceAccountToken
        if mounts is None:
            mounts = account.automountServiceAccountToken
        if mounts is not False:
            mount_token(pod, volume=f"kube-api-access-{self._ids.suffix()}")
        if not spec.imagePullSecrets:
            spec.imagePullSecrets = list(account.imagePullSecrets)
