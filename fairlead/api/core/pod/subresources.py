"""The subresources that only pods have."""

from __future__ import annotations

from fairlead.machinery.kinds.kind import GroupVersionKind, Subresource
from fairlead.machinery.kinds.subresources import CONNECT

POD_SUBRESOURCES = (
    Subresource("attach", GroupVersionKind("", "v1", "PodAttachOptions"), ("create", "get")),
    Subresource("binding", GroupVersionKind("", "v1", "Binding"), ("create",)),
    Subresource("eviction", GroupVersionKind("policy", "v1", "Eviction"), ("create",)),
    Subresource("exec", GroupVersionKind("", "v1", "PodExecOptions"), ("create", "get")),
    Subresource("log", GroupVersionKind("", "v1", "Pod"), ("get",)),
    Subresource("portforward", GroupVersionKind("", "v1", "PodPortForwardOptions"), ("create", "get")),
    Subresource("proxy", GroupVersionKind("", "v1", "PodProxyOptions"), CONNECT),
)
