"""Decides which objects an active namespace lacks for pods to use the API."""

from __future__ import annotations

import msgspec

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.namespace.kind import Namespace
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.api.meta.types import ObjectMeta
from fairlead.runtime.plan import NOTHING, Create, Plan, Update

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_ABOUT = "kubernetes.io/description"
_WHY = "The certificate of the authority that signed the API server's; pods check the server with it."


def reconcile(namespace: Namespace, account: ServiceAccount | None, root_ca: ConfigMap | None, *, ca_pem: str) -> Plan:
    if namespace.metadata.deletionTimestamp or namespace.status.phase == "Terminating":
        return NOTHING
    name = namespace.metadata.name
    create: list[Create] = []
    update: list[Update] = []
    if account is None:
        create.append(Create(SERVICE_ACCOUNT, ServiceAccount(metadata=ObjectMeta(name=ACCOUNT, namespace=name))))
    if root_ca is None:
        meta = ObjectMeta(name=ROOT_CA, namespace=name, annotations={_ABOUT: _WHY})
        create.append(Create(CONFIG_MAP, ConfigMap(metadata=meta, data={"ca.crt": ca_pem})))
    elif root_ca.data != {"ca.crt": ca_pem}:
        update.append(Update(CONFIG_MAP, msgspec.structs.replace(root_ca, data={"ca.crt": ca_pem}, binaryData={})))
    return Plan(create=tuple(create), update=tuple(update))
