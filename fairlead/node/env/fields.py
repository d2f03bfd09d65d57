"""Values from the pod itself: `fieldRef` and `resourceFieldRef`. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.machinery.values.quoting import go_quote

_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class FieldProblem(Exception):
    """The field or the container does not exist."""


def value_of(pod: Pod, path: str) -> str:
    """Returns the text of one field. Raises FieldProblem."""
    keyed = _KEYED.fullmatch(path)
    if keyed:
        values = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return values.get(keyed[2], "")
    status = pod.status
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.nodeName,
        "spec.serviceAccountName": pod.spec.serviceAccountName,
        "status.hostIP": status.hostIP,
        "status.hostIPs": ",".join(one.ip for one in status.hostIPs),
        "status.podIP": status.podIP,
        "status.podIPs": ",".join(one.ip for one in status.podIPs),
    }
    if path in simple:
        return simple[path]
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod.metadata.labels if path == "metadata.labels" else pod.metadata.annotations
        return "\n".join(f"{key}={go_quote(values[key])}" for key in sorted(values))
    raise FieldProblem(f"unsupported fieldPath: {path}")


def resource_value(container: Container, resource: str, divisor: Fraction, allocatable: Mapping[str, str]) -> str:
    """Returns `limits.cpu` or another resource in units of the divisor, rounded up; a missing limit is the node's whole
    capacity."""
    which, _, name = resource.partition(".")
    resources = container.resources
    if which == "limits":
        text = resources.limits.get(name, allocatable.get(name, "0"))
    elif which == "requests":
        text = resources.requests.get(name, resources.limits.get(name, "0"))
    else:
        raise FieldProblem(f"unsupported container resource: {resource}")
    return str(math.ceil(parse_quantity(str(text)) / divisor))
