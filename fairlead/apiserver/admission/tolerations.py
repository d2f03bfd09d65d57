"""Lets every Pod tolerate a failed node for five minutes, unless the Pod has such a toleration.

Source: upstream's admission plug-in DefaultTolerationSeconds.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.machinery.kinds.kind import Kind

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(AdmissionPlugin):
    """Adds the default tolerations to Pods."""

    name = "DefaultTolerationSeconds"

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and kind is POD and not subresource

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        for key in _TAINTS:
            if not any(_tolerates_eviction(t, key) for t in pod.spec.tolerations):
                added = Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=_SECONDS)
                pod.spec.tolerations.append(added)


def _tolerates_eviction(toleration: Toleration, key: str) -> bool:
    return toleration.key in ("", key) and toleration.effect in ("", "NoExecute")
