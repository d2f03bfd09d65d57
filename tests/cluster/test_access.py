"""Rights in a whole cluster: kubectl's questions, a Pod's token through the Service `kubernetes`, the
identities of the cluster's own components, and clusters that were made before there were roles."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"
ASK = f"""\
curl -sk -o /dev/null -w '%{{http_code}}' -H "Authorization: Bearer $(cat {SECRETS}/token)" \
https://kubernetes.default.svc$0
"""


def kubectl(cluster: Cluster, *arguments: str, stdin: str = "", good: bool = True) -> str:
    command = ["kubectl", "--kubeconfig", str(cluster.state / "kubeconfig"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=180)
    assert not good or done.returncode == 0, done.stderr
    return done.stdout.strip() if good else (done.stdout + done.stderr).strip()


def may(cluster: Cluster, *words: str) -> str:
    return kubectl(cluster, "auth", "can-i", *words, good=False).splitlines()[0]


def forbidden_lines(cluster: Cluster) -> list[str]:
    """Returns the lines of the components' logs about requests that were forbidden."""
    found = []
    for log in sorted((cluster.state / "logs").glob("*.log")):
        found += [f"{log.name}: {line}" for line in log.read_text().splitlines() if "forbidden" in line]
    return found


@pytest.fixture(scope="module", params=["root", "user"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with new_cluster(request.param) as made:
        made.up("--nodes", "2", "--api-port", str(free_port()))
        yield made


def run_pod(cluster: Cluster, name: str, account: str = "default") -> None:
    container: dict[str, Any] = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
    spec = {"serviceAccountName": account, "containers": [container], "terminationGracePeriodSeconds": 0}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl(cluster, "create", "-f", "-", stdin=json.dumps(pod))
    kubectl(cluster, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")


def test_kubectl_asks_and_answers_what_users_may_do(cluster: Cluster) -> None:
    assert "system:masters" in kubectl(cluster, "auth", "whoami")
    assert may(cluster, "delete", "nodes") == "yes"
    kubectl(cluster, "create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    kubectl(cluster, "create", "rolebinding", "reader", "--role=reader", "--user=ann", "--group=dev")
    kubectl(cluster, "create", "clusterrole", "urls", "--verb=get", "--non-resource-url=/metrics")
    kubectl(cluster, "create", "clusterrolebinding", "urls", "--clusterrole=urls", "--serviceaccount=default:web")
    for words, answer in (
        (("list", "pods", "--as=ann"), "yes"),
        (("get", "pods", "--subresource=log", "--as=bob", "--as-group=dev"), "yes"),
        (("list", "secrets", "--as=ann"), "no"),
        (("list", "pods", "--as=ann", "-n", "kube-system"), "no"),
        (("get", "/metrics", "--as=system:serviceaccount:default:web"), "yes"),
        (("get", "/metrics", "--as=ann"), "no"),
    ):
        assert may(cluster, *words) == answer, words
    listed = kubectl(cluster, "auth", "can-i", "--list", "--as=ann")
    assert any(line.split() == ["pods/log", "[]", "[]", "[get", "list]"] for line in listed.splitlines()), listed
    error = kubectl(cluster, "get", "secrets", "--as=ann", good=False)
    text = 'secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "default"'
    assert error == f"Error from server (Forbidden): {text}"
    assert kubectl(cluster, "auth", "whoami", "--as=ann", "-o", "jsonpath={.status.userInfo.username}") == "ann"


RECONCILED = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reconciled}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reconciled}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reconciled}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: eve}
"""


def test_kubectl_reconciles_roles_and_bindings(cluster: Cluster) -> None:
    assert "reconciled" in kubectl(cluster, "auth", "reconcile", "-f", "-", stdin=RECONCILED)
    assert may(cluster, "get", "pods", "--as=eve") == "yes"
    more = RECONCILED.replace("verbs: [get]", "verbs: [list]").replace("name: eve", "name: mallory")
    kubectl(cluster, "auth", "reconcile", "-f", "-", stdin=more)
    for words in (("list", "pods", "--as=mallory"), ("get", "pods", "--as=eve")):
        assert may(cluster, *words) == "yes", words
    other = RECONCILED.replace("kind: ClusterRole, name: reconciled", "kind: ClusterRole, name: view")
    kubectl(cluster, "auth", "reconcile", "-f", "-", stdin=other)
    assert kubectl(cluster, "get", "clusterrolebinding", "reconciled", "-o", "jsonpath={.roleRef.name}") == "view"


def test_a_pod_has_the_rights_of_its_account_and_its_token_ends_with_it(cluster: Cluster) -> None:
    run_pod(cluster, "asker")

    def asked(path: str) -> str:
        return kubectl(cluster, "exec", "asker", "--", "sh", "-c", ASK, path)

    pods = "/api/v1/namespaces/default/pods"
    assert (asked("/api"), asked(pods), asked("/openid/v1/jwks")) == ("200", "403", "200")
    kubectl(cluster, "create", "rolebinding", "pods", "--clusterrole=view", "--serviceaccount=default:default")
    assert (asked(pods), asked("/api/v1/namespaces/default/secrets")) == ("200", "403")
    kubectl(cluster, "delete", "rolebinding", "pods")
    assert asked(pods) == "403"
    token = kubectl(cluster, "exec", "asker", "--", "cat", f"{SECRETS}/token")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}

    def answer(path: str) -> str:
        return kubectl(cluster, "create", "-f", "-", "-o", f"jsonpath={{{path}}}", stdin=json.dumps(review))

    assert answer(".status.user.username") == "system:serviceaccount:default:default"
    assert answer(".status.user.extra['authentication\\.kubernetes\\.io/pod-name'][0]") == "asker"
    kubectl(cluster, "delete", "pod", "asker", "--wait")
    assert answer(".status.authenticated") in ("", "false")
    assert "invalidated" in answer(".status.error")


def test_no_component_asks_for_what_it_may_not_do(cluster: Cluster) -> None:
    kubectl(cluster, "create", "deployment", "web", "--image=fairlead/web", "--replicas=2")
    kubectl(cluster, "expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=LoadBalancer")
    kubectl(cluster, "rollout", "status", "deployment/web", "--timeout=120s")
    kubectl(cluster, "wait", "-n", "kube-system", "--for=condition=Ready", "pod", "--all", "--timeout=120s")
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    until("an address", lambda: kubectl(cluster, "get", "service", "web", "-o", path))
    kubectl(cluster, "scale", "deployment/web", "--replicas=1")
    kubectl(cluster, "rollout", "status", "deployment/web", "--timeout=120s")
    kubectl(cluster, "delete", "deployment,service", "web", "--wait")
    kubectl(cluster, "create", "namespace", "gone")
    kubectl(cluster, "delete", "namespace", "gone", "--wait")
    assert forbidden_lines(cluster) == []


def test_a_cluster_from_before_there_were_roles_keeps_its_rights_until_it_is_switched() -> None:
    with new_cluster("user") as made:
        port = str(free_port())
        made.up("--api-port", port)
        run_pod(made, "asker")
        made.fairlead("down")
        config = json.loads((made.state / "config.json").read_bytes())
        for key in ("authorization_mode", "state", "fairlead"):  # folders of that time lack a version
            del config[key]
        (made.state / "config.json").write_text(json.dumps(config))
        issued = json.loads((made.state / "pki" / "issued.json").read_bytes())
        for name in ("service-account", "kube-proxy"):
            del issued[name]
            for end in ("crt", "key"):
                (made.state / "pki" / f"{name}.{end}").unlink()
                del issued["files"][f"{name}.{end}"]
        (made.state / "pki" / "sa.key").write_text("5a" * 32)
        (made.state / "pki" / "issued.json").write_text(json.dumps(issued))
        made.up()
        kubectl(made, "wait", "--for=condition=Ready", "pod/asker", "--timeout=120s")
        words = ("list", "secrets", "--as=system:serviceaccount:default:default")
        assert may(made, *words) == "yes"
        assert "authorization: AlwaysAllow" in made.fairlead("status").stdout
        assert forbidden_lines(made) == []
        made.fairlead("down")
        made.up("--authorization-mode", "RBAC")
        kubectl(made, "wait", "--for=condition=Ready", "pod/asker", "--timeout=120s")
        assert may(made, *words) == "no"
        assert made.status()["authorizationMode"] == "RBAC"
        assert "authorization" not in made.fairlead("status").stdout
        until("the DNS pod", lambda: "True" in kubectl(made, *DNS_READY))
        made.fairlead("down")
        made.up()
        assert may(made, *words) == "no"


DNS_READY = (
    "get",
    "pods",
    "-n",
    "kube-system",
    "-o",
    "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}",
)
