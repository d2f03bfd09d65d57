"""Manifests with common mistakes, and the answers that kubectl then shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  type: {type}
  selector:
    app: webui
  ports:
  - protocol: {protocol}
    port: 80
    targetPort: 80
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: webui
spec:
  replicas: 3
  selector:
    matchLables:
      app: webui
  template:
    metadata:
      labels:
        app: webui
    spec:
      containers:
      - name: nginx-container
        image: nginx:1.14
"""
NO_SPACES = "apiVersion:apps/v1\nmetadata:\n  name: webui\nspec:\n  replicas:3\n"
TABS = SERVICE.format(name="x", type="ClusterIP", protocol="TCP").replace("    targetPort: 80", "\ttargetPort:80")


def service(name: str = "x", type: str = "ClusterIP", protocol: str = "TCP") -> str:
    return SERVICE.format(name=name, type=type, protocol=protocol)


@pytest.mark.parametrize(
    ("manifest", "answer"),
    [
        (
            DEPLOYMENT,
            'Error from server (BadRequest): error when creating "{file}": Deployment in version "v1" cannot be '
            'handled as a Deployment: strict decoding error: unknown field "spec.selector.matchLables"\n',
        ),
        (
            service(type="LoadBalncer"),
            'The Service "x" is invalid: spec.type: Unsupported value: "LoadBalncer": supported values: "ClusterIP", '
            '"ExternalName", "LoadBalancer", "NodePort"\n',
        ),
        (
            service(protocol="tcp"),
            'The Service "x" is invalid: spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", '
            '"TCP", "UDP"\n',
        ),
        (TABS, "found a tab character"),
        (NO_SPACES, "mapping values are not allowed in this context"),
        ("", "error: no objects passed to create\n"),
    ],
    ids=["misspelt-field", "misspelt-type", "lower-case-protocol", "tab", "no-space-after-colon", "empty"],
)
def test_a_wrong_manifest_gets_the_known_answer(kubectl: Kubectl, tmp_path: Path, manifest: str, answer: str) -> None:
    file = kubectl.manifests / "wrong.yaml"
    file.write_text(manifest)
    done = kubectl.try_("create", "-f", "wrong.yaml")
    assert done.returncode == 1
    assert answer.format(file="wrong.yaml") in done.stderr


def test_without_validation_the_empty_selector_is_what_is_wrong(kubectl: Kubectl) -> None:
    (kubectl.manifests / "wrong.yaml").write_text(DEPLOYMENT)
    done = kubectl.try_("create", "--validate=false", "-f", "wrong.yaml")
    assert done.returncode == 1
    assert "empty selector is invalid for deployment" in done.stderr


def test_the_same_name_again_is_refused(kubectl: Kubectl) -> None:
    (kubectl.manifests / "once.yaml").write_text(service("once"))
    kubectl("create", "-f", "once.yaml")
    done = kubectl.try_("create", "-f", "once.yaml")
    assert done.stderr == (
        'Error from server (AlreadyExists): error when creating "once.yaml": services "once" already exists\n'
    )


def test_apply_twice_changes_nothing(kubectl: Kubectl) -> None:
    (kubectl.manifests / "twice.yaml").write_text(service("twice"))
    assert kubectl("apply", "-f", "twice.yaml") == "service/twice created\n"
    assert kubectl("apply", "-f", "twice.yaml") == "service/twice unchanged\n"


def test_node_ports_lie_in_their_range(kubectl: Kubectl) -> None:
    wrong = service("ranged", "NodePort").replace("    port: 80", "    nodePort: 80\n    port: 80")
    (kubectl.manifests / "wrong.yaml").write_text(wrong)
    done = kubectl.try_("create", "-f", "wrong.yaml")
    assert (
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767" in done.stderr
    )
