"""Feeds the ServiceAccount controller: namespaces, and the account that each must have."""

from __future__ import annotations

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.meta.types import Object
from fairlead.base.keys import split_key
from fairlead.controllers.cluster.serviceaccount.plan import ACCOUNT, reconcile
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _ServiceAccounts(context).controller


class _ServiceAccounts:
    def __init__(self, context: Context) -> None:
        self._namespaces = context.informers.of(NAMESPACE)
        self._accounts = context.informers.of(SERVICE_ACCOUNT)
        applier = context.applier("serviceaccount-controller", account="service-account-controller")
        self.controller = Controller("serviceaccount", context.queue(), planned(self._reconcile, applier))
        self._namespaces.add_handler(lambda key, old, new: self.controller.queue.add(key))
        self._accounts.add_handler(self._on_account)

    def _on_account(self, key: str, old: Object | None, new: Object | None) -> None:
        namespace, name = split_key(key)
        if name == ACCOUNT:
            self.controller.queue.add(namespace)

    def _reconcile(self, key: str) -> Plan | None:
        namespace = self._namespaces.get(key)
        return reconcile(namespace, self._accounts.get(f"{key}/{ACCOUNT}")) if namespace is not None else None
