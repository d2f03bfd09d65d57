"""Wrong manifests and the exact errors in the real kubectl, byte by byte.

The table of `reference-behaviour.md` part 2. `{file}` stands for the manifest's name.
"""

from __future__ import annotations

import itertools

import pytest

from .conftest import Kubectl

pytestmark = pytest.mark.slow

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: x
spec:
{selector}  template:
    metadata:
      labels:
        app: {label}
    spec:
      containers:
      - name: web
        image: nginx
        ports:
        - containerPort: 80
          protocol: {protocol}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
{spec}"""
PORT = "  ports:\n  - port: 80\n"
NAME_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
STRICT = 'Error from server (BadRequest): error when creating "{file}": '
SERVICE_SHAPE = STRICT + 'Service in version "v1" cannot be handled as a Service: '
JSON = SERVICE_SHAPE + "json: cannot unmarshal "
DEPLOYMENT_SHAPE = STRICT + 'Deployment in version "v1" cannot be handled as a Deployment: '
YAML = "error: error parsing {file}: error converting YAML to JSON: yaml: "
INVALID = 'The Service "x" is invalid: '
TEMPLATE_LABELS = (
    'spec.template.metadata.labels: Invalid value: {"app":"nginx"}: `selector` does not match template `labels`'
)
_SELECTOR = "  selector:\n    matchLabels:\n      app: web\n"


def deployment(selector: str = _SELECTOR, label: str = "web", protocol: str = "TCP") -> str:
    return _DEPLOYMENT.format(selector=selector, label=label, protocol=protocol)


def service(spec: str = PORT, name: str = "x") -> str:
    return _SERVICE.format(name=name, spec=spec)


MISTAKES: dict[str, tuple[str, str]] = {
    "misspelt selector": (
        deployment("  selector:\n    matchLables:\n      app: web\n"),
        DEPLOYMENT_SHAPE + 'strict decoding error: unknown field "spec.selector.matchLables"\n',
    ),
    "no selector": (
        deployment("", label="nginx"),
        'The Deployment "x" is invalid: \n* spec.selector: Required value\n* ' + TEMPLATE_LABELS + "\n",
    ),
    "a selector that does not match": (
        deployment(label="nginx"),
        'The Deployment "x" is invalid: ' + TEMPLATE_LABELS + "\n",
    ),
    "lower-case protocol of a container": (
        deployment(protocol="tcp"),
        'The Deployment "x" is invalid: spec.template.spec.containers[0].ports[0].protocol: Unsupported value: "tcp": '
        'supported values: "SCTP", "TCP", "UDP"\n',
    ),
    **{
        f"type {type}": (
            service(f"  type: {type}\n{PORT}"),
            f'{INVALID}spec.type: Unsupported value: "{type}": supported values: "ClusterIP", "ExternalName", '
            '"LoadBalancer", "NodePort"\n',
        )
        for type in ("LoadBalncer", "Nodeport", "LoadBalance")
    },
    **{
        f"protocol {protocol}": (
            service(f"{PORT}    protocol: {protocol}\n"),
            f'{INVALID}spec.ports[0].protocol: Unsupported value: "{protocol}": supported values: "SCTP", "TCP", '
            '"UDP"\n',
        )
        for protocol in ("tcp", "HTTP")
    },
    "a tab at a key": (
        service().replace("  name: x", "\tname: x"),
        YAML + "line 4: found character that cannot start any token\n",
    ),
    "a tab in deeper indentation": (
        service("  ports:\n  - port: 80\n\ttargetPort: 80\n"),
        YAML + "line 8: found a tab character that violates indentation\n",
    ),
    "no space after apiVersion's colon": (
        service().replace("apiVersion: v1", "apiVersion:v1"),
        YAML + "line 2: mapping values are not allowed in this context\n",
    ),
    "no space after kind's colon": (
        service().replace("kind: Service", "kind:Service"),
        YAML + "line 3: could not find expected ':'\n",
    ),
    "no space after name's colon": (
        service().replace("name: x", "name:x"),
        'error: unable to decode "{file}": json: cannot unmarshal string into Go struct field '
        "metadataOnlyObject.metadata of type v1.ObjectMeta\n",
    ),
    "no space after a port's colon": (
        service("  ports:\n  - port:80\n    targetPort: 80\n"),
        YAML + "line 8: mapping values are not allowed in this context\n",
    ),
    "no space after a label's colon": (
        service("  selector:\n    app:nginx\n" + PORT),
        JSON + "string into Go struct field ServiceSpec.spec.selector of type map[string]string\n",
    ),
    "a selector that is not indented": (
        service("  selector:\n  app: x\n" + PORT),
        SERVICE_SHAPE + 'strict decoding error: unknown field "spec.app"\n',
    ),
    "ports as a map": (
        service("  ports:\n    port: 80\n"),
        JSON + "object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort\n",
    ),
    "list items out of line": (
        service("  ports:\n    - port: 80\n    name: x\n"),
        YAML + "line 7: did not find expected '-' indicator\n",
    ),
    "a mapping out of line": (
        service("  ports:\n  - port: 80\n selector:\n"),
        YAML + "line 7: did not find expected key\n",
    ),
    "an unclosed quote": (
        service('  externalName: "x\n'),
        YAML + "line 7: found unexpected end of stream\n",
    ),
    "no apiVersion": (
        service().replace("apiVersion: v1\n", ""),
        'error: error validating "{file}": error validating data: apiVersion not set; if you choose to ignore these '
        "errors, turn validation off with --validate=false\n",
    ),
    "no kind": (
        service().replace("kind: Service\n", ""),
        'error: error validating "{file}": error validating data: kind not set; if you choose to ignore these '
        "errors, turn validation off with --validate=false\n",
    ),
    "an empty file": ("", "error: no objects passed to create\n"),
    "an apiVersion of old": (
        deployment().replace("apps/v1", "apps/v1beta1"),
        'error: resource mapping not found for name: "x" namespace: "" from "{file}": no matches for kind "Deployment" '
        'in version "apps/v1beta1"\nensure CRDs are installed first\n',
    ),
    "an apiVersion in capitals": (
        service().replace("apiVersion: v1", "apiVersion: V1"),
        'error: resource mapping not found for name: "x" namespace: "" from "{file}": no matches for kind "Service" '
        'in version "V1"\nensure CRDs are installed first\n',
    ),
    "Virtual_IP as a name": (
        service(name="Virtual_IP"),
        f'The Service "Virtual_IP" is invalid: metadata.name: Invalid value: "Virtual_IP": {NAME_1123}\n',
    ),
    "Virtual_IP as an address": (
        service(f"  clusterIP: Virtual_IP\n{PORT}"),
        f'{INVALID}spec.clusterIPs[0]: Invalid value: "Virtual_IP": must be a valid IP address, '
        "(e.g. 10.9.8.7 or 2001:db8::ffff)\n",
    ),
    "Virtual_IP as a field": (
        service(f"  Virtual_IP: 10.96.0.7\n{PORT}"),
        SERVICE_SHAPE + 'strict decoding error: unknown field "spec.Virtual_IP"\n',
    ),
    "ClusterIP with a capital": (
        service(f"  ClusterIP: None\n{PORT}"),
        SERVICE_SHAPE + 'strict decoding error: unknown field "spec.ClusterIP"\n',
    ),
    "two unknown fields": (
        service(f"  foo: 1\n  bar: 2\n{PORT}"),
        SERVICE_SHAPE + 'strict decoding error: unknown field "spec.bar", unknown field "spec.foo"\n',
    ),
    "targetPort in quotes": (
        service(f'{PORT}    targetPort: "80"\n'),
        f'{INVALID}spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)\n',
    ),
    "two ports without names": (
        service("  ports:\n  - port: 80\n  - port: 81\n"),
        'The Service "x" is invalid: \n* spec.ports[0].name: Required value\n* spec.ports[1].name: Required value\n',
    ),
    "no ports": (service("  selector:\n    app: x\n"), f"{INVALID}spec.ports: Required value\n"),
    "a node port out of range": (
        service(f"  type: NodePort\n{PORT}    nodePort: 80\n"),
        f"{INVALID}spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767\n",
    ),
    "a node port of a ClusterIP": (
        service(f"{PORT}    nodePort: 30080\n"),
        f"{INVALID}spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n",
    ),
    "externalTrafficPolicy of a ClusterIP": (
        service(f"  externalTrafficPolicy: Cluster\n{PORT}"),
        f'{INVALID}spec.externalTrafficPolicy: Invalid value: "Cluster": '
        "may only be set for externally-accessible services\n",
    ),
    "source ranges without a load balancer": (
        service(f"  loadBalancerSourceRanges: [10.0.0.0/8]\n{PORT}"),
        f"{INVALID}spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'\n",
    ),
    **{
        f"headless {type}": (
            service(f"  type: {type}\n  clusterIP: None\n{PORT}"),
            f"{INVALID}spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for {type} services\n",
        )
        for type in ("NodePort", "LoadBalancer")
    },
    "ExternalName without a name": (
        service("  type: ExternalName\n"),
        f"{INVALID}spec.externalName: Required value\n",
    ),
    "ExternalName with an address": (
        service("  type: ExternalName\n  externalName: a.example\n  clusterIP: 10.96.0.7\n"),
        f"{INVALID}spec.clusterIPs: Forbidden: may not be set for ExternalName services\n",
    ),
    "kind in lower case": (
        service().replace("kind: Service", "kind: service"),
        # kubectl lacks a schema of the kind and finds no CustomResourceDefinition of it, so the server decides.
        f'{STRICT}service in version "v1" cannot be handled as a Service: no kind "service" is registered for '
        'version "v1" in scheme "fairlead"\n',
    ),
}
_number = itertools.count()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_manifest_gets_upstreams_answer_to_the_letter(kubectl: Kubectl, name: str) -> None:
    manifest, answer = MISTAKES[name]
    file = kubectl.file(f"mistake{next(_number)}.yaml", manifest)
    done = kubectl.run("create", "-f", file)
    assert (done.stdout, done.stderr) == ("", answer.replace("{file}", file))
    assert done.returncode == 1


def test_without_validation_a_misspelt_selector_is_an_empty_one(kubectl: Kubectl) -> None:
    file = kubectl.file("unchecked.yaml", MISTAKES["misspelt selector"][0])
    done = kubectl.run("create", "--validate=false", "-f", file)
    text = "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
    assert text in done.stderr


def test_several_wrong_objects_of_one_file_are_all_reported(kubectl: Kubectl) -> None:
    both = service("  selector:\n    app: x\n") + "---\n" + service(f"  type: Nodeport\n{PORT}", name="other")
    done = kubectl.run("create", "-f", kubectl.file("both.yaml", both))
    types = 'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
    assert done.stderr == (
        'Error from server (Invalid): error when creating "both.yaml": Service "x" is invalid: '
        "spec.ports: Required value\n"
        'Error from server (Invalid): error when creating "both.yaml": Service "other" is invalid: '
        f'spec.type: Unsupported value: "Nodeport": {types}\n'
    )


def test_unusual_but_valid_manifests_are_accepted(kubectl: Kubectl) -> None:
    trailing_tab = service().replace("port: 80", "port: 80\t").replace("name: x", "name : odd")
    assert kubectl("create", "-f", kubectl.file("odd.yaml", trailing_tab)) == "service/odd created\n"
    twice = service(f"  type: NodePort\n{PORT}  type: ClusterIP\n", name="twice")
    assert kubectl("create", "-f", kubectl.file("twice.yaml", twice)) == "service/twice created\n"
    assert kubectl("get", "svc", "twice", "-o", "jsonpath={.spec.type}") == "ClusterIP"
    alias = service(f"  type: ExternalName\n  externalName: a.example\n{PORT}", name="alias")
    done = kubectl.run("create", "-f", kubectl.file("alias.yaml", alias))
    assert done.stdout == "service/alias created\n"
    assert done.stderr == 'Warning: spec.ports is ignored when spec.type is "ExternalName"\n'
    unmatched = service("  selector:\n    app: webuy\n" + PORT, name="unmatched")
    assert kubectl("create", "-f", kubectl.file("unmatched.yaml", unmatched)) == "service/unmatched created\n"


def test_a_repeated_create_and_an_allocated_port_are_refused(kubectl: Kubectl) -> None:
    one = service(f"  type: NodePort\n{PORT}    nodePort: 30111\n", name="once")
    assert kubectl("create", "-f", kubectl.file("once.yaml", one)) == "service/once created\n"
    assert kubectl.run("create", "-f", "once.yaml").stderr == (
        'Error from server (AlreadyExists): error when creating "once.yaml": services "once" already exists\n'
    )
    kubectl.file("again.yaml", one.replace("once", "again"))
    assert kubectl.run("create", "-f", "again.yaml").stderr == (
        'The Service "again" is invalid: spec.ports[0].nodePort: Invalid value: 30111: '
        "provided port is already allocated\n"
    )
    plain = kubectl.file("plain.yaml", service(name="plain"))
    assert kubectl("create", "-f", plain) == "service/plain created\n"
    assert kubectl.run("create", "-f", plain).stderr == (
        'Error from server (AlreadyExists): error when creating "plain.yaml": services "plain" already exists\n'
    )
    done = kubectl.run("create", "-f", "missing.yaml")
    assert done.stderr == 'error: the path "missing.yaml" does not exist\n'


def test_a_selector_stays_as_it_was_made(kubectl: Kubectl) -> None:
    file = kubectl.file("fixed.yaml", deployment().replace("name: x", "name: fixed"))
    kubectl("create", "-f", file)
    kubectl.file("fixed.yaml", deployment().replace("name: x", "name: fixed").replace("app: web", "app: other"))
    done = kubectl.run("replace", "-f", file)
    assert done.stderr == (
        'The Deployment "fixed" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: '
        "field is immutable\n"
    )
