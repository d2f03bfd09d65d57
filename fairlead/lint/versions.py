"""API versions that Kubernetes no longer serves, and the minor release that removed them.

Source: the deprecated API migration guide of Kubernetes.
"""

from __future__ import annotations

from fairlead.base.texts import text

_APPS = ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_REVIEWS = ("LocalSubjectAccessReview", "SelfSubjectAccessReview", "SubjectAccessReview")

_REMOVED: dict[str, dict[tuple[str, ...], int]] = {
    "extensions/v1beta1": {(*_APPS, "NetworkPolicy", "PodSecurityPolicy"): 16, ("Ingress",): 22},
    "apps/v1beta1": {_APPS: 16},
    "apps/v1beta2": {_APPS: 16},
    "networking.k8s.io/v1beta1": {("Ingress", "IngressClass"): 22},
    "batch/v1beta1": {("CronJob",): 25},
    "batch/v2alpha1": {("CronJob",): 21},
    "policy/v1beta1": {("PodDisruptionBudget", "PodSecurityPolicy"): 25},
    "autoscaling/v2beta1": {("HorizontalPodAutoscaler",): 25},
    "autoscaling/v2beta2": {("HorizontalPodAutoscaler",): 26},
    "rbac.authorization.k8s.io/v1alpha1": {_RBAC: 22},
    "rbac.authorization.k8s.io/v1beta1": {_RBAC: 22},
    "apiextensions.k8s.io/v1beta1": {("CustomResourceDefinition",): 22},
    "apiregistration.k8s.io/v1beta1": {("APIService",): 22},
    "admissionregistration.k8s.io/v1beta1": {_WEBHOOKS: 22},
    "storage.k8s.io/v1beta1": {
        ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"): 22,
        ("CSIStorageCapacity",): 27,
    },
    "scheduling.k8s.io/v1alpha1": {("PriorityClass",): 17},
    "scheduling.k8s.io/v1beta1": {("PriorityClass",): 22},
    "settings.k8s.io/v1alpha1": {("PodPreset",): 20},
    "authentication.k8s.io/v1beta1": {("TokenReview",): 22},
    "authorization.k8s.io/v1beta1": {_REVIEWS: 22},
    "coordination.k8s.io/v1beta1": {("Lease",): 22},
    "certificates.k8s.io/v1beta1": {("CertificateSigningRequest",): 22},
    "discovery.k8s.io/v1beta1": {("EndpointSlice",): 25},
    "events.k8s.io/v1beta1": {("Event",): 25},
    "node.k8s.io/v1beta1": {("RuntimeClass",): 25},
    "flowcontrol.apiserver.k8s.io/v1beta1": {("FlowSchema", "PriorityLevelConfiguration"): 26},
    "flowcontrol.apiserver.k8s.io/v1beta2": {("FlowSchema", "PriorityLevelConfiguration"): 29},
    "flowcontrol.apiserver.k8s.io/v1beta3": {("FlowSchema", "PriorityLevelConfiguration"): 32},
}

SUCCESSORS = {
    "PodSecurityPolicy": text(
        "label the namespace, such as {label} (Pod Security)", label="pod-security.kubernetes.io/enforce: baseline"
    ),
    "PodPreset": text("write its settings into the Pod templates"),
}
"""Successors of kinds that no version has."""


def removed_in(api_version: str, kind: str) -> str:
    """Returns the release that removed a kind of this version, such as `1.16`; empty if none did."""
    for kinds, minor in _REMOVED.get(api_version, {}).items():
        if kind in kinds:
            return f"1.{minor}"
    return ""
