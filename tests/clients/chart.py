"""A Helm chart with every common kind, written for one test."""

from __future__ import annotations

from pathlib import Path

_HEAD = "apiVersion: v2\nname: shop\nversion: {version}\n"
VALUES = "replicas: 2\nmessage: first\nextra: false\n"
_META = "metadata:\n  name: {{ .Release.Name }}\n  labels: {app: {{ .Release.Name }}}\n"
_POD = "metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: web}]%s}"

TEMPLATES = {
    "configmap": "v1 ConfigMap|data: {message: {{ .Values.message | quote }}}",
    "secret": "v1 Secret|stringData: {token: {{ randAlphaNum 8 | quote }}}",
    "serviceaccount": "v1 ServiceAccount|automountServiceAccountToken: false",
    "service": "v1 Service|spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}",
    "persistentvolumeclaim": (
        "v1 PersistentVolumeClaim|spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"
    ),
    "resourcequota": 'v1 ResourceQuota|spec: {hard: {pods: "50"}}',
    "limitrange": "v1 LimitRange|spec: {limits: [{type: Container, defaultRequest: {cpu: 10m}}]}",
    "deployment": (
        "apps/v1 Deployment|spec:\n  replicas: {{ .Values.replicas }}\n  selector: {matchLabels: {app: web}}\n"
        f"  template:\n    {_POD % ''}"
    ),
    "statefulset": (
        "apps/v1 StatefulSet|spec:\n  serviceName: web\n  selector: {matchLabels: {app: web}}\n"
        f"  template:\n    {_POD % ''}"
    ),
    "daemonset": f"apps/v1 DaemonSet|spec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    {_POD % ''}",
    "job": f"batch/v1 Job|spec:\n  template:\n    {_POD % ', restartPolicy: Never'}",
    "cronjob": (
        'batch/v1 CronJob|spec:\n  schedule: "0 3 * * *"\n  jobTemplate:\n   spec:\n    template:\n'
        "     spec: {restartPolicy: Never, containers: [{name: web, image: web}]}"
    ),
    "horizontalpodautoscaler": (
        "autoscaling/v2 HorizontalPodAutoscaler|spec: {maxReplicas: 5, scaleTargetRef: "
        "{apiVersion: apps/v1, kind: Deployment, name: web}, metrics: [{type: Resource, resource: "
        "{name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}"
    ),
    "poddisruptionbudget": "policy/v1 PodDisruptionBudget|spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}",
    "ingress": (
        "networking.k8s.io/v1 Ingress|spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, "
        "pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}"
    ),
    "networkpolicy": "networking.k8s.io/v1 NetworkPolicy|spec: {podSelector: {}, policyTypes: [Ingress]}",
    "role": "rbac.authorization.k8s.io/v1 Role|rules: [{apiGroups: ['*'], resources: [pods], verbs: [get]}]",
    "rolebinding": (
        "rbac.authorization.k8s.io/v1 RoleBinding|roleRef: "
        "{apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}\n"
        "subjects: [{kind: ServiceAccount, name: web, namespace: default}]"
    ),
    "clusterrole": "rbac.authorization.k8s.io/v1 ClusterRole|rules: [{nonResourceURLs: [/metrics], verbs: [get]}]",
    "clusterrolebinding": (
        "rbac.authorization.k8s.io/v1 ClusterRoleBinding|roleRef: "
        "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: web}\n"
        "subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: dev}]"
    ),
    "storageclass": "storage.k8s.io/v1 StorageClass|provisioner: example.com/none",
    "priorityclass": "scheduling.k8s.io/v1 PriorityClass|value: 7",
    "webhook": (
        "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration|webhooks: [{name: a.example.com, "
        "admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Ignore, "
        "clientConfig: {service: {namespace: default, name: none}}, "
        "rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]}]"
    ),
}
"""The templates by file: apiVersion and kind, and what follows the metadata."""


def write(folder: Path, version: str) -> Path:
    """Writes the chart."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(_HEAD.format(version=version))
    (folder / "values.yaml").write_text(VALUES)
    for name, template in TEMPLATES.items():
        head, _, body = template.partition("|")
        api_version, kind = head.split()
        text = f"apiVersion: {api_version}\nkind: {kind}\n{_META}{body}\n"
        (folder / "templates" / f"{name}.yaml").write_text(text)
    extra = (
        f"{{{{ if .Values.extra }}}}\napiVersion: v1\nkind: ConfigMap\n{_META.replace('Name }}', 'Name }}-extra', 1)}"
    )
    (folder / "templates" / "extra.yaml").write_text(extra + "{{ end }}\n")
    return folder
