"""The use of every quota, kept up to date with each change in the caches.

What must stay true: the use is the sum of the objects in the caches and of admitted objects that are not written yet.
So any number of concurrent requests together stay within a quota. Upstream reserves by a write of the quota's status;
here the only server that admits objects also has all of them in its caches.

Objects are counted, and caches listened to, only while a quota exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.api.core.resourcequota import RESOURCE_QUOTA
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.quota.totals import ZERO, Amounts, add, minus, read
from fairlead.quota.usage import Evaluator, evaluator_of

if TYPE_CHECKING:
    from fairlead.api.core.resourcequota.kind import ResourceQuota


class Account:
    """One quota: its limits and their use."""

    def __init__(self, quota: ResourceQuota) -> None:
        self.quota = quota
        self.name = quota.metadata.name
        self.hard = read(quota.spec.hard)
        self.used: Amounts = dict.fromkeys(self.hard, ZERO)
        """Use by the objects in the caches."""
        self.reserved: dict[str, Amounts] = {}
        """Use by objects that were admitted and are not written yet, by the key of the reservation."""

    def share(self, amounts: Amounts) -> Amounts:
        """Returns the amounts that the quota limits."""
        return {name: amount for name, amount in amounts.items() if name in self.hard}

    def total(self) -> Amounts:
        """Returns the use with all reservations."""
        found = self.used
        for amounts in self.reserved.values():
            found = add(found, amounts)
        return found

    def change(self, before: Amounts, after: Amounts) -> None:
        """Counts an object with other amounts than before."""
        for name, amount in after.items():
            self.used[name] = add({name: self.used[name]}, {name: amount})[name]
        for name, amount in before.items():
            self.used[name] = minus(self.used[name], amount)


class QuotaLedger:
    """All quotas by namespace. Implements `Subscriber` of the Scheme."""

    def __init__(self, resources: Resources, scheme: Scheme, *, clock: Clock) -> None:
        self._resources = resources
        self._scheme = scheme
        self._clock = clock
        self._quotas = resources.of(RESOURCE_QUOTA)
        self._accounts: dict[str, dict[str, Account]] = {}
        self._evaluators: dict[Kind[Any], Evaluator | None] = {}
        self._listening: list[Resource] = []
        self._started = False
        self.changed: Callable[[str], None] = lambda _: None
        """Called with each namespace whose use or limits changed."""
        self.switched: Callable[[], None] = lambda: None
        """Called when the first quota came or the last one went."""
        self._quotas.cache.listeners[self] = self._on_quota
        scheme.subscribe(self)

    def evaluator(self, kind: Kind[Any]) -> Evaluator | None:
        """Returns how objects of a kind count."""
        if kind not in self._evaluators:
            self._evaluators[kind] = evaluator_of(kind)
        return self._evaluators[kind]

    @property
    def empty(self) -> bool:
        """Returns whether the cluster is without quotas."""
        self._start()
        return not self._accounts

    def accounts(self, namespace: str) -> list[Account]:
        """Returns the quotas of a namespace by name."""
        self._start()
        found = self._accounts.get(namespace)
        return [found[name] for name in sorted(found)] if found else []

    def namespaces(self) -> list[str]:
        """Returns the namespaces that have a quota."""
        self._start()
        return sorted(self._accounts)

    def usage(self, account: Account, evaluator: Evaluator, obj: Any) -> Amounts:
        """Returns what an object uses of a quota; nothing if the quota does not count the object."""
        if obj is None or not evaluator.counts(account.quota, obj):
            return {}
        return account.share(evaluator.usage(obj, self._clock.now()))

    def release(self, namespace: str, key: str) -> None:
        """Ends a reservation."""
        for account in self._accounts.get(namespace, {}).values():
            account.reserved.pop(key, None)

    def recount(self, namespace: str) -> None:
        """Counts all objects of a namespace anew, because the use of some depends on the time."""
        for account in self._accounts.get(namespace, {}).values():
            self._count(account, namespace)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The kind may have objects: at the start, custom kinds come after their objects."""
        if self._listening and kind.conversion is None:
            self._listen([self._resources.of(kind)])
            self._recount_users_of(kind)

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._listening = [resource for resource in self._listening if resource.kind is not kind]
        self._recount_users_of(kind)
        self._evaluators.pop(kind, None)

    def _recount_users_of(self, kind: Kind[Any]) -> None:
        """Counts all objects of the quotas that are about a kind."""
        evaluator = self.evaluator(kind)
        for namespace, accounts in self._accounts.items():
            for account in accounts.values():
                if evaluator is not None and evaluator.names(account.hard):
                    self._count(account, namespace)
                    self.changed(namespace)

    def _start(self) -> None:
        """Reads the quotas that were in the store when the server started."""
        if self._started:
            return
        self._started = True
        for entry in self._quotas.cache.select():
            self._put(entry)

    def _on_quota(self, event: Event) -> None:
        self._start()
        entry = event.entry
        if event.type != "DELETED":
            self._put(entry)
        elif accounts := self._accounts.get(entry.namespace):
            accounts.pop(entry.name, None)
            if not accounts:
                del self._accounts[entry.namespace]
                if not self._accounts:
                    self._silence()
        self.changed(entry.namespace)

    def _put(self, entry: Entry) -> None:
        quota: ResourceQuota = entry.decode()
        first = not self._accounts
        accounts = self._accounts.setdefault(entry.namespace, {})
        known = accounts.get(entry.name)
        if known is not None and known.quota.spec == quota.spec:
            known.quota = quota
            return
        if first:
            self._listen(resource for resource in self._resources if resource.kind.conversion is None)
            self.switched()
        account = accounts[entry.name] = Account(quota)
        self._count(account, entry.namespace)
        if known is not None:
            account.reserved = {key: account.share(amounts) for key, amounts in known.reserved.items()}

    def _listen(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            if resource is not self._quotas and self.evaluator(resource.kind) is not None:
                self._listening.append(resource)
                resource.cache.listeners[self] = self._on_event

    def _silence(self) -> None:
        for resource in self._listening:
            resource.cache.listeners.pop(self, None)
        self._listening.clear()
        self.switched()

    def _on_event(self, event: Event) -> None:
        """Counts a change; the reservation of a created object ends."""
        entry = event.entry
        accounts = self._accounts.get(entry.namespace)
        evaluator = self.evaluator(entry.form.kind)
        if not accounts or evaluator is None:
            return
        new = entry.decode() if event.type != "DELETED" else None
        old = event.previous.decode() if event.previous is not None else None
        for account in accounts.values():
            before, after = self.usage(account, evaluator, old), self.usage(account, evaluator, new)
            if before != after:
                account.change(before, after)
                self.changed(entry.namespace)
            if event.type == "ADDED" and new is not None:
                account.reserved.pop(new.metadata.uid, None)

    def _count(self, account: Account, namespace: str) -> None:
        used: Amounts = dict.fromkeys(account.hard, ZERO)
        for resource in self._resources:
            evaluator = self.evaluator(resource.kind) if resource.kind.conversion is None else None
            if evaluator is None or not evaluator.names(account.hard):
                continue
            for entry in resource.cache.select(namespace):
                used = add(used, self.usage(account, evaluator, entry.decode()))
        account.used = used


def exceeded(account: Account, amounts: Mapping[str, Any]) -> list[str]:
    """Returns the names of the limits that would be exceeded if the amounts were used in addition."""
    total = add(account.total(), amounts)
    return [name for name in amounts if total[name].value > account.hard[name].value]
