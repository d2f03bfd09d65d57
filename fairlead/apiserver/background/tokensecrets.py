"""Fills Secrets of the type `kubernetes.io/service-account-token`, and deletes them with their account.

Such a Secret names an account by annotation; the server adds the token, the authority's certificate and the namespace.
Source: upstream's tokens controller. It is part of the server, because only the server has the key.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec

from fairlead.api.core.secret.kind import SECRET, Secret
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.meta.deleteoptions import DeleteOptions, Preconditions
from fairlead.apiserver.auth.tokens import LEGACY_ISSUER, LegacyClaims, Tokens
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate
from fairlead.apiserver.registry.writers import Writers
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError

_TYPE = "kubernetes.io/service-account-token"
_MARK = _TYPE.encode()
_NAME = "kubernetes.io/service-account.name"
_UID = "kubernetes.io/service-account.uid"
_RETRY_S = 1.0


class TokenSecrets:
    """Follows Secrets and ServiceAccounts. Secrets of other types cost one search of their bytes."""

    def __init__(self, resources: Resources, writers: Writers, tokens: Tokens, *, ca_pem: str, log: Log) -> None:
        self._resources = resources
        self._writers = writers
        self._tokens = tokens
        self._ca = base64.b64encode(ca_pem.encode()).decode()
        self._log = log
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Runs until cancelled."""
        secrets, accounts = (self._resources.of(kind).cache for kind in (SECRET, SERVICE_ACCOUNT))
        secrets.listeners[self] = self._secret_changed
        accounts.listeners[self] = self._account_changed
        try:
            for entry in secrets.select():
                self._look_at(entry)
            while True:
                await self._wake.wait()
                self._wake.clear()
                due, self._due = self._due, {}
                for key in due:
                    await self._sync(key)
        finally:
            del secrets.listeners[self], accounts.listeners[self]

    def _secret_changed(self, event: Event) -> None:
        if event.type != "DELETED":
            self._look_at(event.entry)

    def _account_changed(self, event: Event) -> None:
        if event.type != "MODIFIED":
            for entry in self._resources.of(SECRET).cache.select(event.entry.namespace):
                self._look_at(entry)

    def _look_at(self, entry: Entry) -> None:
        if _MARK in entry.raw:
            self._due[entry.key] = None
            self._wake.set()

    async def _sync(self, key: str) -> None:
        try:
            await self._reconcile(key)
        except StatusError as error:
            if error.code not in (404, 409):
                self._log.warn("cannot write a service account's token", secret=key, error=error)
                await asyncio.sleep(_RETRY_S)
                self._due[key] = None
                self._wake.set()

    async def _reconcile(self, key: str) -> None:
        resource = self._resources.of(SECRET)
        entry = resource.cache.get(key)
        secret: Secret | None = entry.decode() if entry is not None else None
        if secret is None or secret.type != _TYPE or secret.metadata.deletionTimestamp:
            return
        meta = secret.metadata
        target = Target(resource, meta.namespace, meta.name)
        account = self._account_of(secret)
        if account is None:
            options = DeleteOptions(preconditions=Preconditions(uid=meta.uid))
            await self._writers.deleter.delete(target, options, internal())
        elif self._filled(secret, account) is not None:

            async def fill(current: Entry) -> Candidate:
                found: Secret = current.decode()
                return Candidate(self._filled(found, account) or found)

            await self._writers.updater.update(target, fill, WriteOptions(), internal())

    def _account_of(self, secret: Secret) -> Any:
        """Returns the metadata of the account that the Secret names, or None."""
        meta = secret.metadata
        name, uid = meta.annotations.get(_NAME, ""), meta.annotations.get(_UID, "")
        entry = self._resources.of(SERVICE_ACCOUNT).cache.get(f"{meta.namespace}/{name}")
        found = entry.decode().metadata if entry is not None else None
        return found if found is not None and uid in ("", found.uid) else None

    def _filled(self, secret: Secret, account: Any) -> Secret | None:
        """Returns the Secret with what is missing, or None if nothing is."""
        meta = secret.metadata
        namespace = base64.b64encode(meta.namespace.encode()).decode()
        data = secret.data | {"namespace": namespace} | ({"ca.crt": self._ca} if self._ca else {})
        if "token" not in data:
            claims = LegacyClaims(
                iss=LEGACY_ISSUER,
                namespace=meta.namespace,
                secret=meta.name,
                account=account.name,
                uid=account.uid,
                sub=f"system:serviceaccount:{meta.namespace}:{account.name}",
            )
            data["token"] = base64.b64encode(self._tokens.sign(claims).encode()).decode()
        annotations = meta.annotations | {_UID: account.uid}
        if (data, annotations) == (secret.data, meta.annotations):
            return None
        return msgspec.structs.replace(
            secret, data=data, metadata=msgspec.structs.replace(meta, annotations=annotations)
        )
