"""Ingress, IngressClass, NetworkPolicy and ReplicationController: defaults, and what is wrong in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.replicationcontroller.kind import REPLICATION_CONTROLLER
from fairlead.api.networking.ingress import INGRESS
from fairlead.api.networking.ingressclass import INGRESS_CLASS
from fairlead.api.networking.networkpolicy import NETWORK_POLICY
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, wrong, wrong_update

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
WEB: Tree = {"service": {"name": "web", "port": {"number": 80}}}


def ingress(**path: Any) -> Tree:
    one = {"path": "/", "pathType": "Prefix", "backend": WEB} | path
    return {"spec": {"rules": [{"host": "a.example", "http": {"paths": [one]}}]}}


def policy(**spec: Any) -> Tree:
    return {"spec": spec}


def ingress_class(controller: str = "example.com/c", **parameters: Any) -> Tree:
    return {"spec": {"controller": controller} | ({"parameters": parameters} if parameters else {})}


def rc(labels: dict[str, str] | None = None, **spec: Any) -> Tree:
    template = {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [container()]}}
    return {"spec": {"template": template} | spec}


PATH, BACKEND = "spec.rules[0].http.paths[0]", "spec.rules[0].http.paths[0].backend"
FROM = "spec.ingress[0].from[0]"
PARAMETERS = "spec.parameters"
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    (INGRESS, ingress(), []),
    (INGRESS, {"spec": {"defaultBackend": WEB}}, []),
    (INGRESS, {"spec": {}}, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
    (INGRESS, ingress(pathType=None), [f"{PATH}.pathType: Required value: pathType must be specified"]),
    (INGRESS, ingress(path="x"), [f'{PATH}.path: Invalid value: "x": must be an absolute path']),
    (
        INGRESS,
        ingress(path="/a//b/.."),
        [
            f"{PATH}.path: Invalid value: \"/a//b/..\": must not contain '//'",
            f"{PATH}.path: Invalid value: \"/a//b/..\": cannot end with '/..'",
        ],
    ),
    (INGRESS, ingress(path="", pathType="ImplementationSpecific"), []),
    (
        INGRESS,
        ingress(pathType="Regex"),
        [f'{PATH}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"'],
    ),
    (INGRESS, ingress(backend={}), [f'{BACKEND}: Invalid value: "": resource or service backend is required']),
    (
        INGRESS,
        ingress(backend=WEB | {"resource": {"kind": "K", "name": "n"}}),
        [f'{BACKEND}: Invalid value: "": cannot set both resource and service backends'],
    ),
    (
        INGRESS,
        ingress(backend={"resource": {"kind": "", "name": ""}}),
        [
            f"{BACKEND}.resource.kind: Required value",
            f"{BACKEND}.resource.name: Required value",
        ],
    ),
    (
        INGRESS,
        ingress(backend={"service": {"name": "", "port": {}}}),
        [f"{BACKEND}.service.name: Required value", f"{BACKEND}: Required value: port name or number is required"],
    ),
    (
        INGRESS,
        ingress(backend={"service": {"name": "web", "port": {"name": "http", "number": 80}}}),
        [f'{BACKEND}: Invalid value: "": cannot set both port name & port number'],
    ),
    (
        INGRESS,
        {"spec": {"defaultBackend": WEB, "rules": [{"host": "192.0.2.1"}]}},
        ['spec.rules[0].host: Invalid value: "192.0.2.1": must be a DNS name, not an IP address'],
    ),
    (INGRESS, {"spec": {"defaultBackend": WEB, "rules": [{"host": "*.a.example"}]}}, []),
    (
        INGRESS,
        {"spec": {"defaultBackend": WEB, "rules": [{"host": "a.*"}], "tls": [{"hosts": ["*"], "secretName": "A"}]}},
        [
            "spec.rules[0].host: Invalid value: \"a.*\": a wildcard DNS-1123 subdomain must start with '*.', followed "
            "by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end "
            "with an alphanumeric character (e.g. '*.example.com', regex used for validation is "
            "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.tls[0].hosts[0]: Invalid value: \"*\": a wildcard DNS-1123 subdomain must start with '*.', followed "
            "by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end "
            "with an alphanumeric character (e.g. '*.example.com', regex used for validation is "
            "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            f'spec.tls[0].secretName: Invalid value: "A": {SUBDOMAIN}',
        ],
    ),
    (NETWORK_POLICY, policy(), []),
    (NETWORK_POLICY, policy(ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": "http"}, {}]}]), []),
    (NETWORK_POLICY, policy(ingress=[{"from": [{}]}]), [f"{FROM}: Required value: must specify a peer"]),
    (
        NETWORK_POLICY,
        policy(ingress=[{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
        [f"{FROM}: Forbidden: may not specify both ipBlock and another peer"],
    ),
    (
        NETWORK_POLICY,
        policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16"]}}]}]),
        [f'{FROM}.ipBlock.except[1]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
    ),
    (NETWORK_POLICY, policy(ingress=[{"from": [{"ipBlock": {}}]}]), [f"{FROM}.ipBlock.cidr: Required value"]),
    (
        NETWORK_POLICY,
        policy(egress=[{"ports": [{"protocol": "ICMP"}, {"port": 80, "endPort": 70}, {"endPort": 1}]}]),
        [
            'spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
            "spec.egress[0].ports[1].endPort: Invalid value: 70: must be greater than or equal to `port`",
            "spec.egress[0].ports[2].endPort: Invalid value: 1: may not be specified when `port` is not specified",
        ],
    ),
    (
        NETWORK_POLICY,
        policy(egress=[{"ports": [{"port": "http", "endPort": 80}]}]),
        ["spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric"],
    ),
    (
        NETWORK_POLICY,
        policy(policyTypes=["Ingress", "Both"]),
        ['spec.policyTypes[1]: Unsupported value: "Both": supported values: "Egress", "Ingress"'],
    ),
    (
        NETWORK_POLICY,
        policy(policyTypes=["Ingress", "Egress", "Ingress"]),
        ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'],
    ),
    (INGRESS_CLASS, ingress_class(), []),
    (INGRESS_CLASS, ingress_class(kind="K", name="n", scope="Namespace", namespace="x"), []),
    (INGRESS_CLASS, ingress_class(""), ["spec.controller: Required value"]),
    (
        INGRESS_CLASS,
        ingress_class("c"),
        ['spec.controller: Invalid value: "c": must be a domain-prefixed path (such as "acme.io/foo")'],
    ),
    (
        INGRESS_CLASS,
        ingress_class(kind="", name=""),
        [f"{PARAMETERS}.kind: Required value", f"{PARAMETERS}.name: Required value"],
    ),
    (
        INGRESS_CLASS,
        ingress_class(kind="K", name="n", scope="Namespace"),
        [f"{PARAMETERS}.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ),
    (
        INGRESS_CLASS,
        ingress_class(kind="K", name="n", namespace="x"),
        [f"{PARAMETERS}.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ),
    (
        INGRESS_CLASS,
        ingress_class(kind="K", name="n", scope="All"),
        [f'{PARAMETERS}.scope: Unsupported value: "All": supported values: "Cluster", "Namespace"'],
    ),
    (REPLICATION_CONTROLLER, rc(), []),
    (REPLICATION_CONTROLLER, {"spec": {}}, ["spec.selector: Required value", "spec.template: Required value"]),
    (
        REPLICATION_CONTROLLER,
        rc(selector={"app": "other"}, replicas=-1),
        [
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
        ],
    ),
]


@pytest.mark.parametrize(("kind", "tree", "texts"), WRONG)
def test_what_is_wrong_is_said_in_upstreams_words(kind: Kind[Any], tree: Tree, texts: list[str]) -> None:
    assert wrong(kind, tree) == texts


def test_a_policy_is_about_what_its_rules_are_about() -> None:
    assert created(NETWORK_POLICY, policy()).spec.policyTypes == ["Ingress"]
    found = created(NETWORK_POLICY, policy(egress=[{"ports": [{"port": 53}]}]))
    assert found.spec.policyTypes == ["Ingress", "Egress"]
    assert found.spec.egress[0].ports[0].protocol == "TCP"


def test_the_parameters_of_a_class_are_cluster_scoped_unless_said_otherwise() -> None:
    assert created(INGRESS_CLASS, ingress_class(kind="K", name="n")).spec.parameters.scope == "Cluster"


def test_the_controller_of_a_class_stays() -> None:
    text = 'spec.controller: Invalid value: "b.example/c": field is immutable'
    assert wrong_update(INGRESS_CLASS, ingress_class("a.example/c"), ingress_class("b.example/c")) == [text]


def test_a_replication_controller_takes_its_selector_and_labels_from_its_template() -> None:
    found = created(REPLICATION_CONTROLLER, rc())
    assert (found.spec.selector, found.metadata.labels, found.spec.replicas) == ({"app": "web"}, {"app": "web"}, 1)
    assert found.spec.template.spec.restartPolicy == "Always"


def test_a_new_ingress_names_one_class_only() -> None:
    tree = {"metadata": {"name": "x", "annotations": {"kubernetes.io/ingress.class": "a"}}} | ingress()
    tree["spec"] = tree["spec"] | {"ingressClassName": "b"}
    (error,) = INGRESS.create_rules(created(INGRESS, tree))
    why = "must match `ingressClassName` when both are specified"
    assert str(error) == f'annotations.kubernetes.io/ingress.class: Invalid value: "a": {why}'
    (warning,) = INGRESS.warnings(created(INGRESS, tree))
    assert warning == (
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    )


def test_an_ingress_of_many_hosts_shows_three() -> None:
    rules = [{"host": f"{i}.example"} for i in range(5)]
    found = created(INGRESS, {"spec": {"defaultBackend": WEB, "rules": rules}})
    row = {column.name: column.cell(found, Instant(0.0)) for column in INGRESS.columns}
    assert row["Hosts"] == "0.example,1.example,2.example + 2 more..."
    assert (row["Class"], row["Address"], row["Ports"]) == ("<none>", "", "80")
