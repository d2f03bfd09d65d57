"""Admission with the real kubectl: a webhook in a Pod behind a Service, policies, quotas and Pod security."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from tests.apiserver.webhooks import Certificate, certificate
from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SERVICE = "service: {name: hook, namespace: hooks, path: /mark}"
SERVER = """\
import base64, http.server, json, os, ssl, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        name = request["object"]["metadata"].get("name", "")
        if name == "hang":
            time.sleep(1000)
        if name == "crash":
            os._exit(1)
        answer = {"uid": request["uid"], "allowed": name != "refused"}
        if name == "refused":
            answer["status"] = {"message": "not this one"}
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"marked": "by-webhook"}}]
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        answer["warnings"] = ["marked by the webhook"]
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
folder = os.environ.get("HOOK", "/etc/hook")
context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
server = http.server.ThreadingHTTPServer(("", 8443), Handler)
server.daemon_threads = True
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""

HOOK = """\
apiVersion: v1
kind: Namespace
metadata: {{name: hooks}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: watched, labels: {{watched: "yes"}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: hook, namespace: hooks}}
type: kubernetes.io/tls
data: {{tls.crt: {certificate}, tls.key: {key}}}
---
apiVersion: v1
kind: Service
metadata: {{name: hook, namespace: hooks}}
spec:
  selector: {{app: hook}}
  ports: [{{port: 443, targetPort: 8443}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: hook, namespace: hooks}}
spec:
  selector: {{matchLabels: {{app: hook}}}}
  template:
    metadata: {{labels: {{app: hook}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: server
        image: busybox
        command: [python3, /etc/code/server.py]
        readinessProbe: {{tcpSocket: {{port: 8443}}, periodSeconds: 1}}
        volumeMounts:
        - {{name: code, mountPath: /etc/code}}
        - {{name: tls, mountPath: /etc/hook}}
      volumes:
      - {{name: code, configMap: {{name: hook}}}}
      - {{name: tls, secret: {{secretName: hook}}}}
"""

CONFIGURATION = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: hook}}
webhooks:
- name: hook.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 1
  failurePolicy: {failure}
  clientConfig:
    caBundle: {bundle}
    {address}
  namespaceSelector: {{matchLabels: {{watched: "yes"}}}}
  rules:
  - {{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [configmaps]}}
"""

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few-replicas}
spec:
  matchConstraints:
    resourceRules:
    - {operations: [CREATE, UPDATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments, deployments/scale]}
  paramKind: {apiVersion: v1, kind: ConfigMap}
  variables:
  - {name: most, expression: "int(params.data.most)"}
  validations:
  - expression: object.spec.replicas <= variables.most
    messageExpression: "'at most ' + string(variables.most) + ' replicas'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few-replicas}
spec:
  policyName: few-replicas
  validationActions: [Deny]
  paramRef: {name: bounds, namespace: default, parameterNotFoundAction: Deny}
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bounded}}
"""

SIZED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: quota}
spec:
  replicas: 3
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: busybox, command: [sleep, "1000"], resources: {requests: {cpu: 100m}}}]
"""


@pytest.fixture(scope="module")
def apply(kubectl: Kubectl) -> Callable[[str], str]:
    def applied(text: str) -> str:
        (kubectl.manifests / "given.yaml").write_text(text)
        return kubectl("apply", "-f", "given.yaml")

    return applied


@pytest.fixture(scope="module")
def hook(kubectl: Kubectl, apply: Callable[[str], str]) -> Certificate:
    """Runs the webhook's Deployment; returns its certificate."""
    made = certificate("hook.hooks.svc")
    texts = {"certificate": base64.b64encode(made.pem).decode(), "key": base64.b64encode(made.key).decode()}
    apply(HOOK.format(**texts))
    (kubectl.manifests / "server.py").write_text(SERVER)
    kubectl("create", "configmap", "hook", "-n", "hooks", "--from-file=server.py")
    kubectl("rollout", "status", "deployment/hook", "-n", "hooks", "--timeout=120s")
    return made


def made_map(kubectl: Kubectl, name: str) -> tuple[int, str, str]:
    done = kubectl.try_("create", "configmap", name, "-n", "watched")
    return done.returncode, done.stdout, done.stderr


def test_a_webhook_in_a_pod_changes_refuses_hangs_and_crashes(
    kubectl: Kubectl, apply: Callable[[str], str], hook: Certificate
) -> None:
    apply(CONFIGURATION.format(address=SERVICE, failure="Fail", bundle=hook.bundle))
    code, _, errors = made_map(kubectl, "first")
    assert (code, errors) == (0, "Warning: marked by the webhook\n")
    shown = kubectl("get", "configmap", "first", "-n", "watched", "-o", "jsonpath={.metadata.labels.marked}")
    assert shown == "by-webhook"
    _, _, errors = made_map(kubectl, "refused")
    assert 'error: failed to create configmap: admission webhook "hook.example.com" denied the request: ' in errors
    assert errors.endswith("not this one\n")
    _, _, errors = made_map(kubectl, "hang")
    assert 'failed calling webhook "hook.example.com": failed to call webhook: Post ' in errors
    assert '"https://hook.hooks.svc:443/mark?timeout=1s": context deadline exceeded' in errors
    assert kubectl.try_("create", "configmap", "elsewhere").returncode == 0
    _, _, errors = made_map(kubectl, "crash")
    assert 'failed calling webhook "hook.example.com": failed to call webhook: Post ' in errors
    until("the webhook is back", lambda: made_map(kubectl, "again")[0] == 0)
    kubectl("scale", "deployment/hook", "-n", "hooks", "--replicas=0")

    def without_endpoints() -> bool:
        return "no endpoints available for service" in made_map(kubectl, "lost")[2]

    until("the failure without endpoints", without_endpoints)
    apply(CONFIGURATION.format(address=SERVICE, failure="Ignore", bundle=hook.bundle))
    assert made_map(kubectl, "ignored")[0] == 0
    kubectl("delete", "mutatingwebhookconfiguration", "hook")


def test_a_webhook_at_a_url_runs_in_the_network_of_a_node(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    made, folder = certificate("172.30.0.11"), kubectl.manifests
    for name, text in (("tls.crt", made.pem), ("tls.key", made.key), ("server.py", SERVER.encode())):
        (folder / name).write_bytes(text)
    kubectl("create", "namespace", "remote")
    kubectl("label", "namespace", "remote", "watched=yes")
    runner = kubectl.cluster.runner
    server_command = ("env", f"HOOK={folder}", "python3", str(folder / "server.py"))
    command = runner.command("shell", "--name", kubectl.cluster.name, "node1", "--", *server_command)
    with runner.start(command) as server:
        try:
            address = "url: https://172.30.0.11:8443/mark"
            apply(CONFIGURATION.format(address=address, failure="Fail", bundle=made.bundle))

            def marked() -> bool:
                done = kubectl.try_("create", "configmap", "a", "-n", "remote")
                return done.stderr == "Warning: marked by the webhook\n"

            until("the webhook at the URL", marked)
        finally:
            kubectl("delete", "mutatingwebhookconfiguration", "hook")
            server.terminate()


def test_a_policy_with_parameters_bounds_what_kubectl_scales(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    kubectl("create", "namespace", "bounded")
    kubectl("create", "configmap", "bounds", "--from-literal=most=2")
    apply(POLICY)
    image = ("--image=busybox", "-n", "bounded")
    kubectl("create", "deployment", "app", *image, "--replicas=2")
    done = kubectl.try_("create", "deployment", "big", *image, "--replicas=3")
    words = "ValidatingAdmissionPolicy 'few-replicas' with binding 'few-replicas' denied request: at most 2 replicas"
    assert words in done.stderr
    assert words in kubectl.try_("scale", "deployment/app", "-n", "bounded", "--replicas=3").stderr
    kubectl("patch", "configmap", "bounds", "-p", '{"data": {"most": "3"}}')
    kubectl("scale", "deployment/app", "-n", "bounded", "--replicas=3")
    kubectl("delete", "-f", "given.yaml")


def test_a_quota_holds_a_deployment_and_describe_shows_its_use(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    kubectl("create", "namespace", "quota")
    kubectl("create", "quota", "small", "-n", "quota", "--hard=pods=2,requests.cpu=1,count/configmaps=9")
    apply(SIZED)

    def described() -> list[list[str]]:
        text = kubectl("describe", "quota", "small", "-n", "quota")
        return [line.split() for line in text.splitlines() if line]

    expected = [
        ["Name:", "small"],
        ["Namespace:", "quota"],
        ["Resource", "Used", "Hard"],
        ["--------", "----", "----"],
        ["count/configmaps", "1", "9"],
        ["pods", "2", "2"],
        ["requests.cpu", "200m", "1"],
    ]
    until("the use", lambda: described() == expected)
    done = kubectl.try_("run", "more", "-n", "quota", "--image=busybox")
    assert done.stderr == (
        'Error from server (Forbidden): pods "more" is forbidden: failed quota: small: must specify requests.cpu for: '
        "more\n"
    )

    def refused() -> bool:
        events = kubectl("get", "events", "-n", "quota", "--field-selector=reason=FailedCreate")
        return "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2" in events

    until("the event of the refusal", refused)
    kubectl("scale", "deployment/app", "-n", "quota", "--replicas=1")
    until("the freed use", lambda: ["pods", "1", "2"] in described())


def test_a_namespaces_labels_hold_pods_to_a_standard(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "safe")
    kubectl("run", "early", "--image=busybox", "-n", "safe", "--command", "--", "sleep", "1000")
    labels = ("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
    done = kubectl.try_("label", "namespace", "safe", *labels)
    assert (done.returncode, done.stdout) == (0, "namespace/safe labeled\n")
    assert done.stderr.startswith(
        'Warning: existing pods in namespace "safe" violate the new PodSecurity enforce level "restricted:latest"\n'
        "Warning: early: allowPrivilegeEscalation != false, "
    )
    done = kubectl.try_("run", "late", "--image=busybox", "-n", "safe")
    assert 'pods "late" is forbidden: violates PodSecurity "restricted:latest": allowPriv' in done.stderr
    done = kubectl.try_("create", "deployment", "app", "--image=busybox", "-n", "safe")
    assert done.stderr.startswith('Warning: would violate PodSecurity "restricted:latest": allowPriv')
    assert done.returncode == 0


def test_kubectl_shows_webhooks_and_policies(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    apply(CONFIGURATION.format(address=SERVICE, failure="Ignore", bundle=certificate("x").bundle))
    assert kubectl("get", "mutatingwebhookconfigurations").splitlines()[0].split() == ["NAME", "WEBHOOKS", "AGE"]
    assert "hook.example.com" in kubectl("describe", "mutatingwebhookconfiguration", "hook")
    assert "failurePolicy" in kubectl("explain", "mutatingwebhookconfiguration.webhooks")
    kubectl("delete", "mutatingwebhookconfiguration", "hook")
    apply(POLICY)

    def observed() -> bool:
        status = json.loads(kubectl("get", "validatingadmissionpolicy", "few-replicas", "-o", "json"))["status"]
        return bool(status.get("observedGeneration") == 1)

    until("the check of types", observed)
    lines = kubectl("get", "validatingadmissionpolicy").splitlines()
    assert lines[0].split() == ["NAME", "VALIDATIONS", "PARAMKIND", "AGE"]
    assert lines[1].split()[:3] == ["few-replicas", "1", "v1/ConfigMap"]
    kubectl("delete", "-f", "given.yaml")
