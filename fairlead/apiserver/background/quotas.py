"""Writes the use of each quota into its status, as the ledger of admission counts it."""

from __future__ import annotations

import asyncio

from fairlead.api.core.resourcequota import RESOURCE_QUOTA
from fairlead.apiserver.admission.quota.ledger import Account, QuotaLedger
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.values.status import StatusError
from fairlead.quota.totals import written

_RECOUNT_S = 60.0
"""Time after which everything is counted anew: a Pod that is long overdue on a lost node stops counting."""
_PAUSE_S = 0.05
"""Time between two writes of a status, so that many changes take one write."""


class QuotaStatus:
    """Keeps the status of all quotas."""

    def __init__(self, resources: Resources, ledger: QuotaLedger, updater: Updater) -> None:
        self._quotas = resources.of(RESOURCE_QUOTA)
        self._ledger = ledger
        self._updater = updater
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        ledger.changed = self._note

    async def run(self) -> None:
        """Writes after each change, and counts anew once a minute. Runs until cancelled."""
        self._dirty.update(dict.fromkeys(self._ledger.namespaces()))
        while True:
            try:
                async with asyncio.timeout(_RECOUNT_S if not self._ledger.empty else None):
                    if not self._dirty:
                        await self._wake.wait()
            except TimeoutError:
                for namespace in self._ledger.namespaces():
                    self._ledger.recount(namespace)
                    self._dirty[namespace] = None
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            for namespace in dirty:
                await self.sync(namespace)
            await asyncio.sleep(_PAUSE_S)

    async def sync(self, namespace: str) -> None:
        """Writes the status of the quotas of a namespace."""
        for account in self._ledger.accounts(namespace):
            entry = self._quotas.cache.get(f"{namespace}/{account.name}")
            if entry is None or _is_current(entry, account):
                continue
            try:
                target = Target(self._quotas, namespace, account.name, "status")
                await self._updater.update(target, _change(account), WriteOptions(), internal())
            except StatusError as error:
                if error.code not in (404, 409):
                    raise

    def _note(self, namespace: str) -> None:
        self._dirty[namespace] = None
        self._wake.set()


def _is_current(entry: Entry, account: Account) -> bool:
    status = entry.decode().status
    return bool(status.hard == written(account.hard) and status.used == written(account.used))


def _change(account: Account) -> Change:
    async def change(entry: Entry) -> Candidate:
        quota = entry.decode()
        quota.status.hard = written(account.hard)
        quota.status.used = written(account.used)
        return Candidate(quota)

    return change
