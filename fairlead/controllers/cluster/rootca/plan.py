"""Decides whether the ConfigMap with the authority's certificate in an active namespace must be written."""

from __future__ import annotations

import msgspec

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.namespace.kind import Namespace
from fairlead.api.core.namespace.predicates import is_active
from fairlead.api.meta.types import ObjectMeta
from fairlead.runtime.plan import NOTHING, Create, Plan, Update

NAME = "kube-root-ca.crt"
_ABOUT = "kubernetes.io/description"
_WHY = "The certificate of the authority that signed the API server's; pods check the server with it."


def reconcile(namespace: Namespace, found: ConfigMap | None, *, ca_pem: str) -> Plan:
    data = {"ca.crt": ca_pem}
    if not is_active(namespace):
        return NOTHING
    if found is None:
        meta = ObjectMeta(name=NAME, namespace=namespace.metadata.name, annotations={_ABOUT: _WHY})
        return Plan(create=(Create(CONFIG_MAP, ConfigMap(metadata=meta, data=data)),))
    if found.data != data:
        return Plan(update=(Update(CONFIG_MAP, msgspec.structs.replace(found, data=data, binaryData={})),))
    return NOTHING
