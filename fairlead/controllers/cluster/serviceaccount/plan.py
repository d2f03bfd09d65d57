"""Decides whether an active namespace lacks the service account that its pods use by default."""

from __future__ import annotations

from fairlead.api.core.namespace.kind import Namespace
from fairlead.api.core.namespace.predicates import is_active
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.api.meta.types import ObjectMeta
from fairlead.runtime.plan import NOTHING, Create, Plan

ACCOUNT = "default"


def reconcile(namespace: Namespace, account: ServiceAccount | None) -> Plan:
    if account is not None or not is_active(namespace):
        return NOTHING
    meta = ObjectMeta(name=ACCOUNT, namespace=namespace.metadata.name)
    return Plan(create=(Create(SERVICE_ACCOUNT, ServiceAccount(metadata=meta)),))
