"""AdmissionReview: the question to a webhook and its answer. Pure.

Source: upstream's `admission/v1`, the checks of answers and their texts.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import StatusError

Tree = dict[str, Any]
GROUP = "admission.k8s.io"
VERSIONS = ("v1", "v1beta1")


class InvalidAnswer(Exception):
    """The answer of a webhook breaks the protocol; the text says how."""


class _Response(msgspec.Struct):
    uid: str = ""
    allowed: bool = False
    status: dict[str, Any] | None = None
    patch: str | None = None
    patchType: str | None = None
    auditAnnotations: dict[str, str] | None = None
    warnings: list[str] | None = None


class _Review(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""
    response: _Response | None = None


class Answer(msgspec.Struct, frozen=True):
    """The decision of a webhook."""

    allowed: bool
    status: dict[str, Any] | None
    patch: list[Any]
    """The operations of a JSON patch; empty if the object stays as it is."""
    annotations: dict[str, str]
    warnings: list[str]


_decode = msgspec.json.Decoder(_Review).decode


def version_for(accepted: list[str]) -> str | None:
    """Returns the first version that the webhook accepts and the server speaks."""
    return next((version for version in accepted if version in VERSIONS), None)


def review_body(request: Tree, *, version: str, uid: str, new: Tree | None, old: Tree | None) -> bytes:
    """Returns the body to send."""
    full = request | {"uid": uid, "object": new, "oldObject": old}
    return msgspec.json.encode({"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": full})


def read_answer(body: bytes, *, version: str, uid: str, mutating: bool) -> Answer:
    """Returns the decision in an answer. Raises InvalidAnswer."""
    try:
        review = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as e:
        raise InvalidAnswer(f"couldn't decode the answer: {e}") from e
    response = review.response
    if response is None:
        raise InvalidAnswer("webhook response was absent")
    if version == "v1":
        _check(review, response, uid, mutating=mutating)
    patch = _patch(response) if mutating else []
    return Answer(
        response.allowed, response.status, patch, response.auditAnnotations or {}, list(response.warnings or ())
    )


def _check(review: _Review, response: _Response, uid: str, *, mutating: bool) -> None:
    if response.uid != uid:
        raise InvalidAnswer(f"expected response.uid={go_quote(uid)}, got {go_quote(response.uid)}")
    if (review.apiVersion, review.kind) != (f"{GROUP}/v1", "AdmissionReview"):
        given = f"{review.apiVersion or '/'}, Kind={review.kind}"
        raise InvalidAnswer(f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {given}")
    if not mutating:
        if response.patch:
            raise InvalidAnswer("validating webhook may not return response.patch")
        if response.patchType is not None:
            raise InvalidAnswer("validating webhook may not return response.patchType")
        return
    if response.patch and response.patchType is None:
        raise InvalidAnswer("webhook returned response.patch but not response.patchType")
    if not response.patch and response.patchType is not None:
        raise InvalidAnswer("webhook returned response.patchType but not response.patch")
    if response.patchType == "":
        raise InvalidAnswer('webhook returned invalid response.patchType of ""')
    if response.patchType not in (None, "JSONPatch"):
        raise InvalidAnswer(f"unsupported patch type {go_quote(response.patchType or '')}")


def _patch(response: _Response) -> list[Any]:
    if not response.patch:
        return []
    try:
        operations = msgspec.json.decode(base64.b64decode(response.patch, validate=True))
    except (binascii.Error, ValueError, RecursionError) as e:
        raise InvalidAnswer(f"received undecodable patch in webhook response: {e}") from e
    if not isinstance(operations, list):
        raise InvalidAnswer("received undecodable patch in webhook response: a JSON patch is a list of operations")
    return operations


def refusal(name: str, status: dict[str, Any] | None) -> StatusError:
    """Returns the error for a request that a webhook does not allow."""
    status = status or {}
    head = f"admission webhook {go_quote(name)} denied the request"
    text = status.get("message") or status.get("reason")
    message = f"{head}: {text}" if text else f"{head} without explanation"
    code = status.get("code")
    details = status.get("details")
    return StatusError(
        code if isinstance(code, int) and code >= 400 else 400,
        str(status.get("reason") or ""),
        message,
        details if isinstance(details, dict) else {},
    )
