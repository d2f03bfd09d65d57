"""Services created and shown by the real kubectl: create, expose, get, explain, api-resources."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import Kubectl

pytestmark = pytest.mark.slow

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {tier: front}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: webs}
spec:
  selector: {matchLabels: {app: webs}}
  template:
    metadata: {labels: {app: webs}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 8080}, {containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 8080}]}]}
"""


@pytest.fixture(scope="module")
def space(kubectl: Kubectl) -> str:
    """A namespace with one workload of each kind to expose."""
    kubectl("create", "namespace", "expose")
    kubectl("create", "serviceaccount", "default", namespace="expose")
    kubectl("create", "-f", kubectl.file("workloads.yaml", DEPLOYMENT), namespace="expose")
    return "expose"


def spec(kubectl: Kubectl, name: str, namespace: str = "default") -> dict[str, Any]:
    """Returns the spec of a Service without the fields that the server chose."""
    tree: dict[str, Any] = json.loads(kubectl("get", "svc", name, "-o", "json", namespace=namespace))["spec"]
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
        tree.pop(field, None)
    return tree


EXPOSED: list[tuple[str, list[str], dict[str, Any]]] = [
    ("deployment/web", [], {"selector": {"app": "web"}, "ports": [(None, 8080, 8080, "TCP")]}),
    ("deployment/web", ["--port=80"], {"ports": [(None, 80, 80, "TCP")]}),
    ("deployment/web", ["--port=80", "--target-port=8080"], {"ports": [(None, 80, 8080, "TCP")]}),
    ("deployment/web", ["--port=80", "--target-port=http"], {"ports": [(None, 80, "http", "TCP")]}),
    ("deployment/web", ["--port=53", "--protocol=UDP"], {"ports": [(None, 53, 53, "UDP")]}),
    ("deployment/web", ["--type=NodePort"], {"type": "NodePort"}),
    ("deployment/web", ["--type=LoadBalancer", "--load-balancer-ip=172.30.0.200"], {"loadBalancerIP": "172.30.0.200"}),
    ("deployment/web", ["--cluster-ip=None"], {"type": "ClusterIP"}),
    ("deployment/web", ["--external-ip=192.0.2.1"], {"externalIPs": ["192.0.2.1"], "externalTrafficPolicy": "Cluster"}),
    ("deployment/web", ["--session-affinity=ClientIP"], {"sessionAffinity": "ClientIP"}),
    ("deployment/web", ["--selector=app=other,tier=x"], {"selector": {"app": "other", "tier": "x"}}),
    (
        "rs/webs",
        [],
        {"selector": {"app": "webs"}, "ports": [("port-1", 8080, 8080, "TCP"), ("port-2", 53, 53, "UDP")]},
    ),
    ("rc/old", ["--port=81"], {"selector": {"app": "old"}, "ports": [(None, 81, 81, "TCP")]}),
    ("pod/one", [], {"selector": {"app": "one"}, "ports": [(None, 8080, 8080, "TCP")]}),
    ("svc/base", ["--port=82", "--target-port=8080"], {"ports": [(None, 82, 8080, "TCP")]}),
]


@pytest.mark.parametrize(("what", "flags", "want"), EXPOSED, ids=lambda found: str(found)[:40])
def test_expose_makes_the_service_that_is_asked_for(
    kubectl: Kubectl, space: str, request: pytest.FixtureRequest, what: str, flags: list[str], want: dict[str, Any]
) -> None:
    name = "e" + re.sub(r"\W", "", str(abs(hash(request.node.name))))
    if what == "svc/base" and kubectl.run("get", "svc", "base", namespace=space).returncode:
        kubectl("create", "service", "clusterip", "base", "--tcp=80", namespace=space)
    assert kubectl("expose", what, f"--name={name}", *flags, namespace=space) == f"service/{name} exposed\n"
    found = spec(kubectl, name, space)
    for field, value in want.items():
        if field == "ports":
            ports = [(p.get("name"), p["port"], p["targetPort"], p["protocol"]) for p in found["ports"]]
            assert ports == value
        else:
            assert found[field] == value


def test_expose_accepts_labels_a_dry_run_and_a_name(kubectl: Kubectl, space: str) -> None:
    kubectl("expose", "deployment/web", "--port=80", "--name=labelled", "--labels=a=b", namespace=space)
    labels = "jsonpath={.metadata.labels}"
    assert kubectl("get", "svc", "labelled", "-o", labels, namespace=space) == '{"a":"b"}'
    for way in ("client", "server"):
        flags = ["--port=80", "--name=dry", f"--dry-run={way}"]
        said = f"service/dry exposed ({'dry run' if way == 'client' else 'server dry run'})\n"
        assert kubectl("expose", "deployment/web", *flags, namespace=space) == said
    assert kubectl.run("get", "svc", "dry", namespace=space).returncode == 1
    assert kubectl("expose", "deployment/web", "--port=80", namespace=space) == "service/web exposed\n"
    done = kubectl.run("expose", "deployment/web", "--port=80", namespace=space)
    assert done.stderr == 'Error from server (AlreadyExists): services "web" already exists\n'


def test_expose_without_a_port_is_refused_by_kubectl(kubectl: Kubectl, space: str) -> None:
    kubectl("create", "deployment", "portless", "--image=nginx", namespace=space)
    done = kubectl.run("expose", "deployment/portless", namespace=space)
    assert done.stderr.startswith("error: couldn't find port via --port flag or introspection\n")


CREATED: list[tuple[list[str], dict[str, Any]]] = [
    (
        ["clusterip", "a", "--tcp=80:8080"],
        {
            "ports": [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}],
            "selector": {"app": "a"},
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    ),
    (
        ["clusterip", "b", "--clusterip=None"],
        {"selector": {"app": "b"}, "sessionAffinity": "None", "type": "ClusterIP"},
    ),
    (
        ["nodeport", "c", "--tcp=80", "--node-port=30222"],
        {
            "externalTrafficPolicy": "Cluster",
            "ports": [{"name": "80", "nodePort": 30222, "port": 80, "protocol": "TCP", "targetPort": 80}],
            "selector": {"app": "c"},
            "sessionAffinity": "None",
            "type": "NodePort",
        },
    ),
    (
        ["externalname", "d", "--external-name=x.example"],
        {
            "externalName": "x.example",
            "selector": {"app": "d"},
            "sessionAffinity": "None",
            "type": "ExternalName",
        },
    ),
]


@pytest.mark.parametrize(("arguments", "want"), CREATED, ids=lambda found: found[0] if isinstance(found, list) else "")
def test_create_service_makes_each_type(kubectl: Kubectl, arguments: list[str], want: dict[str, Any]) -> None:
    name = arguments[1]
    assert kubectl("create", "service", *arguments, namespace="kube-public") == f"service/{name} created\n"
    assert spec(kubectl, name, "kube-public") == want


def test_create_service_loadbalancer_waits_for_an_address(kubectl: Kubectl) -> None:
    kubectl("create", "service", "loadbalancer", "lb", "--tcp=80:8080", namespace="kube-public")
    found = spec(kubectl, "lb", "kube-public")
    assert (found["type"], found["allocateLoadBalancerNodePorts"]) == ("LoadBalancer", True)
    row = kubectl("get", "svc", "lb", "--no-headers", namespace="kube-public").split()
    assert (row[1], row[3], row[4]) == ("LoadBalancer", "<pending>", f"80:{found['ports'][0]['nodePort']}/TCP")


def test_create_service_without_ports_is_refused_by_kubectl(kubectl: Kubectl) -> None:
    done = kubectl.run("create", "service", "clusterip", "none")
    assert done.stderr == "error: at least one tcp port specifier must be provided\n"


TABLE = """\
apiVersion: v1
kind: Service
metadata: {name: cluster}
spec: {clusterIP: 10.96.10.100, selector: {app: web, a: b}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {type: ExternalName, externalName: a.example}
---
apiVersion: v1
kind: Service
metadata: {name: extra}
spec: {clusterIP: 10.96.10.101, externalIPs: [192.0.2.1, 192.0.2.2], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: webui}}
---
apiVersion: v1
kind: Service
metadata: {name: nodes}
spec:
  type: NodePort
  clusterIP: 10.100.100.200
  selector: {app: webui}
  ports:
  - {name: http, port: 80, nodePort: 30200}
  - {name: dns, port: 53, protocol: UDP, nodePort: 30201}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: LoadBalancer, clusterIP: 10.96.10.102, ports: [{port: 80, nodePort: 30202}]}
---
apiVersion: v1
kind: Service
metadata: {name: pending}
spec: {type: LoadBalancer, clusterIP: 10.96.10.103, ports: [{port: 80, nodePort: 32472}]}
"""
ROWS = """\
NAME       TYPE           CLUSTER-IP       EXTERNAL-IP                 PORT(S)                     AGE   SELECTOR
cluster    ClusterIP      10.96.10.100     <none>                      80/TCP                      0s    a=b,app=web
external   ExternalName   <none>           a.example                   <none>                      0s    <none>
extra      ClusterIP      10.96.10.101     192.0.2.1,192.0.2.2         80/TCP                      0s    <none>
headless   ClusterIP      None             <none>                      <none>                      0s    app=webui
nodes      NodePort       10.100.100.200   <none>                      80:30200/TCP,53:30201/UDP   0s    app=webui
outside    LoadBalancer   10.96.10.102     172.30.0.200,lb.a.example   80:30202/TCP                0s    <none>
pending    LoadBalancer   10.96.10.103     <pending>                   80:32472/TCP                0s    <none>
"""


def test_get_svc_is_upstreams_to_the_character(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "table")
    kubectl("create", "-f", kubectl.file("table.yaml", TABLE), namespace="table")
    status = {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}, {"hostname": "lb.a.example"}]}}
    patch = json.dumps({"status": status})
    assert (
        kubectl("patch", "svc", "outside", "--subresource=status", "--type=merge", "-p", patch, namespace="table")
        == "service/outside patched\n"
    )
    assert kubectl("get", "svc", "-o", "wide", namespace="table") == ROWS
    narrow = "".join(re.sub(r"  +\S+$", "", line.removesuffix("\n")) + "\n" for line in ROWS.splitlines())
    assert kubectl("get", "svc", namespace="table").splitlines() == [line.rstrip() for line in narrow.splitlines()]


def test_get_shows_the_network_s_other_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "kinds")
    rule = "--rule=a.example/x*=web:80,tls=cert"
    kubectl("create", "ingress", "way", "--class=c", rule, "--rule=b.example/=web:http", namespace="kinds")
    assert kubectl("get", "ing", namespace="kinds") == (
        "NAME   CLASS   HOSTS                 ADDRESS   PORTS     AGE\n"
        "way    c       a.example,b.example             80, 443   0s\n"
    )
    policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: none}\nspec: {}\n"
    kubectl("create", "-f", kubectl.file("policy.yaml", policy), namespace="kinds")
    assert kubectl("get", "netpol", namespace="kinds") == "NAME   POD-SELECTOR   AGE\nnone   <none>         0s\n"
    ranges = kubectl("get", "servicecidrs")
    assert ranges == "NAME         CIDRS          AGE\nkubernetes   10.96.0.0/12   0s\n"
    address = kubectl("get", "ipaddress", "10.96.0.1")
    assert address == "NAME        PARENTREF                     AGE\n10.96.0.1   services/default/kubernetes   0s\n"


def test_a_replication_controller_is_scaled(kubectl: Kubectl, space: str) -> None:
    assert kubectl("get", "rc", "old", "-o", "wide", namespace=space) == (
        "NAME   DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES   SELECTOR\n"
        "old    1         0         0       0s    web          nginx    app=old\n"
    )
    assert kubectl("scale", "rc/old", "--replicas=3", namespace=space) == "replicationcontroller/old scaled\n"
    assert kubectl("get", "rc", "old", "-o", "jsonpath={.spec.replicas}", namespace=space) == "3"


RESOURCES = """\
configmaps               cm       v1                       true    ConfigMap
endpoints                ep       v1                       true    Endpoints
events                   ev       v1                       true    Event
namespaces               ns       v1                       false   Namespace
nodes                    no       v1                       false   Node
pods                     po       v1                       true    Pod
replicationcontrollers   rc       v1                       true    ReplicationController
secrets                           v1                       true    Secret
serviceaccounts          sa       v1                       true    ServiceAccount
services                 svc      v1                       true    Service
controllerrevisions               apps/v1                  true    ControllerRevision
deployments              deploy   apps/v1                  true    Deployment
replicasets              rs       apps/v1                  true    ReplicaSet
leases                            coordination.k8s.io/v1   true    Lease
endpointslices                    discovery.k8s.io/v1      true    EndpointSlice
events                   ev       events.k8s.io/v1         true    Event
ingressclasses                    networking.k8s.io/v1     false   IngressClass
ingresses                ing      networking.k8s.io/v1     true    Ingress
ipaddresses              ip       networking.k8s.io/v1     false   IPAddress
networkpolicies          netpol   networking.k8s.io/v1     true    NetworkPolicy
servicecidrs                      networking.k8s.io/v1     false   ServiceCIDR
roles                             rbac.authorization.k8s.io/v1   true   Role
rolebindings   rbac.authorization.k8s.io/v1   true   RoleBinding
clusterroles   rbac.authorization.k8s.io/v1   false   ClusterRole
clusterrolebindings   rbac.authorization.k8s.io/v1   false   ClusterRoleBinding
priorityclasses          pc       scheduling.k8s.io/v1     false   PriorityClass
"""


def test_api_resources_has_upstreams_names(kubectl: Kubectl) -> None:
    found = {re.sub(r" +", " ", line) for line in kubectl("api-resources", "--no-headers").splitlines()}
    assert {re.sub(r" +", " ", line) for line in RESOURCES.splitlines()} <= found


def test_api_versions_lists_the_groups(kubectl: Kubectl) -> None:
    found = set(kubectl("api-versions").split())
    assert {"v1", "apps/v1", "discovery.k8s.io/v1", "events.k8s.io/v1", "networking.k8s.io/v1"} <= found


EXPLAINED = """\
KIND:       Service
VERSION:    v1

FIELD: ports <[]ServicePort>


DESCRIPTION:
    Ports of the service; required unless the service is headless or an
    ExternalName.
    Port of a service, and the port of the pods that its traffic is sent to.
\x20\x20\x20\x20
FIELDS:
  appProtocol\t<string>
    Application protocol of the port, as a hint for clients, such as
    kubernetes.io/h2c.

  name\t<string>
    Name of the port, a DNS label unique in the service; required if there are
    several ports.

  nodePort\t<integer>
    Port opened on every node if `type` is NodePort or LoadBalancer; allocated
    from the node port range if 0.

  port\t<integer>
    Port number that clients connect to on the service's address, 1 to 65535.

  protocol\t<string>
  enum: SCTP, TCP, UDP
    Transport protocol of the port: TCP (default), UDP or SCTP.

  targetPort\t<IntOrString>
    Port on the pods, as a number or the name of a container port; default: the
    value of `port`.


"""


def test_explain_tells_every_field_of_a_service_s_ports(kubectl: Kubectl) -> None:
    assert kubectl("explain", "service.spec.ports") == EXPLAINED


@pytest.mark.parametrize(
    "kind", ["servicecidr", "ipaddress", "ingress", "ingressclass", "netpol", "rc", "events.v1.events.k8s.io", "svc"]
)
def test_explain_describes_every_field_of_the_network_s_kinds(kubectl: Kubectl, kind: str) -> None:
    api = kind.partition(".")
    extra = ["--api-version=events.k8s.io/v1"] if api[1] else []
    text = kubectl("explain", api[0], "--recursive=false", *extra)
    assert "FIELDS:" in text
    for part in ("spec", "status"):
        if f"\n  {part}\t" in text:
            assert "<no description>" not in kubectl("explain", f"{api[0]}.{part}", *extra)
