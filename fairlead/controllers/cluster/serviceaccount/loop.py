"""Feeds the ServiceAccount controller: namespaces, and the two objects that each must have."""

from __future__ import annotations

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.meta.types import Object
from fairlead.base.keys import split_key
from fairlead.controllers.cluster.serviceaccount.plan import ACCOUNT, ROOT_CA, reconcile
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _ServiceAccounts(context).controller


class _ServiceAccounts:
    def __init__(self, context: Context) -> None:
        self._ca_pem = context.ca_pem
        self._namespaces = context.informers.of(NAMESPACE)
        self._accounts = context.informers.of(SERVICE_ACCOUNT)
        self._root_cas = context.informers.of(CONFIG_MAP, fields=f"metadata.name={ROOT_CA}")
        self.controller = Controller(
            "serviceaccount", context.queue(), planned(self._reconcile, context.applier("serviceaccount-controller"))
        )
        self._namespaces.add_handler(lambda key, old, new: self.controller.queue.add(key))
        self._accounts.add_handler(self._on_named)
        self._root_cas.add_handler(self._on_named)

    def _on_named(self, key: str, old: Object | None, new: Object | None) -> None:
        namespace, name = split_key(key)
        if name in (ACCOUNT, ROOT_CA):
            self.controller.queue.add(namespace)

    def _reconcile(self, key: str) -> Plan | None:
        namespace = self._namespaces.get(key)
        if namespace is None:
            return None
        account, root_ca = self._accounts.get(f"{key}/{ACCOUNT}"), self._root_cas.get(f"{key}/{ROOT_CA}")
        return reconcile(namespace, account, root_ca, ca_pem=self._ca_pem)
