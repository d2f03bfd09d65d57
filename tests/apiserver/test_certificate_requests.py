"""CertificateSigningRequest: who asks, refusals in upstream's words, approval and status, admission."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest

from fairlead.apiserver.auth.authorization import Decision
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from tests.api.signing import authority, field, request

from .harness import MERGE, Api, Tree, start, story
from .rbac import add_role, bind, rule
from .test_storage_classes import causes, named, row

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
ANN = User("ann", ("devs", "system:authenticated"), "7", {"shift": ("night",)})
APPROVED = {"type": "Approved", "status": "True", "reason": "ByTest", "message": "looks right"}
DENIED = APPROVED | {"type": "Denied"}
CERTIFICATE = field(authority()[0])


def signing_request(name: str = "ann", **spec: Any) -> Tree:
    return named(name, spec={"request": request("ann"), "signerName": CLIENT, "usages": ["client auth"]} | spec)


async def make(api: Api, name: str = "ann", **spec: Any) -> Tree:
    return await api.ok("POST", REQUESTS, signing_request(name, **spec))


async def decide(api: Api, *conditions: Tree, name: str = "ann", part: str = "approval") -> Tree:
    body = {"status": {"conditions": list(conditions)}}
    return await api.ok("PATCH", f"{REQUESTS}/{name}/{part}", body, content_type=MERGE)


@story
async def test_the_server_records_who_asks_and_ignores_what_the_client_says_of_that(api: Api) -> None:
    await add_role(api, "requester", rule("create", "certificatesigningrequests", "certificates.k8s.io"))
    await bind(api, "requester", "requester", "group:devs")
    asking = replace(api, user=ANN)
    made = await make(asking, username="root", groups=["system:masters"], extra={"a": ["b"]}, expirationSeconds=3600)
    spec = made["spec"]
    assert (spec["username"], spec["uid"], spec["extra"]) == ("ann", "7", {"shift": ["night"]})
    assert spec["groups"] == ["devs", "system:authenticated"]
    assert made["status"] == {}
    head = ["Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition"]
    assert await row(api, f"{REQUESTS}/ann") == (head, ["ann", "0s", CLIENT, "ann", "60m", "Pending"])
    other = await api.ok("GET", REQUESTS, query={"fieldSelector": "spec.signerName=example.com/other"})
    same = await api.ok("GET", REQUESTS, query={"fieldSelector": f"spec.signerName={CLIENT}"})
    assert (len(other["items"]), len(same["items"])) == (0, 1)


@pytest.mark.parametrize(
    ("spec", "path", "text"),
    [
        ({"request": ""}, "request", 'Invalid value: "": PEM block type must be CERTIFICATE REQUEST'),
        ({"usages": []}, "usages", "Required value"),
        ({"usages": ["client auth", "client auth"]}, "usages[1]", 'Duplicate value: "client auth"'),
        ({"signerName": ""}, "signerName", "Required value"),
        (
            {"signerName": "me"},
            "signerName",
            "Invalid value: \"me\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
        (
            {"signerName": "example/me"},
            "signerName",
            'Invalid value: "example": should be a domain with at least two segments separated by dots',
        ),
        (
            {"signerName": "kubernetes.io/legacy-unknown"},
            "signerName",
            'Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
        ),
        (
            {"expirationSeconds": 599},
            "expirationSeconds",
            "Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_upstreams_words(spec: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", REQUESTS, signing_request(**spec))) == [(f"spec.{path}", text)]

    check()


@story
async def test_an_unknown_usage_and_a_wrong_signature_are_refused(api: Api) -> None:
    ((path, text),) = causes(await api.error("POST", REQUESTS, signing_request(usages=["sailing"])))
    assert (path, text.startswith('Unsupported value: "sailing": supported values: "any"')) == ("spec.usages[0]", True)
    pem = base64.b64decode(request("ann")).decode()
    lines = pem.splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    forged = f"{lines[0]}\n{base64.b64encode(der).decode()}\n{lines[-1]}\n"
    ((path, text),) = causes(await api.error("POST", REQUESTS, signing_request(request=field(forged.encode()))))
    assert (path, text.rpartition(": ")[2]) == ("spec.request", "ECDSA verification failure")


@story
async def test_a_request_never_changes_and_no_client_decides_about_it_in_passing(api: Api) -> None:
    made = await make(api)
    changed = {"spec": {"signerName": "example.com/other"}, "status": {"conditions": [APPROVED]}}
    labels = {"metadata": {"labels": {"a": "b"}}}
    found = await api.ok("PUT", f"{REQUESTS}/ann", made | changed | {"metadata": made["metadata"] | labels["metadata"]})
    assert (found["spec"], found["status"], found["metadata"]["labels"]) == (made["spec"], {}, {"a": "b"})
    made = await api.ok("POST", REQUESTS, signing_request("bob") | {"status": {"conditions": [APPROVED]}})
    assert made["status"] == {}


@story
async def test_an_approval_stays_and_excludes_a_denial(api: Api) -> None:
    await make(api)
    (condition,) = (await decide(api, APPROVED))["status"]["conditions"]
    assert condition["lastUpdateTime"] == condition["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    assert (await row(api, f"{REQUESTS}/ann"))[1][-1] == "Approved"
    body = {"status": {"conditions": [APPROVED, DENIED]}}
    error = await api.error("PATCH", f"{REQUESTS}/ann/approval", body, content_type=MERGE)
    text = 'Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    assert causes(error) == [("status.conditions", text)]
    error = await api.error("PATCH", f"{REQUESTS}/ann/approval", {"status": {"conditions": None}}, content_type=MERGE)
    text = 'Forbidden: updates may not remove a condition of type "Approved"'
    assert causes(error) == [("status.conditions", text)]
    wrong = {"status": {"conditions": [APPROVED, {"type": "", "status": ""}, {"type": "Failed", "status": "False"}]}}
    assert causes(await api.error("PATCH", f"{REQUESTS}/ann/approval", wrong, content_type=MERGE)) == [
        ("status.conditions[1].type", "Required value"),
        ("status.conditions[1].status", "Required value"),
        ("status.conditions[2].status", 'Unsupported value: "False": supported values: "True"'),
    ]


@story
async def test_approval_writes_conditions_and_metadata_but_no_certificate(api: Api) -> None:
    await make(api)
    body = {
        "metadata": {"annotations": {"why": "because"}},
        "status": {"conditions": [APPROVED], "certificate": CERTIFICATE},
    }
    found = await api.ok("PATCH", f"{REQUESTS}/ann/approval", body, content_type=MERGE)
    assert found["metadata"]["annotations"] == {"why": "because"}
    assert "certificate" not in found["status"]
    names = [r["name"] for r in (await api.ok("GET", "/apis/certificates.k8s.io/v1"))["resources"]]
    assert names == [f"certificatesigningrequests{part}" for part in ("", "/approval", "/status")]


@story
async def test_the_certificate_is_set_once_through_status(api: Api) -> None:
    await make(api)
    await decide(api, APPROVED)
    path = f"{REQUESTS}/ann/status"
    for wrong, text in (
        (field(b"nothing"), "must contain at least one CERTIFICATE PEM block"),
        (request("ann"), 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
        (
            field(b"-----BEGIN CERTIFICATE-----\na: b\n\nAAAA\n-----END CERTIFICATE-----\n"),
            "no PEM block headers are permitted",
        ),
        (field(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "x509: malformed certificate"),
    ):
        error = await api.error("PATCH", path, {"status": {"certificate": wrong}}, content_type=MERGE)
        assert causes(error) == [("status.certificate", f'Invalid value: "<certificate data>": {text}')]
    found = await api.ok("PATCH", path, {"status": {"certificate": CERTIFICATE}}, content_type=MERGE)
    assert (await row(api, f"{REQUESTS}/ann"))[1][-1] == "Approved,Issued"
    other = field(authority()[0])
    error = await api.error("PATCH", path, {"status": {"certificate": other}}, content_type=MERGE)
    assert causes(error) == [("status.certificate", "Forbidden: updates may not modify existing certificate content")]
    failed = {"type": "Failed", "status": "True"}
    conditions = found["status"]["conditions"]
    both = await decide(api, conditions[0] | {"reason": "Other"}, failed, part="status")
    assert both["status"]["conditions"][0] == conditions[0], "a decision is made through approval only"
    assert (await row(api, f"{REQUESTS}/ann"))[1][-1] == "Approved,Failed,Issued"
    error = await api.error("PATCH", path, {"status": {"conditions": [*conditions, DENIED]}}, content_type=MERGE)
    assert ("status.conditions", 'Forbidden: updates may not add a condition of type "Denied"') in causes(error)


@story
async def test_no_request_asks_for_a_certificate_of_an_administrator(api: Api) -> None:
    error = await api.error("POST", REQUESTS, signing_request(request=request("ann", "system:masters")))
    text = f"use of {CLIENT} signer with system:masters group is not allowed"
    assert str(error) == f'certificatesigningrequests.certificates.k8s.io "ann" is forbidden: {text}'
    await make(api, request=request("ann", "system:masters"), signerName="example.com/mine")


class Signers:
    """Allows everything but acting for signers, which it allows for some names. Implements `Authorizer`."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self._allowed = allowed

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        if info.resource != "signers":
            return Decision("allowed")
        assert (info.api_group, info.api_version) == ("certificates.k8s.io", "*")
        return Decision("allowed" if (info.verb, info.name) in self._allowed else "denied")


async def _decisions(*allowed: tuple[str, str]) -> tuple[int, int]:
    """Returns the status of an approval and of a signature."""
    api = await start(extensions=Extensions(authorizers=(Signers(*allowed),)))
    try:
        await make(api)
        approved = {"status": {"conditions": [APPROVED]}}
        first = await api.call("PATCH", f"{REQUESTS}/ann/approval", approved, content_type=MERGE)
        signed = {"status": {"certificate": CERTIFICATE}}
        second = await api.call("PATCH", f"{REQUESTS}/ann/status", signed, content_type=MERGE)
        unchanged = await api.call("PATCH", f"{REQUESTS}/ann/status", {}, content_type=MERGE)
        assert unchanged.status == 200
        return first.status, second.status
    finally:
        await api.server.stop()


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ((), (403, 403)),
        ((("approve", CLIENT),), (200, 403)),
        ((("approve", "kubernetes.io/*"),), (200, 403)),
        ((("sign", CLIENT),), (403, 200)),
        ((("sign", "kubernetes.io/*"), ("approve", CLIENT)), (200, 200)),
    ],
)
def test_approving_and_signing_need_a_right_for_the_signer(
    allowed: tuple[tuple[str, str], ...], expected: tuple[int, int]
) -> None:
    assert asyncio.run(_decisions(*allowed)) == expected


def test_the_refusal_of_an_approval_names_the_signer() -> None:
    async def main() -> str:
        api = await start(extensions=Extensions(authorizers=(Signers(),)))
        try:
            await make(api)
            body = {"status": {"conditions": [APPROVED]}}
            return str(await api.error("PATCH", f"{REQUESTS}/ann/approval", body, content_type=MERGE))
        finally:
            await api.server.stop()

    text = f'user not permitted to approve requests with signerName "{CLIENT}"'
    assert asyncio.run(main()) == f'certificatesigningrequests.certificates.k8s.io "ann" is forbidden: {text}'
