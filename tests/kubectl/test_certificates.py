"""A user asks for a certificate with the real kubectl, is approved, and logs in with it."""

from __future__ import annotations

import base64
import json

import pytest

from tests.api.signing import key_pem, request
from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


def ask(kubectl: Kubectl, name: str, text: str, signer: str, *usages: str) -> None:
    spec = {"request": text, "signerName": signer, "usages": list(usages), "expirationSeconds": 3600}
    tree = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}}
    path = kubectl.manifests / f"{name}.json"
    path.write_text(json.dumps(tree | {"spec": spec}))
    kubectl("create", "-f", str(path))


def certificate(kubectl: Kubectl, name: str) -> str:
    return kubectl("get", "csr", name, "-o", "jsonpath={.status.certificate}")


def test_a_certificate_that_was_approved_logs_its_owner_in(kubectl: Kubectl) -> None:
    ask(kubectl, "ann", request("ann", "devs", "ops"), "kubernetes.io/kube-apiserver-client", "client auth")
    assert "Pending" in kubectl("get", "csr", "ann")
    assert kubectl("certificate", "approve", "ann") == "certificatesigningrequest.certificates.k8s.io/ann approved\n"
    until("the request is signed", lambda: certificate(kubectl, "ann"))
    assert "Approved,Issued" in kubectl("get", "csr", "ann")
    (kubectl.manifests / "ann.crt").write_bytes(base64.b64decode(certificate(kubectl, "ann")))
    (kubectl.manifests / "ann.key").write_bytes(key_pem())
    for file in ("ann.crt", "ann.key"):
        (kubectl.manifests / file).chmod(0o644)
    login = ("--client-certificate", "ann.crt", "--client-key", "ann.key", "--user", "signed")
    kubectl("config", "set-credentials", "signed")
    tree = json.loads(kubectl(*login, "auth", "whoami", "-o", "json"))
    info = tree["status"]["userInfo"]
    assert info["username"] == "ann"
    assert {"devs", "ops", "system:authenticated"} <= set(info["groups"])


def test_a_denied_request_stays_without_a_certificate_and_a_wrong_one_fails(kubectl: Kubectl) -> None:
    ask(kubectl, "bob", request("bob"), "kubernetes.io/kube-apiserver-client", "client auth")
    kubectl("certificate", "deny", "bob")
    ask(kubectl, "eve", request("eve"), "kubernetes.io/kube-apiserver-client", "client auth", "cert sign")
    kubectl("certificate", "approve", "eve")
    until("the signer refuses the request", lambda: "Approved,Failed" in kubectl("get", "csr", "eve"))
    assert "Denied" in kubectl("get", "csr", "bob")
    assert certificate(kubectl, "bob") == certificate(kubectl, "eve") == ""
    assert "invalid usage for client certificate: cert sign" in kubectl("get", "csr", "eve", "-o", "yaml")
