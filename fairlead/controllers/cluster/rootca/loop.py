"""Feeds the publisher of the authority's certificate: namespaces, and the ConfigMap that each must have."""

from __future__ import annotations

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.base.keys import split_key
from fairlead.controllers.cluster.rootca.plan import NAME, reconcile
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _RootCAs(context).controller


class _RootCAs:
    def __init__(self, context: Context) -> None:
        self._ca_pem = context.ca_pem
        self._namespaces = context.informers.of(NAMESPACE)
        self._maps = context.informers.of(CONFIG_MAP, fields=f"metadata.name={NAME}")
        applier = context.applier("root-ca-certificate-publisher", account="root-ca-cert-publisher")
        self.controller = Controller("rootca", context.queue(), planned(self._reconcile, applier))
        self._namespaces.add_handler(lambda key, old, new: self.controller.queue.add(key))
        self._maps.add_handler(lambda key, old, new: self.controller.queue.add(split_key(key)[0]))

    def _reconcile(self, key: str) -> Plan | None:
        namespace = self._namespaces.get(key)
        if namespace is None:
            return None
        return reconcile(namespace, self._maps.get(f"{key}/{NAME}"), ca_pem=self._ca_pem)
