"""Values that a new pod gets in addition to its defaults: an initial status and a QoS class.

`fairlead.apiserver.admission` adds the values of upstream's admission: account, token, priority, tolerations.
"""

from __future__ import annotations

from fairlead.api.core.amounts import total, value
from fairlead.api.core.pod.labelkeys import merge_label_keys
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.status import PodCondition, PodStatus
from fairlead.api.core.pod.types import Pod

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
# An hour and seven seconds: upstream recognizes its own tokens by the odd number.
_TOKEN_SECONDS = 3607
_TOLERATION_SECONDS = 300
_QOS_RESOURCES = ("cpu", "memory")


def prepare_pod(pod: Pod) -> Pod:
    spec = pod.spec
    pod.status = PodStatus(phase="Pending", qosClass=qos_class(spec))
    if spec.schedulingGates:
        text = "Scheduling is blocked due to non-empty scheduling gates"
        gated = PodCondition(type="PodScheduled", status="False", reason="SchedulingGated", message=text)
        pod.status.conditions = [gated]
    spec.serviceAccount = spec.serviceAccountName
    merge_label_keys(pod)
    return pod


def qos_class(spec: PodSpec) -> str:
    """Returns `Guaranteed`, `Burstable` or `BestEffort`, derived from the requests and limits of the containers."""
    if spec.resources is not None and (spec.resources.requests or spec.resources.limits):
        resources = [spec.resources]
    else:
        resources = [c.resources for c in (*spec.initContainers, *spec.containers)]
    asked = [r for r in resources if _positive(r.requests) or _positive(r.limits)]
    if not asked:
        return "BestEffort"
    limited = all(value(str(r.limits.get(name, 0))) > 0 for r in resources for name in _QOS_RESOURCES)
    same = all(
        total(r.requests.get(name, 0) for r in resources) == total(r.limits.get(name, 0) for r in resources)
        for name in _QOS_RESOURCES
    )
    return "Guaranteed" if limited and same else "Burstable"


def _positive(amounts: dict[str, str | int | float]) -> bool:
    return any(value(str(amounts[name])) > 0 for name in _QOS_RESOURCES if name in amounts)
