"""What stands between a decoded object and its creation: the namespace must live, and a Pod gets its account.

Source: upstream's admission plug-ins NamespaceLifecycle, ServiceAccount, Priority and RuntimeClass; default
tolerations are defaults of the kind (`fairlead.api.core.pod.create`).
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.core.pod.create import class_problem, mount_token
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.rules import MIRROR
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.api.scheduling.priorityclass.kind import PRIORITY_CLASS
from fairlead.apiserver.admission.priority import Priorities
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.ids import IdSource
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import StatusError, forbidden_request, namespace_terminating, not_found, qualified


class Admission:
    def __init__(self, resources: Resources, *, ids: IdSource) -> None:
        self._namespaces = resources.of(NAMESPACE)
        self._accounts = resources.of(SERVICE_ACCOUNT)
        self._priorities = Priorities(resources)
        self._ids = ids

    def on_create(self, kind: Kind[Any], obj: Any) -> None:
        """Raises StatusError 403, 404; completes a Pod."""
        if kind.namespaced:
            self._check_namespace(kind, obj)
        if kind is POD:
            self._give_account(obj)
            if why := self._priorities.complete(obj.spec) or class_problem(obj.spec):
                raise denied(kind, obj.metadata.name, why)
        elif kind is PRIORITY_CLASS and (why := self._priorities.second_default(obj)):
            raise denied(kind, obj.metadata.name, why)

    def on_update(self, kind: Kind[Any], new: Any) -> None:
        """Raises StatusError 403."""
        if kind is PRIORITY_CLASS and (why := self._priorities.second_default(new)):
            raise denied(kind, new.metadata.name, why)

    def on_delete(self, kind: Kind[Any], name: str) -> None:
        """Raises StatusError 403 for the objects that a cluster cannot be without."""
        if why := kind.undeletable.get(name):
            raise denied(kind, name, why)

    def _check_namespace(self, kind: Kind[Any], obj: Any) -> None:
        name = obj.metadata.namespace
        entry = self._namespaces.cache.get(name)
        if entry is None:
            raise not_found("namespaces", "", name)
        # The bytes say quickly that a namespace is not on its way out; nothing else in it holds this text.
        if b'"deletionTimestamp":' not in entry.raw:
            return
        namespace: Namespace = entry.decode()
        if namespace.metadata.deletionTimestamp is not None:
            raise namespace_terminating(kind.plural, kind.group, obj.metadata.name, name)

    def _give_account(self, pod: Pod) -> None:
        if MIRROR in pod.metadata.annotations:
            return
        namespace, name = pod.metadata.namespace, pod.spec.serviceAccountName
        entry = self._accounts.cache.get(f"{namespace}/{name}")
        if entry is None:
            raise denied(
                POD,
                pod.metadata.name,
                f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found',
            )
        account: ServiceAccount = entry.decode()
        wanted = pod.spec.automountServiceAccountToken
        if wanted is None:
            wanted = account.automountServiceAccountToken
        if wanted is not False:
            mount_token(pod, volume=f"kube-api-access-{self._ids.suffix()}")
        if not pod.spec.imagePullSecrets:
            pod.spec.imagePullSecrets = list(account.imagePullSecrets)


def denied(kind: Kind[Any], name: str, why: str) -> StatusError:
    """403 with the name of what was to be touched."""
    error = forbidden_request(f'{qualified(kind.plural, kind.group)} "{name}" is forbidden: {why}')
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    error.details.update({key: value for key, value in details.items() if value})
    return error
