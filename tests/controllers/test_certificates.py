"""The controllers of certificate requests: approving, signing and cleaning."""

from __future__ import annotations

import datetime

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fairlead.api.certificates.certificatesigningrequest.request import contents
from fairlead.api.certificates.certificatesigningrequest.types import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestSpec,
    CertificateSigningRequestStatus,
)
from fairlead.api.certificates.signernames import API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.certificates.approving.plan import approval, is_open, permissions
from fairlead.controllers.certificates.cleaning.plan import reconcile
from fairlead.controllers.certificates.signing.authority import Authority, AuthorityFiles
from fairlead.controllers.certificates.signing.plan import Validity, failure, is_ready, issue, problem, validity
from tests.api.signing import KEY, authority, certificate, request
from tests.controllers.applying import applied

NOW = Instant(1_700_000_000.0)
HOUR = 3600
NODE = ("system:node:node1", "system:nodes")
CLIENT_USAGES = ["digital signature", "key encipherment", "client auth"]
SERVER_USAGES = ["digital signature", "key encipherment", "server auth"]


def signing_request(
    signer: str = KUBELET_CLIENT, text: str = "", usages: list[str] | None = None, username: str = ""
) -> CertificateSigningRequest:
    spec = CertificateSigningRequestSpec(
        request=text or request(*NODE), signerName=signer, usages=usages or CLIENT_USAGES, username=username
    )
    meta = ObjectMeta(name="a", uid="1", creationTimestamp=render_time(NOW))
    return CertificateSigningRequest(metadata=meta, spec=spec)


def decided(found: CertificateSigningRequest, type: str, *, certificate: str = "") -> CertificateSigningRequest:
    condition = CertificateSigningRequestCondition(type=type, status="True", lastUpdateTime=render_time(NOW))
    status = CertificateSigningRequestStatus(conditions=[condition], certificate=certificate)
    return msgspec.structs.replace(found, status=status)


def names(found: CertificateSigningRequest) -> list[str]:
    return [permission.subresource for permission in permissions(found, contents(found.spec.request))]


def test_a_node_needs_one_right_for_its_own_certificate_and_another_for_one_of_another_node() -> None:
    assert names(signing_request(username="system:node:node1")) == ["selfnodeclient", "nodeclient"]
    assert names(signing_request(username="system:bootstrap:abc")) == ["nodeclient"]


@pytest.mark.parametrize(
    ("signer", "text", "usages"),
    [
        (API_CLIENT, request(*NODE), CLIENT_USAGES),
        (KUBELET_SERVING, request(*NODE, dns=("node1",)), SERVER_USAGES),
        (KUBELET_CLIENT, request("ann", "system:nodes"), CLIENT_USAGES),
        (KUBELET_CLIENT, request(NODE[0], "system:nodes", "system:masters"), CLIENT_USAGES),
        (KUBELET_CLIENT, request(*NODE, dns=("a",)), CLIENT_USAGES),
        (KUBELET_CLIENT, request(*NODE), [*CLIENT_USAGES, "server auth"]),
    ],
)
def test_no_other_request_is_approved_without_a_user(signer: str, text: str, usages: list[str]) -> None:
    assert names(signing_request(signer, text, usages, username=NODE[0])) == []


def test_an_approval_is_made_once() -> None:
    found = signing_request(username=NODE[0])
    assert is_open(found)
    plan = approval(found, permissions(found, contents(found.spec.request))[0])
    (update,) = plan.update
    assert update.subresource == "approval"
    (approved,) = applied(plan, [found], CertificateSigningRequest)
    (condition,) = approved.status.conditions
    text = "Auto approving self kubelet client certificate after SubjectAccessReview."
    assert (condition.type, condition.reason, condition.message) == ("Approved", "AutoApproved", text)
    assert not is_open(approved)
    assert found.status.conditions == []


@pytest.mark.parametrize(
    ("signer", "text", "usages", "expected"),
    [
        (API_CLIENT, request("ann", "devs"), ["client auth"], ""),
        (
            API_CLIENT,
            request("ann"),
            ["digital signature"],
            "missing required usage for client certificate: client auth",
        ),
        (API_CLIENT, request("ann"), ["client auth", "cert sign"], "invalid usage for client certificate: cert sign"),
        (KUBELET_CLIENT, request(*NODE), CLIENT_USAGES, ""),
        (KUBELET_CLIENT, request(*NODE), ["digital signature", "client auth"], ""),
        (
            KUBELET_CLIENT,
            request(*NODE),
            ["client auth"],
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (KUBELET_CLIENT, request("system:node:a"), CLIENT_USAGES, "subject organization is not system:nodes"),
        (
            KUBELET_CLIENT,
            request("ann", "system:nodes"),
            CLIENT_USAGES,
            "subject common name does not begin with system:node:",
        ),
        (KUBELET_CLIENT, request(*NODE, ips=("10.0.0.1",)), CLIENT_USAGES, "IP subjectAltNames are not allowed"),
        (KUBELET_CLIENT, request(*NODE, emails=("a@b.c",)), CLIENT_USAGES, "Email subjectAltNames are not allowed"),
        (KUBELET_CLIENT, request(*NODE, uris=("https://a",)), CLIENT_USAGES, "URI subjectAltNames are not allowed"),
        (KUBELET_CLIENT, request(*NODE, dns=("a",)), CLIENT_USAGES, "DNS subjectAltNames are not allowed"),
        (KUBELET_SERVING, request(*NODE, dns=("node1",)), SERVER_USAGES, ""),
        (KUBELET_SERVING, request(*NODE), SERVER_USAGES, "DNS or IP subjectAltName is required"),
        (
            KUBELET_SERVING,
            request(*NODE, ips=("10.0.0.1",)),
            CLIENT_USAGES,
            "usages did not match [digital signature key encipherment server auth]",
        ),
        ("kubernetes.io/legacy-unknown", request("ann"), ["cert sign"], ""),
    ],
)
def test_each_signer_refuses_requests_that_are_not_for_it(
    signer: str, text: str, usages: list[str], expected: str
) -> None:
    assert problem(signer, contents(text), usages) == expected


def test_only_approved_requests_of_built_in_signers_are_signed_once() -> None:
    found = signing_request()
    assert not is_ready(found)
    assert not is_ready(decided(found, "Denied"))
    assert not is_ready(decided(signing_request("example.com/mine"), "Approved"))
    approved = decided(found, "Approved")
    assert is_ready(approved)
    for plan in (failure(approved, "no", now=NOW), issue(approved, "eA==")):
        (done,) = applied(plan, [approved], CertificateSigningRequest)
        assert not is_ready(done)


def test_a_certificate_has_the_subject_names_and_key_of_the_request_and_the_usages_of_the_object() -> None:
    signer = Authority(AuthorityFiles(*authority()))
    text = request("ann", "devs", "ops", dns=("a.example",), ips=("10.0.0.1",))
    usages = ["key encipherment", "digital signature", "server auth", "client auth", "encipher only"]
    made = certificate(signer.sign(text, usages, Validity(NOW - 300, NOW + HOUR)))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority()[0]))
    assert made.public_key() == KEY.public_key()
    subject = made.subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["ann"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["devs", "ops"]
    alternative = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["a.example"]
    assert [str(ip) for ip in alternative.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    flags = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (flags.digital_signature, flags.key_encipherment, flags.key_cert_sign) == (True, True, False)
    purposes = list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert purposes == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert made.not_valid_before_utc == datetime.datetime.fromtimestamp(NOW - 300, datetime.UTC)
    assert made.not_valid_after_utc == datetime.datetime.fromtimestamp(NOW + HOUR, datetime.UTC)


def test_a_request_cannot_make_itself_an_authority() -> None:
    signer = Authority(AuthorityFiles(*authority()))
    made = certificate(signer.sign(request("ann"), ["client auth"], Validity(NOW, NOW + HOUR)))
    found = {extension.oid._name for extension in made.extensions}
    assert found == {"basicConstraints", "authorityKeyIdentifier", "extendedKeyUsage"}


@pytest.mark.parametrize(
    ("asked_s", "end"),
    [
        (None, NOW + 365 * 24 * HOUR - 300),
        (1, NOW + 600),
        (HOUR, NOW + HOUR),
        (8 * HOUR, NOW + 8 * HOUR - 300),
        (10**9, NOW + 365 * 24 * HOUR - 300),
    ],
)
def test_a_certificate_is_valid_as_long_as_asked_but_a_year_at_most(asked_s: int | None, end: float) -> None:
    assert validity(asked_s, authority_end=4e9, now=NOW) == Validity(NOW - 300, end)


def test_no_certificate_outlives_the_authority() -> None:
    assert validity(None, authority_end=NOW + 9, now=NOW).end == NOW + 9


@pytest.mark.parametrize(
    ("found", "ends", "stays_s"),
    [
        (signing_request(), None, 24 * HOUR),
        (decided(signing_request(), "Approved"), None, 24 * HOUR),
        (decided(signing_request(), "Approved", certificate="eA=="), NOW + 10 * HOUR, HOUR),
        (decided(signing_request(), "Approved", certificate="eA=="), NOW + 600, 600),
        (decided(signing_request(), "Denied"), None, HOUR),
        (decided(signing_request(), "Failed"), None, HOUR),
    ],
)
def test_an_old_request_is_deleted_and_until_then_it_waits(
    found: CertificateSigningRequest, ends: float | None, stays_s: float
) -> None:
    waits = reconcile(found, ends, now=NOW)
    assert (waits.delete, waits.retry_after) == ((), stays_s + 1)
    (deleted,) = reconcile(found, ends, now=Instant(NOW + stays_s + 0.5)).delete
    assert deleted.obj is found


def test_a_request_with_an_unknown_condition_stays() -> None:
    assert not reconcile(decided(signing_request(), "Odd"), None, now=Instant(NOW + 10**9))
