"""ConversionReview: the question to a conversion webhook and its answer. Pure.

Source: upstream's `apiextensions/v1`, the checks of answers and their texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.kinds.metadata import check_annotations, check_labels
from fairlead.machinery.values.quoting import go_quote

GROUP = "apiextensions.k8s.io"
VERSIONS = ("v1", "v1beta1")
_EMPTY: dict[str, Any] = {"uid": "", "convertedObjects": None, "result": {"metadata": {}}}
_TAKEN = ("annotations", "labels")


class InvalidAnswer(Exception):
    """The answer of a webhook breaks the protocol, or says that it failed."""


class _Result(msgspec.Struct):
    status: str = ""
    message: str = ""


class _Response(msgspec.Struct):
    uid: str = ""
    convertedObjects: list[msgspec.Raw] | None = None
    result: _Result = msgspec.field(default_factory=_Result)


class _Review(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""
    response: _Response | None = None


class _Header(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


_decode = msgspec.json.Decoder(_Review).decode
_header = msgspec.json.Decoder(_Header).decode
_tree = msgspec.json.Decoder(dict[str, Any]).decode


def version_for(accepted: Sequence[str]) -> str | None:
    """Returns the first version of ConversionReview that both sides know."""
    return next((version for version in accepted if version in VERSIONS), None)


def review_body(objects: Sequence[bytes], *, version: str, uid: str, desired: str) -> bytes:
    """Returns the question: the objects, and the API version that they should have."""
    request = {"uid": uid, "desiredAPIVersion": desired, "objects": [msgspec.Raw(one) for one in objects]}
    head = {"kind": "ConversionReview", "apiVersion": f"{GROUP}/{version}"}
    return msgspec.json.encode(head | {"request": request, "response": _EMPTY})


def read_answer(body: bytes, *, version: str, uid: str) -> list[bytes]:
    """Returns the converted objects, which are not checked yet. Raises InvalidAnswer."""
    try:
        review = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise InvalidAnswer(str(e)) from e
    strict = version == "v1"  # upstream does not check more of the older version
    wanted, got = _named(f"{GROUP}/v1", "ConversionReview"), _named(review.apiVersion, review.kind)
    if strict and wanted != got:
        raise InvalidAnswer(f"expected webhook response of {wanted}, got {got}")
    response = review.response
    if response is None:
        raise InvalidAnswer("no response provided")
    if strict and response.uid != uid:
        raise InvalidAnswer(f"expected response.uid={go_quote(uid)}, got {go_quote(response.uid)}")
    if response.result.status != "Success":
        status = response.result.status
        raise InvalidAnswer(response.result.message or f"response.result.status was '{status}', not 'Success'")
    return [bytes(one) for one in response.convertedObjects or []]


def checked(original: bytes, converted: bytes, *, desired: str) -> bytes:
    """Returns a converted object with the metadata of the original, except for labels and annotations. Raises
    InvalidAnswer with a text that continues "returned invalid"."""
    try:
        before, after, tree = _header(original), _header(converted), _tree(converted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise InvalidAnswer(f"object: {e}") from e
    if after.apiVersion != desired:
        text = f"invalid groupVersion (expected {desired}, received {after.apiVersion})"
        raise InvalidAnswer(f"object at index 0: {text}")
    if after.kind != before.kind:
        raise InvalidAnswer(f"object at index 0: invalid kind (expected {before.kind}, received {after.kind})")
    for name, text in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        expected, got = getattr(before.metadata, name), getattr(after.metadata, name)
        if expected != got:
            raise InvalidAnswer(f"object: must have the same {text}: {expected} != {got}")
    errors = [
        *check_labels(after.metadata.labels, "metadata.labels"),
        *check_annotations(after.metadata.annotations, "metadata.annotations"),
    ]
    if errors:
        raise InvalidAnswer(f"metadata: {', '.join(map(str, errors))}")
    kept, given = _tree(original)["metadata"], tree.get("metadata") or {}
    metadata = {key: value for key, value in kept.items() if key not in _TAKEN}
    metadata |= {key: given[key] for key in _TAKEN if given.get(key)}
    return msgspec.json.encode({"kind": after.kind, "apiVersion": desired} | tree | {"metadata": metadata})


def _named(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={kind}"
