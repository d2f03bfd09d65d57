"""Sets the service account of a new Pod, checks that the account exists, and mounts its token into the containers.

Source: upstream's admission plug-in ServiceAccount.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.rules import MIRROR
from fairlead.api.core.pod.token import mount_token
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.ids import IdSource
from fairlead.machinery.kinds.kind import Kind

_DEFAULT = "default"
_LONGEST_S = 1.8
"""Longest wait of a Pod for the account "default" of its namespace, which a controller creates: upstream looks ten
times, at most 200 ms apart."""


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
        entry = await self._account(f"{namespace}/{name}", created_soon=name == _DEFAULT)
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

    async def _account(self, key: str, *, created_soon: bool) -> Entry | None:
        entry = self._accounts.get(key)
        if entry is not None or not created_soon:
            return entry
        created = asyncio.Event()
        listener = object()

        def changed(event: Event) -> None:
            if event.entry.key == key:
                created.set()

        self._accounts.listeners[listener] = changed
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_S):
                    await created.wait()
        finally:
            del self._accounts.listeners[listener]
        return self._accounts.get(key)
